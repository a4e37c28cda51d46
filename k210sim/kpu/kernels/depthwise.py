"""Depthwise 3x3 layers without a pool, from the map to the map: taps, batch norm, activation.

The factor of the input sum is folded into the weights; sums fit 32 bits. A channel's own plane
and its sums stay in the first cache.
"""

import numpy as np
from numba import types

from k210sim.kpu.kernels import maps, staircase, team_code
from k210sim.kpu.kernels.atomic import matrix, numbers, vector
from k210sim.kpu.kernels.buckets import opened
from k210sim.kpu.kernels.late_numba import cfunc, njit
from k210sim.kpu.kernels.rows import copy_rows
from k210sim.kpu.kernels.stair_fit import READ_ONLY
from k210sim.kpu.kernels.tap_code import WIDE, add_taps

TILE = 2048
# Words of a layer's record: numbers and addresses of arrays its plan keeps.
(SOURCE_PLACE, TARGET_PLACE, SHAPE, PAD, WEIGHTS, FACTOR, CHANNELS, INTS, FACTORS, LINES,
 LINE_COUNT, EDGES, EDGE_COUNT, BUCKETS, BUCKET_COUNT, RECORD_WORDS) = range(16)
RECORD, PER_PIECE = 2, 3  # words of a step, behind its function and number of pieces


@njit(inline="always")
def pair(low, high):
    """Two 16-bit numbers in an int32."""
    return np.int32((low & 0xFFFF) | (high << 16))


@njit(types.void(
    types.uint8[::1], types.int64[::1], types.int64[::1], types.int64, READ_ONLY, types.int64,
    types.int32[:, ::1], types.float32[::1], types.float32[:, ::1], types.int32[::1],
    types.uint16[::1], types.uint8[::1], types.int64[::1], types.int64, types.int64),
    cache=True, nogil=True)
def depthwise3x3(cells, place, shape, pad, weights, factor, ints, factors, lines, edges, buckets,
                 target, target_at, first, end):
    """Channels [first, end). weights: uint8[channels, 9]; factor: of the input sum, below 2**14,
    ints to buckets: see staircase.py."""
    height, width = shape[1], shape[2]
    row = width + 2
    count = (height - 1) * row + width
    # Sums are made by WIDE: that many bytes behind the plane are read.
    plane = np.empty((height + 2) * row + 2 * WIDE, np.uint8)
    plane[:] = np.uint8(pad)
    sums = np.empty(min(np.int64(TILE), count + WIDE), np.int32)
    out = np.empty(count, np.uint8)
    t = np.empty(staircase.TILE, np.int32)
    w = np.empty(9, np.int64)
    source, inside = np.int64(cells.ctypes.data), np.int64(plane.ctypes.data)
    to, made = np.int64(target.ctypes.data), np.int64(out.ctypes.data)
    added = np.int64(sums.ctypes.data)
    for c in range(first, end):
        for k in range(9):
            w[k] = np.int64(weights[c, k]) + factor
        a0, a1, a2, a3 = pair(w[0], w[1]), pair(w[2], 0), pair(0, w[0]), pair(w[1], w[2])
        b0, b1, b2, b3 = pair(w[3], w[4]), pair(w[5], 0), pair(0, w[3]), pair(w[4], w[5])
        c0, c1, c2, c3 = pair(w[6], w[7]), pair(w[8], 0), pair(0, w[6]), pair(w[7], w[8])
        at = source + maps.byte_of(place, c)
        if (c + 1) % place[1] == 0 and c + 1 < end:
            maps.fetch_rows(source + maps.byte_of(place, c + 1), place[4], 0, height, width)
        copy_rows(inside + row + 1, row, at, place[4], height, width)
        for base in range(0, count, TILE):
            n = min(count - base, np.int64(TILE))
            for p in range(0, n, WIDE):
                add_taps(inside + base + p, row, added + 4 * p, a0, a1, a2, a3, b0, b1, b2, b3,
                         c0, c1, c2, c3)
            staircase.channel(added, np.int64(0), made + base, n, c, ints, factors, lines, edges,
                              buckets, t)
        copy_rows(to + maps.byte_of(target_at, c), target_at[4], made, row, height, width)
    # Named here so that they are not freed while their addresses are used.
    w[0] = plane.shape[0] + sums.shape[0] + out.shape[0]


@cfunc(team_code.PART, cache=True)
def part(job, step, piece, member):
    """Some channels of depthwise3x3 as a part of a chain (team_code.py)."""
    j, s = numbers(job, team_code.JOB_WORDS), numbers(step, team_code.STEP_WORDS)
    r = numbers(s[RECORD], RECORD_WORDS)
    channels = r[CHANNELS]
    first = piece * s[PER_PIECE]
    depthwise3x3(
        vector(j[team_code.SOURCE], j[team_code.SOURCE_SIZE], np.uint8),
        numbers(r[SOURCE_PLACE], 5),
        numbers(r[SHAPE], 3), r[PAD], matrix(r[WEIGHTS], channels, 9, np.uint8), r[FACTOR],
        matrix(r[INTS], channels, 5, np.int32), vector(r[FACTORS], channels, np.float32),
        matrix(r[LINES], r[LINE_COUNT], 3, np.float32), vector(r[EDGES], r[EDGE_COUNT], np.int32),
        opened(vector(r[BUCKETS], r[BUCKET_COUNT], np.uint16)),
        vector(j[team_code.TARGET], j[team_code.TARGET_SIZE], np.uint8),
        numbers(r[TARGET_PLACE], 5),
        first, min(first + s[PER_PIECE], channels))
    return 1
