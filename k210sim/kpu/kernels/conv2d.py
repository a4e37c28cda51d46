"""Portable convolution kernels: exact sums, batch norm and activation of one KPU layer.

Shapes. A layer's input arrives as planes, uint8[channels, pitch]: for 3x3 each plane is the map
with its one-pixel border of pad_value, (H+2) rows of W+2 bytes; for 1x1 the bare map. A flat
position p of a plane is the output pixel whose top left tap is byte p, so one run of positions
covers many rows; the two positions behind each row's end are computed and thrown away. `runs` is
int64[n, 2]: first position and length; planes must reach 64 bytes plus the largest tap offset
past the last run's end.

Arithmetic (per output channel o, int64 unless said):
    acc = sum(w*x) + sx[p] + const[o]       sum in int32 for 8-bit weights: at most
                                            1024*9*255*255 < 2**31; in int64 for 16-bit weights
    y   = ((acc * mul[o]) >> shift[o]) + add[o]
    out = clamp(round((y - start) * seg_mul >> seg_shift) + bias) of the segment y lies in
`acc`, a scratch array, selects the width: int32[4, TILE] or int64[4, TILE]. Products beyond 64
bits wrap; the vendor's tables keep y inside 36 bits.

Segments come pruned by `segments()` in plans.py: strictly ascending thresholds, `thr[s] < y`.
Row 0 of the segment table is the one that holds when no threshold is passed.
Source: nncase src/common/include/kernels/k210/k210_kernels.h and runtime_op_utility.h
(carry_shift); the older rule from nncase v0.1.0 K210Conv2d.cs.
"""

import numpy as np

from k210sim.kpu.kernels.late_numba import njit

TILE = 512
RULE_EVEN, RULE_UP = 0, 1
LINES = 1 << 20  # spans from here on count lines (step_lines.py), not segments


@njit("void(int64[::1], int64, int64[:, ::1], int64, uint8[::1], int64)", cache=True, nogil=True)
def activate(y, count, seg, rule, out, at):
    """Bytes of `count` values y into out[at:]. seg: int64[n, 5] = threshold, start, mul, shift,
    bias. rule 0: nearest, ties to even on the floored quotient, one step toward zero's other side
    below zero (nncase 0.2 and later); rule 1: half up, half away below zero (nncase 0.1)."""
    row = out[at : at + count]
    low = y[0]
    high = y[0]
    for j in range(count):
        low = min(low, y[j])
        high = max(high, y[j])
    n = seg.shape[0]
    for s in range(n):
        if s > 0 and seg[s, 0] >= high:
            break
        if s + 1 < n and seg[s + 1, 0] < low:
            continue
        threshold = seg[s, 0]
        start = seg[s, 1]
        mul = seg[s, 2]
        shift = min(seg[s, 3], np.int64(62))
        bias = seg[s, 4]
        if s == 0:
            threshold = np.int64(-(2**63))
        if mul == 0:
            fixed = np.uint8(min(max(bias, np.int64(0)), np.int64(255)))
            for j in range(count):
                row[j] = fixed if y[j] > threshold else row[j]
            if s == 0:
                for j in range(count):
                    row[j] = fixed
        elif shift == 0:
            for j in range(count):
                r = (y[j] - start) * mul + bias
                v = np.uint8(min(max(r, np.int64(0)), np.int64(255)))
                row[j] = v if y[j] >= threshold + (s > 0) else row[j]
        elif rule == 1:
            for j in range(count):
                u = ((y[j] - start) * mul) >> (shift - 1)
                step = np.int64(1) if u >= 0 else np.int64(-1)
                r = (u >> 1) + (u & 1) * step + bias
                v = np.uint8(min(max(r, np.int64(0)), np.int64(255)))
                row[j] = v if y[j] >= threshold + (s > 0) else row[j]
        elif mul > 0 and s > 0:
            half = (np.int64(1) << (shift - 1)) - 1
            for j in range(count):
                t = (y[j] - start) * mul
                r = ((t + half + ((t >> shift) & 1)) >> shift) + bias
                v = np.uint8(min(max(r, np.int64(0)), np.int64(255)))
                row[j] = v if y[j] > threshold else row[j]
        else:
            half = np.int64(1) << (shift - 1)
            for j in range(count):
                t = (y[j] - start) * mul
                whole = t >> shift
                part = t - (whole << shift)
                step = np.int64(-1) if t < 0 else np.int64(1)
                up = part > half or (part == half and (whole & 1) == 1)
                r = whole + (step if up else np.int64(0)) + bias
                v = np.uint8(min(max(r, np.int64(0)), np.int64(255)))
                row[j] = v if y[j] >= threshold + (s > 0) else row[j]


