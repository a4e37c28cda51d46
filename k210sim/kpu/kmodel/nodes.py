"""The node bodies of kmodel V4 (nncase 0.2): one declaration each, for parsing and building.

Ref: nncase v0.2.0-beta4 src/common/include/runtime/neutral/neutral_ops_body.h and
runtime/k210/k210_ops_body.h. A LAYOUT lists (name, kind) in file order:
R memory range (type, datatype, start, size), S shape of 4 i32 (N, C, H, W), P padding (before,
after), F fused clamp (min, max) f32, Q quantisation (zero point i32, reciprocal scale f32),
i i32, I u32, f f32, V scalar (datatype u32, 4 raw bytes), D the 96-byte KPU descriptor.
"""

from __future__ import annotations

import math
import struct
from typing import NamedTuple

import numpy as np

from k210sim.errors import KmodelError
from k210sim.kpu.kmodel.layers import Tail
from k210sim.kpu.layer_regs import ACT_SIZE, LayerRegs


class MemoryRange(NamedTuple):
    """type: 0 constants, 1 main memory, 2 AI RAM; datatype: 0 float32, 1 uint8; bytes."""

    type: int
    datatype: int
    start: int
    size: int


KINDS = {
    "R": ("4I", MemoryRange), "S": ("4i", None), "P": ("2i", None), "F": ("2f", None),
    "Q": ("if", None), "i": ("i", None), "I": ("I", None), "f": ("f", None), "V": ("I4s", None),
    "D": ("96s", None),
}


class NodeType(type):
    """Gives a class of nodes slots for what it declares: a model may have hundreds of nodes."""

    def __new__(mcs, name, bases, space):
        declared = [field for field, _ in space.get("LAYOUT", ())]
        declared += [tail.name for tail in space.get("TAILS", ())]
        space.setdefault("__slots__", tuple(declared))
        return super().__new__(mcs, name, bases, space)


class Node(metaclass=NodeType):
    """Base of all node bodies. rest: the bytes behind the declared parts, a view of the file's."""

    __slots__ = ("rest",)
    OPCODE = -1
    NAME = ""
    LAYOUT: tuple[tuple[str, str], ...] = ()
    TAILS: tuple[Tail, ...] = ()
    SIZE = 0

    def __init_subclass__(cls, **kw):
        super().__init_subclass__(**kw)
        cls._codes = [(name, kind, struct.Struct("<" + KINDS[kind][0]))
                      for name, kind in cls.LAYOUT]
        cls.SIZE = sum(code.size for _, _, code in cls._codes)

    @classmethod
    def read(cls, data, offset: int, end: int):
        """Parse the body at [offset, end) of the file."""
        if offset + cls.SIZE > end:
            raise KmodelError(f"{cls.NAME} needs {cls.SIZE} bytes, its body has {end - offset}",
                              offset=offset)
        node, at = cls.__new__(cls), offset
        for name, kind, code in cls._codes:
            values = code.unpack_from(data, at)
            if kind == "R":
                value = MemoryRange(*values)
            elif kind == "D":
                value = LayerRegs.parse(values[0])
            else:
                value = values if len(values) > 1 else values[0]
            setattr(node, name, value)
            at += code.size
        for tail in cls.TAILS:
            count = tail.count(node)
            if count < 0 or at + count * tail.dtype.itemsize > end:
                raise KmodelError(f"{count} elements do not fit, {end - at} bytes are left",
                                  offset=at, field=f"{cls.NAME}.{tail.name}")
            setattr(node, tail.name, np.frombuffer(data, tail.dtype, count, at))
            at += count * tail.dtype.itemsize
        node.rest = memoryview(data)[at:end] if at < end else b""
        node.finish(at)
        return node

    def finish(self, at: int):
        """Check what stands behind the declared parts, from byte `at` on; for subclasses."""

    def places(self) -> list[MemoryRange]:
        """The memory ranges it declares."""
        return [getattr(self, name) for name, kind in self.LAYOUT if kind == "R"]

    def write(self) -> bytes:
        """The body's bytes."""
        out = b""
        for name, kind, code in self._codes:
            value = getattr(self, name)
            if kind == "D":
                out += value.build()
            else:
                out += code.pack(*value) if isinstance(value, tuple) else code.pack(value)
        for tail in self.TAILS:
            out += np.asarray(getattr(self, tail.name), tail.dtype).tobytes()
        return out + bytes(self.rest)


class RawNode:
    """A node without declaration, or (with `error`) one that could not be read."""

    def __init__(self, opcode: int, data, error=None):
        self.OPCODE, self.data, self.error = opcode, data, error
        self.NAME = f"opcode_{opcode:#x}"

    def places(self) -> list[MemoryRange]:
        return []

    def write(self) -> bytes:
        return bytes(self.data)


