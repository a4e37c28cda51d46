"""GPIO: 8 pins. Nothing is connected: a pin that is an input reads 1, as pulled up (the boot key).

Ref: kendryte-standalone-sdk lib/drivers/include/gpio.h. Interrupts of pins are not modelled.
"""

from __future__ import annotations

from k210sim.devices.device import Device, Register

NAMES = {
    0x00: "data_output", 0x04: "direction", 0x08: "source", 0x30: "interrupt_enable",
    0x34: "interrupt_mask", 0x38: "interrupt_level", 0x3C: "interrupt_polarity",
    0x40: "interrupt_status", 0x44: "interrupt_status_raw", 0x48: "interrupt_debounce",
    0x4C: "interrupt_clear", 0x50: "data_input", 0x60: "sync_level", 0x64: "id_code",
    0x68: "interrupt_bothedge",
}  # fmt: skip


class Gpio(Device):
    NAME = "GPIO"
    REGISTERS = tuple(Register(offset, name) for offset, name in NAMES.items())

    def read_data_input(self) -> int:
        outputs = int(self.words[1]) & 0xFF
        return (int(self.words[0]) & outputs) | (~outputs & 0xFF)
