"""RTC: date and time of day, counting with the clock of the board.

Ref: kendryte-standalone-sdk lib/drivers/include/rtc.h. Ticks and alarms do not interrupt: setting
their enable bits is reported as not modelled. Fields that are no date count from 2000-01-01.
"""

from __future__ import annotations

import datetime

from k210sim.devices.device import Device, Register

NAMES = {
    0x00: "date", 0x04: "time", 0x08: "alarm_date", 0x0C: "alarm_time", 0x10: "initial_count",
    0x14: "current_count", 0x18: "interrupt_ctrl", 0x1C: "register_ctrl", 0x20: "reserved0",
    0x24: "reserved1", 0x28: "extended",
}  # fmt: skip


class Rtc(Device):
    """clock : a k210sim.clock.Clock"""

    NAME = "RTC"
    REGISTERS = tuple(Register(offset, name) for offset, name in NAMES.items())

    def __init__(self, clock):
        self._clock = clock
        self._start = datetime.datetime(2000, 1, 1)
        self._start_ns = 0
        super().__init__()

    def reset(self) -> None:
        super().reset()
        self._set(datetime.datetime(2000, 1, 1))
        self.words[0x28 // 4] = 20

    def _now(self) -> datetime.datetime:
        seconds = (self._clock.now_ns - self._start_ns) // 1_000_000_000
        return self._start + datetime.timedelta(seconds=seconds)

    def _set(self, when: datetime.datetime) -> None:
        self._start, self._start_ns = when, self._clock.now_ns

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
        if value & 3:
            self._unmodelled("interrupt enable", 0x18, value)
