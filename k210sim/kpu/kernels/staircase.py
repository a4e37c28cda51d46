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

from k210sim.kpu.kernels import cell_code, line_code
from k210sim.kpu.kernels.buckets import HEAD, RAMP, TRIPLES
from k210sim.kpu.kernels.cell_code import TILE

MOST = 16  # lines of one table
BUCKETS = 64
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
    elif many > 0 and buckets[2] == RAMP:
        cell_code.by_ramp(at, more, to, count, const, least, most, np.float64(factor),
                          np.float64(ints[o, 3]), np.int32(buckets[0]), np.int32(buckets[1]),
                          np.int32(buckets[3]), edges[0], edges[1], edges[2], edges[3], edges[4])
    elif many > 0:
        cell_code.by_cells(at, more, to, count, const, least, most, np.float64(factor),
                           np.float64(ints[o, 3]), np.int64(t.ctypes.data),
                           np.int64(buckets.ctypes.data) + 2 * HEAD, np.int32(buckets[0]),
                           buckets[2] == TRIPLES)


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
