"""A normal convolution with 8-bit weights laid out for one of the dot product kernels."""

from __future__ import annotations

import importlib

import numpy as np

from k210sim.kpu.kernels import conv2d, portable, tiles

BLOCK_BYTES = 256 * 1024


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


class DotConv(portable.PortableConv):
    """`kernels` names the file with ROWS, sums and layer; `wide`: 16-bit pairs, else bytes."""

    def __init__(self, p, kernels: str, wide: bool):
        self.kernels = importlib.import_module(f"k210sim.kpu.kernels.{kernels}")
        self.wide = wide
        super().__init__(p)

    def _lay_out_weights(self):
        p, rows = self.p, self.kernels.ROWS
        self.group, self.shift = (2, 0) if self.wide else (4, 128)
        # Wide weights are kept as bytes, half the memory, and widened at every run.
        dtype = np.uint8 if self.wide else np.int8
        channels, out = p.in_shape[0], p.out_shape[0]
        groups, blocks = -(-channels // self.group), -(-out // rows)
        laid = np.zeros((blocks * rows, groups * self.group, p.taps), dtype)
        laid[:out, :channels] = (p.weights.astype(np.int16) - self.shift).astype(dtype)
        laid = laid.reshape(blocks, rows, groups, self.group, p.taps)
        self.weights = np.ascontiguousarray(laid.transpose(0, 2, 4, 1, 3)).reshape(
            blocks, groups * p.taps, rows, self.group)
        starts = np.arange(groups) * self.in_pitch
        self.steps = ((starts[:, None] + self.offsets) * 4).reshape(-1).astype(np.int64)
        size = min(4096, max(256, BLOCK_BYTES // 4 // (blocks * rows) // 64 * 64))
        self.chunks = portable.split(self.runs, size)

    def sums(self, planes, result, threads):
        """Fill `result` (uint8 planes after the activation) from the framed input planes."""
        from k210sim.kpu.kernels import dot_code

        p, group, rows = self.p, self.group, self.kernels.ROWS
        dtype = np.int16 if self.wide else np.uint8
        x = tiles.scratch("words", (-(-len(planes) // group), self.in_pitch, group), dtype)
        mix = dot_code.interleave_wide if self.wide else dot_code.interleave
        tiles.run(lambda a, b: mix(planes[a * group : b * group], x[a:b]), len(x), threads)
        sx = tiles.scratch("sx", (self.out_pitch,), np.int64)
        longest = int(self.chunks[:, 1].max())
        weights = self.weights
        if self.wide:
            weights = tiles.scratch("weights", weights.shape, np.int16)
            weights[...] = self.weights

        def add_up(a, b):
            conv2d.input_sums(planes, self.offsets, self.chunks[a:b], p.arg_x, p.shr_x, self.shift,
                              sx)

        def work(chunks, first, end):
            acc = tiles.scratch("acc", ((end - first) * rows, longest), np.int32)
            at = slice(first * rows, end * rows)
            self.kernels.layer(x, self.steps, weights[first:end], chunks, acc, sx, p.norm[at],
                               p.segments, p.fnorm[at], p.fseg, p.spans[at], p.rule, result[at])

        blocks = len(self.weights)
        if len(self.chunks) >= 4 * threads:
            def both(a, b):
                add_up(a, b)
                work(self.chunks[a:b], 0, blocks)

            tiles.run(both, len(self.chunks), threads)
        else:
            tiles.run(add_up, len(self.chunks), threads)
            tiles.run(lambda a, b: work(self.chunks, a, b), blocks, threads)
