"""Compile every kernel before it is needed, and say so.

The kernels have explicit signatures and an on-disk cache: importing a kernel file compiles it (the
first time on a machine, some seconds in all) or loads it from the cache. After `warmup()` nothing
is compiled while a model runs.
"""

from __future__ import annotations

import importlib
import importlib.util
import time
from collections.abc import Callable

FILES = (
    ("conv2d", "convolutions and activation"),
    ("pool2d", "pools"),
    ("quant", "byte layers"),
    ("dense", "float layers"),
    ("neutral", "nodes of kmodel V4"),
    ("region", "yolo2 boxes"),
)
DOT_FILES = (("dot512", "dot products with AVX-512 VNNI"),)
SLOW_S = 0.3


def warmup(report: Callable[[str], None] | None = None) -> float:
    """Load or compile all kernels; returns the seconds it took.

    report(text) is called before each file that is not compiled yet, and once at the end if
    anything took long.
    """
    started = time.perf_counter()
    compiled = False
    from k210sim.kpu.kernels import table

    files = FILES + (DOT_FILES if "vnni" in table.available() else ())
    for i, (name, what) in enumerate(files):
        if report and not _cached(name):
            compiled = True
            report(f"compiling KPU kernels for this machine, once: {what} ({i + 1}/{len(files)})")
        importlib.import_module(f"k210sim.kpu.kernels.{name}")
    table.default()
    took = time.perf_counter() - started
    if report and compiled and took > SLOW_S:
        report(f"compiled in {took:.1f} s; the next start takes them from the cache")
    return took


def _cached(name: str) -> bool:
    """Whether the on-disk cache holds an index newer than the kernel file, or it is imported."""
    import sys

    if f"k210sim.kpu.kernels.{name}" in sys.modules:
        return True
    spec = importlib.util.find_spec(f"k210sim.kpu.kernels.{name}")
    from pathlib import Path

    import numba

    source = Path(spec.origin)
    folders = [source.parent / "__pycache__"]
    if numba.config.CACHE_DIR:
        folders.append(Path(numba.config.CACHE_DIR))
    written = source.stat().st_mtime
    for folder in folders:
        for index in folder.rglob(f"{name}.*.nbi"):
            if index.stat().st_mtime >= written:
                return True
    return False
