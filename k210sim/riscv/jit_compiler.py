"""The process's compiler of regions: one thread, each region once, on disk for the next time."""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import logging
import os
import queue
import threading
from collections.abc import Callable
from pathlib import Path

from k210sim.riscv import jit_cache
from k210sim.riscv.jit_ir import translate
from k210sim.riscv.jit_native import Native
from k210sim.riscv.jit_region import Region

# the files that decide what code comes out for the same instructions
SOURCES = ("opcodes.py", "state.py", "softfloat.py", "timing.py", "jit_region.py", "jit_ir.py",
           "jit_float.py", "jit_native.py")  # fmt: skip
NICENESS = 5

log = logging.getLogger("k210sim.riscv.jit")


class Compiler:
    """Compiles for all machines of the process. Raises RuntimeError where LLVM cannot.

    place : folder of the cache on disk, None for no cache
    """

    def __init__(self, place: Path | None):
        self.native = Native()
        identity = hashlib.sha256(self.native.identity.encode())
        for name in SOURCES:
            identity.update((Path(__file__).parent / name).read_bytes())
        self._identity = identity.hexdigest()
        self._cache = jit_cache.Cache(place, self._identity)
        self._addresses: dict[str, int] = {}
        self._regions: dict[str, Region] = {}  # those kept on disk that are linked here
        self._wanted: queue.SimpleQueue = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self.compiled = self.loaded = 0  # regions
        self.broken = False  # a region could not be compiled: no more are

    def key(self, region: Region) -> str:
        """What the code of a region depends on, as a name."""
        parts = (self._identity, region.words, [b.start for b in region.blocks], region.is_loop)
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:40]

    def address(self, key: str) -> int:
        """Where the code of a region is, 0 when it is not compiled."""
        return self._addresses.get(key, 0)

    def recall(self, line: int, matches: Callable[[Region], bool]) -> list[tuple[Region, int]]:
        """Regions kept on disk for a line that are those wanted: (region, address)."""
        found = []
        for key in self._cache.keys(line):
            region = self._regions.get(key)
            if region is None:
                kept = self._cache.get(line, key)
                if kept is None or not matches(kept[0]):
                    continue
                region = self._regions[key] = kept[0]
                if key not in self._addresses:
                    self._addresses[key] = self.native.link(kept[1], _symbol(key))
                    self.loaded += 1
            elif not matches(region):
                continue
            found.append((region, self._addresses[key]))
        return found

    def compile(self, line: int, key: str, region: Region) -> int:
        """Compile a region now; its address."""
        code = self.native.compile(translate(region, _symbol(key), self.native.fma))
        address = self._addresses[key] = self.native.link(code, _symbol(key))
        self.compiled += 1
        self._cache.put(line, key, region, code)
        return address

    def request(self, line: int, key: str, region: Region) -> None:
        """Compile a region in the background; `address` will know it."""
        if self._thread is None or not self._thread.is_alive():  # gone after a fork
            self._thread = threading.Thread(target=self._work, name="k210 jit", daemon=True)
            self._thread.start()
            atexit.register(self._finish)
        self._wanted.put((line, key, region))

    def _work(self) -> None:
        with contextlib.suppress(OSError, AttributeError):  # of this thread only, on Linux
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
        while (wanted := self._wanted.get()) is not None:
            try:
                if not self.broken:
                    self.compile(*wanted)
            except Exception:
                self.broken = True
                log.exception("a block was not compiled; the interpreter does the rest")

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
        _shared = Compiler(jit_cache.folder())
    return _shared
