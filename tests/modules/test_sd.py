"""The SD card: a host folder that the guest sees as FAT, and cannot leave."""

from __future__ import annotations

import os

import pytest
from files_vm import Machine
from hypothesis import given
from hypothesis import strategies as st

from k210sim.errors import HostError
from k210sim.sd.cards import MemoryCard
from k210sim.sd.fat_format import format_card
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


# --- images, ejection, RAM disks ---
@pytest.fixture
def image(tmp_path):
    card = MemoryCard(8000)
    format_card(card)
    path = tmp_path / "card.img"
    path.write_bytes(card._data)
    return path


@pytest.fixture
def on_image(image):
    machine = Machine({"/boot.py": b""})
    machine.board.sd = SdSlot(image)
    machine.restart()
    machine.run("import uos\nuos.chdir('/sd')")
    yield machine
    machine.board.sd.eject()


def test_an_image_is_used_like_a_folder(on_image):
    assert on_image.run(
        "uos.mkdir('Some Folder'); uos.chdir('some folder')\n"
        "f = open('A long name.txt', 'w'); print(f.write('one\\ntwo\\n')); f.close()\n"
        "f = open('a LONG name.txt'); print(f.readline(), f.read()); f.close()\n"
        "print(uos.getcwd(), list(uos.ilistdir()), uos.stat('A long name.txt')[6])\n"
        "uos.rename('A long name.txt', '/sd/b.txt'); uos.chdir('..'); uos.rmdir('Some Folder')\n"
        "print(uos.listdir(), uos.statvfs('/sd')[0], uos.statvfs('/sd')[9])\n"
    ) == ("8\none\n two\n\n/sd/Some Folder [('A long name.txt', 32768, 0, 8)] 8\n"
          "['b.txt'] 1024 255\n")


def test_names_are_of_code_page_437(on_image):
    assert on_image.run(
        "f = open(b'\\x82t\\x82.txt', 'w'); f.close(); print(list(uos.ilistdir(b'/sd')))"
    ) == "[(b'\\x82t\\x82.txt', 32768, 0, 0)]\n"
    from k210sim.sd.fat import FatVolume

    volume = FatVolume(on_image.board.sd)
    assert [e.name for e in volume.listdir("/")] == ["\u00e9t\u00e9.txt"]
    volume.open("\u65e5\u672c.txt", 0x0A).close()
    on_image.run("import machine; machine.SDCard.remount()")
    assert on_image.run("print(uos.listdir('/sd')[1])") == "__~1.TXT\n"


def test_times_are_of_the_firmware(on_image):
    """The clock starts in 2000; the firmware stores the year as if FAT counted from 0."""
    assert on_image.run(
        "import utime; utime.set_time((2021, 3, 4, 5, 6, 8, 0, 0))\n"
        "f = open('t', 'w'); f.close(); print(utime.localtime(uos.stat('t')[8])[:6])"
    ) == "(2081, 3, 4, 5, 6, 8)\n"


def test_a_full_card_is_errno_28(on_image):
    assert on_image.run(
        "f = open('big', 'w')\n"
        "try:\n    while True: f.write('x' * 20000)\nexcept OSError as e: print(e)\n"
        "f.close(); n = uos.stat('big')[6]; print(n // 1000, uos.statvfs('/sd')[3])\n"
        "uos.remove('big'); print(uos.statvfs('/sd')[3] * 1024 - n < 1024)\n"
    ) == "28\n3020 0\nTrue\n"


def test_ejecting_and_another_card(on_image, tmp_path):
    on_image.run("f = open('kept.txt', 'w'); f.write('1'); f.close(); g = open('kept.txt')")
    on_image.board.sd.eject()
    assert on_image.run(
        "def t(f, *a):\n    try: print(f(*a))\n    except OSError as e: print(e)\n"
        "t(g.read); t(open, 'new', 'w'); t(uos.mkdir, '/sd/d'); t(uos.stat, 'none')\n"
        "t(lambda: uos.remove('kept.txt'))\n"
    ) == "[Errno 5] EIO\n" * 5
    other = tmp_path / "other"
    other.mkdir()
    (other / "here.txt").write_text("2")
    on_image.board.sd.insert(other)
    assert on_image.run(
        "import machine\nt(uos.mkdir, 'd')\nprint(machine.SDCard.remount())\n"
        "print(uos.listdir('/'), uos.getcwd(), uos.listdir('/sd'), open('here.txt').read())\n"
        "print(machine.SDCard.ioctl(None, 5, 0), machine.SDCard.ioctl(None, 9, 0))\n"
    ) == "[Errno 5] EIO\nNone\n['flash', 'sd'] /sd ['here.txt'] 2\n512 -1\n"


