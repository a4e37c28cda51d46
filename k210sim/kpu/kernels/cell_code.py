"""Code generation of what staircase.py does with the tables of buckets.py: batch norm in float64,
where it is exact, and the byte by ramps or cells.

Arguments are numbers and addresses, as in line_code.py. Values for cells take the way through
memory: to take the indices of a vector's cells out of it would cost more than the cells.
"""

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from k210sim.kpu.kernels.late_numba import njit
from k210sim.kpu.kernels.line_code import LANES
from k210sim.kpu.kernels.vector_code import I8, I32, I64, call, load, spread

WIDE = 32  # values whose bytes are found at once
SOME = 512  # values kept at once
F64 = ir.DoubleType()
TILE = 2 * SOME  # int32 of room for what is kept of them


def _vector(lanes, kind=I32):
    return ir.VectorType(kind, lanes)


def _every(vector, value):
    return ir.Constant(vector, [value] * vector.count)


def _values(builder, sums, more, const, least, most, factor, plus, lanes, extra):
    """The batch norm's values of `lanes` sums, limited, counted from an origin, as int32."""
    u = load(builder, sums, _vector(lanes))
    if extra:
        u = builder.add(u, load(builder, more, u.type))
    const, least, most = (spread(builder, v, lanes) for v in (const, least, most))
    u = builder.add(u, const)
    u = builder.select(builder.icmp_signed(">", u, least), u, least)
    u = builder.select(builder.icmp_signed("<", u, most), u, most)
    factor, plus = spread(builder, factor, lanes), spread(builder, plus, lanes)
    # Neither product nor sum is rounded (stair_fit.fit): fused or not is the same.
    y = call(builder, "fma", builder.sitofp(u, factor.type), factor, plus)
    return builder.fptosi(y, u.type)


def _ramp(lanes, extra):
    """An intrinsic: bytes of `lanes` sums by a ramp (buckets.py); begin: its first byte."""
    def codegen(context, builder, sig, args):
        sums, more, out, const, least, most, factor, plus, *ramp = args
        t = _values(builder, sums, more, const, least, most, factor, plus, lanes, extra)
        shift, half, even, begin, origin, top, *edges = (spread(builder, v, lanes) for v in ramp)
        d = builder.add(t, origin)
        odd = builder.and_(builder.ashr(d, shift), even)
        r = builder.ashr(builder.add(builder.add(d, half), odd), shift)
        r = builder.select(builder.icmp_signed("<", r, top), r, top)
        r = builder.add(r, begin)
        for edge in edges:
            r = builder.sub(r, builder.sext(builder.icmp_signed(">=", t, edge), r.type))
        low = builder.trunc(r, _vector(lanes, I8))
        builder.store(low, builder.inttoptr(out, low.type.as_pointer())).align = 1
        return context.get_dummy_value()

    signature = types.void(*[types.int64] * 3, *[types.int32] * 3, *[types.float64] * 2,
                           *[types.int32] * 9)

    @intrinsic
    def ramp(typingctx, sums, more, out, const, least, most, factor, plus, shift, half, even,
             begin, origin, top, edge0, edge1, edge2):
        return signature, codegen

    return ramp


def _keep(lanes, extra):
    """An intrinsic: numbers of the cells of `lanes` sums into int32 at the address t, and the
    values' places in them, as cells have them, SOME int32 further."""
    def codegen(context, builder, sig, args):
        sums, more, t, shift, *norm = args
        value, shift = _values(builder, sums, more, *norm, lanes, extra), spread(builder, shift,
                                                                                 lanes)
        inside = builder.shl(value, builder.sub(_every(value.type, 32), shift))
        inside = builder.xor(inside, _every(value.type, -(1 << 31)))
        for kept, at in ((builder.lshr(value, shift), 0), (inside, 4 * SOME)):
            at = builder.add(t, ir.Constant(I64, at))
            builder.store(kept, builder.inttoptr(at, kept.type.as_pointer())).align = 4
        return context.get_dummy_value()

    signature = types.void(*[types.int64] * 3, *[types.int32] * 4, *[types.float64] * 2)

    @intrinsic
    def keep(typingctx, sums, more, t, shift, const, least, most, factor, plus):
        return signature, codegen

    return keep


def _found(builder, t, table, lanes):
    """The two words of the cells of `lanes` values, 8 or 1, whose numbers lie at the address t."""
    rows = []
    for i in range(lanes):
        index = load(builder, builder.add(t, ir.Constant(I64, 4 * i)), I32)
        at = builder.shl(builder.zext(index, I64), ir.Constant(I64, 3))
        rows.append(builder.add(table, at))
    if lanes == 1:
        return [load(builder, builder.add(rows[0], ir.Constant(I64, 4 * n)), _vector(1))
                for n in range(2)]
    # Halves that one shuffle within 128 bits makes the words of; numbers of float64, since LLVM
    # fetches those from memory into the upper half of a register.
    halves = []
    for half in ((0, 1, 4, 5), (2, 3, 6, 7)):
        words = ir.Constant(_vector(4, F64), ir.Undefined)
        for n, i in enumerate(half):
            words = builder.insert_element(words, load(builder, rows[i], F64), ir.Constant(I32, n))
        halves.append(builder.bitcast(words, _vector(8)))
    return [builder.shuffle_vector(*halves, ir.Constant(_vector(8), [
        n + word for n in (0, 2, 8, 10, 4, 6, 12, 14)])) for word in range(2)]