IO = (("src", "R"), ("dst", "R"))
ABO = (("a", "R"), ("b", "R"), ("dst", "R"))
WINDOW = (("pad_h", "P"), ("pad_w", "P"), ("filter_h", "i"), ("filter_w", "i"), ("stride_h", "i"),
          ("stride_w", "i"), ("dilation_h", "i"), ("dilation_w", "i"))
SHAPES = (("op", "I"), ("a_shape", "S"), ("b_shape", "S"), ("out_shape", "S"))
REQUANT = (("out_mul", "i"), ("out_shift", "i"), ("out_offset", "i"))


def _filter(node) -> int:
    """Weights of a convolution body; -1 when the numbers make no sense."""
    if node.groups <= 0 or min(node.in_shape) < 0 or min(node.filter_h, node.filter_w) < 0:
        return -1
    if node.in_shape[1] % node.groups or node.out_channels < 0:
        return -1
    return node.out_channels * (node.in_shape[1] // node.groups) * node.filter_h * node.filter_w


def _transposed_filter(node) -> int:
    if node.groups <= 0 or min(*node.in_shape, *node.out_shape, node.filter_h, node.filter_w) < 0:
        return -1
    return (node.out_shape[1] * (node.in_shape[1] // node.groups)
            * node.filter_h * node.filter_w)


class Binary(Node):
    OPCODE, NAME = 0x00, "binary"
    LAYOUT = ABO + SHAPES + (("clamp", "F"),)


class QuantizedBinary(Node):
    OPCODE, NAME = 0x11, "quantized_binary"
    LAYOUT = ABO + SHAPES + (("a_offset", "i"), ("a_mul", "i"), ("a_shift", "i"), ("b_offset", "i"),
                             ("b_mul", "i"), ("b_shift", "i"), ("out_offset", "i"),
                             ("out_mul", "i"), ("out_shift", "i"))


class Concat(Node):
    OPCODE, NAME = 0x01, "concat"
    LAYOUT = (("dst", "R"), ("inner", "I"), ("outer", "I"), ("count", "I"))
    TAILS = (Tail("inputs", "<u4", lambda n: 4 * n.count), Tail("dims", "<i4", lambda n: n.count))

    @property
    def ranges(self) -> list[MemoryRange]:
        return [MemoryRange(*row) for row in np.asarray(self.inputs).reshape(-1, 4).tolist()]


class Conv2d(Node):
    OPCODE, NAME = 0x02, "conv2d"
    LAYOUT = IO + (("in_shape", "S"), ("groups", "i"), ("out_channels", "i")) + WINDOW + (
        ("clamp", "F"),)
    TAILS = (Tail("weights", "<f4", _filter), Tail("bias", "<f4", lambda n: n.out_channels))


class QuantizedConv2d(Node):
    OPCODE, NAME = 0x0F, "quantized_conv2d"
    LAYOUT = IO + (("in_shape", "S"), ("groups", "i"), ("out_channels", "i")) + WINDOW + (
        ("input_offset", "i"), ("filter_offset", "i")) + REQUANT
    TAILS = (Tail("bias", "<i4", lambda n: n.out_channels), Tail("weights", "u1", _filter))


class Conv2dTranspose(Node):
    OPCODE, NAME = 0x13, "conv2d_transpose"
    LAYOUT = IO + (("in_shape", "S"), ("out_shape", "S"), ("groups", "i")) + WINDOW + (
        ("clamp", "F"),)
    TAILS = (Tail("weights", "<f4", _transposed_filter),
             Tail("bias", "<f4", lambda n: n.out_shape[1]))


class Dequantize(Node):
    OPCODE, NAME = 0x03, "dequantize"
    LAYOUT = IO + (("quant", "Q"),)


class Quantize(Dequantize):
    OPCODE, NAME = 0x06, "quantize"


class Matmul(Node):
    OPCODE, NAME = 0x04, "matmul"
    LAYOUT = ABO + (("a_rows", "i"), ("a_cols", "i"), ("b_cols", "i"), ("clamp", "F"))
    TAILS = (Tail("bias", "<f4", lambda n: n.b_cols),)


class QuantizedMatmul(Node):
    OPCODE, NAME = 0x10, "quantized_matmul"
    LAYOUT = ABO + (("a_rows", "i"), ("a_cols", "i"), ("b_cols", "i"), ("a_offset", "i"),
                    ("b_offset", "i")) + REQUANT
    TAILS = (Tail("bias", "<i4", lambda n: n.b_cols),)


class Pad(Node):
    OPCODE, NAME = 0x05, "pad"
    LAYOUT = IO + (("in_shape", "S"), ("pad_n", "P"), ("pad_c", "P"), ("pad_h", "P"),
                   ("pad_w", "P"), ("value", "V"))


class Reduce(Node):
    OPCODE, NAME = 0x07, "reduce"
    LAYOUT = IO + (("op", "I"), ("in_shape", "S"), ("out_shape", "S"), ("init", "f"))


class ReduceWindow2d(Node):
    OPCODE, NAME = 0x08, "reduce_window2d"
    LAYOUT = IO + (("op", "I"), ("in_shape", "S")) + WINDOW + (("init", "f"), ("clamp", "F"))


class MemoryCopy(Node):
    OPCODE, NAME = 0x09, "memory_copy"
    LAYOUT = IO


class ResizeImage(Node):
    OPCODE, NAME = 0x0A, "resize_image"
    LAYOUT = IO + (("in_shape", "S"), ("out_h", "i"), ("out_w", "i"), ("mode", "I"),
                   ("align_corners", "I"))


class Softmax(Node):
    OPCODE, NAME = 0x0B, "softmax"
    LAYOUT = IO + (("inner", "i"), ("outer", "i"), ("beta", "f"))


class Transpose(Node):
    OPCODE, NAME = 0x0C, "transpose"
    LAYOUT = IO + (("in_shape", "S"), ("perm", "S"))


class StridedSlice(Node):
    OPCODE, NAME = 0x0D, "strided_slice"
    LAYOUT = IO + (("in_shape", "S"), ("begin", "S"), ("end", "S"), ("strides", "S"),
                   ("begin_mask", "i"), ("end_mask", "i"), ("ellipsis_mask", "i"),
                   ("new_axis_mask", "i"), ("shrink_axis_mask", "i"))


class Unary(Node):
    OPCODE, NAME = 0x0E, "unary"
    LAYOUT = IO + (("op", "I"),)


class TableLookup1d(Node):
    OPCODE, NAME = 0x12, "table_lookup1d"
    LAYOUT = (("src", "R"), ("table", "R"), ("dst", "R"))


class NnilUnaryMethod(Node):
    """`rest` holds the byte code of a small stack machine, up to the body's end."""

    OPCODE, NAME = 0x14, "nnil_unary_method"
    LAYOUT = IO


class KpuUpload(Node):
    OPCODE, NAME = 0x2001, "kpu_upload"
    LAYOUT = IO + (("in_shape", "S"),)


class KpuConv2d(Node):
    """A KPU layer. In the file the descriptor's three address fields hold the gaps before the
    batch norm words, the activation table and the weights."""

    OPCODE, NAME = 0x2002, "kpu_conv2d"
    LAYOUT = (("main_out", "R"), ("batches", "i"), ("reserved", "i"), ("regs", "D"))

    def finish(self, at: int):
        weights, count = self._starts[2], self.regs.weight_count
        if weights + count > len(self.rest):
            raise KmodelError(f"weights of {count} bytes at 0x{at + weights:08x} end past "
                              "the body", offset=at, field="kpu_conv2d.para_start_addr")

    @property
    def _starts(self) -> tuple[int, int, int]:
        """Where in `rest` the three blobs begin."""
        bn = self.regs.bwsx_base_addr
        act = bn + 8 * self.regs.out_channels + self.regs.active_addr
        return bn, act, act + ACT_SIZE + self.regs.para_start_addr

    @property
    def bn(self) -> np.ndarray:
        """The batch norm's words, uint64, one per output channel."""
        return np.frombuffer(self.rest, "<u8", self.regs.out_channels, self._starts[0])

    @property
    def act(self) -> bytes:
        """The activation table's 144 bytes."""
        start = self._starts[1]
        return bytes(self.rest[start : start + ACT_SIZE])

    @property
    def weights(self) -> np.ndarray:
        """uint8 in memory order."""
        # frombuffer would make a memoryview more, which prepared layers keep as long as this
        return np.ndarray(self.regs.weight_count, np.uint8, self.rest, self._starts[2])


NODES = {cls.OPCODE: cls for cls in (
    Binary, QuantizedBinary, Concat, Conv2d, QuantizedConv2d, Conv2dTranspose, Dequantize, Quantize,
    Matmul, QuantizedMatmul, Pad, Reduce, ReduceWindow2d, MemoryCopy, ResizeImage, Softmax,
    Transpose, StridedSlice, Unary, TableLookup1d, NnilUnaryMethod, KpuUpload, KpuConv2d)}


def elements(shape) -> int:
    """Product of a shape's dimensions."""
    return math.prod(shape)
