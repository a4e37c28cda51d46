"""Arguments of Image methods. The firmware looks keywords up by name itself, so that unknown ones
are ignored, and every keyword may also be given by its position."""

from __future__ import annotations

import numpy as np

from k210sim.imaging import formats
from k210sim.imaging.colour import colour_value, mask_of
from k210sim.imaging.morph import Threshold
from k210sim.micropython.native import NativeFunction
from k210sim.modules.image.costs import nanoseconds
from k210sim.modules.image_object import HostImage, ImageType, get_image, is_image


def assert_true(vm, good: bool, text: str) -> None:
    """The firmware's assertion: OSError with a text."""
    if not good:
        raise vm.error("OSError", text, formatted=False)


def _int16(value: int) -> int:
    return (value + 0x8000 & 0xFFFF) - 0x8000


class Call:
    """One call: the machine, positional words (the image is the first), keyword words."""

    def __init__(self, vm, args, kw=None):
        self.vm, self.args, self.kw = vm, args, kw or {}

    # --- plain values ---------------------------------------------------------------------------
    def word(self, index: int, name: str) -> int:
        """The argument's word, 0 when it is not given."""
        if self.kw:
            number = self.vm.qstrs.find(name.encode())
            if number and number in self.kw:
                return self.kw[number]
        return self.args[index] if len(self.args) > index else 0

    def int(self, index: int, name: str, default: int) -> int:
        word = self.word(index, name)
        return self.vm.get_int(word) if word else default

    def bool(self, index: int, name: str, default: bool = False) -> bool:
        return self.int(index, name, default) != 0

    def float(self, index: int, name: str, default: float) -> float:
        word = self.word(index, name)
        return self.vm.get_float(word) if word else default

    def points(self, index: int, count: int) -> tuple[list[int], int]:
        """`count` words given one by one or as a tuple or list, and the index after them."""
        vm, first = self.vm, self.args[index]
        if vm.is_type(first, "tuple") or vm.is_type(first, "list"):
            return vm.get_array_fixed(first, count), index + 1
        assert_true(vm, len(self.args) - index >= count, "Not enough positional arguments!")
        return list(self.args[index : index + count]), index + count

    def numbers(self, index: int, count: int) -> tuple[list[int], int]:
        """As `points`, taken as integers."""
        words, after = self.points(index, count)
        return [self.vm.get_int(w) for w in words], after

    def check(self, good: bool, text: str) -> None:
        assert_true(self.vm, good, text)

    # --- pictures -------------------------------------------------------------------------------
    @property
    def image(self) -> HostImage:
        return get_image(self.vm, self.args[0])

    @property
    def pixels(self) -> np.ndarray:
        """The image's pixels; OSError when it is compressed."""
        return self.pixels_of(self.args[0])

    def pixels_of(self, word: int) -> np.ndarray:
        image = get_image(self.vm, word)
        self.check(not image.data, "Image format is not supported!")
        return image.pixels

    def gray(self) -> np.ndarray:
        """The image's pixels; OSError unless it is grayscale."""
        return self.gray_of(self.args[0])

    def gray_of(self, word: int) -> np.ndarray:
        pixels = self.pixels_of(word)
        self.check(pixels.dtype == np.uint8, "Image format is not supported!")
        return pixels

    def rgb565(self) -> np.ndarray:
        """The image's pixels; OSError unless it is RGB565."""
        pixels = self.pixels
        self.check(pixels.dtype == np.uint16, "Image format is not supported!")
        return pixels

    def colour(self, index: int, default: int = -1, name: str = "color") -> int:
        """The pixel value of a colour argument: an int in memory order, or (r, g, b)."""
        word = (
            self.word(index, name) if name else (self.args[index] if len(self.args) > index else 0)
        )
        pixels = self.pixels
        kind = formats.kind_of(pixels)
        if not word:
            value = default
        elif self.vm.int_value(word) is not None:
            value = self.vm.get_int(word)
        else:
            parts = [self.vm.get_int(w) for w in self.vm.get_array_fixed(word, 3)]
            return colour_value(tuple(parts), kind)
        value = formats.store(pixels, value)
        return formats.swapped(value) if kind == formats.RGB565 else value

    def roi(self, index: int, name: str = "roi") -> tuple[int, int, int, int]:
        """A region clipped to the image, all of it by default."""
        height, width = self.image.pixels.shape
        word = self.word(index, name)
        x, y, w, h = 0, 0, width, height
        if word:
            items = self.vm.get_array_fixed(word, 4)
            x, y, w, h = (_int16(self.vm.get_int(i)) for i in items)
        self.check(w >= 1 and h >= 1, "Invalid ROI dimensions!")
        self.check(
            x < width and y < height and x + w > 0 and y + h > 0,
            "ROI does not overlap on the image!",
        )
        left, top = max(x, 0), max(y, 0)
        return left, top, min(x + w, width) - left, min(y + h, height) - top

    def mask(self, index: int, shape=None) -> np.ndarray | None:
        """The `mask` argument as bool (h, w) of the image's shape; outside it nothing passes."""
        word = self.word(index, "mask")
        if not word:
            return None
        holes = mask_of(self.pixels_of(word))
        shape = self.image.pixels.shape if shape is None else shape
        result = np.zeros(shape, bool)
        h, w = min(shape[0], holes.shape[0]), min(shape[1], holes.shape[1])
        result[:h, :w] = holes[:h, :w]
        return result

    def operand(self, index: int):
        """The other side of an operation: a picture, the path of one, or a colour."""
        vm, word = self.vm, self.args[index]
        if vm.is_str(word):
            from k210sim.modules.image.pictures import read_picture

            other = read_picture(vm, vm.text_of(word))
        elif is_image(vm, word):
            other = self.pixels_of(word)
        else:
            return self.colour(index, 0, name="")
        pixels = self.pixels
        same = other.shape == pixels.shape and other.dtype == pixels.dtype
        self.check(same, "Images not equal!")
        return other

    def thresholds(self, word: int) -> list[Threshold]:
        """A list of threshold tuples; empty ones are left out."""
        result = []
        if word:
            for item in self.vm.get_array(word):
                values = [self.vm.get_int(w) for w in self.vm.get_array(item)[:6]]
                if values:
                    result.append(Threshold.of(values))
        return result

    def ksize(self, index: int) -> int:
        size = self.vm.get_int(self.args[index])
        self.check(size >= 0, "KernelSize must be >= 0!")
        return size


def _timed(name: str, fn, fixed: bool):
    """The method as the guest calls it: takes the virtual time that costs.py tells."""

    def run(vm, args, kw):
        result = fn(Call(vm, args, kw))
        ns = nanoseconds(vm, name, args)
        if ns:
            vm.charge_ns(ns)
        return result

    if fixed:
        return lambda vm, *args: run(vm, list(args), None)
    return run


def image_method(
    min_args: int, max_args: int | None = None, *, fixed: bool = False, names: tuple[str, ...] = ()
):
    """Add a method to Image. `fn(call)` gets a Call; None stands for the guest's None.

    fixed : no keywords, at most `max_args` (or `min_args`) arguments, the image counted
    names : what it is called, by default the function's name
    """

    def wrap(fn):
        most = (max_args or min_args) if fixed else None
        for name in names or (fn.__name__,):
            entry = _timed(name, fn, fixed)
            ImageType.locals[name] = NativeFunction(name, entry, min_args, most, not fixed)
        return fn

    return wrap
