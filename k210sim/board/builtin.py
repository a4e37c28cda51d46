"""The built-in engine: the prompt, the language runtime and the modules on one board's parts."""

from __future__ import annotations

import importlib
from typing import Any

from k210sim import compiling
from k210sim.board.hardware import Hardware
from k210sim.errors import ConfigError
from k210sim.repl.firmware import Firmware
from k210sim.repl.interpreter import Interpreter

STATE_VERSION = 1


class BuiltinEngine(Firmware):
    """`Firmware` on a board's hardware, with what snapshots and reports need."""

    def __init__(self, hardware: Hardware):
        super().__init__(
            hardware.clock,
            hardware.port,
            lambda firmware: make_interpreter(firmware, hardware),
            flash_id=hardware.profile.flash_id,
            run_main=hardware.run_main,
            safe=hardware.safe,
        )
        self.hardware = hardware

    def statistics(self) -> dict[str, Any]:
        """Figures of the run so far: what the runtime counts."""
        return self.interpreter.statistics() if self.interpreter is not None else {}

    def save_state(self) -> dict[str, Any]:
        return {
            "version": STATE_VERSION,
            "repl": self.repl.save_state(),
            "runtime": self.interpreter.save_state(),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        if state["version"] != STATE_VERSION:
            raise ConfigError(
                f"snapshot: engine state version {state['version']}, expected {STATE_VERSION}"
            )
        self.repl.load_state(state["repl"])
        self.interpreter.load_state(state["runtime"])


def make_engine(hardware: Hardware) -> BuiltinEngine:
    """The engine on this hardware, not started.

    A fresh installation compiles the interpreter here, before any time limit of the board runs,
    and says so on stderr.
    """
    compiling.announce()
    importlib.import_module("k210sim.builtin.runtime")
    return BuiltinEngine(hardware)


def make_interpreter(firmware: BuiltinEngine, hardware: Hardware) -> Interpreter:
    """The language runtime with the firmware's modules, its output on the serial port."""
    from k210sim.builtin.runtime import Runtime

    return Runtime(firmware, hardware)
