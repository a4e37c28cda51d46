"""Talk to a device over any serial port, as tests of a virtual or a real board do.

with PortClient("/dev/pts/3") as device:
    device.write(b"1+1\\r")
    device.expect(rb"2\\r\\n>>> ")
    out, error = device.raw_exec("print(40 + 2)")
"""

from __future__ import annotations

import re
import time

from k210sim.serialport.inprocess import ExpectFailed
from k210sim.serialport.opening import open_port

PIECE, PAUSE_S = 256, 0.01  # how fast a program is sent: a real board's buffer is small


class PortClient:
    """A pyserial port with `expect`. `url` is anything `serial_for_url` takes."""

    def __init__(self, url: str, baud: int = 115200):
        self.url = url
        self.port = open_port(url, baud, timeout=0.02)
        self.unread = b""
        self.transcript = b""

    def __enter__(self) -> PortClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.port.close()

    def write(self, data: bytes) -> None:
        self.port.write(data)

    def read_for(self, seconds: float) -> bytes:
        """Everything that comes in the given time, and what was unread before."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._take()
        data, self.unread = self.unread, b""
        return data

    def expect(self, pattern: bytes | str, timeout: float = 10.0) -> re.Match:
        """Wait for a regular expression; consumes up to its end. Raises ExpectFailed."""
        pattern = pattern.encode() if isinstance(pattern, str) else pattern
        expression = re.compile(pattern, re.DOTALL)
        end = time.monotonic() + timeout
        while True:
            match = expression.search(self.unread)
            if match:
                self.unread = self.unread[match.end() :]
                return match
            if time.monotonic() > end:
                why = f"{self.url}: timed out after {timeout:g} s"
                raise ExpectFailed(pattern, self.unread, why)
            self._take()

    def raw_exec(self, code: bytes | str, timeout: float = 10.0) -> tuple[bytes, bytes]:
        """Run a program over the raw prompt; returns its output and its error text.

        Interrupts what is running, and leaves the device at the friendly prompt.
        """
        code = code.encode() if isinstance(code, str) else code
        self.write(b"\r\x03\r\x01")
        self.expect(rb"raw REPL; CTRL-B to exit\r\n>", timeout)
        for at in range(0, len(code), PIECE):
            self.write(code[at : at + PIECE])
            time.sleep(PAUSE_S)
        self.write(b"\x04")
        self.expect(rb"OK", timeout)
        output = self._until(b"\x04", timeout)
        error = self._until(b"\x04>", timeout)
        self.write(b"\x02")
        self.expect(rb">>> ", timeout)
        return output, error

    def _until(self, mark: bytes, timeout: float) -> bytes:
        """What comes before `mark`, however much it is: a pattern would be tried at each byte."""
        end, looked_at = time.monotonic() + timeout, 0
        while (at := self.unread.find(mark, looked_at)) < 0:
            if time.monotonic() > end:
                why = f"{self.url}: timed out after {timeout:g} s"
                raise ExpectFailed(mark, self.unread, why)
            looked_at = max(0, len(self.unread) - len(mark))
            self._take()
        before, self.unread = self.unread[:at], self.unread[at + len(mark) :]
        return before

    def _take(self) -> None:
        data = self.port.read(max(1, self.port.in_waiting))
        self.unread += data
        self.transcript += data
