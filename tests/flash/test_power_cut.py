"""The power fails at every byte of a package's programming and of a SPIFFS write."""

from __future__ import annotations

import random

import pytest

from k210sim import Board
from k210sim.flash import program
from k210sim.flash import spiffs_layout as L
from k210sim.flash.factory import put_files
from k210sim.flash.kfpkg import Kfpkg, Member
from k210sim.flash.nor import SECTOR, NorFlash, PowerCut
from k210sim.flash.spiffs import SpiffsVolume
from k210sim.flash.storage import FlashStorage

PLACES = (0x300000, 0x500FF0)  # the second member spans two sectors, unaligned


def package(seed: int) -> bytes:
    dice = random.Random(seed)
    return Kfpkg.of([Member("a", PLACES[0], dice.randbytes(300)),
                     Member("b", PLACES[1], dice.randbytes(40))]).build()


def programmed(nor: NorFlash, seed: int) -> NorFlash:
    program.apply(nor, program.plan(package(seed), None, "p.kfpkg"))
    return nor


class Tracked(NorFlash):
    """Notes the steps at which the chip's content changes, counted as `cut_power_after` does."""

    def __init__(self, **kw):
        super().__init__(**kw)
        self.changes: list[int] = []
        self.cut_power_after(1 << 40)

    def _and_into(self, addr, data):
        done = (1 << 40) - self._steps_left
        for i, byte in enumerate(data):
            if self._data[addr + i] & byte != self._data[addr + i]:
                self.changes.append(done + i + 1)
        super()._and_into(addr, data)

    def _erase_bytes(self, start, end):
        self.changes.append((1 << 40) - self._steps_left)
        super()._erase_bytes(start, end)


def test_a_package_cut_at_every_byte():
    """Before the cut the new content, behind it the old; between them one sector at most, and
    never a byte outside the package's sectors."""
    old = programmed(NorFlash(), 1)
    put_files(old, {"/main.py": b"print(1)"})
    tracked = Tracked(data=old.data)
    new = programmed(tracked, 2)
    sectors = [0x300000, 0x500000, 0x501000]
    before = [bytes(old.data[s : s + SECTOR]) for s in sectors]
    after = [bytes(new.data[s : s + SECTOR]) for s in sectors]
    chip = NorFlash(data=old.data)
    seen = set()
    points = [0, *sorted(set(tracked.changes))]
    assert len(points) > 340  # every byte of both members
    for steps in points:
        for sector, content in zip(sectors, before, strict=True):
            chip._data[sector : sector + SECTOR] = content
        chip.take_dirty()
        chip.cut_power_after(steps)
        try:
            programmed(chip, 2)
        except PowerCut:
            pass
        state = "".join(
            "new" if now == b else "old" if now == a else "mixed"
            for a, b, now in zip(before, after, (bytes(chip.data[s : s + SECTOR])
                                                 for s in sectors), strict=True))
        assert state in {"oldoldold", "mixedoldold", "newoldold", "newmixedold", "newnewold",
                         "newnewmixed", "newnewnew"}, (steps, state)
        assert {n * SECTOR for n in chip.take_dirty()} <= set(sectors)
        seen.add(state)
    assert len(seen) == 7
    chip.cut_power_after(None)
    volume = SpiffsVolume(chip)
    volume.mount()
    with volume.open("/main.py", L.O_RDONLY) as file:
        assert file.read() == b"print(1)"


@pytest.mark.parametrize("steps", [0, 8000])
def test_the_image_file_has_the_old_package_or_the_new_and_the_board_boots(tmp_path, steps):
    path = tmp_path / "flash.bin"
    with FlashStorage(path) as storage:
        programmed(storage.nor, 1)
        put_files(storage.nor, {"/main.py": b"print('main ran')"})
    old = path.read_bytes()
    storage = FlashStorage(path)
    storage.nor.cut_power_after(steps)
    with pytest.raises(PowerCut):
        programmed(storage.nor, 2)
    storage.close(save=False)  # as a process that is gone
    assert path.read_bytes() == old
    with Board(path, clock="virtual") as board:
        board.expect(rb"main ran")
        board.flash(package(2), name="p.kfpkg")
        board.expect(rb"main ran")
    new = path.read_bytes()
    assert new[PLACES[0] : PLACES[0] + 300] == random.Random(2).randbytes(300)


