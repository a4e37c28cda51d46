"""Replays recorded sessions of the firmware: the same bytes in, the same bytes out."""

from __future__ import annotations

import json
import os
import re
import time
from pathlib import Path

from k210sim.board.board import Board
from k210sim.clock import Clock
from k210sim.repl.firmware import Firmware
from k210sim.serialport.inprocess import SerialEnd
from k210sim.serialport.uart import UartPort

MASKS = (
    (re.compile(r"0x[0-9a-f]{6,16}"), "0xADDR"),
    (re.compile(r"(?<=object at )[0-9a-f]{4,16}"), "ADDR"),
    (re.compile(r"(?<=bound_method )[0-9a-f]{4,16}"), "ADDR"),
    (re.compile(r"(?<=' at )[0-9a-f]{4,16}"), "ADDR"),
)


def masked(text: str) -> str:
    """Addresses made equal, as in the recordings."""
    for pattern, word in MASKS:
        text = pattern.sub(word, text)
    return text


def steps(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


class Conversation:
    """A device with a `serial` end and a `port`, driven step by step."""

    def quiet(self, timeout: float = 5.0) -> str:
        """What the device sends until it waits for input, or (a program runs) is silent."""
        deadline = time.monotonic() + timeout
        got, last_change = b"", time.monotonic()
        while time.monotonic() < deadline:
            new = self.serial.read()
            if new:
                got += new
                last_change = time.monotonic()
            elif self.port.idle and not self.serial.read(timeout=0.002):
                break
            elif time.monotonic() - last_change > 0.25:
                break
            time.sleep(0.001)
        return (got + self.serial.read()).decode("latin-1")

    def step(self, send: str) -> str:
        self.serial.write(send.encode("latin-1"))
        return self.quiet()


class Device(Conversation):
    """A firmware with a stand-in (or any other) interpreter."""

    def __init__(self, make_interpreter, **options):
        self.clock = Clock()
        self.port = UartPort(self.clock)
        self.serial = SerialEnd(self.port)
        self.firmware = Firmware(self.clock, self.port, make_interpreter, **options)

    def __enter__(self):
        self.firmware.start()
        return self

    def __exit__(self, *_):
        self.firmware.stop()


class BoardDevice(Conversation):
    """A whole board with the real runtime. Sessions that interrupt something that would end by
    itself need the clock `real`."""

    def __init__(self, session):
        timed = any(entry.get("while_running") for entry in session)
        self.board = Board(clock="real" if timed else "virtual")
        self.port, self.serial = self.board.port, self.board.serial

    def __enter__(self):
        self.board.power_on()
        return self

    def __exit__(self, *_):
        self.board.close()


def differences(device: Conversation, session: list[dict]) -> list[str]:
    """One line for each step of the session that came out differently."""
    found = []
    for number, entry in enumerate(session):
        got = masked(device.quiet() if number == 0 else device.step(entry["send"]))
        wanted = entry["recv"]
        if number == 0:
            got = got[got.find("[MaixPy] gc heap") :]  # the recordings begin after the chip's lines
        if got != wanted:
            found.append(f"step {number} {entry['send']!r}:\n  got {got!r}\n  not {wanted!r}")
    return found


def _session_names() -> list[str]:
    """Names of the recorded sessions, at collection time; none without the shared folder."""
    root = Path(__file__).resolve().parents[3]
    shared = Path(os.environ.get("K210SIM_SHARED", root / "shared"))
    return sorted(path.stem for path in shared.glob("golden/maixpy/repl/*.jsonl"))


SHARED_SESSIONS = _session_names()
