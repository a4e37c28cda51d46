"""Drawing through the panel's command interface, as the firmware's driver does it, with its time.

The firmware's `lcd` module is bound on top of this; all colours here are RGB565 values.
Ref: sipeed/MaixPy-v1 components/drivers/lcd/src/lcd_mcu.c and
components/micropython/port/src/omv/py/py_lcd.c, d8901fd.
"""

from __future__ import annotations

import struct

import numpy as np

from k210sim.clock import Clock
from k210sim.imaging import formats, text
from k210sim.lcd import panel as chip
from k210sim.lcd.panel import Panel

DEFAULT_FREQ = 15_000_000
SLOWEST = 6_000  # hertz: 390 MHz by the controller's largest divisor
NONE, SHIELD, CUBE, M5STICKV, TWATCH, CONVERTER = range(6)
TYPES = (NONE, SHIELD, CUBE, M5STICKV, TWATCH, CONVERTER)
# Memory access control by rotation, plain and mirrored.
_UPRIGHT = (chip.MV | chip.MY, 0, chip.MV | chip.MX, chip.MX | chip.MY)
_MIRRORED = (chip.MV, chip.MX, chip.MV | chip.MX | chip.MY, chip.MY)
_MS = 1_000_000


class Driver:
    """State of the firmware's LCD driver: what `init` chose, rotation, mirror, offsets."""

    def __init__(self, panel: Panel, clock: Clock):
        self.panel, self.clock = panel, clock
        self.type = NONE
        self.width = self.height = 0  # as the chosen rotation shows it
        self.rotation, self.mirrored = 0, False
        self.freq = self._bus = DEFAULT_FREQ
        self._parallel = True
        self.size = (0, 0)  # width and height at rotation 0
        self._offsets = ((0, 0), (0, 0))
        self._offset = (0, 0)
        self._blue_first = self._direction = 0

    # --- set-up ---------------------------------------------------------------------------------

    def init(
        self,
        kind: int = SHIELD,
        freq: int = DEFAULT_FREQ,
        colour: int = 0,
        width: int = 320,
        height: int = 240,
        invert: bool = False,
        offsets: tuple[int, int, int, int] = (0, 0, 0, 0),
        parallel: bool = True,
        direction: int = _UPRIGHT[0],
        settings: int = 0,
    ) -> None:
        """Reset the panel and clear it to `colour`.

        offsets : w0, h0 for the upright (rows and columns not exchanged) and w1, h1 for the
        sideways directions. direction : memory access control; its BGR bit stays through
        rotations. settings : bytes of supply and gamma settings sent in between; they cost their
        time only. Takes 0.29 s of device time and one clearing.
        """
        self._parallel, self._bus = parallel, max(SLOWEST, freq)
        self.size = (width, height)
        self._offsets = (offsets[:2], offsets[2:])
        self.panel.reset()
        self._wait_ms(50 + 50)
        self._command(chip.SOFTWARE_RESET)
        self._wait_ms(50)
        self._charge(settings)
        self._command(chip.SLEEP_OUT)
        self._wait_ms(120)
        self._command(chip.PIXEL_FORMAT, b"\x55")
        self._wait_ms(10)
        self.type = kind
        self._blue_first = direction & chip.BGR
        self.set_direction(direction)
        if invert:
            self._command(chip.INVERSION_ON)
            self._wait_ms(10)
        self._command(chip.DISPLAY_ON)
        self._wait_ms(10)
        self.width, self.height = width, height
        self.rotation, self.mirrored = 0, False
        self.clear(colour)

    def deinit(self) -> None:
        """Forget the panel; what it shows stays."""
        self.type = NONE
        self.width = self.height = 0

    def set_freq(self, freq: int) -> None:
        """Change the bus clock."""
        self.freq, self._bus = freq, max(SLOWEST, freq)

    def set_direction(self, direction: int) -> None:
        """Write the memory access control; chooses the offsets that belong to it."""
        direction |= self._blue_first
        self._direction = direction
        self._offset = self._offsets[1 if direction & chip.MV else 0]
        self._command(chip.MEMORY_ACCESS, bytes([direction & 0xFF]))

    def set_rotation(self, rotation: int) -> None:
        """Turn by quarters (0..3); keeps the mirroring."""
        self.rotation = rotation
        width, height = self.size
        self.width, self.height = (height, width) if rotation & 1 else (width, height)
        self.set_direction((_MIRRORED if self.mirrored else _UPRIGHT)[rotation])
        self._cube_offset()

    def set_mirror(self, on: bool) -> None:
        """Switch mirroring; off shows only at the next rotation, as on the board."""
        self.mirrored = on
        if on:
            self.set_direction(_MIRRORED[self.rotation])
            self._cube_offset()

    def set_bgr(self, on: bool) -> None:
        """Exchange red and blue."""
        self._blue_first = chip.BGR if on else 0
        self.set_direction(self._direction & ~chip.BGR)

    def _cube_offset(self) -> None:
        if self.type == CUBE:
            self._offset = ((80, 0), (0, 0), (0, 0), (0, 80))[self.rotation]

    # --- drawing --------------------------------------------------------------------------------

    def clear(self, colour: int) -> None:
        """Fill the screen."""
        width, height = self.size
        if not self._direction & chip.MV:
            width, height = height, width
        self._area(0, 0, width - 1, height - 1)
        self._pixels(np.full(width * height // 2 * 2, colour & 0xFFFF, np.uint16))

    def fill(self, x1: int, y1: int, x2: int, y2: int, colour: int) -> None:
        """Fill columns x1..x2-1 of rows y1..y2-1; of an odd number of pixels the last is left."""
        if x1 == x2 or y1 == y2:
            return
        self._area(x1, y1, x2 - 1, y2 - 1)
        count = (x2 - x1) * (y2 - y1) // 2 * 2
        self._pixels(np.full(max(0, count), colour & 0xFFFF, np.uint16))

    def display(self, image: np.ndarray, roi=None, offset: tuple[int, int] | None = None) -> None:
        """Show a picture (RGB565 or grayscale), or its region `roi` (x, y, w, h).

        Without `offset` (or with a negative one) it is cut or padded with black to the middle of
        the screen; with it, it is put there and nothing else changes.
        """
        height, width = image.shape
        x, y, w, h = roi or (0, 0, width, height)
        left = top = 0
        if offset is None or min(offset) < 0:
            x, w, left, right = _fit(x, w, self.width)
            y, h, top, bottom = _fit(y, h, self.height)
            self.fill(0, 0, self.width, top, 0)
            self.fill(0, self.height - bottom, self.width, self.height, 0)
            self.fill(0, top, left, self.height - bottom, 0)
            self.fill(self.width - right, top, self.width, self.height - bottom, 0)
        else:
            left, top = offset
        part = image[y : y + h, x : x + w]
        gray = formats.kind_of(image) == formats.GRAYSCALE
        whole = part.shape == image.shape
        if whole:
            self._area(left, top, left + w - 1, top + h - 1)
            self._pixels(_gray_pixels(part.ravel()) if gray else part)
            return
        for row in range(len(part)):  # regions go out line by line
            self._area(left, top + row, left + w - 1, top + row)
            self._pixels(_gray_pixels(part[row]) if gray else part[row])

    def draw_string(self, x: int, y: int, string: bytes, colour: int, back: int = 0) -> None:
        """Text in cells of 8x12 on a background, cut at the screen's right edge."""
        width = self.size[0]
        string = string.split(b"\0")[0][: max(0, (width - x) // 8)]
        # The firmware compares y with the width too.
        if x >= width or y > width - 16 or not string:
            return
        cell = np.full((12, 8 * len(string)), back & 0xFFFF, np.uint16)
        text.draw_string(cell, 0, 0, string, colour & 0xFFFF, mono_space=True)
        self._area(x, y, x + cell.shape[1] - 1, y + 11)
        self._pixels(cell)

    # --- the bus --------------------------------------------------------------------------------

    def register(self, code: int, data: bytes) -> None:
        """Send a command with data of the caller's choice."""
        self._command(code, data)

    def _wait_ms(self, ms: int) -> None:
        self.clock.advance_ns(ms * _MS)

    def _charge(self, count: int) -> None:
        """Bus time of `count` bytes: a clock a byte on the parallel bus, else eight."""
        clocks = count if self._parallel else 8 * count
        self.clock.advance_ns(clocks * 1_000_000_000 // self._bus)

    @property
    def heard(self) -> bool:
        """Whether the panel hangs on the data lines in use."""
        return self._parallel == self.panel.kind.parallel

    def _command(self, code: int, data: bytes = b"") -> None:
        self._charge(1 + len(data))
        if self.heard:
            self.panel.command(code, data)

    def _area(self, x1: int, y1: int, x2: int, y2: int) -> None:
        dx, dy = self._offset
        columns = struct.pack(">HH", x1 + dx & 0xFFFF, x2 + dx & 0xFFFF)
        self._command(chip.COLUMN_ADDRESS, columns)
        self._command(chip.PAGE_ADDRESS, struct.pack(">HH", y1 + dy & 0xFFFF, y2 + dy & 0xFFFF))
        self._command(chip.MEMORY_WRITE)

    def _pixels(self, pixels: np.ndarray) -> None:
        self._charge(2 * pixels.size)
        if self.heard and self.panel.bits == 16:
            self.panel.write(pixels)
        elif self.heard:  # the program has chosen another format and sends these bytes all the same
            self.panel.receive(pixels.astype(">u2").tobytes())


def _fit(start: int, size: int, room: int) -> tuple[int, int, int, int]:
    """Cut or pad a side to the middle of `room`: start, size, padding before and after."""
    if size > room:
        return start + (size - room) // 2, room, 0, 0
    return start, size, (room - size) // 2, (room - size + 1) // 2


def _gray_pixels(levels: np.ndarray) -> np.ndarray:
    """RGB565 of gray levels, 64 steps; of an odd number the last is not sent."""
    level = levels[: len(levels) // 2 * 2].astype(np.uint16) >> 2
    return level >> 1 << 11 | level << 5 | level >> 1
