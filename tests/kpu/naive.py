"""Plain twins of the KPU kernels: exact Python integers, NumPy float32 scalars, no tricks."""

from __future__ import annotations

import math

import numpy as np

F = np.float32


def convolve(x, weights, *, depthwise, pad_value, arg_x, shr_x, arg_w, shr_w, arg_add):
    """acc[oc][y][x] as Python integers. x: (C, H, W) array; weights: (oc, ic, k, k)."""
    channels, height, width = x.shape
    k = weights.shape[-1]
    reach = k // 2

    def pixel(c, i, j):
        inside = 0 <= i < height and 0 <= j < width
        return int(x[c, i, j]) if inside else pad_value

    maps = []
    for o in range(weights.shape[0]):
        inputs = [o] if depthwise else list(range(channels))
        sw = sum(int(w) for w in weights[o].ravel())
        rows = []
        for i in range(height):
            row = []
            for j in range(width):
                v = sx = 0
                for n, c in enumerate(inputs):
                    for a in range(k):
                        for b in range(k):
                            value = pixel(c, i + a - reach, j + b - reach)
                            v += int(weights[o, n, a, b]) * value
                            sx += value
                row.append(v + ((arg_x * sx) >> shr_x) + ((arg_w * sw) >> shr_w)
                           + arg_add * len(inputs))
            rows.append(row)
        maps.append(rows)
    return maps


def round_even(t, s):
    """The newer activation rounding, from its description: quotient, remainder, half."""
    if s == 0:
        return t
    whole, part, half = t >> s, t & ((1 << s) - 1), 1 << (s - 1)
    step = -1 if t < 0 else 1
    if part > half:
        return whole + step
    if part == half and whole % 2:
        return whole + step
    return whole


def round_up(t, s):
    """The older activation rounding."""
    if s == 0:
        return t
    u = t >> (s - 1)
    if u % 2 == 0:
        return u >> 1
    return (u >> 1) + (1 if u >= 0 else -1)


def activate(y, table, rule="even"):
    """table: sequence of (x_start, mul, shift, bias), 16 rows."""
    chosen = table[0]
    for row in table:
        if row[0] < y or (rule == "up" and row[0] == y):
            chosen = row
    start, mul, shift, bias = (int(v) for v in chosen)
    rounding = round_even if rule == "even" else round_up
    return min(max(rounding((y - start) * mul, shift) + bias, 0), 255)


def normalise(acc, mul, shift, add):
    return ((acc * mul) >> shift) + add


