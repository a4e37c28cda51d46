"""Sorting arrays. The firmware sorts 8-bit elements as unsigned, int16 as uint16, and all others,
uint16 among them, as if they were floats."""

from __future__ import annotations

import numpy as np

from k210sim.errors import NotSimulated
from k210sim.micropython import layout as L
from k210sim.micropython.native import Arg
from k210sim.modules.ulab.ndarray import (
    INT8,
    INT16,
    UINT8,
    UINT16,
    Shape,
    block,
    copy,
    create,
    is_ndarray,
    set_shape,
    within,
)

MINUS_ONE = -1  # the object word of the small integer -1
SPEC = [Arg("", "obj", required=True), Arg("axis", "obj", MINUS_ONE, kw_only=True)]
_READ_AS = {UINT8: np.dtype("u1"), INT8: np.dtype("u1"), INT16: np.dtype("<u2")}


def _lines(vm, o: int, axis: int) -> list[np.ndarray]:
    """Positions of each line to be sorted. Along axis 0 the firmware counts the lines by the rows,
    so that of a broad matrix the last columns stay as they are."""
    s = Shape(vm, o)
    if axis == L.NONE:
        set_shape(vm, o, 1, s.length)
        lines, step, length = [0], 1, s.length
    else:
        number = vm.get_int(axis)
        if number not in (-1, 0, 1):
            raise vm.error("ValueError", "axis must be -1, 0, None, or 1", formatted=False)
        if number == 0:
            lines, step, length = range(s.m), s.n, s.m
        else:
            lines, step, length = range(0, s.length, max(1, s.n)), 1, s.n
    if not s.length:
        raise NotSimulated("sorting an empty ulab array", "the firmware overwrites other memory")
    return [start + step * np.arange(length) for start in lines]


def _keys(vm, o: int, code: str, lines) -> np.ndarray:
    """The elements as the firmware reads them for comparing."""
    view = block(vm, o, _READ_AS.get(code, np.dtype("<f4")))
    for line in lines:
        within(view, line, "sorting this ulab array")
        if view.dtype.kind == "f" and np.isnan(view[line]).any():
            raise NotSimulated("sorting an ulab array with nan")
    return view


def sort(vm, args, kw, in_place: bool = False) -> int:
    """`sort(array, axis)`: a sorted copy, or with `in_place` the array itself and None."""
    o, axis = vm.parse_args(args[:1], kw, SPEC)
    if not is_ndarray(vm, o):
        raise vm.error("TypeError", "sort argument must be an ndarray", formatted=False)
    made = o if in_place else copy(vm, o)
    code = Shape(vm, made).code
    lines = _lines(vm, made, axis)
    view = _keys(vm, made, code, lines)
    for line in lines:
        view[line] = np.sort(view[line])
    return L.NONE if in_place else made


def argsort(vm, args, kw) -> int:
    """Indices that sort each line; equal elements in the order that a heap leaves them in."""
    o, axis = vm.parse_args(args[:1], kw, SPEC)
    if not is_ndarray(vm, o):
        raise vm.error("TypeError", "argsort argument must be an ndarray", formatted=False)
    code = Shape(vm, o).code
    lines = _lines(vm, o, axis)  # flattens the argument itself for axis=None
    s = Shape(vm, o)
    made = create(vm, s.m, s.n, UINT16)
    view, indices = _keys(vm, o, code, lines), block(vm, made)
    for line in lines:
        within(indices, line, "ulab.argsort of this array")
        indices[line] = heap_order(view[line].tolist())
    return made


def heap_order(keys: list) -> list[int]:
    """Indices of `keys` in rising order, sorted by a binary heap with the largest on top."""
    order = list(range(len(keys)))

    def place(item: int, at: int, size: int) -> None:
        """Let `item` sink from `at` to its place among the first `size`."""
        while (child := 2 * at + 1) < size:
            if child + 1 < size and keys[order[child + 1]] > keys[order[child]]:
                child += 1
            if not keys[order[child]] > keys[item]:
                break
            order[at], at = order[child], child
        order[at] = item

    for at in range(len(keys) // 2 - 1, -1, -1):
        place(order[at], at, len(keys))
    for size in range(len(keys) - 1, 0, -1):
        last, order[size] = order[size], order[0]
        place(last, 0, size)
    return order
