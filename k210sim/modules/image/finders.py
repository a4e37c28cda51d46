"""Image methods that look for something given: a template, a line, a texture."""

from __future__ import annotations

import numpy as np

from k210sim.errors import NotSimulated
from k210sim.imaging import lbp, regression, template
from k210sim.micropython.native import GuestType
from k210sim.modules.image import pictures, results
from k210sim.modules.image.arguments import Call, assert_true, image_method

SEARCH_EX, SEARCH_DS = 0, 1
_WORD = 0xFFFFFFFF  # arguments that are unsigned on the board
_LBP, _ORB = 0, 1  # kinds of descriptor in files


def _box(vm, values) -> int:
    return vm.new_tuple([vm.new_int(v) for v in values])


@image_method(3)
def find_template(call: Call):
    vm, pixels, wanted = call.vm, call.gray(), call.gray_of(call.args[1])
    least = vm.get_float(call.args[2])
    roi = call.roi(3)
    fits = roi[2] >= wanted.shape[1] and roi[3] >= wanted.shape[0]
    call.check(fits, "Region of interest is smaller than template!")
    step, search = call.int(4, "step", 2), call.int(5, "search", SEARCH_EX)
    if search == SEARCH_DS:
        found = template.find_diamond(pixels, wanted)
    elif step < 1:
        raise NotSimulated(f"image.Image.find_template with step={step}, which never ends")
    else:
        found = template.find_exhaustive(pixels, wanted, roi, step)
    if not found.score > least:
        return None
    if found.score == 0:
        raise NotSimulated("image.Image.find_template", "a negative threshold and no match at all")
    return _box(vm, found.box)


@image_method(2)
def get_regression(call: Call):
    pixels, thresholds = call.pixels, call.thresholds(call.args[1])
    if not thresholds:
        return None
    invert, roi = call.bool(2, "invert"), call.roi(3)
    x_stride, y_stride = call.int(4, "x_stride", 2), call.int(5, "y_stride", 1)
    call.check(x_stride > 0, "x_stride must not be zero.")
    call.check(y_stride > 0, "y_stride must not be zero.")
    area, least = (
        call.int(6 + i, name + "_threshold", 10) & _WORD
        for i, name in enumerate(("area", "pixels"))
    )
    line = regression.get_regression(
        pixels, thresholds, invert, roi, x_stride, y_stride, area, least, call.bool(8, "robust")
    )
    return None if line is None else results.make(call.vm, results.Line, line)


class LbpDescriptor(GuestType):
    """What find_lbp returns; the host value is an array of `imaging.lbp.SIZE` counts."""

    name = "lbp_desc"

    def print(self, vm, o, kind):
        return "{}"


def _descriptor(vm, counts) -> int:
    return vm.new_host_object(LbpDescriptor, counts, 32 + lbp.SIZE)


@image_method(2)
def find_lbp(call: Call):
    pixels, roi = call.gray(), call.roi(1)
    if min(roi[2:]) < lbp.PARTS:
        raise NotSimulated("image.Image.find_lbp", "a box of less than 7 x 7 pixels")
    return _descriptor(call.vm, lbp.describe(pixels, roi))


def save_descriptor(vm, args, kw):
    """Write a descriptor to a file: its kind as a 32-bit number, then its bytes."""
    path = vm.get_str(args[1])
    if not vm.is_instance_of(args[0], LbpDescriptor):
        raise NotSimulated("image.save_descriptor", "a " + vm.type_name(args[0]))
    data = _LBP.to_bytes(4, "little") + vm.host(args[0]).tobytes()
    pictures.write_file(vm, path, data)
    return vm.new_bool(True)


def load_descriptor(vm, args, kw):
    """A descriptor from a file of save_descriptor."""
    data = pictures.read_file(vm, vm.get_str(args[0]))
    kind = int.from_bytes(data[:4], "little") if len(data) >= 4 else -1
    if kind == _ORB:
        raise NotSimulated("image.load_descriptor", "keypoints")
    counts = np.frombuffer(data[4 : 4 + lbp.SIZE], np.uint8)
    if kind != _LBP or len(counts) != lbp.SIZE:
        raise vm.error("OSError", "Descriptor type is not supported", formatted=False)
    return _descriptor(vm, counts)


def match_descriptor(vm, args, kw):
    """How much two descriptors differ: 0 for the same."""
    one, other = args[:2]
    assert_true(vm, vm.type_name(one) == vm.type_name(other), "Descriptors have different types!")
    if not vm.is_instance_of(one, LbpDescriptor):
        raise vm.error("OSError", "Descriptor type is not supported", formatted=False)
    return vm.new_int(lbp.distance(vm.host(one), vm.host(other)))
