"""The guest's `sensor` module: the camera as the firmware offers it.

Frame buffers lie in the system heap; a snapshot is an Image whose pixels are such a buffer, so
the next snapshot overwrites it. Behaviour: spec sheet peripheral_modules.md 5; sipeed/MaixPy-v1
components/micropython/port/src/omv/sensor.c and py/py_sensor.c, d8901fd.
"""

from __future__ import annotations

import numpy as np

from k210sim.camera.camera import BASE_XCLK_HZ
from k210sim.errors import NotSimulated
from k210sim.micropython import layout as L
from k210sim.micropython.native import GuestModule
from k210sim.modules.image.arguments import Call
from k210sim.modules.image_object import HostImage, new_image

module = GuestModule("sensor")

RGB565, YUV422, GRAYSCALE = 2, 3, 4
EIO, ENOMEM = 5, 12
OV7740_XCLK_HZ = 22_000_000
# Power cycle, probing and the register table of an OV2640: a guess from the delays in the driver.
RESET_NS = 350_000_000

SIZES = {
    1: (88, 72), 2: (176, 144), 3: (352, 288), 4: (88, 60), 5: (176, 120), 6: (352, 240),
    7: (40, 30), 8: (80, 60), 9: (160, 120), 10: (320, 240), 11: (640, 480), 12: (60, 40),
    13: (120, 80), 14: (240, 160), 15: (64, 32), 16: (64, 64), 17: (128, 64), 18: (128, 128),
    19: (240, 240), 20: (128, 160), 21: (128, 160), 22: (720, 480), 23: (752, 480),
    24: (800, 600), 25: (1280, 1024), 26: (1600, 1200),
}  # fmt: skip

for _name, _value in (
    ("BAYER", 1), ("RGB565", RGB565), ("YUV422", YUV422), ("GRAYSCALE", GRAYSCALE), ("JPEG", 5),
    ("OV9650", 150), ("OV2640", 9794), ("OV7725", 119), ("MT9V034", 19), ("LEPTON", 84),
    ("NORMAL", 0), ("NEGATIVE", 1), ("QQCIF", 1), ("QCIF", 2), ("CIF", 3), ("QQSIF", 4),
    ("QSIF", 5), ("SIF", 6), ("QQQQVGA", 7), ("QQQVGA", 8), ("QQVGA", 9), ("QVGA", 10),
    ("VGA", 11), ("HQQQVGA", 12), ("HQQVGA", 13), ("HQVGA", 14), ("B64X32", 15), ("B64X64", 16),
    ("B128X64", 17), ("B128X128", 18), ("B240X240", 19), ("LCD", 20), ("QQVGA2", 21),
    ("WVGA", 22), ("WVGA2", 23), ("SVGA", 24), ("SXGA", 25), ("UXGA", 26),
):  # fmt: skip
    module.constant(_name, _value)


