"""Tells the person at the host that compiled parts are being compiled, which happens once.

numba compiles a function with an explicit signature when its file is imported, unless its cache
has it: on a fresh installation that is a pause of many seconds. Nothing is told when the cache is
warm. The lines go to the host's stderr, never to the device's serial port.

A time limit that a person gives is meant for the guest: `TimeLimit` does not count the compiling.
"""

from __future__ import annotations

import concurrent.futures
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any

# Package below k210sim -> what a person calls it, and about how long it takes one processor.
PARTS = {
    "micropython": ("the interpreter", 20), "heap": ("the interpreter", 20),
    "kpu": ("the KPU's arithmetic", 100), "imaging": ("the image functions", 20),
}
_listener = None
_told: set[str] = set()


class _Meter:
    """Wall time that went by while anything was being compiled, in whatever thread."""

    def __init__(self):
        self._spent, self._since, self._depth = 0.0, 0.0, 0

    def start(self) -> None:
        self._depth += 1
        if self._depth == 1:
            self._since = time.monotonic()

    def end(self) -> None:
        self._depth -= 1
        if self._depth == 0:
            self._spent += time.monotonic() - self._since

    def seconds(self) -> float:
        running = time.monotonic() - self._since if self._depth else 0.0
        return self._spent + running


_meter = _Meter()


class TimeLimit:
    """Seconds of wall time from now on, compilations after `announce` not counted.

    seconds : None for no limit
    """

    def __init__(self, seconds: float | None):
        self._ends = None if seconds is None else time.monotonic() + seconds - _meter.seconds()

    def left(self) -> float | None:
        """Seconds left, 0 or less when it is over; None without a limit."""
        return None if self._ends is None else self._ends + _meter.seconds() - time.monotonic()

    @property
    def over(self) -> bool:
        left = self.left()
        return left is not None and left <= 0

    def result(self, future: concurrent.futures.Future) -> Any:
        """What `future` returns; raises concurrent.futures.TimeoutError when the time is over."""
        while True:
            left = self.left()
            try:
                return future.result(left if left is None else max(0.0, left))
            except concurrent.futures.TimeoutError:
                if future.done() or self.over:
                    raise



def to_stderr(text: str) -> None:
    """One line with the program's name in front."""
    print(f"k210sim: {text}", file=sys.stderr, flush=True)


def _tell(name: str, seconds: int, report: Callable[[str], None]) -> None:
    if name not in _told:
        _told.add(name)
        report(f"compiling {name} for this machine, once (about {seconds} s)")


def ahead(part: str, modules: Iterable[str],
          report: Callable[[str], None] = to_stderr) -> None:
    """Have those of `modules` that no cache has compiled by several processes, where this one may
    use several processors; told and not counted like any compilation.

    part : of PARTS. modules : dotted names
    """
    from k210sim import compile_together

    name, seconds = PARTS[part]
    _meter.start()
    try:
        compile_together.compile_cold(modules, lambda files, processes: _tell(
            name, seconds // min(files, processes), report))
    finally:
        _meter.end()


def announce(report: Callable[[str], None] = to_stderr) -> None:
    """From now on in this process, `report` the first compilation of each part, once.

    Only the first call counts. Imports numba, so call it where numba is needed anyway.
    """
    global _listener
    if _listener is not None:
        return
    from numba.core import event

    class Teller(event.Listener):
        def on_start(self, event):
            _meter.start()
            dispatcher = (event.data or {}).get("dispatcher")
            module = getattr(getattr(dispatcher, "py_func", None), "__module__", "") or ""
            package, _, rest = module.partition(".")
            name, seconds = PARTS.get(rest.split(".")[0], ("a part of it", 10))
            if package == "k210sim":
                _tell(name, seconds, report)

        def on_end(self, event):
            _meter.end()

    _listener = Teller()
    event.register("numba:compile", _listener)
