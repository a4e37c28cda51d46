"""Code generation for register tiles of dot products, and the layer around them.

The instructions are written as inline assembly, since LLVM's names for them changed their
signatures between versions.
"""

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from k210sim.kpu.kernels import conv2d, maps, staircase
from k210sim.kpu.kernels.late_numba import njit
from k210sim.kpu.kernels.sums import call_sums

llvm.initialize_native_asmparser()  # without it LLVM ends the process at inline assembly


def tile(lanes: int, rows: int, vectors: int, code: str, constraints: str, fused: bool,
         phases: int = 1, merge: bool = False, of_rows: int | None = None, even: bool = False):
    """A numba intrinsic: sums of `rows` output channels by `vectors * lanes` positions.

    Its arguments are int64. x: address of the first position's 32-bit word; offsets: address of
    `count` int64 byte offsets, one per group of channels and tap; weights: address of
    count * rows words; out: address of int32 rows, out_stride bytes apart.
    code: one instruction. fused: it adds to its first operand; else its result is added after.
    phases: with more than one, `vectors` is 1, there are `count` offsets of each phase, and what is
    stored is the greatest of the phases' sums; merge: and of what lies there. of_rows: words of a
    step's weights, of which the first `rows` are used. even: `offsets` is the bytes from a step to
    the next instead: with nothing to look up, a tenth faster.
    """
    of_rows = of_rows or rows

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
            for _ in range(rows * vectors * phases):
                phi = builder.phi(vector)
                phi.add_incoming(ir.Constant(vector, [0] * lanes), entry)
                sums.append(phi)
            if even:
                place = builder.phi(i64)
                place.add_incoming(x, entry)
            inputs = []
            for n in range(phases):
                if even:
                    start = place
                else:
                    step = builder.add(k, builder.mul(count, ir.Constant(i64, n)))
                    eight = builder.mul(step, ir.Constant(i64, 8))
                    offset = builder.load(pointer(builder.add(offsets, eight), i64))
                    start = builder.add(x, offset)
                for v in range(vectors):
                    where = builder.add(start, ir.Constant(i64, 4 * lanes * v))
                    load = builder.load(pointer(where, vector))
                    load.align = 1
                    inputs.append(load)
            group = builder.add(weights, builder.mul(k, ir.Constant(i64, 4 * of_rows)))
            following = []
            for r in range(rows):
                word = builder.load(pointer(builder.add(group, ir.Constant(i64, 4 * r)), i32))
                word.align = 1
                single = builder.insert_element(ir.Constant(vector, ir.Undefined), word,
                                                ir.Constant(i32, 0))
                spread = builder.shuffle_vector(single, ir.Constant(vector, ir.Undefined),
                                                ir.Constant(vector, [0] * lanes))
                for v, some in enumerate(inputs):
                    total = sums[r * len(inputs) + v]
                    if fused:
                        following.append(builder.call(dot, [total, some, spread]))
                    else:
                        product = builder.call(dot, [some, spread])
                        following.append(builder.add(total, product))
            after = builder.add(k, ir.Constant(i64, 1))
            k.add_incoming(after, loop)
            if even:
                place.add_incoming(builder.add(place, offsets), loop)
            for phi, value in zip(sums, following, strict=True):
                phi.add_incoming(value, loop)
            builder.cbranch(builder.icmp_signed("<", after, count), loop, done)
            builder.position_at_end(done)
            for r in range(rows):
                row = builder.add(out, builder.mul(out_stride, ir.Constant(i64, r)))
                for v in range(vectors):
                    to = pointer(builder.add(row, ir.Constant(i64, 4 * lanes * v)), vector)
                    value, *others = following[r * vectors * phases + v :: vectors][:phases]
                    if merge:
                        others.append(builder.load(to))
                        others[-1].align = 1
                    for other in others:
                        more = builder.icmp_signed(">", other, value)
                        value = builder.select(more, other, value)
                    store = builder.store(value, to)
                    store.align = 1
            return context.get_dummy_value()

        return signature, codegen

    return dot_tile


@njit("void(uint8[:, ::1], int64, int16[:, ::1])", cache=True, nogil=True)
def widen(weights, factor, out):
    """weights + factor, which fit 16 bits."""
    more = np.int16(factor)
    for b in range(weights.shape[0]):
        row, wide = weights[b], out[b]
        for i in range(row.shape[0]):
            wide[i] = np.int16(np.int16(row[i]) + more)


@njit("void(int32[:, ::1], int32[:, ::1], int64, int64[:, ::1], int64, boolean)", cache=True,
      nogil=True)
