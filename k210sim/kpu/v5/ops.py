"""What the tensor functions of kmodel V5's byte code do.

Each function takes the machine (`TensorMachine` of stack_machine.py) and the instruction's
operands, pops its values and returns what it wrote. Tensors are NumPy views over the machine's
memories with the strides of the byte code. Float arithmetic rounds after every step, sums go in
index order.
Ref: nncase v1.9.0 src/runtime/stackvm/ops, src/kernels/cpu/reference (behaviour, not code).
"""

from __future__ import annotations

import math

import numpy as np

from k210sim.errors import KmodelError
from k210sim.kpu.kernels import dense, float_conv, neutral

F32 = np.float32
MAX_STEPS = 1 << 33
FLOAT = 9


def _limits(o):
    return F32(o["low"]), F32(o["high"])


def _clamp(values, limits):
    low, high = limits
    return np.maximum(np.minimum(values, high), low)


def _shape_of(m, o, name="shape"):
    return m.shape(o[name])


def float_only(o, key="dt"):
    if o[key] != FLOAT:
        raise KmodelError(f"datatype {o[key]}, this function takes float32 only", field=key)


def _elementwise(m, o, change):
    """in, out: `change` of every element."""
    out_at, in_at = m.pop_address(), m.pop_address()
    shape = _shape_of(m, o)
    x = m.read(in_at, o["dt"], shape, o["in_strides"])
    with np.errstate(all="ignore"):
        return m.write(out_at, o.get("dt_out", o["dt"]), o["out_strides"], change(x))


def copy(m, o):
    return _elementwise(m, o, lambda x: x)


def convert(m, o):
    """To integers: toward zero; what does not fit wraps (undefined in C: a guess)."""
    wanted = m.dtype(o["dt_out"])

    def change(x):
        if x.dtype.kind == "f" and wanted.kind != "f":
            whole = np.nan_to_num(np.trunc(x.astype(np.float64)), nan=0, posinf=0, neginf=0)
            return np.clip(whole, -2.0**62, 2.0**62).astype(np.int64).astype(wanted)
        return x.astype(wanted)

    return _elementwise(m, o, change)


def quantize(m, o):
    """clamp(round(x * scale + bias)), ties to even; NaN and what is beyond 32 bits give the
    lowest value, as the x86 conversion does."""
    bias, scale = F32(m.pop()), F32(m.pop())
    float_only(o)
    limits = np.iinfo(m.dtype(o["dt_out"]))

    def change(x):
        v = np.rint(x * scale + bias).astype(np.float64)
        v = np.where((v >= -2.0**31) & (v < 2.0**31), v, -2.0**31)
        return np.clip(v, limits.min, limits.max).astype(limits.dtype)

    if o["dt_out"] not in (0, 4):
        raise KmodelError(f"quantize to datatype {o['dt_out']}", field="dt_out")
    return _elementwise(m, o, change)


def dequantize(m, o):
    """x * scale + bias, the product rounded first."""
    bias, scale = F32(m.pop()), F32(m.pop())
    if o["dt"] not in (0, 4) or o["dt_out"] != FLOAT:
        raise KmodelError(f"dequantize {o['dt']} to {o['dt_out']}", field="dt")
    return _elementwise(m, o, lambda x: x.astype(F32) * scale + bias)


def _erf(x):
    return np.array([math.erf(v) for v in x.ravel().tolist()]).reshape(x.shape).astype(F32)


def _wide(function):
    return lambda x: function(x.astype(np.float64)).astype(F32)


UNARY = (np.abs, _wide(np.arccos), _wide(np.arcsin), np.ceil, _wide(np.cos), _wide(np.exp),
         np.floor, _wide(np.log), np.negative, np.rint, lambda x: F32(1) / np.sqrt(x), np.sign,
         _wide(np.sin), np.sqrt, np.square, _wide(np.tanh), None,
         lambda x: (x == 0).astype(x.dtype), _erf)
