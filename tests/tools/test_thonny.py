"""Thonny's back end from PyPI against boards of `k210sim run`: its column of docs/tools.md."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

import pytest
import thonny_backend
from tools import BINARY, PRINTED, TEXT, UTF8_NAME, cell, need

pytestmark = pytest.mark.tools


@contextlib.contextmanager
def started(port, folder, **settings):
    python = Path(need("thonny")).with_name("python")
    backend = thonny_backend.Backend(python, port, folder / "thonny", **settings)
    try:
        yield backend
    finally:
        backend.close()


@pytest.fixture
def thonny(board, tmp_path):
    with started(board.pty, tmp_path) as backend:
        yield backend


def put(thonny, path, data):
    thonny.inline("write_file", path=path, content_bytes=data, editor_id=1,
                  make_shebang_scripts_executable=False)  # fmt: skip


def there_and_back(thonny, path, data):
    put(thonny, path, data)
    assert thonny.inline("read_file", path=path).content_bytes == data


def listed(thonny, folder="/flash"):
    answer = thonny.inline("get_dirs_children_info", paths=[folder], include_hidden=False,
                           node_id="")  # fmt: skip
    return answer.data[folder]


def test_connects(thonny):
    """The banner, the current directory and the search path are what its window shows."""
    assert thonny.ready.cwd == "/flash" and thonny.ready.sys_path == ["", ".", "/flash"]
    assert thonny.ready.welcome_text.startswith("MicroPython v0.6.3")


@cell("Thonny", "run a script")
def test_run(thonny):
    thonny.toplevel("Run", source=TEXT.decode() + "x = [1, 2]\n", args=[])
    assert PRINTED.decode() in thonny.said["stdout"]
    shown = thonny.inline("get_globals", module_name="__main__").globals
    assert shown["x"].repr == "[1, 2]"


@cell("Thonny", "one expression")
def test_expression(thonny):
    thonny.toplevel("execute_source", source="6 * 7")
    assert "]42[" in thonny.said["stdout"]  # between the marks of a link to the object


@cell("Thonny", "an error is told")
def test_errors(thonny):
    thonny.toplevel("execute_source", source="1/0")
    assert "ZeroDivisionError" in thonny.said["stderr"]


@cell("Thonny", "list")
def test_files(thonny):
    put(thonny, "/flash/listed.py", TEXT)
    assert listed(thonny)["listed.py"]["size"] == len(TEXT)
    assert listed(thonny, "/")["flash"]["kind"] == "dir"
    space = thonny.inline("get_fs_info", path="/flash")
    # As the firmware counts: in blocks of 128 KiB.
    assert space.total == 21 << 17 and space.free + space.used == space.total


@cell("Thonny", "copy text")
@cell("Thonny", "show")
def test_copy_text(thonny):
    there_and_back(thonny, "/flash/text.py", TEXT)


@cell("Thonny", "copy binary")
def test_copy_binary(thonny):
    there_and_back(thonny, "/flash/data.bin", BINARY)


@cell("Thonny", "copy 0 bytes")
def test_copy_nothing(thonny):
    there_and_back(thonny, "/flash/empty.bin", b"")


@cell("Thonny", "UTF-8 name")
def test_utf8_name(thonny):
    there_and_back(thonny, f"/flash/{UTF8_NAME}", TEXT)
    assert UTF8_NAME in listed(thonny)


@cell("Thonny", "remove")
def test_delete(thonny):
    put(thonny, "/flash/gone.py", TEXT)
    thonny.inline("delete", paths=["/flash/gone.py"])
    assert "gone.py" not in listed(thonny)


@cell("Thonny", "folder in /flash", "refused")
def test_mkdir_in_flash(thonny):
    with pytest.raises(AssertionError, match="the back end ended"):
        thonny.inline("mkdir", path="/flash/folder")


@cell("Thonny", "folder in /sd")
def test_mkdir_on_the_card(carded, tmp_path):
    with started(carded.pty, tmp_path) as thonny:
        thonny.inline("mkdir", path="/sd/thonny")
        there_and_back(thonny, "/sd/thonny/data.bin", BINARY)
        assert (carded.card / "thonny" / "data.bin").read_bytes() == BINARY
        thonny.inline("delete", paths=["/sd/thonny"])
        assert not (carded.card / "thonny").exists()


@cell("Thonny", "soft reset")
def test_stop_restart(thonny):
    thonny.toplevel("execute_source", source="kept = 5")
    thonny.send("EOFCommand")
    thonny.wait("ToplevelResponse")
    thonny.toplevel("execute_source", source="kept")
    assert "NameError" in thonny.said["stderr"]


@cell("Thonny", "prompt")
def test_input_and_stop(thonny):
    """A program reads a line that was typed; one that does not end is stopped."""
    thonny.send("ToplevelCommand", name="execute_source", id=1,
                source="print(input('name? ') * 2)")  # fmt: skip
    while "name? " not in thonny.said["stdout"]:
        with contextlib.suppress(Exception):
            thonny.wait("ToplevelResponse", 0.2)
    thonny.send("InputSubmission", data="abc\n")
    thonny.wait("ToplevelResponse")
    assert "abcabc" in thonny.said["stdout"]
    thonny.send("ToplevelCommand", name="execute_source", id=2, source="while True: pass")
    time.sleep(1)
    thonny.send("ImmediateCommand", name="interrupt")
    thonny.wait("ToplevelResponse")
    assert "KeyboardInterrupt" in thonny.said["stderr"]


@cell("Thonny", "while it boots")
def test_while_it_boots(fresh, tmp_path):
    with started(fresh.pty, tmp_path) as thonny:
        assert thonny.ready.cwd == "/flash"


@cell("Thonny", "main.py for ever")
def test_busy(busy, tmp_path):
    with started(busy.pty, tmp_path) as thonny:
        there_and_back(thonny, "/flash/text.py", TEXT)


@cell("Thonny", "killed while copying")
def test_killed(board, tmp_path):
    for _ in range(2):
        with started(board.pty, tmp_path) as thonny:
            before = board.log.stat().st_size
            thonny.send("InlineCommand", name="write_file", id=1, path="/flash/large.bin",
                        content_bytes=BINARY * 20, editor_id=1,
                        make_shebang_scripts_executable=False)  # fmt: skip
            while board.log.stat().st_size < before + 300:
                time.sleep(0.01)
    with started(board.pty, tmp_path) as thonny:
        there_and_back(thonny, "/flash/text.py", TEXT)


@cell("Thonny", "clock", "refused")
def test_the_firmware_has_no_clock_to_set(board, tmp_path):
    with started(board.pty, tmp_path) as thonny:
        thonny.toplevel("execute_source", source="from machine import RTC")
        assert "ImportError" in thonny.said["stderr"]
