"""Control and status registers, and the way into and out of a trap, compiled.

Machine mode only: mstatus.MPP always reads 3 and S-mode registers do not exist. On the chip mtvec
has no vectored mode (privileged specification 1.9.1), so its lowest two bits read 0; there is no
`time` register either (a read traps, as on other Rocket cores of that age: our guess for this
chip), nor are there PMP registers. mstatus.FS is off or dirty, nothing between, as in those
cores.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from k210sim.riscv import state as st
from k210sim.riscv.timing import CLOCKS, INSTRUCTIONS

MISA = -0x8000000000000000 | 0x112D  # RV64, A C D F I M


@njit("void(int64[::1], int64, int64)", cache=True)
def trap(s, cause, value):
    """Enter the trap handler; s[PC] is the instruction that did not complete, or the next one."""
    s[st.MEPC] = s[st.PC]
    s[st.MCAUSE] = cause
    s[st.MTVAL] = value
    status = s[st.MSTATUS]
    enabled = (status >> 3) & 1
    s[st.MSTATUS] = (status & ~(st.MSTATUS_MIE | st.MSTATUS_MPIE)) | (enabled << 7) | st.MSTATUS_MPP
    s[st.PC] = s[st.MTVEC]
    s[st.TRAPS] += 1


@njit("void(int64[::1])", cache=True)
def leave_trap(s):
    """mret."""
    status = s[st.MSTATUS]
    before = (status >> 7) & 1
    s[st.MSTATUS] = (status & ~st.MSTATUS_MIE) | (before << 3) | st.MSTATUS_MPIE | st.MSTATUS_MPP
    s[st.PC] = s[st.MEPC]


@njit("boolean(int64[::1])", cache=True)
def take_interrupt(s):
    """Enter the handler of a pending interrupt that is enabled; external first, then software."""
    pending = s[st.MIP] & s[st.MIE]
    if pending == 0 or s[st.MSTATUS] & st.MSTATUS_MIE == 0:
        return False
    if pending & st.MEIP:
        number = np.int64(11)
    elif pending & st.MSIP:
        number = np.int64(3)
    elif pending & st.MTIP:
        number = np.int64(7)
    else:
        return False
    trap(s, np.int64(st.INTERRUPT) + number, np.int64(0))
    return True


@njit("Tuple((boolean, int64))(int64[::1], int64, int64)", cache=True)
def _read(s, number, done):
    """(whether it exists, its value); `done` instructions are not counted in `s` yet."""
    status = s[st.MSTATUS]
    if number <= 3:
        if number == 0 or status & st.MSTATUS_FS == 0:
            return False, np.int64(0)
        if number == 1:
            return True, s[st.FCSR] & 31
        if number == 2:
            return True, s[st.FCSR] >> 5
        return True, s[st.FCSR]
    if number == 0x300:
        dirty = status & st.MSTATUS_FS == st.MSTATUS_FS
        return True, status | (np.int64(-0x8000000000000000) if dirty else 0)
    if number == 0x301:
        return True, np.int64(MISA)
    if number == 0x302:
        return True, s[st.MEDELEG]
    if number == 0x303:
        return True, s[st.MIDELEG]
    if number == 0x304:
        return True, s[st.MIE]
    if number == 0x305:
        return True, s[st.MTVEC]
    if number == 0x306 or number == 0x320:
        return True, s[st.MCOUNTEREN]
    if number == 0x340:
        return True, s[st.MSCRATCH]
    if number == 0x341:
        return True, s[st.MEPC]
    if number == 0x342:
        return True, s[st.MCAUSE]
    if number == 0x343:
        return True, s[st.MTVAL]
    if number == 0x344:
        return True, s[st.MIP]
    if number == 0xB00 or number == 0xC00:
        return True, s[st.CYCLE] + (s[st.PART] + done * CLOCKS) // INSTRUCTIONS
    if number == 0xB02 or number == 0xC02:
        return True, s[st.INSTRET] + done
    if number == 0xF14:
        return True, s[st.HARTID]
    # identity, unused event counters and their selectors, trigger select: they read 0
    zero = (
        (0xF11 <= number <= 0xF13) or (0xB03 <= number <= 0xB1F) or (0xC03 <= number <= 0xC1F)
        or (0x323 <= number <= 0x33F) or (0x7A0 <= number <= 0x7A3)
    )  # fmt: skip
    return zero, np.int64(0)


@njit("void(int64[::1], int64, int64, int64)", cache=True)
def _write(s, number, value, done):
    if number <= 3:
        if number == 1:
            s[st.FCSR] = (s[st.FCSR] & 0xE0) | (value & 31)
        elif number == 2:
            s[st.FCSR] = (s[st.FCSR] & 31) | ((value & 7) << 5)
        else:
            s[st.FCSR] = value & 255
        s[st.MSTATUS] |= st.MSTATUS_FS
    elif number == 0x300:
        keep = st.MSTATUS_MIE | st.MSTATUS_MPIE
        units = st.MSTATUS_FS if value & st.MSTATUS_FS else 0
        s[st.MSTATUS] = (value & keep) | units | st.MSTATUS_MPP
    elif number == 0x302:
        s[st.MEDELEG] = np.int64(0)  # no mode below to delegate to
    elif number == 0x303:
        s[st.MIDELEG] = np.int64(0)
    elif number == 0x304:
        s[st.MIE] = value & (st.MSIP | st.MTIP | st.MEIP)
    elif number == 0x305:
        s[st.MTVEC] = value & ~3
    elif number == 0x306 or number == 0x320:
        s[st.MCOUNTEREN] = value & 7
    elif number == 0x340:
        s[st.MSCRATCH] = value
    elif number == 0x341:
        s[st.MEPC] = value & ~1
    elif number == 0x342:
        s[st.MCAUSE] = value
    elif number == 0x343:
        s[st.MTVAL] = value
    elif number == 0xB00:
        # the instruction that writes counts too
        s[st.CYCLE] = value - (s[st.PART] + (done + 1) * CLOCKS) // INSTRUCTIONS
    elif number == 0xB02:
        s[st.INSTRET] = value - done - 1


@njit("Tuple((boolean, int64))(int64[::1], int64, int64, int64, int64, int64)", cache=True)
def access(s, number, f3, source, operand, done):
    """A CSR instruction: (whether it is legal, the old value).

    source : number of the source register, or the immediate; operand : what it holds
    """
    if f3 >= 4:
        operand = source
    writes = f3 & 3 == 1 or source != 0
    if writes and number >> 10 == 3:
        return False, np.int64(0)
    exists, old = _read(s, number, done)
    if exists and writes:
        if f3 & 3 == 1:
            new = operand
        elif f3 & 3 == 2:
            new = old | operand
        else:
            new = old & ~operand
        _write(s, number, new, done)
    return exists, old
