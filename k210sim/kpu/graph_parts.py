"""The CPU nodes of kmodel V4 as parts of a chain (node_parts.py), computed as node_ops.py does."""

from __future__ import annotations

import math

import numpy as np

from k210sim.kpu import ai_ram, node_ops
from k210sim.kpu.kmodel import nodes as nd
from k210sim.kpu.node_parts import NodePart, address, apart, array_part, bits, filled, moved, one
from k210sim.kpu.placed import PlacedPart, PlacedTransfer

F32, U8 = np.float32, np.uint8
MAIN, AI_RAM = 1, 2


def _view(net, where, shape, dtype):
    """Elements in place; None where they are not aligned, or in the AI RAM."""
    count = math.prod(shape)
    if where.type == AI_RAM or not count or count > node_ops.MAX_ELEMENTS:
        return None
    view = net.cells(where, count * np.dtype(dtype).itemsize).view(dtype)
    return view.reshape(shape) if view.flags.aligned else None


def _part(*record, **more) -> list[NodePart] | None:
    """A part of graph_code.nodes, see array_part."""
    from k210sim.kpu.kernels import graph_code

    return array_part(graph_code.nodes.address, *record, **more)


def dequantize(n, net):
    from k210sim.kpu.kernels import graph_code

    zero, scale = n.quant
    with np.errstate(all="ignore"):
        step = F32(1) / F32(scale)
    count = n.src.size
    return _part(graph_code.DEQUANTIZE, _view(net, n.dst, (count,), F32),
                 _view(net, n.src, (count,), U8), count, zero, bits(step))


def quantize(n, net):
    from k210sim.kpu.kernels import graph_code

    zero, scale = n.quant
    count = n.src.size // 4
    return _part(graph_code.QUANTIZE, _view(net, n.dst, (count,), U8),
                 _view(net, n.src, (count,), F32), count, bits(scale), bits(F32(zero)))


def quantized_binary(n, net):
    from k210sim.kpu.kernels import graph_code

    if n.op not in (0, 1, 2, 4, 5) or not _fit(n):
        return None  # a quotient may find zeros
    left, right = node_ops.operand_tables(n)
    target = _view(net, n.dst, node_ops.shape_of(n.out_shape), U8)
    parts, operands = [], []
    for where, shape in ((n.a, n.a_shape), (n.b, n.b_shape)):
        operand = _view(net, where, shape, U8)
        if operand is None or target is None or not apart(target, operand):
            return None
        if shape != n.out_shape:
            every = np.empty(n.out_shape, U8)
            parts.append(moved(every, np.broadcast_to(operand, n.out_shape)))
            operand = every
        operands.append(operand)
    a, b = operands
    last = _part(graph_code.QUANTIZED_BINARY, target, a, a.size, address(b), address(left),
                address(right), n.op, n.out_mul, n.out_shift, n.out_offset,
                keep=(left, right, a, b))
    return None if None in parts else parts + last


def _fit(n) -> bool:
    """Whether each operand has all of every axis, or one."""
    return all(0 < size and size in (1, d) for shape in (n.a_shape, n.b_shape)
               for size, d in zip(shape, n.out_shape, strict=True))


