"""F and D instructions in LLVM IR: the host's arithmetic where it gives the same bits and flags.

All else is left to the interpreter and its softfloat. The host's result is taken when
- rounding is to nearest even, and the inexact flag is already raised or the operation cannot be
  inexact: then raising it again tells nothing;
- the result is finite and, for anything but sums and roots, well above the smallest normal number:
  then no other flag can be raised. Sums too small to be normal are exact, and no root is small.
A register holding a single must be boxed; else it counts as NaN and is left to the interpreter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from k210sim.riscv import opcodes as op
from k210sim.riscv import state as st
from k210sim.riscv.float_format import BOX, NAN32, NX

if TYPE_CHECKING:
    from k210sim.riscv.jit_ir import Translator

DYNAMIC, RNE, RTZ = 7, 0, 1
DECLARATIONS = """
declare float @llvm.fma.f32(float, float, float)
declare double @llvm.fma.f64(double, double, double)
declare float @llvm.sqrt.f32(float)
declare double @llvm.sqrt.f64(double)
"""
MADD, MSUB, NMSUB, NMADD = range(4)
ADD, SUB, MUL, DIV, SIGN, EXTREME, FROM_FLOAT, SQRT = 0, 1, 2, 3, 4, 5, 8, 0x0B
COMPARE, TO_INT, FROM_INT, MOVE_X, MOVE_F = 0x14, 0x18, 0x1A, 0x1C, 0x1E
ARITHMETIC = {ADD: "fadd", SUB: "fsub", MUL: "fmul", DIV: "fdiv"}
COMPARISONS = ("ole", "olt", "oeq")


class Width:
    """What singles and doubles differ in."""

    def __init__(self, bits: int, fraction: int, name: str, suffix: str):
        self.bits, self.name, self.int, self.suffix = bits, name, f"i{bits}", suffix
        self.one = 1 << fraction  # an exponent field of 1
        self.field = (1 << (bits - 1)) - self.one  # all ones in the exponent field
        self.exact = fraction + 1  # integers of so many bits are numbers of this width


SINGLE, DOUBLE = Width(32, 23, "float", "f32"), Width(64, 52, "double", "f64")


def prologue() -> list[str]:
    """What a function with F or D instructions begins with: nothing when they are off."""
    return [
        f"  %status.at = getelementptr i64, ptr %hart, i64 {st.S_AT + st.MSTATUS}",
        "  %status = load i64, ptr %status.at",
        f"  %units = and i64 %status, {st.MSTATUS_FS}", "  %off = icmp eq i64 %units, 0",
        "  br i1 %off, label %no, label %on", "on:",
        f"  %fcsr.at = getelementptr i64, ptr %hart, i64 {st.S_AT + st.FCSR}",
        "  %fcsr = load i64, ptr %fcsr.at",
        f"  %nx.bit = and i64 %fcsr, {NX}", "  %nx = icmp ne i64 %nx.bit, 0",
        "  %nearest = icmp ult i64 %fcsr, 32", "  %both = and i1 %nx, %nearest",
    ]  # fmt: skip


def translate(t: Translator, code: int, rd: int, rs1: int, rs2: int, imm: int) -> None:
    """Write one instruction; imm is a load's or store's immediate, else the whole instruction."""
    if code in (op.FLW, op.FLD):
        size = 4 if code == op.FLW else 8
        value = t.load(t.memory(t.x(rs1), imm, size), size, False)
        t.set_f(rd, t.value(f"or i64 {value}, {BOX}") if size == 4 else value)
    elif code in (op.FSW, op.FSD):
        size = 4 if code == op.FSW else 8
        t.store(t.memory(t.x(rs1), imm, size), size, t.f(rs2))
    elif code == op.FMADD:
        _multiply_add(t, imm)
    else:
        _compute(t, imm)


def _number(t: Translator, register: int, width: Width) -> str:
    """The number in a register."""
    bits = t.f(register)
    if width is SINGLE:
        upper = t.value(f"icmp uge i64 {bits}, {BOX}")
        t.leave_unless(upper)
        bits = t.value(f"trunc i64 {bits} to i32")
    return t.value(f"bitcast {width.int} {bits} to {width.name}")


def _bits(t: Translator, number: str, width: Width) -> str:
    """A number as bits in a register."""
    bits = t.value(f"bitcast {width.name} {number} to {width.int}")
    if width is DOUBLE:
        return bits
    return t.value(f"or i64 {t.value(f'zext i32 {bits} to i64')}, {BOX}")


def _fit(t: Translator, number: str, width: Width, may_be_small: bool) -> str:
    """An i1: the number is finite and not too close to what is below the normal numbers."""
    bits = t.value(f"bitcast {width.name} {number} to {width.int}")
    field = t.value(f"and {width.int} {bits}, {width.field}")
    if may_be_small:
        return t.value(f"icmp ne {width.int} {field}, {width.field}")
    above = t.value(f"sub {width.int} {field}, {2 * width.one}")
    return t.value(f"icmp ult {width.int} {above}, {width.field - 2 * width.one}")


def _rounds(mode: int) -> str | None:
    """An i1: the host rounds as the instruction wants, and inexact results tell nothing new."""
    return {RNE: "%nx", DYNAMIC: "%both"}.get(mode)


def _leave(t: Translator) -> None:
    t.leave_unless("false")


def _keep_if(t: Translator, conditions: list[str], rd: int, number: str, width: Width) -> None:
    ok = conditions[0]
    for other in conditions[1:]:
        ok = t.value(f"and i1 {ok}, {other}")
    t.leave_unless(ok)
    t.set_f(rd, _bits(t, number, width))


def _multiply_add(t: Translator, word: int) -> None:
    kind, width = (word >> 2) & 3, DOUBLE if word >> 25 & 1 else SINGLE
    rounds = _rounds(word >> 12 & 7)
    if rounds is None or not t.fma:
        _leave(t)
        return
    a, b, c = (_number(t, word >> at & 31, width) for at in (15, 20, 27))
    if kind in (NMSUB, NMADD):
        a = t.value(f"fneg {width.name} {a}")
    if kind in (MSUB, NMADD):
        c = t.value(f"fneg {width.name} {c}")
    kinds = ", ".join(f"{width.name} {v}" for v in (a, b, c))
    result = t.value(f"call {width.name} @llvm.fma.{width.suffix}({kinds})")
    _keep_if(t, [rounds, _fit(t, result, width, False)], word >> 7 & 31, result, width)


def _compute(t: Translator, word: int) -> None:
    kind, width = (word >> 27) & 31, DOUBLE if word >> 25 & 1 else SINGLE
    rd, a, b, mode = word >> 7 & 31, word >> 15 & 31, word >> 20 & 31, word >> 12 & 7
    if kind in ARITHMETIC or kind == SQRT:
        _arithmetic(t, kind, width, rd, a, b, mode)
    elif kind == SIGN:
        _inject_sign(t, width, rd, a, b, mode)
    elif kind == EXTREME:
        _extreme(t, width, rd, a, b, mode)
    elif kind == COMPARE:
        p, q = _number(t, a, width), _number(t, b, width)
        t.leave_unless(t.value(f"fcmp ord {width.name} {p}, {q}"))
        bit = t.value(f"fcmp {COMPARISONS[mode]} {width.name} {p}, {q}")
        _to_x(t, rd, t.value(f"zext i1 {bit} to i64"))
    elif kind == MOVE_F:
        value = t.x(a)
        if width is SINGLE:
            value = t.value(f"and i64 {value}, {0xFFFFFFFF}")
            value = t.value(f"or i64 {value}, {BOX}")
        t.set_f(rd, value)
    elif kind == MOVE_X and mode == 0:
        value = t.f(a)
        if width is SINGLE:
            value = t.value(f"trunc i64 {value} to i32")
            value = t.value(f"sext i32 {value} to i64")
        _to_x(t, rd, value)
    elif kind == FROM_FLOAT:
        _resize(t, width, rd, a, mode)
    elif kind == FROM_INT:
        _from_integer(t, width, rd, a, b, mode)
    elif kind == TO_INT:
        _to_integer(t, width, rd, a, b, mode)
    else:
        _leave(t)


def _to_x(t: Translator, rd: int, value: str) -> None:
    t.set_x(rd, value)


def _arithmetic(t: Translator, kind: int, width: Width, rd: int, a: int, b: int, mode: int) -> None:
    rounds = _rounds(mode)
    if rounds is None:
        _leave(t)
        return
    p = _number(t, a, width)
    if kind == SQRT:
        result = t.value(f"call {width.name} @llvm.sqrt.{width.suffix}({width.name} {p})")
    else:
        q = _number(t, b, width)
        result = t.value(f"{ARITHMETIC[kind]} {width.name} {p}, {q}")
    fit = _fit(t, result, width, kind in (ADD, SUB, SQRT))
    if kind in (MUL, DIV):
        # 0 * x and 0 / x are exact too; the zero may be the result's or the operand's only
        zero = t.value(f"fcmp oeq {width.name} {p}, 0.0")
        if kind == MUL:
            other = t.value(f"fcmp oeq {width.name} {q}, 0.0")
            zero = t.value(f"or i1 {zero}, {other}")
        nothing = t.value(f"fcmp oeq {width.name} {result}, 0.0")
        exact = t.value(f"and i1 {zero}, {nothing}")
        fit = t.value(f"or i1 {fit}, {exact}")
    _keep_if(t, [rounds, fit], rd, result, width)


def _inject_sign(t: Translator, width: Width, rd: int, a: int, b: int, mode: int) -> None:
    top = -(1 << 63) if width is DOUBLE else 1 << 31
    p, q = (_boxed(t, t.f(n)) if width is SINGLE else t.f(n) for n in (a, b))
    if mode == 1:
        q = t.value(f"xor i64 {q}, {top}")
    sign = t.value(f"and i64 {q}, {top}")
    if mode == 2:
        t.set_f(rd, t.value(f"xor i64 {p}, {sign}"))
        return
    rest = t.value(f"and i64 {p}, {~top}")
    t.set_f(rd, t.value(f"or i64 {rest}, {sign}"))


def _boxed(t: Translator, bits: str) -> str:
    """A register's single, the canonical NaN when it is not boxed."""
    boxed = t.value(f"icmp uge i64 {bits}, {BOX}")
    return t.value(f"select i1 {boxed}, i64 {bits}, i64 {NAN32 | BOX}")


