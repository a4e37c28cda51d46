"""The serial port for Python programs in the same process: write, read, expect."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable

from k210sim.compiling import TimeLimit
from k210sim.errors import TimeoutExpired
from k210sim.serialport.uart import UartPort

KEPT_BYTES = 1 << 20
SHOWN_BYTES = 400


class ExpectFailed(TimeoutExpired):
    """`expect` did not see its pattern; `.seen` holds what was not consumed before."""

    def __init__(self, pattern: bytes, seen: bytes, why: str):
        self.pattern, self.seen = pattern, seen
        shown = seen[-SHOWN_BYTES:]
        lost = f"... {len(seen) - len(shown)} bytes before ...\n" if len(seen) > len(shown) else ""
        text = shown.decode("utf-8", "backslashreplace")
        super().__init__(
            f"{why}: expected {pattern!r} on the serial port; the last bytes were\n{lost}{text}"
        )


class SerialEnd:
    """A client of the port in this process. Keeps the last MiB that was not read."""

    def __init__(self, port: UartPort, *, is_dead: Callable[[], bool] | None = None):
        self._port = port
        self._arrived = threading.Condition()
        self._unread = bytearray()
        self._all = bytearray()
        self._is_dead = is_dead
        port.attach(self)

    def deliver(self, data: bytes) -> None:
        with self._arrived:
            for kept in (self._unread, self._all):
                kept += data
                if len(kept) > KEPT_BYTES:
                    del kept[: len(kept) - KEPT_BYTES]
            self._arrived.notify_all()

    def write(self, data: bytes | str) -> int:
        """Send bytes (text as UTF-8) to the device; returns their number."""
        data = data.encode() if isinstance(data, str) else bytes(data)
        self._port.host_send(data)
        return len(data)

    def read(self, count: int | None = None, timeout: float = 0.0) -> bytes:
        """What the device has sent and nobody has read: at most `count` bytes, or all there is.

        Waits up to `timeout` seconds of wall time until `count` bytes (or any, without `count`)
        are there; returns fewer when they do not come.
        """
        wanted = 1 if count is None else count
        limit = TimeLimit(timeout)
        with self._arrived:
            while len(self._unread) < wanted:
                left = limit.left()
                if left <= 0:
                    break
                self._arrived.wait(left)
            taken = bytes(self._unread if count is None else self._unread[:count])
            del self._unread[: len(taken)]
            return taken

    def expect(self, pattern: bytes | str | re.Pattern, timeout: float = 10.0) -> re.Match:
        """Wait until the regular expression matches what was not read yet.

        Consumes everything up to the end of the match and returns the match (`.group()` is the
        text). timeout : seconds of wall time. Raises ExpectFailed with the last bytes.
        """
        if isinstance(pattern, str):
            pattern = pattern.encode()
        expression = re.compile(pattern, re.DOTALL) if isinstance(pattern, bytes) else pattern
        limit = TimeLimit(timeout)
        with self._arrived:
            while True:
                match = expression.search(self._unread)
                if match:
                    # The match must not look into the buffer that is about to shrink.
                    match = expression.search(bytes(self._unread))
                    del self._unread[: match.end()]
                    return match
                left = limit.left()
                if left <= 0:
                    why = f"timed out after {timeout:g} s"
                    raise ExpectFailed(expression.pattern, bytes(self._unread), why)
                if self._is_dead and self._is_dead():
                    why = "the board is off"
                    raise ExpectFailed(expression.pattern, bytes(self._unread), why)
                self._arrived.wait(min(left, 0.1 if self._is_dead else left))

    def last(self, count: int = SHOWN_BYTES) -> bytes:
        """The last bytes the device sent, read or not."""
        with self._arrived:
            return bytes(self._all[-count:])

    @property
    def transcript(self) -> bytes:
        """All the device sent (the last MiB of it), read or not."""
        with self._arrived:
            return bytes(self._all)

    def clear(self) -> None:
        """Forget what was not read."""
        with self._arrived:
            self._unread.clear()
