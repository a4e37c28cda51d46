"""The NOR flash as a slave of SPI3: bytes on the wire to the chip's commands.

Ref: W25Q128JV data sheet, instruction set table: which instruction has an address and how many
dummy bytes come before the data.
"""

from __future__ import annotations

from k210sim.flash.commands import BUSY, NorCommands
from k210sim.saving import Saved

WITH_ADDRESS = {
    0x03, 0x0B, 0x3B, 0xBB, 0x6B, 0xEB, 0x02, 0x32, 0x20, 0x52, 0xD8, 0x90,
}  # fmt: skip
DUMMY = {0x0B: 1, 0x3B: 1, 0x6B: 1, 0x4B: 4, 0xAB: 3, 0xBB: 1, 0xEB: 3}
SEND_ONLY = {0x02, 0x32, 0x01, 0x31, 0x11}
READ_ONCE = {0x9F, 0x90, 0x4B, 0xAB}


class SpiFlash(Saved):
    """Takes a transaction's bytes as they come; reads are answered at once, and what changes the
    chip happens when it is released.

    A program that finds the chip busy asks again, a few microseconds later, for up to 45 ms. Here
    the time passes right after the first such answer, and the harts stand still meanwhile.
    """

    raw = False

    def __init__(self, chip: NorCommands):
        self.chip = chip
        self._bytes = bytearray()
        self._wide: tuple[int, int | None] | None = None
        self._answered = 0

    def select(self, chip_select: int) -> None:
        self._bytes.clear()
        self._wide = None
        self._answered = 0

    def release(self) -> None:
        parts = self._parts()
        if parts is not None and not self._answered:
            opcode, address, data = parts
            self.chip.execute(opcode, address, data if opcode in SEND_ONLY else b"")
        self.select(0)

    def command(self, instruction: int, address: int | None) -> None:
        self._wide = (instruction, address)

    def exchange(self, data: bytes) -> bytes:
        """Bytes behind the command's own are answered with what the chip reads out."""
        before = len(self._bytes)
        self._bytes += data
        parts = self._parts()
        if parts is None or parts[0] in SEND_ONLY or self._wide is not None:
            return b"\xff" * len(data)
        opcode, address, behind = parts
        fresh = min(len(behind), len(self._bytes) - before)
        if fresh <= 0:
            return b"\xff" * len(data)
        return self._read(opcode, address, fresh).rjust(len(data), b"\xff")

    def receive(self, count: int) -> bytes:
        parts = self._parts()
        if parts is None:
            return b"\xff" * count
        return self._read(parts[0], parts[1], count)

    def _read(self, opcode: int, address: int, count: int) -> bytes:
        """The next `count` bytes the chip puts out in this transaction."""
        start = self._answered
        self._answered += count
        if opcode == 0x05:
            status = self.chip.execute(opcode, read=count)
            nor = self.chip.nor
            if status[-1] & BUSY and nor.clock is not None:
                nor.clock.advance_ns(max(0, nor.busy_until_ns - nor.clock.now_ns))
            return status
        if opcode in READ_ONCE:
            return self.chip.execute(opcode, address, read=start + count)[start:]
        return self.chip.execute(opcode, address + start, read=count)

    def _parts(self) -> tuple[int, int, bytes] | None:
        """(opcode, address, what follows), or None while the command is not complete."""
        if self._wide is not None:
            return self._wide[0], self._wide[1] or 0, bytes(self._bytes)
        if not self._bytes:
            return None
        opcode = self._bytes[0]
        start = 4 if opcode in WITH_ADDRESS else 1
        if len(self._bytes) < start:
            return None
        address = int.from_bytes(self._bytes[1:start], "big") if start == 4 else 0
        return opcode, address, bytes(self._bytes[start + DUMMY.get(opcode, 0) :])
