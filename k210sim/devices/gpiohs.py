"""GPIOHS: 32 pins, each with an interrupt of its own.

Ref: kendryte-standalone-sdk lib/drivers/include/gpiohs.h and gpiohs.c; SiFive's description of the
same block: the pending bits collect what happens whether it may interrupt or not, and a one written
to them clears. A level that still holds is pending again at once.
"""

from __future__ import annotations

from collections.abc import Callable

from k210sim.devices.device import Device, Register
from k210sim.pins import N_GPIOHS, Pins

NAMES = (
    "input_val", "input_en", "output_en", "output_val", "pullup_en", "drive", "rise_ie", "rise_ip",
    "fall_ie", "fall_ip", "high_ie", "high_ip", "low_ie", "low_ip", "iof_en", "iof_sel",
    "output_xor",
)  # fmt: skip
KINDS = ("rise", "fall", "high", "low")


class Gpiohs(Device):
    """pins : the chip's pads. irqs[pin](level) are set by the mapper."""

    NAME = "GPIOHS"
    REGISTERS = tuple(Register(4 * i, name) for i, name in enumerate(NAMES))

    def __init__(self, pins: Pins):
        self.pins = pins
        self.irqs: list[Callable[[bool], None]] = [lambda level: None] * N_GPIOHS
        self._seen = self._raised = 0
        for kind in KINDS:
            self._bind(kind)
        super().__init__()
        pins.listeners.append(self.look)

    def _bind(self, kind: str) -> None:
        enable, pending = 4 * NAMES.index(f"{kind}_ie"), 4 * NAMES.index(f"{kind}_ip")

        def write_ie(value: int) -> None:
            self._put(enable, 4, value)
            self._update()

        def write_ip(value: int) -> None:
            self._put(pending, 4, self._take(pending, 4) & ~value)
            self.look()

        setattr(self, f"write_{kind}_ie", write_ie)
        setattr(self, f"write_{kind}_ip", write_ip)

    def reset(self) -> None:
        super().reset()
        self._seen = 0
        self._drive()
        self._update()

    def _at(self, name: str) -> int:
        return self._cells[NAMES.index(name)]

    def read_input_val(self) -> int:
        return self.pins.read_bank(0, N_GPIOHS)

    def write_output_en(self, value: int) -> None:
        self._put(4 * NAMES.index("output_en"), 4, value)
        self._drive()

    def write_output_val(self, value: int) -> None:
        self._put(4 * NAMES.index("output_val"), 4, value)
        self._drive()

    def write_output_xor(self, value: int) -> None:
        self._put(4 * NAMES.index("output_xor"), 4, value)
        self._drive()

    def _drive(self) -> None:
        levels = self._at("output_val") ^ self._at("output_xor")
        self.pins.write_bank(0, levels, self._at("output_en"), N_GPIOHS)

    def look(self) -> None:
        """Note what the levels have become."""
        now = self.pins.read_bank(0, N_GPIOHS)
        happened = (now & ~self._seen, self._seen & ~now, now, ~now & 0xFFFFFFFF)
        self._seen = now
        for kind, bits in zip(KINDS, happened, strict=True):
            cell = NAMES.index(f"{kind}_ip")
            self._cells[cell] |= bits
        self._update()

    def _update(self) -> None:
        raised = 0
        for kind in KINDS:
            raised |= self._at(f"{kind}_ie") & self._at(f"{kind}_ip")
        changed = raised ^ self._raised
        self._raised = raised
        while changed:
            pin = (changed & -changed).bit_length() - 1
            changed &= changed - 1
            self.irqs[pin](bool(raised >> pin & 1))
