"""The KPU's 12-word layer descriptor and its two parameter tables, declared as bit fields.

Ref: kendryte-standalone-sdk lib/drivers/include/kpu.h (kpu_layer_argument_t); the vendor's two
compilers agree bit for bit. Field names are the SDK's, so this file can be read beside the header.
A field holds what the register holds: the fields marked `-1` hold the true value minus one, and
the properties below (`in_width`, `out_channels` ...) give the true values.
"""

from __future__ import annotations

import struct
from array import array
from functools import lru_cache

import numpy as np

from k210sim.errors import KmodelError

WORDS = 12
SIZE = WORDS * 8
MASK64 = (1 << 64) - 1


@lru_cache(maxsize=1024)
def _shape(channels: int, height: int, width: int) -> tuple[int, int, int]:
    """One tuple for all maps of a shape: prepared layers keep theirs."""
    return channels, height, width


class Bits:
    """One bit field: word index, lowest bit, width, and whether it is two's complement."""

    def __init__(self, word: int, lsb: int, width: int, *, signed: bool = False, doc: str = ""):
        self.word, self.lsb, self.width, self.signed, self.doc = word, lsb, width, signed, doc
        self.name = ""

    def __set_name__(self, owner, name):
        self.name = name

    def __get__(self, regs, owner=None):
        if regs is None:
            return self
        value = (regs.words[self.word] >> self.lsb) & ((1 << self.width) - 1)
        if self.signed and value >> (self.width - 1):
            value -= 1 << self.width
        return value

    def __set__(self, regs, value):
        value = int(value)
        low, high = self.range
        if not low <= value <= high:
            raise KmodelError(
                f"{value} does not fit the {self.width}-bit field, expected {low} to {high}",
                field=self.name,
            )
        mask = ((1 << self.width) - 1) << self.lsb
        old = regs.words[self.word]
        regs.words[self.word] = (old & ~mask & MASK64) | ((value << self.lsb) & mask)

    @property
    def range(self) -> tuple[int, int]:
        """Smallest and largest value the field can hold."""
        if self.signed:
            return -(1 << (self.width - 1)), (1 << (self.width - 1)) - 1
        return 0, (1 << self.width) - 1


