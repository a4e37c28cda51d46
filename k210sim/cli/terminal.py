"""The terminal: this window's keyboard and screen as those of a serial port. Ctrl-] leaves.

Every byte goes through as it is, both ways: the device does the echo and the line editing.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Protocol

import click

LEAVE = 0x1D  # Ctrl-]
QUIET_S = 0.3  # without a keyboard: how long the device is silent before we leave
CHUNK = 4096


class Line(Protocol):
    """The other end of the conversation."""

    def read(self, timeout: float) -> bytes | None:
        """What has come within `timeout` seconds; None when the other end is gone."""

    def write(self, data: bytes) -> None: ...


def converse(
    line: Line, *, greeting: str = "", finished: Callable[[], bool] = lambda: False
) -> None:
    """Connect this window with `line` until Ctrl-], the end of the line, or `finished()`.

    greeting : told once keys go to the device, when there is a keyboard
    With a pipe instead of a keyboard: send all of it, then leave when the device has gone quiet.
    """
    leaving = threading.Event()
    keyboard, why = sys.stdin.isatty(), "left"
    reader = threading.Thread(target=_send_keys, args=(line, leaving, keyboard), daemon=True)
    out = sys.stdout.buffer
    with _raw_keyboard() if keyboard else contextlib.nullcontext():
        if keyboard and greeting:
            click.echo(f"{greeting}\r", err=True)
        reader.start()
        last = time.monotonic()
        while not finished():
            data = line.read(0.05)
            if data is None:
                why = "the other end is gone"
                break
            if data:
                try:
                    out.write(data)
                    out.flush()
                except OSError:  # the window is gone
                    break
                last = time.monotonic()
            elif leaving.is_set() and (keyboard or time.monotonic() - last > QUIET_S):
                break
    if keyboard:
        with contextlib.suppress(OSError):  # the window may be gone
            click.echo(f"\n--- {why} ---", err=True)


def _send_keys(line: Line, leaving: threading.Event, keyboard: bool) -> None:
    """Everything typed, until Ctrl-] or the end of the input."""
    fd = sys.stdin.fileno()
    while True:
        try:
            data = os.read(fd, CHUNK)
        except OSError:
            break
        if not data:
            break
        if keyboard and LEAVE in data:
            line.write(data[: data.index(LEAVE)])
            break
        try:
            line.write(data)
        except (OSError, ValueError):
            break
    leaving.set()


@contextlib.contextmanager
def _raw_keyboard() -> Iterator[None]:
    """Keys one by one, without echo and without signals, while the context lasts."""
    try:
        import termios
        import tty
    except ImportError:  # Windows: prompt_toolkit knows its console
        from prompt_toolkit.input import create_input

        with create_input().raw_mode():
            yield
        return
    fd = sys.stdin.fileno()
    before = termios.tcgetattr(fd)
    try:
        tty.setraw(fd, termios.TCSADRAIN)  # what was typed ahead is for the device
        yield
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, before)


class SerialLine:
    """A port of this machine or the network, through pyserial."""

    def __init__(self, url: str, baud: int):
        from k210sim.serialport.opening import open_port

        self._port = open_port(url, baud)

    def read(self, timeout: float) -> bytes | None:
        import serial

        self._port.timeout = timeout
        try:
            return self._port.read(max(1, min(CHUNK, self._port.in_waiting)))
        except (serial.SerialException, OSError):
            return None

    def write(self, data: bytes) -> None:
        self._port.write(data)

    def close(self) -> None:
        self._port.close()


class BoardLine:
    """A board in this process."""

    def __init__(self, board):
        self._board = board

    def read(self, timeout: float) -> bytes | None:
        data = self._board.serial.read(timeout=timeout)
        return data if data or self._board.powered else None

    def write(self, data: bytes) -> None:
        self._board.serial.write(data)


@click.command("terminal", epilog="Example: k210sim terminal /dev/pts/3")
@click.argument("port")
@click.option("--baud", type=int, default=115200, show_default=True, help="Speed of a real port.")
def command(port, baud):
    """Open a terminal on PORT: /dev/pts/N, /dev/ttyUSB0, COM3, socket://HOST:PORT, rfc2217://...

    All keys go to the device as they are; Ctrl-] leaves.
    """
    line = SerialLine(port, baud)
    try:
        converse(line, greeting=f"--- {port}, Ctrl-] leaves ---")
    finally:
        line.close()
