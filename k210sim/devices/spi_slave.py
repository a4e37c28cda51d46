"""SPI2, the controller that is always a slave: registers to set it up, and no master.

Ref: kendryte-standalone-sdk lib/drivers/spi.c (spi_slave_config). It has one data line for both
ways and waits for another chip's clock; there is none, and SPI0 and SPI1 are not led to it over
wires. So its registers keep what is stored, and switching it on raises NotSimulated.
"""

from __future__ import annotations

from k210sim.devices.device import Device, Register
from k210sim.devices.spi import NAMES
from k210sim.errors import NotSimulated


class SpiSlave(Device):
    NAME = "SPI2"
    REGISTERS = (
        Register(0x00, "ctrlr0"),
        *(Register(offset, name) for offset, name in NAMES.items()),
        Register(0x20, "txflr", read_only=True), Register(0x24, "rxflr", read_only=True),
        Register(0x28, "sr", reset=0x06, read_only=True),  # nothing to send, room for more
        Register(0x30, "isr", read_only=True), Register(0x34, "risr", read_only=True),
        Register(0x60, "dr", count=36),
    )  # fmt: skip

    def write_ssienr(self, value: int) -> None:
        if value & 1:
            raise NotSimulated("SPI2, the SPI slave")
        self._put(0x08, 4, 0)
