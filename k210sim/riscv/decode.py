"""From instruction words to decoded words (see opcodes.py), compiled.

Ref: The RISC-V Instruction Set Manual, volume I, version 2.2: RV64IMAFDC.
"""

from __future__ import annotations

import numpy as np
from numba import cfunc, njit

from k210sim.riscv import opcodes as op


@njit("int64(int64, int64, int64)", cache=True)
def _bits(word, low, count):
    return (word >> low) & ((1 << count) - 1)


@njit("int64(int64, int64)", cache=True)
def _sext(value, width):
    """`value`, a number of `width` bits, with its sign."""
    top = np.int64(1) << (width - 1)
    return (value ^ top) - top


@njit("int64(int64, int64, int64, int64, int64, int64)", cache=True)
def _i(opcode, f3, rd, rs1, imm, _unused):
    return ((imm & 0xFFF) << 20) | (rs1 << 15) | (f3 << 12) | (rd << 7) | opcode


@njit("int64(int64, int64, int64, int64, int64)", cache=True)
def _s(opcode, f3, rs1, rs2, imm):
    return (
        (_bits(imm, 5, 7) << 25) | (rs2 << 20) | (rs1 << 15) | (f3 << 12)
        | (_bits(imm, 0, 5) << 7) | opcode
    )  # fmt: skip


@njit("int64(int64, int64, int64, int64, int64)", cache=True)
def _r(opcode, f3, rd, rs1, rs2_f7):
    return (rs2_f7 << 20) | (rs1 << 15) | (f3 << 12) | (rd << 7) | opcode


@njit("int64(int64, int64, int64)", cache=True)
def _branch(f3, rs1, imm):
    return (
        (_bits(imm, 12, 1) << 31) | (_bits(imm, 5, 6) << 25) | (rs1 << 15) | (f3 << 12)
        | (_bits(imm, 1, 4) << 8) | (_bits(imm, 11, 1) << 7) | 0x63
    )  # fmt: skip


