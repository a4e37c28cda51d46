"""The tables of staircase.py for a layer, and those of the longer ways where it needs them."""

from __future__ import annotations

import numpy as np

from k210sim.kpu.kernels import stair_fit, staircase, tiles

NO_ROWS = (np.zeros((0, 4), np.int64), np.zeros((0, 5), np.int64), np.zeros((0, 2)),
           np.zeros((0, 4)), np.zeros((0, 2), np.int64))
NO_PIECES = np.zeros((1, 4), np.float32)


class Stairs:
    """complete: every channel is proved to be its staircase, which rises. factor: what the sum of
    inputs adds to each weight, None when that is no whole number. narrow: sums fit 32 bits."""

    __slots__ = ("ints", "floats", "lines", "pieces", "factor", "narrow", "complete")

    def __init__(self, p):
        channels = p.out_shape[0]
        self.ints = np.zeros((channels, 5), np.int32)
        self.floats = np.zeros((channels, 2), np.float32)
        lines = np.zeros((staircase.MOST, 3), np.float32)
        self.pieces = np.zeros((len(p.segments), 4), np.float32)
        self.factor = p.arg_x >> p.shr_x if p.arg_x % (1 << p.shr_x) == 0 else None
        low, high = p.sums()
        stair_fit.fit(p.norm.astype(np.int64), low, high, p.segments, p.rule, lines, self.pieces,
                      self.ints, self.floats)
        self.narrow = bool(len(low)) and low.min() >= -(2**31) and high.max() < 2**31
        proved = self.ints[:, 4] > self.ints[:, 3]
        self.complete = bool(proved.all())
        by_line = self.ints[proved & (self.ints[:, 3] < staircase.PIECES), 4]
        self.lines = lines[: max(1, by_line.max(initial=0))].copy()
        if (self.ints[proved, 3] < staircase.PIECES).all():
            self.pieces = NO_PIECES

        if not proved.any():
            self.ints = self.floats = None  # no room for tables that say nothing

    def rows(self, at: slice) -> tuple:
        """ints, floats of some channels, and lines, pieces."""
        if self.ints is None:
            count = at.stop - at.start
            ints = tiles.scratch("ints", (count, 5), np.int32)
            ints[:] = 0
            return ints, tiles.scratch("floats", (count, 2), np.float32), self.lines, self.pieces
        return self.ints[at], self.floats[at], self.lines, self.pieces

    def longer(self, p, at: slice) -> tuple:
        """What ConvParams.longer gives, empty if unused."""
        return NO_ROWS if self.complete else p.longer(at)
