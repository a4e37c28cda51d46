"""Lines, boxes, circles, ellipses, arrows and pasted pictures, pixel for pixel as on the board.

`colour` is a pixel value of the picture's format (see formats.store); everything outside the
picture is clipped. Ref: sipeed/MaixPy-v1 components/micropython/port/src/omv/img/draw.c, d8901fd.
"""

from __future__ import annotations

import math

import numpy as np

from k210sim.imaging.colour import G6_TO_8, R5_TO_8, mask_of, pack
from k210sim.imaging.formats import RGB565, kind_of
from k210sim.imaging.rounding import fast_atan

_F = np.float32


def fill_box(image, left: int, top: int, right: int, bottom: int, colour: int) -> None:
    """Paint columns left..right-1 of rows top..bottom-1."""
    image[max(0, top) : max(0, bottom), max(0, left) : max(0, right)] = colour


def _halves(thickness: int) -> tuple[int, int]:
    """How far a stroke reaches before and after its line: an even one is wider before."""
    return thickness // 2, (thickness - 1) // 2


def _brush(before: int, after: int) -> list[tuple[int, int]]:
    """Offsets (dx, dy) a round brush covers; its radius is `before`."""
    reach = range(-before, after + 1)
    return [(x, y) for y in reach for x in reach if x * x + y * y <= before * before]


def _dab(image, x: int, y: int, brush, colour: int) -> None:
    height, width = image.shape
    for dx, dy in brush:
        if 0 <= x + dx < width and 0 <= y + dy < height:
            image[y + dy, x + dx] = colour


def draw_line(image, x0: int, y0: int, x1: int, y1: int, colour: int, thickness: int = 1) -> None:
    """A Bresenham line drawn with a round brush; nothing when `thickness` is below 1."""
    if thickness <= 0:
        return
    brush = _brush(*_halves(thickness))
    along, across = abs(x1 - x0), abs(y1 - y0)
    step_x, step_y = (1 if x0 < x1 else -1), (1 if y0 < y1 else -1)
    # C halves towards zero, Python's // downwards: the sign is taken out first.
    error = along // 2 if along > across else -(across // 2)
    x, y = x0, y0
    _dab(image, x, y, brush, colour)
    while (x, y) != (x1, y1):
        before = error
        if before > -along:
            error -= across
            x += step_x
        if before < across:
            error += along
            y += step_y
        _dab(image, x, y, brush, colour)


def draw_rectangle(
    image, x: int, y: int, w: int, h: int, colour: int, thickness: int = 1, fill: bool = False
) -> None:
    """A box; its outline is centred on the edge pixels and reaches outwards too."""
    if fill:
        fill_box(image, x, y, x + w, y + h, colour)
    elif thickness > 0:
        before, after = _halves(thickness)
        left, right = x - before, x + w + after
        top, bottom = y - before, y + h + after
        for edge in (y, y + h - 1):
            fill_box(image, left, edge - before, right, edge + after + 1, colour)
        for edge in (x, x + w - 1):
            fill_box(image, edge - before, top, edge + after + 1, bottom, colour)


def _disc(image, cx: int, cy: int, radius: int, colour: int) -> None:
    for dy in range(-radius, radius + 1):
        reach = math.isqrt(radius * radius - dy * dy)
        fill_box(image, cx - reach, cy + dy, cx + reach + 1, cy + dy + 1, colour)


class _Arc:
    """The column of a midpoint circle, row by row, over one octant."""

    def __init__(self, radius: int):
        self.column, self.error = radius, 1 - radius

    def step(self, row: int) -> None:
        """Go on to `row`."""
        if self.error < 0:
            self.error += 2 * row + 1
        else:
            self.column -= 1
            self.error += 2 * (row - self.column + 1)


