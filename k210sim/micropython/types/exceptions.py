"""Exceptions: the type tree, making them without failing, their text and their traceback words.

An exception is 32 bytes: type, sizes of the traceback table, the table, the args tuple
(layout.EXC_*). A traceback entry is three bare words: file qstr, line, block qstr. Making an
exception must work when the heap is full or locked: then one fixed object is used, and what does
not fit is left out, unless the guest has set up an emergency buffer.
Source: micropython v1.11 py/objexcept.c (behaviour, sizes).
"""

from __future__ import annotations

import re

from k210sim.micropython import layout as L
from k210sim.micropython import ops
from k210sim.micropython.errno_table import ERRNO
from k210sim.micropython.layout import RAM_BASE, TYPE
from k210sim.micropython.native import GuestType, NativeFunction

PRINT_EXC_SUBCLASS = 0x80  # added to a print kind: the class name is already out

# Fixed places in the state area of the runtime (vm.STATE_AREA), which the collector scans.
EMERGENCY_EXCEPTION = 0x802E0000 + 8 * 32  # 4 words
EMERGENCY_BUFFER = 0x802E0000 + 8 * 36  # address and size of the guest's buffer
_TRACEBACK_ENTRY = 24
_BUFFER_TRACEBACK = 2 * _TRACEBACK_ENTRY
_BUFFER_TUPLE = _BUFFER_TRACEBACK
_BUFFER_STR = _BUFFER_TUPLE + 24

_ERRNO_NAMES = {number: name for name, number in ERRNO.items()}

ANY_ARGS = NativeFunction("", None, 0, None)


class BaseException_(GuestType):
    """Root of the tree; the other exception types differ only in name and parent."""

    name = "BaseException"

    def print(self, vm, o, kind):
        plain = kind & ~PRINT_EXC_SUBCLASS
        out = ""
        if plain == kind and plain in (ops.PRINT_REPR, ops.PRINT_EXC):
            out = self.name
        if plain == ops.PRINT_EXC:
            out += ": "
        args_word = args_of(vm, o)
        if plain in (ops.PRINT_STR, ops.PRINT_EXC):
            args = vm.items_of(args_word)
            if not args:
                return out
            if len(args) == 1:
                if self.name == "OSError" and args[0] & 1:
                    symbol = _ERRNO_NAMES.get(args[0] >> 1)
                    if symbol:
                        return out + "[Errno %d] %s" % (args[0] >> 1, symbol)
                return out + vm.print_text(args[0], ops.PRINT_STR)
        return out + vm.print_text(args_word, ops.PRINT_REPR)

    def make_new(self, vm, type_word, args, kw):
        vm.check_args(ANY_ARGS, len(args), len(kw))
        return make_exception(vm, type_word, args)

    def load_attr(self, vm, o, qstr):
        name = vm.qstrs.text[qstr]
        if name == b"args":
            return args_of(vm, o)
        if name == b"value" and self.name == "StopIteration":
            return value_of(vm, o)
        return None

    def store_attr(self, vm, o, qstr, value):
        if vm.qstrs.text[qstr] == b"__traceback__" and value == L.NONE:
            _set_sizes(vm, o, _sizes(vm, o)[0], 0)
            return True
        return False


_TREE = (
    ("SystemExit", "BaseException"), ("KeyboardInterrupt", "BaseException"),
    ("GeneratorExit", "BaseException"), ("Exception", "BaseException"),
    ("StopIteration", "Exception"), ("ArithmeticError", "Exception"),
    ("OverflowError", "ArithmeticError"), ("ZeroDivisionError", "ArithmeticError"),
    ("AssertionError", "Exception"), ("AttributeError", "Exception"), ("EOFError", "Exception"),
    ("ImportError", "Exception"), ("LookupError", "Exception"), ("IndexError", "LookupError"),
    ("KeyError", "LookupError"), ("MemoryError", "Exception"), ("NameError", "Exception"),
    ("OSError", "Exception"), ("TimeoutError", "OSError"), ("RuntimeError", "Exception"),
    ("NotImplementedError", "RuntimeError"), ("SyntaxError", "Exception"),
    ("IndentationError", "SyntaxError"), ("TypeError", "Exception"), ("ValueError", "Exception"),
    ("UnicodeError", "ValueError"),
)

