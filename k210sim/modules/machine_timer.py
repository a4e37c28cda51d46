"""`machine.Timer` and `machine.PWM`.

A timer's callback runs through the scheduler's queue when virtual time has come to it. While a
timer runs it is kept from being collected (the board does not do that and may crash), and a soft
reset stops it.
Source: MaixPy-v1 v0.6.3 port/src/standard_lib/machine/machine_timer.c, machine_pwm.c.
"""

from __future__ import annotations

from k210sim.clock import Alarm
from k210sim.micropython import layout as L
from k210sim.micropython.builtin_objects import callable_
from k210sim.micropython.native import Arg, GuestType, NativeFunction, method
from k210sim.modules.interrupts import schedule
from k210sim.modules.maix_pins import FUNCTIONS
from k210sim.modules.receivers import checked

TIMER_BYTES, PWM_BYTES = 64, 104
ONE_SHOT, PERIODIC, PWM_MODE = 0, 1, 2
UNIT_NS, UNIT_US, UNIT_MS, UNIT_S = range(4)
UNIT_NAMES = ("ns", "us", "ms", "s")
N_TIMERS, N_CHANNELS, N_MODES, N_UNITS = 3, 4, 3, 4
LONGEST_DIV, MOST_TICKS = 255, 0xFFFFFFFF
TIMER_CLOCK_SHARE = 2  # PWM counts at half of PLL0

_MADE = NativeFunction("", None, 2, 9, kw=True)
_PWM_MADE = NativeFunction("", None, 1, 6, kw=True)
_TIMER_ARGS = [
    Arg("mode", "int", ONE_SHOT, kw_only=True), Arg("period", "int", 1000, kw_only=True),
    Arg("unit", "int", UNIT_MS, kw_only=True), Arg("callback", kw_only=True),
    Arg("arg", kw_only=True), Arg("start", "bool", True, kw_only=True),
    Arg("priority", "int", 1, kw_only=True), Arg("div", "int", 0, kw_only=True),
]  # fmt: skip


class TimerState:
    """One timer channel as a Timer object describes it. `callback` and `arg` are words."""

    def __init__(self, vm, timer: int, channel: int):
        self.vm, self.timer, self.channel = vm, timer, channel
        self.mode, self.period, self.unit = ONE_SHOT, 1000, UNIT_MS
        self.callback = self.arg = L.NONE
        self.priority, self.div = 1, 0
        self.word = 0
        self.active = False
        self.due_ns: int | None = None
        self._alarm: Alarm | None = None

    @property
    def interval_ns(self) -> int:
        return self.period * 1000 ** self.unit

    def run(self) -> None:
        """Count from now."""
        self.halt()
        vm = self.vm
        vm.account()
        self.due_ns = vm.clock.now_ns + max(self.interval_ns, 1)
        vm.running_timers.append(self)
        vm.keep(self.word)
        self._set_alarm()

    def halt(self) -> None:
        """Stop counting."""
        vm = self.vm
        if self.due_ns is None:
            return
        self.due_ns = None
        vm.running_timers.remove(self)
        vm.release(self.word)
        if self._alarm is not None:
            vm.clock.cancel(self._alarm)
            self._alarm = None

    def _set_alarm(self) -> None:
        self._alarm = self.vm.clock.alarm(self.due_ns, self._fire)
        self.vm.look_soon()

    def _fire(self) -> None:
        self._alarm = None
        if self.due_ns is None:
            return
        schedule(self.vm, self.callback, self.word)
        if self.mode == ONE_SHOT:
            self.active = False
            self.halt()
        else:
            self.due_ns += max(self.interval_ns, 1)
            self._set_alarm()

    def __getstate__(self):
        return {**vars(self), "_alarm": None}

    def __setstate__(self, state):
        vars(self).update(state)
        if self.due_ns is not None:
            self._set_alarm()


def _problem(t: TimerState, pll0: int) -> bool:
    """Is the period one that the counter cannot count?"""
    if not (0 <= t.div <= LONGEST_DIV and 0 <= t.unit < N_UNITS) or not 0 <= t.period < MOST_TICKS:
        return True
    ticks = pll0 / 2 ** (t.div + 1) * (t.interval_ns / 1e9)
    return ticks < 1 or ticks > MOST_TICKS


