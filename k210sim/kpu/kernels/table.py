"""Which kernel set runs the convolutions, chosen at run time.

A kernel set is a module with `NAME`, `available() -> bool` (can this host run it) and
`prepare(params: ConvParams)`, whose result has `run(x, threads=1) -> out` on uint8 (C, H, W) maps.
All sets give the same bytes, with any number of threads. The first available one of SETS is taken,
or the one named in $K210SIM_KERNELS.
"""

from __future__ import annotations

import importlib
import os

from k210sim.errors import ConfigError

SETS = ("vnni", "avxvnni", "avx2", "portable")


def load(name: str):
    """The kernel set module of that name; raises ConfigError when there is none here."""
    if name not in SETS:
        raise ConfigError(f"kernels {name!r}: expected one of {', '.join(SETS)}")
    module = importlib.import_module(f"k210sim.kpu.kernels.{name}")
    if not module.available():
        raise ConfigError(f"kernels {name!r} need instructions this host does not have")
    return module


def available() -> list[str]:
    """Names of the sets this host can run, best first."""
    names = []
    for name in SETS:
        if importlib.import_module(f"k210sim.kpu.kernels.{name}").available():
            names.append(name)
    return names


def default():
    """The set to use when nobody asked for one."""
    wanted = os.environ.get("K210SIM_KERNELS", "")
    return load(wanted or available()[0])
