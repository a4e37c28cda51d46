"""Figures of arrays and sequences: sums, extremes, differences, and moving elements about."""

from __future__ import annotations

import numpy as np

from k210sim.errors import NotSimulated
from k210sim.imaging.rounding import fused
from k210sim.micropython import layout as L
from k210sim.micropython import ops
from k210sim.micropython.native import Arg
from k210sim.micropython.singles import single
from k210sim.micropython.types.iterators import stack_iterate
from k210sim.modules.ulab.ndarray import (
    DTYPES,
    FLOAT,
    INT16,
    UINT16,
    Shape,
    copy,
    create,
    elements,
    floats,
    get,
    is_ndarray,
    needs_ndarray,
)

F32 = np.float32
_AXIS = [Arg("", "obj", required=True), Arg("axis", "obj", L.NONE, kw_only=True)]
_SEQUENCES = ("tuple", "list", "range")


def is_sequence(vm, o: int) -> bool:
    """One of the kinds that functions take instead of an array."""
    return any(vm.is_type(o, name) for name in _SEQUENCES)


def _value_error(vm, text: str):
    return vm.error("ValueError", text, formatted=False)


# --- linspace -------------------------------------------------------------------------------------
_LINSPACE = [Arg("", "obj", required=True), Arg("", "obj", required=True),
             Arg("num", "int", 50), Arg("endpoint", "obj", L.TRUE, kw_only=True),
             Arg("retstep", "obj", L.FALSE, kw_only=True),
             Arg("dtype", "int", ord(FLOAT), kw_only=True)]  # fmt: skip


def linspace(vm, args, kw) -> int:
    """Evenly spaced numbers, each the one before plus the step. `num` by position is ignored."""
    first, last, num, endpoint, retstep, dtype = vm.parse_args(args[:2], kw, _LINSPACE)
    n, code = num & 0xFFFF, chr(dtype & 0xFF)
    if n < 2:
        raise _value_error(vm, "number of points must be at least 2")
    start = F32(vm.get_float(first))
    with np.errstate(all="ignore"):
        step = (F32(vm.get_float(last)) - start) / F32(n - 1 if endpoint == L.TRUE else n)
        made = create(vm, 1, n, code)
        terms = np.full(n, step, F32)
        terms[0] = start
        values = np.add.accumulate(terms)
        view = elements(vm, made)
        if code in DTYPES and code != FLOAT:
            values = np.trunc(np.clip(values, -2147483648.0, 2147483520.0)).astype(np.int64)
        view[:] = values.astype(view.dtype) if code in DTYPES else view
    if code not in DTYPES:
        raise NotSimulated(f"ulab.linspace(dtype={dtype})", "the firmware fills it as floats")
    if retstep == L.FALSE:
        return made
    return vm.new_tuple([made, vm.new_float(float(step))])


# --- sum, mean, std -------------------------------------------------------------------------------
def _total(values: np.ndarray) -> F32:
    """The sum one by one, as a loop in single precision makes it."""
    with np.errstate(all="ignore"):
        return np.add.accumulate(values)[-1] if len(values) else F32(0)


def _figure(kind: str, values: np.ndarray, count: int) -> float:
    with np.errstate(all="ignore"):
        total = _total(values)
        if kind == "sum":
            return float(total)
        mean = total / F32(count)
        if kind == "mean":
            return float(mean)
        squares = F32(0)
        for value in values:
            squares = fused(value, value, squares)
        return float(np.sqrt(fused(-mean, mean, squares / F32(count))))


def _sequence_figure(vm, kind: str, o: int) -> int:
    count = vm.len_of(o)
    values = [single(vm.get_float(item)) for item in stack_iterate(vm, o)]
    return vm.new_float(_figure(kind, np.array(values, F32), count))


def _array_figure(vm, kind: str, o: int, axis: int) -> int:
    s = Shape(vm, o)
    values = floats(vm, o)
    if not s.length:
        raise _value_error(vm, "data length is 0!")
    if axis == L.NONE or s.m == 1 or s.n == 1:
        return vm.new_float(_figure(kind, values, s.length))
    lines = values.reshape(s.m, s.n)
    down = vm.get_int(axis) & 0xFF == 0
    made = create(vm, 1, s.n) if down else create(vm, s.m, 1)
    elements(vm, made)[:] = [_figure(kind, np.ascontiguousarray(line), len(line))
                             for line in (lines.T if down else lines)]
    return made


# --- min, max, argmin, argmax ---------------------------------------------------------------------
def _sequence_extreme(vm, kind: str, o: int) -> int:
    op = ops.MORE if kind.endswith("max") else ops.LESS
    best, best_at = 0, 0
    for at, item in enumerate(stack_iterate(vm, o, keep=True)):
        if not best or vm.binary_op(op, item, best) == L.TRUE:
            best, best_at = item, at
    if kind.startswith("arg"):
        return vm.new_int(best_at)
    if not best:
        raise NotSimulated(f"ulab.{kind} of an empty sequence", "the firmware returns a null")
    return best


def _array_extreme(vm, kind: str, o: int, axis: int) -> int:
    s = Shape(vm, o)
    values = elements(vm, o)
    if s.code == INT16:
        values = values.view("<u2")  # compared as unsigned
    if s.code not in DTYPES:
        values = np.zeros(s.length)  # never compared
    pick = _largest if kind.endswith("max") else _smallest
    if axis == L.NONE or s.m == 1 or s.n == 1:
        if not s.length:
            raise NotSimulated(f"ulab.{kind} of an empty array", "the firmware reads other memory")
        best = pick(values)
        return vm.new_int(best) if kind.startswith("arg") else get(vm, o, best)
    lines = values.reshape(s.m, s.n)
    down = vm.get_int(axis) & 0xFF == 0
    best = [pick(line) for line in (lines.T if down else lines)]
    m, n = (1, s.n) if down else (s.m, 1)
    if kind.startswith("arg"):
        made = create(vm, m, n, UINT16)
        elements(vm, made)[:] = best
        return made
    made = create(vm, m, n, s.code)
    source = elements(vm, o).reshape(s.m, s.n)
    index = np.arange(len(best))
    elements(vm, made)[:] = source[best, index] if down else source[index, best]
    return made