class LayerRegs:
    """The twelve 64-bit words of one KPU layer, with every field as an attribute."""

    int_en = Bits(0, 0, 1, doc="raise calc_done when the layer ends")
    ram_flag = Bits(0, 1, 1)
    full_add = Bits(0, 2, 1, doc="sum all pixels of each output channel")
    depth_wise_layer = Bits(0, 3, 1)
    image_src_addr = Bits(1, 0, 15, doc="input map, 64-byte lines of AI RAM")
    image_dst_addr = Bits(1, 32, 15, doc="output map, 64-byte lines of AI RAM")
    i_ch_num = Bits(2, 0, 10, doc="-1")
    o_ch_num = Bits(2, 32, 10, doc="-1")
    o_ch_num_coef = Bits(2, 48, 10, doc="-1, output channels of one weight load")
    i_row_wid = Bits(3, 0, 10, doc="-1")
    i_col_high = Bits(3, 10, 9, doc="-1")
    o_row_wid = Bits(3, 32, 10, doc="-1, after pooling")
    o_col_high = Bits(3, 42, 9, doc="-1, after pooling")
    kernel_type = Bits(4, 0, 3, doc="0 = 1x1, 1 = 3x3")
    pad_type = Bits(4, 3, 1)
    pool_type = Bits(4, 4, 4)
    first_stride = Bits(4, 8, 1)
    bypass_conv = Bits(4, 9, 1)
    load_para = Bits(4, 10, 1)
    dma_burst_size = Bits(4, 16, 8)
    pad_value = Bits(4, 24, 8)
    bwsx_base_addr = Bits(4, 32, 32)
    load_coor = Bits(5, 0, 1)
    load_time = Bits(5, 1, 6, doc="-1, number of weight loads")
    para_size = Bits(5, 15, 17, doc="weight bytes of one load")
    para_start_addr = Bits(5, 32, 32)
    coef_column_offset = Bits(6, 0, 4)
    coef_row_offset = Bits(6, 4, 12)
    channel_switch_addr = Bits(7, 0, 15, doc="lines between input channel groups")
    row_switch_addr = Bits(7, 16, 4, doc="lines of one input row")
    coef_size = Bits(7, 20, 8)
    coef_group = Bits(7, 28, 3, doc="input channels that share a line")
    load_act = Bits(7, 31, 1)
    active_addr = Bits(7, 32, 32)
    wb_channel_switch_addr = Bits(8, 0, 15)
    wb_row_switch_addr = Bits(8, 16, 4)
    wb_group = Bits(8, 20, 3)
    shr_w = Bits(9, 0, 4)
    shr_x = Bits(9, 4, 4)
    arg_w = Bits(9, 8, 24, signed=True, doc="factor of the sum of weights")
    arg_x = Bits(9, 32, 24, signed=True, doc="factor of the sum of inputs")
    arg_add = Bits(10, 0, 40, signed=True, doc="added once per input channel")
    send_data_out = Bits(11, 0, 1)
    channel_byte_num = Bits(11, 16, 16, doc="-1, output width*height")
    dma_total_byte = Bits(11, 32, 32, doc="-1, output width*height*channels")

    __slots__ = ("words",)

    def __init__(self, words=None, **fields):
        self.words = array("Q", bytes(SIZE) if words is None else
                           [int(w) & MASK64 for w in words])
        if len(self.words) != WORDS:
            raise ValueError(f"a KPU layer has {WORDS} words, found {len(self.words)}")
        for name, value in fields.items():
            if not isinstance(getattr(type(self), name, None), Bits):
                raise TypeError(f"LayerRegs has no field {name}")
            setattr(self, name, value)

    @classmethod
    def parse(cls, data, offset: int = 0) -> LayerRegs:
        """Read the 96 bytes of a descriptor; raises KmodelError when the data ends."""
        if offset < 0 or offset + SIZE > len(data):
            left = max(0, len(data) - offset)
            raise KmodelError(
                f"the layer descriptor needs {SIZE} bytes, {left} are left", offset=offset
            )
        return cls(struct.unpack_from("<12Q", data, offset))

    def build(self) -> bytes:
        """The descriptor's 96 bytes."""
        return struct.pack("<12Q", *self.words)

    @classmethod
    def names(cls) -> list[str]:
        """All field names, in register order."""
        return [name for name, bits in vars(cls).items() if isinstance(bits, Bits)]

    def fields(self) -> dict[str, int]:
        """All field values by name."""
        return {name: getattr(self, name) for name in self.names()}

    def __eq__(self, other):
        return isinstance(other, LayerRegs) and self.words == other.words

    def __repr__(self):
        shown = {name: value for name, value in self.fields().items() if value}
        return f"LayerRegs({', '.join(f'{n}={v}' for n, v in shown.items())})"

    @property
    def in_width(self) -> int:
        return self.i_row_wid + 1

    @property
    def in_height(self) -> int:
        return self.i_col_high + 1

    @property
    def in_channels(self) -> int:
        return self.i_ch_num + 1

    @property
    def out_width(self) -> int:
        return self.o_row_wid + 1

    @property
    def out_height(self) -> int:
        return self.o_col_high + 1

    @property
    def out_channels(self) -> int:
        return self.o_ch_num + 1

    @property
    def taps(self) -> int:
        """Kernel pixels: 1 or 9. Raises KmodelError for kernel types nobody has described."""
        if self.kernel_type not in (0, 1):
            raise KmodelError(f"kernel type {self.kernel_type}, expected 0 (1x1) or 1 (3x3)",
                              field="kernel_type")
        return 9 if self.kernel_type else 1

    @property
    def depthwise(self) -> bool:
        return bool(self.depth_wise_layer)

    @property
    def in_shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of the input map."""
        return _shape(self.in_channels, self.in_height, self.in_width)

    @property
    def out_shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of the output map, after pooling."""
        return _shape(self.out_channels, self.out_height, self.out_width)

    @property
    def weight_count(self) -> int:
        """Number of weights of the whole layer."""
        pairs = self.out_channels * (1 if self.depthwise else self.in_channels)
        return pairs * self.taps


