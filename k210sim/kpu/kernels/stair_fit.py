"""What staircase.py needs to know of a layer, found and proved when the layer is prepared."""

import numpy as np
from numba import types

from k210sim.kpu.kernels import buckets, short_fit
from k210sim.kpu.kernels.late_numba import njit
from k210sim.kpu.kernels.line_code import FEW
from k210sim.kpu.kernels.staircase import BUCKETS, MANY, MOST, normal, on_line

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
        # one with a slope of this step's segment or the next ones, or what the steps leave it,
        # whose b must reach k - 1/2 at the step of k and must not one y earlier.
        end, a, b = i, np.float32(0), np.float32(0)
        for s in range(row, row + 4):
            if s < row + 3 and s < seg.shape[0]:
                slope = np.float32(seg[s, 2] * 2.0 ** -np.float64(min(seg[s, 3], np.int64(62))))
            elif s == row + 3 and end < count:
                slope = np.float32(short_fit.slope_of(steps, i, 0.0)[1])
            else:
                continue
            if slope <= 0:
                continue
            wide = np.float64(slope)
            if s < row + 3:
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


@njit("Tuple((int64, int64, int64))(int64[::1], int64[::1], int64[:, ::1], float32[:, ::1])",
      cache=True, nogil=True)
def whole_table(places, bytes_, seg, lines):
    """Lines for a rising table with these changes; returns how many, 0 when they are too many or
    too far for float32. Then how many early ones follow them (short_fit.py), and their slack."""
    limit = np.int64(1) << 24
    begin, count = bytes_[0], places.shape[0]
    lines[0, 0], lines[0, 1], lines[0, 2] = -np.inf, np.float32(0), np.float32(begin)
    if count == 0:
        return 1, 0, 0
    if abs(places[0]) >= limit or abs(places[count - 1]) >= limit:
        return 0, 0, 0
    steps = np.empty(bytes_[count] - begin, np.int64)
    for i in range(count):
        for k in range(bytes_[i] - begin, bytes_[i + 1] - begin):
            steps[k] = places[i]
    found = draw(steps, begin, seg, lines[:MOST])
    early, slack = 0, 0
    if found == 0 or found > 2:
        early, slack = short_fit.early_lines(steps, begin, lines, found)
    return found, early, slack


