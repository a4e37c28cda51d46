"""Single-precision steps on host floats, as the board's floating-point unit does them."""

from __future__ import annotations

import math
import struct

_F32 = struct.Struct("<f")
_U32 = struct.Struct("<I")
_pack, _unpack = _F32.pack, _F32.unpack
_pack_word, _unpack_word = _U32.pack, _U32.unpack

NAN = math.nan
INF = math.inf
MAGNITUDE = 0x7FFFFFFF  # of a word: all but the sign
UPPER = 0xFFFFF000  # of a word: a value of 12 bits, whose square is exact


def single(x: float) -> float:
    """Nearest single-precision value; too large becomes infinity, nan the canonical nan."""
    if x != x:
        return NAN
    try:
        return _unpack(_pack(x))[0]
    except OverflowError:
        return math.copysign(INF, x)


def fused(a: float, b: float, c: float) -> float:
    """a * b + c with one rounding (the chip's fused multiply-add)."""
    product = a * b  # exact: 24 + 24 bits
    total = product + c
    try:
        result = _unpack(_pack(total))[0]
    except OverflowError:
        return _rounded_once(product, c, total)
    if result != result:
        return NAN
    # What is halfway between two singles has been rounded in a double before, or not at all.
    if math.frexp(total - result)[0] in (0.5, -0.5):
        return _rounded_once(product, c, total)
    return result


def _rounded_once(product: float, c: float, total: float) -> float:
    """Their sum, nearly `total`: the bits that this has lost decide halfway cases."""
    back = total - product
    lost = (product - (total - back)) + (c - back)
    if lost:
        raw = struct.unpack("<q", struct.pack("<d", total))[0]
        if not raw & 1:
            toward = (lost > 0) == (total > 0)
            total = struct.unpack("<d", struct.pack("<q", raw + (1 if toward else -1)))[0]
    return single(total)


def series(z: float, *coefficients: float) -> float:
    """A polynomial, the highest power first, each step fused."""
    result = coefficients[0]
    for coefficient in coefficients[1:]:
        result = fused(result, z, coefficient)
    return result


def word(x: float) -> int:
    """The 32 bits of a single-precision value."""
    return _unpack_word(_pack(x))[0]


def value(bits: int) -> float:
    """The single-precision value of 32 bits."""
    return _unpack(_pack_word(bits & 0xFFFFFFFF))[0]


def divide(a: float, b: float) -> float:
    """a / b, with IEEE results for a zero divisor."""
    if b == 0.0:
        if a == 0.0 or a != a:
            return NAN
        return math.copysign(INF, a) * math.copysign(1.0, b)
    return single(a / b)


def root(x: float) -> float:
    return single(math.sqrt(x)) if x >= 0.0 else NAN


def scaled(x: float, exponent: int) -> float:
    """x * 2**exponent; 0 where that is below the least number, even if it is nearer."""
    if math.frexp(x)[1] + exponent < -148:
        return math.copysign(0.0, x)
    return single(math.ldexp(x, min(400, exponent)))
