"""Functions that numba's cache has are loaded when they are first used; others are compiled where
they are defined."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

FILE = """
from numba import types

from k210sim.kpu.kernels.late_numba import cfunc, njit


@njit("int64(int64)", cache=True)
def inner(x):
    return 3 * x


@njit("int64(int64, int64)", cache=True)
def outer(x, y):
    return inner(x) + y


@cfunc("int64(int64)", cache=True)
def from_c(x):
    return outer(x, 1)


@njit(inline="always")
def twice(x):
    return 2 * x


@njit("int64(int64)")
def not_kept(x):
    return twice(x)
"""
RUN = """
import sys
sys.path.insert(0, sys.argv[1])
from numba.core import event

compiled = []

class Listener(event.Listener):
    def on_start(self, what):
        compiled.append(what.data["dispatcher"].py_func.__name__)
    def on_end(self, what):
        pass

event.register("numba:compile", Listener())
import functions
from k210sim.kpu.kernels import late_numba

at_import = sorted(set(compiled))
waits = [type(one).__name__ == "Late" and one._made is None
         for one in (functions.inner, functions.outer, functions.from_c)]
print(at_import, waits, functions.outer(5, 2), functions.from_c.ctypes(4), functions.not_kept(4))
print([type(one).__name__ == "Late" and one._made is None
       for one in (functions.inner, functions.outer, functions.from_c)])
late_numba.load_all()
print(functions.outer.py_func(5, 2), sorted(set(compiled)) == at_import)
"""


def run(folder, **environment):
    done = subprocess.run([sys.executable, "-c", RUN, str(folder)], capture_output=True, text=True,
                          env={**os.environ, **environment}, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_kept_functions_wait_until_they_are_used(tmp_path, monkeypatch):
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    path = tmp_path / "functions.py"
    path.write_text(textwrap.dedent(FILE))
    all_ = ["inner", "not_kept", "outer"]
    answers = "17 13 8"
    first = run(tmp_path)
    assert first == [f"{all_} [False, False, False] {answers}", "[False, False, False]", "17 True"]
    second = run(tmp_path)  # what `outer` calls is in its own code
    assert second == [f"['not_kept'] [True, True, True] {answers}", "[True, False, False]",
                      "17 True"]
    later = path.stat().st_mtime_ns + 600 * 10**9
    os.utime(path, ns=(later, later))
    assert "[False, False, False]" in run(tmp_path)[0]  # left to numba


def test_compiled_functions_may_call_those_that_wait(tmp_path, monkeypatch):
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    (tmp_path / "functions.py").write_text(textwrap.dedent(FILE))
    first = run(tmp_path)
    (kept,) = (tmp_path / "__pycache__").glob("functions.outer-*.nbi")
    kept.unlink()
    second = run(tmp_path)
    assert second[0] == first[0].replace(
        "['inner', 'not_kept', 'outer'] [False, False, False]",
        "['not_kept', 'outer'] [False, False, True]")
    assert second[2] == "17 True"


def test_another_cache_folder_is_not_looked_into(tmp_path):
    (tmp_path / "functions.py").write_text(textwrap.dedent(FILE))
    place = str(tmp_path / "elsewhere")
    assert run(tmp_path, NUMBA_CACHE_DIR=place) and not run(
        tmp_path, NUMBA_CACHE_DIR=place)[0].startswith("[]")
