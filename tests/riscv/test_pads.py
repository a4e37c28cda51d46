"""Pads, GPIO and the LCD's wires, programmed as a firmware does."""

from __future__ import annotations

import numpy as np
import pytest

from k210sim.devices.timer import ENABLE, MASKED, PWM, USER_MODE
from k210sim.errors import NotSimulated
from k210sim.lcd.panel import STICK, Panel
from k210sim.pins import (
    IN_ENABLE,
    IN_INVERTED,
    OUT_ENABLE,
    OUT_ENABLE_INVERTED,
    OUT_INVERTED,
    OUT_TELLS_ENABLE,
    STRAIGHT,
)
from tests.riscv.conftest import Registers

FPIOA, GPIOHS, GPIO, SPI0 = 0x502B0000, 0x38001000, 0x50200000, 0x52000000
TIMER0, TIMER0_TOGGLE1 = 0x502D0000, 190
INPUT_VAL, OUTPUT_EN, OUTPUT_VAL, RISE_IE, RISE_IP, FALL_IE, LOW_IE, LOW_IP = (
    0x00, 0x08, 0x0C, 0x18, 0x1C, 0x20, 0x30, 0x34,
)  # fmt: skip
FUNC_GPIOHS0, FUNC_GPIO0 = STRAIGHT + 24, STRAIGHT + 56  # input and output enabled


@pytest.fixture
def chip(rig):
    return Registers(rig("hello").machine)


def test_a_pin_reads_what_drives_its_pad(chip):
    chip[FPIOA + 4 * 10] = FUNC_GPIOHS0 + 5
    assert chip[GPIOHS + INPUT_VAL] == 0
    chip[FPIOA + 4 * 10] = FUNC_GPIOHS0 + 5 | 1 << 16  # pulled up
    assert chip[GPIOHS + INPUT_VAL] == 1 << 5
    chip.pins.drive(10, 0)
    assert chip[GPIOHS + INPUT_VAL] == 0
    chip[GPIOHS + OUTPUT_VAL] = 1 << 5
    chip[GPIOHS + OUTPUT_EN] = 1 << 5
    assert chip[GPIOHS + INPUT_VAL] == 1 << 5 and chip.pins.level(10) == 1
    chip.pins.drive(10, None)
    chip[FPIOA + 4 * 10] = FUNC_GPIOHS0 + 5
    chip[GPIOHS + OUTPUT_EN] = 0  # let go of, it keeps its charge
    assert chip[GPIOHS + INPUT_VAL] == 1 << 5
    chip[FPIOA + 4 * 10] = FUNC_GPIOHS0 + 5 | 1 << 17  # pulled down
    assert chip[GPIOHS + INPUT_VAL] == 0
    chip[FPIOA + 4 * 16] = FUNC_GPIO0 + 3
    assert chip[GPIO + 0x50] == 1 << 3  # the boot key is not pressed
    chip.pins.drive(16, 0)
    assert chip[GPIO + 0x50] == 0


def test_gpiohs_edges_and_levels_interrupt(chip):
    chip[FPIOA + 4 * 10] = FUNC_GPIOHS0 + 5
    chip.pins.drive(10, 0)
    chip[GPIOHS + RISE_IE] = 1 << 5
    chip[GPIOHS + RISE_IP] = 0xFFFFFFFF
    assert not chip.pending(34 + 5)
    chip.pins.drive(10, 1)
    assert chip[GPIOHS + RISE_IP] == 1 << 5 and chip.pending(34 + 5)
    chip[GPIOHS + RISE_IP] = 1 << 5
    assert not chip.pending(34 + 5)
    chip.pins.drive(10, 0)
    assert not chip.pending(34 + 5)  # a falling edge, and nobody asked for those
    chip[GPIOHS + FALL_IE] = 1 << 5
    assert chip.pending(34 + 5)  # it was noted all the same
    chip[GPIOHS + FALL_IE] = chip[GPIOHS + RISE_IE] = 0
    chip[GPIOHS + LOW_IE] = 1 << 5
    chip[GPIOHS + LOW_IP] = 1 << 5
    assert chip.pending(34 + 5)  # still low: pending again at once
    chip.pins.drive(10, 1)
    chip[GPIOHS + LOW_IP] = 1 << 5
    assert not chip.pending(34 + 5)


