"""ampy (adafruit-ampy) from PyPI against boards of `k210sim run`: its column of docs/tools.md."""

from __future__ import annotations

import pytest
from tools import BINARY, K210SIM, PRINTED, TEXT, UTF8_NAME, cell, good, need, refused

pytestmark = pytest.mark.tools


def ampy(board, *command, call=good):
    return call(need("ampy"), "-p", board.pty, *command)


def there_and_back(board, path, tmp_path, name=None):
    ampy(board, "put", path, *([name] if name else []))
    ampy(board, "get", name or path.name, tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == path.read_bytes()


@cell("ampy", "run a script")
def test_run(board, local):
    assert ampy(board, "run", local / "text.py").strip() == PRINTED


@cell("ampy", "an error is told")
def test_errors(board, tmp_path):
    (tmp_path / "bad.py").write_text("1/0\n")
    assert b"ZeroDivisionError" in ampy(board, "run", tmp_path / "bad.py", call=refused)


@cell("ampy", "list")
def test_ls(board, local):
    ampy(board, "put", local / "text.py", "listed.py")
    assert ampy(board, "ls").split() == [b"/flash"]  # the roots
    assert b"/flash/listed.py" in ampy(board, "ls", "/flash")


@cell("ampy", "copy text")
def test_copy_text(board, local, tmp_path):
    there_and_back(board, local / "text.py", tmp_path)


@cell("ampy", "copy binary")
def test_copy_binary(board, local, tmp_path):
    there_and_back(board, local / "data.bin", tmp_path)


@cell("ampy", "copy 0 bytes")
def test_copy_nothing(board, local, tmp_path):
    there_and_back(board, local / "empty.bin", tmp_path)


@cell("ampy", "UTF-8 name")
def test_utf8_name(board, local, tmp_path):
    there_and_back(board, local / UTF8_NAME, tmp_path)
    assert UTF8_NAME.encode() in ampy(board, "ls", "/flash")
    ampy(board, "rm", UTF8_NAME)


@cell("ampy", "show")
def test_get_prints(board, local):
    ampy(board, "put", local / "text.py", "shown.py")
    assert ampy(board, "get", "shown.py").strip() == TEXT.strip()


@cell("ampy", "remove")
def test_rm(board, local):
    ampy(board, "put", local / "text.py", "gone.py")
    ampy(board, "rm", "gone.py")
    assert b"gone.py" not in ampy(board, "ls", "/flash")


@cell("ampy", "folder in /flash", "refused")
def test_mkdir_in_flash(board):
    assert b"SPIFFS not support" in ampy(board, "mkdir", "folder", call=refused)


@cell("ampy", "folder in /sd")
def test_mkdir_on_the_card(carded, local, tmp_path):
    ampy(carded, "mkdir", "/sd/ampy")
    there_and_back(carded, local / "data.bin", tmp_path, "/sd/ampy/data.bin")
    assert (carded.card / "ampy" / "data.bin").read_bytes() == BINARY
    ampy(carded, "rm", "/sd/ampy/data.bin")
    ampy(carded, "rmdir", "/sd/ampy")
    assert not (carded.card / "ampy").exists()


@cell("ampy", "reset")
def test_reset(board):
    ampy(board, "reset")
    assert b"/flash" in ampy(board, "ls")


@cell("ampy", "while it boots")
def test_while_it_boots(fresh):
    assert b"/flash" in ampy(fresh, "ls")


@cell("ampy", "main.py for ever")
def test_busy(busy, local, tmp_path):
    there_and_back(busy, local / "text.py", tmp_path)


@cell("ampy", "killed while copying")
def test_killed(board, local, tmp_path):
    tool = [need("ampy"), "-p", board.pty]
    for answers in (100, 300):
        board.kill_in_the_middle([*tool, "put", local / "large.bin"], answers)
        assert b"/flash" in ampy(board, "ls")
    board.kill_in_the_middle([*tool, "get", "large.bin", tmp_path / "b"], 200)
    there_and_back(board, local / "text.py", tmp_path)


@pytest.mark.parametrize("kind", ["rfc2217", "tcp"])
@cell("ampy", "RFC 2217")
@cell("ampy", "TCP")
def test_over_the_network(board, local, tmp_path, kind):
    tool = [*K210SIM, "with-lines", "--", need("ampy"), "-p", board.url(kind)]
    good(*tool, "put", local / "data.bin", "over.bin")
    good(*tool, "get", "over.bin", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == BINARY
