"""GPIO: 8 pins with one interrupt together.

Ref: kendryte-standalone-sdk lib/drivers/include/gpio.h; Synopsys' description of the block
(DW_apb_gpio) for the interrupts: by level or edge, of the polarity chosen or of both edges.
Debouncing and the source of the outputs are kept and do nothing.
"""

from __future__ import annotations

from k210sim.devices.device import Device, Register
from k210sim.pins import N_GPIO, N_GPIOHS, Pins

COUNT = N_GPIO - N_GPIOHS
ALL = (1 << COUNT) - 1
OFFSETS = {
    "data_output": 0x00, "direction": 0x04, "source": 0x08, "interrupt_enable": 0x30,
    "interrupt_mask": 0x34, "interrupt_level": 0x38, "interrupt_polarity": 0x3C,
    "interrupt_status": 0x40, "interrupt_status_raw": 0x44, "interrupt_debounce": 0x48,
    "interrupt_clear": 0x4C, "data_input": 0x50, "sync_level": 0x60, "id_code": 0x64,
    "interrupt_bothedge": 0x68,
}  # fmt: skip
READ_ONLY = {"interrupt_status", "interrupt_status_raw", "data_input", "id_code"}


class Gpio(Device):
    """pins : the chip's pads."""

    NAME = "GPIO"
    REGISTERS = tuple(
        Register(offset, name, read_only=name in READ_ONLY) for name, offset in OFFSETS.items()
    )

    def __init__(self, pins: Pins):
        self.pins = pins
        self._seen = self._edges = 0
        for name in ("interrupt_enable", "interrupt_mask", "interrupt_level",
                     "interrupt_polarity", "interrupt_bothedge"):  # fmt: skip
            self._bind(name)
        super().__init__()
        pins.listeners.append(self.look)

    def _bind(self, name: str) -> None:
        def write(value: int) -> None:
            self._put(OFFSETS[name], 4, value)
            self._update()

        setattr(self, f"write_{name}", write)

    def reset(self) -> None:
        super().reset()
        self._seen = self._edges = 0
        self._drive()
        self._update()

    def _at(self, name: str) -> int:
        return self._take(OFFSETS[name], 4)

    def read_data_input(self) -> int:
        return self.pins.read_bank(N_GPIOHS, COUNT)

    def write_data_output(self, value: int) -> None:
        self._put(OFFSETS["data_output"], 4, value)
        self._drive()

    def write_direction(self, value: int) -> None:
        self._put(OFFSETS["direction"], 4, value)
        self._drive()

    def _drive(self) -> None:
        self.pins.write_bank(N_GPIOHS, self._at("data_output"), self._at("direction"), COUNT)

    # --- interrupts -----------------------------------------------------------------------------

    def look(self) -> None:
        """Note what the levels have become."""
        now = self.pins.read_bank(N_GPIOHS, COUNT)
        rising, falling = now & ~self._seen, self._seen & ~now
        self._seen = now
        polarity, both = self._at("interrupt_polarity"), self._at("interrupt_bothedge")
        self._edges |= rising & (polarity | both) | falling & (~polarity | both)
        self._edges &= self._at("interrupt_enable")
        self._update()

    def write_interrupt_clear(self, value: int) -> None:
        self._edges &= ~value
        self._update()

    def read_interrupt_clear(self) -> int:
        return 0

    def read_interrupt_status_raw(self) -> int:
        by_edge = self._at("interrupt_level")  # a one asks for edges
        levels = ~(self._seen ^ self._at("interrupt_polarity"))
        raised = self._edges & by_edge | levels & ~by_edge
        return raised & self._at("interrupt_enable") & ALL

    def read_interrupt_status(self) -> int:
        return self.read_interrupt_status_raw() & ~self._at("interrupt_mask")

    def _update(self) -> None:
        self.irq(self.read_interrupt_status() != 0)