def test_gpio_interrupts_by_edge_and_by_level(chip):
    enable, level, polarity, status, clear, both = (GPIO + n for n in (0x30, 0x38, 0x3C, 0x40,
                                                                       0x4C, 0x68))  # fmt: skip
    chip[FPIOA + 4 * 11] = FUNC_GPIO0 + 2
    chip[level] = chip[polarity] = chip[enable] = 4
    assert not chip.pending(23)
    chip.pins.drive(11, 1)
    assert chip[status] == 4 and chip.pending(23)
    chip[clear] = 4
    chip.pins.drive(11, 0)
    assert chip[status] == 0
    chip[both] = 4
    chip.pins.drive(11, 1)
    chip.pins.drive(11, 0)
    assert chip.pending(23)
    chip[clear] = 4
    chip[level] = 0  # while it is high
    assert not chip.pending(23)
    chip.pins.drive(11, 1)
    assert chip.pending(23)
    chip[GPIO + 0x34] = 4  # masked
    assert not chip.pending(23) and chip[GPIO + 0x44] == 4


def lcd_registers(rig, kind=None) -> tuple[Registers, Panel]:
    panel = Panel(kind) if kind else Panel()
    chip = Registers(rig("hello", panel=lambda clock: panel).machine)
    for pad, function in (
        (panel.kind.data_pad, FUNC_GPIOHS0 + 2), (panel.kind.reset_pad, FUNC_GPIOHS0 + 3),
        (panel.kind.select_pad, 15),
    ):  # fmt: skip
        chip[FPIOA + 4 * pad] = function
    chip[GPIOHS + OUTPUT_VAL] = 0xC
    chip[GPIOHS + OUTPUT_EN] = 0xC
    return chip, panel


def send(chip: Registers, data: int, *frames: int, bits: int = 8, octal: bool = True) -> None:
    chip[GPIOHS + OUTPUT_VAL] = data << 2 | 8
    chip[SPI0] = (3 if octal else 0) << 21 | bits - 1 << 16 | 1 << 8
    chip[SPI0 + 0xF4] = bits // 4 << 2 if octal else 0
    chip[SPI0 + 8] = 1
    chip[SPI0 + 0x10] = 8
    for frame in frames:
        chip[SPI0 + 0x60] = frame
    chip[SPI0 + 0x10] = chip[SPI0 + 8] = 0


def test_panels_hear_their_own_lines_and_chip_select_only(rig):
    chip, panel = lcd_registers(rig)
    send(chip, 0, 0x11, octal=False)
    assert panel.asleep
    chip[FPIOA + 4 * 36] = 12  # SPI0_SS0, which nobody sets
    send(chip, 0, 0x11)
    assert panel.asleep
    chip[FPIOA + 4 * 36] = 15
    send(chip, 0, 0x11)
    assert not panel.asleep
    chip[GPIOHS + OUTPUT_VAL] = 0  # reset
    assert panel.asleep
    stick, panel = lcd_registers(rig, STICK)
    send(stick, 0, 0x11)
    assert panel.asleep
    send(stick, 0, 0x11, octal=False)
    assert not panel.asleep


def test_pixels_may_be_cut_anywhere_and_go_on(rig):
    chip, panel = lcd_registers(rig)
    send(chip, 0, 0x3A)
    send(chip, 1, 0x55)
    send(chip, 0, 0x2C)
    send(chip, 1, 0x12, 0x34, 0x56)
    send(chip, 1, 0x789A, bits=16)
    send(chip, 1, 0xBC)
    send(chip, 0, 0x3C)
    send(chip, 1, 0xDEF00102, bits=32)
    assert [hex(v) for v in np.ravel(panel.memory)[:5]] == [
        "0x1234", "0x5678", "0x9abc", "0xdef0", "0x102",
    ]  # fmt: skip
    send(chip, 0, 0x3A)
    with pytest.raises(NotSimulated, match="pixel format 0x62"):
        send(chip, 1, 0x62)


