"""Code generation of depthwise 3x3 sums: nine taps of 32 neighbouring outputs.

A pair of neighbouring pixels, 16 bits each, times a pair of weights is one lane of one instruction
of x86: even outputs multiply the pairs that begin with their first pixel, odd ones the same pairs
with weights that are moved by one.
"""

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from k210sim.kpu.kernels.host import host_has
from k210sim.kpu.kernels.vector_code import I8, I32, I64, load, spread

WIDE = 32  # outputs of a step
I16 = ir.IntType(16)
# 16-bit numbers of a register -> LLVM's name of the products of pairs.
PRODUCTS = {16: "llvm.x86.avx2.pmadd.wd", 32: "llvm.x86.avx512.pmaddw.d.512"}
SIZE = 32 if host_has("avx512bw") else 16 if host_has("avx2") else 0


def _pairs(builder, x, weights):
    """Sums of the products of pairs, int32, of a vector with two weights in an int32."""
    half = x.type.count // 2
    pair = builder.bitcast(spread(builder, weights, half), x.type)
    kind = ir.FunctionType(ir.VectorType(I32, half), [x.type] * 2)
    name = PRODUCTS[x.type.count]
    function = builder.module.globals.get(name) or ir.Function(builder.module, kind, name)
    return builder.call(function, [x, pair])


def _by_pairs(builder, plane, row, weights, size):
    """Vectors of the sums of `size` outputs: even ones by the first two pairs of weights of every
    row, odd ones by the others, then in their order."""
    both = [None, None]
    for r in range(3):
        at = builder.add(plane, builder.mul(row, ir.Constant(I64, r)))
        bytes_ = ir.VectorType(I8, size)
        x = [builder.zext(load(builder, builder.add(at, ir.Constant(I64, j)), bytes_),
                          ir.VectorType(I16, size)) for j in (0, 2)]
        for odd in (0, 1):
            for j in (0, 1):
                product = _pairs(builder, x[j], weights[4 * r + 2 * odd + j])
                both[odd] = builder.add(both[odd], product) if both[odd] else product
    turns = [i // 2 + i % 2 * (size // 2) for i in range(size)]
    return builder.shuffle_vector(*both, ir.Constant(ir.VectorType(I32, size), turns))


def _by_taps(builder, plane, row, weights, size):
    """As _by_pairs, tap by tap, from the first of every pair."""
    total = None
    for r in range(3):
        at = builder.add(plane, builder.mul(row, ir.Constant(I64, r)))
        low, high = weights[4 * r], weights[4 * r + 1]
        taps = low, builder.ashr(low, ir.Constant(I32, 16)), high
        for j, weight in enumerate(taps):
            weight = builder.sext(builder.trunc(weight, I16), I32)
            x = load(builder, builder.add(at, ir.Constant(I64, j)), ir.VectorType(I8, size))
            product = builder.mul(builder.zext(x, ir.VectorType(I32, size)),
                                  spread(builder, weight, size))
            total = builder.add(total, product) if total else product
    return total


def taps(size):
    """An intrinsic: sums of WIDE outputs by registers of `size` 16-bit numbers, 0 for processors
    without products of pairs.

    Its arguments: address of the first output's first pixel, bytes to the next row, address of the
    int32 sums, and for every row four int32, pairs of numbers with the first in the lower half:
    weights 0 and 1, weight 2 and 0, 0 and weight 0, weights 1 and 2.
    """
    def codegen(context, builder, sig, args):
        plane, row, out, *weights = args
        one, step = (_by_pairs, size) if size else (_by_taps, WIDE)
        for first in range(0, WIDE, step):
            value = one(builder, builder.add(plane, ir.Constant(I64, first)), row, weights, step)
            to = builder.add(out, ir.Constant(I64, 4 * first))
            builder.store(value, builder.inttoptr(to, value.type.as_pointer())).align = 4
        return context.get_dummy_value()

    @intrinsic
    def add_taps(typingctx, plane, row, out, a0, a1, a2, a3, b0, b1, b2, b3, c0, c1, c2, c3):
        return types.void(*[types.int64] * 3, *[types.int32] * 12), codegen

    return add_taps


add_taps = taps(SIZE)
