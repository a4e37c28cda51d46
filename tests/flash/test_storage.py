"""The flash image file: creation, locking, and that no kill leaves a torn state."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import time

import pytest

from k210sim.errors import ConfigError, HostError
from k210sim.flash import storage
from k210sim.flash.nor import SECTOR, SIZE
from k210sim.flash.storage import FlashStorage, pack_transaction, unpack_transaction


def test_created_on_first_use_and_kept(tmp_path):
    path = tmp_path / "deep" / "flash.bin"
    factory_calls = []

    def factory():
        factory_calls.append(1)
        return b"\x55" * 16 + b"\xff" * (SIZE - 16)

    with FlashStorage(path, factory=factory) as flash:
        assert flash.nor.read(0, 17) == b"\x55" * 16 + b"\xff"
        flash.nor.write(0x300010, b"model")
    assert path.stat().st_size == SIZE
    assert [p.name for p in path.parent.iterdir()] == ["flash.bin"]
    with FlashStorage(path, factory=factory) as flash:
        assert flash.nor.read(0x300010, 5) == b"model"
    assert factory_calls == [1]


def test_an_exception_saves_nothing(tmp_path):
    path = tmp_path / "flash.bin"
    FlashStorage(path).close()
    with pytest.raises(RuntimeError), FlashStorage(path) as flash:
        flash.nor.write(0, b"half done")
        raise RuntimeError
    with FlashStorage(path) as flash:
        assert flash.nor.read(0, 4) == b"\xff" * 4


def test_in_memory_touches_no_disk(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with FlashStorage(None, factory=lambda: bytes(SIZE)) as flash:
        assert flash.nor.read(5, 1) == b"\x00"
        flash.nor.write(0, b"x")
        assert flash.commit() == 0
    assert list(tmp_path.iterdir()) == []


def test_default_path(monkeypatch, tmp_path):
    monkeypatch.setenv("K210SIM_FLASH", str(tmp_path / "mine.bin"))
    assert storage.default_image_path() == tmp_path / "mine.bin"
    monkeypatch.delenv("K210SIM_FLASH")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert storage.default_image_path().name == "flash.bin"


def test_two_users_of_one_image_are_refused(tmp_path):
    path = tmp_path / "flash.bin"
    with FlashStorage(path):
        with pytest.raises(ConfigError, match="another k210sim is using it") as error:
            FlashStorage(path)
        assert "\n" not in str(error.value)
    FlashStorage(path).close()


@pytest.mark.parametrize("size", [0, SIZE - 1, SIZE + 1])
def test_wrong_size_is_refused_and_left_alone(tmp_path, size):
    path = tmp_path / "flash.bin"
    path.write_bytes(b"a" * size)
    with pytest.raises(ConfigError, match=f"found {size} bytes, expected {SIZE}"):
        FlashStorage(path)
    assert path.read_bytes() == b"a" * size
    assert [p.name for p in tmp_path.iterdir()] == ["flash.bin"]


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="is a directory"):
        FlashStorage(tmp_path)


def test_commit_after_close_is_an_error(tmp_path):
    flash = FlashStorage(tmp_path / "flash.bin")
    flash.close()
    flash.nor.write(0, b"x")
    with pytest.raises(HostError, match="already closed"):
        flash.commit()


def test_failed_save_can_be_repeated(tmp_path, monkeypatch):
    path = tmp_path / "flash.bin"
    flash = FlashStorage(path)
    flash.nor.write(0, b"precious")
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: (_ for _ in ()).throw(OSError(28, "disk full")))
    with pytest.raises(HostError, match="cannot be saved: disk full"):
        flash.commit()
    monkeypatch.setattr(os, "fsync", real)
    assert flash.commit() == 1
    flash.close()
    assert path.read_bytes()[:8] == b"precious"


def test_transaction_round_trip_and_every_torn_length():
    rng = random.Random(5)
    sectors = {rng.randrange(4096): rng.randbytes(SECTOR) for _ in range(2)}
    whole = pack_transaction(sectors)
    assert unpack_transaction(whole) == sectors
    for length in range(len(whole)):
        assert unpack_transaction(whole[:length]) is None
    # old bytes behind a shorter new transaction do no harm
    assert unpack_transaction(whole + b"rest of an older one") == sectors


def test_damaged_transactions_are_not_applied():
    whole = bytearray(pack_transaction({7: bytes(SECTOR), 9: b"\x01" * SECTOR}))
    for at in range(0, len(whole), 13):
        whole[at] ^= 0x10
        assert unpack_transaction(bytes(whole)) is None
        whole[at] ^= 0x10


def _image_with(path, content: bytes):
    path.write_bytes(content + b"\xff" * (SIZE - len(content)))


@pytest.mark.parametrize("part", range(8))
def test_recovery_gives_old_or_new_at_every_journal_length(tmp_path, part):
    """A journal cut at any byte: every length is checked for its verdict above, a spread of
    lengths is opened for real here."""
    path = tmp_path / "flash.bin"
    old, new = b"\x11" * SECTOR * 2, b"\x22" * SECTOR * 2
    journal = pack_transaction({0: new[:SECTOR], 1: new[SECTOR:]})
    length = [0, 1, 12, 13, 5000, len(journal) - 1, len(journal), len(journal)][part]
    _image_with(path, old if part < 7 else new[:SECTOR] + old[SECTOR:])  # 7: half applied
    path.with_name("flash.bin.journal").write_bytes(journal[:length])
    with FlashStorage(path) as flash:
        assert flash.nor.read(0, 2 * SECTOR) == (new if length == len(journal) else old)
    assert [p.name for p in tmp_path.iterdir()] == ["flash.bin"]


CHILD = """
import sys
from k210sim.flash.storage import FlashStorage
from k210sim.flash.nor import SECTOR
flash = FlashStorage(sys.argv[1])
sectors = [0, 1, 700, 768, 2048, 4095]
n = int.from_bytes(flash.nor.read(0, 4), "little")
print("ready", flush=True)
while True:
    n = (n + 1) & 0x7FFFFFFF
    for s in sectors:
        flash.nor.write(s * SECTOR, n.to_bytes(4, "little") * (SECTOR // 4))
    flash.commit()
    print(n, flush=True)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs kill -9")
def test_kill_9_at_any_moment(tmp_path):
    """A child commits the same number to six sectors over and over; it is killed at random."""
    path = tmp_path / "flash.bin"
    _image_with(path, bytes(4))
    rng = random.Random(1)
    for sector in (0, 1, 700, 768, 2048, 4095):
        with open(path, "r+b") as file:
            file.seek(sector * SECTOR)
            file.write(bytes(SECTOR))
    reached = 0
    for _ in range(8):
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(path)], stdout=subprocess.PIPE, text=True
        )
        assert child.stdout.readline() == "ready\n"
        time.sleep(rng.uniform(0.002, 0.06))
        child.kill()
        printed = child.stdout.read().split()
        child.wait()
        with FlashStorage(path) as flash:
            values = {
                flash.nor.read(s * SECTOR, SECTOR) for s in (0, 1, 700, 768, 2048, 4095)
            }
            assert len(values) == 1, "the six sectors differ: a torn commit"
            value = values.pop()
            number = int.from_bytes(value[:4], "little")
            assert value == value[:4] * (SECTOR // 4)
        last = int(printed[-1]) if printed else reached
        assert number in (last, last + 1), "a finished commit was lost"
        reached = number
    assert reached > 0


def test_the_image_is_what_the_chip_holds(tmp_path):
    path = tmp_path / "flash.bin"
    with FlashStorage(path) as flash:
        for n in range(40):
            flash.nor.write(n * 0x61234 % (SIZE - 100), bytes([n]) * 100)
        flash.nor.erase(0x10000, 0x10000)
        wanted = hashlib.sha256(flash.nor.data).digest()
    assert hashlib.sha256(path.read_bytes()).digest() == wanted


def test_no_room_for_a_new_image(tmp_path, monkeypatch):
    """The disk is full while the image is being created: one line, and nothing left behind."""
    monkeypatch.setattr(os, "fsync", lambda fd: (_ for _ in ()).throw(OSError(28, "disk full")))
    with pytest.raises(ConfigError, match="disk full"):
        FlashStorage(tmp_path / "flash.bin")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may do all")
def test_a_folder_without_permission(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(ConfigError, match="Permission denied"):
        FlashStorage(tmp_path / "flash.bin")
