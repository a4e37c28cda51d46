"""`ustruct`: values from and to raw bytes.

Sizes and alignment are those of the 64-bit board; `=` is accepted as a prefix but knows no type,
and missing or surplus values are no error. Source: micropython v1.11 py/modstruct.c, py/binary.c.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from k210sim.errors import NotSimulated
from k210sim.micropython import layout as L
from k210sim.micropython.layout import RAM_BASE, RAM_SIZE, TYPE, small_int
from k210sim.micropython.native import GuestModule
from k210sim.micropython.textargs import (
    buffer_bytes,
    buffer_view,
    no_buffer,
    text_data,
    writable_view,
)
from k210sim.micropython.types.int import word_of
from k210sim.micropython.types.numeric import get_float
from k210sim.micropython.types.typecodes import plausible
from k210sim.micropython.vstr import fill_string

module = GuestModule("ustruct")

_STANDARD = {"b": 1, "B": 1, "h": 2, "H": 2, "i": 4, "I": 4, "l": 4, "L": 4, "q": 8, "Q": 8,
             "P": 8, "O": 8, "S": 8, "f": 4, "d": 8}
_NATIVE = {**_STANDARD, "l": 8, "L": 8}
_SIZES = {"<": _STANDARD, ">": _STANDARD, "@": _NATIVE, "=": {}}


class _Format:
    """A format string: byte order, and (count, code, size) groups."""

    def __init__(self, vm, word: int):
        text = text_data(vm, word).split(b"\0")[0].decode("latin-1")
        self.vm, self.order = vm, "@"
        if text[:1] and text[0] in "!@=<>":
            self.order = ">" if text[0] == "!" else text[0]
            text = text[1:]
        self.text = text
        self.aligned = self.order == "@"
        self.big = self.order == ">"

    def groups(self) -> Iterator[tuple[int, str, int]]:
        """(count, code, element size), each checked when it is reached."""
        at, sizes = 0, _SIZES[self.order]
        while at < len(self.text):
            end = at
            while end < len(self.text) and self.text[end] in "0123456789":
                end += 1
            count = int(self.text[at:end][:19]) if end > at else 1
            code = self.text[end : end + 1]
            if code == "s":
                yield count, code, 1
            else:
                size = sizes.get(code)
                if size is None:
                    raise self.vm.error("ValueError", "bad typecode", formatted=False)
                yield count, code, size
            at = end + 1

    def align(self, at: int, size: int) -> int:
        return (at + size - 1) & -size if self.aligned else at

    def total(self) -> tuple[int, int]:
        """(values, bytes) of the whole format."""
        values = n_bytes = 0
        for count, code, size in self.groups():
            if code == "s":
                values += 1
                n_bytes += count
            else:
                values += count
                if count:
                    n_bytes = self.align(n_bytes, size) + count * size
        return values, n_bytes


def _load(vm, code: str, data: bytes, big: bool) -> int:
    """The object of one element."""
    if code == "f":
        return vm.new_float(struct.unpack(">f" if big else "<f", data)[0])
    if code == "d":
        return vm.new_float(struct.unpack(">d" if big else "<d", data)[0])
    value = int.from_bytes(data, "big" if big else "little", signed=code > "Z" or code in "OS")
    if code == "O":
        return plausible(vm, value)
    if code == "S":
        at = value - RAM_BASE
        if not 0 <= at < RAM_SIZE:
            raise NotSimulated("ustruct.unpack of a string pointer outside the RAM")
        end = bytes(vm.memory.bytes[at:]).find(b"\0")
        return vm.new_str(vm.memory.read(value, max(end, 0)))
    return word_of(vm, value)


def _bytes_of(vm, code: str, word: int, size: int, big: bool) -> bytes:
    """One value as bytes; integers are cut to size."""
    if code == "f":
        return struct.pack(">f" if big else "<f", get_float(vm, word))
    if code == "d":
        return struct.pack(">d" if big else "<d", get_float(vm, word))
    if code == "O":
        value = word
    elif not word & 1 and vm.is_int(word):
        value = vm.big_int_value(word)
        own = (value.bit_length() + 15) // 16 * 2
        if own < size:
            value &= (1 << (8 * own)) - 1  # no sign extension beyond the number's own digits
    else:
        value = vm.get_int(word)
    return (value & (1 << (8 * size)) - 1).to_bytes(size, "big" if big else "little")


def _pack(vm, form: _Format, base: int, args: tuple) -> list[tuple[int, bytes]]:
    """(address, bytes) pieces for the values, the first one at `base`."""
    pieces, at, used = [], base, 0
    groups = form.groups()
    while used < len(args):
        group = next(groups, None)
        if group is None:
            break
        count, code, size = group
        if code == "s":
            data = buffer_bytes(vm, args[used])[:count]
            used += 1
            pieces.append((at, data.ljust(count, b"\0")))
            at += count
            continue
        while count and used < len(args):
            count -= 1
            at = form.align(at, size)
            pieces.append((at, _bytes_of(vm, code, args[used], size, form.big)))
            used += 1
            at += size
    return pieces


def _too_small(vm):
    return vm.error("ValueError", "buffer too small", formatted=False)


@module.function(1)
def calcsize(vm, fmt):
    # Cut to a word as the firmware does.
    return small_int((_Format(vm, fmt).total()[1] + (1 << 62) & (1 << 63) - 1) - (1 << 62))


@module.function(1, None)
def pack(vm, fmt, *args):
    form = _Format(vm, fmt)
    size = form.total()[1]
    addr = vm.malloc(size + 1)
    data = bytearray(size)
    for at, piece in _pack(vm, form, 0, args):
        data[at : at + len(piece)] = piece
    return fill_string(vm, vm.new_object(TYPE["bytes"], 32), bytes(data[:size]), addr)


@module.function(3, None)
def pack_into(vm, fmt, buffer, offset, *args):
    addr, length = writable_view(vm, buffer)[:2]
    at = vm.get_int(offset)
    if at < 0:
        at += length
        if at < 0:
            raise _too_small(vm)
    form = _Format(vm, fmt)
    size = form.total()[1]
    if at + size > length:
        raise _too_small(vm)
    for place, piece in _pack(vm, form, addr + at, args):
        # An odd start shifts aligned values past the checked size; the board writes there too,
        # we stop at the end of the buffer.
        vm.memory.write(place, piece[: max(addr + length - place, 0)])


@module.function(2, 3)
def unpack(vm, fmt, buffer, offset=0):
    form = _Format(vm, fmt)
    values, size = form.total()
    result = vm.new_object(TYPE["tuple"], 16 + 8 * values) if values else L.EMPTY_TUPLE
    view = buffer_view(vm, buffer)
    if view is None:
        raise no_buffer(vm)
    addr, length = view[:2]
    at = vm.get_int(offset) if offset else 0
    if at < 0:
        at += length
        if at < 0:
            raise _too_small(vm)
    if at + size > length:
        raise _too_small(vm)
    if not values:
        return result
    vm.words[((result - RAM_BASE) >> 3) + 1] = values
    slot, place = ((result - RAM_BASE) >> 3) + 2, addr + at
    for count, code, width in form.groups():
        if code == "s":
            vm.words[slot] = vm.new_heap_str(vm.memory.read(place, count), "bytes")
            slot += 1
            place += count
            continue
        for _ in range(count):
            place = form.align(place, width)
            vm.words[slot] = _load(vm, code, vm.memory.read(place, width), form.big)
            slot += 1
            place += width
    return result


module.entries["unpack_from"] = module.entries["unpack"]
