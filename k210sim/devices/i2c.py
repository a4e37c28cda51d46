"""I2C0-2 as masters with nothing on the bus: every address stays unanswered.

Ref: kendryte-standalone-sdk lib/drivers/include/i2c.h and i2c.c. A byte put into data_cmd is sent
at once and ends in an abort for want of an acknowledge, until clr_tx_abrt is read. Interrupts and
the slave mode are not modelled.
"""

from __future__ import annotations

from k210sim.devices.device import Device, Register

NO_ACKNOWLEDGE = 1  # of a 7-bit address
STATUS_IDLE = 0x06  # transmit FIFO not full, and empty
NAMES = {
    0x00: "con", 0x04: "tar", 0x08: "sar", 0x10: "data_cmd", 0x14: "ss_scl_hcnt",
    0x18: "ss_scl_lcnt", 0x1C: "fs_scl_hcnt", 0x20: "fs_scl_lcnt", 0x2C: "intr_stat",
    0x30: "intr_mask", 0x34: "raw_intr_stat", 0x38: "rx_tl", 0x3C: "tx_tl", 0x40: "clr_intr",
    0x54: "clr_tx_abrt", 0x6C: "enable", 0x70: "status", 0x74: "txflr", 0x78: "rxflr",
    0x7C: "sda_hold", 0x80: "tx_abrt_source", 0x88: "dma_cr", 0x8C: "dma_tdlr", 0x90: "dma_rdlr",
    0x94: "sda_setup", 0x98: "general_call", 0x9C: "enable_status",
}  # fmt: skip
READ_ONLY = {"intr_stat", "raw_intr_stat", "txflr", "rxflr"}


class I2c(Device):
    REGISTERS = tuple(
        Register(offset, name, read_only=name in READ_ONLY) for offset, name in NAMES.items()
    )

    def __init__(self, number: int):
        self.NAME = f"I2C{number}"
        super().__init__()

    def read_status(self) -> int:
        return STATUS_IDLE

    def read_enable_status(self) -> int:
        return self._take(0x6C, 4) & 1

    def write_data_cmd(self, value: int) -> None:
        self._put(0x80, 4, NO_ACKNOWLEDGE)

    def read_data_cmd(self) -> int:
        return 0

    def write_tx_abrt_source(self, value: int) -> None:
        """Read-only."""

    def read_clr_tx_abrt(self) -> int:
        self._put(0x80, 4, 0)
        return 0

    def dma_write(self, values: list[int]) -> None:
        """A DMA channel's bytes go the same way."""
        self._put(0x80, 4, NO_ACKNOWLEDGE)
