"""Where the byte of an activation table changes, and a table that finds the byte of a value fast.

Between two changes the byte is constant, so a value needs the changes near it only. The values are
cut into equal cells with at most two changes behind the first value of each: the cell tells the
changes and the bytes around them, comparisons which of these. This holds for any table, rising or
not, and for values of any size. Values count from an origin below the first change.

Cells. buckets, uint16: the shift from a value to its cell; nothing; CELLS; nothing; then the cells,
numbers of 64 bits, low parts first, as two words. Each word begins, from its upper end, with the
last value before a change, as many bits as the shift, the uppermost turned over: so a value within
its cell, moved and turned over like that, is greater as a signed number where the change is
reached. The lowest byte of the first word is the one before both changes, of the second word the
one behind both. The byte between lies in the four bits above each of them: above the second its
upper half, above the first its lower half, exclusive or the upper half of the second word's byte.
Cells weigh four times as much as the changes, so layers keep the changes: the shift; how many;
CELLS; how many cells; the places, two numbers each; the bytes, two to a number. `opened` makes the
cells of them at every run.

Ramps. A table that rises by one every 2**k values, but for a few edges at its top, needs no such
search: bytes are a shift with its rounding. Then buckets is k, 1 where ties go to even, RAMP, the
first byte; and edges is what makes a value the product, the bytes of the shift alone, then MORE
edges behind it.
"""

import numpy as np

from k210sim.kpu.kernels.late_numba import njit

MOST_CHANGES = 1024
MOST_CELLS = 4096
WIDEST = 20  # bits of a cell: a word of 32 has 12 for its parts of bytes
RAMP, CELLS = 2, 3
MORE = 3
EDGES = 2 + MORE
HEAD = 4
ROOM = HEAD + 3 * MOST_CHANGES


@njit("int64(int64, int64[:, ::1], int64)", cache=True, nogil=True)
def byte_of(y, seg, rule):
    """The activation of y in integers, one value of conv2d.activate."""
    s = seg.shape[0] - 1
    while s > 0 and seg[s, 0] >= y:
        s -= 1
    shift = min(seg[s, 3], np.int64(62))
    r = (y - seg[s, 1]) * seg[s, 2]
    if shift > 0 and rule == 1:
        r >>= shift - 1
        r = (r >> 1) + (r & 1) * (1 if r >= 0 else -1)
    elif shift > 0:
        whole = r >> shift
        part = r - (whole << shift)
        half = np.int64(1) << (shift - 1)
        if part > half or (part == half and whole & 1 == 1):
            whole += 1 if r >= 0 else -1
        r = whole
    return min(max(r + seg[s, 4], np.int64(0)), np.int64(255))


@njit("int64(int64, int64, int64, int64[::1], int64[::1])", cache=True, nogil=True)
def note(y, byte, count, places, bytes_):
    """Store a change if there is one and room for it; returns the new count."""
    if bytes_[count] == byte or count == places.shape[0]:
        return count
    places[count] = y
    bytes_[count + 1] = byte
    return count + 1


@njit("int64(int64, int64, int64[:, ::1], int64, int64[::1], int64[::1])", cache=True, nogil=True)
def changes(bottom, top, seg, rule, places, bytes_):
    """The values in (bottom, top] whose byte differs from that of the value before.

    bytes_[0] is the byte of `bottom`, bytes_[k + 1] that from places[k] on; one longer than
    places. Returns how many; places.shape[0] may mean that there are more.
    """
    count = np.int64(0)
    bytes_[0] = byte_of(bottom, seg, rule)
    for s in range(seg.shape[0]):
        first = bottom if s == 0 else max(bottom, seg[s, 0] + 1)
        last = top if s + 1 == seg.shape[0] else min(top, seg[s + 1, 0])
        if first > last:
            continue
        count = note(first, byte_of(first, seg, rule), count, places, bytes_)
        start, mul, shift, bias = seg[s, 1], seg[s, 2], min(seg[s, 3], np.int64(62)), seg[s, 4]
        if mul == 0:
            continue
        # The product's rounding changes only where it passes multiples of the half; far from the
        # bytes it is limited.
        unit = np.int64(1) << max(shift - 1, np.int64(0))
        ends = ((first - start) * mul) // unit, ((last - start) * mul) // unit
        least = max(min(ends[0], ends[1]), -2 * bias - 8)
        most = min(max(ends[0], ends[1]) + 1, 520 - 2 * bias)
        seen = first
        for i in range(most - least + 1):
            h = least + i if mul > 0 else most - i
            y = start + (h * unit) // mul
            for at in range(max(y, seen + 1), min(y + 1, last) + 1):
                count = note(at, byte_of(at, seg, rule), count, places, bytes_)
                seen = at
    return count


@njit("int64(int64[::1], int64)", cache=True, nogil=True)
def width(places, count):
    """The bits of the widest cells with at most two changes behind the first value of any."""
    k = np.int64(WIDEST)
    for i in range(2, count):
        while k > 1 and places[i - 2] > places[i] >> k << k:
            k -= 1
    return k


