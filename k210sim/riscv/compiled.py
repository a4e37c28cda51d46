"""Which compiled functions the machine calls: those of the core's object, or numba's own.

numba is needed where no object is kept (core_object.py) and to make one; with K210SIM_JIT_CACHE
empty and with an llvmlite that is too old that is every start.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from k210sim import kernel_cache
from k210sim.errors import GivenUp
from k210sim.riscv import core_object, jit_cache, jit_native
from k210sim.riscv.core_object import Functions

log = logging.getLogger("k210sim.riscv")

LOOK_S = 0.1  # how often who waits for the compiler looks whether it is still wanted
CHILD = """
import sys
sys.path.insert(0, sys.argv[1])
from k210sim.riscv import compiled
compiled.compile_for_parent()
"""
_functions: Functions | None = None


def functions(unwanted: Callable[[], bool] = lambda: False) -> Functions:
    """Of this process; says on stderr when they have to be compiled first.

    That takes half a minute, in a process of its own, so that signals are heard meanwhile and
    whoever stops this process stops it. unwanted : asked while it goes on; True ends it by GivenUp
    """
    global _functions
    if _functions is None:
        _functions = _find(unwanted)
    return _functions


def _find(unwanted: Callable[[], bool]) -> Functions:
    place, name, native = jit_cache.folder(), None, None
    try:
        native = jit_native.shared()
        name = core_object.identity(native)
    except RuntimeError as error:
        log.debug("the core's object is not used: %s", error)
    if place is None or name is None:
        if _is_cold():
            _compile_in_child(unwanted)
        return _addresses(_by_numba())
    code = core_object.read(place, name)
    if code is None and _is_cold():
        _compile_in_child(unwanted)
        code = core_object.read(place, name)
    if code is not None:
        try:
            return core_object.link(native, code)
        except RuntimeError as error:  # this host's code needs a library that is not there
            log.warning("the core's object is not used: %s", error)
            return _addresses(_by_numba())
    compiled = _by_numba()
    try:
        core_object.write(place, name, core_object.build(native, compiled))
    except Exception as error:  # of the insides of numba; the next start is slow
        log.warning("the core's object was not made: %s", error)
    return _addresses(compiled)


def _addresses(compiled: dict[str, object]) -> Functions:
    return Functions(**{name: function.address for name, function in compiled.items()})


def _by_numba() -> dict[str, object]:
    """numba's CFuncs by name, from its cache or compiled now."""
    from k210sim.riscv import decode, execute, idle, jit_device

    return {"run": execute.run, "find": idle.find, "access": jit_device.access,
            "instruction": decode.instruction}  # fmt: skip


def _is_cold() -> bool:
    """Whether numba's cache, where it usually lies, has nothing for the interpreter's loop."""
    return not kernel_cache.kept(Path(__file__).with_name("execute.py"), "run-*")


def _compile_in_child(unwanted: Callable[[], bool]) -> None:
    """Have another process fill the caches. Where it fails this one compiles, and tells why."""
    print("k210sim: compiling the RISC-V core (once, half a minute)", file=sys.stderr, flush=True)
    started = time.monotonic()
    command = [sys.executable, "-c", CHILD, str(Path(__file__).parents[2])]
    try:
        child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                                 stderr=subprocess.DEVNULL)  # fmt: skip
    except OSError as error:
        log.debug("no process to compile in: %s", error)
        return
    try:
        while True:
            try:
                code = child.wait(LOOK_S)
                break
            except subprocess.TimeoutExpired:
                if unwanted():
                    raise GivenUp("the RISC-V core was not compiled to the end") from None
    finally:
        child.kill()
        child.wait()
        child.stdin.close()
    took = time.monotonic() - started
    if code == 0:
        print(f"k210sim: RISC-V core compiled in {took:.0f} s", file=sys.stderr, flush=True)


def compile_for_parent() -> None:
    """Fill the caches; the process ends as soon as the one that started it has."""

    def watch() -> None:
        sys.stdin.buffer.read()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
    place = jit_cache.folder()
    compiled = _by_numba()
    if place is not None:
        native = jit_native.shared()
        name = core_object.identity(native)
        if name is not None:
            core_object.write(place, name, core_object.build(native, compiled))
    sys.stdout.flush()
    os._exit(0)  # the thread still waits
