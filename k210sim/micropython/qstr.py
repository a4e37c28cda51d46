"""Interned strings: the firmware's built-in table and the ones created at run time.

A run-time qstr costs GC heap as in the firmware (py/qstr.c, facts): its bytes (1 hash, 1 length,
the text, a zero) go into chunks that start at 128 bytes, and its number into pools of 20, 40,
80 ... entries.
"""

from __future__ import annotations

import numpy as np

CHUNK = 128
FIRST_POOL = 20
POOL_HEADER = 32  # prev, total_prev_len, alloc, len

MAX_QSTRS = 1 << 16  # bytecode operands are 16 bits


def qstr_hash(data: bytes) -> int:
    """The firmware's string hash (djb2 with xor), kept to one byte; 0 becomes 1."""
    h = 5381
    for b in data:
        h = ((h * 33) ^ b) & 0xFFFFFFFF
    return (h & 0xFF) or 1


class QstrTable:
    """Numbers for strings. `allocate(n_bytes) -> addr` and `grow(addr, old, new) -> ok` charge
    the GC heap for what is added at run time; None (while the image is built) charges nothing."""

    def __init__(self):
        self.by_text: dict[bytes, int] = {b"": 1}
        self.text: list[bytes] = [b"", b""]
        self.hashes = np.zeros(MAX_QSTRS, np.uint8)
        self.hashes[1] = qstr_hash(b"")
        self.n_rom = 0
        self.heap = None
        self.reset_books()

    def reset_books(self) -> None:
        self.pools: list[tuple[int, int]] = []  # (address, entries)
        self.chunks: list[int] = []
        self.pool_left = 0
        self.chunk = 0
        self.chunk_alloc = self.chunk_used = 0
        self.n_bytes = 0  # string bytes of run-time qstrs

    def freeze(self) -> None:
        """Everything so far belongs to the firmware image."""
        self.n_rom = len(self.text)

    def reset(self, heap) -> None:
        """Forget run-time strings (soft reset); from now on charge `heap`."""
        for text in self.text[self.n_rom:]:
            del self.by_text[text]
        del self.text[self.n_rom:]
        self.heap = heap
        self.reset_books()

    def find(self, data: bytes) -> int:
        """The number of an interned string, or 0."""
        return self.by_text.get(data, 0)

    def intern(self, data: bytes | str) -> int:
        """The number of a string, interning it if it is new. Raises MemoryError (host) when the
        GC heap has no room, and OverflowError past 65535 strings."""
        if isinstance(data, str):
            data = data.encode("utf-8", "surrogateescape")
        number = self.by_text.get(data)
        if number is not None:
            return number
        number = len(self.text)
        if number >= MAX_QSTRS:
            raise MemoryError(FIRST_POOL)
        if self.heap is not None:
            self._charge(len(data))
        self.by_text[data] = number
        self.text.append(data)
        self.hashes[number] = qstr_hash(data)
        return number

    def _charge(self, length: int) -> None:
        need = 1 + 1 + length + 1
        if self.chunk and self.chunk_used + need > self.chunk_alloc:
            grown = self.heap.realloc(self.chunk, self.chunk_alloc, self.chunk_alloc + need, False)
            if grown:
                self.chunk_alloc += need
            else:
                fitted = self.heap.realloc(self.chunk, self.chunk_alloc, self.chunk_used, False)
                if fitted:
                    self.chunk_alloc = self.chunk_used
                self.chunk = 0
        if not self.chunk:
            size = max(CHUNK, need)
            self.chunk = self.heap.alloc(size)
            if not self.chunk and size > need:
                size = need
                self.chunk = self.heap.alloc(size)
            if not self.chunk:
                raise MemoryError(size)
            self.chunks.append(self.chunk)
            self.chunk_alloc, self.chunk_used = size, 0
        self.chunk_used += need
        self.n_bytes += need
        if self.pool_left == 0:
            entries = self.pools[-1][1] * 2 if self.pools else FIRST_POOL
            addr = self.heap.alloc(POOL_HEADER + 8 * entries)
            if not addr:
                raise MemoryError(POOL_HEADER + 8 * entries)
            self.pools.append((addr, entries))
            self.pool_left = entries
        self.pool_left -= 1

    def roots(self) -> list[int]:
        """Heap addresses the table keeps alive."""
        return [addr for addr, _ in self.pools] + self.chunks
