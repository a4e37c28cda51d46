"""Arcus functions."""

from __future__ import annotations

import math

from k210sim.libm.arithmetic import (
    INF,
    MAGNITUDE,
    NAN,
    UPPER,
    divide,
    fused,
    root,
    series,
    single,
    value,
    word,
)

PI, PI_REST = value(0x40490FDB), 8.742277657347586e-08  # and how much too large it is
HALF_PI, HALF_PI_REST = value(0x3FC90FDB), 4.371138828673793e-08
QUARTER_PI = value(0x3F490FDB)
# cut instead of rounded: and how much too small they are
CUT_PI, CUT_HALF_PI, CUT_REST = value(0x40490FDA), value(0x3FC90FDA), 7.549789415861596e-08
ABOVE = (3.479330916889012e-05, 0.0007915350142866373, -0.0400555357336998, 0.20121252536773682,
         -0.32556581497192383, 0.1666666716337204)  # fmt: skip
BELOW = (0.07703815400600433, -0.6882839798927307, 2.0209457874298096, -2.403394937515259, 1.0)
# of 1/2, 1, 3/2 and infinity: the arcus, and what it lacks
PLACES = ((value(0x3EED6338), value(0x31AC3769)), (value(0x3F490FDA), value(0x33222168)),
          (value(0x3F7B985E), value(0x33140FB4)),
          (value(0x3FC90FDA), value(0x33A22168)))  # fmt: skip
EVEN = (0.016285819932818413, 0.049768779426813126, 0.06661073118448257, 0.09090887010097504,
        0.1428571492433548, 0.3333333432674408)  # fmt: skip
ODD = (-0.03653157129883766, -0.05833570286631584, -0.07691875845193863, -0.1111111044883728,
       -0.20000000298023224)  # fmt: skip


def _ratio(t: float) -> float:
    return single(single(series(t, *ABOVE) * t) / series(t, *BELOW))


def _root(t: float) -> tuple[float, float, float]:
    """The root, its upper 12 bits, and what these lack."""
    s = root(t)
    upper = value(word(s) & UPPER)
    return s, upper, divide(fused(-upper, upper, t), single(s + upper))


def asin(x: float) -> float:
    size = word(x) & MAGNITUDE
    if size > 0x3F800000:
        return NAN
    if size == 0x3F800000:
        return fused(x, HALF_PI, single(x * -HALF_PI_REST))
    if size < 0x3F000000:
        return x if size < 0x32000000 else fused(x, _ratio(single(x * x)), x)
    t = single(single(1.0 - abs(x)) * 0.5)
    r = _ratio(t)
    s, upper, lacks = _root(t)
    if size >= 0x3F79999A:
        result = single(HALF_PI - fused(fused(s, r, s), 2.0, HALF_PI_REST))
    else:
        p = fused(single(s + s), r, -fused(-lacks, 2.0, -HALF_PI_REST))
        result = single(QUARTER_PI - single(p - fused(-upper, 2.0, QUARTER_PI)))
    return result if x > 0.0 else -result


def acos(x: float) -> float:
    size = word(x) & MAGNITUDE
    if size > 0x3F800000:
        return NAN
    if size == 0x3F800000:
        return 0.0 if x > 0.0 else PI
    if size < 0x3F000000:
        if size <= 0x23000000:
            return HALF_PI
        rest = fused(-x, _ratio(single(x * x)), CUT_REST)
        return single(CUT_HALF_PI - single(x - rest))
    if x < 0.0:
        z = single(single(1.0 + x) * 0.5)
        s = root(z)
        w = fused(s, _ratio(z), -CUT_REST)
        return fused(-single(w + s), 2.0, CUT_PI)
    z = single(single(1.0 - x) * 0.5)
    s, upper, lacks = _root(z)
    half = single(fused(s, _ratio(z), lacks) + upper)
    return single(half + half)


def atan(x: float) -> float:
    size = word(x) & MAGNITUDE
    if size >= 0x50800000:
        return NAN if x != x else math.copysign(HALF_PI, x)
    place = None
    t = x
    if size >= 0x3EE00000:
        t = abs(x)
        if size < 0x3F300000:
            place, t = 0, single(fused(t, 2.0, -1.0) / single(t + 2.0))
        elif size < 0x3F980000:
            place, t = 1, single(single(t - 1.0) / single(t + 1.0))
        elif size < 0x401C0000:
            place, t = 2, single(single(t - 1.5) / fused(t, 1.5, 1.0))
        else:
            place, t = 3, single(-1.0 / t)
    elif size < 0x31000000:
        return x
    z = single(t * t)
    w = single(z * z)
    s = single(fused(series(w, *EVEN), z, single(series(w, *ODD) * w)) * t)
    if place is None:
        return single(t - s)
    high, low = PLACES[place]
    result = single(high - single(single(s - low) - t))
    return -result if x < 0.0 else result


def atan2(y: float, x: float) -> float:
    if x != x or y != y:
        return NAN
    if x == 1.0:
        return atan(y)
    left, below = math.copysign(1.0, x) < 0, math.copysign(1.0, y) < 0
    if y == 0.0:
        return math.copysign(PI, y) if left else y
    if x == 0.0:
        return math.copysign(HALF_PI, y)
    if abs(x) == INF:
        if abs(y) == INF:
            return math.copysign(value(0x4016CBE4) if left else QUARTER_PI, y)
        return math.copysign(PI if left else 0.0, y)
    if abs(y) == INF:
        return math.copysign(HALF_PI, y)
    steeper = (word(y) & MAGNITUDE) - (word(x) & MAGNITUDE) >> 23
    if steeper > 60:
        z = HALF_PI
    elif steeper < -60 and left:
        z = 0.0
    else:
        z = atan(abs(divide(y, x)))
    if not left:
        return -z if below else z
    z = single(z + PI_REST)
    return single(z - PI) if below else single(PI - z)
