"""Loops behind tensor functions of kmodel V5 over flat arrays (kpu/v5/plans.py)."""

import numpy as np

from k210sim.kpu.kernels.late_numba import njit

OPTIONS = {"cache": True, "nogil": True}


@njit(inline="always")
def nearest(v, low, high):
    """The byte of a float as `quantize` makes it."""
    v = np.rint(v)
    v = v if v < np.float32(2.0**31) else low
    v = v if v > low else low
    v = v if v < high else high
    return np.uint8(np.int32(v))


@njit("void(float32[::1], float32, float32, float32, float32, uint8[::1])", **OPTIONS)
def quantize(x, scale, bias, low, high, out):
    """round(x * scale + bias), ties to even, limited to low and high, the byte's bits; what is
    beyond 32 bits, and NaN, gives low."""
    for i in range(out.shape[0]):
        out[i] = nearest(np.float32(np.float32(x[i] * scale) + bias), low, high)


@njit("void(uint8[::1], boolean, float32, float32, float32[::1])", **OPTIONS)
def dequantize(x, signed, scale, bias, out):
    """x * scale + bias, both rounded; signed: the bytes are -128 to 127."""
    flip, less = np.uint8(128 if signed else 0), np.int32(128 if signed else 0)
    for i in range(out.shape[0]):
        v = np.float32(np.int32(x[i] ^ flip) - less)
        out[i] = np.float32(np.float32(v * scale) + bias)


@njit("void(uint8[::1], boolean, float32, float32, float32, float32, float32, float32, uint8[::1])",
      **OPTIONS)
def requantize(x, signed, scale, bias, again, more, low, high, out):
    """dequantize by scale and bias, then quantize by `again` and `more`."""
    flip, less = np.uint8(128 if signed else 0), np.int32(128 if signed else 0)
    for i in range(out.shape[0]):
        v = np.float32(np.int32(x[i] ^ flip) - less)
        v = np.float32(np.float32(v * scale) + bias)
        out[i] = nearest(np.float32(np.float32(v * again) + more), low, high)
