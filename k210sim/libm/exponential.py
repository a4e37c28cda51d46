"""Exponentials and what is made of them."""

from __future__ import annotations

from k210sim.libm.arithmetic import INF, MAGNITUDE, NAN, fused, series, single, value, word

LN2_HIGH, LN2_LOW = value(0x3F317180), value(0x3717F7D1)
PER_LN2 = value(0x3FB8AA3B)
EXP = tuple(map(value, (0x3331BB4C, 0xB5DDEA0E, 0x388AB355, 0xBB360B61, 0x3E2AAAAB)))
EXPM1 = (-2.0109921194944036e-07, 4.00821772927884e-06, -7.936507608974352e-05,
         0.0015873016091063619, -0.03333333507180214, 1.0)  # fmt: skip
HALF_LN2, LN2_AND_HALF = 0x3EB17218, 0x3F851592  # words
LARGEST, LARGEST_TWICE = 0x42B17217, 0x42B2D4FC  # words whose exponential, or half of it, is finite


def _reduced(x: float, size: int, fuse: bool) -> tuple[int, float, float]:
    """(k, high, low): x is k times ln 2 and high - low."""
    sign = -1.0 if x < 0.0 else 1.0
    if size < LN2_AND_HALF:
        return int(sign), single(x - sign * LN2_HIGH), sign * LN2_LOW
    count = fused(PER_LN2, x, sign / 2) if fuse else single(single(PER_LN2 * x) + sign / 2)
    k = int(count)
    return k, fused(-k, LN2_HIGH, x), single(k * LN2_LOW)


def exp(x: float) -> float:
    size = word(x) & MAGNITUDE
    if x != x:
        return NAN
    if x > 0.0 and size > LARGEST:
        return INF
    if x < 0.0 and size > 0x42CFF1B5:
        return 0.0
    k, high, low = 0, x, 0.0
    if size > HALF_LN2:
        k, high, low = _reduced(x, size, fuse=True)
        x = single(high - low)
    elif size < 0x31800000:
        return single(1.0 + x)
    t = single(x * x)
    c = fused(-series(t, *EXP), t, x)
    if k == 0:
        return single(1.0 - single(single(single(x * c) / single(c - 2.0)) - x))
    ratio = single(single(x * c) / single(2.0 - c))
    y = single(1.0 - single(single(low - ratio) - high))
    if k >= -125:
        return value(word(y) + (k << 23))
    return single(value(word(y) + (k + 100 << 23)) * 2.0**-100)


def expm1(x: float) -> float:
    size = word(x) & MAGNITUDE
    if x != x:
        return NAN
    if size > 0x4195B843:  # beyond 27 ln 2
        if x < 0.0:
            return -1.0
        if size > LARGEST:
            return INF
    k, c = 0, 0.0
    if size > HALF_LN2:
        k, high, low = _reduced(x, size, fuse=False)
        x = single(high - low)
        c = single(single(high - x) - low)
    elif size < 0x33000000:
        return x
    half = single(0.5 * x)
    square = single(x * half)
    r = series(square, *EXPM1)
    t = fused(-half, r, 3.0)
    e = single(single(single(r - t) / fused(-x, t, 6.0)) * square)
    if k == 0:
        return single(x - fused(x, e, -square))
    e = single(fused(single(e - c), x, -c) - square)
    if k == -1:
        return fused(single(x - e), 0.5, -0.5)
    if k == 1:
        if x < -0.25:
            return single(single(e - single(x + 0.5)) * -2.0)
        return fused(single(x - e), 2.0, 1.0)
    if k <= -2 or k > 56:
        y = single(1.0 - single(e - x))
        return single(value(word(y) + (k << 23)) - 1.0)
    if k < 23:
        y = single(value(0x3F800000 - (0x1000000 >> k)) - single(e - x))
    else:
        y = single(single(x - single(e + value(127 - k << 23))) + 1.0)
    return value(word(y) + (k << 23))


def sinh(x: float) -> float:
    size = word(x) & MAGNITUDE
    if size >= 0x7F800000 or size < 0x31800000:
        return x
    half = -0.5 if x < 0.0 else 0.5
    magnitude = abs(x)
    if size < 0x41B00000:
        t = expm1(magnitude)
        if size < 0x3F800000:
            return single(half * fused(t, 2.0, -single(single(t * t) / single(t + 1.0))))
        return single(half * single(t + single(t / single(t + 1.0))))
    if size <= LARGEST:
        return single(half * exp(magnitude))
    if size <= LARGEST_TWICE:
        w = exp(single(0.5 * magnitude))
        return single(single(half * w) * w)
    return INF if x > 0.0 else -INF


def cosh(x: float) -> float:
    size = word(x) & MAGNITUDE
    if x != x:
        return NAN
    magnitude = abs(x)
    if size <= 0x3EB17217:
        t = expm1(magnitude)
        w = single(1.0 + t)
        if size < 0x24000000:
            return w
        return single(1.0 + single(single(t * t) / single(w + w)))
    if size < 0x41B00000:
        t = exp(magnitude)
        return fused(t, 0.5, single(0.5 / t))
    if size <= LARGEST:
        return single(0.5 * exp(magnitude))
    if size <= LARGEST_TWICE:
        w = exp(single(0.5 * magnitude))
        return single(single(0.5 * w) * w)
    return INF


def tanh(x: float) -> float:
    size = word(x) & MAGNITUDE
    if x != x:
        return NAN
    if size < 0x24000000:
        return single(x * single(1.0 + x))
    magnitude = abs(x)
    if size >= 0x41B00000:
        z = 1.0
    elif size >= 0x3F800000:
        t = expm1(single(2.0 * magnitude))
        z = single(1.0 - single(2.0 / single(t + 2.0)))
    else:
        t = expm1(single(-2.0 * magnitude))
        z = single(-t / single(t + 2.0))
    return -z if x < 0.0 else z
