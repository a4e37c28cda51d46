"""Lexer, parser and code generator of the MicroPython 1.11 dialect.

`compile_source` turns source bytes into a tree of `RawCode`, byte for byte what the firmware's
own compiler makes of it (up to the numbers of strings, which `intern` supplies).
"""

from __future__ import annotations

from .codegen import CodeGenerator
from .errors import RECURSION_MESSAGE, GuestSyntaxError
from .raw_code import RawCode
from .repl_input import continue_input
from .statements import Parser

__all__ = ["GuestSyntaxError", "RawCode", "compile_source", "continue_input"]

MODES = ("single", "exec", "eval")


class _Strings:
    """Remembers string numbers during one compilation, so that each is asked for once."""

    def __init__(self, intern, find):
        self._ask, self._find, self._known = intern, find, {}

    def intern(self, text: bytes) -> int:
        number = self._known.get(text)
        if number is None:
            number = self._known[text] = self._ask(text)
        return number

    def find(self, text: bytes) -> bool:
        """Whether a string is in the table already."""
        return text in self._known or bool(self._find and self._find(text))


def compile_source(
    source: bytes,
    filename: str,
    mode: str,
    intern,
    *,
    repl: bool = False,
    opt_level: int = 0,
    find=None,
) -> RawCode:
    """Compile `source`.

    mode      "single" (one interactive statement), "exec" (a file) or "eval" (an expression)
    intern    intern(bytes) -> number of that string in the string table; called in the order in
              which the device would enter the strings
    repl      expression statements call __repl_print__
    find      find(bytes) -> number or 0: is a string longer than 10 bytes in the table already?
              Such literals are string-table entries, others become heap objects. Without it only
              strings seen in this source count.
    Raises GuestSyntaxError, and ValueError for an unknown mode.
    """
    if mode not in MODES:
        raise ValueError(f"mode must be one of {', '.join(MODES)}, not {mode!r}")
    strings = _Strings(intern, find)
    file_bytes = filename.encode("utf-8", "surrogateescape")
    try:
        strings.intern(file_bytes)
        parser = Parser(source, filename, mode, strings.intern, strings.find, opt_level)
        tree = parser.parse()
        generator = CodeGenerator(filename, file_bytes, strings.intern, repl, opt_level)
        return generator.generate(tree)
    except RecursionError:
        raise GuestSyntaxError("RuntimeError", RECURSION_MESSAGE, filename) from None
    except GuestSyntaxError as e:
        e.filename = e.filename or filename
        raise
