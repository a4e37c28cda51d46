"""An ST7789 panel: the controller's memory of 240 columns by 320 pages and what the glass shows.

Ref: Sitronix ST7789V data sheet, commands and memory access control. Not modelled: partial and
scroll modes, tearing effect, gamma, reading back, 12 and 18-bit pixels.

The boards mount the panel on its side. `pixels()` and `image()` show it as a user sees it: 320
wide and 240 high, upright at the firmware's rotation 0 (memory access control 0xA0).
"""

from __future__ import annotations

import numpy as np

SOFTWARE_RESET, SLEEP_IN, SLEEP_OUT = 0x01, 0x10, 0x11
INVERSION_OFF, INVERSION_ON = 0x20, 0x21
DISPLAY_OFF, DISPLAY_ON = 0x28, 0x29
COLUMN_ADDRESS, PAGE_ADDRESS, MEMORY_WRITE = 0x2A, 0x2B, 0x2C
MEMORY_ACCESS, PIXEL_FORMAT = 0x36, 0x3A
# Memory access control: page order, column order, exchange of the two, blue before red.
MY, MX, MV, BGR = 0x80, 0x40, 0x20, 0x08

COLUMNS, PAGES = 240, 320


class Panel:
    """One panel. `inverted_glass` is true for panels whose colours are right with inversion on."""

    STATE_VERSION = 1

    def __init__(self, inverted_glass: bool = False):
        self.inverted_glass = inverted_glass
        self.memory = np.zeros((PAGES, COLUMNS), np.uint16)
        self.writes = 0  # counts memory writes; a viewer compares it to know when to redraw
        self.reset()

    def reset(self) -> None:
        """Reset by pin or command: registers to their defaults; the memory keeps its content."""
        self.access = 0
        self.inverted = self.shown = False
        self.asleep = True
        self._column, self._page = (0, COLUMNS - 1), (0, PAGES - 1)
        self._at = 0

    def command(self, code: int, data: bytes = b"") -> None:
        """One command with its parameter bytes; unknown ones are taken and do nothing."""
        if code == SOFTWARE_RESET:
            self.reset()
        elif code in (SLEEP_IN, SLEEP_OUT):
            self.asleep = code == SLEEP_IN
        elif code in (INVERSION_OFF, INVERSION_ON):
            self.inverted = code == INVERSION_ON
        elif code in (DISPLAY_OFF, DISPLAY_ON):
            self.shown = code == DISPLAY_ON
        elif code == MEMORY_ACCESS and data:
            self.access = data[0]
        elif code == COLUMN_ADDRESS and len(data) >= 4:
            self._column = (data[0] << 8 | data[1], data[2] << 8 | data[3])
        elif code == PAGE_ADDRESS and len(data) >= 4:
            self._page = (data[0] << 8 | data[1], data[2] << 8 | data[3])
        elif code == MEMORY_WRITE:
            self._at = 0
            self.write(np.frombuffer(data[: len(data) & ~1], ">u2"))

    def window(self, x1: int, y1: int, x2: int, y2: int) -> None:
        """Choose the window that following writes fill, both corners included."""
        self._column = (x1 & 0xFFFF, x2 & 0xFFFF)
        self._page = (y1 & 0xFFFF, y2 & 0xFFFF)
        self._at = 0

    def write(self, pixels: np.ndarray) -> None:
        """Go on filling the window, row by row, with RGB565 values; at its end it starts over.

        What lies outside the memory is dropped, as is all when the window's ends are crossed.
        """
        (x1, x2), (y1, y2) = self._column, self._page
        width, height = x2 - x1 + 1, y2 - y1 + 1
        pixels = np.asarray(pixels, np.uint16).ravel()
        if width <= 0 or height <= 0 or not len(pixels):
            return
        if not self._at and len(pixels) == width * height and self._fill(x1, y1, width, pixels):
            return
        place = (self._at + np.arange(len(pixels))) % (width * height)
        self._at = (self._at + len(pixels)) % (width * height)
        x, y = x1 + place % width, y1 + place // width
        column, page = (y, x) if self.access & MV else (x, y)
        if self.access & MX:
            column = COLUMNS - 1 - column
        if self.access & MY:
            page = PAGES - 1 - page
        inside = (column >= 0) & (column < COLUMNS) & (page >= 0) & (page < PAGES)
        self.memory[page[inside], column[inside]] = pixels[inside]
        self.writes += 1

    def _fill(self, x1: int, y1: int, width: int, pixels: np.ndarray) -> bool:
        """Write a whole window that lies inside the memory; False, with nothing done, if not."""
        block = pixels.reshape(-1, width)
        left, top = x1, y1
        if self.access & MV:
            block, left, top = block.T, y1, x1
        height, width = block.shape
        if left + width > COLUMNS or top + height > PAGES:
            return False
        if self.access & MX:
            block, left = block[:, ::-1], COLUMNS - left - width
        if self.access & MY:
            block, top = block[::-1], PAGES - top - height
        self.memory[top : top + height, left : left + width] = block
        self.writes += 1
        return True

    def pixels(self) -> np.ndarray:
        """uint16 RGB565 (240, 320): what a user sees; black while the display is off."""
        if not self.shown or self.asleep:
            return np.zeros((COLUMNS, PAGES), np.uint16)
        seen = self.memory[::-1].T
        if self.inverted != self.inverted_glass:
            seen = ~seen
        if self.access & BGR:
            seen = (seen & 31) << 11 | seen & 0x07E0 | seen >> 11
        return np.ascontiguousarray(seen)

    def image(self):
        """What a user sees, as a PIL image in RGB."""
        from PIL import Image

        from k210sim.imaging.colour import unpack

        return Image.fromarray(np.dstack(unpack(self.pixels())))

    def state(self) -> dict:
        """All that a snapshot must keep."""
        return {
            "version": self.STATE_VERSION,
            "memory": self.memory.tobytes(),
            "access": self.access,
            "inverted": self.inverted,
            "shown": self.shown,
            "asleep": self.asleep,
            "window": (*self._column, *self._page, self._at),
        }

    def load_state(self, state: dict) -> None:
        """Restore what `state` gave."""
        if state["version"] != self.STATE_VERSION:
            raise ValueError(f"LCD state version {state['version']}, expected {self.STATE_VERSION}")
        self.memory[:] = np.frombuffer(state["memory"], np.uint16).reshape(PAGES, COLUMNS)
        self.access, self.inverted = state["access"], state["inverted"]
        self.shown, self.asleep = state["shown"], state["asleep"]
        x1, x2, y1, y2, self._at = state["window"]
        self._column, self._page = (x1, x2), (y1, y2)
        self.writes += 1
