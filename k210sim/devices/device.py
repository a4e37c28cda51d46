"""What all devices have in common: declared registers in 32-bit words.

A device declares `REGISTERS`. A register with a method `read_<name>` or `write_<name>` does
something; one without just holds its value, and the compiled core reads and writes it without
asking. Registers of 64 bits are two words.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from k210sim.devices.cells import KIND_SHIFT, PLAIN, READ, ROW, WRITE
from k210sim.errors import DeviceError
from k210sim.saving import Saved

log = logging.getLogger("k210sim.devices")


@dataclass(frozen=True)
class Register:
    """A register, or `count` of them `stride` bytes apart; handlers then get the index first.

    name : as in the vendor's SDK. width : bytes, 4 or 8. Read-only ones ignore writes. kind : how
    the compiled core serves it, see cells.py
    """

    offset: int
    name: str
    reset: int = 0
    width: int = 4
    count: int = 1
    stride: int = 4
    read_only: bool = False
    kind: int = PLAIN


class Device(Saved):
    """Base of all devices. `size` is its window in bytes.

    irq(level) : its interrupt line, set by whoever maps the device
    where() : the program counter of the access, for messages

    Its state (`save_state`, `load_state`) is what `Saved` says; registers that were placed on a bus
    are the bus's to save.
    """

    NAME = "device"
    SIZE = 0x1000
    REGISTERS: tuple[Register, ...] = ()
    NOT_SAVED = frozenset({"strict", "unmodelled_used", "_places"})
    OWNED = False  # the bus saves every device

    def __init__(self):
        self.words = np.zeros(self.SIZE // 4, np.uint32)
        self._cells = memoryview(self.words)  # the same, faster for single words
        self.flags = np.zeros(self.SIZE // 4, np.uint8)
        self.row = np.zeros(ROW, np.int64)
        self._row = memoryview(self.row)
        self.irq: Callable[[bool], None] = lambda level: None
        self.where: Callable[[], int] = lambda: 0
        self.strict = False
        self.unmodelled_used: set[int] = set()
        self._places: dict[int, tuple] = {}
        for register in self.REGISTERS:
            for index in range(register.count):
                self._declare(register, index)

    def _declare(self, register: Register, index: int) -> None:
        offset = register.offset + index * register.stride
        args = (index,) if register.count > 1 else ()
        reader = getattr(self, f"read_{register.name}", None)
        writer = getattr(self, f"write_{register.name}", None)
        flags = (0 if reader else READ) | (0 if writer or register.read_only else WRITE)
        self._places[offset] = (register, args, reader, writer)
        flags |= register.kind << KIND_SHIFT
        for word in range(register.width // 4):
            self.flags[offset // 4 + word] = flags

    def place(self, words: np.ndarray, flags: np.ndarray, row: np.ndarray) -> None:
        """Keep the registers, and what the compiled core knows besides, in these arrays."""
        flags[:], words[:], row[:] = self.flags, self.words, self.row
        self.words, self.flags, self.row = words, flags, row
        self._cells, self._row = memoryview(words), memoryview(row)

    def reset(self) -> None:
        """Declared values everywhere; devices that hold more extend this."""
        self.words[:] = 0
        for offset, (register, *_) in self._places.items():
            self._put(offset, register.width, register.reset)

    # --- accesses of a program ------------------------------------------------------------------

    def read(self, offset: int, size: int) -> int:
        """A load of 1, 2, 4 or 8 bytes."""
        place = self._places.get(offset)
        if place is not None and place[0].width == size:  # nearly always
            register, args, reader, _ = place
            return reader(*args) if reader else self._take(offset, size)
        place = self._find(offset, size)
        if place is None:
            self._unmodelled("read", offset)
            return self._take(offset & ~3, 4) >> 8 * (offset & 3) & ((1 << 8 * size) - 1)
        start, (register, args, reader, _) = place
        value = reader(*args) if reader else self._take(start, register.width)
        return value >> 8 * (offset - start) & ((1 << 8 * size) - 1)

    def write(self, offset: int, size: int, value: int) -> None:
        """A store of 1, 2, 4 or 8 bytes."""
        place = self._places.get(offset)
        if place is not None and place[0].width == size and place[3]:  # nearly always
            place[3](*place[1], value & ((1 << 8 * size) - 1))
            return
        place = self._find(offset, size)
        value &= (1 << 8 * size) - 1
        if place is None:
            self._unmodelled("write", offset, value)
            if size >= 4:
                self._put(offset & ~3, 4, value)
            return
        start, (register, args, _, writer) = place
        if size < register.width:
            shift = 8 * (offset - start)
            mask = ((1 << 8 * size) - 1) << shift
            value = (self._take(start, register.width) & ~mask) | (value << shift)
        if writer:
            writer(*args, value)
        elif not register.read_only:
            self._put(start, register.width, value)

    def _find(self, offset: int, size: int):
        for start in (offset & ~3, offset & ~7):
            place = self._places.get(start)
            if place is not None and offset + size <= start + max(4, place[0].width):
                return start, place
        return None

    def _take(self, offset: int, width: int) -> int:
        value = self._cells[offset >> 2]
        return value | self._cells[(offset >> 2) + 1] << 32 if width == 8 else value

    def _put(self, offset: int, width: int, value: int) -> None:
        self._cells[offset >> 2] = value & 0xFFFFFFFF
        if width == 8:
            self._cells[(offset >> 2) + 1] = value >> 32 & 0xFFFFFFFF

    def _unmodelled(self, kind: str, offset: int, value: int | None = None) -> None:
        """Say once for each register that a program uses one that is not modelled."""
        if offset in self.unmodelled_used:
            return
        self.unmodelled_used.add(offset)
        what = "" if value is None else f" of 0x{value:x}"
        text = f"{self.NAME}: {kind}{what} at offset 0x{offset:x} is not modelled"
        text += f" (pc 0x{self.where():08x})"
        if self.strict:
            raise DeviceError(text)
        log.warning("%s", text)


class Window(Device):
    """Where the chip has a window for devices and nothing is known to be: it reads 0 and keeps
    nothing, which is a guess, and says so for each place; for the first MOST_NAMED of them."""

    MOST_NAMED = 8

    def __init__(self, name: str):
        self.NAME = name
        super().__init__()

    def read(self, offset: int, size: int) -> int:
        self._name_it("read", offset)
        return 0

    def write(self, offset: int, size: int, value: int) -> None:
        self._name_it("write", offset, value)

    def _name_it(self, kind: str, offset: int, value: int | None = None) -> None:
        if self.strict or len(self.unmodelled_used) < self.MOST_NAMED:
            self._unmodelled(kind, offset, value)
