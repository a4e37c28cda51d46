"""WDT0, WDT1: interrupt first when told so, and reset the chip.

Ref: kendryte-standalone-sdk lib/drivers/include/wdt.h. The time is 2**(16 + torr's low four bits)
counts of `hz`.
"""

from __future__ import annotations

from collections.abc import Callable

from k210sim.clock import Alarm
from k210sim.devices.device import Device, Register

RESTART_KEY = 0x76


class Wdt(Device):
    """clock : of the board. hz() : what it counts. on_reset() : the chip is reset."""

    REGISTERS = (
        Register(0x00, "cr"), Register(0x04, "torr"), Register(0x08, "ccvr"),
        Register(0x0C, "crr"), Register(0x10, "stat"), Register(0x14, "eoi"),
        Register(0x1C, "prot_level"),
        *(Register(0xE4 + 4 * i, f"comp_{i}", read_only=True) for i in range(7)),
    )  # fmt: skip

    def __init__(self, number: int, clock, hz: Callable[[], int], on_reset: Callable[[], None]):
        self.NAME = f"WDT{number}"
        self._clock, self._hz, self._on_reset = clock, hz, on_reset
        self._alarm: Alarm | None = None
        self._ends = 0
        self._raised = False
        super().__init__()

    def reset(self) -> None:
        self._stop()
        self._raised = False
        super().reset()
        self.irq(False)

    def _stop(self) -> None:
        if self._alarm is not None:
            self._clock.cancel(self._alarm)
            self._alarm = None

    def _restart(self) -> None:
        self._stop()
        counts = 1 << 16 + (self._take(0x04, 4) & 15)
        self._ends = self._clock.now_ns + counts * 1_000_000_000 // self._hz()
        self._alarm = self._clock.alarm(self._ends, self._expire)

    def _expire(self) -> None:
        self._alarm = None
        if self._take(0x00, 4) & 2 and not self._raised:
            self._raised = True
            self.irq(True)
            self._restart()
        else:
            self._on_reset()

    def write_cr(self, value: int) -> None:
        running = self._take(0x00, 4) & 1
        self._put(0x00, 4, value)
        if value & 1 and not running:
            self._restart()
        elif not value & 1:
            self._stop()

    def read_ccvr(self) -> int:
        if self._alarm is None:
            return 0
        return max(0, self._ends - self._clock.now_ns) * self._hz() // 1_000_000_000 & 0xFFFFFFFF

    def write_crr(self, value: int) -> None:
        if value == RESTART_KEY and self._take(0x00, 4) & 1:
            self._raised = False
            self.irq(False)
            self._restart()

    def read_stat(self) -> int:
        return int(self._raised)

    def read_eoi(self) -> int:
        self._raised = False
        self.irq(False)
        return 0
