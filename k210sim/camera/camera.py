"""The camera as the board sees it: an image sensor behind the camera interface (DVP).

The sensor sends frames at its rate, whether anybody looks or not. The interface writes a frame in
two forms: RGB565 for the display and three 8-bit planes for the KPU. Orientation 0 (no mirror, no
flip) is the view upright, however a board has its sensor mounted.

Guesses, none measured: 24 frames a second at the 24 MHz clock (reports say above 20), in
proportion to the clock and for every frame size; RGB565 is the planes' upper bits cut off. Not
simulated: exposure, gain, white balance, lens; their settings are taken and change nothing.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from k210sim.clock import Clock

CHIPS = {"ov2640": 0x2642, "gc0328": 0x9D, "ov7740": 0x7742, "ov5640": 0x5640}
BASE_XCLK_HZ, BASE_FPS = 24_000_000, 24
TIMEOUT_NS = 300_000_000
# The colour bars of a test picture, left to right.
_BARS = ((255, 255, 255), (255, 255, 0), (0, 255, 255), (0, 255, 0), (255, 0, 255), (255, 0, 0),
         (0, 0, 255), (0, 0, 0))  # fmt: skip


class Frame(NamedTuple):
    """One captured frame.

    pixels : uint16 RGB565 (h, w), or uint8 (h, w) in grayscale mode
    planes : uint8 (3, h, w), or (1, h, w) in grayscale mode
    number : which frame of the sensor it is
    """

    pixels: np.ndarray
    planes: np.ndarray
    number: int


class Camera:
    """A sensor of kind `chip` (None: no sensor plugged in) looking at `source`."""

    STATE_VERSION = 1

    def __init__(self, clock: Clock, source, chip: str | None = "ov2640"):
        if chip is not None and chip not in CHIPS:
            raise ValueError(f"camera chip {chip!r}: expected one of {', '.join(CHIPS)}")
        self.clock, self.source, self.chip = clock, source, chip
        self.power_on()

    @property
    def chip_id(self) -> int:
        """The number the chip answers with; 0 without a chip."""
        return CHIPS.get(self.chip, 0)

    def power_on(self) -> None:
        """Everything as after power-on: no size, not running."""
        self.size = (0, 0)
        self.window = (0, 0, 0, 0)
        self.gray = False
        self.hmirror = self.vflip = self.colour_bar = False
        self.running = False
        self.double_buffer = False
        self._xclk_hz, self._start_ns = BASE_XCLK_HZ, self.clock.now_ns
        self._rate = None
        self._taken = -1

    # --- settings -------------------------------------------------------------------------------

    def reset(self, xclk_hz: int = BASE_XCLK_HZ, double_buffer: bool = False) -> None:
        """Reset the sensor and choose its clock."""
        self.power_on()
        self._xclk_hz = max(1, xclk_hz)
        self.double_buffer = double_buffer

    def set_xclk(self, hz: int) -> None:
        """Clock the sensor so fast; frames already numbered keep their numbers."""
        self._xclk_hz = max(1, hz)

    def set_framesize(self, width: int, height: int) -> None:
        """Choose the frame's size; the window becomes all of it."""
        self.size = (width, height)
        self.window = (0, 0, width, height)

    def set_window(self, x: int, y: int, w: int, h: int) -> None:
        """Deliver only this part of the frame."""
        self.window = (x, y, w, h)

    def set_rate(self, fps: int | None) -> None:
        """Frames a second, instead of what the clock gives."""
        self._rate = fps

    def run(self, on: bool) -> None:
        """Start or stop the frames; the first starts now."""
        if on and not self.running:
            self._start_ns = self.clock.now_ns
            self._taken = -1
        self.running = on

    # --- frames ---------------------------------------------------------------------------------

    @property
    def period_ns(self) -> int:
        """Time from one frame to the next."""
        fps = self._rate or BASE_FPS * self._xclk_hz / BASE_XCLK_HZ
        return max(1, round(1e9 / fps))

    def snapshot(self) -> Frame | None:
        """Wait for a frame and return it; None when none came within 0.3 s."""
        number = self.wait()
        return None if number is None else self.capture(number)

    def wait(self) -> int | None:
        """Let the time pass until a frame is complete; its number, None when none came in 0.3 s.

        With one buffer the interface starts with the first frame that begins after the call. With
        two it has gone on meanwhile: the last complete frame not yet taken is there at once.
        """
        if not self.running or self.chip is None:
            self.clock.advance_ns(TIMEOUT_NS)
            return None
        period, waited_from = self.period_ns, self.clock.now_ns
        since = waited_from - self._start_ns
        if self.double_buffer:
            number = max(since // period - 1, self._taken + 1)
        else:
            number = -(-since // period)
        ready = self._start_ns + (number + 1) * period
        if ready - waited_from > TIMEOUT_NS:
            self.clock.advance_ns(TIMEOUT_NS)
            return None
        self.clock.advance_ns(max(0, ready - waited_from))
        self._taken = number
        return number

    def capture(self, number: int) -> Frame:
        """What a frame holds, without waiting for it."""
        width, height = self.size
        view = self._bars(width, height) if self.colour_bar else None
        if view is None:
            view = self.source.view(number, width, height)
        if self.hmirror:
            view = view[:, ::-1]
        if self.vflip:
            view = view[::-1]
        x, y, w, h = self.window
        view = view[y : y + h, x : x + w]
        if self.gray:
            luma = (view.astype(np.uint32) @ np.array([299, 587, 114], np.uint32) + 500) // 1000
            pixels = luma.astype(np.uint8)
            return Frame(pixels, pixels[None], number)
        planes = np.ascontiguousarray(view.transpose(2, 0, 1))
        r, g, b = planes.astype(np.uint16)
        pixels = (r >> 3) << 11 | (g >> 2) << 5 | b >> 3
        return Frame(pixels, planes, number)

    @staticmethod
    def _bars(width: int, height: int) -> np.ndarray:
        column = np.arange(width) * len(_BARS) // max(1, width)
        return np.broadcast_to(np.array(_BARS, np.uint8)[column], (height, width, 3))

    # --- snapshots of the board -----------------------------------------------------------------

    _KEPT = ("size", "window", "gray", "hmirror", "vflip", "colour_bar", "running",
             "double_buffer", "_xclk_hz", "_start_ns", "_rate", "_taken")  # fmt: skip

    def state(self) -> dict:
        """All that a snapshot must keep; the source is not part of it."""
        return {"version": self.STATE_VERSION, **{k: getattr(self, k) for k in self._KEPT}}

    def load_state(self, state: dict) -> None:
        """Restore what `state` gave."""
        if state["version"] != self.STATE_VERSION:
            raise ValueError(
                f"camera state version {state['version']}, expected {self.STATE_VERSION}"
            )
        for name in self._KEPT:
            setattr(self, name, state[name])
