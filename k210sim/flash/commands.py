"""The flash chip's SPI commands: what a program that drives the bus itself gets to see.

One call of `execute` is one transaction between chip select going low and high, already taken
apart by the SPI controller into opcode, address and data; how many wires carried them does not
matter here. Opcodes: MaixPy-v1 `components/drivers/flash/include/w25qxx.h`; their rules: the
W25Q128 data sheet. Status protection bits are stored but protect nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from k210sim.flash.nor import BLOCK32, BLOCK64, SECTOR, SIZE, NorFlash
from k210sim.saving import Saved

BUSY, WRITE_ENABLED = 0x01, 0x02  # status register 1
QUAD_ENABLED = 0x02  # status register 2


@dataclass(frozen=True)
class Command:
    """One opcode: its name, and the rules it is under."""

    name: str
    run: Callable
    quad: bool = False  # needs the quad-enable bit
    writes: bool = False  # needs the write-enable latch, and clears it
    while_busy: bool = False  # answered during an erase or program


class NorCommands(Saved):
    """The command decoder in front of a `NorFlash`.

    A command that breaks a rule (chip busy, not write-enabled, unknown opcode, address outside)
    has no effect and reads as 0xFF, as on the chip; `ignored` counts them by opcode.
    """

    def __init__(self, nor: NorFlash, *, unique_id: bytes = bytes(8)):
        self.nor = nor
        self.unique_id = bytes(unique_id)
        self.ignored: dict[int, int] = {}
        self.reset()

    def reset(self) -> None:
        """Power-on state. Status registers start at 0: whoever wants quad mode sets its bit."""
        self.status = [0, 0, 0]  # registers 1 to 3, without the two live bits of register 1
        self.write_enabled = False
        self._volatile_enabled = False
        self._reset_armed = False
        self._asleep = False

    def execute(self, opcode: int, address: int = 0, data: bytes = b"", read: int = 0) -> bytes:
        """One transaction; returns `read` bytes.

        `address` is 24 bits; programming takes `data`; status writes take one or two bytes.
        """
        command = COMMANDS.get(opcode)
        armed, self._reset_armed = self._reset_armed, False
        allowed = (
            command is not None
            and (not self._asleep or opcode == 0xAB)
            and (command.while_busy or not self.nor.busy)
            and (not command.quad or self.status[1] & QUAD_ENABLED)
            and (not command.writes or self.write_enabled or self._volatile_write(opcode))
            and (opcode != 0x99 or armed)
        )
        if not allowed:
            self.ignored[opcode] = self.ignored.get(opcode, 0) + 1
            return b"\xff" * read
        answer = command.run(self, address & 0xFFFFFF, bytes(data), read)
        if command.writes:
            self.write_enabled = self._volatile_enabled = False
        return (answer or b"").ljust(read, b"\xff")[:read]

    # -- what the commands do ----------------------------------------------------------------

    def _volatile_write(self, opcode: int) -> bool:
        return self._volatile_enabled and opcode in (0x01, 0x31, 0x11)

    def _enable(self, address, data, read):
        self.write_enabled = True

    def _enable_volatile(self, address, data, read):
        self._volatile_enabled = True

    def _disable(self, address, data, read):
        self.write_enabled = False

    def _status(self, number: int) -> bytes:
        value = self.status[number]
        if number == 0:
            value |= (BUSY if self.nor.busy else 0) | (WRITE_ENABLED if self.write_enabled else 0)
        return bytes([value])

    def _write_status(self, number: int, data: bytes) -> None:
        for n, value in zip(range(number, 3), data[: 2 if number == 0 else 1], strict=False):
            self.status[n] = value & ~(BUSY | WRITE_ENABLED) if n == 0 else value

    def _read(self, address, data, read):
        # Reading past the end goes on at the start.
        parts = []
        while read > 0:
            n = min(read, SIZE - address)
            parts.append(self.nor.read(address, n))
            read -= n
            address = 0
        return b"".join(parts)

    def _program(self, address, data, read):
        if data:
            self.nor.program_page(address, data, wait=False)

    def _id(self, address, data, read):
        pair = bytes([self.nor.manufacturer_id, self.nor.device_id])
        return (pair if not address & 1 else pair[::-1]) * (read // 2 + 1)

    def _jedec_id(self, address, data, read):
        # memory type 0x40 and capacity 2**0x18 bytes: the same for Winbond and GigaDevice
        return bytes([self.nor.manufacturer_id, 0x40, 0x18])

    def _wake(self, address, data, read):
        self._asleep = False
        return bytes([self.nor.device_id]) * read

    def _sleep(self, address, data, read):
        self._asleep = True

    def _arm_reset(self, address, data, read):
        self._reset_armed = True

    def _reset(self, address, data, read):
        kept = self.status
        self.reset()
        self.status = kept


def _reader(number: int):
    return lambda chip, address, data, read: chip._status(number) * max(1, read)


def _writer(number: int):
    return lambda chip, address, data, read: chip._write_status(number, data)


def _eraser(unit: int):
    def run(chip, address, data, read):
        chip.nor.erase_unit(address - address % unit, unit, wait=False)

    return run


def _nothing(chip, address, data, read):
    """Accepted, without effect here: the number of wires is the controller's business."""


_C = NorCommands
COMMANDS = {
    0x06: Command("write enable", _C._enable),
    0x50: Command("write enable for volatile status", _C._enable_volatile),
    0x04: Command("write disable", _C._disable),
    0x05: Command("read status 1", _reader(0), while_busy=True),
    0x35: Command("read status 2", _reader(1), while_busy=True),
    0x15: Command("read status 3", _reader(2), while_busy=True),
    0x01: Command("write status 1", _writer(0), writes=True),
    0x31: Command("write status 2", _writer(1), writes=True),
    0x11: Command("write status 3", _writer(2), writes=True),
    0x03: Command("read", _C._read),
    0x0B: Command("fast read", _C._read),
    0x3B: Command("dual output read", _C._read),
    0xBB: Command("dual I/O read", _C._read),
    0x6B: Command("quad output read", _C._read, quad=True),
    0xEB: Command("quad I/O read", _C._read, quad=True),
    0x02: Command("page program", _C._program, writes=True),
    0x32: Command("quad page program", _C._program, quad=True, writes=True),
    0x20: Command("erase 4 KiB", _eraser(SECTOR), writes=True),
    0x52: Command("erase 32 KiB", _eraser(BLOCK32), writes=True),
    0xD8: Command("erase 64 KiB", _eraser(BLOCK64), writes=True),
    0xC7: Command("erase chip", _eraser(SIZE), writes=True),
    0x60: Command("erase chip", _eraser(SIZE), writes=True),
    0x38: Command("enter QPI", _nothing, quad=True),
    0xFF: Command("leave QPI", _nothing),
    0x66: Command("enable reset", _C._arm_reset, while_busy=True),
    0x99: Command("reset", _C._reset, while_busy=True),
    0xB9: Command("power down", _C._sleep),
    0xAB: Command("release power down, device id", _C._wake),
    0x90: Command("manufacturer and device id", _C._id),
    0x9F: Command("JEDEC id", _C._jedec_id),
    0x4B: Command("unique id", lambda chip, address, data, read: chip.unique_id),
}
