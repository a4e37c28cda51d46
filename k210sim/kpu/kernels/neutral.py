"""CPU nodes of kmodel V4 whose sums have a fixed order: float32, one rounding a step, NCHW.

Source: nncase v0.2.0-beta4 src/common/include/kernels/neutral/neutral_kernels.h. Every output
element adds its terms in the order stated, whatever order the elements are visited in. Integer
kernels are exact in 64 bits. The chip's build fuses products and sums; these do not.
"""

import math

import numpy as np
from numba import njit

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


@njit("void(float32[:, :, ::1], int64, int64[::1], float32, float32, float32, float32[:, :, ::1])",
      **OPTIONS)
def reduce_window(x, op, g, init, low, high, out):
    """Windows clipped to the map, rows first. g: int64[8] = pad top, left, stride h, w, dilation
    h, w, filter h, w; mean divides by the pixels inside."""
    for c in range(out.shape[0]):
        for i in range(out.shape[1]):
            for j in range(out.shape[2]):
                v = init
                count = 0
                for a in range(g[6]):
                    y = i * g[2] - g[0] + a * g[4]
                    if y < 0 or y >= x.shape[1]:
                        continue
                    for b in range(g[7]):
                        z = j * g[3] - g[1] + b * g[5]
                        if z < 0 or z >= x.shape[2]:
                            continue
                        p = x[c, y, z]
                        if op == 1:
                            v = min(v, p)
                        elif op == 2:
                            v = max(v, p)
                        else:
                            v = np.float32(v + p)
                        count += 1
                if op == 0:
                    v = np.float32(v / np.float32(count))
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
