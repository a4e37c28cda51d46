"""Powers."""

from __future__ import annotations

from k210sim.libm.arithmetic import (
    INF,
    MAGNITUDE,
    NAN,
    UPPER,
    divide,
    fused,
    root,
    scaled,
    series,
    single,
    value,
    word,
)
from k210sim.libm.exponential import EXP
from k210sim.libm.logarithm import LN2

# of 1 and 3/2: the binary logarithm, as a sum
PLACES = ((1.0, 0.0, 0.0), (1.5, value(0x3F15C000), value(0x35D1CFDC)))
ROOTS = (0.20697501301765442, 0.23066075146198273, 0.2727281153202057, 0.3333333432674408,
         0.4285714328289032, 0.6000000238418579)  # fmt: skip
PER_LN2, PER_LN2_HIGH, PER_LN2_LOW = 1.4426950216293335, 1.44268798828125, 7.052607543300837e-06
TWO_THIRDS, TWO_THIRDS_HIGH, TWO_THIRDS_LOW = (  # of 1 / ln 2
    0.9617967009544373, 0.9617919921875, 4.701738362200558e-06)  # fmt: skip
LN2_HIGH, LN2_LOW = 0.693145751953125, 1.4286065379565116e-06
TO_INFINITY = 4.299566569443414e-08  # 128 less the binary logarithm of the largest number
NO_WHOLE, ODD, EVEN = 0, 1, 2


def _upper(x: float) -> float:
    return value(word(x) & UPPER)


def _kind(size: int) -> int:
    """Whether the number of this word is whole, and odd."""
    if size >= 0x4B800000:
        return EVEN
    if size < 0x3F800000:
        return NO_WHOLE
    places = 150 - (size >> 23)
    if size >> places << places != size:
        return NO_WHOLE
    return 2 - (size >> places & 1)


def power(x: float, y: float) -> float:
    """x ** y; of zeros to a negative power minus infinity, and what is too small is plus zero."""
    if x == 0.0 and -INF < y < 0.0:
        return -INF
    result = _power(x, y)
    return 0.0 if result == 0.0 and 0.0 < abs(x) < INF else result


def _power(x: float, y: float) -> float:
    if y == 0.0:
        return 1.0
    bits, size, steps = word(x), word(x) & MAGNITUDE, word(y) & MAGNITUDE
    if x != x or y != y:
        return 1.0 if size == 0x3F800000 and x == x else NAN
    negative = bool(bits >> 31)
    kind = _kind(steps) if negative else NO_WHOLE
    if steps == 0x7F800000:
        if size == 0x3F800000:
            return 1.0
        return (y if y > 0.0 else 0.0) if size > 0x3F800000 else (-y if y < 0.0 else 0.0)
    if steps == 0x3F800000:
        return x if y > 0.0 else divide(1.0, x)
    if y == 2.0:
        return single(x * x)
    if y == 0.5 and not negative:
        return root(x)
    if size in (0, 0x3F800000, 0x7F800000):
        z = abs(x) if y > 0.0 else divide(1.0, abs(x))
        if negative and size == 0x3F800000 and kind == NO_WHOLE:
            return NAN
        return -z if negative and kind == ODD else z
    if negative and kind == NO_WHOLE:
        return NAN
    sign = -1.0 if negative and kind == ODD else 1.0
    if steps > 0x4D000000:
        if size < 0x3F7FFFF8:
            return INF if y < 0.0 else 0.0
        if size > 0x3F800007:
            return INF if y > 0.0 else 0.0
        high, low = _log2_close(abs(x))
    else:
        high, low = _log2(abs(x))
    part = _upper(y)
    low = fused(single(y - part), high, single(low * y))
    return _exp2(single(high * part), low, sign)


def _log2_close(x: float) -> tuple[float, float]:
    """The binary logarithm of a number next to 1, as a sum."""
    t = single(x - 1.0)
    rest = fused(-fused(-t, 0.25, 0.3333333432674408), t, 0.5)
    v = fused(t, PER_LN2_LOW, -single(single(rest * single(t * t)) * PER_LN2))
    high = _upper(fused(t, PER_LN2_HIGH, v))
    return high, single(v - fused(-t, PER_LN2_HIGH, high))


def _log2(x: float) -> tuple[float, float]:
    n, bits = 0, word(x)
    if bits < 0x00800000:
        bits, n = word(single(x * 16777216.0)), -24
    n += (bits >> 23) - 127
    fraction = bits & 0x7FFFFF
    bits = fraction | 0x3F800000
    k = 0
    if 0x1CC471 < fraction <= 0x5DB3D6:
        k = 1
    elif fraction > 0x5DB3D6:
        n += 1
        bits -= 0x00800000
    place, place_high, place_low = PLACES[k]
    x = value(bits)
    # the ratio of difference and sum, and its upper 12 bits
    u, v = single(x - place), single(1.0 / single(x + place))
    s = single(u * v)
    s_high = _upper(s)
    t_high = value((bits >> 1 | 0x20000000) + 0x00040000 + (k << 21))
    t_low = single(x - single(t_high - place))
    s_low = single(fused(-s_high, t_low, fused(-s_high, t_high, u)) * v)
    s2 = single(s * s)
    r = fused(single(s2 * s2), series(s2, *ROOTS), single(s_low * single(s_high + s)))
    t_high = _upper(single(fused(s_high, s_high, 3.0) + r))
    t_low = single(r - fused(-s_high, s_high, single(t_high - 3.0)))
    v = fused(s_low, t_high, single(t_low * s))
    p_high = _upper(fused(s_high, t_high, v))
    p_low = single(v - fused(-s_high, t_high, p_high))
    z_low = fused(TWO_THIRDS_LOW, p_high, single(p_low * TWO_THIRDS))
    z_low = single(z_low + place_low)
    count = float(n)
    total = fused(TWO_THIRDS_HIGH, p_high, z_low)
    high = _upper(single(single(total + place_high) + count))
    rest = single(single(high - count) - place_high)
    return high, single(z_low - fused(-p_high, TWO_THIRDS_HIGH, rest))


def _exp2(high: float, low: float, sign: float) -> float:
    """sign * 2 ** (high + low)."""
    z = single(high + low)
    bits = word(z)
    size = bits & MAGNITUDE
    if z > 0.0:
        if (
            size > 0x43000000
            or size == 0x43000000
            and (single(low + TO_INFINITY) > single(z - high))
        ):
            return sign * INF
    elif size > 0x43160000 or size == 0x43160000 and low <= single(z - high):
        return sign * 0.0
    n = 0
    if size > 0x3F000000:
        rounded = bits + (0x00800000 >> (size >> 23) - 126)
        places = (rounded >> 23 & 255) - 127
        whole = rounded & ~(0x7FFFFF >> places)
        n = (rounded & 0x7FFFFF | 0x00800000) >> 23 - places
        if z <= 0.0:
            n = -n
        high = single(high - value(whole))
    t = _upper(single(high + low))
    u = single(t * LN2_LOW)
    v = fused(single(low - single(t - high)), LN2, u)
    z = fused(LN2_HIGH, t, v)
    w = single(v - fused(-t, LN2_HIGH, z))
    t = single(z * z)
    c = fused(-series(t, *EXP), t, z)
    r = single(single(single(z * c) / single(c - 2.0)) - fused(z, w, w))
    z = single(1.0 - single(r - z))
    moved = word(z) + (n << 23)
    return sign * (value(moved) if moved >> 23 > 0 else scaled(z, n))
