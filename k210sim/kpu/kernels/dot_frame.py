"""How the pixels of a layer lie in the working layouts of dot_code.layer.

Layers of one shape share it: networks repeat theirs, and small ones would weigh less than it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from k210sim.kpu.kernels import portable

BAND_BYTES = 384 * 1024
MAXIMA = {1: 2, 3: 4}  # pool type -> block size


class Frame(NamedTuple):
    """shape to steps: as dot_code.layer takes them, read only by agreement; pitch: words of a group
    of channels; copies: sums kept at once; pool_after: whether the pool is not computed here."""

    shape: np.ndarray
    planes: np.ndarray
    taps: np.ndarray
    frame: np.ndarray
    steps: np.ndarray
    groups: int
    blocks: int
    copies: int
    band: int
    bands: int
    below: int
    rows: int
    columns: int
    positions: int
    pitch: int
    pool_after: bool


@lru_cache(maxsize=32)
def of(in_shape, outputs, taps, pool, on_sums, pad_value, group, per_block, step) -> Frame:
    """on_sums: whether a maximum pool is taken on the sums. group: channels in a word; per_block:
    output channels of a register tile; step: what positions are a multiple of."""
    channels, height, width = in_shape
    border = 1 if taps == 9 else 0
    stride, phases = 1, [(0, 0)]
    picks = pool in portable.PICKS
    if picks:
        stride, column = portable.PICKS[pool]
        phases = [(0, column)]
    elif on_sums:
        stride = MAXIMA[pool]
        phases = [(a, b) for a in range(stride) for b in range(stride)]
    rows, columns = height // stride, width // stride
    row = -(-(width + 2 * border) // stride)
    places = [(r, c) for r in range(3) for c in range(3)] if border else [(0, 0)]
    used, offsets = {}, []
    for a, b in phases:
        for y, x in ((a + r, b + c) for r, c in places):
            number = used.setdefault((y % stride, x % stride), len(used))
            offsets.append((number, y // stride, x // stride))
    below = max(y for _, y, _ in offsets)
    groups, blocks = -(-channels // group), -(-outputs // per_block)
    copies = min(2, len(phases))
    # Words, sums and bytes of a band should stay in the second cache.
    each = row * (groups * len(used) * 4 + blocks * per_block * (4 * copies + 1))
    band = min(rows, max(1, BAND_BYTES // each - below))
    band = -(-rows // -(-rows // band))  # bands of about the same height
    positions = -(-((band - 1) * row + columns) // step) * step
    plane = max((band + below) * row, positions + below * row + 2)
    # Room for rows that are written too far (maps.words), and an odd number of cache lines
    # from one group to the next, which spreads them over the cache.
    pitch = len(used) * plane + 32
    pitch += (16 - pitch) % 32
    where = np.array([n * plane + y * row + x for n, y, x in offsets], np.int64)
    where = where.reshape(len(phases), -1)
    starts = np.arange(groups) * pitch
    steps = ((starts[:, None] + where[:, None, :]) * 4).reshape(len(phases), -1).astype(np.int64)
    return Frame(np.array(in_shape, np.int64), np.array(list(used), np.int64), where,
                 np.array([border, pad_value, stride, row, plane], np.int64), steps, groups, blocks,
                 copies, band, -(-rows // band), below, rows, columns, positions, pitch,
                 not (picks or on_sums))
