"""The layer bodies of kmodel V3: fixed fields as Records, arrays as declared tails.

Ref: kendryte-standalone-sdk lib/drivers/include/kpu.h (kpu_model_*_layer_argument_t); nncase
v0.1.0 as the producer. Types 22 to 25 came later than the first V3 firmware. Every body starts
with `flags`; `src*`/`dst` are byte offsets in main memory, `kpu_*` are AI RAM lines.
Bytes of a body that no declaration covers (padding, gaps) are kept in `rest` and written back.
"""

from __future__ import annotations

import numpy as np

from k210sim.errors import KmodelError
from k210sim.kpu.layer_regs import ACT_SIZE, SIZE, LayerRegs
from k210sim.records import F32, I32, U32, Record

MAIN_MEM_OUT = 1


class Tail:
    """An array behind the fixed fields: name, dtype, and its length from the fields."""

    def __init__(self, name: str, dtype: str, count):
        self.name, self.dtype, self.count = name, np.dtype(dtype), count


class Body(Record):
    """Base of all bodies: `flags` first, then the subclass's fields, then its TAILS, then rest."""

    ERROR = KmodelError
    TYPE = -1
    NAME = ""
    TAILS: tuple[Tail, ...] = ()
    flags = U32()

    def __init__(self, **values):
        for tail in self.TAILS:
            setattr(self, tail.name, np.asarray(values.pop(tail.name), tail.dtype).ravel())
        self.rest = values.pop("rest", b"")
        super().__init__(**values)

    @classmethod
    def read(cls, data, offset: int, end: int, model_flags: int):
        """Parse the body at [offset, end) of the file `data`."""
        if offset + cls.SIZE > end:
            raise KmodelError(
                f"{cls.__name__} needs {cls.SIZE} bytes, its body has {end - offset}", offset=offset
            )
        body = cls.parse(data, offset)
        at = offset + cls.SIZE
        for tail in cls.TAILS:
            count = tail.count(body)
            size = count * tail.dtype.itemsize
            if at + size > end:
                raise KmodelError(
                    f"{count} elements need {size} bytes, {end - at} are left in the body",
                    offset=at, field=f"{cls.__name__}.{tail.name}",
                )
            setattr(body, tail.name, np.frombuffer(data, tail.dtype, count, at))
            at += size
        body.rest = memoryview(data)[at:end]
        return body

    def write(self, base: int) -> bytes:
        """The body's bytes; `base` is its offset in the file."""
        tails = b""
        for tail in self.TAILS:
            array = np.asarray(getattr(self, tail.name), tail.dtype)
            if array.size != tail.count(self):
                raise KmodelError(
                    f"{array.size} elements, the fields say {tail.count(self)}",
                    field=f"{type(self).__name__}.{tail.name}",
                )
            tails += array.tobytes()
        return self.build() + tails + bytes(self.rest)


class RawBody:
    """A body of a type without declaration, or (with `error` set) one that could not be read."""

    NAME = "UNKNOWN"

    def __init__(self, type_number: int, data: bytes, error: KmodelError | None = None):
        self.TYPE, self.data, self.error = type_number, data, error
        self.NAME = NAMES.get(type_number, "UNKNOWN")

    def write(self, base: int) -> bytes:
        return bytes(self.data)


class Add(Body):
    TYPE, NAME = 1, "ADD"
    src_a = U32()
    src_b = U32()
    dst = U32()
    count = U32()


class QuantizedAdd(Body):
    TYPE, NAME = 2, "QUANTIZED_ADD"
    src_a = U32()
    src_b = U32()
    dst = U32()
    count = U32()
    a_offset = I32()
    a_mul = I32()
    a_shift = I32()
    b_offset = I32()
    b_mul = I32()
    b_shift = I32()
    o_offset = I32()
    o_mul = I32()
    o_shift = I32()


