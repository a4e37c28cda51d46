"""FAT volumes: files and folders against a model, damaged volumes, power cuts at every write."""

from __future__ import annotations

import random

import pytest
from fat_check import check
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from k210sim.sd import BLOCK, fat_names
from k210sim.sd import fat_layout as L
from k210sim.sd.cards import CardError, MemoryCard
from k210sim.sd.fat import FatVolume
from k210sim.sd.fat_format import format_card, format_volume
from k210sim.sd.fat_layout import FatFailure

READ, NEW, APPEND = L.READ, L.WRITE | L.CREATE_ALWAYS, L.WRITE | L.OPEN_ALWAYS
KINDS = {"fat12": 700, "fat16": 20000, "fat32": 80000}


def made(kind: str) -> MemoryCard:
    card = MemoryCard(KINDS[kind])
    format_volume(card, fat32=kind == "fat32", fats=2)
    return card


def put(volume: FatVolume, path: str, data: bytes, mode: int = NEW) -> int:
    file = volume.open(path, mode)
    done = file.write(data)
    file.close()
    return done


def result_of(action, *args) -> int:
    with pytest.raises(FatFailure) as failure:
        action(*args)
    return failure.value.result


# --- the whole thing against a model ---
NAMES = ["a.txt", "Long file name here.txt", "README", "x~1", "Mixed.Case", "lower.ext",
         "v\u00e9ry", "many.dots.in.it", ".hidden", "a" * 40 + ".py", "\u65e5\u672c"]
FOLDERS = ["/", "/d1/", "/d1/Sub folder/"]


@pytest.mark.parametrize("kind", KINDS)
def test_against_a_model(kind):
    card, dice, model = made(kind), random.Random(5), {}
    volume = FatVolume(card)
    volume.mkdir("d1")
    volume.mkdir("D1/Sub folder")
    assert volume.place.bits == int(kind[3:])
    for round_ in range(250):
        path = dice.choice(FOLDERS) + dice.choice(NAMES)
        key, what = path.upper(), dice.random()
        if what < 0.45:
            data = dice.randbytes(dice.choice([0, 1, 511, 512, 513, 2048, 9000]))
            assert put(volume, path, data) == len(data)
            model[key] = data
        elif what < 0.6:
            put(volume, path, b"more" * 30, APPEND)
            model[key] = model.get(key, b"") + b"more" * 30
        elif what < 0.75:
            if key in model:
                volume.unlink(path)
                del model[key]
            else:
                assert result_of(volume.unlink, path) == L.NO_FILE
        else:
            other = dice.choice(FOLDERS) + dice.choice(NAMES)
            if key not in model:
                assert result_of(volume.rename, path, other) == L.NO_FILE
            elif other.upper() in model and other.upper() != key:
                assert result_of(volume.rename, path, other) == L.EXIST
            else:
                volume.rename(path, other)
                model[other.upper()] = model.pop(key)
        if round_ % 50 == 49:
            volume = FatVolume(card)
    assert volume.clusters()[1] == FatVolume(card).table.count_free()
    assert {path.upper(): data for path, data in check(card).items()} == model


def test_a_full_card_keeps_what_fitted_and_gives_room_back():
    card = made("fat12")
    volume = FatVolume(card)
    room = volume.clusters()[1] * volume.cluster_bytes
    put(volume, "small", b"kept")
    assert put(volume, "big", bytes(room)) == room - volume.cluster_bytes
    assert volume.clusters()[1] == 0
    assert put(volume, "none", b"x") == 0
    assert result_of(volume.mkdir, "d") == L.DENIED
    assert check(card)["/small"] == b"kept"
    volume.unlink("big")
    assert put(volume, "again", b"x" * 5000) == 5000
    assert set(check(card)) == {"/small", "/none", "/again"}


def test_seeking():
    volume = FatVolume(made("fat16"))
    put(volume, "f", b"0123456789")
    file = volume.open("f", READ | L.WRITE)
    assert (file.seek(4), file.read(3), file.tell()) == (4, b"456", 7)
    assert file.write(b"X") == 1
    assert (file.seek(5000), file.size, file.write(b"end")) == (5000, 5000, 3)
    file.close()
    file = volume.open("f", READ)
    assert file.seek(9999) == 5003
    file.seek(0)
    data = file.read()
    assert (data[:10], data[5000:], len(data)) == (b"0123456X89", b"end", 5003)


