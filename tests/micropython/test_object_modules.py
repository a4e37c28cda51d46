"""Imports, help, and the modules sys, gc, micropython, uio, uctypes, uheapq, utimeq, uerrno."""

from __future__ import annotations

import heapq
import itertools
import random

import pytest

from k210sim.errors import NotSimulated
from k210sim.micropython.qstr_table import firmware_qstrs
from tests.micropython.object_vm import make_vm, run


# --- import ------------------------------------------------------------------------------------
def test_a_module_is_loaded_once_and_knows_its_file():
    files = {"m.py": "print('load')\nX = 3\ndef f(): return __name__\n_hidden = 1\n"}
    assert run("import m\nimport m as n\nfrom m import *\nprint(m, n is m, X, f())\n"
               "import sys\nprint(sys.modules)\n_hidden", files).splitlines() == [
        "load", "<module 'm' from 'm.py'> True 3 m", "{'m': <module 'm' from 'm.py'>}",
        "Traceback (most recent call last):", '  File "<stdin>", line 7, in <module>',
        "NameError: name '_hidden' isn't defined"]


def test_packages_and_relative_names():
    files = {"p/__init__.py": "print('init', __name__, __path__)",
             "p/a.py": "from .b import V\nfrom . import b\nW = V + b.V",
             "p/b.py": "V = 2", "p/q/c.py": "from ..b import V"}
    assert run("import p.a\nprint(p.a.W, p.b)\nfrom p.q import c\nprint(c.V, c.__name__)\n"
               "from p import b as d\nprint(d is p.b)", files) == (
        "init p p\n4 <module 'p.b' from 'p/b.py'>\n2 p.q.c\nTrue\n")


@pytest.mark.parametrize("source, message", [
    ("import nosuch", "ImportError: no module named 'nosuch'"),
    ("import sys.x", "ImportError: no module named 'sys'"),
    ("from sys import nosuch", "ImportError: cannot import name nosuch"),
    ("from .x import y", "KeyError: __main__"),
    ("import " + "a" * 130, "RuntimeError: "),
    ("__import__('struct')", "ImportError: no module named 'struct'"),
    ("import p.z", "ImportError: no module named 'p.z'"),
])
def test_import_messages(source, message):
    assert run(source, {"p/__init__.py": ""}).splitlines()[-1] == message


def test_files_come_before_weak_links_and_sys_path_is_searched():
    assert run("import heapq\nprint(heapq)\nimport sys\nsys.path.append('lib')\n"
               "sys.path.append('')\nimport m, errno\nprint(m.__file__, errno)",
               {"heapq.py": "", "lib/m.py": "", "m.py": "1/0"}) == (
        "<module 'heapq' from 'heapq.py'>\nlib/m.py <module 'uerrno'>\n")


def test_a_module_that_fails_stays_half_made():
    assert run("try:\n    import bad\nexcept ZeroDivisionError: print('failed')\n"
               "import bad\nprint(bad.x)", {"bad.py": "x = 1\n1/0"}) == "failed\n1\n"


# --- names -------------------------------------------------------------------------------------
def test_string_table_order():
    names = firmware_qstrs()
    assert len(set(names)) == len(names)
    assert names[:4] == ["__dir__", "\n", " ", "*"]
    fixed = names.index("zip")
    special = list(itertools.takewhile(lambda n: n.startswith("__"), names[fixed + 1 :]))
    start = fixed + 1 + len(special)
    assert names[fixed + 1 : start] == special == sorted(special)
    assert {"hello", "snapshot", "set_outputs"} & set(names[start:]) == {"snapshot", "set_outputs"}


def test_dir_lists_in_table_order():
    assert run("import math, sys\nprint(dir(math)[:4])\nprint(dir(sys)[:5])\nprint(dir([])[:4])"
               ) == ("['__class__', '__name__', 'pow', 'acos']\n"
                     "['__class__', '__name__', 'argv', 'byteorder', 'exit']\n"
                     "['__class__', 'append', 'clear', 'copy']\n")


