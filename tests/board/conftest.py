"""Boards with a stand-in for the language runtime, and with all the ends of `k210sim run`."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from k210sim.board import builtin
from k210sim.board.board import Board
from k210sim.serialport import control
from k210sim.serialport.control import ControlEnd
from k210sim.serialport.pty import PtyEnd
from k210sim.serialport.rfc2217 import Rfc2217End
from k210sim.serialport.tcp import TcpEnd

sys.path.append(str(Path(__file__).resolve().parents[1] / "repl"))
from repl_standin import StandInInterpreter  # noqa: E402


@pytest.fixture
def standin(monkeypatch, tmp_path):
    """Boards of this test run no language, only what the stand-in knows."""
    monkeypatch.setattr(builtin, "make_interpreter", lambda f, h: StandInInterpreter(f))
    monkeypatch.setenv(control.FOLDER, str(tmp_path / "lines"))


@pytest.fixture
def running(standin, tmp_path):
    """A board at its prompt with all its ends, as `k210sim run` has them."""
    with Board(tmp_path / "flash.bin", clock="real") as board:
        board.terminal = PtyEnd(board.port)
        board.control = ControlEnd(
            board.terminal.name, board.set_lines, lambda i: board.reset(wait=False, isp=i)
        )
        board.rfc2217 = Rfc2217End(board.port, "127.0.0.1:0", on_lines=board.set_lines)
        board.tcp = TcpEnd(board.port, "127.0.0.1:0")
        yield board
        for end in (board.control, board.rfc2217, board.tcp, board.terminal):
            end.close()
