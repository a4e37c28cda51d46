"""Methods that `str` and `bytes` share. They work on bytes; a str is indexed by characters.

Source: micropython v1.11 py/objstr.c (facts: argument checks, messages, what is returned as it
is and what is copied). Case and class tests know ASCII only.
"""

from __future__ import annotations

from k210sim.micropython import layout as L
from k210sim.micropython.layout import RAM_BASE, TYPE, small_int
from k210sim.micropython.native import Arg, native
from k210sim.micropython.textargs import bad_conversion, formatted_error, text_data
from k210sim.micropython.types.sequence import check_self
from k210sim.micropython.types.str_print import count_chars
from k210sim.micropython.vstr import built_string, fill_string, string_of_type

EMPTY_STR = (1 << 2) | 2  # the first interned string
_WHITE = b" \t\n\r\v\f"
_KEEPENDS = [Arg("keepends", "bool", False)]


def kind_of(vm, o: int) -> str:
    """"str" or "bytes", for the object a method was called on."""
    if vm.is_str(o):
        return "str"
    check_self(vm, vm.is_bytes(o), "a str method", o)
    return "bytes"


def same_kind(vm, o: int, kind: str) -> bytes:
    """Bytes of an argument that must be of the same type as the object; TypeError otherwise."""
    if vm.type_word(o) != TYPE[kind]:
        raise bad_conversion(vm, o)
    return vm.bytes_of(o)


def empty(vm, kind: str) -> int:
    return vm.empty_bytes if kind == "bytes" else EMPTY_STR


def _not_continuing(data: bytes) -> list[int]:
    return [i for i, b in enumerate(data) if b & 0xC0 != 0x80]


def offset_of(vm, kind: str, data: bytes, index: int, is_slice: bool) -> int:
    """Byte offset for an index word: clipped for a slice, IndexError for a subscript."""
    value = vm.int_value(index)
    if value is None:
        raise formatted_error(
            vm, "TypeError", ("string" if kind == "str" else "%q") + " indices must be integers, "
            "not %s", *(() if kind == "str" else (kind,)), vm.type_name(index))
    if not index & 1:
        value = vm.get_int(index)
    starts = None if kind == "bytes" or data.isascii() else _not_continuing(data)
    n = len(data) if starts is None else len(starts)
    if value < 0:
        value += n
        if value < 0:
            if is_slice:
                return 0
            raise _index_error(vm, kind)
    elif value >= n:
        if is_slice:
            return len(data)
        raise _index_error(vm, kind)
    return value if starts is None else starts[value]


def _index_error(vm, kind: str):
    if kind == "str":
        return vm.error("IndexError", "string index out of range", formatted=False)
    return formatted_error(vm, "IndexError", "%q index out of range", kind)


def _range(vm, kind: str, data: bytes, args: tuple) -> tuple[int, int]:
    """Byte offsets of optional start and end arguments."""
    start, end = 0, len(data)
    if args and args[0] != L.NONE:
        start = offset_of(vm, kind, data, args[0], True)
    if len(args) > 1 and args[1] != L.NONE:
        end = offset_of(vm, kind, data, args[1], True)
    return start, end


# --- finding -----------------------------------------------
def _locate(vm, self: int, args: tuple, backwards: bool, must: bool) -> int:
    kind = kind_of(vm, self)
    needle = same_kind(vm, args[0], kind)
    data = vm.bytes_of(self)
    start, end = _range(vm, kind, data, args[1:])
    at = -1
    if end >= start:
        at = data.rfind(needle, start, end) if backwards else data.find(needle, start, end)
    if at < 0:
        if must:
            raise vm.error("ValueError", "substring not found", formatted=False)
        return small_int(-1)
    return small_int(count_chars(data[:at]) if kind == "str" else at)


@native(2, 4)
def find(vm, self, *args):
    return _locate(vm, self, args, False, False)


@native(2, 4)
def rfind(vm, self, *args):
    return _locate(vm, self, args, True, False)


@native(2, 4)
def index(vm, self, *args):
    return _locate(vm, self, args, False, True)


@native(2, 4)
def rindex(vm, self, *args):
    return _locate(vm, self, args, True, True)


