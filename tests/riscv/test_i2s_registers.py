"""I2S by hand and with interrupts, programmed as a driver without DMA does."""

from __future__ import annotations

import pytest

from tests.riscv.conftest import Registers

I2S1, SOURCE, SYSCTL = 0x50260000, 6, 0x50440000
IER, IRER, ITER, CCR = 0x00, 0x04, 0x08, 0x10
LEFT, RIGHT, RER, TER, ISR, IMR, RFCR, TFCR = 0x20, 0x24, 0x28, 0x2C, 0x38, 0x3C, 0x48, 0x4C
CHANNEL2 = 0x80
FRAME_NS = 2 * 32 * 1_000_000_000 // 13_000_000  # PLL2 is the crystal, halved
ONLY_DATA, ONLY_ROOM = 0x32, 0x23


@pytest.fixture
def chip(rig):
    chip = Registers(rig("hello").machine)
    chip[I2S1 + CCR] = 2 << 3  # 32 clocks a word
    chip[I2S1 + IER] = 1
    return chip


def test_by_hand_the_fifos_are_always_ready(chip):
    assert chip[I2S1 + IMR] == 0x33 and chip[I2S1 + ISR] == 0x11 and not chip.pending(SOURCE)


def test_frames_that_have_come_interrupt(chip):
    clock, channel = chip.machine.clock, I2S1 + CHANNEL2
    chip[channel + RFCR] = 3
    chip[channel + IMR] = ONLY_DATA
    chip[I2S1 + IRER] = chip[channel + RER] = 1
    clock.advance_ns(3 * FRAME_NS)
    assert not chip.pending(SOURCE) and chip[channel + ISR] == 0
    clock.advance_ns(FRAME_NS)
    assert chip.pending(SOURCE) and chip[channel + ISR] == 1
    assert (chip[channel + LEFT], chip[channel + RIGHT]) == (0, 0)
    assert not chip.pending(SOURCE)
    clock.advance_ns(100 * FRAME_NS)  # the FIFO holds sixteen of them
    for left in range(16, 0, -1):
        assert chip.pending(SOURCE) == (left > 3), left
        chip[channel + LEFT], chip[channel + RIGHT]
    chip[channel + IMR] = 0x33
    clock.advance_ns(100 * FRAME_NS)
    assert not chip.pending(SOURCE)


def test_a_fifo_that_runs_dry_interrupts(chip):
    clock, channel = chip.machine.clock, I2S1 + CHANNEL2
    chip[channel + TFCR] = 2
    chip[I2S1 + ITER] = chip[channel + TER] = 1
    assert not chip.pending(SOURCE)
    chip[channel + IMR] = ONLY_ROOM
    assert chip.pending(SOURCE) and chip[channel + ISR] == 0x10
    for _ in range(8):
        chip[channel + LEFT] = chip[channel + RIGHT] = 0x1234
    assert not chip.pending(SOURCE)
    clock.advance_ns(5 * FRAME_NS)
    assert not chip.pending(SOURCE)
    clock.advance_ns(FRAME_NS)
    assert chip.pending(SOURCE)
    chip[I2S1 + IER] = 0
    assert not chip.pending(SOURCE) and clock.next_alarm_ns() is None
