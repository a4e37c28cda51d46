"""The interpreter's loop, compiled.

A hart is three arrays: x (registers; number 32 takes what is written to x0, those above are there
so that six bits of a decoded word are always inside), f (32 bit patterns) and s (see state.py). RAM
is one array of 8 MiB seen at 0x80000000 and, uncached, at 0x40000000. Registers of devices that
just hold a value are read and written here, as `flags` says (devices/cells.py), and hot.py serves
those used most; all other accesses end the call with LOAD or STORE, and the machine serves them.
Whatever a program does, every index stays inside its array.
"""

from __future__ import annotations

import numpy as np
from numba import carray, cfunc

from k210sim.devices.bus import MAX_PAGES
from k210sim.devices.cells import READ, ROW, WRITE
from k210sim.riscv import csr, float_ops
from k210sim.riscv import opcodes as op
from k210sim.riscv import state as st
from k210sim.riscv.code_cache import LAST, fence, fetch, note_device
from k210sim.riscv.float_format import BOX
from k210sim.riscv.integer_ops import MASK, SIGN, atomic, divide, multiply_high
from k210sim.riscv.jit_call import (
    call_region,
    float32_at,
    float64_at,
    int8_at,
    int16_at,
    int32_at,
    int64_at,
    uint8_at,
    uint32_at,
)
from k210sim.riscv.register_access import (
    FAULT,
    MISALIGNED,
    SERVE,
    SOFTWARE_AT,
    WORDS,
    load,
    store,
)
from k210sim.riscv.timing import CLOCKS, INSTRUCTIONS

AWAY = st.RAM_SIZE + 4  # see run
# RAM and its twin differ in one bit of address - TWIN. What no aligned access inside may have set:
TWIN = st.TWIN_HIGH << 23
OUTSIDE_1, OUTSIDE_2, OUTSIDE_4, OUTSIDE_8 = (
    ~(st.RAM_BASE - TWIN | st.RAM_SIZE - size) for size in (1, 2, 4, 8)
)