def draw_circle(
    image, cx: int, cy: int, r: int, colour: int, thickness: int = 1, fill: bool = False
) -> None:
    """A circle: filled, or the ring between two midpoint circles."""
    if fill:
        _disc(image, cx, cy, r, colour)
        return
    if thickness <= 0:
        return
    before, after = _halves(thickness)
    outer, inner = _Arc(r + before), _Arc(max(r - after, 0))
    inner_radius = inner.column
    row = 0
    while outer.column >= row:
        near, far = inner.column, outer.column
        for side in (-1, 1):
            ends = sorted((side * near, side * far)) if near <= far else (0, -1)
            for other in (-row, row):
                x, y = cx + ends[0], cy + other
                fill_box(image, x, y, cx + ends[1] + 1, y + 1, colour)
                x, y = cx + other, cy + ends[0]
                fill_box(image, x, y, x + 1, cy + ends[1] + 1, colour)
        row += 1
        outer.step(row)
        if row > inner_radius:
            inner.column = row
        else:
            inner.step(row)


def _ellipse_points(a: int, b: int):
    """First-quadrant points (x, y) of a midpoint ellipse with half axes `a` and `b`.

    Two runs that meet in the middle, the flat part first; points may repeat.
    """
    for first, second, flip in ((a, b, False), (b, a, True)):
        f2, s2 = first * first, second * second
        run, height = 0, second
        decision = 2 * s2 + f2 * (1 - 2 * second)
        while s2 * run <= f2 * height:
            yield (height, run) if flip else (run, height)
            if decision >= 0:
                decision += 4 * f2 * (1 - height)
                height -= 1
            decision += s2 * (4 * run + 6)
            run += 1


def _sheared_ellipse(image, x0, y0, a, b, fill, shear_x, shear_y, colour, thickness) -> None:
    if not (thickness > 0 or fill) or shear_x == 0:
        return
    brush = _brush(*_halves(thickness))
    for x, y in _ellipse_points(a, b):
        for column in (x, -x):
            centre = y0 + int(_F(column) * shear_y / shear_x)
            if fill:
                left = x0 + column
                fill_box(image, left, centre - y, left + 1, centre + y + 1, colour)
            else:
                _dab(image, x0 + column, centre + y, brush, colour)
                _dab(image, x0 + column, centre - y, brush, colour)


