"""Single-precision arithmetic on host floats, as the board's floating-point unit does it.

Every operation takes single-precision values and rounds its result to single. A result that is
not a number is the chip's canonical (positive) nan.
"""

from __future__ import annotations

import math

from k210sim import libm
from k210sim.libm.arithmetic import INF, NAN, divide, fused, root, single
from k210sim.libm.arithmetic import word as bits

__all__ = [
    "INF", "NAN", "bits", "ceil", "divide", "floor", "floor_divmod", "fmod", "fused",
    "hash_of", "nearest", "of_big_int", "of_int", "power", "root", "single",
]  # fmt: skip


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


def fmod(a: float, b: float) -> float:
    try:
        return single(math.fmod(a, b))
    except ValueError:
        return NAN


def power(a: float, b: float) -> float:
    """The C library's powf."""
    return libm.power(a, b)


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
