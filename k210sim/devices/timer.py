"""TIMER0-2: four channels each that count down and interrupt.

Ref: kendryte-standalone-sdk lib/drivers/include/timer.h. A channel in user mode starts again from
load_count, else from the largest value. What it counts is SYSCTL's choice: the crystal or PLL0,
divided. PWM does not reach the pads.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

from k210sim.clock import Alarm
from k210sim.devices.device import Device, Register

ENABLE, USER_MODE, MASKED = 1, 2, 4
FULL = 0xFFFFFFFF


class Timer(Device):
    """clock : of the board. hz() : what the channels count. irqs[half](level): channels 0, 1 use
    the first interrupt, 2 and 3 the second."""

    REGISTERS = (
        *(
            Register(4 * i, name, count=4, stride=0x14)
            for i, name in enumerate(("load_count", "current_value", "control", "eoi", "stat"))
        ),
        Register(0xA0, "intr_stat"), Register(0xA4, "all_eoi"), Register(0xA8, "raw_intr_stat"),
        Register(0xAC, "comp_version", read_only=True), Register(0xB0, "load_count2", count=4),
    )  # fmt: skip

    def __init__(self, number: int, clock, hz: Callable[[], int]):
        self.NAME = f"TIMER{number}"
        self._clock, self._hz = clock, hz
        self.irqs: list[Callable[[bool], None]] = [lambda level: None] * 2
        self._alarms: list[Alarm | None] = [None] * 4
        self._ends = [0] * 4
        self._raw = 0
        super().__init__()

    def reset(self) -> None:
        for n in range(4):
            self._stop(n)
        self._raw = 0
        super().reset()
        self._update()

    def _stop(self, n: int) -> None:
        if self._alarms[n] is not None:
            self._clock.cancel(self._alarms[n])
            self._alarms[n] = None

    def _start(self, n: int, count: int) -> None:
        self._stop(n)
        self._ends[n] = self._clock.now_ns + max(1, count) * 1_000_000_000 // self._hz()
        self._alarms[n] = self._clock.alarm(self._ends[n], functools.partial(self._expire, n))

    def _expire(self, n: int) -> None:
        self._alarms[n] = None
        self._raw |= 1 << n
        user = self._control(n) & USER_MODE
        self._start(n, self._take(0x14 * n, 4) if user else FULL)
        self._update()

    def _control(self, n: int) -> int:
        return self._take(0x14 * n + 8, 4)

    def write_control(self, n: int, value: int) -> None:
        before = self._control(n)
        self._put(0x14 * n + 8, 4, value)
        if value & ENABLE and not before & ENABLE:
            self._start(n, self._take(0x14 * n, 4))
        elif not value & ENABLE:
            self._stop(n)
        self._update()

    def read_current_value(self, n: int) -> int:
        if self._alarms[n] is None:
            return 0
        left = max(0, self._ends[n] - self._clock.now_ns)
        return min(FULL, left * self._hz() // 1_000_000_000)

    def _visible(self) -> int:
        return sum(1 << n for n in range(4) if self._raw >> n & 1 and not self._control(n) & MASKED)

    def read_stat(self, n: int) -> int:
        return self._visible() >> n & 1

    def read_intr_stat(self) -> int:
        return self._visible()

    def read_raw_intr_stat(self) -> int:
        return self._raw

    def read_eoi(self, n: int) -> int:
        self._raw &= ~(1 << n)
        self._update()
        return 0

    def read_all_eoi(self) -> int:
        self._raw = 0
        self._update()
        return 0

    def _update(self) -> None:
        seen = self._visible()
        self.irqs[0](bool(seen & 3))
        self.irqs[1](bool(seen & 12))
