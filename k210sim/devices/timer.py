"""TIMER0-2: four channels each that count down and interrupt, or make a PWM output.

Ref: kendryte-standalone-sdk lib/drivers/include/timer.h and pwm.c. A channel in user mode starts
again from load_count, else from the largest value. What it counts is SYSCTL's choice: the crystal
or PLL0, divided. With PWM the output is low for load_count's time, then high for load_count2's. It
is computed when somebody looks, so a fast one costs nothing unless it interrupts. That a new count
takes effect at once is a guess.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

from k210sim.clock import Alarm
from k210sim.devices.device import Device, Register

ENABLE, USER_MODE, MASKED, PWM = 1, 2, 4, 8
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
        self._begun = [0] * 4  # when the low part of a PWM output first began
        self._seen = [0] * 4  # how many parts of it the interrupt bit knows of
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
        if self._control(n) & PWM:
            self._begun[n], self._seen[n] = self._clock.now_ns, 0
            self._await_part(n)
            return
        self._ends[n] = self._clock.now_ns + max(1, count) * 1_000_000_000 // self._hz()
        self._alarms[n] = self._clock.alarm(self._ends[n], functools.partial(self._expire, n))

    def _expire(self, n: int) -> None:
        self._alarms[n] = None
        self._raw |= 1 << n
        if self._control(n) & PWM:
            self._await_part(n)
            self._update()
            return
        user = self._control(n) & USER_MODE
        self._start(n, self._take(0x14 * n, 4) if user else FULL)
        self._update()

    def _control(self, n: int) -> int:
        return self._take(0x14 * n + 8, 4)

    def write_control(self, n: int, value: int) -> None:
        before = self._control(n)
        self._put(0x14 * n + 8, 4, value)
        if value & ENABLE and (not before & ENABLE or (value ^ before) & PWM):
            self._start(n, self._take(0x14 * n, 4))
        elif not value & ENABLE:
            self._stop(n)
        elif self._makes_pwm(n):
            self._await_part(n)
        self._update()

    # --- PWM ------------------------------------------------------------------------------------

    def _makes_pwm(self, n: int) -> bool:
        return self._control(n) & (ENABLE | PWM) == ENABLE | PWM

    def write_load_count(self, n: int, value: int) -> None:
        self._put(0x14 * n, 4, value)
        if self._makes_pwm(n):
            self._start(n, value)

    def write_load_count2(self, n: int, value: int) -> None:
        self._put(0xB0 + 4 * n, 4, value)
        if self._makes_pwm(n):
            self._start(n, value)

    def _counts(self, n: int) -> tuple[int, int]:
        """How long the output is low, and how long high."""
        return max(1, self._take(0x14 * n, 4)), max(1, self._take(0xB0 + 4 * n, 4))

    def _part(self, n: int) -> tuple[int, int]:
        """(parts that have ended since PWM began, counts left of the one now)."""
        low, high = self._counts(n)
        passed = (self._clock.now_ns - self._begun[n]) * self._hz() // 1_000_000_000
        periods, into = divmod(passed, low + high)
        return (2 * periods, low - into) if into < low else (2 * periods + 1, low + high - into)

    def level(self, n: int) -> int:
        """What the channel's PWM output is now."""
        return self._part(n)[0] & 1 if self._makes_pwm(n) else 0

    def _await_part(self, n: int) -> None:
        """Have the end of the part now interrupt, unless that is masked."""
        self._stop(n)
        if not self._control(n) & MASKED:
            low, high = self._counts(n)
            ended, _ = self._part(n)
            self._seen[n] = ended
            counts = ended // 2 * (low + high) + (low if ended % 2 == 0 else low + high)
            at = self._begun[n] - -counts * 1_000_000_000 // self._hz()
            self._alarms[n] = self._clock.alarm(at, functools.partial(self._expire, n))

    # --- interrupts -----------------------------------------------------------------------------

    def read_current_value(self, n: int) -> int:
        if self._makes_pwm(n):
            return self._part(n)[1]
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
        for n in range(4):
            if self._makes_pwm(n) and self._part(n)[0] > self._seen[n]:
                self._raw |= 1 << n  # masked, it has no alarm
        return self._raw

    def _forget(self, n: int) -> None:
        self._raw &= ~(1 << n)
        if self._makes_pwm(n):
            self._seen[n] = self._part(n)[0]

    def read_eoi(self, n: int) -> int:
        self._forget(n)
        self._update()
        return 0

    def read_all_eoi(self) -> int:
        for n in range(4):
            self._forget(n)
        self._update()
        return 0

    def _update(self) -> None:
        seen = self._visible()
        self.irqs[0](bool(seen & 3))
        self.irqs[1](bool(seen & 12))
