"""The guest's `lcd` module.

Behaviour: spec sheet peripheral_modules.md 6; sipeed/MaixPy-v1
components/micropython/port/src/omv/py/py_lcd.c, d8901fd.
"""

from __future__ import annotations

import numpy as np

from k210sim.errors import NotSimulated
from k210sim.imaging import formats
from k210sim.imaging.colour import colour_value
from k210sim.lcd.driver import (
    CONVERTER,
    CUBE,
    DEFAULT_FREQ,
    M5STICKV,
    NONE,
    SHIELD,
    TWATCH,
    TYPES,
    Driver,
)
from k210sim.micropython.native import Arg, GuestModule
from k210sim.modules.image.arguments import Call, assert_true

module = GuestModule("lcd")

RED, BLACK = 248, 0
ENOMEM = 12
LANDSCAPE, PORTRAIT = 0xA0, 0x00

for _name, _value in (
    ("BLACK", BLACK), ("NAVY", 3840), ("DARKGREEN", 57347), ("DARKCYAN", 61187), ("MAROON", 120),
    ("PURPLE", 3960), ("OLIVE", 57467), ("LIGHTGREY", 6342), ("DARKGREY", 61307), ("BLUE", 7936),
    ("GREEN", 57351), ("CYAN", 65287), ("RED", RED), ("MAGENTA", 8184), ("YELLOW", 57599),
    ("WHITE", 65535), ("ORANGE", 8445), ("GREENYELLOW", 58799), ("PINK", 8184),
    ("XY_RLUD", 0x00), ("YX_RLUD", 0x20), ("XY_LRUD", 0x40), ("YX_LRUD", 0x60),
    ("XY_RLDU", 0x80), ("YX_RLDU", 0xA0), ("XY_LRDU", 0xC0), ("YX_LRDU", 0xE0),
):  # fmt: skip
    module.constant(_name, _value)


class _State:
    """The driver, and the line buffer it takes from the system heap."""

    def __init__(self, vm):
        self.driver = Driver(vm.board.lcd, vm.clock)
        self.buffer, self.buffer_size = 0, (0, 0)


def _state(vm) -> _State:
    if getattr(vm, "lcd_state", None) is None:
        vm.lcd_state = _State(vm)
    return vm.lcd_state


def _driver(vm) -> Driver:
    vm.account()
    return _state(vm).driver


def _running(vm, call: str) -> Driver:
    """The driver of a panel that was set up; on the board a call before that is a crash."""
    driver = _driver(vm)
    if driver.type == NONE:
        raise vm.error("OSError", "[k210sim]lcd.%s before lcd.init; on the board this crashes"
                       % call)
    return driver


def _colour(vm, word: int) -> int:
    """The RGB565 value of a colour argument: an int in LCD byte order, or (r, g, b)."""
    if vm.int_value(word) is not None:
        return formats.swapped(vm.get_int(word) & 0xFFFF)
    parts = tuple(vm.get_int(w) for w in vm.get_array_fixed(word, 3))
    return colour_value(parts, formats.RGB565)


_INIT = [Arg("type", "int", SHIELD), Arg("freq", "int", DEFAULT_FREQ), Arg("color", default=0),
         Arg("width", "int", 320), Arg("height", "int", 240), Arg("invert", "int", 0),
         Arg("offset_w0", "int", 0), Arg("offset_h0", "int", 0), Arg("offset_w1", "int", 0),
         Arg("offset_h1", "int", 0), Arg("rst", "int", 37), Arg("dcx", "int", 38),
         Arg("ss", "int", 36), Arg("clk", "int", 39),
         Arg("lcd_type", "int", 0, kw_only=True)]  # fmt: skip


@module.function(0, kw=True)
def init(vm, args, kw):
    deinit(vm)
    (kind, freq, color, width, height, invert, w0, h0, w1, h1, *_pins, _lcd_type) = (
        vm.parse_args(args, kw, _INIT)
    )
    color = _colour(vm, color) if color else 0
    if kind not in TYPES:
        raise vm.error("ValueError", "type error")
    if kind == NONE:
        return None
    if kind == CONVERTER:
        raise NotSimulated("lcd.init(type=5)", "the RGB converter")
    parallel, direction = True, LANDSCAPE
    if kind == M5STICKV:
        parallel, direction, invert = False, PORTRAIT, True
        w0, h0, w1, h1 = 52, 40, 40, 52
    elif kind == TWATCH:
        direction, invert = PORTRAIT, True
        w0 = h0 = w1 = h1 = 0
    elif kind == CUBE:
        direction, width, height = PORTRAIT, 240, 240
        w0, h0, w1, h1 = 0, 0, 80 if w1 == -1 else 0, 0
    if not 0 < width <= 0xFFFF or not 0 < height <= 0xFFFF:
        raise vm.error("ValueError", "[k210sim]lcd.init: width and height must be 1 to 65535")
    state = _state(vm)
    if state.buffer_size != (width, height):
        vm.system_heap.free(state.buffer)
        state.buffer = vm.system_heap.malloc(2 * width * height)
        state.buffer_size = (width, height) if state.buffer else (0, 0)
        if not state.buffer:
            raise vm.os_error(ENOMEM)
    _driver(vm).init(kind, freq, color, width, height, bool(invert), (w0, h0, w1, h1), parallel,
                     direction)
    return None


