"""rshell from PyPI against boards of `k210sim run`: its column of docs/tools.md."""

from __future__ import annotations

import pytest
from tools import BINARY, K210SIM, TEXT, UTF8_NAME, cell, good, need, run

pytestmark = pytest.mark.tools


def rshell(board, *command):
    """Its output. It ends with code 0 whatever happened, so its text is what is looked at."""
    return good(need("rshell"), "--quiet", "-p", board.pty, *command)


def there_and_back(board, path, tmp_path, name=None):
    name = name or f"/flash/{path.name}"
    back = tmp_path / "back"
    back.unlink(missing_ok=True)
    rshell(board, "cp", path, name)
    rshell(board, "cp", name, back)
    assert back.read_bytes() == path.read_bytes()


@cell("rshell", "one expression")
def test_expression(board):
    assert b"4242" in rshell(board, "repl ~ print('42' * 2) ~")


@cell("rshell", "list")
def test_ls(board, local):
    rshell(board, "cp", local / "text.py", "/flash/listed.py")
    assert b"listed.py" in rshell(board, "ls", "/flash")


@cell("rshell", "copy text")
def test_copy_text(board, local, tmp_path):
    there_and_back(board, local / "text.py", tmp_path)


@cell("rshell", "copy binary")
def test_copy_binary(board, local, tmp_path):
    there_and_back(board, local / "data.bin", tmp_path)


@cell("rshell", "copy 0 bytes")
def test_copy_nothing(board, local, tmp_path):
    there_and_back(board, local / "empty.bin", tmp_path)


@cell("rshell", "UTF-8 name")
def test_utf8_name(board, local, tmp_path):
    there_and_back(board, local / UTF8_NAME, tmp_path)
    rshell(board, "rm", f"/flash/{UTF8_NAME}")
    assert UTF8_NAME.encode() not in rshell(board, "ls", "/flash")


@cell("rshell", "show")
def test_cat(board, local):
    rshell(board, "cp", local / "text.py", "/flash/shown.py")
    assert TEXT.strip() in rshell(board, "cat", "/flash/shown.py").replace(b"\r", b"")


@cell("rshell", "remove")
def test_rm(board, local):
    rshell(board, "cp", local / "text.py", "/flash/gone.py")
    rshell(board, "rm", "/flash/gone.py")
    assert b"gone.py" not in rshell(board, "ls", "/flash")


@cell("rshell", "folder in /flash", "refused")
def test_mkdir_in_flash(board):
    done = run(need("rshell"), "--quiet", "-p", board.pty, "mkdir", "/flash/folder")
    assert b"Unable to create /flash/folder" in done.stdout + done.stderr, done


@cell("rshell", "folder in /sd")
def test_mkdir_on_the_card(carded, local, tmp_path):
    rshell(carded, "mkdir", "/sd/rshell")
    there_and_back(carded, local / "data.bin", tmp_path, "/sd/rshell/data.bin")
    assert (carded.card / "rshell" / "data.bin").read_bytes() == BINARY
    rshell(carded, "rm", "-r", "/sd/rshell")
    assert not (carded.card / "rshell").exists()


@cell("rshell", "while it boots")
def test_while_it_boots(fresh):
    assert b"freq.conf" in rshell(fresh, "ls", "/flash")


@cell("rshell", "main.py for ever")
def test_busy(busy):
    assert b"main.py" in rshell(busy, "ls", "/flash")


@cell("rshell", "killed while copying", "refused")
def test_killed(board, local, tmp_path):
    """It leaves the raw prompt behind and then looks for the friendly one; a reset helps."""
    tool = [need("rshell"), "--quiet", "-p", board.pty]
    board.kill_in_the_middle([*tool, "cp", local / "large.bin", "/flash/large.bin"], 3000)
    assert b"Unable to connect to REPL" in run(*tool, "ls", "/flash").stderr
    good(*K210SIM, "reset", "--port", board.pty)
    there_and_back(board, local / "text.py", tmp_path)
