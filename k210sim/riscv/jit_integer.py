"""Integer instructions that only compute, in LLVM IR."""

from __future__ import annotations

from typing import TYPE_CHECKING

from k210sim.riscv import opcodes as op

if TYPE_CHECKING:
    from k210sim.riscv.jit_ir import Translator

# operation: (LLVM's instruction, second operand is the immediate, shift amount bits or 0, 32-bit)
PLAIN = {
    op.ADDI: ("add", True, 0, False), op.XORI: ("xor", True, 0, False),
    op.ORI: ("or", True, 0, False), op.ANDI: ("and", True, 0, False),
    op.SLLI: ("shl", True, 63, False), op.SRLI: ("lshr", True, 63, False),
    op.SRAI: ("ashr", True, 63, False), op.ADDIW: ("add", True, 0, True),
    op.SLLIW: ("shl", True, 31, True), op.SRLIW: ("lshr", True, 31, True),
    op.SRAIW: ("ashr", True, 31, True), op.ADD: ("add", False, 0, False),
    op.SUB: ("sub", False, 0, False), op.SLL: ("shl", False, 63, False),
    op.XOR: ("xor", False, 0, False), op.SRL: ("lshr", False, 63, False),
    op.SRA: ("ashr", False, 63, False), op.OR: ("or", False, 0, False),
    op.AND: ("and", False, 0, False), op.ADDW: ("add", False, 0, True),
    op.SUBW: ("sub", False, 0, True), op.SLLW: ("shl", False, 31, True),
    op.SRLW: ("lshr", False, 31, True), op.SRAW: ("ashr", False, 31, True),
    op.MUL: ("mul", False, 0, False), op.MULW: ("mul", False, 0, True),
}  # fmt: skip
COMPARES = {op.SLTI: ("slt", True), op.SLTIU: ("ult", True),
            op.SLT: ("slt", False), op.SLTU: ("ult", False)}  # fmt: skip
HIGH_PRODUCTS = {op.MULH: ("sext", "sext"), op.MULHSU: ("sext", "zext"),
                 op.MULHU: ("zext", "zext")}  # fmt: skip
# operation: (32-bit, signed, remainder)
DIVISIONS = {
    op.DIV: (False, True, False), op.DIVU: (False, False, False), op.REM: (False, True, True),
    op.REMU: (False, False, True), op.DIVW: (True, True, False), op.DIVUW: (True, False, False),
    op.REMW: (True, True, True), op.REMUW: (True, False, True),
}  # fmt: skip


def translate(t: Translator, code: int, rd: int, rs1: int, rs2: int, imm: int) -> bool:
    """The instruction in hand, if it is one of these; whether it is."""
    if code in PLAIN:
        _plain(t, code, rd, rs1, rs2, imm)
    elif code in COMPARES:
        condition, is_immediate = COMPARES[code]
        b = str(imm) if is_immediate else t.x(rs2)
        bit = t.value(f"icmp {condition} i64 {t.x(rs1)}, {b}")
        t.set_x(rd, t.value(f"zext i1 {bit} to i64"))
    elif code in HIGH_PRODUCTS:
        _high_product(t, rd, t.x(rs1), t.x(rs2), *HIGH_PRODUCTS[code])
    elif code in DIVISIONS:
        _division(t, rd, t.x(rs1), t.x(rs2), *DIVISIONS[code])
    else:
        return False
    return True


def _plain(t: Translator, code: int, rd: int, rs1: int, rs2: int, imm: int) -> None:
    name, is_immediate, shift, narrow = PLAIN[code]
    a = t.x(rs1)
    b = str(imm & shift if shift else imm) if is_immediate else t.x(rs2)
    if shift and not is_immediate:
        b = t.value(f"and i64 {b}, {shift}")
    if narrow:
        a = t.value(f"trunc i64 {a} to i32")
        b = t.value(f"trunc i64 {b} to i32")
        result = t.value(f"{name} i32 {a}, {b}")
        t.set_x(rd, t.value(f"sext i32 {result} to i64"))
    else:
        t.set_x(rd, t.value(f"{name} i64 {a}, {b}"))


def _high_product(t: Translator, rd: int, a: str, b: str, extend_a: str, extend_b: str) -> None:
    a = t.value(f"{extend_a} i64 {a} to i128")
    b = t.value(f"{extend_b} i64 {b} to i128")
    product = t.value(f"mul i128 {a}, {b}")
    upper = t.value(f"lshr i128 {product}, 64")
    t.set_x(rd, t.value(f"trunc i128 {upper} to i64"))


def _division(
    t: Translator, rd: int, a: str, b: str, narrow: bool, signed: bool, rest: bool
) -> None:
    # the host's division stops the process at x / 0 and at the least number / -1
    kind = "i32" if narrow else "i64"
    if narrow:
        a = t.value(f"trunc i64 {a} to i32")
        b = t.value(f"trunc i64 {b} to i32")
    by_zero = t.value(f"icmp eq {kind} {b}, 0")
    unfit = by_zero
    if signed:
        least = -(1 << (31 if narrow else 63))
        is_least = t.value(f"icmp eq {kind} {a}, {least}")
        by_minus_1 = t.value(f"icmp eq {kind} {b}, -1")
        overflow = t.value(f"and i1 {is_least}, {by_minus_1}")
        unfit = t.value(f"or i1 {by_zero}, {overflow}")
    divisor = t.value(f"select i1 {unfit}, {kind} 1, {kind} {b}")
    name = ("s" if signed else "u") + ("rem" if rest else "div")
    result = t.value(f"{name} {kind} {a}, {divisor}")
    instead = a if rest else "-1"
    result = t.value(f"select i1 {by_zero}, {kind} {instead}, {kind} {result}")
    if narrow:
        result = t.value(f"sext i32 {result} to i64")
    t.set_x(rd, result)
