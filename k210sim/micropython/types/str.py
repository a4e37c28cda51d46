"""`str`: UTF-8 text, interned or on the heap, indexed by characters.

Source: micropython v1.11 py/objstrunicode.c, py/objstr.c (facts: conversions, messages,
allocations). In-place operators other than `+=` are not known to strings: the firmware takes
`s *= 2` for an attempt to combine a str with an int.
"""

from __future__ import annotations

from k210sim.errors import NotSimulated
from k210sim.micropython import layout as L
from k210sim.micropython import ops
from k210sim.micropython.layout import RAM_BASE, SENTINEL, TYPE, small_int
from k210sim.micropython.native import GuestType, NativeFunction, method
from k210sim.micropython.textargs import bad_conversion, buffer_bytes, buffer_maybe
from k210sim.micropython.types import iterators, strformat, strmodulo
from k210sim.micropython.types import str_methods as m
from k210sim.micropython.types.str_print import (
    char_length,
    count_chars,
    is_utf8,
    json_text,
    quoted_text,
    raw_text,
)
from k210sim.micropython.vstr import Vstr, built_string, fill_string, string_of_type, text_hash

UP_TO_THREE = NativeFunction("str", None, 0, 3)


def hash_of(vm, o: int) -> int:
    """Hash of a str or bytes object, kept in its header once computed."""
    if o & 2:
        return int(vm.qstrs.hashes[o >> 2])
    at = ((o - RAM_BASE) >> 3) + 1
    h = vm.words[at] & 0xFFFF
    if not h and o >= vm.heap_start:
        h = vm.words[at] = text_hash(vm.bytes_of(o))
    return h or text_hash(vm.bytes_of(o))


def data_address(vm, o: int) -> int:
    """Where the bytes of a str or bytes object lie in RAM."""
    if o & 2:
        return vm.rom_data(vm.qstrs.text[o >> 2])
    return vm.words[((o - RAM_BASE) >> 3) + 3]


def view_of(vm, o: int, type_name: str) -> int:
    """A str or bytes object that shares the data of another one."""
    address, data = data_address(vm, o), vm.bytes_of(o)
    new = vm.new_object(TYPE[type_name], 32)
    at = (new - RAM_BASE) >> 3
    vm.words[at + 1], vm.words[at + 2], vm.words[at + 3] = 0, len(data), address
    return new


def no_keywords(vm):
    return vm.error("NotImplementedError", "keyword argument(s) not yet implemented - use normal "
                    "args instead", formatted=False)


def wrong_count(vm):
    return vm.error("TypeError", "wrong number of arguments", formatted=False)


def string_binary_op(vm, op: int, a: int, b: int) -> int | None:
    """Operators of str and bytes."""
    if op == ops.MODULO:
        return strmodulo.modulo(vm, a, b)
    kind = "bytes" if not a & 2 and vm.is_bytes(a) else "str"
    if op == ops.MULTIPLY:
        return _repeat(vm, a, b, kind)
    if vm.type_word(b) == TYPE[kind]:
        right = vm.bytes_of(b)
    elif kind == "bytes":
        right = buffer_maybe(vm, b)
        if right is None:
            return None
    else:
        raise bad_conversion(vm, b)
    left = vm.bytes_of(a)
    if op == ops.ADD or op == ops.INPLACE_ADD:
        if not left and vm.type_word(b) == TYPE[kind]:
            return b
        return built_string(vm, left + right, kind) if right else a
    if op == ops.CONTAINS:
        return vm.new_bool(right in left)
    if op == ops.EQUAL:
        return vm.new_bool(left == right)
    if op == ops.LESS:
        return vm.new_bool(left < right)
    if op == ops.LESS_EQUAL:
        return vm.new_bool(left <= right)
    if op == ops.MORE:
        return vm.new_bool(left > right)
    if op == ops.MORE_EQUAL:
        return vm.new_bool(left >= right)
    return None


