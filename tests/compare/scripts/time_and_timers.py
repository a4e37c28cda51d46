# time, machine.Timer and its callbacks, in steps that do not depend on how fast lines run.
import time
from machine import Timer

print(
    time.ticks_diff(10, 3),
    time.ticks_diff(3, 10),
    time.ticks_add(0, 5),
    time.ticks_diff(time.ticks_add(0, -1), 0),
    time.ticks_add(2**30 - 1, 1),
)
t = time.ticks_ms()
time.sleep_ms(50)
d = time.ticks_diff(time.ticks_ms(), t)
print(50 <= d <= 52, d >= 50)
t = time.ticks_us()
time.sleep_us(500)
print(500 <= time.ticks_diff(time.ticks_us(), t) < 1500)
t = time.ticks_ms()
time.sleep(0.1)
print(100 <= time.ticks_diff(time.ticks_ms(), t) <= 102)
print(
    time.localtime(0),
    time.localtime(86400 * 366),
    time.mktime((2001, 2, 3, 4, 5, 6, 0, 0)),
    time.set_time((2020, 5, 6, 7, 8, 9, 0, 0)),
    time.localtime()[:5],
)
ticks = []
timer = Timer(
    Timer.TIMER0,
    Timer.CHANNEL0,
    mode=Timer.MODE_PERIODIC,
    period=50,
    callback=lambda t: ticks.append(1),
    start=False,
)
print(timer.period(), dir(timer))
timer.start()
time.sleep_ms(275)
timer.stop()
print(len(ticks))
time.sleep_ms(100)
print(len(ticks), timer.restart(), time.sleep_ms(125), len(ticks))
timer.deinit()
once = []
timer = Timer(
    Timer.TIMER1,
    Timer.CHANNEL2,
    mode=Timer.MODE_ONE_SHOT,
    period=20,
    callback=lambda t: once.append(t is not None),
)
time.sleep_ms(100)
print(once)
timer.deinit()
for what in (
    "Timer(5, 0)",
    "Timer(Timer.TIMER0, 9)",
    "Timer(Timer.TIMER0, Timer.CHANNEL0, period=0)",
    "Timer(Timer.TIMER0, Timer.CHANNEL0, mode=9)",
    "Timer(Timer.TIMER0, Timer.CHANNEL0, callback=5)",
    "Timer()",
    "time.sleep(-1)",
    "time.sleep_ms('a')",
    "time.mktime(1)",
    "time.localtime('x')",
    "time.foo",
):
    try:
        print(what, eval(what))
    except Exception as e:
        print(what, type(e).__name__, e)