def _init(vm, o: int, args, kw) -> None:
    t: TimerState = vm.host(o)
    (t.mode, t.period, t.unit, callback, arg, start, t.priority, t.div) = vm.parse_args(
        args, kw, _TIMER_ARGS)
    _refer(vm, o, callback, arg)
    if not 0 <= t.mode < N_MODES:
        raise vm.error("ValueError", "[MAIXPY]Timer:Invalid mode", formatted=False)
    if t.mode != PWM_MODE:
        if callable_.fn(vm, t.callback) == L.FALSE:
            raise vm.error("ValueError", "[MAIXPY]Timer:Invalid callback", formatted=False)
        if not 1 <= t.priority <= 7:
            raise vm.error("ValueError", "[MAIXPY]Timer:Invalid priority", formatted=False)
    if _problem(t, vm.rates.pll0):
        raise vm.error("ValueError", "[MAIXPY]Timer:Invalid period or div", formatted=False)
    if t.mode == PWM_MODE:
        return
    # The hardware has one counter for each channel: a former object's one is taken over.
    for other in list(vm.running_timers):
        if (other.timer, other.channel) == (t.timer, t.channel):
            other.halt()
    if start:
        t.active = True
        t.run()


def _refer(vm, o: int, callback: int, arg: int) -> None:
    """Store the two objects where the collector finds them: in the timer's block."""
    t = vm.host(o)
    t.callback, t.arg = callback, arg
    vm.memory.set_word(o + 40, callback)
    vm.memory.set_word(o + 48, arg)


@checked
class TimerType(GuestType):
    name = "Timer"

    def print(self, vm, o, kind):
        t = vm.host(o)
        unit = UNIT_NAMES[t.unit] if 0 <= t.unit < N_UNITS else UNIT_NAMES[0]
        return ("[MAIXPY]Timer:(%x) timer=%d, channel=%d, mode=%d, period=%d%s, priority=%d, "
                "div=%d, callback=%x, arg=%x" % (
                    o, t.timer, t.channel, t.mode, t.period, unit, t.priority, t.div, t.callback,
                    t.arg))

    def make_new(self, vm, type_word, args, kw):
        vm.check_args(_MADE, len(args), len(kw))
        timer, channel = vm.get_int(args[0]), vm.get_int(args[1])
        o = vm.new_host_object(self, TimerState(vm, timer, channel), TIMER_BYTES)
        vm.host(o).word = o
        if not (0 <= timer < N_TIMERS and 0 <= channel < N_CHANNELS):
            raise vm.error("ValueError", "[MAIXPY]Timer:Invalid timer", formatted=False)
        _init(vm, o, args[2:], kw)
        return o

    @method(3, kw=True)
    def init(vm, args, kw):
        """Declared with three positional arguments in the firmware, of which it takes none: it
        can only fail."""
        _init(vm, args[0], args[1:], kw)

    @method(1, name="__del__")
    def delete(vm, self):
        vm.host(self).halt()

    @method(1)
    def deinit(vm, self):
        vm.host(self).halt()
        vm.host(self).active = True

    @method(2)
    def callback(vm, self, function):
        _refer(vm, self, function, vm.host(self).arg)

    @method(1, 3)
    def period(vm, self, *new):
        t = vm.host(self)
        if len(new) == 2:
            unit = vm.get_int(new[1])
            if not 0 <= unit < N_UNITS:
                raise vm.error("ValueError", "[MAIXPY]Timer:unit error", formatted=False)
            t.unit = unit
        if new:
            t.period = vm.get_int(new[0])
            if t.due_ns is not None:
                t.run()
        return vm.new_int(t.period)

    @method(1)
    def start(vm, self):
        t = vm.host(self)
        if not t.active:
            t.run()
        t.active = True

    @method(1)
    def stop(vm, self):
        vm.host(self).halt()
        vm.host(self).active = False

    @method(1)
    def restart(vm, self):
        vm.host(self).run()
        vm.host(self).active = True

    @method(1)
    def callback_arg(vm, self):
        return vm.host(self).arg

    constants = {
        "TIMER0": 0, "TIMER1": 1, "TIMER2": 2,
        "CHANNEL0": 0, "CHANNEL1": 1, "CHANNEL2": 2, "CHANNEL3": 3,
        "MODE_ONE_SHOT": ONE_SHOT, "MODE_PERIODIC": PERIODIC, "MODE_PWM": PWM_MODE,
        "UNIT_S": UNIT_S, "UNIT_MS": UNIT_MS, "UNIT_US": UNIT_US, "UNIT_NS": UNIT_NS,
    }  # fmt: skip


