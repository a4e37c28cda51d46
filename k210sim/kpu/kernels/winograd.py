"""3x3 convolutions by Winograd's F(2x2, 3x3): 16 products instead of 36 for four outputs, exact.

For a 4x4 patch d of a map and nine weights w, the 2x2 outputs are A'[(G w G') * (B' d B)]A with
small matrices; B' and A' hold only 0, 1 and -1, G halves. Here G is doubled, so all is integers and
the result is four times the sum:

    B' = 1  0 -1  0     2 G = 2  0  0     A' = 1  1  1  0
         0  1  1  0           1  1  1          0  1 -1 -1
         0 -1  1  0           1 -1  1
         0  1  0 -1           0  0  2

Exactness: a transformed input is a sum of four bytes with signs, at most 1020; a transformed weight
at most nine times a weight, which dot_frame.exact limits to 16 bits; so a product of pairs is exact
in 32 bits. All that follows are additions, exact modulo 2**32, and what comes out is four times a
sum that dot_frame.exact limits to 2**29: a shift by two gives the sum itself.
Source of the matrices: Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2015.

The map lies split by rows and columns, even and odd ones (maps.py): patches that are neighbours are
neighbours in every plane. In the words of a group of channels the planes are followed by the 16
transformed inputs. Products of one of them with its weights are the work of a set's `sums`.
"""

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from k210sim.kpu.kernels.sums import call_sums

LANES = 8  # positions of a register
TILES = 16  # transformed inputs of a patch
I16, I32, I64 = ir.IntType(16), ir.IntType(32), ir.IntType(64)


def _at(builder, address, kind):
    return builder.inttoptr(address, kind.as_pointer())


def _load(builder, address, kind):
    value = builder.load(_at(builder, address, kind))
    value.align = 1
    return value


def _store(builder, value, address):
    builder.store(value, _at(builder, address, value.type)).align = 1


def _plus(builder, base, step, count):
    """base + step * count, for a constant count."""
    return builder.add(base, builder.mul(step, ir.Constant(I64, count)))


def _spread(builder, d):
    """The four sums of B' of four values."""
    return [builder.sub(d[0], d[2]), builder.add(d[1], d[2]),
            builder.sub(d[2], d[1]), builder.sub(d[1], d[3])]


def _gather(builder, m):
    """The two sums of A' of four values."""
    both = builder.add(m[1], m[2]), builder.sub(m[1], m[2])
    return [builder.add(m[0], both[0]), builder.sub(both[1], m[3])]


def _weigh(builder, w):
    """The four sums of 2 G of three values."""
    ends = builder.add(w[0], w[2])
    return [builder.add(w[0], w[0]), builder.add(ends, w[1]), builder.sub(ends, w[1]),
            builder.add(w[2], w[2])]


def _both_ways(builder, rows, one_way):
    """one_way along every row, then along every column of what came."""
    rows = [one_way(builder, row) for row in rows]
    columns = [one_way(builder, list(column)) for column in zip(*rows, strict=True)]
    return [list(row) for row in zip(*columns, strict=True)]


