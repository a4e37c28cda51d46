"""RTC: date and time of day, counting with the clock of the board.

Ref: kendryte-standalone-sdk lib/drivers/include/rtc.h and rtc.c. A tick is an interrupt at each
second, minute, hour or day; an alarm is one when the fields chosen by the compare mask agree. The
driver has nothing to take an interrupt back with, so each is a pulse. Fields that are no date count
from 2000-01-01.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable

from k210sim.clock import Alarm
from k210sim.devices.device import Device, Register

SECOND = 1_000_000_000
TICK, ALARM = 1, 2
NAMES = {
    0x00: "date", 0x04: "time", 0x08: "alarm_date", 0x0C: "alarm_time", 0x10: "initial_count",
    0x14: "current_count", 0x18: "interrupt_ctrl", 0x1C: "register_ctrl", 0x20: "reserved0",
    0x24: "reserved1", 0x28: "extended",
}  # fmt: skip


class Rtc(Device):
    """clock : a k210sim.clock.Clock. pulse() : an interrupt, set by whoever maps the device"""

    NAME = "RTC"
    REGISTERS = tuple(Register(offset, name) for offset, name in NAMES.items())

    def __init__(self, clock):
        self._clock = clock
        self._start = datetime.datetime(2000, 1, 1)
        self._start_ns = 0
        self.pulse: Callable[[], None] = lambda: None
        self._alarm: Alarm | None = None
        super().__init__()

    def reset(self) -> None:
        super().reset()
        self._set(datetime.datetime(2000, 1, 1))
        self.words[0x28 // 4] = 20
        self._wait()

    def _now(self) -> datetime.datetime:
        seconds = (self._clock.now_ns - self._start_ns) // SECOND
        return self._start + datetime.timedelta(seconds=seconds)

    def _set(self, when: datetime.datetime) -> None:
        self._start, self._start_ns = when, self._clock.now_ns
        self._wait()

    # --- interrupts -----------------------------------------------------------------------------

    def _wait(self) -> None:
        """Be called at the next full second, if that may interrupt."""
        if self._alarm is not None:
            self._clock.cancel(self._alarm)
            self._alarm = None
        if self._take(0x18, 4) & (TICK | ALARM):
            passed = (self._clock.now_ns - self._start_ns) // SECOND
            self._alarm = self._clock.alarm(self._start_ns + (passed + 1) * SECOND, self._second)

    def _second(self) -> None:
        self._alarm = None
        control, now = self._take(0x18, 4), self._now()
        if control & TICK and _is_full(now, control >> 2 & 3):
            self.pulse()
        if control & ALARM and self._agrees(now, control >> 24):
            self.pulse()
        self._wait()

    def _agrees(self, now: datetime.datetime, chosen: int) -> bool:
        """Whether the fields of the alarm that bits 1 to 7 choose are those of `now`."""
        date, time = self._take(0x08, 4), self._take(0x0C, 4)
        pairs = (
            (time >> 10 & 63, now.second), (time >> 16 & 63, now.minute),
            (time >> 24 & 31, now.hour), (date & 7, (now.weekday() + 1) % 7),
            (date >> 8 & 31, now.day), (date >> 16 & 15, now.month),
            (date >> 20 & 0xFFF, now.year % 100),
        )  # fmt: skip
        return chosen > 1 and all(
            wanted == found for bit, (wanted, found) in enumerate(pairs, 1) if chosen >> bit & 1
        )

    # --- registers ------------------------------------------------------------------------------

    def read_date(self) -> int:
        now = self._now()
        week = (now.weekday() + 1) % 7
        return week | now.day << 8 | now.month << 16 | now.year % 100 << 20

    def write_date(self, value: int) -> None:
        century = int(self.words[0x28 // 4]) & 31 or 20
        year = 100 * century + (value >> 20) % 100
        now = self._now()
        try:
            day = datetime.date(year, value >> 16 & 15, value >> 8 & 31)
        except ValueError:
            day = datetime.date(2000, 1, 1)
        self._set(datetime.datetime.combine(day, now.time()))

    def read_time(self) -> int:
        now = self._now()
        return now.second << 10 | now.minute << 16 | now.hour << 24

    def write_time(self, value: int) -> None:
        try:
            time = datetime.time(value >> 24 & 31, value >> 16 & 63, value >> 10 & 63)
        except ValueError:
            time = datetime.time()
        self._set(datetime.datetime.combine(self._now().date(), time))

    def write_interrupt_ctrl(self, value: int) -> None:
        self._put(0x18, 4, value)
        self._wait()


def _is_full(now: datetime.datetime, mode: int) -> bool:
    """Whether a tick of a mode falls on this second: each, or the first of a minute, hour, day."""
    return not any((now.second, now.minute, now.hour)[:mode])