def _extreme(t: Translator, width: Width, rd: int, a: int, b: int, mode: int) -> None:
    p, q = _number(t, a, width), _number(t, b, width)
    # with equal operands, only +0 and -0 are not the same bits
    t.leave_unless(t.value(f"fcmp one {width.name} {p}, {q}"))
    first = t.value(f"fcmp {'ogt' if mode else 'olt'} {width.name} {p}, {q}")
    result = t.value(f"select i1 {first}, {width.name} {p}, {width.name} {q}")
    t.set_f(rd, _bits(t, result, width))


def _resize(t: Translator, width: Width, rd: int, a: int, mode: int) -> None:
    """fcvt.d.s (always exact) and fcvt.s.d."""
    rounds = _rounds(mode)
    source = SINGLE if width is DOUBLE else DOUBLE
    if width is SINGLE and rounds is None:
        _leave(t)
        return
    p = _number(t, a, source)
    if width is DOUBLE:
        ok = t.value(f"fcmp ord float {p}, {p}")
        if mode == DYNAMIC:
            ok = t.value(f"and i1 {ok}, %nearest")  # the mode might be an illegal one
        _keep_if(t, [ok], rd, t.value(f"fpext float {p} to double"), width)
        return
    result = t.value(f"fptrunc double {p} to float")
    fit = _fit(t, result, width, False)
    zero = t.value(f"fcmp oeq double {p}, 0.0")
    _keep_if(t, [rounds, t.value(f"or i1 {fit}, {zero}")], rd, result, width)