@njit("int64(int64[::1], int64[::1], int64, int64, uint16[::1])", cache=True, nogil=True)
def cells(places, bytes_, count, span, buckets):
    """Fill a layer's table with what `opened` makes cells of, from `count` places counted from the
    origin, in 0 to span; returns the length of its used part, 0 where cells would be too many."""
    k = width(places, count)
    if (span >> k) + 1 > MOST_CELLS:
        return 0
    buckets[0], buckets[1], buckets[2], buckets[3] = k, count, CELLS, (span >> k) + 1
    at = np.int64(HEAD)
    for i in range(count):
        buckets[at], buckets[at + 1] = places[i] & 0xFFFF, places[i] >> 16
        at += 2
    for i in range(0, count + 1, 2):
        buckets[at] = bytes_[i] | (bytes_[i + 1] << 8 if i < count else 0)
        at += 1
    return at


@njit("int64(int64, int64, int64, int64, int64, int64)", cache=True, nogil=True)
def cell(k, place0, place1, byte0, byte1, byte2):
    """The number of a cell of 2**k values; places count from its first value, 2**k for none."""
    turn = np.int64(1) << 31
    low = ((place0 - 1) << (32 - k) ^ turn) | ((byte1 & 15) ^ (byte2 >> 4)) << 8 | byte0
    high = ((place1 - 1) << (32 - k) ^ turn) | (byte1 >> 4) << 8 | byte2
    return low | high << 32


@njit("uint16[::1](uint16[::1])", cache=True, nogil=True)
def opened(table):
    """The cells of a layer's table, or what it has instead of them."""
    if table[2] == RAMP or table.shape[0] == HEAD:
        return table
    k, count, size = np.int64(table[0]), np.int64(table[1]), np.int64(table[3])
    # One more place, beyond all values, and one more byte, so that no look ahead needs a question.
    places, bytes_ = np.empty(count + 1, np.int64), np.empty(count + 2, np.int64)
    for i in range(count):
        places[i] = np.int64(table[HEAD + 2 * i]) | np.int64(table[HEAD + 2 * i + 1]) << 16
    places[count] = np.int64(1) << 40
    for i in range(count + 1):
        bytes_[i] = table[HEAD + 2 * count + i // 2] >> 8 * (i % 2) & 0xFF
    bytes_[count + 1] = bytes_[count]
    found = np.empty(HEAD + 4 * size, np.uint16)
    found[0], found[1], found[2], found[3] = k, 0, CELLS, 0
    wide = found[HEAD:].view(np.int64)
    inside = np.int64(1) << k
    i, c = np.int64(0), np.int64(0)
    while c < size:
        # Cells without a change up to that of the next one, which counts for the cell before where
        # it is the first value.
        last = min(places[i] >> k, size)
        byte0 = bytes_[i]
        plain = cell(k, inside, inside, byte0, byte0, byte0)
        while c < last:
            wide[c] = plain
            c += 1
        first = c << k
        if c == size or places[i] == first:
            i += 1
            continue
        place0, byte1 = places[i] - first, bytes_[i + 1]
        place1, byte2 = places[i + 1] - first, bytes_[i + 2]
        i += 2
        if place1 >= inside:
            place1, byte2 = inside, byte1
            i -= 1
        wide[c] = cell(k, place0, place1, byte0, byte1, byte2)
        c += 1
    return found


@njit("int64(int64, int64, int64, int64)", cache=True, nogil=True)
def rounded(d, k, even, most):
    """d / 2**k, a half to even or up, at most `most`."""
    odd = (d >> k) & even
    return min((d + (np.int64(1) << (k - 1)) - even + odd) >> k, most)


@njit("boolean(int64[::1], int64[::1], int64, int64, int64, int64[:, ::1], int64, int32[::1], "
      "uint16[::1])", cache=True, nogil=True)
def ramp(places, bytes_, count, span, origin, seg, rule, edges, buckets):
    """Fill edges and buckets with a ramp, if that is what `count` places (from the origin) are."""
    if count == 0:
        return False
    s = seg.shape[0] - 1
    while s > 0 and seg[s, 0] >= places[0] + origin:
        s -= 1
    mul, k = seg[s, 2], seg[s, 3]
    if mul <= 0 or mul & (mul - 1) != 0:
        return False
    while mul > 1:
        mul >>= 1
        k -= 1
    plus = origin - seg[s, 1]
    word = np.int64(1) << 31
    if k < 1 or k > 29 or plus <= -(np.int64(1) << (k - 1)) or plus + span + (1 << k) >= word:
        return False
    even = np.int64(rule == 0)
    most = np.int64(0)
    while (most < count and bytes_[most + 1] == bytes_[0] + most + 1
           and rounded(places[most] + plus, k, even, word) == most + 1
           and rounded(places[most] - 1 + plus, k, even, word) == most):
        most += 1
    if most == 0 or count - most > MORE:
        return False
    edges[0], edges[1] = plus, most
    for i in range(MORE):
        edges[2 + i] = word - 1
    for i in range(most, count):
        if bytes_[i + 1] != bytes_[i] + 1:
            return False
        edges[2 + i - most] = places[i]
    buckets[0], buckets[1], buckets[2], buckets[3] = k, even, RAMP, bytes_[0]
    return True
