"""Integer dot products with the VPDPBUSD instruction on 512-bit registers (AVX-512 VNNI).

The instruction adds four products of an unsigned and a signed byte to each of 16 32-bit sums. The
input's bytes are unsigned as they are; the weights are shifted by 128 to fit a signed byte, and
the caller adds 128 times the sum of inputs. Exact: 9 * 1024 products of at most 255 * 128 stay
below 2**31, and the instruction without "S" does not saturate.

The instruction is written as inline assembly, since its LLVM name has had two signatures.
"""

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

llvm.initialize_native_asmparser()  # without it LLVM ends the process at inline assembly

ROWS = 6  # output channels of one register tile
VECTORS = 4  # registers of 16 positions: 6 * 4 sums + 4 inputs + 1 weight fit the 32 registers
STEP = VECTORS * 16


@intrinsic
def dot_tile(typingctx, x, offsets, count, weights, out, out_stride):
    """Sums of one tile: 6 output channels by 64 positions. All arguments are int64.

    x: address of the first position's four bytes; offsets: address of `count` int64 byte offsets,
    one per group of four input channels and tap; weights: address of count * 6 groups of four
    signed bytes; out: address of int32 rows, out_stride bytes apart.
    """
    signature = types.void(*[types.int64] * 6)

    def codegen(context, builder, sig, args):
        x, offsets, count, weights, out, out_stride = args
        i32, i64 = ir.IntType(32), ir.IntType(64)
        vector = ir.VectorType(i32, 16)
        dot = ir.InlineAsm(ir.FunctionType(vector, [vector] * 3), "vpdpbusd $3, $2, $0",
                           "=v,0,v,v")

        def pointer(address, kind):
            return builder.inttoptr(address, kind.as_pointer())

        entry = builder.block
        loop = builder.append_basic_block("dot.loop")
        done = builder.append_basic_block("dot.done")
        builder.branch(loop)
        builder.position_at_end(loop)
        k = builder.phi(i64)
        k.add_incoming(ir.Constant(i64, 0), entry)
        sums = []
        for _ in range(ROWS * VECTORS):
            phi = builder.phi(vector)
            phi.add_incoming(ir.Constant(vector, [0] * 16), entry)
            sums.append(phi)
        eight = builder.mul(k, ir.Constant(i64, 8))
        offset = builder.load(pointer(builder.add(offsets, eight), i64))
        start = builder.add(x, offset)
        inputs = []
        for v in range(VECTORS):
            where = builder.add(start, ir.Constant(i64, 64 * v))
            load = builder.load(pointer(where, vector))
            load.align = 1
            inputs.append(load)
        group = builder.add(weights, builder.mul(k, ir.Constant(i64, 4 * ROWS)))
        following = []
        for r in range(ROWS):
            word = builder.load(pointer(builder.add(group, ir.Constant(i64, 4 * r)), i32))
            word.align = 1
            single = builder.insert_element(ir.Constant(vector, ir.Undefined), word,
                                            ir.Constant(i32, 0))
            spread = builder.shuffle_vector(single, ir.Constant(vector, ir.Undefined),
                                            ir.Constant(vector, [0] * 16))
            for v in range(VECTORS):
                following.append(builder.call(dot, [sums[r * VECTORS + v], inputs[v], spread]))
        after = builder.add(k, ir.Constant(i64, 1))
        k.add_incoming(after, loop)
        for phi, value in zip(sums, following, strict=True):
            phi.add_incoming(value, loop)
        builder.cbranch(builder.icmp_signed("<", after, count), loop, done)
        builder.position_at_end(done)
        for r in range(ROWS):
            row = builder.add(out, builder.mul(out_stride, ir.Constant(i64, r)))
            for v in range(VECTORS):
                store = builder.store(following[r * VECTORS + v], pointer(
                    builder.add(row, ir.Constant(i64, 64 * v)), vector))
                store.align = 1
        return context.get_dummy_value()

    return signature, codegen


@njit("void(uint8[:, ::1], uint8[:, :, ::1])", cache=True, nogil=True)
def interleave(planes, out):
    """uint8 (C, pitch) to (ceil(C / 4), pitch, 4); missing channels are 0."""
    channels = planes.shape[0]
    for g in range(out.shape[0]):
        a = planes[4 * g]
        if 4 * g + 3 < channels:
            b, c, d = planes[4 * g + 1], planes[4 * g + 2], planes[4 * g + 3]
            for p in range(planes.shape[1]):
                out[g, p, 0] = a[p]
                out[g, p, 1] = b[p]
                out[g, p, 2] = c[p]
                out[g, p, 3] = d[p]
            continue
        for p in range(planes.shape[1]):
            for i in range(4):
                out[g, p, i] = planes[4 * g + i, p] if 4 * g + i < channels else 0


@njit("void(uint8[:, :, ::1], int64[::1], int8[:, :, :, ::1], int64, int64, int32[:, ::1])",
      cache=True, nogil=True)
def sums(x, offsets, weights, base, count, acc):
    """acc[o, 0:count] for positions [base, base + count), count a multiple of 64.

    x from `interleave`; offsets: bytes, one per channel group and tap; weights: int8
    [blocks of 6, len(offsets), 6, 4]; acc: int32 [6 * blocks, at least count].
    """
    x_at = np.int64(x.ctypes.data) + 4 * base
    table = np.int64(offsets.ctypes.data)
    steps = np.int64(offsets.shape[0])
    rows = np.int64(acc.shape[1] * 4)
    for p in range(0, count, STEP):
        for block in range(weights.shape[0]):
            dot_tile(x_at + 4 * p, table, steps,
                     np.int64(weights.ctypes.data) + block * steps * 4 * ROWS,
                     np.int64(acc.ctypes.data) + block * ROWS * rows + 4 * p, rows)
