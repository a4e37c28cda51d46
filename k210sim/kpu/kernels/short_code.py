"""Code generation of the short way of staircase.py, from a sum to its byte in eight operations.

Vectors of WIDE sums: the compiler cuts them to what the processor has, 8 lanes or 16. What is left
of a row is done by a vector that ends where the row does, some sums a second time.
"""

from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from k210sim.kpu.kernels.vector_code import F32, I8, I32, I64, call, load, spread

WIDE, FEW = 32, 8
ONE, TWO, NEAR = range(3)
BEYOND = -0.25, 255.25  # a byte either way, with a slack of up to 1/32 as without


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


def _number(builder, whole):
    """A whole number in float32 as an integer from 0 to 255: limited before they are cut, numbers
    are packed by instructions that saturate."""
    vector = ir.VectorType(I32, whole.type.count)
    return _limit(builder, builder.icmp_signed, builder.fptosi(whole, vector),
                  *(ir.Constant(vector, [one] * vector.count) for one in (0, 255)))


def _put(builder, number, ends, out):
    """Store numbers as bytes, limited to the two of `ends`."""
    lanes = number.type.count
    least, most = (spread(builder, builder.trunc(builder.lshr(ends, ir.Constant(I32, shift)), I8),
                          lanes) for shift in (0, 8))
    low = builder.trunc(number, ir.VectorType(I8, lanes))
    low = _limit(builder, builder.icmp_unsigned, low, least, most)
    builder.store(low, builder.inttoptr(out, low.type.as_pointer())).align = 1


def _search(builder, y, number, table):
    """number, or one less where y is below the float32 at its place in the table."""
    for i in range(y.type.count):
        lane = ir.Constant(I32, i)
        old = builder.extract_element(number, lane)
        at = builder.add(table, builder.shl(builder.zext(old, I64), ir.Constant(I64, 2)))
        place = builder.load(builder.inttoptr(at, F32.as_pointer()))
        below = builder.fcmp_ordered("<", builder.extract_element(y, lane), place)
        number = builder.insert_element(number, builder.sub(old, builder.zext(below, I32)), lane)
    return number


def _differ(builder, a, b):
    """Whether two vectors differ in a lane."""
    bits = builder.fcmp_unordered("!=", a, b)
    word = ir.IntType(a.type.count)
    return builder.icmp_unsigned("!=", builder.bitcast(bits, word), ir.Constant(word, 0))


def _by_lines(lanes, kind):
    """An intrinsic: bytes of `lanes` sums by one line, by two, or by lines that are early.

    Its arguments: the first sum's number; addresses of sums, of int32 numbers to add to them or 0,
    and of the bytes; const, ends, factor, magic, minus as in staircase.py; the line's a and b; then
    the other's first y, a and b. Lines that are early have what they are early by behind their b,
    and last comes the address of float32 places: where two bytes are left, the place of the greater
    one decides.
    """
    def codegen(context, builder, sig, args):
        p, sums, more, out, const, ends, factor, magic, minus = args[:9]
        y = _value(builder, lanes, p, sums, more, const, factor, magic, minus)
        size = 3 if kind == NEAR else 2
        line = _of_line(builder, y, args[9 : 9 + size], args[9 + size : 10 + 2 * size])
        early = call(builder, "fma", y, line[0], line[1])
        if kind == NEAR:  # beyond the first and the last byte there is nothing to decide
            early = _limit(builder, builder.fcmp_ordered, early,
                           *(spread(builder, ir.Constant(F32, end), lanes) for end in BEYOND))
        whole = call(builder, "rint", early)
        number = _number(builder, whole)
        _put(builder, number, ends, builder.add(out, p))
        if kind == NEAR:
            late = call(builder, "rint", builder.fsub(early, line[2]))
            with builder.if_then(_differ(builder, whole, late), likely=False):
                _put(builder, _search(builder, y, number, args[-1]), ends, builder.add(out, p))
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
    else:
        @intrinsic
        def bytes_of(typingctx, p, sums, more, out, const, ends, factor, magic, minus, a, b, slack,
                     first, a1, b1, slack1, places):
            return types.void(*numbers, *[types.float32] * 5, types.int64), codegen
    return bytes_of


_one_wide, _one_few, _one = (_by_lines(lanes, ONE) for lanes in (WIDE, FEW, 1))
_two_wide, _two_few, _two = (_by_lines(lanes, TWO) for lanes in (WIDE, FEW, 1))
_near_wide, _near_few, _near = (_by_lines(lanes, NEAR) for lanes in (WIDE // 2, FEW, 1))
NUMBERS = "int64, int64, int64, int64, int32, int32, float32, float32, float32, float32, float32"


@njit(f"void({NUMBERS})", cache=True, nogil=True)
def one_line(sums, more, out, count, const, ends, factor, magic, minus, a, b):
    """Bytes of `count` sums by a line. sums, more, out: addresses of int32 sums, of int32 to add or
    0, of the bytes."""
    p = 0
    while p + WIDE <= count:
        _one_wide(p, sums, more, out, const, ends, factor, magic, minus, a, b)
        p += WIDE
    while p < count:
        if count < FEW:
            _one(p, sums, more, out, const, ends, factor, magic, minus, a, b)
            p += 1
        else:
            _one_few(min(p, count - FEW), sums, more, out, const, ends, factor, magic, minus, a, b)
            p += FEW


@njit(f"void({NUMBERS}, float32, float32, float32)", cache=True, nogil=True)
def two_lines(sums, more, out, count, const, ends, factor, magic, minus, a, b, first, a1, b1):
    """As one_line, by a second line from `first` on."""
    p = 0
    while p + WIDE <= count:
        _two_wide(p, sums, more, out, const, ends, factor, magic, minus, a, b, first, a1, b1)
        p += WIDE
    while p < count:
        if count < FEW:
            _two(p, sums, more, out, const, ends, factor, magic, minus, a, b, first, a1, b1)
            p += 1
        else:
            _two_few(min(p, count - FEW), sums, more, out, const, ends, factor, magic, minus, a, b,
                     first, a1, b1)
            p += FEW


@njit(f"void({NUMBERS}, float32, float32, float32, float32, float32, int64)",
      cache=True, nogil=True)
def near_lines(sums, more, out, count, const, ends, factor, magic, minus, a, b, slack, first,
               a1, b1, slack1, places):
    """As two_lines, with lines that are early by less than their slack; places: address of 256
    float32, where each byte begins."""
    p = 0
    while p + WIDE // 2 <= count:
        _near_wide(p, sums, more, out, const, ends, factor, magic, minus, a, b, slack,
                   first, a1, b1, slack1, places)
        p += WIDE // 2
    while p < count:
        if count < FEW:
            _near(p, sums, more, out, const, ends, factor, magic, minus, a, b, slack, first, a1,
                  b1, slack1, places)
            p += 1
        else:
            _near_few(min(p, count - FEW), sums, more, out, const, ends, factor, magic, minus, a, b,
                      slack, first, a1, b1, slack1, places)
            p += FEW
