"""Numbers of the decoded operations, and where a decoded word holds what.

A decoded word is an int64: bits 0-7 operation (0 = not decoded yet), 8-13 destination (32 stands
for x0, whose writes go to a register nobody reads), 14-18 and 19-23 sources, 24 set for a 32-bit
instruction, 25-27 rounding mode or funct3, 28 set for a load or store that has met a register of a
device which compiled code serves, 32-63 the immediate, signed. CSR instructions hold the
CSR's number there, AMOs their funct5, floating-point instructions the whole instruction.
"""

from __future__ import annotations

LONG = 1 << 24  # the instruction has 32 bits, not 16
DEVICE = 1 << 28  # not of the instruction: of what has happened
NO_RD = 32

ILLEGAL = 1
LUI, AUIPC, JAL, JALR = 2, 3, 4, 5
BEQ, BNE, BLT, BGE, BLTU, BGEU = 6, 7, 8, 9, 10, 11
LB, LH, LW, LD, LBU, LHU, LWU = 12, 13, 14, 15, 16, 17, 18
SB, SH, SW, SD = 19, 20, 21, 22
ADDI, SLTI, SLTIU, XORI, ORI, ANDI, SLLI, SRLI, SRAI = 23, 24, 25, 26, 27, 28, 29, 30, 31
ADDIW, SLLIW, SRLIW, SRAIW = 32, 33, 34, 35
ADD, SUB, SLL, SLT, SLTU, XOR, SRL, SRA, OR, AND = 36, 37, 38, 39, 40, 41, 42, 43, 44, 45
ADDW, SUBW, SLLW, SRLW, SRAW = 46, 47, 48, 49, 50
MUL, MULH, MULHSU, MULHU, DIV, DIVU, REM, REMU = 51, 52, 53, 54, 55, 56, 57, 58
MULW, DIVW, DIVUW, REMW, REMUW = 59, 60, 61, 62, 63
FENCE, FENCE_I, ECALL, EBREAK, MRET, WFI, CSR = 64, 65, 66, 67, 68, 69, 70
AMO_W, AMO_D = 71, 72
FLW, FLD, FSW, FSD, FLOAT, FMADD = 73, 74, 75, 76, 77, 78
BLOCK = 79  # compiled code begins here; the immediate says which (see jit.py)
EDGE = 80  # behind the end of RAM: no instruction (see execute.py)
