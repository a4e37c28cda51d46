"""A depthwise convolution that runs in one kernel from map to map."""

from __future__ import annotations

import numpy as np

from k210sim.kpu.kernels import depthwise, portable, stairs, tiles


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

    __slots__ = ("p", "stairs", "shape", "work")

    def __init__(self, p, tables):
        self.p, self.stairs = p.without_tables(), tables
        self.shape = np.array(p.out_shape, np.int64)
        self.work = 64 * int(np.prod(p.out_shape))

    def run(self, x: np.ndarray, threads: int = 1) -> np.ndarray:
        """uint8 (C, H, W) in and out."""
        p = self.p
        out = np.empty(p.out_shape, np.uint8)
        self.run_cells(np.ascontiguousarray(x).reshape(-1), tiles.plain(p.in_shape),
                       out.reshape(-1), tiles.plain(p.out_shape), threads)
        return out

    def run_cells(self, source, source_place, target, target_place, threads: int = 1) -> None:
        """From one place in flat bytes to another, which must not overlap."""
        p, s = self.p, self.stairs
        tables = (self.shape, p.pad_value, p.weights, s.factor, s.ints, s.factors, s.lines, s.edges,
                  s.buckets, target, target_place)
        tiles.run(lambda a, b: depthwise.depthwise3x3(source, source_place, *tables, a, b),
                  len(p.weights), tiles.worth(self.work, threads))
