# A pad that its own pull turns: levels and interrupts.
import time

from fpioa_manager import fm
from Maix import GPIO

fm.register(21, fm.fpioa.GPIOHS4)
hits = []
for pull in (GPIO.PULL_UP, GPIO.PULL_DOWN, GPIO.PULL_UP):
    pin = GPIO(GPIO.GPIOHS4, GPIO.IN, pull)
    pin.irq(lambda p: hits.append(p.value()), GPIO.IRQ_BOTH, GPIO.WAKEUP_NOT_SUPPORT, 7)
    time.sleep_ms(20)
    print(pin.value(), hits)
pin.disirq()
print(fm.str_function(fm.fpioa.GPIOHS4), fm.get_pin_by_function(fm.fpioa.GPIOHS4))
