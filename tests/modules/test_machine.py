"""`machine`, `Maix`, `fpioa_manager`, `board` and the pins behind them."""

from __future__ import annotations

import json
import time

import pytest
from files_vm import Machine, SystemWasReset

from k210sim import Board, pins
from k210sim.modules import machine_wdt, settings
from k210sim.modules.maix_pins import FUNCTION_NAMES, FUNCTIONS, description


@pytest.fixture
def machine():
    return Machine()


def failure(text: str) -> str:
    return text.rstrip("\n").rpartition("\n")[2]


# --- pins ----------------------------------------------------------------------------------------
def test_function_numbers():
    assert len(FUNCTION_NAMES) == len(FUNCTIONS) == 204
    assert [FUNCTIONS[n] for n in ("JTAG_TCLK", "GPIOHS0", "GPIO7", "RESV0", "SCCB_SDA",
                                   "UART3_RS485_EN", "CLK_I2C2")] == [0, 24, 63, 120, 147, 189, 203]
    assert description("I2S2_OUT_D3") == "I2S2 Serial Data Output 3"
    assert all(len(description(name)) <= 32 for name in FUNCTION_NAMES)


def test_a_function_sits_on_one_pad():
    p = pins.Pins()
    assert p.set_function(8, FUNCTIONS["GPIOHS3"]) and p.set_function(9, FUNCTIONS["GPIOHS3"])
    assert (p.functions[8], p.pad_of(FUNCTIONS["GPIOHS3"])) == (pins.RESV0, 9)
    assert not p.set_function(48, 0) and not p.set_function(0, 256)


def test_inputs_read_the_pad_and_outputs_themselves():
    p = pins.Pins()
    p.set_function(8, pins.gpio_function(3))
    p.set_mode(3, pins.PULL_UP)
    assert p.read(3) == 1
    p.drive(8, 0)
    assert p.read(3) == p.level(8) == 0
    p.drive(8, None)
    assert p.read(3) == 1
    p.set_mode(3, pins.OUTPUT)
    p.write(3, 0)
    assert p.level(8) == 0
    with pytest.raises(ValueError, match="pad 48"):
        p.drive(48, 1)


def test_edges_asked_for_are_told():
    p, seen = pins.Pins(), []
    p.on_edge = seen.append
    p.set_function(8, pins.gpio_function(3))
    for trigger, levels in ((pins.RISING, 2), (pins.FALLING, 1), (pins.BOTH, 4)):
        p.set_trigger(3, trigger)
        seen.clear()
        for level in ((1, 0, 1), (0, 1), (1, 0, 1, 0))[trigger - 1 if trigger < 3 else 2]:
            p.drive(8, level)
        assert len(seen) == {pins.RISING: 1, pins.FALLING: 1, pins.BOTH: 4}[trigger], levels
        p.drive(8, 0)


def test_pin_interrupts_call_back(machine):
    machine.run(
        "from fpioa_manager import fm\nfrom Maix import GPIO\nhits = []\n"
        "def cb(pin): hits.append((pin, pin.value()))\n"
        "fm.register(8, fm.fpioa.GPIOHS5)\nkey = GPIO(GPIO.GPIOHS5, GPIO.IN, GPIO.PULL_UP)\n"
        "irq = key.irq(cb, GPIO.IRQ_FALLING)\n")
    machine.vm.pins.drive(8, 0)
    machine.vm.pins.drive(8, 1)
    assert machine.run("print(hits)") == "[(Pin(5), 1)]\n"
    machine.vm.pins.drive(8, 0)
    assert machine.run("print(hits[1:])\nkey.disirq()") == "[(Pin(5), 0)]\n"
    machine.vm.pins.drive(8, 1)
    machine.vm.pins.drive(8, 0)
    assert machine.run("print(len(hits))") == "2\n"