class GlobalAveragePool2d(Body):
    TYPE, NAME = 5, "GLOBAL_AVERAGE_POOL2D"
    src = U32()
    dst = U32()
    kernel_size = U32(doc="pixels of one channel")
    channels = U32()


class QuantizedMaxPool2d(Body):
    TYPE, NAME = 8, "QUANTIZED_MAX_POOL2D"
    src = U32()
    dst = U32()
    in_width = U32()
    in_height = U32()
    in_channels = U32()
    out_width = U32()
    out_height = U32()
    out_channels = U32()
    kernel_width = U32()
    kernel_height = U32()
    stride_width = U32()
    stride_height = U32()
    padding_width = U32()
    padding_height = U32()


class AveragePool2d(QuantizedMaxPool2d):
    TYPE, NAME = 9, "AVERAGE_POOL2D"
    act = U32(doc="ignored by the firmware")


class MaxPool2d(AveragePool2d):
    """Same body as AveragePool2d; no firmware executes it."""

    TYPE, NAME = 7, "MAX_POOL2D"


class Quantize(Body):
    TYPE, NAME = 11, "QUANTIZE"
    src = U32()
    dst = U32()
    count = U32()
    scale = F32()
    bias = F32()


class Dequantize(Quantize):
    TYPE, NAME = 12, "DEQUANTIZE"


class Requantize(Body):
    TYPE, NAME = 13, "REQUANTIZE"
    TAILS = (Tail("table", "u1", lambda b: 256),)
    src = U32()
    dst = U32()
    count = U32()


class L2Normalization(Body):
    TYPE, NAME = 14, "L2_NORMALIZATION"
    src = U32()
    dst = U32()
    channels = U32()


class Softmax(L2Normalization):
    TYPE, NAME = 15, "SOFTMAX"


class Logistic(L2Normalization):
    TYPE, NAME = 25, "LOGISTIC"


class Concat(Body):
    TYPE, NAME = 16, "CONCAT"
    TAILS = (Tail("inputs", "<u4", lambda b: 2 * b.input_count),)
    dst = U32()
    input_count = U32()

    @property
    def ranges(self) -> list[tuple[int, int]]:
        """(start, size) in main memory of every input."""
        pairs = np.asarray(self.inputs).reshape(-1, 2)
        return [(int(start), int(size)) for start, size in pairs]


class QuantizedConcat(Concat):
    TYPE, NAME = 17, "QUANTIZED_CONCAT"


class FullyConnected(Body):
    TYPE, NAME = 18, "FULLY_CONNECTED"
    TAILS = (
        Tail("weights", "<f4", lambda b: b.in_channels * b.out_channels),
        Tail("bias", "<f4", lambda b: b.out_channels),
    )
    src = U32()
    dst = U32()
    in_channels = U32()
    out_channels = U32()
    act = U32(doc="0 linear, 1 ReLU, 2 ReLU6")


class TensorflowFlatten(Body):
    TYPE, NAME = 20, "TENSORFLOW_FLATTEN"
    src = U32()
    dst = U32()
    width = U32()
    height = U32()
    channels = U32()


class QuantizedTensorflowFlatten(TensorflowFlatten):
    """Body assumed equal to type 20's (guess: no producer emits it)."""

    TYPE, NAME = 21, "QUANTIZED_TENSORFLOW_FLATTEN"


class ResizeNearestNeighbor(Body):
    TYPE, NAME = 22, "RESIZE_NEAREST_NEIGHBOR"
    src = U32()
    dst = U32()
    in_width = U32()
    in_height = U32()
    channels = U32()
    out_width = U32()
    out_height = U32()
    align_corners = U32(doc="ignored by the firmware")


class QuantizedResizeNearestNeighbor(ResizeNearestNeighbor):
    TYPE, NAME = 23, "QUANTIZED_RESIZE_NEAREST_NEIGHBOR"


class ChannelwiseDequantize(Body):
    TYPE, NAME = 24, "CHANNELWISE_DEQUANTIZE"
    TAILS = (Tail("params", "<f4", lambda b: 2 * b.channels),)
    src = U32()
    dst = U32()
    channels = U32()
    channel_size = U32()