@njit("int64(int64)", cache=True)
def expand(c):
    """The 32-bit instruction that a 16-bit one stands for, or 0 for a reserved one."""
    f3 = _bits(c, 13, 3)
    rd = _bits(c, 7, 5)
    rs2 = _bits(c, 2, 5)
    rdp = _bits(c, 2, 3) + 8
    rs1p = _bits(c, 7, 3) + 8
    imm6 = _sext((_bits(c, 12, 1) << 5) | rs2, 6)
    shamt = imm6 & 63
    quadrant = c & 3
    if quadrant == 0:
        word = (_bits(c, 10, 3) << 3) | (_bits(c, 6, 1) << 2) | (_bits(c, 5, 1) << 6)
        double = (_bits(c, 10, 3) << 3) | (_bits(c, 5, 2) << 6)
        if f3 == 0:
            imm = (
                (_bits(c, 11, 2) << 4) | (_bits(c, 7, 4) << 6)
                | (_bits(c, 6, 1) << 2) | (_bits(c, 5, 1) << 3)
            )  # fmt: skip
            return _i(0x13, 0, rdp, 2, imm, 0) if imm else 0
        if f3 == 1:
            return _i(0x07, 3, rdp, rs1p, double, 0)
        if f3 == 2:
            return _i(0x03, 2, rdp, rs1p, word, 0)
        if f3 == 3:
            return _i(0x03, 3, rdp, rs1p, double, 0)
        if f3 == 5:
            return _s(0x27, 3, rs1p, rdp, double)
        if f3 == 6:
            return _s(0x23, 2, rs1p, rdp, word)
        if f3 == 7:
            return _s(0x23, 3, rs1p, rdp, double)
        return 0
    if quadrant == 1:
        if f3 == 0:
            return _i(0x13, 0, rd, rd, imm6, 0)
        if f3 == 1:
            return _i(0x1B, 0, rd, rd, imm6, 0) if rd else 0
        if f3 == 2:
            return _i(0x13, 0, rd, 0, imm6, 0)
        if f3 == 3:
            if rd == 2:
                imm = _sext(
                    (_bits(c, 12, 1) << 9) | (_bits(c, 6, 1) << 4) | (_bits(c, 5, 1) << 6)
                    | (_bits(c, 3, 2) << 7) | (_bits(c, 2, 1) << 5), 10,
                )  # fmt: skip
                return _i(0x13, 0, 2, 2, imm, 0) if imm else 0
            return ((imm6 & 0xFFFFF) << 12) | (rd << 7) | 0x37 if imm6 else 0
        if f3 == 4:
            kind = _bits(c, 10, 2)
            if kind == 0:
                return _i(0x13, 5, rs1p, rs1p, shamt, 0)
            if kind == 1:
                return _i(0x13, 5, rs1p, rs1p, shamt | 0x400, 0)
            if kind == 2:
                return _i(0x13, 7, rs1p, rs1p, imm6, 0)
            which = _bits(c, 5, 2)
            if _bits(c, 12, 1) == 0:
                if which == 0:
                    return _r(0x33, 0, rs1p, rs1p, rdp | 0x400)
                if which == 1:
                    return _r(0x33, 4, rs1p, rs1p, rdp)
                if which == 2:
                    return _r(0x33, 6, rs1p, rs1p, rdp)
                return _r(0x33, 7, rs1p, rs1p, rdp)
            if which == 0:
                return _r(0x3B, 0, rs1p, rs1p, rdp | 0x400)
            if which == 1:
                return _r(0x3B, 0, rs1p, rs1p, rdp)
            return 0
        if f3 == 5:
            imm = (
                (_bits(c, 12, 1) << 11) | (_bits(c, 11, 1) << 4) | (_bits(c, 9, 2) << 8)
                | (_bits(c, 8, 1) << 10) | (_bits(c, 7, 1) << 6) | (_bits(c, 6, 1) << 7)
                | (_bits(c, 3, 3) << 1) | (_bits(c, 2, 1) << 5)
            )  # fmt: skip
            imm = _sext(imm, 12)
            return (
                (_bits(imm, 20, 1) << 31) | (_bits(imm, 1, 10) << 21) | (_bits(imm, 11, 1) << 20)
                | (_bits(imm, 12, 8) << 12) | 0x6F
            )  # fmt: skip
        imm = _sext(
            (_bits(c, 12, 1) << 8) | (_bits(c, 10, 2) << 3) | (_bits(c, 5, 2) << 6)
            | (_bits(c, 3, 2) << 1) | (_bits(c, 2, 1) << 5), 9,
        )  # fmt: skip
        return _branch(f3 - 6, rs1p, imm)
    # quadrant 2
    double = (_bits(c, 12, 1) << 5) | (_bits(c, 5, 2) << 3) | (_bits(c, 2, 3) << 6)
    word = (_bits(c, 12, 1) << 5) | (_bits(c, 4, 3) << 2) | (_bits(c, 2, 2) << 6)
    sdouble = (_bits(c, 10, 3) << 3) | (_bits(c, 7, 3) << 6)
    sword = (_bits(c, 9, 4) << 2) | (_bits(c, 7, 2) << 6)
    if f3 == 0:
        return _i(0x13, 1, rd, rd, shamt, 0)
    if f3 == 1:
        return _i(0x07, 3, rd, 2, double, 0)
    if f3 == 2:
        return _i(0x03, 2, rd, 2, word, 0) if rd else 0
    if f3 == 3:
        return _i(0x03, 3, rd, 2, double, 0) if rd else 0
    if f3 == 4:
        if _bits(c, 12, 1) == 0:
            if rs2 == 0:
                return _i(0x67, 0, 0, rd, 0, 0) if rd else 0
            return _r(0x33, 0, rd, 0, rs2)
        if rs2 == 0:
            return _i(0x67, 0, 1, rd, 0, 0) if rd else 0x00100073
        return _r(0x33, 0, rd, rd, rs2)
    if f3 == 5:
        return _s(0x27, 3, 2, rs2, sdouble)
    if f3 == 6:
        return _s(0x23, 2, 2, rs2, sword)
    return _s(0x23, 3, 2, rs2, sdouble)