def test_gpio_objects_and_refusals(machine):
    assert machine.run(
        "from Maix import GPIO\n"
        "a = GPIO(GPIO.GPIO0, GPIO.OUT, value=1)\n"
        "print(a, a is GPIO(32), a.value(), a.mode(), GPIO(3), a(0), a())\n"
        "def t(f):\n    try: print(f())\n    except ValueError as e: print(e)\n"
        "t(lambda: GPIO(40)); t(lambda: a.init(GPIO.IN, 7)); t(lambda: a.mode(9))\n"
        "t(lambda: GPIO(1).irq(print, GPIO.IRQ_BOTH, wake=1)); t(lambda: a.irq().trigger())\n"
    ) == ("Pin(0) True 1 3 Pin(3) None 0\ninvalid pin\nthis mode not support.\narg error\n"
          "This platform does not support interrupt wakeup\n"
          "Reading this property is not supported\n")


def test_fm(machine):
    assert machine.run(
        "from fpioa_manager import fm\n"
        "fm.register(10, fm.fpioa.GPIO1); fm.register(10, fm.fpioa.GPIO1)\n"
        "try: fm.register(11, fm.fpioa.GPIO1, force=False)\nexcept Exception as e: print(repr(e))\n"
        "fm.register(11, fm.fpioa.GPIO1)\n"
        "print(fm.get_pin_by_function(fm.fpioa.GPIO1), fm.str_function(30), fm.str_function(3))\n"
        "fm.unregister(11); print(fm.get_pin_by_function(fm.fpioa.GPIO1))\n"
        "print(len(fm.get_gpio_used()), fm.fpioa, fm.fpioa.get_Pin_num(18))\n"
    ) == ("Exception('[Warning] function is used by fm.fpioa.GPIO1(pin:10)',)\n"
          "[Warning] function is used by fm.fpioa.GPIO1(pin:10)\n"
          "11 fm.fpioa.GPIOHS6 unknown\nNone\n40 <FPIOA> 4\n")


def test_fpioa_refusals(machine):
    text = machine.run(
        "from Maix import FPIOA\nf = FPIOA()\n"
        "def t(*a, **k):\n    try: print(f.set_function(*a, **k))\n"
        "    except Exception as e: print(repr(e))\n"
        "t(49, 0); t(0, 205); t(48, 0); t(3, 24, set_io_driving=16); t(pin=3, func=24)\n")
    assert text == ("ValueError(\"Don't have this Pin\",)\n"
                    "ValueError('This function is invalid',)\n"
                    "[Maix]:Opps!Can not set fpioa\nOSError(5,)\n"
                    "ValueError('set_io_driving > FPIOA_DRIVING_MAX',)\nTrue\n")


# --- settings ------------------------------------------------------------------------------------
def test_board_info_comes_from_config_json(machine):
    machine.vm.vfs.write_file(
        "/flash/config.json", json.dumps({"board_info": {"LED_R": 13}, "x": 5}).encode())
    assert machine.run(
        "from Maix import config\nprint(config.get_value('x', 1), config.get_value('y', 7))\n"
        "from board import board_info\nprint(board_info.LED_R, hasattr(board_info, 'BOOT_KEY'))\n"
    ) == "5 7\n13 False\n"


def test_a_broken_config_json_is_shown(machine):
    machine.vm.vfs.write_file("/flash/config.json", b"{nonsense")
    text = machine.run("from Maix import config\nprint(config.get_value('x', 1))")
    assert text.endswith("ValueError: syntax error in JSON\n1\n")


def test_heap_size_is_kept_and_limited(machine):
    assert machine.run("from Maix import utils\nutils.gc_heap_size(0x30000)\n"
                       "print(utils.gc_heap_size())") == "196608\n"
    assert settings.load_freq_conf(machine.vm.flash_volume, print).gc_heap_size == 0x30000


