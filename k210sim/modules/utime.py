"""`utime`: delays, tick counters, the real-time clock, and the frame-rate clock.

All of it is virtual time. Ticks count from power-on and wrap at 2**62; the calendar starts at
2000-01-01 00:00:00 with every power-on and survives a soft reset.
Source: micropython v1.11 extmod/utime_mphal.c, lib/timeutils/timeutils.c (what odd dates give);
MaixPy-v1 v0.6.3 port/src/standard_lib/utime/modutime.c (the clock object).
"""

from __future__ import annotations

from dataclasses import dataclass

from k210sim.micropython import layout as L
from k210sim.micropython.native import GuestModule, GuestType, method
from k210sim.micropython.singles import divide, of_int, single
from k210sim.modules.receivers import checked

TICKS_PERIOD = 1 << 62
WORD_MASK = 0xFFFFFFFFFFFFFFFF
DAY = 86400
DAYS_PER_400_YEARS = 146097
FPS_WINDOW_MS = 2000
CLOCK_BYTES = 24
CPU_MHZ = 403  # what PLL0 makes of the default 400 MHz
_BEFORE_MONTH = (0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365)

module = GuestModule("utime")


# --- the calendar ----------------------------------------------------------------------------
def is_leap(year: int) -> bool:
    return year % 4 == 0 and year % 100 != 0 or year % 400 == 0


def days_in_month(year: int, month: int) -> int:
    """`month` from 1."""
    leap = month == 2 and is_leap(year)
    return _BEFORE_MONTH[month] - _BEFORE_MONTH[month - 1] + leap


def day_of_year(year: int, month: int, day: int) -> int:
    """1 to 366."""
    return _BEFORE_MONTH[month - 1] + day + (month >= 3 and is_leap(year))


def date_of_seconds(seconds: int) -> tuple[int, ...]:
    """(year, month, day, hour, minute, second, weekday from Monday, day of year) of a number of
    seconds since 2000-01-01, negative ones before it."""
    days, rest = divmod(seconds, DAY)
    weekday = (days + 5) % 7  # 2000-01-01 was a Saturday
    cycles, days = divmod(days, DAYS_PER_400_YEARS)
    year, month = 2000 + 400 * cycles, 1
    while days >= (length := 365 + is_leap(year)):
        days -= length
        year += 1
    while days >= (length := days_in_month(year, month)):
        days -= length
        month += 1
    return (year, month, days + 1, rest // 3600, rest // 60 % 60, rest % 60, weekday,
            day_of_year(year, month, days + 1))


