"""Integer dot products with the VPDPBUSD instruction on 256-bit registers (AVX-VNNI).

As kernels/dot512.py, with the shorter encoding processors without AVX-512 have.
"""


from k210sim.kpu.kernels import dot_code
from k210sim.kpu.kernels.late_numba import cfunc
from k210sim.kpu.kernels.sums import SUMS

ROWS = 6  # output channels of one register tile
VECTORS = 2  # registers of 8 positions: 6 * 2 sums + 2 inputs + 1 weight fit the 16 registers
STEP = VECTORS * 8
SIGNED = False  # weights are bytes without the factor of the input sum
WINOGRAD = False  # bytes are too narrow for it
dot_tile = dot_code.tile(8, ROWS, VECTORS, "{vex} vpdpbusd $3, $2, $0", "=x,0,x,x", True)


@cfunc(SUMS, cache=True)
def sums(x, offsets, steps, weights, blocks, count, acc, row):
    """See sums.py."""
    for p in range(0, count, STEP):
        for block in range(blocks):
            dot_tile(x + 4 * p, offsets, steps, weights + block * steps * 4 * ROWS,
                     acc + block * ROWS * row + 4 * p, row)