def binary(n, net):
    """Sums to quotients."""
    from k210sim.kpu.kernels import graph_code

    out_shape = node_ops.shape_of(n.out_shape)
    if not 0 <= n.op <= 3 or not _fit(n):
        return None
    a, b = _view(net, n.a, n.a_shape, F32), _view(net, n.b, n.b_shape, F32)
    if a is None or b is None:
        return None
    steps = [s // 4 for x in (a, b) for s in np.broadcast_to(x, out_shape).strides]
    low, high = n.clamp
    return _part(graph_code.BINARY, _view(net, n.dst, out_shape, F32), a, address(b), n.op,
                 bits(low), bits(high), *out_shape, *steps, others=(b,))


def concat(n, net):
    sizes = [int(d) * n.inner for d in n.dims]
    if n.outer < 1 or min(sizes, default=0) < 1:
        return None
    target = _view(net, n.dst, (n.outer, sum(sizes)), U8)
    parts, at = [], 0
    for where, size in zip(n.ranges, sizes, strict=True):
        source = _view(net, where, (n.outer, size), U8)
        if source is None or target is None or not apart(target, source):
            return None
        parts.append(moved(target[:, at : at + size], source))
        at += size
    return None if None in parts else parts


def conv2d(n, net):
    g, (h, w) = node_ops.windows(n)
    batches, channels = n.in_shape[:2]
    if n.groups <= 0 or n.out_channels % n.groups or batches < 1:
        return None
    from k210sim.kpu.kernels import float_conv

    shape = node_ops.shape_of((batches, n.out_channels, h, w))
    source, target = _view(net, n.src, n.in_shape, F32), _view(net, n.dst, shape, F32)
    if source is None or target is None or not apart(target, source):
        return None
    weights = np.require(n.weights, F32, "CA").reshape(n.out_channels, channels // n.groups,
                                                       n.filter_h, n.filter_w)
    if target.size * weights[:1].size > node_ops.MAX_STEPS:
        return None
    bias, numbers = np.require(n.bias, F32, "CA"), np.append(g[:6], n.groups)
    return [PlacedPart(float_conv.FloatConv(source[i], weights, bias, numbers, *n.clamp,
                                            target[i])) for i in range(batches)]


def matmul(n, net):
    from k210sim.kpu.kernels import graph_code

    a = _view(net, n.a, (n.a_rows, n.a_cols), F32)
    b = _view(net, n.b, (n.a_cols, n.b_cols), F32)
    if a is None or b is None or a.size * n.b_cols > node_ops.MAX_STEPS:
        return None
    bias = np.require(n.bias, F32, "CA")
    return _part(graph_code.MATMUL, _view(net, n.dst, (n.a_rows, n.b_cols), F32), a, n.a_rows,
                 n.a_cols, address(b), n.b_cols, address(bias), bits(n.clamp[0]),
                 bits(n.clamp[1]), others=(b,), keep=(bias,))


def pad(n, net):
    dtype = node_ops.dtype_of(n.src)
    value = np.frombuffer(n.value[1], dtype, 1)[0]
    pads = n.pad_n, n.pad_c, n.pad_h, n.pad_w
    shape = node_ops.shape_of(d + sum(one) for d, one in zip(n.in_shape, pads, strict=True))
    source, target = _view(net, n.src, n.in_shape, dtype), _view(net, n.dst, shape, dtype)
    if source is None or target is None or not apart(target, source):
        return None
    here, there = node_ops.overlap(shape, n.in_shape, pads)
    parts = [] if target[here].size == target.size else [filled(target.reshape(-1), value)]
    if target[here].size:
        parts.append(moved(target[here], source[there]))
    return None if None in parts else parts


def reduce(n, net):
    from k210sim.kpu.kernels import graph_code

    if not 0 <= n.op <= 3:
        return None
    source = _view(net, n.src, n.in_shape, F32)
    target = _view(net, n.dst, node_ops.shape_of(n.out_shape), F32)
    if source is None or target is None:
        return None
    share = F32(target.size) / F32(source.size)
    return _part(graph_code.REDUCE, target, source, n.op, *n.in_shape, *n.out_shape, bits(n.init),
                 bits(share))


def reduce_window2d(n, net):
    from k210sim.kpu.kernels import graph_code

    if not 0 <= n.op <= 3:
        return None
    g, (h, w) = node_ops.windows(n)
    batches, channels, height, width = n.in_shape
    target = _view(net, n.dst, node_ops.shape_of((batches, channels, h, w)), F32)
    if target is None or target.size * n.filter_h * n.filter_w > node_ops.MAX_STEPS:
        return None
    return _part(graph_code.REDUCE_WINDOW, target, _view(net, n.src, n.in_shape, F32),
                 batches * channels, height, width, n.op, address(g), bits(n.init),
                 bits(n.clamp[0]), bits(n.clamp[1]), h, w, keep=(g,))


def memory_copy(n, net):
    count = n.src.size // 4 * 4
    source, target = _view(net, n.src, (count,), U8), _view(net, n.dst, (count,), U8)
    return None if source is None or target is None else one(moved(target, source))


def resize_image(n, net):
    """To the nearest pixel."""
    from k210sim.kpu.kernels import graph_code

    batches, channels, height, width = n.in_shape
    if n.mode != 1 or min(n.out_h, n.out_w, *n.in_shape) < 1:
        return None
    dtype = node_ops.dtype_of(n.src)
    target = _view(net, n.dst, node_ops.shape_of((batches, channels, n.out_h, n.out_w)), dtype)
    if target is None:
        return None
    rows, columns = node_ops.nearest_picks(n)
    return _part(graph_code.NEAREST, target, _view(net, n.src, n.in_shape, dtype),
                 batches * channels, height, width, n.out_h, n.out_w, address(rows),
                 address(columns), target.itemsize, keep=(rows, columns))


def transpose(n, net):
    if sorted(n.perm) != [0, 1, 2, 3]:
        return None
    dtype = node_ops.dtype_of(n.src)
    source = _view(net, n.src, n.in_shape, dtype)
    if source is None:
        return None
    source = source.transpose(n.perm)
    target = _view(net, n.dst, source.shape, dtype)
    return None if target is None else one(moved(target, source))


def table_lookup1d(n, net):
    from k210sim.kpu.kernels import graph_code

    count = n.src.size
    table = _view(net, n.table, (256,), U8)
    if table is None:
        return None
    return _part(graph_code.LOOK_UP, _view(net, n.dst, (count,), U8),
                 _view(net, n.src, (count,), U8), count, address(table), others=(table,))


def kpu_upload(n, net):
    batches, channels, height, width = n.in_shape
    x = _view(net, n.src, n.in_shape, U8)
    if x is None or n.dst.start % ai_ram.LINE:
        return None
    shape = channels, height, width
    return [PlacedTransfer(x[i].reshape(channels, -1), shape,
                           n.dst.start // ai_ram.LINE + i * ai_ram.map_lines(shape), False)
            for i in range(batches)]


MAKERS = {
    nd.Binary: binary, nd.QuantizedBinary: quantized_binary, nd.Concat: concat, nd.Conv2d: conv2d,
    nd.Dequantize: dequantize, nd.Quantize: quantize, nd.Matmul: matmul, nd.Pad: pad,
    nd.Reduce: reduce, nd.ReduceWindow2d: reduce_window2d, nd.MemoryCopy: memory_copy,
    nd.ResizeImage: resize_image, nd.Transpose: transpose, nd.TableLookup1d: table_lookup1d,
    nd.KpuUpload: kpu_upload,
}
