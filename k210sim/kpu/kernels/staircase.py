"""Batch norm and activation, fast and exact, for channels where that is proved at load time.

Batch norm: with u = sum + const and mul below 2**24, hi = u * mul / 2**shift rounds, a fused
multiply-add gives what was lost, and the floor of both is the floor of the product.

Activation: from the value y to the byte a rising activation is a staircase of at most 255 steps,
whose places follow from the table in integers. A line in float32, rounded to an integer, is a
staircase too, and both only rise: if they agree on both sides of every step, they agree
everywhere. `stair_fit.py` tries lines on just those values, with the operations of this file. A
channel that needs more than four lines, or whose table falls or counts finer than float32 holds
(kmodel V5), takes its batch norm in float64, where it is exact, and finds the byte by buckets.py.

Sums are limited to the ones where the byte changes first and last. What is not proved goes the
longer ways of conv2d.py.

Tables. lines: float32[n, 3], rows first y, slope a, offset b: byte = round(y * a + b), ties to
even. edges, buckets: buckets.py. ints: int32[out, 5] = const, least and greatest u, what to add to
y (for buckets less their origin), first line or BUCKETS | number of lines << MANY, 0 where nothing
is proved. factors: float32[out] = mul / 2**shift.
"""

import numpy as np
from numba import njit, types
from numba.extending import intrinsic

from k210sim.kpu.kernels import line_code
from k210sim.kpu.kernels.atomic import vector
from k210sim.kpu.kernels.buckets import CELLS, RAMP

MOST = 16  # lines of one table
BUCKETS = 64
TILE = 512
MANY = 16  # bits of the first row, below the number of rows
MAGIC = np.float32(line_code.MAGIC)


@intrinsic
def fused(typingctx, a, b, c):
    """float32 a * b + c with one rounding."""
    def codegen(context, builder, sig, args):
        return builder.fma(*args)

    return types.float32(types.float32, types.float32, types.float32), codegen


@njit("float32(float32, float32, float32)", cache=True, nogil=True)
def on_line(y, a, b):
    """The byte of y on a line, or what it would be beyond the bytes."""
    return (fused(y, a, b) + MAGIC) - MAGIC


@njit("float32(int64, float32, float32)", cache=True, nogil=True)
def normal(u, factor, add):
    """The batch norm of u in float32, as in `finish`."""
    z = np.float32(u)
    hi = z * factor
    lost = fused(z, factor, -hi)
    whole = np.floor(hi)
    return (whole + np.floor((hi - whole) + lost)) + add


@njit("void(int64, int64, int64, int32, int32, int32, float32, int32, int32[::1])", cache=True,
      nogil=True)
def values(sums, more, count, const, least, most, factor, plus, t):
    """The batch norm's values of `count` int32 sums at an address, limited, counted from the
    origin, into t; with the int32 numbers at the address `more` added, unless that is 0."""
    part = vector(sums, count, np.int32)
    wide, offset = np.float64(factor), np.float64(plus)
    if more == 0:
        for j in range(count):
            u = np.int32(part[j] + const)
            u = u if u > least else least
            u = u if u < most else most
            t[j] = np.int32(np.float64(u) * wide + offset)
        return
    extra = vector(more, count, np.int32)
    for j in range(count):
        u = np.int32(np.int32(part[j] + extra[j]) + const)
        u = u if u > least else least
        u = u if u < most else most
        t[j] = np.int32(np.float64(u) * wide + offset)


@njit("void(int32[::1], int64, uint32, int64, int64, int64)", cache=True, nogil=True)
def by_cells(t, count, shift, table, size, out):
    """Bytes of values counted from the origin, by cells (buckets.py). table: address of `size`
    16-bit numbers of the cells; out: address of the bytes."""
    numbers, row = vector(table, size, np.uint16), vector(out, count, np.uint8)
    inside = (np.uint32(1) << shift) - np.uint32(1)
    for j in range(count):
        value = np.uint32(t[j])
        i = np.uint64(value >> shift) << np.uint64(1)
        beyond = np.uint16(value & inside) >= numbers[i + np.uint64(1)]
        row[j] = np.uint8(numbers[i] >> (np.uint16(beyond) << np.uint16(3)))


