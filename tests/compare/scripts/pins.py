# FPIOA, GPIO, PWM, and what the managers say.
from fpioa_manager import fm
from board import board_info
from machine import PWM, Timer
from Maix import FPIOA, GPIO

f = FPIOA()
print(
    fm.register(12, fm.fpioa.GPIO0),
    fm.register(13, fm.fpioa.GPIOHS5, force=True),
    f.get_Pin_num(fm.fpioa.GPIO0),
    f.get_Pin_num(fm.fpioa.GPIOHS5),
)
led = GPIO(GPIO.GPIO0, GPIO.OUT)
print(led, led.value(1), led.value(), led.value(0), led.value())
key = GPIO(GPIO.GPIOHS5, GPIO.IN, GPIO.PULL_UP)
print(key, key.value(), GPIO(GPIO.GPIOHS5, GPIO.IN, GPIO.PULL_DOWN).value())
hits = []
pin = GPIO(GPIO.GPIOHS5, GPIO.OUT)
print(pin.value(0), pin.value())
print(fm.register(12, fm.fpioa.GPIO1), fm.unregister(12))
try:
    board_info.pin_map
except Exception as e:
    print(type(e).__name__, e)
tim = Timer(Timer.TIMER0, Timer.CHANNEL0, mode=Timer.MODE_PWM)
pwm = PWM(tim, freq=500000, duty=50, pin=14)
print(
    pwm.freq(), pwm.duty(), pwm.duty(25), pwm.freq(1000), pwm.disable(), pwm.enable(), pwm.deinit()
)
for what in (
    "GPIO(99)",
    "led.value(2)",
    "led.foo",
    "fm.register(99, fm.fpioa.GPIO0)",
    "fm.register(12, 999)",
    "f.set_function(99, 1)",
    "f.set_function(5, 999)",
    "f.get_Pin_num(300)",
    "f.help(f.GPIO0)",
    "PWM(tim, freq=0, duty=50, pin=14)",
    "PWM(tim, freq=1000, duty=200, pin=14)",
    "GPIO(GPIO.GPIO0, GPIO.OUT, GPIO.PULL_UP)",
):
    try:
        print(what, eval(what))
    except Exception as e:
        print(what, type(e).__name__, e)
