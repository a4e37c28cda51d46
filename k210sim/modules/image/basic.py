"""Image objects: printing, indexing, pixels, formats, copies, files, AI planes."""

from __future__ import annotations

import numpy as np

from k210sim.imaging import ai, colour, formats, jpeg, transform
from k210sim.micropython import layout as L
from k210sim.micropython.layout import NULL, SENTINEL
from k210sim.micropython.types.array import new_bytearray_at
from k210sim.micropython.types.sequence import get_index, slice_bounds
from k210sim.modules.image import pictures
from k210sim.modules.image.arguments import Call, assert_true, image_method
from k210sim.modules.image_object import ImageType, get_image

RGB565_FORMAT, GRAYSCALE_FORMAT, JPEG_FORMAT = 2, 4, 5
_FORMATS = {"rgb565": RGB565_FORMAT, "grayscale": GRAYSCALE_FORMAT, "jpeg": JPEG_FORMAT}


# --- the type's own slots -------------------------------------------------------------------------
def _print(self, vm, o, kind):
    image = vm.host(o)
    size = pictures.size_of(image)
    if image.kind == "binary":
        size //= 4  # counted in words there
    return '{"w":%d, "h":%d, "type"="%s", "size":%d}' % (image.w, image.h, image.kind, size)


def _guest_pixel(vm, image, i: int) -> int:
    if image.data:
        return vm.new_int(image.data[i])
    value = image.pixels.flat[i]
    if image.kind == "rgb565":
        return vm.new_tuple([vm.new_int(int(c)) for c in colour.unpack(value)])
    return vm.new_int(int(value))


def _host_pixel(vm, image, word: int) -> int:
    if image.kind == "rgb565":
        parts = [vm.get_int(w) & 0xFF for w in vm.get_array_fixed(word, 3)]
        return int(colour.pack(*parts))
    value = vm.get_int(word)
    return value & 1 if image.kind == "binary" else value & 0xFF


def _store(image, start: int, values: list[int]) -> None:
    if image.data:
        data = bytearray(image.data)
        data[start : start + len(values)] = bytes(values)
        image.data = bytes(data)
    else:
        image.pixels.reshape(-1)[start : start + len(values)] = values


def _subscr(self, vm, o, index, value):
    image = vm.host(o)
    if value == NULL:
        return None
    length = len(image.data) if image.data else image.pixels.size
    if vm.is_type(index, "slice"):
        start, stop, step = slice_bounds(vm, length, index)
        assert_true(vm, step == 1, "only slices with step=1 (aka None) are supported")
        stop = max(start, stop)
        if value == SENTINEL:
            return vm.new_tuple([_guest_pixel(vm, image, i) for i in range(start, stop)])
        if vm.is_type(value, "list"):
            words = vm.items_of(value)
            assert_true(vm, len(words) == stop - start, "cannot grow or shrink image")
            _store(image, start, [_host_pixel(vm, image, w) for w in words])
        else:
            _store(image, start, [_host_pixel(vm, image, value)] * (stop - start))
        return L.NONE
    i = get_index(vm, "Image", length, index)
    if value == SENTINEL:
        return _guest_pixel(vm, image, i)
    _store(image, i, [_host_pixel(vm, image, value)])
    return L.NONE


def _buffer(self, vm, o):
    image = vm.host(o)
    return pictures.place(vm, image), pictures.size_of(image), "b", False


ImageType.print, ImageType.subscr, ImageType.buffer = _print, _subscr, _buffer


# --- size and pixels ------------------------------------------------------------------------------
@image_method(1, fixed=True)
def width(call: Call):
    return call.vm.new_int(call.image.w)


@image_method(1, fixed=True)
def height(call: Call):
    return call.vm.new_int(call.image.h)


@image_method(1, fixed=True, names=("format",))
def format_(call: Call):
    number = _FORMATS.get(call.image.kind)
    return None if number is None else call.vm.new_int(number)


@image_method(1, fixed=True)
def size(call: Call):
    return call.vm.new_int(pictures.size_of(call.image))


