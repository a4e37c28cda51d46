"""How compiled blocks use registers of devices: those that need no Python, see execute.py.

Compiled code calls `access` through an address that lies behind the hart's arrays, with those of
the bus (state.py).
"""

from __future__ import annotations

import numpy as np
from numba import carray, cfunc

from k210sim.devices.bus import MAX_PAGES
from k210sim.devices.cells import READ, ROW, WRITE
from k210sim.riscv import state as st
from k210sim.riscv.jit_call import int16_at, int64_at, uint8_at, uint32_at
from k210sim.riscv.register_access import SOFTWARE_AT, WORDS, load, store


@cfunc("int64(int64, int64, int64, int64, int64)", cache=True)
def access(hart, address, size, stores, value):
    """1 when a load or store outside RAM is done, else 0: then nothing has happened.

    hart : address of its arrays. size : 4 or 8 bytes. stores : 1 stores `value`, 0 loads; what a
    load gets, without sign, is in the state's EXIT_VALUE
    """
    h = carray(int64_at(hart), st.HART_SIZE)
    regs = carray(uint32_at(h[st.REGS_AT]), WORDS)
    flags = carray(uint8_at(h[st.FLAGS_AT]), WORDS)
    page_of = carray(int16_at(h[st.PAGE_OF_AT]), st.PAGES)
    rows = carray(int64_at(h[st.ROWS_AT]), (MAX_PAGES, ROW))
    page = address >> st.PAGE_SHIFT
    if address & (size - 1) or page < 0 or page >= st.PAGES or page_of[page] < 0:
        return np.int64(0)
    if address == SOFTWARE_AT + (h[st.S_AT + st.HARTID] << 2):
        return np.int64(0)
    at = (np.int64(page_of[page]) << 10) | ((address & 0xFFF) >> 2)
    if stores:
        if size == 4 and flags[at] & WRITE:
            regs[at] = np.uint32(value & 0xFFFFFFFF)
            return np.int64(1)
        why = store(address, size, value, regs, flags, page_of, rows)
    else:
        if size == 4 and flags[at] & READ:
            why, value = np.int64(0), np.int64(regs[at])
        else:
            why, value = load(address, size, regs, flags, page_of, rows)
        h[st.S_AT + st.EXIT_VALUE] = value
    return np.int64(1 if why == 0 else 0)
