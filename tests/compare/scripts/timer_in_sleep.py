# When the callbacks of a 20 ms timer come in a sleep: not in its last 10 ms.
import time
from machine import Timer

for sleep in (5, 19, 21, 29, 31, 45, 75, 105):
    times = []
    start = time.ticks_ms()
    timer = Timer(
        Timer.TIMER0,
        Timer.CHANNEL0,
        mode=Timer.MODE_PERIODIC,
        period=20,
        callback=lambda t: times.append(time.ticks_ms()),
    )
    time.sleep_ms(sleep)
    timer.deinit()
    for i in range(9):
        pass
    print(sleep, [t - start for t in times])
