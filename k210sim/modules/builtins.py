"""`builtins`: the names every program sees, in the firmware's order.

`open` goes to the mounted file systems: `vm.vfs.open(vm, args, kw)`.
"""

from __future__ import annotations

from k210sim.micropython import builtin_numbers, builtin_objects, help_text
from k210sim.micropython.layout import ELLIPSIS, NOT_IMPLEMENTED
from k210sim.micropython.native import GuestModule, native
from k210sim.micropython.types import (
    array,
    bytes,
    classes,
    complex,
    dict,
    exceptions,
    float,
    int,
    iterators,
    list,
    object,
    range,
    set,
    slice,
    str,
    tuple,
)


class Word:
    """A fixed object of the image, by its address."""

    def __init__(self, word: int):
        self.word = word

    def rom_word(self, vm) -> int:
        return self.word


@native(1, kw=True, name="open")
def open_(vm, args, kw):
    """Opens a file of the mounted file systems; OSError ENODEV without any."""
    if vm.vfs is None:
        raise vm.os_error(19)
    return vm.vfs.open(vm, args, kw)


_TYPE_FILES = (int, float, complex, str, bytes, array, dict, iterators, set, list, object,
               classes, range, slice, tuple)
_TYPES = {t.name: t for file in _TYPE_FILES for t in file.TYPES if t.name}

_TYPE_NAMES = (
    "bool", "bytes", "bytearray", "complex", "dict", "enumerate", "filter", "float", "frozenset",
    "int", "list", "map", "memoryview", "object", "property", "range", "reversed", "set", "slice",
    "str", "super", "tuple", "type", "zip", "classmethod", "staticmethod",
)
_FUNCTION_NAMES = (
    "abs", "all", "any", "bin", "callable", "compile", "chr", "delattr", "dir", "divmod", "eval",
    "exec", "execfile", "getattr", "setattr", "globals", "hasattr", "hash", "help", "hex", "id",
    "input", "isinstance", "issubclass", "iter", "len", "locals", "max", "min", "next", "oct",
    "ord", "pow", "print", "repr", "round", "sorted", "sum",
)
_EXCEPTION_NAMES = (
    "BaseException", "ArithmeticError", "AssertionError", "AttributeError", "EOFError",
    "Exception", "GeneratorExit", "ImportError", "IndentationError", "IndexError",
    "KeyboardInterrupt", "KeyError", "LookupError", "MemoryError", "NameError",
    "NotImplementedError", "OSError", "OverflowError", "RuntimeError", "StopIteration",
    "SyntaxError", "SystemExit", "TypeError", "UnicodeError", "ValueError", "ZeroDivisionError",
)

module = GuestModule("builtins")
_functions = {**builtin_numbers.FUNCTIONS, **builtin_objects.FUNCTIONS, "help": help_text.help_}
for _name in ("__build_class__", "__import__", "__repl_print__"):
    module.entries[_name] = _functions[_name]
for _name in _TYPE_NAMES:
    module.add_type(_TYPES[_name])
module.constant("Ellipsis", Word(ELLIPSIS))
module.constant("NotImplemented", Word(NOT_IMPLEMENTED))
for _name in _FUNCTION_NAMES:
    module.entries[_name] = _functions[_name]
for _name in _EXCEPTION_NAMES:
    module.add_type(exceptions.EXCEPTIONS[_name])
module.entries["open"] = open_
