"""mpremote from PyPI against boards of `k210sim run`: its column of docs/tools.md."""

from __future__ import annotations

import hashlib

import pytest
from tools import BINARY, PRINTED, TEXT, UTF8_NAME, cell, good, need, refused, talk

pytestmark = pytest.mark.tools


def mpremote(board, *command, kind="pty", call=good):
    return call(need("mpremote"), "connect", board.url(kind), *command)


def there_and_back(board, path, tmp_path, name=None, **options):
    name = name or path.name
    mpremote(board, "fs", "cp", path, f":{name}", **options)
    mpremote(board, "fs", "cp", f":{name}", tmp_path / "back", **options)
    assert (tmp_path / "back").read_bytes() == path.read_bytes()


@cell("mpremote", "run a script")
def test_run(board, local):
    assert mpremote(board, "run", local / "text.py") == PRINTED + b"\r\n"
    assert mpremote(board, "exec", "print(6 * 7)") == b"42\r\n"


@cell("mpremote", "one expression")
def test_eval(board):
    assert mpremote(board, "eval", "[1, 'ä']") == b"[1, '\\xe4']\r\n"


@cell("mpremote", "an error is told")
def test_errors(board):
    assert b"ZeroDivisionError" in mpremote(board, "exec", "1/0", call=refused)
    assert b"No such file" in mpremote(board, "fs", "rm", ":missing", call=refused)


@cell("mpremote", "list")
def test_ls(board, local):
    mpremote(board, "fs", "cp", local / "text.py", ":listed.py")
    assert b" %d listed.py" % len(TEXT) in mpremote(board, "fs", "ls")
    assert b"flash/" in mpremote(board, "fs", "ls", ":/")


@cell("mpremote", "copy text")
def test_copy_text(board, local, tmp_path):
    there_and_back(board, local / "text.py", tmp_path)


@cell("mpremote", "copy binary")
def test_copy_binary(board, local, tmp_path):
    there_and_back(board, local / "data.bin", tmp_path)
    digest = hashlib.sha256(BINARY).hexdigest().encode()
    assert digest in mpremote(board, "fs", "sha256sum", ":data.bin")


@cell("mpremote", "copy 0 bytes")
def test_copy_nothing(board, local, tmp_path):
    there_and_back(board, local / "empty.bin", tmp_path)


@cell("mpremote", "UTF-8 name")
def test_utf8_name(board, local, tmp_path):
    there_and_back(board, local / UTF8_NAME, tmp_path)
    assert UTF8_NAME.encode() in mpremote(board, "fs", "ls")
    mpremote(board, "fs", "rm", f":{UTF8_NAME}")
    assert UTF8_NAME.encode() not in mpremote(board, "fs", "ls")


@cell("mpremote", "show")
def test_cat(board, local):
    mpremote(board, "fs", "cp", local / "text.py", ":shown.py")
    assert mpremote(board, "fs", "cat", ":shown.py").replace(b"\r", b"") == TEXT


@cell("mpremote", "remove")
def test_rm(board, local):
    mpremote(board, "fs", "cp", local / "text.py", ":gone.py")
    mpremote(board, "fs", "rm", ":gone.py")
    assert b"gone.py" not in mpremote(board, "fs", "ls")


@cell("mpremote", "folder in /flash", "refused")
def test_mkdir_in_flash(board):
    assert b"SPIFFS not support" in mpremote(board, "fs", "mkdir", ":folder", call=refused)


@cell("mpremote", "folder in /sd")
def test_mkdir_on_the_card(carded, local, tmp_path):
    mpremote(carded, "fs", "mkdir", ":/sd/mpremote")
    there_and_back(carded, local / "data.bin", tmp_path, "/sd/mpremote/data.bin")
    assert (carded.card / "mpremote" / "data.bin").read_bytes() == BINARY
    mpremote(carded, "fs", "rm", ":/sd/mpremote/data.bin")
    mpremote(carded, "fs", "rmdir", ":/sd/mpremote")
    assert not (carded.card / "mpremote").exists()


@cell("mpremote", "soft reset")
def test_soft_reset(board):
    mpremote(board, "exec", "kept = 5")
    assert mpremote(board, "resume", "exec", "kept = 5; print(kept)") == b"5\r\n"
    assert mpremote(board, "resume", "exec", "print(kept)") == b"5\r\n"
    mpremote(board, "soft-reset")
    assert b"NameError" in mpremote(board, "resume", "exec", "print(kept)", call=refused)


@cell("mpremote", "reset")
def test_reset(board):
    mpremote(board, "reset")
    assert mpremote(board, "exec", "print(1)") == b"1\r\n"


@cell("mpremote", "prompt")
def test_repl(board):
    tool = [need("mpremote"), "connect", board.pty, "repl"]
    talk(tool, [(b"Use Ctrl-]", b"\r"), (b">>> ", b"print('42' * 2)\r"), (b"4242", b"\x1d")])


@cell("mpremote", "while it boots")
def test_while_it_boots(fresh):
    assert mpremote(fresh, "exec", "print(6 * 7)") == b"42\r\n"


@cell("mpremote", "main.py for ever")
def test_busy(busy):
    assert mpremote(busy, "exec", "print(6 * 7)") == b"42\r\n"


@cell("mpremote", "killed while copying")
def test_killed(board, local, tmp_path):
    tool = [need("mpremote"), "connect", board.pty]
    for answers in (150, 400, 900):
        board.kill_in_the_middle([*tool, "fs", "cp", local / "large.bin", ":large.bin"], answers)
        assert mpremote(board, "exec", "print(6 * 7)") == b"42\r\n"
    board.kill_in_the_middle([*tool, "fs", "cp", ":large.bin", tmp_path / "b"], 300)
    there_and_back(board, local / "data.bin", tmp_path)
    mpremote(board, "fs", "rm", ":large.bin")


@pytest.mark.parametrize("kind", ["rfc2217", "tcp"])
@cell("mpremote", "RFC 2217")
@cell("mpremote", "TCP")
def test_over_the_network(board, local, tmp_path, kind):
    assert mpremote(board, "exec", "print(6 * 7)", kind=kind) == b"42\r\n"
    there_and_back(board, local / "data.bin", tmp_path, kind=kind)


@cell("mpremote", "mount", "refused")
def test_what_needs_modules_of_later_versions(board, tmp_path):
    assert b"no module named 'io'" in mpremote(board, "mount", tmp_path, "exec", "1", call=refused)
    assert b"no module named 'vfs'" in mpremote(board, "df", call=refused)
