"""Reading the modules of a QR code (ISO/IEC 18004, model 2): format, correction, segments."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

NUMERIC, ALPHANUMERIC, BYTES, KANJI = 1, 2, 4, 8
_ALPHANUMERIC = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
# Per error correction level as the format bits name it (0 M, 1 L, 2 H, 3 Q): correction bytes per
# block and number of blocks, version by version.
_CHECKS = {
    1: (7, 10, 15, 20, 26, 18, 20, 24, 30, 18, 20, 24, 26, 30, 22, 24, 28, 30, 28, 28, 28, 28, 30,
        30, 26, 28, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30),
    0: (10, 16, 26, 18, 24, 16, 18, 22, 22, 26, 30, 22, 22, 24, 24, 28, 28, 26, 26, 26, 26, 28, 28,
        28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28),
    3: (13, 22, 18, 26, 18, 24, 18, 22, 20, 24, 28, 26, 24, 20, 30, 24, 28, 28, 26, 30, 28, 30, 30,
        30, 30, 28, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30),
    2: (17, 28, 22, 16, 22, 28, 26, 26, 24, 28, 24, 28, 22, 24, 24, 30, 28, 28, 26, 28, 30, 24, 30,
        30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30),
}  # fmt: skip
_BLOCKS = {
    1: (1, 1, 1, 1, 1, 2, 2, 2, 2, 4, 4, 4, 4, 4, 6, 6, 6, 6, 7, 8, 8, 9, 9, 10, 12, 12, 12, 13,
        14, 15, 16, 17, 18, 19, 19, 20, 21, 22, 24, 25),
    0: (1, 1, 1, 2, 2, 4, 4, 4, 5, 5, 5, 8, 9, 9, 10, 10, 11, 13, 14, 16, 17, 17, 18, 20, 21, 23,
        25, 26, 28, 29, 31, 33, 35, 37, 38, 40, 43, 45, 47, 49),
    3: (1, 1, 2, 2, 4, 4, 6, 6, 8, 8, 8, 10, 12, 16, 12, 17, 16, 18, 21, 20, 23, 23, 25, 27, 29,
        34, 34, 35, 38, 40, 43, 45, 48, 51, 53, 56, 59, 62, 65, 68),
    2: (1, 1, 2, 4, 4, 4, 5, 6, 8, 8, 11, 11, 16, 16, 18, 16, 19, 21, 25, 25, 25, 34, 30, 32, 35,
        37, 40, 42, 45, 48, 51, 54, 57, 60, 63, 66, 70, 74, 77, 81),
}  # fmt: skip
_EXP = [1] * 512
for _i in range(1, 512):
    _EXP[_i] = _EXP[_i - 1] << 1 ^ (0x11D if _EXP[_i - 1] & 0x80 else 0)
_LOG = {value: power for power, value in reversed(list(enumerate(_EXP[:255])))}


class Content(NamedTuple):
    payload: bytes
    version: int
    ecc_level: int
    mask: int
    data_type: int
    eci: int


class Unreadable(ValueError):
    """No QR code, or one too damaged."""


def alignment_places(version: int) -> list[int]:
    """Rows and columns of the centres of the alignment patterns."""
    if version == 1:
        return []
    count, last = version // 7 + 2, 4 * version + 10
    step = 26 if version == 32 else (version * 4 + count * 2 + 1) // (2 * count - 2) * 2
    return [6] + sorted(last - step * i for i in range(count - 1))


def reserved(version: int) -> np.ndarray:
    """Which modules hold no data."""
    size = 4 * version + 17
    taken = np.zeros((size, size), bool)
    taken[:9, :9] = taken[:9, -8:] = taken[-8:, :9] = True
    taken[6] = taken[:, 6] = True
    places = alignment_places(version)
    for y in places:
        for x in places:
            if (y, x) not in ((6, 6), (6, size - 7), (size - 7, 6)):
                taken[y - 2 : y + 3, x - 2 : x + 3] = True
    if version >= 7:
        taken[:6, -11:-8] = taken[-11:-8, :6] = True
    return taken


def _format(modules: np.ndarray) -> tuple[int, int]:
    """Correction level and mask, from the better of the two copies."""
    size = len(modules)
    one = [modules[i, 8] for i in (0, 1, 2, 3, 4, 5, 7, 8)]
    one += [modules[8, i] for i in (7, 5, 4, 3, 2, 1, 0)]
    two = [modules[8, size - 1 - i] for i in range(8)]
    two += [modules[size - 7 + i, 8] for i in range(7)]
    best = None
    for bits in (one, two):
        value = sum(int(bit) << i for i, bit in enumerate(bits)) ^ 0x5412
        for code in range(32):
            rest = code << 10
            for i in range(14, 9, -1):
                if rest >> i & 1:
                    rest ^= 0x537 << i - 10
            wrong = bin(value ^ (code << 10 | rest)).count("1")
            if wrong <= 3 and (best is None or wrong < best[0]):
                best = wrong, code
    if best is None:
        raise Unreadable("format")
    return best[1] >> 3, best[1] & 7


_MASKS = (
    lambda y, x: (y + x) % 2, lambda y, x: y % 2 + 0 * x, lambda y, x: x % 3 + 0 * y,
    lambda y, x: (y + x) % 3, lambda y, x: (y // 2 + x // 3) % 2,
    lambda y, x: y * x % 2 + y * x % 3, lambda y, x: (y * x % 2 + y * x % 3) % 2,
    lambda y, x: (y * x % 3 + (y + x) % 2) % 2,
)  # fmt: skip


def _codewords(modules: np.ndarray, version: int, mask: int) -> list[int]:
    size = len(modules)
    free = ~reserved(version)
    y, x = np.indices(modules.shape)
    plain = modules ^ (_MASKS[mask](y, x) == 0)
    bits, up = [], True
    for right in range(size - 1, 0, -2):
        if right <= 6:
            right -= 1
        for row in range(size - 1, -1, -1) if up else range(size):
            bits += [int(plain[row, c]) for c in (right, right - 1) if free[row, c]]
        up = not up
    return [int("".join(map(str, bits[i : i + 8])), 2) for i in range(0, len(bits) - 7, 8)]


def _times(a: int, b: int) -> int:
    return _EXP[_LOG[a] + _LOG[b]] if a and b else 0


def _correct(block: list[int], checks: int) -> list[int]:
    """Reed-Solomon: the block with its errors put right (Berlekamp-Massey, Chien, Forney)."""
    length = len(block)

    def value(poly, power):  # lowest coefficient first, at alpha ** power
        total = 0
        for i, c in enumerate(poly):
            total ^= _times(c, _EXP[i * power % 255])
        return total

    syndromes = [value(block[::-1], i) for i in range(checks)]
    if not any(syndromes):
        return block
    locator, before, errors, shift, last = [1], [1], 0, 1, 1
    for n in range(checks):
        gap = syndromes[n]
        for i in range(1, errors + 1):
            if i < len(locator):
                gap ^= _times(locator[i], syndromes[n - i])
        if gap == 0:
            shift += 1
            continue
        factor = _times(gap, _EXP[255 - _LOG[last]])
        moved = [0] * shift + [_times(factor, c) for c in before]
        old = locator
        width = max(len(old), len(moved))
        locator = [
            a ^ b
            for a, b in zip(
                old + [0] * (width - len(old)), moved + [0] * (width - len(moved)), strict=True
            )
        ]
        if 2 * errors <= n:
            errors, before, last, shift = n + 1 - errors, old, gap, 1
        else:
            shift += 1
    places = [i for i in range(length) if value(locator, (255 - i) % 255) == 0]
    if errors > checks // 2 or len(places) != errors:
        raise Unreadable("too many errors")
    product = [0] * checks
    for i, s in enumerate(syndromes):
        for j, c in enumerate(locator):
            if i + j < checks:
                product[i + j] ^= _times(s, c)
    slope = [c if i % 2 == 0 else 0 for i, c in enumerate(locator[1:])]
    fixed = list(block)
    for i in places:
        at = (255 - i) % 255
        below = value(slope, at)
        if below == 0:
            raise Unreadable("too many errors")
        # The generator's roots begin at alpha ** 0, so the value is scaled by the place's number.
        amount = _times(_times(value(product, at), _EXP[255 - _LOG[below]]), _EXP[i % 255])
        fixed[length - 1 - i] ^= amount
    if any(value(fixed[::-1], i) for i in range(checks)):
        raise Unreadable("too many errors")
    return fixed


def _data(words: list[int], version: int, level: int) -> list[int]:
    """Takes the interleaved blocks apart, corrects them, and strings their data together."""
    checks, count = _CHECKS[level][version - 1], _BLOCKS[level][version - 1]
    short, longer = divmod(len(words), count)
    lengths = [short - checks + (i >= count - longer) for i in range(count)]
    blocks, rest = [[] for _ in range(count)], iter(words)
    for column in range(max(lengths)):
        for i in range(count):
            if column < lengths[i]:
                blocks[i].append(next(rest))
    for _ in range(checks):
        for i in range(count):
            blocks[i].append(next(rest))
    return [
        w for block, n in zip(blocks, lengths, strict=True) for w in _correct(block, checks)[:n]
    ]


class _Bits:
    def __init__(self, words: list[int]):
        self.text = "".join("%08d" % int(bin(w)[2:]) for w in words)
        self.at = 0

    def take(self, count: int) -> int:
        if self.at + count > len(self.text):
            raise Unreadable("data ends early")
        self.at += count
        return int(self.text[self.at - count : self.at], 2)

    def left(self) -> int:
        return len(self.text) - self.at


def _segments(bits: _Bits, version: int) -> tuple[bytes, int, int]:
    """Payload, the greatest kind of its segments, and the ECI number."""
    out, kind, eci = bytearray(), 0, 0
    size = 0 if version < 10 else 1 if version < 27 else 2
    while bits.left() >= 4:
        mode = bits.take(4)
        if mode == 0:
            break
        if mode == 7:
            first = bits.take(8)
            if first & 0x80 == 0:
                eci = first
            elif first & 0xC0 == 0x80:
                eci = (first & 0x3F) << 8 | bits.take(8)
            else:
                eci = (first & 0x1F) << 16 | bits.take(16)
            continue
        if mode == NUMERIC:
            count = bits.take((10, 12, 14)[size])
            for length in [3] * (count // 3) + [count % 3] * (count % 3 > 0):
                out += b"%0*d" % (length, bits.take((0, 4, 7, 10)[length]))
        elif mode == ALPHANUMERIC:
            count = bits.take((9, 11, 13)[size])
            for length in [2] * (count // 2) + [1] * (count % 2):
                pair = bits.take(11 if length == 2 else 6)
                if pair >= 45**length:
                    raise Unreadable("character")
                digits = (pair // 45, pair % 45) if length == 2 else (pair,)
                out += bytes(_ALPHANUMERIC[d] for d in digits)
        elif mode == BYTES:
            out += bytes(bits.take(8) for _ in range(bits.take((8, 16, 16)[size])))
        elif mode == KANJI:
            for _ in range(bits.take((8, 10, 12)[size])):
                code = bits.take(13)
                code = code // 0xC0 << 8 | code % 0xC0
                code += 0x8140 if code + 0x8140 <= 0x9FFC else 0xC140
                out += code.to_bytes(2, "big")
        else:
            break
        kind = max(kind, mode)
    return bytes(out), kind, eci


def decode(modules: np.ndarray) -> Content:
    """What the square of modules (bool, dark is True) says; Unreadable when it cannot be told."""
    version, extra = divmod(len(modules) - 17, 4)
    if extra or not 1 <= version <= 40:
        raise Unreadable("size")
    level, mask = _format(modules)
    words = _codewords(modules, version, mask)
    payload, kind, eci = _segments(_Bits(_data(words, version, level)), version)
    return Content(payload, version, level, mask, kind, eci)
