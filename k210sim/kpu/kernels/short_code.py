"""Code generation of the short way of staircase.py, from a sum to its byte in eight operations.

Vectors of WIDE sums: the compiler cuts them to what the processor has, 8 lanes or 16. What is left
of a row is done by a vector that ends where the row does, some sums a second time.
"""

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from k210sim.kpu.kernels.atomic import vector
from k210sim.kpu.kernels.host import host_has
from k210sim.kpu.kernels.late_numba import njit
from k210sim.kpu.kernels.vector_code import F32, I8, I32, I64, call, load, spread

WIDE, FEW = 32, 8
MARKS = 128  # vectors with lanes where two bytes are left, noted at once
ONE, TWO, NEAR, PLACED = range(4)
EIGHT = 8
# LLVM's name of the conversion of EIGHT float32 to the nearest whole numbers in one instruction.
WHOLE = "llvm.x86.avx.cvt.ps2dq.256" if host_has("avx2") and not host_has("avx512f") else None


def _either(builder, first, here, second, there):
    """The value of whichever block was left."""
    value = builder.phi(first.type)
    value.add_incoming(first, here)
    value.add_incoming(second, there)
    return value


def _value(builder, lanes, p, sums, more, const, factor, magic, minus):
    """y of `lanes` sums, as staircase.short_value."""
    vector = ir.VectorType(I32, lanes)
    const = spread(builder, const, lanes)
    bytes_ = builder.shl(p, ir.Constant(I64, 2))
    with builder.if_else(builder.icmp_signed("==", more, ir.Constant(I64, 0))) as (alone, both):
        with alone:
            here = builder.block
        with both:
            added = builder.add(load(builder, builder.add(more, bytes_), vector), const)
            there = builder.block
    plus = _either(builder, const, here, added, there)
    u = builder.add(load(builder, builder.add(sums, bytes_), vector), plus)
    z = builder.sitofp(u, ir.VectorType(F32, lanes))
    factor, magic, minus = (spread(builder, v, lanes) for v in (factor, magic, minus))
    return builder.fsub(call(builder, "fma", z, factor, magic), minus)


def _of_line(builder, y, numbers, second):
    """A line's numbers for every y: those of a second line, behind its first y, where it has begun.
    """
    numbers = [spread(builder, value, y.type.count) for value in numbers]
    if not second:
        return numbers
    first, *others = (spread(builder, value, y.type.count) for value in second)
    beyond = builder.fcmp_ordered(">=", y, first)
    return [builder.select(beyond, other, one) for one, other in zip(numbers, others, strict=True)]


def _limit(builder, compare, value, least, most):
    value = builder.select(compare(">", value, least), value, least)
    return builder.select(compare("<", value, most), value, most)


def _whole(builder, value):
    """The nearest whole number of each lane, ties to even, as an int32; values are below 2**31."""
    lanes = value.type.count
    if lanes % EIGHT or not WHOLE:
        return builder.fptosi(call(builder, "rint", value), ir.VectorType(I32, lanes))
    undefined = ir.Constant(value.type, ir.Undefined)
    kind = ir.FunctionType(ir.VectorType(I32, EIGHT), [ir.VectorType(F32, EIGHT)])
    convert = builder.module.globals.get(WHOLE) or ir.Function(builder.module, kind, WHOLE)
    parts = []
    for first in range(0, lanes, EIGHT):
        some = ir.Constant(ir.VectorType(I32, EIGHT), list(range(first, first + EIGHT)))
        parts.append(builder.call(convert, [builder.shuffle_vector(value, undefined, some)]))
    while len(parts) > 1:
        every = ir.Constant(ir.VectorType(I32, 2 * parts[0].type.count),
                            list(range(2 * parts[0].type.count)))
        parts = [builder.shuffle_vector(one, other, every)
                 for one, other in zip(parts[::2], parts[1::2], strict=True)]
    return parts[0]


