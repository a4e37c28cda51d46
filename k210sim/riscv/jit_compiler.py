"""The process's compiler of regions: one thread, each region once, on disk for the next time."""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import logging
import os
import queue
import threading
from pathlib import Path

from k210sim.riscv import jit_cache
from k210sim.riscv.jit_ir import translate
from k210sim.riscv.jit_native import Native
from k210sim.riscv.jit_region import Region

# the files that decide what code comes out for the same instructions
SOURCES = ("opcodes.py", "state.py", "softfloat.py", "jit_region.py", "jit_ir.py", "jit_float.py",
           "jit_native.py")  # fmt: skip
NICENESS = 5

log = logging.getLogger("k210sim.riscv.jit")


class Compiler:
    """Compiles for all machines of the process. Raises RuntimeError where LLVM cannot."""

    def __init__(self, cache: jit_cache.Cache | None = None):
        self.native = Native()
        self.cache = jit_cache.Cache(jit_cache.folder()) if cache is None else cache
        identity = hashlib.sha256(self.native.identity.encode())
        for name in SOURCES:
            identity.update((Path(__file__).parent / name).read_bytes())
        self._identity = identity.hexdigest()
        self._addresses: dict[str, int] = {}
        self._failed: set[str] = set()
        self._wanted: queue.SimpleQueue = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self.compiled = self.loaded = 0  # regions

    def key(self, region: Region) -> str:
        """What the code of a region depends on, as a name."""
        parts = (self._identity, region.words, [b.start for b in region.blocks], region.is_loop)
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:40]

    def find(self, key: str) -> int:
        """The address of a region compiled before, in this process or another; else 0."""
        address = self._addresses.get(key, 0)
        if not address:
            code = self.cache.get(key)
            if code is not None:
                address = self._link(key, code)
                self.loaded += 1
        return address

    def failed(self, key: str) -> bool:
        """Whether LLVM could not compile a region."""
        return key in self._failed

    def compile(self, key: str, region: Region) -> int:
        """Compile a region now; its address."""
        code = self.native.compile(translate(region, _symbol(key), self.native.fma))
        address = self._link(key, code)
        self.compiled += 1
        self.cache.put(key, code)
        return address

    def request(self, key: str, region: Region) -> None:
        """Compile a region in the background; `find` will know its address."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="k210 jit", daemon=True)
            self._thread.start()
            atexit.register(self._finish)
        self._wanted.put((key, region))

    def _link(self, key: str, code: bytes) -> int:
        self._addresses[key] = address = self.native.link(code, _symbol(key))
        return address

    def _work(self) -> None:
        with contextlib.suppress(OSError, AttributeError):  # of this thread only, on Linux
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
        while (wanted := self._wanted.get()) is not None:
            key, region = wanted
            try:
                self.compile(key, region)
            except Exception:
                self._failed.add(key)
                log.exception("a block was not compiled; the interpreter executes it")

    def _finish(self) -> None:
        """The thread must not be inside LLVM when the process takes LLVM apart."""
        while not self._wanted.empty():
            with contextlib.suppress(queue.Empty):
                self._wanted.get_nowait()
        self._wanted.put(None)
        self._thread.join()


def _symbol(key: str) -> str:
    return "region_" + key


_shared: Compiler | None = None


def shared() -> Compiler:
    """The one of the process."""
    global _shared
    if _shared is None:
        _shared = Compiler()
    return _shared