EXCEPTIONS: dict[str, type[BaseException_]] = {"BaseException": BaseException_}
for _name, _parent in _TREE:
    EXCEPTIONS[_name] = type(_name, (BaseException_,), {
        "name": _name, "parent": EXCEPTIONS[_parent], "__module__": __name__,
        "__doc__": f"`{_name}`, a `{_parent}`."})

TYPES = tuple(EXCEPTIONS.values())


def exception_word(vm, name: str) -> int:
    """The type object of a built-in exception."""
    return vm.type_of_class(EXCEPTIONS[name]).word


def is_native_exception(vm, o: int) -> bool:
    return isinstance(vm.type_of(o), BaseException_)


def native_part(vm, o: int) -> int:
    """The built-in exception object: itself, or the one inside an instance of a subclass."""
    if vm.type_of(o).is_user:
        return vm.words[(o + L.INSTANCE_SUBOBJ - RAM_BASE) >> 3]
    return o


# --- making them -------------------------------------------------------------------------------
def make_exception(vm, type_word: int, args) -> int:
    """An exception of a built-in type with argument words; never fails."""
    args = list(args)
    words = vm.words
    o = vm.malloc_maybe(32) or EMERGENCY_EXCEPTION
    at = (o - RAM_BASE) >> 3
    words[at] = type_word
    words[at + 1] = words[at + 2] = 0
    words[at + 3] = L.EMPTY_TUPLE
    if args:
        n_bytes = 16 + 8 * len(args)
        tuple_ = vm.malloc_maybe(n_bytes)
        buffer, size = _emergency_buffer(vm)
        if not tuple_ and size >= _BUFFER_TUPLE + n_bytes:
            tuple_ = buffer + _BUFFER_TUPLE
        if tuple_:
            first = (tuple_ - RAM_BASE) >> 3
            words[first], words[first + 1] = TYPE["tuple"], len(args)
            for i, arg in enumerate(args):
                words[first + 2 + i] = arg
            words[at + 3] = tuple_
    return o


def new_exception(vm, type_name: str, message: str = "", formatted: bool | str | None = None
                  ) -> int:
    """An exception with a text argument, or none.

    `formatted` false: the text is a constant of the image (a str header is allocated). True: the
    text is allocated too. A C format string: as True, with the buffer growing piece by piece as
    the firmware's does, which leaves it larger.
    """
    type_word = exception_word(vm, type_name)
    if not message and not formatted:
        return make_exception(vm, type_word, ())
    data = message.encode("utf-8", "surrogateescape")
    header = vm.malloc_maybe(32)
    text = 0
    if formatted:
        sizes = _growth(formatted if isinstance(formatted, str) else message, message)
        text = vm.malloc_maybe(sizes[0])
        room = sizes[0]
        for size in sizes[1:]:
            moved = vm.heap.realloc(text, room, size) if text else 0
            if not moved:
                data = data[: room - 1]
                break
            if moved != text:
                vm.temps.append(moved)
            text, room = moved, size
    if not header or (formatted and not text):
        buffer, size = _emergency_buffer(vm)
        if size >= _BUFFER_STR + 32 + (16 if formatted else 0):
            header = buffer + _BUFFER_STR
            if formatted:
                text = header + 32
                data = data[: size - _BUFFER_STR - 32 - 1]
    if not header:
        return make_exception(vm, type_word, ())
    if formatted and not text:
        # No room to format: the text is the bare format string.
        data = formatted.encode() if isinstance(formatted, str) else data
    if text:
        vm.memory.write(text, data + b"\0")
    else:
        text = vm.rom_data(data)
    at = (header - RAM_BASE) >> 3
    vm.words[at], vm.words[at + 1] = TYPE["str"], _hash(data)
    vm.words[at + 2], vm.words[at + 3] = len(data), text
    return make_exception(vm, type_word, [header])


def _growth(c_format: str, message: str) -> list[int]:
    """Sizes of the text buffer: the first, then each it is grown to."""
    alloc = len(c_format.encode("utf-8", "surrogateescape")) + 1
    sizes = [alloc]
    literals = re.split(r"%[a-z]", c_format)
    found = re.fullmatch("(.*?)".join("(%s)" % re.escape(part) for part in literals), message,
                         re.DOTALL)
    length = 0
    for piece in found.groups() if found else (message,):
        n = len(piece.encode("utf-8", "surrogateescape"))
        if n and length + n >= alloc:
            alloc += n + 16
            sizes.append(alloc)
        length += n
    return sizes


