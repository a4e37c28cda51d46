"""File objects, `uos` and the virtual file system, as the firmware's sheet describes them."""

from __future__ import annotations

import pytest
from files_vm import Machine

from k210sim.flash.nor import NorFlash
from k210sim.modules.uos import Yasmarang


@pytest.fixture
def machine():
    return Machine({"/main.py": b"", "/boot.py": b""})


def last_line(text: str) -> str:
    return text.rstrip("\n").rpartition("\n")[2]


def test_what_is_written_is_read(machine):
    assert machine.run(
        "f = open('a.txt', 'w')\n"
        "print(f.write('one\\ntwo\\n'), f.write('h\\u00e9'))\n"
        "f.close()\n"
        "with open('/flash/a.txt') as f:\n"
        "    print(f.readline(), f.tell(), f.readlines())\n"
        "print(open('a.txt', 'rb').read())\n"
        "print([line for line in open('./a.txt')])\n"
    ) == ("8 3\none\n 4 ['two\\n', 'h\\xe9']\nb'one\\ntwo\\nh\\xc3\\xa9'\n"
          "['one\\n', 'two\\n', 'h\\xe9']\n")


@pytest.mark.parametrize("mode, answer", [
    ("r", "OSError(2,)"), ("r+", "OSError(2,)"), ("a", "OSError(2,)"), ("rb", "OSError(2,)"),
    ("w", "0"), ("x", "0"), ("w+b", "0"), ("z", "OSError(2,)"),
])
def test_modes_on_a_missing_file(machine, mode, answer):
    assert machine.run(
        "try:\n    f = open('new', '%s')\n    print(f.write(''))\n"
        "except OSError as e:\n    print(repr(e))\n" % mode) == answer + "\n"


def test_exclusive_mode_truncates_an_existing_file(machine):
    machine.run("f = open('a', 'w'); f.write('long'); f.close()\n"
                "f = open('a', 'x'); f.write('s'); f.close()")
    assert machine.run("print(open('a').read())") == "s\n"


def test_append_goes_to_the_end(machine):
    machine.run("f = open('a', 'w'); f.write('12'); f.close()\n"
                "f = open('a', 'a'); f.seek(0); f.write('34'); f.close()")
    assert machine.run("print(open('a').read())") == "1234\n"


def test_errors_of_open_files(machine):
    assert machine.run(
        "import uos\n"
        "def t(f):\n"
        "    try: print(f())\n"
        "    except Exception as e: print(repr(e))\n"
        "f = open('a', 'w'); f.close()\n"
        "t(lambda: f.write('x')); t(lambda: f.close()); t(lambda: f.flush())\n"
        "g = open('a'); t(lambda: g.write('x')); t(lambda: g.write(1)); g.close()\n"
        "h = open('a', 'r+'); t(lambda: h.seek(5)); t(lambda: h.tell()); t(lambda: h.seek(-1, 0))\n"
    ) == ("OSError(5,)\nNone\nOSError(5,)\nOSError(5,)\n"
          "TypeError('object with buffer protocol required',)\n"
          "18446744073709541613\n0\nOSError(22,)\n")


def test_two_files_can_be_open(machine):
    machine.run("for n in 'ab':\n    f = open(n, 'w'); f.close()\n")
    assert last_line(machine.run("a = open('a'); b = open('b')\nc = open('main.py')")) == \
        "OSError: [Errno 2] ENOENT"
    # `remove` needs a descriptor too, and says so.
    text = machine.run("import uos\nuos.remove('main.py')")
    assert text.startswith("[MaixPy]:SPIFFS Error Code -10007\n")
    assert last_line(text) == "OSError: 24"


def test_a_forgotten_file_is_closed_when_it_is_collected(machine):
    assert machine.run(
        "import gc\n"
        "def forget(n):\n    open(n, 'w').write('kept')\n"
        "forget('a'); forget('b')\n"
        "gc.collect()\n"
        "print(open('a').read(), open('b').read())\n") == "kept kept\n"


def test_a_soft_reset_closes_files(machine):
    machine.run("a = open('a', 'w'); a.write('kept')\nb = open('b', 'w')")
    machine.restart()
    assert machine.run("print(open('a').read(), open('b').read())") == "kept \n"


def test_printing_a_file(machine):
    text = machine.run("print(open('main.py'), open('boot.py', 'rb'))")
    assert text.startswith("<io.TextIOWrapper 80") and " <io.FileIO 80" in text


def test_names_may_hold_slashes_and_are_flat(machine):
    assert machine.run(
        "import uos\nf = open('d/e.txt', 'w'); f.close()\n"
        "print(uos.listdir('/flash/anything'), uos.stat('/flash')[0], uos.stat('d/e.txt')[0])\n"
        "uos.chdir('/flash/d'); print(uos.getcwd())\n"
        "print([e for e in uos.ilistdir(b'/flash')][2])\n"
    ) == ("['main.py', 'boot.py', 'd/e.txt'] 16384 32768\n/flash\n"
          "(b'd/e.txt', 32768, 0, 0)\n")


def test_at_the_root_only_mount_points_exist(machine):
    assert machine.run(
        "import uos\nuos.chdir('/')\n"
        "def t(f, *a):\n"
        "    try: print(f(*a))\n"
        "    except OSError as e: print(e)\n"
        "print(uos.getcwd(), uos.listdir(), list(uos.ilistdir('/')))\n"
        "t(open, 'main.py'); t(uos.mkdir, '/'); t(uos.mkdir, '/flash'); t(uos.stat, '/none')\n"
        "print(uos.stat('/')[0], uos.statvfs('/')[9])\n"
        "t(uos.rename, '/flash/main.py', '/main.py'); t(uos.umount, '/none')\n"
    ) == ("/ ['flash'] [('flash', 16384, 0)]\n[Errno 1] EPERM\n[Errno 17] EEXIST\n"
          "[Errno 17] EEXIST\n[Errno 19] ENODEV\n16384 128\n[Errno 1] EPERM\n[Errno 22] EINVAL\n")


