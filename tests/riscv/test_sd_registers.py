"""The SD card in SPI mode, as a driver talks to it."""

from __future__ import annotations

import binascii

import pytest

from k210sim.devices.spi_sd import crc7, crc16
from k210sim.errors import HostError
from k210sim.pins import STRAIGHT
from tests.riscv.conftest import Registers

FPIOA, GPIOHS, SPI1 = 0x502B0000, 0x38001000, 0x53000000
BLOCK = 512


class Slot:
    """A socket with a card of blocks that tell their numbers."""

    def __init__(self, count: int = 4096):
        self.blocks = {}
        self.block_count, self.inserted, self.changes, self.serial = count, True, 1, 0x01020304

    def read_block(self, n: int) -> bytes:
        if n == 666:
            raise HostError("bad block")
        return self.blocks.get(n, n.to_bytes(4, "little") * (BLOCK // 4))

    def write_block(self, n: int, data: bytes) -> None:
        if n == 666:
            raise HostError("bad block")
        self.blocks[n] = bytes(data)


class Driver:
    """A driver as the firmware's: chip select on GPIOHS 7, bytes through SPI1."""

    def __init__(self, rig, slot: Slot):
        self.slot = slot
        self.machine = rig("hello", card=lambda clock: slot).machine
        self.chip = Registers(self.machine)
        self.machine.chip.poll()
        self.chip[FPIOA + 4 * 29] = STRAIGHT + 24 + 7
        self.chip[GPIOHS + 0x08] = 1 << 7
        self.select(False)
        self.chip[SPI1 + 0x14] = 2

    def select(self, low: bool) -> None:
        self.chip[GPIOHS + 0x0C] = 0 if low else 1 << 7

    def swap(self, data: bytes) -> bytes:
        chip = self.chip
        chip[SPI1], chip[SPI1 + 8] = 7 << 16, 1
        chip[SPI1 + 0x10] = 2
        for byte in data:
            chip[SPI1 + 0x60] = byte
        got = bytes(chip[SPI1 + 0x60] for _ in range(chip[SPI1 + 0x24]))
        chip[SPI1 + 0x10] = chip[SPI1 + 8] = 0
        return got

    def get(self, count: int) -> bytes:
        """As the firmware reads: the controller in receive mode."""
        chip = self.chip
        chip[SPI1], chip[SPI1 + 4], chip[SPI1 + 8] = 2 << 8 | 7 << 16, count - 1, 1
        chip[SPI1 + 0x60] = 0xFFFFFFFF
        chip[SPI1 + 0x10] = 2
        got = bytes(chip[SPI1 + 0x60] for _ in range(chip[SPI1 + 0x24]))
        chip[SPI1 + 0x10] = chip[SPI1 + 8] = 0
        return got

    def wait(self, most: int = 20) -> int:
        for _ in range(most):
            byte = self.get(1)[0]
            if byte != 0xFF:
                return byte
        return 0xFF

    def command(self, number: int, argument: int = 0, more: int = 0, end: bool = True):
        self.select(True)
        frame = bytes([0x40 | number]) + argument.to_bytes(4, "big")
        self.swap(frame + bytes([crc7(frame)]))
        answer = self.wait()
        rest = self.get(more) if more else b""
        if end:
            self.select(False)
            self.swap(b"\xff")
        return (answer, rest) if more else answer

    def start(self) -> None:
        assert self.command(0) == 1
        assert self.command(8, 0x1AA, more=4) == (1, b"\0\0\x01\xaa")
        answers = []
        while answers[-1:] != [0]:
            assert self.command(55) == 1
            answers.append(self.command(41, 1 << 30))
        assert answers == [1, 0]


@pytest.fixture
def driver(rig):
    return Driver(rig, Slot())


def test_checksums():
    assert crc7(b"\x40\0\0\0\0") == 0x95 and crc7(b"\x48\0\0\x01\xaa") == 0x87
    assert crc16(b"\xff" * 512) == b"\x7f\xa1"


def test_a_card_comes_up_as_one_of_high_capacity(driver):
    assert driver.command(17, 5) == 0xFF  # not in SPI mode yet
    assert driver.command(0) == 1
    assert driver.command(17, 5) == 5  # illegal while it is idle
    driver.start()
    assert driver.command(58, more=4) == (0, b"\xc0\xff\x80\0")
    assert driver.command(59) == driver.command(16, 512) == 0
    assert driver.command(16, 1024) == 0x40
    assert driver.command(38) == 4
    assert driver.command(13, more=1) == (0, b"\0")


def register(driver: Driver, number: int) -> bytes:
    assert driver.command(number, end=False) == 0
    assert driver.wait() == 0xFE
    got = driver.get(18)
    driver.select(False)
    assert binascii.crc_hqx(got, 0) == 0 and crc7(got[:15]) == got[15]
    return got[:16]


def test_registers(driver):
    driver.start()
    csd, cid = register(driver, 9), register(driver, 10)
    assert csd[0] >> 6 == 1  # version 2
    assert (int.from_bytes(csd[7:10], "big") & 0x3FFFFF) + 1 == 4096 // 1024
    assert cid[9:13] == b"\x01\x02\x03\x04"


def test_blocks_are_read(driver):
    driver.start()
    assert driver.command(17, 5, end=False) == 0 and driver.wait() == 0xFE
    got = driver.get(BLOCK + 2)
    assert got[:BLOCK] == (5).to_bytes(4, "little") * 128 and binascii.crc_hqx(got, 0) == 0
    driver.select(False)
    assert driver.command(17, 4096) == 0x20
    assert driver.command(17, 666, end=False) == 0 and driver.wait() == 0x08
    driver.select(False)
    assert driver.command(18, 4094, end=False) == 0
    for n in (4094, 4095):
        assert driver.wait() == 0xFE
        assert driver.get(BLOCK + 2)[:4] == n.to_bytes(4, "little")
    assert driver.wait() == 0x08  # there is no block 4096
    driver.select(False)
    assert driver.command(18, 7, end=False) == 0 and driver.wait() == 0xFE
    driver.get(100)
    assert driver.command(12) == 0
    assert driver.get(8) == b"\xff" * 8


def block_out(driver: Driver, token: int, data: bytes, crc: bytes = b"\xff\xff") -> int:
    driver.swap(bytes([0xFF, token]))
    driver.swap(data)
    driver.swap(crc)
    answer = driver.get(1)[0] & 0x1F
    while driver.get(1) == b"\0":
        pass
    return answer


def test_blocks_are_written(driver):
    driver.start()
    data = bytes(range(256)) * 2
    assert driver.command(24, 9, end=False) == 0
    assert block_out(driver, 0xFE, data) == 5
    driver.select(False)
    assert driver.slot.blocks == {9: data}
    assert driver.command(55) == 0 and driver.command(23, 2) == 0
    assert driver.command(25, 100, end=False) == 0
    assert block_out(driver, 0xFC, data) == block_out(driver, 0xFC, data[::-1]) == 5
    driver.swap(b"\xfd")
    driver.select(False)
    assert driver.slot.blocks == {9: data, 100: data, 101: data[::-1]}
    assert driver.command(24, 666, end=False) == 0 and block_out(driver, 0xFE, data) == 0x0D
    driver.select(False)
    assert driver.command(59, 1) == 0  # from now on sums count
    assert driver.command(24, 3, end=False) == 0
    assert block_out(driver, 0xFE, data) == 0x0B and 3 not in driver.slot.blocks
    driver.select(False)
    assert driver.command(24, 3, end=False) == 0
    assert block_out(driver, 0xFE, data, crc16(data)) == 5 and driver.slot.blocks[3] == data


def test_another_card_has_to_be_started_and_none_reads_as_ones(driver):
    driver.start()
    driver.slot.changes += 1
    assert driver.command(17, 5) == 0xFF
    driver.start()
    assert driver.command(13, more=1) == (0, b"\0")
    driver.slot.inserted = False
    driver.machine.chip.poll()
    assert driver.command(0) == 0xFF
    driver.slot.inserted, driver.slot.changes = True, 3
    driver.machine.chip.poll()
    driver.start()


def test_nothing_is_heard_without_its_chip_select(driver):
    frame = b"\x40\0\0\0\0\x95"
    driver.swap(frame)
    assert driver.get(4) == b"\xff" * 4
    driver.select(True)
    driver.swap(frame[:3])
    driver.select(False)
    driver.select(True)
    driver.swap(frame[3:])  # half a command that was begun before
    assert driver.wait() == 0xFF
