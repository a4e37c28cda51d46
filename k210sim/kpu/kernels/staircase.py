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

The short way. That floor need not be right everywhere: it has to reach each step's place at the
same sum. A fused multiply-add with MAGIC in its addend rounds the exact product to the nearest
whole number, and a constant added to the sum turns the product's fractions so that nearest is as
good as the floor (`shorten` in stair_fit.py looks for it and tries every step). Bytes are limited
when they are made, so sums need no limits. Lines that are early by less than a slack serve as well:
only where the byte would be another without the slack the places of the steps decide.

Tables. lines: float32[n, 3], rows first y, slope a, offset b: byte = round(y * a + b), ties to
even. edges, buckets: buckets.py. ints: int32[out, 5] = const, least and greatest u, what to add to
y (for buckets less their origin), first line or BUCKETS | number of lines << MANY, 0 where nothing
is proved. factors: float32[out] = mul / 2**shift.
With SHORT in the last number, of one line or two, the others are const, the addend and what is
taken off its sum again (short_value), and the least and greatest byte, the latter times 256; with
NEAR as well, above these the slacks of the two lines in parts of a byte, and behind the lines the
256 places.
"""

import numpy as np
from numba import types
from numba.extending import intrinsic

from k210sim.kpu.kernels import cell_code, line_code, short_code
from k210sim.kpu.kernels.buckets import HEAD, RAMP
from k210sim.kpu.kernels.cell_code import TILE
from k210sim.kpu.kernels.late_numba import njit

MOST = 16  # lines of one table
BUCKETS, SHORT, NEAR = 64, 128, 256
PLACES = 86  # rows of lines that hold 256 places
ROWS = MOST + 2 + PLACES  # of lines at most
SLACKS = 1 << 12  # parts of a byte that slacks are counted in
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


@njit("float32(int64, int64)", cache=True, nogil=True)
def slack_of(ends, bit):
    """One of the slacks, of seven bits each, above the least and greatest byte."""
    return np.float32(ends >> bit & 127) * np.float32(1.0 / SLACKS)


@njit("float32(int64, float32, float32, float32)", cache=True, nogil=True)
def short_value(u, factor, magic, minus):
    """The batch norm of u the short way, as in short_code.py."""
    return fused(np.float32(u), factor, magic) - minus


@njit(inline="always")
def channel(at, more, to, count, o, ints, factors, lines, edges, buckets, t):
    """Bytes of `count` sums by the tables of channel o; nothing where none is proved. at, more, to:
    addresses of int32 sums, of int32 to add or 0, of the bytes; t: room for TILE values. Inlined
    and by addresses: to hand arrays on takes longer than the bytes of a small map."""
    start = np.int64(ints[o, 4]) & (1 << MANY) - 1
    many = np.int64(ints[o, 4]) >> MANY
    const, least, most, factor = ints[o, 0], ints[o, 1], ints[o, 2], factors[o]
    if start & SHORT != 0:
        magic, minus, ends = np.float32(least), np.float32(most), ints[o, 3]
        near, start = start & NEAR, start & (BUCKETS - 1)
        second = start + many - 1
        a, b, a1, b1 = lines[start, 1], lines[start, 2], lines[second, 1], lines[second, 2]
        if near != 0:
            slack = max(slack_of(ends, 16), slack_of(ends, 23))
            places = np.int64(lines.ctypes.data) + 12 * (second + 1)
            short_code.near_lines(at, more, to, count, const, ends, factor, magic, minus, a, b,
                                  lines[second, 0], a1, b1, slack, places, np.int64(t.ctypes.data))
        elif many == 1:
            short_code.one_line(at, more, to, count, const, ends, factor, magic, minus, a, b)
        else:
            short_code.two_lines(at, more, to, count, const, ends, factor, magic, minus, a, b,
                                 lines[second, 0], a1, b1)
    elif many > 0 and start < BUCKETS:
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
                           np.int64(buckets.ctypes.data) + 2 * HEAD, np.int32(buckets[0]))


@njit("void(int32[:, ::1], int64, int64[::1], int64, int32[:, ::1], float32[::1], "
      "float32[:, ::1], int32[::1], uint16[::1], uint8[:, ::1])", cache=True, nogil=True)
def finish(acc, count, extra, base, ints, factors, lines, edges, buckets, out):
    """Bytes of acc[o, 0:count] + extra[0:count] into out[o, base:base + count], for the proved
    channels. An empty `extra` adds nothing."""
    t = np.empty(TILE, np.int32)
    narrow = extra[0:count].astype(np.int32)
    more = np.int64(narrow.ctypes.data) if extra.shape[0] > 0 else np.int64(0)
    sums, to = np.int64(acc.ctypes.data), np.int64(out.ctypes.data) + base
    for o in range(out.shape[0]):
        channel(sums + 4 * o * acc.shape[1], more, to + o * out.shape[1], count, o, ints, factors,
                lines, edges, buckets, t)
    t[0] = narrow.shape[0]  # named here so that it is not freed while its address is used
