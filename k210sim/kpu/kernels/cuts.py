"""Into what pieces a layer of dot products is cut for several threads.

Costs are picoseconds, measured once with the AVX2 kernels; they only choose between cuts that give
the same bytes.
"""

from __future__ import annotations

from typing import NamedTuple

from k210sim.kpu.kernels import dot_frame

SUM = 28  # a word of the input times a row of weights
WORD, ROW = 300, 5_000  # to lay out a word of the input, and a row of words
PIXEL, CHANNEL = 550, 90_000  # to bring a sum to a byte in its map, and a row of sums
WIDEN = 60  # to make a weight wide
PIECE = 2_000_000  # to take and begin a piece
READ = 100  # to read a word of the weights again for another band
MOST = 8  # pieces of each thread
LATE = 0.2  # of a piece: what others wait for its last owner


class Cut(NamedTuple):
    """by_blocks: pieces are `per_piece` blocks of output channels with all bands, else bands.
    band: rows of a band."""

    by_blocks: bool
    pieces: int
    per_piece: int
    band: int


def whole(frame) -> Cut:
    """One piece for one thread. frame: dot_frame.Frame."""
    return Cut(False, 1, frame.bands, frame.band)


def best(frame, per_block: int, step: int, threads: int, wide: bool) -> Cut:
    """The cut that should end first. per_block, step: as in dot_frame.of; wide: whether weights are
    made wide at every run, all by every thread where pieces are bands."""
    def end(pieces, cost):
        return -(-pieces // threads) * (cost + PIECE) + LATE * cost

    choices = []
    for pieces in range(1, MOST * threads + 1):
        band = min(frame.band, -(-frame.rows // pieces))
        bands = -(-frame.rows // band)
        each = -(-bands // pieces)
        cut = Cut(False, -(-bands // each), each, band)
        cost = each * _band(frame, per_block, step, band, frame.blocks)
        choices.append((end(cut.pieces, cost) + wide * _weights(frame, per_block, frame.blocks),
                        cut))
        each = -(-frame.blocks // pieces)
        cut = Cut(True, -(-frame.blocks // each), each, frame.band)
        cost = (frame.bands * _band(frame, per_block, step, frame.band, each)
                + wide * _weights(frame, per_block, each))
        choices.append((end(cut.pieces, cost), cut))
    return min(choices)[1]


def _band(frame, per_block, step, rows, blocks) -> int:
    """Cost of a band of some rows with some blocks."""
    row, groups = int(frame.frame[3]), frame.groups
    lines = (rows + frame.below) * len(frame.planes) * groups
    channels = blocks * per_block
    # Winograd's steps are its kinds for each group of channels, others as many as there are taps.
    words = lines * (row * WORD + ROW) + channels * frame.steps.size * READ
    if frame.size:
        return words + dot_frame.of_band(frame, rows, blocks, step)
    count = -(-((rows - 1) * row + frame.columns) // step) * step
    return words + channels * (CHANNEL + count * (frame.steps.size * SUM + PIXEL))


def _weights(frame, per_block, blocks) -> int:
    """Cost of the weights of some blocks."""
    if frame.size:
        return frame.groups * blocks * dot_frame.COSTS[frame.size].weights
    # Two weights to a word, a tap or more: steps are those of one phase.
    return 2 * blocks * per_block * frame.steps.shape[1] * WIDEN