def test_a_directory_that_leads_nowhere_leaves_no_directory(machine):
    text = machine.run("import uos\ntry:\n    uos.chdir('/none')\nexcept OSError as e:\n"
                       "    print(e)\nuos.getcwd()")
    assert text.startswith("[Errno 19] ENODEV\n")
    assert last_line(text) == "OSError: [Errno 19] ENODEV"


def test_unmount_and_mount_again(machine):
    assert machine.run(
        "import uos\n"
        "class Fs:\n"
        "    def mount(self, readonly, mkfs): print('mount', readonly, mkfs)\n"
        "    def umount(self): print('umount')\n"
        "    def open(self, path, mode): return (path, mode)\n"
        "    def ilistdir(self, path): return iter([('x', 1, 2)])\n"
        "    def stat(self, path): return (0x8000,) + (0,) * 9\n"
        "uos.mount(Fs(), '/fs', readonly=True)\n"
        "print(uos.listdir('/'), open('/fs/a', 'rb'), uos.listdir('/fs'), uos.stat('/fs/q')[0])\n"
        "try:\n    uos.mount(Fs(), '/fs')\nexcept OSError as e:\n    print(e)\n"
        "uos.umount('/fs')\nprint(uos.listdir('/'))\n"
    ) == ("mount True False\n['flash', 'fs'] ('/a', 'rb') ['x'] 32768\n"
          "mount False False\n[Errno 1] EPERM\numount\n['flash']\n")


def test_rename_replaces(machine):
    assert machine.run(
        "import uos\n"
        "for n in 'ab':\n    f = open(n, 'w'); f.write(n); f.close()\n"
        "uos.rename('a', 'b')\nprint(sorted(uos.listdir()), open('b').read())\n"
    ) == "['b', 'boot.py', 'main.py'] a\n"


def test_a_file_removed_while_listing_is_left_out(machine):
    assert machine.run(
        "import uos\nfor entry in uos.ilistdir():\n    print(entry[0]); uos.remove('boot.py')\n"
        "    break\nprint(uos.listdir())\n") == "main.py\n['main.py']\n"


def test_flash_format(machine):
    assert machine.run("import uos\nf = open('main.py', 'a'); f.write('x')\n"
                       "print(uos.flash_format(), uos.listdir('/flash'))") == (
        "[MAIXPY]:Spiffs Unmount.\n[MAIXPY]:Spiffs Formating...\n"
        "[MAIXPY]:Spiffs Format successful \n[MAIXPY]:Spiffs Mount successful \nTrue []\n")


def test_random_bytes_are_the_same_after_every_power_on(machine):
    source = "import uos\nprint(uos.urandom(8), uos.urandom(0))"
    first = machine.run(source)
    assert machine.run(source) != first
    assert Machine().run(source) == first


def test_the_generator_counts_in_machine_words():
    rng = Yasmarang()
    numbers = [rng.next() for _ in range(1000)]
    assert all(0 <= n < 1 << 32 for n in numbers) and len(set(numbers)) > 990
    assert 0 <= rng.dat < 256 and rng.d < 1 << 32


def test_imports_come_from_the_current_directory_only(machine):
    machine.run("f = open('mine.py', 'w'); f.write('answer = 42'); f.close()")
    assert machine.run("import mine\nprint(mine, mine.answer)") == \
        "<module 'mine' from 'mine.py'> 42\n"
    machine.restart()
    text = machine.run("import uos, sys\nuos.chdir('/')\nsys.path.append('/flash')\nimport mine")
    assert last_line(text) == "ImportError: no module named 'mine'"


def test_a_blank_chip_is_formatted():
    machine = Machine()
    machine.board.flash.erase(0xD00000, 0x300000)
    del machine.vm.flash_volume
    said = []
    machine.vm.raw_stdout = lambda data: said.append(bytes(data))
    machine.restart()
    assert said == [b"[MAIXPY]:Spiffs Unmount.\n", b"[MAIXPY]:Spiffs Formating...\n",
                    b"[MAIXPY]:Spiffs Format successful \n", b"[MAIXPY]:Spiffs Mount successful \n"]
    assert machine.run("import uos\nprint(uos.listdir('/flash'))") == "[]\n"


def test_what_is_no_block_device_is_refused(machine):
    assert last_line(machine.run("import uos\nuos.VfsFat(1)")) == \
        "AttributeError: 'int' object has no attribute 'readblocks'"
    assert last_line(machine.run("import uos\nuos.mount(object(), '/x')")) == \
        "AttributeError: 'object' object has no attribute 'readblocks'"


def test_host_side_reading_and_writing(machine):
    vfs = machine.vm.vfs
    vfs.write_file("/flash/x.bin", bytes(range(256)) * 30)
    assert vfs.read_file("x.bin") == bytes(range(256)) * 30
    assert (vfs.import_stat("x.bin"), vfs.import_stat("./x.bin"), vfs.import_stat("none"),
            vfs.import_stat("/flash/x.bin"), vfs.import_stat("/")) == (2, 2, 0, 0, 0)
    assert isinstance(machine.board.flash, NorFlash)
