"""Everything the device sends, in a file."""

from __future__ import annotations

from pathlib import Path

from k210sim.errors import HostError
from k210sim.serialport.uart import UartPort


class LogFile:
    """Appends what the device sends to a file, unbuffered, byte for byte."""

    def __init__(self, port: UartPort, path: str | Path):
        self._port = port
        try:
            self._file = open(path, "ab", buffering=0)
        except OSError as error:
            raise HostError(f"serial log {path}: {error.strerror}") from error
        port.attach(self)

    def deliver(self, data: bytes) -> None:
        try:
            self._file.write(data)
        except (OSError, ValueError):
            self._port.detach(self)  # a full disk must not stop the board

    def close(self) -> None:
        self._port.detach(self)
        self._file.close()
