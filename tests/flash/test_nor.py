"""The NOR chip against a plain model: a dictionary-free bytearray with loops bit by bit."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from k210sim.clock import Clock
from k210sim.errors import FlashError
from k210sim.flash.nor import (
    BLOCK32,
    BLOCK64,
    PAGE,
    PAGE_PROGRAM_NS,
    SECTOR,
    SIZE,
    NorFlash,
    PowerCut,
)

WINDOW = 4 * SECTOR  # the machine works here, at the start of a 32-KiB block


class NorMachine(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.nor = NorFlash()
        self.base = 0x300000
        self.model = bytearray(b"\xff" * WINDOW)
        self.saved = bytearray(self.model)

    @rule(at=st.integers(0, WINDOW - 1), data=st.binary(max_size=700))
    def program_page(self, at, data):
        self.nor.program_page(self.base + at, data)
        page = at - at % PAGE
        cells = {}  # of several bytes for one cell the last counts
        for i, byte in enumerate(data):
            cells[page + (at - page + i) % PAGE] = byte
        for i, byte in cells.items():
            self.model[i] &= byte

    @rule(at=st.integers(0, WINDOW - 1), data=st.binary(max_size=6000))
    def program(self, at, data):
        data = data[: WINDOW - at]
        self.nor.program(self.base + at, data)
        for i, byte in enumerate(data):
            self.model[at + i] &= byte

    @rule(at=st.integers(0, WINDOW - 1), data=st.binary(max_size=6000))
    def write(self, at, data):
        data = data[: WINDOW - at]
        self.nor.write(self.base + at, data)
        self.model[at : at + len(data)] = data

    @rule(first=st.integers(0, 3), count=st.integers(0, 4))
    def erase(self, first, count):
        count = min(count, 4 - first)
        self.nor.erase(self.base + first * SECTOR, count * SECTOR)
        self.model[first * SECTOR : (first + count) * SECTOR] = b"\xff" * (count * SECTOR)

    @rule()
    def save_dirty(self):
        for sector in self.nor.take_dirty():
            at = sector * SECTOR - self.base
            assert 0 <= at < WINDOW
            self.saved[at : at + SECTOR] = self.model[at : at + SECTOR]
        assert self.saved == self.model  # nothing changed without being reported

    @invariant()
    def same(self):
        assert self.nor.read(self.base, WINDOW) == self.model
        assert self.nor.data[self.base - 1] == 0xFF
        assert self.nor.data[self.base + WINDOW] == 0xFF


NorMachine.TestCase.settings = settings(max_examples=30, stateful_step_count=20, deadline=None)
TestNorMachine = NorMachine.TestCase


def test_program_only_clears_bits():
    nor = NorFlash()
    nor.program(0, b"\xf0")
    nor.program(0, b"\x3c")
    assert nor.read(0, 2) == b"\x30\xff"


def test_page_program_wraps_and_keeps_the_last_256():
    nor = NorFlash()
    nor.program_page(0x10FE, b"abcd")
    assert nor.read(0x10FE, 2) == b"ab"
    assert nor.read(0x1000, 2) == b"cd"
    assert nor.read(0x1100, 2) == b"\xff\xff"
    nor.program_page(0x2000, bytes(1) + b"\x11" * 256)
    assert nor.read(0x2000, 256) == b"\x11" * 256


@pytest.mark.parametrize(
    "call",
    [
        lambda nor: nor.read(SIZE - 1, 2),
        lambda nor: nor.read(-1, 1),
        lambda nor: nor.program(SIZE - 1, b"ab"),
        lambda nor: nor.write(SIZE, b"a"),
        lambda nor: nor.erase(SIZE - SECTOR, 2 * SECTOR),
        lambda nor: nor.erase(1, SECTOR),
        lambda nor: nor.erase(0, SECTOR - 1),
        lambda nor: nor.erase_unit(SECTOR, BLOCK64),
        lambda nor: nor.erase_unit(0, 512),
    ],
)
def test_refused_operations_change_nothing(call):
    nor = NorFlash()
    with pytest.raises(FlashError, match="flash"):
        call(nor)
    assert nor.take_dirty() == []


def test_erase_takes_the_largest_units_and_counts_wear():
    nor = NorFlash()
    nor.erase(BLOCK64 - SECTOR, SECTOR + BLOCK64 + BLOCK32 + SECTOR)
    assert nor.erases == 4
    first = BLOCK64 // SECTOR - 1
    assert list(nor.erase_counts[first : first + 26]) == [1] * 26
    assert nor.erase_counts[first - 1] == nor.erase_counts[first + 26] == 0
    nor.erase(0, SIZE)
    assert nor.erases == 5


def test_time_is_charged_and_busy_ends():
    clock = Clock()
    nor = NorFlash(clock)
    nor.program(0, bytes(PAGE * 3))
    assert clock.now_ns == 3 * PAGE_PROGRAM_NS
    nor.erase_unit(0, SECTOR, wait=False)
    assert clock.now_ns == 3 * PAGE_PROGRAM_NS and nor.busy
    nor.wait_ready()
    assert not nor.busy and clock.now_ns == 3 * PAGE_PROGRAM_NS + 45_000_000
    before = clock.now_ns
    with nor.untimed():
        nor.erase(0, SIZE)
    assert clock.now_ns == before


@pytest.mark.parametrize("steps", range(0, 12))
def test_power_cut_keeps_what_was_done(steps):
    nor = NorFlash()
    nor.cut_power_after(steps)
    with pytest.raises(PowerCut):
        nor.program(PAGE - 5, bytes(100))
    assert nor.read(PAGE - 5, 100) == bytes(steps) + b"\xff" * (100 - steps)


def test_power_cut_in_an_erase_leaves_half():
    nor = NorFlash()
    nor.program(0, bytes(SECTOR))
    nor.cut_power_after(1)
    with pytest.raises(PowerCut):
        nor.erase(0, SECTOR)
    assert nor.read(0, SECTOR) == b"\xff" * (SECTOR // 2) + bytes(SECTOR // 2)


def test_state_round_trip():
    nor = NorFlash()
    nor.write(0x1234, b"hello")
    state = nor.state()
    other = NorFlash()
    other.load_state(state)
    assert other.data == nor.data
    assert other.take_dirty() == [1]
    assert other.state() == state


def test_data_is_read_only():
    with pytest.raises(TypeError):
        NorFlash().data[0] = 1


def test_wear_is_told():
    nor = NorFlash()
    assert nor.wear()["most_erased_sector"] is None
    nor.erase(0, SECTOR)
    nor.write(5 * SECTOR, b"\0" * 300)
    nor.erase(5 * SECTOR, SECTOR)
    nor.erase(5 * SECTOR, SECTOR)
    told = nor.wear()
    assert (told["erases"], told["sectors_erased"], told["most_erases"]) == (3, 2, 2)
    assert told["most_erased_sector"] == 5 * SECTOR and told["pages_programmed"] == 16
