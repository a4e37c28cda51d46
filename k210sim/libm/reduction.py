"""An angle's quarter turns, and what is left of it in two parts."""

from __future__ import annotations

import math

from k210sim.libm.arithmetic import MAGNITUDE, fused, scaled, single, value, word

PER_QUARTER = value(0x3F22F984)  # 2 / pi
# pi / 2 in three pieces of 17 bits, and behind each what is left of it
PIECES = (
    (value(0x3FC90F80), value(0x37354443)),
    (value(0x37354400), value(0x2E85A308)),
    (value(0x2E85A300), value(0x248D3132)),
)
FAR = 0x43490F80  # a word: 128 quarters
CLOSE = [word(math.pi / 2 * n) & 0xFFFFFF00 for n in range(1, 32)]  # words that may cancel
# 2 / pi, eight bits an item; pi / 2, one float of eight bits after the other
TWO_OVER_PI = bytes.fromhex(
    "A2F9836E4E441529FC2757D1F534DDC0DB6295993C439041FE5163ABDEBBC561B7246E3A424DD2E0"
)
HALF_PI = tuple(map(value, (
    0x3FC90000, 0x39F00000, 0x37DA0000, 0x33A20000, 0x2E840000, 0x2B500000, 0x27C20000, 0x22D00000,
    0x1FC40000, 0x1BC60000, 0x17440000,
)))  # fmt: skip
TERMS = 9  # of 2 / pi, to begin with


def quarters(x: float) -> tuple[int, float, float]:
    """(n, y, tail): x is n quarter turns and y + tail, of which y is the nearest single."""
    bits = word(x)
    size = bits & MAGNITUDE
    if size >= 0x7F800000:
        return 0, math.nan, math.nan
    if size <= 0x3F490FD8:
        return 0, x, 0.0
    if size < 0x4016CBE4:
        return _one(x, size)
    n, y, tail = _some(abs(x), size) if size <= FAR else _many(size)
    return (n, y, tail) if bits >> 31 == 0 else (-n, -y, -tail)


def _one(x: float, size: int) -> tuple[int, float, float]:
    """Below three quarters of a half turn: one subtraction."""
    sign = 1 if x > 0 else -1
    z = single(x - sign * PIECES[0][0])
    rest = PIECES[0][1]
    if size & ~15 == 0x3FC90FD0:  # near pi / 2 more bits are needed
        z = single(z - sign * PIECES[1][0])
        rest = PIECES[1][1]
    y = single(z - sign * rest)
    return sign, y, single(single(z - y) - sign * rest)


def _some(x: float, size: int) -> tuple[int, float, float]:
    n = int(fused(x, PER_QUARTER, 0.5))
    count = float(n)
    r = fused(-count, PIECES[0][0], x)
    w = single(count * PIECES[0][1])
    y = single(r - w)
    if n >= 32 or size & ~255 == CLOSE[n - 1]:
        for (piece, rest), most in zip(PIECES[1:], (8, 25), strict=True):
            if (size >> 23) - (word(y) >> 23 & 255) <= most:
                break
            before = r
            r = fused(-count, piece, before)
            w = fused(count, rest, -fused(-count, piece, single(before - r)))
            y = single(r - w)
    return n, y, single(single(r - y) - w)


def _many(size: int) -> tuple[int, float, float]:
    """By Payne and Hanek: only those bits of 2 / pi are multiplied that matter."""
    exponent = (size >> 23) - 134
    z = value(size - (exponent << 23))
    digits = []
    for _ in range(3):
        digits.append(float(int(z)))
        z = single(single(z - digits[-1]) * 256.0)
    while digits[-1] == 0.0:
        digits.pop()
    first = max(0, (exponent - 3) // 8)
    shift = exponent - 8 * (first + 1)

    def product(i: int) -> float:
        """Of the digits with 2 / pi, at place i; exact."""
        places = ((digit, first + i - j) for j, digit in enumerate(digits))
        return sum(digit * TWO_OVER_PI[at] for digit, at in places if at >= 0)

    terms = TERMS
    products = [product(i) for i in range(terms + 1)]
    while True:
        n, z, half, parts = _split(products, shift)
        if z != 0.0 or any(parts[TERMS:]):
            break
        more = 1
        while parts[TERMS - more] == 0:
            more += 1
        products += [product(i) for i in range(terms + 1, terms + more + 1)]
        terms += more
    if z == 0.0:
        shift -= 8
        while parts[-1] == 0:
            parts.pop()
            shift -= 8
    else:
        z = scaled(z, -shift)
        if z >= 256.0:
            upper = int(z / 256.0)
            parts += [int(z - 256.0 * upper), upper]
            shift += 8
        else:
            parts.append(int(z))
    y, tail = _angle(parts, shift)
    return n & 7, -y if half else y, -tail if half else tail


def _split(products: list[float], shift: int) -> tuple[int, float, bool, list[int]]:
    """The quarters, what is left as a fraction and as digits, and whether it is counted from the
    next quarter down."""
    parts, z = [], products[-1]
    for before in reversed(products[:-1]):
        upper = float(int(z / 256.0))
        parts.append(int(z - 256.0 * upper))
        z = single(before + upper)
    z = scaled(z, shift)
    z = fused(-math.floor(single(z * 0.125)), 8.0, z)
    n = int(z)
    z = single(z - n)
    half = 0
    if shift > 0:
        upper = parts[-1] >> 8 - shift
        n += upper
        parts[-1] -= upper << 8 - shift
        half = parts[-1] >> 7 - shift
    elif shift == 0:
        half = parts[-1] >> 8
    elif z >= 0.5:
        half = 2
    if half > 0:
        n += 1
        carry = 0
        for i, part in enumerate(parts):
            if carry:
                parts[i] = 255 - part
            elif part:
                carry, parts[i] = 1, 256 - part
        if shift in (1, 2):
            parts[-1] &= 0x7F if shift == 1 else 0x3F
        if half == 2:
            z = single(1.0 - z)
            if carry:
                z = single(z - scaled(1.0, shift))
    return n, z, half > 0, parts


def _angle(parts: list[int], shift: int) -> tuple[float, float]:
    """The fraction times pi / 2, as a sum of two."""
    unit = scaled(1.0, shift)
    pieces = [0.0] * len(parts)
    for i in range(len(parts) - 1, -1, -1):
        pieces[i] = single(unit * parts[i])
        unit = single(unit * 0.00390625)
    sums = []
    for i in range(len(parts) - 1, -1, -1):
        total = 0.0
        for k in range(min(TERMS, len(parts) - 1 - i) + 1):
            total = fused(HALF_PI[k], pieces[i + k], total)
        sums.append(total)
    y = 0.0
    for part in reversed(sums):
        y = single(y + part)
    tail = single(sums[0] - y)
    for part in sums[1:]:
        tail = single(tail + part)
    return y, tail
