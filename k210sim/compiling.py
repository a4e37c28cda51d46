"""Tells the person at the host that compiled parts are being compiled, which happens once.

numba compiles a function with an explicit signature when its file is imported, unless its cache
has it: on a fresh installation that is a pause of many seconds. Nothing is told when the cache is
warm. The lines go to the host's stderr, never to the device's serial port.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

# Package below k210sim -> what a person calls it, and about how long it takes.
PARTS = {
    "micropython": ("the interpreter", 20), "heap": ("the interpreter", 20),
    "kpu": ("the KPU's arithmetic", 40), "imaging": ("the image functions", 20),
}
_listener = None


def to_stderr(text: str) -> None:
    """One line with the program's name in front."""
    print(f"k210sim: {text}", file=sys.stderr, flush=True)


def announce(report: Callable[[str], None] = to_stderr) -> None:
    """From now on in this process, `report` the first compilation of each part, once.

    Only the first call counts. Imports numba, so call it where numba is needed anyway.
    """
    global _listener
    if _listener is not None:
        return
    from numba.core import event

    class Teller(event.Listener):
        def __init__(self):
            self.told: set[str] = set()

        def on_start(self, event):
            dispatcher = (event.data or {}).get("dispatcher")
            module = getattr(getattr(dispatcher, "py_func", None), "__module__", "") or ""
            package, _, rest = module.partition(".")
            name, seconds = PARTS.get(rest.split(".")[0], ("a part of it", 10))
            if package != "k210sim" or name in self.told:
                return
            self.told.add(name)
            report(f"compiling {name} for this machine, once (about {seconds} s)")

        def on_end(self, event):
            pass

    _listener = Teller()
    event.register("numba:compile", _listener)
