"""The one way the compiler refuses a guest program."""

from __future__ import annotations

from k210sim.errors import K210SimError

RECURSION_MESSAGE = "maximum recursion depth exceeded"


class GuestSyntaxError(K210SimError):
    """A guest program that does not compile; the interpreter turns it into a guest exception.

    kind      name of the guest exception class: "SyntaxError", "IndentationError",
              "NotImplementedError", "RuntimeError" (nested too deeply) or "MemoryError"
              (a folded constant that cannot fit)
    message   its text; traceback entry is (filename, line, block)
    line      line the device reports, or None when the exception carries no traceback entry
    block     name shown as ", in block", or None when the device shows none (parse errors)
    """

    def __init__(self, kind, message, filename="", line=None, block=None):
        self.kind, self.message, self.filename = kind, message, filename
        self.line, self.block = line, block
        super().__init__(f"{kind}: {message} ({filename}, line {line})")


class Refused:
    """What is wrong with a program that parses but may not be compiled; line 0 is unknown."""

    def __init__(self, message: str, line: int = 0):
        self.message, self.line = message, line
