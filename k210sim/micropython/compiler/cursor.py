"""The token stream as the rules see it: one token of look-ahead, errors, nesting."""

from __future__ import annotations

from . import lexer as lx
from .errors import RECURSION_MESSAGE, GuestSyntaxError
from .nodes import Node

# Nesting of brackets, blocks, lambdas, ... The device has no such check: it runs out of memory
# or overruns its stack somewhere near or above this depth. This bound is ours.
MAX_NESTING = 90


class Cursor:
    """The token stream and what literals turn into."""

    def __init__(self, source: bytes, filename: str, intern, find, opt_level: int):
        self.filename, self.intern, self.find = filename, intern, find
        self.depth = 0
        self.constants: dict[bytes, Node] = {}
        self._tokens = lx.Lexer(source, opt_level).tokens()
        self.kind, self.value, self.line = "", None, 1
        self.advance()

    def advance(self) -> None:
        self.kind, self.value, self.line = next(self._tokens)

    def fail(self):
        """The current token fits no rule."""
        if self.kind == lx.INDENT:
            raise self.error("unexpected indent", "IndentationError")
        if self.kind == lx.MISMATCH:
            raise self.error("unindent doesn't match any outer indent level", "IndentationError")
        raise self.error("invalid syntax")

    def error(self, message: str, kind: str = "SyntaxError", line=None) -> GuestSyntaxError:
        return GuestSyntaxError(kind, message, self.filename, line or self.line)

    def expect(self, kind: str) -> None:
        if self.kind != kind:
            self.fail()
        self.advance()

    def accept(self, kind: str) -> bool:
        if self.kind != kind:
            return False
        self.advance()
        return True

    def name(self) -> bytes:
        """Take a NAME token."""
        if self.kind != lx.NAME:
            self.fail()
        value = self.value
        self.intern(value)
        self.advance()
        return value

    def nest(self) -> None:
        """Go one level deeper."""
        self.depth += 1
        if self.depth > MAX_NESTING:
            raise GuestSyntaxError("RuntimeError", RECURSION_MESSAGE, self.filename)

    def check_chain(self, n: int) -> None:
        """Refuse `n` prefix operators where they would nest too deeply."""
        if self.depth + n > MAX_NESTING:
            raise GuestSyntaxError("RuntimeError", RECURSION_MESSAGE, self.filename)
