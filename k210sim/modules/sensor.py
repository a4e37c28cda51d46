"""The `sensor` module: the camera as guest programs set it up and read it.

Facts: sipeed/MaixPy-v1 components/micropython/port/src/omv/{sensor.c,py/py_sensor.c}, d8901fd.
"""

from __future__ import annotations

import numpy as np

from k210sim.camera.camera import BASE_XCLK_HZ
from k210sim.errors import NotSimulated
from k210sim.micropython import layout as L
from k210sim.micropython.native import GuestModule
from k210sim.modules import image_object as images
from k210sim.modules.sensor_driver import (
    BAYER,
    EIO,
    GRAYSCALE,
    JPEG,
    MS,
    NOT_READY,
    RGB565,
    SIZES,
    TIMEOUT,
    YUV422,
    State,
    arrays,
    camera_of,
    detect,
    flag,
    free_buffers,
    keyword,
    make_buffers,
    set_pins,
    show,
    store,
    value_error,
    wait,
)
from k210sim.modules.sensor_settings import settings

module = GuestModule("sensor")

# Virtual time of a chip's set-up: the driver's waits, and 0.4 ms for each register it writes.
_RESET_NS = {"ov2640": 215 * MS, "gc0328": 400 * MS, "ov7740": 165 * MS, "ov5640": 240 * MS}
_PROBE_NS = 600 * MS  # looking for all kinds of sensor in vain
_FRAMESIZE_NS = {"ov2640": 46 * MS, "gc0328": 42 * MS, "ov7740": 1 * MS, "ov5640": 2 * MS}
_PIXFORMAT_NS = {"ov2640": 30 * MS, "ov5640": 2 * MS}
_OV7740_XCLK_HZ = 22_000_000


@module.init
def _start(vm):
    if not hasattr(vm, "sensor"):
        vm.sensor = State()
        vm.frame_buffer = None  # the last frame, for `copy_to_fb` of the image module


# --- start and end --------------------------------------------------------------------------------
@module.function(0, kw=True)
def reset(vm, args, kw):
    state = vm.sensor
    freq = keyword(vm, kw, "freq")
    xclk = vm.get_int(freq) if freq else BASE_XCLK_HZ
    set_regs = flag(vm, kw, "set_regs", True)
    choice = keyword(vm, kw, "choice")
    choice = vm.get_int(choice) & 0xFF if choice else 0
    state.double = flag(vm, kw, "dual_buff", False)
    state.ready, state.turn = False, 0
    free_buffers(vm, state)
    state.window = (0, 0)
    state.taken = False
    set_pins(vm)
    chip = detect(vm, choice)
    if not chip:
        vm.delay_ns(_PROBE_NS)
        raise vm.error("OSError", "Reset Failed", formatted=False)
    if not freq and chip == "ov7740":
        xclk = _OV7740_XCLK_HZ
    state.chip, state.asleep = chip, False
    state.pixformat = state.framesize = 0
    if set_regs:
        state.registers.clear()
    camera_of(vm).reset(xclk, state.double)
    vm.delay_ns(_RESET_NS[chip])
    state.ready = True
    if state.sized:
        camera_of(vm).run(True)


@module.function(0, kw=True)
def binocular_reset(vm, args, kw):
    raise NotSimulated("sensor.binocular_reset", "one camera is plugged in")


@module.function(0)
def deinit(vm):
    if camera_of(vm):
        camera_of(vm).run(False)
    free_buffers(vm, vm.sensor)
    vm.sensor = State()


# --- format and size ------------------------------------------------------------------------------
def _only_one(vm, args) -> int:
    if len(args) != 1:
        raise value_error(vm, "arg err")
    return args[0]


@module.function(1, kw=True)
def set_pixformat(vm, args, kw):
    state = vm.sensor
    word = _only_one(vm, args)
    set_regs = flag(vm, kw, "set_regs", True)
    wanted = vm.get_int(word)
    if wanted not in (RGB565, YUV422, GRAYSCALE) or (set_regs and not state.chip):
        raise vm.error("OSError", "Pixel format is not supported!", formatted=False)
    if set_regs:
        vm.delay_ns(_PIXFORMAT_NS.get(state.chip, 0))
    state.pixformat, state.taken = wanted, False
    if camera_of(vm):
        camera_of(vm).gray = wanted == GRAYSCALE
    return L.TRUE


