"""Where black and white regions touch."""

from __future__ import annotations

import numba
import numpy as np


@numba.njit("int64(int32[::1], int64)", cache=True)
def _root(parent, at):
    """The region's representative; the way to it is shortened."""
    root = at
    while np.int64(parent[root]) != root:
        root = np.int64(parent[root])
    while np.int64(parent[at]) != root:
        following = np.int64(parent[at])
        parent[at] = root
        at = following
    return root


@numba.njit("void(int32[::1], int64, int64)", cache=True)
def _join(parent, one, other):
    first, second = _root(parent, one), _root(parent, other)
    if first != second:
        parent[second] = first


@numba.njit("int64(uint8[:, ::1], int32[::1], int32[:, ::1])", cache=True)
def boundaries(levels, parent, found):
    """Join like neighbours to regions, then list the places between black and white ones.

    levels : uint8 (h, w), 0 black, 255 white, 127 neither; white also joins diagonally
    parent : int32 (65536,), scratch; regions have 16-bit numbers, so that pixels whose places are
        65,536 apart share one
    found  : int32 (2 * h * w, 6), gets region 1, region 2 (the greater first), x and y of the
        place doubled, and the direction to white (x, y) as -255, 0 or 255
    Returns how many there are.
    """
    height, width = levels.shape
    for i in range(65536):
        parent[i] = i
    for y in range(height - 1):
        for x in range(1, width - 1):
            level = np.int64(levels[y, x])
            if level == 127:
                continue
            here = (y * width + x) & 0xFFFF
            if np.int64(levels[y, x + 1]) == level:
                _join(parent, here, (y * width + x + 1) & 0xFFFF)
            if np.int64(levels[y + 1, x]) == level:
                _join(parent, here, (y * width + width + x) & 0xFFFF)
            if level == 255:
                if np.int64(levels[y + 1, x - 1]) == level:
                    _join(parent, here, (y * width + width + x - 1) & 0xFFFF)
                if np.int64(levels[y + 1, x + 1]) == level:
                    _join(parent, here, (y * width + width + x + 1) & 0xFFFF)
    count = 0
    for y in range(1, height - 1):
        for x in range(1, width - 1):
            level = np.int64(levels[y, x])
            if level == 127:
                continue
            for down in range(2):
                right = 1 - down
                other = np.int64(levels[y + down, x + right])
                if level + other != 255:
                    continue
                one = _root(parent, (y * width + x) & 0xFFFF)
                two = _root(parent, ((y + down) * width + x + right) & 0xFFFF)
                found[count, 0] = max(one, two)
                found[count, 1] = min(one, two)
                found[count, 2] = 2 * x + right
                found[count, 3] = 2 * y + down
                found[count, 4] = right * (other - level)
                found[count, 5] = down * (other - level)
                count += 1
    return count
