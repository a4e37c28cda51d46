"""Integer dot products with the VPDPBUSD instruction on 512-bit registers (AVX-512 VNNI).

The instruction adds four products of an unsigned and a signed byte to each of 16 32-bit sums. The
input's bytes are unsigned as they are; the weights are shifted by 128 to fit a signed byte, and
the caller adds 128 times the sum of inputs. Exact: 9 * 1024 products of at most 255 * 128 stay
below 2**31, and the instruction without "S" does not saturate.
"""

import numpy as np
from numba import njit

from k210sim.kpu.kernels import dot_code
from k210sim.kpu.kernels.conv2d import finish_rows

ROWS = 6  # output channels of one register tile
VECTORS = 4  # registers of 16 positions: 6 * 4 sums + 4 inputs + 1 weight fit the 32 registers
STEP = VECTORS * 16
dot_tile = dot_code.tile(16, ROWS, VECTORS, "vpdpbusd $3, $2, $0", "=v,0,v,v", True)


@njit("void(uint8[:, :, ::1], int64[::1], int8[:, :, :, ::1], int64, int64, int32[:, ::1])",
      cache=True, nogil=True)
def sums(x, offsets, weights, base, count, acc):
    """acc[o, 0:count] for positions [base, base + count), count a multiple of 64.

    x from `interleave`; offsets: bytes, one per channel group and tap; weights: int8
    [blocks of 6, len(offsets), 6, 4]; acc: int32 [6 * blocks, at least count].
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


@njit("void(uint8[:, :, ::1], int64[::1], int8[:, :, :, ::1], int64[:, ::1], int32[:, ::1], "
      "int64[::1], int64[:, ::1], int64[:, ::1], float64[:, ::1], float64[:, ::1], "
      "int64[:, ::1], int64, uint8[:, ::1])", cache=True, nogil=True)
def layer(x, offsets, weights, chunks, acc, sx, norm, seg, fnorm, fseg, spans, rule, out):
    """Sums, batch norm and activation of all chunks (first position, count)."""
    for k in range(chunks.shape[0]):
        sums(x, offsets, weights, chunks[k, 0], chunks[k, 1], acc)
        finish_rows(acc, chunks[k, 1], sx, chunks[k, 0], norm, seg, fnorm, fseg, spans, rule, out)
