"""Machines that run the test programs of firmware_images/riscv."""

from __future__ import annotations

from pathlib import Path

import pytest

from k210sim.clock import Clock
from k210sim.flash.nor import NorFlash

PLIC = 0x0C000000
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


class Registers:
    """A machine's registers by address, 32 bits at a time, and its RAM."""

    def __init__(self, machine):
        self.machine, self.pins = machine, machine.chip.pins

    def __getitem__(self, address: int) -> int:
        device, offset = self.machine.bus.at(address)
        return device.read(offset, 4)

    def __setitem__(self, address: int, value: int) -> None:
        device, offset = self.machine.bus.at(address)
        device.write(offset, 4, value)

    def pending(self, source: int) -> bool:
        return bool(self[PLIC + 0x1000 + 4 * (source // 32)] >> source % 32 & 1)

    def ram(self, address: int, size: int):
        """Bytes of RAM, to be read and written."""
        return self.machine.dmac.memory(address, size)


@pytest.fixture
def rig():
    return Rig
