"""What the prompt needs of a language runtime, and nothing more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

Kind = Literal["ok", "exception", "system_exit", "reset"]


class SystemReset(BaseException):
    """The program asked for a reset of the whole chip (`machine.reset()`)."""


@dataclass(frozen=True)
class Outcome:
    """How a program ended; `reset` when it had the whole chip reset.

    traceback : what the firmware would print, lines ended by newlines; empty unless `exception`
    bug : the host exception that ended the program, when that was our fault and not the guest's
    """

    kind: Kind = "ok"
    traceback: bytes = b""
    bug: BaseException | None = None


class Interpreter(Protocol):
    """The language runtime. It prints through the port it was given, and while a program runs
    it asks `port.take_interrupt()` (or a flag that `port.on_interrupt` sets) between any two
    operations."""

    def execute(self, source: bytes, *, filename: str, mode: str) -> Outcome:
        """Run a program to its end.

        mode : "single" (one prompt entry, expression values are printed), "exec", or "frozen"
            (the module of the firmware image called `filename`, for the start-up script)
        An uncaught exception is returned, not printed. SystemReset and the
        port's PortClosed pass through.
        """

    def complete(self, text: bytes) -> bytes | list[bytes]:
        """Tab completion of a line up to its cursor: what to insert, or the names to show."""

    def soft_reset(self) -> None:
        """Finalisers, then a fresh heap with nothing imported."""

    def discard(self) -> None:
        """Power is gone, or the whole chip was reset: let go of the host's threads."""

    def heap_range(self) -> tuple[int, int]:
        """Address and size in bytes of the GC heap, for the boot log."""

    def read_if_exists(self, name: str) -> bytes | None:
        """A file relative to the current directory, or None."""
