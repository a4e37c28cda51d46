"""Machines that run the test programs of firmware_images/riscv."""

from __future__ import annotations

from pathlib import Path

import pytest

from k210sim.clock import Clock
from k210sim.flash.nor import NorFlash

PROGRAMS = Path(__file__).resolve().parents[2] / "firmware_images" / "riscv"


class Rig:
    """A machine, what it sent, and what it is to receive."""

    def __init__(self, program: str, strict: bool = True, *,
                 compile_blocks: bool | None = None, **connected):  # fmt: skip
        from k210sim.riscv.machine import Machine

        self.payload = (PROGRAMS / f"{program}.bin").read_bytes()
        self.clock = Clock()
        self.flash = NorFlash(self.clock)
        self.sent = bytearray()
        self.typed = bytearray()
        # what is connected needs the board's clock: given as functions of it
        connected = {name: make(self.clock) for name, make in connected.items()}
        self.machine = Machine(
            self.clock, self.flash, self.sent.extend, self._receive, strict=strict,
            compile_blocks=compile_blocks, **connected,
            on_reset=lambda: self.machine.load(self.payload),
        )  # fmt: skip
        self.machine.load(self.payload)

    def _receive(self, count: int) -> bytes:
        got = bytes(self.typed[:count])
        del self.typed[:count]
        return got

    def run(self, until: bytes = b"end\n", turns: int = 20_000) -> str:
        """Run until the program has sent `until`; what it has sent."""
        for _ in range(turns):
            if self.sent.endswith(until):
                return self.sent.decode("latin-1")
            self.machine.step()
        raise AssertionError(f"no {until!r} in {turns} turns, only {bytes(self.sent)!r}")

    def lines(self, **options) -> dict[str, str]:
        """The program's lines by their first words; the last word is the value."""
        return dict(line.rsplit(" ", 1) for line in self.run(**options).splitlines() if " " in line)


@pytest.fixture
def rig():
    return Rig
