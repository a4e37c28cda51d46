"""The numba kernels of k210sim.imaging once more in plain Python, for comparison."""

from __future__ import annotations

import math
from collections import defaultdict

import numpy as np


def flood(parts, taken, x, y, seed_limits, step_limits):
    """The set of (x, y) of the region; marks it in `taken`."""
    height, width = taken.shape
    colour = {
        (px, py): [int(part[py, px]) for part in parts]
        for py in range(height)
        for px in range(width)
    }
    region, edge = {(x, y)}, [(x, y)]

    def within(a, b, limits):
        return all(abs(m - n) <= most for m, n, most in zip(a, b, limits, strict=True))

    while edge:
        px, py = edge.pop()
        for place in ((px + 1, py), (px - 1, py), (px, py + 1), (px, py - 1)):
            if place not in colour or place in region or taken[place[1], place[0]]:
                continue
            if within(colour[place], colour[x, y], seed_limits) and within(
                colour[place], colour[px, py], step_limits
            ):
                region.add(place)
                edge.append(place)
    for px, py in region:
        taken[py, px] = 1
    return region


# --- JPEG -----------------------------------------------------------------------------------------
def forward(line: list[int]) -> list[int]:
    """One line of the scaled forward DCT."""
    plus = [line[i] + line[7 - i] for i in range(4)]
    minus = [line[i] - line[7 - i] for i in range(4)]
    even = plus[0] + plus[3], plus[1] + plus[2], plus[1] - plus[2] + plus[0] - plus[3]
    lean = plus[0] - plus[3]
    half = even[2] * 181 >> 8
    sums = minus[3] + minus[2], minus[2] + minus[1], minus[1] + minus[0]
    shared = (sums[0] - sums[2]) * 98 >> 8
    low, high = (sums[0] * 139 >> 8) + shared, (sums[2] * 334 >> 8) + shared
    middle = sums[1] * 181 >> 8
    near, far = minus[0] + middle, minus[0] - middle
    return [
        even[0] + even[1], near + high, lean + half, far - low,
        even[0] - even[1], far + low, lean - half, near - high,
    ]  # fmt: skip


def _columns(rows):
    return [list(column) for column in zip(*rows, strict=True)]


