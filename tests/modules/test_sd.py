"""The SD card: a host folder that the guest sees as FAT, and cannot leave."""

from __future__ import annotations

import os

import pytest
from files_vm import Machine
from hypothesis import given
from hypothesis import strategies as st

from k210sim.errors import HostError
from k210sim.sd.fat_layout import FatFailure
from k210sim.sd.folder import FolderCard
from k210sim.sd.slot import SdSlot


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "secret.txt").write_text("outside")
    card = tmp_path / "card"
    card.mkdir()
    (card / "Hello.TXT").write_bytes(b"one\ntwo\n")
    (card / "lib").mkdir()
    (card / "lib" / "mine.py").write_text("answer = 42")
    (card / "link").symlink_to(tmp_path / "secret.txt")
    (card / "out").symlink_to(tmp_path)
    return card


@pytest.fixture
def machine(folder):
    machine = Machine({"/boot.py": b""})
    machine.board.sd = SdSlot(folder)
    machine.restart()
    machine.run("import uos\nuos.chdir('/sd')")
    return machine


def test_the_card_is_mounted_after_flash_and_current(folder):
    machine = Machine()
    machine.board.sd = SdSlot(folder)
    machine.vm.start()
    assert machine.run("import uos\nprint(uos.listdir('/'), uos.getcwd(), uos.listdir())") == \
        "['flash', 'sd'] /sd ['Hello.TXT', 'lib']\n"


def test_reading_and_writing(machine, folder):
    assert machine.run(
        "f = open('hello.txt'); print(f.readline(), f.read(), f.tell(), f.seek(99)); f.close()\n"
        "f = open('/sd/new.bin', 'wb'); print(f.write(b'abc'), f.seek(6)); f.write(b'd')\n"
        "f.close()\n"
        "f = open('new.bin', 'ab'); f.write(b'e'); f.close()\n"
        "print(open('NEW.BIN', 'rb').read())\n"
        "def t(*a):\n    try: open(*a)\n    except OSError as e: print(e)\n"
        "t('none'); t('lib'); t('lib', 'w'); t('new.bin', 'x'); t('a:b', 'w'); t('no/file', 'w')\n"
    ) == ("one\n two\n 8 8\n3 6\nb'abc\\x00\\x00\\x00de'\n[Errno 2] ENOENT\n[Errno 2] ENOENT\n"
          "[Errno 13] EACCES\n[Errno 17] EEXIST\n[Errno 22] EINVAL\n[Errno 2] ENOENT\n")
    assert (folder / "new.bin").read_bytes() == b"abc\0\0\0de"


def test_errors_of_open_files(machine):
    assert machine.run(
        "def t(f):\n    try: print(f())\n    except OSError as e: print(e)\n"
        "f = open('hello.txt'); t(lambda: f.write('x')); f.close(); t(lambda: f.read())\n"
        "g = open('w', 'w'); t(lambda: g.read()); g.close(); t(lambda: g.close())\n"
    ) == "[Errno 13] EACCES\n[Errno 22] EINVAL\n[Errno 13] EACCES\nNone\n"


def test_folders(machine, folder):
    assert machine.run(
        "uos.mkdir('d'); uos.mkdir('/sd/d/e'); uos.chdir('d'); print(uos.getcwd(), uos.listdir())\n"
        "f = open('e/x.txt', 'w'); f.write('1'); f.close(); uos.chdir('..')\n"
        "def t(f, *a):\n    try: print(f(*a))\n    except OSError as e: print(e)\n"
        "t(uos.rmdir, 'd'); t(uos.remove, 'd'); t(uos.rmdir, 'hello.txt'); t(uos.mkdir, 'd')\n"
        "t(uos.rename, 'd/e/x.txt', 'y.txt'); t(uos.rmdir, 'd/e'); t(uos.rmdir, 'd')\n"
        "t(uos.rename, 'y.txt', 'hello.txt')\n"
        "print(uos.listdir(), open('hello.txt').read())\n"
        "print([e for e in uos.ilistdir(b'/sd')][1], uos.stat('lib')[0])\n"
        "print(uos.stat('hello.txt')[6])\n"
        "print(uos.statvfs('/sd')[:3])\n"
    ) == ("/sd/d ['e']\n[Errno 13] EACCES\n[Errno 21] EISDIR\n20\n"
          "[Errno 17] EEXIST\nNone\nNone\nNone\nNone\n['hello.txt', 'lib'] 1\n"
          "(b'lib', 16384, 0, 0) 16384\n1\n(32768, 32768, 131072)\n")


def test_imports_find_the_card(machine):
    assert machine.run("import sys\nsys.path.append('/sd/lib')\nimport mine\nprint(mine.answer)"
                       ) == "42\n"
    assert machine.run("import lib.mine\nprint(lib.mine)") == \
        "<module 'lib.mine' from 'lib/mine.py'>\n"


@pytest.mark.parametrize("path", [
    "../secret.txt", "/sd/../secret.txt", "/sd/../../secret.txt", "lib/../../secret.txt", "link",
    "out/secret.txt", "..\\secret.txt", "//../secret.txt", "./.././../secret.txt", "lib/.. /link",
])
def test_there_is_no_way_out(machine, path):
    text = machine.run("open(%r).read()" % path)
    assert "outside" not in text and "OSError" in text
    assert "OSError" in machine.run("uos.remove(%r)" % path)


def test_links_and_odd_names_do_not_exist(machine, folder):
    (folder / "bad:name").write_text("x")
    assert machine.run("print(uos.listdir('/sd'))") == "['Hello.TXT', 'lib']\n"


@given(st.text(alphabet="abA./\\ :*\0\u00e9", max_size=30))
def test_no_path_leads_out_of_the_folder(tmp_path_factory, path):
    root = tmp_path_factory.mktemp("card")
    card = FolderCard(root)
    for action in (card.mkdir, card.listdir, card.stat, lambda p: card.open(p, 0x0A).close(),
                   card.unlink, card.chdir):
        try:
            action(path)
        except (FatFailure, ValueError):
            pass
    assert os.listdir(root.parent).count(root.name) == 1
    assert not any("a" == name.lower() or "b" == name.lower() for name in os.listdir(root.parent))


def test_a_card_needs_a_folder(tmp_path):
    with pytest.raises(HostError, match="expected a folder"):
        FolderCard(tmp_path / "none")
