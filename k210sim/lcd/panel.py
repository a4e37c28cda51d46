"""An LCD panel: its controller's memory of columns by pages, and what the glass before it shows.

Ref: Sitronix ST7789V and Ilitek ILI9486 data sheets, commands and memory access control, the same
in both as far as modelled. Not modelled: partial and scroll modes, tearing effect, gamma and
supply settings, reading back. Pixels come in 12, 16, 18 or 24 bits (`receive`) and are kept and
shown in 16: of the wider ones the lower bits of a colour are dropped, and to 4 bits their own upper
ones are added (the controllers have a table there; its default is our guess).

The boards mount their panels on the side. `pixels()` and `image()` show one as a user of the board
sees it; `PanelKind.upright` tells at which memory access control pictures stand upright there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from k210sim.errors import NotSimulated

SOFTWARE_RESET, SLEEP_IN, SLEEP_OUT = 0x01, 0x10, 0x11
INVERSION_OFF, INVERSION_ON = 0x20, 0x21
DISPLAY_OFF, DISPLAY_ON = 0x28, 0x29
COLUMN_ADDRESS, PAGE_ADDRESS, MEMORY_WRITE = 0x2A, 0x2B, 0x2C
MEMORY_ACCESS, PIXEL_FORMAT = 0x36, 0x3A
# Memory access control: page order, column order, exchange of the two, blue before red.
MY, MX, MV, BGR = 0x80, 0x40, 0x20, 0x08
BITS = {3: 12, 5: 16, 6: 18, 7: 24}  # a pixel, by the lower bits of the pixel format
AT_RESET = 6


@dataclass(frozen=True)
class PanelKind:
    """A controller, the glass before it, and how a board mounts and wires both.

    lcd_type : `lcd_type` of the firmware's `lcd.init` for this controller
    columns, pages : size of the controller's memory
    window : first column, first page, columns and pages that the glass shows; None for all
    upright : memory access control (MV, MX, MY) at which a user sees pictures upright
    inverted : whether the glass shows the right colours with inversion on
    blue_first : whether the glass shows the right colours with the BGR bit set
    parallel : eight data lines, or one
    select_pad, data_pad, reset_pad : the chip's pads that chip select, data/command and reset of
        the panel hang on; None for a panel whose reset is not wired
    """

    controller: str = "ST7789"
    lcd_type: int = 0
    columns: int = 240
    pages: int = 320
    window: tuple[int, int, int, int] | None = None
    upright: int = MV | MY
    inverted: bool = False
    blue_first: bool = False
    parallel: bool = True
    select_pad: int = 36
    data_pad: int = 38
    reset_pad: int | None = 37

    @property
    def glass(self) -> tuple[int, int, int, int]:
        """First column, first page, columns and pages that the glass shows."""
        return self.window or (0, 0, self.columns, self.pages)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels, as a user sees the glass."""
        columns, pages = self.glass[2:]
        return (pages, columns) if self.upright & MV else (columns, pages)


# 2.4 inch, 320x240, on Sipeed's 24-pin connector; upright at the firmware's rotation 0.
SHIELD = PanelKind()
# 1.14 inch, 240x135, in the M5StickV: glass on columns 52 to 186 and pages 40 to 279. Its programs
# call lcd.rotation(2) first, so that is taken for upright.
STICK = PanelKind(window=(52, 40, 135, 240), upright=MV | MX, inverted=True, parallel=False,
                  select_pad=22, data_pad=20, reset_pad=21)  # fmt: skip
# 3.5 inch, 480x320, in the Amigo's TFT version; its firmware sets access control to 0x28.
AMIGO = PanelKind(
    controller="ILI9486", lcd_type=1, columns=320, pages=480, upright=MV, blue_first=True
)
# 3.2 inch, 320x240, on the KD233; as the maker's demos set it up, which have no wire to its reset.
KD233 = PanelKind(controller="NT35310", upright=MV, blue_first=True, select_pad=6, data_pad=8,
                  reset_pad=None)  # fmt: skip


def pixels_of(data: bytes, bits: int) -> np.ndarray:
    """uint16 RGB565 of whole pixels of 16 bits, of 18 or 24 (a byte a colour), or pairs of 12."""
    if bits == 16:
        return np.frombuffer(data, ">u2").astype(np.uint16)
    three = np.frombuffer(data, np.uint8).reshape(-1, 3).astype(np.uint16)
    if bits > 16:
        red, green, blue = three.T
        return red >> 3 << 11 | green >> 2 << 5 | blue >> 3
    first, second, third = three.T
    pairs = (first << 4 | second >> 4, (second & 15) << 8 | third)
    red, green, blue = (np.stack(pairs, 1).ravel() >> shift & 15 for shift in (8, 4, 0))
    return (red << 1 | red >> 3) << 11 | (green << 2 | green >> 2) << 5 | blue << 1 | blue >> 3