def test_freq_conf_is_made_and_cut_to_its_limits(machine):
    volume = machine.vm.flash_volume
    assert settings.read_freq_conf(volume) is None
    conf = settings.load_freq_conf(volume, print)
    assert conf == settings.read_freq_conf(volume) == settings.FreqConf()
    assert volume.stat(settings.FREQ_CONF).size == 16
    settings.save_freq_conf(volume, settings.FreqConf(
        freq_cpu=1, freq_pll1=0xFFFFFFFF, kpu_div=0, gc_heap_size=0))
    conf = settings.load_freq_conf(volume, print)
    assert (conf.freq_cpu, conf.freq_pll1, conf.kpu_div, conf.gc_heap_size) == (
        26_000_000, 1_200_000_000, 1, 524288)


def test_rates_of_the_known_settings():
    rates = settings.rates_of(settings.FreqConf())
    assert (rates.pll0, rates.pll1, rates.cpu, rates.kpu) == (
        806_000_000, 398_666_666, 403_000_000, 398_666_666)
    assert settings.rates_of(settings.FreqConf(freq_cpu=364_000_000)).pll0 == 728_000_000


def test_a_heap_without_room_falls_back():
    said = []
    heap = settings.make_system_heap()
    assert settings.take_gc_heap(heap, 4 << 20, said.append) == (
        settings.GC_HEAP_START, settings.GC_HEAP_FALLBACK)
    assert said == ["GC heap size 4194304 is too large, reset GC heap size\r\n",
                    "GC size 128k\r\n"]


def test_changing_rates_resets(machine):
    with pytest.raises(SystemWasReset):
        machine.run("from Maix import freq\nfreq.set(cpu=500, kpu_div=2)")
    assert bytes(machine.out) == b"\r\nreboot now\r\n"
    conf = settings.read_freq_conf(machine.vm.flash_volume)
    assert (conf.freq_cpu, conf.kpu_div) == (500_000_000, 2)


def test_rates_out_of_range(machine):
    assert failure(machine.run("from Maix import freq\nfreq.set(cpu=601)")) == \
        "OSError: Unsupported CPU frequency!"
    assert failure(machine.run("freq.set(pll1=1200)")) == "OSError: Unsupported KPU frequency!"
    assert machine.run("print(freq.get(), freq.get_cpu(), freq.get_kpu())") == \
        "(403, 398) 403 398\n"


def test_reading_the_flash_chip(machine):
    machine.board.flash.program(0x300000, b"hello")
    assert machine.run("from Maix import utils\n"
                       "print(utils.flash_read(0x300000, 5), utils.flash_read(0xfffffe, 4)[2:])"
                       ) == "b'hello' b'\\xff\\xff'\n"


# --- timers --------------------------------------------------------------------------------------
def test_a_periodic_timer_calls_back_until_it_is_stopped(machine):
    assert machine.run(
        "from machine import Timer\nimport utime\nn = []\n"
        "t = Timer(Timer.TIMER0, Timer.CHANNEL3, mode=Timer.MODE_PERIODIC, period=10,\n"
        "          callback=lambda t: n.append(t.callback_arg()), arg='x')\n"
        "utime.sleep_ms(55); t.stop(); utime.sleep_ms(50); print(n)\n"
        "t.period(100); t.start(); utime.sleep_ms(250); print(len(n)); t.deinit()\n"
    ) == "['x', 'x', 'x', 'x', 'x']\n7\n"


@pytest.mark.parametrize("sleep_ms, called", [(29, [29]), (30, [20]), (45, [20, 45])])
def test_in_the_last_ten_milliseconds_of_a_sleep_nobody_is_called(machine, sleep_ms, called):
    """As on the booted v0.6.3."""
    assert machine.run(
        "import time\nfrom machine import Timer\ntimes = []; start = time.ticks_ms()\n"
        "t = Timer(0, 0, period=20, mode=Timer.MODE_PERIODIC,"
        " callback=lambda t: times.append(time.ticks_ms()))\n"
        f"time.sleep_ms({sleep_ms}); t.deinit()\nfor i in range(9): pass\n"
        "print([n - start for n in times])\n"
    ) == f"{called}\n"


