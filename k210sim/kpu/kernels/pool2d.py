"""KPU pools on the bytes after the activation, and the CPU's quantized maximum pool.

Inputs are a kernel's working planes: uint8[channels, pitch], `row` bytes from one map row to the
next (rows may be longer than the map is wide). Output maps are C-contiguous, size = input // stride
per axis.
Source: nncase k210_kernels.h (pool types 0 to 9); type 6 takes row 0, column 1, as nncase relies
on (Sipeed's comment says row 1: open).
"""

import numpy as np

from k210sim.kpu.kernels.late_numba import njit


@njit("void(uint8[:, ::1], int64, int64, int64, uint8[:, :, ::1])", cache=True, nogil=True)
def pick(x, row, stride, column, out):
    """Types 0, 5, 6, 7: pixel (0, column) of every stride x stride block."""
    width = out.shape[2]
    for c in range(out.shape[0]):
        for i in range(out.shape[1]):
            at = i * stride * row + column
            line = x[c, at : at + stride * (width - 1) + 1]
            if stride == 1:
                for j in range(width):
                    out[c, i, j] = line[j]
            elif stride == 2:
                for j in range(width):
                    out[c, i, j] = line[2 * j]
            else:
                for j in range(width):
                    out[c, i, j] = line[j * stride]


@njit("void(uint8[:, ::1], int64, uint8[:, :, ::1])", cache=True, nogil=True)
def max2(x, row, out):
    """Type 1: maximum of 2x2 blocks: of the two rows first, then of neighbours."""
    width = out.shape[2]
    both = np.empty(2 * width, np.uint8)
    for c in range(out.shape[0]):
        for i in range(out.shape[1]):
            top = x[c, 2 * i * row : 2 * i * row + 2 * width]
            low = x[c, (2 * i + 1) * row : (2 * i + 1) * row + 2 * width]
            for j in range(2 * width):
                both[j] = max(top[j], low[j])
            for j in range(width):
                out[c, i, j] = max(both[2 * j], both[2 * j + 1])


@njit("void(uint8[:, ::1], int64, int64, uint8[:, :, ::1])", cache=True, nogil=True)
def max_block(x, row, size, out):
    """Type 3: maximum of size x size blocks."""
    for c in range(out.shape[0]):
        for i in range(out.shape[1]):
            for j in range(out.shape[2]):
                best = np.uint8(0)
                for a in range(size):
                    for b in range(size):
                        best = max(best, x[c, (i * size + a) * row + j * size + b])
                out[c, i, j] = best


@njit("void(uint8[:, ::1], int64, int64, uint8[:, :, ::1])", cache=True, nogil=True)
def mean_block(x, row, size, out):
    """Types 2 and 4: floored mean of size x size blocks."""
    for c in range(out.shape[0]):
        for i in range(out.shape[1]):
            for j in range(out.shape[2]):
                total = np.int64(0)
                for a in range(size):
                    for b in range(size):
                        total += np.int64(x[c, (i * size + a) * row + j * size + b])
                out[c, i, j] = total // (size * size)


@njit("void(uint8[:, ::1], int64, uint8[:, :, ::1])", cache=True, nogil=True)
def mean_slide(x, row, out):
    """Type 8: floored mean of the 2x2 window at every pixel; the last row and column repeat."""
    height, width = out.shape[1], out.shape[2]
    for c in range(out.shape[0]):
        for i in range(height):
            here, below = i * row, min(i + 1, height - 1) * row
            for j in range(width):
                right = min(j + 1, width - 1)
                total = np.int64(x[c, here + j]) + np.int64(x[c, here + right])
                total += np.int64(x[c, below + j]) + np.int64(x[c, below + right])
                out[c, i, j] = total // 4


@njit("void(uint8[:, ::1], int64, uint8[:, :, ::1])", cache=True, nogil=True)
def max_slide(x, row, out):
    """Type 9: maximum of the 2x2 window at every pixel; outside counts as 0."""
    height, width = out.shape[1], out.shape[2]
    for c in range(out.shape[0]):
        for i in range(height):
            here, below = i * row, min(i + 1, height - 1) * row
            top, low = x[c, here : here + width], x[c, below : below + width]
            line = out[c, i]
            for j in range(width - 1):
                line[j] = max(max(top[j], top[j + 1]), max(low[j], low[j + 1]))
            line[width - 1] = max(top[width - 1], low[width - 1])


@njit("void(uint8[:, :, ::1], int64, int64, int64, int64, int64, int64, uint8[:, :, ::1])",
      cache=True, nogil=True)
def cpu_max(x, kernel_w, kernel_h, stride_w, stride_h, pad_w, pad_h, out):
    """QuantizedMaxPool2d: windows clipped to the map, value starts at 0."""
    height, width = x.shape[1], x.shape[2]
    for c in range(out.shape[0]):
        for i in range(out.shape[1]):
            top = max(i * stride_h - pad_h, np.int64(0))
            bottom = min(i * stride_h - pad_h + kernel_h, np.int64(height))
            for j in range(out.shape[2]):
                left = max(j * stride_w - pad_w, np.int64(0))
                right = min(j * stride_w - pad_w + kernel_w, np.int64(width))
                best = np.uint8(0)
                for a in range(top, bottom):
                    for b in range(left, right):
                        best = max(best, x[c, a, b])
                out[c, i, j] = best
