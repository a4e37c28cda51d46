"""Integer dot products on 128-bit registers with what every AArch64 processor has.

Bytes are widened to 16 bits before, as for AVX2. MUL keeps the low 16 bits of eight products, all
of them since 255 * 255 fits, and UADALP adds them, as unsigned pairs, to four 32-bit sums: 9 * 1024
products stay below 2**31.
"""


from k210sim.kpu.kernels import arm, dot_code
from k210sim.kpu.kernels.late_numba import cfunc
from k210sim.kpu.kernels.sums import SUMS

ROWS = 5  # output channels of one register tile
VECTORS = 4  # registers of 4 positions: 5 * 4 sums + 4 inputs + 1 weight + products in 32 registers
STEP = VECTORS * 4
SIGNED = False  # products are those of unsigned bytes
WINOGRAD = False  # needs signed pairs
dot_tile = dot_code.tile(4, ROWS, VECTORS, arm.PAIRS, "=w,0,w,w,~{v31}", True)


@cfunc(SUMS, cache=True)
def sums(x, offsets, steps, weights, blocks, count, acc, row):
    """See sums.py."""
    for p in range(0, count, STEP):
        for block in range(blocks):
            dot_tile(x + 4 * p, offsets, steps, weights + block * steps * 4 * ROWS,
                     acc + block * ROWS * row + 4 * p, row)
