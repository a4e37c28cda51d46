"""What every device promises, seen at one made for the purpose."""

from __future__ import annotations

import logging

import pytest

from k210sim.devices.device import Device, Register
from k210sim.errors import DeviceError


class Sample(Device):
    NAME = "sample"
    REGISTERS = (
        Register(0x00, "plain", reset=7),
        Register(0x04, "fixed", reset=9, read_only=True),
        Register(0x08, "wide", width=8),
        Register(0x10, "cell", count=3),
    )

    def read_cell(self, index: int) -> int:
        return 0x11223300 + index


@pytest.fixture
def sample():
    device = Sample()
    device.reset()
    return device


def test_registers_hold_what_is_written_by_any_width(sample):
    assert (sample.read(0, 4), sample.read(4, 4)) == (7, 9)
    sample.write(4, 4, 1)
    assert sample.read(4, 4) == 9
    sample.write(8, 8, 0x1122334455667788)
    sample.write(9, 1, 0xAA)
    sample.write(12, 4, 0x99)
    assert sample.read(8, 8) == 0x000000995566AA88
    assert [sample.read(12, 2), sample.read(11, 1)] == [0x99, 0x55]
    assert [sample.read(0x10 + 4 * n, 4) for n in range(3)] == [0x11223300 + n for n in range(3)]
    assert sample.read(0x15, 1) == 0x33


def test_only_registers_without_a_handler_are_left_to_the_core(sample):
    assert list(sample.flags[:7]) == [3, 1, 3, 3, 2, 2, 2]
    assert not sample.flags[7:].any()


def test_an_unmodelled_register_is_named_once_and_stops_a_strict_board(sample, caplog):
    sample.where = lambda: 0x80001234
    with caplog.at_level(logging.WARNING, "k210sim.devices"):
        sample.write(0x40, 4, 5)
        assert sample.read(0x40, 4) == 5
    assert [r.getMessage() for r in caplog.records] == [
        "sample: write of 0x5 at offset 0x40 is not modelled (pc 0x80001234)"
    ]
    sample.strict = True
    with pytest.raises(DeviceError, match="read at offset 0x44"):
        sample.read(0x44, 4)


def test_what_no_device_answers_in_a_window_is_named(rig, caplog):
    bus = rig("hello", strict=False).machine.bus
    with caplog.at_level(logging.WARNING, "k210sim.devices"):
        for address in (0x42103800, 0x42103800, 0x50201234 & ~3):
            device, offset = bus.at(address)
            assert device.read(offset, 4) == 0
    named = [r.getMessage().split(" is not")[0] for r in caplog.records]
    assert named == ["FFT window: read at offset 0x103800", "APB0 window: read at offset 0x1234"]
    assert bus.at(0x502B0004)[0].NAME == "FPIOA"
    for number in range(1000):  # a program that tries all places does not fill the log
        device.write(0x2000 + 4 * number, 4, 1)
    assert len(device.unmodelled_used) == device.MOST_NAMED


def test_the_fft_keeps_long_results_in_its_memory(rig):
    bus = rig("hello").machine.bus
    fft = bus.at(0x42000000)[0]
    fft.write(0x08, 8, 1 << 13 | 1 << 3)
    for n in range(256):
        fft.write(0x00, 8, 0x0064_0000 if n == 0 else 0)  # one point: 100, purely real
    memory, offset = bus.at(0x42102800)
    assert memory.read(offset, 8) == 0x0064_0000_0064_0000 == fft.read(0x38, 8)
    assert memory.read(offset + 0x7F8, 8) == 0x0064_0000_0064_0000