@njit(["void(int32[::1], int64, int64[::1], int64, int64, float64[::1], float64[:, ::1], int64, "
       "int64, int64, float64[::1], float64[::1], uint8[::1])",
       "void(int64[::1], int64, int64[::1], int64, int64, float64[::1], float64[:, ::1], int64, "
       "int64, int64, float64[::1], float64[::1], uint8[::1])"], cache=True, nogil=True)
def finish(acc, count, sx, base, const, factors, seg, low, high, rule, y, v, out):
    """Batch norm and activation in float64, for channels where that is provably exact.

    factors: mul / 2**shift and add; seg: float64[n, 4] = threshold, start, mul / 2**shift, bias;
    only segments [low, high) can occur. ConvParams.spans holds the conditions: products below
    2**53, no negative slopes. For a product t >= 0 both roundings are then plain ones of the exact
    quotient: to nearest even (adding 1.5 * 2**52 rounds so), or half up.

    From `low` = LINES on, rows [low - LINES, high - LINES) of seg are one to four lines instead:
    first y, a, b, c as in step_lines.py, and the last row of seg begins with the limits of y. They
    need one pass, with everything in registers.
    """
    # Slices start at 0: with an added base the compiler must allow for negative indices.
    row = out[base : base + count]
    terms = sx[base : base + count]
    f = factors[0]
    add = factors[1]
    magic = 1.5 * 2.0**52
    if low >= LINES:
        s = low - LINES
        n = high - low
        bottom = seg[seg.shape[0] - 1, 0]
        top = seg[seg.shape[0] - 1, 1]
        a0, b0, c0 = seg[s, 1], seg[s, 2], seg[s, 3]
        if n == 1:
            for j in range(count):
                x = np.floor(np.float64(np.int64(acc[j]) + terms[j] + const) * f) + add
                x = x if x > bottom else bottom
                x = x if x < top else top
                row[j] = np.uint8(np.int32(((x * a0 + b0) + magic) - c0))
            return
        # A line that is not there begins above every y.
        p1, p2, p3 = seg[s + 1, 0], np.inf, np.inf
        a1, b1, c1 = seg[s + 1, 1], seg[s + 1, 2], seg[s + 1, 3]
        a2, b2, c2 = a1, b1, c1
        a3, b3, c3 = a1, b1, c1
        if n > 2:
            p2, a2, b2, c2 = seg[s + 2, 0], seg[s + 2, 1], seg[s + 2, 2], seg[s + 2, 3]
        if n > 3:
            p3, a3, b3, c3 = seg[s + 3, 0], seg[s + 3, 1], seg[s + 3, 2], seg[s + 3, 3]
        if n == 2:
            for j in range(count):
                x = np.floor(np.float64(np.int64(acc[j]) + terms[j] + const) * f) + add
                x = x if x > bottom else bottom
                x = x if x < top else top
                a = a1 if x >= p1 else a0
                b = b1 if x >= p1 else b0
                c = c1 if x >= p1 else c0
                row[j] = np.uint8(np.int32(((x * a + b) + magic) - c))
            return
        for j in range(count):
            x = np.floor(np.float64(np.int64(acc[j]) + terms[j] + const) * f) + add
            x = x if x > bottom else bottom
            x = x if x < top else top
            a = a1 if x >= p1 else a0
            b = b1 if x >= p1 else b0
            c = c1 if x >= p1 else c0
            a = a2 if x >= p2 else a
            b = b2 if x >= p2 else b
            c = c2 if x >= p2 else c
            a = a3 if x >= p3 else a
            b = b3 if x >= p3 else b
            c = c3 if x >= p3 else c
            row[j] = np.uint8(np.int32(((x * a + b) + magic) - c))
        return
    least = np.int64(acc[0]) + terms[0]
    most = least
    for j in range(count):
        total = np.int64(acc[j]) + terms[j]
        least = min(least, total)
        most = max(most, total)
        y[j] = np.floor(np.float64(total + const) * f) + add
    # y rises or falls with the sum: these are its ends in this tile, and only the segments
    # between them are worth a pass.
    one_end = np.floor(np.float64(least + const) * f) + add
    other_end = np.floor(np.float64(most + const) * f) + add
    bottom = min(one_end, other_end)
    top = max(one_end, other_end)
    for s in range(low, high):
        if s > low and seg[s, 0] >= top:
            break
        if s + 1 < high and seg[s + 1, 0] < bottom:
            continue
        threshold = seg[s, 0] if s > low else -np.inf
        start = seg[s, 1]
        slope = seg[s, 2]
        bias = seg[s, 3]
        if rule == 0:
            for j in range(count):
                x = (y[j] - start) * slope
                x = x if x < 512.0 else 512.0
                x = ((x + magic) - magic) + bias
                v[j] = x if y[j] > threshold else v[j]
        else:
            for j in range(count):
                x = (y[j] - start) * slope
                x = x if x < 512.0 else 512.0
                x = np.floor(x + 0.5) + bias
                v[j] = x if y[j] > threshold else v[j]
    for j in range(count):
        x = v[j]
        row[j] = np.uint8(np.int32(x if x < 255.0 else 255.0))


