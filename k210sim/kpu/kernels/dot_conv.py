"""A normal convolution with 8-bit weights laid out for one of the dot product kernels."""

from __future__ import annotations

import importlib

import numpy as np

from k210sim.kpu.kernels import dot_frame, maps, portable, stairs, tiles
from k210sim.kpu.kernels.dot_frame import MAXIMA


def host_has(*features: str) -> bool:
    """Whether numba compiles for this very host and it has all these LLVM features."""
    import llvmlite.binding as llvm
    import numba

    if numba.config.CPU_NAME or numba.config.CPU_FEATURES or numba.config.DISABLE_JIT:
        return False
    try:
        known = llvm.get_host_cpu_features()
    except RuntimeError:
        return False
    return all(known.get(name) for name in features)


class DotConv:
    """`kernels` names the file with ROWS, STEP, SIGNED and sums; `wide`: 16-bit pairs, else bytes;
    shift: what is taken off every weight to make it fit.

    A decimating pool computes only the pixels it keeps. A maximum pool is taken on the sums where
    every channel's activation is proved to rise (stairs.py): its blocks' pixels are phases of the
    output, each computed as a decimating pool of its own.
    """

    __slots__ = ("p", "kernels", "code", "wide", "group", "shift", "stairs", "work", "pool_after",
                 "groups", "blocks", "copies", "bands", "positions", "pitch", "taps", "planes",
                 "frame", "numbers", "shape", "weights", "steps", "factor", "adds")

    def __init__(self, p, kernels: str, wide: bool, shift: int | None = None):
        self.p = p
        # Imported late, since it compiles.
        self.kernels = importlib.import_module(f"k210sim.kpu.kernels.{kernels}")
        self.code = importlib.import_module("k210sim.kpu.kernels.dot_code")
        self.wide = wide
        self.group = 2 if wide else 4
        self.shift = (0 if wide else 128) if shift is None else shift
        self.stairs = stairs.Stairs(p)
        if self.stairs.complete:
            self.p = p.without_tables()
        self._place_pixels()
        self._lay_out_weights()
        self.work = p.in_shape[1] * p.in_shape[2] * (p.weights.size + 32 * p.out_shape[0])

    def _place_pixels(self):
        """Which planes, taps and bands there are (maps.py, dot_code.layer)."""
        p, k = self.p, self.kernels
        on_sums = p.pool in MAXIMA and self.stairs.complete and self.stairs.rises
        frame = dot_frame.of(p.in_shape, p.out_shape[0], p.taps, p.pool, on_sums, p.pad_value,
                             self.group, k.ROWS, k.STEP)
        for name, value in frame._asdict().items():
            if name in self.__slots__:
                setattr(self, name, value)
        self.pool_after = p.pool if frame.pool_after else None
        self.numbers = np.array([self.wide, k.STEP, frame.band, frame.below, frame.rows,
                                 frame.columns, p.arg_x, p.shr_x, self.shift, p.rule,
                                 not self.stairs.complete, k.ROWS], np.int64)

    def _lay_out_weights(self):
        p, rows, groups = self.p, self.kernels.ROWS, self.groups
        channels, out = p.in_shape[0], p.out_shape[0]
        # Wide weights are kept as bytes, half the memory, and widened at every run.
        dtype = np.uint8 if self.wide or not self.shift else np.int8
        laid = np.zeros((self.blocks * rows, groups * self.group, p.taps), dtype)
        laid[:out, :channels] = (p.weights.astype(np.int16) - self.shift).astype(dtype)
        laid = laid.reshape(self.blocks, rows, groups, self.group, p.taps)
        self.weights = np.ascontiguousarray(laid.transpose(0, 2, 4, 1, 3)).reshape(self.blocks, -1)
        # The factor of the input sum goes into the weights where they have room for it.
        factor = self.stairs.factor
        folded = (self.kernels.SIGNED and factor is not None and abs(factor) < 1 << 14
                  and self.stairs.narrow)
        self.factor = factor if folded else 0
        self.adds = not folded and bool(p.arg_x or self.shift)

    def run(self, x: np.ndarray, threads: int = 1) -> np.ndarray:
        """uint8 (C, H, W) in, uint8 (C, H, W) after the pool out."""
        p = self.p
        out = np.empty(p.out_shape, np.uint8)
        self.run_cells(np.ascontiguousarray(x).reshape(-1), tiles.plain(p.in_shape),
                       out.reshape(-1), tiles.plain(p.out_shape), threads)
        return out

    def run_cells(self, source, source_place, target, target_place, threads: int = 1) -> None:
        """From one place in flat bytes to another (maps.py); they must not overlap."""
        p = self.p
        if self.pool_after is None:
            self._run(source, source_place, target, target_place, threads)
            return
        whole = np.empty((p.out_shape[0], *p.in_shape[1:]), np.uint8)
        self._run(source, source_place, whole.reshape(-1), tiles.plain(p.in_shape), threads)
        pooled = np.empty(p.out_shape, np.uint8)
        flat = whole.reshape(len(whole), -1)
        portable.pool_planes(flat, p.in_shape[2], p.pool, pooled)
        maps.store(pooled.reshape(len(pooled), -1), p.out_shape[2], 0, 0, p.out_shape[1],
                   p.out_shape[2], target_place, target)

    def _run(self, source, source_place, target, target_place, threads):
        maps_of = source, source_place, target, target_place, self._weights()
        threads = tiles.worth(self.work, threads)
        if threads == 1:
            self._part(*maps_of, 0, self.bands, 0, self.blocks)
        elif self.bands >= 2 * threads:
            tiles.run(lambda a, b: self._part(*maps_of, a, b, 0, self.blocks), self.bands, threads)
        else:
            tiles.run(lambda a, b: self._part(*maps_of, 0, self.bands, a, b), self.blocks, threads)

    def _part(self, source, source_place, target, target_place, weights, band, last_band, block,
              last_block):
        """Some bands of the blocks [block, last_block)."""
        s, rows = self.stairs, self.kernels.ROWS
        first, end = block * rows, min(last_block * rows, self.p.out_shape[0])
        x = tiles.scratch("words", (self.groups, self.pitch), np.int32)
        acc = tiles.scratch("acc", (self.copies, (last_block - block) * rows, self.positions),
                            np.int32)
        extra = tiles.scratch("extra", (len(self.taps), self.positions if self.adds else 0),
                              np.int64)
        result = tiles.scratch("result", (end - first, self.positions), np.uint8)
        self.code.layer(self.kernels.sums.address, source, source_place, self.shape, self.planes,
                        self.taps, self.frame, self.numbers, self.steps,
                        weights[block:last_block].reshape(-1), x, acc, extra, result,
                        *s.rows(first, end), *s.longer(self.p, first, end), target, target_place,
                        first, band, last_band)

    def _weights(self) -> np.ndarray:
        """uint8 [blocks, bytes]: the weights as the kernel reads them."""
        if not self.wide:
            return self.weights.view(np.uint8)
        weights = tiles.scratch("weights", self.weights.shape, np.int16)
        self.code.widen(self.weights, self.factor, weights)
        return weights.view(np.uint8)
