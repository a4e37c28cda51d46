"""Tensor functions of kmodel V5 that choose: by index, by size, by condition.

As in ops.py, each takes the machine and the operands. "Packed" tensors have no strides.
Ref: nncase v1.9.0 src/kernels/cpu/reference (behaviour, not code).
"""

from __future__ import annotations

import heapq
import math

import numpy as np

from k210sim.errors import KmodelError
from k210sim.kpu.v5.ops import FLOAT, float_only

F32 = np.float32
I32, I64, BYTE = 2, 3, 4
NEAR = F32(1e-6)
MAX_ROW_VALUES = 1 << 20


def _axis(axis, rank, low=0):
    if not low <= axis < rank:
        raise KmodelError(f"axis {axis} of {rank}", field="axis")
    return axis


def gather_nd(m, o):
    """Rows of 32-bit indices into the axes behind the `axis` shared leading ones."""
    picks_at, out_at, in_at = m.pop_address(), m.pop_address(), m.pop_address()
    x = m.read(in_at, o["dt"], m.shape(o["shape"]), o["in_strides"])
    shape = m.shape(o["indices_shape"])
    picks = m.read_packed(picks_at, I32, shape)
    shared, depth = o["axis"], shape[-1] if shape else 0
    if not 0 < depth <= x.ndim - shared or shared >= len(shape) \
            or x.shape[:shared] != shape[:shared]:
        raise KmodelError(f"indices of {shape} into {x.shape}", field="indices_shape")
    limits = np.array(x.shape[shared : shared + depth])
    if picks.size and not ((picks >= 0) & (picks < limits)).all():
        raise KmodelError(f"indices outside {x.shape}", field="indices_shape")
    out_shape = m.shape(o["out_shape"])
    if m.check_size((*shape[:-1], *x.shape[shared + depth :])) != out_shape and \
            (shape[:-1] or out_shape != (1,)):
        raise KmodelError(f"indices of {shape} into {x.shape} to {out_shape}", field="out_shape")
    lead = tuple(np.arange(d).reshape([-1 if a == i else 1 for a in range(len(shape) - 1)])
                 for i, d in enumerate(shape[:shared]))
    out = x[lead + tuple(np.moveaxis(picks, -1, 0))]
    return m.write(out_at, o["dt"], o["out_strides"], np.asarray(out).reshape(out_shape))


def gather_elements(m, o):
    """out[i][j].. = in[i][index].. along the axis; float32, 64-bit indices, negative from the end;
    packed."""
    out_at, picks_at, in_at = m.pop_address(), m.pop_address(), m.pop_address()
    x = m.read_packed(in_at, FLOAT, m.shape(o["shape"]))
    picks = m.read_packed(picks_at, I64, m.shape(o["indices_shape"]))
    axis = _axis(o["axis"], x.ndim)
    if picks.ndim != x.ndim or any(p > d for a, (p, d) in enumerate(
            zip(picks.shape, x.shape, strict=True)) if a != axis):
        raise KmodelError(f"indices of {picks.shape} into {x.shape}", field="indices_shape")
    size = x.shape[axis]
    picks = np.where(picks < 0, picks + size, picks)
    if picks.size and not ((picks >= 0) & (picks < size)).all():
        raise KmodelError(f"indices outside axis {axis} of {x.shape}", field="axis")
    part = x[tuple(slice(None) if a == axis else slice(p) for a, p in enumerate(picks.shape))]
    return m.write_packed(out_at, FLOAT, np.take_along_axis(part, picks, axis))


def one_hot(m, o):
    """A new axis with the "on" value at each index. mode 1: negative indices count from its end.
    Indices outside are "off" everywhere (the vendor's runtime writes beside the tensor)."""
    out_at, off_at, on_at = m.pop_address(), m.pop_address(), m.pop_address()
    m.pop_address()  # the depth, which the output's shape tells too
    picks_at = m.pop_address()
    shape, out_shape = m.shape(o["indices_shape"]), m.check_size(m.shape(o["out_shape"]))
    axis = _axis(o["axis"], len(out_shape))
    if out_shape[:axis] + out_shape[axis + 1 :] != shape or o["mode"] > 1:
        raise KmodelError(f"indices of {shape} to {out_shape}, mode {o['mode']}", field="out_shape")
    picks = np.expand_dims(m.read_packed(picks_at, I32, shape), axis)
    size = out_shape[axis]
    if o["mode"] == 1:
        picks = np.where(picks < 0, picks + size, picks)
    places = np.arange(size).reshape([-1 if a == axis else 1 for a in range(len(out_shape))])
    on, off = m.read_flat(on_at, o["dt"], 1), m.read_flat(off_at, o["dt"], 1)
    return m.write(out_at, o["dt"], o["out_strides"], np.where(picks == places, on, off))


