"""Image methods that compute with pixels: arithmetic, morphology, filters, geometry."""

from __future__ import annotations

import numpy as np

from k210sim.errors import NotSimulated
from k210sim.imaging import (
    arith,
    equalise,
    filters,
    invariant,
    morph,
    perspective,
    polar,
    regions,
    shadows,
    transform,
)
from k210sim.modules.image import pictures
from k210sim.modules.image.arguments import Call, image_method
from k210sim.modules.image.drawing import share
from k210sim.modules.image_object import is_image


# --- arithmetic -----------------------------------------------------------------------------------
def _plain(name: str, function) -> None:
    """A method (other, mask) that combines in place."""

    @image_method(2, names=(name,))
    def combine(call: Call):
        pixels, mask = call.pixels, call.mask(2)
        function(pixels, call.operand(1), mask)
        return call.args[0]


for _name, _function in (
    ("add", arith.add), ("min", arith.minimum), ("max", arith.maximum),
    ("difference", arith.difference),
):  # fmt: skip
    _plain(_name, _function)


def _nothing(name: str) -> None:
    """The bitwise operations: the firmware checks the arguments and then does nothing."""

    @image_method(2, names=(name, "b_" + name))
    def leave(call: Call):
        call.mask(2)
        word = call.args[1]
        if is_image(call.vm, word):
            call.pixels_of(word)
        elif not call.vm.is_str(word):
            call.colour(1, 0, name="")
        return call.args[0]


for _name in ("and", "nand", "or", "nor", "xor", "xnor"):
    _nothing(_name)


@image_method(2)
def sub(call: Call):
    pixels, reverse, mask = call.pixels, call.bool(2, "reverse"), call.mask(3)
    arith.sub(pixels, call.operand(1), reverse, mask)
    return call.args[0]


@image_method(2)
def mul(call: Call):
    pixels, invert, mask = call.pixels, call.bool(2, "invert"), call.mask(3)
    arith.mul(pixels, call.operand(1), invert, mask)
    return call.args[0]


@image_method(2)
def div(call: Call):
    pixels, invert, mod = call.pixels, call.bool(2, "invert"), call.bool(3, "mod")
    mask = call.mask(4)
    arith.div(pixels, call.operand(1), invert, mod, mask)
    return call.args[0]


@image_method(2)
def blend(call: Call):
    pixels, alpha = call.pixels, call.int(2, "alpha", 128)
    call.check(0 <= alpha <= 256, "Error: 0 <= alpha <= 256!")
    mask = call.mask(3)
    arith.blend(pixels, call.operand(1), alpha, mask)
    return call.args[0]


@image_method(1, fixed=True)
def invert(call: Call):
    arith.invert(call.pixels)
    return call.args[0]


@image_method(1, fixed=True)
def negate(call: Call):
    arith.negate(call.pixels)
    return call.args[0]


@image_method(1)
def gamma_corr(call: Call):
    arith.gamma_corr(
        call.pixels,
        call.float(1, "gamma", 1.0),
        call.float(2, "contrast", 1.0),
        call.float(3, "brightness", 0.0),
    )
    return call.args[0]


@image_method(1, names=("replace", "assign", "set"))
def replace(call: Call):
    image, pixels = call.image, call.pixels
    hmirror, vflip = call.bool(2, "hmirror"), call.bool(3, "vflip")
    transpose, mask = call.bool(4, "transpose"), call.mask(5)
    if transpose and pixels.dtype == np.bool_:
        turned = np.empty(pixels.shape[::-1], bool)
        call.check(
            pictures.formats.memory_size(turned) <= pictures.formats.memory_size(pixels),
            "Unable to transpose the image because it would grow in size!",
        )
    other = call.operand(1) if len(call.args) > 1 else pixels
    image.pixels = arith.replace(pixels, other, hmirror, vflip, transpose, mask)
    return call.args[0]


