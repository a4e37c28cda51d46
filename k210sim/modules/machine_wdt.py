"""`machine.WDT`: the two watchdogs, which reset the chip when they are not fed.

Source: MaixPy-v1 v0.6.3 port/src/standard_lib/machine/machine_wdt.c; for the time, wdt.c of the
kendryte-standalone-sdk. The chip knows periods of 5 ms and that doubled up to 15 times; the driver
takes the longest that is not above the timeout, so 5000 ms are 2.6 s.
"""

from __future__ import annotations

from k210sim.clock import Alarm
from k210sim.micropython import layout as L
from k210sim.micropython.native import Arg, GuestType, method
from k210sim.modules.interrupts import post, schedule
from k210sim.modules.machine_reset import WDT1_RESET, WDT_RESET, reset
from k210sim.modules.receivers import checked

WDT_BYTES = 48
CLOCK_HZ = 13_000_000  # half the crystal's
SHORTEST_BITS, MOST_DOUBLED = 16, 15
_ARGS = [Arg("id", "int", 0), Arg("timeout", "int", 5000), Arg("callback"), Arg("context")]


def period_ns(timeout_ms: int) -> int:
    """How long the chip waits when it is asked for `timeout_ms`."""
    shortest_periods = timeout_ms * CLOCK_HZ // 1000 >> SHORTEST_BITS
    doubled = min(MOST_DOUBLED, max(0, shortest_periods.bit_length() - 1))
    return (1 << SHORTEST_BITS + doubled) * 1_000_000_000 // CLOCK_HZ


class Watchdog:
    """One of the chip's watchdogs. At the first expiry it calls back, at the next it resets; one
    without a callback resets at the first. It goes on running over a soft reset."""

    def __init__(self, vm, number: int):
        self.vm, self.number = vm, number
        self.period_ns = 0
        self.due_ns: int | None = None
        self.callback = self.word = 0
        self.told = False
        self._alarm: Alarm | None = None

    def run(self, period_ns: int, callback: int, word: int) -> None:
        self.stop()
        self.period_ns, self.callback, self.word = period_ns, callback, self.vm.keep(word)
        self.told = False
        self._arm()

    def stop(self) -> None:
        if self.due_ns is not None:
            self.due_ns = None
            self.vm.release(self.word)
            if self._alarm is not None:
                self.vm.clock.cancel(self._alarm)

    def feed(self) -> None:
        if self.due_ns is not None:
            self.told = False
            self.vm.clock.cancel(self._alarm)
            self._arm()

    def forget_callback(self) -> None:
        """A soft reset has swept the objects away."""
        self.callback = self.word = 0

    def _arm(self) -> None:
        self.vm.account()
        self.due_ns = self.vm.clock.now_ns + self.period_ns
        self._alarm = self.vm.clock.alarm(self.due_ns, self._expire)
        self.vm.look_soon()

    def _expire(self) -> None:
        if self.due_ns is None:
            return
        if self.callback and not self.told:
            self.told = True
            schedule(self.vm, self.callback, self.word)
            self.due_ns += self.period_ns
            self._alarm = self.vm.clock.alarm(self.due_ns, self._expire)
        else:
            self.due_ns = None
            post(self.vm, self._bite)

    def _bite(self, vm) -> None:
        reset(vm, WDT1_RESET if self.number else WDT_RESET)

    def __getstate__(self):
        return {**vars(self), "_alarm": None}

    def __setstate__(self, state):
        vars(self).update(state)
        if self.due_ns is not None:
            self._alarm = self.vm.clock.alarm(self.due_ns, self._expire)


class WdtState:
    def __init__(self, number: int, timeout: int, callback: int, context: int):
        self.number, self.timeout = number, timeout
        self.callback, self.context = callback, context


@checked
class WdtType(GuestType):
    name = "WDT"

    def print(self, vm, o, kind):
        w = vm.host(o)
        return "[MAIXPY]WDT:(%x; id=%d, timeout=%d, callback=%x, context=%x)" % (
            o, w.number, w.timeout, w.callback, w.context)

    def make_new(self, vm, type_word, args, kw):
        number, timeout, callback, context = vm.parse_args(args, kw, _ARGS)
        if not 0 <= number <= 1:
            raise vm.error("ValueError", "WDT(%d) does not exist" % number, formatted=True)
        if timeout <= 0:
            raise vm.error("ValueError", "WDT timeout too short", formatted=False)
        o = vm.new_host_object(self, WdtState(number, timeout, callback, context), WDT_BYTES)
        vm.memory.set_word(o + 24, callback)
        vm.memory.set_word(o + 32, context)
        vm.watchdogs[number].run(
            period_ns(timeout), 0 if callback == L.NONE else callback, o)
        return o

    @method(1)
    def feed(vm, self):
        vm.watchdogs[vm.host(self).number].feed()

    @method(1)
    def context(vm, self):
        return vm.host(self).context

    @method(1)
    def stop(vm, self):
        vm.watchdogs[vm.host(self).number].stop()

    constants = {"WDT_DEVICE_0": 0, "WDT_DEVICE_1": 1}


def start(vm) -> None:
    if not hasattr(vm, "watchdogs"):
        vm.watchdogs = [Watchdog(vm, 0), Watchdog(vm, 1)]
    for watchdog in vm.watchdogs:
        watchdog.forget_callback()
