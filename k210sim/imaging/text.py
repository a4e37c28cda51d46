"""Text: the built-in ASCII font and loaded UTF-8 fonts, placed as on the board.

Ref: sipeed/MaixPy-v1 components/micropython/port/src/omv/img/font.c, d8901fd.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from k210sim.errors import NotSimulated
from k210sim.imaging import font as builtin
from k210sim.imaging.draw import draw_rectangle

_F = np.float32
_SPACE = 3  # columns a blank takes in proportional text


class Font(NamedTuple):
    """A loaded font: `read(code, length)` gives the bytes of one glyph."""

    width: int
    height: int
    read: Callable[[int, int], bytes]


def _scaled(length: int, scale) -> int:
    return int(_F(length) * scale)


def draw_glyph(image, x, y, colour: int, scale, height: int, width: int, data: bytes) -> None:
    """Draw one glyph, nearest neighbour scaled.

    data : rows of the leftmost 8 columns, then of the next 8 and so on. The number of such strips
    is `height` // 8, not `width` // 8: fonts wider than 8 work when they are square, as on the
    board.
    """
    scale = _F(scale)
    columns, rows = _scaled(width, scale), _scaled(height, scale)
    if columns > 255:
        raise NotSimulated(
            "Image.draw_string",
            f"text wider than 255 pixels a glyph (scale {scale}) hangs the board",
        )
    from_y = (np.arange(rows).astype(_F) / scale).astype(np.int64)
    from_x = (np.arange(columns).astype(_F) / scale).astype(np.int64)
    strips = max(1, height // 8)
    lines = np.zeros(len(from_y), np.int64)
    for strip in range(strips):
        lines = (lines << 8) & 0xFFFFFFFF
        for i, row in enumerate(from_y):
            at = int(row) + strip * height
            lines[i] |= data[at] if at < len(data) else 0
    dots = (lines[:, None] >> (width - 1 - from_x)[None, :]) & 1 == 1
    top, left = max(0, -y), max(0, -x)
    part = image[max(0, y) : max(0, y + rows), max(0, x) : max(0, x + columns)]
    part[dots[top : top + part.shape[0], left : left + part.shape[1]]] = colour


def _extent(data: bytes, width: int, height: int) -> tuple[int, int] | None:
    """First and last column of a glyph's first strip that hold a dot, or None for a blank."""
    union = 0
    for row in data[:height]:
        union |= row
    union &= (1 << width) - 1
    if not union:
        return None
    return width - union.bit_length(), width - 1 - ((union & -union).bit_length() - 1)


def _place(image, x, y, colour, scale, x_spacing, mono_space, width, height, data) -> int:
    """Draw a glyph of running text; returns where the next one starts."""
    extent = _extent(data, width, height)
    if extent and not mono_space:
        x -= _scaled(extent[0], scale)
    draw_glyph(image, x, y, colour, scale, height, width, data)
    if mono_space:
        return x + _scaled(width, scale) + x_spacing
    if extent:
        return x + _scaled(extent[1] + 2, scale) + x_spacing
    return x + int(scale * _F(_SPACE))


def _draw_unknown(image, x: int, y: int, colour: int, scale) -> None:
    """The box that stands for a character the font lacks: 12 wide and 8 high less its margin."""
    margin = _scaled(3, scale) // 2
    w = _scaled(builtin.HEIGHT, scale) - 2 * margin
    h = _scaled(builtin.WIDTH, scale) - 2 * margin
    draw_rectangle(image, x + margin, y + margin, w, h, colour, int(scale))


def draw_string(
    image,
    x: int,
    y: int,
    text: bytes,
    colour: int,
    scale: float = 1.0,
    x_spacing: int = 0,
    y_spacing: int = 2,
    mono_space: bool = False,
) -> None:
    r"""Draw `text` (bytes, UTF-8) with the built-in font; \n, \r and \r\n start a new line.

    Without `mono_space` a glyph's empty columns left and right are dropped and one is put after
    it; with it every glyph takes 8 columns. Bytes outside the printable ASCII draw a box each and
    take no room, as on the board.
    """
    scale = _F(scale)
    start, last = x, 0
    data = builtin.ascii_font()
    for code in text.split(b"\0")[0]:
        if code in b"\r\n":
            if not (last == 13 and code == 10):
                x = start
                y += _scaled(builtin.HEIGHT, scale) + y_spacing
        elif not 32 <= code <= 126:
            _draw_unknown(image, x, y, colour, scale)
        else:
            glyph = data[(code - 32) * builtin.HEIGHT :][: builtin.HEIGHT]
            x = _place(
                image, x, y, colour, scale, x_spacing, mono_space,
                builtin.WIDTH, builtin.HEIGHT, glyph,
            )  # fmt: skip
        last = code


def draw_string_with(
    image,
    x: int,
    y: int,
    text: bytes,
    colour: int,
    font: Font,
    scale: float = 1.0,
    x_spacing: int = 0,
    mono_space: bool = False,
) -> None:
    """Draw UTF-8 `text` with a loaded font, on one line; stops at a byte that is not UTF-8.

    Glyphs stand in the font by code point, `width` // 8 * `height` bytes each.
    """
    scale = _F(scale)
    length = font.width // 8 * font.height
    for character in text.decode("utf-8", "replace"):
        code = ord(character)
        # The firmware's decoder takes the upper half of the two-byte characters for an error.
        if character in "\ufffd\0" or (0x80 <= code < 0x800 and code & 0x20):
            return
        glyph = font.read(code, length)
        x = _place(
            image, x, y, colour, scale, x_spacing, mono_space, font.width, font.height, glyph
        )
