"""Code generation for register tiles of dot products, and the layouts they read.

The instructions are written as inline assembly, since LLVM's names for them changed their
signatures between versions.
"""

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

llvm.initialize_native_asmparser()  # without it LLVM ends the process at inline assembly


def tile(lanes: int, rows: int, vectors: int, code: str, constraints: str, fused: bool):
    """A numba intrinsic: sums of `rows` output channels by `vectors * lanes` positions.

    Its arguments are int64. x: address of the first position's 32-bit word; offsets: address of
    `count` int64 byte offsets, one per group of channels and tap; weights: address of
    count * rows words; out: address of int32 rows, out_stride bytes apart.
    code: one instruction. fused: it adds to its first operand; else its result is added after.
    """

    @intrinsic
    def dot_tile(typingctx, x, offsets, count, weights, out, out_stride):
        signature = types.void(*[types.int64] * 6)

        def codegen(context, builder, sig, args):
            x, offsets, count, weights, out, out_stride = args
            i32, i64 = ir.IntType(32), ir.IntType(64)
            vector = ir.VectorType(i32, lanes)
            operands = [vector] * (3 if fused else 2)
            dot = ir.InlineAsm(ir.FunctionType(vector, operands), code, constraints)

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
            for _ in range(rows * vectors):
                phi = builder.phi(vector)
                phi.add_incoming(ir.Constant(vector, [0] * lanes), entry)
                sums.append(phi)
            eight = builder.mul(k, ir.Constant(i64, 8))
            offset = builder.load(pointer(builder.add(offsets, eight), i64))
            start = builder.add(x, offset)
            inputs = []
            for v in range(vectors):
                where = builder.add(start, ir.Constant(i64, 4 * lanes * v))
                load = builder.load(pointer(where, vector))
                load.align = 1
                inputs.append(load)
            group = builder.add(weights, builder.mul(k, ir.Constant(i64, 4 * rows)))
            following = []
            for r in range(rows):
                word = builder.load(pointer(builder.add(group, ir.Constant(i64, 4 * r)), i32))
                word.align = 1
                single = builder.insert_element(ir.Constant(vector, ir.Undefined), word,
                                                ir.Constant(i32, 0))
                spread = builder.shuffle_vector(single, ir.Constant(vector, ir.Undefined),
                                                ir.Constant(vector, [0] * lanes))
                for v in range(vectors):
                    total = sums[r * vectors + v]
                    if fused:
                        following.append(builder.call(dot, [total, inputs[v], spread]))
                    else:
                        product = builder.call(dot, [inputs[v], spread])
                        following.append(builder.add(total, product))
            after = builder.add(k, ir.Constant(i64, 1))
            k.add_incoming(after, loop)
            for phi, value in zip(sums, following, strict=True):
                phi.add_incoming(value, loop)
            builder.cbranch(builder.icmp_signed("<", after, count), loop, done)
            builder.position_at_end(done)
            for r in range(rows):
                row = builder.add(out, builder.mul(out_stride, ir.Constant(i64, r)))
                for v in range(vectors):
                    store = builder.store(following[r * vectors + v], pointer(
                        builder.add(row, ir.Constant(i64, 4 * lanes * v)), vector))
                    store.align = 1
            return context.get_dummy_value()

        return signature, codegen

    return dot_tile


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


@njit("void(uint8[:, ::1], int16[:, :, ::1])", cache=True, nogil=True)
def interleave_wide(planes, out):
    """uint8 (C, pitch) to int16 (ceil(C / 2), pitch, 2); a missing channel is 0."""
    channels = planes.shape[0]
    for g in range(out.shape[0]):
        a = planes[2 * g]
        if 2 * g + 1 < channels:
            b = planes[2 * g + 1]
            for p in range(planes.shape[1]):
                out[g, p, 0] = np.int16(a[p])
                out[g, p, 1] = np.int16(b[p])
        else:
            for p in range(planes.shape[1]):
                out[g, p, 0] = np.int16(a[p])
                out[g, p, 1] = np.int16(0)
