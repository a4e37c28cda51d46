"""Code generation of what staircase.py does with the tables of buckets.py: batch norm in float64,
where it is exact, and the byte by ramps or cells.

Arguments are numbers and addresses, as in line_code.py. Values for cells take the way through
memory: to take the indices of a vector's cells out of it would cost more than the cells.
"""

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from k210sim.kpu.kernels.line_code import LANES
from k210sim.kpu.kernels.vector_code import I8, I32, I64, call, load, spread

TILE = 512  # values kept at once
PAIR, TRIPLE = 16, 20  # bits of an offset in a cell with one change, with two


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


def _keep(lanes, extra):
    """An intrinsic: values of `lanes` sums into int32 at the address t."""
    def codegen(context, builder, sig, args):
        sums, more, t, *norm = args
        value = _values(builder, sums, more, *norm, lanes, extra)
        builder.store(value, builder.inttoptr(t, value.type.as_pointer())).align = 4
        return context.get_dummy_value()

    signature = types.void(*[types.int64] * 3, *[types.int32] * 3, *[types.float64] * 2)

    @intrinsic
    def keep(typingctx, sums, more, t, const, least, most, factor, plus):
        return signature, codegen

    return keep


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


def _cells(lanes, triple):
    """An intrinsic: bytes of `lanes` values at the address t by cells at the address table, with
    one change or, if `triple`, with two."""
    def codegen(context, builder, sig, args):
        t, table, shift, out = args
        kind, size = (I64, 3) if triple else (I32, 2)
        found = ir.Constant(_vector(lanes, kind), ir.Undefined)
        for i in range(lanes):
            index = builder.lshr(load(builder, builder.add(t, ir.Constant(I64, 4 * i)), I32), shift)
            at = builder.shl(builder.zext(index, I64), ir.Constant(I64, size))
            found = builder.insert_element(found, load(builder, builder.add(table, at), kind),
                                           ir.Constant(I32, i))
        value, shift = load(builder, t, _vector(lanes)), spread(builder, shift, lanes)
        inside = builder.sub(value, builder.shl(builder.lshr(value, shift), shift))
        if triple:
            inside = builder.zext(inside, found.type)
        bits = TRIPLE if triple else PAIR
        places = [builder.lshr(found, _every(found.type, bits * i)) for i in range(1 + triple)]
        places = [builder.and_(place, _every(found.type, (1 << bits) - 1)) for place in places]
        # The last byte's place, less a byte for each change that is not reached.
        amount = _every(found.type, 56 if triple else 24)
        for place in places:
            before = builder.sext(builder.icmp_signed(">", place, inside), found.type)
            amount = builder.add(amount, builder.shl(before, _every(found.type, 3)))
        low = builder.trunc(builder.lshr(found, amount), _vector(lanes, I8))
        builder.store(low, builder.inttoptr(out, low.type.as_pointer())).align = 1
        return context.get_dummy_value()

    signature = types.void(types.int64, types.int64, types.int32, types.int64)

    @intrinsic
    def cells(typingctx, t, table, shift, out):
        return signature, codegen

    return cells


_keep_some, _keep_some_more, _keep_one, _keep_one_more = (
    _keep(lanes, extra) for lanes in (LANES, 1) for extra in (False, True))
_ramp_some, _ramp_some_more, _ramp_one, _ramp_one_more = (
    _ramp(lanes, extra) for lanes in (LANES, 1) for extra in (False, True))
_pair_some, _triple_some, _pair_one, _triple_one = (
    _cells(lanes, triple) for lanes in (LANES, 1) for triple in (False, True))
NUMBERS = "int64, int64, int64, int64, int32, int32, int32, float64, float64"


@njit(f"void({NUMBERS}, int64, int64, int32, boolean)", cache=True, nogil=True)
def by_cells(sums, more, out, count, const, least, most, factor, plus, t, table, shift, triple):
    """Bytes of `count` sums by cells with one change or, if `triple`, with two. sums, more, out:
    addresses of int32 sums, of int32 to add or 0, of the bytes; t: of room for TILE values; table:
    of the cells."""
    for first in range(0, count, TILE):
        n = min(np.int64(TILE), count - first)
        at, add, to = sums + 4 * first, more + 4 * first, out + first
        if n < LANES:
            for p in range(n):
                if more == 0:
                    _keep_one(at + 4 * p, more, t, const, least, most, factor, plus)
                else:
                    _keep_one_more(at + 4 * p, add + 4 * p, t, const, least, most, factor, plus)
                if triple:
                    _triple_one(t, table, shift, to + p)
                else:
                    _pair_one(t, table, shift, to + p)
            continue
        # The last vector may do again what the one before did.
        last = n - LANES
        if more == 0:
            for p in range(0, n, LANES):
                p = min(p, last)
                _keep_some(at + 4 * p, more, t + 4 * p, const, least, most, factor, plus)
        else:
            for p in range(0, n, LANES):
                p = min(p, last)
                _keep_some_more(at + 4 * p, add + 4 * p, t + 4 * p, const, least, most, factor,
                                plus)
        if triple:
            for p in range(0, n, LANES):
                p = min(p, last)
                _triple_some(t + 4 * p, table, shift, to + p)
        else:
            for p in range(0, n, LANES):
                p = min(p, last)
                _pair_some(t + 4 * p, table, shift, to + p)


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
