"""Rows of bytes copied from address to address by vectors: to call a copying function for every row
of a narrow map takes longer than the row."""

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from k210sim.kpu.kernels.atomic import copy
from k210sim.kpu.kernels.late_numba import njit
from k210sim.kpu.kernels.vector_code import I8, I32, load


def _move(size):
    @intrinsic
    def move(typingctx, to, source):
        """Copy `size` bytes."""
        def codegen(context, builder, sig, args):
            some = load(builder, args[1], ir.VectorType(I8, size))
            builder.store(some, builder.inttoptr(args[0], some.type.as_pointer())).align = 1
            return context.get_dummy_value()

        return types.void(types.int64, types.int64), codegen

    return move


_move32, _move16, _move8, _move4 = (_move(size) for size in (32, 16, 8, 4))


@njit("void(int64, int64, int64, int64, int64, int64)", cache=True, nogil=True)
def copy_rows(to, to_pitch, source, pitch, rows, width):
    """`rows` rows of `width` bytes, to_pitch and pitch bytes apart. No byte beside them is touched:
    the last vector of a row ends with it, some bytes a second time."""
    if width >= 32:
        for i in range(rows):
            for x in range(0, width - 31, 32):
                _move32(to + i * to_pitch + x, source + i * pitch + x)
            x = width - 32
            _move32(to + i * to_pitch + x, source + i * pitch + x)
    elif width >= 16:
        x = width - 16
        for i in range(rows):
            _move16(to + i * to_pitch, source + i * pitch)
            _move16(to + i * to_pitch + x, source + i * pitch + x)
    elif width >= 8:
        x = width - 8
        for i in range(rows):
            _move8(to + i * to_pitch, source + i * pitch)
            _move8(to + i * to_pitch + x, source + i * pitch + x)
    elif width >= 4:
        x = width - 4
        for i in range(rows):
            _move4(to + i * to_pitch, source + i * pitch)
            _move4(to + i * to_pitch + x, source + i * pitch + x)
    else:
        for i in range(rows):
            copy(to + i * to_pitch, source + i * pitch, width)


def _pick(kind, count):
    @intrinsic
    def pick(typingctx, to, source):
        """Copy every second one of 2 * count elements."""
        def codegen(context, builder, sig, args):
            some = load(builder, args[1], ir.VectorType(kind, 2 * count))
            even = ir.Constant(ir.VectorType(I32, count), [2 * i for i in range(count)])
            some = builder.shuffle_vector(some, some, even)
            builder.store(some, builder.inttoptr(args[0], some.type.as_pointer())).align = 1
            return context.get_dummy_value()

        return types.void(types.int64, types.int64), codegen

    return pick


_pick16, _pick8, _pick_words = _pick(I8, 16), _pick(I8, 8), _pick(I32, 8)


@njit("int64(int64, int64, int64, int64)", cache=True, nogil=True)
def second(to, source, count, size):
    """Every second element of a row, of 1 or 4 bytes, by vectors as far as these read none behind
    the last one: to and source are addresses, count is of what is copied. Returns how many were."""
    done = np.int64(0)
    if size == 4:
        while done + 8 < count:
            _pick_words(to + 4 * done, source + 8 * done)
            done += 8
        return done
    while done + 16 < count:
        _pick16(to + done, source + 2 * done)
        done += 16
    while done + 8 < count:
        _pick8(to + done, source + 2 * done)
        done += 8
    return done