@njit("int64(int64, int64, int64, int64, int64, int64)", cache=True)
def _pack(code, rd, rs1, rs2, f3, imm):
    return code | (rd << 8) | (rs1 << 14) | (rs2 << 19) | (f3 << 25) | (imm << 32)


@njit("int64(int64)", cache=True)
def _float_code(w):
    """FLOAT when `w`, of major opcode 0x53, is an instruction of F or D; else ILLEGAL."""
    f7 = _bits(w, 25, 7)
    f3 = _bits(w, 12, 3)
    rs2 = _bits(w, 20, 5)
    kind = f7 >> 2
    if f7 & 3 > 1:
        return op.ILLEGAL
    rounds = f3 < 5 or f3 == 7
    if kind <= 3:
        ok = rounds
    elif kind == 0x0B:
        ok = rounds and rs2 == 0
    elif kind == 0x04:
        ok = f3 <= 2
    elif kind == 0x05:
        ok = f3 <= 1
    elif kind == 0x08:
        ok = rounds and rs2 == 1 - (f7 & 1)
    elif kind == 0x14:
        ok = f3 <= 2
    elif kind == 0x18 or kind == 0x1A:
        ok = rounds and rs2 <= 3
    elif kind == 0x1C:
        ok = f3 <= 1 and rs2 == 0
    elif kind == 0x1E:
        ok = f3 == 0 and rs2 == 0
    else:
        ok = False
    return op.FLOAT if ok else op.ILLEGAL


