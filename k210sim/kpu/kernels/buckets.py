"""Where the byte of an activation table changes, and a table that finds the byte of a value fast.

Between two changes the byte is constant, so a value needs the changes near it only. The values are
cut into equal buckets with at most one change inside each, or two where that would take too many:
the bucket tells the change and the bytes around it, a comparison which of them. This holds for any
table, rising or not, and for values of any size.

Cells, with one change. buckets: uint16: the shift from a value to its bucket; nothing; CELLS; for
each bucket two numbers, the byte of its first value and the one behind the change times 256, and
how far behind that value the change is, the bucket's length if there is none. Values count from an
origin below the first change.

With two. edges: int32[n + 1], the values where the byte changes, ascending, the last above all.
buckets: uint16[m]: the shift from a value to its bucket; where the bytes begin; 1 if every edge
adds one to the byte, so that only the first is stored; for each bucket the number of edges up to
its first value; n + 1 bytes, each below the edge of its number.

Ramps. A table that rises by one every 2**k values, but for a few edges at its top, needs no such
search: bytes are a shift with its rounding. Then buckets is k, 1 where ties go to even, RAMP, the
first byte; and edges is what makes a value the product, the bytes of the shift alone, then MORE
edges behind it.
"""

import numpy as np
from numba import njit

MOST_EDGES = 1024
MOST_CELLS = 640  # more would weigh more than the weights of small layers
MOST_BUCKETS = 4096
WIDEST = 24  # bits of a bucket
WIDEST_CELL = 15  # whose length fits 16 bits
RAMP, CELLS, MORE = 2, 3, 3
ROOM = MOST_BUCKETS + MOST_EDGES + 3


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


@njit("int64(int64[::1], int64[::1], int64, int64, uint16[::1])", cache=True, nogil=True)
def cells(places, bytes_, count, span, buckets):
    """Fill buckets with cells; arguments as of sort_in. Returns the length of its used part, 0 when
    that is too short."""
    k = np.int64(WIDEST_CELL)
    for i in range(1, count):
        # The first value of a cell is no matter of its comparison.
        while k > 0 and places[i - 1] > places[i] >> k << k:
            k -= 1
    size = (span >> k) + 1
    if size > MOST_CELLS:
        return 0
    buckets[0], buckets[1], buckets[2] = k, 0, CELLS
    i = 0
    for c in range(size):
        while i < count and places[i] <= c << k:
            i += 1
        pair, offset = np.int64(bytes_[i]), np.int64(1) << k
        if i < count and places[i] < (c + 1) << k:
            pair, offset = pair | bytes_[i + 1] << 8, places[i] - (c << k)
        buckets[3 + 2 * c], buckets[4 + 2 * c] = pair, offset
    return 3 + 2 * size


@njit("int64(int64[::1], int64[::1], int64, int64, int32[::1], uint16[::1])", cache=True,
      nogil=True)
def sort_in(places, bytes_, count, span, edges, buckets):
    """Fill edges and buckets from `count` places counted from the origin, in 0 to span; returns
    the length of the used part of buckets, 0 when that is too short."""
    edges[:count] = places[:count]
    edges[count] = 2**31 - 1
    for k in range(WIDEST, -1, -1):
        size = (span >> k) + 1
        if size > MOST_BUCKETS:
            return 0
        crowded = False
        for i in range(2, count):
            # The first value of a bucket is no matter of its comparisons.
            first = places[i] >> k << k
            crowded = crowded or places[i - 2] > first
        if crowded:
            continue
        buckets[0] = k
        i = 0
        for b in range(size):
            while i < count and places[i] <= b << k:
                i += 1
            buckets[b + 3] = i
        buckets[1], buckets[2] = size + 3, 1
        for i in range(count + 1):
            buckets[size + 3 + i] = bytes_[i]
            if bytes_[i] != bytes_[0] + i:
                buckets[2] = 0
        return size + 4 if buckets[2] == 1 else size + 4 + count
    return 0


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