def keep_greater(acc, other, count, extra, n, start):
    """acc[:, 0:count] = the greater of it and `other`, phase n of a pool, both with their terms of
    `extra` (int64[phases, positions], or none); `start`: acc is phase 0 and has none yet."""
    for o in range(acc.shape[0]):
        best, more = acc[o, 0:count], other[o, 0:count]
        if extra.shape[1] == 0:
            for p in range(count):
                best[p] = max(best[p], more[p])
        elif start:
            for p in range(count):
                best[p] = max(np.int32(best[p] + np.int32(extra[0, p])),
                              np.int32(more[p] + np.int32(extra[n, p])))
        else:
            for p in range(count):
                best[p] = max(best[p], np.int32(more[p] + np.int32(extra[n, p])))


@njit("void(int64, uint8[::1], int64[::1], int64[::1], int64[:, ::1], int64[:, ::1], int64[::1], "
      "int64[::1], int64[:, ::1], uint8[::1], int32[:, ::1], int32[:, :, ::1], int64[:, ::1], "
      "uint8[:, ::1], int32[:, ::1], float32[::1], float32[:, ::1], int32[::1], uint16[::1], "
      "int64[:, ::1], int64[:, ::1], float64[:, ::1], float64[:, ::1], int64[:, ::1], "
      "uint8[::1], int64[::1], int64, int64, int64)", cache=True, nogil=True)
def layer(function, source, source_place, shape, planes, taps, frame, numbers, steps, weights, x,
          acc, extra, result, ints, factors, lines, edges, buckets, norm, seg, fnorm, fseg, spans,
          target, target_place, channel, first, end):
    """Bands [first, end) of a layer, from map to map: words, sums, greatest over the phases of a
    pool, batch norm and activation, pixels.

    function: address of a set's `sums` (sums.py). taps: int64[phases, taps] in positions and steps:
    int64[phases, n] in bytes, offsets of what each output phase adds up. numbers: int64[14] = wide,
    multiple of positions, rows of a band, rows below it, rows and columns of the output, arg_x,
    shr_x, what was taken off the weights, activation rule, whether channels need the tables of
    conv2d.py (norm to spans), ROWS, address of a set's `greatest` or `by_outputs`, or 0 where
    phases are summed one by one by blocks, how the words of maps.py hold the channels. weights: of
    some blocks; channel: their first output channel. ints to buckets: see staircase.py. x, acc
    [copies, rows, positions], extra [phases, positions or 0] and result [rows, positions] are room
    to work in; rows: output channels, whole blocks, that are summed and become pixels before the
    next ones, so that their sums stay in the cache.
    """
    wide, step = numbers[0] != 0, numbers[1]
    row, channels = np.int64(acc.shape[2] * 4), np.int64(ints.shape[0])
    some = np.int64(acc.shape[1])
    block_bytes = np.int64(weights.shape[0]) // ((channels + numbers[11] - 1) // numbers[11])
    none = np.zeros(0, np.int64)
    for band in range(first, end):
        y = band * numbers[2]
        rows = min(numbers[2], numbers[4] - y)
        maps.words(source, source_place, shape, frame, planes, numbers[13], y, rows + numbers[3], 0,
                   x)
        count = (rows - 1) * frame[3] + numbers[5]
        count = (count + step - 1) // step * step
        added = none
        if extra.shape[1] > 0:
            maps.word_sums(x, wide, taps, count, numbers[6], numbers[7], numbers[8], extra)
            if steps.shape[0] == 1:
                added = extra[0, 0:count]
        for o in range(0, channels, some):
            n_out = min(some, channels - o)
            here = np.int64(weights.ctypes.data) + o // numbers[11] * block_bytes
            if numbers[12] != 0:
                call_sums(numbers[12], np.int64(x.ctypes.data), np.int64(steps.ctypes.data),
                          np.int64(steps.shape[1]), here, n_out, count, np.int64(acc.ctypes.data),
                          row)
            else:
                for n in range(steps.shape[0]):
                    call_sums(function, np.int64(x.ctypes.data), np.int64(steps[n].ctypes.data),
                              np.int64(steps.shape[1]), here,
                              (n_out + numbers[11] - 1) // numbers[11], count,
                              np.int64(acc[min(n, 1)].ctypes.data), row)
                    if n > 0:
                        keep_greater(acc[0], acc[1], count, extra, n, n == 1)
            part, table = result[0:n_out], ints[o : o + n_out]
            staircase.finish(acc[0], count, added, 0, table, factors[o : o + n_out], lines, edges,
                             buckets, part)
            if numbers[10] != 0:
                conv2d.finish_rows(acc[0], count, added, 0, norm[o : o + n_out], seg,
                                   fnorm[o : o + n_out], fseg, spans[o : o + n_out], numbers[9],
                                   table, part)
            maps.store(part, frame[3], channel + o, y, rows, numbers[5], target_place, target)