# --- PWM -----------------------------------------------------------------------------------------
class PwmState:
    """Channel, frequency in Hz as the counter can do it, duty in percent, pad or -1."""

    def __init__(self, timer: int, channel: int):
        self.timer, self.channel = timer, channel
        self.freq = self.duty = 0.0
        self.pin = -1
        self.active = self.running = False


def _reached(vm, freq: float) -> float:
    """The frequency the counter gives for a wanted one."""
    rate = vm.rates.pll0 / TIMER_CLOCK_SHARE
    return rate / max(int(rate / freq), 1)


def _frequency(vm, word: int) -> float:
    freq = vm.get_float(word)
    if freq <= 0:
        raise vm.error("ValueError", "[MAIXPY]PWM:Invalid freq", formatted=False)
    return freq


def _duty(vm, word: int) -> float:
    duty = vm.get_float(word)
    if not 0 <= duty <= 100:
        raise vm.error("ValueError", "[MAIXPY]PWM:Invalid duty", formatted=False)
    return duty


def _pwm_init(vm, o: int, args, kw) -> None:
    freq_word, duty_word, pin, enable = vm.parse_args(args, kw, [
        Arg("freq"), Arg("duty"), Arg("pin", "int", -1), Arg("enable", "bool", True)])
    w: PwmState = vm.host(o)
    w.pin = pin
    if pin != -1:
        if not 0 <= pin <= 47:
            raise vm.error("ValueError", "[MAIXPY]PWM:Invalid pin number", formatted=False)
        vm.pins.set_function(pin, FUNCTIONS["TIMER0_TOGGLE1"] + 4 * w.timer + w.channel)
    freq, duty = vm.get_float(freq_word), vm.get_float(duty_word)
    _frequency(vm, freq_word)
    _duty(vm, duty_word)
    w.freq, w.duty = _reached(vm, freq), duty
    w.active = w.running = enable


@checked
class PwmType(GuestType):
    """Frequency and duty are kept and shown; no wave is drawn on the pad."""

    name = "PWM"

    def print(self, vm, o, kind):
        w = vm.host(o)
        return "[MAIXPY]PWM:(%x) timer=%d, channel=%d, freq=%.0f, duty=%.2f, enabled=%d" % (
            o, w.timer, w.channel, w.freq, w.duty, w.active)

    def make_new(self, vm, type_word, args, kw):
        vm.check_args(_PWM_MADE, len(args), len(kw))
        if not vm.is_instance_of(args[0], TimerType):
            raise vm.error("TypeError", "k210sim: '%s' is no Timer; the board does not check"
                           % vm.type_name(args[0]))
        timer = vm.host(args[0])
        o = vm.new_host_object(self, PwmState(timer.timer, timer.channel), PWM_BYTES)
        _pwm_init(vm, o, args[1:], kw)
        return o

    @method(1, kw=True)
    def init(vm, args, kw):
        _pwm_init(vm, args[0], args[1:], kw)

    @method(1)
    def deinit(vm, self):
        vm.host(self).active = vm.host(self).running = False

    @method(1, name="__del__")
    def delete(vm, self):
        vm.host(self).active = vm.host(self).running = False

    @method(1, 2)
    def freq(vm, self, *new):
        w = vm.host(self)
        if not new:
            return vm.new_int(int(w.freq))
        w.freq = _reached(vm, _frequency(vm, new[0]))
        return vm.new_float(w.freq)

    @method(1, 2)
    def duty(vm, self, *new):
        w = vm.host(self)
        if not new:
            return vm.new_int(int(w.duty))
        w.duty = _duty(vm, new[0])
        return vm.new_float(w.duty)

    @method(1, 2)
    def enable(vm, self, *on):
        vm.host(self).running = not on or vm.get_int(on[0]) != 0

    @method(1)
    def disable(vm, self):
        vm.host(self).running = False


def start(vm) -> None:
    """All timers stand still."""
    for timer in list(getattr(vm, "running_timers", [])):
        timer.due_ns = None
        timer.active = False
    vm.running_timers = []
