"""While the core is compiled, in a process of its own, its parent hears that it is to end."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import k210sim
from k210sim import Board
from k210sim.errors import GivenUp
from k210sim.riscv import compiled, core_object, jit_native
from tests.riscv.conftest import PROGRAMS

FOREVER = "import pathlib, sys, time; pathlib.Path({begun!r}).touch(); time.sleep(60)"


@pytest.fixture
def endless(monkeypatch, tmp_path):
    """Nothing is compiled yet, and compiling does not end; gives how to wait until it has begun."""
    begun = tmp_path / "begun"
    monkeypatch.setattr(compiled, "_functions", None)
    monkeypatch.setattr(compiled, "_is_cold", lambda: True)
    monkeypatch.setattr(compiled, "CHILD", FOREVER.format(begun=str(begun)))
    children, start = [], subprocess.Popen

    def popen(*args, **options):
        children.append(start(*args, **options))
        return children[-1]

    monkeypatch.setattr(compiled.subprocess, "Popen", popen)

    def wait() -> subprocess.Popen:
        for _ in range(500):
            if begun.exists():
                return children[0]
            time.sleep(0.02)
        raise AssertionError("nothing began to compile")

    return wait


def test_compiling_is_given_up_when_it_is_not_wanted_any_more(endless, capsys):
    unwanted = threading.Event()
    threading.Thread(target=lambda: (endless(), unwanted.set())).start()
    with pytest.raises(GivenUp):
        compiled.functions(unwanted.is_set)
    assert endless().returncode != 0
    assert "compiling the RISC-V core" in capsys.readouterr().err


def test_a_board_goes_off_while_the_core_compiles_after_a_flashing_tool(endless):
    board = Board(engine="builtin", boot="isp")
    board.power_on()
    assert board.in_isp
    board.flash((PROGRAMS / "hello.bin").read_bytes(), 0, name="hello.bin")
    board._wanted_engine = "auto"
    board._leave_isp()  # what the flash program's reboot does
    child = endless()
    board.close()
    assert child.returncode != 0
    board.raise_failure()


def test_the_compiling_process_ends_with_its_parent():
    command = [sys.executable, "-c", compiled.CHILD, str(Path(k210sim.__file__).parents[1])]
    child = subprocess.Popen(command, stdin=subprocess.PIPE)
    child.stdin.close()
    assert child.wait(60) == 1


def test_the_compiling_process_leaves_the_object(monkeypatch, tmp_path):
    monkeypatch.setenv("K210SIM_JIT_CACHE", str(tmp_path))
    monkeypatch.setattr(core_object, "build", lambda native, functions: repr(functions).encode())
    ended = []
    monkeypatch.setattr(compiled.os, "_exit", ended.append)
    monkeypatch.setattr(compiled.threading, "Thread", Quiet)
    compiled.compile_for_parent()
    name = core_object.identity(jit_native.shared())
    assert b"run" in core_object.read(tmp_path, name)
    assert ended == [0]


class Quiet:
    """A thread that does not run: here the parent is the test."""

    def __init__(self, **_):
        pass

    def start(self) -> None:
        pass
