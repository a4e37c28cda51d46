"""How compiled blocks use registers of devices: those that need no Python, see execute.py.

Compiled code calls `access` through an address that lies behind the hart's arrays, with those of
the bus (state.py).

Editing execute.py or hot.py does not make numba compile this file anew; `touch` it.
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import carray, cfunc, types
from numba.extending import intrinsic

from k210sim.devices.bus import MAX_PAGES, PAGE
from k210sim.devices.cells import READ, ROW, WRITE
from k210sim.riscv import execute
from k210sim.riscv import state as st

WORDS = MAX_PAGES * PAGE // 4


def _pointer(kind):
    @intrinsic
    def pointer(typing_context, address):
        def generate(context, builder, signature, arguments):
            bits = ir.IntType(kind.bitwidth).as_pointer()
            return builder.inttoptr(arguments[0], bits)

        return types.CPointer(kind)(types.int64), generate

    return pointer


_words, _bytes, _halfwords, _longs = map(
    _pointer, (types.uint32, types.uint8, types.int16, types.int64)
)


@cfunc("int64(CPointer(int64), int64, int64, int64, int64)", cache=True)
def access(hart, address, size, stores, value):
    """1 when a load or store outside RAM is done, else 0: then nothing has happened.

    hart : its arrays. size : 4 or 8 bytes. stores : 1 stores `value`, 0 loads; what a load gets,
    without sign, is in the state's EXIT_VALUE
    """
    h = carray(hart, st.HART_SIZE)
    regs = carray(_words(h[st.REGS_AT]), WORDS)
    flags = carray(_bytes(h[st.FLAGS_AT]), WORDS)
    page_of = carray(_halfwords(h[st.PAGE_OF_AT]), st.PAGES)
    rows = carray(_longs(h[st.ROWS_AT]), (MAX_PAGES, ROW))
    page = address >> st.PAGE_SHIFT
    if address & (size - 1) or page < 0 or page >= st.PAGES or page_of[page] < 0:
        return np.int64(0)
    if address == execute.SOFTWARE_AT + (h[st.S_AT + st.HARTID] << 2):
        return np.int64(0)
    at = (np.int64(page_of[page]) << 10) | ((address & 0xFFF) >> 2)
    if stores:
        if size == 4 and flags[at] & WRITE:
            regs[at] = np.uint32(value & 0xFFFFFFFF)
            return np.int64(1)
        why = execute.store(address, size, value, regs, flags, page_of, rows)
    else:
        if size == 4 and flags[at] & READ:
            why, value = np.int64(0), np.int64(regs[at])
        else:
            why, value = execute.load(address, size, regs, flags, page_of, rows)
        h[st.S_AT + st.EXIT_VALUE] = value
    return np.int64(1 if why == 0 else 0)
