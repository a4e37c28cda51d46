"""Where a hart's int64 state array holds what; the x and f registers are arrays of their own."""

from __future__ import annotations

PC, MSTATUS, MIE, MIP, MTVEC, MSCRATCH, MEPC, MCAUSE, MTVAL, FCSR = range(10)
MEDELEG, MIDELEG, MCOUNTEREN, CYCLE, INSTRET, HARTID = range(10, 16)
RESERVED = 16  # address of the LR that SC may still use, or -1
# the access that only the machine can serve: address, size in bytes, value to store, register to
# load (-1: none, a store), and whether to load without sign
EXIT_ADDRESS, EXIT_SIZE, EXIT_VALUE, EXIT_RD, EXIT_UNSIGNED, EXIT_LENGTH = range(17, 23)
EXECUTED = 23  # instructions of the last call
TRAPS = 24  # traps taken since reset, interrupts included
PART = 25  # of a clock that has passed, see timing.py
SIZE = 32

# a hart's arrays lie one after the other, as compiled code finds them (int64 each); then the host's
# addresses of the RAM, the decoded instructions, what they were decoded from, the pages that hold
# some, the table behind BLOCK, what a fence.i has found, the bus's arrays, and the function that
# uses registers of devices
X_AT, F_AT, S_AT = 0, 64, 96
(RAM_AT, CODE_AT, SEEN_AT, PAGES_AT, ENTRIES_AT, STALE_AT, REGS_AT, FLAGS_AT, PAGE_OF_AT, ROWS_AT,
 ACCESS_AT, HART_SIZE) = range(S_AT + SIZE, S_AT + SIZE + 12)  # fmt: skip
ENTRIES = 1 << 16  # rows of the table behind BLOCK
EDGES = 3  # behind the decoded instructions: an offset may be 2 or 4 bytes behind RAM, or AWAY
MOST_STALE = 1024  # instructions that one fence.i makes forgotten one by one

RAM_BASE = 0x80000000
RAM_SIZE = 8 << 20
AI_RAM_AT = 6 << 20
RAM_HIGH = RAM_BASE >> 23  # addresses >> 23 of the RAM and of its uncached twin
TWIN_HIGH = 0x40000000 >> 23
PAGE_SHIFT = 12
PAGES = 0x90000  # 4 KiB pages of the address space below 0x90000000

# of a page of RAM: nothing there is decoded; `seen` holds the halfwords of all that is; it does not
NO_CODE, AS_SEEN, MIXED = 0, 1, 2

# why `run` came back
DONE, LOAD, STORE, WAIT, FENCED = 0, 1, 2, 3, 4

MSTATUS_MIE, MSTATUS_MPIE, MSTATUS_MPP, MSTATUS_FS = 1 << 3, 1 << 7, 3 << 11, 3 << 13
MSIP, MTIP, MEIP = 1 << 3, 1 << 7, 1 << 11
INTERRUPT = -(1 << 63)

FETCH_FAULT, ILLEGAL, BREAKPOINT = 1, 2, 3
LOAD_MISALIGNED, LOAD_FAULT, STORE_MISALIGNED, STORE_FAULT, ECALL_M = 4, 5, 6, 7, 11

# what idle.find tells of a loop, the words of RAM that it touches, what was there, and the hart's
# arrays as they were
MOST_SPIN_PLACES = 256
SPIN_PC, SPIN_LENGTH, SPIN_TRAPS, SPIN_PLACES, SPIN_LOWEST, SPIN_HIGHEST, SPIN_PLACES_AT = range(7)
SPIN_VALUES_AT = SPIN_PLACES_AT + MOST_SPIN_PLACES
SPIN_BEFORE_AT = SPIN_VALUES_AT + MOST_SPIN_PLACES
SPIN_SIZE = SPIN_BEFORE_AT + S_AT + SIZE
