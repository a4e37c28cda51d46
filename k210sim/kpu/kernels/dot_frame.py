"""How the pixels of a layer lie in the working layouts of dot_code.layer.

Layers of one shape share it: networks repeat theirs, and small ones would weigh less than it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from k210sim.kpu.kernels import portable

BAND_BYTES = 384 * 1024
PRODUCT_BYTES = 128 * 1024  # of Winograd's products kept at once
LEAST_POSITIONS = 64  # of a band of Winograd's: every band reads all weights
# Picoseconds, measured with the AVX2 kernels; they only choose between ways to the same bytes. Of a
# group of channels, a block and a position: a tap's products, one of Winograd's 16; a group's
# weights of a block transformed; a block's outputs of a position; a group's inputs.
DIRECT, PRODUCT, WEIGHTS, OUTPUT, INPUT = 167, 193, 13_000, 2_500, 2_000
STORE = 250  # a block's products of one of the 16 kinds written and read, a position
MAXIMA = {1: 2, 3: 4}  # pool type -> block size


class Frame(NamedTuple):
    """shape to steps: as dot_code.layer takes them, read only by agreement; pitch: words of a group
    of channels; copies: sums kept at once; pool_after: whether the pool is not computed here;
    phases: maps of bytes that are made at once, 2x2 of the output each; together: blocks of
    winograd.sums, or 0 where the sums are made directly; pairs: whether a channel that is left
    alone lies beside its right neighbours (maps.PAIRS), so that two taps of a row are one step."""

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
    phases: int = 1
    together: int = 0
    pairs: bool = False


@lru_cache(maxsize=32)
def of(in_shape, outputs, taps, pool, on_sums, pad_value, group, per_block, step,
       at_once=0, pairs=False) -> Frame:
    """on_sums: whether a maximum pool is taken on the sums. group: channels in a word; per_block:
    output channels of a register tile; step: what positions are a multiple of; at_once: phases
    whose greatest sums are made side by side; pairs: whether words may be such."""
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
    copies = 1 if len(phases) in (1, at_once) else 2
    pairs = pairs and border == 1 and channels % group == 1
    # Words, sums and bytes of a band should stay in the second cache.
    each = row * (groups * len(used) * 4 + blocks * per_block * (4 * copies + 1))
    band = min(rows, max(1, BAND_BYTES // each - below))
    band = -(-rows // -(-rows // band))  # bands of about the same height
    positions = -(-((band - 1) * row + columns) // step) * step
    positions += -positions % 16  # rows of sums begin at a cache line
    plane = max((band + below) * row, positions + below * row + 2)
    # Room for rows that are written too far (maps.words), and an odd number of cache lines
    # from one group to the next, which spreads them over the cache.
    pitch = len(used) * plane + 32
    pitch += (16 - pitch) % 32
    where = np.array([n * plane + y * row + x for n, y, x in offsets], np.int64)
    where = where.reshape(len(phases), -1)
    starts = np.arange(groups) * pitch
    steps = ((starts[:, None] + where[:, None, :]) * 4).reshape(len(phases), -1).astype(np.int64)
    if pairs:  # the last channel's second taps are in the words of the first
        steps = np.ascontiguousarray(np.delete(steps, [-8, -5, -2], axis=1))
    return Frame(np.array(in_shape, np.int64), np.array(list(used), np.int64), where,
                 np.array([border, pad_value, stride, row, plane], np.int64), steps, groups, blocks,
                 copies, band, -(-rows // band), below, rows, columns, positions, pitch,
                 not (picks or on_sums), pairs=pairs)


@lru_cache(maxsize=32)
def winograd(in_shape, outputs, on_sums, pad_value, group, per_block, step) -> Frame:
    """A 3x3 layer without a pool, or with one of the greatest of 2x2 on the sums, as winograd.sums
    takes it. Arguments as of `of`."""
    channels, height, width = in_shape
    rows, columns = (height // 2, width // 2) if on_sums else (-(-height // 2), -(-width // 2))
    row = -(-(width + 2) // 2)
    groups, blocks = -(-channels // group), -(-outputs // per_block)
    phases = 1 if on_sums else 4
    each = row * (groups * 4 * 20 + blocks * per_block * 5 * phases)
    band = min(rows, max(BAND_BYTES // each, -(-LEAST_POSITIONS // row), 1))
    band = -(-rows // -(-rows // band))
    positions = -(-((band - 1) * row + columns) // step) * step
    positions += -positions % 16
    if positions // 16 % 2 == 0:
        positions += max(16, step)  # an odd number of cache lines spreads rows over the cache
    plane = max((band + 1) * row, positions + row + 2)
    transformed = 4 * plane + 32
    pitch = transformed + 16 * positions
    pitch += (16 - pitch) % 32
    starts = np.arange(groups) * pitch + transformed + -transformed % 16
    steps = (starts + np.arange(16)[:, None] * positions) * 4
    together = min(blocks, max(1, PRODUCT_BYTES // (16 * per_block * positions * 4)))
    planes = np.array([(0, 0), (0, 1), (1, 0), (1, 1)], np.int64)
    return Frame(np.array(in_shape, np.int64), planes, np.zeros((16, 1), np.int64),
                 np.array([1, pad_value, 2, row, plane], np.int64), steps.astype(np.int64), groups,
                 blocks, phases, band, -(-rows // band), 1, rows, columns, positions, pitch, False,
                 phases, together)


def exact(low: int, high: int, factor: int) -> bool:
    """Whether winograd.py is exact for a layer whose sums lie in low to high, with weights of up
    to 255 plus the factor."""
    return (-(1 << 29) <= low and high < 1 << 29
            and 9 * max(abs(factor), abs(255 + factor)) < 1 << 15)


def pays(direct: Frame, other: Frame) -> bool:
    """Whether Winograd's way is the faster of two for a layer."""
    groups, blocks, bands = other.groups, other.blocks, other.bands
    count = bands * ((other.band - 1) * int(other.frame[3]) + other.columns)
    before = blocks * direct.bands * direct.positions * direct.steps.size * DIRECT
    after = (blocks * (16 * count * (groups * PRODUCT + STORE) + groups * WEIGHTS)
             + blocks * count * other.phases * OUTPUT + groups * count * INPUT)
    return after * 1.05 < before
