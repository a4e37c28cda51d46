"""Compiled blocks for one machine: finds what is hot, and puts its machine code in place.

Where compiled code begins, the decoded instruction is replaced by BLOCK with the number of a row
of `entries`; the interpreter's loop calls the code there, and executes the instruction itself when
the code cannot (execute.py). A fence.i that finds decoded instructions written over takes away the
regions that hold one of them. What a guest sees does not depend on what is compiled, or when.
"""

from __future__ import annotations

import itertools
import os
from dataclasses import dataclass

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
    address: int
    number: int  # in the table of owners

    def __post_init__(self):
        at = self.region.table[0]
        self.first, self.last = int(at[0]), int(at[-1])  # halfwords of RAM


class _Taken:
    """Which RAM offsets hold instructions of regions in place."""

    def __init__(self, owners: memoryview):
        self._owners = owners

    def __contains__(self, offset: int) -> bool:
        return 0 <= offset < st.RAM_SIZE and self._owners[offset >> 1] != 0


class Jit:
    """Compiled code for one machine's RAM.

    code, entries : the arrays of the interpreter's loop. Raises RuntimeError where blocks cannot be
    compiled
    """

    def __init__(self, code: np.ndarray, entries: np.ndarray, compiler: Compiler | None = None):
        self.compiler = compiler or shared()
        self._code, self._entries = code, entries
        self._view = memoryview(code)  # the same, faster for single values
        self._installed: dict[int, _Installed] = {}  # by number
        self._owners = np.zeros(len(code), np.int32)  # number, or 0, by halfword of RAM
        self._owner = memoryview(self._owners)
        self._taken = _Taken(self._owner)
        self._numbers = itertools.count(1)
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
        line = offset >> LINE_SHIFT
        owner = self._owner[offset >> 1]
        if owner and (line in self._settled or self._installed[owner].region.is_loop):
            return
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
            if offset not in self._taken:
                region = discover(self.word_at, offset, self._taken)
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
        if region is None or offset in self._taken and not region.is_loop:
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
        if address and self._matches(region):  # unless other instructions are there by now
            self._install(region, address)
        if address or self.compiler.broken:
            self._pending = None

    def _matches(self, region: Region) -> bool:
        """Whether the instructions of a region are those decoded now."""
        at, words = region.table
        return ((self.word_at(2 * int(at[0])) ^ words[0]) & ~op.DEVICE == 0
                and not ((originals(self._code[at], self._entries) ^ words) & ~op.DEVICE).any())

    # --- in place -------------------------------------------------------------------------------

    def word_at(self, offset: int) -> int:
        """The decoded instruction there, 0 when there is none."""
        word = self._view[offset >> 1]
        return int(self._entries[word >> 32, 2]) if word & 255 == op.BLOCK else word

    def _install(self, region: Region, address: int) -> None:
        """Put a compiled region in place; the same instructions must be decoded there."""
        installed = _Installed(region, address, next(self._numbers))
        placed = False
        for number, block in enumerate(region.blocks):
            at, there = block.start >> 1, self._view[block.start >> 1]
            if there & 255 == op.BLOCK:
                better = region.is_loop  # than code that keeps no registers
                if better and self._entries[there >> 32, 0] != address:
                    self._entries[there >> 32, :2] = address, number
                    placed = True
                continue
            if not self._free:
                continue
            row = self._free.pop()
            self._entries[row] = address, number, there
            self._view[at] = op.BLOCK | row << 32
            placed = True
        if not placed:
            return
        self._installed[installed.number] = installed
        at = region.table[0]
        if region.is_loop:
            self._owners[at] = installed.number
        else:
            before = self._owners[at]
            self._owners[at] = np.where(before == 0, installed.number, before)

    def forget(self, stale: np.ndarray) -> None:
        """Take away every region that holds one of these halfwords of RAM (ascending)."""
        first, last = int(stale[0]), int(stale[-1])
        for installed in list(self._installed.values()):
            at = installed.region.table[0]
            if (installed.first <= last and first <= installed.last
                    and np.isin(at, stale, assume_unique=True).any()):  # fmt: skip
                self._take_away(installed)

    def _take_away(self, installed: _Installed) -> None:
        """The decoded instructions again instead of a region; what is hot is counted anew."""
        del self._installed[installed.number]
        for block in installed.region.blocks:
            word = self._view[block.start >> 1]
            row = word >> 32
            # another region may have been put there instead
            if word & 255 == op.BLOCK and self._entries[row, 0] == installed.address:
                self._view[block.start >> 1] = int(self._entries[row, 2])
                self._free.append(row)
        at = installed.region.table[0]
        own = at[self._owners[at] == installed.number]
        self._owners[own] = 0
        for line in set((own >> LINE_SHIFT - 1).tolist()):
            self._samples.pop(line, None)
            self._settled.discard(line)

    def clear(self) -> None:
        """Take away all regions."""
        for installed in list(self._installed.values()):
            self._take_away(installed)
