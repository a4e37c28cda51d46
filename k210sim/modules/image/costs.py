"""What image methods cost in virtual time.

A guess: no board was measured. Each method takes so many cycles of the processor for each pixel of
its picture, by how much it computes there; filters for each pixel of their window. Roughly: moving
a pixel 10, a table or a sum 25, a division or a float function more. Methods not named here cost
no more than any call.
"""

from __future__ import annotations

CPU_HZ = 400_000_000

# Cycles for each pixel of the picture.
_PER_PIXEL = {
    10: "copy crop cut replace assign set clear invert negate scale mask_ellipse to_bytes",
    25: "to_grayscale to_rgb565 to_rainbow to_bitmap b_and and b_nand nand b_or or b_nor nor b_xor "
    "xor b_xnor xnor add sub min max difference blend pix_to_ai ai_to_pix stretch strech_char "
    "chrominvar illuminvar draw_image resize mean_pool mean_pooled midpoint_pool midpoint_pooled",
    40: "mul div binary gamma_corr get_histogram get_hist histogram get_statistics get_stats "
    "statistics flood_fill find_lbp get_regression",
    80: "find_blobs histeq lens_corr rotation_corr conv3 get_similarity save",
    150: "linpolar logpolar find_lines compress compressed find_edges",
    400: "find_qrcodes cartoon",
    800: "find_rects find_apriltags find_line_segments remove_shadows",
    1500: "find_circles",
}
# Cycles for each pixel of the window, the first argument being its size.
_PER_WINDOW_PIXEL = {
    4: "erode dilate open close top_hat black_hat",
    8: "mean morph gaussian blur gaussian_blur laplacian",
    12: "midpoint",
    40: "median mode bilateral",
}
_CYCLES = {name: cycles for cycles, names in _PER_PIXEL.items() for name in names.split()}
_WINDOW = {name: cycles for cycles, names in _PER_WINDOW_PIXEL.items() for name in names.split()}
_TEMPLATE_CYCLES = 6  # for each pair of a place and a pixel of the template


def _pixels(vm, word: int) -> int:
    return vm.host(word).pixels.size


def nanoseconds(vm, name: str, args: list[int]) -> int:
    """The time the method `name` took; args[0] is its image."""
    if name in _CYCLES:
        cycles = _CYCLES[name] * _pixels(vm, args[0])
    elif name in _WINDOW:
        side = 2 * vm.get_int(args[1]) + 1
        cycles = _WINDOW[name] * side * side * _pixels(vm, args[0])
    elif name == "find_template":
        step = 2  # the default one
        places = _pixels(vm, args[0]) // (step * step)
        cycles = _TEMPLATE_CYCLES * places * _pixels(vm, args[1])
    else:
        return 0
    return cycles * 1_000_000_000 // CPU_HZ
