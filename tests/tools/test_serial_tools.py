"""Unmodified third-party programs against `k210sim run`. Skipped where they are not installed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys

import pytest

from k210sim.testing.expect import PortClient

pytestmark = pytest.mark.tools


@pytest.fixture
def tool(request):
    """Path of the program the test is named after."""
    name = request.function.__name__.removeprefix("test_")
    return shutil.which(name) or pytest.skip(f"{name} is not installed")


@pytest.fixture
def port(tool, tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-m", "k210sim.cli.main", "run"],
        stdout=subprocess.PIPE,
        env={**os.environ, "K210SIM_FLASH": str(tmp_path / "flash.bin")},
    )
    name = re.fullmatch(rb"serial port: (.+)\n", process.stdout.readline()).group(1).decode()
    yield name
    process.terminate()
    assert process.wait(20) == 0
    process.stdout.close()


def run(*command):
    return subprocess.run(command, capture_output=True, timeout=60)


def test_mpremote(tool, port, tmp_path):
    tool = [tool, "connect", port]
    script = tmp_path / "hello.py"
    script.write_text("print('from a file')\n")
    assert run(*tool, "exec", "print(6 * 7)").stdout == b"42\r\n"
    assert run(*tool, "run", str(script)).stdout == b"from a file\r\n"
    assert run(*tool, "fs", "cp", str(script), ":hello.py").returncode == 0
    assert b"hello.py" in run(*tool, "fs", "ls").stdout
    shown = run(*tool, "fs", "cat", ":hello.py").stdout
    assert shown.split() == [b"print('from", b"a", b"file')"]
    failed = run(*tool, "exec", "1/0")
    assert failed.returncode == 1 and b"ZeroDivisionError" in failed.stdout + failed.stderr


def test_ampy(tool, port, tmp_path):
    tool = [tool, "-p", port]
    script = tmp_path / "hello.py"
    script.write_text("print('from a file')\n")
    assert run(*tool, "run", str(script)).stdout.strip() == b"from a file"
    assert run(*tool, "put", str(script)).returncode == 0
    assert run(*tool, "get", "hello.py").stdout.strip() == b"print('from a file')"
    assert run(*tool, "rm", "hello.py").returncode == 0
    assert b"SPIFFS not support" in run(*tool, "mkdir", "folder").stderr


def test_rshell(tool, port):
    tool = [tool, "--quiet", "-p", port]
    with PortClient(port) as client:
        client.write(b"\x03")  # rshell does not expect a program to run
        client.expect(rb">>> $", timeout=30)
    assert b"main.py" in run(*tool, "ls", "/flash").stdout


def test_mpfshell(tool, port):
    done = run(tool, "-n", "-c", f"open {port.removeprefix('/dev/')}; exec print(6*7)")
    assert b"42" in done.stdout