@njit(["void(uint8[:, ::1], int64[::1], int64[:, ::1], int64, int64, int64, int64[::1])"],
      cache=True, nogil=True)
def input_sums(x, offsets, runs, arg_x, shr_x, extra, sx):
    """sx[p] = ((arg_x * s) >> shr_x) + extra * s, int64, at every run position, where s is the sum
    of x over channels and taps. `extra` is what a kernel took off every weight."""
    taps = offsets.shape[0]
    reach = offsets[taps - 1]
    longest = np.int64(0)
    for k in range(runs.shape[0]):
        longest = max(longest, runs[k, 1])
    total = np.empty(longest + reach, np.int32)
    for k in range(runs.shape[0]):
        first = runs[k, 0]
        count = runs[k, 1]
        wide = count + reach
        for p in range(wide):
            total[p] = 0
        for c in range(x.shape[0]):
            plane = x[c, first : first + wide]
            for p in range(wide):
                total[p] = np.int32(total[p] + np.int32(plane[p]))
        terms = sx[first : first + count]
        for p in range(count):
            terms[p] = 0
        for t in range(taps):
            part = total[offsets[t] : offsets[t] + count]
            for p in range(count):
                terms[p] += np.int64(part[p])
        for p in range(count):
            terms[p] = ((arg_x * terms[p]) >> shr_x) + extra * terms[p]


@njit("void(int32[:, ::1], int64, int64[::1], int64, int64[:, ::1], int64[:, ::1], "
      "float64[:, ::1], float64[:, ::1], int64[:, ::1], int64, int32[:, ::1], uint8[:, ::1])",
      cache=True, nogil=True)