def _byte(builder, whole):
    """Whole numbers limited to bytes, in int32: limited before they are cut, numbers are packed by
    instructions that saturate."""
    return _limit(builder, builder.icmp_signed, whole,
                  *(ir.Constant(whole.type, [one] * whole.type.count) for one in (0, 255)))


def _put(builder, number, ends, out):
    """Store numbers as bytes, limited to the two of `ends`."""
    lanes = number.type.count
    least, most = (spread(builder, builder.trunc(builder.lshr(ends, ir.Constant(I32, shift)), I8),
                          lanes) for shift in (0, 8))
    low = builder.trunc(number, ir.VectorType(I8, lanes))
    low = _limit(builder, builder.icmp_unsigned, low, least, most)
    builder.store(low, builder.inttoptr(out, low.type.as_pointer())).align = 1


def _search(builder, y, number, table):
    """A number, or one less where y is below the float32 at its place in the table."""
    at = builder.add(table, builder.shl(builder.zext(number, I64), ir.Constant(I64, 2)))
    place = builder.load(builder.inttoptr(at, F32.as_pointer()))
    return builder.sub(number, builder.zext(builder.fcmp_ordered("<", y, place), I32))


def _differ(builder, a, b):
    """In which lanes two vectors differ: an int64, the first lane's bit the lowest."""
    bits = builder.bitcast(builder.icmp_signed("!=", a, b), ir.IntType(a.type.count))
    return builder.zext(bits, I64)


def _by_lines(lanes, kind):
    """An intrinsic: bytes of `lanes` sums by one line, by two, or by lines that are early.

    Its arguments: the first sum's number; addresses of sums, of int32 numbers to add to them or 0,
    and of the bytes; const, ends, factor, magic, minus as in staircase.py; the line's a and b; then
    the other's first y, a and b; then what lines that are early are early by at most. Where two
    bytes are left the greater one is stored, and its lane's bit set in the int64 that is returned.
    PLACED is for one such lane: last comes the address of float32 places, and the place of the
    greater byte decides.
    """
    def codegen(context, builder, sig, args):
        p, sums, more, out, const, ends, factor, magic, minus = args[:9]
        y = _value(builder, lanes, p, sums, more, const, factor, magic, minus)
        line = _of_line(builder, y, args[9:11], () if kind == ONE else args[11:14])
        early = call(builder, "fma", y, line[0], line[1])
        whole = _whole(builder, early)
        number = _byte(builder, whole)
        if kind == PLACED:
            lane = ir.Constant(I32, 0)
            one = _search(builder, builder.extract_element(y, lane),
                          builder.extract_element(number, lane), args[-1])
            number = builder.insert_element(number, one, lane)
        _put(builder, number, ends, builder.add(out, p))
        if kind == NEAR:
            slack = spread(builder, args[14], lanes)
            return _differ(builder, whole, _whole(builder, builder.fsub(early, slack)))
        return context.get_dummy_value()

    numbers = [types.int64] * 4 + [types.int32] * 2 + [types.float32] * 5
    if kind == ONE:
        @intrinsic
        def bytes_of(typingctx, p, sums, more, out, const, ends, factor, magic, minus, a, b):
            return types.void(*numbers), codegen
    elif kind == TWO:
        @intrinsic
        def bytes_of(typingctx, p, sums, more, out, const, ends, factor, magic, minus, a, b, first,
                     a1, b1):
            return types.void(*numbers, *[types.float32] * 3), codegen
    elif kind == NEAR:
        @intrinsic
        def bytes_of(typingctx, p, sums, more, out, const, ends, factor, magic, minus, a, b, first,
                     a1, b1, slack):
            return types.int64(*numbers, *[types.float32] * 4), codegen
    else:
        @intrinsic
        def bytes_of(typingctx, p, sums, more, out, const, ends, factor, magic, minus, a, b, first,
                     a1, b1, slack, places):
            return types.void(*numbers, *[types.float32] * 4, types.int64), codegen
    return bytes_of


