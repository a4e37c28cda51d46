"""Growing text buffers on the GC heap, with the firmware's sizes.

The firmware builds most strings in such a buffer, cuts it to size at the end and lets the string
object take it over; how it grows decides what the heap looks like afterwards (facts from
micropython v1.11 py/vstr.c and py/objstr.c).
"""

from __future__ import annotations

from k210sim.micropython.layout import RAM_BASE, TYPE


class Vstr:
    """A buffer of `alloc` bytes that grows as needed; `data` holds what was added."""

    __slots__ = ("vm", "data", "alloc", "addr")

    def __init__(self, vm, alloc: int = 16):
        self.vm = vm
        self.alloc = max(alloc, 1)
        self.addr = vm.malloc(self.alloc)
        self.data = bytearray()

    def reserve(self, extra: int) -> None:
        """Make room for `extra` more bytes."""
        need = len(self.data) + extra
        if need > self.alloc:
            grown = ((need + 16) & ~7) + 8
            self.addr = self.vm.realloc(self.addr, self.alloc, grown)
            self.alloc = grown

    def add(self, data: bytes) -> None:
        self.reserve(len(data))
        self.data += data

    def add_singly(self, data: bytes) -> None:
        """Add bytes one by one, as far as the growth of the buffer shows it."""
        at = 0
        while at < len(data):
            fits = self.alloc - len(self.data)
            if not fits:
                self.reserve(1)
                continue
            self.data += data[at : at + fits]
            at += fits

    def add_fill(self, fill: bytes, count: int, chunk: int) -> None:
        """Add one byte `count` times, in pieces of `chunk` bytes: the buffer grows piece by piece
        and, when the heap is full, asks for no more than the next piece needs."""
        while count > 0:
            fits = (self.alloc - len(self.data)) // chunk * chunk
            n = min(count, max(fits, chunk))
            self.add(fill * n)
            count -= n
            self.vm.checkpoint()

    def add_text(self, text: str) -> None:
        self.add(text.encode("utf-8", "surrogateescape"))

    def clear(self) -> None:
        """Give the buffer back at once."""
        self.vm.free_temp(self.addr, self.alloc)
        self.addr = self.alloc = 0

    def finish(self, type_name: str = "str") -> int:
        """The string object of what was added; the buffer becomes its data."""
        vm = self.vm
        if type_name == "str":
            number = vm.qstrs.find(bytes(self.data))
            if number:
                self.clear()
                return (number << 2) | 2
        o = vm.new_object(TYPE[type_name], 32)
        size = len(self.data)
        if size + 1 != self.alloc:
            self.addr = vm.realloc(self.addr, self.alloc, size + 1)
        return fill_string(vm, o, self.data, self.addr)


def fill_string(vm, o: int, data, addr: int) -> int:
    """Write the fields of a str or bytes object whose data block is at `addr`."""
    vm.memory.write(addr, data)
    words, at = vm.words, (o - RAM_BASE) >> 3
    vm.memory.bytes[addr - RAM_BASE + len(data)] = 0
    words[at + 1], words[at + 2], words[at + 3] = 0, len(data), addr  # hashed when first asked
    return o


def text_hash(data) -> int:
    """Hash of a string: the low byte of djb2 with xor, 0 becomes 1."""
    h = 5381 & 0xFF
    for b in data:
        h = (h * 33 ^ b) & 0xFF
    return h or 1


def built_string(vm, data: bytes, type_name: str) -> int:
    """A string whose final length was known beforehand: data block first, then the header."""
    if type_name == "str":
        number = vm.qstrs.find(bytes(data))
        if number:
            return (number << 2) | 2
    addr = vm.malloc(len(data) + 1)
    return fill_string(vm, vm.new_object(TYPE[type_name], 32), data, addr)


def string_of_type(vm, data: bytes, type_name: str) -> int:
    """A str (an interned one if there is one of that text) or bytes copy: header first."""
    if type_name == "str":
        return vm.new_str(bytes(data))
    return vm.new_heap_str(bytes(data), "bytes")
