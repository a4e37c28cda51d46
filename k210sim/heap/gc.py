"""The MicroPython GC heap of the board: allocation, collection, and its books."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from k210sim.heap import gc_blocks as blocks
from k210sim.micropython.layout import BLOCK, RAM_BASE


@dataclass(frozen=True)
class HeapInfo:
    """What `micropython.mem_info()` counts: bytes, and for `max_block` and `max_free` blocks."""

    total: int
    used: int
    free: int
    one_blocks: int
    two_blocks: int
    max_block: int
    max_free: int


class GcHeap:
    """A block heap in [start, start + size) of the simulated RAM.

    `alloc` returns an address, or 0 when there is no room even after a collection. Roots are
    asked of `roots()`, which yields (address, length) ranges and is given by the owner;
    `finalise(address)` is called for each dying block that was allocated with a finaliser.
    """

    def __init__(self, memory, start: int, size: int, *,
                 roots: Callable[[], Iterable[tuple[int, int]]],
                 finalise: Callable[[int], None]):
        self._memory = memory
        self.ram, self.words = memory.u8, memory.i64
        self.state = np.zeros(blocks.S_SIZE, np.int64)
        self.start, self.size = start, size
        self._roots, self._finalise = roots, finalise
        blocks.init(self.ram, self.state, start - RAM_BASE, start - RAM_BASE + size)
        self.n_blocks = int(self.state[blocks.S_ATB_LEN]) * 4
        self._mark_stack = np.zeros(self.n_blocks + 1, np.int64)
        self._extra = np.zeros(8, np.int64)
        self.auto_collect = True
        self.state[blocks.S_THRESHOLD] = -1
        self.collections = 0
        self._peak_used = 0
        self.watch: Callable[[int], None] | None = None  # told the bytes in use at a collection
        self.extra_roots: Callable[[], Iterable[int]] = lambda: ()

    def _book(index):  # noqa: N805
        return property(lambda self: int(self.state[index]),
                        lambda self, value: self.state.__setitem__(index, value))

    total_bytes = _book(blocks.S_TOTAL)  # bytes ever asked for, as m_malloc counts them
    current_bytes = _book(blocks.S_CURRENT)
    peak_bytes = _book(blocks.S_PEAK)
    threshold = _book(blocks.S_THRESHOLD)  # blocks until an early collection, -1: never
    del _book

    @property
    def pool_start(self) -> int:
        return int(self.state[blocks.S_POOL]) + RAM_BASE

    # --- allocation -------------------------------------------------------------------------
    def alloc(self, n_bytes: int, finaliser: bool = False) -> int:
        """Address of `n_bytes` cleared bytes, or 0. A full heap is collected once first."""
        if n_bytes <= 0 or self.state[blocks.S_LOCK] > 0:
            return 0
        collected = not self.auto_collect
        if (not collected and self.threshold >= 0
                and self.state[blocks.S_ALLOC_AMOUNT] >= self.threshold):
            self.collect()
            collected = True
        offset = -1
        if n_bytes <= self.size:
            offset = blocks.alloc(self.ram, self.state, n_bytes, 1 if finaliser else 0)
        if offset < 0 and not collected:
            self.collect()
            if n_bytes <= self.size:
                offset = blocks.alloc(self.ram, self.state, n_bytes, 1 if finaliser else 0)
        if offset < 0:
            return 0
        self._count(n_bytes)
        return int(offset) + RAM_BASE

    def _count(self, n_bytes: int) -> None:
        self.total_bytes += n_bytes
        self.current_bytes += n_bytes
        if self.current_bytes > self.peak_bytes:
            self.peak_bytes = self.current_bytes

    def free(self, addr: int, n_bytes: int = 0) -> None:
        """Give back an allocation at once; `n_bytes` is what the firmware's books subtract."""
        if addr and self.state[blocks.S_LOCK] == 0:
            self.current_bytes -= n_bytes
            blocks.free(self.ram, self.state, addr - RAM_BASE)

    def realloc(self, addr: int, old_bytes: int, new_bytes: int, allow_move: bool = True) -> int:
        """Resize an allocation, in place where possible; 0 when that cannot be done."""
        if not addr:
            return self.alloc(new_bytes)
        if new_bytes == 0:
            self.free(addr, old_bytes)
            return 0
        if self.state[blocks.S_LOCK] > 0:
            return 0
        if blocks.resize(self.ram, self.state, addr - RAM_BASE, new_bytes):
            self.current_bytes += new_bytes - old_bytes
            if new_bytes > old_bytes:
                self.total_bytes += new_bytes - old_bytes
            self.peak_bytes = max(self.peak_bytes, self.current_bytes)
            return addr
        if not allow_move:
            return 0
        # The old block must survive a collection triggered by the new allocation.
        self._pinned = addr
        try:
            moved = self.alloc(new_bytes)
        finally:
            self._pinned = 0
        if not moved:
            return 0
        self.total_bytes -= min(old_bytes, new_bytes)
        self._memory.write(moved, self._memory.read(addr, min(old_bytes, new_bytes)))
        self.free(addr, old_bytes)
        return moved

    _pinned = 0

    def n_bytes(self, addr: int) -> int:
        """Bytes in the blocks of the allocation at `addr` (0 if none starts there)."""
        return int(blocks.n_bytes(self.ram, self.state, addr - RAM_BASE))

    # --- collection -------------------------------------------------------------------------
    def collect(self) -> None:
        """Mark from the roots, run finalisers of what is dying, free it."""
        self.collections += 1
        self.state[blocks.S_LOCK] += 1
        self.state[blocks.S_ALLOC_AMOUNT] = 0
        used = self.used_bytes()
        self._peak_used = max(self._peak_used, used)
        if self.watch is not None:
            self.watch(used)
        for addr, length in self._roots():
            at = addr - RAM_BASE
            blocks.mark_range(self.ram, self.words, self.state, self._mark_stack, at, at + length)
        extra = list(self.extra_roots())
        if self._pinned:
            extra.append(self._pinned)
        if extra:
            self._mark_values(extra)
        dead = np.zeros(self.n_blocks + 8, np.int64)
        count = blocks.dying(self.ram, self.state, dead)
        for offset in dead[:count]:
            self._finalise(int(offset) + RAM_BASE)
        blocks.sweep(self.ram, self.state)
        self.state[blocks.S_LOCK] -= 1

    def _mark_values(self, values: list[int]) -> None:
        """Mark from words that live in host variables: lay them into a scratch corner of RAM."""
        scratch = self._memory.SCRATCH
        room = self._memory.SCRATCH_WORDS
        at = (scratch - RAM_BASE) >> 3
        for i in range(0, len(values), room):
            part = values[i : i + room]
            for j, value in enumerate(part):
                self._memory.words[at + j] = value
            blocks.mark_range(self.ram, self.words, self.state, self._mark_stack,
                              at << 3, (at + len(part)) << 3)

    # --- books ------------------------------------------------------------------------------
    def info(self) -> HeapInfo:
        out = np.zeros(8, np.int64)
        blocks.info(self.ram, self.state, out)
        used, free, ones, twos, largest, run, _ = (int(v) for v in out[:7])
        return HeapInfo(self.n_blocks * BLOCK, used * BLOCK, free * BLOCK,
                        ones, twos, largest, run)

    def used_bytes(self) -> int:
        return self.info().used

    @property
    def peak_used(self) -> int:
        """Most bytes of the pool in use, seen at collections and now."""
        self._peak_used = max(self._peak_used, self.used_bytes())
        return self._peak_used

    def lock(self) -> None:
        self.state[blocks.S_LOCK] += 1

    def unlock(self) -> None:
        self.state[blocks.S_LOCK] -= 1

    @property
    def locked(self) -> bool:
        return self.state[blocks.S_LOCK] > 0
