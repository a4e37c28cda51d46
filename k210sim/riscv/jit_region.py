"""Which instructions the block compiler takes together: a region of basic blocks.

Only decoded instructions are followed: what the interpreter has not met yet may still change in
RAM, so a region ends there. Offsets are those in RAM.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from k210sim.riscv import opcodes as op
from k210sim.riscv import state as st

INSTRUCTIONS, BLOCKS = 400, 64  # most of a region
LINK = (1, 5)  # registers that calls put their return address into

BRANCHES = frozenset(range(op.BEQ, op.BGEU + 1))
LOADS = frozenset(range(op.LB, op.LWU + 1))
STORES = frozenset(range(op.SB, op.SD + 1))
FLOATS = frozenset(range(op.FLW, op.FMADD + 1))
TRANSLATED = (
    frozenset((op.LUI, op.AUIPC, op.JAL, op.JALR, op.FENCE))
    | BRANCHES | LOADS | STORES | FLOATS | frozenset(range(op.ADDI, op.REMUW + 1))
)  # fmt: skip
NEVER_FALLS_THROUGH = frozenset((0, op.ILLEGAL, op.ECALL, op.EBREAK, op.MRET))


def length(word: int) -> int:
    """Bytes of a decoded instruction."""
    return 4 if word & op.LONG else 2


def immediate(word: int) -> int:
    """The signed immediate of a decoded instruction."""
    return word >> 32


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


@dataclass(frozen=True)
class Region:
    """Blocks in the order of their addresses; each may be entered from outside."""

    blocks: tuple[Block, ...]
    returns: tuple[int, ...]  # starts of blocks that a call in the region comes back to

    @property
    def words(self) -> tuple[tuple[int, int], ...]:
        return tuple(pair for block in self.blocks for pair in block.words)


def _calls(word: int) -> bool:
    return (word >> 8) & 63 in LINK


def _followers(at: int, word: int) -> tuple[int, ...]:
    """Where execution can go after a jump or branch, as far as the instruction says."""
    code, after = word & 255, at + length(word)
    if code in BRANCHES:
        return after, at + immediate(word)
    if code == op.JAL:
        return (at + immediate(word), after) if _calls(word) else (at + immediate(word),)
    return (after,) if _calls(word) else ()


def discover(word_at: Callable[[int], int], head: int) -> Region | None:
    """The region around `head`; None when nothing there can be translated.

    word_at(offset) : the decoded instruction there, 0 when there is none
    """
    seen: dict[int, int] = {}
    leaders, returns = {head}, set()
    todo = deque([head])
    while todo and len(leaders) < BLOCKS:
        at = todo.popleft()
        while at not in seen and len(seen) < INSTRUCTIONS:
            word = word_at(at) if 0 <= at < st.RAM_SIZE - 4 else 0
            code, after = word & 255, at + length(word)
            if code not in TRANSLATED:
                if code not in NEVER_FALLS_THROUGH:
                    leaders.add(after)
                    todo.append(after)
                break
            seen[at] = word
            if code in BRANCHES or code == op.JAL or code == op.JALR:
                followers = _followers(at, word)
                if code not in BRANCHES and _calls(word):
                    returns.add(after)
                leaders.update(followers)
                todo.extend(followers)
                break
            at = after
        if at in seen:
            leaders.add(at)
    blocks = _blocks(seen, leaders)
    if not blocks:
        return None
    starts = {block.start for block in blocks}
    return Region(blocks, tuple(sorted(returns & starts)))


def _blocks(seen: dict[int, int], leaders: set[int]) -> tuple[Block, ...]:
    blocks = []
    for start in sorted(leaders & seen.keys()):
        words, at = [], start
        while at in seen and (at == start or at not in leaders):
            word = seen[at]
            words.append((at, word))
            if word & 255 in BRANCHES or word & 255 in (op.JAL, op.JALR):
                break
            at += length(word)
        blocks.append(Block(start, tuple(words)))
    return tuple(blocks)