def top_k(m, o):
    """The k largest or smallest along an axis, and where they were (64 bits).

    Sorted: pairs of value and index in order, so of equal values the last place comes first when
    the largest are wanted. Unsorted: the order one quickselect around each first value leaves.
    """
    places_at, out_at, in_at = m.pop_address(), m.pop_address(), m.pop_address()
    float_only(o)
    x = m.read(in_at, FLOAT, m.shape(o["shape"]), o["in_strides"])
    axis, k = _axis(o["axis"], x.ndim), o["k"]
    if not 1 <= k <= x.shape[axis]:
        raise KmodelError(f"the first {k} of {x.shape[axis]}", field="k")
    if x.size > MAX_ROW_VALUES:
        raise KmodelError(f"{x.size} values to order, expected {MAX_ROW_VALUES} at most",
                          field="shape")
    rows = np.moveaxis(x, axis, -1)
    pick = _sorted_top if o["sorted"] else _selected_top
    pairs = [pick(row, k, bool(o["largest"])) for row in rows.reshape(-1, x.shape[axis]).tolist()]
    found = np.array(pairs, np.float64).reshape(*rows.shape[:-1], k, 2)
    values = np.moveaxis(found[..., 0], -1, axis).astype(F32)
    places = np.moveaxis(found[..., 1], -1, axis).astype(np.int64)
    m.write(places_at, I64, o["indices_strides"], places)
    return m.write(out_at, FLOAT, o["values_strides"], values)


def _sorted_top(row, k, largest):
    sign = 1 if largest else -1
    kept = [(sign * v, sign * i) for i, v in enumerate(row[:k])]
    heapq.heapify(kept)
    for i in range(k, len(row)):
        if sign * row[i] > kept[0][0]:
            heapq.heapreplace(kept, (sign * row[i], sign * i))
    return [(sign * v, sign * i) for v, i in sorted(kept, reverse=True)]


def _selected_top(row, k, largest):
    pairs = [(v, i) for i, v in enumerate(row)]
    sign = -1 if largest else 1
    low, high = 0, len(pairs) - 1
    while low < high:
        pivot, left, right = sign * pairs[low][0], low, high + 1
        while True:
            left += 1
            while left < high and sign * pairs[left][0] < pivot:
                left += 1
            right -= 1
            while right > low and sign * pairs[right][0] > pivot:
                right -= 1
            if left >= right:
                break
            pairs[left], pairs[right] = pairs[right], pairs[left]
        pairs[low], pairs[right] = pairs[right], pairs[low]
        if right == k:
            break
        low, high = (low, right - 1) if right > k else (right + 1, high)
    return pairs[:k]


def reduce_arg(m, o):
    """Where the minimum (0) or maximum (1) lies: the index along the first axis named, in 32 or 64
    bits. Values closer than 1e-6 to the best count as equal; `last` takes the last of them."""
    out_at, in_at = m.pop_address(), m.pop_address()
    float_only(o)
    x = m.read(in_at, FLOAT, m.shape(o["shape"]), o["in_strides"])
    named = m.shape(o["axes"])
    axes = sorted(set(named))
    if x.size == 0 or not axes or o["op"] > 1 or o["dt_out"] not in (I32, I64):
        raise KmodelError(f"operation {o['op']} over axes {named} of {x.shape}", field="op")
    for axis in axes:
        _axis(axis, x.ndim)
    kept = [a for a in range(x.ndim) if a not in axes]
    order = kept + axes
    index = np.broadcast_to(np.arange(x.shape[named[0]]).reshape(
        [-1 if a == named[0] else 1 for a in range(x.ndim)]), x.shape)
    count = math.prod(x.shape[a] for a in axes)
    rows, index = (v.transpose(order).reshape(-1, count) for v in (x, index))
    limit = np.finfo(F32).max if o["op"] == 0 else np.finfo(F32).min
    best = np.full(len(rows), limit, F32)
    first, last = np.full(len(rows), -1), np.full(len(rows), -1)
    with np.errstate(all="ignore"):
        for j in range(count):
            v, at = rows[:, j], index[:, j]
            better = v < best if o["op"] == 0 else v > best
            equal = ~better & (np.abs(v - best) < NEAR)
            first = np.where(better | (equal & (first < 0)), at, first)
            last = np.where(better | equal, at, last)
            best = np.where(better, v, best)
    out = last if o["last"] else first
    if out.size and out.min() < 0:
        raise KmodelError("a row without a number to choose", field="REDUCE_ARG")
    shape = [1 if a in axes else x.shape[a] for a in range(x.ndim) if o["keep"] or a in kept]
    return m.write(out_at, o["dt_out"], o["out_strides"], out.reshape(shape or [1]))


