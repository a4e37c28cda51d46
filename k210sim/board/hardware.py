"""The parts of one board, put together but without anything running on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from k210sim.board.kept_boot import KeptBoot
from k210sim.board.profiles import BoardProfile
from k210sim.clock import Clock
from k210sim.flash.nor import NorFlash
from k210sim.flash.storage import FlashStorage
from k210sim.serialport.uart import UartPort


@dataclass
class Hardware:
    """What an engine runs on.

    storage : the flash chip's backing file; `flash` is the chip itself
    camera, lcd : the camera with its source and the panel
    sd : the SD slot (k210sim.sd.slot), with a card in it or empty
    seed : start of everything random on this board
    strict : a register that nobody modelled stops the board (riscv engine)
    wires : pairs of the chip's pads that are joined outside of it
    safe : boot with neither boot.py nor main.py
    run_main : False boots without the user's main.py, as a tool that talks raw mode would
    going_off : whether the board is to go off while an engine is still being made
    kept_boot : where the boot that comes is or may be kept, see kept_boot.py
    """

    profile: BoardProfile
    clock: Clock
    port: UartPort
    storage: FlashStorage
    camera: Any
    lcd: Any
    sd: Any = None
    seed: int = 0
    run_main: bool = True
    safe: bool = False
    strict: bool = False
    wires: tuple[tuple[int, int], ...] = ()
    going_off: Callable[[], bool] = lambda: False
    kept_boot: KeptBoot | None = None

    @property
    def flash(self) -> NorFlash:
        return self.storage.nor

    def parts(self) -> dict[str, Any]:
        """Every part that holds state, by its name in a snapshot."""
        named = {
            "flash": self.flash, "port": self.port, "camera": self.camera, "lcd": self.lcd,
        }  # fmt: skip
        return {name: part for name, part in named.items() if part is not None}