@intrinsic
def input_tile(typingctx, x, plane, row, out, stride):
    """B' d B of LANES patches. x: address of the first one's word in the first plane; plane, row:
    bytes from a plane to the next and from a row to the next; out: address of the first of 16
    rows of words, `stride` bytes apart."""
    def codegen(context, builder, sig, args):
        x, plane, row, out, stride = args
        vector = ir.VectorType(I16, 2 * LANES)
        patch = []
        for i in range(4):
            line = []
            for j in range(4):
                place = _plus(builder, _plus(builder, x, plane, i % 2 * 2 + j % 2), row, i // 2)
                place = builder.add(place, ir.Constant(I64, j // 2 * 4))
                line.append(_load(builder, place, vector))
            patch.append(line)
        sums = _both_ways(builder, patch, _spread)
        for t in range(TILES):
            _store(builder, sums[t // 4][t % 4], _plus(builder, out, stride, t))
        return context.get_dummy_value()

    return types.void(*[types.int64] * 5), codegen


@intrinsic
def weight_tile(typingctx, weights, tap, factor, out, stride):
    """G w G' times four of 16 bytes of weights + factor. weights: address of the first of nine
    taps, `tap` bytes apart; out: address of the first of 16 rows of 16-bit numbers."""
    def codegen(context, builder, sig, args):
        weights, tap, factor, out, stride = args
        vector = ir.VectorType(I16, 16)
        undefined = ir.Constant(vector, ir.Undefined)
        single = builder.insert_element(undefined, builder.trunc(factor, I16), ir.Constant(I32, 0))
        more = builder.shuffle_vector(single, undefined,
                                      ir.Constant(ir.VectorType(I32, 16), [0] * 16))
        taps = []
        for k in range(9):
            row = _load(builder, _plus(builder, weights, tap, k), ir.VectorType(ir.IntType(8), 16))
            taps.append(builder.add(builder.zext(row, vector), more))
        sums = _both_ways(builder, [taps[0:3], taps[3:6], taps[6:9]], _weigh)
        for t in range(TILES):
            _store(builder, sums[t // 4][t % 4], _plus(builder, out, stride, t))
        return context.get_dummy_value()

    return types.void(*[types.int64] * 5), codegen


def _output_tile(greatest):
    @intrinsic
    def output_tile(typingctx, products, stride, out, phase):
        """A' m A / 4 of LANES patches. products: address of the first of 16 rows of 32-bit
        numbers, `stride` bytes apart; out: address of the first of four rows of sums, `phase`
        bytes apart, or of the row of their greatest."""
        def codegen(context, builder, sig, args):
            products, stride, out, phase = args
            vector = ir.VectorType(I32, LANES)
            rows = [[_load(builder, _plus(builder, products, stride, 4 * i + j), vector)
                     for j in range(4)] for i in range(4)]
            sums = [value for row in _both_ways(builder, rows, _gather) for value in row]
            if greatest:
                best = sums[0]
                for value in sums[1:]:
                    best = builder.select(builder.icmp_signed(">", value, best), value, best)
                sums = [best]
            for n, value in enumerate(sums):
                two = ir.Constant(vector, [2] * LANES)
                _store(builder, builder.ashr(value, two), _plus(builder, out, phase, n))
            return context.get_dummy_value()

        return types.void(*[types.int64] * 4), codegen

    return output_tile


four_sums, greatest_sum = _output_tile(False), _output_tile(True)


@njit("int64(int64, int64)", cache=True, nogil=True)
def kind_bytes(groups, rows):
    """Bytes of a block's weights of one of the 16 kinds."""
    # Registers are wider than the rows of a block: what is written too much needs room.
    return (groups * rows * 4 + 32 + 63) // 64 * 64


@njit("void(uint8[:, ::1], int64, int64, int64, uint8[:, ::1])", cache=True, nogil=True)
def widen(weights, groups, rows, factor, out):
    """Transformed weights of blocks, int16[16 kinds][groups, rows, 2] each, from bytes [groups, 9,
    rows, 2] plus the factor; a kind is kind_bytes() long. rows: at most 8."""
    size = 2 * rows
    stride = kind_bytes(groups, rows)
    copy = np.zeros(9 * size + 16, np.uint8)
    for b in range(weights.shape[0]):
        at, target = np.int64(weights[b].ctypes.data), np.int64(out[b].ctypes.data)
        for g in range(groups - 1):
            weight_tile(at + g * 9 * size, size, factor, target + g * 2 * size, stride)
        # 16 bytes are read where a tap has fewer: the last ones from a copy.
        for i in range(9 * size):
            copy[i] = weights[b, (groups - 1) * 9 * size + i]
        weight_tile(np.int64(copy.ctypes.data), size, factor, target + (groups - 1) * 2 * size,
                    stride)


@njit("void(int64, int32[:, ::1], int64[::1], int64[:, ::1], uint8[::1], int64, int64, int64, "
      "int64, int64, int32[:, :, ::1])", cache=True, nogil=True)
def sums(function, x, frame, steps, weights, blocks, rows, phases, together, count, acc):
    """The sums of `count` patches of 2x2 outputs.

    function: address of a set's `sums`; x: words of the planes, with room for 16 rows of
    transformed inputs where steps[t] (bytes, one per group) says; frame: as in maps.py; weights: as
    `widen` gives them; rows: output channels of a block; phases: 4, or 1 for the greatest of four;
    together: blocks whose products are kept at once. acc: sums [phases, channels, positions],
    followed by room for the products.
    """
    groups, channels, width = np.int64(steps.shape[1]), blocks * rows, np.int64(acc.shape[2])
    row = 4 * width
    base, target = np.int64(x.ctypes.data), np.int64(acc.ctypes.data)
    plane, line = 4 * frame[4], 4 * frame[3]
    apart = steps[1, 0] - steps[0, 0]
    for g in range(groups):
        at = base + 4 * g * np.int64(x.shape[1])
        for p in range(0, 4 * count, 4 * LANES):
            input_tile(at + p, plane, line, base + steps[0, g] + p, apart)
    kept = target + phases * channels * row
    kind = kind_bytes(groups, rows)
    for first in range(0, blocks, together):
        some = min(together, blocks - first)
        stride = some * rows * row
        for t in range(TILES):
            for b in range(some):
                call_sums(function, base, np.int64(steps[t].ctypes.data), groups,
                          np.int64(weights.ctypes.data) + ((first + b) * TILES + t) * kind,
                          np.int64(1), count, kept + t * stride + b * rows * row, row)
        for r in range(some * rows):
            at, to = kept + r * row, target + (first * rows + r) * row
            for p in range(0, 4 * count, 4 * LANES):
                if phases == 1:
                    greatest_sum(at + p, stride, to + p, np.int64(0))
                else:
                    four_sums(at + p, stride, to + p, channels * row)