def _chosen(builder, inside, first, second):
    """The bytes, in the lowest bits, of values whose cells have these two words (buckets.py)."""
    between = builder.and_(builder.lshr(first, _every(first.type, 8)), _every(first.type, 15))
    between = builder.xor(between, builder.lshr(second, _every(first.type, 4)))
    byte = builder.select(builder.icmp_signed(">", inside, first), between, first)
    return builder.select(builder.icmp_signed(">", inside, second), second, byte)


def _cells(lanes):
    """An intrinsic: bytes of `lanes` values by the cells at the address table. t: what _keep left.
    """
    some = min(lanes, LANES)

    def codegen(context, builder, sig, args):
        t, table, out = args
        parts = []
        for first in range(0, lanes, some):
            at = builder.add(t, ir.Constant(I64, 4 * first))
            inside = load(builder, builder.add(at, ir.Constant(I64, 4 * SOME)), _vector(some))
            parts.append(_chosen(builder, inside, *_found(builder, at, table, some)))
        while len(parts) > 1:
            both = list(range(2 * parts[0].type.count))
            parts = [builder.shuffle_vector(a, b, ir.Constant(_vector(len(both)), both))
                     for a, b in zip(parts[::2], parts[1::2], strict=True)]
        low = builder.trunc(parts[0], _vector(lanes, I8))
        builder.store(low, builder.inttoptr(out, low.type.as_pointer())).align = 1
        return context.get_dummy_value()

    signature = types.void(types.int64, types.int64, types.int64)

    @intrinsic
    def cells(typingctx, t, table, out):
        return signature, codegen

    return cells


_keep_some, _keep_some_more, _keep_one, _keep_one_more = (
    _keep(lanes, extra) for lanes in (LANES, 1) for extra in (False, True))
_cells_wide, _cells_some, _cells_one = (_cells(lanes) for lanes in (WIDE, LANES, 1))
_ramp_some, _ramp_some_more, _ramp_one, _ramp_one_more = (
    _ramp(lanes, extra) for lanes in (LANES, 1) for extra in (False, True))
NUMBERS = "int64, int64, int64, int64, int32, int32, int32, float64, float64"


@njit(f"void({NUMBERS}, int64, int64, int32)", cache=True, nogil=True)
def by_cells(sums, more, out, count, const, least, most, factor, plus, t, table, shift):
    """Bytes of `count` sums by cells. sums, more, out: addresses of int32 sums, of int32 to add or
    0, of the bytes; t: of room for TILE int32; table: of the cells."""
    for first in range(0, count, SOME):
        n = min(np.int64(SOME), count - first)
        at, add, to = sums + 4 * first, more + 4 * first, out + first
        if n < LANES:
            for p in range(n):
                if more == 0:
                    _keep_one(at + 4 * p, more, t, shift, const, least, most, factor, plus)
                else:
                    _keep_one_more(at + 4 * p, add + 4 * p, t, shift, const, least, most, factor,
                                   plus)
                _cells_one(t, table, to + p)
            continue
        # The last vector may do again what the one before did.
        last = n - LANES
        if more == 0:
            for p in range(0, n, LANES):
                p = min(p, last)
                _keep_some(at + 4 * p, more, t + 4 * p, shift, const, least, most, factor, plus)
        else:
            for p in range(0, n, LANES):
                p = min(p, last)
                _keep_some_more(at + 4 * p, add + 4 * p, t + 4 * p, shift, const, least, most,
                                factor, plus)
        whole = n // WIDE * WIDE
        for p in range(0, whole, WIDE):
            _cells_wide(t + 4 * p, table, to + p)
        for p in range(whole, n, LANES):
            p = min(p, last)
            _cells_some(t + 4 * p, table, to + p)


@njit(f"void({NUMBERS}, int32, int32, int32, int32, int32, int32, int32, int32)", cache=True,
      nogil=True)
def by_ramp(sums, more, out, count, const, least, most, factor, plus, shift, even, begin, origin,
            top, edge0, edge1, edge2):
    """As by_cells, by a ramp."""
    half = np.int32((np.int32(1) << (shift - np.int32(1))) - even)
    last = count - LANES
    if last < 0:
        for p in range(count):
            if more == 0:
                _ramp_one(sums + 4 * p, more, out + p, const, least, most, factor, plus, shift,
                          half, even, begin, origin, top, edge0, edge1, edge2)
            else:
                _ramp_one_more(sums + 4 * p, more + 4 * p, out + p, const, least, most, factor,
                               plus, shift, half, even, begin, origin, top, edge0, edge1, edge2)
    elif more == 0:
        for p in range(0, count, LANES):
            p = min(p, last)
            _ramp_some(sums + 4 * p, more, out + p, const, least, most, factor, plus, shift, half,
                       even, begin, origin, top, edge0, edge1, edge2)
    else:
        for p in range(0, count, LANES):
            p = min(p, last)
            _ramp_some_more(sums + 4 * p, more + 4 * p, out + p, const, least, most, factor, plus,
                            shift, half, even, begin, origin, top, edge0, edge1, edge2)
