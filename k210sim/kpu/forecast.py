"""How long a model takes on the real chip: a cost model fitted to published measurements.

Model, sources, fit and residuals: docs/forecast.md; the measurements: `measurements.py`. In short:

KPU layers
    64 output pixels of one (input channel group, output channel) pair per cycle, whatever the
    kernel, at full resolution before pooling. Weights stream in at about 1 GB/s: the first load
    in full, each later one beside the computation of the load before. A fixed cost per layer.
Depthwise layers
    Their own line per row and channel group.
CPU layers
    Nanoseconds per element at 400 MHz, scaled by the CPU clock. Measured where the tables below
    say so; the others are estimates.
Copies
    Input upload and outputs that leave the AI RAM: by DMA or by the CPU, byte by byte.

Not modelled: cache effects between layers, other DMA traffic, the camera.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from k210sim.kpu import ai_ram
from k210sim.kpu.kmodel import layers as kl
from k210sim.kpu.kmodel import nodes as nd
from k210sim.kpu.rules import cpu_rule

REFERENCE_HZ = 400e6  # the clock the CPU's nanoseconds below are for

# KPU layers; fitted by bench/forecast.py --fit.
WEIGHT_BYTES_PER_S = 0.990e9
FIXED_CYCLES = 3446.0
ROW_OVERHEAD = {1: 3.07, 9: 6.0}
OVERLAP = 3.68  # how sharply max(computation, transfer) bends: the p of a p-norm
DEPTHWISE_FIXED, DEPTHWISE_ROW, DEPTHWISE_MAP = 2446.0, 1.971, 30.27

# Copies, nanoseconds a byte at 400 MHz.
DMA_IN_NS = 1.43  # nncase#95, #97: 329 us for 320x240x3
DMA_OUT_NS = 14.0  # last layer of nncase#77
CPU_OUT_NS = 85.7  # nncase#95, #96: un-padding, byte by byte, AI RAM read without cache
CPU_OUT_WHOLE_NS = CPU_OUT_NS / 8  # guess: rows of whole lines are copied in 8-byte words
CPU_IN_NS = 66.3  # nncase#97: KPUUpload of 160x120x16
# The driver's upload of the input by the CPU. Estimate: the published totals of 224x224 networks
# leave no room for more.
INPUT_NS = 10.0

# V3 layers on the CPU, nanoseconds an element. Measured: dequantize (nncase#77, 9000 elements in
# 0.404 ms). The others are estimates in proportion to their inner loops.
V3_NS = {
    kl.Add: 35.0, kl.QuantizedAdd: 195.0, kl.GlobalAveragePool2d: 25.0,
    kl.QuantizedMaxPool2d: 30.0, kl.AveragePool2d: 35.0, kl.Quantize: 55.0, kl.Dequantize: 44.9,
    kl.ChannelwiseDequantize: 44.9, kl.Requantize: 20.0, kl.L2Normalization: 40.0,
    kl.Softmax: 300.0, kl.Logistic: 300.0, kl.Concat: 5.0, kl.QuantizedConcat: 5.0,
    kl.FullyConnected: 30.0, kl.TensorflowFlatten: 20.0, kl.QuantizedTensorflowFlatten: 20.0,
    kl.ResizeNearestNeighbor: 40.0, kl.QuantizedResizeNearestNeighbor: 40.0, kl.AddPadding: 66.3,
    kl.RemovePadding: 20.0,
}

# V4 nodes on the CPU, nanoseconds an output element, or a multiplication where weights are.
# Measured: dequantize (#95 to #97), quantized_binary (#97), transpose and concat (PR 538, their
# sizes guessed), pad (#99, likewise). From totals: matmul (the V4 MobileNet against its V3 twin),
# quantize (the RFB-320 face detector, as its largest item not measured). The rest are estimates.
V4_NS = {
    nd.Dequantize: 30.5, nd.QuantizedBinary: 195.0, nd.Transpose: 161.0,
    nd.Pad: 134.0, nd.Quantize: 190.0, nd.Matmul: 92.0, nd.Conv2d: 35.0, nd.QuantizedConv2d: 35.0,
    nd.QuantizedMatmul: 92.0, nd.Conv2dTranspose: 35.0, nd.Softmax: 300.0, nd.Unary: 150.0,
    nd.NnilUnaryMethod: 300.0, nd.Binary: 150.0, nd.Reduce: 100.0, nd.ReduceWindow2d: 35.0,
    nd.ResizeImage: 161.0, nd.StridedSlice: 134.0, nd.TableLookup1d: 20.0, nd.MemoryCopy: 2.0,
}
CONCAT_BYTE_NS = 17.3  # PR 538


@dataclass
class LayerCost:
    """Milliseconds of one layer, where it runs, its multiplications before pooling, and for a CPU
    layer the rule of the KPU it broke. copy_ms: the part spent moving its output."""

    index: int
    name: str
    ms: float
    on_kpu: bool
    macs: int = 0
    rule: str = ""
    copy_ms: float = 0.0


@dataclass
class Forecast:
    """Predicted milliseconds on the chip: `upload_ms` for the input, `layers`, `stream_ms` for
    fetching weights from flash in load_flash mode (what is not hidden), `total_ms`."""

    cpu_hz: float
    kpu_hz: float
    upload_ms: float
    layers: list[LayerCost]
    stream_ms: float = 0.0
    notes: list[str] = field(default_factory=list)

    @property
    def total_ms(self) -> float:
        return self.upload_ms + self.stream_ms + sum(layer.ms for layer in self.layers)

    @property
    def kpu_ms(self) -> float:
        return sum(layer.ms for layer in self.layers if layer.on_kpu)

    @property
    def cpu_ms(self) -> float:
        return sum(layer.ms for layer in self.layers if not layer.on_kpu)


class FlashStream(NamedTuple):
    """`load_flash`: SPI clock in hertz, whether with two buffers, bytes to gather for a fetch."""

    spi_hz: float
    dual: bool = False
    batch_size: int = 0


def forecast(model, cpu_hz: float = 400e6, kpu_hz: float = 400e6, layers: int | None = None, *,
             dma: bool = False, flash: FlashStream | None = None) -> Forecast:
    """Forecast for a ModelV3 or ModelV4 (its first `layers` layers, or all).

    dma: whether V3 outputs leave the KPU by DMA (the SDK's demos, `kpu.forward(..., dma=1)`) or
    are copied by the CPU, MaixPy's default. V4 always copies by the CPU. flash: V3 run by
    `load_flash`.
    """
    if model.version == 4:
        return forecast_v4(model, cpu_hz, kpu_hz, layers)
    costs = []
    scale = REFERENCE_HZ / cpu_hz
    item = 1 if model.eight_bit else 2
    for index, body in enumerate(model.layers[:layers]):
        if isinstance(body, kl.Conv):
            regs = body.regs
            copy = 0.0
            if body.flags & kl.MAIN_MEM_OUT:
                copy = int(np.prod(regs.out_shape)) * 1e-6 * (
                    DMA_OUT_NS if dma else _copy_ns(regs.out_width) * scale)
            ms = 1e3 * conv_seconds(regs, item, kpu_hz) + copy
            costs.append(LayerCost(index, body.NAME, ms, True, macs(regs), copy_ms=copy))
            continue
        if isinstance(body, kl.Upload):
            ms = body.width * body.height * body.channels * CPU_IN_NS * scale * 1e-6
        else:
            ms = elements(body) * V3_NS.get(type(body), 0.0) * scale * 1e-6
        costs.append(LayerCost(index, body.NAME, ms, False, rule=cpu_rule(body)))
    upload = 0.0
    first = model.layers[0] if model.layers else None
    if isinstance(first, kl.Conv):
        upload = upload_ms(first.regs.in_shape, scale)
    cost = Forecast(cpu_hz, kpu_hz, upload, costs)
    return stream(cost, model.body_sizes, flash) if flash else cost


def forecast_v4(model, cpu_hz: float = 400e6, kpu_hz: float = 400e6, layers: int | None = None,
                ) -> Forecast:
    """Forecast for a ModelV4: KPU layers as in V3, CPU nodes by cost per element."""
    costs, scale = [], REFERENCE_HZ / cpu_hz
    for index, node in enumerate(model.nodes[:layers]):
        if isinstance(node, nd.KpuConv2d):
            batches = max(1, node.batches)
            copy = 0.0
            if node.main_out.size:
                copy = node.main_out.size * CPU_OUT_NS * scale * 1e-6
            ms = 1e3 * conv_seconds(node.regs, 1, kpu_hz) * batches + copy
            costs.append(LayerCost(index, node.NAME, ms, True, macs(node.regs) * batches,
                                   copy_ms=copy))
            continue
        if isinstance(node, nd.KpuUpload):
            ms = node.src.size * CPU_IN_NS
        elif isinstance(node, nd.Concat):
            ms = sum(where.size for where in node.ranges) * CONCAT_BYTE_NS
        else:
            ms = node_work(node) * V4_NS.get(type(node), 0.0)
        costs.append(LayerCost(index, node.NAME, ms * scale * 1e-6, False, rule=cpu_rule(node)))
    upload = 0.0
    if model.inputs and model.inputs[0].type == 2:
        upload = upload_ms(model.input_shapes[0].dims[1:], scale)
    elif model.inputs:
        upload = model.inputs[0].size * DMA_IN_NS * 1e-6
    return Forecast(cpu_hz, kpu_hz, upload, costs)


def _copy_ns(width: int) -> float:
    return CPU_OUT_WHOLE_NS if width % ai_ram.LINE == 0 else CPU_OUT_NS


def upload_ms(shape, scale: float = 1.0) -> float:
    """The input map into the AI RAM: by DMA when rows are whole lines, else by the CPU."""
    count = int(np.prod([max(0, n) for n in shape]))
    return count * 1e-6 * (DMA_IN_NS if shape[-1] % ai_ram.LINE == 0 else INPUT_NS * scale)


def macs(regs) -> int:
    """Multiplications of a KPU layer at full resolution, before pooling."""
    pairs = regs.out_channels * (1 if regs.depthwise else regs.in_channels)
    return pairs * regs.taps * regs.in_width * regs.in_height


def conv_seconds(regs, weight_item: int, kpu_hz: float) -> float:
    """One KPU layer without the copy of its output. weight_item: bytes per weight."""
    group, row_lines, _ = ai_ram.layout(regs.in_width)
    groups = -(-regs.in_channels // group)
    height = regs.in_height
    if regs.depthwise:
        each = DEPTHWISE_ROW * height + DEPTHWISE_MAP
        return (DEPTHWISE_FIXED + row_lines * groups * each) / kpu_hz
    overhead = ROW_OVERHEAD[regs.taps]
    out, per = regs.out_channels, max(1, regs.o_ch_num_coef + 1)
    one = regs.in_channels * regs.taps * weight_item / WEIGHT_BYTES_PER_S
    loads = [min(per, out - start) for start in range(0, out, per)]
    total = FIXED_CYCLES / kpu_hz + loads[0] * one
    for count, following in zip(loads, loads[1:] + [0], strict=True):
        cycles = row_lines * count * (groups * (height + overhead) + height / group)
        total += ((cycles / kpu_hz) ** OVERLAP + (following * one) ** OVERLAP) ** (1 / OVERLAP)
    return total


def elements(body) -> int:
    """Elements the CPU touches in a V3 layer."""
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


def node_work(node) -> int:
    """Multiplications of a V4 node, or the elements it reads or writes, whichever are more."""
    if isinstance(node, nd.Conv2d | nd.QuantizedConv2d | nd.Conv2dTranspose):
        item = 1 if isinstance(node, nd.QuantizedConv2d) else 4
        channels = max(1, node.bias.size)
        return int(node.weights.size) // channels * (node.dst.size // item)
    if isinstance(node, nd.Matmul | nd.QuantizedMatmul):
        return node.a_rows * node.a_cols * node.b_cols
    out = _count(getattr(node, "dst", None))
    if isinstance(node, nd.ReduceWindow2d):
        return out * node.filter_h * node.filter_w
    return max(out, _count(node.src)) if isinstance(node, nd.Reduce) else out


def _count(where) -> int:
    return 0 if where is None else where.size // (4 if where.datatype == 0 else 1)


# -- load_flash ---------------------------------------------------------------------------------


def stream(base: Forecast, body_sizes, flash: FlashStream) -> Forecast:
    """The same run in `load_flash` mode: layer bodies come over quad SPI, half a byte a cycle,
    while it runs. body_sizes: bytes of each layer's body.

    With one buffer every layer waits for its body. With two, a batch is fetched while the one
    before runs.
    """
    rate = flash.spi_hz / 2 * 1e-3  # bytes a millisecond
    run = [layer.ms for layer in base.layers]
    sizes = list(body_sizes)[: len(run)]
    extra = sum(sizes) / rate
    if flash.dual:
        groups = batches(sizes, flash.batch_size)
        fetch = [sum(sizes[i] for i in group) / rate for group in groups]
        total = fetch[0] if fetch else 0.0
        for group, following in zip(groups, fetch[1:] + [0.0], strict=True):
            total += max(sum(run[i] for i in group), following)
        extra = total - sum(run)
    return Forecast(base.cpu_hz, base.kpu_hz, base.upload_ms, base.layers, extra, base.notes)


def batches(sizes: list[int], batch_size: int) -> list[list[int]]:
    """Layer indices of each fetch with two buffers: whole layers until batch_size is reached,
    without the last one where the sum would pass a buffer (the largest body); at least one."""
    largest = max(sizes, default=0)
    groups, at = [], 0
    while at < len(sizes):
        group, total = [at], sizes[at]
        while total < batch_size and group[-1] + 1 < len(sizes):
            total += sizes[group[-1] + 1]
            if total > largest:
                break
            group.append(group[-1] + 1)
        groups.append(group)
        at = group[-1] + 1
    return groups
