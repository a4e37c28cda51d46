"""The pytest plugin, run by pytest on small test files, with a stand-in runtime."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy  # noqa: F401 - once, before pytester takes its list of loaded modules
import pytest

import k210sim.camera.camera
import k210sim.camera.sources
import k210sim.lcd.panel  # noqa: F401
from k210sim.board import builtin

sys.path.append(str(Path(__file__).resolve().parents[1] / "repl"))
from repl_standin import StandInInterpreter  # noqa: E402

pytest_plugins = ["pytester"]


@pytest.fixture(autouse=True)
def standin(monkeypatch):
    monkeypatch.setattr(builtin, "make_interpreter", lambda f, h: StandInInterpreter(f))


def test_the_fixtures_give_booted_boards(pytester):
    pytester.makepyfile(
        """
        def test_prompt(k210_board):
            k210_board.serial.write(b"6*7\\r")
            k210_board.expect(rb"42\\r\\n>>> ")

        def test_fresh(k210_board):
            assert "NameError" in k210_board.exec("x").error

        def test_several(k210_board_factory):
            first, second = k210_board_factory(seed=1), k210_board_factory(board="dock")
            first.exec("x = 1")
            assert not second.exec("x").ok
            assert (first.profile.name, second.profile.name) == ("bit", "dock")
        """
    )
    pytester.runpytest_inprocess().assert_outcomes(passed=3)


def test_a_failed_expect_shows_the_last_bytes(pytester):
    pytester.makepyfile(
        """
        def test_wrong(k210_board):
            k210_board.exec("print('something else came')")
            k210_board.expect(rb"what never comes", timeout=0.1)
        """
    )
    result = pytester.runpytest_inprocess()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["*ExpectFailed: timed out after 0.1 s: expected b'what never comes'*",
         "*serial port of k210 board 0*", "*something else came"]
    )  # fmt: skip


def test_a_failing_check_shows_the_serial_port_too(pytester):
    pytester.makepyfile(
        """
        def test_wrong(k210_board):
            assert k210_board.exec("print('printed by the guest')").stdout == "x"
        """
    )
    result = pytester.runpytest_inprocess()
    result.stdout.fnmatch_lines(["*serial port of k210 board 0*", "*printed by the guest"])


def test_options_choose_the_board(pytester):
    pytester.makepyfile(
        """
        def test_options(k210_board):
            assert k210_board.profile.name == "go"
            assert k210_board.clock.mode == "max"
            assert k210_board.hardware.seed == 5
        """
    )
    result = pytester.runpytest_inprocess(
        "--k210-board=go", "--k210-clock=max", "--k210-seed=5", "--k210-camera=scene"
    )
    result.assert_outcomes(passed=1)
