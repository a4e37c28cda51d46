"""What the interpreter's loop keeps of the code in RAM: each halfword's instruction, decoded.

code : a decoded instruction, or 0, for each halfword of RAM. seen : the halfwords that they were
decoded from. pages : of each page of RAM one of state.NO_CODE, AS_SEEN, MIXED. entries : what
BLOCK stands for, see execute.run.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from k210sim.riscv import opcodes as op
from k210sim.riscv import state as st
from k210sim.riscv.decode import decode, expand

LAST = st.RAM_SIZE - 2


@njit("int64(int16[::1], int64)", cache=True)
def decoded(r16, off):
    """The instruction that lies at RAM offset `off`, decoded."""
    first = np.int64(r16[off >> 1]) & 0xFFFF
    if first & 3 != 3:
        return decode(expand(first))
    second = np.int64(r16[(off >> 1) + 1]) & 0xFFFF if off < LAST else np.int64(0)
    return decode((second << 16) | first) | op.LONG


@njit("void(int64[::1], int64[:, ::1], int64)", cache=True)
def note_device(code, entries, at):
    """Note that the access at a halfword of RAM has met a register which is served here."""
    word = code[at]
    if word & 255 == op.BLOCK:
        entries[word >> 32, 2] |= op.DEVICE
    else:
        code[at] = word | op.DEVICE


@njit("void(int16[::1], int16[::1], uint8[::1], int64)", cache=True)
def remember(r16, seen, pages, at):
    """Note what lies at a halfword of RAM while an instruction that it belongs to is decoded."""
    half = 1 << (st.PAGE_SHIFT - 1)
    page = at >> (st.PAGE_SHIFT - 1)
    if pages[page] == st.NO_CODE:
        for i in range(page * half, (page + 1) * half):
            seen[i] = r16[i]
        pages[page] = st.AS_SEEN
    elif seen[at] != r16[at]:
        seen[at] = r16[at]
        pages[page] = st.MIXED


@njit("int64(int16[::1], int64[::1], int16[::1], uint8[::1], int64)", cache=True)
def fetch(r16, code, seen, pages, off):
    """Decode the instruction at RAM offset `off` and remember it."""
    word = decoded(r16, off)
    at = off >> 1
    code[at] = word
    remember(r16, seen, pages, at)
    if word & op.LONG and off < LAST:
        remember(r16, seen, pages, at + 1)
    return word


@njit("int64(int16[::1], int64[::1], int64[:, ::1], int64, int64[::1], int64)", cache=True)
def stale_in_page(r16, code, entries, page, stale, count):
    """Put into `stale` the halfwords whose decoded instruction reaches into a page and is not what
    lies in RAM now; their number, those `count` there before included."""
    half = 1 << (st.PAGE_SHIFT - 1)
    for at in range(max(np.int64(0), page * half - 1), (page + 1) * half):
        word = code[at]
        if word & 255 == op.BLOCK:
            word = entries[word >> 32, 2]
        if word != 0 and word & ~op.DEVICE != decoded(r16, at << 1):
            if count < stale.size:
                stale[count] = at
            count += 1
    return count


@njit("int64(int16[::1], int64[::1], int16[::1], uint8[::1], int64[:, ::1], int64[::1])",
      cache=True)  # fmt: skip
def fence(r16, code, seen, pages, entries, stale):
    """fence.i: the number of decoded instructions that were written over, and where in `stale`.

    Firmware executes it where only data changed, many times a second, so that pages that are as
    they were are told by a plain comparison.
    """
    half = 1 << (st.PAGE_SHIFT - 1)
    count = np.int64(0)
    for page in range(pages.size):
        if pages[page] == st.NO_CODE:
            continue
        first, end = page * half, (page + 1) * half
        differ = np.int16(0)
        if pages[page] == st.AS_SEEN:
            for at in range(first, end):
                differ |= r16[at] ^ seen[at]
        if pages[page] == st.MIXED or differ != 0:
            before = count
            count = stale_in_page(r16, code, entries, page, stale, count)
            if count == before:
                for at in range(first, end):
                    seen[at] = r16[at]
                pages[page] = st.AS_SEEN
            else:
                pages[page] = st.MIXED
    return count
