"""Jumper wires between pads: levels, UARTs, and an I2C controller that answers another one."""

from __future__ import annotations

import pytest

from k210sim import Board
from k210sim.errors import ConfigError
from k210sim.pins import PULL_UP, STRAIGHT, Pins
from tests.riscv.conftest import Registers

FPIOA, GPIOHS, UART1, UART2 = 0x502B0000, 0x38001000, 0x50210000, 0x50220000
MASTER, SLAVE = 0x50280000, 0x50290000
CON, TAR, SAR, DATA, HIGH, LOW, STAT, MASK, RAW = (
    0x00, 0x04, 0x08, 0x10, 0x14, 0x18, 0x2C, 0x30, 0x34,
)  # fmt: skip
CLEAR_REQUEST, CLEAR_DONE, CLEAR_STOP, CLEAR_START, ENABLE, STATUS, RXFLR, ABORT = (
    0x50, 0x58, 0x60, 0x64, 0x6C, 0x70, 0x78, 0x80,
)  # fmt: skip
RECEIVED, REQUEST, DONE, STOP, START = 0x004, 0x020, 0x080, 0x200, 0x400
SOURCE_I2C1 = 9


@pytest.fixture
def chip(rig):
    return Registers(rig("hello").machine)


def give(chip: Registers, pads: dict[int, int]) -> None:
    for pad, function in pads.items():
        chip[FPIOA + 4 * pad] = STRAIGHT + function


def test_a_level_goes_over_wires():
    pins = Pins()
    pins.wire(10, 11)
    pins.wire(11, 12)
    assert [pins.joined(pad) for pad in (10, 12, 13)] == [[11, 12], [11, 10], []]
    pins.drive(12, 1)
    assert pins.level(10) == 1
    pins.drive(12, None)
    assert pins.level(10) == 0
    pins.connect(11, 0, PULL_UP)
    assert [pins.level(pad) for pad in (10, 11, 12)] == [1, 1, 1]
    for ends in ((1, 48), (-1, 0), (5, 5)):
        with pytest.raises(ValueError, match="pad"):
            pins.wire(*ends)


def test_an_output_is_read_at_the_other_end(chip):
    chip.pins.wire(20, 22)
    give(chip, {20: 24 + 5, 22: 24 + 6})
    chip[GPIOHS + 0x18] = 1 << 6  # rising edges of the input
    chip[GPIOHS + 0x1C] = 0xFFFFFFFF
    chip[GPIOHS + 0x08] = chip[GPIOHS + 0x0C] = 1 << 5
    assert chip[GPIOHS] == 1 << 5 | 1 << 6 and chip.pending(34 + 6)
    chip[GPIOHS + 0x0C] = 0
    assert chip[GPIOHS] == 0


def test_a_uart_hears_the_one_at_the_other_end(chip):
    chip.pins.wire(30, 31)
    give(chip, {30: 65, 31: 66})  # UART1's output, UART2's input
    for byte in bytes(range(20)):
        chip[UART1] = byte
    assert chip[UART2 + 0x84] == 16  # the FIFO; the rest waits on the line
    assert bytes(chip[UART2] for _ in range(20)) == bytes(range(20))
    assert not chip[UART2 + 0x14] & 1
    chip[FPIOA + 4 * 31] = STRAIGHT + 68
    chip[UART1] = 1
    assert not chip[UART2 + 0x14] & 1


def talk(chip: Registers, address: int = 0x24) -> None:
    """I2C0 as a master of I2C1, which has that address."""
    chip.pins.wire(10, 12)
    chip.pins.wire(11, 13)
    give(chip, {10: 126, 11: 127, 12: 128, 13: 129})
    chip[SLAVE + CON], chip[SLAVE + SAR] = 2, address
    chip[SLAVE + MASK] = RECEIVED | REQUEST | STOP | START
    chip[MASTER + CON], chip[MASTER + TAR] = 0x63, 0x24
    chip[MASTER + HIGH] = chip[MASTER + LOW] = 100
    chip[SLAVE + ENABLE] = chip[MASTER + ENABLE] = 1


def test_a_slave_receives(chip):
    talk(chip)
    for byte in (0x11, 0x22):
        chip[MASTER + DATA] = byte
    assert chip[MASTER + STATUS] & 1
    assert chip[SLAVE + STAT] == START | RECEIVED and chip.pending(SOURCE_I2C1)
    assert chip[SLAVE + DATA] == 0x11 and chip[SLAVE + CLEAR_START] == 0
    assert chip[SLAVE + STAT] == 0 and not chip.pending(SOURCE_I2C1)
    while chip[MASTER + STATUS] & 1:
        pass
    assert chip[SLAVE + STAT] == STOP | RECEIVED and chip[SLAVE + DATA] == 0x22
    assert chip[MASTER + ABORT] == 0


def test_a_slave_holds_the_clock_until_it_answers(chip):
    talk(chip)
    for _ in range(2):
        chip[MASTER + DATA] = 0x100
    assert chip[MASTER + STATUS] & 1 and chip[SLAVE + STAT] == START | REQUEST
    chip.machine.clock.advance_ns(1_000_000_000)
    assert chip[MASTER + STATUS] & 1 and chip[MASTER + RXFLR] == 0
    chip[SLAVE + DATA], chip[SLAVE + CLEAR_REQUEST]
    for byte in (0x77, 0x78):
        chip[SLAVE + DATA] = byte
        chip[SLAVE + CLEAR_REQUEST], chip[MASTER + STATUS]
    while chip[MASTER + STATUS] & 1:
        pass
    assert [chip[MASTER + DATA] for _ in range(2)] == [0x77, 0x78]
    assert chip[SLAVE + RAW] & (STOP | DONE) == STOP | DONE
    chip[SLAVE + CLEAR_DONE], chip[SLAVE + CLEAR_STOP]
    assert not chip[SLAVE + RAW] & (STOP | DONE)


@pytest.mark.parametrize("why", ["address", "wire", "off", "master"])
def test_who_is_no_slave_on_the_bus_does_not_answer(chip, why):
    talk(chip, 0x25 if why == "address" else 0x24)
    if why == "wire":
        chip.pins.wires.pop()
    if why == "off":
        chip[SLAVE + ENABLE] = 0
    if why == "master":
        chip[SLAVE + CON] = 0x63
    chip[MASTER + DATA] = 1
    while chip[MASTER + STATUS] & 1:
        pass
    assert chip[MASTER + ABORT] == 1 and chip[SLAVE + STAT] == 0


@pytest.mark.parametrize("wires", [[(1, 48)], [(3, 3)], [5], [(1, 2, 3)], [("1", 2)], ["12"]])
def test_a_wire_between_no_pads_is_refused(wires):
    with pytest.raises(ConfigError, match="wire .*expected two pads"):
        Board(wires=wires)


def test_the_built_in_engine_s_pins_are_wired():
    with Board(wires=[(20, 22)]) as board:
        result = board.exec(
            "from Maix import GPIO\nfrom fpioa_manager import fm\n"
            "fm.register(20, fm.fpioa.GPIOHS0); fm.register(22, fm.fpioa.GPIOHS1)\n"
            "o = GPIO(GPIO.GPIOHS0, GPIO.OUT); i = GPIO(GPIO.GPIOHS1, GPIO.IN)\n"
            "for level in (1, 0, 1): o.value(level); print(i.value())\n")
    assert result.stdout == "1\n0\n1\n"
