"""The `sensor` module: the camera as guest programs set it up and read it.

The image sensor itself is `k210sim.camera.camera.Camera`. This file holds what the firmware's
driver keeps: which chip it found, format and frame size, and the frame buffers in the system
heap: 2 bytes a pixel rounded up to 128 bytes, and three planes for the KPU rounded up to 64;
twice with `dual_buff=True`. A snapshot is an Image over such a buffer: with one buffer the Image
of the snapshot before shows the new frame too.

Facts: sipeed/MaixPy-v1 components/micropython/port/src/omv/{sensor.c,py/py_sensor.c} and the chip
drivers beside them, d8901fd. Gain, exposure and white balance are not simulated: settings are
taken as the chip's driver takes them and change nothing, what would be read back raises
NotSimulated.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from k210sim.camera.camera import BASE_XCLK_HZ, TIMEOUT_NS
from k210sim.errors import NotSimulated
from k210sim.micropython import layout as L
from k210sim.micropython.native import GuestModule
from k210sim.modules import image_object as images
from k210sim.modules import maix_config

module = GuestModule("sensor")

EIO, ENOMEM = 5, 12
BAYER, RGB565, YUV422, GRAYSCALE, JPEG = 1, 2, 3, 4, 5
# Frame sizes by number, 1 and up.
SIZES = (
    (0, 0), (88, 72), (176, 144), (352, 288), (88, 60), (176, 120), (352, 240), (40, 30),
    (80, 60), (160, 120), (320, 240), (640, 480), (60, 40), (120, 80), (240, 160), (64, 32),
    (64, 64), (128, 64), (128, 128), (240, 240), (128, 160), (128, 160), (720, 480), (752, 480),
    (800, 600), (1280, 1024), (1600, 1200),
)  # fmt: skip
_MS = 1_000_000
# Virtual time of a chip's set-up: the driver's waits, and 0.4 ms for each register it writes.
_RESET_NS = {"ov2640": 215 * _MS, "gc0328": 400 * _MS, "ov7740": 165 * _MS, "ov5640": 240 * _MS}
_PROBE_NS = 600 * _MS  # looking for all kinds of sensor in vain
_FRAMESIZE_NS = {"ov2640": 46 * _MS, "gc0328": 42 * _MS, "ov7740": 1 * _MS, "ov5640": 2 * _MS}
_PIXFORMAT_NS = {"ov2640": 30 * _MS, "ov5640": 2 * _MS}
_SWAP_NS_PER_PIXEL = 22  # the byte swap behind each colour snapshot: 1.7 ms for 320x240
_OV7740_XCLK_HZ = 22_000_000

# Levels (least, greatest) that a chip's driver takes; not listed: every level.
_LEVELS = {
    "brightness": {"ov2640": (-3, 2), "ov7740": (-4, 4)},
    "contrast": {"ov2640": (-3, 2), "gc0328": (-2, 3), "ov7740": (-4, 4)},
    "saturation": {"ov2640": (-3, 2), "gc0328": (-2, 3), "ov7740": (-4, 4)},
}
_OV7740_RATES = (15, 25, 30, 60)


@dataclass
class Buffer:
    """One frame buffer: blocks in the system heap, and what they hold for the present window.

    pixels : uint16 (h, w), the colour picture
    planes : uint8 (3, h, w), in the simulated RAM at `ai_block`
    """

    block: int
    ai_block: int
    pixels: np.ndarray
    planes: np.ndarray


@dataclass
class State:
    """The driver's variables; they outlive a soft reset, as the system heap does."""

    chip: str = ""  # the chip whose driver is bound, "" when none was found yet
    ready: bool = False  # a reset went through
    sized: bool = False
    pixformat: int = 0
    framesize: int = 0
    window: tuple[int, int] = (0, 0)
    double: bool = False
    turn: int = 0
    asleep: bool = False
    taken: bool = False  # a frame was taken since the format was chosen
    buffers: list[Buffer] = field(default_factory=list)
    registers: dict[int, int] = field(default_factory=dict)


