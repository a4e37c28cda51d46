"""`bytes`: as `str`, but indexed by bytes and made of integers.

Source: micropython v1.11 py/objstr.c.
"""

from __future__ import annotations

from k210sim.micropython import layout as L
from k210sim.micropython import ops
from k210sim.micropython.layout import RAM_BASE, SENTINEL, TYPE, small_int
from k210sim.micropython.native import GuestType, method
from k210sim.micropython.textargs import buffer_maybe
from k210sim.micropython.types import iterators, strformat
from k210sim.micropython.types import str_methods as m
from k210sim.micropython.types.str import (
    data_address,
    hash_of,
    no_keywords,
    string_binary_op,
    view_of,
    wrong_count,
)
from k210sim.micropython.types.str_print import json_text, quoted_bytes, raw_text
from k210sim.micropython.vstr import Vstr, fill_string


def _next_byte(vm, o: int, at: int) -> tuple[int, int]:
    header = (o - RAM_BASE) >> 3
    if at >= vm.words[header + 2]:
        return 0, at
    return small_int(vm.memory.bytes[vm.words[header + 3] - RAM_BASE + at]), at + 1


_BYTES = iterators.register(_next_byte)


def make_bytes(vm, args: list[int]) -> int:
    """`bytes(...)`."""
    if not args:
        return vm.empty_bytes
    o = args[0]
    if not o & 1 and vm.is_str(o):
        if not 2 <= len(args) <= 3:
            raise wrong_count(vm)
        return view_of(vm, o, "bytes")
    if len(args) > 1:
        raise wrong_count(vm)
    if o & 1:
        size = o >> 1
        if size < 0:
            raise vm.error("ValueError")
        addr = vm.malloc(size + 1)
        return fill_string(vm, vm.new_object(TYPE["bytes"], 32), bytes(size), addr)
    data = buffer_maybe(vm, o)
    if data is not None:
        return vm.new_heap_str(data, "bytes")
    length = vm.len_of(o)
    buffer = Vstr(vm, 16 if length is None else length)
    for item in vm.iterate(o):
        value = vm.get_int(item)
        if not 0 <= value <= 255:
            raise vm.error("ValueError", "bytes value out of range", formatted=False)
        buffer.add(bytes((value,)))
    return buffer.finish("bytes")


def slice_bounds(vm, length: int, index: int) -> tuple[int, int]:
    """Start and stop of a slice object with step 1; NotImplementedError for other steps."""
    at = (index - RAM_BASE) >> 3
    start, stop, step = vm.words[at + 1 : at + 4]
    if step not in (L.NONE, 3):
        if vm.get_int(step) == 0:
            raise vm.error("ValueError", "slice step cannot be zero", formatted=False)
        raise vm.error("NotImplementedError", "only slices with step=1 (aka None) are supported",
                       formatted=False)
    first = 0 if start == L.NONE else vm.get_int(start)
    last = length if stop == L.NONE else vm.get_int(stop)
    first = max(length + first, 0) if first < 0 else min(first, length)
    last = length + last if last < 0 else min(last, length)
    return first, max(first, last)


class BytesType(GuestType):
    """Immutable bytes."""

    name = "bytes"

    def print(self, vm, o, kind):
        data = vm.bytes_of(o)
        if kind == ops.PRINT_JSON:
            return json_text(data)
        return raw_text(data) if kind == ops.PRINT_RAW else "b" + quoted_bytes(data)

    def make_new(self, vm, type_word, args, kw):
        if kw:
            raise no_keywords(vm)
        return make_bytes(vm, args)

    def unary_op(self, vm, op, o):
        if op == ops.LEN:
            return small_int(vm.words[((o - RAM_BASE) >> 3) + 2])
        return small_int(hash_of(vm, o)) if op == ops.HASH else None

    def binary_op(self, vm, op, a, b):
        return string_binary_op(vm, op, a, b)

    def subscr(self, vm, o, index, value):
        if value != SENTINEL:
            return None
        at = (o - RAM_BASE) >> 3
        length, addr = vm.words[at + 2], vm.words[at + 3]
        if not index & 3 and vm.type_word(index) == TYPE["slice"]:
            first, last = slice_bounds(vm, length, index)
            return vm.new_heap_str(vm.memory.read(addr + first, last - first), "bytes")
        if index & 1 and 0 <= index >> 1 < length:
            return small_int(vm.memory.bytes[addr - RAM_BASE + (index >> 1)])
        data = vm.memory.read(addr, length)
        return small_int(data[m.offset_of(vm, "bytes", data, index, False)])

    def getiter(self, vm, o):
        return iterators.new_iterator(vm, _BYTES, o)

    def buffer(self, vm, o):
        return data_address(vm, o), vm.words[((o - RAM_BASE) >> 3) + 2], "B", False

    @method(1, 3)
    def decode(vm, self, *args):
        return vm.str_type.make_new(vm, TYPE["str"], [self, args[0] if args else 2], {})

    (find, rfind, index, rindex, join, split, splitlines, rsplit, startswith, endswith, strip,
     lstrip, rstrip) = m.METHODS[:13]
    format = strformat.format_method
    (replace, count, partition, rpartition, center, lower, upper, isspace, isalpha, isdigit,
     isupper, islower) = m.METHODS[13:]


TYPES = [BytesType]
