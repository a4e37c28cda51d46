"""The image library's own approximations of mathematical functions, in single precision.

"Rounding" and "floor" are both truncation there, and so they are wherever we take `int()`.
Ref: sipeed/MaixPy-v1 components/micropython/port/src/omv/img/fmath.c and fmath.h, d8901fd.
"""

from __future__ import annotations

import math

import numpy as np

_F = np.float32
# Coefficients of the single-precision Cephes arctangent, which the firmware uses.
_ATAN = tuple(_F(c) for c in (8.05374449538e-2, -1.38776856032e-1, 1.99777106478e-1,
                              -3.33329491539e-1))  # fmt: skip


def fast_atan(value):
    """Arctangent (Cephes polynomial), float32; numbers or arrays."""
    x = np.abs(np.asarray(value, _F))
    steep, middle = x > _F(2.414213562373095), x > _F(0.414213562373095)
    with np.errstate(divide="ignore", invalid="ignore"):
        reduced = np.where(steep, -(_F(1) / x), np.where(middle, (x - _F(1)) / (x + _F(1)), x))
    start = np.where(steep, _F(math.pi / 2), np.where(middle, _F(math.pi / 4), _F(0)))
    z = reduced * reduced
    series = ((_ATAN[0] * z + _ATAN[1]) * z + _ATAN[2]) * z + _ATAN[3]
    result = start + (series * z * reduced + reduced)
    return np.where(np.asarray(value) < 0, -result, result).astype(_F)[()]