@native(2, 4)
def count(vm, self, sub, *args):
    kind = kind_of(vm, self)
    needle = same_kind(vm, sub, kind)
    data = vm.bytes_of(self)
    start, end = _range(vm, kind, data, args)
    if not needle:
        return small_int(count_chars(data[start:end]) + 1)
    if data.isascii():
        return small_int(data.count(needle, start, end))
    # One character further after each miss, also in bytes.
    found, at = 0, start
    while at + len(needle) <= end:
        if data.startswith(needle, at):
            found += 1
            at += len(needle)
        else:
            at += 1
            while at < len(data) and data[at] & 0xC0 == 0x80:
                at += 1
    return small_int(found)


@native(2, 3)
def startswith(vm, self, prefix, start=0):
    kind = kind_of(vm, self)
    data, wanted = vm.bytes_of(self), text_data(vm, prefix)
    at = offset_of(vm, kind, data, start, True) if start else 0
    return vm.new_bool(data[at:].startswith(wanted))


@native(2, 3)
def endswith(vm, self, suffix, start=0):
    kind_of(vm, self)
    wanted = text_data(vm, suffix)
    if start:
        raise vm.error("NotImplementedError", "start/end indices", formatted=False)
    return vm.new_bool(vm.bytes_of(self).endswith(wanted))


# --- taking apart -----------------------------------------------
def _pieces(vm, self: int, kind: str, args: tuple) -> list[bytes]:
    data = vm.bytes_of(self)
    most = vm.get_int(args[1]) if len(args) > 1 else -1
    most = max(most, -1)
    if not args or args[0] == L.NONE:
        return data.split(None, most)
    separator = same_kind(vm, args[0], kind)
    if not separator:
        raise vm.error("ValueError", "empty separator", formatted=False)
    return data.split(separator, most)


def _split(vm, self: int, args: tuple) -> int:
    kind = kind_of(vm, self)
    if len(args) > 1:
        vm.get_int(args[1])
    result = vm.new_list()
    for piece in _pieces(vm, self, kind, args):
        vm.list_append(result, string_of_type(vm, piece, kind))
    return result


@native(1, 3)
def split(vm, self, *args):
    return _split(vm, self, args)


@native(1, 3)
def rsplit(vm, self, *args):
    kind = kind_of(vm, self)
    most = vm.get_int(args[1]) if len(args) == 2 else -1
    if most < 0:
        return _split(vm, self, args)
    slots = max(most + 1, 4)
    result = vm.new_object(TYPE["list"], 32)
    table = vm.malloc(8 * slots)
    if args[0] == L.NONE:
        raise vm.error("NotImplementedError", "rsplit(None,n)", formatted=False)
    separator = text_data(vm, args[0])
    if not separator:
        raise vm.error("ValueError", "empty separator", formatted=False)
    pieces = vm.bytes_of(self).rsplit(separator, most)
    at, first = (result - RAM_BASE) >> 3, (table - RAM_BASE) >> 3
    for i in range(len(pieces) - 1, -1, -1):
        vm.words[first + i] = string_of_type(vm, pieces[i], kind)
    vm.words[at + 1], vm.words[at + 2], vm.words[at + 3] = slots, len(pieces), table
    return result


@native(1, kw=True)
def splitlines(vm, args, kw):
    (keep,) = vm.parse_args(args[1:], kw, _KEEPENDS)
    kind = kind_of(vm, args[0])
    data = vm.bytes_of(args[0])
    result = vm.new_list()
    for line in data.splitlines(keep):
        vm.list_append(result, string_of_type(vm, line, kind))
    return result


def _partition(vm, self: int, separator: int, backwards: bool) -> int:
    kind = kind_of(vm, self)
    sep = same_kind(vm, separator, kind)
    if not sep:
        raise vm.error("ValueError", "empty separator", formatted=False)
    data = vm.bytes_of(self)
    at = data.rfind(sep) if backwards else data.find(sep)
    none = empty(vm, kind)
    if at < 0:
        return vm.new_tuple([none, none, self] if backwards else [self, none, none])
    head = string_of_type(vm, data[:at], kind)
    tail = string_of_type(vm, data[at + len(sep):], kind)
    return vm.new_tuple([head, separator, tail])


@native(2)
def partition(vm, self, separator):
    return _partition(vm, self, separator, False)


