"""The LCD as a slave of SPI0: bytes with the data/command pin to the panel's commands.

Ref: Sitronix ST7789V data sheet, serial and parallel interface: the pin is low with a command
byte, high with its parameters and pixels, in transactions of any length.
"""

from __future__ import annotations

from collections.abc import Callable

from k210sim.lcd.panel import MEMORY_WRITE, Panel
from k210sim.pins import Pins
from k210sim.saving import Saved

MEMORY_WRITE_ON = 0x3C
PIXEL_COMMANDS = (MEMORY_WRITE, MEMORY_WRITE_ON)
LONGEST_PARAMETERS = 128  # no command has as many
FUNC_SPI0_SS0 = 12


class SpiLcd(Saved):
    """panel on the pads that its kind names. octal() : whether the frames go out on eight lines.
    charge(clocks) : the bus is busy for so many of its clocks"""

    raw = True  # an instruction or address phase carries bytes like any other

    def __init__(self, panel: Panel, pins: Pins, octal: Callable[[], bool],
                 charge: Callable[[int], None] = lambda clocks: None):
        self.panel, self.pins = panel, pins
        self._octal, self._charge = octal, charge
        self._command: int | None = None
        self._data = bytearray()
        self._selected = False
        kind = panel.kind
        for pad in (kind.reset_pad, kind.data_pad):
            if pad is not None:
                pins.drive(pad, 1)  # as pulled up on the board
        pins.listeners.append(self._look)

    def _look(self) -> None:
        pad = self.panel.kind.reset_pad
        if pad is not None and not self.pins.level(pad):
            self.panel.reset()
            self._command = None

    def select(self, chip_select: int) -> None:
        line = self.pins.functions[self.panel.kind.select_pad] - FUNC_SPI0_SS0
        self._selected = 0 <= line < 4 and bool(chip_select >> line & 1)

    def release(self) -> None:
        self._selected = False

    def receive(self, count: int) -> bytes:
        return b"\xff" * count  # reading the panel back is not simulated: its line is not wired

    def exchange(self, data: bytes) -> bytes:
        octal = self._octal()
        self._charge(len(data) * (1 if octal else 8))
        if self._selected and octal == self.panel.kind.parallel:
            if self.pins.level(self.panel.kind.data_pad):
                self._take(data)
            else:
                for byte in data:
                    self._start(byte)
        return b"\xff" * len(data)

    def _start(self, code: int) -> None:
        self._command = code
        self._data.clear()
        self.panel.command(code)

    def _take(self, data: bytes) -> None:
        if self._command is None:
            return
        if self._command in PIXEL_COMMANDS:
            self.panel.receive(data)
            return
        self._data += data
        del self._data[LONGEST_PARAMETERS:]
        self.panel.command(self._command, bytes(self._data))
