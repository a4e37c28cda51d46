"""Image methods that find something out: statistics, blobs."""

from __future__ import annotations

import numpy as np

from k210sim.errors import NotSimulated
from k210sim.imaging import (
    apriltags,
    filters,
    hough,
    morph,
    qrcode,
    quads,
    rects,
    regions,
    segments,
)
from k210sim.imaging import similarity as similarities
from k210sim.imaging.tag_families import UNKNOWN
from k210sim.modules.image import results
from k210sim.modules.image.arguments import Call, image_method


@image_method(1, names=("get_histogram", "get_hist", "histogram"))
def get_histogram(call: Call):
    histogram = results.take_histogram(call)
    room = 64 + sum(32 + 40 * len(bins) for bins in histogram.bins)
    return call.vm.new_host_object(results.Histogram, histogram, room)


@image_method(1, names=("get_statistics", "get_stats", "statistics"))
def get_statistics(call: Call):
    return results.new_statistics(call.vm, results.take_histogram(call))


def strides(call: Call, index: int) -> tuple[int, int]:
    x, y = call.int(index, "x_stride", 2), call.int(index + 1, "y_stride", 1)
    call.check(x > 0, "x_stride must not be zero.")
    call.check(y > 0, "y_stride must not be zero.")
    return x, y


@image_method(2)
def find_blobs(call: Call):
    vm, pixels = call.vm, call.pixels
    thresholds = call.thresholds(call.args[1])
    invert, roi = call.bool(2, "invert"), call.roi(3)
    x_stride, y_stride = strides(call, 4)
    area = call.int(6, "area_threshold", 10) & 0xFFFFFFFF
    least = call.int(7, "pixels_threshold", 10) & 0xFFFFFFFF
    merge, margin = call.bool(8, "merge"), call.int(9, "margin", 0)
    choose, join = call.word(10, "threshold_cb"), call.word(11, "merge_cb")

    def ask(function, *blobs):
        words = [results.make(vm, results.Blob, blob) for blob in blobs]
        return vm.is_true(vm.call(function, words))

    found = regions.find_blobs(
        pixels, roi, thresholds, invert, x_stride, y_stride, area, least, merge, margin,
        (lambda blob: ask(choose, blob)) if choose else None,
        (lambda one, other: ask(join, one, other)) if join else None,
    )  # fmt: skip
    return vm.new_list([results.make(vm, results.Blob, blob) for blob in found])


# Methods that exist on the board and are not simulated: calling one says so.
_WORD = 0xFFFFFFFF  # arguments that are unsigned on the board


def _no_room(call: Call):
    """The error of the scratch memory's allocator."""
    return call.vm.error(
        "MemoryError", "Out of Memory! Please reduce the resolution of the image you are running "
        "this algorithm on to bypass this issue!", formatted=False)  # fmt: skip


@image_method(1)
def find_lines(call: Call):
    pixels, roi = call.pixels, call.roi(1)
    x_stride, y_stride = strides(call, 2)
    threshold = call.int(4, "threshold", 1000) & _WORD
    margins = [call.int(5 + i, n + "_margin", 25) & _WORD for i, n in enumerate(("theta", "rho"))]
    try:
        lines = hough.find_lines(pixels, roi, x_stride, y_stride, threshold, *margins)
    except MemoryError:
        raise _no_room(call) from None
    return call.vm.new_list([results.make(call.vm, results.Line, line) for line in lines])


