"""The kernel set for hosts with AVX-512 VNNI: dot products of bytes for 1x1 and 3x3 layers.

Depthwise layers and 16-bit weights go to the portable set.
"""

from __future__ import annotations

import numpy as np

from k210sim.kpu.kernels import conv2d, portable

NAME = "vnni"
BLOCK_BYTES = 256 * 1024


def available() -> bool:
    """Whether this host has AVX-512 VNNI and numba compiles for the host itself."""
    import llvmlite.binding as llvm
    import numba

    if numba.config.CPU_NAME or numba.config.CPU_FEATURES or numba.config.DISABLE_JIT:
        return False
    try:
        features = llvm.get_host_cpu_features()
    except RuntimeError:
        return False
    return all(features.get(name) for name in ("avx512f", "avx512bw", "avx512vnni"))


def prepare(params):
    """A runnable layer for ConvParams."""
    if params.depthwise or params.weights.dtype != np.uint8:
        return portable.PortableConv(params)
    return DotConv(params)


class DotConv(portable.PortableConv):
    """One normal convolution with 8-bit weights, laid out for kernels/dot512.py."""

    def __init__(self, p):
        from k210sim.kpu.kernels import dot512

        super().__init__(p)
        rows = dot512.ROWS
        channels, out = p.in_shape[0], p.out_shape[0]
        groups, blocks = -(-channels // 4), -(-out // rows)
        signed = np.zeros((blocks * rows, groups * 4, p.taps), np.int8)
        signed[:out, :channels] = (p.weights.astype(np.int16) - 128).astype(np.int8)
        signed = signed.reshape(blocks, rows, groups, 4, p.taps)
        self.weights = np.ascontiguousarray(signed.transpose(0, 2, 4, 1, 3)).reshape(
            blocks, groups * p.taps, rows, 4)
        starts = np.arange(groups) * self.in_pitch
        self.steps = ((starts[:, None] + self.offsets) * 4).reshape(-1).astype(np.int64)
        chunk = BLOCK_BYTES // 4 // (blocks * rows)
        self.chunk = min(4096, max(256, chunk // dot512.STEP * dot512.STEP))

    def sums(self, planes, result):
        """Fill `result` (uint8 planes after the activation) from the framed input planes."""
        from k210sim.kpu.kernels import dot512

        p = self.p
        x = np.empty((-(-planes.shape[0] // 4), self.in_pitch, 4), np.uint8)
        dot512.interleave(planes, x)
        sx = np.zeros(self.out_pitch, np.int64)
        conv2d.input_sums(planes, self.offsets, self.runs, p.arg_x, p.shr_x, 128, sx)
        acc = np.empty((self.weights.shape[0] * dot512.ROWS, self.chunk), np.int32)
        for start, length in self.runs:
            for base in range(start, start + length, self.chunk):
                count = min(self.chunk, start + length - base)
                dot512.sums(x, self.steps, self.weights, base, count, acc)
                conv2d.finish_rows(acc, count, sx, base, p.norm, p.segments, p.fnorm, p.fseg,
                                   p.spans, p.rule, result)
