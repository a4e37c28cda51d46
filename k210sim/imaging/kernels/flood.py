"""Flood fill: the pixels that hang together with a seed."""

from __future__ import annotations

import numba
import numpy as np


@numba.njit(
    "int64(int16[:, :, ::1], uint8[:, ::1], int64, int64, int64[::1], int64[::1], int64[::1])",
    cache=True,
)
def flood(parts, taken, x, y, seed_limits, step_limits, found):
    """Collect the pixels that 4-connect to (x, y) by small steps and stay near the seed's colour.

    parts : int16 (components, h, w)
    taken : uint8 (h, w), pixels that are not entered; what is found is marked
    seed_limits, step_limits : greatest difference of each component to the seed, to the neighbour
    found : int64 (h * w), gets the places y * w + x in no particular order
    Returns how many there are; the seed itself always is one.
    """
    count_parts, height, width = parts.shape
    seed = np.empty(count_parts, np.int64)
    for c in range(count_parts):
        seed[c] = np.int64(parts[c, y, x])
    taken[y, x] = 1
    found[0] = y * width + x
    head, tail = 0, 1
    while head < tail:
        place = found[head]
        head += 1
        py, px = place // width, place % width
        for side in range(4):
            ny = py + (side == 2) - (side == 3)
            nx = px + (side == 0) - (side == 1)
            if ny < 0 or nx < 0 or ny >= height or nx >= width or taken[ny, nx]:
                continue
            near = True
            for c in range(count_parts):
                level = np.int64(parts[c, ny, nx])
                if abs(level - seed[c]) > seed_limits[c]:
                    near = False
                    break
                if abs(level - np.int64(parts[c, py, px])) > step_limits[c]:
                    near = False
                    break
            if near:
                taken[ny, nx] = 1
                found[tail] = ny * width + nx
                tail += 1
    return tail
