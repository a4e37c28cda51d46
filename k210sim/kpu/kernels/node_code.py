"""CPU layers and nodes as parts of a chain (team_code.py): each is one piece, and its record tells
by its first word what to do with the arrays at its addresses.

`moves` serves every format, `layers` kmodel V3, `nodes` V4 and V5. What is computed, and in which
order, is that of quant.py, dense.py, neutral.py and tensors.py; sources and targets lie apart.
"""

from __future__ import annotations

import numpy as np
from numba import cfunc, njit

from k210sim.kpu.kernels import dense, neutral, quant, team_code, tensors
from k210sim.kpu.kernels.atomic import copy, cube, matrix, numbers, vector

RECORD = 2  # word of a step, behind its function and number of pieces
ROOM = 22  # words of the longest record
# moves: bytes from place to place by up to four axes, or a value everywhere.
MOVE, FILL = 0, 1
# layers
(DEQUANTIZE_V3, QUANTIZE_V3, QUANTIZED_ADD, TABLE, FULLY_CONNECTED, SOFTMAX, L2_NORMALIZE,
 GLOBAL_AVERAGE) = range(8)
# nodes
(DEQUANTIZE, QUANTIZE, QUANTIZED_BINARY, MATMUL, REDUCE, REDUCE_WINDOW, NEAREST, BINARY,
 LOOK_UP, QUANTIZE_V5, DEQUANTIZE_V5, REQUANTIZE_V5) = range(12)
MEAN = 4  # further operation of REDUCE: a sum that is divided, where 0 multiplies it


@njit(inline="always")
def real(record, word):
    """The float32 in a word of a record."""
    return vector(record + 8 * word, 1, np.float32)[0]


@njit(inline="always")
def move(r):
    """r: kind, target, source, bytes of an element, sizes of four axes, the target's strides in
    bytes, the source's. Elements of other than 1 and 4 bytes are rows."""
    size, n3 = r[3], r[7]
    for a in range(r[4]):
        for b in range(r[5]):
            for c in range(r[6]):
                to = r[1] + a * r[8] + b * r[9] + c * r[10]
                at = r[2] + a * r[12] + b * r[13] + c * r[14]
                if size == 1:
                    for d in range(n3):
                        vector(to + d * r[11], 1, np.uint8)[0] = vector(at + d * r[15], 1,
                                                                        np.uint8)[0]
                elif size == 4:
                    for d in range(n3):
                        vector(to + d * r[11], 1, np.int32)[0] = vector(at + d * r[15], 1,
                                                                        np.int32)[0]
                else:
                    for d in range(n3):
                        copy(to + d * r[11], at + d * r[15], size)


@njit(inline="always")
def fill(r):
    """r: kind, target, elements, bytes of an element (1 or 4), its value's bits."""
    if r[3] == 1:
        vector(r[1], r[2], np.uint8)[:] = np.uint8(r[4])
    else:
        vector(r[1], r[2], np.int32)[:] = np.int32(r[4])


@cfunc(team_code.PART, cache=True)
def moves(job, step, piece, member):
    """MOVE and FILL."""
    r = numbers(numbers(step, team_code.STEP_WORDS)[RECORD], ROOM)
    if r[0] == MOVE:
        move(r)
    else:
        fill(r)
    return 1


@cfunc(team_code.PART, cache=True)
def layers(job, step, piece, member):
    """Layers of kmodel V3. r: kind, target, source, count, and more as below."""
    at = numbers(step, team_code.STEP_WORDS)[RECORD]
    r = numbers(at, ROOM)
    kind, to, source, count = r[0], r[1], r[2], r[3]
    if kind == DEQUANTIZE_V3:
        quant.dequantize(vector(source, count, np.uint8), real(at, 4), real(at, 5),
                         vector(to, count, np.float32))
    elif kind == QUANTIZE_V3:
        quant.quantize(vector(source, count, np.float32), real(at, 4), real(at, 5), r[6],
                       vector(to, count, np.uint8))
    elif kind == QUANTIZED_ADD:
        quant.quantized_add(vector(source, count, np.uint8), vector(r[4], count, np.uint8),
                            numbers(at + 40, 9), vector(to, count, np.uint8))
    elif kind == TABLE:
        table, x = vector(r[4], 256, np.uint8), vector(source, count, np.uint8)
        out = vector(to, count, np.uint8)
        for i in range(count):
            out[i] = table[x[i]]
    elif kind == FULLY_CONNECTED:
        dense.fully_connected(vector(source, r[4], np.float32),
                              matrix(r[5], count, r[4], np.float32),
                              vector(r[6], count, np.float32), r[7],
                              vector(to, count, np.float32))
    elif kind == SOFTMAX:
        dense.softmax(vector(source, count, np.float32), dense.FLT_MIN,
                      vector(to, count, np.float32))
    elif kind == L2_NORMALIZE:
        dense.l2_normalize(vector(source, count, np.float32), vector(to, count, np.float32))
    else:
        dense.global_average(matrix(source, count, r[4], np.float32),
                             vector(to, count, np.float32))
    return 1


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
