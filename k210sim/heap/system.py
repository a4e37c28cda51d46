"""The system heap: what C code of the firmware takes with malloc.

The GC heap itself, frame buffers, models and their working memory lie here. It behaves as the C
library's allocator does on the board: blocks are taken from a *break* that grows by pages
towards the top of general SRAM, freed blocks below the break are reused best fit first, and the
break only moves back when the topmost free block has reached 128 KiB. `Maix.utils.heap_free()`
and the second line of `KPU.memtest()` show the distance from break to top and nothing else,
which is why memory can look used after it was freed.

Facts: newlib's malloc (header 8 bytes, alignment 16, smallest block 32, page 4096, trim
threshold 128 KiB) and sipeed_mem.c (what is reported); spec sheet repl_and_runtime.md 9.3.
"""

from __future__ import annotations

import bisect
from collections.abc import Callable

HEADER = 8
ALIGN = 16
SMALLEST = 32
PAGE = 4096
TRIM_THRESHOLD = 128 * 1024


class SystemHeap:
    """Addresses in [start, end). `malloc` returns 0 when there is no room."""

    def __init__(self, start: int, end: int):
        self.start, self.end = start, end
        self.brk = start
        self.used: dict[int, int] = {}  # block address -> block size
        self._free: list[tuple[int, int]] = []  # (address, size), by address, never adjacent
        self._top = start  # start of the free block that ends at the break
        self.asked: dict[int, int] = {}  # block address -> bytes asked for
        self.peak_bytes = 0
        # (bytes asked, largest_free, free_to_top) of the latest request that failed.
        self.last_failure: tuple[int, int, int] | None = None
        self.watch: Callable[[], None] | None = None  # called after every change

    @staticmethod
    def block_size(n_bytes: int) -> int:
        """Bytes a request takes."""
        return max(SMALLEST, (n_bytes + HEADER + ALIGN - 1) & ~(ALIGN - 1))

    def malloc(self, n_bytes: int) -> int:
        """Address of `n_bytes` bytes (not cleared), or 0."""
        if n_bytes < 0:
            return 0
        size = self.block_size(n_bytes)
        best = -1
        for i, (_, room) in enumerate(self._free):
            if room >= size and (best < 0 or room < self._free[best][1]):
                best = i
        if best >= 0:
            block, room = self._free.pop(best)
            if room - size >= SMALLEST:
                bisect.insort(self._free, (block + size, room - size))
            else:
                size = room
            return self._take(block, size, n_bytes)
        if self.brk - self._top < size + SMALLEST:
            grow = size + SMALLEST - (self.brk - self._top)
            pages = (grow + PAGE - 1) & ~(PAGE - 1)
            if self.brk + pages <= self.end or self.brk > self.start:
                grow = pages  # the very first time a break that is not at a page is accepted
            if self.brk + grow > self.end:
                self.last_failure = (n_bytes, self.largest_free, self.free_to_top)
                return 0
            self.brk += grow
        block = self._top
        self._top += size
        return self._take(block, size, n_bytes)

    def _take(self, block: int, size: int, n_bytes: int) -> int:
        self.used[block] = size
        self.asked[block] = n_bytes
        self.peak_bytes = max(self.peak_bytes, self.used_bytes)
        if self.watch is not None:
            self.watch()
        return block + HEADER * 2

    def free(self, addr: int) -> None:
        """Give a block back; 0 is ignored, as `free(NULL)` is."""
        if not addr:
            return
        block = addr - HEADER * 2
        size = self.used.pop(block)
        del self.asked[block]
        i = bisect.bisect(self._free, (block, 0))
        if i < len(self._free) and self._free[i][0] == block + size:
            size += self._free.pop(i)[1]
        if i > 0 and sum(self._free[i - 1]) == block:
            block, before = self._free.pop(i - 1)
            size += before
        if block + size == self._top:
            self._top = block
            if self.brk - self._top >= TRIM_THRESHOLD:
                spare = self.brk - self._top - SMALLEST
                self.brk -= ((spare + PAGE - 1) // PAGE - 1) * PAGE
        else:
            bisect.insort(self._free, (block, size))
        if self.watch is not None:
            self.watch()

    @property
    def used_bytes(self) -> int:
        """Bytes in blocks that are in use."""
        return sum(self.used.values())

    @property
    def free_to_top(self) -> int:
        """What the firmware reports as free: from the break to the end of SRAM."""
        return self.end - self.brk

    @property
    def largest_free(self) -> int:
        """The largest request that would succeed now."""
        top = self.end - self._top - SMALLEST
        below = max((size for _, size in self._free), default=0)
        return max(top, below) - HEADER

    def save_state(self) -> dict:
        return {"version": 1, "brk": self.brk, "top": self._top, "used": dict(self.used),
                "asked": dict(self.asked), "free": list(self._free), "peak": self.peak_bytes}

    def load_state(self, state: dict) -> None:
        self.brk, self._top = state["brk"], state["top"]
        self.used, self.asked = dict(state["used"]), dict(state["asked"])
        self._free = [tuple(f) for f in state["free"]]
        self.peak_bytes = state["peak"]
