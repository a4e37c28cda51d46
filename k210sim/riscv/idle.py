"""Finds the loop in which a hart only waits: a round of it leaves all as it was.

A round executed one instruction at a time tells what it loads and stores. When the hart is back
where it began with the same registers, and every word of RAM that it has touched holds what it
held, then nothing but an interrupt, another hart or a device can ever change what it does. Not
looked at are the counters: a loop that reads one is no such loop, nor is one that uses a device.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from k210sim.riscv import opcodes as op
from k210sim.riscv import state as st
from k210sim.riscv.execute import SOFTWARE_AT
from k210sim.riscv.jit_call import call_run

MASK = st.RAM_SIZE - 1
PC, LENGTH, TRAPS, PLACES, LOWEST, HIGHEST = range(6)  # of `found`
FOUND = 6
COUNTERS = (0xB00, 0xB02, 0xC00, 0xC02)


@njit("int64(int64)", cache=True)
def access_size(code):
    """Bytes that an operation loads or stores, 0 when none."""
    if code == op.LB or code == op.LBU or code == op.SB:
        return np.int64(1)
    if code == op.LH or code == op.LHU or code == op.SH:
        return np.int64(2)
    if code == op.LW or code == op.LWU or code == op.SW or code == op.FLW or code == op.FSW:
        return np.int64(4)
    if code == op.AMO_W:
        return np.int64(4)
    if code == op.LD or code == op.SD or code == op.FLD or code == op.FSD or code == op.AMO_D:
        return np.int64(8)
    return np.int64(0)


@njit("boolean(int64[::1], int64[::1], int64[::1], int64[::1], int64[::1], int64[::1])", cache=True)
def same_state(s, x, f, s0, x0, f0):
    """Whether a hart is as it was, but for what counts instructions and clocks."""
    for i in range(st.HARTID + 1):
        if i != st.CYCLE and i != st.INSTRET and s[i] != s0[i]:
            return False
    if s[st.RESERVED] != s0[st.RESERVED]:
        return False
    for i in range(32):
        if x[i] != x0[i] or f[i] != f0[i]:
            return False
    return True


@njit("boolean(int64, int64, int64[::1], int64[::1], int64[::1], int64[:, ::1], int64[::1],"
      " int64[::1])", cache=True, nogil=True)  # fmt: skip
def find(limit, run, h, r64, code, entries, found, places):
    """Whether the hart is in a loop of up to `limit` instructions in which it only waits.

    Executes up to so many. run : address of execute.run. h : the hart's arrays. found : then tells
    the loop. places : gets the 64-bit words of RAM that it touches, by their number
    """
    x, f, s = h[st.X_AT : st.F_AT], h[st.F_AT : st.S_AT], h[st.S_AT : st.S_AT + st.SIZE]
    s0, x0, f0 = s.copy(), x.copy(), f.copy()
    values = np.empty(places.size, np.int64)
    used = 0
    lowest = highest = s[st.PC]
    for n in range(limit):
        pc = s[st.PC]
        lowest, highest = min(lowest, pc), max(highest, pc)
        high = pc >> 23
        if high != st.RAM_HIGH and high != st.TWIN_HIGH:
            return False
        word = code[(pc & MASK) >> 1]
        if word & 255 == op.BLOCK:
            word = entries[word >> 32, 2]
        kind = word & 255
        if kind == op.CSR:
            number = (word >> 32) & 0xFFF
            if number in COUNTERS:
                return False
        elif (kind == 0 or kind == op.ILLEGAL or kind >= op.EDGE
              or op.FENCE_I <= kind <= op.EBREAK or kind == op.WFI):  # fmt: skip
            return False
        size = access_size(kind)
        if size:
            is_atomic = kind == op.AMO_W or kind == op.AMO_D
            address = x[word >> 14 & 31] + (0 if is_atomic else word >> 32)
            high = address >> 23
            if high == st.RAM_HIGH or high == st.TWIN_HIGH:
                if address & (size - 1):
                    return False
                place = (address & MASK) >> 3
                known = False
                for i in range(used):
                    if places[i] == place:
                        known = True
                        break
                if not known:
                    if used == places.size:
                        return False
                    places[used], values[used] = place, r64[place]
                    used += 1
            elif size != 4 or address != SOFTWARE_AT + (s[st.HARTID] << 2):
                return False
        status = call_run(run, np.int64(1), np.int64(h.ctypes.data))
        if status != st.DONE:
            return False
        if s[st.PC] == s0[st.PC] and same_state(s, x, f, s0, x0, f0):
            back = True
            for i in range(used):
                if r64[places[i]] != values[i]:
                    back = False
                    break
            if back:
                found[PC], found[LENGTH] = s[st.PC], n + 1
                found[TRAPS] = s[st.TRAPS] - s0[st.TRAPS]
                found[PLACES], found[LOWEST], found[HIGHEST] = used, lowest, highest
                return True
    return False