@image_method(1)
def find_circles(call: Call):
    pixels, roi = call.pixels, call.roi(1)
    x_stride, y_stride = strides(call, 2)
    threshold = call.int(4, "threshold", 2000) & _WORD
    margins = [call.int(5 + i, n + "_margin", 10) & _WORD for i, n in enumerate("xyr")]
    largest = min(roi[2] // 2, roi[3] // 2)
    r_min, r_max = call.int(8, "r_min", 2), call.int(9, "r_max", largest)
    r_step = call.int(10, "r_step", 2) & _WORD
    if r_step == 0:
        raise NotSimulated("image.Image.find_circles with r_step=0, which never ends")
    try:
        circles = hough.find_circles(
            pixels, roi, x_stride, y_stride, threshold, *margins, r_min, r_max, r_step
        )
    except MemoryError:
        raise _no_room(call) from None
    return call.vm.new_list([results.make(call.vm, results.Circle, c) for c in circles])


def quads_of(call: Call, find):
    """What `find()` gives, its errors as the board's."""
    try:
        return find()
    except quads.TooManyBlocks:
        raise call.vm.error(
            "MemoryError", "Too many fb_alloc! no space save! try again or reduce img size!",
            formatted=False,
        ) from None  # fmt: skip
    except MemoryError:
        raise _no_room(call) from None


@image_method(1)
def find_line_segments(call: Call):
    pixels, roi = call.pixels, call.roi(1)
    distance = call.int(2, "merge_distance", 0) & _WORD
    turn = call.int(3, "max_theta_diff", 15)
    try:
        lines = segments.find_line_segments(pixels, roi, distance, turn)
    except MemoryError:
        raise _no_room(call) from None
    return call.vm.new_list([results.make(call.vm, results.Line, line) for line in lines])


@image_method(1)
def find_rects(call: Call):
    pixels, roi = call.pixels, call.roi(1)
    threshold = call.int(2, "threshold", 1000) & _WORD
    found = quads_of(call, lambda: rects.find_rects(pixels, roi, threshold))
    return call.vm.new_list([results.make(call.vm, results.Rect, rect) for rect in found])


@image_method(1)
def find_apriltags(call: Call):
    vm, pixels, roi = call.vm, call.pixels, call.roi(1)
    call.check(
        roi[2] * roi[3] < 65536,
        "The maximum supported resolution for find_apriltags() is < 64K pixels.",
    )
    if roi[2] < 4 or roi[3] < 4:
        return vm.new_list([])
    families = call.int(2, "families", 16)
    height, width = pixels.shape
    # A lens of 2.8 mm before the 3.984 mm x 2.952 mm of an OV7725.
    lens = [
        call.float(3 + i, name, value)
        for i, (name, value) in enumerate(
            (("fx", 2.8 / 3.984 * width), ("fy", 2.8 / 2.952 * height),
             ("cx", width * 0.5), ("cy", height * 0.5))
        )
    ]  # fmt: skip
    for number, name in UNKNOWN.items():
        if families & number:
            raise NotSimulated("image.Image.find_apriltags", "the family " + name)
    found = quads_of(call, lambda: apriltags.find_apriltags(pixels, roi, families, lens))
    return vm.new_list([results.make(vm, results.AprilTag, tag) for tag in found])


@image_method(1)
def find_qrcodes(call: Call):
    codes = qrcode.find_qrcodes(call.pixels, call.roi(1))
    return call.vm.new_list([results.make(call.vm, results.QRCode, code) for code in codes])


_CANNY, _SIMPLE = 0, 1
_HIGH_PASS = (-1, -1, -1, -1, 8, -1, -1, -1, -1)


@image_method(2)
def find_edges(call: Call):
    vm, pixels = call.vm, call.gray()
    kind = vm.get_int(call.args[1])
    call.roi(2)  # checked, but the simple detector takes the whole picture
    word, limits = call.word(3, "threshold"), (100, 200)
    if word:
        limits = [vm.get_int(v) for v in vm.get_array_fixed(word, 2)]
    if kind == _CANNY:
        raise NotSimulated("image.Image.find_edges(EDGE_CANNY), which filters with the KPU")
    if kind == _SIMPLE:
        filters.morph(pixels, 1, _HIGH_PASS, 1.0)
        pixels[:] = morph.binary(pixels, [morph.Threshold(*limits)])
        morph.erode(pixels, 1, 2)
    return call.args[0]


@image_method(2, fixed=True)
def get_similarity(call: Call):
    pixels, other = call.pixels, call.operand(1)
    if not isinstance(other, np.ndarray):
        other = np.full_like(pixels, other)
    found = similarities.get_similarity(pixels, other)
    return results.make(call.vm, results.Similarity, found)


_MISSING = (
    "find_datamatrices", "find_barcodes",
    "find_displacement", "find_features", "find_eye",
    "find_keypoints", "find_domain", "find_hog", "selective_search",
)  # fmt: skip


def _missing(name: str) -> None:
    @image_method(1, names=(name,))
    def refuse(call: Call):
        raise NotSimulated("image.Image." + name)


for _name in _MISSING:
    _missing(_name)
