"""Compiled blocks for one machine: finds what is hot, and puts its machine code in place.

Where compiled code begins, the decoded instruction is replaced by BLOCK with the number of a row
of `entries`; the interpreter's loop calls the code there, and executes the instruction itself when
the code cannot (execute.py). So a fence.i that empties the table of decoded instructions, because
some were written over, takes the compiled code away too, and it comes back when the same
instructions are decoded again. What a guest sees does not depend on what is compiled, or when.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field

import numpy as np

from k210sim.riscv import opcodes as op
from k210sim.riscv import state as st
from k210sim.riscv.jit_compiler import Compiler, shared
from k210sim.riscv.jit_region import Region, discover

ENVIRONMENT = "K210SIM_JIT"
ROWS = 1 << 16
LINE_SHIFT = 6  # samples are counted by lines of 64 bytes
THRESHOLD = 8  # turns that ended in a line make it hot


def wanted() -> bool:
    """Whether machines are to compile blocks: yes, unless K210SIM_JIT is 0."""
    return os.environ.get(ENVIRONMENT, "1") != "0"


def new_entries() -> np.ndarray:
    """The table behind BLOCK: (address of the function, number of the block, instruction)."""
    return np.zeros((ROWS, 3), np.int64)


def original(code: np.ndarray, entries: np.ndarray, offset: int) -> int:
    """The decoded instruction at a RAM offset, whether or not compiled code begins there."""
    word = int(code[offset >> 1])
    return int(entries[word >> 32, 2]) if word & 255 == op.BLOCK else word


def originals(words: np.ndarray, entries: np.ndarray) -> np.ndarray:
    """Words of the table of decoded instructions as they are without any compiled code."""
    compiled = words & 255 == op.BLOCK
    return np.where(compiled, entries[np.where(compiled, words >> 32, 0), 2], words)


@dataclass(eq=False)
class _Installed:
    region: Region
    rows: dict[int, int] = field(default_factory=dict)  # by the start of their blocks
    mark_at = mark = 0  # one of its BLOCKs, and where in `code`: fence.i takes all or none


class Jit:
    """Compiled code for one machine's RAM.

    code, entries : the arrays of the interpreter's loop. Raises RuntimeError where blocks cannot be
    compiled
    """

    def __init__(self, code: np.ndarray, entries: np.ndarray, compiler: Compiler | None = None):
        self.compiler = compiler or shared()
        self._code, self._entries = code, entries
        self._view = memoryview(code)  # the same, faster for single values
        self._installed: list[_Installed] = []
        self._marks = np.zeros((2, ROWS), np.int64)  # their mark_at and mark, in that order
        self._owner: dict[int, _Installed] = {}  # by offset of each instruction
        self._samples: dict[int, int] = {}  # by line
        self._free = list(range(ROWS - 1, -1, -1))
        self._settled: set[int] = set()  # lines of compiled code where no loop is to be found
        self._pending: tuple[str, Region] | None = None

    # --- what is hot ----------------------------------------------------------------------------

    def sample(self, pc: int) -> None:
        """A turn of a hart has ended at `pc`: where it ends often, most time is spent."""
        if self._pending:
            self._look_at_pending()
        offset = pc - st.RAM_BASE
        if not 0 <= offset < st.RAM_SIZE:
            return
        owner = self._owner.get(offset)
        if owner is not None:
            if not self._in_place(owner):
                self._sweep()  # then it is like code never seen
            elif owner.region.is_loop or offset >> LINE_SHIFT in self._settled:
                return
        line = offset >> LINE_SHIFT
        count = self._samples.get(line, 0) + 1
        self._samples[line] = count
        if (count == 1 or count == THRESHOLD) and self._recall(line):
            return
        if count >= THRESHOLD and self._pending is None and not self.compiler.broken:
            self._samples[line] = 0
            self._want(offset)

    def compile_all(self) -> None:
        """Compile whatever is decoded and not compiled yet, now."""
        for half in np.flatnonzero(self._code):
            offset = int(half) << 1
            if offset not in self._owner:
                region = discover(self.word_at, offset, self._owner)
                if region is not None:
                    key = self.compiler.key(region)
                    address = self.compiler.address(key)
                    if not address:
                        address = self.compiler.compile(offset >> LINE_SHIFT, key, region)
                    self._install(region, address)

    def _recall(self, line: int) -> bool:
        """Whether regions kept on disk for a line are the ones wanted; they are in place then."""
        found = self.compiler.recall(line, self._matches)
        for region, address in found:
            self._install(region, address)
        return bool(found)

    def _want(self, offset: int) -> None:
        # what is in other regions is taken again: jumps inside of one are cheaper
        region = discover(self.word_at, offset)
        if region is None or offset in self._owner and not region.is_loop:
            self._settled.add(offset >> LINE_SHIFT)
            return
        key = self.compiler.key(region)
        address = self.compiler.address(key)
        if address:
            self._install(region, address)
        else:
            self._pending = key, region
            self.compiler.request(offset >> LINE_SHIFT, key, region)

    def _look_at_pending(self) -> None:
        key, region = self._pending
        address = self.compiler.address(key)
        if address:
            self._install(region, address)
        if address or self.compiler.broken:
            self._pending = None

    def _matches(self, region: Region) -> bool:
        """Whether the instructions of a region are those decoded now."""
        at, words = region.table
        return (self.word_at(2 * int(at[0])) == words[0]
                and np.array_equal(originals(self._code[at], self._entries), words))

    # --- in place -------------------------------------------------------------------------------

    def word_at(self, offset: int) -> int:
        """The decoded instruction there, 0 when there is none."""
        return original(self._code, self._entries, offset)

    def _install(self, region: Region, address: int) -> None:
        """Put a compiled region in place, unless other instructions are there by now."""
        if not self._matches(region):
            return
        self._sweep()
        if len(self._installed) == ROWS:
            return
        installed = _Installed(region)
        for number, block in enumerate(region.blocks):
            at, there = block.start >> 1, int(self._code[block.start >> 1])
            if there & 255 == op.BLOCK:
                if region.is_loop:  # better than code that keeps no registers
                    self._entries[there >> 32, :2] = address, number
                continue
            if not self._free:
                continue
            row = self._free.pop()
            self._entries[row] = address, number, self._code[at]
            self._code[at] = op.BLOCK | row << 32
            installed.rows[block.start] = row
        installed.mark_at = region.blocks[0].start >> 1
        installed.mark = int(self._code[installed.mark_at])
        self._marks[:, len(self._installed)] = installed.mark_at, installed.mark
        self._installed.append(installed)
        for at, _ in region.words:
            if region.is_loop or at not in self._owner:
                self._owner[at] = installed

    def _in_place(self, installed: _Installed) -> bool:
        """Whether fence.i has not taken a region away."""
        return self._view[installed.mark_at] == installed.mark

    def _sweep(self) -> None:
        """Forget the regions that fence.i has taken away; their rows are free again."""
        at, marks = self._marks[:, : len(self._installed)]
        lost = np.flatnonzero(self._code[at] != marks)
        if not len(lost):
            return
        gone = {self._installed[number] for number in lost}
        for installed in gone:
            for start, row in installed.rows.items():
                if int(self._code[start >> 1]) != op.BLOCK | row << 32:
                    self._free.append(row)
        self._installed = [one for one in self._installed if one not in gone]
        for number, one in enumerate(self._installed):
            self._marks[:, number] = one.mark_at, one.mark
        self._owner = {at: one for at, one in self._owner.items() if one not in gone}
