"""Sine, cosine and tangent."""

from __future__ import annotations

from k210sim.libm.arithmetic import MAGNITUDE, UPPER, divide, fused, series, single, value, word
from k210sim.libm.reduction import quarters

SINE = tuple(map(value, (0x2F2EC9D3, 0xB2D72F34, 0x3638EF1B, 0xB9500D01, 0x3C088889)))
CUBE = value(0xBE2AAAAB)  # -1 / 6
COSINE = tuple(map(value, (0xAD47D74E, 0x310F74F6, 0xB493F27C, 0x37D00D01, 0xBAB60B61,
                           0x3D2AAAAB)))  # fmt: skip
TANGENT_ODD = tuple(map(float, (
    -1.8558637748355977e-05, 7.817944424459711e-05, 0.0005880412645637989, 0.0035920790396630764,
    0.021869488060474396, 0.13333334028720856)))  # fmt: skip
TANGENT_EVEN = (2.590730582596734e-05, 7.14072521077469e-05, 0.0002464631397742778,
                0.00145620945841074, 0.008863239549100399, 0.05396825447678566)  # fmt: skip
THIRD = value(0x3EAAAAAB)
EIGHTH_TURN, EIGHTH_TURN_REST = value(0x3F490FDA), value(0x33222168)
TINY = 0x32000000  # words: smaller angles are their own sine
STEEP = 0x3F2CA140


def sine(x: float, tail: float | None = None) -> float:
    """Of an angle below an eighth turn, which may have a tail."""
    if word(x) & MAGNITUDE < TINY:
        return x
    z = single(x * x)
    cube = single(z * x)
    r = series(z, *SINE)
    if tail is None:
        return fused(cube, fused(z, r, CUBE), x)
    t = fused(tail, 0.5, -single(cube * r))
    return single(x - fused(cube, -CUBE, fused(t, z, -tail)))


def cosine(x: float, tail: float = 0.0) -> float:
    size = word(x) & MAGNITUDE
    if size < TINY:
        return 1.0
    z = single(x * x)
    rest = fused(z, single(series(z, *COSINE) * z), -single(x * tail))
    half = single(z * 0.5)
    if size <= 0x3E999999:
        return single(1.0 - single(half - rest))
    part = 0.28125 if size > 0x3F480000 else value(size - 0x01000000)
    return single(single(1.0 - part) - single(single(half - part) - rest))


def _tangent(x: float, tail: float, inverted: bool) -> float:
    """Of an angle below an eighth turn, or minus one by it."""
    bits = word(x)
    size = bits & MAGNITUDE
    if size < 0x31800000:
        if not inverted:
            return x
        return divide(1.0, abs(x)) if size == 0 else divide(-1.0, x)
    steep = size >= STEEP
    if steep:
        if x < 0.0:
            x, tail = -x, -tail
        x = single(single(EIGHTH_TURN_REST - tail) + single(EIGHTH_TURN - x))
        tail = 0.0
    z = single(x * x)
    w = single(z * z)
    cube = single(x * z)
    r = fused(series(w, *TANGENT_EVEN), z, series(w, *TANGENT_ODD))
    r = fused(cube, THIRD, fused(fused(r, cube, tail), z, tail))
    w = single(x + r)
    if steep:
        one = -1.0 if inverted else 1.0
        ratio = single(single(w * w) / single(w + one))
        result = fused(-single(x - single(ratio - r)), 2.0, one)
        return -result if bits >> 31 else result
    if not inverted:
        return w
    inverse = single(-1.0 / w)
    upper, inverse_upper = value(word(w) & UPPER), value(word(inverse) & UPPER)
    rest = single(r - single(upper - x))
    return fused(fused(rest, inverse_upper, fused(inverse_upper, upper, 1.0)), inverse,
                 inverse_upper)  # fmt: skip


def sin(x: float) -> float:
    if word(x) & MAGNITUDE <= 0x3F490FD8:
        return sine(x)
    n, y, tail = quarters(x)
    if y != y:
        return y
    result = cosine(y, tail) if n & 1 else sine(y, tail)
    return -result if n & 2 else result


def cos(x: float) -> float:
    if word(x) & MAGNITUDE <= 0x3F490FD8:
        return cosine(x)
    n, y, tail = quarters(x)
    if y != y:
        return y
    result = sine(y, tail) if n & 1 else cosine(y, tail)
    return -result if n + 1 & 2 else result


def tan(x: float) -> float:
    if word(x) & MAGNITUDE <= 0x3F490FDA:
        return _tangent(x, 0.0, inverted=False)
    n, y, tail = quarters(x)
    if y != y:
        return y
    return _tangent(y, tail, inverted=bool(n & 1))