def test_folders_and_the_current_one():
    volume = FatVolume(made("fat32"))
    volume.mkdir("One")
    volume.chdir("oNE")
    volume.mkdir("two")
    put(volume, "two/x", b"1")
    assert volume.getcwd() == "/One"
    assert [e.name for e in volume.listdir("../one/.//two")] == ["x"]
    assert result_of(volume.unlink, "/One/two") == L.DENIED  # not empty
    assert result_of(volume.unlink, "/One") == L.DENIED
    assert result_of(volume.rename, "/One", "/One/two/in") == L.DENIED
    assert result_of(volume.chdir, "two/x") == L.NO_PATH
    assert result_of(volume.open, "none/x", NEW) == L.NO_PATH
    assert result_of(volume.open, "two", READ) == L.NO_FILE
    volume.rename("two", "/moved here")
    block = volume.window.read(volume._first_block(
        next(i for i in volume.items(0) if i.name == "moved here").record.cluster))
    assert L.DirRecord.parse(block, 32).cluster == 0  # `..` of a folder at the top
    assert list(check(volume.device)) == ["/moved here/x"]


def test_a_folder_grows():
    volume = FatVolume(made("fat16"))
    volume.mkdir("d")
    for i in range(60):
        put(volume, f"d/a rather long file name {i}.txt", b"%d" % i)
    files = check(volume.device)
    assert len(files) == 60 and files["/d/a rather long file name 57.txt"] == b"57"
    assert len({i.record.name for i in volume.items(volume._folder(["d"])[0])}) == 60


def test_times_are_kept():
    now = (2024 - 1980) << 25 | 2 << 21 | 29 << 16 | 13 << 11 | 37 << 5 | 21
    volume = FatVolume(made("fat12"), now=lambda: now)
    put(volume, "f", b"")
    assert volume.stat("f").changed == 24 * 365 * 86400 + 6 * 86400 + (31 + 28) * 86400 + (
        13 * 3600 + 37 * 60 + 42)
    assert volume.stat("/").changed == 0


def test_an_open_file_whose_entry_is_gone_is_dead():
    volume = FatVolume(made("fat12"))
    file = volume.open("f", NEW)
    file.write(b"1")
    volume.unlink("f")
    put(volume, "g", b"22")
    assert result_of(file.write, b"x") == L.INVALID_OBJECT
    assert result_of(file.close) == L.INVALID_OBJECT
    assert check(volume.device, lost_clusters=True) == {"/g": b"22"}


@pytest.mark.parametrize("name, short", [
    ("README", (b"README     ", 0)), ("readme.txt", (b"README  TXT", 0x18)),
    ("readme.TXT", (b"README  TXT", 0x08)), ("Readme", None), ("a.b.c", None), ("a b", None),
    ("toolongname", None), ("x.text", None), ("a+b", None), (".x", None),
])
def test_which_names_need_no_long_one(name, short):
    assert fat_names.as_short(name) == short
    if short:
        assert fat_names.shown(*short) == name


@given(st.text(st.characters(blacklist_categories=["Cs"], max_codepoint=0xFFFF), min_size=1,
               max_size=40))
def test_any_name_comes_back(name):
    volume = FatVolume(made("fat12"))
    try:
        wanted = fat_names.split(name, [])
    except FatFailure:
        return
    if len(wanted) != 1:
        return
    put(volume, name, b"x")
    assert [e.name for e in volume.listdir("")] == wanted
    assert volume.stat(name).name == wanted[0]


# --- power cuts ---
class CutCard:
    """A card as `base` is, on which nothing can be written after `left` writes."""

    def __init__(self, base: MemoryCard, left: int):
        self.base, self.left = base, left
        self.block_count = base.block_count
        self.written: dict[int, bytes] = {}

    def read_block(self, n):
        return self.written.get(n) or self.base.read_block(n)

    def write_block(self, n, data):
        if self.left <= 0:
            raise CardError("cut")
        self.left -= 1
        self.written[n] = bytes(data)


OLD, CHANGED = b"old content" * 300, b"new content!" * 400
ACTIONS = {
    "replace": lambda v: put(v, "d/a long file name", CHANGED),
    "append": lambda v: put(v, "d/a long file name", CHANGED, APPEND),
    "create": lambda v: put(v, "d/another long file name", CHANGED),
    "remove": lambda v: v.unlink("d/a long file name"),
    "rename": lambda v: v.rename("d/a long file name", "moved to the top"),
    "mkdir": lambda v: v.mkdir("d/inner folder"),
}


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("kind", ["fat12", "fat32"])
def test_a_cut_at_every_write_harms_no_other_file(kind, action):
    base = made(kind)
    volume = FatVolume(base)
    volume.mkdir("d")
    put(volume, "d/a long file name", OLD)
    put(volume, "d/bystander", b"stays" * 500)
    writes = 0
    while True:
        card = CutCard(base, writes)
        try:
            ACTIONS[action](FatVolume(card))
            break
        except FatFailure:
            pass
        found = contents(card)
        assert found.pop("/d/bystander") == b"stays" * 500
        allowed = {"replace": (OLD, b"", CHANGED), "append": (OLD, OLD + CHANGED),
                   "create": (OLD,), "rename": (OLD,), "mkdir": (OLD,)}.get(action, (OLD, None))
        for path, data in found.items():
            if "another" in path:
                assert data in (b"", CHANGED)
            else:
                assert data in allowed, (writes, path)
        if action in ("rename", "append", "replace"):
            assert found, writes  # under one of its names it is always there
        writes += 1
    assert writes >= 2
    check(card)


