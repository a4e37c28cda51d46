"""Shared fixtures. Real models and recorded answers of the firmware are not part of the project:
tests that want them find them at $K210SIM_SHARED or ../shared and skip elsewhere."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import pytest

import k210sim

SHARED = Path(os.environ.get("K210SIM_SHARED", Path(__file__).resolve().parents[2] / "shared"))
os.environ.setdefault("K210SIM_BOOT_CACHE", "")  # and each boots
os.environ.setdefault("K210SIM_JIT_CACHE", "")  # no test leaves compiled code in the user's cache


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with real models, pictures and goldens."""
    if not (SHARED / "models").is_dir():
        pytest.skip(f"no shared models and goldens at {SHARED} (set K210SIM_SHARED)")
    return SHARED


def pytest_configure(config):
    """Before several processes of tests start, each of which would compile everything on a fresh
    installation, it is compiled once."""
    if hasattr(config, "workerinput") or not getattr(config.option, "numprocesses", None):
        return
    from k210sim import compile_together
    from k210sim.kpu import warmup

    elsewhere = set(warmup.DOT_FILES.values())  # for one kind of processor each
    root = Path(k210sim.__file__).parent
    compile_together.compile_cold(
        ".".join(path.relative_to(root.parent).with_suffix("").parts)
        for path in sorted(root.rglob("*.py"))
        if path.stem not in elsewhere and compile_together.KEEPS.search(path.read_text()))


def pytest_collection_finish(session):
    """What the test files and the packages they import are made of stays until the end: garbage
    collections, of which each reset of a board does one, need not go through it again and again."""
    gc.collect()
    gc.freeze()
