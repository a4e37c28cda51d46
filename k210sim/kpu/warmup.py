"""Compile every kernel before it is needed, and say so.

The kernels have explicit signatures and an on-disk cache: importing a kernel file compiles it (the
first time on a machine, some seconds in all); what the cache has is loaded when it is first called
(kernels/late_numba.py). After `warmup()` or `ready()` nothing is compiled while a model runs.
"""

from __future__ import annotations

import importlib
import threading
import time
from collections.abc import Callable, Iterable

from k210sim import compile_together

FILES = (
    ("staircase", "activation"),
    ("buckets", "activation tables"),
    ("stair_fit", "proofs of the activation"),
    ("maps", "feature maps"),
    ("conv2d", "convolutions"),
    ("team_code", "threads"),
    ("depthwise", "depthwise layers"),
    ("dot_part", "layers of dot products"),
    ("pool2d", "pools"),
    ("quant", "byte layers"),
    ("dense", "float layers"),
    ("node_code", "layers of the CPU"),
    ("neutral", "nodes of kmodel V4"),
    ("float_conv", "float convolutions"),
    ("tensors", "tensors of kmodel V5"),
    ("graph_code", "nodes in chains"),
    ("transfer", "maps on their way"),
    ("region", "yolo2 boxes"),
)
NODES = {"neutral", "float_conv", "tensors", "graph_code"}  # only of V4 and V5
# Kernel set -> its file of dot products.
DOT_FILES = {"vnni": "dot512", "avxvnni": "dot256", "avx2": "dot_avx2", "neondot": "dot_neondot",
             "neon": "dot_neon"}
SLOW_S = 0.3
_ready = threading.Lock()
_done: set[bool] = set()


def warmup(report: Callable[[str], None] | None = None) -> float:
    """Load or compile all kernels; returns the seconds it took.

    report(text) is called when a file's first compilation starts, and once at the end if anything
    was compiled.
    """
    from numba.core import event

    started = time.perf_counter()

    def begin(files: int, processes: int) -> None:
        if report:
            report(f"compiling KPU kernels for this machine, once: {files} files, "
                   f"{processes} processes")

    compile_together.compile_cold(_modules(name for name, _ in FILES), begin)
    teller = _teller(report)
    with event.install_listener("numba:compile", teller):
        # The table of sets imports kernels too, so it comes after the files it would compile.
        for i, (name, what) in enumerate(FILES):
            teller.pending = (f"compiling KPU kernels for this machine, once: {what} "
                              f"({i + 1}/{len(FILES)})")
            importlib.import_module(f"k210sim.kpu.kernels.{name}")
        from k210sim.kpu.kernels import late_numba, table

        # Only the set this host will use: the others compile when somebody asks for them.
        teller.pending = "compiling those for this processor"
        dots = DOT_FILES.get(table.default().NAME)
        if dots is not None:
            importlib.import_module(f"k210sim.kpu.kernels.{dots}")
        late_numba.load_all()
    took = time.perf_counter() - started
    if report and teller.compiled and took > SLOW_S:
        report(f"compiled in {took:.1f} s; the next start takes them from the cache")
    return took


def ready(version: int) -> None:
    """Have everything a model of this version may need compiled, once in a process.

    A real compilation is told on the host's stderr (k210sim/compiling.py), so that no first
    inference pauses without a word. V3 needs no kernels of V4's nodes.
    """
    nodes = version > 3
    if True in _done or nodes in _done:
        return
    with _ready:
        from k210sim import compiling
        from k210sim.kpu.kernels import table

        compiling.announce()
        modules = _modules(name for name, _ in FILES if nodes or name not in NODES)
        compiling.ahead("kpu", modules)
        for module in modules:
            importlib.import_module(module)
        dots = DOT_FILES.get(table.default().NAME)
        if dots is not None:
            importlib.import_module(f"k210sim.kpu.kernels.{dots}")
        from k210sim.kpu.kernels import late_numba, team_code

        if team_code.alone.stats.cache_misses:  # needed by all; the cache is of another host
            late_numba.load_all()
        _done.add(nodes)


def _modules(names: Iterable[str]) -> list[str]:
    return [f"k210sim.kpu.kernels.{name}" for name in names]


def _teller(report):
    """A numba listener that reports its `pending` text when a compilation really starts.

    A kernel found in the cache fires no such event.
    """
    from numba.core import event

    class Teller(event.Listener):
        pending, compiled = "", False

        def on_start(self, what):
            self.compiled = True
            if report and self.pending:
                report(self.pending)
                self.pending = ""

        def on_end(self, what):
            pass

    return Teller()
