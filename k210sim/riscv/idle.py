"""Finds the loop in which a hart only waits: a round of it leaves all as it was.

A round executed one instruction at a time tells what it loads and stores. When the hart is back
where it began with the same registers, and every word of RAM that it has touched holds what it
held, then nothing but an interrupt, another hart or a device can ever change what it does. Not
looked at are the counters: a loop that reads one is no such loop, nor is one that uses a device.
"""

from __future__ import annotations

import numpy as np
from numba import carray, cfunc, njit

from k210sim.riscv import opcodes as op
from k210sim.riscv import state as st
from k210sim.riscv.jit_call import call_run, int64_at
from k210sim.riscv.register_access import SOFTWARE_AT

MASK = st.RAM_SIZE - 1
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


@cfunc("int64(int64, int64, int64, int64)", cache=True)
def find(limit, run, hart, spin):
    """1 when the hart is in a loop of up to `limit` instructions in which it only waits, else 0.

    Executes up to so many. run : address of execute.run. hart : address of its arrays. spin :
    address of what tells the loop (SPIN_PC and so on in state.py), with room to work in; the places
    in it are numbers of 64-bit words of RAM
    """
    h = carray(int64_at(hart), st.HART_SIZE)
    r64 = carray(int64_at(h[st.RAM_AT]), st.RAM_SIZE // 8)
    code = carray(int64_at(h[st.CODE_AT]), st.RAM_SIZE // 2 + st.EDGES)
    entries = carray(int64_at(h[st.ENTRIES_AT]), (st.ENTRIES, 3))
    found = carray(int64_at(spin), st.SPIN_SIZE)
    places = found[st.SPIN_PLACES_AT : st.SPIN_VALUES_AT]
    values = found[st.SPIN_VALUES_AT : st.SPIN_BEFORE_AT]
    h0 = found[st.SPIN_BEFORE_AT :]
    x, f, s = h[st.X_AT : st.F_AT], h[st.F_AT : st.S_AT], h[st.S_AT : st.S_AT + st.SIZE]
    x0, f0, s0 = h0[st.X_AT : st.F_AT], h0[st.F_AT : st.S_AT], h0[st.S_AT : st.S_AT + st.SIZE]
    for i in range(st.S_AT + st.SIZE):
        h0[i] = h[i]
    used = 0
    lowest = highest = s[st.PC]
    for n in range(limit):
        pc = s[st.PC]
        lowest, highest = min(lowest, pc), max(highest, pc)
        high = pc >> 23
        if high != st.RAM_HIGH and high != st.TWIN_HIGH:
            return np.int64(0)
        word = code[(pc & MASK) >> 1]
        if word & 255 == op.BLOCK:
            word = entries[word >> 32, 2]
        kind = word & 255
        if kind == op.CSR:
            number = (word >> 32) & 0xFFF
            if number in COUNTERS:
                return np.int64(0)
        elif (kind == 0 or kind == op.ILLEGAL or kind >= op.EDGE
              or op.FENCE_I <= kind <= op.EBREAK or kind == op.WFI):  # fmt: skip
            return np.int64(0)
        size = access_size(kind)
        if size:
            is_atomic = kind == op.AMO_W or kind == op.AMO_D
            address = x[word >> 14 & 31] + (0 if is_atomic else word >> 32)
            high = address >> 23
            if high == st.RAM_HIGH or high == st.TWIN_HIGH:
                if address & (size - 1):
                    return np.int64(0)
                place = (address & MASK) >> 3
                known = False
                for i in range(used):
                    if places[i] == place:
                        known = True
                        break
                if not known:
                    if used == st.MOST_SPIN_PLACES:
                        return np.int64(0)
                    places[used], values[used] = place, r64[place]
                    used += 1
            elif size != 4 or address != SOFTWARE_AT + (s[st.HARTID] << 2):
                return np.int64(0)
        status = call_run(run, np.int64(1), hart)
        if status != st.DONE:
            return np.int64(0)
        if s[st.PC] == s0[st.PC] and same_state(s, x, f, s0, x0, f0):
            back = True
            for i in range(used):
                if r64[places[i]] != values[i]:
                    back = False
                    break
            if back:
                found[st.SPIN_PC], found[st.SPIN_LENGTH] = s[st.PC], n + 1
                found[st.SPIN_TRAPS] = s[st.TRAPS] - s0[st.TRAPS]
                found[st.SPIN_PLACES] = used
                found[st.SPIN_LOWEST], found[st.SPIN_HIGHEST] = lowest, highest
                return np.int64(1)
    return np.int64(0)
