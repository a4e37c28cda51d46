"""The F and D instructions that compute: from a decoded instruction to registers, compiled.

Most results come from the host's own arithmetic, where it must give the same bits: rounding to
nearest, the inexact flag already raised (so raising it again tells nothing), operands normal or
zero, result well inside the range of normal numbers. All else goes to softfloat.py.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from k210sim.riscv import softfloat as sf
from k210sim.riscv import state as st


@njit("boolean(int64, boolean)", cache=True)
def _plain(bits, double):
    """Whether a register holds a normal number or zero."""
    if double:
        field = (bits >> 52) & 0x7FF
        return (field != 0x7FF and field != 0) or (bits << 1) == 0
    if bits >> 32 != -1:
        return False
    field = (bits >> 23) & 0xFF
    return (field != 0xFF and field != 0) or (bits << 33) == 0


@njit("boolean(int64[::1], float64[::1], int64, int64, int64, int64)", cache=True)
def _fast_double(f, fd, kind, rd, a, b):
    if not (_plain(f[a], True) and (kind == 11 or _plain(f[b], True))):
        return False
    if kind == 0:
        value = fd[a] + fd[b]
    elif kind == 1:
        value = fd[a] - fd[b]
    elif kind == 2:
        value = fd[a] * fd[b]
    elif kind == 3:
        if fd[b] == 0.0:
            return False
        value = fd[a] / fd[b]
    else:
        if fd[a] <= 0.0:
            return False
        value = math.sqrt(fd[a])
    size = abs(value)
    if not (size > 1e-300 and size < 1e300):
        return False
    fd[rd] = value
    return True


@njit("boolean(int64[::1], float32[::1], int64, int64, int64, int64)", cache=True)
def _fast_single(f, fs, kind, rd, a, b):
    if not (_plain(f[a], False) and (kind == 11 or _plain(f[b], False))):
        return False
    p, q = fs[2 * a], fs[2 * b]
    zero = np.float32(0)
    if kind == 0:
        value = np.float32(p + q)
    elif kind == 1:
        value = np.float32(p - q)
    elif kind == 2:
        value = np.float32(p * q)
    elif kind == 3:
        if q == zero:
            return False
        value = np.float32(p / q)
    else:
        if p <= zero:
            return False
        value = np.float32(math.sqrt(p))
    size = abs(value)
    if not (size > np.float32(1e-37) and size < np.float32(1e37)):
        return False
    fs[2 * rd] = value
    f[rd] |= sf.BOX
    return True


@njit("int64(int64[::1], int64)", cache=True)
def _mode(s, field):
    """The rounding mode of an instruction, or -1 for one that does not exist."""
    mode = (s[st.FCSR] >> 5) if field == 7 else field
    return mode if mode <= 4 else np.int64(-1)


@njit("boolean(int64[::1], int64[::1], int64[::1], float64[::1], float32[::1], int64)", cache=True)
def compute(s, x, f, fd, fs, word):
    """Execute an instruction of major opcode 0x53; False when its rounding mode is illegal."""
    kind = (word >> 27) & 31
    double = (word >> 25) & 1 == 1
    b = (word >> 20) & 31
    a = (word >> 15) & 31
    f3 = (word >> 12) & 7
    rd = (word >> 7) & 31
    to_x = False
    if kind <= 3 or kind == 0x0B:
        mode = _mode(s, f3)
        if mode < 0:
            return False
        if mode == sf.RNE and s[st.FCSR] & sf.NX:
            if double:
                if _fast_double(f, fd, kind, rd, a, b):
                    return True
            elif _fast_single(f, fs, kind, rd, a, b):
                return True
        if kind == 0:
            value, flags = sf.add(f[a], f[b], double, mode)
        elif kind == 1:
            # a boxed single keeps its box; anything else counts as NaN whatever its sign
            other = f[b] ^ (np.int64(-0x8000000000000000) if double else np.int64(0x80000000))
            value, flags = sf.add(f[a], other, double, mode)
        elif kind == 2:
            value, flags = sf.multiply(f[a], f[b], double, mode)
        elif kind == 3:
            value, flags = sf.divide(f[a], f[b], double, mode)
        else:
            value, flags = sf.square_root(f[a], double, mode)
    elif kind == 0x04:
        if double:
            p, q, top = f[a], f[b], np.int64(-0x8000000000000000)
        else:
            p = f[a] if f[a] >> 32 == -1 else sf.nan(False)
            q = f[b] if f[b] >> 32 == -1 else sf.nan(False)
            top = np.int64(0x80000000)
        if f3 == 0:
            value = (p & ~top) | (q & top)
        elif f3 == 1:
            value = (p & ~top) | (~q & top)
        else:
            value = p ^ (q & top)
        flags = np.int64(0)
    elif kind == 0x05:
        value, flags = sf.extreme(f[a], f[b], double, f3 == 1)
    elif kind == 0x14:
        value, flags = sf.compare(f[a], f[b], double, f3)
        to_x = True
    elif kind == 0x1C:
        to_x = True
        flags = np.int64(0)
        if f3 == 1:
            value, flags = sf.to_class(f[a], double, False)
        elif double:
            value = f[a]
        else:
            value = (f[a] << 32) >> 32
    elif kind == 0x1E:
        value = x[a] if double else (x[a] & 0xFFFFFFFF) | sf.BOX
        flags = np.int64(0)
    else:
        mode = _mode(s, f3)
        if mode < 0:
            return False
        if kind == 0x08:
            value, flags = sf.convert(f[a], double, mode)
        elif kind == 0x18:
            value, flags = sf.to_integer(f[a], b & 1 == 0, b & 2 == 2, double, mode)
            to_x = True
        else:
            value, flags = sf.from_integer(x[a], b & 1 == 0, b & 2 == 2, double, mode)
    s[st.FCSR] |= flags
    if not to_x:
        f[rd] = value
    elif rd:
        x[rd] = value
    return True


@njit("boolean(int64[::1], int64[::1], int64)", cache=True)
def multiply_add(s, f, word):
    """Execute fmadd, fmsub, fnmsub or fnmadd; False when the rounding mode is illegal."""
    kind = (word >> 2) & 3
    double = (word >> 25) & 1 == 1
    mode = _mode(s, (word >> 12) & 7)
    if mode < 0:
        return False
    top = np.int64(-0x8000000000000000) if double else np.int64(0x80000000)
    c = f[(word >> 27) & 31]
    if kind == 1 or kind == 3:
        c ^= top
    value, flags = sf.multiply_add(
        f[(word >> 15) & 31], f[(word >> 20) & 31], c,
        np.int64(1 if kind >= 2 else 0), double, mode,
    )  # fmt: skip
    s[st.FCSR] |= flags
    f[(word >> 7) & 31] = value
    return True
