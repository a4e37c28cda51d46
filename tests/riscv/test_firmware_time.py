"""Released firmware keeps the board's time, and two runs of it are the same."""

from __future__ import annotations

import hashlib

import pytest

from k210sim.clock import Clock
from k210sim.flash.nor import NorFlash
from tests.riscv.test_firmware import firmware
from tests.riscv.test_firmware_devices import RELEASES

pytestmark = pytest.mark.slow


class Typist:
    """A machine on which lines are typed one after the other, each when a prompt has come."""

    def __init__(self, payload: bytes, lines: list[str]):
        from k210sim.riscv.machine import Machine

        clock = Clock()
        self.sent, self._left, self._typed = bytearray(), list(lines), bytearray()
        self.machine = Machine(clock, NorFlash(clock), self._send, self._receive)
        self.machine.load(payload)
        self.clock, self.prompts = clock, []

    def _send(self, data: bytes) -> None:
        self.sent += data
        if self.sent.endswith(b">>> "):
            self.prompts.append((self.clock.now_ns, len(self.sent)))
            if self._left:
                self._typed += self._left.pop(0).encode() + b"\r"

    def _receive(self, count: int) -> bytes:
        got = bytes(self._typed[:1])
        del self._typed[:1]
        return got

    def run(self, prompts: int) -> None:
        while len(self.prompts) < prompts:
            self.machine.step()

    def answer(self, number: int) -> str:
        """What came between two prompts, without the line itself."""
        text = self.sent[self.prompts[number][1] : self.prompts[number + 1][1]].decode("latin-1")
        return text.split("\r\n")[1]


@pytest.mark.parametrize("release", RELEASES)
def test_ticks_are_the_boards_clock(release):
    lines = ["import time", "a = time.ticks_ms()", "time.sleep_ms(1500)", "time.ticks_ms() - a"]
    board = Typist(firmware(RELEASES[release]), lines)
    board.run(5)
    waited = int(board.answer(3))
    slept_ns = board.prompts[3][0] - board.prompts[2][0]
    # the lines' own time: typed without pause, some milliseconds
    assert 1500 <= waited < 1530
    assert waited - 30 < slept_ns / 1e6 <= waited + 30


def test_two_boots_are_equal_to_the_last_byte():
    payload = firmware(RELEASES["v0.6.3 openmv"])
    runs = []
    for _ in range(2):
        board = Typist(payload, ["[x * 1.5 for x in range(9)]"])
        board.run(2)
        ram = hashlib.sha256(board.machine.core.ram.tobytes()).hexdigest()
        runs.append((bytes(board.sent), ram, board.clock.now_ns, board.machine.cycles))
    assert runs[0] == runs[1]
