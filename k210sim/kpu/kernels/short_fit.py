"""What the short way of staircase.py needs to know of a layer, found and proved when the layer is
prepared.

Lines. `slope_of` keeps the interval of slopes that any two steps of a run leave to a line; where it
becomes empty the run ends. `early_lines` does so for lines that may reach a step early.

Proof of a channel (`shorten`). The short batch norm only rises, and so do the lines. If it is at
least a step's place at the first sum that should reach it and below at the sum before, for every
step, then all sums are on the right side of every step.
"""

import numpy as np

from k210sim.kpu.kernels.late_numba import njit
from k210sim.kpu.kernels.staircase import (
    MAGIC,
    MANY,
    NEAR,
    PLACES,
    SHORT,
    SLACKS,
    fused,
    short_value,
    slack_of,
)

TURNS = 1 << 14  # constants tried for a channel: all there are for the usual shift of 15
FAR = 2.0**28  # whole numbers of lines stay below
TOLERANCES = (512, 256, 128, 64)  # parts of a byte


@njit("Tuple((int64, float64))(int64[::1], int64, float64)", cache=True, nogil=True)
def slope_of(steps, i, tolerance):
    """The end of the longest run of steps from i on that one line may serve, and its slope. With a
    tolerance the line may be above a step's middle by that much at its place, else it must be
    below it one y earlier."""
    least, most = 0.0, np.inf
    for n in range(i + 1, steps.shape[0]):
        low, high = least, most
        for m in range(i, n):
            up, along = np.float64(n - m), np.float64(steps[n] - steps[m])
            if tolerance > 0.0:
                if along == 0.0:
                    low = np.inf
                else:
                    low = max(low, (up - tolerance) / along)
                    high = min(high, (up + tolerance) / along)
                continue
            if m > i or i == 0:
                low = max(low, up / (along + 1.0))
            if along > 1.0:
                high = min(high, up / (along - 1.0))
        if low >= high:
            return n, (least + most) / 2.0 if most < np.inf else least * 1.5
        least, most = low, high
    return steps.shape[0], (least + most) / 2.0 if most < np.inf else least * 1.5


@njit("int64(float32[:, ::1], int64, int64, int64)", cache=True, nogil=True)
def row_at(lines, at, count, y):
    """Which of one or two lines is the one of y."""
    return at + 1 if count > 1 and y >= lines[at + 1, 0] else at


@njit("float32(float32[:, ::1], int64, int64, int64)", cache=True, nogil=True)
def line_value(lines, at, count, y):
    """What one or two lines say of y before it is rounded, as in short_code.py."""
    row = row_at(lines, at, count, y)
    return fused(np.float32(y), lines[row, 1], lines[row, 2])


@njit("float32(float32)", cache=True, nogil=True)
def nearest(value):
    """The whole number next to a value below 2**22."""
    return (value + MAGIC) - MAGIC


@njit("Tuple((int64, int64))(int64[::1], int64, float32[:, ::1], int64)", cache=True, nogil=True)
def early_lines(steps, begin, lines, at):
    """One or two lines from row `at` on that reach the byte begin + 1 + k at or before y = steps[k]
    and the places behind them; their number, 0 if there are none, and their slacks, in SLACKS, the
    second above seven bits."""
    count = steps.shape[0]
    if count < 2:
        return 0, 0
    found = 0
    for parts in TOLERANCES:
        found, i = 0, 0
        while i < count and found < 2:
            end, slope = slope_of(steps, i, 1.0 / parts)
            a = np.float32(slope)
            high = -np.inf
            for j in range(i, end):
                high = max(high, begin + 0.5 + j - np.float64(a) * steps[j])
            lines[at + found, 0] = np.float32(-np.inf) if i == 0 else np.float32(steps[i])
            lines[at + found, 1] = a
            lines[at + found, 2] = np.float32(high + 2.0**-13)  # more than float32 loses here
            found += 1
            i = end
        if i == count:
            break
        found = 0
    if found == 0:
        return 0, 0
    slack = np.zeros(2, np.int64)
    for j in range(count):
        over = line_value(lines, at, found, steps[j] - 1) - (begin + 0.5 + j)
        row = row_at(lines, at, found, steps[j] - 1) - at
        slack[row] = max(slack[row], np.int64(max(over, np.float32(0)) * SLACKS) + 1)
    if found == 1:
        slack[1] = slack[0]
    slacks = slack[0] | slack[1] << 7
    if max(slack[0], slack[1]) > 127:
        return 0, 0
    for j in range(count):
        k = np.float32(begin + 1 + j)
        less = slack_of(slacks, 7 * (row_at(lines, at, found, steps[j] - 1) - at))
        if (nearest(line_value(lines, at, found, steps[j])) < k
                or nearest(line_value(lines, at, found, steps[j] - 1) - less) >= k):
            return 0, 0
    places = lines[at + found : at + found + PLACES].reshape(-1)
    places[:] = np.float32(-np.inf)
    for j in range(count):
        places[begin + 1 + j] = np.float32(steps[j])
    return found, slacks


