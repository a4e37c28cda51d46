"""The layers of kmodel V3 that the firmware computes on the CPU, over main memory and AI RAM.

Each function takes the layer body and the net (memory `main`, `ai_ram`, option `truncate`) and
returns what it wrote, shaped where the body tells the shape.
Source: kendryte-standalone-sdk lib/drivers/kpu.c. Reads and writes outside the memories raise
KmodelError; the chip would touch foreign memory.
"""

from __future__ import annotations

import math

import numpy as np

from k210sim.errors import KmodelError
from k210sim.kpu import ai_ram
from k210sim.kpu.kernels import dense, pool2d, quant
from k210sim.kpu.kmodel import layers as kl

# Windows * outputs a pool may visit: far above every real model, and seconds on the host.
MAX_STEPS = 1 << 32
MAX_ELEMENTS = 8 << 20


def _shape(*dims: int) -> tuple[int, ...]:
    """The dimensions, if an array of them fits the chip's memory (empty ones count as 1)."""
    if math.prod(max(1, n) for n in dims) > MAX_ELEMENTS:
        raise KmodelError(f"a map of {dims} does not fit the chip's memory", field="shape")
    return dims


def add(b, net):
    out = net.main.f32(b.src_a, b.count, "src_a") + net.main.f32(b.src_b, b.count, "src_b")
    net.main.put(b.dst, out, "dst")
    return out