def draw_ellipse(
    image, cx, cy, rx, ry, rotation: int, colour: int, thickness: int = 1, fill: bool = False
) -> None:
    """An ellipse turned by whole degrees, drawn as a sheared upright one.

    The tangent of the shear uses the whole quotient of the axes, as the firmware does: an ellipse
    lower than wide and not at a right angle comes out as if its shear angle were zero.
    """
    width, height = 2 * rx, 2 * ry
    if width <= 0 or height <= 0:
        return
    turn = int(math.fmod(rotation, 180))
    one, zero = _F(1), _F(0)
    if width == height or turn == 0:
        _sheared_ellipse(image, cx, cy, rx, ry, fill, one, zero, colour, thickness)
    elif turn == 90:
        _sheared_ellipse(image, cx, cy, ry, rx, fill, one, zero, colour, thickness)
    else:
        angle = _F(rotation) * _F(math.pi) / _F(180)
        theta = fast_atan(_F(height // width) * -np.tan(angle))
        along = _F(width) * np.cos(theta)
        across = _F(height) * np.sin(theta)
        shear_x = along * np.cos(angle) - across * np.sin(angle)
        shear_y = along * np.sin(angle) + across * np.cos(angle)
        a = abs(shear_x)
        b = _F(width * height) / a if a else zero
        _sheared_ellipse(
            image, cx, cy, int(a / 2), int(b / 2), fill, shear_x, shear_y, colour, thickness
        )


def draw_cross(image, x: int, y: int, colour: int, size: int = 5, thickness: int = 1) -> None:
    """A plus sign with arms of `size` pixels."""
    draw_line(image, x - size, y, x + size, y, colour, thickness)
    draw_line(image, x, y - size, x, y + size, colour, thickness)


def draw_arrow(image, x0, y0, x1, y1, colour: int, size: int = 10, thickness: int = 1) -> None:
    """A line with two barbs of `size` pixels at its end."""
    dx, dy = x1 - x0, y1 - y0
    length = np.sqrt(_F(dx * dx + dy * dy))
    ux, uy = (_F(dx) / length, _F(dy) / length) if length else (_F(0), _F(0))
    back_x, back_y = _F(x1) - _F(size) * ux, _F(y1) - _F(size) * uy
    side_x, side_y = _F(size) * -uy * _F(0.5), _F(size) * ux * _F(0.5)
    draw_line(image, x0, y0, x1, y1, colour, thickness)
    for side in (1, -1):
        tip_x, tip_y = int(back_x + side * side_x), int(back_y + side * side_y)
        draw_line(image, x1, y1, tip_x, tip_y, colour, thickness)


def _as_word(image: np.ndarray) -> np.ndarray:
    """Pixels as the firmware's 16-bit words: RGB565 with bytes swapped, others as they are."""
    return image.byteswap() if kind_of(image) == RGB565 else image.astype(np.uint16)


def _parts(words: np.ndarray):
    """8-bit r, g, b of firmware words."""
    value = words.byteswap()
    return R5_TO_8[value >> 11], G6_TO_8[value >> 5 & 63], R5_TO_8[value & 31]


def _gather(other: np.ndarray, columns: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Words of `other` at columns x rows; places outside read as the firmware's -1: all ones."""
    height, width = other.shape
    inside = np.ix_((rows >= 0) & (rows < height), (columns >= 0) & (columns < width))
    words = np.full((len(rows), len(columns)), 0xFFFF, np.uint16)
    source = _as_word(other)
    words[inside] = source[np.ix_(rows[rows < height], columns[columns < width])]
    return words


def draw_image(
    image, other, x: int, y: int, x_scale=1.0, y_scale=1.0, alpha: int = 256, mask=None
) -> None:
    """Paste `other` at (x, y), nearest neighbour scaling, optionally mixed and masked.

    alpha : 0..256; below 256 the weight of a pixel is also its brightness: the bitwise "or" of its
    8-bit components over 256, so black parts stay transparent.
    Formats are not converted (nor are they on the board): a gray pixel put into an RGB565 picture
    is taken as the low byte in memory order, that is r5 and the upper bits of g6.
    """
    x_scale, y_scale = _F(x_scale), _F(y_scale)
    columns = np.arange(max(0, int(_F(other.shape[1]) * x_scale)))
    rows = np.arange(max(0, int(_F(other.shape[0]) * y_scale)))
    height, width = image.shape
    columns = columns[(columns + x >= 0) & (columns + x < width)]
    rows = rows[(rows + y >= 0) & (rows + y < height)]
    if not len(columns) or not len(rows):
        return
    from_x = (columns.astype(_F) * (_F(1) / x_scale)).astype(np.int64)
    from_y = (rows.astype(_F) * (_F(1) / y_scale)).astype(np.int64)
    words = _gather(other, from_x, from_y)
    part = image[rows[0] + y : rows[-1] + y + 1, columns[0] + x : columns[-1] + x + 1]
    if alpha != 256:
        over, under = _parts(words), _parts(_as_word(part))
        bright = (over[0] | over[1] | over[2]).astype(_F) / _F(256)
        weight = _F(alpha / 256) * bright
        mixed = (
            (o.astype(_F) * weight + u.astype(_F) * (_F(1) - weight)).astype(np.uint16)
            for o, u in zip(over, under, strict=True)
        )
        words = pack(*mixed).byteswap()
    kind = kind_of(image)
    pixels = words.byteswap() if kind == RGB565 else words & (0xFF if kind else 1)
    pixels = pixels.astype(image.dtype)
    if mask is None:
        part[:] = pixels
    else:
        holes = mask_of(mask)
        lets = np.zeros(pixels.shape, bool)
        ok_y, ok_x = from_y < holes.shape[0], from_x < holes.shape[1]
        lets[np.ix_(ok_y, ok_x)] = holes[np.ix_(from_y[ok_y], from_x[ok_x])]
        part[lets] = pixels[lets]