@njit("int64(int64, int64, int64, int64)", cache=True, nogil=True)
def turn(mul, shift, above, below):
    """What to add to sums so that the nearest whole number to the product reaches every step where
    its floor does; 2**31 if nothing was found. above, below: by how much the product is at least
    above a step's place at its sum, and below it a sum earlier, times 2**shift."""
    half = np.int64(1) << shift
    for i in range(2 * TURNS):
        d = (i + 1) // 2 * (1 if i & 1 else -1)
        # The fraction that d adds, less whole numbers, must lie in -1/2 - above to -1/2 + below.
        g = 2 * mul * d + half
        g -= ((g - 2 * below >> shift + 1) + 1) << shift + 1
        if g > -2 * above:
            return d
    return np.int64(1) << 31


@njit("int64(int64[::1], int64)", cache=True, nogil=True)
def place_behind(places, n):
    """A y behind n changes."""
    if places.shape[0] == 0:
        return 0
    return places[0] - 1 if n == 0 else places[n - 1]


@njit("boolean(int64, int64[::1], int64, int64, int64[::1], int64[::1], int64, int64, "
      "float32[:, ::1], int64, int64, int64, int32[:, ::1], float32[::1])", cache=True, nogil=True)
def shorten(o, norm, below, above, places, bytes_, from_, to, lines, at, many, slack, ints,
            factors):
    """Whether the short way is proved for channel o; its rows of ints and factors if so.

    below, above: bounds of u = sum + const; places, bytes_: the table's changes, of which those
    from from_ up to `to` can be met. lines: rows [at, at + many) serve them; slack: 0, or
    those of early lines.
    """
    const, mul, shift, add = norm[0], norm[1], norm[2], norm[3]
    word = np.int64(1) << 31
    ends = bytes_[from_] | bytes_[to] << 8
    if from_ == to:
        # A byte for every sum: any y of its serves.
        if slack > 0:
            return False
        ints[o, 0], ints[o, 1], ints[o, 2], ints[o, 3] = 0, 0, -place_behind(places, from_), ends
        ints[o, 4], factors[o] = at | SHORT | many << MANY, np.float32(0)
        return True
    over, under = np.int64(1) << 62, np.int64(1) << 62
    for i in range(from_, to):
        u = -((-((places[i] - add) << shift)) // mul)
        rest = mul * u - ((places[i] - add) << shift)
        over, under = min(over, rest), min(under, mul - rest)
        if i == from_:
            first = (mul * u) >> shift
        last = (mul * u) >> shift
    d = turn(mul, shift, over, under)
    whole = (2 * mul * d + (np.int64(1) << shift) - 2 * under >> shift + 1) + 1
    middle = np.int64(MAGIC) - (first + last) // 2
    addend, minus = middle - whole, middle - add
    if (d == word or max(abs(addend), abs(minus)) > 1 << 24 or abs(const + d) >= word
            or below + d < -word or above + d >= word):
        return False
    factor = np.float32(mul * 2.0 ** -np.float64(shift))
    magic, less = np.float32(addend), np.float32(minus)
    for i in range(from_, to):
        u = -((-((places[i] - add) << shift)) // mul) + d
        if (short_value(u, factor, magic, less) < np.float32(places[i])
                or short_value(u - 1, factor, magic, less) > np.float32(places[i] - 1)):
            return False
    far = max(abs(short_value(below + d, factor, magic, less)),
              abs(short_value(above + d, factor, magic, less)))
    for row in range(at, at + many):
        if np.float64(far) * lines[row, 1] + abs(lines[row, 2]) > FAR:
            return False
    ints[o, 0], ints[o, 1], ints[o, 2] = const + d, addend, minus
    ints[o, 3] = ends | slack << 16
    ints[o, 4], factors[o] = at | SHORT | many << MANY | (NEAR if slack > 0 else 0), factor
    return True