@module.function(1, kw=True)
def set_framesize(vm, args, kw):
    state = vm.sensor
    word = _only_one(vm, args)
    set_regs = flag(vm, kw, "set_regs", True)
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
        make_buffers(vm, state, *size)
    if camera_of(vm):
        camera_of(vm).set_framesize(*size)
        if state.ready:
            camera_of(vm).run(True)
    state.sized = True


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
        raise value_error(vm, "The tuple/list must either be (x, y, w, h) or (w, h)")
    if w < 8 or h < 8:
        raise value_error(vm, "The selected window is too small")
    if x < 0 or x + w > width or y < 0 or y + h > height:
        raise value_error(vm, "The selected window is outside the bounds of the frame")
    if w % 8 or h % 8:
        raise value_error(vm, "value must be multiple of 8")
    if (w, h) != state.window:
        for buffer in state.buffers:
            buffer.pixels, buffer.planes = arrays(vm, buffer.ai_block, w, h)
    state.window = (w, h)
    camera = camera_of(vm)
    if camera:
        # Only one driver moves the window in the sensor (gc0328.c, at QVGA alone); with the others
        # the interface takes the first pixels of the first lines, wherever (x, y) is.
        if camera.chip != "gc0328" or (width, height) != (320, 240):
            x = y = 0
        camera.set_window(x, y, w, h)
    return L.TRUE


@module.function(0)
def width(vm):
    return vm.new_int(SIZES[vm.sensor.framesize][0])


@module.function(0)
def height(vm):
    return vm.new_int(SIZES[vm.sensor.framesize][1])


@module.function(0)
def get_id(vm):
    return vm.new_int(camera_of(vm).chip_id if vm.sensor.chip else 0)


# --- frames ---------------------------------------------------------------------------------------
@module.function(1)
def run(vm, on):
    on = vm.get_int(on) != 0
    if camera_of(vm):
        camera_of(vm).run(on)
    return L.TRUE


@module.function(0, kw=True)
def snapshot(vm, args, kw):
    image = images.HostImage(np.zeros((0, 0), np.uint16))
    o = images.new_image(vm, image)
    update = keyword(vm, kw, "update_jb")
    if update:
        vm.is_true(update)
    if not vm.sensor.chip:
        raise vm.error("TypeError", "not found sensor", formatted=False)
    number = wait(vm, "snapshot")
    if number == TIMEOUT:
        raise vm.error("RuntimeError", "Sensor timeout!", formatted=False)
    if number == NOT_READY:
        raise vm.error("RuntimeError", "Not init!", formatted=False)
    store(vm, number)
    show(vm, image)
    return o


@module.function(0, kw=True)
def skip_frames(vm, args, kw):
    limit = keyword(vm, kw, "time")
    ms = vm.get_int(limit) if limit else 300
    count = vm.get_int(args[0]) if args else None
    if not vm.sensor.chip:
        raise vm.error("OSError", "[k210sim]sensor.skip_frames: no sensor was found by reset(); "
                       "on the board this call crashes", formatted=False)
    start, done, last = vm.now_ns(), 0, -1
    while count is None or done < count:
        if (count is None or limit) and vm.now_ns() - start >= ms * MS:
            break
        number = wait(vm, "skip_frames")
        if number == TIMEOUT:
            raise vm.error("RuntimeError", "Sensor Timeout!!", formatted=False)
        if number == NOT_READY:  # the firmware spins until the time is over
            if count is None:
                vm.delay_ns(ms * MS)
            break
        done, last = done + 1, number
    if last >= 0:
        store(vm, last)  # nobody can see the frames before it


@module.function(0)
def get_fb(vm):
    """The last frame; None before the first (there the board shows memory of no known format)."""
    if not vm.sensor.taken or not vm.sensor.buffers:
        return L.NONE
    image = images.HostImage(np.zeros((0, 0), np.uint16))
    o = images.new_image(vm, image)
    show(vm, image)
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
    vm.delay_ns(10 * MS)


# --- names in the firmware's order ----------------------------------------------------------------
_CONSTANTS = {
    "B128X128": 18, "B128X64": 17, "B240X240": 19, "B64X32": 15, "B64X64": 16, "BAYER": BAYER,
    "CIF": 3, "GRAYSCALE": GRAYSCALE, "HQQQVGA": 12, "HQQVGA": 13, "HQVGA": 14, "JPEG": JPEG,
    "LCD": 20, "LEPTON": 84, "MT9V034": 19, "NEGATIVE": 1, "NORMAL": 0, "OV2640": 9794,
    "OV7725": 119, "OV9650": 150, "QCIF": 2, "QQCIF": 1, "QQQQVGA": 7, "QQQVGA": 8, "QQSIF": 4,
    "QQVGA": 9, "QQVGA2": 21, "QSIF": 5, "QVGA": 10, "RGB565": RGB565, "SIF": 6, "SVGA": 24,
    "SXGA": 25, "UXGA": 26, "VGA": 11, "WVGA": 22, "WVGA2": 23, "YUV422": YUV422,
}  # fmt: skip
_functions = {**module.entries, **settings.entries}
module.entries.clear()
for _name in ("__read_reg", "__write_reg"):
    module.entries[_name] = _functions.pop(_name)
for _name, _number in _CONSTANTS.items():
    module.constant(_name, _number)
for _name in sorted(_functions):
    module.entries[_name] = _functions[_name]
