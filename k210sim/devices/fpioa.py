"""FPIOA: which function each of the 48 pads has, and its pull.

Ref: kendryte-standalone-sdk lib/drivers/include/fpioa.h (io, tie_en, tie_val). Inverted, tied and
switched-off inputs and outputs are not modelled: their bits are kept and do nothing. After a reset
the boot ROM has given the serial port its two pads, and no other pad anything.
"""

from __future__ import annotations

from k210sim.devices.device import Device, Register
from k210sim.pins import INPUT, N_PADS, PULL_DOWN, PULL_UP, UARTHS_PADS, Pins

PULL_UP_BIT, PULL_DOWN_BIT = 1 << 16, 1 << 17


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
            self.write_io(pad, UARTHS_PADS.get(pad, 0))

    def write_io(self, pad: int, value: int) -> None:
        self._put(4 * pad, 4, value)
        pull = PULL_UP if value & PULL_UP_BIT else PULL_DOWN if value & PULL_DOWN_BIT else INPUT
        self.pins.connect(pad, value & 0xFF, pull)