@cfunc("int64(int64, int64)", cache=True)
def run(budget, hart):
    """Execute up to `budget` instructions; returns DONE, LOAD, STORE, WAIT or FENCED.

    FENCED: behind a fence.i that has found s[EXIT_VALUE] instructions written over, see `fence`.
    s[EXECUTED] is their number, the one that a LOAD or STORE leaves to the machine not included.
    Each operation has a condition of its own below, so that LLVM makes one table of jumps.

    code : a decoded instruction, or 0, for each halfword of RAM, then EDGE. entries : for each
        BLOCK in `code` the address of the region's function, the number of the block in it, and the
        decoded instruction that BLOCK stands for (see jit.py)
    """
    h = carray(int64_at(hart), st.HART_SIZE)
    x, f, s = h[st.X_AT : st.F_AT], h[st.F_AT : st.S_AT], h[st.S_AT : st.S_AT + st.SIZE]
    fd = carray(float64_at(hart + 8 * st.F_AT), st.S_AT - st.F_AT)
    fs = carray(float32_at(hart + 8 * st.F_AT), 2 * (st.S_AT - st.F_AT))
    r8 = carray(int8_at(h[st.RAM_AT]), st.RAM_SIZE)
    r16 = carray(int16_at(h[st.RAM_AT]), st.RAM_SIZE // 2)
    r32 = carray(int32_at(h[st.RAM_AT]), st.RAM_SIZE // 4)
    r64 = carray(int64_at(h[st.RAM_AT]), st.RAM_SIZE // 8)
    code = carray(int64_at(h[st.CODE_AT]), st.RAM_SIZE // 2 + st.EDGES)
    seen = carray(int16_at(h[st.SEEN_AT]), st.RAM_SIZE // 2)
    pages = carray(uint8_at(h[st.PAGES_AT]), st.RAM_SIZE >> st.PAGE_SHIFT)
    entries = carray(int64_at(h[st.ENTRIES_AT]), (st.ENTRIES, 3))
    stale = carray(int64_at(h[st.STALE_AT]), st.MOST_STALE)
    regs = carray(uint32_at(h[st.REGS_AT]), WORDS)
    flags = carray(uint8_at(h[st.FLAGS_AT]), WORDS)
    page_of = carray(int16_at(h[st.PAGE_OF_AT]), st.PAGES)
    rows = carray(int64_at(h[st.ROWS_AT]), (MAX_PAGES, ROW))
    n = np.int64(0)
    status = np.int64(st.DONE)
    csr.take_interrupt(s)
    float_on = s[st.MSTATUS] & st.MSTATUS_FS != 0
    # The program counter is base + off while off is inside RAM (or its twin, as base says). A jump
    # to anywhere else, and whatever finds it in s[PC], sets `target` and off = AWAY, where `code`
    # holds EDGE, as it does behind the end of RAM.
    base, off, target = np.int64(st.RAM_BASE), np.int64(AWAY), s[st.PC]
    while n < budget:
        w = code[np.uint64(off) >> np.uint64(1)]
        if (w - 1) & 255 >= op.BLOCK - 1:
            if w == 0:
                w = fetch(r16, code, seen, pages, off)
            elif w == op.EDGE:
                pc = target if off == AWAY else base + off
                high = pc >> 23
                if high == st.RAM_HIGH or high == st.TWIN_HIGH:
                    base, off = pc & ~MASK, pc & MASK
                else:
                    s[st.PC] = pc
                    csr.trap(s, np.int64(st.FETCH_FAULT), pc)
                    off, target = np.int64(AWAY), s[st.PC]
                    n += 1
                continue
            else:
                entry = w >> 32
                if base == st.RAM_BASE:
                    after = call_region(entries[entry, 0], entries[entry, 1], x, r8, n, budget)
                    if after != n:
                        n = after
                        off, target = np.int64(AWAY), s[st.PC]
                        continue
                w = entries[entry, 2]
        c = w & 255
        rd = (w >> 8) & 63
        a = x[(w >> 14) & 31]
        b = x[(w >> 19) & 31]
        imm = w >> 32
        step = 2 + ((w >> 23) & 2)  # op.LONG: 4
        slow = 0  # 1 load, 2 store
        size = np.int64(0)
        cause = np.int64(-1)
        value = np.int64(0)
        if c == op.ADDI:
            x[rd] = a + imm
        elif c == op.ADD:
            x[rd] = a + b
        elif c == op.BEQ:
            if a == b:
                n += 1
                off += imm
                if off & ~MASK:
                    off, target = np.int64(AWAY), base + off
                continue
        elif c == op.BNE:
            if a != b:
                n += 1
                off += imm
                if off & ~MASK:
                    off, target = np.int64(AWAY), base + off
                continue
        elif c == op.BLT:
            if a < b:
                n += 1
                off += imm
                if off & ~MASK:
                    off, target = np.int64(AWAY), base + off
                continue
        elif c == op.BGE:
            if a >= b:
                n += 1
                off += imm
                if off & ~MASK:
                    off, target = np.int64(AWAY), base + off
                continue
        elif c == op.BLTU:
            if (a ^ SIGN) < (b ^ SIGN):
                n += 1
                off += imm
                if off & ~MASK:
                    off, target = np.int64(AWAY), base + off
                continue
        elif c == op.BGEU:
            if (a ^ SIGN) >= (b ^ SIGN):
                n += 1
                off += imm
                if off & ~MASK:
                    off, target = np.int64(AWAY), base + off
                continue
        elif c == op.JAL:
            x[rd] = base + off + step
            n += 1
            off += imm
            if off & ~MASK:
                off, target = np.int64(AWAY), base + off
            continue
        elif c == op.JALR:
            x[rd] = base + off + step
            n += 1
            off = ((a + imm) & ~1) - base
            if off & ~MASK:
                off, target = np.int64(AWAY), base + off
            continue
        elif c == op.LUI:
            x[rd] = imm
        elif c == op.AUIPC:
            x[rd] = base + off + imm
        elif c == op.LB:
            address = a + imm
            if (address - TWIN) & OUTSIDE_1 == 0:
                x[rd] = np.int64(r8[address & MASK])
            else:
                slow, size = 1, np.int64(1)
        elif c == op.LBU:
            address = a + imm
            if (address - TWIN) & OUTSIDE_1 == 0:
                x[rd] = np.int64(r8[address & MASK]) & 255
            else:
                slow, size = 1, np.int64(1)
        elif c == op.LH:
            address = a + imm
            if (address - TWIN) & OUTSIDE_2 == 0:
                x[rd] = np.int64(r16[(address & MASK) >> 1])
            else:
                slow, size = 1, np.int64(2)
        elif c == op.LHU:
            address = a + imm
            if (address - TWIN) & OUTSIDE_2 == 0:
                x[rd] = np.int64(r16[(address & MASK) >> 1]) & 0xFFFF
            else:
                slow, size = 1, np.int64(2)
        elif c == op.LW:
            address = a + imm
            if (address - TWIN) & OUTSIDE_4 == 0:
                x[rd] = np.int64(r32[(address & MASK) >> 2])
            else:
                slow, size = 1, np.int64(4)
        elif c == op.LWU:
            address = a + imm
            if (address - TWIN) & OUTSIDE_4 == 0:
                x[rd] = np.int64(r32[(address & MASK) >> 2]) & 0xFFFFFFFF
            else:
                slow, size = 1, np.int64(4)
        elif c == op.LD:
            address = a + imm
            if (address - TWIN) & OUTSIDE_8 == 0:
                x[rd] = r64[(address & MASK) >> 3]
            else:
                slow, size = 1, np.int64(8)
        elif c == op.SB:
            address = a + imm
            if (address - TWIN) & OUTSIDE_1 == 0:
                r8[address & MASK] = np.int8(b)
            else:
                slow, size, value = 2, np.int64(1), b
        elif c == op.SH:
            address = a + imm
            if (address - TWIN) & OUTSIDE_2 == 0:
                r16[(address & MASK) >> 1] = np.int16(b)
            else:
                slow, size, value = 2, np.int64(2), b
        elif c == op.SW:
            address = a + imm
            if (address - TWIN) & OUTSIDE_4 == 0:
                r32[(address & MASK) >> 2] = np.int32(b)
            else:
                slow, size, value = 2, np.int64(4), b
        elif c == op.SD:
            address = a + imm
            if (address - TWIN) & OUTSIDE_8 == 0:
                r64[(address & MASK) >> 3] = b
            else:
                slow, size, value = 2, np.int64(8), b
        elif c == op.SLTI:
            x[rd] = np.int64(1 if a < imm else 0)
        elif c == op.SLTIU:
            x[rd] = np.int64(1 if (a ^ SIGN) < (imm ^ SIGN) else 0)
        elif c == op.XORI:
            x[rd] = a ^ imm
        elif c == op.ORI:
            x[rd] = a | imm
        elif c == op.ANDI:
            x[rd] = a & imm
        elif c == op.SLLI:
            x[rd] = a << (imm & 63)
        elif c == op.SRLI:
            x[rd] = np.int64(np.uint64(a) >> np.uint64(imm & 63))
        elif c == op.SRAI:
            x[rd] = a >> (imm & 63)
        elif c == op.ADDIW:
            x[rd] = np.int64(np.int32(a + imm))
        elif c == op.SLLIW:
            x[rd] = np.int64(np.int32(a << (imm & 31)))
        elif c == op.SRLIW:
            x[rd] = np.int64(np.int32((a & 0xFFFFFFFF) >> (imm & 31)))
        elif c == op.SRAIW:
            x[rd] = np.int64(np.int32(a)) >> (imm & 31)
        elif c == op.SUB:
            x[rd] = a - b
        elif c == op.SLL:
            x[rd] = a << (b & 63)
        elif c == op.SLT:
            x[rd] = np.int64(1 if a < b else 0)
        elif c == op.SLTU:
            x[rd] = np.int64(1 if (a ^ SIGN) < (b ^ SIGN) else 0)
        elif c == op.XOR:
            x[rd] = a ^ b
        elif c == op.SRL:
            x[rd] = np.int64(np.uint64(a) >> np.uint64(b & 63))
        elif c == op.SRA:
            x[rd] = a >> (b & 63)
        elif c == op.OR:
            x[rd] = a | b
        elif c == op.AND:
            x[rd] = a & b
        elif c == op.ADDW:
            x[rd] = np.int64(np.int32(a + b))
        elif c == op.SUBW:
            x[rd] = np.int64(np.int32(a - b))
        elif c == op.SLLW:
            x[rd] = np.int64(np.int32(a << (b & 31)))
        elif c == op.SRLW:
            x[rd] = np.int64(np.int32((a & 0xFFFFFFFF) >> (b & 31)))
        elif c == op.SRAW:
            x[rd] = np.int64(np.int32(a)) >> (b & 31)
        elif c == op.MUL:
            x[rd] = a * b
        elif c == op.MULH:
            x[rd] = multiply_high(a, b, True, True)
        elif c == op.MULHSU:
            x[rd] = multiply_high(a, b, True, False)
        elif c == op.MULHU:
            x[rd] = multiply_high(a, b, False, False)
        elif c == op.DIV:
            x[rd] = divide(a, b, True, False)
        elif c == op.DIVU:
            x[rd] = divide(a, b, False, False)
        elif c == op.REM:
            x[rd] = divide(a, b, True, True)
        elif c == op.REMU:
            x[rd] = divide(a, b, False, True)
        elif c == op.MULW:
            x[rd] = np.int64(np.int32(a * b))
        elif c == op.DIVW:
            x[rd] = np.int64(
                np.int32(divide(np.int64(np.int32(a)), np.int64(np.int32(b)), True, False))
            )
        elif c == op.DIVUW:
            x[rd] = np.int64(np.int32(divide(a & 0xFFFFFFFF, b & 0xFFFFFFFF, False, False)))
        elif c == op.REMW:
            x[rd] = np.int64(
                np.int32(divide(np.int64(np.int32(a)), np.int64(np.int32(b)), True, True))
            )
        elif c == op.REMUW:
            x[rd] = np.int64(np.int32(divide(a & 0xFFFFFFFF, b & 0xFFFFFFFF, False, True)))
        elif c == op.FENCE:
            pass
        elif c == op.FENCE_I:
            s[st.EXIT_VALUE] = fence(r16, code, seen, pages, entries, stale)
            if s[st.EXIT_VALUE] != 0:
                n += 1
                off += step
                status = np.int64(st.FENCED)
                break
        elif c == op.ECALL:
            cause = np.int64(st.ECALL_M)
        elif c == op.EBREAK:
            cause, value = np.int64(st.BREAKPOINT), base + off
        elif c == op.MRET:
            csr.leave_trap(s)
            n += 1
            csr.take_interrupt(s)
            off, target = np.int64(AWAY), s[st.PC]
            float_on = s[st.MSTATUS] & st.MSTATUS_FS != 0
            continue
        elif c == op.WFI:
            n += 1
            off += step
            if s[st.MIP] & s[st.MIE] == 0:
                status = np.int64(st.WAIT)
                break
            continue
        elif c == op.CSR:
            legal, old = csr.access(s, imm & 0xFFF, (w >> 25) & 7, (w >> 14) & 31, a, n)
            if legal:
                x[rd] = old
                n += 1
                s[st.PC] = base + off + step
                if csr.take_interrupt(s):
                    off, target = np.int64(AWAY), s[st.PC]
                else:
                    off += step
                float_on = s[st.MSTATUS] & st.MSTATUS_FS != 0
                continue
            cause = np.int64(st.ILLEGAL)
        elif c == op.AMO_W:
            cause, value = atomic(s, x, rd, a, b, imm & 31, np.int64(4), r32, r64), a
        elif c == op.AMO_D:
            cause, value = atomic(s, x, rd, a, b, imm & 31, np.int64(8), r32, r64), a
        elif c == op.FLD:
            address = a + imm
            if not float_on:
                cause = np.int64(st.ILLEGAL)
            elif (address - TWIN) & OUTSIDE_8 == 0:
                f[rd & 31] = r64[(address & MASK) >> 3]
            else:
                slow, size = 1, np.int64(8)
        elif c == op.FLW:
            address = a + imm
            if not float_on:
                cause = np.int64(st.ILLEGAL)
            elif (address - TWIN) & OUTSIDE_4 == 0:
                f[rd & 31] = np.int64(r32[(address & MASK) >> 2]) | BOX
            else:
                slow, size = 1, np.int64(4)
        elif c == op.FSD:
            address = a + imm
            value = f[(w >> 19) & 31]
            if not float_on:
                cause = np.int64(st.ILLEGAL)
            elif (address - TWIN) & OUTSIDE_8 == 0:
                r64[(address & MASK) >> 3] = value
            else:
                slow, size = 2, np.int64(8)
        elif c == op.FSW:
            address = a + imm
            value = f[(w >> 19) & 31]
            if not float_on:
                cause = np.int64(st.ILLEGAL)
            elif (address - TWIN) & OUTSIDE_4 == 0:
                r32[(address & MASK) >> 2] = np.int32(value)
            else:
                slow, size = 2, np.int64(4)
        elif c == op.FMADD:
            if not float_on or not float_ops.multiply_add(s, f, imm):
                cause = np.int64(st.ILLEGAL)
        elif c == op.FLOAT:
            if not float_on or not float_ops.compute(s, x, f, fd, fs, imm):
                cause = np.int64(st.ILLEGAL)
        else:
            cause = np.int64(st.ILLEGAL)

        if slow:
            address = a + imm
            why = np.int64(-1)
            page = address >> st.PAGE_SHIFT
            if size == 4 and address == SOFTWARE_AT + (s[st.HARTID] << 2):
                # its own software interrupt, by which FreeRTOS lets another task run
                if slow == 1:
                    why, value = np.int64(0), s[st.MIP] >> 3 & 1
                else:
                    s[st.MIP] = s[st.MIP] & ~st.MSIP | (value & 1) << 3
                    n += 1
                    s[st.PC] = base + off + step
                    if csr.take_interrupt(s):
                        off, target = np.int64(AWAY), s[st.PC]
                    else:
                        off += step
                    continue
            elif size == 4 and address & 3 == 0 and 0 <= page < st.PAGES and page_of[page] >= 0:
                # a register that just holds a value: without the call, which is dearer
                at = (np.int64(page_of[page]) << 10) | ((address & 0xFFF) >> 2)
                if slow == 1:
                    if flags[at] & READ:
                        why, value = np.int64(0), np.int64(regs[at])
                elif flags[at] & WRITE:
                    regs[at] = np.uint32(value & 0xFFFFFFFF)
                    why = np.int64(0)
            if slow == 1:
                if why < 0:
                    why, value = load(address, size, regs, flags, page_of, rows)
                if why == 0:
                    if c == op.FLW:
                        f[rd & 31] = value | BOX
                    elif c == op.FLD:
                        f[rd & 31] = value
                    elif c == op.LBU or c == op.LHU or c == op.LWU or c == op.LD:
                        x[rd] = value
                    else:
                        shift = 64 - 8 * size
                        x[rd] = (value << shift) >> shift
            elif why < 0:
                why = store(address, size, value, regs, flags, page_of, rows)
            if why == 0 and w & op.DEVICE == 0 and size >= 4:
                note_device(code, entries, off >> 1)
            if why == SERVE:
                s[st.EXIT_ADDRESS] = address
                s[st.EXIT_SIZE] = size
                s[st.EXIT_VALUE] = value
                s[st.EXIT_RD] = rd + 64 if c == op.FLW or c == op.FLD else rd
                s[st.EXIT_UNSIGNED] = np.int64(
                    1 if c == op.LBU or c == op.LHU or c == op.LWU else 0
                )
                s[st.EXIT_LENGTH] = step
                status = np.int64(st.LOAD if slow == 1 else st.STORE)
                break
            if why == MISALIGNED:
                cause = np.int64(st.LOAD_MISALIGNED if slow == 1 else st.STORE_MISALIGNED)
                value = address
            elif why == FAULT:
                cause = np.int64(st.LOAD_FAULT if slow == 1 else st.STORE_FAULT)
                value = address
        if cause >= 0:
            if cause == st.ILLEGAL:
                value = np.int64(r16[off >> 1]) & 0xFFFF
                if w & op.LONG and off < LAST:
                    value |= (np.int64(r16[(off >> 1) + 1]) & 0xFFFF) << 16
            s[st.PC] = base + off
            csr.trap(s, cause, value)
            off, target = np.int64(AWAY), s[st.PC]
            n += 1
            continue
        off += step
        n += 1
    s[st.PC] = target if off == AWAY else base + off
    clocks = s[st.PART] + n * CLOCKS
    s[st.CYCLE] += clocks // INSTRUCTIONS
    s[st.PART] = clocks % INSTRUCTIONS
    s[st.INSTRET] += n
    s[st.EXECUTED] = n
    return status
