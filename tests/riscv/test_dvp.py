"""DVP, the sensors' registers over SCCB and I2C, and frames in memory."""

from __future__ import annotations

import numpy as np
import pytest

from k210sim.camera.camera import Camera
from k210sim.camera.registers import KINDS
from tests.riscv.conftest import Registers

DVP, I2C2 = 0x50430000, 0x502A0000
CFG, R_ADDR, CMOS, SCCB_CFG, SCCB_CTL, STS, RGB_ADDR = (
    DVP + n for n in (0x00, 0x04, 0x10, 0x14, 0x18, 0x20, 0x28)
)
DATA_CMD, STATUS, RXFLR, ABORT, CLEAR_ABORT = (I2C2 + n for n in (0x10, 0x70, 0x78, 0x80, 0x54))
STARTED, FINISHED, CONVERT = 1, 1 << 8, 1 << 16
READ = 0x100


class Slope:
    """A view in which every pixel tells its place."""

    def view(self, frame: int, width: int, height: int) -> np.ndarray:
        y, x = np.mgrid[:height, :width]
        return np.stack([x * 8 & 255, y * 4 & 255, np.full_like(x, 8 * frame)], -1).astype(np.uint8)


@pytest.fixture
def chip(rig):
    return on_the_bus(rig, "ov2640")


def on_the_bus(rig, kind: str) -> Registers:
    make = lambda clock: Camera(clock, Slope(), kind)  # noqa: E731
    chip = Registers(rig("hello", camera=make).machine)
    chip[CMOS] = 1 << 16 | 1 << 8
    chip[I2C2 + 0x14] = chip[I2C2 + 0x18] = 65  # 13 MHz / 130: 100 kHz
    chip[I2C2 + 0x04] = KINDS[kind].address
    chip[I2C2 + 0x6C] = 1
    return chip


def sccb(chip: Registers, number: int, value: int | None = None) -> int:
    control = KINDS["ov2640"].address << 1 | 1 | number << 8 | (value or 0) << 16
    chip[SCCB_CFG] = 1 if value is None else 2
    chip[SCCB_CTL] = control
    chip[STS] = 3 << 24
    if value is None:
        chip[SCCB_CTL] = KINDS["ov2640"].address << 1
        chip[STS] = 3 << 24
    return chip[SCCB_CFG] >> 24


@pytest.mark.parametrize("kind", KINDS)
def test_each_chip_tells_what_it_is_over_i2c(rig, kind):
    chip = on_the_bus(rig, kind)
    for (bank, number), expected in KINDS[kind].ids.items():
        if KINDS[kind].bank:
            for byte in (KINDS[kind].bank[0], bank):
                chip[DATA_CMD] = byte
            assert (chip[STATUS] & 7, chip[STATUS] & 7) == (7, 6)
        for byte in number.to_bytes(2 if KINDS[kind].wide else 1, "big"):
            chip[DATA_CMD] = byte
        assert (chip[STATUS] & 7, chip[STATUS] & 7) == (7, 6)  # and the transaction is over
        chip[DATA_CMD] = READ
        assert chip[RXFLR] == 1 and chip[DATA_CMD] == expected
        assert chip[ABORT] == 0


def test_a_byte_on_the_line_takes_its_time(chip):
    start = chip.machine.clock.now_ns
    chip[DATA_CMD] = 0x0A
    assert (chip[STATUS] & 7, chip[STATUS] & 7) == (7, 6)  # active once
    # start condition, address and byte with an acknowledgement each, at 100 kHz
    assert chip.machine.clock.now_ns - start == 19 * 10_000


@pytest.mark.parametrize("cmos", [1 << 8, 1 << 24 | 1 << 16 | 1 << 8])
def test_nobody_answers_in_reset_without_power_or_elsewhere(chip, cmos):
    chip[CMOS] = cmos
    chip[DATA_CMD] = 0x0A
    chip[STATUS]
    assert chip[ABORT] == 1
    chip[CLEAR_ABORT]
    chip[CMOS] = 1 << 16 | 1 << 8
    chip[I2C2 + 0x04] = 0x31
    chip[DATA_CMD] = 0x0A
    chip[STATUS]
    assert chip[ABORT] == 1
    assert not chip.pending(10)
    chip[I2C2 + 0x30] = 0x40  # an abort interrupts
    assert chip.pending(10)
    chip[CLEAR_ABORT]
    assert not chip.pending(10)


