"""What running a model gives: feature maps, detections, layer facts, and the yolo2 arguments."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from k210sim.micropython import layout as L
from k210sim.micropython.layout import NULL, SENTINEL
from k210sim.micropython.native import GuestType, method

MAX_ANCHOR_TEXT = 299


@dataclass
class YoloArgs:
    """Arguments of init_yolo2; thresholds as float32 host values."""

    threshold: float
    nms_value: float
    anchor_number: int
    anchors: list[float] = field(default_factory=list)


class KpuYolo2(GuestType):
    """`kpu_yolo2`: what init_yolo2 stored."""

    name = "kpu_yolo2"

    def print(self, vm, o, kind):
        args = vm.host(o)
        anchors = ", ".join("%.6f" % a for a in args.anchors)[:MAX_ANCHOR_TEXT]
        return '{"threshold":%f, "nms_value":%f, "anchor_number":%d, "anchor":"(%s)"}' % (
            args.threshold, args.nms_value, args.anchor_number, anchors)

    @method(1)
    def threshold(vm, self):
        return vm.new_float(vm.host(self).threshold)

    @method(1)
    def nms_value(vm, self):
        return vm.new_float(vm.host(self).nms_value)

    @method(1)
    def anchor_number(vm, self):
        return vm.new_int(vm.host(self).anchor_number)

    @method(1)
    def anchor(vm, self):
        if not vm.is_instance_of(self, KpuYolo2):
            raise vm.error("TypeError", "[MAIXPY]kpu: object type error")
        return vm.new_tuple([vm.new_float(a) for a in vm.host(self).anchors])


@dataclass
class Found:
    """One detection with its place in the result."""

    x: int
    y: int
    w: int
    h: int
    value: float
    classid: int
    index: int
    objnum: int


def _getter(name: str):
    def read(vm, self):
        value = getattr(vm.host(self), name)
        return vm.new_float(value) if isinstance(value, float) else vm.new_int(value)

    return method(1, name=name)(read)


class KpuYolo2Find(GuestType):
    """`kpu_yolo2_find`: one object in the picture."""

    name = "kpu_yolo2_find"

    def print(self, vm, o, kind):
        f = vm.host(o)
        return ('{"x":%d, "y":%d, "w":%d, "h":%d, "value":%f, "classid":%d, "index":%d, '
                '"objnum":%d}' % (f.x, f.y, f.w, f.h, f.value, f.classid, f.index, f.objnum))

    @method(1)
    def rect(vm, self):
        f = vm.host(self)
        return vm.new_tuple([vm.new_int(v) for v in (f.x, f.y, f.w, f.h)])

    x, y, w, h = (_getter(name) for name in "xywh")
    classid, index, value, objnum = (
        _getter(name) for name in ("classid", "index", "value", "objnum"))


class KpuNetinfo(GuestType):
    """`kpu_netinfo_find`: the facts of one layer."""

    name = "kpu_netinfo_find"
    FIELDS = ("index", "type", "wi", "hi", "wo", "ho", "chi", "cho", "dw", "kernel_type",
              "pool_type", "para_size")

    def print(self, vm, o, kind):
        facts = vm.host(o)
        parts = []
        for name in self.FIELDS:
            value = layer_type_name(facts["type"]) if name == "type" else "%d" % facts[name]
            parts.append('"%s":%s' % (name, value))
        return "{" + ", ".join(parts) + "}"


def _fact(name: str):
    return method(1, name=name)(lambda vm, self: vm.new_int(vm.host(self)[name]))


for _name in KpuNetinfo.FIELDS:
    KpuNetinfo.locals[_name] = _fact(_name)

_TYPE_NAMES = (
    "INVALID", "ADD", "QUANTIZED_ADD", "GLOBAL_MAX_POOL2D", "QUANTIZED_GLOBAL_MAX_POOL2D",
    "GLOBAL_AVERAGE_POOL2D", "QUANTIZED_GLOBAL_AVERAGE_POOL2D", "MAX_POOL2D",
    "QUANTIZED_MAX_POOL2D", "AVERAGE_POOL2D", "QUANTIZED_AVERAGE_POOL2D", "QUANTIZE",
    "DEQUANTIZE", "REQUANTIZE", "L2_NORMALIZATION", "SOFTMAX", "CONCAT", "QUANTIZED_CONCAT",
    "FULLY_CONNECTED", "QUANTIZED_FULLY_CONNECTED", "TENSORFLOW_FLATTEN",
    # The firmware's table lacks a comma here, which shifts every later name by one.
    "QUANTIZED_TENSORFLOW_FLATTENKL_RESIZE_NEAREST_NEIGHBOR",
    "QUANTIZED_RESIZE_NEAREST_NEIGHBOR", "CHANNELWISE_DEQUANTIZE", "LOGISTIC", "K210_CONV",
)
_K210_NAMES = {0x2800: "K210_CONV", 0x2801: "K210_ADD_PADDING", 0x2802: "K210_REMOVE_PADDING",
               0x2803: "K210_UPLOAD"}


def layer_type_name(number: int) -> str:
    """The name the firmware prints for a layer type, its shifted table included."""
    if number < len(_TYPE_NAMES):
        return "KL_" + _TYPE_NAMES[number]
    return "KL_" + _K210_NAMES.get(number, "INVALID")


@dataclass
class Fmap:
    """A feature map: live bytes, shape, typecode 'B', 'f' or ''."""

    data: np.ndarray  # uint8, flat; a view of the model's main memory unless `owned`
    address: int
    size: int
    index: int
    w: int
    h: int
    ch: int
    typecode: str
    owned: int = 0  # system-heap block of a copy (document's way), 0 for a view

    def items(self) -> np.ndarray:
        """The elements as the guest counts them."""
        if self.typecode == "f":
            n = self.size // 4 * 4
            return self.data[:n].view("<f4")
        return self.data[: self.size]

    def release(self, vm) -> None:
        if self.owned:
            vm.system_heap.free(self.owned)
            self.owned = 0


class KpuFmap(GuestType):
    """`kpu_fmap`: the result of forward and get_output."""

    name = "kpu_fmap"

    def print(self, vm, o, kind):
        f = vm.host(o)
        return ('{"fmap": "data"=0x%x, "size"=%d, "index": %d, "w": %d, "h": %d, "ch": %d, '
                '"typecode": %s}' % (f.address, f.size, f.index, f.w, f.h, f.ch,
                                     f.typecode or "\0"))

    def finalise(self, vm, o, fmap):
        if fmap is not None:
            fmap.release(vm)

    size, index, w, h, ch = (_getter(name) for name in ("size", "index", "w", "h", "ch"))

    @method(1)
    def typecode(vm, self):
        # The firmware takes the character for an address; whatever it shows is no information.
        return vm.new_str(vm.host(self).typecode)

    def buffer(self, vm, o):
        f = vm.host(o)
        return f.address, f.size, "B", True

    def subscr(self, vm, o, index, value):
        f = vm.host(o)
        if value == NULL:
            return None
        if f.typecode not in ("B", "f"):
            vm.write("typecode don't support %s!\r\n"
                      % ("read" if value == SENTINEL else "write"))
            return None
        items = f.items()
        make = vm.new_float if f.typecode == "f" else vm.new_int
        if vm.is_type(index, "slice"):
            start, stop = _bounds(vm, index, len(items))
            if value == SENTINEL:
                return vm.new_tuple([make(v) for v in items[start:stop].tolist()])
            self._store_slice(vm, f, items, start, stop, value)
            return L.NONE
        if not vm.is_int(index):
            raise vm.error("TypeError", "kpu_fmap indices must be integers, not %s"
                           % vm.type_name(index), formatted=True)
        i = vm.get_int(index)
        if i < 0:
            i += len(items)
        if not 0 <= i < len(items):
            raise vm.error("IndexError", "kpu_fmap index out of range", formatted=True)
        if value == SENTINEL:
            return make(items[i].item())
        items[i] = _scalar(vm, f.typecode, value)
        return L.NONE

    @staticmethod
    def _store_slice(vm, f, items, start, stop, value):
        if vm.is_type(value, "list"):
            words = vm.items_of(value)
            if len(words) != stop - start:
                raise vm.error("OSError", "cannot grow or shrink image")
            for k, word in enumerate(words):
                items[start + k] = _scalar(vm, f.typecode, word)
        else:
            items[start:stop] = _scalar(vm, f.typecode, value)


def _scalar(vm, typecode: str, word: int):
    if typecode == "f":
        return vm.get_float(word)
    return vm.get_int(word) & 0xFF


def _bounds(vm, index: int, length: int) -> tuple[int, int]:
    at = (index - 0x80000000) >> 3
    start, stop, step = vm.words[at + 1], vm.words[at + 2], vm.words[at + 3]
    if step not in (L.NONE, 3):
        raise vm.error("OSError", "only slices with step=1 (aka None) are supported")
    first = 0 if start == L.NONE else vm.get_int(start)
    last = length if stop == L.NONE else vm.get_int(stop)
    first = max(0, first + length) if first < 0 else min(first, length)
    last = max(0, last + length) if last < 0 else min(last, length)
    return first, max(first, last)