class Panel:
    """One panel, with power and the reset line released."""

    STATE_VERSION = 2

    def __init__(self, kind: PanelKind = SHIELD):
        self.kind = kind
        self.memory = np.zeros((kind.pages, kind.columns), np.uint16)
        self.writes = 0  # counts memory writes; a viewer compares it to know when to redraw
        self.reset()

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels, as a user sees the panel."""
        return self.kind.size

    def reset(self) -> None:
        """Reset by pin or command: registers to their defaults; the memory keeps its content."""
        self.access = 0
        self.inverted = self.shown = False
        self.asleep = True
        self._column, self._page = (0, self.kind.columns - 1), (0, self.kind.pages - 1)
        self._at = 0
        self.format, self._rest = AT_RESET, b""

    @property
    def bits(self) -> int:
        """Of a pixel on the bus."""
        return BITS[self.format]

    def command(self, code: int, data: bytes = b"") -> None:
        """One command with its parameter bytes; unknown ones are taken and do nothing."""
        if self._rest:
            self._end_pixels()
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
        elif code == PIXEL_FORMAT and data:
            if data[0] & 7 not in BITS:
                raise NotSimulated(f"LCD pixel format 0x{data[0]:02x}", "no such format is known")
            self.format = data[0] & 7
        elif code == MEMORY_WRITE:
            self._at = 0
            self.receive(data)

    def window(self, x1: int, y1: int, x2: int, y2: int) -> None:
        """Choose the window that following writes fill, both corners included."""
        self._column = (x1 & 0xFFFF, x2 & 0xFFFF)
        self._page = (y1 & 0xFFFF, y2 & 0xFFFF)
        self._at = 0

    def receive(self, data: bytes) -> None:
        """Pixels as they come over the bus, cut anywhere; see `write`."""
        data = self._rest + data
        whole = len(data) - len(data) % (2 if self.bits == 16 else 3)
        self._rest = data[whole:]
        self.write(pixels_of(data[:whole], self.bits))

    def _end_pixels(self) -> None:
        """No more bytes come: of 12 bits one pixel may be whole that has no second."""
        rest, self._rest = self._rest, b""
        if self.bits == 12 and len(rest) == 2:
            self.write(pixels_of(rest + b"\0", 12)[:1])

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
        columns, pages = self.kind.columns, self.kind.pages
        column, page = (y, x) if self.access & MV else (x, y)
        if self.access & MX:
            column = columns - 1 - column
        if self.access & MY:
            page = pages - 1 - page
        inside = (column >= 0) & (column < columns) & (page >= 0) & (page < pages)
        self.memory[page[inside], column[inside]] = pixels[inside]
        self.writes += 1

    def _fill(self, x1: int, y1: int, width: int, pixels: np.ndarray) -> bool:
        """Write a whole window that lies inside the memory; False, with nothing done, if not."""
        block = pixels.reshape(-1, width)
        left, top = x1, y1
        if self.access & MV:
            block, left, top = block.T, y1, x1
        height, width = block.shape
        columns, pages = self.kind.columns, self.kind.pages
        if left + width > columns or top + height > pages:
            return False
        if self.access & MX:
            block, left = block[:, ::-1], columns - left - width
        if self.access & MY:
            block, top = block[::-1], pages - top - height
        self.memory[top : top + height, left : left + width] = block
        self.writes += 1
        return True

    def pixels(self) -> np.ndarray:
        """uint16 RGB565 (height, width): what a user sees; black while the display is off."""
        kind = self.kind
        if not self.shown or self.asleep:
            return np.zeros(kind.size[::-1], np.uint16)
        left, top, columns, pages = kind.glass
        seen = self.memory[top : top + pages, left : left + columns]
        if kind.upright & MX:
            seen = seen[:, ::-1]
        if kind.upright & MY:
            seen = seen[::-1]
        if kind.upright & MV:
            seen = seen.T
        if self.inverted != kind.inverted:
            seen = ~seen
        if bool(self.access & BGR) != kind.blue_first:
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
            "format": self.format,
            "rest": self._rest,
        }

    def load_state(self, state: dict) -> None:
        """Restore what `state` gave."""
        if state["version"] != self.STATE_VERSION:
            raise ValueError(f"LCD state version {state['version']}, expected {self.STATE_VERSION}")
        self.memory[:] = np.frombuffer(state["memory"], np.uint16).reshape(self.memory.shape)
        self.access, self.inverted = state["access"], state["inverted"]
        self.shown, self.asleep = state["shown"], state["asleep"]
        self.format, self._rest = state["format"], state["rest"]
        x1, x2, y1, y2, self._at = state["window"]
        self._column, self._page = (x1, x2), (y1, y2)
        self.writes += 1
