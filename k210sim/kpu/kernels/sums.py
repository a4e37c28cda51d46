"""The one function a kernel set with dot products has to bring, and how kernels call it.

It is a C function with eight int64: address of the first position's word; address of the byte
offsets, one per group of channels and tap, and how many they are; address of the weights [blocks,
offsets, ROWS] in words; blocks; positions, a multiple of STEP; address of the int32 sums, ROWS *
blocks rows, and the bytes from one to the next. A word is what one 32-bit lane of the instruction
multiplies: two numbers of 16 bits, or four of 8.

A set may have two more that take the output channels instead of blocks: `by_outputs`, the same
sums, without those of rows of the last block that are no channels where that saves work; and
`greatest`, that takes the offsets of PHASES outputs, one after the other, and gives the greatest of
their sums. A set with WINOGRAD has `even` as well, which is `by_outputs` for offsets that are all
as far apart.
"""

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

SUMS = types.void(*[types.int64] * 8)


@intrinsic
def call_sums(typingctx, function, x, offsets, steps, weights, blocks, count, acc, row):
    """Call a function of type SUMS by its address."""
    signature = types.void(*[types.int64] * 9)

    def codegen(context, builder, sig, args):
        i64 = ir.IntType(64)
        kind = ir.FunctionType(ir.VoidType(), [i64] * 8)
        builder.call(builder.inttoptr(args[0], kind.as_pointer()), args[1:])
        return context.get_dummy_value()

    return signature, codegen
