"""An SD card in SPI mode as a slave of SPI1: bytes on the wire to blocks of the card.

Ref: SD Specifications Part 1, Physical Layer Simplified Specification, chapter 7 (commands, tokens,
responses) and 5 (CSD version 2, CID, OCR); sipeed/MaixPy-v1 components/drivers/sd_card for how the
firmware uses it. The card is one of high capacity: addresses are block numbers. Its chip select is
a pin of its own, so a transaction of the controller is no unit here. Erasing, passwords and the
switch function are illegal commands to it, as they may be to a card. The time a card takes to find
a block or to write one is not modelled, only the bus's.
"""

from __future__ import annotations

import binascii
from collections.abc import Callable
from typing import Protocol

from k210sim.errors import HostError
from k210sim.pins import Pins
from k210sim.saving import Saved

BLOCK = 512
FF = 0xFF
IDLE, ILLEGAL, BAD_CRC, BAD_ADDRESS, BAD_PARAMETER = 0x01, 0x04, 0x08, 0x20, 0x40  # R1
READ_TOKEN, WRITE_TOKEN, MULTIPLE_TOKEN, STOP_TOKEN = 0xFE, 0xFE, 0xFC, 0xFD
OUT_OF_RANGE = 0x08  # error token in place of a block
ACCEPTED, CRC_REJECTED, WRITE_FAILED = 0x05, 0x0B, 0x0D  # answers to a block
BUSY = 0x00
OCR = 0x00FF8000  # 2.7 to 3.6 V
POWERED_UP, HIGH_CAPACITY = 1 << 31, 1 << 30
CHECKED_ALWAYS = (0, 8)  # commands whose CRC counts in SPI mode, too


class Slot(Protocol):
    """The socket and the blocks of the card in it, see k210sim/sd. Errors are HostError.

    changes : a count that grows when a card is put in or taken out
    """

    inserted: bool
    changes: int
    serial: int
    block_count: int

    def read_block(self, n: int) -> bytes: ...

    def write_block(self, n: int, data: bytes) -> None: ...


def crc7(data: bytes) -> int:
    """The last byte of a command or register: seven bits of CRC and a one."""
    crc = 0
    for byte in data:
        for bit in range(7, -1, -1):
            crc = (crc << 1 | byte >> bit & 1) ^ (0x89 if crc & 0x40 else 0)
    for _ in range(7):
        crc = crc << 1 ^ (0x89 if crc & 0x40 else 0)
    return (crc & 0x7F) << 1 | 1


def crc16(data: bytes) -> bytes:
    """Two bytes behind a block."""
    return binascii.crc_hqx(data, 0).to_bytes(2, "big")