class AddPadding(Body):
    TYPE, NAME = 10241, "K210_ADD_PADDING"
    src = U32()
    kpu_dst = U32()
    channels = U32()


class RemovePadding(Body):
    TYPE, NAME = 10242, "K210_REMOVE_PADDING"
    src = U32()
    dst = U32()
    channels = U32()


class Upload(Body):
    TYPE, NAME = 10243, "K210_UPLOAD"
    src = U32()
    kpu_dst = U32()
    width = U32()
    height = U32()
    channels = U32()


class Conv(Body):
    """K210Conv: a small head, then descriptor, weights, batch norm and activation table.

    The four blobs are found by absolute file offsets. `regs` is a LayerRegs, `weights` uint8 or
    uint16 in memory order, `bn` uint64 words (one per output channel), `act` the 144 table bytes.
    """

    TYPE, NAME = 10240, "K210_CONV"
    main_mem_out_address = U32()
    layer_offset = U32()
    weights_offset = U32()
    bn_offset = U32()
    act_offset = U32()

    def __init__(self, *, regs=None, weights=None, bn=None, act=b"", **values):
        super().__init__(**values)
        self.regs, self.weights, self.bn, self.act = regs, weights, bn, act

    @classmethod
    def read(cls, data, offset: int, end: int, model_flags: int):
        body = super().read(data, offset, end, model_flags)

        def need(at: int, size: int, field: str) -> int:
            if at + size > len(data):
                raise KmodelError(
                    f"{size} bytes at 0x{at:08x} end past the file's {len(data)} bytes",
                    offset=offset + getattr(cls, field).offset if hasattr(cls, field) else offset,
                    field=f"Conv.{field}",
                )
            return at

        body.regs = LayerRegs.parse(data, need(body.layer_offset, SIZE, "layer_offset"))
        dtype = np.dtype("u1" if model_flags & 1 else "<u2")
        count = body.regs.weight_count
        need(body.weights_offset, count * dtype.itemsize, "weights_offset")
        body.weights = np.frombuffer(data, dtype, count, body.weights_offset)
        channels = body.regs.out_channels
        need(body.bn_offset, 8 * channels, "bn_offset")
        body.bn = np.frombuffer(data, "<u8", channels, body.bn_offset)
        need(body.act_offset, ACT_SIZE, "act_offset")
        body.act = bytes(data[body.act_offset : body.act_offset + ACT_SIZE])
        return body

    def blobs(self) -> list[tuple[int, bytes]]:
        """(absolute file offset, bytes) of the four blobs."""
        return [
            (self.layer_offset, self.regs.build()),
            (self.weights_offset, self.weights.tobytes()),
            (self.bn_offset, self.bn.tobytes()),
            (self.act_offset, bytes(self.act)),
        ]


BODIES = {
    cls.TYPE: cls
    for cls in (
        Add, QuantizedAdd, GlobalAveragePool2d, MaxPool2d, QuantizedMaxPool2d, AveragePool2d,
        Quantize, Dequantize, Requantize, L2Normalization, Softmax, Concat, QuantizedConcat,
        FullyConnected, TensorflowFlatten, QuantizedTensorflowFlatten, ResizeNearestNeighbor,
        QuantizedResizeNearestNeighbor, ChannelwiseDequantize, Logistic, Conv, AddPadding,
        RemovePadding, Upload,
    )
}

NAMES = {
    0: "INVALID", 3: "GLOBAL_MAX_POOL2D", 4: "QUANTIZED_GLOBAL_MAX_POOL2D",
    6: "QUANTIZED_GLOBAL_AVERAGE_POOL2D", 10: "QUANTIZED_AVERAGE_POOL2D",
    19: "QUANTIZED_FULLY_CONNECTED",
    **{number: cls.NAME for number, cls in BODIES.items()},
}