def _repeat(vm, a: int, b: int, kind: str) -> int | None:
    if vm.int_value(b) is None:
        return None
    n = vm.get_int(b)
    if n <= 0:
        return m.empty(vm, kind)
    data = vm.bytes_of(a)
    addr = vm.malloc((len(data) * n & 0xFFFFFFFFFFFFFFFF) + 1)
    if len(data) * n > vm.heap_size:
        raise NotSimulated("repeating a text past 2**64 bytes", "the firmware overwrites its RAM")
    data *= n
    if kind == "str":
        number = vm.qstrs.find(data)
        if number:
            vm.free_temp(addr, len(data) + 1)
            return (number << 2) | 2
    return fill_string(vm, vm.new_object(TYPE[kind], 32), data, addr)


def _next_char(vm, o: int, at: int) -> tuple[int, int]:
    """The character at a byte offset as an interned string, and the offset behind it."""
    data = vm.bytes_of(o)
    if at >= len(data):
        return 0, at
    end = at + char_length(data, at)
    return vm.new_qstr(data[at:end]), end


_CHARS = iterators.register(_next_char)


class StrType(GuestType):
    """Text."""

    name = "str"

    def print(self, vm, o, kind):
        data = vm.bytes_of(o)
        if kind == ops.PRINT_STR:
            return raw_text(data)
        return json_text(data) if kind == ops.PRINT_JSON else quoted_text(data)

    def make_new(self, vm, type_word, args, kw):
        if kw:
            raise no_keywords(vm)
        vm.check_args(UP_TO_THREE, len(args), 0)
        if not args:
            return m.EMPTY_STR
        o = args[0]
        if len(args) == 1:
            buffer = Vstr(vm, 16)
            buffer.add_text(vm.print_text(o, ops.PRINT_STR))
            return buffer.finish("str")
        is_bytes = vm.is_bytes(o)
        data = vm.bytes_of(o) if is_bytes else buffer_bytes(vm, o)
        if not is_utf8(data):
            raise vm.error("UnicodeError")
        if not is_bytes:
            return vm.new_str(data)
        number = vm.qstrs.find(data)
        return (number << 2) | 2 if number else view_of(vm, o, "str")

    def unary_op(self, vm, op, o):
        if op == ops.LEN:
            return small_int(count_chars(vm.bytes_of(o)))
        if op == ops.BOOL:
            return vm.new_bool(vm.bytes_of(o))
        return small_int(hash_of(vm, o)) if op == ops.HASH else None

    def binary_op(self, vm, op, a, b):
        return string_binary_op(vm, op, a, b)

    def subscr(self, vm, o, index, value):
        if value != SENTINEL:
            return None
        data = vm.bytes_of(o)
        if not index & 3 and vm.type_word(index) == TYPE["slice"]:
            return self._slice(vm, data, index)
        at = m.offset_of(vm, "str", data, index, False)
        size = 1
        if data[at] & 0x80:
            mask = 0x40
            while data[at] & mask:
                size += 1
                mask >>= 1
        return vm.new_qstr(data[at : at + size])

    def _slice(self, vm, data, index):
        at = (index - RAM_BASE) >> 3
        start, stop, step = vm.words[at + 1 : at + 4]
        if step not in (L.NONE, 3):
            raise vm.error("NotImplementedError", "only slices with step=1 (aka None) are "
                           "supported", formatted=False)
        first = 0 if start == L.NONE else m.offset_of(vm, "str", data, start, True)
        last = len(data) if stop == L.NONE else m.offset_of(vm, "str", data, stop, True)
        return m.EMPTY_STR if last < first else string_of_type(vm, data[first:last], "str")

    def getiter(self, vm, o):
        return iterators.new_iterator(vm, _CHARS, o)

    def buffer(self, vm, o):
        return data_address(vm, o), len(vm.bytes_of(o)), "B", False

    @method(1, 3)
    def encode(vm, self, *args):
        if not vm.is_str(self):
            raise wrong_count(vm)
        return view_of(vm, self, "bytes")

    (find, rfind, index, rindex, join, split, splitlines, rsplit, startswith, endswith, strip,
     lstrip, rstrip) = m.METHODS[:13]
    format = strformat.format_method
    (replace, count, partition, rpartition, center, lower, upper, isspace, isalpha, isdigit,
     isupper, islower) = m.METHODS[13:]


TYPES = [StrType]