class _Buffer:
    """One frame buffer: the display's pixels and the KPU's planes."""

    def __init__(self, heap, width: int, height: int):
        pixels, planes = 2 * width * height, 3 * width * height
        self.pixels_at = heap.malloc((pixels + 127) // 128 * 128)
        self.planes_at = heap.malloc((planes + 63) // 64 * 64) if self.pixels_at else 0
        self.pixels: np.ndarray | None = None
        self.planes: np.ndarray | None = None

    @property
    def whole(self) -> bool:
        return bool(self.pixels_at and self.planes_at)

    def free(self, heap) -> None:
        heap.free(self.pixels_at)
        heap.free(self.planes_at)

    def fill(self, frame) -> HostImage:
        """Put a frame in; pictures that look at the buffer see it."""
        for name in ("pixels", "planes"):
            old, new = getattr(self, name), getattr(frame, name)
            if old is not None and old.shape == new.shape and old.dtype == new.dtype:
                old[:] = new
            else:
                setattr(self, name, np.array(new))
        gray = self.pixels.dtype == np.uint8
        if gray:
            self.pixels = self.planes[0]  # the firmware gives the planes' memory for the pixels
        address = self.planes_at if gray else self.pixels_at
        return HostImage(self.pixels, self.planes, extra={"address": address})


class Driver:
    """What the firmware's camera driver keeps for the board."""

    def __init__(self, vm):
        self.vm, self.camera = vm, vm.board.camera
        self.found = self.sized = False
        self.size_number = 0
        self.buffers: list[_Buffer] = []
        self.next = 0
        self.jpeg = False

    def forget_buffers(self) -> None:
        for buffer in self.buffers:
            buffer.free(self.vm.system_heap)
        self.buffers = []
        self.vm.frame_buffer = None

    def allocate(self, width: int, height: int) -> bool:
        """Buffers for frames of that size; False, and none, when there is no room."""
        self.forget_buffers()
        for _ in range(2 if self.camera.double_buffer else 1):
            buffer = _Buffer(self.vm.system_heap, width, height)
            self.buffers.append(buffer)
            if not buffer.whole:
                self.forget_buffers()
                return False
        return True

    def take(self, number: int) -> HostImage:
        """Fetch that frame into the next buffer."""
        buffer = self.buffers[self.next % len(self.buffers)]
        self.next += 1
        image = buffer.fill(self.camera.capture(number))
        self.vm.frame_buffer = image
        return image


def driver(vm) -> Driver:
    """The driver's state; it outlives a soft reset."""
    if getattr(vm, "sensor_driver", None) is None:
        vm.sensor_driver = Driver(vm)
        vm.frame_buffer = None
    return vm.sensor_driver


def _failed(vm):
    return vm.error("ValueError", "Sensor control failed!", formatted=False)


# --- starting and stopping ------------------------------------------------------------------------
@module.function(0, kw=True)
def reset(vm, args, kw):
    """Find the sensor and set it up; says what it finds, raises nothing when there is none."""
    call = Call(vm, [], kw)
    xclk = call.int(0, "freq", 0)
    dual = call.word(0, "dual_buff")
    choice = call.int(0, "choice", 0)
    state, camera = driver(vm), vm.board.camera
    state.forget_buffers()
    state.found = state.sized = False
    camera.reset(xclk or BASE_XCLK_HZ, bool(dual) and vm.is_true(dual))
    vm.write("init i2c:2 freq:100000\r\n")
    chip = camera.chip
    if chip and chip.startswith("ov") and choice in (0, 1):
        vm.write("[MAIXPY]: find %s\n[MAIXPY]: find ov sensor\n" % chip)
        if chip == "ov7740" and not xclk:
            camera.reset(OV7740_XCLK_HZ, camera.double_buffer)
    elif chip and chip.startswith("gc") and choice in (0, 2):
        vm.write("[MAIXPY]: sensor id = %x\n[MAIXPY]: find %s\n" % (camera.chip_id, chip))
    else:
        vm.write("[MAIXPY]: no sensor\n")
        vm.delay_ns(RESET_NS)
        return None
    vm.delay_ns(RESET_NS)
    state.found = True
    return None


@module.function(0, kw=True)
def binocular_reset(vm, args, kw):
    raise NotSimulated("sensor.binocular_reset", "one camera is plugged in")


@module.function(0)
def deinit(vm):
    state = driver(vm)
    state.camera.run(False)
    state.forget_buffers()
    state.found = state.sized = False


@module.function(1)
def run(vm, on):
    driver(vm).camera.run(vm.get_int(on) != 0)
    return L.TRUE


for _name in ("sleep", "shutdown"):

    @module.function(1, name=_name)
    def _power(vm, on):
        """Taken; the picture goes on, as the driver's answer tells nothing about it."""
        vm.is_true(on)


@module.function(0)
def flush(vm):
    driver(vm)


# --- formats --------------------------------------------------------------------------------------
@module.function(1, kw=True)
def set_pixformat(vm, args, kw):
    if len(args) != 1:
        raise vm.error("ValueError", "arg err")
    wanted, state = vm.get_int(args[0]), driver(vm)
    if wanted not in (RGB565, YUV422, GRAYSCALE) or not state.found:
        raise vm.error("OSError", "Pixel format is not supported!", formatted=False)
    state.camera.gray = wanted == GRAYSCALE
    return L.TRUE


@module.function(1, kw=True)
def set_framesize(vm, args, kw):
    if len(args) != 1:
        raise vm.error("ValueError", "arg err")
    number, state = vm.get_int(args[0]), driver(vm)
    if not state.found or number not in SIZES:
        raise vm.os_error(EIO)
    width, height = SIZES[number]
    state.size_number = number
    if not state.buffers or state.camera.size != (width, height):
        state.sized = False
        if not state.allocate(width, height):
            raise vm.os_error(ENOMEM)
    state.camera.set_framesize(width, height)
    state.camera.run(True)
    state.sized = True


@module.function(1)
def set_windowing(vm, roi):
    numbers = [vm.get_int(w) for w in vm.get_array(roi)]
    state = driver(vm)
    width, height = SIZES.get(state.size_number, (0, 0))
    if len(numbers) == 4:
        x, y, w, h = numbers
    elif len(numbers) == 2:
        w, h = numbers
        x, y = width // 2 - int(w / 2), height // 2 - int(h / 2)
    else:
        raise vm.error("ValueError", "The tuple/list must either be (x, y, w, h) or (w, h)",
                       formatted=False)
    if w < 8 or h < 8:
        raise vm.error("ValueError", "The selected window is too small", formatted=False)
    if x < 0 or x + w > width or y < 0 or y + h > height:
        raise vm.error("ValueError", "The selected window is outside the bounds of the frame",
                       formatted=False)
    if w % 8 or h % 8:
        raise vm.error("ValueError", "value must be multiple of 8", formatted=False)
    state.camera.set_window(x, y, w, h)
    return L.TRUE


@module.function(0)
def width(vm):
    return vm.new_int(SIZES.get(driver(vm).size_number, (0, 0))[0])


@module.function(0)
def height(vm):
    return vm.new_int(SIZES.get(driver(vm).size_number, (0, 0))[1])


@module.function(0)
def get_id(vm):
    state = driver(vm)
    return vm.new_int(state.camera.chip_id if state.found else 0)


# --- frames ---------------------------------------------------------------------------------------
def _ready(vm) -> Driver:
    state = driver(vm)
    if not state.found:
        raise vm.error("TypeError", "not found sensor")
    return state


@module.function(0, kw=True)
def snapshot(vm, args, kw):
    state = _ready(vm)
    if not state.sized or not state.buffers:
        raise vm.error("RuntimeError", "Not init!")
    vm.account()
    number = state.camera.wait()
    if number is None:
        raise vm.error("RuntimeError", "Sensor timeout!")
    return new_image(vm, state.take(number))


@module.function(0, kw=True)
def skip_frames(vm, args, kw):
    call = Call(vm, [], kw)
    limit = call.int(0, "time", 300)
    timed = not args or call.word(0, "time")
    state = driver(vm)
    left = vm.get_int(args[0]) if args else -1
    start = vm.now_ns()
    last = None
    while left:
        if timed and vm.now_ns() - start >= limit * 1_000_000:
            break
        vm.checkpoint()
        if state.found and state.sized and state.buffers:
            last = state.camera.wait()
            if last is None:
                raise vm.error("RuntimeError", "Sensor Timeout!!")
        elif left < 0:
            # Without a sensor the board spins until the time is over.
            vm.delay_ns(1_000_000)
        left -= 1 if left > 0 else 0
    if last is not None:
        state.take(last)


@module.function(0)
def get_fb(vm):
    image = getattr(vm, "frame_buffer", None)
    if image is None:
        return None
    return new_image(vm, HostImage(image.pixels, image.planes, extra=dict(image.extra)))


# --- settings -------------------------------------------------------------------------------------
@module.function(1)
def set_hmirror(vm, on):
    state = driver(vm)
    on = vm.is_true(on)
    if not state.found:
        raise _failed(vm)
    state.camera.hmirror = on


@module.function(1)
def set_vflip(vm, on):
    state = driver(vm)
    on = vm.is_true(on)
    if not state.found:
        raise _failed(vm)
    state.camera.vflip = on


@module.function(1)
def set_framerate(vm, rate):
    fps, state = vm.get_int(rate), driver(vm)
    if fps not in (2, 8, 15, 25, 30, 60):
        raise vm.error("ValueError", "Invalid framerate")
    if not state.found:
        raise vm.error("ValueError", "Fail")
    state.camera.set_rate(fps)


@module.function(1)
def set_gainceiling(vm, gain):
    if vm.get_int(gain) not in (2, 4, 8, 16, 32, 64, 128):
        raise vm.error("ValueError", "Invalid gainceiling")
    return vm.new_bool(driver(vm).found)


@module.function(1)
def set_colorbar(vm, on):
    state = driver(vm)
    on = vm.is_true(on)
    if state.found:
        state.camera.colour_bar = on
    return vm.new_bool(state.found)


def _level(name: str, limit: int | None) -> None:
    """A setting that is taken and changes nothing in the picture."""

    @module.function(1, name=name)
    def setting(vm, level):
        level = vm.get_int(level)
        good = limit is None or -limit <= level <= limit
        return vm.new_bool(driver(vm).found and good)


for _name, _limit in (
    ("set_brightness", 2), ("set_contrast", 2), ("set_saturation", 2), ("set_special_effect", None),
):  # fmt: skip
    _level(_name, _limit)


@module.function(3)
def set_lens_correction(vm, on, radius, coefficient):
    vm.get_int(radius)
    vm.get_int(coefficient)
    return vm.new_bool(driver(vm).found)


def _automatic(name: str, keywords: tuple[str, ...]) -> None:
    """An automatic control: taken, changes nothing."""

    @module.function(1, kw=True, name=name)
    def control(vm, args, kw):
        call = Call(vm, args, kw)
        vm.get_int(args[0])
        for i, keyword in enumerate(keywords, 1):
            word = call.word(i, keyword)
            if word and keyword == "rgb_gain_db":
                for item in vm.get_array_fixed(word, 3):
                    vm.get_float(item)
            elif word:
                vm.get_float(word)
        if not driver(vm).found:
            raise _failed(vm)


_automatic("set_auto_gain", ("gain_db", "gain_db_ceiling"))
_automatic("set_auto_exposure", ("exposure_us",))
_automatic("set_auto_whitebal", ("rgb_gain_db",))


def _reading(name: str) -> None:
    @module.function(0, name=name)
    def read(vm):
        if not driver(vm).found:
            raise _failed(vm)
        raise NotSimulated("sensor." + name, "the exposure control of the chip")


for _name in ("get_gain_db", "get_exposure_us", "get_rgb_gain_db"):
    _reading(_name)


@module.function(1)
def set_jb_quality(vm, quality):
    if not vm.is_int(quality):
        raise vm.error("ValueError", "must be int")


@module.function(2)
def __write_reg(vm, address, value):
    raise NotSimulated("sensor.__write_reg", "single registers of the sensor chip")


@module.function(1)
def __read_reg(vm, address):
    raise NotSimulated("sensor.__read_reg", "single registers of the sensor chip")
