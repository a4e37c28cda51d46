"""In-system programming as a flashing tool sees it: the boot ROM, then the flash stub.

A pure object: bytes in, bytes out, no port and no thread. The ROM takes a program into RAM and
starts it; that program is always taken for the flash stub, which is not run but imitated.
Behaviour after kflash 1.1.6 and the stub embedded in it; what is guessed says so.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable

from k210sim.flash import slip
from k210sim.flash.nor import BLOCK32, BLOCK64, ERASE_NS, SECTOR, SIZE, NorFlash
from k210sim.records import U16, U32, Record

# ROM
ECHO, GREETING, MEMORY_WRITE, MEMORY_READ, BOOT, ROM_BAUD = 0xC1, 0xC2, 0xC3, 0xC4, 0xC5, 0xC6
DEBUG = 0xD1
# stub
STUB_GREETING, ERASE, WRITE, REBOOT, BAUD, INIT, ERASE_START, STATUS = range(0xD2, 0xDA)

DEFAULT = 0x00
OK = 0xE0
BAD_LENGTH = 0xE1
BAD_CHECKSUM = 0xE2
INVALID_COMMAND = 0xE3
BAD_INITIALIZATION = 0xE4
BAD_ERASE = 0xE5
BAD_WRITE = 0xE6
BUSY = 0xE7

MAX_ROM_DATA = 1024
MAX_STUB_PACKET = 65552
MAX_ERASE = 0x4000000
RAM_START, RAM_END = 0x80000000, 0x80600000
INIT_BAUD = 115200


class Packet(Record):
    """Head of every request but the greetings; data follow."""

    opcode = U16()
    reserved = U16()
    checksum = U32(doc="CRC-32 over everything behind this field")
    address = U32()
    length = U32()


class IspBoard:
    """The board's side of the protocol. Feed it what arrives on the port, send what it returns.

    nor : the flash chip that is programmed; its clock is not charged for host-side programming
    clock : gives a background erase its duration; without it such an erase is over at once
    on_boot(address, ram) : the ROM starts the program it was given (`ram` from 0x80000000 on);
        for a real processor core; the answer True means that it runs there and the stub is not
        imitated
    on_reboot() : the stub was told to reboot
    on_baud(rate) : the host changes the line's speed
    """

    def __init__(
        self,
        nor: NorFlash,
        *,
        clock=None,
        on_boot: Callable[[int, bytes], bool] | None = None,
        on_reboot: Callable[[], None] | None = None,
        on_baud: Callable[[int], None] | None = None,
    ):
        self.nor, self.clock = nor, clock
        self._on_boot, self._on_reboot, self._on_baud = on_boot, on_reboot, on_baud
        self.enter()

    def enter(self) -> None:
        """Reset into the ROM's ISP mode."""
        self.stage = "rom"
        self.ram = bytearray()
        self._decoder = slip.Decoder()
        self._initialised = False
        self._busy_until_ns = 0

    def feed(self, data: bytes) -> bytes:
        """Take bytes from the host; returns the bytes of the answers, which may be none."""
        answers = []
        for payload in self._decoder.feed(data):
            answer = self._rom(payload) if self.stage == "rom" else self._stub(payload)
            if answer is not None:
                answers.append(slip.encode(bytes(answer)))
        return b"".join(answers)

    @property
    def busy(self) -> bool:
        """A background erase is going on."""
        return self.busy_ns > 0

    @property
    def busy_ns(self) -> int:
        """Virtual time until a background erase is done, 0 when there is none."""
        return 0 if self.clock is None else max(0, self._busy_until_ns - self.clock.now_ns)

    # -- the boot ROM ----------------------------------------------------------------------------

    def _rom(self, payload: bytes):
        opcode = payload[0]
        if opcode == GREETING:
            return opcode, OK  # thirteen bytes; the ROM does not look at them
        if opcode == ROM_BAUD:
            self._change_baud(payload)
            return None  # an answer would come at the new speed, out of step
        if len(payload) < Packet.SIZE:
            return None
        packet = Packet.parse(payload)
        data = payload[Packet.SIZE :]
        if opcode == BOOT:
            # kflash sends this one request with a fixed checksum; nothing is answered.
            ran = self._on_boot is not None and self._on_boot(packet.address, bytes(self.ram))
            self.stage = "program" if ran else "stub"
            return None
        if zlib.crc32(payload[8:]) != packet.checksum:
            return opcode, BAD_CHECKSUM
        if opcode == MEMORY_WRITE:
            return opcode, self._store(packet, data)
        # Echo and memory read exist in the ROM, but no public tool shows their form.
        return opcode, INVALID_COMMAND

    def _store(self, packet: Packet, data: bytes) -> int:
        start, end = packet.address, packet.address + packet.length
        if packet.length != len(data) or packet.length > MAX_ROM_DATA:
            return BAD_LENGTH
        if not RAM_START <= start <= end <= RAM_END:
            return BAD_LENGTH  # a guess: the ROM's own checks of the address are not known
        if len(self.ram) < end - RAM_START:
            self.ram.extend(bytes(end - RAM_START - len(self.ram)))
        self.ram[start - RAM_START : end - RAM_START] = data
        return OK

    def _change_baud(self, payload: bytes) -> None:
        if len(payload) >= Packet.SIZE + 4 and self._on_baud is not None:
            self._on_baud(int.from_bytes(payload[Packet.SIZE : Packet.SIZE + 4], "little"))

    # -- the flash stub --------------------------------------------------------------------------

    def _stub(self, payload: bytes):
        if self.stage != "stub":
            return None
        if len(payload) > MAX_STUB_PACKET:
            return STUB_GREETING, BAD_LENGTH
        opcode = payload[0]
        if opcode == STUB_GREETING:
            return opcode, OK
        if opcode == STATUS:
            return opcode, BUSY if self.busy else OK
        if opcode == REBOOT:
            if self.busy:
                return opcode, BUSY
            self.stage = "gone"
            if self._on_reboot is not None:
                self._on_reboot()
            return opcode, OK
        if len(payload) < Packet.SIZE:
            return None
        packet = Packet.parse(payload)
        data = payload[Packet.SIZE :]
        if zlib.crc32(payload[8:]) != packet.checksum:
            return opcode, BAD_CHECKSUM
        if opcode == BAUD:
            if packet.length != 4 or len(data) < 4:
                return opcode, BAD_LENGTH
            self._change_baud(payload)
            return None  # the real stub answers at the new speed, which the host cannot read yet
        if opcode == INIT:
            return opcode, self._init(packet.address)
        if opcode in (ERASE, WRITE, ERASE_START):
            return opcode, self._flash_command(opcode, packet, data)
        return opcode, DEFAULT

    def _init(self, chip: int) -> int:
        if self.busy:
            return BUSY
        if chip > 1:
            return INVALID_COMMAND
        if chip == 0:
            return BAD_INITIALIZATION  # a guess: there is no flash inside the package here
        self._initialised = True
        return OK

    def _flash_command(self, opcode: int, packet: Packet, data: bytes) -> int:
        if not self._initialised:
            return INVALID_COMMAND
        if self.busy:
            return BUSY
        with self.nor.untimed():
            if opcode == WRITE:
                return self._write(packet, data)
            return self._erase(packet, background=opcode == ERASE_START)

    def _write(self, packet: Packet, data: bytes) -> int:
        if packet.length != len(data):
            return BAD_LENGTH
        if packet.address + packet.length > SIZE:
            return BAD_WRITE  # a guess: what the stub does past the chip's end is not known
        at = 0
        while at < len(data):
            start = packet.address + at
            block = start - start % BLOCK64
            n = min(len(data) - at, block + BLOCK64 - start)
            whole = bytearray(self.nor.read(block, BLOCK64))
            whole[start - block : start - block + n] = data[at : at + n]
            self.nor.erase_unit(block, BLOCK64)
            self.nor.program(block, whole)
            at += n
        return OK

    def _erase(self, packet: Packet, *, background: bool) -> int:
        start, length = packet.address, packet.length
        if (start, length) == (0, 0):
            length = SIZE
        elif start % SECTOR or length % SECTOR or not SECTOR <= length <= MAX_ERASE:
            return BAD_LENGTH
        # The tool allows up to 64 MiB; this chip ends earlier, and its addresses do not wrap
        # (a guess).
        end = min(start + length, SIZE)
        if start < end:
            self.nor.erase(start, end - start)
        if background and self.clock is not None:
            self._busy_until_ns = self.clock.now_ns + erase_time_ns(start, end)
        return OK


def erase_time_ns(start: int, end: int) -> int:
    """How long erasing a sector-aligned range takes with the largest units that fit."""
    total = 0
    while start < end:
        unit = next(
            u for u in (SIZE, BLOCK64, BLOCK32, SECTOR) if start % u == 0 and end - start >= u
        )
        total += ERASE_NS[unit]
        start += unit
    return total