def test_sccb_reads_and_writes_the_same_registers(chip):
    assert sccb(chip, 0x0A) == 0x26  # the sensor's bank is chosen after a reset
    sccb(chip, 0xFF, 0)
    sccb(chip, 0x5A, 20)
    sccb(chip, 0x5B, 15)
    assert (sccb(chip, 0x5A), sccb(chip, 0x0A)) == (20, 0)
    assert chip.machine.chip.dvp.sensor.size == (80, 60)
    sccb(chip, 0xFF, 1)
    sccb(chip, 0x12, 0x80)  # reset by register
    assert chip.machine.chip.dvp.sensor.size is None


def test_frames_come_at_the_sensors_rate_as_pixels_and_planes(chip):
    clock, camera = chip.machine.clock, chip.machine.chip.dvp.camera
    chip[CFG] = 32 // 8 << 12 | 20 << 20 | 0xF
    for n in range(3):
        chip[R_ADDR + 4 * n] = 0x40600000 + 1024 * n
    chip[RGB_ADDR] = 0x40100000
    # XCLK is 26 MHz / 2: a frame begins 24 * 13 / 24 times a second
    assert camera.period_ns == round(1e9 / 13)
    clock.advance_ns(camera.period_ns)
    assert chip[STS] == STARTED and chip.pending(24)
    chip[STS] = 3 | 3 << 16  # take notice, and convert this frame
    assert chip[STS] == CONVERT and not chip.pending(24)
    clock.advance_ns(camera.period_ns * 9 // 10)
    assert chip[STS] == FINISHED and chip.pending(24)
    view = Slope().view(0, 32, 20)
    planes = chip.ram(0x40600000, 3 * 1024).reshape(3, 1024)[:, : 32 * 20].reshape(3, 20, 32)
    assert np.array_equal(planes, view.transpose(2, 0, 1))
    words = chip.ram(0x40100000, 32 * 20 * 2).view(np.uint32).reshape(20, 16)
    assert words[5, 3] >> 16 == (6 * 8 >> 3) << 11 | (20 >> 2) << 5
    assert words[5, 3] & 0xFFFF == (7 * 8 >> 3) << 11 | (20 >> 2) << 5
    clock.advance_ns(camera.period_ns)
    assert chip[STS] == FINISHED | STARTED  # the next one was not asked for
    before = planes.copy()
    chip[STS] = 3 | 3 << 8
    clock.advance_ns(camera.period_ns)
    assert np.array_equal(before, planes)
    chip[CFG] = chip[CFG] | 0x10  # by itself
    clock.advance_ns(2 * camera.period_ns)
    assert planes[2].max() == planes[2].min() > before[2].max()


def test_the_sensor_turns_and_cuts_the_view(chip):
    clock, camera = chip.machine.clock, chip.machine.chip.dvp.camera
    chip[CFG] = 16 // 8 << 12 | 12 << 20 | 0x14
    for n in range(3):
        chip[R_ADDR + 4 * n] = 0x40600000 + 1024 * n
    sccb(chip, 0x04, 0x00)  # 0x80, mirrored by the chip, stands upright on the boards
    sccb(chip, 0xFF, 0)
    sccb(chip, 0x5A, 6)
    sccb(chip, 0x5B, 3)
    clock.advance_ns(2 * camera.period_ns)
    red = chip.ram(0x40600000, 16 * 12).reshape(12, 16)
    assert list(red[0]) == [8 * x for x in range(23, 7, -1)]
    assert camera.hmirror and not camera.vflip


def test_sizes_no_chip_has_stay_small(rig):
    chip = on_the_bus(rig, "ov5640")
    chip[I2C2 + 0x04] = 0x3C
    for byte in (0x38, 0x08, 0xFF, 0xFF, 0xFF, 0xFF):
        chip[DATA_CMD] = byte
    chip[STATUS]
    assert chip.machine.chip.dvp.sensor.size == (2592, 1944)
    camera = chip.machine.chip.dvp.camera
    chip[CFG] = 255 << 12 | 1023 << 20 | 0x100 | 0x14
    for n in range(3):
        chip[R_ADDR + 4 * n] = 0x40000000  # as large as no memory is: lost
    chip.machine.clock.advance_ns(2 * camera.period_ns)
    assert camera.size == (2592, 1944)


def test_commands_that_never_end_do_not_pile_up(chip):
    chip[I2C2 + 0x6C] = 0
    chip[DATA_CMD] = 1
    assert chip[I2C2 + 0x74] == 0  # disabled: nothing is taken
    chip[I2C2 + 0x6C] = 1
    device = chip.machine.bus.devices["I2C2"]
    device.dma_write([READ] * 5000)
    assert len(device._tx) == 4096
