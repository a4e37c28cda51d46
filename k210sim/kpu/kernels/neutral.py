"""CPU nodes of kmodel V4 whose sums have a fixed order: float32, one rounding a step, NCHW.

Source: nncase v0.2.0-beta4 src/common/include/kernels/neutral/neutral_kernels.h. Every output
element adds its terms in the order stated, whatever order the elements are visited in. Integer
kernels are exact in 64 bits. The chip's build fuses products and sums; these do not.
"""

import math

import numpy as np

from k210sim.kpu.kernels.late_numba import njit

OPTIONS = {"cache": True, "nogil": True, "error_model": "numpy"}


@njit("void(uint8[:, :, ::1], uint8[:, :, :, ::1], int32[::1], int64[::1], int64[::1], "
      "uint8[:, :, ::1])", **OPTIONS)
def quantized_conv2d(x, w, bias, g, q, out):
    """q: int64[5] = input offset, filter offset, mul, shift, output offset; 32-bit sums."""
    per_out = w.shape[0] // g[6]
    height, width = np.int64(x.shape[1]), np.int64(x.shape[2])
    for o in range(w.shape[0]):
        group = o // per_out
        for i in range(out.shape[1]):
            for j in range(out.shape[2]):
                total = np.int64(bias[o])
                for c in range(w.shape[1]):
                    for a in range(w.shape[2]):
                        y = i * g[2] - g[0] + a * g[4]
                        if y < 0 or y >= height:
                            continue
                        for b in range(w.shape[3]):
                            z = j * g[3] - g[1] + b * g[5]
                            if z < 0 or z >= width:
                                continue
                            total += ((np.int64(x[group * w.shape[1] + c, y, z]) + q[0])
                                      * (np.int64(w[o, c, a, b]) + q[1]))
                v = np.int64(np.int32(total)) * q[2]
                if q[3] > 0:
                    v = (v + (np.int64(1) << (q[3] - 1))) >> q[3]
                out[o, i, j] = min(max(np.int64(np.int32(v)) + q[4], np.int64(0)), np.int64(255))


@njit("void(float32[:, :, ::1], float32[:, :, :, :, ::1], int64[::1], float32[:, :, ::1])",
      **OPTIONS)
def conv2d_transpose(x, w, g, out):
    """w (groups, out/groups, in/groups, fh, fw); out zeroed here. The bias is never added, as in
    the vendor's runtime. Order: group, input channel, row, column, output channel, tap."""
    out[:] = np.float32(0)
    per_in, per_out = w.shape[2], w.shape[1]
    for group in range(w.shape[0]):
        for c in range(per_in):
            for i in range(x.shape[1]):
                for j in range(x.shape[2]):
                    v = x[group * per_in + c, i, j]
                    for o in range(per_out):
                        for a in range(w.shape[3]):
                            y = i * g[2] - g[0] + a * g[4]
                            if y < 0 or y >= out.shape[1]:
                                continue
                            for b in range(w.shape[4]):
                                z = j * g[3] - g[1] + b * g[5]
                                if z < 0 or z >= out.shape[2]:
                                    continue
                                k = group * per_out + o
                                out[k, y, z] = np.float32(
                                    out[k, y, z] + np.float32(v * w[group, o, c, a, b]))


@njit("void(float32[:, ::1], float32[:, ::1], float32[::1], float32, float32, float32[:, ::1])",
      **OPTIONS)
def matmul(a, b, bias, low, high, out):
    """Starts with the column's bias, then along the columns of a."""
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] = bias[j]
        for k in range(a.shape[1]):
            v = a[i, k]
            for j in range(out.shape[1]):
                out[i, j] = np.float32(out[i, j] + np.float32(v * b[k, j]))
        for j in range(out.shape[1]):
            out[i, j] = min(max(out[i, j], low), high)


@njit("void(float32[:, :, :, ::1], int64, float32[:, :, :, ::1])", **OPTIONS)
def reduce(x, op, out):
    """Into `out`, filled with the start value; an index past a dimension of out becomes 0.
    op 0 mean and 3 sum: row-major sums; 1 minimum; 2 maximum."""
    for n in range(x.shape[0]):
        for c in range(x.shape[1]):
            for i in range(x.shape[2]):
                for j in range(x.shape[3]):
                    a = n if n < out.shape[0] else 0
                    b = c if c < out.shape[1] else 0
                    y = i if i < out.shape[2] else 0
                    z = j if j < out.shape[3] else 0
                    v = x[n, c, i, j]
                    if op == 1:
                        out[a, b, y, z] = min(out[a, b, y, z], v)
                    elif op == 2:
                        out[a, b, y, z] = max(out[a, b, y, z], v)
                    else:
                        out[a, b, y, z] = np.float32(out[a, b, y, z] + v)