@njit("void(int32[::1], int32[::1], uint16[::1], uint8[::1])", cache=True, nogil=True)
def by_buckets(t, edges, buckets, out):
    """Bytes of values counted from the origin by the tables of buckets.py."""
    if buckets[2] == RAMP:
        k, even, begin = np.int32(buckets[0]), np.int32(buckets[1]), np.int32(buckets[3])
        half = np.int32((np.int32(1) << (k - np.int32(1))) - even)
        plus, most, edge0, edge1, edge2 = edges[0], edges[1], edges[2], edges[3], edges[4]
        for j in range(out.shape[0]):
            d = np.int32(t[j] + plus)
            r = np.int32(np.int32(d + half) + ((d >> k) & even)) >> k
            r = r if r < most else most
            r += np.int32(t[j] >= edge0) + np.int32(t[j] >= edge1) + np.int32(t[j] >= edge2)
            out[j] = np.uint8(begin + r)
        return
    shift, codes = np.uint32(buckets[0]), buckets[buckets[1] :]
    if buckets[2] == 1:
        for j in range(out.shape[0]):
            i = np.uint64(buckets[np.uint64(np.uint32(t[j]) >> shift) + np.uint64(3)])
            i += np.uint64(t[j] >= edges[i])
            i += np.uint64(t[j] >= edges[i])
            out[j] = np.uint8(i + np.uint64(codes[0]))
        return
    for j in range(out.shape[0]):
        # Unsigned, or the compiler must allow for negative indices.
        i = np.uint64(buckets[np.uint64(np.uint32(t[j]) >> shift) + np.uint64(3)])
        i += np.uint64(t[j] >= edges[i])
        i += np.uint64(t[j] >= edges[i])
        out[j] = np.uint8(codes[i])


@njit(inline="always")
def channel(sums, count, extra, o, ints, factors, lines, edges, buckets, t, out):
    """Bytes of int32[count] sums + extra by the tables of channel o; nothing where none is proved.
    extra: int32[count], or empty. t: room for TILE values. Inlined, since calls with that many
    arrays take longer than the bytes of a small map."""
    start = np.int64(ints[o, 4]) & (1 << MANY) - 1
    many = np.int64(ints[o, 4]) >> MANY
    at, to, more = np.int64(sums.ctypes.data), np.int64(out.ctypes.data), np.int64(0)
    if extra.shape[0] > 0:
        more = np.int64(extra.ctypes.data)
    const, least, most, factor = ints[o, 0], ints[o, 1], ints[o, 2], factors[o]
    if many > 0 and start < BUCKETS:
        add = np.float32(ints[o, 3])
        a, b = lines[start, 1], lines[start, 2]
        if many == 1:
            line_code.one_line(at, more, to, count, const, least, most, factor, add, a, b)
        else:
            # A line that is not there is the last one again.
            r, s, e = start + 1, start + min(many - 1, 2), start + many - 1
            line_code.few_lines(at, more, to, count, const, least, most, factor, add, a, b,
                                lines[r, 0], lines[r, 1], lines[r, 2], lines[s, 0], lines[s, 1],
                                lines[s, 2], lines[e, 0], lines[e, 1], lines[e, 2])
    elif many > 0:
        for first in range(0, count, TILE):
            n = min(np.int64(TILE), count - first)
            values(at + 4 * first, more + 4 * first if more > 0 else more, n, const, least, most,
                   factor, ints[o, 3], t)
            if buckets[2] == CELLS:
                by_cells(t, n, np.uint32(buckets[0]), np.int64(buckets.ctypes.data) + 6,
                         np.int64(buckets.shape[0]) - 3, to + first)
            else:
                by_buckets(t[:n], edges, buckets, out[first : first + n])


@njit("void(int32[:, ::1], int64, int64[::1], int64, int32[:, ::1], float32[::1], "
      "float32[:, ::1], int32[::1], uint16[::1], uint8[:, ::1])", cache=True, nogil=True)
def finish(acc, count, extra, base, ints, factors, lines, edges, buckets, out):
    """Bytes of acc[o, 0:count] + extra[0:count] into out[o, base:base + count], for the proved
    channels. An empty `extra` adds nothing."""
    t = np.empty(TILE, np.int32)
    narrow = extra[0:count].astype(np.int32)
    for o in range(out.shape[0]):
        channel(acc[o, 0:count], count, narrow, o, ints, factors, lines, edges, buckets, t,
                out[o, base : base + count])
