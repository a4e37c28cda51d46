"""Code generation of what staircase.py does with sums: batch norm, lines, bytes, all in registers.

Arguments are numbers and addresses: an array that is handed to a function costs more than the bytes
of a small map. Whole vectors need no loop over what is left of a row but for its end, where the
same code works on one sum at a time.
"""

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from k210sim.kpu.kernels.late_numba import njit
from k210sim.kpu.kernels.vector_code import F32, I8, I32, call, load, spread

LANES = 8
FEW = 4  # lines of one channel
MAGIC = 1.5 * 2.0**23  # leaves no bits below the point: nearest, ties to even


def _norm(builder, u, const, least, most, factor, add):
    """The batch norm of sums, limited, as a whole number in float32."""
    lanes = u.type.count
    const, least, most = (spread(builder, v, lanes) for v in (const, least, most))
    factor, add = spread(builder, factor, lanes), spread(builder, add, lanes)
    u = builder.add(u, const)
    u = builder.select(builder.icmp_signed(">", u, least), u, least)
    u = builder.select(builder.icmp_signed("<", u, most), u, most)
    z = builder.sitofp(u, factor.type)
    hi = builder.fmul(z, factor)
    lost = call(builder, "fma", z, factor, builder.fneg(hi))
    whole = call(builder, "floor", hi)
    rest = call(builder, "floor", builder.fadd(builder.fsub(hi, whole), lost))
    return builder.fadd(builder.fadd(whole, rest), add)


def _bytes(lanes, extra, many):
    """An intrinsic: bytes of `lanes` sums by one line, or by FEW lines if `many`.

    Its arguments: addresses of sums, of int32 numbers to add to them (`extra`) and of the bytes;
    const, least, most, factor, add as in staircase.py; the lines' a and b, and if `many` every
    further line's first y, a and b.
    """
    def codegen(context, builder, sig, args):
        sums, more, out, const, least, most, factor, add, a, b = args[:10]
        u = load(builder, sums, ir.VectorType(I32, lanes))
        if extra:
            u = builder.add(u, load(builder, more, ir.VectorType(I32, lanes)))
        y = _norm(builder, u, const, least, most, factor, add)
        a, b = spread(builder, a, lanes), spread(builder, b, lanes)
        further = [spread(builder, value, lanes) for value in args[10:]]
        for first, next_a, next_b in zip(*[iter(further)] * 3, strict=True):
            beyond = builder.fcmp_ordered(">=", y, first)
            a = builder.select(beyond, next_a, a)
            b = builder.select(beyond, next_b, b)
        magic = spread(builder, ir.Constant(F32, MAGIC), lanes)
        nearest = builder.fadd(call(builder, "fma", y, a, b), magic)
        low = builder.trunc(builder.bitcast(nearest, ir.VectorType(I32, lanes)),
                            ir.VectorType(I8, lanes))
        builder.store(low, builder.inttoptr(out, low.type.as_pointer())).align = 1
        return context.get_dummy_value()

    numbers = [types.int64] * 3 + [types.int32] * 3 + [types.float32] * 4
    signature = types.void(*numbers, *[types.float32] * (3 * (FEW - 1) * many))
    if many:
        @intrinsic
        def bytes_of(typingctx, sums, more, out, const, least, most, factor, add, a, b, y1, a1, b1,
                     y2, a2, b2, y3, a3, b3):
            return signature, codegen
    else:
        @intrinsic
        def bytes_of(typingctx, sums, more, out, const, least, most, factor, add, a, b):
            return signature, codegen
    return bytes_of


_one, _one_more, _one_end, _one_more_end = (
    _bytes(lanes, extra, False) for lanes in (LANES, 1) for extra in (False, True))
_few, _few_more, _few_end, _few_more_end = (
    _bytes(lanes, extra, True) for lanes in (LANES, 1) for extra in (False, True))
NUMBERS = "int64, int64, int64, int64, int32, int32, int32, float32, float32, float32, float32"
FURTHER = ", float32" * (3 * (FEW - 1))


@njit(f"void({NUMBERS})", cache=True, nogil=True)
def one_line(sums, more, out, count, const, least, most, factor, add, a, b):
    """Bytes of `count` sums by a line. sums, more, out: addresses of int32 sums, of int32 to add or
    0, of the bytes."""
    whole = count // LANES * LANES
    if more == 0:
        for p in range(0, whole, LANES):
            _one(sums + 4 * p, more, out + p, const, least, most, factor, add, a, b)
        for p in range(whole, count):
            _one_end(sums + 4 * p, more, out + p, const, least, most, factor, add, a, b)
    else:
        for p in range(0, whole, LANES):
            _one_more(sums + 4 * p, more + 4 * p, out + p, const, least, most, factor, add, a, b)
        for p in range(whole, count):
            _one_more_end(sums + 4 * p, more + 4 * p, out + p, const, least, most, factor, add, a,
                          b)


@njit(f"void({NUMBERS}{FURTHER})", cache=True, nogil=True)
def few_lines(sums, more, out, count, const, least, most, factor, add, a, b, y1, a1, b1, y2, a2, b2,
              y3, a3, b3):
    """As one_line, by four lines; a further line serves from its y on."""
    whole = count // LANES * LANES
    if more == 0:
        for p in range(0, whole, LANES):
            _few(sums + 4 * p, more, out + p, const, least, most, factor, add, a, b, y1, a1, b1, y2,
                 a2, b2, y3, a3, b3)
        for p in range(whole, count):
            _few_end(sums + 4 * p, more, out + p, const, least, most, factor, add, a, b, y1, a1, b1,
                     y2, a2, b2, y3, a3, b3)
    else:
        for p in range(0, whole, LANES):
            _few_more(sums + 4 * p, more + 4 * p, out + p, const, least, most, factor, add, a, b,
                      y1, a1, b1, y2, a2, b2, y3, a3, b3)
        for p in range(whole, count):
            _few_more_end(sums + 4 * p, more + 4 * p, out + p, const, least, most, factor, add, a,
                          b, y1, a1, b1, y2, a2, b2, y3, a3, b3)
