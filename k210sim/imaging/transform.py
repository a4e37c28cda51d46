"""Pictures of other sizes: resize, cut, copy, pools, and the lens correction.

Ref: sipeed/MaixPy-v1 components/micropython/port/src/omv/py/py_image.c, img/pool.c, img/imlib.c,
d8901fd. Floats are single precision there and here; conversions to integers cut off.
"""

from __future__ import annotations

import numpy as np

from k210sim.imaging.formats import GRAYSCALE, RGB565, kind_of
from k210sim.imaging.rounding import fast_atan

_F = np.float32


def _steps(count: int, step) -> np.ndarray:
    """int(i * step) for i below count, in single precision."""
    return (np.arange(count).astype(_F) * _F(step)).astype(np.int64)


def _between(count: int, step) -> tuple[np.ndarray, np.ndarray]:
    """Centres of `count` output pixels on the input's axis, and the input pixel each falls in."""
    place = (np.arange(count).astype(_F) + _F(0.5)) * _F(step) - _F(0.5)
    return place, place.astype(np.int64)


def _enlarge_gray(image, width: int, height: int) -> np.ndarray:
    """Bilinear; in the first half pixel the weights run past the edge: one above 1, one below 0."""
    h0, w0 = image.shape
    px, x0 = _between(width, _F(w0) / _F(width))
    py, y0 = _between(height, _F(h0) / _F(height))
    x1, y1 = np.minimum(x0 + 1, w0 - 1), np.minimum(y0 + 1, h0 - 1)
    left, right = ((x0 + 1).astype(_F) - px)[None, :], (px - x0.astype(_F))[None, :]
    upper, lower = ((y0 + 1).astype(_F) - py)[:, None], (py - y0.astype(_F))[:, None]
    values = image.astype(_F)
    total = values[np.ix_(y0, x0)] * left * upper
    total = total + values[np.ix_(y0, x1)] * right * upper
    total = total + values[np.ix_(y1, x0)] * left * lower
    total = total + values[np.ix_(y1, x1)] * right * lower
    return total.astype(np.int64).astype(np.uint8)


def _shrink_gray(image, width: int, height: int, behind: bytes) -> np.ndarray:
    """Mean of the covered pixels, one more column and row than needed, as the firmware does it.

    The horizontal step is the vertical one there. Columns past the right edge are the next row's
    first; below the last row comes what follows the pixels in memory.
    """
    h0, w0 = image.shape
    step = _F(h0) / _F(height)
    edges_y, edges_x = _steps(height + 1, step), _steps(width + 1, step)
    flat = np.zeros(max(h0 * w0, int(edges_y[-1]) * w0 + int(edges_x[-1]) + 1), np.int64)
    flat[: h0 * w0] = image.ravel()
    rest = flat[h0 * w0 :]
    tail = np.frombuffer(behind, np.uint8)[: len(rest)]
    rest[: len(tail)] = tail
    out = np.empty((height, width), np.uint8)
    for y in range(height):
        top, bottom = edges_y[y], edges_y[y + 1]
        rows = [flat[r * w0 : r * w0 + edges_x[-1] + 1] for r in range(top, bottom + 1)]
        longest = max(len(r) for r in rows)
        column = np.zeros(longest + 1, np.int64)
        for row in rows:
            column[1 : len(row) + 1] += row
        sums = np.cumsum(column)
        ends = np.minimum(edges_x[1:] + 1, longest)
        counts = (bottom - top + 1) * (edges_x[1:] - edges_x[:-1] + 1)
        out[y] = (sums[ends] - sums[np.minimum(edges_x[:-1], longest)]) // counts
    return out


def _enlarge_rgb565(image, width: int, height: int) -> np.ndarray:
    """Bilinear on r5, g6 and b5; the last row and column are copied."""
    h0, w0 = image.shape
    px, x1 = _between(width, _F(w0) / _F(width))
    py, y1 = _between(height, _F(h0) / _F(height))
    x2, y2 = x1 + 1, y1 + 1
    left, right = (x2.astype(_F) - px)[None, :], (px - x1.astype(_F))[None, :]
    upper, lower = (y2.astype(_F) - py)[:, None], (py - y1.astype(_F))[:, None]
    cx2, cy2 = np.minimum(x2, w0 - 1), np.minimum(y2, h0 - 1)
    out = np.zeros((height, width), np.uint16)
    for shift, mask in ((11, 31), (5, 63), (0, 31)):
        part = (image >> shift & mask).astype(_F)
        above = left * part[np.ix_(y1, x1)] + right * part[np.ix_(y1, cx2)]
        below = left * part[np.ix_(cy2, x1)] + right * part[np.ix_(cy2, cx2)]
        out |= (upper * above + lower * below).astype(np.int64).astype(np.uint16) << shift
    edge = (y2 >= h0)[:, None] | (x2 >= w0)[None, :]
    out[edge] = image[np.ix_(y1, x1)][edge]
    return out