@image_method(1, fixed=True, names=("__del__",))
def delete(call: Call):
    """Give the pixels back at once; the object is of no use after that."""
    image = call.image
    if image.block:
        call.vm.heap.free(image.block)
        call.vm.memory.set_word(call.args[0] + 8, 0)
        image.block = 0
        image.pixels = image.pixels[:0]


@image_method(2)
def get_pixel(call: Call):
    vm, pixels = call.vm, call.pixels
    (x, y), at = call.numbers(1, 2)
    kind = formats.kind_of(pixels)
    as_tuple = call.bool(at, "rgbtuple", kind == formats.RGB565)
    if not (0 <= x < pixels.shape[1] and 0 <= y < pixels.shape[0]):
        return None
    value = pixels[y, x]
    if as_tuple:
        if kind != formats.RGB565:
            value = colour.to_rgb565(pixels[y : y + 1, x : x + 1])[0, 0]
        return vm.new_tuple([vm.new_int(int(c)) for c in colour.unpack(value)])
    return vm.new_int(formats.swapped(int(value)) if kind == formats.RGB565 else int(value))


@image_method(2)
def set_pixel(call: Call):
    pixels = call.pixels
    (x, y), at = call.numbers(1, 2)
    value = call.colour(at)
    if 0 <= x < pixels.shape[1] and 0 <= y < pixels.shape[0]:
        pixels[y, x] = value
    return call.args[0]


# --- formats --------------------------------------------------------------------------------------
def in_place(call: Call, result: np.ndarray) -> int:
    """An Image over the same memory holding `result`, which is not larger; the old object keeps
    its format and sees what its memory now holds."""
    image = call.image
    old = formats.to_memory(image.pixels)
    new = formats.to_memory(result)
    if result.dtype == image.pixels.dtype:
        image.pixels[:] = result
        return pictures.alias(call.vm, image, image.pixels)
    kind = formats.kind_of(image.pixels)
    image.pixels[:] = formats.from_memory(new + old[len(new) :], image.w, image.h, kind)
    return pictures.alias(call.vm, image, result, old[len(new) :])


@image_method(1)
def to_bitmap(call: Call):
    pixels = call.pixels
    if call.bool(1, "copy"):
        return pictures.new_picture(call.vm, colour.to_bitmap(pixels))
    least = {np.dtype(np.uint8): 4, np.dtype(np.uint16): 2}.get(pixels.dtype, 0)
    call.check(pixels.shape[1] >= least, "Can't convert to bitmap in place!")
    return in_place(call, colour.to_bitmap(pixels))


@image_method(1)
def to_grayscale(call: Call):
    pixels, image = call.pixels, call.image
    if call.bool(1, "copy"):
        return pictures.new_picture(call.vm, colour.to_grayscale(pixels))
    call.check(
        pixels.dtype != np.bool_ or pixels.shape[1] == 1, "Can't convert to grayscale in place!"
    )
    if pixels.dtype != np.uint8:
        old = formats.to_memory(pixels)
        image.pixels = colour.to_grayscale(pixels)
        image.extra["behind"] = old[image.pixels.size :]
    return pictures.alias(call.vm, image, image.pixels, image.extra.get("behind", b""))


def _to_colour(call: Call, convert, text: str, bitmap_text: str):
    pixels = call.pixels
    if call.bool(1, "copy"):
        return pictures.new_picture(call.vm, convert(pixels))
    call.check(pixels.dtype != np.bool_ or pixels.shape[1] == 1, bitmap_text)
    call.check(pixels.dtype != np.uint8, text)
    return in_place(call, convert(pixels))


@image_method(1)
def to_rgb565(call: Call):
    return _to_colour(
        call,
        colour.to_rgb565,
        "Can't convert to rgb565 in place!",
        "Can't convert to grayscale in place!",
    )


@image_method(1)
def to_rainbow(call: Call):
    text = "Can't convert to rainbow in place!"
    return _to_colour(call, colour.to_rainbow, text, text)


