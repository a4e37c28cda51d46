"""DVP: the camera's frames into memory, and its control bus (SCCB).

Ref: kendryte-standalone-sdk lib/drivers/include/dvp.h and dvp.c; sipeed/MaixPy-v1
components/micropython/port/src/omv/sensor.c for the order of pixels. A frame that is to be
converted goes to memory as two things: RGB565 with the first of two pixels in the upper half of a
32-bit word, and three 8-bit planes. In luma mode the planes hold the brightness and nothing goes to
the display's address (no firmware uses that one then; a guess). What is sent where no memory is
gets lost: MaixPy lets frames go to address 0 while it changes buffers.

The sensor sends frames while it is clocked, powered and not in reset. Guesses: a frame's data end
at 9/10 of its time (the blanking); the frame is cut at the DVP's size from the upper left corner.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from k210sim.camera.camera import Camera
from k210sim.camera.registers import SensorRegisters
from k210sim.clock import Alarm
from k210sim.devices.device import Device, Register

NAMES = ("dvp_cfg", "r_addr", "g_addr", "b_addr", "cmos_cfg", "sccb_cfg", "sccb_ctl", "axi", "sts",
         "reverse", "rgb_addr")  # fmt: skip
START_INTERRUPT, FINISH_INTERRUPT, TO_AI, TO_DISPLAY, AUTO = 0x01, 0x02, 0x04, 0x08, 0x10
BURST, FORMAT, LUMA = 0x100, 0x600, 0x600
CLOCK_ON, RELEASED, POWERED_DOWN = 1 << 8, 1 << 16, 1 << 24  # of cmos_cfg
STARTED, FINISHED, CONVERT, SCCB = 1 << 0, 1 << 8, 1 << 16, 1 << 24  # of sts
SCCB_WRITE = 1
DATA_SHARE = (9, 10)


class Dvp(Device):
    """camera : None for nothing plugged in. memory(address, bytes) : a writable uint8 view of RAM,
    or None. hz() : the APB1 clock, which XCLK divides"""

    NAME = "DVP"
    REGISTERS = tuple(Register(4 * i, name) for i, name in enumerate(NAMES))

    def __init__(
        self,
        clock,
        camera: Camera | None,
        memory: Callable[[int, int], np.ndarray | None],
        hz: Callable[[], int],
    ):
        self._clock, self.camera, self._memory, self._hz = clock, camera, memory, hz
        present = camera is not None and camera.chip is not None
        self.sensor = SensorRegisters(camera) if present else None
        self._alarm: Alarm | None = None
        self._status = 0
        self._frame = self._began = 0  # the frame on its way, and since when
        self._converting = False
        super().__init__()

    def reset(self) -> None:
        super().reset()
        self._status, self._converting = 0, False
        self._run_or_stop()
        self._update()

    def _at(self, name: str) -> int:
        return self._cells[NAMES.index(name)]

    def find(self, address: int) -> SensorRegisters | None:
        """The sensor, when it answers at a 7-bit address: out of reset and powered."""
        sensor = self.sensor
        return sensor if sensor and address == sensor.address and self._alive else None

    @property
    def _alive(self) -> bool:
        cmos = self._at("cmos_cfg")
        return bool(cmos & RELEASED) and not cmos & POWERED_DOWN

    # --- set-up ---------------------------------------------------------------------------------

    def write_cmos_cfg(self, value: int) -> None:
        self._put(0x10, 4, value)
        if self.sensor is not None and not value & RELEASED:
            self.sensor.reset()
        self._run_or_stop()

    def write_dvp_cfg(self, value: int) -> None:
        self._put(0x00, 4, value)
        self._update()

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        config = self._at("dvp_cfg")
        return (config >> 12 & 0xFF) * 8 * (4 if config & BURST else 1), config >> 20 & 0x3FF

    # --- frames ---------------------------------------------------------------------------------

    def _run_or_stop(self) -> None:
        camera, cmos = self.camera, self._at("cmos_cfg")
        if self.sensor is None:
            return
        camera.set_xclk(self._hz() // (2 * ((cmos & 0xFF) + 1)))
        runs = self._alive and bool(cmos & CLOCK_ON)
        if runs == (self._alarm is not None):
            return
        camera.run(runs)
        if self._alarm is not None:
            self._clock.cancel(self._alarm)
            self._alarm, self._converting = None, False
        if runs:
            self._frame = -1
            self._alarm = self._clock.alarm(self._clock.now_ns + camera.period_ns, self._start)

    def _start(self) -> None:
        """A frame begins."""
        self._frame += 1
        self._began = self._clock.now_ns
        self._converting = bool(self._at("dvp_cfg") & AUTO)
        part, whole = DATA_SHARE
        at = self._began + self.camera.period_ns * part // whole
        self._alarm = self._clock.alarm(at, self._finish)
        self._raise(STARTED)

    def _finish(self) -> None:
        """Its last pixel has come."""
        at = max(self._clock.now_ns, self._began + self.camera.period_ns)
        self._alarm = self._clock.alarm(at, self._start)
        if self._converting:
            self._converting = False
            self._store()
            self._raise(FINISHED)

    def _store(self) -> None:
        width, height = self.size
        if not width or not height:
            return
        camera = self.camera
        luma = self._at("dvp_cfg") & FORMAT == LUMA
        most = self.sensor.kind.largest
        camera.set_framesize(*(self.sensor.size or (min(width, most[0]), min(height, most[1]))))
        camera.gray = luma
        frame = camera.capture(self._frame)
        config = self._at("dvp_cfg")
        if config & TO_AI:
            for name, plane in zip(("r_addr", "g_addr", "b_addr"), frame.planes, strict=False):
                self._put_rows(self._at(name), _fitted(plane, width, height))
        if config & TO_DISPLAY and not luma:
            pixels = _fitted(frame.pixels, width, height)
            pairs = np.ascontiguousarray(pixels.reshape(height, -1, 2)[:, :, ::-1])
            self._put_rows(self._at("rgb_addr"), pairs)

    def _put_rows(self, address: int, values: np.ndarray) -> None:
        memory = self._memory(address, values.nbytes)
        if memory is not None:
            memory[:] = np.ascontiguousarray(values).view(np.uint8).ravel()

    # --- status and interrupt -------------------------------------------------------------------

    def _raise(self, bit: int) -> None:
        self._status |= bit
        self._update()

    def _update(self) -> None:
        config = self._at("dvp_cfg")
        started = self._status & STARTED and config & START_INTERRUPT
        finished = self._status & FINISHED and config & FINISH_INTERRUPT
        self.irq(bool(started or finished))

    def read_sts(self) -> int:
        return self._status | (CONVERT if self._converting else 0)

    def write_sts(self, value: int) -> None:
        """Each bit counts only with its write-enable bit, the one above it."""
        for bit in (STARTED, FINISHED):
            if value & bit and value & bit << 1:
                self._status &= ~bit
        if value & CONVERT << 1:
            self._converting = bool(value & CONVERT)
        if value & SCCB and value & SCCB << 1:
            self._transact()
        self._update()

    # --- SCCB -----------------------------------------------------------------------------------

    def _transact(self) -> None:
        """One transaction of sccb_ctl; its time is not modelled."""
        control = self._at("sccb_ctl")
        count = (self._at("sccb_cfg") & 3) + 1
        sensor = self.find(control >> 1 & 0x7F)
        if control & SCCB_WRITE:
            if sensor is not None:
                sensor.start()
                for n in range(1, count):
                    sensor.put(control >> 8 * n & 0xFF)
            return
        value = 0xFF if sensor is None else sensor.get()
        self._put(0x14, 4, self._at("sccb_cfg") & 0x00FFFFFF | value << 24)


def _fitted(picture: np.ndarray, width: int, height: int) -> np.ndarray:
    """The upper left part of a picture, black where it is too small."""
    part = picture[:height, :width]
    if part.shape == (height, width):
        return part
    whole = np.zeros((height, width), picture.dtype)
    whole[: part.shape[0], : part.shape[1]] = part
    return whole
