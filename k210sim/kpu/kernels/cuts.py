"""Into what pieces a layer of dot products is cut for several threads.

Costs are picoseconds, measured once with the AVX2 kernels; they only choose between cuts that give
the same bytes.
"""

from __future__ import annotations

from typing import NamedTuple

SUM = 37  # a word of the input times a row of weights
WORD, ROW = 500, 20_000  # to lay out a word of the input, and a row of words
PIXEL, CHANNEL = 550, 90_000  # to bring a sum to a byte in its map, and a row of sums
WIDEN = 60  # to make a weight wide
PIECE = 2_000_000  # to take and begin a piece
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


def best(frame, per_block: int, step: int, threads: int, weights: int) -> Cut:
    """The cut that should end first. per_block, step: as in dot_frame.of; weights: how many must be
    made wide, by every thread where pieces are bands."""
    def band_of(rows, blocks):
        """Cost of a band of some rows with some blocks."""
        lines = (rows + frame.below) * len(frame.planes) * frame.groups
        count = -(-((rows - 1) * frame.frame[3] + frame.columns) // step) * step
        channels = blocks * per_block
        return (lines * (frame.frame[3] * WORD + ROW) + channels * CHANNEL
                + count * channels * (frame.steps.size * SUM + PIXEL))

    def end(pieces, cost):
        return -(-pieces // threads) * (cost + PIECE) + LATE * cost

    choices = []
    for pieces in range(1, 4 * threads + 1):
        band = min(frame.band, -(-frame.rows // pieces))
        bands = -(-frame.rows // band)
        each = -(-bands // pieces)
        cut = Cut(False, -(-bands // each), each, band)
        choices.append((end(cut.pieces, each * band_of(band, frame.blocks)) + WIDEN * weights, cut))
        each = -(-frame.blocks // pieces)
        cut = Cut(True, -(-frame.blocks // each), each, frame.band)
        cost = frame.bands * band_of(frame.band, each) + WIDEN * weights * each // frame.blocks
        choices.append((end(cut.pieces, cost), cut))
    return min(choices)[1]
