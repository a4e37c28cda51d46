"""How long a model takes on the real chip: a cost model fitted to published measurements.

KPU layers: 64 output pixels of one (input channel group, output channel) pair per cycle whatever
the kernel, paid at full resolution before pooling; weights stream in at about 1 GB/s and overlap
with the computation from the second load on; a fixed cost per layer. Fitted to the layer table of
nncase issue #77 and the size table of bbs.sipeed.com topic 691 (within 4 %, 11 % at 16x16).
Depthwise layers have their own line. CPU layers: cost per element, scaled by the CPU clock;
dequantize is measured (0.404 ms for 9000 elements), the others are our estimates from it.
Not modelled: cache effects, other DMA traffic, the camera.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from k210sim.kpu import ai_ram
from k210sim.kpu.kmodel import layers as kl

WEIGHT_BYTES_PER_S = 1.0e9
FIXED_CYCLES = 4500
ROW_OVERHEAD = {1: 3.0, 9: 5.6}
OUTPUT_NS_PER_BYTE = 14.0
UPLOAD_NS_PER_BYTE = 10.0

# CPU cycles per element. Measured: dequantize. Estimates: the rest.
DEQUANTIZE_CYCLES = 18.0
CYCLES = {
    kl.Add: 14.0, kl.QuantizedAdd: 45.0, kl.GlobalAveragePool2d: 10.0,
    kl.QuantizedMaxPool2d: 12.0, kl.AveragePool2d: 14.0, kl.Quantize: 22.0,
    kl.Dequantize: DEQUANTIZE_CYCLES, kl.ChannelwiseDequantize: DEQUANTIZE_CYCLES,
    kl.Requantize: 8.0, kl.L2Normalization: 16.0, kl.Softmax: 120.0, kl.Logistic: 120.0,
    kl.Concat: 2.0, kl.QuantizedConcat: 2.0, kl.FullyConnected: 12.0, kl.TensorflowFlatten: 8.0,
    kl.QuantizedTensorflowFlatten: 8.0, kl.ResizeNearestNeighbor: 16.0,
    kl.QuantizedResizeNearestNeighbor: 16.0, kl.AddPadding: 8.0, kl.RemovePadding: 8.0,
}


@dataclass
class LayerCost:
    """Milliseconds of one layer, where it runs, and its multiplications before pooling."""

    index: int
    name: str
    ms: float
    on_kpu: bool
    macs: int = 0


@dataclass
class Forecast:
    """Predicted milliseconds on the chip: `upload_ms` for the input, `layers`, `total_ms`."""

    cpu_hz: float
    kpu_hz: float
    upload_ms: float
    layers: list[LayerCost]

    @property
    def total_ms(self) -> float:
        return self.upload_ms + sum(layer.ms for layer in self.layers)


def conv_seconds(regs, weight_item: int, kpu_hz: float) -> float:
    """One KPU layer without the copy of its output. weight_item: bytes per weight."""
    group, _, _ = ai_ram.layout(regs.in_width)
    lines = -(-regs.in_width // ai_ram.LINE)
    groups = -(-regs.in_channels // group)
    height = regs.in_height
    if regs.depthwise:
        return (2400 + lines * groups * (2.07 * height + 25)) / kpu_hz
    overhead = ROW_OVERHEAD[regs.taps]
    out, per = regs.out_channels, max(1, regs.o_ch_num_coef + 1)
    one = regs.in_channels * regs.taps * weight_item
    loads = [min(per, out - start) for start in range(0, out, per)]
    total = FIXED_CYCLES / kpu_hz + loads[0] * one / WEIGHT_BYTES_PER_S
    for i, count in enumerate(loads):
        cycles = lines * groups * count * (height + overhead) + lines * count * height / group
        following = loads[i + 1] * one / WEIGHT_BYTES_PER_S if i + 1 < len(loads) else 0.0
        total += max(cycles / kpu_hz, following)
    return total


def _elements(body) -> int:
    """Elements the CPU touches in a layer."""
    if isinstance(body, kl.FullyConnected):
        return body.in_channels * body.out_channels
    if isinstance(body, kl.QuantizedMaxPool2d):
        return (body.out_width * body.out_height * body.out_channels
                * body.kernel_width * body.kernel_height)
    if isinstance(body, kl.GlobalAveragePool2d):
        return body.channels * body.kernel_size
    if isinstance(body, kl.ChannelwiseDequantize):
        return body.channels * body.channel_size
    if isinstance(body, kl.Concat):
        return sum(size for _, size in body.ranges)
    if isinstance(body, kl.ResizeNearestNeighbor):
        return body.channels * body.out_width * body.out_height
    if isinstance(body, kl.TensorflowFlatten):
        return body.channels * body.width * body.height
    return getattr(body, "count", getattr(body, "channels", 0))


# V4 nodes, CPU cycles per multiplication or output element: our estimates, but for dequantize and
# the un-padding of an output that leaves the AI RAM (85 ns a byte, nncase issue #96).
NODE_CYCLES = {"dequantize": 40.0, "quantize": 40.0, "conv2d": 14.0, "matmul": 14.0,
               "quantized_conv2d": 14.0, "quantized_matmul": 14.0, "conv2d_transpose": 14.0,
               "softmax": 120.0, "unary": 60.0, "nnil_unary_method": 60.0}
OTHER_NODE_CYCLES = 20.0
UNPAD_NS_PER_BYTE = 85.0


def _node_work(node) -> int:
    """Multiplications of a V4 node, or the elements it writes."""
    if hasattr(node, "weights"):
        return int(node.weights.size) * max(1, node.dst.size // 4) // max(1, node.bias.size)
    if hasattr(node, "a_cols"):
        return node.a_rows * node.a_cols * node.b_cols
    where = getattr(node, "dst", None)
    return 0 if where is None else where.size // (4 if where.datatype == 0 else 1)


def forecast_v4(model, cpu_hz: float = 400e6, kpu_hz: float = 400e6) -> Forecast:
    """Forecast for a ModelV4: KPU layers as in V3, CPU nodes by rough cost per element."""
    costs, scale = [], 400e6 / cpu_hz
    for index, node in enumerate(model.nodes):
        regs = getattr(node, "regs", None)
        if regs is not None:
            ms = 1e3 * conv_seconds(regs, 1, kpu_hz) * max(1, node.batches)
            ms += node.main_out.size * UNPAD_NS_PER_BYTE * scale * 1e-6
            pairs = regs.out_channels * (1 if regs.depthwise else regs.in_channels)
            macs = pairs * regs.taps * regs.in_width * regs.in_height * max(1, node.batches)
            costs.append(LayerCost(index, node.NAME, ms, True, macs))
            continue
        if node.NAME == "kpu_upload":
            ms = node.src.size * UPLOAD_NS_PER_BYTE * scale * 1e-6
        else:
            cycles = NODE_CYCLES.get(node.NAME, OTHER_NODE_CYCLES)
            ms = _node_work(node) * cycles / cpu_hz * 1e3
        costs.append(LayerCost(index, node.NAME, ms, False))
    upload = sum(where.size * 1.4e-6 for where in model.inputs[:1])
    return Forecast(cpu_hz, kpu_hz, upload, costs)


def forecast(model, cpu_hz: float = 400e6, kpu_hz: float = 400e6, layers: int | None = None,
             ) -> Forecast:
    """Forecast for a ModelV3 (its first `layers` layers, or all)."""
    item = 1 if model.eight_bit else 2
    costs = []
    scale = 400e6 / cpu_hz
    for index, body in enumerate(model.layers[:layers]):
        if isinstance(body, kl.Conv):
            regs = body.regs
            ms = 1e3 * conv_seconds(regs, item, kpu_hz)
            if body.flags & kl.MAIN_MEM_OUT:
                ms += int(np.prod(regs.out_shape)) * OUTPUT_NS_PER_BYTE * scale * 1e-6
            pairs = regs.out_channels * (1 if regs.depthwise else regs.in_channels)
            macs = pairs * regs.taps * regs.in_width * regs.in_height
            costs.append(LayerCost(index, body.NAME, ms, True, macs))
            continue
        if isinstance(body, kl.Upload):
            count = body.width * body.height * body.channels
            ms = count * UPLOAD_NS_PER_BYTE * scale * 1e-6
        else:
            ms = _elements(body) * CYCLES.get(type(body), 0.0) / cpu_hz * 1e3
        costs.append(LayerCost(index, body.NAME, ms, False))
    upload = 0.0
    first = model.layers[0] if model.layers else None
    if isinstance(first, kl.Conv):
        size = int(np.prod(first.regs.in_shape))
        # Widths that are a multiple of 64 are uploaded by DMA (0.33 ms for 320x240x3 published
        # for V4), others by the CPU.
        per_byte = 1.4 if first.regs.in_width % ai_ram.LINE == 0 else UPLOAD_NS_PER_BYTE * scale
        upload = size * per_byte * 1e-6
    return Forecast(cpu_hz, kpu_hz, upload, costs)