# Word layouts of the two tables: name -> (lowest bit, width, signed).
BN_WORD = {"norm_mul": (0, 24, True), "norm_add": (24, 32, True), "norm_shift": (56, 4, False)}
ACT_WORD = {"shift_number": (0, 8, False), "y_mul": (8, 16, True), "x_start": (24, 36, True)}
ACT_SEGMENTS = 16
ACT_SIZE = 144


def unpack_words(words: np.ndarray, layout: dict) -> dict[str, np.ndarray]:
    """Split uint64 words into int64 arrays, one per field of `layout`."""
    words = np.ascontiguousarray(words, np.uint64)
    fields = {}
    for name, (lsb, width, signed) in layout.items():
        value = (words << np.uint64(64 - width - lsb)).view(np.int64 if signed else np.uint64)
        shift = value.dtype.type(64 - width)
        fields[name] = (value >> shift).astype(np.int64)
    return fields


def pack_words(layout: dict, **fields) -> np.ndarray:
    """Join integer arrays into uint64 words; raises KmodelError when a value does not fit."""
    arrays = {name: np.atleast_1d(np.asarray(fields.pop(name), np.int64)) for name in layout}
    if fields:
        raise TypeError(f"no field {', '.join(fields)}")
    words = np.zeros(max(a.size for a in arrays.values()), np.uint64)
    for name, (lsb, width, signed) in layout.items():
        values = arrays[name]
        low, high = (-(1 << (width - 1)), (1 << (width - 1)) - 1) if signed else (0, 2**width - 1)
        bad = values[(values < low) | (values > high)]
        if bad.size:
            raise KmodelError(f"{int(bad[0])} does not fit, expected {low} to {high}", field=name)
        words |= (values.astype(np.uint64) & np.uint64((1 << width) - 1)) << np.uint64(lsb)
    return words


class BatchNorm:
    """Per output channel: y = ((acc * mul) >> shift) + add. Arrays int64 of equal length."""

    def __init__(self, mul, shift, add):
        self.mul = np.atleast_1d(np.asarray(mul, np.int64))
        self.shift = np.broadcast_to(np.asarray(shift, np.int64), self.mul.shape)
        self.add = np.broadcast_to(np.asarray(add, np.int64), self.mul.shape)

    @classmethod
    def unpack(cls, words) -> BatchNorm:
        f = unpack_words(words, BN_WORD)
        return cls(f["norm_mul"], f["norm_shift"], f["norm_add"])

    def pack(self) -> np.ndarray:
        """uint64 words as the KPU reads them."""
        return pack_words(BN_WORD, norm_mul=self.mul, norm_add=self.add, norm_shift=self.shift)


class Activation:
    """The 16-segment activation table. Arrays of 16: x_start, mul, shift int64, bias 0..255."""

    def __init__(self, x_start, mul, shift, bias):
        self.x_start, self.mul, self.shift, self.bias = (
            np.asarray(a, np.int64) for a in (x_start, mul, shift, bias)
        )

    @classmethod
    def unpack(cls, data: bytes) -> Activation:
        """From the 144 bytes of the table."""
        f = unpack_words(np.frombuffer(data, "<u8", ACT_SEGMENTS), ACT_WORD)
        bias = np.frombuffer(data, np.uint8, ACT_SEGMENTS, ACT_SEGMENTS * 8)
        return cls(f["x_start"], f["y_mul"], f["shift_number"], bias)

    def pack(self) -> bytes:
        """The 144 bytes of the table."""
        words = pack_words(ACT_WORD, shift_number=self.shift, y_mul=self.mul, x_start=self.x_start)
        if words.size != ACT_SEGMENTS or self.bias.size != ACT_SEGMENTS:
            raise KmodelError(f"an activation table has {ACT_SEGMENTS} segments")
        if ((self.bias < 0) | (self.bias > 255)).any():
            raise KmodelError("an activation bias is outside 0 to 255", field="bias")
        return words.astype("<u8").tobytes() + self.bias.astype(np.uint8).tobytes()
