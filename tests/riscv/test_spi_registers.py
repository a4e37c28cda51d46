"""Interrupts of SPI controllers, programmed as a driver without DMA does."""

from __future__ import annotations

import pytest

from k210sim.errors import NotSimulated
from tests.riscv.conftest import Registers

SPI = {0: (0x52000000, 1), 1: (0x53000000, 2), 3: (0x54000000, 4)}
SSIENR, SER, TXFTLR, RXFTLR, RXFLR, IMR, ISR, RISR, RXUICR, DR = (
    0x08, 0x10, 0x18, 0x1C, 0x24, 0x2C, 0x30, 0x34, 0x40, 0x60,
)  # fmt: skip
SENT_ENOUGH, READ_EMPTY, GOT_ENOUGH = 1, 4, 16


@pytest.fixture
def chip(rig):
    return Registers(rig("hello").machine)


def test_the_slave_says_that_it_is_not_simulated(chip):
    chip[0x50240000] = 0x1F0000
    chip[0x50240000 + SSIENR] = 0
    assert chip[0x50240000] == 0x1F0000 and chip[0x50240000 + 0x28] == 6
    with pytest.raises(NotSimulated, match="SPI2, the SPI slave"):
        chip[0x50240000 + SSIENR] = 1


@pytest.mark.parametrize("number", SPI)
def test_fifo_levels_interrupt(chip, number):
    spi, source = SPI[number]
    chip[spi] = 7 if number == 3 else 7 << 16  # frames of eight bits, both ways
    chip[spi + TXFTLR], chip[spi + RXFTLR] = 1, 2
    chip[spi + IMR] = SENT_ENOUGH
    assert not chip.pending(source)  # switched off
    chip[spi + SSIENR] = 1
    assert chip.pending(source) and chip[spi + ISR] == SENT_ENOUGH
    for byte in (0x05, 0xFF, 0xFF):
        chip[spi + DR] = byte
    assert not chip.pending(source) and chip[spi + ISR] == 0  # three wait for a chip select
    chip[spi + IMR] = GOT_ENOUGH
    chip[spi + SER] = 1
    assert chip.pending(source) and chip[spi + ISR] == GOT_ENOUGH
    assert chip[spi + RISR] == GOT_ENOUGH | SENT_ENOUGH and chip[spi + RXFLR] == 3
    chip[spi + DR]
    assert not chip.pending(source) and chip[spi + RXFLR] == 2
    chip[spi + IMR] = READ_EMPTY
    chip[spi + DR], chip[spi + DR]
    assert not chip.pending(source)
    chip[spi + DR]
    assert chip.pending(source) and chip[spi + ISR] == READ_EMPTY
    chip[spi + RXUICR]
    assert not chip.pending(source)
    chip[spi + IMR] = 0
    assert chip[spi + ISR] == 0
