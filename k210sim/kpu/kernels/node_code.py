"""CPU layers and nodes as parts of a chain (team_code.py): each is one piece, and its record tells
by its first word what to do with the arrays at its addresses.

`moves` serves every format, `layers` kmodel V3; graph_code.py has the others' parts. What is
computed, and in which order, is that of quant.py and dense.py; sources and targets lie apart.
"""

from __future__ import annotations

import numpy as np

from k210sim.kpu.kernels import dense, quant, team_code
from k210sim.kpu.kernels.atomic import copy, matrix, numbers, vector
from k210sim.kpu.kernels.late_numba import cfunc, njit
from k210sim.kpu.kernels.rows import second

RECORD = 2  # word of a step, behind its function and number of pieces
ROOM = 22  # words of the longest record
# moves: bytes from place to place by up to four axes, or a value everywhere.
MOVE, FILL = 0, 1
# layers
(DEQUANTIZE_V3, QUANTIZE_V3, QUANTIZED_ADD, TABLE, FULLY_CONNECTED, SOFTMAX, L2_NORMALIZE,
 GLOBAL_AVERAGE, CHANNELWISE_DEQUANTIZE) = range(9)


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
                done = np.int64(0)
                if (size == 1 or size == 4) and r[11] == size and r[15] == 2 * size:
                    done = second(to, at, n3, size)
                if size == 1:
                    for d in range(done, n3):
                        vector(to + d * r[11], 1, np.uint8)[0] = vector(at + d * r[15], 1,
                                                                        np.uint8)[0]
                elif size == 4:
                    for d in range(done, n3):
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
    elif kind == GLOBAL_AVERAGE:
        dense.global_average(matrix(source, count, r[4], np.float32),
                             vector(to, count, np.float32))
    else:
        size = r[4]
        for c in range(count):
            params = vector(r[5] + 8 * c, 2, np.float32)
            quant.dequantize(vector(source + c * size, size, np.uint8), params[0], params[1],
                             vector(to + 4 * c * size, size, np.float32))
    return 1
