"""Which instructions the block compiler takes together: a region of basic blocks.

Only decoded instructions are followed: what the interpreter has not met yet may still change in
RAM, so a region ends there. A small loop without calls is a region of its own, whose registers the
compiler keeps in the host's; else a region is what can be reached without following calls. Offsets
are those in RAM.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Container
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from k210sim.riscv import opcodes as op
from k210sim.riscv import state as st

INSTRUCTIONS, BLOCKS = 300, 48  # most of a region
LOOP_INSTRUCTIONS, LOOP_BLOCKS = 160, 16  # most of a loop
LINK = (1, 5)  # registers that calls put their return address into

BRANCHES = frozenset(range(op.BEQ, op.BGEU + 1))
LOADS = frozenset(range(op.LB, op.LWU + 1))
STORES = frozenset(range(op.SB, op.SD + 1))
SIZES = {
    op.LB: 1, op.LH: 2, op.LW: 4, op.LD: 8, op.LBU: 1, op.LHU: 2, op.LWU: 4,
    op.SB: 1, op.SH: 2, op.SW: 4, op.SD: 8, op.FLW: 4, op.FLD: 8, op.FSW: 4, op.FSD: 8,
}  # fmt: skip
UNSIGNED_LOADS = (op.LBU, op.LHU, op.LWU)
FLOATS = frozenset(range(op.FLW, op.FMADD + 1))
TRANSLATED = (
    frozenset((op.LUI, op.AUIPC, op.JAL, op.JALR, op.FENCE))
    | BRANCHES | LOADS | STORES | FLOATS | frozenset(range(op.ADDI, op.REMUW + 1))
)  # fmt: skip
NEVER_FALLS_THROUGH = frozenset((0, op.ILLEGAL, op.ECALL, op.EBREAK, op.MRET))
FFLAGS, FRM, FCSR, MCYCLE, CYCLE, MINSTRET, INSTRET, MHARTID = (
    1, 2, 3, 0xB00, 0xC00, 0xB02, 0xC02, 0xF14
)  # fmt: skip
READ_CSRS = frozenset((FFLAGS, FRM, FCSR, MCYCLE, CYCLE, MINSTRET, INSTRET, MHARTID))


def length(word: int) -> int:
    """Bytes of a decoded instruction."""
    return 4 if word & op.LONG else 2


def immediate(word: int) -> int:
    """The signed immediate of a decoded instruction."""
    return word >> 32


def csr_read(word: int) -> int | None:
    """The number of the register when a CSR instruction only reads one that is translated."""
    if word & 255 != op.CSR or word >> 25 & 3 not in (2, 3) or word >> 14 & 31:
        return None
    number = immediate(word) & 0xFFF
    return number if number in READ_CSRS else None


def is_translated(word: int) -> bool:
    """Whether the compiler has code for a decoded instruction."""
    return word & 255 in TRANSLATED or csr_read(word) is not None


def _calls(word: int) -> bool:
    return word & 255 in (op.JAL, op.JALR) and (word >> 8) & 63 in LINK


def _jumps(word: int) -> bool:
    return word & 255 in BRANCHES or word & 255 in (op.JAL, op.JALR)


@dataclass(frozen=True)
class Block:
    """Instructions that run one after the other; only the last one may jump."""

    start: int
    words: tuple[tuple[int, int], ...]  # (offset, decoded instruction)

    @property
    def end(self) -> int:
        """Offset behind the last instruction."""
        at, word = self.words[-1]
        return at + length(word)

    @property
    def followers(self) -> tuple[int, ...]:
        """Where execution goes on in the same function, as far as the last instruction says."""
        at, word = self.words[-1]
        if word & 255 in BRANCHES:
            return self.end, at + immediate(word)
        if word & 255 == op.JAL and not _calls(word):
            return (at + immediate(word),)
        if word & 255 == op.JALR and not _calls(word):
            return ()
        return (self.end,)


@dataclass(frozen=True)
class Region:
    """Blocks in the order of their addresses; each may be entered from outside.

    is_loop : a small loop without calls
    """

    blocks: tuple[Block, ...]
    is_loop: bool

    @property
    def words(self) -> tuple[tuple[int, int], ...]:
        return tuple(pair for block in self.blocks for pair in block.words)

    @cached_property
    def table(self) -> tuple[np.ndarray, np.ndarray]:
        """`words` as int64 arrays: which halfwords of RAM, and what is decoded there."""
        at, words = np.array(self.words, np.int64).T
        return at >> 1, words


def discover(word_at: Callable[[int], int], head: int, taken: Container[int] = ()) -> Region | None:
    """The region around `head`; None when nothing there can be translated.

    word_at(offset) : the decoded instruction there, 0 when there is none. taken : offsets of
        instructions that are in other regions: those are not taken again, except into a loop
    """
    blocks = _reachable(word_at, head, ())
    loop = _loop(blocks, head)
    if loop:
        return Region(loop, True)
    if any(block.start in taken for block in blocks):
        blocks = _reachable(word_at, head, taken)
    return Region(blocks, False) if blocks else None


def _reachable(
    word_at: Callable[[int], int], head: int, taken: Container[int]
) -> tuple[Block, ...]:
    """Blocks that `head` leads to without calls, the nearest ones."""
    seen: dict[int, int] = {}
    leaders = {head}
    todo = deque([head])
    while todo and len(leaders) < BLOCKS:
        start = at = todo.popleft()
        while at not in seen and len(seen) < INSTRUCTIONS and (at == head or at not in taken):
            word = word_at(at) if 0 <= at < st.RAM_SIZE - 4 else 0
            code, after = word & 255, at + length(word)
            if not is_translated(word):
                if code not in NEVER_FALLS_THROUGH:
                    leaders.add(after)
                    todo.append(after)
                break
            seen[at] = word
            if _jumps(word):
                followers = Block(start, ((at, word),)).followers
                leaders.update(followers)
                todo.extend(followers)
                break
            at = after
        else:
            if at in seen:  # runs into a block from above
                leaders.add(at)
    return _blocks(seen, leaders)


def _blocks(seen: dict[int, int], leaders: set[int]) -> tuple[Block, ...]:
    blocks = []
    for start in sorted(leaders & seen.keys()):
        words, at = [], start
        while at in seen and (at == start or at not in leaders):
            words.append((at, seen[at]))
            if _jumps(seen[at]):
                break
            at += length(seen[at])
        blocks.append(Block(start, tuple(words)))
    return tuple(blocks)


def _loop(blocks: tuple[Block, ...], head: int) -> tuple[Block, ...]:
    """The blocks between `head` and itself; none unless they are few and do not call."""
    by_start = {block.start: block for block in blocks}
    before: dict[int, list[int]] = {}
    for block in blocks:
        for follower in block.followers:
            before.setdefault(follower, []).append(block.start)
    onward = _reached(head, lambda start: by_start[start].followers if start in by_start else ())
    inside = onward & _reached(head, lambda start: before.get(start, ()))
    loop = tuple(block for block in blocks if block.start in inside)
    instructions = sum(len(block.words) for block in loop)
    if (
        head not in before
        or not any(start in inside for start in before[head])
        or len(loop) > LOOP_BLOCKS
        or instructions > LOOP_INSTRUCTIONS
        or any(_calls(block.words[-1][1]) for block in loop)
    ):
        return ()
    return loop


def _reached(head: int, onward: Callable[[int], tuple[int, ...] | list[int]]) -> set[int]:
    found, todo = {head}, [head]
    while todo:
        for start in onward(todo.pop()):
            if start not in found:
                found.add(start)
                todo.append(start)
    return found
