"""`k210sim` with `--engine riscv`, on a small firmware with MicroPython's prompts (prompt.c)."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from PIL import Image

from k210sim.cli import exec as exec_command
from k210sim.cli import run as run_command
from k210sim.errors import ConfigError, DeviceError
from k210sim.flash.boot_image import wrap
from tests.riscv.conftest import PROGRAMS


@pytest.fixture
def k210sim(monkeypatch, tmp_path):
    """Run a command on a board with that program in flash; the result."""
    monkeypatch.setenv("K210SIM_FLASH", str(tmp_path / "flash.bin"))
    monkeypatch.chdir(tmp_path)

    def invoke(command, program, *arguments):
        if isinstance(program, str):
            program = (PROGRAMS / f"{program}.bin").read_bytes()
        image = wrap(program)
        (tmp_path / "flash.bin").write_bytes(image.ljust(16 << 20, b"\xff"))
        return CliRunner().invoke(command, ["--engine", "riscv", *map(str, arguments)])

    return invoke


def test_exec_has_the_semantics_of_the_builtin_engine(k210sim, tmp_path):
    good = k210sim(exec_command.command, "prompt", "-c", "pone\nptwo",
                   "--lcd-out", "panel.png", "--report", "report.json")  # fmt: skip
    assert (good.exit_code, good.stdout_bytes) == (0, b"one\r\ntwo\r\n")
    assert Image.open(tmp_path / "panel.png").size == (320, 240)
    facts = json.loads((tmp_path / "report.json").read_text())
    assert facts["exit_reason"] == "ok" and facts["instructions"] > 1000
    bad = k210sim(exec_command.command, "prompt", "-c", "pbefore\neValueError: x")
    assert (bad.exit_code, bad.stdout_bytes) == (1, b"before\r\nValueError: x\r\n")
    long = k210sim(exec_command.command, "prompt", "-c", "pon\nl", "--timeout", "0.3")
    assert (long.exit_code, long.stdout_bytes) == (42, b"on\r\nKeyboardInterrupt: \r\n")
    assert "0.3 s" in long.stderr


def test_a_firmware_without_a_prompt_is_refused_by_exec_and_shown_by_run(k210sim, tmp_path):
    refused = k210sim(exec_command.command, "harts", "-c", "print(1)")
    assert isinstance(refused.exception, ConfigError) and refused.stdout_bytes == b""
    assert "no MicroPython prompt" in str(refused.exception)
    shown = k210sim(run_command.run, "harts", "--exit-after", "1.5", "--serial-log", "log")
    assert shown.exit_code == 0
    assert (tmp_path / "log").read_bytes().endswith(b"end\n")


def test_strict_stops_at_a_register_that_nobody_modelled(k210sim):
    stores_to_null = bytes.fromhex("23200000 6f000000")  # sw zero, 0(zero); j .
    lenient = k210sim(run_command.run, stores_to_null, "--exit-after", "0.5")
    assert lenient.exit_code == 0
    strict = k210sim(run_command.run, stores_to_null, "--exit-after", "60", "--strict")
    assert isinstance(strict.exception, DeviceError)
    text = "write of 0x0 at offset 0x0 is not modelled (pc 0x80000000)"
    assert text in str(strict.exception)
