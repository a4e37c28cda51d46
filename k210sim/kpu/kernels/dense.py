"""Float32 layers of the CPU. The order of every sum is part of the contract: as written, from the
first element on, each step rounded to float32.

Source: kendryte-standalone-sdk lib/drivers/kpu.c. The chip is built with -ffast-math, so its last
bit may differ. `exp32` follows the C library of the chip (newlib's older single-precision expf),
so that every host gives the same bits.
"""

import math

import numpy as np

from k210sim.kpu.kernels.late_numba import njit

# Division by zero gives infinity or NaN, as on the chip, and no exception.
OPTIONS = {"cache": True, "nogil": True, "error_model": "numpy"}

LN2_HIGH = np.uint32(0x3F317180).view(np.float32)
LN2_LOW = np.uint32(0x3717F7D1).view(np.float32)
LN2_INVERSE = np.uint32(0x3FB8AA3B).view(np.float32)
P1 = np.uint32(0x3E2AAAAB).view(np.float32)
P2 = np.uint32(0xBB360B61).view(np.float32)
P3 = np.uint32(0x388AB355).view(np.float32)
P4 = np.uint32(0xB5DDEA0E).view(np.float32)
P5 = np.uint32(0x3331BB4C).view(np.float32)
TOO_BIG = np.float32(88.72283)
TOO_SMALL = np.float32(-103.97208)
FLT_MIN = np.float32(1.1754943508222875e-38)
ONE, HALF, TWO, ZERO = np.float32(1), np.float32(0.5), np.float32(2), np.float32(0)


@njit("float32(float32)", **OPTIONS)
def exp32(x):
    """e**x in float32, error below one unit in the last place."""
    if math.isnan(x):
        return x
    if x > TOO_BIG:
        return np.float32(np.inf)
    if x < TOO_SMALL:
        return ZERO
    size = abs(x)
    high = x
    low = ZERO
    k = 0
    r = x
    if size > HALF * np.float32(0.6931472):
        if size < np.float32(1.5) * np.float32(0.6931472):
            k = 1 if x > 0 else -1
        else:
            k = int(np.float32(LN2_INVERSE * x) + (HALF if x > 0 else -HALF))
        high = np.float32(x - np.float32(np.float32(k) * LN2_HIGH))
        low = np.float32(np.float32(k) * LN2_LOW)
        r = np.float32(high - low)
    elif size < np.float32(2.0**-28):
        return np.float32(ONE + x)
    t = np.float32(r * r)
    p = np.float32(P4 + np.float32(t * P5))
    p = np.float32(P3 + np.float32(t * p))
    p = np.float32(P2 + np.float32(t * p))
    p = np.float32(P1 + np.float32(t * p))
    c = np.float32(r - np.float32(t * p))
    if k == 0:
        return np.float32(ONE - (np.float32(np.float32(r * c) / np.float32(c - TWO)) - r))
    y = np.float32(ONE - (np.float32(low - np.float32(np.float32(r * c) / np.float32(TWO - c)))
                          - high))
    return np.float32(math.ldexp(np.float64(y), k))


@njit("void(float32[::1], float32[::1])", **OPTIONS)
def exp_all(x, out):
    for i in range(out.shape[0]):
        out[i] = exp32(x[i])


@njit("void(float32[::1], float32[::1])", **OPTIONS)
def logistic(x, out):
    """1 / (1 + exp(-x))."""
    for i in range(out.shape[0]):
        out[i] = ONE / np.float32(ONE + exp32(-x[i]))


@njit("void(float32[::1], float32, float32[::1])", **OPTIONS)
def softmax(x, floor, out):
    """exp(x - m) / sum; the maximum m is searched from `floor` on (the SDK starts at FLT_MIN)."""
    m = floor
    for i in range(x.shape[0]):
        m = max(m, x[i])
    total = ZERO
    for i in range(x.shape[0]):
        out[i] = exp32(np.float32(x[i] - m))
        total = np.float32(total + out[i])
    for i in range(x.shape[0]):
        out[i] = out[i] / total


@njit("void(float32[::1], float32[::1])", **OPTIONS)
def l2_normalize(x, out):
    """x / sqrt(max(sum of squares, 1e-10)), as a product with the reciprocal root."""
    total = ZERO
    for i in range(x.shape[0]):
        total = np.float32(total + np.float32(x[i] * x[i]))
    total = max(total, np.float32(1e-10))
    factor = ONE / np.float32(math.sqrt(total))
    for i in range(x.shape[0]):
        out[i] = x[i] * factor


@njit("void(float32[::1], float32[:, ::1], float32[::1], int64, float32[::1])",
      **OPTIONS)
def fully_connected(x, weights, bias, act, out):
    """weights [out, in]; the sum starts at 0, the bias comes last; act 1 ReLU, 2 ReLU6."""
    for o in range(weights.shape[0]):
        total = ZERO
        for i in range(weights.shape[1]):
            total = np.float32(total + np.float32(x[i] * weights[o, i]))
        total = np.float32(total + bias[o])
        if act >= 1:
            total = max(total, ZERO)
        if act == 2:
            total = min(total, np.float32(6))
        out[o] = total


@njit("void(float32[:, ::1], float32[::1])", **OPTIONS)
def global_average(x, out):
    """Mean of every row: sum in order, then one division."""
    for c in range(x.shape[0]):
        total = ZERO
        for i in range(x.shape[1]):
            total = np.float32(total + x[c, i])
        out[c] = total / np.float32(x.shape[1])


@njit("void(float32[:, :, ::1], int64, int64, int64, int64, int64, int64, float32[:, :, ::1])",
      **OPTIONS)
def average_pool(x, kernel_w, kernel_h, stride_w, stride_h, pad_w, pad_h, out):
    """Mean over the part of each window inside the map, rows first; no pixel inside gives NaN."""
    height, width = x.shape[1], x.shape[2]
    for c in range(out.shape[0]):
        for i in range(out.shape[1]):
            top = max(i * stride_h - pad_h, np.int64(0))
            bottom = min(i * stride_h - pad_h + kernel_h, np.int64(height))
            for j in range(out.shape[2]):
                left = max(j * stride_w - pad_w, np.int64(0))
                right = min(j * stride_w - pad_w + kernel_w, np.int64(width))
                total = ZERO
                count = 0
                for a in range(top, bottom):
                    for b in range(left, right):
                        total = np.float32(total + x[c, a, b])
                        count += 1
                out[c, i, j] = total / np.float32(count) if count else np.float32(np.nan)
