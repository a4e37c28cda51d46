"""Loads and stores outside RAM: what compiled code can do with the registers of devices."""

from __future__ import annotations

import numpy as np
from numba import njit

from k210sim.devices import hot
from k210sim.devices.bus import MAX_PAGES, PAGE
from k210sim.devices.cells import KIND_SHIFT, READ, WRITE
from k210sim.riscv import state as st

WORDS = MAX_PAGES * PAGE // 4  # registers of all devices
FAULT, MISALIGNED, SERVE = 1, 2, 3  # why an access is not done; SERVE: Python has to
SOFTWARE_AT = 0x02000000  # the CLINT's msip of hart 0; hart 1's follows


@njit(
    "Tuple((int64, int64))(int64, int64, uint32[::1], uint8[::1], int16[::1], int64[:, ::1])",
    cache=True,
)
def load(address, size, regs, flags, page_of, rows):
    """(0 or why not, value without sign) of a load that is neither from RAM nor of a plain word."""
    if address & (size - 1):
        return np.int64(MISALIGNED), np.int64(0)
    page = address >> st.PAGE_SHIFT
    if page < 0 or page >= st.PAGES or page_of[page] < 0:
        return np.int64(FAULT), np.int64(0)
    at = (np.int64(page_of[page]) << 10) | ((address & 0xFFF) >> 2)
    if size == 8 and flags[at] & READ and flags[at + 1] & READ:
        return np.int64(0), np.int64(regs[at]) | (np.int64(regs[at + 1]) << 32)
    kind = np.int64(flags[at] >> KIND_SHIFT)
    if size == 4 and kind:
        served, value = hot.load(kind, at, regs, rows)
        if served:
            return np.int64(0), value
    return np.int64(SERVE), np.int64(0)


@njit(
    "int64(int64, int64, int64, uint32[::1], uint8[::1], int16[::1], int64[:, ::1])", cache=True
)
def store(address, size, value, regs, flags, page_of, rows):
    """0 or why not, for a store that is neither to RAM nor of a plain word."""
    if address & (size - 1):
        return np.int64(MISALIGNED)
    page = address >> st.PAGE_SHIFT
    if page < 0 or page >= st.PAGES or page_of[page] < 0:
        return np.int64(FAULT)
    at = (np.int64(page_of[page]) << 10) | ((address & 0xFFF) >> 2)
    if size == 8 and flags[at] & WRITE and flags[at + 1] & WRITE:
        regs[at] = np.uint32(value & 0xFFFFFFFF)
        regs[at + 1] = np.uint32((value >> 32) & 0xFFFFFFFF)
        return np.int64(0)
    kind = np.int64(flags[at] >> KIND_SHIFT)
    if size >= 4 and kind and hot.store(kind, at, size, value, regs, rows):
        return np.int64(0)
    return np.int64(SERVE)
