"""A stand-in for the guest's `image` module: just enough to run the recorded calls of the
firmware's image library against k210sim.imaging, without the guest runtime."""

from __future__ import annotations

import numpy as np

from k210sim.imaging import ai, colour, draw, formats, perspective, text, transform


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

    def __init__(self, array, behind=b""):
        self.a = array
        self.behind = behind  # what follows the pixels in memory

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

    def _region(self, roi):
        height, width = self.a.shape
        x, y, w, h = roi or (0, 0, width, height)
        left, top = max(0, x), max(0, y)
        return left, top, min(x + w, width) - left, min(y + h, height) - top

    def draw_string(
        self, x, y, string, color=-1, scale=1.0, x_spacing=0, y_spacing=2, mono_space=False, **_
    ):
        rest = (scale, x_spacing, y_spacing, mono_space)
        text.draw_string(self.a, x, y, string.encode(), self._colour(color), *rest)
        return self

    def resize(self, w, h):
        return Image(transform.resize(self.a, w, h, self.behind))

    def cut(self, *box):
        return Image(transform.cut(self.a, *box))

    def copy(self, roi=None, x_scale=1.0, y_scale=1.0, copy_to_fb=False):
        return Image(transform.copy(self.a, *self._region(roi), x_scale, y_scale))

    def crop(self, roi=None, x_scale=1.0, y_scale=1.0):
        self.a = self.copy(roi, x_scale, y_scale).a
        return self

    def mean_pooled(self, x, y):
        return Image(transform.mean_pool(self.a, x, y))

    def mean_pool(self, x, y):
        self.a = self.mean_pooled(x, y).a

    def midpoint_pooled(self, x, y, bias=0.5):
        return Image(transform.midpoint_pool(self.a, x, y, int(bias * 256)))

    def rotation_corr(self, **arguments):
        perspective.rotation_corr(self.a, **arguments)
        return self

    def lens_corr(self, strength=1.8, zoom=1.0):
        transform.lens_corr(self.a, strength, zoom)

    def stretch(self, least, greatest):
        ai.stretch(self.a, least, greatest)

    def strech_char(self, de_dark):
        if self.a.dtype == np.uint8:
            ai.strech_char(self.a, de_dark)

    def to_bytes(self):
        return bytearray(formats.to_memory(self.a))


def load_image(archive, name: str) -> Image:
    """A recorded input; one made gray in place still has half its colours behind its pixels."""
    behind = b""
    if name.endswith("_g"):
        behind = archive[name[:-2]].tobytes()[archive[name].size :]
    return Image(load_input(archive, name), behind)


class Module:
    """The `image` module."""

    def __init__(self, archive):
        self._archive = archive

    def Image(self, path=None, size=None):  # noqa: N802 - the guest's name
        if path is None:
            return Image(formats.blank(*size))
        return load_image(self._archive, path.rsplit("/", 1)[1].removesuffix(".bmp"))