def test_a_one_shot_timer_calls_back_once_even_when_nobody_holds_it(machine):
    assert machine.run(
        "from machine import Timer\nimport utime, gc\nn = []\n"
        "Timer(1, 0, mode=Timer.MODE_ONE_SHOT, period=20, callback=lambda t: n.append(1))\n"
        "gc.collect(); x = [0] * 500; utime.sleep_ms(100); print(n)\n") == "[1]\n"


def test_a_timer_interrupts_a_loop_that_computes(machine):
    assert machine.run(
        "from machine import Timer\nn = []\n"
        "Timer(2, 1, mode=Timer.MODE_PERIODIC, period=50, callback=lambda t: n.append(1))\n"
        "while len(n) < 3: pass\nprint(len(n))\n") == "3\n"


def test_a_fast_timer_is_served_on_time_while_the_program_computes(machine):
    late, count = machine.run(
        "from machine import Timer\nimport utime\nat = []\nstart = utime.ticks_us()\n"
        "t = Timer(2, 1, mode=Timer.MODE_PERIODIC, period=1,\n"
        "          callback=lambda t: at.append(utime.ticks_us()))\n"
        "while utime.ticks_us() - start < 50000: pass\nt.stop()\n"
        "print(max(b - a for a, b in zip(at, at[1:])), len(at))\n").split()
    assert int(count) >= 48 and int(late) < 1200


def test_an_exception_in_a_callback_is_printed_and_dropped(machine):
    text = machine.run(
        "from machine import Timer\nimport utime\n"
        "Timer(2, 1, period=5, callback=lambda t: 1 / 0)\nutime.sleep_ms(20)\nprint('on')\n")
    assert text.startswith("Traceback") and text.endswith("divide by zero\non\n")


@pytest.mark.parametrize("call, message", [
    ("Timer(3, 0)", "Invalid timer"), ("Timer(0, 4)", "Invalid timer"),
    ("Timer(0, 0, mode=3)", "Invalid mode"), ("Timer(0, 0)", "Invalid callback"),
    ("Timer(0, 0, callback=print, priority=8)", "Invalid priority"),
    ("Timer(0, 0, callback=print, period=0)", "Invalid period or div"),
    ("Timer(0, 0, callback=print, period=11, unit=3)", "Invalid period or div"),
    ("Timer(0, 0, callback=print, div=256)", "Invalid period or div"),
])
def test_timer_refusals(machine, call, message):
    assert failure(machine.run("from machine import Timer\n" + call)) == \
        "ValueError: [MAIXPY]Timer:" + message


def test_a_soft_reset_stops_timers(machine):
    machine.run("from machine import Timer\nTimer(0, 0, mode=1, period=1, callback=print)")
    machine.restart()
    assert machine.run("import utime\nutime.sleep_ms(20)\nprint('quiet')") == "quiet\n"


def test_pwm(machine):
    text = machine.run(
        "from machine import Timer, PWM\n"
        "p = PWM(Timer(0, 2, mode=Timer.MODE_PWM), freq=500000, duty=50, pin=8)\n"
        "print(p); print(p.freq(), p.duty(25), p.freq(300000))\n")
    assert "timer=0, channel=2, freq=500000, duty=50.00, enabled=1\n" in text
    assert text.endswith("\n500000 25.0 300074.5\n")
    assert machine.vm.pins.functions[8] == FUNCTIONS["TIMER0_TOGGLE3"]


