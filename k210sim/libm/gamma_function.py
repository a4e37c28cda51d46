"""The gamma function and its logarithm."""

from __future__ import annotations

import math

from k210sim.libm.arithmetic import INF, MAGNITUDE, NAN, fused, series, single, word
from k210sim.libm.exponential import exp
from k210sim.libm.logarithm import log
from k210sim.libm.trigonometric import cosine, sine

PI = 3.1415927410125732
EULER_LESS_HALF = 0.07721566408872604
BELOW_TWO = ((4.486409670789726e-05, 0.00010801156895468011, 0.0005100697744637728,
              0.0028905137442052364, 0.020580807700753212, 0.32246702909469604),
             (2.5214456400135532e-05, 0.00022086278477218002, 0.0011927076848223805,
              0.007385550998151302, 0.0673523023724556, EULER_LESS_HALF))  # fmt: skip
# around the minimum: its place, its value and what that lacks
LEAST_AT, LEAST_BELOW = 1.4616321325302124, 0.4616321325302124  # and one less
LEAST, LEAST_REST = -0.12148628383874893, 6.697100651820165e-09
AROUND = ((0.00033552918466739357, -0.0005385953118093312, 0.0022596477065235376,
           -0.010314224287867546, 0.06462494283914566),
          (-0.00031275415676645935, 0.0008810818544588983, -0.0036845202557742596,
           0.017970675602555275, -0.14758771657943726),
          (0.000315632059937343, -0.0014034647028893232, 0.006100538652390242,
           -0.03278854116797447, 0.4838361144065857))  # fmt: skip
ABOVE_ONE = ((0.013381091877818108, 0.2289637327194214, 0.9777175188064575, 1.4549225568771362,
              0.6328270435333252, -EULER_LESS_HALF),
             (0.0032170924823731184, 0.10422264784574509, 0.7692851424217224, 2.1284897327423096,
              2.4559779167175293, 1.0))  # fmt: skip
BELOW_EIGHT = ((3.194753298885189e-05, 0.0018402845598757267, 0.026642270386219025,
                0.14635047316551208, 0.3257787823677063, 0.21498242020606995, -EULER_LESS_HALF),
               (7.32668422642746e-06, 0.0007779424777254462, 0.018645919859409332,
                0.1719338595867157, 0.7219355702400208, 1.3920053243637085, 1.0))  # fmt: skip
STIRLING = (-0.0016309292986989021, 0.0008363398956134915, -0.0005951875355094671,
            0.0007936505717225373, -0.0027777778450399637, 0.0833333358168602,
            0.418938547372818)  # fmt: skip


def lgamma(x: float) -> float:
    """The logarithm of the gamma function's magnitude."""
    return _signed(x)[0]


def gamma(x: float) -> float:
    """Its sign, and the exponential of that; positive when it is too large."""
    size, sign = _signed(x)
    result = exp(size)
    return result if result == INF else sign * result


def _signed(x: float) -> tuple[float, float]:
    """(logarithm, sign) of the gamma function."""
    if x != x:
        return NAN, 1.0
    bits = word(x)
    size = bits & MAGNITUDE
    if size in (0, 0x7F800000):
        return INF, 1.0
    if size < 0x1C800000:
        return -log(abs(x)), -1.0 if x < 0.0 else 1.0
    sign, reflected = 1.0, 0.0
    if x < 0.0:
        if size >= 0x4B000000:
            return INF, 1.0
        t = _sine_of_pi(x, size)
        if t == 0.0:
            return INF, 1.0
        reflected = log(single(PI / abs(single(x * t))))
        sign = -1.0 if t < 0.0 else 1.0
    magnitude = abs(x)
    if size in (0x3F800000, 0x40000000):
        r = 0.0
    elif size < 0x40000000:
        r = _below_two(magnitude, size)
    elif size < 0x41000000:
        r = _below_eight(magnitude)
    elif size < 0x5C800000:
        z = single(1.0 / magnitude)
        w = series(single(z * z), *STIRLING[:-1])
        r = fused(single(magnitude - 0.5), single(log(magnitude) - 1.0), fused(w, z, STIRLING[-1]))
    else:
        r = single(single(log(magnitude) - 1.0) * magnitude)
    return (single(reflected - r) if x < 0.0 else r), sign


def _below_two(x: float, size: int) -> float:
    add = 0.0
    if size <= 0x3F666666:
        add = -log(x)
        region = 0 if size > 0x3F3B4A1F else 1 if size > 0x3E6D3307 else 2
        y = (1.0 - x, x - LEAST_BELOW, x)[region]
    else:
        region = 0 if size > 0x3FDDA617 else 1 if size > 0x3F9DA61F else 2
        y = (2.0 - x, x - LEAST_AT, x - 1.0)[region]
    y = single(y)
    if region == 0:
        z = single(y * y)
        p = fused(series(z, *BELOW_TWO[0]), z, single(series(z, *BELOW_TWO[1]) * y))
        r = fused(-y, 0.5, p)
    elif region == 1:
        z = single(y * y)
        w = single(z * y)
        even, odd, first = AROUND
        rest = fused(-fused(series(w, *even), y, series(w, *odd)), w, LEAST_REST)
        r = single(fused(z, series(w, *first), -rest) + LEAST)
    else:
        ratio = single(single(series(y, *ABOVE_ONE[0]) * y) / series(y, *ABOVE_ONE[1]))
        r = fused(y, -0.5, ratio)
    return single(r + add)


def _below_eight(x: float) -> float:
    whole = int(x)
    y = single(x - whole)
    ratio = single(single(series(y, *BELOW_EIGHT[0]) * y) / series(y, *BELOW_EIGHT[1]))
    r = fused(y, 0.5, ratio)
    if whole < 3:
        return r
    z = 1.0
    for n in range(whole - 1, 1, -1):
        z = single(z * single(y + n))
    return single(r + log(z))


def _sine_of_pi(x: float, size: int) -> float:
    """sin(pi * x) of a negative number."""
    if size < 0x3E800000:
        return sine(single(x * PI))
    y = -x
    if y != math.floor(y):
        y = single(y * 0.5)
        y = single(2.0 * single(y - math.floor(y)))
        eighths = int(single(y * 4.0))
    else:
        odd = word(single(8388608.0 - x)) & 1
        y, eighths = float(odd), odd << 2
    if eighths == 0:
        result = sine(single(y * PI))
    elif eighths in (1, 2):
        result = cosine(single(single(0.5 - y) * PI))
    elif eighths in (3, 4):
        result = sine(single(single(1.0 - y) * PI))
    elif eighths in (5, 6):
        result = -cosine(single(single(y - 1.5) * PI))
    else:
        result = sine(single(single(y - 2.0) * PI))
    return -result
