"""The engines a board can run, by name. An engine is made from the hardware and nothing else.

A further engine adds one line to FACTORIES; it gets the same parts and offers `Engine`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from k210sim.errors import ConfigError
from k210sim.flash import boot_image

if TYPE_CHECKING:
    from k210sim.board.hardware import Hardware
    from k210sim.repl.firmware import ProgramResult

AUTO = "auto"
BUILTIN = "builtin"
RISCV = "riscv"
MAX_LOOK = 1 << 16  # bytes of a program that are looked at

# name -> module and function; the module is imported when the engine is first wanted
FACTORIES: dict[str, tuple[str, str]] = {
    BUILTIN: ("k210sim.board.builtin", "make_engine"),
    RISCV: ("k210sim.board.riscv", "make_engine"),
}


class Engine(Protocol):
    """What runs on the hardware. All methods may be called from any thread."""

    def start(self) -> None:
        """Power on; returns at once."""

    def stop(self) -> None:
        """Power off, whatever is running."""

    def wait_stopped(self, timeout: float) -> bool:
        """Whether nothing of the engine runs any more, waiting up to `timeout` seconds."""

    def raise_failure(self) -> None:
        """Raise InternalError when the engine ended by itself because of a bug of ours."""

    @property
    def alive(self) -> bool: ...

    @property
    def at_prompt(self) -> bool: ...

    def wait_booted(self, timeout: float | None = None) -> bool:
        """Wait for the first prompt or a program that has come to stay; True at the prompt."""

    def interrupt(self) -> None:
        """Ctrl-C."""

    def soft_reset(self) -> None:
        """As Ctrl-D at the prompt."""

    def call(self, job: Callable[[], Any], timeout: float | None = None) -> Any:
        """Run host code while the guest stands still at its prompt."""

    def run_program(
        self,
        source: bytes,
        *,
        filename: str = "<stdin>",
        timeout: float | None = 10.0,
        on_output: Callable[[bytes], None] | None = None,
    ) -> ProgramResult:
        """Run a program as a host tool would send it."""

    def statistics(self) -> dict:
        """Figures for the report of a run; keys vary with the engine."""

    def save_state(self) -> dict:
        """State beyond that of the parts; called through `call`."""

    def load_state(self, state: dict) -> None: ...


def choose(name: str, hardware: Hardware) -> str:
    """The engine for `name`. `auto` is `riscv` when a program for this chip is in flash at 0x0,
    spoilt or not (then starting it says what the boot ROM does), and else `builtin`. Any other file
    that somebody has flashed there, to try a flashing tool perhaps, is no program."""
    if name == AUTO:
        return RISCV if _program_in_flash(hardware) else BUILTIN
    if name not in FACTORIES:
        raise ConfigError(f"engine {name!r}: expected one of {', '.join([AUTO, *FACTORIES])}")
    return name


def _program_in_flash(hardware: Hardware) -> bool:
    """Whether the image at 0x0 has a header of the boot ROM and begins with RISC-V code."""
    data = hardware.flash.data
    start = boot_image.payload_start(data)
    if start is None:
        return False
    from k210sim.riscv.first_look import looks_like_code

    return looks_like_code(data[start : start + MAX_LOOK], hardware.going_off)


def make(name: str, hardware: Hardware) -> Engine:
    """An engine of that name on this hardware, not started."""
    module, function = FACTORIES[name]
    return getattr(importlib.import_module(module), function)(hardware)


def cache_folders() -> list[Path]:
    """Where compiled code and kept boots lie, for a process that may read only what it is told."""
    from k210sim.board import kept_boot
    from k210sim.riscv import jit_cache

    return [place for place in (jit_cache.folder(), kept_boot.folder()) if place is not None]
