"""Integer dot products with the VPDPBUSD instruction on 512-bit registers (AVX-512 VNNI).

The instruction adds four products of an unsigned and a signed byte to each of 16 32-bit sums. The
input's bytes are unsigned as they are; the weights are shifted by 128 to fit a signed byte, and
the caller adds 128 times the sum of inputs. Exact: 9 * 1024 products of at most 255 * 128 stay
below 2**31, and the instruction without "S" does not saturate.
"""


from k210sim.kpu.kernels import dot_code
from k210sim.kpu.kernels.late_numba import cfunc
from k210sim.kpu.kernels.sums import SUMS

ROWS = 6  # output channels of one register tile
VECTORS = 4  # registers of 16 positions: 6 * 4 sums + 4 inputs + 1 weight fit the 32 registers
STEP = VECTORS * 16
SIGNED = False  # weights are bytes without the factor of the input sum
WINOGRAD = False  # bytes are too narrow for it
dot_tile = dot_code.tile(16, ROWS, VECTORS, "vpdpbusd $3, $2, $0", "=v,0,v,v", True)


@cfunc(SUMS, cache=True)
def sums(x, offsets, steps, weights, blocks, count, acc, row):
    """See sums.py."""
    for p in range(0, count, STEP):
        for block in range(blocks):
            dot_tile(x + 4 * p, offsets, steps, weights + block * steps * 4 * ROWS,
                     acc + block * ROWS * row + 4 * p, row)
