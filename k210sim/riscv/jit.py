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
LINE_SHIFT = 6  # samples are counted by lines of 64 bytes
THRESHOLD = 8  # turns that ended in a line make it hot
TOKENS = (0, 3, 5, 7)  # eighths of a region: instructions that are looked at first
SOONEST, LATEST = 2, 16  # turns until the known regions are looked at again


def wanted() -> bool:
    """Whether machines are to compile blocks: yes, unless K210SIM_JIT is 0."""
    return os.environ.get(ENVIRONMENT, "1") != "0"


def new_entries() -> np.ndarray:
    """The table behind BLOCK: (address of the function, number of the block, instruction)."""
    return np.zeros((st.ENTRIES, 3), np.int64)


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
    index: int  # among the known ones

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
        self._free = list(range(st.ENTRIES - 1, -1, -1))
        self._settled: set[int] = set()  # lines of compiled code where no loop is to be found
        self._pending: str | None = None  # key of the region being compiled
        self.use_program("")

    def use_program(self, name: str) -> None:
        """What runs now: regions kept under that name are put in place, new ones kept there."""
        for installed in list(self._installed.values()):
            self._take_away(installed)
        self._known = self.compiler.known(name)
        # of known regions some halfwords of RAM, and the instructions there
        self._tokens = np.zeros((2, 0, len(TOKENS)), np.int64)
        self._closed = np.zeros(0, bool)  # those that are in place, or have no room
        self._turns_to_look = self._patience = SOONEST

    # --- what is hot ----------------------------------------------------------------------------

    def sample(self, pc: int) -> None:
        """A turn of a hart has ended at `pc`: where it ends often, most time is spent."""
        self._turns_to_look -= 1
        if self._turns_to_look <= 0:
            self._look()
        if self._pending and (self.compiler.address(self._pending) or self.compiler.broken):
            self._pending = None
            self._look()
        offset = pc - st.RAM_BASE
        if not 0 <= offset < st.RAM_SIZE:
            return
        line = offset >> LINE_SHIFT
        owner = self._owner[offset >> 1]
        if owner and (line in self._settled or self._installed[owner].region.is_loop):
            return
        count = self._samples.get(line, 0) + 1
        self._samples[line] = count
        if count >= THRESHOLD and not (self._pending or self.compiler.broken):
            self._samples[line] = 0
            self._want(offset)

    def _look(self) -> None:
        """Put the known regions in place whose instructions are decoded."""
        found = self._known.found
        new = found[self._tokens.shape[1] :]
        if new:
            tokens = [[part[[len(part) * n // 8 for n in TOKENS]] for part in region.table]
                      for region, _ in new]  # fmt: skip
            self._tokens = np.hstack([self._tokens, np.array(tokens, np.int64).swapaxes(0, 1)])
            self._closed = np.append(self._closed, np.zeros(len(new), bool))
        at, words = self._tokens
        differ = (originals(self._code[at], self._entries) ^ words) & ~op.DEVICE
        placed = False
        for index in np.flatnonzero(~(differ.any(axis=1) | self._closed)).tolist():
            region, address = found[index]
            at, words = region.table
            differ = (originals(self._code[at], self._entries) ^ words) & ~op.DEVICE
            if differ.any():  # what is decoded last is looked at first the next time
                first = int(np.argmax(differ != 0))
                self._tokens[:, index, 0] = at[first], words[first]
            else:
                self._closed[index] = True
                placed |= self._install(region, address, index)
        self._patience = SOONEST if placed else min(2 * self._patience, LATEST)
        self._turns_to_look = self._patience

    def compile_all(self) -> None:
        """Compile whatever is decoded and not compiled yet, now."""
        self._look()
        for half in np.flatnonzero(self._code):
            offset = int(half) << 1
            if offset not in self._taken:
                region = discover(self.word_at, offset, self._taken)
                if region is not None:
                    key = self.compiler.key(region)
                    if not self.compiler.address(key):
                        self.compiler.compile(self._known, key, region)
                    self._use(region, self.compiler.address(key))
                    self._look()

    def _want(self, offset: int) -> None:
        # what is in other regions is taken again: jumps inside of one are cheaper
        region = discover(self.word_at, offset)
        if region is None or offset in self._taken and not region.is_loop:
            self._settled.add(offset >> LINE_SHIFT)
            return
        key = self.compiler.key(region)
        if self.compiler.address(key):
            self._use(region, self.compiler.address(key))
            self._look()
        else:
            self._pending = key
            self.compiler.request(self._known, key, region)

    def _use(self, region: Region, address: int) -> None:
        """Have a compiled region among the known ones: it may be another program's."""
        if all(address != known for _, known in self._known.found):
            self._known.found.append((region, address))

    # --- in place -------------------------------------------------------------------------------

    def word_at(self, offset: int) -> int:
        """The decoded instruction there, 0 when there is none."""
        word = self._view[offset >> 1]
        return int(self._entries[word >> 32, 2]) if word & 255 == op.BLOCK else word

    def _install(self, region: Region, address: int, index: int) -> bool:
        """Put a compiled region in place; the same instructions must be decoded there. False when
        all of its blocks are entered elsewhere already."""
        installed = _Installed(region, address, next(self._numbers), index)
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
            return False
        self._installed[installed.number] = installed
        at = region.table[0]
        if region.is_loop:
            self._owners[at] = installed.number
        else:
            before = self._owners[at]
            self._owners[at] = np.where(before == 0, installed.number, before)
        return True

    def forget(self, stale: np.ndarray) -> None:
        """Take away every region that holds one of these halfwords of RAM (ascending)."""
        first, last = int(stale[0]), int(stale[-1])
        for installed in list(self._installed.values()):
            at = installed.region.table[0]
            if (installed.first <= last and first <= installed.last
                    and np.isin(at, stale, assume_unique=True).any()):  # fmt: skip
                self._take_away(installed)
        self._closed[:] = False
        self._closed[[installed.index for installed in self._installed.values()]] = True
        self._turns_to_look = self._patience = SOONEST

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
        self._closed[:] = False
        self._turns_to_look = self._patience = SOONEST
