"""An I2C controller as the chip that another controller of the same pads' wires talks to.

Ref: kendryte-standalone-sdk lib/drivers/i2c.c (i2c_init_as_slave, and how its interrupt is served);
Synopsys' description of the block (DW_apb_i2c). Ten-bit addresses and general calls do not occur.
"""

from __future__ import annotations

from k210sim.devices.i2c import READ_DONE, STARTED, STOPPED, I2c
from k210sim.pins import Pins

FUNC_I2C0_SCLK = 126  # then its SDA, and those of the others


class SlaveSide:
    """What a master has to do with; it holds nothing of its own."""

    IS_PROGRAM = True

    def __init__(self, controller: I2c):
        self._controller = controller
        self.address = controller.slave_address

    def start(self, reading: bool) -> None:
        self._controller.note(STARTED)

    def stop(self, reading: bool) -> None:
        self._controller.note(STOPPED | (READ_DONE if reading else 0))

    def put(self, byte: int) -> None:
        self._controller.hear(byte)

    def get(self) -> int | None:
        return self._controller.answer()


class Wires:
    """Which controllers are on one bus. controllers : by their numbers"""

    def __init__(self, pins: Pins):
        self._pins = pins
        self.controllers: list[I2c] = []

    def add(self, controller: I2c) -> None:
        self.controllers.append(controller)
        controller.on_answer = self._answered

    def find(self, number: int, address: int) -> SlaveSide | None:
        """The controller that answers a master, the one of that number, at a 7-bit address."""
        if not self._pins.wires:
            return None
        for other in self.controllers:
            wired = all(
                self._pins.are_joined(FUNC_I2C0_SCLK + 2 * number + line,
                                      FUNC_I2C0_SCLK + 2 * other.number + line)
                for line in range(2)
            )  # fmt: skip
            if wired and address and other.slave_address == address:
                return SlaveSide(other)
        return None

    def _answered(self) -> None:
        for controller in self.controllers:
            if controller.held:
                controller.go_on()
