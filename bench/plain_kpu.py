"""The KPU layer as plain compiled loops: what the real kernels are measured against.

One output pixel at a time, 64-bit integers, all 16 segments searched, no blocking: what a reader
of the data sheet would write first. Checked against the kernels by bench/kpu.py before it is timed.
"""

import numpy as np
from numba import njit


@njit("void(uint8[:, :, ::1], int64[:, :, ::1], boolean, int64[::1], int64[:, ::1], int64[:, ::1], "
      "uint8[:, :, ::1])", cache=True)
def layer(x, w, depthwise, args, norm, act, out):
    """x (C, H, W); w (out, in, taps); args = pad_value, arg_x, shr_x; norm rows const, mul, shift,
    add; act rows start, mul, shift, bias; out before the pool."""
    channels, height, width = x.shape
    reach = 1 if w.shape[2] == 9 else 0
    for o in range(out.shape[0]):
        for i in range(height):
            for j in range(width):
                v = np.int64(0)
                sx = np.int64(0)
                for n in range(w.shape[1]):
                    c = o if depthwise else n
                    t = 0
                    for a in range(-reach, reach + 1):
                        for b in range(-reach, reach + 1):
                            if 0 <= i + a < height and 0 <= j + b < width:
                                p = np.int64(x[c, i + a, j + b])
                            else:
                                p = args[0]
                            v += w[o, n, t] * p
                            sx += p
                            t += 1
                acc = v + ((args[1] * sx) >> args[2]) + norm[o, 0]
                y = ((acc * norm[o, 1]) >> norm[o, 2]) + norm[o, 3]
                s = 0
                for k in range(16):
                    if act[k, 0] < y:
                        s = k
                product = (y - act[s, 0]) * act[s, 1]
                shift = act[s, 2]
                r = product
                if shift > 0:
                    r = product >> shift
                    part = product - (r << shift)
                    half = np.int64(1) << (shift - 1)
                    if part > half or (part == half and r & 1):
                        r += -1 if product < 0 else 1
                out[o, i, j] = min(max(r + act[s, 3], 0), 255)
