"""Single-precision arithmetic on host floats, as the board's floating-point unit does it.

Every operation takes single-precision values and rounds its result to single. A result that is
not a number is the chip's canonical (positive) nan.
"""

from __future__ import annotations

import math
import struct

_F32 = struct.Struct("<f")
_U32 = struct.Struct("<I")
_pack, _unpack = _F32.pack, _F32.unpack

NAN = math.nan
INF = math.inf


def single(x: float) -> float:
    """Nearest single-precision value; too large becomes infinity, nan the canonical nan."""
    if x != x:
        return NAN
    try:
        return _unpack(_pack(x))[0]
    except OverflowError:
        return math.copysign(INF, x)


def bits(x: float) -> int:
    """The 32 bits of a single-precision value."""
    return _U32.unpack(_pack(x))[0]


def of_int(n: int) -> float:
    """Single-precision value of a machine integer, rounded once."""
    magnitude = abs(n)
    drop = magnitude.bit_length() - 40
    if drop > 0:
        # Keep 40 bits and whether any dropped bit was set: enough to round correctly.
        kept = magnitude >> drop
        magnitude = (kept | (kept << drop != magnitude)) << drop
    x = single(float(magnitude)) if magnitude.bit_length() <= 200 else INF
    return -x if n < 0 else x


def of_big_int(n: int) -> float:
    """Single-precision value of a heap integer: digit by digit, rounding at each 16-bit digit."""
    magnitude = abs(n)
    count = (magnitude.bit_length() + 15) // 16
    x = 0.0
    for at in range(count - 1, -1, -1):
        x = single(x * 65536.0 + (magnitude >> (16 * at) & 0xFFFF))
        if x == INF:
            break
    return -x if n < 0 else x


def fused(a: float, b: float, c: float) -> float:
    """a * b + c with one rounding (the chip's fused multiply-add)."""
    product = a * b  # exact: 24 + 24 bits
    total = product + c
    if total != total or total in (INF, -INF):
        return single(total)
    # Let the bits that the double addition lost decide halfway cases of the final rounding.
    back = total - product
    lost = (product - (total - back)) + (c - back)
    if lost:
        raw = struct.unpack("<q", struct.pack("<d", total))[0]
        if not raw & 1:
            toward = (lost > 0) == (total > 0)
            total = struct.unpack("<d", struct.pack("<q", raw + (1 if toward else -1)))[0]
    return single(total)


def divide(a: float, b: float) -> float:
    """a / b, with IEEE results for a zero divisor."""
    if b == 0.0:
        if a == 0.0 or a != a:
            return NAN
        return math.copysign(INF, a) * math.copysign(1.0, b)
    return single(a / b)


def fmod(a: float, b: float) -> float:
    try:
        return single(math.fmod(a, b))
    except ValueError:
        return NAN


def power(a: float, b: float) -> float:
    """The C library's powf (rounded from a double-precision power)."""
    if a == -1.0 and b != b:
        return 1.0
    try:
        return single(math.pow(a, b))
    except OverflowError:
        return -INF if a < 0 and b % 2 == 1 else INF
    except ValueError:
        return -INF if a == 0.0 else NAN  # of zeros of both signs, as the firmware's powf


def call(fn, *args: float) -> float:
    """A C maths function by its host twin; a domain error gives nan, an overflow infinity."""
    try:
        return single(fn(*args))
    except OverflowError:
        return INF
    except ValueError:
        return NAN


def floor(x: float) -> float:
    return x if x != x or x in (INF, -INF) or abs(x) >= 8388608.0 else _keep_zero(math.floor(x), x)


def ceil(x: float) -> float:
    return x if x != x or x in (INF, -INF) or abs(x) >= 8388608.0 else _keep_zero(math.ceil(x), x)


def nearest(x: float) -> float:
    """Nearest integer, halves to even."""
    return x if x != x or x in (INF, -INF) or abs(x) >= 8388608.0 else _keep_zero(round(x), x)


def _keep_zero(whole: int, x: float) -> float:
    return math.copysign(float(whole), x) if whole == 0 else float(whole)


def floor_divmod(x: float, y: float) -> tuple[float, float]:
    """Python's `divmod` for y != 0: quotient rounded down, remainder with the sign of `y`."""
    mod = fmod(x, y)
    div = divide(single(x - mod), y)
    if mod == 0.0:
        mod = math.copysign(0.0, y)
    elif (mod < 0.0) != (y < 0.0):
        mod = single(mod + y)
        div = single(div - 1.0)
    if div == 0.0:
        return math.copysign(0.0, divide(x, y)), mod
    whole = floor(div)
    if single(div - whole) > 0.5:
        whole = single(whole + 1.0)
    return whole, mod


def hash_of(x: float) -> int:
    """The firmware's hash of a float: its integer part as a 64-bit word, saturated; nan as +inf.

    So all floats between -1 and 1 have the hash 0. Ref: MaixPy v0.6.3, the published binary.
    """
    if x != x or x >= 2.0**63:
        return (1 << 63) - 1
    return int(max(x, -(2.0**63)))
