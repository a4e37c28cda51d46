"""Integer dot products with the VPMADDWD instruction on 256-bit registers (AVX2).

The shorter way over bytes, VPMADDUBSW, saturates its sums of two products at 16 bits and would not
be exact. So inputs and weights are widened to 16 bits before: two products of at most 255 * 255
make one 32-bit sum, and 9 * 1024 of them stay below 2**31. Signed weights with the factor of the
input sum in them fit as well, where the whole sum fits 32 bits.
"""

import numpy as np

from k210sim.kpu.kernels import dot_code, winograd_part
from k210sim.kpu.kernels.atomic import numbers
from k210sim.kpu.kernels.late_numba import cfunc
from k210sim.kpu.kernels.sums import SUMS

ROWS = 6  # output channels of one register tile
VECTORS = 2  # registers of 8 positions: 6 * 2 sums, 2 inputs, 1 weight, 1 product in 16 registers
STEP = 8
SIGNED = True  # weights may be any 16-bit numbers
WINOGRAD = winograd_part.layer  # 3x3 layers may go this way, for which pairs of 16 bits fit
PHASES = 4  # of a 2x2 pool, whose sums `greatest` makes two by two
dot_tile, half_tile = (dot_code.tile(8, ROWS, vectors, "vpmaddwd $2, $1, $0", "=x,x,x", False)
                       for vectors in (VECTORS, 1))
(four_tile, four_half), (two_tile, two_half) = (
    [dot_code.tile(8, rows, vectors, "vpmaddwd $2, $1, $0", "=x,x,x", False, of_rows=ROWS)
     for vectors in (VECTORS, 1)] for rows in (4, 2))
(even_tile, even_half), (even_four, even_four_half), (even_two, even_two_half) = (
    [dot_code.tile(8, rows, vectors, "vpmaddwd $2, $1, $0", "=x,x,x", False, of_rows=ROWS,
                   even=True) for vectors in (VECTORS, 1)] for rows in (ROWS, 4, 2))
(six_rows, six_more), (four_rows, four_more), (two_rows, two_more) = (
    [dot_code.tile(8, rows, 1, "vpmaddwd $2, $1, $0", "=x,x,x", False, 2, merge, ROWS)
     for merge in (False, True)] for rows in (ROWS, 4, 2))


@cfunc(SUMS, cache=True)
def sums(x, offsets, steps, weights, blocks, count, acc, row):
    """See sums.py."""
    # Positions inside: sums of all blocks at once would be written to more pages than the
    # processor's table of translations has entries.
    whole = count // (8 * VECTORS) * (8 * VECTORS)
    for block in range(blocks):
        here, to = weights + block * steps * 4 * ROWS, acc + block * ROWS * row
        for p in range(0, whole, 8 * VECTORS):
            dot_tile(x + 4 * p, offsets, steps, here, to + 4 * p, row)
        for p in range(whole, count, 8):
            half_tile(x + 4 * p, offsets, steps, here, to + 4 * p, row)


@cfunc(SUMS, cache=True)
def by_outputs(x, offsets, steps, weights, outputs, count, acc, row):
    """As `sums`, for a number of output channels, not of blocks: the last block's rows that are no
    channels are not summed up, as far as tiles of four or two leave them out. See sums.py."""
    rest = outputs % ROWS
    blocks = outputs // ROWS if 0 < rest <= 4 else (outputs + ROWS - 1) // ROWS
    whole = count // (8 * VECTORS) * (8 * VECTORS)
    for block in range(blocks):
        here, to = weights + block * steps * 4 * ROWS, acc + block * ROWS * row
        for p in range(0, whole, 8 * VECTORS):
            dot_tile(x + 4 * p, offsets, steps, here, to + 4 * p, row)
        for p in range(whole, count, 8):
            half_tile(x + 4 * p, offsets, steps, here, to + 4 * p, row)
    if blocks * ROWS >= outputs:
        return
    here, to = weights + blocks * steps * 4 * ROWS, acc + blocks * ROWS * row
    if rest > 2:
        for p in range(0, whole, 8 * VECTORS):
            four_tile(x + 4 * p, offsets, steps, here, to + 4 * p, row)
        for p in range(whole, count, 8):
            four_half(x + 4 * p, offsets, steps, here, to + 4 * p, row)
    else:
        for p in range(0, whole, 8 * VECTORS):
            two_tile(x + 4 * p, offsets, steps, here, to + 4 * p, row)
        for p in range(whole, count, 8):
            two_half(x + 4 * p, offsets, steps, here, to + 4 * p, row)


@cfunc(SUMS, cache=True)
def greatest(x, offsets, steps, weights, outputs, count, acc, row):
    """See sums.py."""
    more = offsets + 2 * steps * 8
    for first in range(0, outputs, ROWS):
        here, to, rows = weights + first * steps * 4, acc + first * row, outputs - first
        if rows > 4:
            for p in range(0, count, 8):
                six_rows(x + 4 * p, offsets, steps, here, to + 4 * p, row)
                six_more(x + 4 * p, more, steps, here, to + 4 * p, row)
        elif rows > 2:
            for p in range(0, count, 8):
                four_rows(x + 4 * p, offsets, steps, here, to + 4 * p, row)
                four_more(x + 4 * p, more, steps, here, to + 4 * p, row)
        else:
            for p in range(0, count, 8):
                two_rows(x + 4 * p, offsets, steps, here, to + 4 * p, row)
                two_more(x + 4 * p, more, steps, here, to + 4 * p, row)


@cfunc(SUMS, cache=True)
def even(x, offsets, steps, weights, outputs, count, acc, row):
    """As `by_outputs`, for offsets that are as far apart as the first two. See sums.py."""
    at = numbers(offsets, steps)
    x += at[0]
    step = at[1] - at[0] if steps > 1 else np.int64(0)
    whole = count // (8 * VECTORS) * (8 * VECTORS)
    for first in range(0, outputs, ROWS):
        here, to, rows = weights + first * steps * 4, acc + first * row, outputs - first
        if rows > 4:
            for p in range(0, whole, 8 * VECTORS):
                even_tile(x + 4 * p, step, steps, here, to + 4 * p, row)
            for p in range(whole, count, 8):
                even_half(x + 4 * p, step, steps, here, to + 4 * p, row)
        elif rows > 2:
            for p in range(0, whole, 8 * VECTORS):
                even_four(x + 4 * p, step, steps, here, to + 4 * p, row)
            for p in range(whole, count, 8):
                even_four_half(x + 4 * p, step, steps, here, to + 4 * p, row)
        else:
            for p in range(0, whole, 8 * VECTORS):
                even_two(x + 4 * p, step, steps, here, to + 4 * p, row)
            for p in range(whole, count, 8):
                even_two_half(x + 4 * p, step, steps, here, to + 4 * p, row)
