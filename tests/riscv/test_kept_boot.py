"""A board that goes on after a kept boot is the board that would have booted."""

from __future__ import annotations

import pytest

from k210sim import Board
from k210sim.board import kept_boot
from k210sim.errors import HostError
from k210sim.flash.boot_image import wrap
from tests.riscv.conftest import PROGRAMS

PROMPT = wrap((PROGRAMS / "prompt.bin").read_bytes()).ljust(16 << 20, b"\xff")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv(kept_boot.ENVIRONMENT, str(tmp_path / "boots"))
    return tmp_path / "boots"


@pytest.fixture
def board(tmp_path):
    """Makes a board that is on, one after the other, each with the same image."""
    boards = []

    def make(content: bytes = PROMPT, **options) -> Board:
        path = tmp_path / f"{len(boards)}.bin"
        path.write_bytes(content)
        boards.append(Board(path, **{"engine": "riscv", "run_main": False, **options}))
        boards[-1].power_on()
        return boards[-1]

    yield make
    for one in boards:
        one.close()


def settled(board: Board) -> Board:
    """The board once it has come to rest; only then its boot is kept."""
    board._engine.call(lambda: None)
    return board


def was_kept(board: Board) -> bool:
    return board.statistics()["boot_kept"]


def all_of(board: Board) -> bytes:
    """Everything there is of a board once it has settled at its prompt."""
    snapshot = board.snapshot()
    parts = {name: state for name, state in snapshot.parts.items() if name != "flash"}
    engine = {name: value for name, value in snapshot.engine_state.items()}
    figures = board.statistics()
    counted = [figures[name] for name in ("instructions", "traps", "device_s")]
    return kept_boot._values().pack(
        (parts, engine, snapshot.clock_ns, counted, figures["flash"], board.serial.read()))


def test_the_third_boot_goes_on_where_the_second_was(folder, board):
    kept, states = [], []
    for _ in range(3):
        one = board()
        kept.append(was_kept(one))
        before = all_of(one)
        printed = one.exec("print(1)").output
        states.append((before, printed, all_of(one)))
    assert kept == [False, False, True]
    assert states[1:] == states[:1] * 2
    assert [path.suffix for path in folder.iterdir()] == [".boot"]


def test_what_a_boot_depends_on_makes_it_another_one(folder, board, tmp_path):
    for _ in range(2):
        settled(board())
    (tmp_path / "card").mkdir()
    assert was_kept(board())
    for other in ({"seed": 1}, {"safe": True}, {"board": "dock"},
                  {"sd": tmp_path / "card"}, {"content": PROMPT[:-1] + b"\0"}):  # fmt: skip
        assert not was_kept(board(**other)), other


def test_real_time_is_not_kept(folder, board):
    for _ in range(2):
        assert not was_kept(board(clock="real"))
    assert not folder.exists()


def test_no_folder_no_kept_boots(board, monkeypatch, tmp_path):
    monkeypatch.setenv(kept_boot.ENVIRONMENT, "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for _ in range(2):
        assert not was_kept(settled(board()))
    assert not (tmp_path / "cache").exists()


def test_a_boot_that_somebody_talks_to_is_not_kept(folder, board, monkeypatch):
    find = kept_boot.find

    def find_and_type(hardware, camera):
        found = find(hardware, camera)
        hardware.port.host_send(b"\x03")
        return found

    monkeypatch.setattr(kept_boot, "find", find_and_type)
    for _ in range(2):
        settled(board())
    assert not folder.exists()


def test_what_is_no_kept_boot_is_not_used(folder, board, caplog):
    for _ in range(2):
        settled(board())
    (kept,) = folder.iterdir()
    whole = kept.read_bytes()
    for spoilt in (whole[:-1], whole[:-1] + bytes([whole[-1] ^ 1]), kept_boot.MAGIC):
        caplog.clear()
        kept.write_bytes(spoilt)
        assert not was_kept(settled(board()))
        assert "is not used" in caplog.text
    kept.write_bytes(forged({"output": b"", "port": (1, 2, 3), "parts": {}}))
    with pytest.raises(HostError, match="expected the state of a board, found KeyError"):
        settled(board())
    assert not kept.exists()


def forged(state: dict) -> bytes:
    import hashlib
    import zlib

    packed = zlib.compress(kept_boot._values().pack(state))
    return kept_boot.MAGIC + hashlib.sha256(packed).digest() + packed