# The older releases' lists leave some out: numbers into UNARY.
UNARY_BETA = (0, 3, 4, 5, 6, 7, 8, 9, 10, 12, 13, 14, 15, 16, 17)
UNARY_1_0 = (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 13, 14, 15, 16, 17)


def unary(m, o):
    order = {0: UNARY_BETA, 1: UNARY_1_0}.get(m.release, range(len(UNARY)))
    if o["op"] >= len(order) or UNARY[order[o["op"]]] is None:
        raise KmodelError(f"unary operation {o['op']} is not executed on floats", field="op")
    float_only(o)
    return _elementwise(m, o, UNARY[order[o["op"]]])


def sigmoid(m, o):
    float_only(o)

    def change(x):
        return (F32(1) / (F32(1) + np.exp(-x.astype(np.float64)).astype(F32))).astype(F32)

    o = {"out_strides": o["in_strides"], **o}
    return _elementwise(m, o, change)


def lut1d(m, o):
    m.pop(), m.pop()
    out_at, table_at, in_at = m.pop_address(), m.pop_address(), m.pop_address()
    if o["dt"] != 4:
        raise KmodelError("a table takes bytes", field="dt")
    table = m.read_flat(table_at, 4, 256)
    x = m.read(in_at, 4, _shape_of(m, o), o["in_strides"])
    return m.write(out_at, 4, o["out_strides"], table[x])


BINARY = (np.add, np.subtract, np.multiply, np.divide, np.minimum, np.maximum,
          lambda a, b: np.power(a.astype(np.float64), b).astype(F32), None, None, None, None, None,
          lambda a, b: ((a != 0) & (b != 0)).astype(a.dtype))


def _pair(m, o):
    """The two operands, broadcast: an index past a dimension reads 0."""
    b_at, a_at = m.pop_address(), m.pop_address()
    a = m.read(a_at, o["dt"], _shape_of(m, o, "a_shape"), o["a_strides"])
    b = m.read(b_at, o["dt"], _shape_of(m, o, "b_shape"), o["b_strides"])
    try:
        shape = np.broadcast_shapes(a.shape, b.shape)
    except ValueError:
        raise KmodelError(f"shapes {a.shape} and {b.shape} do not broadcast",
                          field="a_shape") from None
    m.check_size(shape)
    return a, b, shape


