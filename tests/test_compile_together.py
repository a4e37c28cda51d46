"""Cold files are compiled by other processes, each after what it imports; a warm cache is left."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest

import k210sim
from k210sim import compile_together, kernel_cache

HEAD = "import os\nfrom numba import njit\n"
# Each file says in `made` which process compiled it, before it does.
MARK = "open(os.environ['MADE'], 'a').write(f'{__name__} {os.getpid()}\\n')\n"
FILES = {
    "low": HEAD + MARK + "@njit('int64(int64)', cache=True)\ndef f(x):\n    return x + 1\n",
    "other": HEAD + MARK + "@njit('int64(int64)', **{'cache': True})\ndef f(x):\n    return x\n",
    "high": HEAD + MARK + "from k210sim.part import low\n@njit('int64(int64)', cache=True)\n"
            "def f(x):\n    return low.f(x) * 2\n",
    "broken": HEAD + MARK + "X = {'cache': True}\nraise ValueError('two\\nlines')\n",
}
RUN = """
    import sys
    sys.path.insert(0, sys.argv[1])
    from k210sim import compile_together
    begun = []
    count = compile_together.compile_cold(
        ["k210sim.part." + name for name in sys.argv[2].split(",")],
        lambda *told: begun.append(told), int(sys.argv[3]))
    print(count, begun)
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project with compile_together.py and a package of compiled files; calls it in a process of
    its own and returns what it said and who compiled what."""
    root = tmp_path / "k210sim"
    (root / "part").mkdir(parents=True)
    (root / "__init__.py").write_text("")
    (root / "part" / "__init__.py").write_text("")
    for name in ("compile_together", "kernel_cache"):
        source = kernel_cache.ROOT / f"{name}.py"
        (root / f"{name}.py").write_bytes(source.read_bytes())
    for name, text in FILES.items():
        (root / "part" / f"{name}.py").write_text(text)
    monkeypatch.setenv("MADE", str(tmp_path / "made"))
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)

    def call(names: str, processes: int = 2):
        (tmp_path / "made").write_text("")
        done = subprocess.run([sys.executable, "-c", textwrap.dedent(RUN), str(tmp_path), names,
                               str(processes)], capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        made = [line.split() for line in (tmp_path / "made").read_text().splitlines()]
        return done.stdout.strip(), [(name.split(".")[-1], int(pid)) for name, pid in made]

    call.part = root / "part"
    return call


def test_cold_files_are_compiled_elsewhere_and_warm_ones_left(project):
    said, made = project("high,other")
    assert said == "3 [(3, 2)]"
    names = [name for name, _ in made]
    assert sorted(set(names)) == ["high", "low", "other"]
    assert names.index("low") < names.index("high"), "what a file imports comes first"
    kept = {path.name.split(".")[0] for path in project.part.glob("__pycache__/*.nbi")}
    assert kept == {"high", "low", "other"}
    assert project("high,other") == ("0 []", []), "nothing is left to do"
    for path in project.part.glob("__pycache__/low.f-*"):
        path.unlink()
    said, made = project("high,low")
    assert (said, [name for name, _ in made]) == ("1 [(1, 2)]", ["low"])


def test_a_file_that_cannot_be_imported_stops_nobody(project):
    said, made = project("broken,low,high")
    assert said == "3 [(3, 2)]" and {name for name, _ in made} == {"broken", "low", "high"}


def test_one_processor_compiles_for_itself(project):
    assert project("high,other", processes=1) == ("0 []", [])


def test_a_folder_that_cannot_be_written_is_not_called_cold(project, monkeypatch):
    path = project.part / "low.py"
    assert compile_together._is_cold(path)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert not compile_together._is_cold(path)


def test_without_processes_nothing_fails(monkeypatch):
    def refused(*args, **kwargs):
        raise PermissionError("no programs here")

    monkeypatch.setattr(subprocess, "Popen", refused)
    compile_together._compile({"k210sim.part.low": set()}, 2)


def test_every_file_that_warmup_names_keeps_functions():
    """Else it would look cold at every start."""
    from k210sim.kpu import warmup

    for name, _ in warmup.FILES:
        path = kernel_cache.ROOT / "kpu" / "kernels" / f"{name}.py"
        assert compile_together.KEEPS.search(path.read_text(encoding="utf-8")), name


def test_the_project_s_graph_has_no_circle():
    import graphlib

    from k210sim.kpu import warmup

    assert k210sim.__name__ == kernel_cache.ROOT.name
    order = {}
    for name, _ in warmup.FILES:
        path = kernel_cache.ROOT / "kpu" / "kernels" / f"{name}.py"
        order[path] = set(kernel_cache.imported_by([path])) - {path}
    list(graphlib.TopologicalSorter(order).static_order())
