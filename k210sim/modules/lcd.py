"""The `lcd` module: argument handling and driver variables on top of `k210sim.lcd.driver.Driver`.

Integer colours are RGB565 in memory order (`lcd.RED` is 248); the driver wants plain RGB565.
Facts: sipeed/MaixPy-v1 components/micropython/port/src/omv/py/py_lcd.c, d8901fd. Calls that read
a null pointer on the board before `init` raise an OSError that says so.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from k210sim.errors import NotSimulated
from k210sim.imaging import formats
from k210sim.imaging.colour import pack
from k210sim.lcd import driver as lcds
from k210sim.lcd.driver import Driver
from k210sim.micropython import layout as L
from k210sim.micropython.native import Arg, GuestModule
from k210sim.micropython.textargs import text_data
from k210sim.modules import maix_config
from k210sim.modules.image.arguments import Call
from k210sim.modules.image_object import get_image

log = logging.getLogger("k210sim")
module = GuestModule("lcd")

ENOMEM = 12
RED_565 = 0xF800
_UPRIGHT = 0xA0  # memory access control of XY/YX directions: see the constants below


@dataclass
class Screen:
    """The driver with the module's own variables; they outlive a soft reset.

    size : width and height as set up, whatever the rotation
    direction, parallel : memory access control and data lines for the next init
    line_block : the system heap's block for a screenful of pixels
    """

    driver: Driver
    size: tuple[int, int] = (0, 0)
    direction: int = _UPRIGHT
    parallel: bool = True
    line_block: int = 0


@module.init
def _start(vm):
    if not hasattr(vm, "lcd"):
        vm.lcd = None


def _screen(vm) -> Screen:
    if vm.lcd is None:
        vm.lcd = Screen(Driver(vm.board.lcd, vm.clock))
        profile = getattr(vm.board, "profile", None)
        if profile is not None:
            vm.lcd.driver.freq = profile.lcd_freq  # what the firmware is built with
    return vm.lcd


def _driver(vm) -> Driver:
    vm.account()
    return _screen(vm).driver


def _running(vm, call: str) -> Driver:
    """The driver after init."""
    driver = _driver(vm)
    if driver.type == lcds.NONE:
        raise vm.error("OSError", "[k210sim]lcd.%s: call lcd.init first; on the board this reads "
                       "a null pointer" % call, formatted=True)
    return driver


def _colour(vm, word: int) -> int:
    """Plain RGB565 of an int in memory order or of (r, g, b), clipped to 0..255."""
    if vm.int_value(word) is not None and word not in (L.TRUE, L.FALSE):
        return formats.swapped(vm.get_int(word))
    parts = [vm.get_int(w) for w in vm.get_array_fixed(word, 3)]
    return int(pack(*(max(0, min(255, part)) for part in parts)))


# --- set-up ---------------------------------------------------------------------------------------
_INIT = [
    Arg("type", "int", lcds.SHIELD), Arg("freq", "int", lcds.DEFAULT_FREQ), Arg("color", "obj", 0),
    Arg("width", "int", 320), Arg("height", "int", 240), Arg("invert", "int", 0),
    Arg("offset_w0", "int", 0), Arg("offset_h0", "int", 0), Arg("offset_w1", "int", 0),
    Arg("offset_h1", "int", 0), Arg("rst", "int", 37), Arg("dcx", "int", 38), Arg("ss", "int", 36),
    Arg("clk", "int", 39), Arg("lcd_type", "int", 0, kw_only=True),
]  # fmt: skip
# Functions of the pins: reset, data or command, chip select, clock; the stick's single data line.
_FUNCTIONS = {"rst": 54, "dcx": 55, "ss": 15, "clk": 17, "data": 4}
_STICK_PINS = {"rst": 21, "dcx": 20, "ss": 22, "clk": 19, "data": 18}
# Settings of the board's /flash/config.json that override arguments.
_SETTINGS = ("rst", "dcx", "ss", "clk", "height", "width", "invert", "offset_w0", "offset_h0",
             "offset_w1", "offset_h1", "dir", "lcd_type", "oct")  # fmt: skip


# Bytes of supply and gamma settings that the firmware sends first, by `lcd_type`.
_SETTINGS_SENT = {0: 0, 1: 66}


def _arguments(vm) -> list[Arg]:
    """The parameters, with the size and bus clock that the board's firmware is built with."""
    profile = getattr(vm.board, "profile", None)
    if profile is None:
        return _INIT
    width, height = profile.lcd_size
    built = {"width": width, "height": height, "freq": profile.lcd_freq}
    return [Arg(a.name, a.kind, built.get(a.name, a.default), kw_only=a.kw_only) for a in _INIT]


def _board_settings(vm) -> dict[str, int]:
    """What the configuration's `lcd` says; without one, what the board's firmware writes there."""
    entry = maix_config.value(vm, "lcd")
    if not vm.is_type(entry, "dict"):
        profile = getattr(vm.board, "profile", None)
        return dict(profile.lcd_settings) if profile is not None else {}
    words = {key: vm.dict_get(entry, vm.new_str(key)) for key in _SETTINGS}
    return {key: vm.get_int(word) for key, word in words.items() if word}


