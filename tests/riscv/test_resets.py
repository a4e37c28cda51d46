"""What resets the chip or one device of it, programmed as a firmware does."""

from __future__ import annotations

import pytest

from tests.riscv.conftest import Registers

SYSCTL, WDT0, TIMER1, I2C0 = 0x50440000, 0x50400000, 0x502E0000, 0x50280000
SOFT_RESET, PERI_RESET, RESET_STATUS = SYSCTL + 0x30, SYSCTL + 0x34, SYSCTL + 0x60
PIN, SOFTWARE = 1 << 1, 1 << 4


@pytest.fixture
def chip(rig):
    return Registers(rig("hello").machine)


def turn(chip) -> None:
    assert chip.machine.step()


def test_the_cause_of_a_reset_is_kept_until_it_is_cleared(chip):
    assert chip[RESET_STATUS] == PIN
    chip[SOFT_RESET] = 1
    turn(chip)
    assert chip[RESET_STATUS] == SOFTWARE
    chip[RESET_STATUS] = 1
    assert chip[RESET_STATUS] == 0


@pytest.mark.parametrize("number", [0, 1])
def test_a_watchdog_that_runs_out_resets_the_chip(chip, number):
    chip[WDT0 + 0x10000 * number] = 1  # 2**16 counts, no interrupt first
    chip[TIMER1] = 1000
    while chip[RESET_STATUS] == PIN:
        turn(chip)
    assert chip[RESET_STATUS] == 1 << 2 + number and chip[TIMER1] == 0
    assert chip.machine.clock.now_ns >= (1 << 16) * 1_000_000_000 // 13_000_000


def test_a_device_is_reset_by_its_bit_alone(chip):
    chip[TIMER1] = chip[TIMER1 + 0x10000] = 1000
    chip[PERI_RESET] = 1 << 22
    assert (chip[TIMER1], chip[TIMER1 + 0x10000]) == (0, 1000)
    chip[TIMER1] = 5  # a bit that stays set does nothing more
    chip[PERI_RESET] = 1 << 22 | 1 << 23
    assert (chip[TIMER1], chip[TIMER1 + 0x10000]) == (5, 0)


def test_an_i2c_controller_is_active_until_nobody_has_answered(chip):
    """A driver that waits for the end looks whether it was aborted while the line is active."""
    chip[I2C0 + 0x04] = 0x24
    chip[I2C0 + 0x14] = chip[I2C0 + 0x18] = 50
    chip[I2C0 + 0x6C] = 1
    for byte in b"abc":
        chip[I2C0 + 0x10] = byte
    assert chip[I2C0 + 0x70] & 1 and chip[I2C0 + 0x80] == 1
    assert chip[I2C0 + 0x70] & 5 == 4
