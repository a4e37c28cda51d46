"""How the pixels of a layer lie in the working layouts of dot_code.layer.

Layers of one shape share it: networks repeat theirs, and small ones would weigh less than it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from k210sim.kpu.kernels import portable
from k210sim.kpu.kernels.schemes import BY_SIZE, apart

BAND_BYTES = 384 << 10
SUM_BYTES = 64 << 10  # of the sums of blocks that become pixels before the next, and their bytes
# Of Winograd's: words of the map made at once; products kept at once; weights of all kinds that a
# map of one band makes at once; transformed inputs of a band, whose positions are some at least,
# since every band reads all weights.
WORD_BYTES, PRODUCT_BYTES, WEIGHT_BYTES = 24 << 10, 192 << 10, 192 << 10
INPUT_BYTES, LEAST_POSITIONS = 448 << 10, 48
# Picoseconds, measured with the AVX2 kernels; they only choose between ways to the same bytes.
DIRECT = 167  # of a group of channels, a block and a position: a tap's products


class Costs(NamedTuple):
    """Picoseconds of Winograd's way, measured likewise. product: of a group, block, position and
    kind; store: of a block, a position and a kind, written and read; weights: of a group and a
    block; output: of a block and a position; input: of a group and a position."""

    product: int
    store: int
    weights: int
    output: int
    input: int


COSTS = {2: Costs(190, 250, 19_000, 10_000, 4_000), 4: Costs(190, 250, 57_000, 30_000, 10_000)}
MAXIMA = {1: 2, 3: 4}  # pool type -> block size


class Frame(NamedTuple):
    """shape to steps: as dot_code.layer takes them, read only by agreement; pitch: words of a group
    of channels; copies: sums kept at once; pool_after: whether the pool is not computed here;
    pairs: whether a channel that is left alone lies beside its right neighbours (maps.PAIRS), so
    that two taps of a row are one step; together: blocks worked on at once. Of Winograd's way,
    else 0: size: outputs along the side of a patch; edge: those kept; batch: groups whose words
    are made at once. Rows and columns are of patches then."""

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
    pairs: bool = False
    together: int = 0
    size: int = 0
    edge: int = 0
    batch: int = 0


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
    # Words of a band, sums and bytes of a block should stay in the second cache.
    block = per_block * (4 * copies + 1)
    each = row * (groups * len(used) * 4 + block)
    band = min(rows, max(1, BAND_BYTES // each - below))
    band = -(-rows // -(-rows // band))  # bands of about the same height
    positions = -(-((band - 1) * row + columns) // step) * step
    positions += -positions % 16  # rows of sums begin at a cache line
    together = min(blocks, max(1, SUM_BYTES // (block * positions)))
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
                 not (picks or on_sums), pairs=pairs, together=together)


@lru_cache(maxsize=32)
def winograd(in_shape, outputs, on_sums, pad_value, group, per_block, step, size) -> Frame:
    """A 3x3 layer without a pool, or with one of the greatest of 2x2 on the sums, as
    winograd_part.py takes it, by the scheme of that size. Other arguments as of `of`."""
    channels, height, width = in_shape
    kinds = BY_SIZE[size].kinds
    rows, columns = -(-height // size), -(-width // size)
    edge = size
    if on_sums:  # a last row or column alone is in no block
        edge = size // 2
        rows, columns = -(-(height // 2) // edge), -(-(width // 2) // edge)
    # All of a patch must be bytes: what lies beyond the border takes part in outputs that count,
    # whose shares cancel out only if its transforms fit 16 bits.
    row = max(-(-(width + 2) // size), columns + 1)
    groups, blocks = -(-channels // group), -(-outputs // per_block)
    band = min(rows, max(INPUT_BYTES // (4 * groups * kinds * columns),
                         -(-LEAST_POSITIONS // columns)))
    band = -(-rows // -(-rows // band))
    # A row's last vector may reach beyond it.
    beyond = -columns % step
    positions = -(-(band * columns + beyond) // step) * step
    plane = max((band + 1) * row, band * row + columns + beyond + 1)
    pitch = size * size * plane + 32
    pitch += (16 - pitch) % 32
    batch = min(groups, max(1, WORD_BYTES // (4 * pitch)))
    kind = apart(groups * positions * 4)
    steps = (batch * pitch + np.arange(groups) * positions) * 4 + np.arange(kinds)[:, None] * kind
    together = PRODUCT_BYTES // (kinds * per_block * positions * 4)
    if band == rows:
        together = min(together, WEIGHT_BYTES // (kinds * per_block * groups * 4))
    together = min(blocks, max(1, together))
    planes = np.array([(a, b) for a in range(size) for b in range(size)], np.int64)
    return Frame(np.array(in_shape, np.int64), planes, np.zeros((kinds, 1), np.int64),
                 np.array([1, pad_value, size, row, plane], np.int64), steps.astype(np.int64),
                 groups, blocks, 1, band, -(-rows // band), 1, rows, columns, positions, pitch,
                 False, together=together, size=size, edge=edge, batch=batch)


def of_band(frame: Frame, rows: int, blocks: int, step: int) -> int:
    """Picoseconds of `rows` rows of patches with some blocks by Winograd's way, without the
    weights. step: as in `of`."""
    c, kinds = COSTS[frame.size], len(frame.steps)
    each = kinds * (frame.groups * c.product + c.store) + c.output
    return (-(-rows * frame.columns // step) * step * blocks * each
            + -(-frame.columns // step) * step * rows * frame.groups * c.input)


def cost(frame: Frame, step: int) -> int:
    """Picoseconds of a frame's sums and what differs between ways, with one thread. step: as in
    `of`."""
    if not frame.size:
        return frame.blocks * frame.bands * frame.positions * frame.steps.size * DIRECT
    return (frame.bands * of_band(frame, frame.band, frame.blocks, step)
            + frame.blocks * frame.groups * COSTS[frame.size].weights)
