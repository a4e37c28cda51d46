"""The engine on a whole board: `Board(engine="riscv")`."""

from __future__ import annotations

import pickle
import random
import time

import pytest

from k210sim import Board
from k210sim.board.board import ExecTimeout
from k210sim.board.riscv import BOOT_NS
from k210sim.errors import BootRefused, ConfigError, K210SimError, NotSimulated
from k210sim.flash.boot_image import wrap
from k210sim.riscv.first_look import looks_like_code
from tests.riscv.conftest import PROGRAMS

BIN = (PROGRAMS / "hello.bin").read_bytes()
PROMPT = (PROGRAMS / "prompt.bin").read_bytes()


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
    assert not board.powered


def test_a_firmware_without_a_prompt_runs_no_scripts(tmp_path):
    with board_with(tmp_path, wrap((PROGRAMS / "harts.bin").read_bytes())) as board:
        with pytest.raises(ConfigError, match="no MicroPython prompt"):
            board.exec("print(1)")
        board.serial.expect(b"end\n", 10)


@pytest.mark.parametrize("run_main", [False, True])
def test_a_program_nobody_wants_stands_still_once_it_has_come_to_stay(tmp_path, run_main):
    endless = b"\x6f\0\0\0"
    with board_with(tmp_path, wrap(endless), run_main=run_main) as board:
        first = board.clock.now_ns
        time.sleep(0.1)
        assert (board.clock.now_ns == first) == (not run_main)
        assert first >= BOOT_NS
        if not run_main:
            board.serial.write(b"x")
            time.sleep(0.1)
            assert board.clock.now_ns > first


def test_a_program_runs_through_the_raw_prompt(tmp_path):
    with board_with(tmp_path, wrap(PROMPT)) as board:
        came = []
        good = board.exec("pfirst\npsecond", on_output=came.append)
        assert (good.stdout, good.ok, good.exit_reason) == ("first\nsecond\n", True, "ok")
        assert b"".join(came) == good.output == b"first\r\nsecond\r\n"
        bad = board.exec("pbefore\neValueError: x")
        assert (bad.stdout, bad.error, bad.ok) == ("before\n", "ValueError: x\n", False)
        assert bad.output == b"before\r\nValueError: x\r\n"
        assert board.exec("m\npbehind the mark").stdout == "\x04behind the mark\n"
        assert board.exec("p" + 300 * "long ").stdout == 300 * "long " + "\n"
        with pytest.raises(ExecTimeout) as error:
            board.exec("pstarted\nl", timeout=0.3)
        assert error.value.result.stdout == "started\n"
        assert error.value.result.error == "KeyboardInterrupt: \n"
        with pytest.raises(ConfigError, match="control byte 0x04"):
            board.exec(b"p\x04")
        last = board.exec("plast\nr")
        assert (last.stdout, last.exit_reason) == ("last\n", "reset")
        assert board.exec("pagain").stdout == "again\n"
        board.serial.write(b"typed")
        board.serial.expect(rb">>> typed", 10)


def settled_ns(board: Board) -> int:
    """The time at which the board stands still."""
    return board._engine.call(lambda: board.clock.now_ns)


def test_a_typed_at_board_gives_way_and_snapshots_continue_alike(tmp_path):
    with board_with(tmp_path, wrap(PROMPT)) as board:
        saved = pickle.loads(pickle.dumps(board.snapshot()))
        times = [(board.exec("t"), settled_ns(board))]
        board.serial.write(b"left at the prompt")
        board.serial.expect(rb"at the prompt", 10)
        for _ in range(2):
            board.restore(saved)
            times.append((board.exec("t"), settled_ns(board)))
        assert times[0] == times[1] == times[2]
        assert board.exec("t").stdout != times[0][0].stdout
    with board_with(tmp_path, wrap(PROMPT)) as board:
        assert (board.exec("t"), settled_ns(board)) == times[0]
        board.restore(saved)
        assert (board.exec("t"), settled_ns(board)) == times[0]
    with Board() as other, pytest.raises(ConfigError, match="riscv"):
        other.restore(saved)


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


def test_auto_runs_the_firmware_that_is_in_flash(tmp_path, caplog):
    path = tmp_path / "flash.bin"
    path.write_bytes(wrap(PROMPT).ljust(16 << 20, b"\xff"))
    with Board(path) as board:
        assert board.engine_name == "riscv"
        assert board.exec("phere").stdout == "here\n"
        board.hardware.flash._data[100] ^= 1  # spoilt: a tool that resets it finds the boot ROM
        board.hardware.flash.mark_dirty([0])
        board.set_lines(True, False)
        board.set_lines(False, True)
        board.set_lines(False, False)
        end = time.monotonic() + 10
        while not board.in_isp and time.monotonic() < end:
            time.sleep(0.01)
        assert board.in_isp and "the SHA-256 does not match" in caplog.text
    with pytest.raises(BootRefused, match="stay in its ISP mode"), Board(path):
        pass
    with Board(path, engine="builtin") as board:
        assert board.exec("print('ours')").stdout == "ours\n"


@pytest.mark.parametrize("content", [b"", random.Random(1).randbytes(9000), bytes(9000)])
def test_auto_takes_other_files_for_no_firmware(tmp_path, content):
    path = tmp_path / "flash.bin"
    path.write_bytes((wrap(content) if content else b"").ljust(16 << 20, b"\xff"))
    board = Board(path)
    try:
        assert board.engine_name == "builtin"
    finally:
        board.close()


def test_programs_look_like_programs():
    for path in PROGRAMS.glob("*.bin"):
        assert looks_like_code(path.read_bytes()), path
    endless = bytes.fromhex("6f000000")  # j .
    assert looks_like_code(endless) and looks_like_code(b"\x13\0\0\0" + endless)
    assert not looks_like_code(b"") and not looks_like_code(b"\x13\0\0\0")
    generator = random.Random(3)
    passed = sum(looks_like_code(generator.randbytes(4000)) for _ in range(2000))
    assert passed < 10


def test_an_unknown_engine_is_refused():
    with pytest.raises(ConfigError, match="builtin, riscv"):
        Board(engine="qemu")
