"""Byte layers of the CPU: quantize, dequantize, quantized add. Float32 steps round separately.

Source: kendryte-standalone-sdk lib/drivers/kpu.c. The chip's build may fuse a product and a sum
(one rounding); these kernels do not, as the stored answers do not either.
"""

import math

import numpy as np

from k210sim.kpu.kernels.late_numba import njit

# Division by zero gives infinity or NaN, as on the chip, and no exception.
OPTIONS = {"cache": True, "nogil": True, "error_model": "numpy"}


@njit("void(uint8[::1], float32, float32, float32[::1])", **OPTIONS)
def dequantize(x, scale, bias, out):
    """out = x * scale + bias, the product rounded before the sum."""
    for i in range(out.shape[0]):
        out[i] = np.float32(np.float32(x[i]) * scale) + bias


@njit("void(float32[::1], float32, float32, int64, uint8[::1])", **OPTIONS)
def quantize(x, scale, bias, truncate, out):
    """out = clamp(round((x - bias) * (1/scale))), half away from zero; truncate=1: toward zero,
    which is what MaixPy's own `roundf` does. NaN gives 0 (guess: the chip's conversion is
    undefined in C)."""
    factor = np.float32(1.0) / scale
    for i in range(out.shape[0]):
        v = np.float32(np.float32(x[i] - bias) * factor)
        if math.isnan(v):
            out[i] = 0
            continue
        v = min(max(v, np.float32(-1.0)), np.float32(256.0))
        whole = math.trunc(v)
        if truncate == 0 and abs(v - np.float32(whole)) >= np.float32(0.5):
            whole += 1 if v > 0 else -1
        out[i] = min(max(whole, 0), 255)


@njit("void(uint8[::1], uint8[::1], int64[::1], uint8[::1])", **OPTIONS)
def quantized_add(a, b, f, out):
    """f: int64[9] = offset, mul, shift of a, of b and of the output. Shifts 0 to 62."""
    for i in range(out.shape[0]):
        left = (np.int64(a[i]) + f[0]) * f[1]
        right = (np.int64(b[i]) + f[3]) * f[4]
        if f[2] == f[5]:
            v = (left + right) >> f[2]
        else:
            v = (left >> f[2]) + (right >> f[5])
        v *= f[7]
        if f[8] > 0:
            v >>= f[8] - 1
            if v & 1:
                v = (v >> 1) + (1 if v >= 0 else -1)
            else:
                v >>= 1
        v += f[6]
        out[i] = min(max(v, np.int64(0)), np.int64(255))