def _from_integer(t: Translator, width: Width, rd: int, a: int, kind: int, mode: int) -> None:
    unsigned, wide = kind & 1, kind & 2
    value = t.x(a)
    conditions = ["%nearest"] if mode == DYNAMIC else []
    if not wide:
        value = t.value(f"trunc i64 {value} to i32")
        value = t.value(f"{'zext' if unsigned else 'sext'} i32 {value} to i64")
    elif unsigned:
        conditions.append(t.value(f"icmp sge i64 {value}, 0"))
    if wide or width is SINGLE:
        shifted = t.value(f"add i64 {value}, {1 << width.exact}")
        exact = t.value(f"icmp ule i64 {shifted}, {2 << width.exact}")
        rounds = _rounds(mode)
        conditions.append(t.value(f"or i1 {exact}, {rounds}") if rounds else exact)
    if conditions:
        ok = conditions[0]
        for other in conditions[1:]:
            ok = t.value(f"and i1 {ok}, {other}")
        t.leave_unless(ok)
    t.set_f(rd, _bits(t, t.value(f"sitofp i64 {value} to {width.name}"), width))


def _to_integer(t: Translator, width: Width, rd: int, a: int, kind: int, mode: int) -> None:
    unsigned, wide = kind & 1, kind & 2
    if mode != RTZ:
        _leave(t)
        return
    p = _number(t, a, width)
    if width is SINGLE:
        p = t.value(f"fpext float {p} to double")
    # bounds that are numbers of both widths; what lies between them and the last integer is left
    least = "-1.0" if unsigned else ("-9223372036854775808.0" if wide else "-2147483649.0")
    most = "9223372036854775808.0" if wide else ("4294967296.0" if unsigned else "2147483648.0")
    above = t.value(f"fcmp {'oge' if wide and not unsigned else 'ogt'} double {p}, {least}")
    below = t.value(f"fcmp olt double {p}, {most}")
    t.leave_unless(t.value(f"and i1 {above}, {below}"))
    value = t.value(f"fptosi double {p} to i64")
    back = t.value(f"sitofp i64 {value} to double")
    exact = t.value(f"fcmp oeq double {back}, {p}")
    t.leave_unless(t.value(f"or i1 {exact}, %nx"))
    if not wide and unsigned:
        value = t.value(f"shl i64 {value}, 32")
        value = t.value(f"ashr i64 {value}, 32")
    _to_x(t, rd, value)
