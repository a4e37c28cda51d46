"""`with-lines`, `reset` and `flash --port` against a board of `k210sim run`, by its terminal."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from k210sim.flash import boot_image
from k210sim.testing.expect import PortClient

K210SIM = [sys.executable, "-m", "k210sim"]

# What kflash does, in small: lines one at a time, then a greeting.
ENTER_ISP = """
import sys, time, serial
port = serial.Serial(sys.argv[1], 115200, timeout=5)
port.dtr = False
port.rts = True
time.sleep(0.1)
port.rts = False
port.dtr = True
time.sleep(1.0)
port.reset_input_buffer()
port.write(bytes.fromhex("c0c2" + "00" * 12 + "c0"))
print(port.read(4).hex(), port.cts, port.dtr, port.rts)
"""


def run(*command, **options):
    return subprocess.run(
        [str(c) for c in command], capture_output=True, text=True, timeout=60, **options
    )


@pytest.fixture
def board(tmp_path, monkeypatch):
    monkeypatch.setenv("K210SIM_FLASH", str(tmp_path / "flash.bin"))
    monkeypatch.setenv("K210SIM_LINES", str(tmp_path / "lines"))
    (tmp_path / "main.py").write_bytes(b"")
    assert run(*K210SIM, "fs", "put", tmp_path / "main.py").returncode == 0
    process = subprocess.Popen([*K210SIM, "run"], stdout=subprocess.PIPE, text=True)
    yield re.fullmatch("serial port: (.+)\n", process.stdout.readline()).group(1)
    process.terminate()
    assert process.wait(30) == 0
    process.stdout.close()
    assert os.listdir(tmp_path / "lines") == []


def test_with_lines_gives_a_pyserial_program_its_lines(board, tmp_path):
    (tmp_path / "enter.py").write_text(ENTER_ISP)
    plain = run(sys.executable, tmp_path / "enter.py", board)
    assert "Inappropriate ioctl" in plain.stderr
    with PortClient(board) as client:  # a busy computer takes its time to boot
        client.write(b"\r")
        client.expect(rb">>> $", timeout=60)
    done = run(*K210SIM, "with-lines", "--", sys.executable, tmp_path / "enter.py", board)
    assert done.stdout == "c0c2e0c0 True True False\n", done.stderr


def test_with_lines_keeps_the_programs_own_start_up_file(tmp_path):
    (tmp_path / "sitecustomize.py").write_text("import os\nos.environ['OTHER'] = 'was run'\n")
    done = run(
        *K210SIM, "with-lines", "--", sys.executable, "-c", "import os; print(os.environ['OTHER'])",
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )  # fmt: skip
    assert done.stdout == "was run\n", done.stderr


def test_with_lines_passes_exit_codes_on_and_names_a_missing_program():
    end = [sys.executable, "-c", "raise SystemExit(7)"]
    assert run(*K210SIM, "with-lines", "--", *end).returncode == 7
    done = run(*K210SIM, "with-lines", "no-such-program-here")
    assert done.returncode == 2 and "no-such-program-here: no such program" in done.stderr


def test_flash_over_the_terminal_and_reset(board, tmp_path):
    (tmp_path / "firmware.bin").write_bytes(b"program" * 20_000)
    done = run(*K210SIM, "flash", "--port", board, tmp_path / "firmware.bin")
    assert done.returncode == 0, done.stderr
    assert run(*K210SIM, "reset", "--isp", "--port", board).returncode == 0
    assert run(*K210SIM, "reset", "--port", board).returncode == 0
    image = (tmp_path / "flash.bin").read_bytes()
    assert boot_image.read_boot_image(image).payload == b"program" * 20_000


def test_ports_that_cannot_be_flashed(tmp_path):
    (tmp_path / "firmware.bin").write_bytes(b"program")
    done = run(*K210SIM, "flash", "--port", tmp_path / "nothing", tmp_path / "firmware.bin")
    assert done.returncode == 2 and "a real one needs a flash program" in done.stderr
    done = run(*K210SIM, "reset", "--port", tmp_path / "nothing")
    assert done.returncode == 2 and "there is no such port" in done.stderr
    near, far = os.openpty()
    try:
        done = run(*K210SIM, "reset", "--port", os.ttyname(far))
        assert done.returncode == 2 and "has no DTR and RTS" in done.stderr
    finally:
        os.close(near)
        os.close(far)