@module.function(0)
def deinit(vm):
    state = _state(vm)
    if state.driver.type != NONE:
        state.driver.deinit()
        vm.system_heap.free(state.buffer)
        state.buffer, state.buffer_size = 0, (0, 0)


def _after_init(name: str, read) -> None:
    @module.function(0, name=name)
    def get(vm):
        driver = _driver(vm)
        return None if driver.type == NONE else vm.new_int(read(driver))


_after_init("width", lambda driver: driver.width)
_after_init("height", lambda driver: driver.height)
_after_init("type", lambda driver: driver.type)


@module.function(0, 1)
def freq(vm, hz=0):
    driver = _running(vm, "freq")
    if hz:
        driver.set_freq(vm.get_int(hz))
    return vm.new_int(driver.freq)


@module.function(1)
def set_backlight(vm, on):
    """Nothing, as on the board."""


@module.function(0)
def get_backlight(vm):
    """Nothing, as on the board."""


@module.function(1, kw=True)
def display(vm, args, kw):
    call = Call(vm, args, kw)
    image = call.image
    assert_true(vm, not image.data and image.pixels.dtype != np.bool_,
                "Image format is not supported.")
    roi = call.roi(1)
    offset, word = None, call.word(2, "oft")
    if word:
        x, y = (vm.get_int(w) for w in vm.get_array_fixed(word, 2))
        offset = (x, y)
    driver = _driver(vm)
    if driver.type != NONE:
        driver.display(image.pixels, roi, offset)
    return None


@module.function(0, kw=True)
def clear(vm, args, kw):
    colour = _colour(vm, args[0]) if args else 0
    driver = _driver(vm)
    if driver.type != NONE:
        driver.clear(colour)
    return None


@module.function(3, 5)
def draw_string(vm, x, y, text, color=0, back=0):
    driver = _driver(vm)
    if driver.type == NONE:
        raise vm.error("ValueError", "not init")
    x, y = vm.get_int(x) & 0xFFFF, vm.get_int(y) & 0xFFFF
    vm.get_str(text)
    colour = formats.swapped((vm.get_int(color) if color else RED) & 0xFFFF)
    ground = formats.swapped((vm.get_int(back) if back else BLACK) & 0xFFFF)
    driver.draw_string(x, y, vm.bytes_of(text), colour, ground)
    return None


@module.function(3, 5)
def fill_rectangle(vm, *args):
    driver = _driver(vm)
    if driver.type == NONE:
        raise vm.error("ValueError", "not init")
    if len(args) < 5:
        raise vm.error("TypeError", "[k210sim]lcd.fill_rectangle: needs x, y, w, h and a colour; "
                       "the board reads past its arguments", formatted=False)
    x, y, w, h = (vm.get_int(a) for a in args[:4])
    x, y = x & 0xFFFF, y & 0xFFFF
    right, bottom = x + w & 0xFFFF, y + h & 0xFFFF
    colour = _colour(vm, args[4])
    # The firmware compares with the size at rotation 0, whatever the rotation is.
    width, height = driver.size
    if max(x, right) >= width or max(y, bottom) >= height:
        raise vm.error("ValueError", "arg error")
    driver.fill(x, y, right, bottom, colour)
    return None


@module.function(0, 1)
def rotation(vm, turn=0):
    driver = _running(vm, "rotation")
    if turn:
        turn = vm.get_int(turn)
        if not 0 <= turn <= 3:
            raise vm.error("ValueError", "value:[0,3]", formatted=False)
        driver.set_rotation(turn)
    return vm.new_int(driver.rotation)


@module.function(0, 1)
def mirror(vm, on=0):
    driver = _running(vm, "mirror")
    if on:
        driver.set_mirror(vm.is_true(on))
    return vm.new_int(int(driver.mirrored))


@module.function(1)
def direction(vm, value):
    _running(vm, "direction").set_direction(vm.get_int(value) & 0xFF)


@module.function(0, 1)
def bgr_to_rgb(vm, on=0):
    if not on:
        raise vm.error("ValueError", "True or False")
    _running(vm, "bgr_to_rgb").set_bgr(vm.is_true(on))


@module.function(2)
def register(vm, address, data):
    driver = _driver(vm)
    code = vm.get_int(address) & 0xFF
    if vm.int_value(data) is not None:
        content = bytes([vm.get_int(data) & 0xFF])
    elif vm.is_type(data, "list"):
        content = bytes(vm.get_int(w) & 0xFF for w in vm.items_of(data))
    else:
        content = b""
    driver.register(code, content)


