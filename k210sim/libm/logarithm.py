"""Logarithms, and the inverse hyperbolic functions, which are logarithms."""

from __future__ import annotations

from k210sim.libm.arithmetic import (
    INF,
    MAGNITUDE,
    NAN,
    divide,
    fused,
    root,
    series,
    single,
    value,
    word,
)
from k210sim.libm.exponential import LN2_HIGH, LN2_LOW

LN2 = value(0x3F317218)
LOG10_2_HIGH, LOG10_2_LOW = value(0x3E9A2080), value(0x355427DB)
PER_LN10 = value(0x3EDE5BD9)
ODD = (0.15313838422298431, 0.2222219854593277, 0.4000000059604645)
EVEN = (0.14798198640346527, 0.18183572590351105, 0.2857142984867096, 0.6666666865348816)
ALL = (EVEN[0], ODD[0], EVEN[1], ODD[1], EVEN[2], ODD[2], EVEN[3])
FRACTION = 0x7FFFFF


def _exponent(x: float) -> tuple[int, int]:
    """(exponent, word) of a positive number, which is scaled when it is subnormal."""
    bits = word(x)
    if bits < 0x00800000:
        bits = word(single(x * 33554432.0))
        return (bits >> 23) - 127 - 25, bits
    return (bits >> 23) - 127, bits


def log(x: float) -> float:
    if x == 0.0:
        return -INF
    if x != x or x < 0.0:
        return NAN
    if x == INF:
        return INF
    k, bits = _exponent(x)
    bits &= FRACTION
    upper = bits + 0x4AFB20 & 0x800000
    k += upper >> 23
    f = single(value(bits | upper ^ 0x3F800000) - 1.0)
    count = float(k)
    if bits + 15 & 0x7FFFF0 == 0:  # close to 1
        if f == 0.0:
            return fused(count, LN2_HIGH, single(count * LN2_LOW)) if k else 0.0
        r = single(fused(-f, value(0x3EAAAAAB), 0.5) * single(f * f))
        if k == 0:
            return single(f - r)
        return fused(count, LN2_HIGH, -single(fused(-count, LN2_LOW, r) - f))
    s = single(f / single(2.0 + f))
    z = single(s * s)
    w = single(z * z)
    r = fused(series(w, *ODD), w, single(series(w, *EVEN) * z))
    if bits - 0x30A3D0 | 0x35C288 - bits > 0:
        half = single(single(f * 0.5) * f)
        t = single(single(r + half) * s)
        if k == 0:
            return single(f - single(half - t))
        low = single(single(half - fused(count, LN2_LOW, t)) - f)
    else:
        t = single(single(f - r) * s)
        if k == 0:
            return single(f - t)
        low = single(fused(-count, LN2_LOW, t) - f)
    return fused(count, LN2_HIGH, -low)


def log2(x: float) -> float:
    return divide(log(x), LN2)


def log10(x: float) -> float:
    if not 0.0 < x < INF:
        return log(x)
    k, bits = _exponent(x)
    below = int(k < 0)
    count = float(k + below)
    fraction = value(bits & FRACTION | 127 - below << 23)
    low = fused(count, LOG10_2_LOW, single(log(fraction) * PER_LN10))
    return fused(count, LOG10_2_HIGH, low)


def log1p(x: float) -> float:
    """The logarithm of 1 + x."""
    if x != x or x < -1.0:
        return NAN
    if x == -1.0:
        return -INF
    if x == INF:
        return INF
    bits = word(x)
    size = bits & MAGNITUDE
    small = x < 0.0 or size <= 0x3ED413D6
    if small and size < 0x31000000:
        return x if size < 0x24800000 else fused(-single(x * x), 0.5, x)
    if small and (x > 0.0 or bits <= 0xBE95F61F):
        k, c, f, fraction = 0, 0.0, x, 1
    else:
        k, c, f, fraction = _one_more(x, size)
    half = single(single(f * 0.5) * f)
    count = float(k)
    correction = fused(count, LN2_LOW, c) if k else 0.0
    if fraction == 0:
        if f == 0.0:
            return fused(count, LN2_HIGH, correction) if k else 0.0
        r = single(fused(-f, value(0x3F2AAAAB), 1.0) * half)
        if k == 0:
            return single(f - r)
        return fused(count, LN2_HIGH, -single(single(r - correction) - f))
    s = single(f / single(2.0 + f))
    z = single(s * s)
    t = single(fused(series(z, *ALL), z, half) * s)
    if k == 0:
        return single(f - single(half - t))
    return fused(count, LN2_HIGH, -single(single(half - single(correction + t)) - f))


def _one_more(x: float, size: int) -> tuple[int, float, float, int]:
    """(k, c, f, fraction): 1 + x is 2**k * (1 + f), but for what c corrects."""
    c = 0.0
    bits = size
    if size < 0x5A000000:
        u = single(1.0 + x)
        bits = word(u)
        lost = single(1.0 - single(u - x)) if bits >> 23 > 127 else single(x - single(u - 1.0))
        c = single(lost / u)
    k = (bits >> 23) - 127
    bits &= FRACTION
    if bits <= 0x3504F6:
        return k, c, single(value(bits | 0x3F800000) - 1.0), bits
    return k + 1, c, single(value(bits | 0x3F000000) - 1.0), 0x800000 - bits >> 2


def asinh(x: float) -> float:
    size = word(x) & MAGNITUDE
    if size >= 0x7F800000 or size < 0x31800000:
        return x
    magnitude = abs(x)
    if size > 0x4D800000:
        w = single(log(magnitude) + LN2)
    elif size > 0x40000000:
        rest = single(1.0 / single(root(fused(x, x, 1.0)) + magnitude))
        w = log(fused(magnitude, 2.0, rest))
    else:
        t = single(x * x)
        w = log1p(single(single(t / single(root(single(t + 1.0)) + 1.0)) + magnitude))
    return w if x > 0.0 else -w


def acosh(x: float) -> float:
    if x != x or x < 1.0:
        return NAN
    size = word(x)
    if size >= 0x4D800000:
        return INF if x == INF else single(log(x) + LN2)
    if x == 1.0:
        return 0.0
    if size > 0x40000000:
        return log(fused(x, 2.0, -single(1.0 / single(root(fused(x, x, -1.0)) + x))))
    t = single(x - 1.0)
    return log1p(single(root(fused(t, 2.0, single(t * t))) + t))


def atanh(x: float) -> float:
    size = word(x) & MAGNITUDE
    if size > 0x3F800000:
        return NAN
    if size == 0x3F800000:
        return divide(x, 0.0)
    if size < 0x31800000:
        return x
    magnitude = abs(x)
    twice, left = single(magnitude + magnitude), single(1.0 - magnitude)
    if size < 0x3F000000:
        t = log1p(single(single(single(twice * magnitude) / left) + twice))
    else:
        t = log1p(single(twice / left))
    t = single(0.5 * t)
    return t if x >= 0.0 else -t
