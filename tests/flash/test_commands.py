"""The chip at its bus: write enable, busy, ids, and every opcode once."""

from __future__ import annotations

import random

import pytest

from k210sim.clock import Clock
from k210sim.flash.commands import BUSY, COMMANDS, QUAD_ENABLED, WRITE_ENABLED, NorCommands
from k210sim.flash.nor import ERASE_NS, PAGE_PROGRAM_NS, SECTOR, SIZE, WINBOND, NorFlash


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def chip(clock):
    return NorCommands(NorFlash(clock), unique_id=b"ABCDEFGH")


def idle(chip, clock):
    while chip.execute(0x05, read=1)[0] & BUSY:
        clock.advance_ns(1_000_000)


def test_program_needs_write_enable_each_time(chip, clock):
    chip.execute(0x02, 0x1000, b"abc")
    assert chip.nor.read(0x1000, 3) == b"\xff\xff\xff" and chip.ignored == {0x02: 1}
    chip.execute(0x06)
    assert chip.execute(0x05, read=1)[0] == WRITE_ENABLED
    chip.execute(0x02, 0x1000, b"abc")
    assert chip.execute(0x05, read=1)[0] == BUSY
    idle(chip, clock)
    chip.execute(0x02, 0x1010, b"abc")  # the latch was cleared by the first
    assert chip.execute(0x03, 0x1000, read=17) == b"abc" + b"\xff" * 14
    chip.execute(0x06)
    chip.execute(0x04)
    chip.execute(0x02, 0x1010, b"abc")
    assert chip.ignored[0x02] == 3


def test_a_busy_chip_answers_only_status(chip, clock):
    chip.execute(0x06)
    chip.execute(0x20, 0x1234)
    assert chip.nor.erase_counts[1] == 1
    start = clock.now_ns
    assert chip.execute(0x03, 0, read=2) == b"\xff\xff"
    chip.execute(0x06)
    assert chip.execute(0x05, read=1)[0] == BUSY  # write enable was ignored
    idle(chip, clock)
    assert ERASE_NS[SECTOR] - 1_000_000 <= clock.now_ns - start <= ERASE_NS[SECTOR] + 1_000_000
    chip.execute(0x06)
    assert chip.execute(0x05, read=1)[0] == WRITE_ENABLED


def test_program_time(chip, clock):
    chip.execute(0x06)
    chip.execute(0x02, 0, bytes(256))
    clock.advance_ns(PAGE_PROGRAM_NS - 1)
    assert chip.execute(0x05, read=1)[0] & BUSY
    clock.advance_ns(1)
    assert not chip.execute(0x05, read=1)[0] & BUSY


@pytest.mark.parametrize(
    ("opcode", "unit"), [(0x20, 4096), (0x52, 32768), (0xD8, 65536), (0xC7, SIZE), (0x60, SIZE)]
)
def test_erase_units(chip, clock, opcode, unit):
    chip.nor.program(0x300000 - 1, bytes(unit % SIZE + 2))
    idle(chip, clock)
    chip.execute(0x06)
    chip.execute(opcode, 0x300000 + 77)
    inside = chip.nor.data[0x300000 : 0x300000 + min(unit, SIZE - 0x300000)]
    assert inside == b"\xff" * len(inside)
    if unit < SIZE:
        assert chip.nor.data[0x300000 - 1] == 0 == chip.nor.data[0x300000 + unit]


def test_ids():
    chip = NorCommands(NorFlash(jedec_id=WINBOND), unique_id=b"ABCDEFGH")
    assert chip.execute(0x90, read=2) == b"\xef\x17"
    assert chip.execute(0x90, 1, read=2) == b"\x17\xef"
    assert chip.execute(0x9F, read=3) == b"\xef\x40\x18"
    assert chip.execute(0xAB, read=1) == b"\x17"
    assert chip.execute(0x4B, read=8) == b"ABCDEFGH"


def test_quad_needs_its_bit(chip, clock):
    chip.nor.program(0, b"data")
    idle(chip, clock)
    assert chip.execute(0xEB, 0, read=4) == b"\xff" * 4
    chip.execute(0x50)
    chip.execute(0x31, data=bytes([QUAD_ENABLED]))
    assert chip.execute(0x35, read=1)[0] == QUAD_ENABLED
    assert chip.execute(0xEB, 0, read=4) == b"data"
    chip.execute(0x66)
    chip.execute(0x99)
    assert chip.execute(0x6B, 0, read=4) == b"data"  # a reset keeps the registers


def test_status_registers(chip):
    chip.execute(0x06)
    chip.execute(0x01, data=b"\xff\x02")
    assert chip.execute(0x05, read=1) == b"\xfc" and chip.execute(0x35, read=1) == b"\x02"
    chip.execute(0x11, data=b"\x60")
    assert chip.execute(0x15, read=1) == b"\x00"
    chip.execute(0x06)
    chip.execute(0x11, data=b"\x60")
    assert chip.execute(0x15, read=2) == b"\x60\x60"


def test_reading_wraps_at_the_end(chip, clock):
    chip.nor.program(SIZE - 2, b"yz")
    chip.nor.program(0, b"ab")
    idle(chip, clock)
    for opcode in (0x03, 0x0B, 0x3B, 0xBB):
        assert chip.execute(opcode, SIZE - 2, read=4) == b"yzab"


def test_sleep(chip):
    chip.execute(0xB9)
    assert chip.execute(0x9F, read=3) == b"\xff\xff\xff"
    chip.execute(0xAB)
    assert chip.execute(0x9F, read=1) == b"\xc8"


def test_reset_needs_arming(chip):
    chip.execute(0x06)
    chip.execute(0x99)
    assert chip.write_enabled
    chip.execute(0x66)
    chip.execute(0x05, read=1)  # anything between disarms
    chip.execute(0x99)
    assert chip.write_enabled
    chip.execute(0x66)
    chip.execute(0x99)
    assert not chip.write_enabled


def test_any_transaction_is_answered(chip, clock):
    rng = random.Random(6)
    for _ in range(3000):
        read = rng.randrange(6)
        opcode = rng.choice([*COMMANDS, rng.randrange(256)])
        if opcode in (0xC7, 0x60):
            continue
        answer = chip.execute(opcode, rng.getrandbits(26), rng.randbytes(rng.randrange(300)), read)
        assert len(answer) == read
        clock.advance_ns(rng.choice([0, 1_000_000, 200_000_000]))