def resize(image: np.ndarray, width: int, height: int, behind: bytes = b"") -> np.ndarray:
    """A new picture of the given size; `image` is grayscale or RGB565.

    Grayscale: bilinear when one side does not shrink, else means, whose last row takes in one row
    too many: `behind` is what follows the picture in memory (zeros where it ends). A picture made
    gray in place has the second half of its former RGB565 pixels there. RGB565: nearest
    neighbour unless it grows; an equal size is a copy.
    """
    h0, w0 = image.shape
    if kind_of(image) == GRAYSCALE:
        if width >= w0 or height >= h0:
            return _enlarge_gray(image, width, height)
        return _shrink_gray(image, width, height, behind)
    if (w0, h0) == (width, height):
        return image.copy()
    if w0 >= width or h0 > height:
        rows = np.minimum(_steps(height, _F(h0) / _F(height)), h0 - 1)
        columns = np.minimum(_steps(width, _F(w0) / _F(width)), w0 - 1)
        return image[np.ix_(rows, columns)]
    return _enlarge_rgb565(image, width, height)


def cut(image: np.ndarray, x: int, y: int, width: int, height: int) -> np.ndarray:
    """A new picture of width x height; what lies right of or below the old one stays black.

    A negative x reads on to the left in memory: the end of the row above.
    """
    h0, w0 = image.shape
    out = np.zeros((height, width), image.dtype)
    rows = np.arange(y, min(y + height, h0))
    columns = np.arange(x, min(x + width, w0))
    if len(rows) and len(columns):
        place = rows[:, None] * w0 + columns[None, :]
        found = np.where(place >= 0, image.ravel()[np.maximum(place, 0)], 0)
        out[: len(rows), : len(columns)] = found
    return out


def copy(image: np.ndarray, x: int, y: int, w: int, h: int, x_scale=1.0, y_scale=1.0):
    """A new picture: the region (x, y, w, h), which lies inside, scaled by nearest neighbour.

    Sizes come out as int(w * x_scale); one of zero gives an empty array for the caller to refuse.
    """
    x_scale, y_scale = _F(x_scale), _F(y_scale)
    columns = _steps(max(0, int(_F(w) * x_scale)), _F(1) / x_scale if x_scale else 0) + x
    rows = _steps(max(0, int(_F(h) * y_scale)), _F(1) / y_scale if y_scale else 0) + y
    return image[np.ix_(np.minimum(rows, image.shape[0] - 1),
                        np.minimum(columns, image.shape[1] - 1))]  # fmt: skip


def _blocks(image: np.ndarray, x_div: int, y_div: int) -> np.ndarray:
    """int64 (h // y_div, w // x_div, y_div * x_div): the pixels of each whole block."""
    h, w = image.shape[0] // y_div, image.shape[1] // x_div
    whole = image[: h * y_div, : w * x_div].astype(np.int64)
    return whole.reshape(h, y_div, w, x_div).swapaxes(1, 2).reshape(h, w, -1)


def _by_component(image: np.ndarray, function) -> np.ndarray:
    """Apply `function` to a gray picture, or to r5, g6 and b5 of an RGB565 one."""
    if kind_of(image) != RGB565:
        return function(image).astype(np.uint8)
    out = 0
    for shift, mask in ((11, 31), (5, 63), (0, 31)):
        out = out | function(image >> shift & mask).astype(np.uint16) << shift
    return out


def mean_pool(image: np.ndarray, x_div: int, y_div: int) -> np.ndarray:
    """Each block of x_div x y_div pixels becomes its mean, cut off; rests at the edges drop out."""
    return _by_component(image, lambda part: _blocks(part, x_div, y_div).sum(2) // (x_div * y_div))


def midpoint_pool(image: np.ndarray, x_div: int, y_div: int, bias: int = 128) -> np.ndarray:
    """Each block becomes (least * (256 - bias) + greatest * bias) / 256, cut off; bias 0..256."""

    def middle(part):
        blocks = _blocks(part, x_div, y_div)
        return (blocks.min(2) * (256 - bias) + blocks.max(2) * bias) >> 8

    return _by_component(image, middle)


def lens_corr(image: np.ndarray, strength: float = 1.8, zoom: float = 1.0) -> None:
    """Straighten a wide lens' picture in place; what comes from outside is black."""
    height, width = image.shape
    zoom = _F(1) / _F(zoom)
    half_w, half_h = width // 2, height // 2
    radius = _F(strength) / np.sqrt(_F(width * width + height * height))
    dx = np.arange(width) - half_w
    dy = np.arange(height) - half_h
    r = radius * np.sqrt((dx * dx)[None, :].astype(_F) + (dy * dy)[:, None].astype(_F))
    with np.errstate(divide="ignore", invalid="ignore"):
        theta = np.where(r < _F(0.0000001), _F(1), fast_atan(r) / r)
    from_x = half_w + (theta * (dx.astype(_F) * zoom)[None, :]).astype(np.int64)
    from_y = half_h + (theta * (dy.astype(_F) * zoom)[:, None]).astype(np.int64)
    inside = (from_x >= 0) & (from_x < width) & (from_y >= 0) & (from_y < height)
    source = image.copy()
    image[:] = 0
    image[inside] = source[from_y[inside], from_x[inside]]
