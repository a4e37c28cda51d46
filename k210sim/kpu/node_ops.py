"""What each CPU node of kmodel V4 does, over the three memories of a NetV4.

Each function takes the node and the net and returns what it wrote, NCHW where the node tells the
shape. Ref: nncase v0.2.0-beta4 src/runtime/neutral/neutral_ops.cpp and kernels/neutral. The
arithmetic is that of the vendor's PC build; the chip's build fuses products and sums.
"""

from __future__ import annotations

import math
import struct
from functools import lru_cache

import numpy as np

from k210sim.errors import KmodelError
from k210sim.kpu.kernels import dense, float_conv, neutral
from k210sim.kpu.kmodel import nodes as nd

MAX_ELEMENTS = 8 << 20
MAX_STEPS = 1 << 33
F32, U8 = np.float32, np.uint8


def shape_of(dims) -> tuple[int, ...]:
    """The shape as a tuple; KmodelError when negative or larger than the chip's memory."""
    dims = tuple(int(d) for d in dims)
    if any(d < 0 for d in dims) or math.prod(max(1, d) for d in dims) > MAX_ELEMENTS:
        raise KmodelError(f"a tensor of {dims} does not fit the chip's memory", field="shape")
    return dims


def _read(net, where, shape, dtype):
    shape = shape_of(shape)
    return net.read(where, math.prod(shape), dtype).reshape(shape)


def dtype_of(where):
    return F32 if where.datatype == 0 else U8


def _floats(where) -> int:
    return where.size // 4


def _clamp(values, limits):
    low, high = F32(limits[0]), F32(limits[1])
    return np.minimum(np.maximum(values, low), high)