@njit("int64(int64)", cache=True)
def decode(w):
    """The decoded word of a 32-bit instruction, without LONG."""
    major = w & 0x7F
    rd = _bits(w, 7, 5)
    f3 = _bits(w, 12, 3)
    rs1 = _bits(w, 15, 5)
    rs2 = _bits(w, 20, 5)
    f7 = _bits(w, 25, 7)
    imm_i = _sext(_bits(w, 20, 12), 12)
    to = rd if rd else op.NO_RD
    code = np.int64(op.ILLEGAL)
    imm = np.int64(0)
    if major == 0x37 or major == 0x17:
        code = np.int64(op.LUI if major == 0x37 else op.AUIPC)
        imm = _sext(w & 0xFFFFF000, 32)
    elif major == 0x6F:
        code = np.int64(op.JAL)
        imm = _sext(
            (_bits(w, 31, 1) << 20) | (_bits(w, 12, 8) << 12) | (_bits(w, 20, 1) << 11)
            | (_bits(w, 21, 10) << 1), 21,
        )  # fmt: skip
    elif major == 0x67:
        if f3 == 0:
            code = np.int64(op.JALR)
        imm = imm_i
    elif major == 0x63:
        if f3 < 2:
            code = np.int64(op.BEQ) + f3
        elif f3 > 3:
            code = np.int64(op.BLT) + f3 - 4
        imm = _sext(
            (_bits(w, 31, 1) << 12) | (_bits(w, 7, 1) << 11) | (_bits(w, 25, 6) << 5)
            | (_bits(w, 8, 4) << 1), 13,
        )  # fmt: skip
    elif major == 0x03:
        if f3 < 7:
            code = np.int64(op.LB) + f3
        imm = imm_i
    elif major == 0x23 or major == 0x27:
        imm = _sext((f7 << 5) | rd, 12)
        if major == 0x23 and f3 < 4:
            code = np.int64(op.SB) + f3
        elif major == 0x27 and (f3 == 2 or f3 == 3):
            code = np.int64(op.FSW) + f3 - 2
    elif major == 0x07:
        if f3 == 2 or f3 == 3:
            code = np.int64(op.FLW) + f3 - 2
        imm = imm_i
        to = rd
    elif major == 0x13:
        imm = imm_i
        if f3 == 1:
            imm = imm_i & 63
            if w >> 26 == 0:
                code = np.int64(op.SLLI)
        elif f3 == 5:
            imm = imm_i & 63
            if w >> 26 == 0:
                code = np.int64(op.SRLI)
            elif w >> 26 == 16:
                code = np.int64(op.SRAI)
        elif f3 == 0:
            code = np.int64(op.ADDI)
        elif f3 < 5:
            code = np.int64(op.SLTI) + f3 - 2
        else:
            code = np.int64(op.ORI) + f3 - 6
    elif major == 0x1B:
        imm = imm_i
        if f3 == 0:
            code = np.int64(op.ADDIW)
        elif f3 == 1 and f7 == 0:
            code = np.int64(op.SLLIW)
        elif f3 == 5 and (f7 == 0 or f7 == 0x20):
            code = np.int64(op.SRLIW if f7 == 0 else op.SRAIW)
            imm = imm_i & 31
    elif major == 0x33:
        if f7 == 1:
            code = np.int64(op.MUL) + f3
        elif f7 == 0x20 and f3 == 0:
            code = np.int64(op.SUB)
        elif f7 == 0x20 and f3 == 5:
            code = np.int64(op.SRA)
        elif f7 == 0:
            if f3 == 0:
                code = np.int64(op.ADD)
            elif f3 < 6:
                code = np.int64(op.SLL) + f3 - 1
            else:
                code = np.int64(op.OR) + f3 - 6
    elif major == 0x3B:
        if f7 == 1:
            if f3 == 0:
                code = np.int64(op.MULW)
            elif f3 > 3:
                code = np.int64(op.DIVW) + f3 - 4
        elif f7 == 0x20 and f3 == 0:
            code = np.int64(op.SUBW)
        elif f7 == 0x20 and f3 == 5:
            code = np.int64(op.SRAW)
        elif f7 == 0 and f3 == 0:
            code = np.int64(op.ADDW)
        elif f7 == 0 and f3 == 1:
            code = np.int64(op.SLLW)
        elif f7 == 0 and f3 == 5:
            code = np.int64(op.SRLW)
    elif major == 0x0F:
        if f3 == 0:
            code = np.int64(op.FENCE)
        elif f3 == 1:
            code = np.int64(op.FENCE_I)
    elif major == 0x73:
        imm = _bits(w, 20, 12)
        if f3 == 0:
            if w == 0x00000073:
                code = np.int64(op.ECALL)
            elif w == 0x00100073:
                code = np.int64(op.EBREAK)
            elif w == 0x30200073:
                code = np.int64(op.MRET)
            elif w == 0x10500073:
                code = np.int64(op.WFI)
            elif f7 == 0x09 and rd == 0:
                code = np.int64(op.FENCE)  # sfence.vma: there are no page tables to forget
        elif f3 != 4:
            code = np.int64(op.CSR)
    elif major == 0x2F:
        f5 = f7 >> 2
        known = f5 <= 4 or f5 == 8 or f5 == 12 or (f5 >= 16 and f5 & 3 == 0)
        if known and (f3 == 2 or f3 == 3) and (f5 != 2 or rs2 == 0):
            code = np.int64(op.AMO_W) + f3 - 2
        imm = f5
    elif major == 0x53:
        code = np.int64(0) + _float_code(w)
        imm = _sext(w & 0xFFFFFFFF, 32)
        to = rd
    elif major == 0x43 or major == 0x47 or major == 0x4B or major == 0x4F:
        if _bits(w, 25, 2) < 2 and (f3 < 5 or f3 == 7):
            code = np.int64(op.FMADD)
        imm = _sext(w & 0xFFFFFFFF, 32)
        to = rd
    return _pack(code, to, rs1, rs2, f3, imm)


@cfunc("int64(int64)", cache=True)
def instruction(word):
    """The decoded instruction that begins the 32 bits of `word`; its lower 16 when it is short."""
    return decode(word) | op.LONG if word & 3 == 3 else decode(expand(word & 0xFFFF))
