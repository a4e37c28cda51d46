"""The CPU layers of kmodel V3 as parts of a chain (node_parts.py), computed as cpu_layers.py does.
"""

from __future__ import annotations

import math

import numpy as np

from k210sim.kpu import ai_ram
from k210sim.kpu.cpu_layers import MAX_ELEMENTS
from k210sim.kpu.kmodel import layers as kl
from k210sim.kpu.node_parts import NodePart, address, apart, array_part, bits, moved, one
from k210sim.kpu.placed import PlacedTransfer


def _floats(net, at, count, field):
    """float32 values in place, None where they are not aligned."""
    view = net.main.cells(at, 4 * count, field).view("<f4")
    return view if view.flags.aligned else None


def _part(kind, target, source, count, *more, keep=()) -> list[NodePart] | None:
    """A part of node_code.layers, see array_part; None where there is nothing to do."""
    from k210sim.kpu.kernels import node_code

    if not count:
        return None
    return array_part(node_code.layers.address, kind, target, source, count, *more, keep=keep)


def dequantize(b, net):
    from k210sim.kpu.kernels import node_code

    return _part(node_code.DEQUANTIZE_V3, _floats(net, b.dst, b.count, "dst"),
                 net.main.u8(b.src, b.count, "src"), b.count, bits(b.scale), bits(b.bias))


def channelwise_dequantize(b, net):
    from k210sim.kpu.kernels import node_code

    size = b.channels * b.channel_size
    params = np.require(b.params, np.float32, "CA")
    return _part(node_code.CHANNELWISE_DEQUANTIZE, _floats(net, b.dst, size, "dst"),
                 net.main.u8(b.src, size, "src"), b.channels, b.channel_size, address(params),
                 keep=(params,))


def quantize(b, net):
    from k210sim.kpu.kernels import node_code

    if b.scale == 0:
        return None
    return _part(node_code.QUANTIZE_V3, net.main.u8(b.dst, b.count, "dst"),
                 _floats(net, b.src, b.count, "src"), b.count, bits(b.scale), bits(b.bias),
                 int(net.truncate))


def quantized_add(b, net):
    from k210sim.kpu.kernels import node_code

    count = -(-b.count // 8) * 8
    if not all(0 <= shift <= 62 for shift in (b.a_shift, b.b_shift, b.o_shift)):
        return None
    target, other = net.main.u8(b.dst, count, "dst"), net.main.u8(b.src_b, count, "src")
    if not apart(target, other):
        return None
    return _part(node_code.QUANTIZED_ADD, target, net.main.u8(b.src_a, count, "src"), count,
                 address(other), b.a_offset, b.a_mul, b.a_shift, b.b_offset, b.b_mul, b.b_shift,
                 b.o_offset, b.o_mul, b.o_shift)


def requantize(b, net):
    from k210sim.kpu.kernels import node_code

    table = np.ascontiguousarray(b.table)
    return _part(node_code.TABLE, net.main.u8(b.dst, b.count, "dst"),
                 net.main.u8(b.src, b.count, "src"), b.count, address(table), keep=(table,))


def fully_connected(b, net):
    from k210sim.kpu.kernels import node_code

    weights, bias = (np.require(part, np.float32, "CA") for part in (b.weights, b.bias))
    return _part(node_code.FULLY_CONNECTED, _floats(net, b.dst, b.out_channels, "dst"),
                 _floats(net, b.src, b.in_channels, "src"), b.out_channels, b.in_channels,
                 address(weights), address(bias), b.act, keep=(weights, bias))


def softmax(b, net):
    from k210sim.kpu.kernels import node_code

    return _part(node_code.SOFTMAX, _floats(net, b.dst, b.channels, "dst"),
                 _floats(net, b.src, b.channels, "src"), b.channels)


def l2_normalize(b, net):
    from k210sim.kpu.kernels import node_code

    return _part(node_code.L2_NORMALIZE, _floats(net, b.dst, b.channels, "dst"),
                 _floats(net, b.src, b.channels, "src"), b.channels)


def global_average(b, net):
    from k210sim.kpu.kernels import node_code

    if b.kernel_size == 0:
        return None
    return _part(node_code.GLOBAL_AVERAGE, _floats(net, b.dst, b.channels, "dst"),
                 _floats(net, b.src, b.channels * b.kernel_size, "src"), b.channels, b.kernel_size)


def flatten(b, net):
    shape = b.channels, b.height, b.width
    size = math.prod(shape)
    if size > MAX_ELEMENTS:
        return None
    if type(b) is kl.TensorflowFlatten:
        source, target = _floats(net, b.src, size, "src"), _floats(net, b.dst, size, "dst")
    else:
        source, target = net.main.u8(b.src, size, "src"), net.main.u8(b.dst, size, "dst")
    if source is None or target is None:
        return None
    source = source.reshape(shape).transpose(1, 2, 0)
    return one(moved(target.reshape(source.shape), source))


def concat(b, net):
    parts, at = [], b.dst
    for start, size in b.ranges:
        if size:
            parts.append(moved(net.main.cells(at, size, "dst"),
                               net.main.cells(start, size, "inputs")))
        at += size
    return None if None in parts else parts


def upload(b, net):
    shape = b.channels, b.height, b.width
    if 0 in shape or math.prod(shape) > MAX_ELEMENTS:
        return None
    x = net.main.u8(b.src, math.prod(shape), "src")
    return [PlacedTransfer(x.reshape(b.channels, -1), shape, b.kpu_dst, False)]


def add_padding(b, net):
    """As the first pixels of maps of 4x4, of which four share a line."""
    shape = b.channels, 4, 4
    ai_ram.check_map(b.kpu_dst, shape)
    x = net.main.u8(b.src, b.channels, "src")
    cells = net.ai_ram.data[b.kpu_dst * ai_ram.LINE :]
    whole = b.channels // 4
    parts = []
    if whole:
        parts.append(moved(cells[: whole * 4 * ai_ram.LINE].reshape(whole, 4, 4, 16)[:, 0, :, 0],
                           x[: 4 * whole].reshape(whole, 4)))
    if b.channels % 4:
        rest = cells[whole * 4 * ai_ram.LINE :][: 16 * (b.channels % 4)].reshape(-1, 16)[:, 0]
        parts.append(moved(rest, x[4 * whole :]))
    return None if None in parts else parts


def remove_padding(b, net):
    return one(moved(net.main.u8(b.dst, b.channels, "dst"),
                      net.main.u8(b.src, 16 * b.channels, "src")[::16]))


MAKERS = {
    kl.Dequantize: dequantize, kl.ChannelwiseDequantize: channelwise_dequantize,
    kl.Quantize: quantize, kl.QuantizedAdd: quantized_add, kl.Requantize: requantize,
    kl.FullyConnected: fully_connected, kl.Softmax: softmax, kl.L2Normalization: l2_normalize,
    kl.GlobalAveragePool2d: global_average, kl.TensorflowFlatten: flatten,
    kl.QuantizedTensorflowFlatten: flatten, kl.Concat: concat, kl.QuantizedConcat: concat,
    kl.Upload: upload, kl.AddPadding: add_padding, kl.RemovePadding: remove_padding,
}