def seconds_of_date(year: int, month: int, day: int, hour: int, minute: int, second: int) -> int:
    """Seconds since 2000-01-01 as the firmware counts them: unsigned 64-bit, with leap days wrong
    before that year. Fields beyond their range carry over."""
    minute, second = minute + second // 60, second % 60
    hour, minute = hour + minute // 60, minute % 60
    day, hour = day + hour // 24, hour % 24
    year, month = year + (month - 1) // 12, (month - 1) % 12 + 1
    cycles = (day - 1) // DAYS_PER_400_YEARS
    year, day = year + 400 * cycles, day - DAYS_PER_400_YEARS * cycles
    while day > (length := days_in_month(year, month)):
        day -= length
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)
    after = (year - 2000) & WORD_MASK
    leap_days = (((after + 3 & WORD_MASK) // 4) - ((after + 99 & WORD_MASK) // 100)
                 + ((after + 399 & WORD_MASK) // 400))
    days = day_of_year(year, month, day) - 1 + leap_days
    total = second + minute * 60 + hour * 3600 + days * DAY + after * 365 * DAY
    return total & WORD_MASK


def rtc_seconds(vm) -> int:
    """Seconds since 2000-01-01 that the real-time clock shows."""
    return vm.rtc_base + (vm.now_ns() - vm.rtc_set_ns) // 1_000_000_000


# --- ticks ------------------------------------------------------------------------------
def ticks_ns(vm) -> int:
    """Nanoseconds since power-on."""
    return vm.now_ns() - vm.power_on_ns


def _milliseconds(vm) -> int:
    return ticks_ns(vm) // 1_000_000


@module.function(0, 1)
def localtime(vm, seconds=L.NONE):
    """Without seconds the last two fields are what the firmware makes of the clock's driver: the
    day of the week counted from Sunday, and eight bits of the day of the year."""
    now = seconds == L.NONE
    *date, weekday, day = date_of_seconds(rtc_seconds(vm) if now else vm.get_int(seconds))
    fields = [*date, (weekday + 1) % 7, day & 0xFF] if now else [*date, weekday, day]
    return vm.new_tuple([vm.new_int(field) for field in fields])


@module.function(1)
def mktime(vm, date):
    items = vm.get_array(date)
    if len(items) not in (8, 9):
        raise vm.error("TypeError", "mktime needs a tuple of length 8 or 9 (%d given)"
                       % len(items), formatted=True)
    return vm.new_int(seconds_of_date(*(vm.get_int(item) for item in items[:6])))


@module.function(1)
def set_time(vm, date):
    items = vm.get_array(date)
    if len(items) < 6:
        # The firmware reads on past the end of the object.
        raise vm.error("IndexError", "k210sim: set_time needs six items")
    vm.rtc_base = seconds_of_date(*(vm.get_int(item) for item in items[:6]))
    vm.rtc_set_ns = vm.now_ns()
    return L.TRUE


@module.function(0, name="time")
def time_(vm):
    return vm.new_int(rtc_seconds(vm))


@module.function(1)
def sleep(vm, seconds):
    vm.delay_ns(max(int(single(1000.0 * vm.get_float(seconds))), 0) * 1_000_000)


@module.function(1)
def sleep_ms(vm, ms):
    n = vm.get_int(ms)
    if n > 0:
        vm.delay_ns(n * 1_000_000)


@module.function(1)
def sleep_us(vm, us):
    """Spins: neither Ctrl-C nor callbacks are served meanwhile."""
    n = vm.get_int(us)
    if n > 0:
        vm.account()
        vm.charge_ns(n * 1000)


@module.function(0)
def ticks_ms(vm):
    return vm.new_int(_milliseconds(vm) % TICKS_PERIOD)


@module.function(0)
def ticks_us(vm):
    return vm.new_int(ticks_ns(vm) // 1000 % TICKS_PERIOD)


@module.function(0)
def ticks_cpu(vm):
    return vm.new_int(ticks_ns(vm) * CPU_MHZ // 1000 % TICKS_PERIOD)


@module.function(2)
def ticks_add(vm, ticks, delta):
    return vm.new_int(((ticks >> 1) + vm.get_int(delta)) % TICKS_PERIOD)


@module.function(2)
def ticks_diff(vm, end, start):
    half = TICKS_PERIOD // 2
    return vm.new_int(((end >> 1) - (start >> 1) + half) % TICKS_PERIOD - half)


module.entries["ticks"] = module.entries["ticks_ms"]


# --- the frame-rate clock ------------------------------------------------------------------
@dataclass
class FrameClock:
    """Milliseconds, 32 bits each: start of the frame, sum over the frames, number of frames."""

    start: int = 0
    ticks: int = 0
    frames: int = 0

    def end_frame(self, now_ms: int) -> float:
        """Count a frame; mean milliseconds of a frame."""
        self.frames += 1
        self.ticks = (self.ticks + now_ms - self.start) & 0xFFFFFFFF
        return divide(of_int(self.ticks), of_int(self.frames))


@checked
class ClockType(GuestType):
    """`clock()`: frames a second for camera loops."""

    name = "clock"

    def print(self, vm, o, kind):
        c = vm.host(o)
        return "t_start:%d t_ticks:%d t_frame:%d\n" % tuple(
            n - (n >> 31 << 32) for n in (c.start, c.ticks, c.frames))

    @method(1)
    def tick(vm, self):
        vm.host(self).start = _milliseconds(vm) & 0xFFFFFFFF

    @method(1)
    def fps(vm, self):
        c = vm.host(self)
        rate = divide(1000.0, c.end_frame(_milliseconds(vm)))
        if c.ticks >= FPS_WINDOW_MS:
            c.frames = c.ticks = 0
        return vm.new_float(rate)

    @method(1)
    def avg(vm, self):
        return vm.new_float(vm.host(self).end_frame(_milliseconds(vm)))

    @method(1)
    def reset(vm, self):
        c = vm.host(self)
        c.start = c.ticks = c.frames = 0


@module.function(0)
def clock(vm):
    return vm.new_host_object(ClockType, FrameClock(), CLOCK_BYTES)


@module.init
def _start(vm):
    if not hasattr(vm, "power_on_ns"):
        vm.power_on_ns = vm.rtc_set_ns = vm.clock.now_ns
        vm.rtc_base = 0
