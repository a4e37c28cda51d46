"""Mathematical functions of every element, polynomials, and the Fourier transform."""

from __future__ import annotations

import math

import numpy as np

from k210sim import libm
from k210sim.errors import NotSimulated
from k210sim.imaging.rounding import fused
from k210sim.micropython import layout as L
from k210sim.micropython import singles
from k210sim.micropython.singles import single
from k210sim.micropython.types.iterators import stack_iterate
from k210sim.modules.ulab import linalg
from k210sim.modules.ulab.ndarray import (
    Shape,
    create,
    elements,
    floats,
    is_ndarray,
    list_length,
    within,
)
from k210sim.modules.ulab.numerical import is_sequence

F32 = np.float32
PI = F32(math.pi)
# Measured on boards: 1024 points in 2.11 ms, 64 in 0.11 ms (luffca.com, MaixPy 0.6.2).
_FFT_NS = 206


# --- functions of each element --------------------------------------------------------------------
FUNCTIONS = {"ceil": singles.ceil, "floor": singles.floor, "sqrt": singles.root}
NAMES = ("acos", "acosh", "asin", "asinh", "atan", "atanh", "ceil", "cos", "erf", "erfc", "exp",
         "expm1", "floor", "gamma", "lgamma", "log", "log10", "log2", "sin", "sinh", "sqrt", "tan",
         "tanh")  # fmt: skip


def elementwise(name: str):
    """The module's function of that name: of a number, an array, or a sequence."""

    def function(vm, o):
        fn = FUNCTIONS.get(name) or getattr(libm, name)
        if vm.is_float(o) or vm.int_value(o) is not None:
            return vm.new_float(fn(vm.get_float(o)))
        if is_ndarray(vm, o):
            s = Shape(vm, o)
            made = create(vm, s.m, s.n)
            elements(vm, made)[:] = [fn(x) for x in floats(vm, o).tolist()]
            return made
        if not is_sequence(vm, o):
            return L.NONE
        made = _like(vm, o)
        view = elements(vm, made)
        for i, item in enumerate(stack_iterate(vm, o)):
            x = fn(single(vm.get_float(item)))
            _put(view, i, x, "ulab." + name)
        return made

    return function

def _like(vm, o: int) -> int:
    """A flat array for the values of a sequence, as long as the firmware thinks it is."""
    return create(vm, 1, list_length(vm, o) & 0xFFFFFFFFFFFFFFFF)


def _put(view: np.ndarray, index: int, value: float, call_name: str) -> None:
    within(view, index, call_name + " of this sequence")
    view[index] = value


# --- polynomials ----------------------------------------------------------------------------------
def polyval(vm, coefficients: int, where: int) -> int:
    if is_ndarray(vm, where):
        s = Shape(vm, where)
        made = create(vm, s.m, s.n)
    else:
        made = _like(vm, where)
    degree = vm.len_of(coefficients)
    if degree is None:
        raise NotSimulated(f"ulab.polyval of a {vm.type_name(coefficients)}",
                           "the firmware reads a null pointer")
    degree &= 0xFF
    table = linalg.float_table(vm, degree)
    for i, item in enumerate(stack_iterate(vm, coefficients)):
        if i >= degree:
            raise NotSimulated("ulab.polyval of so many coefficients",
                               "the firmware overwrites other memory")
        linalg.store_float(vm, table, i, item)
    p = linalg.table_view(vm, table, degree)
    if not degree:
        raise NotSimulated("ulab.polyval without coefficients", "the firmware reads a null pointer")
    view = elements(vm, made)
    with np.errstate(all="ignore"):
        for i, item in enumerate(stack_iterate(vm, where)):
            x, y = F32(vm.get_float(item)), p[0]
            for factor in p[1:]:
                y = fused(y, x, factor)
            _put(view, i, y, "ulab.polyval")
    vm.free_temp(table, 4 * degree)
    return made


def _column(vm, o: int, n: int) -> tuple[int, np.ndarray]:
    """A table of n floats with the items of an iterable."""
    table = linalg.float_table(vm, n)
    for i, item in enumerate(stack_iterate(vm, o)):
        if i >= n:
            raise NotSimulated("ulab.polyfit of vectors of different lengths",
                               "the firmware overwrites other memory")
        linalg.store_float(vm, table, i, item)
    return table, linalg.table_view(vm, table, n)


