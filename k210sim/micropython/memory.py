"""The simulated RAM, readable as words, bytes and arrays that all share one buffer."""

from __future__ import annotations

import numpy as np

from k210sim.micropython.layout import RAM_BASE, RAM_SIZE


class Memory:
    """8 MiB of RAM at 0x80000000.

    `bytes` is a writable memoryview of unsigned bytes, `words` one of signed 64-bit words, `u8`
    and `i64` are numpy views of the same buffer for compiled code. Index with `addr - RAM_BASE`
    and `(addr - RAM_BASE) >> 3`.
    """

    def __init__(self, size: int = RAM_SIZE):
        self.u8 = np.zeros(size, np.uint8)
        self.i64 = self.u8.view(np.int64)
        self.f32 = self.u8.view(np.float32)
        self.bytes = memoryview(self.u8.data).cast("B")
        self.words = memoryview(self.u8.data).cast("B").cast("q")
        self.floats = memoryview(self.u8.data).cast("B").cast("f")

    def read(self, addr: int, length: int) -> bytes:
        """Copy `length` bytes from `addr`."""
        at = addr - RAM_BASE
        return bytes(self.bytes[at : at + length])

    def write(self, addr: int, data) -> None:
        """Store bytes at `addr`."""
        at = addr - RAM_BASE
        self.bytes[at : at + len(data)] = data

    def word(self, addr: int) -> int:
        """The signed 64-bit word at `addr`, which is a multiple of 8."""
        return self.words[(addr - RAM_BASE) >> 3]

    def set_word(self, addr: int, value: int) -> None:
        self.words[(addr - RAM_BASE) >> 3] = value
