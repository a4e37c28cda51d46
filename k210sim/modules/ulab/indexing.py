"""Subscripts of arrays: integers, slices, Boolean lists, and pairs of them."""

from __future__ import annotations

import math

import numpy as np

from k210sim.errors import NotSimulated
from k210sim.micropython import layout as L
from k210sim.micropython.layout import NULL, RAM_BASE, SENTINEL
from k210sim.micropython.singles import single
from k210sim.micropython.types import typecodes
from k210sim.micropython.types.sequence import slice_bounds
from k210sim.modules.ulab.ndarray import (
    FLOAT,
    Shape,
    create,
    dtype_of,
    elements,
    is_ndarray,
    within,
)

_MOST = 1 << 22  # elements; more do not fit the board
_KINDS = "indices must be integers, slices, or Boolean lists"


class Axis:
    """The chosen positions of one axis: `count` of them; `length` of a Boolean list or None."""

    __slots__ = ("count", "length", "_first", "_step", "_chosen")

    def __init__(self, count: int, first: int = 0, step: int = 1, chosen=None, length=None):
        self.count, self._first, self._step = count, first, step
        self._chosen, self.length = chosen, length

    @property
    def positions(self) -> np.ndarray:
        if self._chosen is not None:
            return np.array(self._chosen, np.int64)
        return self._first + self._step * np.arange(self.count, dtype=np.int64)


def _is_list(vm, index: int) -> bool:
    return vm.is_type(index, "list")


def _from_list(vm, index: int) -> Axis:
    words = vm.items_of(index)
    if any(w not in (L.TRUE, L.FALSE) for w in words):
        return Axis(0)
    chosen = [i for i, w in enumerate(words) if w == L.TRUE]
    return Axis(len(chosen), chosen=chosen, length=len(words))


def _axis(vm, size: int, index: int) -> Axis:
    """An axis by integer or slice. A slice has (stop - start) / step items, rounded down."""
    if vm.is_type(index, "slice"):
        start, stop, step = slice_bounds(vm, size, index)
        span = (start - stop if step < 0 else stop - start) & 0xFFFFFFFFFFFFFFFF
        return Axis(span // abs(step), start, step)
    if not vm.is_int(index):
        raise vm.error("IndexError", _KINDS, formatted=False)
    i = (vm.get_int(index) + 0x80000000 & 0xFFFFFFFF) - 0x80000000
    if i < 0:
        i += size
    if not 0 <= i < size:
        raise vm.error("IndexError", "index is out of bounds", formatted=False)
    return Axis(1, i)


def _axes(vm, s: Shape, index: int) -> tuple[Axis, Axis]:
    """Rows and columns that an index chooses."""
    if vm.is_int(index) or vm.is_type(index, "slice"):
        if s.m == 1:
            return Axis(1), _axis(vm, s.n, index)
        return _axis(vm, s.m, index), Axis(s.n)
    if _is_list(vm, index):
        return Axis(1), _from_list(vm, index)  # of a matrix, too, only the first row
    if not vm.is_type(index, "tuple") and not vm.is_tuple_like(index):
        raise NotSimulated(f"ulab array index of type {vm.type_name(index)}",
                           "the firmware takes it for a tuple")
    items = vm.items_of(index)
    if len(items) != 2:
        raise vm.error("IndexError", "too many indices", formatted=False)
    if not all(vm.is_int(w) or _is_list(vm, w) or vm.is_type(w, "slice") for w in items):
        raise vm.error("IndexError", _KINDS, formatted=False)
    rows, columns = (
        _from_list(vm, w) if _is_list(vm, w) else _axis(vm, size, w)
        for w, size in zip(items, (s.m, s.n), strict=True)
    )
    return rows, columns


def _places(rows: Axis, columns: Axis, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Flat positions in the array, and column numbers in the result, (rows, columns) each.

    With two Boolean lists the firmware does not start over with each row: column position and
    number go on counting.
    """
    places = rows.positions[:, None] * width + columns.positions[None, :]
    numbers = np.broadcast_to(np.arange(columns.count), places.shape).copy()
    if rows.length is not None and columns.length is not None:
        turns = np.arange(rows.count)[:, None]
        places = places + turns * columns.length
        numbers = numbers + turns * columns.count
    return places, numbers


def subscript(vm, o: int, index: int, value: int) -> int:
    """Load (value SENTINEL) or store; deleting is a crash on the board."""
    if value == NULL:
        raise NotSimulated("del of an ulab array's item", "the firmware reads a null pointer")
    s = Shape(vm, o)
    if value == SENTINEL and vm.is_int(index) and s.m == 1:
        position = int(_axis(vm, s.n, index).positions[0])
        return typecodes.load(vm, s.code, s.at, position)
    values = 0 if value == SENTINEL else _values(vm, s, value)
    rows, columns = _axes(vm, s, index)
    m, n = rows.count, columns.count
    if not m or not n:
        raise vm.error("IndexError", "empty index range", formatted=False)
    if values:
        _insert(vm, s, rows, columns, values)
        return L.NONE
    made = create(vm, m, n, s.code)
    places, numbers = _places(rows, columns, s.n)
    targets = np.arange(m)[:, None] * n + numbers
    into = elements(vm, made)
    within(into, targets, "ulab array[Boolean list, Boolean list]")
    into[targets] = _around(vm, s)[places]
    return made


def _around(vm, s: Shape) -> np.ndarray:
    """The elements and all memory behind them: indexes are not held against the length."""
    raw = vm.memory.u8[s.at - RAM_BASE :]
    return raw[: len(raw) // s.size * s.size].view(dtype_of(s.code))


def _values(vm, s: Shape, value: int) -> int:
    """The right-hand side as an array."""
    if is_ndarray(vm, value):
        return value
    if vm.is_int(value):
        code = s.code
    elif vm.is_float(value):
        code = FLOAT
    else:
        raise vm.error("ValueError", "right hand side must be an ndarray, or a scalar",
                       formatted=False)
    made = create(vm, 1, 1, code)
    typecodes.store(vm, code, Shape(vm, made).at, 0, value)
    return made


def _insert(vm, s: Shape, rows: Axis, columns: Axis, values: int) -> None:
    v = Shape(vm, values)
    m, n = rows.count, columns.count
    if m != v.m and n != v.n and v.length != 1:
        raise vm.error("ValueError", "could not broadast input array from shape", formatted=False)
    if m * n > _MOST:
        raise NotSimulated("ulab assignment to an empty reversed slice", "the firmware hangs")
    places, numbers = _places(rows, columns, s.n)
    sources = numbers * (v.n != 1) + np.arange(m)[:, None] * n * (v.m != 1)
    if places.max() >= s.length:
        raise NotSimulated("ulab assignment by Boolean lists",
                           "the firmware overwrites other memory")
    for place, source in zip(places.ravel().tolist(), sources.ravel().tolist(), strict=True):
        word = typecodes.load(vm, v.code, v.at, source)
        if v.code == FLOAT and s.code != FLOAT:
            word = vm.new_int(_rounded(vm.get_float(word)))
        typecodes.store(vm, s.code, s.at, place, word)


def _rounded(x: float) -> int:
    """Nearest integer, halves up, held within 32 bits as the chip's conversion does."""
    x = single(x + 0.5)
    if x != x:
        return 0x7FFFFFFF
    return int(max(-0x80000000, min(0x7FFFFFFF, math.floor(x) if abs(x) < 1e12 else x)))
