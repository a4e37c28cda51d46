"""FPIOA: which function each of the 48 pads has, and its pull.

Ref: kendryte-standalone-sdk lib/drivers/include/fpioa.h (io, tie_en, tie_val). Inverted, tied and
switched-off inputs and outputs take effect where pads have levels: those of GPIO, GPIOHS and PWM.
That an input switched off reads 0 is a guess. Buses ignore these bits; drive strength, slew rate
and Schmitt trigger are kept and do nothing. After a reset the boot ROM has given the serial port
its two pads, and no other pad anything.
"""

from __future__ import annotations

from k210sim.devices.device import Device, Register
from k210sim.pins import INPUT, N_PADS, PULL_DOWN, PULL_UP, STRAIGHT, UARTHS_PADS, Pins

PULL_UP_BIT, PULL_DOWN_BIT, LEVEL_BIT = 1 << 16, 1 << 17, 1 << 31


class Fpioa(Device):
    """pins : the chip's pads."""

    NAME = "FPIOA"
    REGISTERS = (
        Register(0x00, "io", count=N_PADS),
        Register(0xC0, "tie_en", count=8),
        Register(0xE0, "tie_val", count=8),
    )

    def __init__(self, pins: Pins):
        self.pins = pins
        super().__init__()

    def reset(self) -> None:
        super().reset()
        for pad in range(N_PADS):
            self.write_io(pad, UARTHS_PADS.get(pad, 0) | STRAIGHT)
        self._tie()

    def write_io(self, pad: int, value: int) -> None:
        self._put(4 * pad, 4, value & ~LEVEL_BIT)
        pull = PULL_UP if value & PULL_UP_BIT else PULL_DOWN if value & PULL_DOWN_BIT else INPUT
        self.pins.connect(pad, value & 0xFF, pull, value)

    def read_io(self, pad: int) -> int:
        """With the pad's level now."""
        return self._take(4 * pad, 4) | (LEVEL_BIT if self.pins.level(pad) else 0)

    def write_tie_en(self, word: int, value: int) -> None:
        self._put(0xC0 + 4 * word, 4, value)
        self._tie()

    def write_tie_val(self, word: int, value: int) -> None:
        self._put(0xE0 + 4 * word, 4, value)
        self._tie()

    def _tie(self) -> None:
        tied = {}
        for word in range(8):
            enabled, values = self._take(0xC0 + 4 * word, 4), self._take(0xE0 + 4 * word, 4)
            tied |= {32 * word + n: values >> n & 1 for n in range(32) if enabled >> n & 1}
        self.pins.tie(tied)