# --- serial lines, buses, watchdogs --------------------------------------------------------------
def test_uart_speaks_with_the_host(machine):
    assert machine.run(
        "from machine import UART\nu = UART(UART.UART2, 9600, 8, 0, 1.5, read_buf_len=8)\n"
        "print(u, u.read(), u.readchar(), u.write('to host'))\n"
    ) == "[MAIXPY]UART2:( baudrate=9600, bits=8, parity=None, stop=1.5) None -1 7\n"
    line = machine.vm.uart_lines[1]
    assert bytes(line.sent) == b"to host"
    line.feed(b"one\ntwo\nand too much")
    assert machine.run("print(u.any(), u.readline(), u.readchar(), u.read(), u.any())") == \
        "8 b'one\\n' 116 b'wo\\n' 0\n"


@pytest.mark.parametrize("call, message", [
    ("UART(3)", "true:does not exist"), ("UART(1, -1)", ":invalid baudrate"),
    ("UART(1, 9600, 9)", ":invalid data bits"), ("UART(1, 9600, 8, 3)", ":invalid parity"),
    ("UART(1, 9600, 8, 0, 3)", ":invalid stop bits"), ("UART(4, 9600, 7)", ":invalid param"),
])
def test_uart_refusals(machine, call, message):
    assert failure(machine.run("from machine import UART\n" + call)) == \
        "ValueError: [MAIXPY]UART" + message


class Register:
    """An I2C device with 256 bytes of memory."""

    def __init__(self):
        self.memory, self.at = bytearray(256), 0

    def write(self, data):
        self.at = data[0]
        self.memory[self.at : self.at + len(data) - 1] = data[1:]

    def read(self, n):
        return self.memory[self.at : self.at + n]


def test_i2c_with_and_without_a_device(machine):
    machine.run("from machine import I2C\ni = I2C(I2C.I2C1, scl=28, sda=29)")
    assert machine.run("print(i.scan())") == "[]\n"
    assert failure(machine.run("i.writeto(0x20, b'x')")) == "OSError: [Errno 5] EIO"
    machine.vm.i2c_devices[1, 0x20] = Register()
    assert machine.run(
        "i.writeto_mem(0x20, 4, b'abc'); i.writeto_mem(0x20, 7, 0x64); b = bytearray(2)\n"
        "print(i.scan(), i.readfrom_mem(0x20, 4, 4), i.writeto(0x20, b'\\x05'),\n"
        "      i.readfrom(0x20, 2), i.readfrom_into(0x20, b), b)\n"
    ) == "[32] b'abcd' 1 b'bc' 2 bytearray(b'bc')\n"


def test_bus_refusals(machine):
    assert failure(machine.run("from machine import I2C, SPI\nI2C(9)")) == \
        "ValueError: [MAIXPY]I2C: I2C(9) doesn't exist"
    assert failure(machine.run("I2C(0, addr_size=8)")) == \
        "ValueError: [MAIXPY]I2C: addr size error!"
    assert failure(machine.run("SPI(1, bits=40)")) == \
        "ValueError: [MAIXPY]SPI: bits should be 4~32"
    assert failure(machine.run("SPI(1).read(3)")) == \
        "OSError: k210sim: machine.SPI.read() is not simulated"


def test_a_watchdog_that_is_fed_does_not_bite(machine):
    assert machine.run(
        "from machine import WDT\nimport utime\nw = WDT(0, 50)\n"
        "for i in range(5):\n    utime.sleep_ms(30); w.feed()\n"
        "w.stop(); utime.sleep_ms(200); print('alive')\n") == "alive\n"


def test_a_watchdog_calls_back_and_then_bites(machine):
    with pytest.raises(SystemWasReset):
        machine.run("from machine import WDT\nimport utime\n"
                    "w = WDT(1, 50, lambda w: print(w.context()), 'ctx')\nutime.sleep_ms(500)")
    assert bytes(machine.out) == b"ctx\n"
    assert machine.board.firmware.reset_cause == 3