# --- binary ---------------------------------------------------------------------------------------
@image_method(2)
def binary(call: Call):
    vm, image, pixels = call.vm, call.image, call.pixels
    thresholds = call.thresholds(call.args[1])
    invert, zero = call.bool(2, "invert"), call.bool(3, "zero")
    mask = call.mask(4)
    to_bitmap, copy = call.bool(5, "to_bitmap"), call.bool(6, "copy")
    if to_bitmap and not copy:
        least = {np.dtype(np.uint8): 4, np.dtype(np.uint16): 2}.get(pixels.dtype, 0)
        call.check(pixels.shape[1] >= least, "Can't convert to bitmap in place!")
    result = morph.binary(pixels, thresholds, invert, zero, mask, to_bitmap)
    if copy:
        return pictures.new_picture(vm, result)
    if result.dtype == pixels.dtype:
        pixels[:] = result
        return pictures.alias(vm, image, pixels, image.extra.get("behind", b""))
    from k210sim.modules.image.basic import in_place

    return in_place(call, result)


@image_method(2)
def erode(call: Call):
    size = call.ksize(1)
    threshold, mask = call.int(2, "threshold", morph.full(size)), call.mask(3)
    morph.erode(call.pixels, size, threshold, mask)
    return call.args[0]


def _morphology(name: str, function) -> None:
    @image_method(2, names=(name,))
    def change(call: Call):
        size = call.ksize(1)
        threshold, mask = call.int(2, "threshold", 0), call.mask(3)
        function(call.pixels, size, threshold, mask)
        return call.args[0]


for _name, _function in (
    ("dilate", morph.dilate), ("open", morph.opening), ("close", morph.closing),
    ("top_hat", morph.top_hat), ("black_hat", morph.black_hat),
):  # fmt: skip
    _morphology(_name, _function)


# --- filters --------------------------------------------------------------------------------------
def _cut(call: Call, index: int) -> filters.Cut:
    """The four arguments every filter ends with."""
    return filters.Cut(
        call.bool(index, "threshold"),
        call.int(index + 1, "offset", 0),
        call.bool(index + 2, "invert"),
        call.mask(index + 3),
    )


@image_method(1)
def histeq(call: Call):
    pixels = call.pixels
    adaptive, clip_limit = call.bool(1, "adaptive"), call.float(2, "clip_limit", -1.0)
    mask = call.mask(3)
    if adaptive:
        equalise.adaptive_histeq(pixels, clip_limit, mask)
    else:
        filters.histeq(pixels, mask)
    return call.args[0]


@image_method(1, 2, fixed=True)
def remove_shadows(call: Call):
    pixels = call.rgb565()
    if len(call.args) > 1:
        shadows.remove_shadows(pixels, call.operand(1))
    elif shadows.has_shadows(pixels):
        raise NotSimulated(
            "image.Image.remove_shadows", "of one picture: it reads beyond its memory on the board"
        )
    return call.args[0]


@image_method(1, fixed=True)
def chrominvar(call: Call):
    invariant.chrominvar(call.rgb565())
    return call.args[0]


@image_method(1, fixed=True)
def illuminvar(call: Call):
    invariant.illuminvar(call.rgb565())
    return call.args[0]


@image_method(2)
def mean(call: Call):
    pixels, size = call.pixels, call.ksize(1)
    filters.mean(pixels, size, _cut(call, 2))
    return call.args[0]


@image_method(2)
def median(call: Call):
    pixels, size = call.pixels, call.ksize(1)
    percentile = call.float(2, "percentile", 0.5)
    call.check(0 <= percentile <= 1, "Error: 0 <= percentile <= 1!")
    filters.median(pixels, size, percentile, _cut(call, 3))
    return call.args[0]


@image_method(2)
def mode(call: Call):
    pixels, size = call.pixels, call.ksize(1)
    filters.mode(pixels, size, _cut(call, 2))
    return call.args[0]


@image_method(2)
def midpoint(call: Call):
    pixels, size = call.pixels, call.ksize(1)
    bias = call.float(2, "bias", 0.5)
    call.check(0 <= bias <= 1, "Error: 0 <= bias <= 1!")
    filters.midpoint(pixels, size, bias, _cut(call, 3))
    return call.args[0]


