"""Loading precompiled modules: `.mpy` files of version 4, with bytecode only.

Layout: `M`, version, feature flags, bits of a small int, size of the string window; then the
code of the module. Names are numbers of the fixed part of the string table, positions in a window
of recent names, or new text. Source: micropython v1.11 py/persistentcode.c (format, messages).
"""

from __future__ import annotations

import re

from k210sim.errors import NotSimulated
from k210sim.micropython.compiler.opcodes import AHEAD, BYTE, JUMP, OPS, QSTR, SINT, UINT
from k210sim.micropython.compiler.raw_code import RawCode
from k210sim.micropython.layout import TYPE

VERSION = 4
FLAGS = 2  # strings are unicode; no map cache in the bytecode
SMALL_INT_BITS = 63
WINDOW = 32
# Digits enough for any number a heap can hold; the host's own limit for a text is 4300.
_NUMBER = re.compile(rb"[-+]?(\d{1,4000}|[0-9.eEjJ+-]{1,100}|inf|nan)")


class _Reader:
    """The bytes of a file with a place in it, and the window of recent names."""

    def __init__(self, vm, data: bytes):
        self.vm, self.data, self.at = vm, data, 0
        self.recent: list[int] = []

    def take(self, n: int) -> bytes:
        part = self.data[self.at : self.at + n] if n >= 0 else b""
        if len(part) != n:
            raise NotSimulated("a .mpy file that ends too early", "the firmware reads on for ever")
        self.at += n
        return part

    def byte(self) -> int:
        return self.take(1)[0]

    def number(self) -> int:
        """A number in 7-bit groups, the highest first."""
        value = 0
        while True:
            b = self.byte()
            value = value << 7 | b & 0x7F
            if b < 0x80:
                return value

    def raw_number(self) -> bytes:
        """The bytes of such a number."""
        start = self.at
        self.number()
        return self.data[start : self.at]

    def name(self) -> int:
        """A qstr number."""
        head = self.number()
        if head == 0:
            number = self.byte()
            if number >= len(self.vm.qstrs.text):
                raise NotSimulated("a .mpy file with a name that does not exist")
            return number
        if head & 1:
            place = head >> 1
            if place >= len(self.recent):
                raise NotSimulated("a .mpy file with a name outside its window")
            number = self.recent.pop(place)
        else:
            number = self.vm.intern(self.take(head >> 1))
        self.recent.insert(0, number)
        del self.recent[WINDOW:]
        return number


def load(vm, data: bytes) -> RawCode:
    """The code of a `.mpy` file, its names entered; ValueError for a file of another kind."""
    if data[:2] != bytes((ord("M"), VERSION)) or len(data) < 5 or data[2] & 3 != FLAGS \
            or data[3] > SMALL_INT_BITS:
        raise vm.error("ValueError", "incompatible .mpy file")
    vm.trusts_ram = False
    reader = _Reader(vm, data)
    reader.at = 4
    if reader.number() > WINDOW:
        raise vm.error("ValueError", "incompatible .mpy file")
    if data[2] >> 2:
        raise vm.error("ValueError", "incompatible .mpy arch")
    return _code(vm, reader)


def _code(vm, reader: _Reader) -> RawCode:
    head = reader.number()
    if head & 3:
        raise vm.error("ValueError", "incompatible .mpy file")
    size = head >> 2
    start = reader.raw_number() + reader.raw_number() + reader.take(4)
    flags, n_pos, n_kwonly, n_defaults = start[-4:]
    info_length = reader.raw_number()
    info_size = 0
    for b in info_length:
        info_size = info_size << 7 | b & 0x7F
    info = reader.take(info_size - len(info_length))
    cells = bytearray()
    while not cells or cells[-1] != 255:
        cells += reader.take(1)
    out = bytearray(start + info_length + info + cells)
    names_at = len(start) + len(info_length)
    code_offset = len(out)
    while len(out) < size:
        out += _instruction(reader)
    block, file = reader.name(), reader.name()
    out[names_at : names_at + 4] = block.to_bytes(2, "little") + file.to_bytes(2, "little")
    n_objects, n_children = reader.number(), reader.number()
    table: list = [("qstr", reader.name()) for _ in range(n_pos + n_kwonly)]
    table += [_object(vm, reader) for _ in range(n_objects)]
    table += [("raw", _code(vm, reader)) for _ in range(n_children)]
    return RawCode(vm.qstr_text(block), "function", bytes(out), table, n_pos, n_kwonly,
                   n_defaults, flags, code_offset=code_offset)


def _instruction(reader: _Reader) -> bytes:
    """One instruction as it is executed: names become two-byte numbers."""
    opcode = reader.byte()
    op = OPS.get(opcode)
    if op is None:
        raise NotSimulated(f"a .mpy file with opcode 0x{opcode:02x}")
    out = bytes((opcode,))
    if op.operand == QSTR:
        out += reader.name().to_bytes(2, "little")
    elif op.operand in (UINT, SINT):
        out += reader.raw_number()
    elif op.operand in (JUMP, AHEAD):
        out += reader.take(2)
    elif op.operand == BYTE:
        out += reader.take(1)
    return out + reader.take(1) if op.extra else out


def _object(vm, reader: _Reader) -> tuple:
    """A constant: a kind letter and its text."""
    kind = chr(reader.byte())
    if kind == "e":
        return ("ellipsis",)
    data = reader.take(reader.number())
    if kind == "s":
        return ("str", data)
    if kind == "b":
        return ("bytes", data)
    if kind not in "ifc":
        raise NotSimulated(f"a .mpy file with a constant of kind {kind!r}")
    if not _NUMBER.fullmatch(data):
        raise NotSimulated("a .mpy file with a number that is none")
    text = data.decode()
    if kind == "i":
        return ("int", int(text))
    part = vm.types[TYPE["float"]].make_new(vm, TYPE["float"], [vm.new_str(text.rstrip("jJ"))], {})
    value = vm.float_value(part)
    return ("float", value) if kind == "f" else ("complex", complex(0, value))
