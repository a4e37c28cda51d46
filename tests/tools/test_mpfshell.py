"""mpfshell from PyPI against boards of `k210sim run`: its column of docs/tools.md."""

from __future__ import annotations

import pytest
from tools import BINARY, K210SIM, TEXT, UTF8_NAME, cell, good, need, refused

pytestmark = pytest.mark.tools


@pytest.fixture
def shell(board, local):
    return lambda *commands: mpfshell(board, local, *commands)


def mpfshell(board, folder, *commands, call=good):
    """Its output. It mostly ends with code 0, so its text is what is looked at."""
    script = "; ".join([f"open {board.pty.removeprefix('/dev/')}", *commands])
    return call(need("mpfshell"), "-n", "-c", script, cwd=folder)


def there_and_back(shell, local, name):
    shell(f"put {name}", f"get {name} back-{name}")
    assert (local / f"back-{name}").read_bytes() == (local / name).read_bytes()


@cell("mpfshell", "one expression")
def test_exec(shell):
    assert b"42" in shell("exec print(6*7)")


@cell("mpfshell", "an error is told")
def test_errors(shell):
    assert b"ZeroDivisionError" in shell("exec 1/0")


@cell("mpfshell", "list")
def test_ls(shell):
    assert b"text.py" in shell("put text.py", "ls")


@cell("mpfshell", "copy text")
def test_copy_text(shell, local):
    there_and_back(shell, local, "text.py")


@cell("mpfshell", "copy binary")
def test_copy_binary(shell, local):
    there_and_back(shell, local, "data.bin")


@cell("mpfshell", "copy 0 bytes")
def test_copy_nothing(shell, local):
    there_and_back(shell, local, "empty.bin")


@cell("mpfshell", "UTF-8 name", "refused")
def test_utf8_name(shell):
    assert b"Invalid filename given" in shell(f"put {UTF8_NAME}")


@cell("mpfshell", "show")
def test_cat(shell):
    assert TEXT.strip() in shell("put text.py", "cat text.py").replace(b"\r", b"")


@cell("mpfshell", "remove")
def test_rm(shell):
    assert b"gone.bin" in shell("put data.bin gone.bin", "ls")
    assert b"gone.bin" not in shell("rm gone.bin", "ls")


@cell("mpfshell", "folder in /flash", "refused")
def test_mkdir_in_flash(board, local):
    assert b"SPIFFS not support" in mpfshell(board, local, "md folder", call=refused)


@cell("mpfshell", "folder in /sd")
def test_mkdir_on_the_card(carded, local):
    mpfshell(carded, local, "cd /sd", "md mpfshell", "cd mpfshell", "put data.bin")
    assert (carded.card / "mpfshell" / "data.bin").read_bytes() == BINARY


@cell("mpfshell", "while it boots")
def test_while_it_boots(fresh, local):
    assert b"42" in mpfshell(fresh, local, "exec print(6*7)")


@cell("mpfshell", "main.py for ever")
def test_busy(busy, local):
    assert b"42" in mpfshell(busy, local, "exec print(6*7)")


@cell("mpfshell", "killed while copying")
def test_killed(shell, board, local):
    """A file it had open stays open, and the firmware has only two; a reset closes them."""
    for answers in (150, 600):
        script = f"open {board.pty.removeprefix('/dev/')}; put large.bin"
        board.kill_in_the_middle([need("mpfshell"), "-n", "-c", script], answers, cwd=local)
        assert b"42" in shell("exec print(6*7)")
    assert b"Failed to create file" in shell("put text.py")
    good(*K210SIM, "reset", "--port", board.pty)
    there_and_back(shell, local, "text.py")
    shell("rm large.bin")