def test_a_chip_whose_programming_was_cut_still_boots():
    board = Board(None)
    board.hardware.flash.cut_power_after(6000)
    with pytest.raises(PowerCut):
        board.flash(package(1), name="p.kfpkg")
    board.hardware.flash.cut_power_after(None)
    with board:
        assert board.exec("print('alive')").stdout == "alive\n"


# --- SPIFFS ---
SIZE = 5 * L.BLOCK  # roomy: with three blocks the collector runs too, see test_spiffs.py
OLD, NEW = b"the old settings, which are short", b"and the new ones that replace them all"


def replace_by_rename(volume: SpiffsVolume) -> None:
    """How a careful program saves: a second file, then its name changes."""
    with volume.open("/new", L.O_WRONLY | L.O_CREAT | L.O_TRUNC) as file:
        file.write(NEW)
    volume.remove("/settings")
    volume.rename("/new", "/settings")


def overwrite(volume: SpiffsVolume) -> None:
    with volume.open("/settings", L.O_RDWR) as file:
        file.write(NEW[: len(OLD)])


def append(volume: SpiffsVolume) -> None:
    with volume.open("/settings", L.O_RDWR | L.O_APPEND) as file:
        file.write(NEW)


def remove(volume: SpiffsVolume) -> None:
    volume.remove("/settings")


ALLOWED = {
    replace_by_rename: [{"/settings": OLD}, {"/settings": OLD, "/new": b""},
                        {"/settings": OLD, "/new": NEW}, {"/new": NEW}, {"/settings": NEW}],
    overwrite: [{"/settings": OLD}, {"/settings": NEW[: len(OLD)]}],
    append: [{"/settings": OLD}, {"/settings": OLD + NEW}],
    remove: [{"/settings": OLD}, {}],
}


@pytest.mark.parametrize("action", ALLOWED, ids=lambda a: a.__name__)
def test_a_spiffs_write_cut_at_every_byte_that_changes(action):
    """Old or new at every state the chip goes through, and the volume can be used again."""
    nor = NorFlash()
    volume = SpiffsVolume(nor, L.BASE, SIZE)
    volume.format()
    volume.mount()
    for name, data in (("/other", b"stays"), ("/settings", OLD)):
        with volume.open(name, L.O_WRONLY | L.O_CREAT) as file:
            file.write(data)
    volume.unmount()
    image = bytes(nor.data[L.BASE : L.BASE + SIZE])
    tracked = Tracked(data=nor.data)
    action(mounted(tracked))
    points = sorted({0, *tracked.changes})
    assert len(points) > (20 if action is remove else 60)
    seen = set()
    for steps in points:
        nor.cut_power_after(None)
        nor._data[L.BASE : L.BASE + SIZE] = image
        volume = mounted(nor)
        nor.cut_power_after(steps)
        try:
            action(volume)
        except PowerCut:
            pass
        nor.cut_power_after(None)
        after = {}
        volume = mounted(nor)
        for entry in volume.listdir():
            with volume.open(entry.name, L.O_RDONLY) as file:
                after[entry.name] = file.read()
        assert after.pop("/other") == b"stays"
        assert after in ALLOWED[action], (steps, after)
        seen.add(ALLOWED[action].index(after))
    assert {0, len(ALLOWED[action]) - 1} <= seen


def mounted(nor: NorFlash) -> SpiffsVolume:
    volume = SpiffsVolume(nor, L.BASE, SIZE)
    volume.mount()
    return volume