def _quality(call: Call, index: int) -> int:
    quality = call.int(index, "quality", 50)
    call.check(1 <= quality <= 100, "Error: 1 <= quality <= 100!")
    return quality


def _for_ide(data: bytes) -> bytes:
    """Six bits a byte with the top bit set, between two 0xFE, least significant first."""
    number, bits = int.from_bytes(data, "little"), 8 * len(data)
    count = (bits + 5) // 6
    return b"\xfe" + bytes(0x80 | number >> 6 * i & 0x3F for i in range(count)) + b"\xfe"


def _compress(call: Call, ide: bool) -> int:
    pixels, image = call.pixels, call.image
    data = jpeg.encode(pixels, _quality(call, 1))
    call.check(len(data) <= formats.memory_size(pixels), "Can't compress in place!")
    image.data = _for_ide(data) if ide else data
    return call.args[0]


@image_method(1)
def compress(call: Call):
    return _compress(call, False)


@image_method(1)
def compress_for_ide(call: Call):
    return _compress(call, True)


@image_method(1)
def compressed(call: Call):
    pixels = call.pixels
    data = jpeg.encode(pixels, _quality(call, 1))
    return pictures.new_compressed(call.vm, data, pixels.shape)


@image_method(1)
def compressed_for_ide(call: Call):
    pixels = call.pixels
    data = _for_ide(jpeg.encode(pixels, _quality(call, 1)))
    return pictures.new_compressed(call.vm, data, pixels.shape)


@image_method(1)
def to_bytes(call: Call):
    """A bytearray over the picture's memory, as it is now."""
    image = call.image
    length = pictures.size_of(image)
    if image.kind == "binary":
        length //= 4  # the firmware takes the words for bytes
    return new_bytearray_at(call.vm, pictures.place(call.vm, image), length)


# --- copies ---------------------------------------------------------------------------------------
def _copy(call: Call, crop: bool) -> int:
    vm, pixels, image = call.vm, call.pixels, call.image
    roi = call.roi(1)
    x_scale, y_scale = call.float(2, "x_scale", 1.0), call.float(3, "y_scale", 1.0)
    call.check(x_scale >= 0, "Error: 0.0 <= x_scale!")
    call.check(y_scale >= 0, "Error: 0.0 <= y_scale!")
    target = call.word(4, "copy" if crop else "copy_to_fb")
    other = call.args[0] if crop else 0
    if target:
        if vm.int_value(target) is None:
            call.pixels_of(target)
            other = target
        elif crop and vm.get_int(target):
            other = 0
    result = transform.copy(pixels, *roi, x_scale, y_scale)
    call.check(result.shape[1] >= 1, "Output image width is 0!")
    call.check(result.shape[0] >= 1, "Output image height is 0!")
    if not other:
        return pictures.new_picture(vm, result)
    into = get_image(vm, other)
    room = formats.memory_size(into.pixels)
    call.check(
        formats.memory_size(result) <= room, "The new image won't fit in the target frame buffer!"
    )
    into.pixels = result
    return pictures.alias(vm, into if into is not image else image, result)


@image_method(1)
def copy(call: Call):
    return _copy(call, False)


@image_method(1)
def crop(call: Call):
    return _copy(call, True)


@image_method(3, fixed=True)
def resize(call: Call):
    vm, image = call.vm, call.image
    w, h = vm.get_int(call.args[1]), vm.get_int(call.args[2])
    if image.kind not in ("grayscale", "rgb565"):
        vm.write("only support grayscale, 565 zoom out now\r\n")
        return None
    block = pictures.take(vm, w * h * image.pixels.itemsize)
    pixels = transform.resize(image.pixels, w, h, image.extra.get("behind", b""))
    return pictures.new_image(vm, pictures.HostImage(pixels, block=block))