def contents(card) -> dict[str, bytes]:
    """All files. A rename that was cut shows both names; nothing else may share clusters."""
    volume = FatVolume(card)
    found: dict[str, bytes] = {}

    def walk(path: str) -> None:
        for entry in volume.listdir(path or "/"):
            inner = f"{path}/{entry.name}"
            if entry.is_dir:
                walk(inner)
            else:
                # an entry whose long name was cut off has its 8.3 name
                found[inner] = volume.open(inner, READ).read()

    walk("")
    return found


# --- damaged volumes ---
@pytest.mark.parametrize("at, value, words", [
    (11, b"\0\x08", "sectors of 2048 bytes"), (13, b"\3", "power of two"), (16, b"\7", "7 FATs"),
    (14, b"\0\0", "reserved"), (17, b"\x05\0", "multiple of 16"), (510, b"\0\0", "55 AA"),
    (22, b"\1\0", "too small for"), (19, b"\x60\x4e", "the volume ends at block"),
    (19, b"\1\0", "no possible number"), (3, b"EXFAT   ", None),
])
def test_bad_boot_sectors_are_refused_with_a_reason(at, value, words):
    card = made("fat16")
    card._data[at : at + len(value)] = value
    if words is None:
        card._data[54:62] = bytes(8)
        words = "exFAT"
    with pytest.raises(FatFailure, match=words) as failure:
        FatVolume(card)
    assert failure.value.result == L.NO_FILESYSTEM


def test_chains_that_run_in_a_circle_end():
    volume = FatVolume(made("fat16"))
    put(volume, "f", bytes(5000))
    volume.mkdir("d")
    for name in ("f", "d"):
        cluster = next(i for i in volume.items(0) if i.name == name).record.cluster
        volume.table.set(cluster, cluster)
        volume.sync()
    again = FatVolume(volume.device)
    file = again.open("f", READ)
    file.size = 1 << 31
    assert file.seek(1 << 30) == 1 << 30
    assert result_of(file.read, 1) == L.INT_ERR
    for name in list(range(200)):
        try:
            put(again, f"d/{name}", b"")
        except FatFailure as failure:
            assert failure.result in (L.INT_ERR, L.DENIED)
            break
    again.unlink("f")


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(sorted(KINDS)))
def test_damage_is_answered_and_never_more(seed, kind):
    """Random bytes in boot sector, tables and folders: every action ends, in success or in a
    FatFailure."""
    dice, card = random.Random(seed), made(kind)
    volume = FatVolume(card)
    volume.mkdir("d")
    for i in range(5):
        put(volume, f"d/some file {i}", bytes(3000))
    place = volume.place
    end = (place.data + 3 * place.cluster_blocks) * BLOCK
    for _ in range(dice.choice([1, 3, 30])):
        start = dice.choice([0, place.fat * BLOCK, place.root * BLOCK, place.data * BLOCK])
        at = min(start + dice.randrange(64 if dice.random() < 0.7 else 2048), end - 1)
        card._data[at] = dice.randrange(256)
    try:
        volume = FatVolume(card)
    except FatFailure:
        return
    for action in (
        lambda: volume.listdir("/"), lambda: volume.listdir("d"), volume.clusters,
        lambda: volume.open("d/some file 1", READ).read(), lambda: volume.unlink("d/some file 2"),
        lambda: put(volume, "d/some file 3", b"x" * 4000, APPEND), lambda: volume.mkdir("e"),
        lambda: volume.rename("d/some file 4", "y"), lambda: put(volume, "d/new one", b"1"),
    ):
        try:
            action()
        except FatFailure:
            pass


def test_a_new_card_has_a_partition_of_the_kind_its_size_asks_for():
    for blocks, bits, start in ((2000, 12, 63), (40000, 16, 2048), (1 << 20, 32, 2048)):
        card = MemoryCard(blocks)
        format_card(card)
        assert FatVolume(card, partition=1).place.bits == bits
        assert FatVolume(card).place.base == start
