"""A stand-in for the guest's `image` module: just enough to run the recorded calls of the
firmware's image library against k210sim.imaging, without the guest runtime."""

from __future__ import annotations

import numpy as np

from k210sim.imaging import colour, draw, formats


def load_input(archive, name: str) -> np.ndarray:
    """A recorded input picture; RGB565 ones are stored in memory order."""
    array = archive[name]
    return array.byteswap() if array.dtype == np.uint16 else array.copy()


def as_recorded(array: np.ndarray, like: np.ndarray) -> np.ndarray:
    """Our picture in the form the goldens keep theirs."""
    if array.dtype == np.bool_:
        flat = np.frombuffer(formats.to_memory(array), np.uint16)
        return flat[: like.size].reshape(like.shape)
    return array.byteswap() if array.dtype == np.uint16 else array


def _numbers(args, count):
    """Coordinates: separate arguments or one tuple."""
    return list(args[0]) + list(args[1:]) if isinstance(args[0], tuple | list) else list(args)


class Image:
    """One guest image: `a` is its array."""

    def __init__(self, array):
        self.a = array

    def _colour(self, value):
        kind = formats.kind_of(self.a)
        if isinstance(value, tuple):
            return colour.colour_value(value, kind)
        value = formats.store(self.a, value)
        return formats.swapped(value) if kind == formats.RGB565 else value

    def _shape(self, function, args, count, color, *rest):
        function(self.a, *_numbers(args, count), self._colour(color), *rest)
        return self

    def draw_line(self, *args, color=-1, thickness=1):
        return self._shape(draw.draw_line, args, 4, color, thickness)

    def draw_rectangle(self, *args, color=-1, thickness=1, fill=False):
        return self._shape(draw.draw_rectangle, args, 4, color, thickness, fill)

    def draw_circle(self, *args, color=-1, thickness=1, fill=False):
        return self._shape(draw.draw_circle, args, 3, color, thickness, fill)

    def draw_ellipse(self, *args, color=-1, thickness=1, fill=False):
        return self._shape(draw.draw_ellipse, args, 5, color, thickness, fill)

    def draw_cross(self, *args, color=-1, size=5, thickness=1):
        return self._shape(draw.draw_cross, args, 2, color, size, thickness)

    def draw_arrow(self, *args, color=-1, size=10, thickness=1):
        return self._shape(draw.draw_arrow, args, 4, color, size, thickness)

    def draw_image(self, other, x, y, x_scale=1.0, y_scale=1.0, alpha=256, mask=None):
        draw.draw_image(self.a, other.a, x, y, x_scale, y_scale, alpha, mask and mask.a)
        return self

    def clear(self):
        self.a[:] = 0
        return self

    def to_grayscale(self, copy=False):
        array = colour.to_grayscale(self.a)
        if copy:
            return Image(array)
        self.a = array
        return self

    def to_rainbow(self):
        self.a = colour.to_rainbow(self.a)
        return self

    def to_bitmap(self):
        return Image(colour.to_bitmap(self.a))

    def set_pixel(self, x, y, color):
        if 0 <= x < self.a.shape[1] and 0 <= y < self.a.shape[0]:
            self.a[y, x] = self._colour(color)
        return self

    def __setitem__(self, index, value):
        self.a.flat[index] = value


class Module:
    """The `image` module."""

    def __init__(self, archive):
        self._archive = archive

    def Image(self, path=None, size=None):  # noqa: N802 - the guest's name
        if path is None:
            return Image(formats.blank(*size))
        return Image(load_input(self._archive, path.rsplit("/", 1)[1].removesuffix(".bmp")))
