"""`k210sim fs --sd` on images and folders, and `k210sim sd` on a running board's slot."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from k210sim.cli import main as cli_main
from k210sim.sd.slot import SdSlot


@pytest.fixture
def call(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "script.py").write_text("print('from sd')\n")
    (tmp_path / "photos").mkdir()

    def run(*args, input=None):
        return CliRunner().invoke(cli_main.cli, [str(a) for a in args], input=input)

    return run


def refused(result, *words):
    assert result.exit_code == 2, result.output
    assert result.stdout == "" and result.stderr.count("\n") == 1
    for word in words:
        assert word in result.stderr


@pytest.fixture(params=["image", "folder"])
def card(request, call):
    if request.param == "folder":
        return "photos"
    assert call("fs", "mkfs", "--sd", "card.img", "--size", "8M").exit_code == 0
    return "card.img"


def test_files_on_a_card(call, card, tmp_path):
    def fs(command, *args, **kw):
        return call("fs", command, "--sd", card, *args, **kw)

    assert fs("mkdir", "lib").exit_code == 0
    assert fs("put", "script.py").stdout == "/sd/script.py: 17 bytes\n"
    assert fs("put", "-", "/sd/lib/A longer name.bin", input="x" * 5000).exit_code == 0
    listed = json.loads(fs("ls", "--json").stdout)
    assert sorted(f["name"] for f in listed["files"]) == ["lib", "script.py"]
    assert [f["folder"] for f in listed["files"] if f["name"] == "lib"] == [True]
    assert 5017 <= listed["used"] < listed["total"]
    assert "lib/" in fs("ls").stdout and "5000  A longer name.bin" in fs("ls", "/sd/lib").stdout
    assert fs("put", "-", "script.py", input="new").exit_code == 0
    assert fs("cat", "SCRIPT.py", "script.py").stdout == "newnew"
    assert fs("get", "lib/a LONGER name.bin", "back").exit_code == 0
    assert (tmp_path / "back").read_bytes() == b"x" * 5000
    refused(fs("get", "none", "back"), "none on", "no such file")
    refused(fs("ls", "none"), "no such folder")
    refused(fs("rm", "script.py", "none"), "no such file")
    assert "script.py" in fs("ls").stdout  # all or nothing
    refused(fs("rm", "lib"), "not empty")
    refused(fs("mkdir", "lib"), "exists already")
    refused(fs("put", "script.py", "lib"), "refused")
    refused(fs("put", "script.py", "a:b"), "no name that FAT can hold")
    refused(fs("put", "script.py", "/flash/x"), "leave --sd away")
    assert fs("rm", "script.py", "lib/A longer name.bin").exit_code == 0
    assert fs("rm", "lib").exit_code == 0
    assert json.loads(fs("ls", "--json").stdout)["files"] == []


def test_making_cards(call, tmp_path):
    refused(call("fs", "mkfs", "--sd", "none.img"), "--size N makes one")
    refused(call("fs", "mkfs", "--sd", "none.img", "--size", "1000"), "expected a multiple")
    refused(call("fs", "mkfs", "--sd", "none.img", "--size", "1000G"), "expected a multiple")
    refused(call("fs", "mkfs", "--sd", "photos", "--yes"), "a folder needs no file system")
    refused(call("fs", "mkfs", "--size", "1M"), "--size goes with --sd")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["photos", "script.py"]
    (tmp_path / "raw.img").write_bytes(bytes(1 << 20))
    refused(call("fs", "ls", "--sd", "raw.img"), "no FAT volume", "fs mkfs --sd raw.img")
    assert call("fs", "mkfs", "--sd", "raw.img", input="n\n").exit_code == 130
    assert (tmp_path / "raw.img").read_bytes() == bytes(1 << 20)
    assert call("fs", "mkfs", "--sd", "raw.img", "--yes").exit_code == 0
    assert call("fs", "put", "script.py", "--sd", "raw.img").exit_code == 0
    refused(call("fs", "mkfs", "--sd", "raw.img", "--size", "2M", "--yes"), "1048576 bytes")
    (tmp_path / "full").write_bytes(bytes(2 << 20))
    refused(call("fs", "put", "full", "--sd", "raw.img"), "no room left")
    assert call("fs", "cat", "script.py", "--sd", "raw.img").stdout == "print('from sd')\n"


def test_an_image_in_use_is_refused(call):
    call("fs", "mkfs", "--sd", "card.img", "--size", "1M")
    slot = SdSlot("card.img")
    refused(call("fs", "ls", "--sd", "card.img"), "another k210sim is using it")
    slot.eject()


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals")
def test_a_running_boards_slot(call, tmp_path, monkeypatch):
    from k210sim.serialport import control

    short = Path(tempfile.mkdtemp())  # a socket's path has little room
    monkeypatch.setattr(control, "socket_path", lambda _: short / "lines")
    (tmp_path / "terminal").write_text("")
    slot = SdSlot()
    end = control.ControlEnd(
        str(tmp_path / "terminal"), lambda *_: None, lambda _: None,
        lambda path: slot.eject() if path is None else slot.insert(path))
    try:
        call("fs", "mkfs", "--sd", "a card.img", "--size", "1M")
        assert call("sd", "insert", "a card.img", "--port", "terminal").exit_code == 0
        assert slot.path == (tmp_path / "a card.img").resolve()
        (tmp_path / "bad").write_bytes(b"1" * 100)
        refused(call("sd", "insert", "bad", "--port", "terminal"), "found 100 bytes")
        assert slot.inserted
        assert call("sd", "insert", "photos", "--port", "terminal").exit_code == 0
        assert slot.path == (tmp_path / "photos").resolve()
        assert call("sd", "eject", "--port", "terminal").exit_code == 0
        assert not slot.inserted
        refused(call("sd", "insert", "none", "--port", "terminal"), "no such folder or image")
        refused(call("sd", "eject", "--port", "absent"), "no board")
    finally:
        end.close()
        short.rmdir()
