"""`Maix.FPIOA` (the pin matrix) and `Maix.GPIO`.

Source: MaixPy-v1 v0.6.3 port/src/Maix/Maix_fpioa.c, Maix_gpio.c (messages, checks, the help
table); kendryte SDK fpioa.h (function numbers).
"""

from __future__ import annotations

from k210sim import pins as p
from k210sim.micropython import layout as L
from k210sim.micropython.layout import RAM_BASE
from k210sim.micropython.native import Arg, GuestType, NativeFunction, method
from k210sim.modules.interrupts import schedule
from k210sim.modules.receivers import checked

EIO = 5
LAST_FUNCTION = 204
LONGEST_DRIVING = 15
_ANY = NativeFunction("", None, 1, None, kw=True)
_NONE_OR_ONE = NativeFunction("", None, 0, 1)


def _runs(prefix: str, numbers) -> list[str]:
    return [prefix + str(n) for n in numbers]


def _function_names() -> list[str]:
    """All function names, each at its number."""
    names = ["JTAG_TCLK", "JTAG_TDI", "JTAG_TMS", "JTAG_TDO"]
    names += _runs("SPI0_D", range(8)) + _runs("SPI0_SS", range(4)) + ["SPI0_ARB", "SPI0_SCLK"]
    names += ["UARTHS_RX", "UARTHS_TX", "RESV6", "RESV7", "CLK_SPI1", "CLK_I2C1"]
    names += _runs("GPIOHS", range(32)) + _runs("GPIO", range(8))
    names += [f"UART{n}_{end}" for n in (1, 2, 3) for end in ("RX", "TX")]
    names += _runs("SPI1_D", range(8)) + _runs("SPI1_SS", range(4)) + ["SPI1_ARB", "SPI1_SCLK"]
    names += ["SPI_SLAVE_D0", "SPI_SLAVE_SS", "SPI_SLAVE_SCLK"]
    for n in range(3):
        names += [f"I2S{n}_{end}" for end in (
            "MCLK", "SCLK", "WS", *_runs("IN_D", range(4)), *_runs("OUT_D", range(4)))]
    names += _runs("RESV", range(6))
    names += [f"I2C{n}_{end}" for n in range(3) for end in ("SCLK", "SDA")]
    names += [f"CMOS_{end}" for end in (
        "XCLK", "RST", "PWDN", "VSYNC", "HREF", "PCLK", *_runs("D", range(8)))]
    names += ["SCCB_SCLK", "SCCB_SDA"]
    for n in (1, 2, 3):
        names += [f"UART{n}_{end}" for end in (
            "CTS", "DSR", "DCD", "RI", "SIR_IN", "DTR", "RTS", "OUT2", "OUT1", "SIR_OUT", "BAUD",
            "RE", "DE", "RS485_EN")]
    names += [f"TIMER{n}_TOGGLE{c}" for n in range(3) for c in range(1, 5)]
    return [*names, "CLK_SPI2", "CLK_I2C2"]


FUNCTION_NAMES = _function_names()
FUNCTIONS = {name: number for number, name in enumerate(FUNCTION_NAMES)}

# What the ends of function names stand for in the help table.
_MEANINGS = {
    "TCLK": "Test Clock", "TDI": "Test Data In", "TMS": "Test Mode Select", "TDO": "Test Data Out",
    "ARB": "Arbitration", "SCLK": "Serial Clock", "RX": "Receiver", "TX": "Transmitter",
    "MCLK": "Master Clock", "WS": "Word Select(LRCLK)", "SDA": "Serial Data",
    "CTS": "Clear To Send", "DSR": "Data Set Ready", "DCD": "Data Carrier Detect",
    "RI": "Ring Indicator", "SIR_IN": "Serial Infrared Input", "DTR": "Data Terminal Ready",
    "RTS": "Request To Send", "SIR_OUT": "Serial Infrared Output",
    "BAUD": "Transmit Clock Output", "RE": "Receiver Output Enable",
    "DE": "Driver Output Enable", "RS485_EN": "RS485 Enable",
}  # fmt: skip
_CAMERA = {
    "XCLK": "DVP System Clock", "RST": "DVP System Reset", "PWDN": "DVP Power Down Mode",
    "VSYNC": "DVP Vertical Sync", "HREF": "DVP Horizontal Reference output",
    "PCLK": "Pixel Clock",
}  # fmt: skip
_NUMBERED = (
    ("IN_D", "Serial Data Input"), ("OUT_D", "Serial Data Output"), ("TOGGLE", "Toggle Output"),
    ("OUT", "User-designated Output"), ("SS", "Chip Select"), ("D", "Data"),
)  # fmt: skip