def finish_rows(acc, count, extra, base, norm, seg, fnorm, fseg, spans, rule, ints, out):
    """Batch norm and activation of acc[o, 0:count] + extra (none if empty) into out[o,
    base:base + count], for the channels staircase.py has not done (`ints` is its table)."""
    y = np.empty(TILE, np.int64)
    yf = np.empty(TILE, np.float64)
    vf = np.empty(TILE, np.float64)
    terms = np.zeros(count, np.int64)
    for j in range(min(count, extra.shape[0])):
        terms[j] = extra[j]
    for o in range(norm.shape[0]):
        if ints[o, 4] > 0:
            continue
        const, mul, shift, add = norm[o, 0], norm[o, 1], norm[o, 2], norm[o, 3]
        for first in range(0, count, TILE):
            n = min(count - first, np.int64(TILE))
            row = out[o, base + first : base + first + n]
            if spans[o, 0] >= 0:
                finish(acc[o, first : first + n], n, terms[first : first + n], 0, const, fnorm[o],
                       fseg, spans[o, 0], spans[o, 1], rule, yf, vf, row)
                continue
            for j in range(n):
                total = np.int64(acc[o, first + j]) + terms[first + j] + const
                y[j] = ((total * mul) >> shift) + add
            activate(y, n, seg, rule, row, 0)


@njit(["void(uint8[:, ::1], uint8[:, ::1], int64, int64[:, ::1], int32[:, ::1], int64[::1], "
       "int64[:, ::1], int64[:, ::1], float64[:, ::1], float64[:, ::1], int64[:, ::1], int64, "
       "uint8[:, ::1], int64, int64)",
       "void(uint8[:, ::1], uint16[:, ::1], int64, int64[:, ::1], int64[:, ::1], int64[::1], "
       "int64[:, ::1], int64[:, ::1], float64[:, ::1], float64[:, ::1], int64[:, ::1], int64, "
       "uint8[:, ::1], int64, int64)"],
      cache=True, nogil=True)
def conv1x1(x, w, channels, runs, acc, sx, norm, seg, fnorm, fseg, spans, rule, out, first, end):
    """Output channels [first, end) of a 1x1 layer; `first` is a multiple of 4.

    w: [out channels rounded up to 4, channels rounded up to 4], zeros in the fill.
    norm: int64[out channels, 4] = const, mul, shift, add.
    """
    T = acc.dtype.type  # the width of the sums: casting every step keeps narrow sums narrow
    acc0, acc1, acc2, acc3 = acc[0], acc[1], acc[2], acc[3]
    y = np.empty(acc.shape[1], np.int64)
    yf = np.empty(acc.shape[1], np.float64)
    vf = np.empty(acc.shape[1], np.float64)
    for k in range(runs.shape[0]):
        base = runs[k, 0]
        left = runs[k, 1]
        while left > 0:
            n = min(left, np.int64(acc.shape[1]))
            for o in range(first, end, 4):
                for r in range(4):
                    for j in range(n):
                        acc[r, j] = 0
                for i in range(0, w.shape[1], 4):
                    last = channels - 1
                    x0 = x[i, base : base + n]
                    x1 = x[min(i + 1, last), base : base + n]
                    x2 = x[min(i + 2, last), base : base + n]
                    x3 = x[min(i + 3, last), base : base + n]
                    a0, a1, a2, a3 = T(w[o, i]), T(w[o, i + 1]), T(w[o, i + 2]), T(w[o, i + 3])
                    p = o + 1
                    b0, b1, b2, b3 = T(w[p, i]), T(w[p, i + 1]), T(w[p, i + 2]), T(w[p, i + 3])
                    p = o + 2
                    c0, c1, c2, c3 = T(w[p, i]), T(w[p, i + 1]), T(w[p, i + 2]), T(w[p, i + 3])
                    p = o + 3
                    d0, d1, d2, d3 = T(w[p, i]), T(w[p, i + 1]), T(w[p, i + 2]), T(w[p, i + 3])
                    for j in range(n):
                        v0 = T(x0[j])
                        v1 = T(x1[j])
                        v2 = T(x2[j])
                        v3 = T(x3[j])
                        acc0[j] = T(acc0[j] + a0 * v0 + a1 * v1 + a2 * v2 + a3 * v3)
                        acc1[j] = T(acc1[j] + b0 * v0 + b1 * v1 + b2 * v2 + b3 * v3)
                        acc2[j] = T(acc2[j] + c0 * v0 + c1 * v1 + c2 * v2 + c3 * v3)
                        acc3[j] = T(acc3[j] + d0 * v0 + d1 * v1 + d2 * v2 + d3 * v3)
                for r in range(min(np.int64(4), end - o)):
                    if spans[o + r, 0] >= 0:
                        finish(acc[r], n, sx, base, norm[o + r, 0], fnorm[o + r], fseg,
                               spans[o + r, 0], spans[o + r, 1], rule, yf, vf, out[o + r])
                        continue
                    const, mul = norm[o + r, 0], norm[o + r, 1]
                    shift, add = norm[o + r, 2], norm[o + r, 3]
                    for j in range(n):
                        total = np.int64(acc[r, j]) + sx[base + j] + const
                        y[j] = ((total * mul) >> shift) + add
                    activate(y, n, seg, rule, out[o + r], base)
            base += n
            left -= n


