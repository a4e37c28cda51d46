"""numba's files go when a source they were made of has changed, and only then."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import k210sim
from k210sim import compile_together, kernel_cache

PACKAGES = ("riscv", "devices", "micropython", "heap", "imaging/kernels", "kpu/kernels")


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A project of two files, one of which compiles a function that calls the other's."""
    root = tmp_path / "k210sim"
    folder = root / "part"
    folder.mkdir(parents=True)
    monkeypatch.setattr(kernel_cache, "ROOT", root)
    (root / "__init__.py").write_text("")
    (folder / "__init__.py").write_text("")
    (folder / "plain.py").write_text("VALUE = 1\n")
    (folder / "other.py").write_text("")
    (folder / "compiled.py").write_text(
        "from numba import njit\nfrom k210sim.part.plain import VALUE\n")
    return folder


def numba_files(folder):
    for name in ("f-1.py311.nbi", "f-1.py311.1.nbc"):
        (folder / "__pycache__" / name).write_bytes(b"x")
    return lambda: len(list((folder / "__pycache__").glob("*.nb?")))


def test_they_stay_while_the_sources_do(package):
    kernel_cache.check(package)
    left = numba_files(package)
    kernel_cache.check(package)
    assert left() == 2
    os.utime(package / "plain.py", (1, 1))
    (package / "other.py").write_text("what no compiled file imports")
    kernel_cache.check(package)
    assert left() == 2, "the same text under another date"


@pytest.mark.parametrize("name", ["plain.py", "compiled.py"])
def test_they_go_with_a_source(package, name):
    kernel_cache.check(package)
    left = numba_files(package)
    (package / name).write_text((package / name).read_text() + "# changed\n")
    kernel_cache.check(package)
    assert left() == 0


@pytest.mark.parametrize("stamp", [None, "", "[]", '{"looks": 1}', "{", "\xff"])
def test_they_go_where_nothing_says_what_they_were_made_of(package, stamp):
    (package / "__pycache__").mkdir()
    left = numba_files(package)
    if stamp is not None:
        (package / "__pycache__" / kernel_cache.STAMP).write_bytes(stamp.encode("latin-1"))
    kernel_cache.check(package)
    assert left() == 0
    kernel_cache.check(package)
    assert json.loads((package / "__pycache__" / kernel_cache.STAMP).read_bytes())["content"]


@pytest.mark.parametrize("name", PACKAGES)
def test_every_package_with_compiled_functions_has_a_stamp(name):
    folder = Path(k210sim.__file__).parent / name
    module = "k210sim." + name.replace("/", ".")
    code = f"import {module}, sys; assert 'numba' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
    known = json.loads((folder / "__pycache__" / kernel_cache.STAMP).read_bytes())
    assert {path.relative_to(kernel_cache.ROOT).as_posix()
            for path in kernel_cache.sources_of(folder)} == set(known["looks"])


def test_no_other_package_has_compiled_functions():
    root = Path(k210sim.__file__).parent
    found = {path.parent.relative_to(root).as_posix() for path in root.rglob("*.py")
             if compile_together.KEEPS.search(path.read_text(encoding="utf-8"))}
    assert found == set(PACKAGES)


def test_numba_runs_the_changed_function(tmp_path):
    """The whole of it: without the stamp, numba itself takes the old code again."""
    root = tmp_path / "k210sim"
    (root / "part").mkdir(parents=True)
    source = Path(kernel_cache.__file__).read_text(encoding="utf-8")
    (root / "kernel_cache.py").write_text(source, encoding="utf-8")
    (root / "__init__.py").write_text("")
    (root / "part" / "__init__.py").write_text(
        "from k210sim import kernel_cache\nkernel_cache.check(__path__[0])\n")
    (root / "part" / "caller.py").write_text(textwrap.dedent("""
        from numba import njit
        from k210sim.part.callee import callee
        @njit("int64()", cache=True)
        def caller():
            return callee()
    """))

    def answer(value):
        (root / "part" / "callee.py").write_text(
            f"from numba import njit\n@njit('int64()')\ndef callee():\n    return {value}\n")
        done = subprocess.run(
            [sys.executable, "-c", "from k210sim.part.caller import caller; print(caller())"],
            cwd=tmp_path, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    assert [answer(1), answer(2)] == ["1", "2"]