def test_timers_and_watchdogs_run_at_the_prompt():
    with Board(clock="real") as board:
        assert board.exec("from machine import Timer, WDT\nn = []\n"
                          "t = Timer(0, 0, mode=1, period=20, callback=lambda t: n.append(1))").ok
        time.sleep(0.3)
        assert int(board.exec("t.stop()\nprint(len(n))").stdout) >= 9
        board.serial.clear()
        assert board.exec("w = WDT(0, 50)").ok
        board.expect(rb"init end[\s\S]*>>> $")
        assert board.exec("import machine\nprint(machine.reset_cause())").stdout == "2\n"


def test_reset(machine):
    with pytest.raises(SystemWasReset):
        machine.run("import machine\nprint(machine.reset_cause())\nmachine.reset()")
    assert bytes(machine.out) == b"0\n" and machine.board.firmware.reset_cause == 1


# --- names ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("call", [
    "Maix.FFT.run(b'')", "Maix.I2S(0)", "Maix.MIC_ARRAY.init()", "audio.Audio()",
    "video.open('x.avi')", "touchscreen.init()", "nes.init()", "network.ESP8285(1)",
    "modules.ws2812(8, 2)", "_webrepl.password('x')",
])
def test_what_is_not_simulated_says_so(machine, call):
    module = call.split(".")[0]
    events = []
    machine.vm.on_event = lambda kind, value: events.append((kind, value))
    name = call.split("(")[0]
    assert failure(machine.run("import %s\n%s" % (module, call))) == \
        "OSError: k210sim: %s() is not simulated" % name
    assert events == [("not_simulated", name + "()")]


def test_sockets_without_a_network(machine):
    assert machine.run(
        "import socket, network\ns = socket.socket()\n"
        "def t(f):\n    try: print(f())\n    except OSError as e: print(e)\n"
        "t(lambda: s.connect(('10.0.0.1', 80))); t(lambda: s.send(b'x')); t(lambda: s.recv(1))\n"
        "t(lambda: s.close()); print(network.route())\n"
    ) == "no available NIC\n32\n[Errno 128] ENOTCONN\nNone\n[]\n"


def test_sockets_are_numbered_and_no_number_comes_back(machine):
    assert machine.run(
        "import socket\nfor n in range(3): s = socket.socket(); print(s); s.close()\n"
        "try:\n  while True: n += 1; socket.socket()\nexcept OSError as e: print(n, e)\n"
    ) == "".join(
        f"<usocket.socket fd={n}, family=2, type=1>\n" for n in range(3)
    ) + "128 [Errno 12] ENOMEM\n"


def test_fft_helpers(machine):
    assert machine.run(
        "from Maix import FFT\nprint(FFT.freq(64, 16000)[:3], FFT.amplitude([(3, 4)]))"
    ) == "[0, 250, 500] [10]\n"


@pytest.mark.parametrize("call", [
    "machine.Timer.stop(5)", "machine.PWM.freq(None)", "machine.UART.any(machine)",
    "machine.I2C.scan('x')", "machine.SPI.deinit([])", "machine.WDT.feed(5)",
    "Maix.GPIO.value(5)", "socket.socket.send(5, b'')", "_thread.LockType.acquire(5)",
    "machine.Timer.init(5, 1, 2)", "machine.UART.readchar(time.clock())",
])
def test_methods_refuse_foreign_receivers(machine, call):
    text = machine.run("import machine, Maix, socket, _thread, time\n" + call)
    assert failure(text).startswith("TypeError: k210sim: ")


def test_classes_derived_from_native_ones(machine):
    assert machine.run(
        "from machine import UART\nclass Line(UART):\n    def twice(self): return self.any() * 2\n"
        "u = Line(1)\nprint(u.twice(), u.readchar())\n") == "0 -1\n"


@pytest.mark.parametrize("asked, waited", [
    (1, 5), (5, 5), (10, 5), (50, 40), (200, 161), (1000, 645), (5000, 2581), (10**9, 165_191),
])
def test_watchdog_periods_are_those_of_the_chip(asked, waited):
    """What the booted v0.6.3 waits, to a millisecond, up to 5000."""
    assert machine_wdt.period_ns(asked) // 1_000_000 == waited