def _largest(values: np.ndarray) -> int:
    """The first of the largest; a nan in first place stays."""
    return 0 if values[0] != values[0] else int(np.nanargmax(values))


def _smallest(values: np.ndarray) -> int:
    return 0 if values[0] != values[0] else int(np.nanargmin(values))


def reduction(kind: str):
    """The module's function of that name."""

    def function(vm, args, kw):
        o, axis = vm.parse_args(args[:1], kw, _AXIS)
        _check_axis(vm, axis)
        figure = kind in ("sum", "mean", "std")
        if is_sequence(vm, o):
            return _sequence_figure(vm, kind, o) if figure else _sequence_extreme(vm, kind, o)
        if not is_ndarray(vm, o):
            raise vm.error("TypeError", "input must be tuple, list, range, or ndarray",
                           formatted=False)
        return _array_figure(vm, kind, o, axis) if figure else _array_extreme(vm, kind, o, axis)

    return function


def _check_axis(vm, axis: int) -> None:
    if axis != L.NONE and vm.get_int(axis) not in (0, 1):
        raise _value_error(vm, "axis must be None, 0, or 1")


# --- roll, flip, diff -----------------------------------------------------------------------------
_ROLL = [Arg("", "obj", required=True), Arg("", "obj", required=True),
         Arg("axis", "obj", L.NONE, kw_only=True)]  # fmt: skip


def roll(vm, args, kw) -> int:
    """Shift the elements in place, to the left for a positive distance."""
    o, distance, axis = vm.parse_args(args[:2], kw, _ROLL)
    shift = (vm.get_int(distance) + 0x8000 & 0xFFFF) - 0x8000
    _check_axis(vm, axis)
    needs_ndarray(vm, o, "roll")
    s = Shape(vm, o)
    if not s.length:
        raise NotSimulated("ulab.roll of an empty array", "the firmware divides by zero")
    view = elements(vm, o)
    if axis == L.NONE:
        lines = view.reshape(1, s.length)
    elif vm.get_int(axis) == 1:
        lines = view.reshape(s.m, s.n)
    else:
        lines = view.reshape(s.m, s.n).T
    count = lines.shape[1]
    places = abs(shift) % count
    places = count - places if shift < 0 else places
    bytes_moved = places * s.size
    if bytes_moved > 0x7FFF:
        raise NotSimulated("ulab.roll by so many bytes", "the firmware's counter overflows")
    room = vm.malloc(bytes_moved)
    lines[:] = np.roll(lines, -places, axis=1)
    if room:
        vm.free_temp(room, bytes_moved)
    return L.NONE


def flip(vm, args, kw) -> int:
    """A copy with the order of the elements reversed, of all or along an axis."""
    o, axis = vm.parse_args(args[:1], kw, _AXIS)
    if not is_ndarray(vm, o):
        raise vm.error("TypeError", "flip argument must be an ndarray", formatted=False)
    _check_axis(vm, axis)
    made = copy(vm, o)
    s, source = Shape(vm, o), elements(vm, o)
    if axis == L.NONE:
        elements(vm, made)[:] = source[::-1]
        return made
    lines = source.reshape(s.m, s.n)
    turned = lines[:, ::-1] if vm.get_int(axis) == 1 else lines[::-1]
    elements(vm, made)[:] = turned.ravel()
    return made


_DIFF = [Arg("", "obj", required=True), Arg("n", "int", 1, kw_only=True),
         Arg("axis", "int", -1, kw_only=True)]  # fmt: skip


def diff(vm, args, kw) -> int:
    """Differences of order `n` along an axis."""
    o, order, axis = vm.parse_args(args[:1], kw, _DIFF)
    if not is_ndarray(vm, o):
        raise vm.error("TypeError", "diff argument must be an ndarray", formatted=False)
    if axis not in (-1, 0, 1):
        raise _value_error(vm, "axis must be -1, 0, or 1")
    if not 0 <= order <= 9:
        raise _value_error(vm, "n must be between 0, and 9")
    s = Shape(vm, o)
    room = vm.malloc(order + 1)
    m, n = (s.m - order, s.n) if axis == 0 else (s.m, s.n - order)
    if m <= 0 or n <= 0:
        made = create(vm, 0 if axis == 0 else s.m, s.n if axis == 0 else 0, s.code)
        vm.free_temp(room, order + 1)
        return made
    made = create(vm, m, n, s.code)
    source = elements(vm, o).reshape(s.m, s.n)
    target = elements(vm, made).reshape(m, n)
    wide = np.float32 if s.code == FLOAT else np.int64
    weight = 1
    with np.errstate(all="ignore"):
        for k in range(order + 1):
            part = source[k : k + m] if axis == 0 else source[:, k : k + n]
            target[:] = (target.astype(wide) - wide(weight) * part.astype(wide)).astype(
                target.dtype
            )
            weight = _binomial_step(weight, order, k + 1)
    vm.free_temp(room, order + 1)
    return made


def _binomial_step(weight: int, order: int, k: int) -> int:
    """The next of the coefficients 1, -n, n(n-1)/2, ..., kept in a signed byte."""
    return (-weight * (order - k + 1) // k + 128 & 0xFF) - 128