@image_method(3, names=("morph",))
def morph_(call: Call):
    vm, pixels, size = call.vm, call.pixels, call.ksize(1)
    words = vm.get_array_fixed(call.args[2], (2 * size + 1) ** 2)
    kernel = [vm.get_int(w) for w in words]
    total = sum(kernel) or 1
    mul = call.float(3, "mul", float(np.float32(1) / np.float32(total)))
    filters.morph(pixels, size, kernel, mul, call.float(4, "add", 0.0), _cut(call, 5))
    return call.args[0]


def _weighted(call: Call, make, flag: str):
    pixels, size = call.pixels, call.ksize(1)
    kernel, factor = make(size, call.bool(2, flag))
    mul, add = call.float(3, "mul", factor), call.float(4, "add", 0.0)
    filters.morph(pixels, size, kernel, mul, add, _cut(call, 5))
    return call.args[0]


@image_method(2, names=("gaussian", "blur", "gaussian_blur"))
def gaussian(call: Call):
    return _weighted(call, filters.gaussian_kernel, "unsharp")


@image_method(2)
def laplacian(call: Call):
    return _weighted(call, filters.laplacian_kernel, "sharpen")


@image_method(2)
def bilateral(call: Call):
    pixels, size = call.pixels, call.ksize(1)
    color, space = call.float(2, "color_sigma", 0.1), call.float(3, "space_sigma", 1.0)
    filters.bilateral(pixels, size, color, space, _cut(call, 4))
    return call.args[0]


@image_method(1)
def cartoon(call: Call):
    pixels = call.pixels
    seed, floating = share(call, 1, "seed_threshold"), share(call, 2, "floating_threshold")
    regions.cartoon(pixels, seed, floating, call.mask(3))
    return call.args[0]


@image_method(2)
def conv3(call: Call):
    vm = call.vm
    word = call.word(1, "kern")
    for item in vm.get_array_fixed(word, 9):
        vm.get_float(item)
    image = call.image
    call.pixels  # noqa: B018 - refuses compressed pictures
    if image.planes is None:
        vm.write("pix_ai or pixels is NULL!\n")
        return None
    raise NotSimulated("image.Image.conv3", "the convolution accelerator outside a model")


# --- geometry -------------------------------------------------------------------------------------
@image_method(1)
def lens_corr(call: Call):
    pixels = call.pixels
    strength = call.float(1, "strength", 1.8)
    call.check(strength > 0, "Strength must be > 0!")
    zoom = call.float(2, "zoom", 1.0)
    call.check(zoom > 0, "Zoom must be > 0!")
    transform.lens_corr(pixels, strength, zoom)
    return call.args[0]


def _polar(name: str, linear: bool) -> None:
    @image_method(1, names=(name,))
    def change(call: Call):
        pixels = call.pixels
        polar.polar(pixels, linear, call.bool(1, "reverse"))
        return call.args[0]


_polar("linpolar", True)
_polar("logpolar", False)


@image_method(1)
def rotation_corr(call: Call):
    vm, pixels = call.vm, call.pixels
    turn = [call.float(1 + i, axis + "_rotation", 0.0) for i, axis in enumerate("xyz")]
    move = [call.float(4 + i, axis + "_translation", 0.0) for i, axis in enumerate("xy")]
    zoom = call.float(6, "zoom", 1.0)
    call.check(zoom > 0, "Zoom must be > 0!")
    fov = call.float(7, "fov", 60.0)
    # The firmware compares the angle in radians with 180.
    call.check(0 < perspective.radians(fov) < 180, "FOV must be > 0 and < 180!")
    word, corners = call.word(8, "corners"), None
    if word:
        corners = [
            [vm.get_float(v) for v in vm.get_array_fixed(point, 2)]
            for point in vm.get_array_fixed(word, 4)
        ]
    perspective.rotation_corr(pixels, *turn, *move, zoom, fov, corners)
    return call.args[0]
