"""Nodes of kmodel V4 and tensor functions of V5 as parts of a chain, like those of node_code.py.

What is computed, and in which order, is that of neutral.py and tensors.py.
"""

from __future__ import annotations

import numpy as np

from k210sim.kpu.kernels import neutral, team_code, tensors
from k210sim.kpu.kernels.atomic import cube, matrix, numbers, vector
from k210sim.kpu.kernels.late_numba import cfunc, njit
from k210sim.kpu.kernels.node_code import RECORD, ROOM, real

(DEQUANTIZE, QUANTIZE, QUANTIZED_BINARY, MATMUL, REDUCE, REDUCE_WINDOW, NEAREST, BINARY,
 LOOK_UP, QUANTIZE_V5, DEQUANTIZE_V5, REQUANTIZE_V5) = range(12)
MEAN = 4  # further operation of REDUCE: a sum that is divided, where 0 multiplies it


@njit(inline="always")
def limited(v, low, high):
    """v between low and high; NaN stays."""
    v = low if v <= low else v
    return high if v >= high else v


@njit(inline="always")
def binary(r, at):
    """r: kind, target, a, b, operation, limits, sizes of four axes, strides of a and of b in
    elements; the target is packed."""
    op, low, high = r[4], real(at, 5), real(at, 6)
    i = np.int64(0)
    size = r[7] * r[8] * r[9] * r[10]
    out = vector(r[1], size, np.float32)
    for n in range(r[7]):
        for c in range(r[8]):
            for y in range(r[9]):
                left = r[2] + 4 * (n * r[11] + c * r[12] + y * r[13])
                right = r[3] + 4 * (n * r[15] + c * r[16] + y * r[17])
                a = vector(left, (r[10] - 1) * r[14] + 1, np.float32)
                b = vector(right, (r[10] - 1) * r[18] + 1, np.float32)
                if op == 0:
                    for x in range(r[10]):
                        out[i + x] = limited(np.float32(a[x * r[14]] + b[x * r[18]]), low, high)
                elif op == 1:
                    for x in range(r[10]):
                        out[i + x] = limited(np.float32(a[x * r[14]] - b[x * r[18]]), low, high)
                elif op == 2:
                    for x in range(r[10]):
                        out[i + x] = limited(np.float32(a[x * r[14]] * b[x * r[18]]), low, high)
                else:
                    for x in range(r[10]):
                        out[i + x] = limited(np.float32(a[x * r[14]] / b[x * r[18]]), low,
                                             high)
                i += r[10]


@njit(inline="always")
def tensor(address, n, c, h, w):
    """The float32[n, c, h, w] at an address."""
    return cube(address, n * c, h, w, np.float32).reshape((n, c, h, w))


@cfunc(team_code.PART, cache=True, error_model="numpy")
def nodes(job, step, piece, member):
    """Nodes of kmodel V4. r: kind, target, source, and more as below."""
    at = numbers(step, team_code.STEP_WORDS)[RECORD]
    r = numbers(at, ROOM)
    kind, to, source = r[0], r[1], r[2]
    if kind == DEQUANTIZE:
        neutral.dequantize(vector(source, r[3], np.uint8), np.int32(r[4]), real(at, 5),
                           vector(to, r[3], np.float32))
    elif kind == QUANTIZE:
        neutral.quantize(vector(source, r[3], np.float32), real(at, 4), real(at, 5),
                         vector(to, r[3], np.uint8))
    elif kind == QUANTIZED_BINARY:
        neutral.quantized_binary(vector(source, r[3], np.uint8), vector(r[4], r[3], np.uint8),
                                 numbers(r[5], 256), numbers(r[6], 256), r[7], r[8], r[9], r[10],
                                 vector(to, r[3], np.uint8))
    elif kind == MATMUL:
        neutral.matmul(matrix(source, r[3], r[4], np.float32),
                       matrix(r[5], r[4], r[6], np.float32), vector(r[7], r[6], np.float32),
                       real(at, 8), real(at, 9), matrix(to, r[3], r[6], np.float32))
    elif kind == REDUCE:
        # More than one axis of the map, or others: element by element.
        x = tensor(source, r[4], r[5], r[6], r[7])
        out = tensor(to, r[8], r[9], r[10], r[11])
        flat = vector(to, r[8] * r[9] * r[10] * r[11], np.float32)
        flat[:] = real(at, 12)
        if r[3] in (0, 3, MEAN) and r[4] == r[8] and r[5] == r[9] and r[10] * r[11] == 1:
            neutral.row_sums(matrix(source, r[4] * r[5], r[6] * r[7], np.float32), flat)
        else:
            neutral.reduce(x, r[3], out)
        if r[3] == 0:
            flat *= real(at, 13)
        elif r[3] == MEAN:
            flat /= real(at, 13)
    elif kind == REDUCE_WINDOW:
        neutral.reduce_window(cube(source, r[3], r[4], r[5], np.float32), r[6], numbers(r[7], 8),
                              real(at, 8), real(at, 9), real(at, 10),
                              cube(to, r[3], r[11], r[12], np.float32))
    elif kind == NEAREST and r[10] == 4:
        neutral.nearest(cube(source, r[3], r[4], r[5], np.int32), numbers(r[8], r[6]),
                        numbers(r[9], r[7]), cube(to, r[3], r[6], r[7], np.int32))
    elif kind == NEAREST:
        neutral.nearest(cube(source, r[3], r[4], r[5], np.uint8), numbers(r[8], r[6]),
                        numbers(r[9], r[7]), cube(to, r[3], r[6], r[7], np.uint8))
    elif kind == BINARY:
        binary(r, at)
    elif kind == LOOK_UP:
        table, x = vector(r[4], 256, np.uint8), vector(source, r[3], np.uint8)
        out = vector(to, r[3], np.uint8)
        for i in range(r[3]):
            out[i] = table[x[i]]
    elif kind == QUANTIZE_V5:
        tensors.quantize(vector(source, r[3], np.float32), real(at, 4), real(at, 5), real(at, 6),
                         real(at, 7), vector(to, r[3], np.uint8))
    elif kind == DEQUANTIZE_V5:
        tensors.dequantize(vector(source, r[3], np.uint8), r[4] != 0, real(at, 5), real(at, 6),
                           vector(to, r[3], np.float32))
    elif kind == REQUANTIZE_V5:
        tensors.requantize(vector(source, r[3], np.uint8), r[4] != 0, real(at, 5), real(at, 6),
                           real(at, 7), real(at, 8), real(at, 9), real(at, 10),
                           vector(to, r[3], np.uint8))
    return 1
