"""Arithmetic of floats and complex numbers with any other number.

Source: micropython v1.11 py/objfloat.c, py/objcomplex.c, py/obj.c (facts: which operand is
converted, order of the checks, messages). Where the firmware's compiler fuses a multiplication
with an addition is inferred from its rules: the first product of a sum is the fused one.
"""

from __future__ import annotations

import math

from k210sim import libm
from k210sim.micropython import layout as L
from k210sim.micropython import ops, singles
from k210sim.micropython.layout import TYPE
from k210sim.micropython.singles import fused, single
from k210sim.micropython.textargs import formatted_error


def as_float(vm, o: int) -> float | None:
    """Single-precision value of a float, int or bool; None for anything else."""
    if o & 1:
        return singles.of_int(o >> 1)
    if o & 2 or o == 0:
        return None
    kind = vm.type_word(o)
    if kind == TYPE["float"]:
        return vm.float_value(o)
    if kind == TYPE["int"]:
        return singles.of_big_int(vm.big_int_value(o))
    if kind == TYPE["bool"]:
        return 1.0 if o == L.TRUE else 0.0
    return None


def get_float(vm, o: int) -> float:
    """Single-precision value of an argument; TypeError when it is no real number."""
    x = as_float(vm, o)
    if x is None:
        raise formatted_error(vm, "TypeError", "can't convert %s to float", vm.type_name(o))
    return x


def as_complex(vm, o: int) -> tuple[float, float]:
    """Real and imaginary part of any number; TypeError otherwise."""
    if vm.is_type(o, "complex"):
        z = vm.complex_value(o)
        return z.real, z.imag
    real = as_float(vm, o)
    if real is None:
        raise formatted_error(vm, "TypeError", "can't convert %s to complex", vm.type_name(o))
    return real, 0.0


def _zero_division(vm):
    return vm.error("ZeroDivisionError", "divide by zero", formatted=False)


def float_binary_op(vm, op: int, x: float, b: int) -> int | None:
    """`x op b` for a float and a guest number; None where it is not supported."""
    y = as_float(vm, b)
    if y is None:
        return None
    if ops.INPLACE_OR <= op <= ops.INPLACE_POWER:
        op += ops.INPLACE_TO_BINARY
    if op == ops.ADD:
        return vm.new_float(single(x + y))
    if op == ops.SUBTRACT:
        return vm.new_float(single(x - y))
    if op == ops.MULTIPLY:
        return vm.new_float(single(x * y))
    if op == ops.LESS:
        return vm.new_bool(x < y)
    if op == ops.MORE:
        return vm.new_bool(x > y)
    if op == ops.EQUAL:
        return vm.new_bool(x == y)
    if op == ops.LESS_EQUAL:
        return vm.new_bool(x <= y)
    if op == ops.MORE_EQUAL:
        return vm.new_bool(x >= y)
    if op == ops.POWER:
        if x == 0 and y < 0:
            raise _zero_division(vm)
        if x < 0 and y != singles.floor(y):
            return complex_binary_op(vm, op, x, 0.0, b)
        return vm.new_float(singles.power(x, y))
    if op not in (ops.TRUE_DIVIDE, ops.FLOOR_DIVIDE, ops.MODULO, ops.DIVMOD):
        return None
    if y == 0:
        raise _zero_division(vm)
    if op == ops.TRUE_DIVIDE:
        return vm.new_float(singles.divide(x, y))
    if op == ops.MODULO:
        rest = singles.fmod(x, y)
        if rest == 0.0:
            rest = math.copysign(0.0, y)
        elif (rest < 0.0) != (y < 0.0):
            rest = single(rest + y)
        return vm.new_float(rest)
    quotient, rest = singles.floor_divmod(x, y)
    if op == ops.FLOOR_DIVIDE:
        return vm.new_float(quotient)
    first = vm.new_float(quotient)
    return vm.new_tuple([first, vm.new_float(rest)])


def _multiply(a: float, b: float, c: float, d: float) -> tuple[float, float]:
    return fused(a, c, -single(b * d)), fused(a, d, single(b * c))


def _divide(vm, a: float, b: float, c: float, d: float) -> tuple[float, float]:
    if d == 0:
        if c == 0:
            raise vm.error("ZeroDivisionError", "complex divide by zero", formatted=False)
        return singles.divide(a, c), singles.divide(b, c)
    if c == 0:
        return singles.divide(b, d), singles.divide(-a, d)
    size = fused(c, c, single(d * d))
    return _multiply(a, b, singles.divide(c, size), singles.divide(d, -size))


def _power(vm, a: float, b: float, c: float, d: float) -> tuple[float, float]:
    size = singles.root(fused(a, a, single(b * b)))
    if size == 0:
        if d == 0 and c >= 0:
            return (1.0 if c == 0 else 0.0), b
        raise vm.error("ZeroDivisionError", "0.0 to a complex power", formatted=False)
    log = libm.log(size)
    angle = libm.atan2(b, a)
    x = fused(c, log, -single(d * angle))
    y = fused(d, log, single(c * angle))
    scale = libm.exp(x)
    return (single(scale * libm.cos(y)), single(scale * libm.sin(y)))


def complex_binary_op(vm, op: int, a: float, b: float, right: int) -> int | None:
    """`(a + bj) op right`; TypeError when `right` is no number."""
    c, d = as_complex(vm, right)
    if ops.INPLACE_OR <= op <= ops.INPLACE_POWER:
        op += ops.INPLACE_TO_BINARY
    if op == ops.ADD:
        real, imag = single(a + c), single(b + d)
    elif op == ops.SUBTRACT:
        real, imag = single(a - c), single(b - d)
    elif op == ops.MULTIPLY:
        real, imag = _multiply(a, b, c, d)
    elif op == ops.FLOOR_DIVIDE:
        raise vm.error("TypeError", "can't truncate-divide a complex number", formatted=False)
    elif op == ops.TRUE_DIVIDE:
        real, imag = _divide(vm, a, b, c, d)
    elif op == ops.POWER:
        real, imag = _power(vm, a, b, c, d)
    elif op == ops.EQUAL:
        return vm.new_bool(a == c and b == d)
    else:
        return None
    return vm.new_complex(complex(real, imag))