@njit(["void(uint8[:, ::1], uint8[:, ::1], int64[::1], int64[:, ::1], int32[:, ::1], int64[::1], "
       "int64[:, ::1], int64[:, ::1], float64[:, ::1], float64[:, ::1], int64[:, ::1], int64, "
       "uint8[:, ::1], int64, int64)",
       "void(uint8[:, ::1], uint16[:, ::1], int64[::1], int64[:, ::1], int64[:, ::1], int64[::1], "
       "int64[:, ::1], int64[:, ::1], float64[:, ::1], float64[:, ::1], int64[:, ::1], int64, "
       "uint8[:, ::1], int64, int64)"],
      cache=True, nogil=True)
def conv3x3(x, w, offsets, runs, acc, sx, norm, seg, fnorm, fseg, spans, rule, out, first, end):
    """Output channels [first, end) of a 3x3 layer; `first` is a multiple of 4.

    w: [out channels rounded up to 4, channels * 9]; norm as in conv1x1.
    """
    T = acc.dtype.type  # the width of the sums: casting every step keeps narrow sums narrow
    acc0, acc1, acc2, acc3 = acc[0], acc[1], acc[2], acc[3]
    y = np.empty(acc.shape[1], np.int64)
    yf = np.empty(acc.shape[1], np.float64)
    vf = np.empty(acc.shape[1], np.float64)
    for k in range(runs.shape[0]):
        base = runs[k, 0]
        left = runs[k, 1]
        while left > 0:
            n = min(left, np.int64(acc.shape[1]))
            for o in range(first, end, 4):
                for r in range(4):
                    for j in range(n):
                        acc[r, j] = 0
                for i in range(x.shape[0]):
                    plane = x[i]
                    for t in range(0, 9, 3):
                        row = plane[base + offsets[t] : base + offsets[t] + n + 2]
                        m = 9 * i + t
                        a0, a1, a2 = T(w[o, m]), T(w[o, m + 1]), T(w[o, m + 2])
                        b0, b1, b2 = T(w[o + 1, m]), T(w[o + 1, m + 1]), T(w[o + 1, m + 2])
                        c0, c1, c2 = T(w[o + 2, m]), T(w[o + 2, m + 1]), T(w[o + 2, m + 2])
                        d0, d1, d2 = T(w[o + 3, m]), T(w[o + 3, m + 1]), T(w[o + 3, m + 2])
                        for j in range(n):
                            v0 = T(row[j])
                            v1 = T(row[j + 1])
                            v2 = T(row[j + 2])
                            acc0[j] = T(acc0[j] + a0 * v0 + a1 * v1 + a2 * v2)
                            acc1[j] = T(acc1[j] + b0 * v0 + b1 * v1 + b2 * v2)
                            acc2[j] = T(acc2[j] + c0 * v0 + c1 * v1 + c2 * v2)
                            acc3[j] = T(acc3[j] + d0 * v0 + d1 * v1 + d2 * v2)
                for r in range(min(np.int64(4), end - o)):
                    if spans[o + r, 0] >= 0:
                        finish(acc[r], n, sx, base, norm[o + r, 0], fnorm[o + r], fseg,
                               spans[o + r, 0], spans[o + r, 1], rule, yf, vf, out[o + r])
                        continue
                    const, mul = norm[o + r, 0], norm[o + r, 1]
                    shift, add = norm[o + r, 2], norm[o + r, 3]
                    for j in range(n):
                        total = np.int64(acc[r, j]) + sx[base + j] + const
                        y[j] = ((total * mul) >> shift) + add
                    activate(y, n, seg, rule, out[o + r], base)
            base += n
            left -= n


