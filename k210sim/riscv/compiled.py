"""Which compiled functions the machine calls: those of the core's object, or numba's own.

numba is needed where no object is kept (core_object.py) and to make one; with K210SIM_JIT_CACHE
empty and with an llvmlite that is too old that is every start.
"""

from __future__ import annotations

import functools
import logging
import sys
import time
from pathlib import Path

from k210sim.riscv import core_object, jit_cache, jit_native
from k210sim.riscv.core_object import Functions

log = logging.getLogger("k210sim.riscv")


@functools.cache
def functions() -> Functions:
    """Of this process; says on stderr when they have to be compiled first."""
    place, name, native = jit_cache.folder(), None, None
    try:
        native = jit_native.shared()
        name = core_object.identity(native)
    except RuntimeError as error:
        log.debug("the core's object is not used: %s", error)
    if place is None or name is None:
        return _addresses(_by_numba())
    code = core_object.read(place, name)
    if code is not None:
        return core_object.link(native, code)
    compiled = _by_numba()
    try:
        core_object.write(place, name, core_object.build(native, compiled))
    except Exception as error:  # of the insides of numba; the next start is slow
        log.warning("the core's object was not made: %s", error)
    return _addresses(compiled)


def _addresses(compiled: dict[str, object]) -> Functions:
    return Functions(**{name: function.address for name, function in compiled.items()})


def _by_numba() -> dict[str, object]:
    """numba's CFuncs by name, compiled now or from its cache."""
    started = time.monotonic()
    _say_if_cold()
    from k210sim.riscv import decode, execute, idle, jit_device

    took = time.monotonic() - started
    if took > 5:
        print(f"k210sim: RISC-V core compiled in {took:.0f} s", file=sys.stderr)
    return {"run": execute.run, "find": idle.find, "access": jit_device.access,
            "instruction": decode.instruction}  # fmt: skip


def _say_if_cold() -> None:
    import numba

    folder = Path(__file__).parent
    cache = Path(numba.config.CACHE_DIR) if numba.config.CACHE_DIR else folder / "__pycache__"
    if not any(cache.rglob("execute.run-*.nbi")):
        print("k210sim: compiling the RISC-V core (once, half a minute)", file=sys.stderr)
