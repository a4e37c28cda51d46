"""The tables of staircase.py for a layer, and those of the longer ways where it needs them."""

from __future__ import annotations

import hashlib
import weakref

import numpy as np

from k210sim.kpu.kernels import buckets, stair_fit, staircase

NO_ROWS = (np.zeros((0, 4), np.int64), np.zeros((0, 5), np.int64), np.zeros((0, 2)),
           np.zeros((0, 4)), np.zeros((0, 2), np.int64))
WORTH_SHARING = 512  # bytes; what is kept of a shared one takes 200
# Layers of a model often have the same table of activations, of up to 1 KB with its places.
_tables: weakref.WeakValueDictionary[bytes, np.ndarray] = weakref.WeakValueDictionary()
NO_EDGES, NO_BUCKETS = np.zeros(buckets.EDGES, np.int32), np.zeros(buckets.HEAD, np.uint16)


class Stairs:
    """complete: every channel is proved. rises: bytes never fall as sums rise. factor: what the sum
    of inputs adds to each weight, None when that is no whole number. narrow: sums fit 32 bits."""

    __slots__ = ("_numbers", "lines", "edges", "buckets", "factor", "narrow", "complete",
                 "rises")

    def __init__(self, p):
        channels = p.out_shape[0]
        self._numbers = np.zeros(6 * channels, np.int32)  # one array takes less than two
        ints, factors = self.ints, self.factors
        lines = np.zeros((staircase.ROWS, 3), np.float32)
        edges = np.zeros(buckets.EDGES, np.int32)
        table = np.empty(buckets.ROOM, np.uint16)
        used = np.zeros(2, np.int64)
        self.factor = p.arg_x >> p.shr_x if p.arg_x % (1 << p.shr_x) == 0 else None
        low, high = p.sums()
        stair_fit.fit(p.norm.astype(np.int64), low, high, p.segments, p.rule, lines, edges, table,
                      ints, factors, used)
        self.narrow = bool(len(low)) and low.min() >= -(2**31) and high.max() < 2**31
        proved = ints[:, 4] > 0
        self.complete, self.rises = bool(proved.all()), bool(used[0])
        first, many = ints[:, 4] % (1 << staircase.MANY), ints[:, 4] >> staircase.MANY
        by_lines = first & staircase.BUCKETS == 0
        rows = first % staircase.BUCKETS + many + staircase.PLACES * (first & staircase.NEAR > 0)
        used_lines = rows[by_lines].max(initial=1)
        self.lines = _shared(lines[:used_lines])
        self.edges, self.buckets = NO_EDGES, NO_BUCKETS
        if used[1]:
            self.buckets = table[: used[1]].copy()
            if table[2] == buckets.RAMP:
                self.edges = edges
        if not proved.any():
            self._numbers = None  # no room for tables that say nothing

    @property
    def ints(self) -> np.ndarray:
        return self._numbers[: len(self._numbers) // 6 * 5].reshape(-1, 5)

    @property
    def factors(self) -> np.ndarray:
        return self._numbers[len(self._numbers) // 6 * 5 :].view(np.float32)

    def of_channels(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """ints and factors, tables that say nothing where there are none."""
        if self._numbers is None:
            return np.zeros((count, 5), np.int32), np.zeros(count, np.float32)
        return self.ints, self.factors

    def longer(self, p) -> tuple:
        """What ConvParams.longer gives, empty if unused."""
        return NO_ROWS if self.complete else p.longer()


def _shared(table: np.ndarray) -> np.ndarray:
    """A copy that nobody changes, of a large table one that lives already."""
    if table.nbytes < WORTH_SHARING:
        return table.copy()
    key = hashlib.blake2b(table.tobytes(), digest_size=16).digest()
    return _tables.setdefault(key, table.copy())
