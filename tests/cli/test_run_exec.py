"""The commands that run a board, in this process and with a stand-in runtime."""

from __future__ import annotations

import json
import re
import sys
import threading
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from k210sim.board import builtin
from k210sim.cli import exec as exec_command
from k210sim.cli import run as run_command
from k210sim.errors import ConfigError, HostError
from k210sim.testing.expect import PortClient

sys.path.append(str(Path(__file__).resolve().parents[1] / "repl"))
from repl_standin import StandInInterpreter  # noqa: E402


@pytest.fixture(autouse=True)
def sandbox(monkeypatch, tmp_path):
    monkeypatch.setattr(builtin, "make_interpreter", lambda f, h: StandInInterpreter(f))
    monkeypatch.setenv("K210SIM_FLASH", str(tmp_path / "flash.bin"))
    monkeypatch.chdir(tmp_path)


def invoke(command, *arguments):
    return CliRunner().invoke(command, [str(a) for a in arguments])


def test_exec_prints_what_the_device_prints_and_no_more():
    result = invoke(exec_command.command, "-c", "print('one')\nprint('two')")
    assert (result.exit_code, result.stdout_bytes) == (0, b"one\r\ntwo\r\n")


def test_exec_of_a_script_that_fails(tmp_path):
    script = tmp_path / "bad.py"
    script.write_text("print(1)\nmissing\n")
    result = invoke(exec_command.command, script)
    assert result.exit_code == 1
    assert result.stdout_bytes == (
        b'1\r\nTraceback (most recent call last):\r\n  File "<stdin>", line 2, in <module>\r\n'
        b"NameError: name 'missing' isn't defined\r\n"
    )


def test_exec_at_its_timeout(tmp_path):
    report = tmp_path / "report.json"
    result = invoke(
        exec_command.command, "-c", "print('on')\nspin()", "--timeout", "0.3", "--report", report
    )
    assert result.exit_code == 42
    assert result.stdout_bytes.startswith(b"on\r\n")
    assert "0.3 s" in result.stderr
    facts = json.loads(report.read_text())
    assert facts["exit_reason"] == "timeout" and facts["wall_ms"] >= 300


def test_exec_writes_picture_and_report(tmp_path):
    from PIL import Image

    picture, report = tmp_path / "lcd.png", tmp_path / "report.json"
    result = invoke(
        exec_command.command, "-c", "sleep_ms(25)", "--lcd-out", picture, "--report", report
    )
    assert result.exit_code == 0 and result.stdout_bytes == b""
    assert Image.open(picture).size == (320, 240)
    facts = json.loads(report.read_text())
    assert facts["exit_reason"] == "ok" and facts["virtual_ms"] == pytest.approx(25)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ([], ConfigError, "SCRIPT or -c"),
        (["a.py", "-c", "1"], ConfigError, "SCRIPT or -c"),
        (["no-such-file.py"], HostError, "no-such-file.py: No such file"),
        (["-c", "1", "--lcd-out", "nowhere/at/all.png"], HostError, "does not exist"),
        (["-c", "1", "--board", "bitt"], ConfigError, "expected one of bit"),
    ],
)
def test_exec_refuses_wrong_use_before_making_a_board(arguments, error, message, tmp_path):
    result = invoke(exec_command.command, *arguments)
    assert isinstance(result.exception, error) and re.search(message, str(result.exception))
    assert not (tmp_path / "flash.bin").exists()


def test_settings_files_and_their_order(tmp_path):
    (tmp_path / "pyproject.toml").write_text('[tool.k210sim]\nboard = "dock"\n')
    result = invoke(exec_command.command, "-c", "1", "--board", "go")
    assert result.exit_code == 0
    (tmp_path / "k210sim.toml").write_text('bord = "dock"\n')
    result = invoke(exec_command.command, "-c", "1")
    assert "unknown setting 'bord'" in str(result.exception)


def test_run_serves_the_port_and_saves_flash(tmp_path):
    log, link = tmp_path / "serial.log", tmp_path / "maix"
    seen = {}

    def client():
        end = time.monotonic() + 10
        while not link.is_symlink() and time.monotonic() < end:
            time.sleep(0.02)
        with PortClient(str(link)) as port:
            port.expect(rb">>> $")
            port.write(b"print(6 * 7)\r")
            seen["answer"] = port.expect(rb"\r\n(\d+)\r\n>>> ").group(1)

    thread = threading.Thread(target=client)
    thread.start()
    result = invoke(
        run_command.run, "--link", link, "--serial-log", log, "--tcp", ":0", "--exit-after", "2.5"
    )
    thread.join()
    assert result.exit_code == 0, result.exception
    assert re.search(r"^serial port: /dev/pts/\d+$", result.stdout, re.MULTILINE)
    assert re.search(r"^tcp: socket://127.0.0.1:\d+$", result.stdout, re.MULTILINE)
    assert seen["answer"] == b"42"
    assert b"[MAIXPY] cpu:freq:403000000\r\n" in log.read_bytes()
    assert not link.is_symlink()
    assert (tmp_path / "flash.bin").stat().st_size == 16 << 20


@pytest.mark.parametrize("seconds", ["-1", "nan"])
def test_run_refuses_a_bad_exit_after(seconds):
    result = invoke(run_command.run, "--exit-after", seconds)
    assert isinstance(result.exception, ConfigError)


def test_run_takes_its_ends_from_the_settings_and_prints_json(tmp_path):
    (tmp_path / "k210sim.toml").write_text('tcp = ":0"\nlink = "maix"\nserial-log = "log"\n')
    result = invoke(run_command.run, "--exit-after", "0.5", "--json", "--link", "other")
    assert result.exit_code == 0, result.exception
    places = json.loads(result.stdout)
    assert list(places) == ["tcp", "serial_port"]
    assert places["tcp"].startswith("socket://127.0.0.1:")
    assert (tmp_path / "log").exists() and not (tmp_path / "maix").is_symlink()
    assert invoke(exec_command.command, "-c", "1").exit_code == 0  # which has no ends
    (tmp_path / "k210sim.toml").write_text("tcp = 5000\n")
    result = invoke(run_command.run, "--exit-after", "0")
    assert isinstance(result.exception, ConfigError) and "in quotes" in str(result.exception)


def test_run_refuses_a_port_in_use(tmp_path):
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        for option in ("--tcp", "--rfc2217"):
            result = invoke(run_command.run, option, address)
            assert isinstance(result.exception, HostError)
            assert str(result.exception) == (
                f"TCP address {address}: Address already in use; end that program first, or give "
                "another port (:0 takes any free one)"
            )


def test_repl_without_a_terminal_writes_the_picture(tmp_path):
    result = invoke(run_command.repl, "--factory-demo", "--lcd-out", tmp_path / "panel.png")
    assert result.exit_code == 0
    assert f"LCD picture: {tmp_path / 'panel.png'}" in result.stdout
    assert (tmp_path / "panel.png").exists()
    assert not (tmp_path / "flash.bin").exists()