def description(name: str) -> str:
    """What the help table says about a function."""
    unit, _, end = name.partition("_")
    if name.startswith("RESV"):
        return "Reserved function"
    if name.startswith("GPIOHS"):
        return "GPIO High speed " + name[6:]
    if name.startswith("GPIO"):
        return "GPIO pin " + name[4:]
    if unit == "CLK":
        return "Clock " + end
    if unit == "CMOS":
        return _CAMERA.get(end) or "Data Bit " + end[1:]
    if name.startswith("SPI_SLAVE_"):
        return "SPI Slave " + {"D0": "Data 0", "SS": "Select", "SCLK": "Serial Clock"}[end[6:]]
    if unit == "UARTHS":
        unit = "UART High speed"
    if end == "SCLK" and unit.startswith("I2S"):
        return unit + " Serial Clock(BCLK)"
    if end in _MEANINGS:
        return "%s %s" % (unit, _MEANINGS[end])
    prefix, text = next(pair for pair in _NUMBERED if end.startswith(pair[0]))
    return "%s %s %s" % (unit, text, end[len(prefix) :])


# --- FPIOA ---------------------------------------------------------------------------------------
RULE = "+-------------------+----------------------------------+\n"
_FPIOA_BYTES = 8
_SET_ARGS = [Arg("pin", "int", 0), Arg("func", "int", 0), Arg("set_sl", "int", -1),
             Arg("set_st", "int", -1), Arg("set_io_driving", "int", -1)]


class FpioaType(GuestType):
    name = "FPIOA"

    def print(self, vm, o, kind):
        return "<FPIOA>"

    def make_new(self, vm, type_word, args, kw):
        return vm.new_object(type_word, _FPIOA_BYTES)

    @method(0, kw=True)
    def set_function(vm, args, kw):
        pad, function, _, _, driving = vm.parse_args(args[1:], kw, _SET_ARGS)
        pad &= 0xFFFF
        if pad > p.N_PADS:
            raise vm.error("ValueError", "Don't have this Pin")
        if not 0 <= function <= LAST_FUNCTION:
            raise vm.error("ValueError", "This function is invalid")
        if not vm.pins.set_function(pad, function):
            vm.write("[Maix]:Opps!Can not set fpioa\n")
            raise vm.os_error(EIO)
        if driving > LONGEST_DRIVING:
            raise vm.error("ValueError", "set_io_driving > FPIOA_DRIVING_MAX")
        return L.TRUE

    @method(0, kw=True)
    def get_Pin_num(vm, args, kw):  # noqa: N802
        (function,) = vm.parse_args(args[1:], kw, [Arg("func", "int", 0)])
        if not 0 <= function <= LAST_FUNCTION:
            raise vm.error("ValueError", "This function is invalid")
        pad = vm.pins.pad_of(function)
        return L.NONE if pad < 0 else vm.new_int(pad)

    @method(0, kw=True)
    def help(vm, args, kw):
        (function,) = vm.parse_args(args[1:], kw, [Arg("func", "int", LAST_FUNCTION)])
        if function > LAST_FUNCTION:
            vm.write("No this funciton Description\n")
            return L.FALSE
        vm.write(RULE + "|     Function      |            Description           |\n" + RULE)
        names = FUNCTION_NAMES if function == LAST_FUNCTION else [FUNCTION_NAMES[function]]
        for name in names:
            vm.write("|  %-17s|  %-32s|\n" % (name, description(name)) + RULE)
        return L.NONE

    constants = FUNCTIONS


