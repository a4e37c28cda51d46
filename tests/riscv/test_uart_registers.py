"""UART1-3 and whom the host hears."""

from __future__ import annotations

import pytest

from tests.riscv.conftest import Registers

FPIOA, UART1, UART3 = 0x502B0000, 0x50210000, 0x50230000
IER, FCR, LCR, MCR, LSR = 0x04, 0x08, 0x0C, 0x10, 0x14
UARTHS_TX, UART3_RX, UART3_TX = 19, 68, 69


@pytest.fixture
def board(rig):
    made = rig("hello")
    made.chip = Registers(made.machine)
    made.chip[0x38000008] = made.chip[0x3800000C] = 1  # UARTHS sends and receives
    return made


def test_the_host_hears_the_unit_on_the_pads(board):
    chip = board.chip
    chip[UART3] = ord("a")
    chip[0x38000000] = ord("b")
    assert board.sent == b"b"
    chip[FPIOA + 4 * 5], chip[FPIOA + 4 * 4] = UART3_TX, UART3_RX
    board.typed += b"xyz"
    chip[UART3] = ord("c")
    chip[0x38000000] = ord("d")
    assert board.sent == b"bc"
    assert chip[LSR + UART3] & 1
    assert bytes(chip[UART3] for _ in range(3)) == b"xyz"
    assert not chip[LSR + UART3] & 1 and not chip[LSR + UART3] & 0x20
    assert not chip[LSR + UART1] & 1


def test_interrupts_name_their_cause(board):
    chip = board.chip
    chip[FPIOA + 4 * 4] = UART3_RX
    chip[UART3 + FCR] = 1 << 6  # four bytes
    chip[UART3 + IER] = 1
    board.typed += b"12"
    board.machine.chip.poll()
    assert chip.pending(13) and chip[UART3 + FCR] == 12
    board.typed += b"34"
    board.machine.chip.poll()
    assert chip[UART3 + FCR] == 4
    for _ in range(4):
        chip[UART3]
    assert not chip.pending(13) and chip[UART3 + FCR] == 1
    chip[UART3 + IER] = 2
    assert chip.pending(13) and chip[UART3 + FCR] == 2
    assert not chip.pending(13)  # told once
    chip[UART3] = 1
    assert chip.pending(13)


def test_the_divisor_hides_behind_a_bit_and_the_loop_comes_back(board):
    chip = board.chip
    chip[UART1 + LCR] = 0x80
    chip[UART1], chip[UART1 + IER] = 0x12, 0x34
    assert (chip[UART1], chip[UART1 + IER]) == (0x12, 0x34)
    chip[UART1 + LCR] = 3
    assert (chip[UART1], chip[UART1 + IER]) == (0, 0)
    chip[UART1 + MCR] = 0x10
    chip[UART1] = 0x55
    assert chip[UART1 + LSR] & 1 and chip[UART1] == 0x55
