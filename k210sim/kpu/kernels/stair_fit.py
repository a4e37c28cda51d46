"""What staircase.py needs to know of a layer, found and proved when the layer is prepared."""

import numpy as np
from numba import njit, types

from k210sim.kpu.kernels.staircase import FEW, PIECES, normal, on_line

READ_ONLY = types.Array(types.uint8, 2, "C", readonly=True)  # weights stay in the file's bytes


@njit(types.void(READ_ONLY, types.int64, types.int64[::1], types.int64[::1]), cache=True,
      nogil=True)
def reach(weights, factor, low, high):
    """Smallest and largest sum of (weight + factor) * byte of every row."""
    for o in range(weights.shape[0]):
        below = np.int64(0)
        above = np.int64(0)
        for i in range(weights.shape[1]):
            w = np.int64(weights[o, i]) + factor
            below += min(w, np.int64(0))
            above += max(w, np.int64(0))
        low[o] = below * 255
        high[o] = above * 255


@njit("int64(int64, int64[:, ::1], int64)", cache=True, nogil=True)
def level(y, seg, rule):
    """The activation of y in integers; y is not below its segment's start."""
    s = seg.shape[0] - 1
    while s > 0 and seg[s, 0] >= y:
        s -= 1
    shift = min(seg[s, 3], np.int64(62))
    r = (y - seg[s, 1]) * seg[s, 2]
    if shift > 0:
        whole = r >> shift
        part = r - (whole << shift)
        half = np.int64(1) << (shift - 1)
        r = whole
        if part > half or (part == half and (rule == 1 or whole & 1 == 1)):
            r += 1
    return min(max(r + seg[s, 4], np.int64(0)), np.int64(255))


@njit("boolean(int64, int64, int64[:, ::1], int64)", cache=True, nogil=True)
def rises(bottom, top, seg, rule):
    """Whether `level` holds and never falls from y = bottom to top."""
    for s in range(seg.shape[0]):
        if s > 0 and seg[s, 0] >= top:
            break
        if s + 1 < seg.shape[0] and seg[s + 1, 0] < bottom:
            continue
        if seg[s, 2] < 0 or (s == 0 and bottom < seg[0, 1] and seg[0, 2] != 0):
            return False
        edge = seg[s, 0]
        if s > 0 and edge >= bottom and level(edge, seg, rule) > level(edge + 1, seg, rule):
            return False
    return True


@njit("int64(int64[::1], int64, int64, float32, float32)", cache=True, nogil=True)
def extent(steps, begin, i, a, b):
    """The end of the steps from i on that a line serves, with the values up to the next step."""
    j = i
    count = steps.shape[0]
    while j < count:
        k = np.float32(begin + 1 + j)
        if on_line(np.float32(steps[j]), a, b) < k:
            break
        if j > i or i == 0:
            if on_line(np.float32(steps[j] - 1), a, b) >= k:
                return j - 1 if j > i else i
        j += 1
    while j > i and j < count:
        # The values before the step behind are this line's too.
        if on_line(np.float32(steps[j] - 1), a, b) < np.float32(begin + 1 + j):
            break
        j -= 1
    return j


@njit("int64(int64[::1], int64, int64[:, ::1], float32[:, ::1])", cache=True, nogil=True)
def draw(steps, begin, seg, lines):
    """Lines through the staircase whose byte becomes begin + 1 + k at y = steps[k]; returns how
    many, 0 when they are too many."""
    count = steps.shape[0]
    n, i = 0, 0
    while i < count:
        if n == lines.shape[0]:
            return 0
        row = seg.shape[0] - 1
        while row > 0 and seg[row, 0] >= steps[i]:
            row -= 1
        # A line serves as far as it goes: the segment's own, whose ties fall as in the table, or
        # one with a slope of this step's segment or the next ones, whose b must reach k - 1/2 at
        # the step of k and must not one y earlier.
        end, a, b = i, np.float32(0), np.float32(0)
        for s in range(row, min(row + 3, seg.shape[0])):
            slope = np.float32(seg[s, 2] * 2.0 ** -np.float64(min(seg[s, 3], np.int64(62))))
            if slope <= 0:
                continue
            wide = np.float64(slope)
            own = np.float32(seg[s, 4] - wide * seg[s, 1])
            reached = extent(steps, begin, i, slope, own)
            if reached > end:
                end, a, b = reached, slope, own
            low, high = -np.inf, np.inf
            if i == 0:
                high = begin + 0.5 - wide * (steps[0] - 1)
            for j in range(i, count):
                more = max(low, begin + j + 0.5 - wide * steps[j])
                less = high
                if j + 1 < count:
                    less = min(less, begin + j + 1.5 - wide * (steps[j + 1] - 1))
                if more >= less:
                    break
                low, high = more, less
            if low == -np.inf:
                continue
            middle = np.float32((low + high) * 0.5 if high < low + 1.0 else low + 0.25)
            reached = extent(steps, begin, i, slope, middle)
            if reached > end:
                end, a, b = reached, slope, middle
        if end == i:  # a step alone
            end, a, b = i + 1, np.float32(0), np.float32(begin + 1 + i)
        first = np.float32(steps[i])
        if i == 0:
            first = np.float32(-np.inf)
            if a == 0:
                lines[n, 0], lines[n, 1], lines[n, 2] = first, a, np.float32(begin)
                first = np.float32(steps[0])
                n += 1
                if n == lines.shape[0]:
                    return 0
        lines[n, 0], lines[n, 1], lines[n, 2] = first, a, b
        n += 1
        i = end
    return n


