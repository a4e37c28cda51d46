"""Volumes of ours against ChaN's FatFs, which the firmware has too (from PyPI: fatfs-ng)."""

from __future__ import annotations

import random

import pytest
from fat_check import check

from k210sim.sd import fat_layout as L
from k210sim.sd.cards import MemoryCard
from k210sim.sd.fat import FatVolume
from k210sim.sd.fat_format import format_volume

pytestmark = pytest.mark.tools
fatfs = pytest.importorskip("fatfs", reason="needs fatfs-ng (make test-tools)")

NAMES = ["A.TXT", "b.txt", "Long name of a file.data", "x" * 60, "two.dots.py", "MiXed"]
FOLDERS = ["/", "/First folder/", "/First folder/in/"]


class Theirs:
    """FatFs on the same bytes, mounted for as long as one action."""

    def __init__(self, card: MemoryCard):
        self.card = card

    def __enter__(self):
        disk = fatfs.RamDisk(self.card._data, sector_size=512)
        self.partition = fatfs.PartitionExtended(fatfs.Partition(disk))
        self.partition.mount()
        return self.partition

    def __exit__(self, *_):
        self.partition.unmount()

    def files(self) -> dict[str, bytes]:
        with self as volume:
            return {(top.rstrip("/") + "/" + name): volume.read_file(top.rstrip("/") + "/" + name)
                    for top, _, names in volume.walk("/") for name in names}


@pytest.mark.parametrize("blocks, fat32", [(3000, False), (40000, False), (90000, True)])
def test_both_change_the_same_volume_in_turn(blocks, fat32):
    card, dice, model = MemoryCard(blocks), random.Random(blocks), {}
    format_volume(card, fat32=fat32, fats=2)
    FatVolume(card).mkdir("First folder")
    with Theirs(card) as volume:
        volume.makedirs("/First folder/in")
    for turn in range(120):
        path = dice.choice(FOLDERS) + dice.choice(NAMES)
        data = dice.randbytes(dice.choice([0, 1, 512, 3000, 9000]))
        ours, what = turn % 2, dice.choice(["write", "write", "remove", "rename"])
        other = dice.choice(FOLDERS) + dice.choice(NAMES)
        if what == "write" or path not in model:
            if ours:
                FatVolume(card).write_file(path, data)
            else:
                with Theirs(card) as volume:
                    volume.write_file(path, data)
            model[path] = data
        elif what == "remove":
            if ours:
                FatVolume(card).unlink(path)
            else:
                with Theirs(card) as volume:
                    volume.remove(path)
            del model[path]
        elif other not in model:
            if ours:
                FatVolume(card).rename(path, other)
            else:
                with Theirs(card) as volume:
                    volume.rename(path, other)
            model[other] = model.pop(path)
        if turn % 20 == 19:
            assert Theirs(card).files() == model
            assert check(card) == model
    assert FatVolume(card).table.free() == FatVolume(card).table.count_free()


@pytest.mark.parametrize("blocks", [200, 4000, 8000, 20000, 70000, 300000])
def test_what_ours_formats_theirs_mounts_and_the_other_way_round(blocks):
    card = MemoryCard(blocks)
    format_volume(card)
    place = FatVolume(card).place
    FatVolume(card).write_file("/kept", b"1" * 700)
    assert Theirs(card).files() == {"/kept": b"1" * 700}
    again = MemoryCard(blocks)
    disk = fatfs.RamDisk(again._data, sector_size=512)
    fatfs.Partition(disk).mkfs()
    theirs = FatVolume(again)
    theirs.write_file("/kept", b"1" * 700)
    assert Theirs(again).files() == {"/kept": b"1" * 700}
    assert place.bits in (12, 16, 32) and theirs.place.bits in (12, 16, 32)
    assert L.MOST_CLUSTERS[place.bits] >= place.clusters
