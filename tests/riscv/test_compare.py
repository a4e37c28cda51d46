"""`k210sim compare` and what it prints. The firmware here (prompt.c) is no real Python."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from k210sim.board.board import ExecResult
from k210sim.board.compare import _compared, first_difference
from k210sim.cli import compare as compare_command
from k210sim.errors import ConfigError, K210SimError
from k210sim.flash.boot_image import wrap
from tests.riscv.conftest import PROGRAMS


@pytest.fixture
def compare(monkeypatch, tmp_path):
    flash = tmp_path / "flash.bin"
    monkeypatch.setenv("K210SIM_FLASH", str(flash))
    monkeypatch.chdir(tmp_path)
    firmware = wrap((PROGRAMS / "prompt.bin").read_bytes())
    flash.write_bytes(firmware.ljust(16 << 20, b"\xff"))

    def invoke(*arguments):
        return CliRunner().invoke(compare_command.command, list(arguments))

    yield invoke
    assert flash.read_bytes() == firmware.ljust(16 << 20, b"\xff")


def test_where_two_outputs_part(compare):
    # prompt.c prints nothing for this, the built-in engine a traceback
    result = compare("-c", "\n\n1/0")
    assert result.exit_code == 1
    assert result.stdout.splitlines()[0] == "differ at byte 0, line 1"
    assert " riscv: the end in b''" in result.stdout
    assert "builtin: 0x54 in b'Traceback" in result.stdout
    assert "riscv: booting" in result.stderr
    result = compare("--json", "-c", "x = 1")
    assert result.exit_code == 0
    facts = json.loads(result.stdout)
    assert (facts["equal"], facts["different"]) == (1, 0)
    (script,) = facts["scripts"]
    assert script["equal"] and script["engines"]["riscv"]["exit_reason"] == "ok"


def test_several_scripts_each_start_at_the_first_prompt(compare, tmp_path):
    for name, text in (("a", "x = 1"), ("b", "x"), ("c", "y = 1")):
        (tmp_path / f"{name}.py").write_text(text)
    result = compare("a.py", "b.py", "c.py")
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert lines[0] == "a.py: equal: 0 bytes" and lines[-1] == "2 of 3 equal"
    assert "differ at byte 0" in lines[1] and "Traceback" in lines[3]  # x is not there any more
    assert result.stderr.count("booting") == 2
    assert "k210sim: 3/3 c.py" in result.stderr
    result = compare("--json", "a.py", "b.py")
    facts = json.loads(result.stdout)
    assert [entry["script"] for entry in facts["scripts"] if not entry["equal"]] == ["b.py"]
    for arguments in ((), ("a.py", "-c", "1")):
        assert isinstance(compare(*arguments).exception, ConfigError)


def test_each_engine_has_its_own_card(compare, tmp_path):
    card = tmp_path / "card"
    card.mkdir()
    (card / "a.txt").write_text("kept")
    code = "import os\nos.remove('/sd/a.txt')\nopen('/sd/b.txt', 'w').close()"
    result = compare("--sd", str(card), "-c", code)
    assert "builtin: the end in b''" in result.stdout  # no traceback; prompt.c prints something
    assert [path.name for path in card.iterdir()] == ["a.txt"]


def test_what_cannot_be_compared_is_refused(compare, tmp_path):
    for arguments in (("--engine", "riscv"), ("--clock", "real")):
        result = compare("-c", "1", *arguments)
        assert isinstance(result.exception, ConfigError) and "leave" in str(result.exception)
    empty = tmp_path / "empty.bin"
    result = compare("-c", "1", "--flash-image", str(empty))
    assert isinstance(result.exception, K210SimError)
    assert "no firmware starts" in str(result.exception)


def _result(text: str, reason: str = "ok", error: str | None = None) -> ExecResult:
    raw = (text + (error or "")).replace("\n", "\r\n").encode()
    return ExecResult(text, error, raw, 1.0, reason)


def test_addresses_and_programs_that_never_end():
    two = {
        "riscv": _result("<A object at 80389ac0>\n"),
        "builtin": _result("<A object at 80300000>\n"),
    }
    assert _compared(two, False).offset == 16
    assert _compared(two, True).equal
    endless = {
        "riscv": _result("1\n2\n", "timeout", "Traceback 7"),
        "builtin": _result("1\n2\n3\n", "timeout", "Traceback 9"),
    }
    assert _compared(endless, False).equal
    endless["builtin"] = _result("1\n3\n", "timeout")
    found = _compared(endless, False)
    assert (found.offset, found.line) == (3, 2) and found.context("riscv") == b"1\r\n2\r\n"
    assert first_difference(b"ab", b"abc") == 2
    hung = {"riscv": _result("1\n", "hung"), "builtin": _result("1\n2\n")}
    assert _compared(hung, False).offset == 3
    hung["builtin"] = _result("1\n2\n", "hung")
    assert _compared(hung, False).equal