@njit("int64(int64, int64, int64, int64)", cache=True, nogil=True)
def first_sum(y, mul, shift, add):
    """The smallest sum whose batch norm is y or more; mul > 0."""
    return -((-((y - add) << shift)) // mul)


@njit("int64(int64[::1], int64, int64)", cache=True, nogil=True)
def changes_until(places, count, y):
    """How many places are at or below y."""
    n = np.int64(0)
    while n < count and places[n] <= y:
        n += 1
    return n


@njit("boolean(int64, int64[::1], int64, int64, int64[::1], int64[::1], float32[:, ::1], int64, "
      "int64, int64, int32[:, ::1], float32[::1])", cache=True, nogil=True)
def on_one_or_two(o, norm, below, above, places, bytes_, lines, found, early, slack, ints, factors):
    """Whether channel o, whose sums lie in below to above, goes the short way by its lines or by
    the early ones."""
    count = places.shape[0]
    mul, shift, add = norm[1], norm[2], norm[3]
    from_ = changes_until(places, count, ((below * mul) >> shift) + add)
    to = changes_until(places, count, ((above * mul) >> shift) + add)
    if found > 0:
        s = row_of(lines, found, np.float32(short_fit.place_behind(places, from_)))
        e = row_of(lines, found, np.float32(short_fit.place_behind(places, to)))
        if e - s < 2:
            return short_fit.shorten(o, norm, below, above, places, bytes_, from_, to, lines, s,
                                     e + 1 - s, 0, ints, factors)
    return early > 0 and short_fit.shorten(o, norm, below, above, places, bytes_, from_, to, lines,
                                           found, early, slack, ints, factors)


@njit("boolean(int64, int64[::1], int64, int64, int64[::1], int64[::1], float32[:, ::1], int64, "
      "int32[:, ::1], float32[::1])", cache=True, nogil=True)
def on_few_lines(o, norm, below, above, places, bytes_, lines, found, ints, factors):
    """Whether channel o, whose sums lie in below to above, is proved to be on its lines; its rows
    of ints and factors if so."""
    limit = np.int64(1) << 24
    const, mul, shift, add = norm[0], norm[1], norm[2], norm[3]
    count = places.shape[0]
    from_ = changes_until(places, count, ((below * mul) >> shift) + add)
    to = changes_until(places, count, ((above * mul) >> shift) + add)
    least, most = np.int64(0), np.int64(0)
    if from_ < to:
        # The last sum of the first byte and the first sum of the last byte.
        least = first_sum(places[from_], mul, shift, add) - 1
        most = first_sum(places[to - 1], mul, shift, add)
    else:
        # Any y of that byte serves, the one next to a step is on its line.
        const, mul, add = np.int64(0), np.int64(0), np.int64(0)
        if count > 0:
            add = places[0] - 1 if from_ == 0 else places[from_ - 1]
    if max(abs(least), abs(most)) > limit:
        return False
    bottom = ((least * mul) >> shift) + add
    top = ((most * mul) >> shift) + add
    if max(abs(bottom), abs(bottom - add), abs(top), abs(top - add), abs(add)) > limit:
        return False
    factor, plus = np.float32(mul * 2.0 ** -np.float64(shift)), np.float32(add)
    s, e = row_of(lines, found, np.float32(bottom)), row_of(lines, found, np.float32(top))
    if (e - s >= FEW or on_line(normal(least, factor, plus), lines[s, 1], lines[s, 2])
            != bytes_[from_] or on_line(normal(most, factor, plus), lines[e, 1], lines[e, 2])
            != bytes_[to]):
        return False
    ints[o, 0], ints[o, 1], ints[o, 2], ints[o, 3] = const, least, most, add
    ints[o, 4], factors[o] = s | (e + 1 - s) << MANY, factor
    return True


@njit("void(int64[:, ::1], int64[::1], int64[::1], int64[:, ::1], int64, float32[:, ::1], "
      "int32[::1], uint16[::1], int32[:, ::1], float32[::1], int64[::1])", cache=True, nogil=True)
def fit(norm, low, high, seg, rule, lines, edges, table, ints, factors, used):
    """Fill the tables of a layer.

    norm: rows const, mul, shift, add; low, high: bounds of the sum without const; seg, rule as in
    conv2d.activate; lines, edges, table (buckets), ints, factors: the tables, zeros. used:
    int64[2], gets whether bytes never fall as sums rise, and how much of table is used.
    """
    limit = np.int64(1) << 24
    word = np.int64(1) << 31
    bottom = np.int64(1) << 62
    top = -bottom
    leap = np.int64(1)  # more than a sum's next makes y grow
    fits = np.zeros(norm.shape[0], np.bool_)
    for o in range(norm.shape[0]):
        const, mul, shift, add = norm[o, 0], norm[o, 1], norm[o, 2], norm[o, 3]
        below, above = low[o] + const, high[o] + const
        if (mul < 0 or mul >= limit or shift > 22 or abs(const) >= word
                or min(low[o], below) < -word or max(high[o], above) >= word):
            continue
        fits[o] = True
        bottom = min(bottom, ((below * mul) >> shift) + add)
        top = max(top, ((above * mul) >> shift) + add)
        leap = max(leap, (mul >> shift) + 1)
    if top < bottom or bottom <= -(word << 5) or top >= word << 5:
        return
    places = np.empty(buckets.MOST_CHANGES - 1, np.int64)
    bytes_ = np.empty(buckets.MOST_CHANGES, np.int64)
    count = buckets.changes(bottom, top, seg, rule, places, bytes_)
    if count == places.shape[0]:
        return
    rises = True
    for i in range(count):
        rises = rises and bytes_[i] < bytes_[i + 1]
    used[0] = rises
    found, early, slack = 0, 0, 0
    if rises:
        found, early, slack = whole_table(places[:count], bytes_, seg, lines)
    # Without a change every y serves.
    origin = places[0] - leap if count > 0 else np.int64(0)
    span = places[count - 1] + leap - origin if count > 0 else np.int64(0)
    size = np.int64(0)
    if span < word - 1:
        for i in range(count):
            places[i] -= origin
        if buckets.ramp(places, bytes_, count, span, origin, seg, rule, edges, table):
            size = np.int64(buckets.HEAD)
        else:
            size = buckets.cells(places, bytes_, count, span, table)
        for i in range(count):
            places[i] += origin
    for o in range(norm.shape[0]):
        if not fits[o]:
            continue
        const, mul, shift, add = norm[o, 0], norm[o, 1], norm[o, 2], norm[o, 3]
        below, above = low[o] + const, high[o] + const
        if found + early > 0 and on_one_or_two(o, norm[o], below, above, places[:count], bytes_,
                                               lines, found, early, slack, ints, factors):
            continue
        if found > 0 and on_few_lines(o, norm[o], below, above, places[:count], bytes_, lines,
                                      found, ints, factors):
            continue
        if size == 0:
            continue
        bottom, top = ((below * mul) >> shift) + add, ((above * mul) >> shift) + add
        if mul == 0 or count == 0 or top < places[0] or bottom >= places[count - 1]:
            # One byte, that of any y on this side of the changes.
            const, least, most, mul = np.int64(0), np.int64(0), np.int64(0), np.int64(0)
            add = min(max(bottom, origin), origin + span)
        else:
            least = max(below, first_sum(places[0], mul, shift, add) - 1)
            most = min(above, first_sum(places[count - 1], mul, shift, add))
        plus = add - origin
        reach = max(abs(least), abs(most)) * mul + (abs(plus) << shift)
        if abs(plus) >= word or reach >= np.int64(1) << 53 or max(abs(least), abs(most)) >= word:
            continue
        factors[o] = np.float32(mul * 2.0 ** -np.float64(shift))
        ints[o, 0], ints[o, 1], ints[o, 2], ints[o, 3] = const, least, most, plus
        ints[o, 4] = BUCKETS | 1 << MANY
        used[1] = size
