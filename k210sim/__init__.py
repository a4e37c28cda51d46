"""k210sim: a virtual Kendryte K210 board that behaves as a MaixPy v1 device."""

from __future__ import annotations

import importlib

__version__ = "0.1.0"

# Imported when first asked for, so that small commands do not wait for numpy and numba.
_PUBLIC = {
    "Board": "k210sim.board.board",
    "FACTORY": "k210sim.board.board",
    "ExecResult": "k210sim.board.board",
    "ExecTimeout": "k210sim.board.board",
    "KModel": "k210sim.kpu.model",
    "K210SimError": "k210sim.errors",
    "NotSimulated": "k210sim.errors",
    "TimeoutExpired": "k210sim.errors",
}

__all__ = ["__version__", *_PUBLIC]


def __getattr__(name: str):
    module = _PUBLIC.get(name)
    if module is None:
        raise AttributeError(f"module 'k210sim' has no attribute {name!r}")
    return getattr(importlib.import_module(module), name)


def __dir__() -> list[str]:
    return sorted(__all__)
