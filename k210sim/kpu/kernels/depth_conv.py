"""A depthwise convolution that runs in one kernel from map to map."""

from __future__ import annotations

import math

import numpy as np

from k210sim.kpu.kernels import chain, depthwise, portable, stairs

PIECES = 4  # of each thread, so that one that comes late or runs slowly leaves some to others


def prepare(p):
    """The layer for ConvParams with depthwise set, by the fast kernel if it is one of its kind."""
    if p.taps == 9 and p.pool == 0 and p.weights.dtype == np.uint8:
        tables = stairs.Stairs(p)
        if (tables.complete and tables.narrow and tables.factor is not None
                and abs(tables.factor) < 1 << 14):
            return DepthConv(p, tables)
    return portable.PortableConv(p)


class DepthConv:
    """One layer; see depthwise.py."""

    __slots__ = ("p", "stairs", "weights", "shape", "last")
    pool_after = None

    def __init__(self, p, tables):
        self.p, self.stairs, self.weights = p.numbers_alone(), tables, p.weights
        self.shape = np.array(p.out_shape, np.int64)
        self.last = None

    @property
    def work(self) -> int:
        """As chain.WORTH counts it."""
        return 64 * math.prod(self.p.out_shape)

    def run(self, x: np.ndarray, threads: int = 1) -> np.ndarray:
        """uint8 (C, H, W) in and out."""
        p = self.p
        out = np.empty(p.out_shape, np.uint8)
        self.run_cells(np.ascontiguousarray(x).reshape(-1), chain.plain(p.in_shape),
                       out.reshape(-1), chain.plain(p.out_shape), threads)
        return out

    def run_cells(self, source, source_place, target, target_place, threads: int = 1) -> None:
        """From one place in flat bytes to another, which must not overlap."""
        self.last = chain.single(self.last, self, source_place, target_place)
        self.last.run(source, target, threads)

    def parts(self, threads: int, source_place, target_place) -> chain.Parts:
        """See depthwise.py."""
        p, s = self.p, self.stairs
        channels = len(self.weights)
        each = -(-channels // (1 if threads == 1 else PIECES * threads))
        at = chain.address
        record = [at(source_place), at(target_place), at(self.shape), p.pad_value, at(self.weights),
                  s.factor, channels, at(s.ints), at(s.factors), at(s.lines), len(s.lines),
                  at(s.edges), len(s.edges), at(s.buckets), len(s.buckets)]
        return chain.Parts([int(word) for word in record],
                           [(depthwise.part.address, -(-channels // each), each)], 0, [])