@pytest.mark.parametrize(
    "chosen,frames,bits,expected",
    [
        (None, (0xFC, 0x80, 0x04), 8, [0xFC00]),  # 18 bits after a reset
        (0x66, (0x04FC80, 0xFF0408), 24, [0x07F0, 0xF821]),
        (0x77, (0xFF00FF08,), 32, [0xF81F]),
        (0x53, (0xF0, 0x80, 0xF1), 8, [0xF811, 0x07E2, 0]),
        (0x53, (0xF080,), 16, [0xF811, 0]),  # the second has no end
    ],
)
def test_pixels_of_other_widths(rig, chosen, frames, bits, expected):
    chip, panel = lcd_registers(rig)
    if chosen is not None:
        send(chip, 0, 0x3A)
        send(chip, 1, chosen)
    send(chip, 0, 0x2C)
    send(chip, 1, *frames, bits=bits)
    send(chip, 0, 0x00)
    got = [int(v) for v in np.ravel(panel.memory)[: len(expected)]]
    assert got == expected


def test_a_pad_may_be_inverted_switched_off_or_tied(chip):
    pad, pin = FPIOA + 4 * 10, 1 << 5
    chip[pad] = FUNC_GPIOHS0 + 5 | OUT_INVERTED
    chip[GPIOHS + OUTPUT_EN] = pin
    assert chip.pins.level(10) == 1 and chip[GPIOHS + INPUT_VAL] == pin and chip[pad] >> 31
    chip[GPIOHS + OUTPUT_VAL] = pin
    assert chip.pins.level(10) == 0 and not chip[pad] >> 31
    chip[pad] = FUNC_GPIOHS0 + 5 | IN_INVERTED
    assert chip.pins.level(10) == 1 and chip[GPIOHS + INPUT_VAL] == 0
    chip[pad] = (FUNC_GPIOHS0 + 5) & ~OUT_ENABLE | 1 << 17  # off, and pulled down
    assert chip.pins.level(10) == 0 and chip[GPIOHS + INPUT_VAL] == 0
    chip[pad] = FUNC_GPIOHS0 + 5 | OUT_TELLS_ENABLE | OUT_ENABLE_INVERTED | 1 << 17
    assert chip.pins.level(10) == 0
    chip[GPIOHS + OUTPUT_EN] = 0  # an open drain upside down: driven while not enabled
    chip.pins.drive(10, 1)
    assert chip.pins.level(10) == 0
    chip[pad] = (FUNC_GPIOHS0 + 5) & ~IN_ENABLE
    assert chip.pins.level(10) == 1 and chip[GPIOHS + INPUT_VAL] == 0
    chip[FPIOA + 0xC0], chip[FPIOA + 0xE0] = 1 << 24 + 5, 1 << 24 + 5
    assert chip[GPIOHS + INPUT_VAL] == pin
    chip[FPIOA + 0xE0] = 0
    assert chip[GPIOHS + INPUT_VAL] == 0


def test_pwm_reaches_its_pad_and_costs_nothing_while_nobody_looks(chip):
    timer, clock = TIMER0 + 0x14, chip.machine.clock
    chip[FPIOA + 4 * 17] = STRAIGHT + TIMER0_TOGGLE1 + 1
    chip[timer], chip[TIMER0 + 0xB4] = 10, 3  # of 13 MHz: a period of 1 us
    assert chip.pins.level(17) == 0
    chip[timer + 8] = ENABLE | USER_MODE | MASKED | PWM
    assert clock.next_alarm_ns() is None
    seen = []
    for _ in range(130):
        seen.append(chip.pins.level(17))
        clock.advance_ns(1_000_000_000 // 13_000_000 + 1)  # 77 ns, a little more than a count
    assert seen[:10] == [0] * 10 and seen[10:13] == [1] * 3 and abs(sum(seen) - 30) <= 1
    assert chip[TIMER0 + 0xA8] == 2 and not chip[TIMER0 + 0xA0]
    assert 1 <= chip[timer + 4] <= 10
    chip[TIMER0 + 0xB4] = 30
    clock.advance_ns(20 * 77)
    assert chip.pins.level(17) == 1
    assert chip[timer + 0x0C] == 0 and chip[TIMER0 + 0xA8] == 0  # acknowledged
    chip[timer + 8] = ENABLE | USER_MODE | PWM
    clock.advance_ns(30 * 77)
    assert chip.pending(14) and chip[TIMER0 + 0xA0] == 2
    chip[timer + 8] = 0
    assert chip.pins.level(17) == 0 and clock.next_alarm_ns() is None
