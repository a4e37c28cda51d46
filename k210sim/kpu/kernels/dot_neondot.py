"""Integer dot products with the UDOT instruction on 128-bit registers (ARMv8.2 dot products).

The instruction adds four products of unsigned bytes to each of four 32-bit sums, so inputs and
weights stay as they are: 9 * 1024 products of at most 255 * 255 stay below 2**31.
"""


from k210sim.kpu.kernels import arm, dot_code
from k210sim.kpu.kernels.late_numba import cfunc
from k210sim.kpu.kernels.sums import SUMS

ROWS = 6  # output channels of one register tile
VECTORS = 4  # registers of 4 positions: 6 * 4 sums + 4 inputs + 1 weight fit the 32 registers
STEP = VECTORS * 4
SIGNED = False  # weights are bytes without the factor of the input sum
WINOGRAD = False  # bytes are too narrow for it
dot_tile = dot_code.tile(4, ROWS, VECTORS, arm.UDOT, "=w,0,w,w", True)


@cfunc(SUMS, cache=True)
def sums(x, offsets, steps, weights, blocks, count, acc, row):
    """See sums.py."""
    for p in range(0, count, STEP):
        for block in range(blocks):
            dot_tile(x + 4 * p, offsets, steps, weights + block * steps * 4 * ROWS,
                     acc + block * ROWS * row + 4 * p, row)