def pool(x, kind):
    """KPU pool types 0 to 9 on a (C, H, W) array."""
    channels, height, width = x.shape
    stride = (1, 2, 2, 4, 4, 2, 2, 4, 1, 1)[kind]
    out = np.zeros((channels, height // stride, width // stride), np.uint8)
    for c in range(channels):
        for i in range(out.shape[1]):
            for j in range(out.shape[2]):
                top, left = i * stride, j * stride
                if kind in (0, 5, 7):
                    value = x[c, top, left]
                elif kind == 6:
                    value = x[c, top, left + 1]
                elif kind == 8:
                    value = sum(int(x[c, min(top + a, height - 1), min(left + b, width - 1)])
                                for a in (0, 1) for b in (0, 1)) // 4
                elif kind == 9:
                    value = max(int(x[c, top + a, left + b]) if top + a < height
                                and left + b < width else 0 for a in (0, 1) for b in (0, 1))
                else:
                    block = [int(v) for v in x[c, top : top + stride, left : left + stride].ravel()]
                    value = max(block) if kind in (1, 3) else sum(block) // len(block)
                out[c, i, j] = value
    return out


def layer(x, weights, norm, table, kind=0, rule="even", **args):
    """A whole KPU layer; norm: rows of (mul, shift, add) per output channel."""
    acc = convolve(x, weights, **args)
    out = np.zeros((len(acc), *x.shape[1:]), np.uint8)
    for o, rows in enumerate(acc):
        mul, shift, add = (int(v) for v in norm[o])
        for i, row in enumerate(rows):
            for j, value in enumerate(row):
                out[o, i, j] = activate(normalise(value, mul, shift, add), table, rule)
    return pool(out, kind)


def cpu_max_pool(x, out_shape, kernel, stride, pad):
    """kernel, stride, pad: (width, height) pairs."""
    out = np.zeros(out_shape, np.uint8)
    for c, i, j in np.ndindex(*out_shape):
        top, left = i * stride[1] - pad[1], j * stride[0] - pad[0]
        best = 0
        for a in range(top, top + kernel[1]):
            for b in range(left, left + kernel[0]):
                if 0 <= a < x.shape[1] and 0 <= b < x.shape[2]:
                    best = max(best, int(x[c, a, b]))
        out[c, i, j] = best
    return out


def average_pool(x, out_shape, kernel, stride, pad):
    out = np.zeros(out_shape, F)
    for c, i, j in np.ndindex(*out_shape):
        top, left = i * stride[1] - pad[1], j * stride[0] - pad[0]
        total, count = F(0), 0
        for a in range(top, top + kernel[1]):
            for b in range(left, left + kernel[0]):
                if 0 <= a < x.shape[1] and 0 <= b < x.shape[2]:
                    total, count = F(total + x[c, a, b]), count + 1
        out[c, i, j] = total / F(count) if count else F(math.nan)
    return out


def dequantize(x, scale, bias):
    return np.array([F(F(v) * F(scale)) + F(bias) for v in x], F)


def quantize(x, scale, bias, truncate=False):
    out = []
    for v in x:
        v = float(F(F(v) - F(bias)) * F(F(1) / F(scale)))
        if math.isnan(v):
            out.append(0)
            continue
        v = min(max(v, -1.0), 256.0)
        whole = math.trunc(v) if truncate else math.floor(abs(v) + 0.5) * (1 if v >= 0 else -1)
        out.append(min(max(whole, 0), 255))
    return np.array(out, np.uint8)


def quantized_add(a, b, f):
    """f: offset, mul, shift of a, of b, of the output."""
    out = []
    for left, right in zip(a, b, strict=True):
        x, y = (int(left) + f[0]) * f[1], (int(right) + f[3]) * f[4]
        v = (x + y) >> f[2] if f[2] == f[5] else (x >> f[2]) + (y >> f[5])
        out.append(min(max(round_up(v * f[7], f[8]) + f[6], 0), 255))
    return np.array(out, np.uint8)


def fully_connected(x, weights, bias, act):
    out = []
    for row, b in zip(weights, bias, strict=True):
        total = F(0)
        for v, w in zip(x, row, strict=True):
            total = F(total + F(v * w))
        total = F(total + b)
        if act:
            total = max(total, F(0))
        if act == 2:
            total = min(total, F(6))
        out.append(total)
    return np.array(out, F)


def ordered_sum(values):
    total = F(0)
    for v in values:
        total = F(total + v)
    return total


def softmax(x, exp):
    """`exp` is a float32 function, so that only the order of steps is compared."""
    m = F(1.1754943508222875e-38)
    for v in x:
        m = max(m, v)
    e = [exp(F(v - m)) for v in x]
    total = ordered_sum(e)
    return np.array([F(v / total) for v in e], F)


def l2_normalize(x):
    total = max(ordered_sum([F(v * v) for v in x]), F(1e-10))
    factor = F(1) / np.sqrt(total)
    return np.array([F(v * factor) for v in x], F)


def iou(a, b):
    """Boxes as (centre x, centre y, width, height), float32 scalars."""
    sides = []
    for k in (0, 1):
        right = min(F(a[k] + F(a[k + 2] * F(0.5))), F(b[k] + F(b[k + 2] * F(0.5))))
        left = max(F(a[k] - F(a[k + 2] * F(0.5))), F(b[k] - F(b[k + 2] * F(0.5))))
        sides.append(F(right - left))
    common = F(0) if min(sides) < 0 else F(sides[0] * sides[1])
    return F(common / F(F(F(a[2] * a[3]) + F(b[2] * b[3])) - common))
