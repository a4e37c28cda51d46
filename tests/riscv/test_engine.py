"""The engine on a whole board: `Board(engine="riscv")`."""

from __future__ import annotations

import pytest

from k210sim import Board
from k210sim.errors import ConfigError, K210SimError, NotSimulated
from k210sim.flash.boot_image import wrap
from tests.riscv.conftest import PROGRAMS

BIN = (PROGRAMS / "hello.bin").read_bytes()


def board_with(tmp_path, image: bytes, **options) -> Board:
    path = tmp_path / "flash.bin"
    path.write_bytes(image.ljust(16 << 20, b"\xff"))
    return Board(path, engine="riscv", **options)


def test_the_image_in_flash_boots_and_hears_the_host(tmp_path):
    with board_with(tmp_path, wrap(BIN)) as board:
        assert board._engine.at_prompt
        board.serial.write(b"xy")
        board.serial.expect(rb"\[x\]\[y\]", 10)
        board.interrupt()
        board.serial.expect(rb"\[\x03\]", 10)
        assert board.statistics()["instructions"] > 1000
        board.reset()
        board.serial.expect(rb"hello from RISC-V", 10)
        with pytest.raises(NotSimulated):
            board.exec("print(1)")
        with pytest.raises(NotSimulated):
            board.snapshot()
    assert not board.powered


@pytest.mark.parametrize(
    "spoil, reason",
    [
        (lambda image: image[:-1] + bytes([image[-1] ^ 1]), "SHA-256"),
        (lambda image: b"\xff" * 64, "flags"),
    ],
)
def test_a_bad_image_says_what_the_boot_rom_does(tmp_path, spoil, reason):
    with board_with(tmp_path, wrap(BIN)) as board:
        board.power_off()
        board.hardware.flash._data[: len(BIN) + 37] = spoil(wrap(BIN)).ljust(len(BIN) + 37, b"\0")
        with pytest.raises(K210SimError, match=f"(?s){reason}.*ISP mode"):
            board.power_on()


def test_an_encrypted_image_is_refused(tmp_path):
    with pytest.raises(NotSimulated), board_with(tmp_path, wrap(BIN, flags=1)):
        pass


def test_auto_stays_with_the_builtin_engine(tmp_path):
    path = tmp_path / "flash.bin"
    path.write_bytes(wrap(BIN).ljust(16 << 20, b"\xff"))
    board = Board(path)
    try:
        assert board.engine_name == "builtin"
    finally:
        board.close()
    with pytest.raises(ConfigError, match="builtin, riscv"):
        Board(engine="qemu")
