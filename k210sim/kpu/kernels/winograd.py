"""3x3 convolutions by the schemes of schemes.py, a step after the other.

The map lies split by rows and columns modulo the scheme's size (maps.py): patches that are
neighbours are neighbours in every plane. Transformed inputs lie kind by kind, in each group by
group; patches of a row follow those of the row before without a gap. Products of one kind are the
work of a set's `even`. A kind's weights are those of all blocks worked on at once.

size: which scheme, by its outputs along a side. All places are addresses and all steps are bytes.
"""

from k210sim.kpu.kernels import schemes
from k210sim.kpu.kernels.late_numba import njit
from k210sim.kpu.kernels.sums import call_sums
from k210sim.kpu.kernels.winograd_code import (
    LANES,
    greatest_four,
    greatest_two,
    input_four,
    input_two,
    output_four,
    output_two,
    weight_four,
    weight_two,
)

apart = njit("int64(int64)", cache=True, nogil=True)(schemes.apart)


@njit("int64(int64, int64)", cache=True, nogil=True)
def kind_bytes(groups, rows):
    """Bytes of the weights of one kind for some rows of output channels."""
    # The last register may be wider than what is left: what is written too much needs room.
    return apart(groups * rows * 4 + 32)


@njit("void(int64, int64, int64, int64, int64, int64, int64)", cache=True, nogil=True)
def weights(size, laid, blocks, numbers, factor, out, kind):
    """Transformed weights int16[kinds][blocks, numbers] of bytes [blocks, 9, numbers] plus the
    factor; numbers: weights of a tap in a block. kind: from one to the next in `out`. Up to 15
    bytes are read behind the last."""
    for b in range(blocks):
        at, to = laid + b * 9 * numbers, out + b * 2 * numbers
        for n in range(0, numbers, 16):
            if size == 4:
                weight_four(at + n, numbers, factor, to + 2 * n, kind)
            else:
                weight_two(at + n, numbers, factor, to + 2 * n, kind)


@njit("void(int64, int64, int64, int64, int64[::1], int64, int64, int64, int64, int64)", cache=True,
      nogil=True)
def inputs(size, x, groups, pitch, frame, rows, columns, out, kind, group):
    """Transformed inputs of `rows` rows of `columns` patches. x: words of the planes, groups
    `pitch` apart; frame: as in maps.py; kind, group: from one to the next in `out`."""
    row, plane = 4 * frame[3], 4 * frame[4]
    for g in range(groups):
        for y in range(rows):
            # The last vector of a row reaches beyond it; the next row writes that over.
            at, to = x + g * pitch + y * row, out + g * group + 4 * y * columns
            for p in range(0, 4 * columns, 4 * LANES):
                if size == 4:
                    input_four(at + p, plane, row, to + p, kind)
                else:
                    input_two(at + p, plane, row, to + p, kind)


@njit("void(int64, int64, int64, int64, int64, int64, int64, int64, int64, int64, int64, int64)",
      cache=True, nogil=True)
def products(function, size, x, steps, groups, made, made_kind, channels, count, out, kind, row):
    """Products of `count` patches with the weights of some output channels, summed over the input
    channels: int32[kinds, channels, count]. function: a set's `even` (sums.py); steps: int64[kinds,
    groups], where from x on transformed inputs are; made, made_kind: as `weights` gives them; kind,
    row: from one to the next in `out`."""
    for t in range((size + 2) ** 2):
        call_sums(function, x, steps + t * groups * 8, groups, made + t * made_kind, channels,
                  count, out + t * kind, row)


@njit("void(int64, int64, int64, int64, int64, int64, int64, int64, int64)", cache=True, nogil=True)
def outputs(size, edge, sums, kind, row, channels, count, out, channel):
    """Sums int32[channels][edge, edge, count] of products as `products` gives them. edge: sums
    along a patch's side, size or, for the greatest of each 2x2, half of it; channel: from one to
    the next in `out`."""
    for r in range(channels):
        at, to = sums + r * row, out + r * channel
        for p in range(0, 4 * count, 4 * LANES):
            if size == 4 and edge == 4:
                output_four(at + p, kind, to + p, 4 * count)
            elif size == 4:
                greatest_four(at + p, kind, to + p, 4 * count)
            elif edge == 2:
                output_two(at + p, kind, to + p, 4 * count)
            else:
                greatest_two(at + p, kind, to + p, 4 * count)