# --- GPIO ----------------------------------------------------------------------------------------
PULL_NONE = -1
_NO_VALUE = 0
_INIT_ARGS = [Arg("mode"), Arg("pull"), Arg("value", "obj", _NO_VALUE, kw_only=True)]
_IRQ_ARGS = [Arg("handler"), Arg("trigger", "int", p.BOTH), Arg("wake"), Arg("priority", "int", 7)]


class GpioState:
    """All GPIO objects of one running firmware: their callbacks and stored modes."""

    def __init__(self, vm):
        self.vm = vm
        self.handlers: dict[int, int] = {}
        self.modes = [p.INPUT] * p.N_GPIO
        vm.pins.on_edge = self.edge

    def edge(self, gpio: int) -> None:
        handler = self.handlers.get(gpio)
        if handler:
            schedule(self.vm, handler, self.vm.gpio_words[gpio])

    def set_handler(self, gpio: int, handler: int) -> None:
        old = self.handlers.pop(gpio, 0)
        if old:
            self.vm.release(old)
        if handler:
            self.handlers[gpio] = self.vm.keep(handler)


def _id(vm, o: int) -> int:
    """GPIO id of a GPIO object, 0..39."""
    if not vm.is_instance_of(o, GpioType):
        raise vm.error("TypeError", "k210sim: '%s' is no Pin; the board does not check"
                       % vm.type_name(o))
    return vm.words[((o - RAM_BASE) >> 3) + 1]


def _init(vm, gpio: int, args, kw) -> None:
    mode, pull, value = vm.parse_args(args, kw, _INIT_ARGS)
    if mode == L.NONE:
        return
    wanted = vm.get_int(mode)
    pulled = PULL_NONE if pull == L.NONE else vm.get_int(pull)
    if pulled != PULL_NONE:
        if wanted == p.OUTPUT:
            raise vm.error("ValueError", "When this pin is in output mode, it is not allowed to "
                           "pull up and down.")
        if pulled not in (p.PULL_UP, p.PULL_DOWN):
            raise vm.error("ValueError", "this mode not support.")
        wanted = pulled
    vm.pins.set_mode(gpio, wanted)
    vm.gpio.modes[gpio] = wanted
    if value != _NO_VALUE:
        vm.pins.write(gpio, vm.is_true(value))


@checked
class IrqType(GuestType):
    """What `GPIO.irq()` gives: a word for the GPIO's id follows the type."""

    name = "IRQ"

    def call(self, vm, o, args, kw):
        vm.check_args(NativeFunction("", None, 0, 0), len(args), len(kw))
        gpio = vm.words[((o - RAM_BASE) >> 3) + 1]
        handler = vm.gpio.handlers.get(gpio)
        if handler:
            schedule(vm, handler, vm.gpio_words[gpio])
        return L.NONE

    @method(1, 2)
    def trigger(vm, self, *edges):
        if not edges:
            raise vm.error("ValueError", "Reading this property is not supported")
        vm.pins.set_trigger(vm.words[((self - RAM_BASE) >> 3) + 1], vm.get_int(edges[0]))