def _deinit(vm) -> None:
    screen = _screen(vm)
    screen.driver.deinit()
    if screen.line_block:
        vm.system_heap.free(screen.line_block)
        screen.line_block = 0


@module.function(0, kw=True)
def init(vm, args, kw):
    vm.account()
    _deinit(vm)
    given = vm.parse_args(args, kw, _arguments(vm))
    values = dict(zip((arg.name for arg in _INIT), given, strict=True))
    colour = _colour(vm, values["color"]) if values["color"] else 0
    screen, kind = _screen(vm), values["type"]
    given = tuple(values[name] for name in ("offset_w0", "offset_h0", "offset_w1", "offset_h1"))
    screen.size = (values["width"], values["height"])
    values["dir"], values["oct"] = screen.direction, screen.parallel
    if kind == lcds.NONE:
        return
    if kind not in lcds.TYPES:
        screen.driver.type = kind
        raise vm.error("ValueError", "type error", formatted=False)
    if kind == lcds.CONVERTER:
        raise NotSimulated("lcd.init(type=5)", "the RGB converter")
    if kind == lcds.SHIELD:
        values.update(_board_settings(vm))
    else:
        values["dir"], values["oct"] = 0, True
        offsets = (0, 0, 0, 0)
        if kind == lcds.M5STICKV:
            offsets, values["oct"] = (52, 40, 40, 52), False
        if kind == lcds.CUBE:
            values["width"] = values["height"] = 240
            offsets = (0, 0, 80 if given[2] == -1 else 0, 0)
        else:
            values["invert"] = 1
        values.update(zip(("offset_w0", "offset_h0", "offset_w1", "offset_h1"), offsets,
                          strict=True))  # fmt: skip
    if values["lcd_type"] not in (0, screen.driver.panel.kind.lcd_type):
        raise NotSimulated(f"lcd.init(lcd_type={values['lcd_type']})", "another controller chip")
    _set_up(vm, screen, kind, values, colour)


def _set_pins(vm, kind: int, values: dict) -> None:
    pins = _STICK_PINS if kind == lcds.M5STICKV else values
    for name, function in _FUNCTIONS.items():
        if name in pins:
            vm.pins.set_function(pins[name] & 0xFF, function)


def _set_up(vm, screen: Screen, kind: int, values: dict, colour: int) -> None:
    _set_pins(vm, kind, values)
    width, height = values["width"] & 0xFFFF, values["height"] & 0xFFFF
    screen.line_block = vm.system_heap.malloc(2 * width * height)
    if not screen.line_block:
        screen.size = (0, 0)
        raise vm.os_error(ENOMEM)
    screen.size, screen.direction = (width, height), values["dir"]
    screen.parallel = bool(values["oct"])
    screen.driver.init(
        kind, values["freq"], colour, width, height, bool(values["invert"]),
        (values["offset_w0"], values["offset_h0"], values["offset_w1"], values["offset_h1"]),
        screen.parallel, values["dir"], _SETTINGS_SENT[values["lcd_type"]],
    )  # fmt: skip
    if not screen.driver.heard:
        log.warning("lcd.init(type=%d): this board's panel has %s, so nothing will be seen; give "
                    "the board's own type", kind, "one data line" if screen.parallel else
                    "eight data lines")


@module.function(0)
def deinit(vm):
    _deinit(vm)


@module.function(0)
def width(vm):
    driver = _driver(vm)
    return L.NONE if driver.type == lcds.NONE else vm.new_int(driver.width)


@module.function(0)
def height(vm):
    driver = _driver(vm)
    return L.NONE if driver.type == lcds.NONE else vm.new_int(driver.height)


@module.function(0, name="type")
def type_(vm):
    driver = _driver(vm)
    return L.NONE if driver.type == lcds.NONE else vm.new_int(driver.type)


@module.function(0, 1)
def freq(vm, hz=0):
    driver = _running(vm, "freq")
    if hz:
        driver.set_freq(vm.get_int(hz))
    return vm.new_int(driver.freq)


@module.function(1)
def direction(vm, code):
    code = vm.get_int(code)
    _running(vm, "direction").set_direction(code & 0xFF)


@module.function(0, 1)
def rotation(vm, quarter=0):
    if quarter:
        wanted = vm.get_int(quarter)
        if not 0 <= wanted <= 3:
            raise vm.error("ValueError", "value:[0,3]", formatted=False)
        _running(vm, "rotation").set_rotation(wanted)
    return vm.new_int(_driver(vm).rotation)


@module.function(0, 1)
def mirror(vm, on=0):
    if on:
        wanted = vm.is_true(on)
        (_running(vm, "mirror") if wanted else _driver(vm)).set_mirror(wanted)
    return vm.new_int(1 if _driver(vm).mirrored else 0)


@module.function(0, 1)
def bgr_to_rgb(vm, on=0):
    if not on:
        raise vm.error("ValueError", "True or False", formatted=False)
    _running(vm, "bgr_to_rgb").set_bgr(vm.is_true(on))


@module.function(1)
def set_backlight(vm, level):
    """Does nothing in the firmware."""


