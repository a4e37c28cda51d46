"""The firmware's camera driver: what it keeps, its frame buffers, and how it gets a frame.

The image sensor itself is `k210sim.camera.camera.Camera`. The frame buffers lie in the system
heap: 2 bytes a pixel rounded up to 128 bytes, and three planes for the KPU rounded up to 64;
twice with `dual_buff=True`. A snapshot is an Image over such a buffer: with one buffer the Image
of the snapshot before shows the new frame too.

Facts: sipeed/MaixPy-v1 components/micropython/port/src/omv/sensor.c and the chip drivers beside
it, d8901fd.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from k210sim.camera.camera import TIMEOUT_NS
from k210sim.micropython import layout as L
from k210sim.modules import image_object as images
from k210sim.modules import maix_config

EIO, ENOMEM = 5, 12
BAYER, RGB565, YUV422, GRAYSCALE, JPEG = 1, 2, 3, 4, 5
# Frame sizes by number, 1 and up.
SIZES = (
    (0, 0), (88, 72), (176, 144), (352, 288), (88, 60), (176, 120), (352, 240), (40, 30),
    (80, 60), (160, 120), (320, 240), (640, 480), (60, 40), (120, 80), (240, 160), (64, 32),
    (64, 64), (128, 64), (128, 128), (240, 240), (128, 160), (128, 160), (720, 480), (752, 480),
    (800, 600), (1280, 1024), (1600, 1200),
)  # fmt: skip
MS = 1_000_000
_SWAP_NS_PER_PIXEL = 22  # the byte swap behind each colour snapshot: 1.7 ms for 320x240
# Settings of the board's /flash/config.json: pin, and the function it gets.
_PINS = {
    "cmos_pclk": (47, 137), "cmos_xclk": (46, 132), "cmos_href": (45, 136),
    "cmos_pwdn": (44, 134), "cmos_vsync": (43, 135), "cmos_rst": (42, 133),
    "pin_clk": (41, 130), "pin_sda": (40, 131),
}  # fmt: skip


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


def camera_of(vm):
    """The board's camera, None when it has none or nothing is plugged in."""
    camera = getattr(vm.board, "camera", None)
    return camera if camera is not None and camera.chip is not None else None


def keyword(vm, kw, name: str) -> int:
    """A keyword's word, 0 when it is not given; unknown keywords are never noticed."""
    number = vm.qstrs.find(name.encode()) if kw else 0
    return kw.get(number, 0) if number else 0


def flag(vm, kw, name: str, default: bool) -> bool:
    word = keyword(vm, kw, name)
    return vm.is_true(word) if word else default


def value_error(vm, text: str):
    return vm.error("ValueError", text, formatted=False)


def note(vm, call: str) -> None:
    vm.event("note", f"sensor.{call}: the setting is taken and changes no picture")


def free_buffers(vm, state: State) -> None:
    for buffer in state.buffers:
        vm.system_heap.free(buffer.block)
        vm.system_heap.free(buffer.ai_block)
    state.buffers = []
    vm.frame_buffer = None


def set_pins(vm) -> None:
    """Give the camera its pins, as the board's configuration says."""
    entry = maix_config.value(vm, "sensor")
    for key, (pin, function) in _PINS.items():
        if vm.is_type(entry, "dict") and (word := vm.dict_get(entry, vm.new_str(key))):
            pin = vm.get_int(word) & 0xFF
        vm.pins.set_function(pin, function)


def detect(vm, choice: int) -> str:
    """The name of the chip that answers, with the firmware's lines; "" for none."""
    camera = camera_of(vm)
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


def make_buffers(vm, state: State, width: int, height: int) -> None:
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
            free_buffers(vm, state)
            raise vm.os_error(ENOMEM)
        state.buffers.append(Buffer(block, ai_block, *arrays(vm, ai_block, width, height)))


def arrays(vm, ai_block: int, w: int, h: int) -> tuple[np.ndarray, np.ndarray]:
    """Pixels and planes of a buffer for frames of that size."""
    at = ai_block - L.RAM_BASE
    return np.zeros((h, w), np.uint16), vm.memory.u8[at : at + 3 * w * h].reshape(3, h, w)


TIMEOUT, NOT_READY = -1, -2


def wait(vm, call: str) -> int:
    """Wait for a frame: its number, or TIMEOUT or NOT_READY."""
    state = vm.sensor
    if not state.ready or not state.sized:
        return NOT_READY
    if not state.buffers or not state.pixformat:
        missing = "frame size" if not state.buffers else "pixel format"
        raise vm.error("OSError", "[k210sim]sensor.%s: no %s was set since reset(); the board "
                       "goes on without and writes astray" % (call, missing), formatted=True)
    vm.account()
    if state.asleep:
        vm.charge_ns(TIMEOUT_NS)
        return TIMEOUT
    number = camera_of(vm).wait()
    vm.checkpoint()
    return TIMEOUT if number is None else number


def store(vm, number: int) -> None:
    """Put a frame into the next buffer."""
    state = vm.sensor
    frame = camera_of(vm).capture(number)
    state.turn = (state.turn + 1) % len(state.buffers)
    buffer = state.buffers[state.turn]
    buffer.planes[: len(frame.planes)] = frame.planes
    if state.pixformat != GRAYSCALE:
        buffer.pixels[:] = frame.pixels
        vm.charge_ns(_SWAP_NS_PER_PIXEL * frame.pixels.size)
    state.taken = True


def show(vm, image: images.HostImage) -> None:
    """Make `image` the picture in the buffer filled last. Grayscale pictures are its first plane
    itself."""
    state = vm.sensor
    buffer = state.buffers[state.turn]
    gray = state.pixformat == GRAYSCALE
    image.planes = buffer.planes[:1] if gray else buffer.planes
    image.pixels = buffer.planes[0] if gray else buffer.pixels
    image.extra["address"] = buffer.ai_block if gray else buffer.block
    vm.frame_buffer = image
