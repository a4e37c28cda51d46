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

from k210sim import kernel_cache
from k210sim.riscv import jit_cache, jit_native
from k210sim.riscv.jit_ir import translate
from k210sim.riscv.jit_region import Region

TRANSLATOR = "jit_ir.py"  # with what it imports it decides what the same instructions become
STAMP = "regions.json"
NICENESS = 5

log = logging.getLogger("k210sim.riscv.jit")


def translator_sources(folder: Path) -> list[Path]:
    """The files that decide what code comes out for the same instructions."""
    return kernel_cache.imported_by([folder / TRANSLATOR, folder / "jit_native.py"])


class Known:
    """The compiled regions of one program, in this process.

    found : (region, address) in order, only ever longer
    """

    def __init__(self, file: jit_cache.File):
        self.file = file
        self.found: list[tuple[Region, int]] = []


class Compiler:
    """Compiles for all machines of the process. Raises RuntimeError where LLVM cannot.

    place : folder of the cache on disk, None for no cache
    """

    def __init__(self, place: Path | None):
        self.native = jit_native.shared()
        folder = Path(__file__).parent
        sources = kernel_cache.content(folder, STAMP, translator_sources)
        self._identity = hashlib.sha256(f"{self.native.identity}{sources}".encode()).hexdigest()
        self._place = place if sources else None
        self._addresses: dict[str, int] = {}
        self._known: dict[str, Known] = {}  # by program
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

    def known(self, program: str) -> Known:
        """The regions of a program, those on disk linked: 0.2 ms each.

        Not in the background: a second thread in Python would stop the harts' for longer.
        """
        if program not in self._known:
            known = Known(jit_cache.File(self._place, self._identity, program))
            self._known[program] = known
            records = {record.key: record for record in known.file.read()}
            new = [record for key, record in records.items() if key not in self._addresses]
            if new:
                addresses = self.native.link({_symbol(one.key): one.code for one in new})
                self._addresses.update((one.key, addresses[_symbol(one.key)]) for one in new)
                self.loaded += len(new)
            known.found += [(one.region, self._addresses[one.key]) for one in records.values()]
        return self._known[program]

    def compile(self, known: Known, key: str, region: Region) -> int:
        """Compile a region now; its address."""
        symbol = _symbol(key)
        code = self.native.compile(translate(region, symbol, self.native.fma))
        address = self.native.link({symbol: code})[symbol]
        known.found.append((region, address))
        self._addresses[key] = address  # who looks for it finds it among the known ones
        self.compiled += 1
        if self.compiled == 1:
            jit_cache.trim(self._place)
        known.file.append(jit_cache.Record(key, region, code))
        return address

    def request(self, known: Known, key: str, region: Region) -> None:
        """Compile a region in the background; `address` will know it."""
        if self._thread is None or not self._thread.is_alive():  # gone after a fork
            self._thread = threading.Thread(target=self._work, name="k210 jit", daemon=True)
            self._thread.start()
            atexit.register(self._finish)
        self._wanted.put((known, key, region))

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
