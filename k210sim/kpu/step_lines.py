"""The activation of a layer as few straight lines, where that is exact.

From the batch norm's value y to its byte a rising activation is a staircase of at most 255 steps;
their places follow from the table in integers. A line in float64, cut to an integer, is a
staircase too, and both only rise: if they agree on both sides of every step, they agree
everywhere. So lines are tried on those sums, with the kernels' own operations, and kept only if
all are right. Neighbouring segments of the table often lie on one line.
"""

from __future__ import annotations

import numpy as np

MAGIC = 1.5 * 2.0**52  # adding it leaves no bits below the point: rounds to nearest, ties to even
MOST = 16  # lines worth looking for in one table


def bytes_of(seg: np.ndarray, rule: int, y: np.ndarray) -> np.ndarray:
    """The activation of int64 values that do not lie below their segment's start, in integers."""
    row = np.searchsorted(seg[1:, 0], y, "left")
    shift = np.minimum(seg[row, 3], 62)
    t = (y - seg[row, 1]) * seg[row, 2]
    whole = t >> shift
    part = t - (whole << shift)
    half = (np.int64(1) << shift) >> 1
    up = (part > half) | ((part == half) & ((whole & 1 == 1) | (rule == 1)))
    return np.clip(whole + (up & (shift > 0)) + seg[row, 4], 0, 255)


def lines(seg: np.ndarray, bottom: int, top: int) -> np.ndarray:
    """float64[n, 6] for y in [bottom, top], or n = 0 where the activation has no such lines.

    Row i holds for y from its first number on, up to the next row's. The byte of y, limited to the
    second and third number, is ((y * a + b) + MAGIC) - c with the last three numbers.
    seg: int64[m, 5] as in conv_params.segments for the rule "even", without falling slopes in
    that range.
    """
    none = np.zeros((0, 6))
    edges = seg[1:, 0]
    edges = edges[(edges >= bottom) & (edges < top)]
    if (bytes_of(seg, 0, edges) > bytes_of(seg, 0, edges + 1)).any():
        return none
    first, last = bytes_of(seg, 0, np.array([bottom, top], np.int64)).tolist()
    if first == last:
        return np.array([[-np.inf, bottom, bottom, 0.0, first, MAGIC]])
    k = np.arange(first + 1, last + 1)
    steps = first_values(seg, 0, bottom, top, k)
    slopes = seg[:, 2] * 2.0 ** -np.minimum(seg[:, 3], 62)
    # The segments' own lines, bias after the rounding: ties fall as in the table.
    own = np.stack([slopes, -seg[:, 1] * slopes, MAGIC - seg[:, 4]], axis=1)[slopes > 0]
    found, at = [], 0
    while at < len(k) and len(found) < MOST:
        end, line = longest(steps, k, at, own)
        found.append((steps[at] if at else -np.inf, steps[0] - 1, steps[-1], *line))
        at = end
    table = np.array(found, np.float64)
    tried = np.clip(np.concatenate([steps - 1, steps]), steps[0] - 1, steps[-1])
    want = first + np.searchsorted(steps, tried, "right")
    return table if at == len(k) and np.array_equal(value(table, tried), want) else none


def first_values(seg, rule, bottom, top, k) -> np.ndarray:
    """The smallest y whose byte is k or more, int64, of a rising activation."""
    least, most = np.full(len(k), bottom), np.full(len(k), top)
    while (least < most).any():
        middle = (least + most) >> 1
        enough = bytes_of(seg, rule, middle) >= k
        most = np.where(enough, middle, most)
        least = np.where(enough, least, middle + 1)
    return least


def longest(steps, k, at, own) -> tuple[int, tuple]:
    """(end, (a, b, c)): the line for the steps [at, end) that goes farthest."""
    y = steps[at:].astype(np.float64)
    best = (at + 1, (0.0, float(k[at]), MAGIC))  # a step alone
    for line in own:
        a, b, c = line
        reached = ((y * a + b) + MAGIC) - c >= k[at:]
        early = ((y - 1) * a + b + MAGIC) - c >= k[at:]
        best = max(best, (at + run(reached, early, at), (a, b, c)), key=lambda one: one[0])
    if best[0] == len(k):
        return best
    for a in np.unique(own[:, 0]):
        lo = np.maximum.accumulate(k[at:] - 0.5 - a * y)  # the least b that reaches all steps
        hi = k[at:] - 0.5 - a * (y - 1)  # the least that reaches one a value too early
        if at:
            hi[0] = np.inf
        hi = np.minimum.accumulate(hi)
        good = lo < np.append(hi[1:], hi[-1])
        if good.any():
            n = len(good) - int(np.argmax(good[::-1]))
            b = (lo[n - 1] + hi[min(n, len(hi) - 1)]) / 2
            best = max(best, (at + n, (float(a), float(b), MAGIC)), key=lambda one: one[0])
    return best


def run(reached, early, at) -> int:
    """How many steps a line serves that reaches `reached` of them, `early` a value too soon."""
    early = early.copy()
    if at:
        early[0] = False  # the line before serves the values below
    bad = np.flatnonzero(~reached | early)
    if not len(bad):
        return len(reached)
    n = int(bad[0])
    # The values before the step that ends the run are this line's too.
    return n - 1 if early[n] else n


def value(table: np.ndarray, y: np.ndarray) -> np.ndarray:
    """What the kernels compute for limited values y."""
    row = np.searchsorted(table[1:, 0], y, "right")
    exact = y.astype(np.float64) * table[row, 3] + table[row, 4]
    return ((exact + MAGIC) - table[row, 5]).astype(np.int64)
