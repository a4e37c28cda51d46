"""Board with a stand-in runtime: power, programs, flash, snapshots."""

from __future__ import annotations

import pickle
import sys
import time
from pathlib import Path

import pytest

from k210sim.board import builtin
from k210sim.board.board import FACTORY, Board, ExecTimeout
from k210sim.board.profiles import PROFILES, profile
from k210sim.errors import ConfigError, FlashError, K210SimError, TimeoutExpired

sys.path.append(str(Path(__file__).resolve().parents[1] / "repl"))
from repl_standin import StandInInterpreter  # noqa: E402


@pytest.fixture(autouse=True)
def standin(monkeypatch):
    monkeypatch.setattr(builtin, "make_interpreter", lambda f, h: StandInInterpreter(f))


@pytest.fixture
def board():
    with Board() as made:
        yield made


def test_boots_to_its_prompt(board):
    board.expect(rb"\[MAIXPY\] Flash:0xc8:0x17\r\n\[MaixPy\] gc heap=0x\w+-0x\w+\(524288\)\r\n")
    board.expect(rb">>> $")
    board.serial.write(b"1+1\r\n")
    assert board.expect(rb"2\r\n>>> ")


def test_exec_gives_what_was_printed(board):
    result = board.exec("print('one')\nprint('two')")
    assert (result.stdout, result.output, result.ok) == ("one\ntwo\n", b"one\r\ntwo\r\n", True)
    assert result.exit_reason == "ok" and result.virtual_ms > 0


def test_exec_of_a_failing_program(board):
    result = board.exec("print(1)\n1/0")
    assert not result.ok and result.stdout == "1\n"
    assert result.error.endswith("ZeroDivisionError: divide by zero\n")
    assert result.output.startswith(b"1\r\nTraceback (most recent call last):\r\n")


def test_exec_takes_bytes_and_files(board, tmp_path):
    script = tmp_path / "hello.py"
    script.write_text("print('from a file')")
    assert board.exec(script).stdout == board.exec(str(script)).stdout == "from a file\n"
    assert board.exec(b"print(5)").stdout == "5\n"


def test_exec_shares_names_with_the_prompt(board):
    board.exec("x = 41")
    board.serial.write(b"x+1\r")
    assert board.expect(rb"42\r\n")


def test_a_program_past_its_timeout_is_stopped(board):
    started = time.monotonic()
    with pytest.raises(ExecTimeout) as caught:
        board.exec("print('begun')\nspin()", timeout=0.2)
    assert time.monotonic() - started < 3
    assert caught.value.exit_code == 42
    assert caught.value.result.stdout == "begun\n"
    assert board.exec("print(1)").ok


def test_exec_stops_a_running_program(board):
    board.serial.write(b"spin()\r")
    board.expect(rb"spin\(\)\r\n")
    assert board.exec("print(2)").stdout == "2\n"
    assert b"KeyboardInterrupt" in board.serial.transcript


def test_output_streams_while_the_program_runs(board):
    pieces = []
    board.exec("print('a')\nprint('b')", on_output=pieces.append)
    assert pieces == [b"a\r\n", b"b\r\n"]


def test_soft_reset_forgets_names_and_boots_again(board):
    board.exec("x = 1")
    board.serial.clear()
    board.soft_reset()
    board.expect(rb"^\[MaixPy\]: soft reboot\r\n\[MaixPy\] gc heap")
    assert "NameError" in board.exec("x").error


def test_reset_prints_the_whole_log_again(board):
    board.exec("x = 1")
    board.serial.clear()
    board.reset()
    board.expect(rb"\[MAIXPY\] cpu:freq")
    assert "NameError" in board.exec("x").error


def test_off_is_off(board):
    board.power_off()
    assert not board.powered
    with pytest.raises(K210SimError, match="off"):
        board.exec("1")
    with pytest.raises(TimeoutExpired, match="off"):
        board.expect(b"never", timeout=5)
    board.power_on()
    assert board.exec("print(1)").ok


def test_power_can_be_cut_under_a_running_program(board):
    board.serial.write(b"spin()\r")
    board.expect(rb"spin\(\)\r\n")
    board.power_off()
    assert not board.powered


def test_equal_runs_take_equal_times():
    def run():
        with Board(seed=7) as board:
            board.serial.write(b"print(1)\r")
            board.expect(rb"1\r\n>>> ")
            took = board.exec("sleep_ms(30)\nprint(2)").virtual_ms
            return took, board.clock.now_ns, board.serial.transcript

    assert run() == run()


def test_flash_programs_and_boots_again(board):
    board.exec("x = 1")
    board.flash(b"K" * 5000, addr=0x301000)
    assert board.hardware.flash.read(0x301000, 5000) == b"K" * 5000
    assert "NameError" in board.exec("x").error
    with pytest.raises(FlashError):
        board.flash(b"K" * 5000, addr=0xFFF000)
    assert board.powered


def test_the_flash_image_is_saved_and_the_same_board_comes_back(tmp_path):
    image = tmp_path / "flash.bin"
    with Board(flash_image=image) as board:
        board.flash(b"model", addr=0x600000)
    with Board(flash_image=image) as board:
        assert board.hardware.flash.read(0x600000, 5) == b"model"


def test_a_factory_board_has_the_demo():
    board = Board(flash_image=FACTORY)
    assert board.hardware.flash.read(0x300000, 4) == b"\x03\0\0\0"
    board.close()


def test_snapshot_and_restore_of_the_prompt(board):
    board.serial.write(b"first\rsecond\r12")
    board.expect(rb"12$")
    snapshot = pickle.loads(pickle.dumps(board.snapshot()))
    then = board.clock.now_ns
    board.serial.write(b"34\r")
    board.expect(rb"1234\r\n>>> ")
    board.flash(b"gone", addr=0x700000)
    board.restore(snapshot)
    assert board.clock.now_ns >= then
    assert board.hardware.flash.read(0x700000, 4) == b"\xff" * 4
    board.serial.clear()
    board.serial.write(b"0\r")
    board.expect(rb"^0\r\n120\r\n>>> ")
    board.serial.write(b"\x1b[A\x1b[A")
    board.expect(rb"second")


def test_a_snapshot_of_another_kind_is_refused(board):
    snapshot = board.snapshot()
    with Board(board="dock") as other, pytest.raises(ConfigError, match="dock"):
        other.restore(snapshot)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"board": "bitt"}, "expected one of bit, dock"),
        ({"engine": "qemu"}, "expected one of auto, builtin"),
        ({"clock": "wall"}, "expected one of real, virtual, max"),
        ({"sd": "/nowhere/at/all"}, "no such folder"),
    ],
)
def test_bad_options_are_named(options, message):
    with pytest.raises(ConfigError, match=message):
        Board(**options)


def test_profiles():
    assert profile("go").config_type == "Go"
    shared = {"duino", "amigo"}  # one pin with two names
    assert all(
        len(p.pins) == len(set(p.pins.values())) or p.name in shared for p in PROFILES.values()
    )
    with pytest.raises(TypeError):
        PROFILES["bit"].pins["BOOT_KEY"] = 1
