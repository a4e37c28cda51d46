"""Types and functions that are in the firmware and have no simulation behind them.

Their names are there, so that `dir()`, `hasattr` and imports behave as on the board; calling one
raises an OSError that says what is not simulated.
"""

from __future__ import annotations

from typing import Any

from k210sim.micropython.native import GuestType, NativeFunction, native


def absent_function(call: str, min_args: int = 0, max_args: int | None = None) -> NativeFunction:
    """A function that only says that `call` is not simulated."""

    def refuse(vm, args, kw):
        raise vm.not_simulated(call + "()")

    return native(min_args, max_args, kw=True, name=call.rpartition(".")[2])(refuse)


def absent_type(name: str, module: str, methods: str = "", constants: dict[str, Any] | None = None
                ) -> type[GuestType]:
    """A type whose making, and whose methods (names separated by blanks), are not simulated."""
    path = "%s.%s" % (module, name)

    def make_new(self, vm, type_word, args, kw):
        raise vm.not_simulated(path + "()")

    entries = {m: absent_function("%s.%s" % (path, m)) for m in methods.split()}
    return type(name, (GuestType,), {
        "__doc__": f"`{path}`, not simulated.", "name": name, "make_new": make_new,
        "core_name": path, "__module__": __name__, "__qualname__": path,
        "constants": {**entries, **(constants or {})},
    })
