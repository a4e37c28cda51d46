"""Image methods that draw."""

from __future__ import annotations

import numpy as np

from k210sim.imaging import draw, regions, text
from k210sim.modules.image.arguments import Call, image_method
from k210sim.modules.image_object import get_image


@image_method(1, fixed=True)
def clear(call: Call):
    image = call.image
    if image.data:
        image.data = bytes(len(image.data))
    else:
        image.pixels[:] = 0
    return call.args[0]


@image_method(2)
def draw_line(call: Call):
    pixels = call.pixels
    ends, at = call.numbers(1, 4)
    draw.draw_line(pixels, *ends, call.colour(at), call.int(at + 1, "thickness", 1))
    return call.args[0]


@image_method(2)
def draw_rectangle(call: Call):
    pixels = call.pixels
    box, at = call.numbers(1, 4)
    draw.draw_rectangle(
        pixels, *box, call.colour(at), call.int(at + 1, "thickness", 1), call.bool(at + 2, "fill")
    )
    return call.args[0]


@image_method(2)
def draw_circle(call: Call):
    pixels = call.pixels
    circle, at = call.numbers(1, 3)
    draw.draw_circle(
        pixels,
        *circle,
        call.colour(at),
        call.int(at + 1, "thickness", 1),
        call.bool(at + 2, "fill"),
    )
    return call.args[0]


@image_method(2)
def draw_ellipse(call: Call):
    pixels = call.pixels
    shape, at = call.numbers(1, 4)
    rotation = call.int(at, "rotation", 0)
    draw.draw_ellipse(
        pixels,
        *shape,
        rotation,
        call.colour(at + 1),
        call.int(at + 2, "thickness", 1),
        call.bool(at + 3, "fill"),
    )
    return call.args[0]


@image_method(2)
def draw_cross(call: Call):
    pixels = call.pixels
    (x, y), at = call.numbers(1, 2)
    draw.draw_cross(
        pixels, x, y, call.colour(at), call.int(at + 1, "size", 5), call.int(at + 2, "thickness", 1)
    )
    return call.args[0]


@image_method(2)
def draw_arrow(call: Call):
    pixels = call.pixels
    ends, at = call.numbers(1, 4)
    draw.draw_arrow(
        pixels,
        *ends,
        call.colour(at),
        call.int(at + 1, "size", 10),
        call.int(at + 2, "thickness", 1),
    )
    return call.args[0]


@image_method(2)
def draw_string(call: Call):
    vm, pixels = call.vm, call.pixels
    (x, y, string), at = call.points(1, 3)
    x, y = vm.get_int(x), vm.get_int(y)
    colour, scale = call.colour(at), call.float(at + 1, "scale", 1.0)
    call.check(scale > 0, "Error: 0 < scale!")
    x_spacing, y_spacing = call.int(at + 2, "x_spacing", 0), call.int(at + 3, "y_spacing", 2)
    mono_space = call.bool(at + 4, "mono_space")
    vm.get_str(string)
    font = getattr(vm, "image_font", None)
    if font is not None:
        text.draw_string_with(
            pixels, x, y, vm.bytes_of(string), colour, font, scale, x_spacing, mono_space
        )
    else:
        text.draw_string(
            pixels, x, y, vm.bytes_of(string), colour, scale, x_spacing, y_spacing, mono_space
        )
    return call.args[0]


@image_method(2)
def draw_font(call: Call):
    vm, pixels = call.vm, call.pixels
    words, at = call.points(1, 5)
    x, y, width, height = (vm.get_int(w) for w in words[:4])
    if not (vm.is_str(words[4]) or vm.is_bytes(words[4])):
        vm.get_str(words[4])
    data = vm.bytes_of(words[4])
    call.check(
        width % 8 == 0 and width <= 32, "Error: font arg_w_font %% 8 == 0 && arg_w_font <= 32!"
    )
    call.check(
        width // 8 * (height // 8) * 8 == len(data),
        "Error: font (arg_w_font / 8) * (arg_h_font / 8) * 8 == font_len!",
    )
    colour, scale = call.colour(at), call.float(at + 1, "scale", 1.0)
    call.check(scale > 0, "Error: 0 < scale!")
    text.draw_glyph(pixels, x, y, colour, scale, height, width, data)
    return call.args[0]


@image_method(3)
def draw_image(call: Call):
    pixels = call.pixels
    other = call.pixels_of(call.args[1])
    (x, y), at = call.numbers(2, 2)
    x_scale = call.float(at, "x_scale", 1.0)
    call.check(x_scale >= 0, "Error: 0.0 <= x_scale!")
    y_scale = call.float(at + 1, "y_scale", 1.0)
    call.check(y_scale >= 0, "Error: 0.0 <= y_scale!")
    alpha = call.int(at + 2, "alpha", 256)
    call.check(0 <= alpha <= 256, "Error: 0 <= alpha <= 256!")
    mask = call.word(at + 3, "mask")
    if mask:
        mask = call.pixels_of(mask)
    if other is pixels:
        other = other.copy()
    if x_scale and y_scale:
        draw.draw_image(
            pixels,
            other,
            x,
            y,
            x_scale,
            y_scale,
            alpha,
            mask if isinstance(mask, np.ndarray) else None,
        )
    return call.args[0]


@image_method(2)
def draw_keypoints(call: Call):
    vm, pixels = call.vm, call.pixels
    colour, size = call.colour(2), call.int(3, "size", 10)
    thickness, fill = call.int(4, "thickness", 1), call.bool(5, "fill")
    for item in vm.get_array(call.args[1]):
        x, y, angle = (vm.get_int(w) for w in vm.get_array_fixed(item, 3))
        turn = np.float32(np.deg2rad(angle % 360))
        across, down = (int(np.float32(f(turn)) * np.float32(size)) for f in (np.cos, np.sin))
        draw.draw_line(pixels, x, y, x + across, y + down, colour, thickness)
        draw.draw_circle(pixels, x, y, int((size - 2) / 2), colour, thickness, fill)
    return call.args[0]


def share(call: Call, index: int, name: str) -> float:
    """A threshold argument between 0 and 1."""
    value = call.float(index, name, 0.05)
    call.check(0 <= value <= 1, f"Error: 0.0 <= {name} <= 1.0!")
    return value


@image_method(2)
def flood_fill(call: Call):
    pixels = call.pixels
    (x, y), at = call.numbers(1, 2)
    seed = share(call, at, "seed_threshold")
    floating = share(call, at + 1, "floating_threshold")
    colour = call.colour(at + 2)
    invert = call.float(at + 3, "invert", 0.0) != 0
    clear_background = call.float(at + 4, "clear_background", 0.0) != 0
    regions.flood_fill(
        pixels, x, y, seed, floating, colour, invert, clear_background, call.mask(at + 5)
    )
    return call.args[0]


@image_method(2)
def dump_roi(call: Call):
    (x0, y0, w, h), _ = call.numbers(1, 4)
    image = get_image(call.vm, call.args[0])
    from k210sim.modules.image.pictures import content

    data, width = content(image), image.w
    lines = []
    for y in range(y0, y0 + h):
        for x in range(x0, x0 + w):
            at = 2 * (width * y + x)
            pair = data[at : at + 2] if at >= 0 else b""
            first, second = (*pair, 0, 0)[:2]
            lines.append("0x%02x 0x%02x; " % (first, second))
            if (x - x0) % 8 == 7:
                lines.append("\n")
        lines.append("\n")
    call.vm.write("".join(lines) + "\n")
