"""`math`: single-precision functions.

The device is compiled with fast-math, which drops the tests that elsewhere raise "math domain
error": only `log` still raises it, `sqrt(-1)` is nan, and `isinf`, `isnan` are always False.
Source: micropython v1.11 py/modmath.c (functions and their order), device goldens.
"""

from __future__ import annotations

import math

from k210sim import libm
from k210sim.micropython import singles
from k210sim.micropython.layout import small_int
from k210sim.micropython.native import GuestModule, NativeFunction
from k210sim.micropython.singles import root, single
from k210sim.micropython.types.int import from_float
from k210sim.micropython.types.numeric import get_float

module = GuestModule("math")
module.constant("e", single(math.e))
module.constant("pi", single(math.pi))

_PER_DEGREE = singles.divide(single(math.pi), 180.0)
_PER_RADIAN = singles.divide(180.0, single(math.pi))


def _one(name: str) -> None:
    def function(vm, x):
        return vm.new_float(getattr(libm, name)(get_float(vm, x)))

    module.entries[name] = NativeFunction(name, function, 1, 1)


def _two(name: str, fn) -> None:
    def function(vm, x, y):
        return vm.new_float(fn(get_float(vm, x), get_float(vm, y)))

    module.entries[name] = NativeFunction(name, function, 2, 2)


def _whole(name: str, fn) -> None:
    def function(vm, x):
        return from_float(vm, fn(get_float(vm, x)))

    module.entries[name] = NativeFunction(name, function, 1, 1)


def _always(name: str, answer: bool) -> None:
    def function(vm, x):
        get_float(vm, x)
        return vm.new_bool(answer)

    module.entries[name] = NativeFunction(name, function, 1, 1)


@module.function(1)
def sqrt(vm, x):
    return vm.new_float(root(get_float(vm, x)))


_two("pow", singles.power)
_one("exp")
_one("expm1")


@module.function(1, 2)
def log(vm, x, base=0):
    value = get_float(vm, x)
    if value <= 0.0:
        raise vm.error("ValueError", "math domain error", formatted=False)
    result = libm.log(value)
    if not base:
        return vm.new_float(result)
    divisor = get_float(vm, base)
    if divisor <= 0.0:
        raise vm.error("ValueError", "math domain error", formatted=False)
    if divisor == 1.0:
        raise vm.error("ZeroDivisionError", "divide by zero", formatted=False)
    return vm.new_float(singles.divide(result, libm.log(divisor)))


_one("log2")
_one("log10")
_one("cosh")
_one("sinh")
_one("tanh")
_one("acosh")
_one("asinh")
_one("atanh")
_one("cos")
_one("sin")
_one("tan")
_one("acos")
_one("asin")
_one("atan")
_two("atan2", lambda y, x: libm.atan2(y, x))
_whole("ceil", singles.ceil)
_two("copysign", math.copysign)


@module.function(1)
def fabs(vm, x):
    return vm.new_float(abs(get_float(vm, x)))


_whole("floor", singles.floor)
_two("fmod", singles.fmod)


@module.function(1)
def frexp(vm, x):
    fraction, exponent = math.frexp(get_float(vm, x))
    first = vm.new_float(fraction)
    return vm.new_tuple([first, small_int(exponent)])


@module.function(2)
def ldexp(vm, x, exponent):
    value, n = get_float(vm, x), vm.get_int(exponent)
    n = (n + 0x80000000 & 0xFFFFFFFF) - 0x80000000
    try:
        result = math.ldexp(value, n)
    except OverflowError:
        result = math.copysign(math.inf, value)
    return vm.new_float(single(result))


@module.function(1)
def modf(vm, x):
    fraction, whole = math.modf(get_float(vm, x))
    first = vm.new_float(fraction)
    return vm.new_tuple([first, vm.new_float(whole)])


_always("isfinite", True)
_always("isinf", False)
_always("isnan", False)
_whole("trunc", lambda x: singles.floor(x) if x > 0 else singles.ceil(x))


@module.function(1)
def radians(vm, x):
    return vm.new_float(single(get_float(vm, x) * _PER_DEGREE))


@module.function(1)
def degrees(vm, x):
    return vm.new_float(single(get_float(vm, x) * _PER_RADIAN))


_one("erf")
_one("erfc")
_one("gamma")
_one("lgamma")
