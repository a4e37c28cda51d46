"""`k210sim terminal` as a process of its own, with a pipe and with a keyboard."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import termios
import threading
import time

import pytest

from k210sim.clock import Clock
from k210sim.serialport.pty import PtyEnd
from k210sim.serialport.rfc2217 import Rfc2217End
from k210sim.serialport.tcp import TcpEnd
from k210sim.serialport.uart import UartPort

TERMINAL = [sys.executable, "-c", "from k210sim.cli.terminal import command; command()"]


@pytest.fixture
def port():
    """A port whose device sends back every byte in brackets."""
    port = UartPort(Clock())

    def device():
        while True:
            port.write(b"[%c]" % port.read_byte(idle=True))

    def until_closed():
        from k210sim.serialport.uart import PortClosed

        try:
            device()
        except PortClosed:
            pass

    thread = threading.Thread(target=until_closed)
    thread.start()
    yield port
    port.close()
    thread.join()


def test_a_pipe_is_sent_and_the_answer_printed(port):
    end = PtyEnd(port)
    done = subprocess.run([*TERMINAL, end.name], input=b"abc", capture_output=True, timeout=20)
    end.close()
    assert (done.returncode, done.stdout, done.stderr) == (0, b"[a][b][c]", b"")


def test_a_socket_works_like_a_port(port):
    end = TcpEnd(port, "127.0.0.1:0")
    done = subprocess.run(
        [*TERMINAL, f"socket://{end.address}"], input=b"xy", capture_output=True, timeout=20
    )
    end.close()
    assert (done.returncode, done.stdout) == (0, b"[x][y]")


def test_rfc2217_works_like_a_port_and_warns_of_nothing(port):
    end = Rfc2217End(port, "127.0.0.1:0")
    done = subprocess.run(
        [*TERMINAL, f"rfc2217://{end.address}"], input=b"xy\xff", capture_output=True, timeout=20,
        env={**os.environ, "PYTHONWARNINGS": "error::DeprecationWarning"},
    )  # fmt: skip
    end.close()
    assert (done.returncode, done.stdout, done.stderr) == (0, b"[x][y][\xff]", b"")


def test_keys_go_through_raw_and_ctrl_bracket_leaves(port):
    end = PtyEnd(port)
    keyboard, far = pty.openpty()
    before = termios.tcgetattr(far)
    process = subprocess.Popen(
        [*TERMINAL, end.name], stdin=far, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert b"Ctrl-] leaves" in process.stderr.readline()
    deadline = time.monotonic() + 15
    while termios.tcgetattr(far) == before and time.monotonic() < deadline:
        time.sleep(0.02)
    os.write(keyboard, b"a\x03\x04")
    assert process.stdout.read(9) == b"[a][\x03][\x04]"
    os.write(keyboard, b"\x1d")
    assert process.communicate(timeout=15)[1].endswith(b"--- left ---\n")
    assert process.returncode == 0
    assert termios.tcgetattr(far) == before
    os.close(keyboard)
    os.close(far)
    end.close()


def test_a_port_that_is_not_there():
    done = subprocess.run([*TERMINAL, "/dev/no-such-port"], capture_output=True, timeout=20)
    assert done.returncode != 0 and b"no-such-port" in done.stderr
