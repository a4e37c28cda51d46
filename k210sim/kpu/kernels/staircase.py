"""Batch norm and activation in float32, exact, for channels where that is proved at load time.

Batch norm: with u = sum + const and mul below 2**24, hi = u * mul / 2**shift rounds, a fused
multiply-add gives what was lost, and the floor of both is the floor of the product.

Activation: from the value y to the byte a rising activation is a staircase of at most 255 steps,
whose places follow from the table in integers. A line in float32, rounded to an integer, is a
staircase too, and both only rise: if they agree on both sides of every step, they agree
everywhere. `stair_fit.py` tries lines on just those values, with the operations of this file. A
channel that needs more than four lines takes its segments themselves: the sign of (y - start) *
slope - half, fused, is exact, and so is the rounding it decides.

Sums are limited to the ones where the byte changes first and last. What is not proved goes the
longer ways of conv2d.py.

Tables. lines: float32[n, 3], rows first y, slope a, offset b: byte = round(y * a + b), ties to
even. pieces: float32[m, 4], rows threshold (y above it), start, slope, bias. ints: int32[out, 5] =
const, least and greatest u, first row and the one behind the last: of lines, or from PIECES on of
pieces; equal where nothing is proved. floats: float32[out, 2] = mul / 2**shift, add.
"""

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

MOST = 16  # lines of one table
FEW = 4  # lines of one channel
PIECES = 64
TILE = 512
MAGIC = np.float32(1.5 * 2.0**23)  # leaves no bits below the point: nearest, ties to even
BIG = np.float32(2.0**100)


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


@njit("void(int32[::1], int32[::1], int32[::1], float32[::1], float32[::1])", cache=True,
      nogil=True)
def norms(sums, extra, ints, floats, y):
    """The batch norm's values of sums + extra, limited, into y."""
    const, least, most = ints[0], ints[1], ints[2]
    factor, add = floats[0], floats[1]
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


@njit("void(float32[::1], int64, int64, float32[:, ::1], int64, float32[:, ::1], uint8[::1])",
      cache=True, nogil=True)
def by_pieces(y, first, end, pieces, rule, kept, out):
    """Bytes of values y by the segments [first, end); kept: room for three rows of as many."""
    count = out.shape[0]
    low, high = y[0], y[0]
    for j in range(count):
        low = y[j] if y[j] < low else low
        high = y[j] if y[j] > high else high
    # Only the segments these values can meet.
    while first + 1 < end and pieces[first + 1, 0] < low:
        first += 1
    while end - 1 > first and pieces[end - 1, 0] >= high:
        end -= 1
    start, slope, bias = kept[0], kept[1], kept[2]
    for j in range(count):
        start[j] = pieces[first, 1]
        slope[j] = pieces[first, 2]
        bias[j] = pieces[first, 3]
    for q in range(first + 1, end, 3):
        r, t = min(q + 1, end - 1), min(q + 2, end - 1)
        p0, s0, a0, b0 = pieces[q, 0], pieces[q, 1], pieces[q, 2], pieces[q, 3]
        p1, s1, a1, b1 = pieces[r, 0], pieces[r, 1], pieces[r, 2], pieces[r, 3]
        p2, s2, a2, b2 = pieces[t, 0], pieces[t, 1], pieces[t, 2], pieces[t, 3]
        for j in range(count):
            # Loaded first: a load behind a condition would keep the loop from being vectorised.
            x, s, a, b = y[j], start[j], slope[j], bias[j]
            s = s0 if x > p0 else s
            a = a0 if x > p0 else a
            b = b0 if x > p0 else b
            s = s1 if x > p1 else s
            a = a1 if x > p1 else a
            b = b1 if x > p1 else b
            start[j] = s2 if x > p2 else s
            slope[j] = a2 if x > p2 else a
            bias[j] = b2 if x > p2 else b
    tie = np.float32(0.25) if rule == 1 else np.float32(0)
    quarter = np.float32(0.25)
    for j in range(count):
        d = y[j] - start[j]
        x = d * slope[j]
        x = x if x < np.float32(512) else np.float32(512)
        half = np.floor(x) + np.float32(0.5)
        # The sign tells the side of the half exactly; a quarter to that side rounds so.
        side = fused(d, slope[j], -half) * BIG + tie
        side = side if side > -quarter else -quarter
        side = side if side < quarter else quarter
        v = (((half + side) + MAGIC) - MAGIC) + bias[j]
        v = v if v < np.float32(255) else np.float32(255)
        out[j] = low_byte(v + MAGIC)


@njit("void(int32[:, ::1], int64, int64, int32[::1], int64, int32[:, ::1], float32[:, ::1], "
      "float32[:, ::1], float32[:, ::1], int64, float32[::1], float32[:, ::1], uint8[:, ::1], "
      "int64, int64)", cache=True, nogil=True)
def channel(acc, from_row, count, extra, o, ints, floats, lines, pieces, rule, y, kept, out, row,
            base):
    """Bytes of acc[from_row, 0:count] + extra[0:count] into out[row, base:base + count] by the
    tables of channel o; nothing where it is not proved. y and kept are room for TILE values."""
    start, stop = np.int64(ints[o, 3]), np.int64(ints[o, 4])
    if stop - start == 1 and start < PIECES:
        # The most frequent case: from the sum to the byte in registers.
        const, least, most = ints[o, 0], ints[o, 1], ints[o, 2]
        factor, add = floats[o, 0], floats[o, 1]
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
        values = y[: end - first]
        norms(acc[from_row, first:end], extra[first:end], ints[o], floats[o], values)
        part = out[row, base + first : base + end]
        if start < PIECES:
            by_lines(values, start, stop, lines, part)
        else:
            by_pieces(values, start - PIECES, stop - PIECES, pieces, rule, kept, part)


@njit("void(int32[:, ::1], int64, int64[::1], int64, int32[:, ::1], float32[:, ::1], "
      "float32[:, ::1], float32[:, ::1], int64, uint8[:, ::1])", cache=True, nogil=True)
def finish(acc, count, extra, base, ints, floats, lines, pieces, rule, out):
    """Bytes of acc[o, 0:count] + extra[0:count] into out[o, base:base + count], for the proved
    channels. An empty `extra` adds nothing."""
    y = np.empty(TILE, np.float32)
    kept = np.empty((3, TILE), np.float32)
    narrow = np.zeros(count, np.int32)
    for j in range(min(count, extra.shape[0])):
        narrow[j] = np.int32(extra[j])
    for o in range(out.shape[0]):
        channel(acc, o, count, narrow, o, ints, floats, lines, pieces, rule, y, kept, out, o, base)
