"""The slot: images and folders as blocks, insertion and ejection, changes that reach the host."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
from fat_check import check

from k210sim.errors import HostError
from k210sim.sd import fat_layout as L
from k210sim.sd import folder_blocks
from k210sim.sd.cards import CardError, MemoryCard
from k210sim.sd.fat import FatVolume
from k210sim.sd.fat_format import format_card, format_volume
from k210sim.sd.fat_layout import FatFailure
from k210sim.sd.slot import SdSlot

NEW = L.WRITE | L.CREATE_ALWAYS


def put(volume: FatVolume, path: str, data: bytes, mode: int = NEW) -> None:
    file = volume.open(path, mode)
    file.write(data)
    file.close()


def image(path, blocks: int = 8000, *, bare: bool = False):
    card = MemoryCard(blocks)
    (format_volume if bare else format_card)(card)
    path.write_bytes(card._data)
    return path


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "secret.txt").write_text("outside")
    card = tmp_path / "card"
    (card / "lib").mkdir(parents=True)
    (card / "lib" / "mine.py").write_text("answer = 42")
    (card / "big.bin").write_bytes(bytes(range(251)) * 400)
    (card / "one").write_text("1" * 40)
    (card / "two").write_text("2" * 4000)
    (card / "link").symlink_to(tmp_path / "secret.txt")
    (card / "out").symlink_to(tmp_path)
    return card


# --- images ---
def test_an_empty_slot():
    slot = SdSlot()
    assert (slot.inserted, slot.block_count, slot.changes) == (False, 0, 0)
    with pytest.raises(CardError, match="none in the slot"):
        slot.read_block(0)
    slot.eject()
    assert slot.changes == 0


def test_what_is_written_is_in_the_image(tmp_path):
    path = image(tmp_path / "card.img")
    slot = SdSlot(path)
    put(FatVolume(slot), "kept", b"x" * 3000)
    assert path.read_bytes().count(b"x" * 512) == 5  # without any flush
    slot.eject()
    assert check(SdSlot(path)) == {"/kept": b"x" * 3000}


def test_a_bare_volume_is_the_first_partition(tmp_path):
    path = image(tmp_path / "card.img", bare=True)
    before = path.read_bytes()
    slot = SdSlot(path)
    assert slot.block_count == 8000 + 2048
    volume = FatVolume(slot, partition=1)
    assert volume.place.base == 2048
    slot.write_block(7, b"7" * 512)  # before the partition: kept until the card is taken out
    assert slot.read_block(7) == b"7" * 512
    assert path.read_bytes() == before
    put(volume, "kept", b"1")
    slot.eject()
    assert check(SdSlot(path)) == {"/kept": b"1"}


@pytest.mark.parametrize("content, words", [
    (b"", "found 0 bytes"), (bytes(33000), "multiple of 512"), (bytes(1 << 20), "no FAT volume"),
    (b"\xeb\x76\x90EXFAT   ".ljust(510, b"\0") + b"\x55\xaa" + bytes(1 << 20), "exFAT"),
])
def test_what_is_no_card_is_refused_in_one_line(tmp_path, content, words):
    path = tmp_path / "x.img"
    path.write_bytes(content)
    with pytest.raises(HostError, match=words) as error:
        SdSlot(path)
    assert "\n" not in str(error.value) and str(path) in str(error.value)
    assert path.read_bytes() == content


def test_a_truncated_image_is_refused(tmp_path):
    path = image(tmp_path / "card.img")
    path.write_bytes(path.read_bytes()[: 512 * 4000])
    with pytest.raises(HostError, match="the volume ends at block"):
        SdSlot(path)


def test_devices_and_missing_files_are_refused(tmp_path):
    with pytest.raises(HostError, match="no such"):
        SdSlot(tmp_path / "none")
    with pytest.raises(HostError, match="expected an image file"):
        SdSlot("/dev/zero")


def test_an_image_is_in_one_slot_only(tmp_path):
    path = image(tmp_path / "card.img")
    slot = SdSlot(path)
    code = "from k210sim.sd.slot import SdSlot; SdSlot(%r)" % str(path)
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "another k210sim is using it" in other.stderr
    slot.eject()
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_a_card_that_was_taken_out_stays_dead(tmp_path):
    path, other = image(tmp_path / "a.img"), image(tmp_path / "b.img")
    slot = SdSlot(path)
    volume = FatVolume(slot.card)
    file = volume.open("f", NEW)
    file.write(b"lost")
    slot.eject()
    with pytest.raises(FatFailure):
        file.close()
    slot.insert(path)
    with pytest.raises(FatFailure):
        volume.stat("other")
    assert slot.changes == 3
    slot.insert(other)
    assert slot.path == other
    with pytest.raises(HostError):
        slot.insert(tmp_path / "none")
    assert slot.path == other and slot.inserted


def test_a_file_that_may_not_be_written_is_a_protected_card(tmp_path):
    path = image(tmp_path / "card.img")
    slot = SdSlot(path)
    slot.card.protected = True  # what a read-only file sets, which root may write all the same
    with pytest.raises(FatFailure, match="write-protected"):
        put(FatVolume(slot), "f", b"1")


WRITER = """
import sys
from k210sim.sd.slot import SdSlot
from k210sim.sd.fat import FatVolume
volume = FatVolume(SdSlot(sys.argv[1]).card)
for i in range(10000):
    file = volume.open("file %d.txt" % (i % 7), 2 | 8)
    file.write(b"%d" % i * 700)
    file.close()
    sys.stdout.write("%d\\n" % i)
    sys.stdout.flush()
