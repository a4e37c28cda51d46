"""Products, quotients and atomic operations, compiled."""

from __future__ import annotations

import numpy as np
from numba import njit

from k210sim.riscv import state as st
from k210sim.riscv.softfloat import multiply_wide

SIGN = -0x8000000000000000
MASK = st.RAM_SIZE - 1


@njit("int64(int64, int64, boolean, boolean)", cache=True)
def multiply_high(a, b, a_signed, b_signed):
    upper = np.int64(multiply_wide(np.uint64(a), np.uint64(b))[0])
    if a_signed and a < 0:
        upper -= b
    if b_signed and b < 0:
        upper -= a
    return upper


@njit("int64(int64, int64, boolean, boolean)", cache=True)
def divide(a, b, signed, remainder):
    """div, divu, rem, remu with RISC-V's results for 0 and overflow."""
    if b == 0:
        return a if remainder else np.int64(-1)
    if signed:
        if b == -1:
            return np.int64(0) if remainder else -a
        quotient = abs(a) // abs(b) if a != SIGN and b != SIGN else np.int64(0)
        if a == SIGN or b == SIGN:
            if b == SIGN:
                quotient = np.int64(1 if a == SIGN else 0)
            else:
                quotient = np.int64(np.uint64(a) // np.uint64(abs(b)))
        if (a < 0) != (b < 0):
            quotient = -quotient
    else:
        quotient = np.int64(np.uint64(a) // np.uint64(b))
    return a - quotient * b if remainder else quotient


@njit("int64(int64, int64, int64)", cache=True)
def combine(f5, old, operand):
    """What an AMO stores."""
    if f5 == 0:
        return old + operand
    if f5 == 1:
        return operand
    if f5 == 4:
        return old ^ operand
    if f5 == 8:
        return old | operand
    if f5 == 12:
        return old & operand
    if f5 == 16:
        return min(old, operand)
    if f5 == 20:
        return max(old, operand)
    if f5 == 24:
        return min(old ^ SIGN, operand ^ SIGN) ^ SIGN
    return max(old ^ SIGN, operand ^ SIGN) ^ SIGN


@njit("int64(int64[::1], int64[::1], int64, int64, int64, int64, int64, int32[::1], int64[::1])",
      cache=True)  # fmt: skip
def atomic(s, x, rd, address, operand, f5, size, r32, r64):
    """LR, SC and the AMOs: -1, or the cause of the trap. They work on RAM only."""
    loads = f5 == 2
    if address & (size - 1):
        return np.int64(st.LOAD_MISALIGNED if loads else st.STORE_MISALIGNED)
    high = address >> 23
    if high != st.RAM_HIGH and high != st.TWIN_HIGH:
        return np.int64(st.LOAD_FAULT if loads else st.STORE_FAULT)
    off = address & MASK
    if f5 == 3:
        failed = s[st.RESERVED] != off
        s[st.RESERVED] = np.int64(-1)
        if not failed:
            if size == 4:
                r32[off >> 2] = np.int32(operand)
            else:
                r64[off >> 3] = operand
        x[rd] = np.int64(1 if failed else 0)
        return np.int64(-1)
    old = np.int64(r32[off >> 2]) if size == 4 else r64[off >> 3]
    if loads:
        s[st.RESERVED] = off
    elif size == 4:
        # sign-extended operands keep the order of unsigned numbers too
        r32[off >> 2] = np.int32(combine(f5, old, np.int64(np.int32(operand))))
    else:
        r64[off >> 3] = combine(f5, old, operand)
    x[rd] = old
    return np.int64(-1)
