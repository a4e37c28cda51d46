"""Element types of arrays and buffers: sizes, loading and storing one element.

Codes are those of array and ustruct, native ('@') sizes of the 64-bit firmware: `l` and `L` take
8 bytes, and there are `O` (object), `P` (pointer), `S` (string pointer). BYTEARRAY is the code of
a bytearray's own elements. Source: micropython v1.11 py/binary.c.
"""

from __future__ import annotations

import struct

from k210sim.errors import NotSimulated
from k210sim.micropython.layout import RAM_BASE, TYPE

BYTEARRAY = "\x01"

_FORMATS = {BYTEARRAY: "B", "b": "b", "B": "B", "h": "h", "H": "H", "i": "i", "I": "I",
            "l": "q", "L": "Q", "q": "q", "Q": "Q", "P": "q", "O": "q", "S": "q",
            "f": "f", "d": "d"}
_STRUCTS = {code: struct.Struct("<" + letter) for code, letter in _FORMATS.items()}


def size_of(vm, code: str) -> int:
    """Bytes of an element; ValueError for an unknown code."""
    known = _STRUCTS.get(code)
    if known is None:
        raise vm.error("ValueError", "bad typecode")
    return known.size


def load(vm, code: str, addr: int, index: int) -> int:
    """The word of element `index` of a table at `addr`."""
    s = _STRUCTS[code]
    value = s.unpack_from(vm.memory.bytes, addr - RAM_BASE + index * s.size)[0]
    if code in "fd":
        return vm.new_float(value)
    if code == "O":
        vm.trusts_ram = False  # a program can put any bytes there
        return plausible(vm, value)
    return vm.new_int(value) if code != "S" else 1


def store(vm, code: str, addr: int, index: int, word: int) -> None:
    """Store a word as element `index`; integers are cut to the element's size."""
    s = _STRUCTS[code]
    at = addr - RAM_BASE + index * s.size
    if code in "fd":
        value = vm.get_float(word)
        if code == "f":
            vm.floats[at >> 2] = value
        else:
            s.pack_into(vm.memory.bytes, at, value)
    elif code == "O":
        s.pack_into(vm.memory.bytes, at, word)
    else:
        number = vm.int_value(word) if vm.is_int(word) else vm.get_int(word)
        if code != "S" or vm.is_type(word, "int"):
            data = (number & 0xFFFFFFFFFFFFFFFF).to_bytes(8, "little")[: s.size]
            vm.memory.bytes[at : at + s.size] = data


def plausible(vm, word: int) -> int:
    """A word read from raw memory that is an object; anything else would crash the firmware."""
    if word & 1:
        return word
    if word & 2:
        good = 0 < word >> 2 < len(vm.qstrs.text)
    else:
        at = word - RAM_BASE
        good = word % 8 == 0 and 0 <= at < len(vm.memory.bytes) and vm.words[at >> 3] in vm.types \
            and vm.words[at >> 3] != TYPE["stop"]
    if not good:
        raise NotSimulated("use of memory that holds no object as an object")
    return word