@njit("int64(float32[:, ::1], int64, float32)", cache=True, nogil=True)
def row_of(table, count, y):
    """The last of `count` rows whose first number is not above y."""
    s = count - 1
    while s > 0 and table[s, 0] > y:
        s -= 1
    return s


@njit("void(int64[:, ::1], int64[::1], int64[::1], int64[:, ::1], int64, float32[:, ::1], "
      "float32[:, ::1], int32[:, ::1], float32[:, ::1])", cache=True, nogil=True)
def fit(norm, low, high, seg, rule, lines, pieces, ints, floats):
    """Fill the tables of a layer.

    norm: rows const, mul, shift, add; low, high: bounds of the sum without const; seg, rule as in
    conv2d.activate.
    """
    limit = np.int64(1) << 24
    word = np.int64(1) << 31
    bottom = np.int64(1) << 62
    top = -bottom
    fits = np.zeros(norm.shape[0], np.bool_)
    for o in range(norm.shape[0]):
        for i in range(5):
            ints[o, i] = 0
        const, mul, shift, add = norm[o, 0], norm[o, 1], norm[o, 2], norm[o, 3]
        below, above = low[o] + const, high[o] + const
        if (mul < 0 or mul >= limit or shift > 22 or abs(const) >= word
                or min(low[o], below) < -word or max(high[o], above) >= word):
            continue
        fits[o] = True
        bottom = min(bottom, ((below * mul) >> shift) + add)
        top = max(top, ((above * mul) >> shift) + add)
    if top < bottom or bottom <= -(word << 5) or top >= word << 5 or not rises(
            bottom, top, seg, rule):
        return
    begin = level(bottom, seg, rule)
    count = level(top, seg, rule) - begin
    steps = np.empty(count, np.int64)
    at = bottom
    for k in range(count):
        most = top
        while at < most:
            middle = (at + most) >> 1
            if level(middle, seg, rule) >= begin + 1 + k:
                most = middle
            else:
                at = middle + 1
        steps[k] = at
    found = 1
    lines[0, 0], lines[0, 1], lines[0, 2] = -np.inf, np.float32(0), np.float32(begin)
    if count > 0:
        found = 0
        if abs(steps[0]) < limit and abs(steps[count - 1]) < limit:
            found = draw(steps, begin, seg, lines)
    exact = np.zeros(seg.shape[0], np.bool_)
    for s in range(seg.shape[0]):
        exact[s] = abs(seg[s, 1]) < limit or seg[s, 2] == 0
        pieces[s, 0], pieces[s, 1] = np.float32(seg[s, 0]), np.float32(seg[s, 1])
        pieces[s, 2] = np.float32(seg[s, 2] * 2.0 ** -np.float64(min(seg[s, 3], np.int64(62))))
        pieces[s, 3] = np.float32(seg[s, 4])
    for o in range(norm.shape[0]):
        if not fits[o]:
            continue
        const, mul, shift, add = norm[o, 0], norm[o, 1], norm[o, 2], norm[o, 3]
        below, above = low[o] + const, high[o] + const
        first = level(((below * mul) >> shift) + add, seg, rule)
        last = level(((above * mul) >> shift) + add, seg, rule)
        least = np.int64(0)
        most = least
        if first < last:
            # The last u of the first byte and the first u of the last byte.
            least = -((-((steps[first - begin] - add) << shift)) // mul) - 1
            most = -((-((steps[last - 1 - begin] - add) << shift)) // mul)
        else:
            # Any y of that byte serves, the one next to a step is on its line.
            const, mul = np.int64(0), np.int64(0)
            add = np.int64(0)
            if count > 0:
                add = steps[0] - 1 if first == begin else steps[first - begin - 1]
        if max(abs(least), abs(most)) > limit:
            continue
        bottom = ((least * mul) >> shift) + add
        top = ((most * mul) >> shift) + add
        if max(abs(bottom), abs(bottom - add), abs(top), abs(top - add), abs(add)) > limit:
            continue
        factor, plus = np.float32(mul * 2.0 ** -np.float64(shift)), np.float32(add)
        ints[o, 0], ints[o, 1], ints[o, 2] = const, least, most
        floats[o, 0], floats[o, 1] = factor, plus
        if found > 0:
            s, e = row_of(lines, found, np.float32(bottom)), row_of(lines, found, np.float32(top))
            if (e - s < FEW and on_line(normal(least, factor, plus), lines[s, 1], lines[s, 2])
                    == first and on_line(normal(most, factor, plus), lines[e, 1], lines[e, 2])
                    == last):
                ints[o, 3], ints[o, 4] = s, e + 1
                continue
        s, e = seg.shape[0] - 1, seg.shape[0] - 1
        while s > 0 and seg[s, 0] >= bottom:
            s -= 1
        while e > 0 and seg[e, 0] >= top:
            e -= 1
        sound = True
        for i in range(s, e + 1):
            sound = sound and exact[i]
        if sound:
            ints[o, 3], ints[o, 4] = PIECES + s, PIECES + e + 1