def polyfit(vm, *args) -> int:
    """Coefficients of the polynomial of least squares, the highest power first, as a column."""
    if not (is_ndarray(vm, args[0]) or is_sequence(vm, args[0])):
        raise vm.error("ValueError", "input data must be an iterable", formatted=False)
    n = (vm.len_of(args[0]) or 0) & 0xFFFF
    degree = vm.get_int(args[-1]) & 0xFF
    if n < degree:
        raise vm.error("ValueError", "more degrees of freedom than data points", formatted=False)
    if n > 255:
        raise NotSimulated("ulab.polyfit of more than 255 points", "the firmware hangs")
    if len(args) == 2:
        table_x = linalg.float_table(vm, n)
        x = linalg.table_view(vm, table_x, n)
        x[:] = np.arange(n)
        table_y, y = _column(vm, args[0], n)
    else:
        table_x, x = _column(vm, args[0], n)
        table_y, y = _column(vm, args[1], n)
    terms = degree + 1
    powers_room, product_room = vm.malloc(4 * terms * n), vm.malloc(4 * terms * terms)
    rooms = ((powers_room, terms * n), (table_x, n), (table_y, n), (product_room, terms * terms))
    with np.errstate(all="ignore"):
        powers = np.ones((terms, n), F32)
        for j in range(1, terms):
            powers[j] = powers[j - 1] * x
        product = np.array([[_dot(a, b) for b in powers] for a in powers], F32)
        if not linalg.invert(vm, product):
            for room, count in rooms:
                vm.free_temp(room, 4 * count)
            raise vm.error("ValueError", "could not invert Vandermonde matrix", formatted=False)
        right = np.array([_dot(row, y) for row in powers], F32)
        made = create(vm, terms, 1)
        elements(vm, made)[:] = [_dot(row, right) for row in product][::-1]
    for room, count in rooms:
        if room:
            vm.free_temp(room, 4 * count)
    return made


def _dot(a: np.ndarray, b: np.ndarray) -> np.float32:
    """The sum of products, one after the other in single precision."""
    total = F32(0)
    for x, y in zip(a, b, strict=True):
        total = fused(x, y, total)
    return total


# --- Fourier transform ----------------------------------------------------------------------------
def transform(re: np.ndarray, im: np.ndarray, sign: int) -> None:
    """Fast Fourier transform in place of float32 arrays whose length is a power of two.

    sign : 1 forward, -1 back without the division by the length. The factors of each stage come
    from a recurrence in single precision, as in the firmware; which sums are fused is what the
    published v0.6.3 binary does.
    """
    n = len(re)
    places = np.zeros(n, np.int64)
    half = n >> 1
    span = 1
    while span < n:  # bit-reversed order
        places[span : 2 * span] = places[:span] + half
        span, half = 2 * span, half >> 1
    re[:], im[:] = re[places], im[places]
    span = 1
    while span < n:
        angle = F32(-2.0 * sign) * PI / F32(2 * span)
        half_sine = F32(libm.sin(float(F32(0.5) * angle)))
        step_re = half_sine * half_sine * F32(-2.0)
        step_im = F32(libm.sin(float(angle)))
        turn_re, turn_im = F32(1.0), F32(0.0)
        for m in range(span):
            upper, lower = slice(m, n, 2 * span), slice(m + span, n, 2 * span)
            a, b, first = re[lower].copy(), im[lower].copy(), re[upper].copy()
            part_im = fused(turn_re, b, a * turn_im)
            re[lower] = fused(-a, turn_re, fused(b, turn_im, first))
            re[upper] = fused(-b, turn_im, fused(a, turn_re, first))
            im[lower] = im[upper] - part_im
            im[upper] += part_im
            old = turn_re
            turn_re = turn_re + fused(step_re, turn_re, -(step_im * turn_im))
            turn_im = turn_im + fused(step_re, turn_im, step_im * old)
        span *= 2


def fourier(kind: str):
    """The module's function of that name: fft, ifft or spectrum."""

    def function(vm, real, imaginary=0):
        given = [real, imaginary] if imaginary else [real]
        if not all(is_ndarray(vm, o) for o in given):
            raise vm.error("NotImplementedError", "FFT is defined for ndarrays only",
                           formatted=False)
        s = Shape(vm, real)
        n = s.length & 0xFFFF
        if n & (n - 1):
            raise vm.error("ValueError", "input array length must be power of 2", formatted=False)
        if s.length > 0xFFFF:
            raise NotSimulated("ulab.fft of so long an array",
                               "the firmware overwrites other memory")
        out_re = create(vm, 1, n)
        re = elements(vm, out_re)
        re[:] = floats(vm, real)
        out_im = create(vm, 1, n)
        im = elements(vm, out_im)
        if imaginary:
            if Shape(vm, imaginary).length != s.length:
                raise vm.error("ValueError", "real and imaginary parts must be of equal length",
                               formatted=False)
            im[:] = floats(vm, imaginary)
        with np.errstate(all="ignore"):
            transform(re, im, -1 if kind == "ifft" else 1)
            if kind == "ifft":
                re /= F32(n)
                im /= F32(n)
            if kind == "spectrum":
                re[:] = np.sqrt(fused(re, re, im * im))
        vm.charge_ns(_FFT_NS * n * max(1, n.bit_length() - 1))
        return out_re if kind == "spectrum" else vm.new_tuple([out_re, out_im])

    return function