@njit(["void(uint8[:, ::1], uint8[:, ::1], int64[::1], int64[:, ::1], int64, int64, "
       "int64[:, ::1], int64[:, ::1], float64[:, ::1], float64[:, ::1], int64[:, ::1], int64, "
       "uint8[:, ::1], int64, int64)",
       "void(uint8[:, ::1], uint16[:, ::1], int64[::1], int64[:, ::1], int64, int64, "
       "int64[:, ::1], int64[:, ::1], float64[:, ::1], float64[:, ::1], int64[:, ::1], int64, "
       "uint8[:, ::1], int64, int64)"],
      cache=True, nogil=True)
def depthwise(x, w, offsets, runs, arg_x, shr_x, norm, seg, fnorm, fseg, spans, rule, out, first,
              end):
    """Channels [first, end) of a depthwise layer, 1x1 or 3x3 by the number of offsets.

    The sum of inputs is each channel's own, so it is formed here. w: [channels, taps].
    """
    acc = np.empty(TILE, np.int64)
    own = np.empty(TILE, np.int64)
    yf = np.empty(TILE, np.float64)
    vf = np.empty(TILE, np.float64)
    for c in range(first, end):
        plane = x[c]
        const, mul, shift, add = norm[c, 0], norm[c, 1], norm[c, 2], norm[c, 3]
        for k in range(runs.shape[0]):
            base = runs[k, 0]
            left = runs[k, 1]
            while left > 0:
                n = min(left, np.int64(TILE))
                if offsets.shape[0] == 9:
                    q0, q1, q2 = base + offsets[0], base + offsets[3], base + offsets[6]
                    w0, w1, w2 = np.int32(w[c, 0]), np.int32(w[c, 1]), np.int32(w[c, 2])
                    w3, w4, w5 = np.int32(w[c, 3]), np.int32(w[c, 4]), np.int32(w[c, 5])
                    w6, w7, w8 = np.int32(w[c, 6]), np.int32(w[c, 7]), np.int32(w[c, 8])
                    for j in range(n):
                        v0 = np.int32(plane[q0 + j])
                        v1 = np.int32(plane[q0 + j + 1])
                        v2 = np.int32(plane[q0 + j + 2])
                        v3 = np.int32(plane[q1 + j])
                        v4 = np.int32(plane[q1 + j + 1])
                        v5 = np.int32(plane[q1 + j + 2])
                        v6 = np.int32(plane[q2 + j])
                        v7 = np.int32(plane[q2 + j + 1])
                        v8 = np.int32(plane[q2 + j + 2])
                        acc[j] = np.int32(w0 * v0 + w1 * v1 + w2 * v2 + w3 * v3 + w4 * v4
                                          + w5 * v5 + w6 * v6 + w7 * v7 + w8 * v8)
                        own[j] = np.int32(v0 + v1 + v2 + v3 + v4 + v5 + v6 + v7 + v8)
                else:
                    weight = np.int64(w[c, 0])
                    for j in range(n):
                        own[j] = np.int64(plane[base + j])
                        acc[j] = weight * own[j]
                if spans[c, 0] >= 0:
                    for j in range(n):
                        own[j] = (arg_x * own[j]) >> shr_x
                    finish(acc, n, own, 0, const, fnorm[c], fseg, spans[c, 0], spans[c, 1], rule,
                           yf, vf, out[c, base : base + n])
                    base += n
                    left -= n
                    continue
                for j in range(n):
                    total = acc[j] + ((arg_x * own[j]) >> shr_x) + const
                    acc[j] = ((total * mul) >> shift) + add
                activate(acc, n, seg, rule, out[c], base)
                base += n
                left -= n


