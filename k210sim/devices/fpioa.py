"""FPIOA: which function each of the 48 pins has; holds what is written.

Ref: kendryte-standalone-sdk lib/drivers/include/fpioa.h (io, tie_en, tie_val).
"""

from __future__ import annotations

from k210sim.devices.device import Device, Register


class Fpioa(Device):
    NAME = "FPIOA"
    REGISTERS = (
        Register(0x00, "io", count=48),
        Register(0xC0, "tie_en", count=8),
        Register(0xE0, "tie_val", count=8),
    )

    def pin_of(self, function: int) -> int | None:
        """The pin that carries a function, or None."""
        for pin in range(48):
            if int(self.words[pin]) & 0xFF == function:
                return pin
        return None
