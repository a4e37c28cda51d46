"""Code generation for the transforms of schemes.py: straight lines of vector instructions.

Where two rows of a matrix differ in the signs of some columns only, their common part and what they
differ in are made once; where two columns do, the sum and the difference of their numbers.
"""

import math

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from k210sim.kpu.kernels.schemes import FOUR, TWO
from k210sim.kpu.kernels.vector_code import I8, I32, I64, load, spread

LANES = 8  # positions of a register
I16 = ir.IntType(16)


def _store(builder, value, address):
    builder.store(value, builder.inttoptr(address, value.type.as_pointer())).align = 1


def _plus(builder, base, step, count):
    """base + step * count, for a constant count."""
    return builder.add(base, builder.mul(step, ir.Constant(I64, count))) if count else base


def _times(builder, value, factor):
    return builder.mul(value, ir.Constant(value.type, [factor] * value.type.count))


def _sum(builder, factors, values):
    """The values times their constant factors, added up; one is not 0."""
    common = math.gcd(*factors)
    terms = sorted(((f // common, v) for f, v in zip(factors, values, strict=True) if f),
                   key=lambda term: -term[0])
    total = None
    for factor, value in terms:
        part = value if abs(factor) == 1 else _times(builder, value, abs(factor))
        if total is None:
            total = part if factor > 0 else builder.neg(part)
        else:
            total = (builder.add if factor > 0 else builder.sub)(total, part)
    return total if common == 1 else _times(builder, total, common)


def _alike(one, other):
    """Whether two rows or columns are, but for signs."""
    return [abs(a) for a in one] == [abs(b) for b in other] and sum(map(bool, one)) > 1


def product(builder, matrix, values):
    """A constant matrix times a column of vectors."""
    columns = [list(column) for column in zip(*matrix, strict=True)]
    values = list(values)
    for j in range(len(columns) - 1):
        if _alike(columns[j], columns[j + 1]) and columns[j] != columns[j + 1]:
            both = builder.add(*values[j : j + 2]), builder.sub(*values[j : j + 2])
            pairs = list(zip(columns[j], columns[j + 1], strict=True))
            columns[j] = [a if a == b else 0 for a, b in pairs]
            columns[j + 1] = [0 if a == b else a for a, b in pairs]
            values[j : j + 2] = both
    rows = [list(row) for row in zip(*columns, strict=True)]
    out = []
    while len(out) < len(rows):
        row = rows[len(out)]
        after = rows[len(out) + 1] if len(out) + 1 < len(rows) else []
        if after and _alike(row, after):
            pairs = list(zip(row, after, strict=True))
            common = [a if a == b else 0 for a, b in pairs]
            apart = [0 if a == b else a for a, b in pairs]
            if any(common) and any(apart):
                common, apart = (_sum(builder, part, values) for part in (common, apart))
                out += [builder.add(common, apart), builder.sub(common, apart)]
                continue
        out.append(_sum(builder, row, values))
    return out


def both_ways(builder, matrix, rows):
    """matrix * rows * matrix', first along the columns."""
    columns = [product(builder, matrix, column) for column in zip(*rows, strict=True)]
    return [product(builder, matrix, row) for row in zip(*columns, strict=True)]


def _input_tile(scheme):
    @intrinsic
    def input_tile(typingctx, x, plane, row, out, kind):
        """B d B' of LANES patches. x: address of the first one's word in the first plane; plane,
        row: bytes from a plane to the next and from a row to the next; out: address of the first of
        `kinds` rows of words, `kind` bytes apart."""
        def codegen(context, builder, sig, args):
            x, plane, row, out, kind = args
            size, side = scheme.size, scheme.side
            vector = ir.VectorType(I16, 2 * LANES)
            lines = [_plus(builder, _plus(builder, x, plane, i % size * size), row, i // size)
                     for i in range(side)]
            patch = [[load(builder, builder.add(_plus(builder, line, plane, j % size),
                                                ir.Constant(I64, j // size * 4)), vector)
                      for j in range(side)] for line in lines]
            for i, sums in enumerate(both_ways(builder, scheme.spread, patch)):
                to = _plus(builder, out, kind, i * side)
                for j, value in enumerate(sums):
                    _store(builder, value, _plus(builder, to, kind, j))
            return context.get_dummy_value()

        return types.void(*[types.int64] * 5), codegen

    return input_tile


def _weight_tile(scheme):
    @intrinsic
    def weight_tile(typingctx, weights, tap, factor, out, kind):
        """G w G' of 16 bytes of weights + factor. weights: address of the first of nine taps, `tap`
        bytes apart; out: address of the first of `kinds` rows of 16-bit numbers, `kind` bytes
        apart."""
        def codegen(context, builder, sig, args):
            weights, tap, factor, out, kind = args
            vector = ir.VectorType(I16, 16)
            more = spread(builder, builder.trunc(factor, I16), 16)
            taps = []
            for k in range(9):
                row = load(builder, _plus(builder, weights, tap, k), ir.VectorType(I8, 16))
                taps.append(builder.add(builder.zext(row, vector), more))
            sums = both_ways(builder, scheme.weigh, [taps[0:3], taps[3:6], taps[6:9]])
            for t in range(scheme.kinds):
                _store(builder, sums[t // scheme.side][t % scheme.side],
                       _plus(builder, out, kind, t))
            return context.get_dummy_value()

        return types.void(*[types.int64] * 5), codegen

    return weight_tile


def _output_tile(scheme, pool):
    """pool: side of the blocks of outputs of which only the greatest is kept, or 1."""
    @intrinsic
    def output_tile(typingctx, products, kind, out, phase):
        """A m A' of LANES patches, divided by its multiple. products: address of the first of
        `kinds` rows of 32-bit numbers, `kind` bytes apart; out: address of the first of the rows of
        sums, `phase` bytes apart: one for each output of a patch or each block of them."""
        def codegen(context, builder, sig, args):
            products, kind, out, phase = args
            vector, side = ir.VectorType(I32, LANES), scheme.side
            # A signed constant, as llvmlite writes it.
            inverse = (scheme.inverse + (1 << 31)) % (1 << 32) - (1 << 31)
            rows = [[load(builder, _plus(builder, products, kind, side * i + j), vector)
                     for j in range(side)] for i in range(side)]
            sums = both_ways(builder, scheme.gather, rows)
            for i, row in enumerate(sums):
                for j, value in enumerate(row):
                    if inverse != 1:
                        value = _times(builder, value, inverse)
                    two = ir.Constant(vector, [scheme.shifts[i] + scheme.shifts[j]] * LANES)
                    sums[i][j] = builder.ashr(value, two)
            edge = scheme.size // pool
            for n in range(edge * edge):
                block = [row[n % edge * pool : (n % edge + 1) * pool]
                         for row in sums[n // edge * pool : (n // edge + 1) * pool]]
                best, *others = [value for row in block for value in row]
                for value in others:
                    best = builder.select(builder.icmp_signed(">", value, best), value, best)
                _store(builder, best, _plus(builder, out, phase, n))
            return context.get_dummy_value()

        return types.void(*[types.int64] * 4), codegen

    return output_tile


input_two, input_four = _input_tile(TWO), _input_tile(FOUR)
weight_two, weight_four = _weight_tile(TWO), _weight_tile(FOUR)
output_two, output_four = _output_tile(TWO, 1), _output_tile(FOUR, 1)
greatest_two, greatest_four = _output_tile(TWO, 2), _output_tile(FOUR, 2)