def test_help():
    text = run("help(1)\nhelp()\nhelp('modules')")
    assert text.startswith("object 1 is of type int\n  from_bytes -- <classmethod>\n"
                           "  to_bytes -- <function>\nWelcome to MicroPython on the Sipeed Maix!")
    rows = text.split("'modules')\n")[1].splitlines()
    assert rows[-1] == "Plus any modules on the filesystem"
    assert all(len(row) == len(row.rstrip()) for row in rows)
    columns = [[row[i : i + 18].strip() for row in rows[:-1]] for i in (0, 18, 36, 54)]
    names = [name for column in columns for name in column if name]
    assert names == sorted(names) and {"__main__", "uctypes", "heapq"} <= set(names)
    assert names.count("math") == 2  # a module and a weak link


# --- modules -----------------------------------------------------------------------------------
def test_sys():
    assert run("import sys\nprint(sys.implementation, sys.version, sys.version_info, "
               "sys.maxsize, sys.platform)\nprint(sys.stdin, sys.stdout)\n"
               "sys.stdout.write('a\\n')\nprint(sys.stderr.write('bc'))\n"
               "try: 1/0\nexcept ZeroDivisionError as e: sys.print_exception(e)\n"
               "try: sys.stdout.read(1)\nexcept OSError as e: print(e)\n") == (
        "(name='micropython', version=(0, 6, 3)) 3.4.0 (3, 4, 0) 2147483647 MaixPy\n"
        "<io.FileIO 0> <io.FileIO 1>\na\nbc2\nTraceback (most recent call last):\n"
        '  File "<stdin>", line 6, in <module>\nZeroDivisionError: divide by zero\n'
        "[Errno 1] EPERM\n")


def test_memory_table_agrees_with_the_counts():
    vm, output = make_vm()
    vm.execute(b"import micropython\nx = [bytearray(500) for i in range(9)]\n"
               b"micropython.mem_info(1)")
    text = output.decode()
    counts, table = text.split("GC memory layout; from 80301580:\n")
    used = int(counts.split("used: ")[1].split(",")[0])
    cells = "".join(line[7:] for line in table.splitlines() if ": " in line)
    free_lines = sum(int(line.split("(")[1].split()[0])
                     for line in table.splitlines() if "all free" in line)
    assert len(cells) + 64 * free_lines in range(16192 - 63, 16193)
    assert sum(c != "." for c in cells) * 32 == used
    assert cells.count("A") == 9


def test_qstr_info_counts_new_names():
    assert run("import micropython\nmicropython.qstr_info()\nexec('brandnew = othernew = 1')\n"
               "micropython.qstr_info(1)") == (
        "qstr pool: n_pool=0, n_qstr=0, n_str_data_bytes=0, n_total_bytes=0\n"
        "qstr pool: n_pool=1, n_qstr=2, n_str_data_bytes=22, n_total_bytes=214\n"
        "Q(brandnew)\nQ(othernew)\n")


def test_scheduled_callbacks_run_between_operations():
    assert run("""
import micropython
log = []
def cb(x):
    log.append(x)
    if x == 1: micropython.schedule(cb, 2)
    if x == 3: 1/0
micropython.schedule(cb, 1)
for i in range(50): pass
print(log)
micropython.schedule(cb, 3)
for i in range(50): pass
""") == """[1, 2]
Traceback (most recent call last):
  File "<stdin>", line 7, in cb
ZeroDivisionError: divide by zero
"""


def test_gc_threshold_and_enable():
    assert run("import gc\nprint(gc.threshold(), gc.isenabled())\ngc.threshold(1000)\n"
               "gc.disable()\nprint(gc.threshold(), gc.isenabled(), gc.collect())\n"
               "print(gc.mem_free() + gc.mem_alloc())") == (
        "-1 True\n992 False None\n518144\n")


