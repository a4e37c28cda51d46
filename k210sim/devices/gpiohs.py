"""GPIOHS: 32 pins. Nothing is connected: inputs with no output read 1, as pulled up.

Ref: kendryte-standalone-sdk lib/drivers/include/gpiohs.h. Interrupts of pins are not modelled:
nothing here changes a pin. That a free pin reads 1 is the boards' usual wiring (keys to ground).
"""

from __future__ import annotations

from k210sim.devices.device import Device, Register

NAMES = (
    "input_val", "input_en", "output_en", "output_val", "pullup_en", "drive", "rise_ie", "rise_ip",
    "fall_ie", "fall_ip", "high_ie", "high_ip", "low_ie", "low_ip", "iof_en", "iof_sel",
    "output_xor",
)  # fmt: skip


class Gpiohs(Device):
    NAME = "GPIOHS"
    REGISTERS = tuple(Register(4 * i, name) for i, name in enumerate(NAMES))

    def read_input_val(self) -> int:
        driven = int(self.words[2])
        return (int(self.words[3]) & driven) | (~driven & 0xFFFFFFFF)
