"""CLINT: software interrupts and the timer of each hart.

Ref: kendryte-standalone-sdk lib/drivers/include/clint.h. mtime counts CPU clocks / 50.
"""

from __future__ import annotations

from collections.abc import Callable

from k210sim.devices.device import Device, Register

SOFTWARE, TIMER = 1 << 3, 1 << 7
DIVIDER = 50
NEVER = (1 << 64) - 1


class Clint(Device):
    """cycles() : CPU clocks since power-on. raise_interrupt(hart, bit, level), is_raised(hart, bit)
    : of mip. A hart's own msip is served by the compiled core, which changes mip alone.

    next_cycle : the CPU clock at which the next timer interrupt falls due, or None; `update` is
    wanted then
    """

    NAME = "CLINT"
    SIZE = 0x10000
    REGISTERS = (
        Register(0x0000, "msip", count=2),
        Register(0x4000, "mtimecmp", reset=NEVER, width=8, count=2, stride=8),
        Register(0xBFF8, "mtime", width=8),
    )
    PAGES = (0, 4, 11)

    def __init__(
        self,
        cycles: Callable[[], int],
        raise_interrupt: Callable[[int, int, bool], None],
        is_raised: Callable[[int, int], bool],
    ):
        self._cycles, self._raise, self._is_raised = cycles, raise_interrupt, is_raised
        self._shift = 0
        self.next_cycle: int | None = None
        super().__init__()
        self.reset()

    def reset(self) -> None:
        super().reset()
        self._shift = 0
        for hart in range(2):
            self._raise(hart, SOFTWARE, False)
        self.update()

    def read_msip(self, hart: int) -> int:
        return int(self._is_raised(hart, SOFTWARE))

    def write_msip(self, hart: int, value: int) -> None:
        self._raise(hart, SOFTWARE, bool(value & 1))

    def read_mtime(self) -> int:
        return (self._cycles() // DIVIDER + self._shift) & NEVER

    def write_mtime(self, value: int) -> None:
        self._shift += value - self.read_mtime()
        self.update()

    def write_mtimecmp(self, hart: int, value: int) -> None:
        self._put(0x4000 + 8 * hart, 8, value)
        self.update()

    def update(self) -> None:
        """Set the timer interrupts as they are due now."""
        now, first = self.read_mtime(), NEVER
        for hart in range(2):
            due = self._take(0x4000 + 8 * hart, 8)
            self._raise(hart, TIMER, now >= due)
            if now < due < first:
                first = due
        self.next_cycle = None if first >= 1 << 62 else (first - self._shift) * DIVIDER