def windows(n):
    """int64[8]: pad top, left, stride h, w, dilation h, w, filter h, w, shared, so nobody changes
    it; and the output size."""
    if min(n.stride_h, n.stride_w, n.dilation_h, n.dilation_w, n.filter_h, n.filter_w) <= 0:
        raise KmodelError("a stride, dilation or filter size is not positive", field="stride_h")
    size = []
    for dim, (before, after), f, s, d in (
            (n.in_shape[2], n.pad_h, n.filter_h, n.stride_h, n.dilation_h),
            (n.in_shape[3], n.pad_w, n.filter_w, n.stride_w, n.dilation_w)):
        size.append((dim + before + after - ((f - 1) * d + 1) + s) // s)
    return _numbers(n.pad_h[0], n.pad_w[0], n.stride_h, n.stride_w, n.dilation_h, n.dilation_w,
                    n.filter_h, n.filter_w), size


@lru_cache(maxsize=64)
def _numbers(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def _check_steps(count: int):
    if count > MAX_STEPS:
        raise KmodelError(f"{count} steps would keep the chip busy for minutes")


def _broadcast(x, out_shape):
    """Index o of the output reads index o of x, or 0 where x is shorter."""
    if x.shape == out_shape:
        return x
    if all(s in (1, d) for d, s in zip(out_shape, x.shape, strict=True)):
        return np.array(np.broadcast_to(x, out_shape))
    picks = [np.where(np.arange(d) < s, np.arange(d), 0)
             for d, s in zip(out_shape, x.shape, strict=True)]
    if 0 in x.shape and 0 not in out_shape:
        raise KmodelError(f"broadcast of an empty tensor {x.shape}", field="a_shape")
    return x[np.ix_(*picks)]


def _operands(n, net, dtype):
    out_shape = shape_of(n.out_shape)
    a = _read(net, n.a, n.a_shape, dtype)
    b = _read(net, n.b, n.b_shape, dtype)
    return _broadcast(a, out_shape), _broadcast(b, out_shape)


def binary(n, net):
    a, b = _operands(n, net, F32)
    with np.errstate(all="ignore"):
        try:
            out = (np.add, np.subtract, np.multiply, np.divide, np.minimum, np.maximum)[n.op](a, b)
        except IndexError:
            raise KmodelError(f"binary operation {n.op}, expected 0 to 5", field="op") from None
    return net.write(n.dst, _clamp(out, n.clamp))


def _carry(v, shift):
    if shift > 0:
        v = (v + (1 << (shift - 1))) >> shift
    return v.astype(np.int32).astype(np.int64)


def _check_shift(*shifts):
    if not all(0 <= s <= 62 for s in shifts):
        raise KmodelError(f"shifts {shifts}, expected 0 to 62", field="shift")


def operand_tables(n):
    """int64[256] each: what every byte of the two operands stands for."""
    _check_shift(n.a_shift, n.b_shift, n.out_shift)
    every = np.arange(256)
    return (_carry((every + n.a_offset) * n.a_mul, n.a_shift),
            _carry((every + n.b_offset) * n.b_mul, n.b_shift))


def quantized_binary(n, net):
    left, right = operand_tables(n)
    a, b = _operands(n, net, U8)
    if not 0 <= n.op <= 5:
        raise KmodelError(f"binary operation {n.op}, expected 0 to 5", field="op")
    if n.op == 3 and (right == 0)[b].any():
        raise KmodelError("quantized division by zero", field="b")
    out = np.empty(a.shape, U8)
    a, b = (np.ascontiguousarray(v).reshape(-1) for v in (a, b))
    neutral.quantized_binary(a, b, left, right, n.op, n.out_mul, n.out_shift, n.out_offset,
                             out.reshape(-1))
    return net.write(n.dst, out)


def concat(n, net):
    ranges = n.ranges
    sizes = [d * n.inner for d in np.asarray(n.dims).tolist()]
    if any(s < 0 for s in sizes) or sum(sizes) * max(1, n.outer) > MAX_ELEMENTS:
        raise KmodelError(f"concat of {sizes} bytes, {n.outer} times", field="dims")
    parts = [net.cells(r, s * n.outer).reshape(n.outer, s)
             for r, s in zip(ranges, sizes, strict=True)] if n.outer else []
    room = net.room(n.dst, sum(sizes) * n.outer, U8, *parts) if parts else None
    if room is None:
        out = np.concatenate(parts, axis=1).reshape(-1) if parts else np.zeros(0, U8)
        net.put(n.dst, out)
    else:
        out = room
        np.concatenate(parts, axis=1, out=room.reshape(n.outer, -1))
    return out.view(F32) if n.dst.datatype == 0 and out.size % 4 == 0 else out


def conv2d(n, net):
    g, (h, w) = windows(n)
    x = _read(net, n.src, n.in_shape, F32)
    batches, channels = x.shape[:2]
    if n.groups <= 0 or n.out_channels % n.groups:
        raise KmodelError(f"{n.out_channels} channels in {n.groups} groups", field="groups")
    weights = np.array(n.weights, F32).reshape(n.out_channels, channels // n.groups, n.filter_h,
                                               n.filter_w)
    out = np.empty(shape_of((batches, n.out_channels, h, w)), F32)
    _check_steps(out.size * weights[:1].size)
    numbers = np.append(g[:6], n.groups)
    for image in range(batches):
        float_conv.conv2d(x[image], weights, np.array(n.bias, F32), numbers, *n.clamp, out[image],
                          net.threads)
    return net.write(n.dst, out)


def quantized_conv2d(n, net):
    g, (h, w) = windows(n)
    _check_shift(n.out_shift)
    x = _read(net, n.src, n.in_shape, U8)
    batches, channels = x.shape[:2]
    if n.groups <= 0 or n.out_channels % n.groups:
        raise KmodelError(f"{n.out_channels} channels in {n.groups} groups", field="groups")
    weights = np.array(n.weights).reshape(n.out_channels, channels // n.groups, n.filter_h,
                                          n.filter_w)
    out = np.empty(shape_of((batches, n.out_channels, h, w)), U8)
    _check_steps(out.size * weights[:1].size)
    q = np.array([n.input_offset, n.filter_offset, n.out_mul, n.out_shift, n.out_offset], np.int64)
    for image in range(batches):
        neutral.quantized_conv2d(np.array(x[image]), weights, np.array(n.bias, np.int32),
                                 np.append(g[:6], n.groups), q, out[image])
    return net.write(n.dst, out)


def conv2d_transpose(n, net):
    g, _ = windows(n)
    x = _read(net, n.src, n.in_shape, F32)
    out = np.empty(shape_of(n.out_shape), F32)
    if n.groups <= 0 or x.shape[1] % n.groups or out.shape[1] % n.groups:
        raise KmodelError(f"{x.shape[1]} channels in {n.groups} groups", field="groups")
    weights = np.array(n.weights, F32).reshape(
        n.groups, out.shape[1] // n.groups, x.shape[1] // n.groups, n.filter_h, n.filter_w)
    _check_steps(x.size * weights[:, :, :1].size)
    for image in range(min(x.shape[0], out.shape[0])):
        neutral.conv2d_transpose(np.array(x[image]), weights, g, out[image])
    return net.write(n.dst, _clamp(out, n.clamp))


def _fill(net, where, dtype, source, kernel):
    """kernel(source, out) for elements in a row, in place where source and target are apart."""
    usable = source.flags.writeable and source.flags.aligned  # as the kernels' signatures say
    out = net.room(where, source.size, dtype, source) if usable else None
    if out is not None:
        kernel(source, out)
        return out
    out = np.empty(source.size, dtype)
    kernel(source.copy(), out)
    return net.write(where, out)


def dequantize(n, net):
    zero, scale = n.quant
    x = net.cells(n.src, n.src.size)
    with np.errstate(all="ignore"):
        step = F32(1) / F32(scale)
    return _fill(net, n.dst, F32, x,
                 lambda source, out: neutral.dequantize(source, np.int32(zero), step, out))


def quantize(n, net):
    """round(x * scale + zero point), half away from zero."""
    zero, scale = n.quant
    x = net.cells(n.src, 4 * _floats(n.src)).view(F32)
    return _fill(net, n.dst, U8, x,
                 lambda source, out: neutral.quantize(source, scale, F32(zero), out))


def matmul(n, net):
    a = _read(net, n.a, (n.a_rows, n.a_cols), F32)
    b = _read(net, n.b, (n.a_cols, n.b_cols), F32)
    out = np.empty(shape_of((n.a_rows, n.b_cols)), F32)
    _check_steps(out.size * max(1, n.a_cols))
    neutral.matmul(np.array(a), np.array(b), np.array(n.bias, F32), n.clamp[0], n.clamp[1], out)
    return net.write(n.dst, out)


def quantized_matmul(n, net):
    _check_shift(n.out_shift)
    a = _read(net, n.a, (n.a_rows, n.a_cols), U8).astype(np.int64) + n.a_offset
    b = _read(net, n.b, (n.a_cols, n.b_cols), U8).astype(np.int64) + n.b_offset
    shape_of((n.a_rows, n.b_cols))
    total = (a @ b + np.array(n.bias, np.int64)).astype(np.int32).astype(np.int64)
    v = _carry(total * n.out_mul, n.out_shift) + n.out_offset
    return net.write(n.dst, np.clip(v, 0, 255).astype(U8))


def overlap(shape, in_shape, pads) -> tuple[tuple, tuple]:
    """What of a padded tensor comes from the one inside it, and what of that."""
    here, there = [], []
    for size, dim, (before, _) in zip(shape, in_shape, pads, strict=True):
        first = max(0, before)
        last = max(first, min(size, dim + before))
        here.append(slice(first, last))
        there.append(slice(first - before, last - before))
    return tuple(here), tuple(there)


def pad(n, net):
    """Before and after per axis; negative numbers crop."""
    dtype = dtype_of(n.src)
    x = _read(net, n.src, n.in_shape, dtype)
    value = np.frombuffer(n.value[1], dtype, 1)[0]
    pads = (n.pad_n, n.pad_c, n.pad_h, n.pad_w)
    shape = shape_of(d + before + after for d, (before, after) in zip(x.shape, pads, strict=True))
    out = np.full(shape, value, dtype)
    here, there = overlap(shape, x.shape, pads)
    out[here] = x[there]
    return net.write(n.dst, out)


def reduce(n, net):
    if n.op > 3:
        raise KmodelError(f"reduction {n.op}, expected 0 to 3", field="op")
    x = _read(net, n.src, n.in_shape, F32)
    out = np.full(shape_of(n.out_shape), n.init, F32)
    if out.size == 0:
        raise KmodelError("reduction to nothing", field="out_shape")
    neutral.reduce(np.array(x), n.op, out)
    if n.op == 0 and x.size:
        out *= F32(out.size) / F32(x.size)
    return net.write(n.dst, out)


def reduce_window2d(n, net):
    if n.op > 3:
        raise KmodelError(f"reduction {n.op}, expected 0 to 3", field="op")
    g, (h, w) = windows(n)
    x = _read(net, n.src, n.in_shape, F32)
    out = np.empty(shape_of((*x.shape[:2], h, w)), F32)
    _check_steps(out.size * n.filter_h * n.filter_w)
    flat = (x.shape[0] * x.shape[1],)
    neutral.reduce_window(np.array(x.reshape(flat + x.shape[2:])), n.op, g, n.init, n.clamp[0],
                          n.clamp[1], out.reshape(flat + (h, w)))
    return net.write(n.dst, out)


def memory_copy(n, net):
    """Whole 32-bit words, as the vendor's runtime does."""
    raw = net.cells(n.src, n.src.size // 4 * 4).copy()
    net.put(n.dst, raw)
    return raw.view(F32) if n.dst.datatype == 0 else raw


def nearest_picks(n) -> list[np.ndarray]:
    """Which rows and which columns are taken. Shared: nobody changes them."""
    return [_nearest(out, size)
            for out, size in zip((n.out_h, n.out_w), n.in_shape[2:], strict=True)]


@lru_cache(maxsize=64)
def _nearest(out: int, size: int) -> np.ndarray:
    steps = np.arange(out, dtype=F32) * (F32(size) / F32(out))
    return np.minimum(np.floor(steps).astype(np.int64), size - 1)


def resize_image(n, net):
    dtype = dtype_of(n.src)
    x = _read(net, n.src, n.in_shape, dtype)
    shape_of((*x.shape[:2], n.out_h, n.out_w))
    if min(n.out_h, n.out_w, *x.shape[2:]) <= 0:
        raise KmodelError(f"resize from {x.shape} to {n.out_h}x{n.out_w}", field="out_h")
    if n.mode == 1:
        out = np.empty((*x.shape[:2], n.out_h, n.out_w), dtype)
        kind = np.int32 if dtype is F32 else U8
        neutral.nearest(x.reshape(-1, *x.shape[2:]).view(kind), *nearest_picks(n),
                        out.reshape(-1, n.out_h, n.out_w).view(kind))
    elif n.mode == 0:
        align = n.align_corners & 0xFF
        steps = [F32(size - 1) / F32(out - 1) if align and out > 1 else F32(size) / F32(out)
                 for size, out in zip(x.shape[2:], (n.out_h, n.out_w), strict=True)]
        flat = np.array(x.reshape(-1, *x.shape[2:]), F32)
        result = np.empty((flat.shape[0], n.out_h, n.out_w), F32)
        neutral.bilinear(flat, steps[0], steps[1], result)
        out = result.astype(dtype).reshape(*x.shape[:2], n.out_h, n.out_w)
    else:
        raise KmodelError(f"resize mode {n.mode}, expected 0 or 1", field="mode")
    return net.write(n.dst, out)


def softmax(n, net):
    x = _read(net, n.src, (n.outer, n.inner), F32)
    out = np.empty(x.shape, F32)
    for row in range(x.shape[0]):
        scaled = np.array((x[row] - x[row].max()) * F32(n.beta)) if n.inner else x[row]
        e = np.empty(n.inner, F32)
        dense.exp_all(np.ascontiguousarray(scaled), e)
        total = F32(0)
        for value in e:
            total = F32(total + value)
        with np.errstate(all="ignore"):
            out[row] = e / total
    return net.write(n.dst, out)


def transpose(n, net):
    if sorted(n.perm) != [0, 1, 2, 3]:
        raise KmodelError(f"permutation {n.perm}", field="perm")
    x = _read(net, n.src, n.in_shape, dtype_of(n.src))
    return net.write(n.dst, np.ascontiguousarray(x.transpose(n.perm)))


def strided_slice(n, net):
    """begin to end by stride per axis, negative strides too; the masks are ignored."""
    x = _read(net, n.src, n.in_shape, dtype_of(n.src))
    picks = []
    for dim, begin, end, stride in zip(x.shape, n.begin, n.end, n.strides, strict=True):
        if stride == 0:
            raise KmodelError("stride 0", field="strides")
        count = max(0, -(-(end - begin) // stride))
        last = begin + (count - 1) * stride
        if count and not (0 <= begin < dim and 0 <= last < dim):
            raise KmodelError(f"slice {begin}:{end}:{stride} of {dim}", field="begin")
        picks.append(begin + stride * np.arange(count))
    return net.write(n.dst, x[np.ix_(*picks)])


def _rsqrt(x):
    return F32(1) / np.sqrt(x)


def _through_double(function):
    return lambda x: function(x.astype(np.float64)).astype(F32)


UNARY = (np.abs, np.ceil, _through_double(np.cos), _through_double(np.exp), np.floor,
         _through_double(np.log), np.negative, _rsqrt, _through_double(np.sin), np.square)


def unary(n, net):
    if n.op >= len(UNARY):
        raise KmodelError(f"unary operation {n.op}, expected 0 to 9", field="op")
    x = net.read(n.src, _floats(n.src), F32)
    with np.errstate(all="ignore"):
        return net.write(n.dst, UNARY[n.op](x).astype(F32))


def table_lookup1d(n, net):
    table = net.read(n.table, 256, U8)
    return net.write(n.dst, table[net.read(n.src, n.src.size, U8)])


NNIL_UNARY = dict(zip(range(0x20, 0x2A), UNARY, strict=True))
NNIL_BINARY = dict(zip(range(0x40, 0x46), (np.add, np.subtract, np.multiply, np.divide, np.minimum,
                                           np.maximum), strict=True))


def nnil_unary_method(n, net):
    """Run the stack program on the whole tensor at once."""
    x = net.read(n.src, _floats(n.src), F32)
    code, at, stack = bytes(n.rest), 0, []
    constants = {0x03: x, 0x04: F32(0), 0x05: F32(1)}
    try:
        with np.errstate(all="ignore"):
            while True:
                op, at = code[at], at + 1
                if op == 0x01:
                    stack.append(stack[-1])
                elif op == 0x02:
                    stack.pop()
                elif op in constants:
                    stack.append(constants[op])
                elif op == 0x06:
                    stack.append(F32(struct.unpack_from("<f", code, at)[0]))
                    at += 4
                elif op in NNIL_UNARY:
                    stack.append(NNIL_UNARY[op](np.asarray(stack.pop(), F32)))
                elif op in NNIL_BINARY:
                    b, a = stack.pop(), stack.pop()
                    stack.append(NNIL_BINARY[op](a, b))
                elif op == 0x80:
                    high, low, v = stack.pop(), stack.pop(), stack.pop()
                    stack.append(np.minimum(np.maximum(v, low), high))
                elif op == 0xA0:
                    return net.write(n.dst, np.broadcast_to(np.asarray(stack.pop(), F32),
                                                            x.shape).copy())
                elif op != 0x00:
                    raise KmodelError(f"byte code {op:#04x} at {at - 1}", field="bytecode")
                if len(stack) > 64:
                    raise KmodelError("the byte code's stack overflows", field="bytecode")
    except (IndexError, struct.error):
        raise KmodelError("the byte code ends early or its stack is empty",
                          field="bytecode") from None


def kpu_upload(n, net):
    shape = shape_of(n.in_shape)
    x = net.cells(n.src, math.prod(shape)).reshape(shape)
    if not x.flags.writeable or np.may_share_memory(x, net.ai_ram.data):
        x = x.copy()
    net.upload(n.dst.start, x)
    return x


EXECUTED = {
    nd.Binary: binary, nd.QuantizedBinary: quantized_binary, nd.Concat: concat, nd.Conv2d: conv2d,
    nd.QuantizedConv2d: quantized_conv2d, nd.Conv2dTranspose: conv2d_transpose,
    nd.Dequantize: dequantize, nd.Quantize: quantize, nd.Matmul: matmul,
    nd.QuantizedMatmul: quantized_matmul, nd.Pad: pad, nd.Reduce: reduce,
    nd.ReduceWindow2d: reduce_window2d, nd.MemoryCopy: memory_copy, nd.ResizeImage: resize_image,
    nd.Softmax: softmax, nd.Transpose: transpose, nd.StridedSlice: strided_slice, nd.Unary: unary,
    nd.TableLookup1d: table_lookup1d, nd.NnilUnaryMethod: nnil_unary_method,
    nd.KpuUpload: kpu_upload,
}
