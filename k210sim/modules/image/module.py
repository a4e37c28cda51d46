"""The names of the `image` module."""

from __future__ import annotations

from k210sim.errors import NotSimulated
from k210sim.imaging import affine, colour, formats, text
from k210sim.micropython.native import GuestModule
from k210sim.modules.image import analysis, basic, drawing, finders, operations, pictures
from k210sim.modules.image.arguments import Call, assert_true
from k210sim.modules.image_object import HostImage, get_image, new_image

# Importing these adds the methods to Image.
METHOD_FILES = (analysis, basic, drawing, finders, operations)
LCD_SIZE = (320, 240)
_ASCII, _UTF8 = 0, 2

module = GuestModule("image")

for _name, _value in (
    ("SEARCH_EX", 0), ("SEARCH_DS", 1), ("EDGE_CANNY", 0), ("EDGE_SIMPLE", 1),
    ("CORNER_FAST", 0), ("CORNER_AGAST", 1), ("TAG16H5", 1), ("TAG25H7", 2), ("TAG25H9", 4),
    ("TAG36H10", 8), ("TAG36H11", 16), ("ARTOOLKIT", 32), ("EAN2", 0), ("EAN5", 1), ("EAN8", 2),
    ("UPCE", 3), ("ISBN10", 4), ("UPCA", 5), ("EAN13", 6), ("ISBN13", 7), ("I25", 8),
    ("DATABAR", 9), ("DATABAR_EXP", 10), ("CODABAR", 11), ("CODE39", 12), ("PDF417", 13),
    ("CODE93", 14), ("CODE128", 15), ("ASCII", _ASCII), ("UTF8", _UTF8),
):  # fmt: skip
    module.constant(_name, _value)


@module.init
def _start(vm):
    """No loaded font at (soft) reset."""
    vm.image_font = None


def _frame_buffer(vm):
    """The sensor's frame buffer as a HostImage, or None before there is one."""
    return getattr(vm, "frame_buffer", None)


@module.function(0, kw=True, name="Image")
def make_image(vm, args, kw):
    """A new picture: from a file, from the bytes of one, or blank."""
    call = Call(vm, args, kw)
    to_buffer = call.int(1, "copy_to_fb", 0) > 0
    from_bytes = call.int(1, "from_bytes", 0) > 0
    size = call.word(1, "size")
    w, h = (vm.get_int(i) for i in vm.get_array_fixed(size, 2)) if size else (-1, -1)
    if len(args) >= (2 if w > 0 else 1):
        source = args[0]
        if vm.is_str(source) and not from_bytes:
            pixels = pictures.read_picture(vm, vm.text_of(source))
        elif vm.is_str(source) or vm.is_bytes(source):
            if not from_bytes:
                pixels = pictures.read_picture(vm, vm.bytes_of(source).decode("utf-8", "replace"))
            else:
                pixels = pictures.decode(vm, vm.bytes_of(source), bmp_allowed=False)
        else:
            data = vm.bytes_of(vm.call_method(source, "read"))
            pixels = pictures.decode(vm, data, bmp_allowed=False)
    else:
        if not (w > 0 and h > 0):
            w, h = LCD_SIZE
        block = 0 if to_buffer and _frame_buffer(vm) else pictures.take(vm, 2 * w * h)
        return new_image(vm, HostImage(formats.blank(w, h), block=block))
    if to_buffer and _frame_buffer(vm):
        return new_image(vm, HostImage(pixels))
    return pictures.new_picture(vm, pixels)


def _three(vm, word: int) -> tuple[int, ...]:
    return tuple(vm.get_int(w) for w in vm.get_array_fixed(word, 3))


def _tuple(vm, values) -> int:
    return vm.new_tuple([vm.new_int(v) for v in values])


@module.function(1)
def rgb_to_lab(vm, rgb):
    return _tuple(vm, colour.rgb_to_lab(_three(vm, rgb)))


@module.function(1)
def lab_to_rgb(vm, lab):
    return _tuple(vm, colour.lab_to_rgb(_three(vm, lab)))


@module.function(1)
def rgb_to_grayscale(vm, rgb):
    return vm.new_int(colour.rgb_to_grayscale(_three(vm, rgb)))


@module.function(1)
def grayscale_to_rgb(vm, level):
    level = vm.get_int(level) & 0xFF
    return _tuple(vm, (level, level, level))


@module.function(4, kw=True)
def font_load(vm, args, kw):
    """Use a font from flash or a .Dzk file for draw_string."""
    index, width, height = (vm.get_int(a) for a in args[:3])
    source = args[3]
    vm.image_font = None
    if index != _UTF8:
        return None
    if vm.is_int(source):
        address = vm.get_int(source)
        if address <= 0:
            raise vm.error("ValueError", "[MAIXPY]image: font_addr must > 0 ", formatted=False)
        flash = vm.board.flash

        def read(code, length):
            return bytes(flash.data[address + code * length :][:length])
    elif vm.is_str(source):
        path = vm.text_of(source)
        if ".Dzk" not in path:
            raise vm.error(
                "ValueError",
                "[MAIXPY]image: font format don't match, only supply .Dzk ",
                formatted=False,
            )
        data = pictures.read_file(vm, path)

        def read(code, length):
            return data[code * length :][:length].ljust(length, b"\0")
    else:
        return None
    vm.image_font = text.Font(width, height, read)
    return None


@module.function(0, kw=True)
def font_free(vm, args, kw):
    """Back to the built-in font."""
    vm.image_font = None


@module.function(2)
def get_affine_transform(vm, points, targets):
    """The matrix for warp_affine_ai: nine floats."""
    if vm.type_name(points) != "list" or vm.type_name(targets) != "list":
        raise vm.error("OSError", "Need input [[x0,y0],[x1,y1],...]\r\n", formatted=False)
    points, targets = vm.items_of(points), vm.items_of(targets)
    assert_true(vm, len(points) == len(targets), "src len must equal with dst len")
    assert_true(vm, len(points) <= 10, "must<=10 points")
    pairs = [
        [[vm.get_int(v) for v in vm.get_array_fixed(point, 2)] for point in both]
        for both in zip(points, targets, strict=True)
    ]
    matrix = affine.get_affine_transform([p for p, _ in pairs], [t for _, t in pairs])
    return vm.new_tuple([vm.new_float(v) for v in matrix])


@module.function(3)
def warp_affine_ai(vm, source, target, matrix):
    """Fill the AI planes of `target` from those of `source`, moved by the matrix."""
    values = [vm.get_float(v) for v in vm.get_array_fixed(matrix, 9)]
    source, target = get_image(vm, source), get_image(vm, target)
    if source.kind != target.kind:
        raise vm.error("ValueError", "src_img->bpp != dst_img->bpp", formatted=False)
    if source.planes is None or target.planes is None:
        raise vm.error("ValueError", "only support ai image affine", formatted=False)
    if source.kind not in ("grayscale", "rgb565"):
        raise vm.error("ValueError", "only support grayscale or RGB565 pic", formatted=False)
    affine.warp_affine_ai(source.planes, target.planes, values)
    return None


module.function(1, kw=True)(finders.load_descriptor)
module.function(2, kw=True)(finders.save_descriptor)
module.function(2, kw=True)(finders.match_descriptor)


def _not_simulated(name: str, least: int) -> None:
    @module.function(least, kw=True, name=name)
    def refuse(vm, args, kw):
        raise NotSimulated("image." + name)


for _name, _least in (
    ("HaarCascade", 1), ("ImageWriter", 1), ("ImageReader", 1),
):  # fmt: skip
    _not_simulated(_name, _least)