def hardmax(m, o):
    """1 at the first maximum along the axis, 0 elsewhere; where nothing exceeds the smallest normal
    float32, 0 everywhere."""
    out_at, in_at = m.pop_address(), m.pop_address()
    float_only(o)
    x = m.read(in_at, FLOAT, m.shape(o["shape"]), o["in_strides"])
    axis = _axis(o["axis"], x.ndim)
    if x.size == 0:
        raise KmodelError(f"the maximum of {x.shape}", field="shape")
    shown = np.where(x > np.finfo(F32).tiny, x, 0)
    place = np.expand_dims(shown.argmax(axis), axis)
    out = np.zeros(x.shape, F32)
    np.put_along_axis(out, place, np.take_along_axis(shown, place, axis) > 0, axis)
    return m.write(out_at, FLOAT, o["in_strides"], out)


def ternary(m, o):
    """b where the float condition a is not 0, else c."""
    out_at = m.pop_address()
    ats = [m.pop_address() for _ in range(3)][::-1]
    float_only(o)
    a, b, c = (m.read(at, FLOAT, m.shape(o[f"{n}_shape"]), o[f"{n}_strides"])
               for at, n in zip(ats, "abc", strict=True))
    try:
        m.check_size(np.broadcast_shapes(a.shape, b.shape, c.shape))
    except ValueError:
        raise KmodelError(f"shapes {a.shape}, {b.shape} and {c.shape} do not broadcast",
                          field="a_shape") from None
    return m.write(out_at, FLOAT, o["out_strides"], np.where(a != 0, b, c))


def compress(m, o):
    """The slices along an axis whose condition byte is not 0; with the axis behind the last one,
    elements of the flat tensor. float32, packed."""
    out_at, condition_at, in_at = m.pop_address(), m.pop_address(), m.pop_address()
    x = m.read_packed(in_at, FLOAT, m.shape(o["shape"]))
    chosen = m.read_packed(condition_at, BYTE, m.shape(o["condition_shape"])).reshape(-1) != 0
    axis = int(o["axis"]) if math.isfinite(o["axis"]) else -1
    if axis == x.ndim:
        x, axis = x.reshape(-1), 0
    _axis(axis, x.ndim)
    chosen = chosen[: x.shape[axis]]
    return m.write_packed(out_at, FLOAT, np.compress(chosen, x, axis))


def trilu(m, o):
    """The triangle above (upper) or below the k-th diagonal of every matrix; packed."""
    out_at, in_at = m.pop_address(), m.pop_address()
    float_only(o)
    x = m.read_packed(in_at, FLOAT, m.shape(o["shape"]))
    if x.ndim < 2:
        raise KmodelError(f"a matrix of {x.ndim} axes", field="shape")
    reach = x.shape[-2] + x.shape[-1]
    k = max(-reach, min(reach, o["k"]))
    return m.write_packed(out_at, FLOAT, np.triu(x, k) if o["upper"] else np.tril(x, k))


EXECUTED = {
    "COMPRESS": compress, "GATHER_ELEMENTS": gather_elements, "GATHER_ND": gather_nd,
    "HARDMAX": hardmax, "ONEHOT": one_hot, "REDUCE_ARG": reduce_arg, "TERNARY": ternary,
    "TOPK": top_k, "TRILU": trilu,
}