@njit("void(float32[:, ::1], float32[::1])", **OPTIONS)
def row_sums(x, out):
    """out[i] += every number of row i, in their order. Eight rows go side by side, since each sum
    waits for the one before."""
    eights = x.shape[0] // 8 * 8
    for i in range(0, eights, 8):
        a, b, c, d = out[i], out[i + 1], out[i + 2], out[i + 3]
        e, f, g, h = out[i + 4], out[i + 5], out[i + 6], out[i + 7]
        for j in range(x.shape[1]):
            a = np.float32(a + x[i, j])
            b = np.float32(b + x[i + 1, j])
            c = np.float32(c + x[i + 2, j])
            d = np.float32(d + x[i + 3, j])
            e = np.float32(e + x[i + 4, j])
            f = np.float32(f + x[i + 5, j])
            g = np.float32(g + x[i + 6, j])
            h = np.float32(h + x[i + 7, j])
        out[i], out[i + 1], out[i + 2], out[i + 3] = a, b, c, d
        out[i + 4], out[i + 5], out[i + 6], out[i + 7] = e, f, g, h
    for i in range(eights, x.shape[0]):
        for j in range(x.shape[1]):
            out[i] = np.float32(out[i] + x[i, j])


@njit(inline="always")
def taps_inside(start, step, count, size):
    """The first of `count` places, `step` apart from `start` on, that is in 0 to size, and the one
    behind the last."""
    first, end = np.int64(0), np.int64(0)
    if start < 0:
        first = (-start + step - 1) // step
    if start < size:
        end = min(count, (size - 1 - start) // step + 1)
    return first, max(first, end)


@njit(inline="always")
def widen(a, b, count, size, step):
    """The greatest of `size` numbers, `step` apart, from each of `count` on; the first of equal
    ones (zeros of both signs). Works in a and b by turns; returns the one that has it."""
    done = 1
    while done < size:
        ahead = min(done, size - done)
        n = count - (done + ahead - 1) * step
        further = a[ahead * step :]
        for i in range(n):
            b[i] = further[i] if further[i] > a[i] else a[i]
        a, b = b, a
        done += ahead
    return a, b


@njit("void(float32[:, :, ::1], int64[::1], float32, float32, float32, float32[:, :, ::1])",
      **OPTIONS)
def greatest(x, g, init, low, high, out):
    """reduce_window for maxima with steps of one and a start that is a number: rows, then columns,
    each by maxima of maxima. What is not above the start leaves it, so numbers that are not, and
    what lies outside, are the start."""
    height, width = np.int64(x.shape[1]), np.int64(x.shape[2])
    rows, columns = np.int64(out.shape[1]), np.int64(out.shape[2])
    wide, tall = columns + g[7] - 1, rows + g[6] - 1
    line, other = np.empty(height * wide, np.float32), np.empty(height * wide, np.float32)
    band, more = np.empty(tall * columns, np.float32), np.empty(tall * columns, np.float32)
    # Of the map what any window reaches, which may be nothing: no end before its start.
    x0, y0 = max(np.int64(0), -g[1]), max(np.int64(0), -g[0])
    x1, y1 = max(x0, min(width, wide - g[1])), max(y0, min(height, tall - g[0]))
    for c in range(out.shape[0]):
        line[:] = init
        for y in range(y0, y1):
            row, target = x[c, y, x0:x1], line[y * wide + x0 + g[1] :]
            for j in range(row.shape[0]):
                target[j] = row[j] if row[j] > init else init
        found, spare = widen(line, other, height * wide, g[7], np.int64(1))
        band[:] = init
        for y in range(y0, y1):
            row = found[y * wide : y * wide + columns]
            band[(y + g[0]) * columns : (y + g[0] + 1) * columns] = row
        result, rest = widen(band, more, tall * columns, g[6], columns)
        flat = out[c].reshape(-1)
        for i in range(rows * columns):
            flat[i] = min(max(result[i], low), high)
        line, other, band, more = found, spare, result, rest


@njit("void(float32[:, :, ::1], int64, int64[::1], float32, float32, float32, float32[:, :, ::1])",
      **OPTIONS)
def reduce_window(x, op, g, init, low, high, out):
    """Windows clipped to the map, rows first. g: int64[8] = pad top, left, stride h, w, dilation
    h, w, filter h, w; mean divides by the pixels inside. op as in reduce."""
    if op == 2 and g[2] * g[3] * g[4] * g[5] == 1 and g[6] * g[7] > 8 and init == init:
        greatest(x, g, init, low, high, out)
        return
    for c in range(out.shape[0]):
        for i in range(out.shape[1]):
            top = i * g[2] - g[0]
            a0, a1 = taps_inside(top, g[4], g[6], np.int64(x.shape[1]))
            for j in range(out.shape[2]):
                left = j * g[3] - g[1]
                b0, b1 = taps_inside(left, g[5], g[7], np.int64(x.shape[2]))
                v = init
                if op == 2:
                    for a in range(a0, a1):
                        for b in range(b0, b1):
                            v = max(v, x[c, top + a * g[4], left + b * g[5]])
                elif op == 1:
                    for a in range(a0, a1):
                        for b in range(b0, b1):
                            v = min(v, x[c, top + a * g[4], left + b * g[5]])
                else:
                    for a in range(a0, a1):
                        for b in range(b0, b1):
                            v = np.float32(v + x[c, top + a * g[4], left + b * g[5]])
                if op == 0:
                    v = np.float32(v / np.float32((a1 - a0) * (b1 - b0)))
                out[c, i, j] = min(max(v, low), high)


@njit("void(float32[:, :, ::1], float32, float32, float32[:, :, ::1])", **OPTIONS)
def bilinear(x, scale_h, scale_w, out):
    """Four taps weighted and added left to right, in float32."""
    one = np.float32(1)
    height, width = x.shape[1], x.shape[2]
    for c in range(out.shape[0]):
        for i in range(out.shape[1]):
            y = np.float32(np.float32(i) * scale_h)
            y0 = min(int(math.floor(y)), height - 1)
            y1 = min(y0 + 1, height - 1)
            dy = np.float32(y - np.float32(y0))
            for j in range(out.shape[2]):
                z = np.float32(np.float32(j) * scale_w)
                z0 = min(int(math.floor(z)), width - 1)
                z1 = min(z0 + 1, width - 1)
                dx = np.float32(z - np.float32(z0))
                v = np.float32(np.float32(x[c, y0, z0] * np.float32(one - dy))
                               * np.float32(one - dx))
                v = np.float32(v + np.float32(np.float32(x[c, y1, z0] * dy)
                                              * np.float32(one - dx)))
                v = np.float32(v + np.float32(np.float32(x[c, y0, z1] * np.float32(one - dy))
                                              * dx))
                v = np.float32(v + np.float32(np.float32(x[c, y1, z1] * dy) * dx))
                out[c, i, j] = v


@njit("void(float32[::1], float32, float32, uint8[::1])", **OPTIONS)
def quantize(x, scale, zero, out):
    """round(x * scale + zero), half away from zero, limited to a byte; NaN gives 0."""
    for i in range(out.shape[0]):
        v = np.float32(np.float32(x[i] * scale) + zero)
        v = v if v > np.float32(0) else np.float32(0)
        v = v if v < np.float32(256) else np.float32(256)
        # In float64, where adding a half is exact.
        whole = np.int32(np.float64(v) + 0.5)
        out[i] = np.uint8(whole if whole < 255 else 255)


@njit("void(uint8[::1], int32, float32, float32[::1])", **OPTIONS)
def dequantize(x, zero, step, out):
    """(x - zero) * step."""
    for i in range(out.shape[0]):
        out[i] = np.float32(np.int32(np.int32(x[i]) - zero)) * step


@njit("int64(int64, int64)", **OPTIONS)
def carry(v, shift):
    """v / 2**shift, half up, in 32 bits."""
    if shift > 0:
        v = (v + (np.int64(1) << (shift - 1))) >> shift
    return np.int64(np.int32(v))


@njit("void(uint8[::1], uint8[::1], int64[::1], int64[::1], int64, int64, int64, int64, "
      "uint8[::1])", **OPTIONS)
def quantized_binary(a, b, left, right, op, mul, shift, offset, out):
    """left[a] op right[b], then times mul, shifted, plus offset. op 0 to 5: sum, difference,
    product, quotient (nearest, half away from zero; no right is 0), minimum, maximum."""
    for i in range(out.shape[0]):
        x, y = left[a[i]], right[b[i]]
        if op == 0:
            v = x + y
        elif op == 1:
            v = x - y
        elif op == 2:
            v = x * y
        elif op == 3:
            v = x + (y // 2 if y >= 0 else -(-y // 2))
            size = abs(v) // abs(y)
            v = size if (v < 0) == (y < 0) else -size
        elif op == 4:
            v = min(x, y)
        else:
            v = max(x, y)
        v = carry(np.int64(np.int32(v)) * mul, shift) + offset
        out[i] = np.uint8(min(max(v, np.int64(0)), np.int64(255)))


@njit(["void(uint8[:, :, ::1], int64[::1], int64[::1], uint8[:, :, ::1])",
       "void(int32[:, :, ::1], int64[::1], int64[::1], int32[:, :, ::1])"], **OPTIONS)
def nearest(x, rows, columns, out):
    """out[c, i, j] = x[c, rows[i], columns[j]]."""
    for c in range(x.shape[0]):
        for i in range(out.shape[1]):
            source, target = x[c, rows[i]], out[c, i]
            for j in range(out.shape[2]):
                target[j] = source[np.uint64(columns[j])]
