"""Blocks in which a program only waits, in LLVM IR: all rounds that the turn covers in one step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from k210sim.riscv import opcodes as op
from k210sim.riscv.jit_region import CYCLE, MCYCLE, Block, csr_read, immediate
from k210sim.riscv.timing import CLOCKS, INSTRUCTIONS

if TYPE_CHECKING:
    from k210sim.riscv.jit_ir import Translator

FAR = 1 << 40  # clocks: longer than any turn


def countdown(block: Block) -> tuple[int, int, bool] | None:
    """(register, step, 32 bits) of a block that only counts a register by 1 or -1 to zero: the
    program waits. None for other blocks."""
    at, last = block.words[-1]
    register = last >> 14 & 31
    if last & 255 != op.BNE or last >> 19 & 31 or at + immediate(last) != block.start:
        return None
    steps = [word for _, word in block.words[:-1] if word & 255 != op.ADDI or word >> 8 & 63 < 32]
    if len(steps) != 1 or not register:
        return None
    word = steps[0]
    code, step = word & 255, immediate(word)
    if code not in (op.ADDI, op.ADDIW) or step not in (1, -1):
        return None
    if word >> 8 & 63 != register or word >> 14 & 31 != register:
        return None
    return register, step, code == op.ADDIW


@dataclass(frozen=True)
class CycleWait:
    """`read = mcycle; passed = read - since; if passed < until: again`, by numbers of registers."""

    read: int
    passed: int
    since: int
    until: int


def cycle_wait(block: Block) -> CycleWait | None:
    """What a block does that only waits for clocks to pass; None for other blocks."""
    if len(block.words) != 3:
        return None
    (_, first), (_, second), (at, last) = block.words
    read, passed = first >> 8 & 63, second >> 8 & 63
    wait = CycleWait(read, passed, second >> 19 & 31, last >> 19 & 31)
    if (
        csr_read(first) not in (MCYCLE, CYCLE)
        or second & 255 != op.SUB
        or second >> 14 & 31 != read
        or last & 255 != op.BLTU
        or last >> 14 & 31 != passed
        or at + immediate(last) != block.start
        or {wait.since, wait.until} & {read, passed}
        or max(read, passed) > 31
    ):
        return None
    return wait


def translate(t: Translator) -> bool:
    """The block in hand, if it only waits; whether it does."""
    counted, wait = countdown(t.block), cycle_wait(t.block)
    if counted:
        count_down(t, *counted)
    elif wait:
        wait_for_cycle(t, wait)
    return bool(counted or wait)


def count_down(t: Translator, register: int, step: int, narrow: bool) -> None:
    """All rounds of a block that counts a register to zero, as many as the turn covers."""
    start, size = t.block.start, len(t.block.words)
    before = t.x(register)
    kind = "i32" if narrow else "i64"
    if narrow:
        before = t.value(f"trunc i64 {before} to i32")
    # rounds to zero less one, so that the largest fits: 0 goes all around
    more = f"add i32 {before}, -1" if step < 0 else f"xor i32 {before}, -1"
    more = t.value(more.replace("i32", kind))
    if narrow:
        more = t.value(f"zext i32 {more} to i64")
    room = t.value(f"sub i64 %budget, %m.{start}")
    room = t.value(f"udiv i64 {room}, {size}")
    to_zero = t.value(f"icmp ule i64 {more}, {room}")
    more = t.value(f"select i1 {to_zero}, i64 {more}, i64 {room}")
    rounds = t.value(f"add i64 {more}, 1")
    spent = t.value(f"mul i64 {rounds}, {size}")
    if narrow:
        rounds = t.value(f"trunc i64 {rounds} to i32")
    after = t.value(f"{'sub' if step < 0 else 'add'} {kind} {before}, {rounds}")
    if narrow:
        after = t.value(f"sext i32 {after} to i64")
    t.set_x(register, after)
    t.lines += t.stores()
    t.emit(f"store i64 {t.value(f'add i64 %n.{start}, {spent}')}, ptr %n")
    onward = t.go_to(t.block.end)
    t.emit(f"br i1 {to_zero}, label %{onward}, label %b{start}")


def wait_for_cycle(t: Translator, wait: CycleWait) -> None:
    """All rounds of a block that reads mcycle until enough have passed."""
    start, size = t.block.start, len(t.block.words)
    since, until = t.x(wait.since), t.x(wait.until)
    parts, now = t.clocks(f"%n.{start}")
    passed = t.value(f"sub i64 {now}, {since}")
    waits = t.value(f"icmp ult i64 {passed}, {until}")
    missing = t.value(f"sub i64 {until}, {passed}")
    near = t.value(f"icmp ult i64 {missing}, {FAR}")
    missing = t.value(f"select i1 {near}, i64 {missing}, i64 {FAR}")
    # the fewest rounds after which so many clocks more have passed
    missing = t.value(f"mul i64 {missing}, {INSTRUCTIONS}")
    rest = t.value(f"urem i64 {parts}, {INSTRUCTIONS}")
    missing = t.value(f"sub i64 {missing}, {rest}")
    missing = t.value(f"add i64 {missing}, {size * CLOCKS - 1}")
    more = t.value(f"udiv i64 {missing}, {size * CLOCKS}")
    more = t.value(f"select i1 {waits}, i64 {more}, i64 0")
    room = t.value(f"sub i64 %budget, %m.{start}")
    room = t.value(f"udiv i64 {room}, {size}")
    fits = t.value(f"icmp ule i64 {more}, {room}")
    more = t.value(f"select i1 {fits}, i64 {more}, i64 {room}")
    spent = t.value(f"mul i64 {more}, {size}")
    _, now = t.clocks(t.value(f"add i64 %n.{start}, {spent}"))
    passed = t.value(f"sub i64 {now}, {since}")
    t.set_x(wait.read, now)
    t.set_x(wait.passed, passed)
    t.lines += t.stores()
    t.emit(f"store i64 {t.value(f'add i64 %m.{start}, {spent}')}, ptr %n")
    again = t.value(f"icmp ult i64 {passed}, {until}")
    onward = t.go_to(t.block.end)
    t.emit(f"br i1 {again}, label %b{start}, label %{onward}")