def quantized_add(b, net):
    """Works in blocks of 8 like the SDK; a block that leaves the memory is cut off at its end."""
    count = -(-b.count // 8) * 8
    room = net.main.data.size - max(b.src_a, b.src_b, b.dst)
    if b.count <= room < count:
        count = room
    factors = np.array([b.a_offset, b.a_mul, b.a_shift, b.b_offset, b.b_mul, b.b_shift,
                        b.o_offset, b.o_mul, b.o_shift], np.int64)
    for name in ("a_shift", "b_shift", "o_shift"):
        if not 0 <= getattr(b, name) <= 62:
            raise KmodelError(f"shift {getattr(b, name)}, expected 0 to 62", field=name)
    a = np.array(net.main.u8(b.src_a, count, "src_a"))
    other = np.array(net.main.u8(b.src_b, count, "src_b"))
    out = np.empty(count, np.uint8)
    quant.quantized_add(a, other, factors, out)
    net.main.put(b.dst, out, "dst")
    return out[: b.count]


def global_average_pool(b, net):
    x = net.main.f32(b.src, b.channels * b.kernel_size, "src")
    out = np.empty(b.channels, np.float32)
    if b.kernel_size == 0:
        raise KmodelError("kernel size 0", field="kernel_size")
    dense.global_average(np.ascontiguousarray(x).reshape(b.channels, b.kernel_size), out)
    net.main.put(b.dst, out, "dst")
    return out


def _windows(b, net, read):
    """Input and output maps of the two pool layers, and the kernel's numbers."""
    if b.stride_width == 0 or b.stride_height == 0:
        raise KmodelError("stride 0", field="stride_width")
    if b.out_channels > b.in_channels:
        raise KmodelError(f"{b.in_channels} input channels, {b.out_channels} output channels",
                          field="out_channels")
    shape = _shape(b.in_channels, b.in_height, b.in_width)
    x = np.ascontiguousarray(read(b.src, math.prod(shape), "src")).reshape(shape)
    out = np.empty(_shape(b.out_channels, b.out_height, b.out_width), x.dtype)
    # A window larger than the map covers all of it; the cap bounds the loops of a broken file.
    kernel = (min(b.kernel_width, b.padding_width + b.in_width),
              min(b.kernel_height, b.padding_height + b.in_height))
    if out.size * kernel[0] * kernel[1] > MAX_STEPS:
        raise KmodelError(f"a {kernel[0]}x{kernel[1]} window on {out.shape} outputs would keep the "
                          "chip busy for minutes", field="kernel_width")
    return x, (*kernel, b.stride_width, b.stride_height, b.padding_width, b.padding_height), out


def quantized_max_pool(b, net):
    x, numbers, out = _windows(b, net, net.main.u8)
    pool2d.cpu_max(x, *numbers, out)
    net.main.put(b.dst, out, "dst")
    return out


def average_pool(b, net):
    x, numbers, out = _windows(b, net, net.main.f32)
    dense.average_pool(x, *numbers, out)
    net.main.put(b.dst, out, "dst")
    return out


def quantize(b, net):
    x = np.array(net.main.f32(b.src, b.count, "src"))
    out = np.empty(b.count, np.uint8)
    with np.errstate(divide="ignore"):
        factor_ok = b.scale != 0
    if not factor_ok:
        raise KmodelError("scale 0", field="scale")
    quant.quantize(x, b.scale, b.bias, int(net.truncate), out)
    net.main.put(b.dst, out, "dst")
    return out


def dequantize(b, net):
    x = np.array(net.main.u8(b.src, b.count, "src"))
    out = np.empty(b.count, np.float32)
    quant.dequantize(x, b.scale, b.bias, out)
    net.main.put(b.dst, out, "dst")
    return out


def channelwise_dequantize(b, net):
    x = np.array(net.main.u8(b.src, b.channels * b.channel_size, "src"))
    x = x.reshape(b.channels, b.channel_size)
    out = np.empty(x.shape, np.float32)
    for row, (scale, bias) in enumerate(b.params.reshape(-1, 2)):
        quant.dequantize(x[row], scale, bias, out[row])
    net.main.put(b.dst, out, "dst")
    return out.reshape(-1)


def requantize(b, net):
    out = np.asarray(b.table)[net.main.u8(b.src, b.count, "src")]
    net.main.put(b.dst, out, "dst")
    return out


def _vector(kernel):
    def layer(b, net):
        x = np.array(net.main.f32(b.src, b.channels, "src"))
        out = np.empty(b.channels, np.float32)
        kernel(x, out)
        net.main.put(b.dst, out, "dst")
        return out

    return layer


def concat(b, net):
    """Raw copies, one after the other; an input may be a part written just before."""
    at = b.dst
    for start, size in b.ranges:
        net.main.put(at, np.array(net.main.cells(start, size, "inputs")), "dst")
        at += size
    out = net.main.cells(b.dst, at - b.dst).copy()
    return out.view("<f4") if isinstance(b, kl.Concat) and type(b) is kl.Concat and not (
        out.size % 4) else out


def fully_connected(b, net):
    x = np.array(net.main.f32(b.src, b.in_channels, "src"))
    out = np.empty(b.out_channels, np.float32)
    weights = np.array(b.weights, np.float32).reshape(b.out_channels, b.in_channels)
    dense.fully_connected(x, weights, np.array(b.bias, np.float32), b.act, out)
    net.main.put(b.dst, out, "dst")
    return out


def flatten(b, net):
    shape = _shape(b.channels, b.height, b.width)
    read = net.main.f32 if type(b) is kl.TensorflowFlatten else net.main.u8
    x = read(b.src, math.prod(shape), "src").reshape(shape)
    out = np.ascontiguousarray(x.transpose(1, 2, 0)).reshape(-1)
    net.main.put(b.dst, out, "dst")
    return out


def resize(b, net):
    """Nearest neighbour; the scale is one float32 division per axis."""
    shape = _shape(b.channels, b.in_height, b.in_width)
    _shape(b.channels, b.out_height, b.out_width)
    read = net.main.f32 if type(b) is kl.ResizeNearestNeighbor else net.main.u8
    x = read(b.src, math.prod(shape), "src").reshape(shape)
    picks = []
    for size, out in ((b.in_height, b.out_height), (b.in_width, b.out_width)):
        if size == 0 or out == 0:
            raise KmodelError(f"resize from {size} to {out}", field="out_width")
        scale = np.float32(size) / np.float32(out)
        picks.append(np.minimum(np.floor(np.arange(out, dtype=np.float32) * scale).astype(np.int64),
                                size - 1))
    out = x[:, picks[0]][:, :, picks[1]]
    net.main.put(b.dst, out, "dst")
    return out


def upload(b, net):
    shape = _shape(b.channels, b.height, b.width)
    x = net.main.u8(b.src, math.prod(shape), "src").reshape(shape)
    if 0 not in shape:
        net.ai_ram.write_map(b.kpu_dst, x)
    return x.copy()


def add_padding(b, net):
    """Pixel (0, 0) of each 4x4 map; the other fifteen keep what was there."""
    x = net.main.u8(b.src, b.channels, "src")
    c = np.arange(b.channels)
    cells = b.kpu_dst * ai_ram.LINE + c // 4 * 4 * ai_ram.LINE + c % 4 * 16
    if b.channels and cells[-1] >= ai_ram.SIZE:
        raise KmodelError(f"{b.channels} padded channels at line {b.kpu_dst} leave the AI RAM",
                          field="kpu_dst")
    net.ai_ram.data[cells] = x
    return x.copy()


def remove_padding(b, net):
    out = net.main.u8(b.src, 16 * b.channels, "src")[::16].copy()
    net.main.put(b.dst, out, "dst")
    return out


EXECUTED = {
    kl.Add: add, kl.QuantizedAdd: quantized_add, kl.GlobalAveragePool2d: global_average_pool,
    kl.QuantizedMaxPool2d: quantized_max_pool, kl.AveragePool2d: average_pool,
    kl.Quantize: quantize, kl.Dequantize: dequantize, kl.Requantize: requantize,
    kl.L2Normalization: _vector(dense.l2_normalize),
    kl.Softmax: _vector(lambda x, out: dense.softmax(x, dense.FLT_MIN, out)),
    kl.Logistic: _vector(dense.logistic), kl.Concat: concat, kl.QuantizedConcat: concat,
    kl.FullyConnected: fully_connected, kl.TensorflowFlatten: flatten,
    kl.QuantizedTensorflowFlatten: flatten, kl.ResizeNearestNeighbor: resize,
    kl.QuantizedResizeNearestNeighbor: resize, kl.ChannelwiseDequantize: channelwise_dequantize,
    kl.Upload: upload, kl.AddPadding: add_padding, kl.RemovePadding: remove_padding,
}
ON_MAIN_MEMORY = frozenset(EXECUTED) - {kl.Upload, kl.AddPadding}  # these leave the AI RAM alone
