"""The command line as a user meets it: help, exit codes, one-line errors, start-up."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from k210sim import __version__
from k210sim.cli import main as cli_main
from k210sim.cli.explain import EXPLANATIONS
from k210sim.errors import HostError, InternalError, NotSimulated, TimeoutExpired


@pytest.fixture
def call(tmp_path, monkeypatch):
    """Runs `k210sim ARGS...` in an empty folder with a flash image of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("K210SIM_FLASH", str(tmp_path / "home" / "flash.bin"))
    monkeypatch.delenv(cli_main.TRACEBACK, raising=False)

    def run(*args, input=None):
        return CliRunner().invoke(cli_main.cli, [str(a) for a in args], input=input)

    return run


def refused(result, *words):
    """Wrong use: exit code 2, nothing on stdout, one line on stderr with these words."""
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    for word in words:
        assert word in result.stderr


def test_no_arguments_names_five_commands(call):
    result = call()
    assert result.exit_code == 0
    shown = [line.split()[1] for line in result.stdout.splitlines() if line.startswith("  k210")]
    assert len(shown) == 5
    assert all(name in cli_main.COMMANDS for name in shown)


def test_help_lists_all_commands_that_are_there(call):
    result = call("--help")
    assert result.exit_code == 0
    for name in ("flash", "flash-map", "read", "erase", "fs", "kfpkg", "explain"):
        assert f"\n  {name} " in result.stdout


def every_command():
    found = []

    def walk(path, command):
        found.append(path)
        for name, inner in getattr(command, "commands", {}).items():
            walk([*path, name], inner)

    for name in cli_main.cli.list_commands(None):
        walk([name], cli_main.cli.get_command(None, name))
    return found


@pytest.mark.parametrize("path", every_command(), ids=" ".join)
def test_every_command_has_help_with_an_example(call, path):
    result = call(*path, "--help")
    assert result.exit_code == 0
    assert "Example: k210sim " in result.stdout


def test_version(call):
    assert call("--version").stdout.strip() == f"k210sim, version {__version__}"


def test_a_missing_module_hides_its_command(call, monkeypatch):
    monkeypatch.setitem(cli_main.COMMANDS, "ghost", ("k210sim.cli.ghost", "ghost", "Not there."))
    assert "ghost" not in call("--help").stdout
    refused(call("ghost"), "No such command 'ghost'")


def test_wrong_use_is_one_line(call):
    refused(call("flash"), "k210sim flash:", "Missing argument", "--help")
    refused(call("flash", "--nope"), "--nope")
    refused(call("read", "zero", "1", "x"), "'zero' is not a number")
    refused(call("erase"), "give ADDR and LEN, or --all")
    refused(call("flash", "missing.kfpkg"), "missing.kfpkg", "No such file")


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (HostError("first\nsecond"), 2, "k210sim: first second\n"),
        (NotSimulated("thing.do"), 2, "k210sim: thing.do is not simulated\n"),
        (TimeoutExpired("too slow"), 42, "k210sim: too slow\n"),
        (InternalError("ours"), 70, "k210sim: ours\n"),
        (KeyboardInterrupt(), 130, None),
        (ZeroDivisionError("x"), 70, "K210SIM_TRACEBACK=1"),
    ],
)
def test_errors_become_exit_codes_in_one_place(call, monkeypatch, error, code, text):
    @click.command()
    def boom():
        raise error

    monkeypatch.setattr(cli_main.Commands, "get_command", lambda self, ctx, name: boom)
    result = call("boom")
    assert result.exit_code == code
    if text is not None:
        assert text in result.stderr and result.stderr.count("\n") == 1
    monkeypatch.setenv(cli_main.TRACEBACK, "1")
    if code == 70:
        assert "Traceback" in call("boom").stderr


@pytest.mark.parametrize("code", sorted(EXPLANATIONS))
def test_explain(call, code):
    result = call("explain", code)
    assert result.exit_code == 0 and result.stdout.startswith(f"{code}  ")
    assert json.loads(call("explain", code, "--json").stdout)["code"] == code


def test_explain_takes_lines_and_old_numbers(call):
    line = "ValueError: [MAIXPY]kpu: load error:2006, ERR_NO_MEM: memory not enough"
    assert call("explain", line).stdout.startswith("2006  ")
    assert "v0.4.0" in call("explain", "6").stdout
    assert "became 2006" in call("explain", "-1").stdout
    refused(call("explain", "77"), "no error 77")
    refused(call("explain", "what"), "holds no number")


SMALL = [["--help"], ["flash-map"], ["explain", "2002"], ["fs", "ls"], ["kfpkg", "--help"]]


@pytest.mark.parametrize("args", SMALL, ids=" ".join)
def test_small_commands_do_not_import_numba(args, tmp_path):
    program = (
        "import sys\nfrom k210sim.cli.main import cli\n"
        "try:\n    cli.main(sys.argv[1:])\nexcept SystemExit as end:\n    code = end.code\n"
        "heavy = {'numba', 'numpy', 'PIL', 'prompt_toolkit', 'serial'} & set(sys.modules)\n"
        "assert not heavy, heavy\nsys.exit(code)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *args], capture_output=True, text=True,
        env={**os.environ, "K210SIM_FLASH": str(tmp_path / "flash.bin")}, cwd=tmp_path,
        timeout=60,
    )
    # `python -c` puts the working folder first; the package must be importable from there
    if "No module named 'k210sim'" in done.stderr:
        pytest.skip("k210sim is not installed in this environment")
    assert done.returncode == 0, done.stderr


def test_closed_pipe_is_no_error():
    reader, writer = os.pipe()
    os.close(reader)
    closed = subprocess.run(
        [sys.executable, "-m", "k210sim.cli.main", "--help"], stdout=writer,
        stderr=subprocess.PIPE, timeout=60,
    )
    os.close(writer)
    assert closed.returncode == 0 and closed.stderr == b""


def test_ctrl_c_while_the_command_line_is_imported_ends_quietly(tmp_path):
    """At the import of click, which is the first of what takes its time. The handler is set anew,
    since a shell's job in the background ignores Ctrl-C."""
    (tmp_path / "click.py").write_text(
        "import os, signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "os.kill(os.getpid(), signal.SIGINT)\n"
    )  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "k210sim", "--help"], capture_output=True, timeout=60,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"")
