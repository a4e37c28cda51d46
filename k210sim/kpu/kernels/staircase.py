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
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from k210sim.kpu.kernels.buckets import RAMP

MOST = 16  # lines of one table
FEW = 4  # lines of one channel
BUCKETS = 64
TILE = 512
MANY = 16  # bits of the first row, below the number of rows
MAGIC = np.float32(1.5 * 2.0**23)  # leaves no bits below the point: nearest, ties to even


@intrinsic
def fused(typingctx, a, b, c):
    """float32 a * b + c with one rounding."""
    def codegen(context, builder, sig, args):
        return builder.fma(*args)

    return types.float32(types.float32, types.float32, types.float32), codegen


@intrinsic
def low_byte(typingctx, x):
    """The lowest eight bits of a float32, of MAGIC plus a number: the number's nearest integer."""
    def codegen(context, builder, sig, args):
        return builder.trunc(builder.bitcast(args[0], ir.IntType(32)), ir.IntType(8))

    return types.uint8(types.float32), codegen


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


@njit("void(int32[::1], int32[::1], int32[::1], float32, float32[::1])", cache=True, nogil=True)
def norms(sums, extra, ints, factor, y):
    """The batch norm's values of sums + extra, limited, into y."""
    const, least, most = ints[0], ints[1], ints[2]
    add = np.float32(ints[3])
    for j in range(sums.shape[0]):
        u = np.int32(np.int32(sums[j] + extra[j]) + const)
        u = u if u > least else least
        u = u if u < most else most
        z = np.float32(u)
        hi = z * factor
        lost = fused(z, factor, -hi)
        whole = np.floor(hi)
        y[j] = (whole + np.floor((hi - whole) + lost)) + add


@njit("void(float32[::1], int64, int64, float32[:, ::1], uint8[::1])", cache=True, nogil=True)
def by_lines(y, first, end, lines, out):
    """Bytes of values y by two to four lines."""
    # A line that is not there is the last one again.
    r, s, t = first + 1, min(first + 2, end - 1), end - 1
    a0, b0 = lines[first, 1], lines[first, 2]
    p1, a1, b1 = lines[r, 0], lines[r, 1], lines[r, 2]
    p2, a2, b2 = lines[s, 0], lines[s, 1], lines[s, 2]
    p3, a3, b3 = lines[t, 0], lines[t, 1], lines[t, 2]
    for j in range(out.shape[0]):
        x = y[j]
        a = a1 if x >= p1 else a0
        b = b1 if x >= p1 else b0
        a = a2 if x >= p2 else a
        b = b2 if x >= p2 else b
        a = a3 if x >= p3 else a
        b = b3 if x >= p3 else b
        out[j] = low_byte(fused(x, a, b) + MAGIC)


@njit("void(int32[::1], int32[::1], int32[::1], float32, int32[::1])", cache=True, nogil=True)
def values(sums, extra, ints, factor, t):
    """The batch norm's values of sums + extra, limited, counted from the origin, into t."""
    const, least, most = ints[0], ints[1], ints[2]
    wide, plus = np.float64(factor), np.float64(ints[3])
    for j in range(sums.shape[0]):
        u = np.int32(np.int32(sums[j] + extra[j]) + const)
        u = u if u > least else least
        u = u if u < most else most
        t[j] = np.int32(np.float64(u) * wide + plus)


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


@njit("void(int32[:, ::1], int64, int64, int32[::1], int64, int32[:, ::1], float32[::1], "
      "float32[:, ::1], int32[::1], uint16[::1], float32[::1], int32[::1], uint8[:, ::1], int64, "
      "int64)", cache=True, nogil=True)
def channel(acc, from_row, count, extra, o, ints, factors, lines, edges, buckets, y, t, out, row,
            base):
    """Bytes of acc[from_row, 0:count] + extra[0:count] into out[row, base:base + count] by the
    tables of channel o; nothing where it is not proved. y and t are room for TILE values."""
    start = np.int64(ints[o, 4]) & (1 << MANY) - 1
    stop = start + (np.int64(ints[o, 4]) >> MANY)
    if stop - start == 1 and start < BUCKETS:
        # The most frequent case: from the sum to the byte in registers.
        const, least, most = ints[o, 0], ints[o, 1], ints[o, 2]
        factor, add = factors[o], np.float32(ints[o, 3])
        a, b = lines[start, 1], lines[start, 2]
        sums = acc[from_row, 0:count]
        line = out[row, base : base + count]
        for j in range(count):
            u = np.int32(np.int32(sums[j] + extra[j]) + const)
            u = u if u > least else least
            u = u if u < most else most
            z = np.float32(u)
            hi = z * factor
            lost = fused(z, factor, -hi)
            whole = np.floor(hi)
            x = (whole + np.floor((hi - whole) + lost)) + add
            line[j] = low_byte(fused(x, a, b) + MAGIC)
        return
    if stop == start:
        return
    for first in range(0, count, TILE):
        end = min(first + TILE, count)
        sums, more = acc[from_row, first:end], extra[first:end]
        part = out[row, base + first : base + end]
        if start < BUCKETS:
            norms(sums, more, ints[o], factors[o], y[: end - first])
            by_lines(y[: end - first], start, stop, lines, part)
        else:
            values(sums, more, ints[o], factors[o], t[: end - first])
            by_buckets(t[: end - first], edges, buckets, part)


@njit("void(int32[:, ::1], int64, int64[::1], int64, int32[:, ::1], float32[::1], "
      "float32[:, ::1], int32[::1], uint16[::1], uint8[:, ::1])", cache=True, nogil=True)
def finish(acc, count, extra, base, ints, factors, lines, edges, buckets, out):
    """Bytes of acc[o, 0:count] + extra[0:count] into out[o, base:base + count], for the proved
    channels. An empty `extra` adds nothing."""
    y = np.empty(TILE, np.float32)
    t = np.empty(TILE, np.int32)
    narrow = np.zeros(count, np.int32)
    for j in range(min(count, extra.shape[0])):
        narrow[j] = np.int32(extra[j])
    for o in range(out.shape[0]):
        channel(acc, o, count, narrow, o, ints, factors, lines, edges, buckets, y, t, out, o, base)