@module.init
def _start(vm):
    if not hasattr(vm, "sensor"):
        vm.sensor = State()
        vm.frame_buffer = None  # the last frame, for `copy_to_fb` of the image module


def _camera(vm):
    """The board's camera, None when it has none or nothing is plugged in."""
    camera = getattr(vm.board, "camera", None)
    return camera if camera is not None and camera.chip is not None else None


def _keyword(vm, kw, name: str) -> int:
    """A keyword's word, 0 when it is not given; unknown keywords are never noticed."""
    number = vm.qstrs.find(name.encode()) if kw else 0
    return kw.get(number, 0) if number else 0


def _flag(vm, kw, name: str, default: bool) -> bool:
    word = _keyword(vm, kw, name)
    return vm.is_true(word) if word else default


def _value_error(vm, text: str):
    return vm.error("ValueError", text, formatted=False)


def _note(vm, call: str) -> None:
    vm.event("note", f"sensor.{call}: the setting is taken and changes no picture")


# --- start and end --------------------------------------------------------------------------------
def _free_buffers(vm, state: State) -> None:
    for buffer in state.buffers:
        vm.system_heap.free(buffer.block)
        vm.system_heap.free(buffer.ai_block)
    state.buffers = []
    vm.frame_buffer = None


def _detect(vm, choice: int) -> str:
    """The name of the chip that answers, with the firmware's lines; "" for none."""
    camera = _camera(vm)
    vm.write("init i2c:2 freq:100000\r\n")
    chip = camera.chip if camera else ""
    if chip.startswith("ov") and choice in (0, 1):
        vm.write(f"[MAIXPY]: find {chip}\n[MAIXPY]: find ov sensor\n")
        return chip
    if chip.startswith("gc") and choice in (0, 2):
        vm.write(f"[MAIXPY]: sensor id = {camera.chip_id:x}\n[MAIXPY]: find {chip}\n")
        return chip
    vm.write("[MAIXPY]: no sensor\n")
    return ""


@module.function(0, kw=True)
def reset(vm, args, kw):
    state = vm.sensor
    freq = _keyword(vm, kw, "freq")
    xclk = vm.get_int(freq) if freq else BASE_XCLK_HZ
    set_regs = _flag(vm, kw, "set_regs", True)
    choice = _keyword(vm, kw, "choice")
    choice = vm.get_int(choice) & 0xFF if choice else 0
    state.double = _flag(vm, kw, "dual_buff", False)
    state.ready, state.turn = False, 0
    _free_buffers(vm, state)
    state.window = (0, 0)
    state.taken = False
    maix_config.value(vm, "sensor")  # read for its pins, which change nothing here
    chip = _detect(vm, choice)
    if not chip:
        vm.delay_ns(_PROBE_NS)
        raise vm.error("OSError", "Reset Failed", formatted=False)
    if not freq and chip == "ov7740":
        xclk = _OV7740_XCLK_HZ
    state.chip, state.asleep = chip, False
    state.pixformat = state.framesize = 0
    if set_regs:
        state.registers.clear()
    _camera(vm).reset(xclk, state.double)
    vm.delay_ns(_RESET_NS[chip])
    state.ready = True
    if state.sized:
        _camera(vm).run(True)


@module.function(0, kw=True)
def binocular_reset(vm, args, kw):
    raise NotSimulated("sensor.binocular_reset", "one camera is plugged in")


@module.function(0)
def deinit(vm):
    if _camera(vm):
        _camera(vm).run(False)
    _free_buffers(vm, vm.sensor)
    vm.sensor = State()


# --- format and size ------------------------------------------------------------------------------
def _only_one(vm, args) -> int:
    if len(args) != 1:
        raise _value_error(vm, "arg err")
    return args[0]