@module.function(0)
def get_backlight(vm):
    """Does nothing in the firmware."""


@module.function(2)
def register(vm, address, data):
    driver = _driver(vm)
    address = vm.get_int(address) & 0xFF
    content = b""
    if vm.is_int(data):
        content = bytes([vm.get_int(data) & 0xFF])
    elif vm.is_type(data, "list"):
        content = bytes(vm.get_int(w) & 0xFF for w in vm.items_of(data))
    driver.register(address, content)


# --- drawing --------------------------------------------------------------------------------------
def _draws(driver: Driver) -> bool:
    return driver.type in lcds.TYPES and driver.type != lcds.NONE


@module.function(1, kw=True)
def display(vm, args, kw):
    call = Call(vm, args, kw)
    image = get_image(vm, args[0])
    if image.data:
        raise vm.error("OSError", "Image format is not supported.", formatted=False)
    roi = call.roi(1)
    place, offset = call.word(2, "oft"), None
    if place:
        offset = tuple(vm.get_int(w) for w in vm.get_array_fixed(place, 2))
    driver = _driver(vm)
    if not _draws(driver):
        return
    if image.kind == "binary":
        raise NotSimulated("lcd.display of a binary image", "the board shows what lies behind it")
    driver.display(image.pixels, roi, offset)


@module.function(0, kw=True)
def clear(vm, args, kw):
    colour = _colour(vm, args[0]) if args else 0
    driver = _driver(vm)
    if _draws(driver):
        driver.clear(colour)


def _needs_init(vm, call: str) -> None:
    if not _screen(vm).size[0]:
        raise vm.error("ValueError", "not init", formatted=False)
    _running(vm, call)


@module.function(3, 5)
def draw_string(vm, x, y, text, colour=0, back=0):
    _needs_init(vm, "draw_string")
    columns = _screen(vm).size[0] // 8
    pixels = vm.system_heap.malloc(columns * 12 * 8 * 2)
    cut = vm.system_heap.malloc(columns + 1) if pixels else 0
    if not cut:
        vm.system_heap.free(pixels)
        raise vm.os_error(ENOMEM)
    # The firmware forgets both blocks when an argument is refused or nothing can be seen.
    x, y = vm.get_int(x) & 0xFFFF, vm.get_int(y) & 0xFFFF
    string = text_data(vm, text).split(b"\0")[0]
    width = _screen(vm).size[0]
    if x >= width or y > width - 16:
        return
    colour = formats.swapped(vm.get_int(colour)) if colour else RED_565
    back = formats.swapped(vm.get_int(back)) if back else 0
    if not string or width - x < 8:
        return
    _driver(vm).draw_string(x, y, string, colour, back)
    vm.system_heap.free(pixels)
    vm.system_heap.free(cut)


@module.function(3, 5)
def fill_rectangle(vm, *args):
    _needs_init(vm, "fill_rectangle")
    if len(args) < 5:
        raise vm.error("TypeError", "[k210sim]lcd.fill_rectangle: %d arguments, expected 5; the "
                       "board reads beyond them" % len(args), formatted=True)
    x, y, w, h = (vm.get_int(word) for word in args[:4])
    left, top = x & 0xFFFF, y & 0xFFFF
    right, bottom = left + w & 0xFFFF, top + h & 0xFFFF
    if vm.is_type(args[4], "tuple"):
        words = vm.items_of(args[4])
        if len(words) < 3:
            raise vm.error("ValueError", "[k210sim]lcd.fill_rectangle: colour of %d numbers, "
                           "expected 3; the board reads beyond them" % len(words), formatted=True)
        colour = int(pack(*(vm.get_int(word) & 0xFF for word in words[:3])))
    else:
        colour = formats.swapped(vm.get_int(args[4]))
    width, height = _screen(vm).size
    if left >= width or top >= height or right >= width or bottom >= height:
        raise vm.error("ValueError", "arg error", formatted=False)
    _driver(vm).fill(left, top, right, bottom, colour)


# --- names in the firmware's order ----------------------------------------------------------------
_CONSTANTS = {
    "BLACK": 0, "BLUE": 7936, "CYAN": 65287, "DARKCYAN": 61187, "DARKGREEN": 57347,
    "DARKGREY": 61307, "GREEN": 57351, "GREENYELLOW": 58799, "LIGHTGREY": 6342, "MAGENTA": 8184,
    "MAROON": 120, "NAVY": 3840, "OLIVE": 57467, "ORANGE": 8445, "PINK": 8184, "PURPLE": 3960,
    "RED": 248, "WHITE": 65535, "XY_LRDU": 192, "XY_LRUD": 64, "XY_RLDU": 128, "XY_RLUD": 0,
    "YELLOW": 57599, "YX_LRDU": 224, "YX_LRUD": 96, "YX_RLDU": 160, "YX_RLUD": 32,
}  # fmt: skip
_functions = dict(module.entries)
module.entries.clear()
for _name in ("clear", "type"):
    module.entries[_name] = _functions.pop(_name)
for _name, _number in _CONSTANTS.items():
    module.constant(_name, _number)
for _name in sorted(_functions):
    module.entries[_name] = _functions[_name]