@njit(["void(uint8[:, ::1], int32[:, ::1], int64[::1], int64[:, ::1], int64[:, ::1], "
       "float64[:, ::1], float64[:, ::1], int64[:, ::1], int64, uint8[:, ::1], int64, int64)"],
      cache=True, nogil=True)
def depthwise3x3(x, w, offsets, runs, norm, fnorm, fseg, spans, rule, out, first, end):
    """Depthwise 3x3 with the input factor folded into the weights, for exact shifts.

    w: int32[channels, 9] = weight + (arg_x >> shr_x), below 2**19 in size, so sums fit 32 bits.
    Only for channels whose spans allow the float64 path.
    """
    acc = np.empty(TILE, np.int32)
    none = np.zeros(TILE, np.int64)
    y = np.empty(TILE, np.float64)
    v = np.empty(TILE, np.float64)
    last = fseg.shape[0] - 1
    magic = 1.5 * 2.0**52
    for c in range(first, end):
        plane = x[c]
        w0, w1, w2, w3, w4 = w[c, 0], w[c, 1], w[c, 2], w[c, 3], w[c, 4]
        w5, w6, w7, w8 = w[c, 5], w[c, 6], w[c, 7], w[c, 8]
        line = spans[c, 0] >= LINES and spans[c, 1] - spans[c, 0] == 1
        for k in range(runs.shape[0]):
            base = runs[k, 0]
            left = runs[k, 1]
            if line:
                # As in finish_rows: from the taps to the byte in registers.
                s = spans[c, 0] - LINES
                bottom, peak = fseg[last, 0], fseg[last, 1]
                slope, shift, off = fseg[s, 1], fseg[s, 2], fseg[s, 3]
                f, plus, fixed = fnorm[c, 0], fnorm[c, 1], np.float64(norm[c, 0])
                top = plane[base + offsets[0] : base + offsets[0] + left + 2]
                mid = plane[base + offsets[3] : base + offsets[3] + left + 2]
                low = plane[base + offsets[6] : base + offsets[6] + left + 2]
                row = out[c, base : base + left]
                for j in range(left):
                    a = np.int32(w0 * np.int32(top[j]) + w1 * np.int32(top[j + 1])
                                 + w2 * np.int32(top[j + 2]))
                    b = np.int32(w3 * np.int32(mid[j]) + w4 * np.int32(mid[j + 1])
                                 + w5 * np.int32(mid[j + 2]))
                    d = np.int32(w6 * np.int32(low[j]) + w7 * np.int32(low[j + 1])
                                 + w8 * np.int32(low[j + 2]))
                    total = np.int32(a + b + d)
                    z = np.floor((np.float64(total) + fixed) * f) + plus
                    z = z if z > bottom else bottom
                    z = z if z < peak else peak
                    row[j] = np.uint8(np.int32(((z * slope + shift) + magic) - off))
                continue
            while left > 0:
                n = min(left, np.int64(TILE))
                top = plane[base + offsets[0] : base + offsets[0] + n + 2]
                mid = plane[base + offsets[3] : base + offsets[3] + n + 2]
                low = plane[base + offsets[6] : base + offsets[6] + n + 2]
                for j in range(n):
                    a = np.int32(w0 * np.int32(top[j]) + w1 * np.int32(top[j + 1])
                                 + w2 * np.int32(top[j + 2]))
                    b = np.int32(w3 * np.int32(mid[j]) + w4 * np.int32(mid[j + 1])
                                 + w5 * np.int32(mid[j + 2]))
                    d = np.int32(w6 * np.int32(low[j]) + w7 * np.int32(low[j + 1])
                                 + w8 * np.int32(low[j + 2]))
                    acc[j] = np.int32(a + b + d)
                finish(acc, n, none, 0, norm[c, 0], fnorm[c], fseg, spans[c, 0], spans[c, 1], rule,
                       y, v, out[c, base : base + n])
                base += n
                left -= n
