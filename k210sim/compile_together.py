"""Compiles files whose functions no cache has yet in several processes at once.

numba compiles one function at a time, in Python for the most part: on a fresh installation the
KPU's files take a minute and a half of one processor. The files that need not wait for each other
are therefore given to other processes, which leave the code in numba's cache; this process takes it
from there. Nothing depends on it: what is missing afterwards is compiled where it is imported.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import queue
import re
import sys
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from pathlib import Path
from typing import TYPE_CHECKING

from k210sim import kernel_cache

if TYPE_CHECKING:
    import subprocess  # imported where something is cold: a warm start is short

MOST = 4  # processes: the longest way through the KPU's files is a third of the whole
KEEPS = re.compile(r"""\bcache["']?\s*[=:]\s*True""")  # in a file with functions that numba keeps
SERVE = """
import sys
sys.path.insert(0, sys.argv[1])
from k210sim import compile_together
compile_together.serve()
"""


def compile_cold(modules: Iterable[str],
                 begin: Callable[[int, int], None] = lambda files, processes: None,
                 processes: int | None = None) -> int:
    """Fill numba's cache with the functions of modules and of what they import; returns how many
    files had none.

    modules : dotted names below k210sim, whose packages are imported here.
    begin(files, processes) : called before the first file, when there is one.
    processes : at most so many; None for as many as this process has processors, at most MOST.
    With one, nothing is done.
    """
    modules = list(modules)
    if processes is None:
        processes = min(MOST, _processors())
    if processes < 2 or not any(_is_cold(_path(name)) for name in modules):
        return 0
    for package in {name.rpartition(".")[0] for name in modules}:
        importlib.import_module(package)  # throws away what an older source left in the cache
    order = _order(modules)
    if not order:
        return 0
    begin(len(order), processes)
    _compile(order, processes)
    return len(order)


def _processors() -> int:
    with contextlib.suppress(AttributeError):  # not on macOS and Windows
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _path(name: str) -> Path:
    return kernel_cache.ROOT.joinpath(*name.split(".")[1:]).with_suffix(".py")


def _name(path: Path) -> str:
    parts = path.relative_to(kernel_cache.ROOT).with_suffix("").parts
    return ".".join((kernel_cache.ROOT.name, *parts))


def _bytes(name: str) -> int:
    return _path(name).stat().st_size


def _is_cold(path: Path) -> bool:
    """Whether numba's cache, where it usually lies, has no function of a file. A folder that
    cannot be written is not where it lies."""
    usual = os.environ.get("NUMBA_CACHE_DIR") or os.access(path.parent, os.W_OK)
    return bool(usual) and not kernel_cache.kept(path)


def _order(modules: list[str]) -> dict[str, set[str]]:
    """Cold files by name, each with those that it imports, directly or by others."""
    reached: dict[Path, set[Path]] = {}
    for path in kernel_cache.imported_by([_path(name) for name in modules]):
        if KEEPS.search(path.read_text(encoding="utf-8")) and _is_cold(path):
            reached[path] = set(kernel_cache.imported_by([path])) - {path}
    return {_name(path): {_name(other) for other in others if other in reached}
            for path, others in reached.items()}


def _compile(order: dict[str, set[str]], processes: int) -> None:
    """Import the files in other processes, each after those it imports."""
    import graphlib

    sorter = graphlib.TopologicalSorter(order)
    sorter.prepare()
    idle: queue.SimpleQueue[subprocess.Popen] = queue.SimpleQueue()
    helpers = []

    def one(name: str) -> str:
        helper = idle.get()
        try:
            helper.stdin.write(name + "\n")
            helper.stdin.flush()
            helper.stdout.readline()
        except (OSError, ValueError):
            pass  # it has ended: this file is compiled where it is imported
        idle.put(helper)
        return name

    try:
        for _ in range(min(processes, len(order))):
            helpers.append(_helper())
            idle.put(helpers[-1])
    except OSError:
        pass  # no processes to be had, as under `exec --confine`
    if helpers:
        with ThreadPoolExecutor(len(helpers)) as pool:
            running = set()
            try:
                while sorter.is_active():
                    ready = sorted(sorter.get_ready(), key=_bytes, reverse=True)  # long ones first
                    running |= {pool.submit(one, name) for name in ready}
                    done, running = wait(running, return_when=FIRST_COMPLETED)
                    sorter.done(*(future.result() for future in done))
            finally:  # Ctrl-C too: the pool waits for threads that wait for helpers
                for helper in helpers:
                    helper.kill()
    for helper in helpers:
        helper.wait()
        helper.stdout.close()
        with contextlib.suppress(OSError):
            helper.stdin.close()


def _helper() -> subprocess.Popen:
    import subprocess

    command = [sys.executable, "-c", SERVE, str(kernel_cache.ROOT.parent)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            stderr=subprocess.DEVNULL, text=True)  # fmt: skip


def serve() -> None:
    """Import the modules named on the standard input and answer a line for each; ends as soon as
    the process that asks has ended."""
    wanted: queue.SimpleQueue[str] = queue.SimpleQueue()

    def listen() -> None:
        for line in sys.stdin:
            wanted.put(line.strip())
        os._exit(0)

    threading.Thread(target=listen, daemon=True).start()
    while True:
        name = wanted.get()
        try:
            importlib.import_module(name)
        except Exception as error:  # who asks meets it again, and tells it
            name = repr(error)
        print(name.splitlines()[0], flush=True)