class SpiSd(Saved):
    """slot : the socket. charge(clocks) : the bus is busy for so long."""

    raw = True

    def __init__(
        self,
        pins: Pins,
        select_pad: int,
        slot: Slot,
        charge: Callable[[int], None] = lambda clocks: None,
    ):
        self._pins, self._pad, self.slot, self._charge = pins, select_pad, slot, charge
        pins.drive(select_pad, 1)  # pulled up on the board
        self._commands = {
            0: self._go_idle, 8: self._interface, 9: self._csd, 10: self._cid, 12: self._stop,
            13: self._status, 16: self._block_length, 17: self._read, 18: self._read_on,
            24: self._write, 25: self._write_on, 55: self._application, 58: self._ocr,
            59: self._crc_on,
        }  # fmt: skip
        self._application_commands = {41: self._start, 23: self._erase_before}
        self.power_on()
        pins.listeners.append(self._look)

    def power_on(self) -> None:
        """A card that has just been put in: it hears nothing but CMD0."""
        self._changes = self.slot.changes
        self._awake = False  # in SPI mode
        self._idle, self._asked = True, 0
        self._checks = False
        self._application_next = False
        self._deselected()

    def _deselected(self) -> None:
        self._frame = bytearray()  # of a command
        self._out = bytearray()
        self._next_block: int | None = None  # of a multiple read
        self._target: int | None = None  # of a write
        self._multiple = False
        self._block: bytearray | None = None  # being received

    def _look(self) -> None:
        if self._pins.level(self._pad):
            self._deselected()

    # --- the wire -------------------------------------------------------------------------------

    def select(self, chip_select: int) -> None:
        """The controller's own chip select leads nowhere."""

    def release(self) -> None: ...

    def receive(self, count: int) -> bytes:
        return self.exchange(b"\xff" * count)

    def exchange(self, data: bytes) -> bytes:
        self._charge(8 * len(data))
        if not self.slot.inserted or self._pins.level(self._pad):
            return b"\xff" * len(data)
        if self.slot.changes != self._changes:
            self.power_on()
        answer, at = bytearray(), 0
        while at < len(data):
            taken = self._bytes(data, at)
            answer += self._put_out(taken)
            at += taken
            self._complete()
        return bytes(answer)

    def _bytes(self, data: bytes, at: int) -> int:
        """Take bytes up to the next at which something happens; how many."""
        if self._block is not None:
            part = data[at : at + BLOCK + 2 - len(self._block)]
            self._block += part
            return len(part)
        if self._frame or data[at] & 0xC0 == 0x40:
            part = data[at : at + 6 - len(self._frame)]
            self._frame += part
            return len(part)
        if self._target is not None and data[at] != FF:
            self._token(data[at])
            return 1
        rest = data[at:]
        idle = len(rest) - len(rest.lstrip(b"\xff"))
        return max(1, idle)

    def _put_out(self, count: int) -> bytes:
        """The next bytes of the card."""
        while len(self._out) < count and self._next_block is not None:
            self._queue_block(self._next_block)
            if self._next_block is not None:
                self._next_block += 1
        part = bytes(self._out[:count])
        del self._out[:count]
        return part.ljust(count, b"\xff")

    def _complete(self) -> None:
        """Do what the bytes taken make complete."""
        if len(self._frame) == 6:
            frame, self._frame = bytes(self._frame), bytearray()
            self._command(frame)
        elif self._block is not None and len(self._block) == BLOCK + 2:
            block, self._block = bytes(self._block), None
            self._store(block)

    # --- commands -------------------------------------------------------------------------------

    @property
    def _r1(self) -> int:
        return IDLE if self._idle else 0

    def _command(self, frame: bytes) -> None:
        self._out.clear()  # whoever sends a command no longer waits for what was to come
        number, argument = frame[0] & 63, int.from_bytes(frame[1:5], "big")
        application, self._application_next = self._application_next, False
        if not self._awake and number != 0:
            return
        if self._checks or number in CHECKED_ALWAYS:
            if crc7(frame[:5]) != frame[5]:
                self._answer(self._r1 | BAD_CRC)
                return
        run = self._application_commands.get(number) if application else None
        run = run or self._commands.get(number)
        allowed = run is not None and (
            not self._idle or number in (0, 8, 41, 55, 58, 59)
        )
        if allowed:
            run(argument)
        else:
            self._answer(self._r1 | ILLEGAL)

    def _answer(self, r1: int, more: bytes = b"") -> None:
        """A response, after the byte that a card needs to find it."""
        self._out += bytes([FF, r1]) + more

    def _go_idle(self, argument: int) -> None:
        self._deselected()
        self._awake = self._idle = True
        self._asked, self._checks = 0, False
        self._answer(IDLE)

    def _interface(self, argument: int) -> None:
        self._answer(self._r1, (argument & 0xFFF).to_bytes(4, "big"))

    def _start(self, argument: int) -> None:
        """ACMD41: the first time the card is still busy with itself."""
        self._asked += 1
        if self._asked > 1:
            self._idle = False
        self._answer(self._r1)

    def _ocr(self, argument: int) -> None:
        value = OCR if self._idle else OCR | POWERED_UP | HIGH_CAPACITY
        self._answer(self._r1, value.to_bytes(4, "big"))

    def _application(self, argument: int) -> None:
        self._application_next = True
        self._answer(self._r1)

    def _erase_before(self, argument: int) -> None:
        self._answer(self._r1)

    def _crc_on(self, argument: int) -> None:
        self._checks = bool(argument & 1)
        self._answer(self._r1)

    def _block_length(self, argument: int) -> None:
        self._answer(self._r1 if argument == BLOCK else self._r1 | BAD_PARAMETER)

    def _status(self, argument: int) -> None:
        self._answer(self._r1, b"\0")

    def _register(self, content: bytes) -> None:
        content += bytes([crc7(content)])
        self._answer(self._r1, bytes([FF, READ_TOKEN]) + content + crc16(content))

    def _csd(self, argument: int) -> None:
        """Version 2: 25 MHz, blocks of 512 bytes, capacity in units of 512 KiB."""
        size = max(1, self.slot.block_count // 1024) - 1
        self._register(
            b"\x40\x0e\x00\x32\x5b\x59\x00" + size.to_bytes(3, "big") + b"\x7f\x80\x0a\x40\x00"
        )

    def _cid(self, argument: int) -> None:
        """Manufacturer 0, a product of our own name, of January 2024."""
        serial = self.slot.serial.to_bytes(4, "big")
        self._register(b"\x00SIK210S\x10" + serial + b"\x01\x81")

    # --- reading --------------------------------------------------------------------------------

    def _read(self, argument: int) -> None:
        if argument >= self.slot.block_count:
            self._answer(self._r1 | BAD_ADDRESS)
            return
        self._answer(self._r1)
        self._queue_block(argument)

    def _read_on(self, argument: int) -> None:
        if argument >= self.slot.block_count:
            self._answer(self._r1 | BAD_ADDRESS)
            return
        self._answer(self._r1)
        self._next_block = argument

    def _queue_block(self, number: int) -> None:
        try:
            if number >= self.slot.block_count:
                raise HostError("no such block")
            block = self.slot.read_block(number)
        except HostError:
            self._out += bytes([FF, OUT_OF_RANGE])
            self._next_block = None
            return
        self._out += bytes([FF, READ_TOKEN]) + block + crc16(block)

    def _stop(self, argument: int) -> None:
        """CMD12: what was still to come is dropped; a byte of no meaning goes before the answer."""
        self._next_block = None
        self._answer(self._r1, bytes([BUSY]))

    # --- writing --------------------------------------------------------------------------------

    def _write(self, argument: int) -> None:
        if argument >= self.slot.block_count:
            self._answer(self._r1 | BAD_ADDRESS)
            return
        self._answer(self._r1)
        self._target, self._multiple = argument, False

    def _write_on(self, argument: int) -> None:
        self._write(argument)
        self._multiple = self._target is not None

    def _token(self, token: int) -> None:
        if token == (MULTIPLE_TOKEN if self._multiple else WRITE_TOKEN):
            self._block = bytearray()
        elif token == STOP_TOKEN and self._multiple:
            self._target = None
            self._out += bytes([FF, BUSY])

    def _store(self, block: bytes) -> None:
        data, crc = block[:BLOCK], block[BLOCK:]
        target, self._target = self._target, None
        if self._checks and crc16(data) != crc:
            self._out += bytes([CRC_REJECTED, BUSY])
            return
        try:
            if target >= self.slot.block_count:
                raise HostError("no such block")
            self.slot.write_block(target, data)
        except HostError:
            self._out += bytes([WRITE_FAILED, BUSY])
            return
        if self._multiple:
            self._target = target + 1
        self._out += bytes([ACCEPTED, BUSY])