@intrinsic
def trailing_zeros(typingctx, value):
    """How many of the lowest bits of an int64 that is not 0 are 0."""
    def codegen(context, builder, sig, args):
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.int64), codegen


_one_wide, _one_few, _one = (_by_lines(lanes, ONE) for lanes in (WIDE, FEW, 1))
_two_wide, _two_few, _two = (_by_lines(lanes, TWO) for lanes in (WIDE, FEW, 1))
_near_wide, _near_few = (_by_lines(lanes, NEAR) for lanes in (WIDE, FEW))
_placed = _by_lines(1, PLACED)
NUMBERS = "int64, int64, int64, int64, int32, int32, float32, float32, float32, float32, float32"




@njit(inline="always")
def following(p, count):
    """The first number of the next vector of `count` sums, of which p are done, and whether it is
    a wide one: the last vectors end where the sums do, and may do some again."""
    left = count - p
    wide = count >= WIDE and left > 2 * FEW
    return (min(p, count - WIDE) if wide else min(p, max(count - FEW, 0))), wide


@njit(f"void({NUMBERS})", cache=True, nogil=True)
def one_line(sums, more, out, count, const, ends, factor, magic, minus, a, b):
    """Bytes of `count` sums by a line. sums, more, out: addresses of int32 sums, of int32 to add or
    0, of the bytes."""
    if count < FEW:
        for p in range(count):
            _one(p, sums, more, out, const, ends, factor, magic, minus, a, b)
        return
    p = 0
    while p < count:
        at, wide = following(p, count)
        if wide:
            _one_wide(at, sums, more, out, const, ends, factor, magic, minus, a, b)
            p = at + WIDE
        else:
            _one_few(at, sums, more, out, const, ends, factor, magic, minus, a, b)
            p = at + FEW


@njit(f"void({NUMBERS}, float32, float32, float32)", cache=True, nogil=True)
def two_lines(sums, more, out, count, const, ends, factor, magic, minus, a, b, first, a1, b1):
    """As one_line, by a second line from `first` on."""
    if count < FEW:
        for p in range(count):
            _two(p, sums, more, out, const, ends, factor, magic, minus, a, b, first, a1, b1)
        return
    p = 0
    while p < count:
        at, wide = following(p, count)
        if wide:
            _two_wide(at, sums, more, out, const, ends, factor, magic, minus, a, b, first, a1, b1)
            p = at + WIDE
        else:
            _two_few(at, sums, more, out, const, ends, factor, magic, minus, a, b, first, a1, b1)
            p = at + FEW


@njit(f"void({NUMBERS}, float32, float32, float32, float32, int64, int64)", cache=True, nogil=True)
def near_lines(sums, more, out, count, const, ends, factor, magic, minus, a, b, first, a1, b1,
               slack, places, marks):
    """As two_lines, with lines that are early by at most the slack; places: address of 256 float32,
    where each byte begins; marks: of room for MARKS int64.

    Where two bytes are left is noted, and decided for those alone: a branch at every vector would
    often be foretold wrongly."""
    if count < FEW:
        for p in range(count):
            _placed(p, sums, more, out, const, ends, factor, magic, minus, a, b, first, a1, b1,
                    slack, places)
        return
    p, noted = 0, vector(marks, MARKS, np.int64)
    while p < count:
        n = 0
        while p < count and n < MARKS:
            at, wide = following(p, count)
            if wide:
                found = _near_wide(at, sums, more, out, const, ends, factor, magic, minus, a, b,
                                   first, a1, b1, slack)
                p = at + WIDE
            else:
                found = _near_few(at, sums, more, out, const, ends, factor, magic, minus, a, b,
                                  first, a1, b1, slack)
                p = at + FEW
            noted[n] = at << 32 | found
            n += found != 0
        for k in range(n):
            at, found = noted[k] >> 32, noted[k] & 0xFFFFFFFF
            while found != 0:
                _placed(at + trailing_zeros(found), sums, more, out, const, ends, factor, magic,
                        minus, a, b, first, a1, b1, slack, places)
                found &= found - 1
