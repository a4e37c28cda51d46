"""`cmath`: functions of complex numbers in single precision.

Source: micropython v1.11 py/modcmath.c (functions, their order and formulas). Where the device's
compiler fuses a multiplication and an addition is inferred as in types/numeric.py.
"""

from __future__ import annotations

import math

from k210sim import libm
from k210sim.micropython import singles
from k210sim.micropython.native import GuestModule
from k210sim.micropython.singles import fused, root, single
from k210sim.micropython.types.numeric import as_complex, get_float

module = GuestModule("cmath")
module.constant("e", single(math.e))
module.constant("pi", single(math.pi))

_LOG10_E = single(0.4342944819032518)


def _square(real: float, imag: float) -> float:
    return fused(real, real, single(imag * imag))


def _new(vm, real: float, imag: float) -> int:
    return vm.new_complex(complex(real, imag))


def _turned(vm, size: float, angle: float) -> int:
    return _new(vm, single(size * libm.cos(angle)), single(size * libm.sin(angle)))


@module.function(1)
def phase(vm, z):
    real, imag = as_complex(vm, z)
    return vm.new_float(libm.atan2(imag, real))


@module.function(1)
def polar(vm, z):
    real, imag = as_complex(vm, z)
    size = vm.new_float(root(_square(real, imag)))
    return vm.new_tuple([size, vm.new_float(libm.atan2(imag, real))])


@module.function(2)
def rect(vm, r, phi):
    size = get_float(vm, r)
    return _turned(vm, size, get_float(vm, phi))


@module.function(1)
def exp(vm, z):
    real, imag = as_complex(vm, z)
    return _turned(vm, libm.exp(real), imag)


@module.function(1)
def log(vm, z):
    real, imag = as_complex(vm, z)
    return _new(vm, single(0.5 * libm.log(_square(real, imag))), libm.atan2(imag, real))


@module.function(1)
def log10(vm, z):
    real, imag = as_complex(vm, z)
    return _new(vm, single(0.5 * libm.log10(_square(real, imag))),
                single(_LOG10_E * libm.atan2(imag, real)))


@module.function(1)
def sqrt(vm, z):
    real, imag = as_complex(vm, z)
    size = singles.power(_square(real, imag), 0.25)
    return _turned(vm, size, single(0.5 * libm.atan2(imag, real)))


@module.function(1)
def cos(vm, z):
    real, imag = as_complex(vm, z)
    return _new(vm, single(libm.cos(real) * libm.cosh(imag)),
                single(-libm.sin(real) * libm.sinh(imag)))


@module.function(1)
def sin(vm, z):
    real, imag = as_complex(vm, z)
    return _new(vm, single(libm.sin(real) * libm.cosh(imag)),
                single(libm.cos(real) * libm.sinh(imag)))
