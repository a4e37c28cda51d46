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
    series = fused(fused(fused(_ATAN[0], z, _ATAN[1]), z, _ATAN[2]), z, _ATAN[3])
    with np.errstate(invalid="ignore", over="ignore"):
        result = fused(fused(series, z, _F(1)), reduced, start)
    return np.where(np.asarray(value) < 0, -result, result).astype(_F)[()]


def fused(a, b, c):
    """a * b + c rounded once, float32: the chip's fused multiply-add.

    The product of two singles is exact in a double, so only the sum rounds there; rounding that
    again to single differs from the chip in about one case in 2**29.
    """
    exact = np.asarray(a, np.float64) * np.asarray(b, np.float64) + np.asarray(c, np.float64)
    return exact.astype(_F)


def fast_pow(base, exponent):
    """base ** exponent by scaling the exponent bits of the number, float32; base is an array."""
    one = 1064866805  # the bit pattern of about 1
    bits = np.asarray(base, _F).view(np.int32).astype(np.int64) - one
    scaled = fused(_F(exponent), bits.astype(_F), _F(one))
    return np.clip(scaled, -(2**31), 2**31 - 1).astype(np.int64).astype(np.int32).view(_F)


def fast_exp(value):
    """e ** value by filling in the exponent bits, float32; value is an array of numbers <= 0."""
    bits = fused(_F(1512775), np.asarray(value, _F), _F(1072632447)).astype(np.int64) & 0xFFFFFFFF
    exponent = (bits >> 20 & 0x7FF) - 1023 + 127 & 0xFF
    packed = (bits >> 31 & 1) << 31 | exponent << 23 | (bits & 0xFFFFF) << 3
    return packed.astype(np.uint32).view(_F)


def fast_atan2(y, x) -> np.float32:
    """Angle of (x, y) in 0..2 pi, float32; on the vertical axis pi or -pi, as on the board."""
    y, x = _F(y), _F(x)
    pi = _F(math.pi)
    if x > 0 and y >= 0:
        return fast_atan(y / x)
    if x < 0 and y >= 0:
        return pi - fast_atan(-y / x)
    if x < 0 and y < 0:
        return pi + fast_atan(y / x)
    if x > 0 and y < 0:
        return _F(2) * pi - fast_atan(-y / x)
    return _F(0) if y == 0 else pi if y > 0 else -pi


def fast_cbrt(value):
    """Cube root by a third of the number's bit pattern, no refinement, float32; positive array."""
    bits = np.asarray(value, _F).view(np.int32).astype(np.int64)
    third = bits // 4 + bits // 16
    third += third // 16
    third += third // 256
    return (third + 0x2A511CD0).astype(np.int32).view(_F)


def fast_log(value):
    """Natural logarithm from the bit pattern and a rational correction, float32; positive array."""
    bits = np.asarray(value, _F).view(np.uint32)
    fraction = ((bits & 0x7FFFFF) | 0x3F000000).view(_F)
    log2 = fused(bits.astype(_F), _F(1.1920928955078125e-7), _F(-124.22551499))
    log2 = fused(_F(-1.498030302), fraction, log2)
    return _F(0.69314718) * (log2 - _F(1.72587999) / (_F(0.3520887068) + fraction))


def to_int32(value) -> int:
    """As the processor converts to a whole number: cut off, what is too great is the greatest."""
    value = float(value)
    if math.isnan(value):
        return 2**31 - 1
    return int(max(-(2.0**31), min(2.0**31 - 1, value)))