@checked
class GpioType(GuestType):
    """A GPIO unit; the object of each belongs to the firmware image."""

    name = "Pin"

    def print(self, vm, o, kind):
        gpio = _id(vm, o)
        return "Pin(%d)" % (gpio if gpio < p.N_GPIOHS else gpio - p.N_GPIOHS)

    def make_new(self, vm, type_word, args, kw):
        vm.check_args(_ANY, len(args), len(kw))
        gpio = vm.get_int(args[0])
        if not 0 <= gpio < p.N_GPIO:
            raise vm.error("ValueError", "invalid pin")
        if len(args) > 1 or kw:
            _init(vm, gpio, args[1:], kw)
        return vm.gpio_words[gpio]

    def call(self, vm, o, args, kw):
        vm.check_args(_NONE_OR_ONE, len(args), len(kw))
        return _value(vm, o, args)

    @method(1, kw=True)
    def init(vm, args, kw):
        _init(vm, _id(vm, args[0]), args[1:], kw)

    @method(1, 2)
    def value(vm, self, *level):
        return _value(vm, self, level)

    @method(1, kw=True)
    def irq(vm, args, kw):
        gpio = _id(vm, args[0])
        handler, trigger, wake, _ = vm.parse_args(args[1:], kw, _IRQ_ARGS)
        if gpio < p.N_GPIOHS and (len(args) > 1 or kw):
            if wake != L.NONE and vm.int_value(wake) != 0:
                raise vm.error("ValueError", "This platform does not support interrupt wakeup")
            if 0 <= trigger <= p.BOTH:
                vm.gpio.set_handler(gpio, 0 if handler == L.NONE else handler)
                vm.pins.set_trigger(gpio, p.NO_EDGE if handler == L.NONE else trigger)
        return vm.irq_words[gpio]

    @method(1, kw=True)
    def disirq(vm, args, kw):
        gpio = _id(vm, args[0])
        if gpio < p.N_GPIOHS:
            vm.pins.set_trigger(gpio, p.NO_EDGE)

    @method(1, kw=True)
    def mode(vm, args, kw):
        gpio = _id(vm, args[0])
        (wanted,) = vm.parse_args(args[1:], kw, [Arg("mode", "int", -1)])
        if wanted == -1:
            return vm.new_int(vm.gpio.modes[gpio])
        if wanted not in (p.INPUT, p.OUTPUT, p.PULL_UP, p.PULL_DOWN):
            raise vm.error("ValueError", "arg error")
        vm.pins.set_mode(gpio, wanted)
        vm.gpio.modes[gpio] = wanted
        return L.NONE

    constants = {
        "IN": p.INPUT, "OUT": p.OUTPUT, "PULL_NONE": PULL_NONE, "PULL_UP": p.PULL_UP,
        "PULL_DOWN": p.PULL_DOWN, "IRQ_NONE": p.NO_EDGE, "IRQ_RISING": p.RISING,
        "IRQ_FALLING": p.FALLING, "IRQ_BOTH": p.BOTH,
        **{"GPIOHS%d" % i: i for i in range(32)},
        **{"GPIO%d" % i: 32 + i for i in range(8)}, "WAKEUP_NOT_SUPPORT": 0,
    }  # fmt: skip


def _value(vm, o: int, level) -> int:
    gpio = _id(vm, o)
    if not level:
        return vm.new_int(vm.pins.read(gpio))
    vm.pins.write(gpio, vm.is_true(level[0]))
    return L.NONE


def start(vm) -> None:
    """Pins of a fresh firmware: reset with the chip, kept over a soft reset."""
    if not hasattr(vm, "pins"):
        vm.pins = getattr(vm.board, "pins", None) or p.Pins()
        for a, b in getattr(vm.board, "wires", ()):
            vm.pins.wire(a, b)
    gpio_type, irq_type = vm.type_of_class(GpioType).word, vm.type_of_class(IrqType).word
    vm.gpio_words = [vm.rom_alloc(gpio_type, gpio) for gpio in range(p.N_GPIO)]
    vm.irq_words = [vm.rom_alloc(irq_type, gpio) for gpio in range(p.N_GPIO)]
    vm.gpio = GpioState(vm)
    for gpio in range(p.N_GPIO):
        vm.pins.set_trigger(gpio, p.NO_EDGE)