def _hash(data: bytes) -> int:
    from k210sim.micropython.qstr import qstr_hash

    return qstr_hash(data)


def _emergency_buffer(vm) -> tuple[int, int]:
    at = (EMERGENCY_BUFFER - RAM_BASE) >> 3
    return vm.words[at], vm.words[at + 1]


def set_emergency_buffer(vm, size: int) -> None:
    """`micropython.alloc_emergency_exception_buf`: a new buffer of `size` bytes replaces the
    old one."""
    buffer = vm.malloc(size) if size > 0 else 0
    old, old_size = _emergency_buffer(vm)
    at = (EMERGENCY_BUFFER - RAM_BASE) >> 3
    vm.words[at], vm.words[at + 1] = buffer, size
    if old:
        vm.free_temp(old, old_size)


# --- reading them ------------------------------------------------------------------------------
def args_of(vm, o: int) -> int:
    """The args tuple of an exception object of a built-in type."""
    return vm.words[(o + L.EXC_ARGS - RAM_BASE) >> 3]


def value_of(vm, o: int) -> int:
    """First argument, or None: the value that StopIteration carries."""
    args = vm.items_of(args_of(vm, native_part(vm, o)))
    return args[0] if args else L.NONE


# --- traceback ---------------------------------------------------------------------------------
def _sizes(vm, o: int) -> tuple[int, int]:
    word = vm.words[(o + L.EXC_TRACEBACK_SIZES - RAM_BASE) >> 3]
    return word & 0xFFFF, word >> 16


def _set_sizes(vm, o: int, alloc: int, used: int) -> None:
    vm.words[(o + L.EXC_TRACEBACK_SIZES - RAM_BASE) >> 3] = alloc | used << 16


def add_traceback(vm, o: int, file: int, line: int, block: int) -> None:
    """Append an entry of two qstr numbers and a line; silently not when there is no room."""
    o = native_part(vm, o)
    at = (o + L.EXC_TRACEBACK - RAM_BASE) >> 3
    table = vm.words[at]
    alloc, used = _sizes(vm, o)
    buffer, size = _emergency_buffer(vm)
    if not table:
        table, alloc, used = vm.malloc_maybe(_TRACEBACK_ENTRY), 3, 0
        if not table:
            if size < _BUFFER_TRACEBACK:
                return
            table, alloc = buffer, 6
    elif used + 3 > alloc:
        if table == buffer:
            return
        moved = vm.heap.realloc(table, alloc * 8, alloc * 8 + _TRACEBACK_ENTRY)
        if not moved:
            return
        if moved != table:
            vm.temps.append(moved)
        table, alloc = moved, alloc + 3
    vm.words[at] = table
    _set_sizes(vm, o, alloc, used + 3)
    entry = ((table - RAM_BASE) >> 3) + used
    vm.words[entry], vm.words[entry + 1], vm.words[entry + 2] = file, line, block


def traceback(vm, o: int) -> list[tuple[int, int, int]]:
    """(file qstr, line, block qstr), innermost first."""
    o = native_part(vm, o)
    table = vm.words[(o + L.EXC_TRACEBACK - RAM_BASE) >> 3]
    if not table:
        return []
    used = _sizes(vm, o)[1]
    first = (table - RAM_BASE) >> 3
    return [tuple(vm.words[first + i : first + i + 3]) for i in range(0, used, 3)]


def traceback_text(vm, o: int) -> str:
    """What the firmware prints for an uncaught exception, with its final line end."""
    out = ""
    if vm.is_subclass(vm.type_word(o), TYPE["BaseException"]):
        entries = traceback(vm, o)
        if entries:
            out = "Traceback (most recent call last):\n"
        for file, line, block in reversed(entries):
            name = vm.qstrs.text[block].decode("utf-8", "surrogateescape")
            out += '  File "%s", line %d' % (
                vm.qstrs.text[file].decode("utf-8", "surrogateescape"), line)
            out += ", in %s\n" % name if block else "\n"
    return out + vm.print_text(o, ops.PRINT_EXC) + "\n"
