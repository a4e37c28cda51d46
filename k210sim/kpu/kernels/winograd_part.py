"""A layer by Winograd's ways (winograd.py) as a part of a chain, as dot_part.py is one.

A band of the map is transformed, then some blocks of output channels after the other go all the way
to pixels while what they need is in the second cache. Their weights are transformed just before:
for one band into the same room, which so stays in the cache; for several into a room of their own,
by the first band, for the others.
"""

import numpy as np

from k210sim.kpu.kernels import conv2d, dot_part, maps, staircase, team_code, winograd
from k210sim.kpu.kernels.atomic import matrix, numbers, vector
from k210sim.kpu.kernels.late_numba import cfunc

# Behind the words of dot_part.py: size and edge as winograd.py takes them, blocks worked on at
# once, groups whose words are made at once, height and width of the output, bytes from the words to
# transformed inputs and from one kind of these to the next, room for products.
(SIZE, EDGE, TOGETHER, BATCH, HEIGHT, WIDTH, TRANSFORMED, INPUT_KIND, PRODUCTS_AT) = range(
    dot_part.RECORD_WORDS, dot_part.RECORD_WORDS + 9)
RECORD_WORDS = PRODUCTS_AT + 1


@cfunc(team_code.PART, cache=True)
def layer(job, step, piece, member):
    """Some bands or blocks of a layer, from map to map."""
    j, s = numbers(job, team_code.JOB_WORDS), numbers(step, team_code.STEP_WORDS)
    r = numbers(s[dot_part.RECORD], RECORD_WORDS)
    n = r[dot_part.NUMBERS :]
    frame = numbers(r[dot_part.FRAME], 5)
    groups, pitch, per_block = r[dot_part.GROUPS], r[dot_part.PITCH], n[11]
    source = vector(j[team_code.SOURCE], j[team_code.SOURCE_SIZE], np.uint8)
    target = vector(j[team_code.TARGET], j[team_code.TARGET_SIZE], np.uint8)
    target_place = numbers(r[dot_part.TARGET_PLACE], 5)
    none = np.zeros(0, np.int64)
    size, edge = r[SIZE], r[EDGE]
    block, blocks, band, last = dot_part.share(r, piece)

    room = j[team_code.ROOM] + member * j[team_code.ROOM_SIZE]
    words, kept = room + r[dot_part.WORDS_AT], room + r[PRODUCTS_AT]
    row = 4 * r[dot_part.POSITIONS]
    transformed, x_kind = words + r[TRANSFORMED], r[INPUT_KIND]
    width = edge * edge * r[dot_part.POSITIONS]
    # Weights of one band need not be kept; a member's first band makes those of the others.
    keeps, made = r[dot_part.BANDS] > 1, numbers(room, 1)
    make = made[0] != step
    kind = winograd.kind_bytes(groups, per_block * r[TOGETHER])
    for b in range(band, last):
        y = b * n[2]
        rows = min(n[2], n[4] - y)
        count = (rows * n[5] + n[1] - 1) // n[1] * n[1]
        for g in range(0, groups, r[BATCH]):
            some = min(r[BATCH], groups - g)
            maps.words(source, numbers(r[dot_part.SOURCE_PLACE], 5), numbers(r[dot_part.SHAPE], 3),
                       frame, matrix(r[dot_part.PLANES], r[dot_part.PLANE_COUNT], 2, np.int64),
                       maps.WIDE, y, rows + n[3], g, matrix(words, some, pitch, np.int32))
            winograd.inputs(size, words, some, 4 * pitch, frame, rows, n[5],
                            transformed + g * row, x_kind, row)
        for c in range(0, blocks, r[TOGETHER]):
            some = min(r[TOGETHER], blocks - c)
            weights = room + r[dot_part.WEIGHTS_AT]
            if keeps:
                weights += c // r[TOGETHER] * (size + 2) ** 2 * kind
            if make:
                laid = r[dot_part.KEPT] + (block + c) * r[dot_part.KEPT_BYTES]
                winograd.weights(size, laid, some, 2 * groups * per_block, r[dot_part.FACTOR],
                                 weights, kind)
            first = (block + c) * per_block
            channels = min(some * per_block, r[dot_part.OUTPUTS] - first)
            each = winograd.apart(some * per_block * row)
            winograd.products(r[dot_part.FUNCTION], size, words, r[dot_part.STEPS], groups, weights,
                              kind, channels, count, kept, each, row)
            acc = matrix(room + r[dot_part.ACC_AT], channels, width, np.int32)
            result = matrix(room + r[dot_part.RESULT_AT], channels, width, np.uint8)
            winograd.outputs(size, edge, kept, each, row, channels, count,
                             room + r[dot_part.ACC_AT], 4 * width)
            ints, factors, lines, edges, packed = dot_part.proofs(r, first, channels)
            staircase.finish(acc, edge * edge * count, none, 0, ints, factors, lines, edges, packed,
                             result)
            if n[10] != 0:
                norm, seg, fnorm, fseg, spans = dot_part.tables(r, first, channels)
                conv2d.finish_rows(acc, edge * edge * count, none, 0, norm, seg, fnorm, fseg,
                                   spans, n[9], ints, result)
            maps.store_patches(result, edge, n[5], count, first, y, rows, r[HEIGHT], r[WIDTH],
                               target_place, target)
        make = make and not keeps
    made[0] = step if keeps and r[dot_part.BY_BLOCKS] == 0 else 0
    return 1