def binary(m, o):
    """Integers too; the result passes through float32 for the clamp, as in the runtime."""
    out_at = m.pop_address()
    a, b, _ = _pair(m, o)
    if o["op"] >= len(BINARY) or BINARY[o["op"]] is None:
        raise KmodelError(f"binary operation {o['op']} is not executed", field="op")
    with np.errstate(all="ignore"):
        if o["op"] == 3 and a.dtype.kind != "f":
            if (b == 0).any():
                raise KmodelError("integer division by zero", field="op")
            wide_a, wide_b = a.astype(np.int64), b.astype(np.int64)
            v = np.sign(wide_a) * np.sign(wide_b) * (np.abs(wide_a) // np.abs(wide_b))
        else:
            v = BINARY[o["op"]](a, b)
        v = _clamp(np.asarray(v).astype(F32), _limits(o)).astype(a.dtype)
    return m.write(out_at, o["dt"], o["out_strides"], v)


def compare(m, o):
    """0 equal, 1 not, 2 greater, 3 at least, 4 less, 5 at most; one byte of 0 or 1 each."""
    out_at = m.pop_address()
    a, b, _ = _pair(m, o)
    kinds = (np.equal, np.not_equal, np.greater, np.greater_equal, np.less, np.less_equal)
    if o.get("op", 0) >= len(kinds):
        raise KmodelError(f"comparison {o['op']}, expected 0 to 5", field="op")
    return m.write(out_at, 4, o["out_strides"], kinds[o.get("op", 0)](a, b).astype(np.uint8))


def broadcast(m, o):
    out_at, in_at = m.pop_address(), m.pop_address()
    x = m.read(in_at, o["dt"], _shape_of(m, o), o["in_strides"])
    try:
        out = np.broadcast_to(x, m.check_size(_shape_of(m, o, "out_shape")))
    except ValueError:
        raise KmodelError(f"{x.shape} does not broadcast", field="out_shape") from None
    return m.write(out_at, o["dt"], o["out_strides"], out)


def transpose(m, o):
    out_at, in_at = m.pop_address(), m.pop_address()
    x = m.read(in_at, o["dt"], _shape_of(m, o), o["in_strides"])
    perm = m.shape(o["perm"])
    if sorted(perm) != list(range(x.ndim)):
        raise KmodelError(f"permutation {perm} of {x.ndim} axes", field="perm")
    return m.write(out_at, o["dt"], o["out_strides"], x.transpose(perm))


def slice_(m, o):
    """begins (included) to ends (left out) by steps, also backwards."""
    out_at, in_at = m.pop_address(), m.pop_address()
    x = m.read(in_at, o["dt"], _shape_of(m, o), o["in_strides"])
    parts = [m.shape(o[name]) for name in ("begins", "ends", "steps")]
    if any(len(part) != x.ndim for part in parts) or 0 in parts[2]:
        raise KmodelError("begins, ends and steps do not fit the tensor", field="steps")
    picks = []
    for size, begin, end, step in zip(x.shape, *parts, strict=True):
        index = np.arange(size)
        inside = (index >= begin) & (index < end) if step > 0 else (index > end) & (index <= begin)
        index = index[inside & ((index - begin) % step == 0)]
        picks.append(index if step > 0 else index[::-1])
    return m.write(out_at, o["dt"], o["out_strides"], x[np.ix_(*picks)])


PAD_MODES = ("constant", "reflect", "symmetric", "edge")


def pad(m, o):
    """Numbers between elements first, then before and after each axis; negative ones crop."""
    value, out_at, in_at = m.pop(), m.pop_address(), m.pop_address()
    x = m.read(in_at, o["dt"], _shape_of(m, o), o["in_strides"])
    pads = m.paddings(o["pads"])
    if len(pads) != x.ndim or o["mode"] >= len(PAD_MODES):
        raise KmodelError(f"{len(pads)} paddings, mode {o['mode']}", field="pads")
    value = np.array(value).astype(x.dtype)
    for axis, (before, after, between) in enumerate(pads):
        if between:
            wide = list(x.shape)
            wide[axis] = max(0, wide[axis] + max(0, wide[axis] - 1) * max(0, between))
            spread = np.full(m.check_size(tuple(wide)), value, x.dtype)
            spread[(slice(None),) * axis + (slice(None, None, 1 + max(0, between)),)] = x
            x = spread
        size = x.shape[axis]
        if size + before + after < 0:
            raise KmodelError(f"crop of {before} and {after} from {size}", field="pads")
        index = np.arange(-before, size + after)
        m.check_size((*x.shape[:axis], len(index), *x.shape[axis + 1:]))
        outside = (index < 0) | (index >= size)
        if o["mode"] == 1:
            index = np.where(index < 0, -index,
                             np.where(index >= size, 2 * size - 2 - index, index))
        elif o["mode"] == 2:
            index = np.where(index < 0, -index - 1,
                             np.where(index >= size, 2 * size - 1 - index, index))
        elif o["mode"] == 3:
            index = np.clip(index, 0, size - 1)
        else:
            index = np.where(outside, 0, index)
        if len(index) and (size == 0 or index.min() < 0 or index.max() >= size):
            raise KmodelError(f"padding {before} and {after} of {size}", field="pads")
        x = np.take(x, index, axis=axis)
        if o["mode"] == 0 and outside.any():
            x[(slice(None),) * axis + (outside,)] = value
    return m.write(out_at, o["dt"], o["out_strides"], x)


def _sum(x, start):
    """Sums of rows in order, each step rounded. x float32[rows, n]."""
    out = np.full(x.shape[0], start, F32)
    neutral.row_sums(np.ascontiguousarray(x), out)
    return out


def reduce(m, o):
    """0 mean, 1 minimum, 2 maximum, 3 sum over the axes. Minimum and maximum ignore the start."""
    start, out_at, in_at = m.pop(), m.pop_address(), m.pop_address()
    x = m.read(in_at, o["dt"], _shape_of(m, o), o["in_strides"])
    axes = sorted(set(m.shape(o["axes"])))
    if o["op"] > 3 or any(not 0 <= a < x.ndim for a in axes) or o["dt"] not in (2, 3, FLOAT):
        raise KmodelError(f"reduction {o['op']} over axes {axes}", field="op")
    kept = [a for a in range(x.ndim) if a not in axes]
    rows = np.ascontiguousarray(x.transpose(kept + axes)).reshape(
        math.prod(x.shape[a] for a in kept), -1 if x.size else 0)
    if rows.shape[1] == 0:
        raise KmodelError("reduction of nothing", field="shape")
    with np.errstate(all="ignore"):
        if o["op"] in (1, 2):
            out = (rows.min if o["op"] == 1 else rows.max)(axis=1)
        elif o["dt"] == FLOAT:
            out = _sum(rows, F32(start))
            out = out / F32(rows.shape[1]) if o["op"] == 0 else out
        else:
            out = (rows.sum(axis=1) + int(start)).astype(x.dtype)
            out = out // rows.shape[1] if o["op"] == 0 else out
    shape = [1 if a in axes else x.shape[a] for a in range(x.ndim) if o["keep"] or a in kept]
    return m.write(out_at, o["dt"], o["out_strides"], out.reshape(shape or [1]))


def windows(m, o, x, filters):
    """int64[8] as kernels/neutral.py takes it, and the output size. Pops the paddings."""
    (left, right), (top, bottom) = m.pop_padding(), m.pop_padding()
    steps = [o["stride_h"], o["stride_w"], o["dilation_h"], o["dilation_w"]]
    if min(*steps, *filters) <= 0:
        raise KmodelError("a stride, dilation or filter size is not positive", field="stride_h")
    size = []
    for dim, before, after, f, s, d in ((x[2], top, bottom, filters[0], steps[0], steps[2]),
                                        (x[3], left, right, filters[1], steps[1], steps[3])):
        size.append((dim + before + after - ((f - 1) * d + 1) + s) // s)
    if min(size) < 0:
        raise KmodelError(f"an output of {size}", field="shape")
    return np.array([top, left, *steps, *filters], np.int64), size


def _four(shape):
    if len(shape) != 4:
        raise KmodelError(f"a tensor of rank {len(shape)}, expected 4", field="shape")
    return shape


def reduce_window2d(m, o):
    float_only(o)
    shape = _four(_shape_of(m, o))
    g, (h, w) = windows(m, o, shape, (o["filter_h"], o["filter_w"]))
    out_at, start, in_at = m.pop_address(), F32(m.pop()), m.pop_address()
    x = m.read(in_at, FLOAT, shape, o["in_strides"])
    if o["op"] > 3:
        raise KmodelError(f"reduction {o['op']}, expected 0 to 3", field="op")
    out = np.empty(m.check_size((shape[0] * shape[1], h, w)), F32)
    if out.size * o["filter_h"] * o["filter_w"] > MAX_STEPS:
        raise KmodelError("the windows would take minutes")
    low, high = _limits(o)
    neutral.reduce_window(np.ascontiguousarray(x).reshape(-1, *shape[2:]), o["op"], g, start, low,
                          high, out)
    return m.write(out_at, FLOAT, o["out_strides"], out.reshape(*shape[:2], h, w))


def conv2d(m, o):
    float_only(o)
    shape, w_shape = _four(_shape_of(m, o)), _four(_shape_of(m, o, "w_shape"))
    g, (h, w) = windows(m, o, shape, w_shape[2:])
    out_at, bias_at, w_at, in_at = (m.pop_address() for _ in range(4))
    groups = o["groups"]
    if groups == 0 or w_shape[0] % groups or shape[1] != w_shape[1] * groups:
        raise KmodelError(f"{shape[1]} channels, weights {w_shape}, {groups} groups",
                          field="groups")
    x = m.read(in_at, FLOAT, shape, o["in_strides"])
    weights = np.ascontiguousarray(m.read(w_at, FLOAT, w_shape, o["w_strides"]))
    bias = np.ascontiguousarray(m.read(bias_at, FLOAT, (w_shape[0],), o["bias_strides"]))
    out = np.empty(m.check_size((shape[0], w_shape[0], h, w)), F32)
    if out.size * weights[:1].size > MAX_STEPS:
        raise KmodelError("the convolution would take minutes")
    low, high = _limits(o)
    for image in range(shape[0]):
        float_conv.conv2d(np.array(x[image]), weights, bias, np.append(g[:6], groups), low, high,
                          out[image], m.net.threads)
    return m.write(out_at, FLOAT, o["out_strides"], out)


def matmul(m, o):
    """Rows times columns, the sum starting at the column's bias; leading axes are batches."""
    if "out_strides" not in o:
        raise KmodelError(f"MATMUL of nncase {m.release_name} has no shapes", field="MATMUL")
    out_at, bias_at, b_at, a_at = (m.pop_address() for _ in range(4))
    a = m.read(a_at, FLOAT, _shape_of(m, o, "a_shape"), o["a_strides"])
    b = m.read(b_at, FLOAT, _shape_of(m, o, "b_shape"), o["b_strides"])
    if min(a.ndim, b.ndim) < 2 or a.shape[-1] != b.shape[-2]:
        raise KmodelError(f"{a.shape} times {b.shape}", field="a_shape")
    bias = m.read_flat(bias_at, FLOAT, b.shape[-1])
    batches = [math.prod(part.shape[:-2]) for part in (a, b)]
    if 1 not in batches and batches[0] != batches[1] or 0 in batches:
        raise KmodelError(f"{a.shape} times {b.shape}", field="a_shape")
    count = max(batches)
    a = np.ascontiguousarray(a).reshape(-1, *a.shape[-2:])
    b = np.ascontiguousarray(b).reshape(-1, *b.shape[-2:])
    out = np.empty(m.check_size((count, a.shape[1], b.shape[2])), F32)
    if out.size * max(1, a.shape[2]) > MAX_STEPS:
        raise KmodelError("the product would take minutes")
    low, high = _limits(o)
    for i in range(count):
        neutral.matmul(a[i % len(a)], b[i % len(b)], bias, low, high, out[i])
    shape = _shape_of(m, o, "out_shape")
    if math.prod(shape) != out.size:
        raise KmodelError(f"a product of {out.shape} into {shape}", field="out_shape")
    return m.write(out_at, FLOAT, o["out_strides"], out.reshape(shape))


def _scale(size, out, o):
    if o["align_corners"] and out > 1:
        return F32(size - 1) / F32(out - 1)
    return F32(size) / F32(out)


def nearest_picks(size: int, out: int, o) -> np.ndarray:
    """Which of `size` pixels each of `out` takes, int64."""
    v = (np.arange(out, dtype=F32) + F32(0.5 if o["half_pixel"] else 0)) * _scale(size, out, o)
    v = np.trunc(v + F32(0.5)) if o["align_corners"] else np.floor(v)
    return np.clip(v, 0, size - 1).astype(np.int64)


def resize_image(m, o):
    """mode 0 bilinear, 1 nearest; align_corners and half_pixel as in TensorFlow."""
    out_at, in_at, out_w, out_h = m.pop_address(), m.pop_address(), m.pop_int(), m.pop_int()
    shape = _four(_shape_of(m, o))
    x = m.read(in_at, o["dt"], shape, o["in_strides"])
    if min(out_h, out_w, *shape[2:]) <= 0 or o["mode"] > 1:
        raise KmodelError(f"resize from {shape} to {out_h}x{out_w}, mode {o['mode']}", field="mode")
    m.check_size((*shape[:2], out_h, out_w))
    half, at = bool(o["half_pixel"]), []
    for size, out in zip(shape[2:], (out_h, out_w), strict=True):
        if o["mode"] == 1:
            at.append(nearest_picks(size, out, o))
            continue
        scale = _scale(size, out, o)
        index = np.arange(out, dtype=F32)
        v = (index + F32(0.5)) * scale - F32(0.5) if half else index * scale
        first = np.maximum(np.floor(v).astype(np.int64), 0)
        first = np.minimum(first, size - 1)
        last = np.clip(np.ceil(v).astype(np.int64), 0, size - 1)
        at.append((first, last, (v - first.astype(F32)).astype(F32)))
    if o["mode"] == 1:
        out = x[:, :, at[0]][:, :, :, at[1]]
    else:
        (y0, y1, dy), (x0, x1, dx) = at
        dy = dy[:, None]
        one = F32(1)
        parts = ((y0, x0, (one - dy) * (one - dx)), (y1, x0, dy * (one - dx)),
                 (y0, x1, (one - dy) * dx), (y1, x1, dy * dx))
        out = F32(0)
        for i, (rows, columns, weight) in enumerate(parts):
            part = x[:, :, rows][:, :, :, columns].astype(F32) * weight
            out = part if i == 0 else out + part
        if x.dtype.kind != "f":
            out = (out + F32(0.5)).astype(x.dtype)
    return m.write(out_at, o["dt"], o["out_strides"], out)


def gather(m, o):
    indices_at, out_at, in_at = m.pop_address(), m.pop_address(), m.pop_address()
    x = m.read(in_at, o["dt"], _shape_of(m, o), o["in_strides"])
    shape = _shape_of(m, o, "indices_shape")
    picks = m.read_flat(indices_at, 2, math.prod(m.check_size(shape))).reshape(shape)
    if o["axis"] >= x.ndim or picks.size and not (
            0 <= picks.min() and picks.max() < x.shape[o["axis"]]):
        raise KmodelError(f"indices outside axis {o['axis']} of {x.shape}", field="axis")
    m.check_size((*x.shape[: o["axis"]], *shape, *x.shape[o["axis"] + 1 :]))
    return m.write(out_at, o["dt"], o["out_strides"], np.take(x, picks, axis=o["axis"]))


def softmax(m, o):
    if "axis" not in o:
        raise KmodelError(f"SOFTMAX of nncase {m.release_name} has no fields", field="SOFTMAX")
    float_only(o)
    out_at, in_at = m.pop_address(), m.pop_address()
    x = m.read(in_at, FLOAT, _shape_of(m, o), o["in_strides"])
    if not -x.ndim <= o["axis"] < x.ndim or x.size == 0:
        raise KmodelError(f"axis {o['axis']} of {x.shape}", field="axis")
    rows = np.moveaxis(x, o["axis"], -1)
    flat = np.ascontiguousarray(rows).reshape(-1, rows.shape[-1])
    with np.errstate(all="ignore"):
        scaled = ((flat - flat.max(axis=1, keepdims=True)) * F32(o["beta"])).astype(F32)
        e = np.empty(scaled.size, F32)
        dense.exp_all(np.ascontiguousarray(scaled).reshape(-1), e)
        e = e.reshape(flat.shape)
        out = e / _sum(e, F32(0))[:, None]
    return m.write(out_at, FLOAT, o["out_strides"], np.moveaxis(out.reshape(rows.shape), -1,
                                                               o["axis"]))


EXECUTED = {
    "BINARY": binary, "BROADCAST": broadcast, "COMPARE": compare, "CONV2D": conv2d,
    "CONVERT": convert, "COPY": copy, "DEQUANTIZE": dequantize, "EQUAL": compare, "GATHER": gather,
    "LUT1D": lut1d, "MATMUL": matmul, "PAD": pad, "QUANTIZE": quantize, "REDUCE": reduce,
    "REDUCE_WINDOW2D": reduce_window2d, "RESIZE_IMAGE": resize_image, "SIGMOID": sigmoid,
    "SLICE": slice_, "SOFTMAX": softmax, "TRANSPOSE": transpose, "UNARY": unary,
}