@image_method(4, 5, fixed=True)
def cut(call: Call):
    vm, image = call.vm, call.image
    if len(call.args) < 5:
        raise vm.error(
            "TypeError",
            "[k210sim]image.cut: needs x, y, w and h; the board reads past its arguments",
            formatted=False,
        )
    x, y, w, h = (vm.get_int(a) for a in call.args[1:5])
    if image.kind not in ("grayscale", "rgb565"):
        vm.printk("pixel format not support!\r\n")
        return None
    block = pictures.take(vm, w * h * image.pixels.itemsize)
    pixels = transform.cut(image.pixels, x, y, w, h)
    return pictures.new_image(vm, pictures.HostImage(pixels, block=block))


def _divisors(call: Call) -> tuple[int, int]:
    pixels = call.pixels
    x = call.vm.get_int(call.args[1])
    call.check(x >= 1, "Width divisor must be greater than >= 1")
    call.check(x <= pixels.shape[1], "Width divisor must be less than <= img width")
    y = call.vm.get_int(call.args[2])
    call.check(y >= 1, "Height divisor must be greater than >= 1")
    call.check(y <= pixels.shape[0], "Height divisor must be less than <= img height")
    return x, y


def _bias(call: Call) -> int:
    return max(0, min(256, int(np.float32(call.float(3, "bias", 0.5)) * np.float32(256))))


@image_method(3, fixed=True)
def mean_pool(call: Call):
    divisors = _divisors(call)
    call.image.pixels = transform.mean_pool(call.pixels, *divisors)
    return call.args[0]


@image_method(3, fixed=True)
def mean_pooled(call: Call):
    return pictures.new_picture(call.vm, transform.mean_pool(call.pixels, *_divisors(call)))


@image_method(3)
def midpoint_pool(call: Call):
    divisors = _divisors(call)
    call.image.pixels = transform.midpoint_pool(call.pixels, *divisors, _bias(call))
    return call.args[0]


@image_method(3)
def midpoint_pooled(call: Call):
    divisors = _divisors(call)
    return pictures.new_picture(
        call.vm, transform.midpoint_pool(call.pixels, *divisors, _bias(call))
    )


@image_method(2)
def save(call: Call):
    vm, image = call.vm, call.image
    path = vm.get_str(call.args[1])
    x, y, w, h = call.roi(2)
    quality = _quality(call, 3)
    kind = pictures.extension(vm, None if image.data else image.pixels, path)
    if kind == "bmp":
        from k210sim.imaging import bmp

        pictures.write_file(vm, path, bmp.encode(image.pixels[y : y + h, x : x + w]))
    elif kind == "jpg":
        data = image.data or jpeg.encode(image.pixels, quality)
        pictures.write_file(vm, path, data)
    return call.args[0]


# --- AI planes ------------------------------------------------------------------------------------
@image_method(1, fixed=True)
def pix_to_ai(call: Call):
    vm, image = call.vm, call.image
    if image.kind not in ("grayscale", "rgb565"):
        vm.write("only support grayscale now\r\n")
        return None
    if image.planes is None:
        w, h = image.w, image.h
        room = w * h if image.kind == "grayscale" else (w + 63 & ~63) * h * 3
        image.ai_block = pictures.take(vm, room)
        vm.memory.set_word(call.args[0] + 16, image.ai_block)
    image.planes = ai.pix_to_ai(image.pixels)
    return None


@image_method(1, fixed=True)
def ai_to_pix(call: Call):
    image = call.image
    if image.planes is None:
        return None
    if image.kind not in ("grayscale", "rgb565"):
        call.vm.write("only support grayscale now\r\n")
    elif len(image.planes) == (1 if image.kind == "grayscale" else 3):
        image.pixels[:] = ai.ai_to_pix(image.planes)
    return None


@image_method(2, fixed=True)
def strech_char(call: Call):
    de_dark = call.vm.get_int(call.args[1])
    if call.image.kind != "grayscale":
        call.vm.write("only support grayscale now\r\n")
        return None
    ai.strech_char(call.image.pixels, de_dark)
    return None


@image_method(3, fixed=True)
def stretch(call: Call):
    least, greatest = (call.vm.get_int(a) for a in call.args[1:3])
    if call.image.kind != "grayscale":
        call.vm.write("only support grayscale now\r\n")
        return None
    ai.stretch(call.image.pixels, least, greatest)
    return None