def test_streams_in_memory():
    assert run("""
import uio
s = uio.StringIO('héllo\\nwörld')
print(s.read(2), repr(s.readline()), s.readlines() if hasattr(s, 'readlines') else list(s))
b = uio.BytesIO()
b.write(b'abc'); b.seek(5); b.write(b'd'); b.seek(1)
print(b.read(2), b.getvalue(), b.seek(-1, 2))
with uio.StringIO() as t:
    print('x', 1, file=t)
    print(repr(t.getvalue()))
try: t.read()
except ValueError as e: print(e)
w = uio.BufferedWriter(b, 4)
b.seek(0); w.write(b'123456'); print(b.getvalue()); w.flush(); print(b.getvalue())
class Own(uio.IOBase):
    def write(self, buf): print('own', bytes(buf)); return len(buf)
print('hi', end='', file=Own())
""") == r"""hé 'llo\n' ['w\xf6rld']
b'bc' b'abc\x00\x00d' 5
'x 1\n'
I/O operation on closed file
b'1234\x00d'
b'123456'
own b'hi'
"""


def test_uctypes_reads_and_writes_ram_only():
    text = run("""
import uctypes
d = {'a': uctypes.UINT8 | 0, 'b': uctypes.UINT16 | 1,
     'f': uctypes.BFUINT8 | 0 | 4 << uctypes.BF_POS | 4 << uctypes.BF_LEN,
     'arr': (uctypes.ARRAY | 0, uctypes.UINT8 | 3), 'sub': (1, {'x': uctypes.INT8 | 0})}
data = bytearray(b'\\xa1\\x02\\x83')
s = uctypes.struct(uctypes.addressof(data), d, uctypes.BIG_ENDIAN)
print(s.a, hex(s.b), s.f, s.arr, s.sub.x, uctypes.sizeof(s), s)
s.f = 5; s.b = 0x1234; s.sub.x = -1
print(data)
print(uctypes.sizeof({'p': (uctypes.PTR, uctypes.UINT8), 'c': 8 | uctypes.UINT8}))
""")
    first, *rest = text.splitlines()
    assert first.startswith("161 0x283 10 bytearray(b'\\xa1\\x02\\x83') 2 3 <struct STRUCT 80")
    assert rest == ["bytearray(b'Q\\xff4')", "16"]
    vm, _ = make_vm()
    with pytest.raises(NotSimulated, match="only RAM"):
        vm.execute(b"import uctypes\nuctypes.bytes_at(0x40000000, 4)")


def test_heapq_orders_as_python_does():
    numbers = [random.Random(7).randrange(100) for _ in range(30)]
    text = run(f"import uheapq\nh = {numbers}\nuheapq.heapify(h)\nuheapq.heappush(h, 5)\n"
               "print([uheapq.heappop(h) for i in range(len(h))])")
    assert text == f"{heapq.nsmallest(31, [*numbers, 5])}\n"


def test_utimeq_is_a_ring_of_times():
    assert run("""
from utimeq import utimeq
q = utimeq(3)
r = [0, 0, 0]
for t in (5, 4611686018427387903, 2): q.push(t, t, 'arg')
print(len(q), q.peektime())
while q:
    q.pop(r); print(r)
try: q.pop(r)
except IndexError as e: print(e)
""") == """3 4611686018427387903
[4611686018427387903, 4611686018427387903, 'arg']
[2, 2, 'arg']
[5, 5, 'arg']
empty heap
"""


def test_errno_dict_is_fixed():
    assert run("import uerrno\nprint(uerrno.ENOENT, uerrno.errorcode[2], len(uerrno.errorcode))"
               ) == "2 ENOENT 22\n"


# --- code --------------------------------------------------------------------------------------
def test_exec_eval_compile_and_their_namespaces():
    assert run("""
d = {}
exec('x = 1\\ndef f(): return x', d)
print(d['f'](), eval('x + 1', d), eval('y', {}, {'y': 5}))
c = compile('z = 3', 'file', 'exec'); exec(c); print(z, c)
def g():
    v = 8
    exec('w = 2')
    return w
print(g(), sorted(locals()) == sorted(globals()), 'z' in dir())
try: exec('1', 5)
except TypeError as e: print(repr(e))
execfile('s.py')
""", {"s.py": "print(__name__, 'ran')"}) == (
        "1 2 5\n3 <code>\n2 True True\nTypeError()\n__main__ ran\n")
