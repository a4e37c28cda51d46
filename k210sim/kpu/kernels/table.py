"""Which kernel set runs the convolutions, chosen at run time.

A kernel set is a module with `NAME`, `available() -> bool` (can this host run it) and
`prepare(params: ConvParams)`, whose result has `run(x, threads=1) -> out` on uint8 (C, H, W) maps.
All sets give the same bytes, with any number of threads. The first available one of SETS is taken,
or the one named in $K210SIM_KERNELS. A set that was found to compute something else on this host
(kpu/self_check.py) counts as not available.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from types import ModuleType

from k210sim.errors import ConfigError

# What says whether a set's module computes rightly here; kpu/__init__.py fills it in.
examine: Callable[[ModuleType], bool] | None = None
_trusted: dict[str, bool] = {}
SETS = ("vnni", "avxvnni", "avx2", "neondot", "neon", "portable")


def load(name: str):
    """The kernel set module of that name; raises ConfigError when there is none here."""
    if name not in SETS:
        raise ConfigError(f"kernels {name!r}: expected one of {', '.join(SETS)}")
    module = _module(name)
    if not module.available():
        raise ConfigError(f"kernels {name!r} need instructions this host does not have")
    if not trusted(module):
        raise ConfigError(f"kernels {name!r} give other bytes than plain integers on this host, "
                          "use another set")
    return module


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"k210sim.kpu.kernels.{name}")


def trusted(module) -> bool:
    """Whether a set gives the known answers on this host. The portable set is what is left and
    needs no leave."""
    name = module.NAME
    if name == "portable" or examine is None:
        return True
    if name not in _trusted:
        _trusted[name] = True  # while it is being examined
        _trusted[name] = examine(module)
    return _trusted[name]


def available() -> list[str]:
    """Names of the sets this host can run, best first."""
    names = []
    for name in SETS:
        module = _module(name)
        if module.available() and trusted(module):
            names.append(name)
    return names


def default():
    """The set to use when nobody asked for one."""
    wanted = os.environ.get("K210SIM_KERNELS", "")
    if wanted:
        return load(wanted)
    for name in SETS:
        module = _module(name)
        if module.available() and trusted(module):
            return module
    raise ConfigError("no kernel set runs here")  # the portable one always does