@module.function(1, kw=True)
def set_pixformat(vm, args, kw):
    state = vm.sensor
    word = _only_one(vm, args)
    set_regs = _flag(vm, kw, "set_regs", True)
    wanted = vm.get_int(word)
    if wanted not in (RGB565, YUV422, GRAYSCALE) or (set_regs and not state.chip):
        raise vm.error("OSError", "Pixel format is not supported!", formatted=False)
    if set_regs:
        vm.delay_ns(_PIXFORMAT_NS.get(state.chip, 0))
    state.pixformat, state.taken = wanted, False
    if _camera(vm):
        _camera(vm).gray = wanted == GRAYSCALE
    return L.TRUE


@module.function(1, kw=True)
def set_framesize(vm, args, kw):
    state = vm.sensor
    word = _only_one(vm, args)
    set_regs = _flag(vm, kw, "set_regs", True)
    wanted = vm.get_int(word)
    state.sized = False
    if set_regs and not state.chip:
        raise vm.os_error(EIO)
    if not 1 <= wanted < len(SIZES):
        raise vm.error("OSError", "[k210sim]sensor.set_framesize: size %d, expected 1 to %d; the "
                       "board reads beyond its table" % (wanted, len(SIZES) - 1), formatted=True)
    if set_regs:
        vm.delay_ns(_FRAMESIZE_NS[state.chip])
    size = SIZES[wanted]
    state.framesize, state.taken = wanted, False
    if size != state.window or not state.buffers:
        state.window = size
        _make_buffers(vm, state, *size)
    if _camera(vm):
        _camera(vm).set_framesize(*size)
        if state.ready:
            _camera(vm).run(True)
    state.sized = True