def encode(blocks, parts, factors, codes, zigzag, last, skip) -> str:
    """The bits of the coded blocks, without stuffed zeros."""
    bits, last = [], [int(v) for v in last]

    def number(value, table, zeros):
        size = abs(value).bit_length()
        code, length = (int(v) for v in codes[table, zeros << 4 | size])
        bits.append(format(code, f"0{length}b"))
        if size:
            own = value if value > 0 else value + (1 << size) - 1
            bits.append(format(own, f"0{size}b"))

    for n, (block, part) in enumerate(zip(blocks.tolist(), parts, strict=True)):
        table = 0 if part == 0 else 1
        work = _columns([forward(c) for c in _columns([forward(row) for row in block])])
        levels = [0] * 64
        for i in range(64):
            product = np.float32(work[i // 8][i % 8]) * factors[table, i]
            levels[zigzag[i]] = int(product)
        before, last[part] = last[part], levels[0]
        if n < skip:
            continue
        number(levels[0] - before, 2 * table, 0)
        zeros = 0
        rest = levels[1:]
        while rest and rest[-1] == 0:
            rest.pop()
        for level in rest:
            if level == 0:
                zeros += 1
                continue
            while zeros > 15:
                bits.append(format(int(codes[2 * table + 1, 0xF0, 0]), "b").zfill(
                    int(codes[2 * table + 1, 0xF0, 1])))  # fmt: skip
                zeros -= 16
            number(level, 2 * table + 1, zeros)
            zeros = 0
        if len(rest) < 63:
            end = codes[2 * table + 1, 0]
            bits.append(format(int(end[0]), "b").zfill(int(end[1])))
    return "".join(bits)


def wrap16(value: int) -> int:
    return (value + 32768) % 65536 - 32768


def inverse(v: list[int]) -> list[int]:
    """One line of the inverse DCT with 16-bit variables."""
    w = wrap16
    odd = w(v[5] - v[3]), w(v[1] + v[7]), w(v[1] - v[7]), w(v[5] + v[3])
    shared = w(w(odd[0] - odd[2]) * 196 + 128 >> 8)
    upper = w(w(odd[2] * 277 + 128 >> 8) - shared)
    lower = w(shared - w(odd[0] * 669 + 128 >> 8))
    total = w(odd[1] + odd[3])
    b = w(upper - total)
    c = w(w(w(odd[1] - odd[3]) * 362 + 128 >> 8) - b)
    d = w(c + lower)
    ends, middles = (w(v[0] + v[4]), w(v[0] - v[4])), (w(v[2] - v[6]), w(v[2] + v[6]))
    turned = w(w(middles[0] * 362 + 128 >> 8) - middles[1])
    pairs = (
        (w(ends[0] + middles[1]), total), (w(ends[1] + turned), b),
        (w(ends[1] - turned), c), (w(ends[0] - middles[1]), -d),
    )  # fmt: skip
    return [w(a + e) for a, e in pairs] + [w(a - e) for a, e in reversed(pairs)]


def decode(data: bytes, parts, quant, codes, symbols, order, mcus_x, mcus_y, planes) -> None:
    """Fill `planes` from a whole and good scan without restart markers."""
    text = "".join(format(byte, "08b") for byte in bytes(data).replace(b"\xff\0", b"\xff"))
    at = 0

    def take(count):
        nonlocal at
        at += count
        return int(text[at - count : at] or "0", 2)

    books = []
    for table, names in zip(codes, symbols, strict=True):
        books.append({
            format(code, f"0{length}b"): int(names[first + code - least])
            for length, (least, most, first) in enumerate(table.tolist(), 1)
            if most >= 0
            for code in range(least, most + 1)
        })  # fmt: skip

    def symbol(table):
        for length in range(1, 17):
            if text[at : at + length] in books[table]:
                return books[table][format(take(length), f"0{length}b")]
        raise ValueError("no such code")

    def signed(size):
        bits = take(size)
        return bits if size == 0 or bits >> size - 1 else bits - (1 << size) + 1

    last = [0] * len(parts)
    for unit in range(mcus_x * mcus_y):
        for c, (wide, high, table, dc, ac) in enumerate(parts.tolist()):
            for by in range(high):
                for bx in range(wide):
                    levels = [0] * 64
                    last[c] = wrap16(last[c] + signed(symbol(dc)))
                    levels[order[0]] = wrap16(last[c] * int(quant[table, 0]))
                    k = 1
                    while k < 64:
                        run = symbol(ac)
                        if run == 0:
                            break
                        k += run >> 4
                        if run & 15:
                            levels[order[k]] = wrap16(signed(run & 15) * int(quant[table, k]))
                        k += 1
                    rows = [inverse(levels[i : i + 8]) for i in range(0, 64, 8)]
                    block = np.array(_columns([inverse(column) for column in _columns(rows)]))
                    y = 8 * (unit // mcus_x * high + by)
                    x = 8 * (unit % mcus_x * wide + bx)
                    planes[c, y : y + 8, x : x + 8] = np.clip((block + 64 >> 7) + 128, 0, 255)


# --- boundaries -----------------------------------------------------------------------------------
def boundaries(levels) -> set[frozenset]:
    """The boundaries, each as the set of its (x, y, gx, gy)."""
    height, width = levels.shape
    region: dict[tuple[int, int], int] = {}

    def neighbours(x, y):
        steps = [(1, 0), (-1, 0), (0, 1), (0, -1)]
        if levels[y, x] == 255:
            steps += [(1, 1), (-1, 1), (1, -1), (-1, -1)]
        for dx, dy in steps:
            nx, ny = x + dx, y + dy
            upper, left = min((y, x), (ny, nx))[0], min((y, x), (ny, nx))[1]
            # Pairs are looked at from the upper (or left) pixel, not from the picture's edge.
            if (
                0 <= nx < width
                and 0 <= ny < height
                and upper < height - 1
                and 1 <= left < width - 1
            ):
                yield nx, ny

    for y in range(height):
        for x in range(width):
            if levels[y, x] == 127 or (x, y) in region:
                continue
            region[x, y] = number = len(region)
            edge = [(x, y)]
            while edge:
                for place in neighbours(*edge.pop()):
                    if place not in region and levels[place[1], place[0]] == levels[y, x]:
                        region[place] = number
                        edge.append(place)
    found = defaultdict(set)
    for y in range(1, height - 1):
        for x in range(1, width - 1):
            for dx, dy in ((1, 0), (0, 1)):
                one, two = int(levels[y, x]), int(levels[y + dy, x + dx])
                if {one, two} == {0, 255}:
                    pair = frozenset((region[x, y], region[x + dx, y + dy]))
                    way = two - one
                    found[pair].add((2 * x + dx, 2 * y + dy, dx * way, dy * way))
    return {frozenset(points) for points in found.values()}


# --- line segments --------------------------------------------------------------------------------
def grow(x, y, angles, used, tolerance) -> list[tuple[int, int]]:
    """The pixels of a region of like angle (degrees), in the order they are found."""

    def off(angle, mean):
        gap = abs(mean - math.radians(int(angle)))
        return abs(gap - 2 * math.pi) if gap > 1.5 * math.pi else gap

    height, width = angles.shape
    mean = math.radians(int(angles[y, x]))
    sum_x, sum_y, region = math.cos(mean), math.sin(mean), [(x, y)]
    used[y, x] = 1
    for cx, cy in region:
        for nx in range(cx - 1, cx + 2):
            for ny in range(cy - 1, cy + 2):
                if not (0 <= nx < width and 0 <= ny < height) or used[ny, nx]:
                    continue
                if off(angles[ny, nx], mean) > tolerance:
                    continue
                used[ny, nx] = 1
                region.append((nx, ny))
                sum_x += math.cos(math.radians(int(angles[ny, nx])))
                sum_y += math.sin(math.radians(int(angles[ny, nx])))
                mean = math.atan2(sum_y, sum_x) % (2 * math.pi)
    return region


def significance(n, k, p, log_tests) -> float:
    """-log10 of (the chance of k or more of n) times the tests, exactly."""
    tail = sum(math.comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(k, n + 1))
    return -math.log10(tail) - log_tests
