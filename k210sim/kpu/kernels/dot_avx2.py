"""Integer dot products with the VPMADDWD instruction on 256-bit registers (AVX2).

The shorter way over bytes, VPMADDUBSW, saturates its sums of two products at 16 bits and would not
be exact. So inputs and weights are widened to 16 bits before: two products of at most 255 * 255
make one 32-bit sum, and 9 * 1024 of them stay below 2**31.
"""

import numpy as np
from numba import njit

from k210sim.kpu.kernels import dot_code
from k210sim.kpu.kernels.conv2d import finish_rows

ROWS = 4  # output channels of one register tile
VECTORS = 2  # registers of 8 positions: 4 * 2 sums, 2 inputs, 1 weight, 1 product in 16 registers
STEP = VECTORS * 8
dot_tile = dot_code.tile(8, ROWS, VECTORS, "vpmaddwd $2, $1, $0", "=x,x,x", False)


@njit("void(int16[:, :, ::1], int64[::1], int16[:, :, :, ::1], int64, int64, int32[:, ::1])",
      cache=True, nogil=True)
def sums(x, offsets, weights, base, count, acc):
    """acc[o, 0:count] for positions [base, base + count), count a multiple of 64.

    x from `interleave_wide`; offsets: bytes, one per channel group and tap; weights: int16
    [blocks of 4, len(offsets), 4, 2]; acc: int32 [4 * blocks, at least count].
    """
    x_at = np.int64(x.ctypes.data) + 4 * base
    table = np.int64(offsets.ctypes.data)
    steps = np.int64(offsets.shape[0])
    rows = np.int64(acc.shape[1] * 4)
    for p in range(0, count, STEP):
        for block in range(weights.shape[0]):
            dot_tile(x_at + 4 * p, table, steps,
                     np.int64(weights.ctypes.data) + block * steps * 4 * ROWS,
                     np.int64(acc.ctypes.data) + block * ROWS * rows + 4 * p, rows)


@njit("void(int16[:, :, ::1], int64[::1], int16[:, :, :, ::1], int64[:, ::1], int32[:, ::1], "
      "int64[::1], int64[:, ::1], int64[:, ::1], float64[:, ::1], float64[:, ::1], "
      "int64[:, ::1], int64, uint8[:, ::1])", cache=True, nogil=True)
def layer(x, offsets, weights, chunks, acc, sx, norm, seg, fnorm, fseg, spans, rule, out):
    """Sums, batch norm and activation of all chunks (first position, count)."""
    for k in range(chunks.shape[0]):
        sums(x, offsets, weights, chunks[k, 0], chunks[k, 1], acc)
        finish_rows(acc, chunks[k, 1], sx, chunks[k, 0], norm, seg, fnorm, fseg, spans, rule, out)