@native(2)
def rpartition(vm, self, separator):
    return _partition(vm, self, separator, True)


def _strip(vm, self: int, args: tuple, left: bool, right: bool) -> int:
    kind = kind_of(vm, self)
    chars = same_kind(vm, args[0], kind) if args else _WHITE
    data = vm.bytes_of(self)
    kept = data.lstrip(chars) if left else data
    kept = kept.rstrip(chars) if right else kept
    if not kept:
        return empty(vm, kind)
    return self if len(kept) == len(data) else string_of_type(vm, kept, kind)


@native(1, 2)
def strip(vm, self, *args):
    return _strip(vm, self, args, True, True)


@native(1, 2)
def lstrip(vm, self, *args):
    return _strip(vm, self, args, True, False)


@native(1, 2)
def rstrip(vm, self, *args):
    return _strip(vm, self, args, False, True)


# --- making new strings -----------------------------------------------
@native(2)
def join(vm, self, items):
    kind = kind_of(vm, self)
    if vm.type_word(items) not in (TYPE["list"], TYPE["tuple"]):
        items = vm.types[TYPE["list"]].make_new(vm, TYPE["list"], [items], {})
    words = vm.items_of(items)
    wanted = TYPE[kind]
    for word in words:
        if vm.type_word(word) != wanted:
            raise vm.error("TypeError", "join expects a list of str/bytes objects consistent "
                           "with self object", formatted=False)
    return built_string(vm, vm.bytes_of(self).join([vm.bytes_of(w) for w in words]), kind)


@native(3, 4)
def replace(vm, self, old, new, most=0):
    limit = -1
    kind = kind_of(vm, self)
    if most:
        limit = max(vm.get_int(most), -1)
        if limit == 0:
            return self
    before, after = same_kind(vm, old, kind), same_kind(vm, new, kind)
    data = vm.bytes_of(self)
    if before and before not in data:
        return self
    found = data.count(before) if before else len(data) + 1
    found = min(found, limit) if limit >= 0 else found
    addr = vm.malloc(len(data) + found * (len(after) - len(before)) + 1)
    return _own(vm, addr, data.replace(before, after, limit), kind)


def _own(vm, addr: int, data: bytes, kind: str) -> int:
    """The string of a data block that was allocated for exactly this text."""
    if kind == "str":
        number = vm.qstrs.find(bytes(data))
        if number:
            vm.free_temp(addr, len(data) + 1)
            return (number << 2) | 2
    return fill_string(vm, vm.new_object(TYPE[kind], 32), data, addr)


@native(2)
def center(vm, self, width):
    kind = kind_of(vm, self)
    data = vm.bytes_of(self)
    columns = vm.get_int(width) & 0xFFFFFFFFFFFFFFFF
    if len(data) >= columns:
        return self
    addr = vm.malloc(columns + 1)
    left = (columns - len(data)) // 2
    return _own(vm, addr, (b" " * left + data).ljust(columns), kind)


@native(1)
def lower(vm, self):
    kind = kind_of(vm, self)
    return built_string(vm, vm.bytes_of(self).lower(), kind)


@native(1)
def upper(vm, self):
    kind = kind_of(vm, self)
    return built_string(vm, vm.bytes_of(self).upper(), kind)


# --- tests -----------------------------------------------
@native(1)
def isspace(vm, self):
    kind_of(vm, self)
    return vm.new_bool(vm.bytes_of(self).isspace())


@native(1)
def isalpha(vm, self):
    kind_of(vm, self)
    return vm.new_bool(vm.bytes_of(self).isalpha())


@native(1)
def isdigit(vm, self):
    kind_of(vm, self)
    return vm.new_bool(vm.bytes_of(self).isdigit())


@native(1)
def isupper(vm, self):
    kind_of(vm, self)
    return vm.new_bool(vm.bytes_of(self).isupper())


@native(1)
def islower(vm, self):
    kind_of(vm, self)
    return vm.new_bool(vm.bytes_of(self).islower())


METHODS = (find, rfind, index, rindex, join, split, splitlines, rsplit, startswith, endswith,
           strip, lstrip, rstrip, replace, count, partition, rpartition, center, lower, upper,
           isspace, isalpha, isdigit, isupper, islower)
