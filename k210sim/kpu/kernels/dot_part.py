"""A layer of dot_code.py as a part of a chain (team_code.py): some bands of it, or some blocks of
its output channels.

Everything the kernel takes lies in a record of int64 words: numbers, and the addresses of arrays
that the plan and the chain keep. Work arrays lie in the member's own room, at the record's *_AT
bytes. So do wide weights: a piece of blocks makes its own, of bands the member's first one makes
all, since to fetch what another core wrote takes longer.
"""

import numpy as np

from k210sim.kpu.kernels import buckets, dot_code, team_code
from k210sim.kpu.kernels.atomic import cube, matrix, numbers, vector
from k210sim.kpu.kernels.late_numba import cfunc, njit

(FUNCTION, SOURCE_PLACE, TARGET_PLACE, SHAPE, PLANES, PLANE_COUNT, TAPS, PHASES, TAP_COUNT, FRAME,
 STEPS, STEP_COUNT, KEPT, BLOCKS, KEPT_BYTES, FACTOR, GROUPS, PITCH, COPIES, POSITIONS, ADDS,
 OUTPUTS, INTS, FACTORS, LINES, LINE_COUNT, EDGES, EDGE_COUNT, BUCKETS, BUCKET_COUNT,
 LONGER, NORM, SEGMENTS, SEGMENT_COUNT, FNORM, FSEG, FSEG_COUNT, SPANS, BANDS, BY_BLOCKS,
 PER_PIECE, WORDS_AT, ACC_AT, EXTRA_AT, RESULT_AT, WEIGHTS_AT, NUMBERS) = range(47)
TOGETHER = 14  # the last of the numbers: blocks summed and made pixels before the next
RECORD_WORDS = NUMBERS + TOGETHER + 1  # the others of the last are dot_code.layer's numbers
RECORD = 2  # word of a step, behind its function and number of pieces


@njit(inline="always")
def share(r, piece):
    """What a piece has to do: first block, blocks, first band, the one after its last."""
    if r[BY_BLOCKS] != 0:
        block = piece * r[PER_PIECE]
        return block, min(r[PER_PIECE], r[BLOCKS] - block), np.int64(0), r[BANDS]
    band = piece * r[PER_PIECE]
    return np.int64(0), r[BLOCKS], band, min(band + r[PER_PIECE], r[BANDS])


@njit(inline="always")
def proofs(r, first, count):
    """ints, factors, lines, edges, buckets of staircase.py of some channels."""
    return (matrix(r[INTS] + first * 20, count, 5, np.int32),
            vector(r[FACTORS] + first * 4, count, np.float32),
            matrix(r[LINES], r[LINE_COUNT], 3, np.float32),
            vector(r[EDGES], r[EDGE_COUNT], np.int32),
            buckets.opened(vector(r[BUCKETS], r[BUCKET_COUNT], np.uint16)))


@njit(inline="always")
def tables(r, first, count):
    """norm, seg, fnorm, fseg, spans of conv2d.py of some channels, empty where none needs them."""
    longer = count * r[LONGER]
    return (matrix(r[NORM] + first * 32, longer, 4, np.int64),
            matrix(r[SEGMENTS], r[SEGMENT_COUNT], 5, np.int64),
            matrix(r[FNORM] + first * 16, longer, 2, np.float64),
            matrix(r[FSEG], r[FSEG_COUNT], 4, np.float64),
            matrix(r[SPANS] + first * 16, longer, 2, np.int64))


@cfunc(team_code.PART, cache=True)
def layer(job, step, piece, member):
    """Some bands or blocks of a layer, from map to map."""
    j, s = numbers(job, team_code.JOB_WORDS), numbers(step, team_code.STEP_WORDS)
    r = numbers(s[RECORD], RECORD_WORDS)
    n = r[NUMBERS:]
    block, blocks, band, last = share(r, piece)
    room = j[team_code.ROOM] + member * j[team_code.ROOM_SIZE]
    size = r[KEPT_BYTES]
    weights = vector(r[KEPT] + block * size, blocks * size, np.uint8)
    if n[0] != 0:
        made = numbers(room, 1)
        if made[0] != step:
            bytes_ = matrix(r[KEPT] + block * size, blocks, size, np.uint8)
            dot_code.widen(bytes_, r[FACTOR],
                           matrix(room + r[WEIGHTS_AT], blocks, size, np.int16))
            made[0] = 0 if r[BY_BLOCKS] != 0 else step
        weights = vector(room + r[WEIGHTS_AT], 2 * blocks * size, np.uint8)
    first = block * n[11]
    count = min(blocks * n[11], r[OUTPUTS] - first)
    width, rows = r[POSITIONS], min(blocks, n[TOGETHER]) * n[11]
    ints, factors, lines, edges, packed = proofs(r, first, count)
    norm, seg, fnorm, fseg, spans = tables(r, first, count)
    dot_code.layer(
        r[FUNCTION], vector(j[team_code.SOURCE], j[team_code.SOURCE_SIZE], np.uint8),
        numbers(r[SOURCE_PLACE], 5), numbers(r[SHAPE], 3),
        matrix(r[PLANES], r[PLANE_COUNT], 2, np.int64),
        matrix(r[TAPS], r[PHASES], r[TAP_COUNT], np.int64), numbers(r[FRAME], 5), n,
        matrix(r[STEPS], r[PHASES], r[STEP_COUNT], np.int64), weights,
        matrix(room + r[WORDS_AT], r[GROUPS], r[PITCH], np.int32),
        cube(room + r[ACC_AT], r[COPIES], rows, width, np.int32),
        matrix(room + r[EXTRA_AT], r[PHASES], width * r[ADDS], np.int64),
        matrix(room + r[RESULT_AT], rows, width, np.uint8),
        ints, factors, lines, edges, packed, norm, seg, fnorm, fseg, spans,
        vector(j[team_code.TARGET], j[team_code.TARGET_SIZE], np.uint8),
        numbers(r[TARGET_PLACE], 5),
        first, band, last)
    return 1
