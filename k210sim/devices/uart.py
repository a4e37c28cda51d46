"""UART1-3, with nothing connected: what is sent is lost, nothing comes in.

Ref: kendryte-standalone-sdk lib/drivers/include/uart.h and uart.c, which waits while bit 5 of the
line status is 1 (in this mode of the core: transmit FIFO full).
"""

from __future__ import annotations

from k210sim.devices.device import Device, Register

NAMES = ("IER", "FCR", "LCR", "MCR", "LSR", "MSR", "SCR", "LPDLL", "LPDLH")


class Uart(Device):
    SIZE = 0x1000
    REGISTERS = (
        Register(0x00, "RBR"),
        *(Register(4 + 4 * i, name) for i, name in enumerate(NAMES)),
        Register(0x30, "SRBR", count=16), Register(0x70, "FAR"), Register(0x74, "TFR"),
        Register(0x78, "RFW"), Register(0x7C, "USR"), Register(0x80, "TFL", read_only=True),
        Register(0x84, "RFL", read_only=True), Register(0x88, "SRR"), Register(0x8C, "SRTS"),
        Register(0x90, "SBCR"), Register(0x94, "SDMAM"), Register(0x98, "SFE"),
        Register(0x9C, "SRT"), Register(0xA0, "STET"), Register(0xA4, "HTX"),
        Register(0xA8, "DMASA"), Register(0xAC, "TCR"), Register(0xB0, "DE_EN"),
        Register(0xB4, "RE_EN"), Register(0xB8, "DET"), Register(0xBC, "TAT"),
        Register(0xC0, "DLF"), Register(0xC4, "RAR"), Register(0xC8, "TAR"),
        Register(0xCC, "LCR_EXT"), Register(0xF4, "CPR", read_only=True),
        Register(0xF8, "UCV", read_only=True), Register(0xFC, "CTR", read_only=True),
    )  # fmt: skip

    def __init__(self, number: int):
        self.NAME = f"UART{number}"
        super().__init__()

    def read_LSR(self) -> int:
        return 0

    def read_USR(self) -> int:
        return 0x06  # transmit FIFO empty and not full
