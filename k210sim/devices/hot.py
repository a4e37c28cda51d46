"""Registers that real firmware uses so often that the compiled core serves them: numba kernels.

Each does what its device's method does, on the same registers and the same row of cells (see
cells.py), or nothing at all when Python has to: when a chip has to answer, an interrupt line may
change, or a DMA channel waits. The devices in Python are their twins; tests compare them.

Editing cells.py does not make numba compile this file anew; `touch` it.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from k210sim.devices import cells as c

CTRLR0, CTRLR1, SSIENR, SER = 0, 1, 2, 4  # words of an SPI controller
BOTH, SEND = 0, 1
CHANNELS = 0x3F
INTSTATUS, INTSTATUS_EN = -4, -6  # words from a channel's intclear


@njit("boolean(uint32[::1], int64, int64[::1])", cache=True)
def _flow(regs, base, row):
    """Do what the frames waiting make possible; False when Python has to."""
    if row[c.SELECTED] == 0:
        return True
    ctrlr0 = np.int64(regs[base + CTRLR0])
    at3 = row[c.AT_3] != 0
    wide = ctrlr0 >> (22 if at3 else 21) & 3 != 0
    waiting = row[c.SENT + c.END] - row[c.SENT + c.START]
    if waiting == 0 and (row[c.PHASE_DONE] != 0 or not wide):
        return True
    if wide or row[c.OPEN_LINE] == 0:
        return False
    mode = ctrlr0 >> (10 if at3 else 8) & 3
    if mode == BOTH:
        frames = waiting
    elif mode == SEND:
        frames = np.int64(0)
    else:
        frames = (np.int64(regs[base + CTRLR1]) & 0xFFFF) + 1
    end = row[c.GOT + c.END]
    if end + frames > c.DEPTH:
        return False
    size = ((ctrlr0 >> (0 if at3 else 16) & 31) + 8) // 8
    ones = (np.int64(1) << 8 * size) - 1
    for i in range(frames):
        row[c.GOT + c.FRAMES + end + i] = ones
    row[c.GOT + c.END] = end + frames
    row[c.SENT + c.END] = row[c.SENT + c.START] = 0
    return True


@njit("boolean(int64, int64, uint32[::1], int64[::1])", cache=True)
def _switch(at, value, regs, row):
    """A store to ssienr or ser: False when Python has to."""
    base = at & ~1023
    before = regs[at]
    regs[at] = np.uint32(value)
    active = regs[base + SSIENR] & 1 != 0 and regs[base + SER] != 0
    selected = row[c.SELECTED] != 0
    if active != selected:
        phase = row[c.PHASE_DONE]
        if active:
            row[c.SELECTED], row[c.PHASE_DONE] = 1, 0
        if row[c.OPEN_LINE] == 0 or not _flow(regs, base, row):
            row[c.SELECTED], row[c.PHASE_DONE] = np.int64(selected), phase
            regs[at] = before
            return False
        row[c.SELECTED] = np.int64(active)
    if at == base + SSIENR and value == 0:
        row[c.SENT + c.END] = row[c.SENT + c.START] = 0
        row[c.GOT + c.END] = row[c.GOT + c.START] = 0
    return True


@njit("Tuple((boolean, int64))(int64, int64, uint32[::1], int64[:, ::1])", cache=True)
def load(kind, at, regs, rows):
    """(whether it is served here, the value) of a load of 4 bytes."""
    row = rows[at >> 10]
    if kind < c.SPI_SR or kind > c.SPI_DR or row[c.BEYOND] != 0:
        return False, np.int64(0)
    base = at & ~1023
    if not _flow(regs, base, row):
        return False, np.int64(0)
    got = row[c.GOT + c.END] - row[c.GOT + c.START]
    if kind == c.SPI_SR:
        return True, np.int64(0x0E if got else 0x06)
    if kind == c.SPI_TXFLR:
        active = regs[base + SSIENR] & 1 != 0 and regs[base + SER] != 0
        return True, np.int64(0) if active else row[c.SENT + c.END] - row[c.SENT + c.START]
    if kind == c.SPI_RXFLR:
        return True, got
    if got == 0:
        return True, np.int64(0)
    start = row[c.GOT + c.START]
    value = row[c.GOT + c.FRAMES + (start & (c.DEPTH - 1))]
    if got == 1:
        row[c.GOT + c.END] = row[c.GOT + c.START] = 0
    else:
        row[c.GOT + c.START] = start + 1
    return True, value


@njit("boolean(int64, int64, int64, int64, uint32[::1], int64[:, ::1])", cache=True)
def store(kind, at, size, value, regs, rows):
    """Whether a store of 4 or 8 bytes is done here."""
    waits = rows[rows.shape[0] - 1, c.DMA_WAITS] != 0
    if size == 8:
        if kind == c.DMAC_CFG and not waits:
            regs[at] = np.uint32(value & 3)
            regs[at + 1] = np.uint32(0)
            return True
        if kind == c.DMAC_CHEN and not waits:
            chosen = value >> 8 & CHANNELS
            if chosen & value:
                return False
            regs[at] = np.uint32(np.int64(regs[at]) & CHANNELS & ~chosen)
            regs[at + 1] = np.uint32(0)
            return True
        if kind == c.DMAC_INTCLEAR:
            # an interrupt that is enabled is Python's to end
            low, high = at + INTSTATUS, at + INTSTATUS_EN
            if regs[low] & regs[high] or regs[low + 1] & regs[high + 1]:
                return False
            regs[low] = np.uint32(np.int64(regs[low]) & ~(value & 0xFFFFFFFF))
            regs[low + 1] = np.uint32(np.int64(regs[low + 1]) & ~(value >> 32 & 0xFFFFFFFF))
            return True
        return False
    value &= 0xFFFFFFFF
    if kind == c.KEEPS:
        return np.int64(regs[at]) == value
    row = rows[at >> 10]
    if row[c.BEYOND] != 0 or waits:
        return False
    if kind == c.SPI_SSIENR:
        return _switch(at, value & 1, regs, row)
    if kind == c.SPI_SER:
        return _switch(at, value, regs, row)
    if kind == c.SPI_SR:
        return True
    if kind == c.SPI_DR:
        end = row[c.SENT + c.END]
        if end >= c.DEPTH:
            return False
        row[c.SENT + c.FRAMES + (end & (c.DEPTH - 1))] = value
        row[c.SENT + c.END] = end + 1
        return True
    return False