def _make_buffers(vm, state: State, width: int, height: int) -> None:
    """Frame buffers for frames up to that size; OSError ENOMEM when the system heap is full."""
    count = width * height
    old, state.buffers = state.buffers, []
    vm.frame_buffer = None
    for i in range(2 if state.double else 1):
        if i < len(old):  # each buffer is given back just before its successor is asked for
            vm.system_heap.free(old[i].block)
            vm.system_heap.free(old[i].ai_block)
        block = vm.system_heap.malloc((2 * count + 127) // 128 * 128)
        ai_block = vm.system_heap.malloc((3 * count + 63) // 64 * 64) if block else 0
        if not ai_block:
            vm.system_heap.free(block)
            for later in old[i + 1 :]:
                vm.system_heap.free(later.block)
                vm.system_heap.free(later.ai_block)
            _free_buffers(vm, state)
            raise vm.os_error(ENOMEM)
        state.buffers.append(Buffer(block, ai_block, *_arrays(vm, ai_block, width, height)))


def _arrays(vm, ai_block: int, w: int, h: int) -> tuple[np.ndarray, np.ndarray]:
    """Pixels and planes of a buffer for frames of that size."""
    at = ai_block - L.RAM_BASE
    return np.zeros((h, w), np.uint16), vm.memory.u8[at : at + 3 * w * h].reshape(3, h, w)


@module.function(1)
def set_windowing(vm, roi):
    state = vm.sensor
    width, height = SIZES[state.framesize]
    values = [vm.get_int(w) for w in vm.get_array(roi)]
    if len(values) == 4:
        x, y, w, h = values
    elif len(values) == 2:
        w, h = values
        x, y = width // 2 - int(w / 2), height // 2 - int(h / 2)
    else:
        raise _value_error(vm, "The tuple/list must either be (x, y, w, h) or (w, h)")
    if w < 8 or h < 8:
        raise _value_error(vm, "The selected window is too small")
    if x < 0 or x + w > width or y < 0 or y + h > height:
        raise _value_error(vm, "The selected window is outside the bounds of the frame")
    if w % 8 or h % 8:
        raise _value_error(vm, "value must be multiple of 8")
    if (w, h) != state.window:
        for buffer in state.buffers:
            buffer.pixels, buffer.planes = _arrays(vm, buffer.ai_block, w, h)
    state.window = (w, h)
    if _camera(vm):
        _camera(vm).set_window(x, y, w, h)
    return L.TRUE


@module.function(0)
def width(vm):
    return vm.new_int(SIZES[vm.sensor.framesize][0])


@module.function(0)
def height(vm):
    return vm.new_int(SIZES[vm.sensor.framesize][1])


@module.function(0)
def get_id(vm):
    return vm.new_int(_camera(vm).chip_id if vm.sensor.chip else 0)


# --- frames ---------------------------------------------------------------------------------------
@module.function(1)
def run(vm, on):
    on = vm.get_int(on) != 0
    if _camera(vm):
        _camera(vm).run(on)
    return L.TRUE


_TIMEOUT, _NOT_READY = -1, -2


def _wait(vm, call: str) -> int:
    """Wait for a frame: its number, or _TIMEOUT or _NOT_READY."""
    state = vm.sensor
    if not state.ready or not state.sized:
        return _NOT_READY
    if not state.buffers or not state.pixformat:
        missing = "frame size" if not state.buffers else "pixel format"
        raise vm.error("OSError", "[k210sim]sensor.%s: no %s was set since reset(); the board "
                       "goes on without and writes astray" % (call, missing), formatted=True)
    vm.account()
    if state.asleep:
        vm.charge_ns(TIMEOUT_NS)
        return _TIMEOUT
    number = _camera(vm).wait()
    vm.checkpoint()
    return _TIMEOUT if number is None else number


def _store(vm, number: int) -> None:
    """Put a frame into the next buffer."""
    state = vm.sensor
    frame = _camera(vm).capture(number)
    state.turn = (state.turn + 1) % len(state.buffers)
    buffer = state.buffers[state.turn]
    buffer.planes[: len(frame.planes)] = frame.planes
    if state.pixformat != GRAYSCALE:
        buffer.pixels[:] = frame.pixels
        vm.charge_ns(_SWAP_NS_PER_PIXEL * frame.pixels.size)
    state.taken = True


def _show(vm, image: images.HostImage) -> None:
    """Make `image` the picture in the buffer filled last. Grayscale pictures are its first plane
    itself."""
    state = vm.sensor
    buffer = state.buffers[state.turn]
    gray = state.pixformat == GRAYSCALE
    image.planes = buffer.planes[:1] if gray else buffer.planes
    image.pixels = buffer.planes[0] if gray else buffer.pixels
    image.extra["address"] = buffer.ai_block if gray else buffer.block
    vm.frame_buffer = image


@module.function(0, kw=True)
def snapshot(vm, args, kw):
    image = images.HostImage(np.zeros((0, 0), np.uint16))
    o = images.new_image(vm, image)
    update = _keyword(vm, kw, "update_jb")
    if update:
        vm.is_true(update)
    if not vm.sensor.chip:
        raise vm.error("TypeError", "not found sensor", formatted=False)
    number = _wait(vm, "snapshot")
    if number == _TIMEOUT:
        raise vm.error("RuntimeError", "Sensor timeout!", formatted=False)
    if number == _NOT_READY:
        raise vm.error("RuntimeError", "Not init!", formatted=False)
    _store(vm, number)
    _show(vm, image)
    return o


@module.function(0, kw=True)
def skip_frames(vm, args, kw):
    limit = _keyword(vm, kw, "time")
    ms = vm.get_int(limit) if limit else 300
    count = vm.get_int(args[0]) if args else None
    if not vm.sensor.chip:
        raise vm.error("OSError", "[k210sim]sensor.skip_frames: no sensor was found by reset(); "
                       "on the board this call crashes", formatted=False)
    start, done, last = vm.now_ns(), 0, -1
    while count is None or done < count:
        if (count is None or limit) and vm.now_ns() - start >= ms * _MS:
            break
        number = _wait(vm, "skip_frames")
        if number == _TIMEOUT:
            raise vm.error("RuntimeError", "Sensor Timeout!!", formatted=False)
        if number == _NOT_READY:  # the firmware spins until the time is over
            if count is None:
                vm.delay_ns(ms * _MS)
            break
        done, last = done + 1, number
    if last >= 0:
        _store(vm, last)  # nobody can see the frames before it


@module.function(0)
def get_fb(vm):
    """The last frame; None before the first (there the board shows memory of no known format)."""
    if not vm.sensor.taken or not vm.sensor.buffers:
        return L.NONE
    image = images.HostImage(np.zeros((0, 0), np.uint16))
    o = images.new_image(vm, image)
    _show(vm, image)
    return o


@module.function(0)
def flush(vm):
    """The next snapshot waits for a new frame; here each one does."""


@module.function(1)
def sleep(vm, on):
    state, on = vm.sensor, vm.is_true(on)
    if state.chip not in ("ov7740", "ov5640"):
        vm.write("[MAIXPY]: Operation not supported.")
        raise vm.error("OSError", "Sleep Failed", formatted=False)
    state.asleep = on


@module.function(1)
def shutdown(vm, on):
    vm.sensor.asleep = vm.is_true(on)
    vm.delay_ns(10 * _MS)


# --- settings -------------------------------------------------------------------------------------
def _level(what: str):
    def setter(vm, level):
        level = vm.get_int(level)
        chip = vm.sensor.chip
        least, greatest = _LEVELS[what].get(chip, (level, level))
        if not chip or not least <= level <= greatest:
            return L.FALSE
        _note(vm, "set_" + what)
        return L.TRUE

    module.function(1, name="set_" + what)(setter)


for _what in _LEVELS:
    _level(_what)


@module.function(1)
def set_framerate(vm, rate):
    rate = vm.get_int(rate)
    if rate not in (2, 8, 15, 25, 30, 60):
        raise _value_error(vm, "Invalid framerate")
    chip = vm.sensor.chip
    if chip in ("", "ov2640") or (chip == "ov7740" and rate not in _OV7740_RATES):
        raise _value_error(vm, "Fail")
    if chip == "ov7740":
        _camera(vm).set_rate(rate)


@module.function(1)
def set_gainceiling(vm, gain):
    if vm.get_int(gain) not in (2, 4, 8, 16, 32, 64, 128):
        raise _value_error(vm, "Invalid gainceiling")
    if not vm.sensor.chip:
        return L.FALSE
    _note(vm, "set_gainceiling")
    return L.TRUE


@module.function(1)
def set_colorbar(vm, on):
    on, chip = vm.is_true(on), vm.sensor.chip
    if chip in ("ov2640", "ov7740"):
        _camera(vm).colour_bar = on
    return vm.new_bool(chip)


@module.function(1)
def set_special_effect(vm, effect):
    effect, chip = vm.get_int(effect), vm.sensor.chip
    if chip == "ov7740" and effect == 1:
        raise NotSimulated("sensor.set_special_effect", "the negative picture")
    return vm.new_bool(chip == "ov5640" or (chip == "ov7740" and effect == 0))


@module.function(3)
def set_lens_correction(vm, on, radius, coefficient):
    vm.get_int(radius), vm.get_int(coefficient)
    return vm.new_bool(vm.sensor.chip == "ov5640")


def _control(vm):
    """ValueError unless a sensor is there to take the setting."""
    if not vm.sensor.chip:
        raise _value_error(vm, "Sensor control failed!")


@module.function(1, kw=True)
def set_auto_gain(vm, args, kw):
    vm.get_int(args[0])
    for i, name in ((1, "gain_db"), (2, "gain_db_ceiling")):
        word = _keyword(vm, kw, name) or (args[i] if len(args) > i else 0)
        if word:
            vm.get_float(word)
    _control(vm)
    _note(vm, "set_auto_gain")


@module.function(1, kw=True)
def set_auto_exposure(vm, args, kw):
    word = _keyword(vm, kw, "exposure_us") or (args[1] if len(args) > 1 else 0)
    if word:
        vm.get_int(word)
    vm.get_int(args[0])
    _control(vm)
    _note(vm, "set_auto_exposure")


@module.function(1, kw=True)
def set_auto_whitebal(vm, args, kw):
    vm.get_int(args[0])
    word = _keyword(vm, kw, "rgb_gain_db") or (args[1] if len(args) > 1 else 0)
    if word:
        for item in vm.get_array_fixed(word, 3):
            vm.get_float(item)
    _control(vm)
    _note(vm, "set_auto_whitebal")


@module.function(0)
def get_gain_db(vm):
    _control(vm)
    raise NotSimulated("sensor.get_gain_db")


@module.function(0)
def get_exposure_us(vm):
    _control(vm)
    raise NotSimulated("sensor.get_exposure_us")


@module.function(0)
def get_rgb_gain_db(vm):
    """Only the OV7740's driver reads something; the others leave three zeros."""
    _control(vm)
    if vm.sensor.chip == "ov7740":
        raise NotSimulated("sensor.get_rgb_gain_db")
    return vm.new_tuple([vm.new_float(0.0) for _ in range(3)])


@module.function(1)
def set_hmirror(vm, on):
    on = vm.is_true(on)
    _control(vm)
    _camera(vm).hmirror = on


@module.function(1)
def set_vflip(vm, on):
    on = vm.is_true(on)
    _control(vm)
    _camera(vm).vflip = on


@module.function(1)
def set_jb_quality(vm, quality):
    if not vm.is_int(quality):
        raise _value_error(vm, "must be int")


# --- raw registers --------------------------------------------------------------------------------
@module.function(2)
def __write_reg(vm, address, value):
    address, value = vm.get_int(address) & 0xFF, vm.get_int(value) & 0xFF
    if not vm.sensor.chip:
        vm.write("[MAIXPY]: Operation not supported.")
        return
    vm.sensor.registers[_register(vm.sensor, address)] = value
    _note(vm, "__write_reg")


@module.function(1)
def __read_reg(vm, address):
    address = vm.get_int(address) & 0xFF
    if not vm.sensor.chip:
        vm.write("[MAIXPY]: Operation not supported.")
        return vm.new_int(-1)
    value = vm.sensor.registers.get(_register(vm.sensor, address))
    if value is None:
        raise NotSimulated(f"sensor.__read_reg(0x{address:02x})", "it was never written")
    return vm.new_int(value)


_BANK = {"ov2640": 0xFF, "gc0328": 0xFE}  # the register that chooses among banks


def _register(state: State, address: int) -> int:
    """A register's number with its bank above it."""
    selector = _BANK.get(state.chip)
    bank = state.registers.get(selector, 0) if selector not in (None, address) else 0
    return bank << 8 | address


# --- names in the firmware's order ----------------------------------------------------------------
_CONSTANTS = {
    "B128X128": 18, "B128X64": 17, "B240X240": 19, "B64X32": 15, "B64X64": 16, "BAYER": BAYER,
    "CIF": 3, "GRAYSCALE": GRAYSCALE, "HQQQVGA": 12, "HQQVGA": 13, "HQVGA": 14, "JPEG": JPEG,
    "LCD": 20, "LEPTON": 84, "MT9V034": 19, "NEGATIVE": 1, "NORMAL": 0, "OV2640": 9794,
    "OV7725": 119, "OV9650": 150, "QCIF": 2, "QQCIF": 1, "QQQQVGA": 7, "QQQVGA": 8, "QQSIF": 4,
    "QQVGA": 9, "QQVGA2": 21, "QSIF": 5, "QVGA": 10, "RGB565": RGB565, "SIF": 6, "SVGA": 24,
    "SXGA": 25, "UXGA": 26, "VGA": 11, "WVGA": 22, "WVGA2": 23, "YUV422": YUV422,
}  # fmt: skip
_functions = dict(module.entries)
module.entries.clear()
for _name in ("__read_reg", "__write_reg"):
    module.entries[_name] = _functions.pop(_name)
for _name, _number in _CONSTANTS.items():
    module.constant(_name, _number)
for _name in sorted(_functions):
    module.entries[_name] = _functions[_name]
