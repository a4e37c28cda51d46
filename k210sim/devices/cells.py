"""What the compiled core may do with a register, and the state of devices that it shares.

A register's flags say whether the core reads and writes it as plain memory; the bits above name a
register whose meaning hot.py knows. Such registers work on the device's row of int64 cells; the
device itself works on the same row, in plain Python.
"""

from __future__ import annotations

READ, WRITE = 1, 2
KIND_SHIFT = 2  # flags >> KIND_SHIFT is one of these
(PLAIN, KEEPS, SPI_SSIENR, SPI_SER, SPI_SR, SPI_TXFLR, SPI_RXFLR, SPI_DR, DMAC_CFG, DMAC_CHEN,
 DMAC_INTCLEAR) = range(11)  # fmt: skip
# KEEPS: storing the value that is there changes nothing

# a FIFO: index behind its last frame, index of its first, frames
DEPTH = 64
END, START, FRAMES = 0, 1, 2

# an SPI controller
SELECTED = 0
PHASE_DONE = 1  # instruction and address are out
OPEN_LINE = 2  # nobody is connected: it reads ones, and selecting does nothing
BEYOND = 3  # a FIFO holds more than its row does: only Python knows all of it
AT_3 = 4  # fields of ctrlr0 lie as in SPI3
SENT = 8
GOT = SENT + FRAMES + DEPTH
ROW = GOT + FRAMES + DEPTH

# the last row is everybody's
DMA_WAITS = 0  # number of DMA channels that wait for their device