"""


def test_kill_9_loses_nothing_that_was_closed(tmp_path):
    path = image(tmp_path / "card.img")
    for kill_at in (3, 8, 21):
        with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], text=True,
                              stdout=subprocess.PIPE) as writer:
            for line in writer.stdout:
                if int(line) >= kill_at:
                    break
            os.kill(writer.pid, signal.SIGKILL)
            closed = int((writer.stdout.read().split() or [line])[-1])
        slot = SdSlot(path)
        files = check(slot, lost_clusters=True, short_chains=True)
        slot.eject()
        # The seventh last is being written anew: empty, old or new.
        for number in range(max(0, closed - 5), closed + 1):
            assert files[f"/file {number % 7}.txt"] == b"%d" % number * 700, (number, closed)


# --- folders as blocks ---
def test_a_folder_is_a_fat32_card(folder):
    slot = SdSlot(folder)
    files = check(slot)
    assert files == {"/big.bin": (folder / "big.bin").read_bytes(), "/one": b"1" * 40,
                     "/two": b"2" * 4000, "/lib/mine.py": b"answer = 42"}
    assert FatVolume(slot, partition=1).place.bits == 32
    changed = int((folder / "one").stat().st_mtime) - 946684800
    assert abs(FatVolume(slot).stat("one").changed - changed) <= 2


def test_changes_reach_the_folder(folder):
    slot = SdSlot(folder)
    volume = FatVolume(slot)
    put(volume, "lib/new file.txt", b"new" * 1000)
    volume.rename("one", "spare")
    volume.rename("two", "one")
    volume.rename("spare", "two")
    file = volume.open("big.bin", L.READ | L.WRITE)
    file.seek(50_000)
    file.write(b"patched")
    file.close()
    volume.unlink("lib/mine.py")
    volume.mkdir("a")
    volume.mkdir("a/b")
    put(volume, "a/b/c", b"")
    before = check(slot)
    slot.flush()
    assert check(slot) == before  # what shows through now is what was written
    slot.eject()
    assert sorted(os.listdir(folder)) == ["a", "big.bin", "lib", "link", "one", "out", "two"]
    assert (folder / "lib" / "new file.txt").read_bytes() == b"new" * 1000
    assert (folder / "one").read_text() == "2" * 4000 and (folder / "two").read_text() == "1" * 40
    assert (folder / "big.bin").read_bytes()[50_000:50_007] == b"patched"
    assert os.listdir(folder / "lib") == ["new file.txt"] and os.listdir(folder / "a/b") == ["c"]
    assert (folder.parent / "secret.txt").read_text() == "outside"


def test_changes_go_to_the_folder_by_themselves(folder, monkeypatch):
    monkeypatch.setattr(folder_blocks, "QUIET_S", 0.05)
    slot = SdSlot(folder)
    put(FatVolume(slot), "new", b"1")
    for _ in range(200):
        if (folder / "new").exists():
            break
        signal.sigtimedwait([], 0.05)
    assert (folder / "new").read_bytes() == b"1"
    slot.eject()


def test_a_file_in_the_place_of_a_folder_and_the_other_way_round(folder):
    slot = SdSlot(folder)
    volume = FatVolume(slot)
    volume.unlink("lib/mine.py")
    volume.unlink("lib")
    volume.rename("one", "lib")
    volume.mkdir("one")
    put(volume, "one/x", b"x")
    slot.eject()
    # a folder cannot be replaced by a file in one step: the file comes with the next change
    assert (folder / "one" / "x").read_bytes() == b"x"
    assert check(SdSlot(folder))["/one/x"] == b"x"


def test_links_of_the_host_are_never_followed(folder):
    slot = SdSlot(folder)
    volume = FatVolume(slot)
    assert {e.name for e in volume.listdir("/")} == {"big.bin", "lib", "one", "two"}
    volume.mkdir("out")
    put(volume, "out/secret.txt", b"stolen")
    put(volume, "link", b"stolen")
    slot.eject()
    assert (folder.parent / "secret.txt").read_text() == "outside"
    assert (folder / "link").is_symlink() and (folder / "out").is_symlink()


@pytest.mark.parametrize("name", ["../secret.txt", "..", "a/../../secret.txt", ".k210sim-1"])
def test_hostile_names_on_the_volume_stay_on_it(folder, name):
    slot = SdSlot(folder)
    volume = FatVolume(slot)
    volume._create(0, name, L.ARCHIVE, volume.find("one").record.cluster)
    volume.sync()
    slot.eject()
    assert (folder.parent / "secret.txt").read_text() == "outside"
    assert sorted(os.listdir(folder)) == ["big.bin", "lib", "link", "one", "out", "two"]
    assert (folder / "one").read_text() == "1" * 40


def test_a_wiped_volume_leaves_the_folder_alone(folder):
    slot = SdSlot(folder)
    place = FatVolume(slot).place
    for n in (0, place.base):
        slot.write_block(n, bytes(512))
    slot.eject()
    assert (folder / "one").read_text() == "1" * 40


def test_a_broken_chain_keeps_the_old_file_and_removes_nothing(folder):
    slot = SdSlot(folder)
    volume = FatVolume(slot)
    volume.unlink("two")
    item = volume.find("big.bin")
    n, at = item.slots[-1]
    volume.window.change(n)[at + 28 : at + 32] = (5_000_000).to_bytes(4, "little")
    volume.sync()
    slot.eject()
    assert (folder / "big.bin").read_bytes() == bytes(range(251)) * 400
    assert (folder / "two").exists()