def test_a_card_that_comes_later_is_mounted_by_remount_and_by_a_reset(image):
    machine = Machine()
    machine.board.sd = SdSlot()
    machine.restart()
    machine.run("import uos, machine\nmachine.SDCard.remount()")
    assert machine.run("print(uos.listdir('/'))") == "['flash']\n"
    machine.board.sd.insert(image)
    machine.run("machine.SDCard.remount()")
    assert machine.run("print(uos.listdir('/'), uos.getcwd())") == "['flash', 'sd'] /sd\n"
    machine.board.sd.eject()
    machine.restart()
    assert machine.run("import uos\nprint(uos.listdir('/'))") == "['flash']\n"


RAM_DISK = """
import uos
class Disk:
    def __init__(self, n): self.data, self.log = bytearray(n * 512), []
    def readblocks(self, n, buf):
        buf[:] = memoryview(self.data)[n * 512:n * 512 + len(buf)]
    def writeblocks(self, n, buf): self.data[n * 512:n * 512 + len(buf)] = buf
    def ioctl(self, op, arg):
        self.log.append(op)
        if op == 4: return len(self.data) // 512
        if op == 5: return 512
d = Disk(70)
"""


def test_a_disk_that_the_guest_wrote():
    machine = Machine()
    assert machine.run(
        RAM_DISK +
        "def t(f, *a, **k):\n    try: print(f(*a, **k))\n    except OSError as e: print(e)\n"
        "t(uos.mount, d, '/ram')\n"
        "print(uos.VfsFat.mkfs(d), d.data[54:62], d.data[510:512])\n"
        "uos.mount(d, '/ram'); print(uos.listdir('/'), uos.statvfs('/ram'))\n"
        "f = open('/ram/a file.txt', 'w'); f.write('hello'); f.close()\n"
        "print(b'hello' in bytes(d.data), uos.listdir('/ram'))\n"
        "uos.umount('/ram'); print(uos.listdir('/'))\n"
        "v = uos.VfsFat(d); uos.mount(v, '/r2', readonly=True)\n"
        "print(open('/r2/a file.txt').read()); t(open, '/r2/x', 'w'); uos.chdir('/r2')\n"
        "t(uos.remove, 'a file.txt')\n"
        "uos.umount(v); print(d.log[:4], sorted(set(d.log)))\n"
        "e = Disk(50); uos.mount(e, '/e', mkfs=True); print(uos.listdir('/e'))\n"
    ) == ("[Errno 19] ENODEV\nNone bytearray(b'FAT     ') bytearray(b'U\\xaa')\n"
          "['flash', 'ram'] (512, 512, 36, 36, 36, 0, 0, 0, 0, 255)\nTrue ['a file.txt']\n"
          "['flash']\nhello\n30\n30\n[1, 1, 1, 4] [1, 3, 4]\n[]\n")


def test_a_collection_closes_files_of_a_disk_that_the_guest_wrote():
    # the heap is locked meanwhile: calling the disk takes nothing of it
    each = "for i in range(len(buf)):"
    assert Machine().run(
        RAM_DISK + "class Copying(Disk):\n    def writeblocks(self, n, buf):\n"
        f"        {each} self.data[n * 512 + i] = buf[i]\n"
        f"    def readblocks(self, n, buf):\n        {each} buf[i] = self.data[n * 512 + i]\n"
        "    def ioctl(self, op, arg): return 50 if op == 4 else 512 if op == 5 else 0\n"
        "c = Copying(50); uos.VfsFat.mkfs(c); v = uos.VfsFat(c)\n"
        "def leave(name):\n    f = v.open(name, 'w'); f.write(name)\n"
        "leave('x0'); leave('x1'); [0, 1, 2, 3]; import gc; gc.collect()\n"
        "print([v.open(n, 'r').read() for n in ('x0', 'x1')])\n"
    ) == "['x0', 'x1']\n"


def test_what_a_disk_raises_goes_through_and_the_older_protocol_works():
    machine = Machine()
    assert machine.run(
        RAM_DISK.replace("def ioctl(self, op, arg):", "def count(self): return 70\n"
                         "    def other(self, op, arg):") +
        "uos.VfsFat.mkfs(d); v = uos.VfsFat(d); print(v.ilistdir('/') != 0)\n"
        "def bad(n, buf): raise ValueError('no')\n"
    ).splitlines()[:1] == ["True"]
    assert machine.run("d.readblocks = bad\nuos.VfsFat(d)").endswith("ValueError: no\n")


def test_a_board_at_its_prompt_with_a_card_can_be_saved(image):
    from k210sim import Board

    with Board(sd=image) as board:
        board.exec("f = open('/sd/x', 'w'); f.write('1'); f.close()")
        taken = board.snapshot()
        board.exec("f = open('/sd/x', 'w'); f.write('22'); f.close()")
        board.restore(taken)
        # the card is no part of a snapshot, as the image file is none
        assert board.exec("print(open('/sd/x').read())").stdout == "22\n"
        board.sd.eject()
        assert "EIO" in board.exec("open('/sd/x')").error
