"""Build a kmodel V3 from scratch: the builder lays out AI RAM, main memory and register words.

    b = ModelBuilder((3, 224, 320))                      # bytes in: channels x height x width
    x = b.add_quantized_conv(b.input, w1, scale=s1, zero=z1, bias=bias1,
                             in_quant=Quant(1 / 255, 0), out_quant=Quant(0.02, 0),
                             activation="relu", pool=MAX_2X2)
    x = b.add_quantized_conv(x, dw, scale=s2, zero=z2, ..., depthwise=True)
    y = b.add_dequantize(x, Quant(0.1, 130))
    b.output(y)
    data = b.build()                                      # the bytes of the .kmodel file

Weights are given in (out, in, k, k) order, k = 1 or 3 (depthwise: (channels, k, k) or
(channels, 1, k, k)); convolutions are stride 1 with "same" size, as the chip's are. A stride of 2
is a pool of type LEFT_TOP_2X2. `add_conv` takes the raw KPU parameters instead of scales.
Everything a CPU layer or `output` reads is written to main memory automatically, and a CPU
layer's uint8 result is uploaded when a convolution uses it.

Every method returns a `Tensor` (shape, dtype, quant); shapes are (C, H, W), vectors (N, 1, 1).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from k210sim.errors import KmodelError
from k210sim.kpu import ai_ram
from k210sim.kpu.kmodel import layers as kl
from k210sim.kpu.kmodel import v3
from k210sim.kpu.kmodel.header import HeaderV3, LayerHeader, OutputV3
from k210sim.kpu.layer_regs import ACT_SEGMENTS, SIZE, Activation, BatchNorm, LayerRegs

# Pool types of the KPU and their strides.
NO_POOL, MAX_2X2, MEAN_2X2, MAX_4X4, MEAN_4X4 = 0, 1, 2, 3, 4
LEFT_TOP_2X2, RIGHT_TOP_2X2, LEFT_TOP_4X4, MEAN_2X2_S1, MAX_2X2_S1 = 5, 6, 7, 8, 9
POOL_STRIDE = (1, 2, 2, 4, 4, 2, 2, 4, 1, 1)

# Accumulator units per output step: the tables work on y = 1024 * q, as the vendor's do.
STEP = 1024
LOAD_LIMIT = {1: 30 * 1024, 2: 60 * 1024}


class Quant(NamedTuple):
    """real = (q - zero) * scale."""

    scale: float
    zero: int


class Tensor:
    """A value between layers. `quant` is None for floats and when it was not told."""

    def __init__(self, shape, dtype, step, quant=None, *, on_kpu=False):
        self.shape, self.dtype, self.quant = tuple(int(n) for n in shape), np.dtype(dtype), quant
        self.on_kpu, self.in_main = on_kpu, not on_kpu
        self.first, self.last = step, step
        self.line = self.address = 0

    @property
    def count(self) -> int:
        return int(np.prod(self.shape))

    @property
    def nbytes(self) -> int:
        return self.count * self.dtype.itemsize


def activation_table(kind: str = "linear", zero: int = 0, slope: float = 0.1) -> Activation:
    """A table that maps y = 1024 * q to the byte q, clamped to 0..255.

    kind "linear" and "relu" are the same table: with an output zero point of 0 the clamp is the
    ReLU, and with another zero point "relu" also cuts at it. "leaky" bends at `zero`: below it the
    step is `slope` times as steep (0 < slope <= 1).
    """
    if kind not in ("linear", "relu", "leaky"):
        raise KmodelError(f"activation {kind!r}, expected linear, relu or leaky")
    low = -(1 << 35)
    if kind == "leaky":
        if not 0 < slope <= 1:
            raise KmodelError(f"leaky slope {slope}, expected above 0 and at most 1")
        bend = STEP * zero
        start = bend - int(np.ceil(bend / slope))
        segments = [(low, 0, 0, 0), (start, int(round(slope * STEP * 16)), 24, 0),
                    (bend, STEP, 20, zero)]
    elif kind == "relu":
        segments = [(low, 0, 0, zero), (STEP * zero, STEP, 20, zero)]
    else:
        segments = [(low, 0, 0, 0), (0, STEP, 20, 0)]
    top = (1 << 35) - ACT_SEGMENTS + len(segments)
    segments += [(top + i, 0, 0, 255) for i in range(ACT_SEGMENTS - len(segments))]
    return Activation(*np.array(segments, np.int64).T)


def batch_norm(factor, offset) -> BatchNorm:
    """Fixed-point form of y = acc * factor + offset (arrays or numbers, per output channel).

    Chooses the largest shift up to 15 that keeps the factor within the 22 bits vendors use.
    """
    factor, offset = np.broadcast_arrays(np.atleast_1d(np.asarray(factor, np.float64)), offset)
    limit = (1 << 22) - 1
    with np.errstate(divide="ignore"):
        room = np.floor(np.log2(limit / np.abs(factor)))
    shift = np.clip(np.nan_to_num(room, posinf=15, neginf=0), 0, 15).astype(np.int64)
    return BatchNorm(np.round(factor * 2.0**shift).astype(np.int64), shift,
                     np.round(offset).astype(np.int64))


class ModelBuilder:
    """Collects layers, then `build()` gives the file. See the module's docstring."""

    def __init__(self, input_shape, *, eight_bit: bool = True, float_input: bool = False):
        """float_input: the model starts with a fully connected layer on `input_shape` floats."""
        self.eight_bit = eight_bit
        shape = (input_shape, 1, 1) if np.isscalar(input_shape) else input_shape
        dtype = np.float32 if float_input else np.uint8
        self.input = Tensor(shape, dtype, 0, on_kpu=not float_input)
        self.tensors = [self.input]
        self.steps: list[tuple[type, list[Tensor], Tensor, dict]] = []
        self.outputs: list[Tensor] = []

    # -- KPU layers ---------------------------------------------------------------------------

    def add_conv(self, x: Tensor, weights, *, bn: BatchNorm, act: Activation, arg_x=0, shr_x=0,
                 arg_w=0, shr_w=0, arg_add=0, pad_value=0, pool=NO_POOL, depthwise=False,
                 quant: Quant | None = None) -> Tensor:
        """A KPU convolution from raw parameters; `quant` only labels the result."""
        x = self._on_kpu(x)
        weights = np.asarray(weights)
        channels, height, width = x.shape
        if depthwise and weights.ndim == 3:
            weights = weights[:, None]
        out = weights.shape[0]
        want = (out, 1 if depthwise else channels)
        if weights.ndim != 4 or weights.shape[:2] != want or weights.shape[2:] not in (
                (1, 1), (3, 3)):
            raise KmodelError(f"weights of shape {weights.shape} on a {x.shape} map, expected "
                              f"{want} x 1 x 1 or x 3 x 3")
        if depthwise and out != channels:
            raise KmodelError(f"a depthwise layer keeps its {channels} channels, found {out}")
        top = 255 if self.eight_bit else 65535
        if weights.size and (weights.min() < 0 or weights.max() > top):
            raise KmodelError(f"weights {weights.min()} to {weights.max()}, expected 0 to {top}")
        if not 0 <= pool < len(POOL_STRIDE):
            raise KmodelError(f"pool type {pool}, expected 0 to {len(POOL_STRIDE) - 1}")
        stride = POOL_STRIDE[pool]
        shape = (out, height // stride, width // stride)
        if 0 in shape:
            raise KmodelError(f"pool type {pool} leaves nothing of a {width}x{height} map")
        words = np.broadcast_to(bn.pack(), (out,))
        regs = self._conv_regs(x.shape, shape, weights, depthwise)
        for name, value in dict(arg_x=arg_x, shr_x=shr_x, arg_w=arg_w, shr_w=shr_w,
                                arg_add=arg_add, pad_value=pad_value, pool_type=pool).items():
            setattr(regs, name, value)
        blobs = dict(regs=regs, weights=weights.astype(np.uint8 if self.eight_bit else "<u2"),
                     bn=np.array(words, "<u8"), act=act.pack())
        return self._step(kl.Conv, [x], Tensor(shape, np.uint8, 0, quant, on_kpu=True), blobs)

    def add_quantized_conv(self, x: Tensor, weights, *, scale, zero: int, bias=0.0,
                           in_quant: Quant | None = None, out_quant: Quant, activation="linear",
                           slope=0.1, pool=NO_POOL, depthwise=False) -> Tensor:
        """A convolution given by quantised weights and scales.

        real weight = (w - zero) * scale, with `scale` one number or one per output channel and
        `zero` common to the layer; `bias` in real units; `in_quant` defaults to the input
        tensor's. Padding pixels are real zeros. `activation` as in `activation_table`.
        """
        in_quant = in_quant or x.quant
        if in_quant is None:
            raise KmodelError("in_quant is needed: the input tensor carries no quantisation")
        out = np.shape(weights)[0]
        taps = int(np.shape(weights)[-1]) ** 2
        scale = np.broadcast_to(np.asarray(scale, np.float64), (out,))
        bias = np.broadcast_to(np.asarray(bias, np.float64), (out,))
        return self.add_conv(
            x, weights,
            bn=batch_norm(STEP * in_quant.scale * scale / out_quant.scale,
                          STEP * (bias / out_quant.scale + out_quant.zero)),
            act=activation_table(activation, out_quant.zero, slope),
            arg_x=-int(zero), arg_w=-int(in_quant.zero), arg_add=taps * int(zero) * in_quant.zero,
            pad_value=in_quant.zero, pool=pool, depthwise=depthwise, quant=out_quant)

    def add_upload(self, x: Tensor) -> Tensor:
        """Main memory to AI RAM (`add_conv` does it where needed)."""
        return self._step(kl.Upload, [x], Tensor(x.shape, np.uint8, 0, x.quant, on_kpu=True))

    def add_padding(self, x: Tensor) -> Tensor:
        """A vector of bytes into pixel (0, 0) of 4x4 maps, for a 1x1 convolution as dense layer."""
        return self._step(kl.AddPadding, [x],
                          Tensor((x.count, 4, 4), np.uint8, 0, x.quant, on_kpu=True))

    def remove_padding(self, x: Tensor) -> Tensor:
        """Pixel (0, 0) of every 4x4 map as a vector of bytes."""
        return self._step(kl.RemovePadding, [x], Tensor((x.shape[0], 1, 1), np.uint8, 0, x.quant))

    # -- CPU layers ---------------------------------------------------------------------------

    def add_dequantize(self, x: Tensor, quant: Quant | None = None) -> Tensor:
        """Bytes to floats; `quant` defaults to the tensor's own."""
        quant = self._quant(quant or x.quant)
        return self._step(kl.Dequantize, [x], Tensor(x.shape, np.float32, 0), dict(
            count=x.count, scale=quant.scale, bias=-quant.zero * quant.scale))

    def add_channelwise_dequantize(self, x: Tensor, scale, bias) -> Tensor:
        """Bytes to floats with q * scale + bias per channel."""
        params = np.stack(np.broadcast_arrays(np.resize(scale, x.shape[0]),
                                              np.resize(bias, x.shape[0])), axis=1)
        return self._step(kl.ChannelwiseDequantize, [x], Tensor(x.shape, np.float32, 0), dict(
            channels=x.shape[0], channel_size=x.shape[1] * x.shape[2], params=params))

    def add_quantize(self, x: Tensor, quant: Quant) -> Tensor:
        """Floats to bytes."""
        return self._step(kl.Quantize, [x], Tensor(x.shape, np.uint8, 0, quant), dict(
            count=x.count, scale=quant.scale, bias=-quant.zero * quant.scale))

    def add_requantize(self, x: Tensor, table, quant: Quant | None = None) -> Tensor:
        """Bytes through a table of 256."""
        return self._step(kl.Requantize, [x], Tensor(x.shape, np.uint8, 0, quant),
                          dict(count=x.count, table=table))

    def add_add(self, a: Tensor, b: Tensor) -> Tensor:
        """Sum of two float tensors."""
        return self._step(kl.Add, [a, b], Tensor(a.shape, np.float32, 0), dict(count=a.count))

    def add_quantized_add(self, a: Tensor, b: Tensor, quant: Quant | None = None,
                          **factors) -> Tensor:
        """Sum of two byte tensors; factors are the body's a_offset, a_mul, a_shift, ... o_shift."""
        return self._step(kl.QuantizedAdd, [a, b], Tensor(a.shape, np.uint8, 0, quant),
                          dict(count=a.count, **factors))

    def add_concat(self, inputs: list[Tensor]) -> Tensor:
        """Along channels; all inputs float or all bytes, of equal height and width."""
        first = inputs[0]
        cls = kl.Concat if first.dtype == np.float32 else kl.QuantizedConcat
        shape = (sum(t.shape[0] for t in inputs), *first.shape[1:])
        return self._step(cls, list(inputs), Tensor(shape, first.dtype, 0, first.quant),
                          dict(input_count=len(inputs)))

    def add_global_average_pool(self, x: Tensor) -> Tensor:
        """Mean of every channel of a float tensor."""
        return self._step(kl.GlobalAveragePool2d, [x], Tensor((x.shape[0], 1, 1), np.float32, 0),
                          dict(kernel_size=x.shape[1] * x.shape[2], channels=x.shape[0]))

    def add_pool(self, x: Tensor, kernel: int, stride: int, padding: int = 0) -> Tensor:
        """CPU pool: maximum for bytes, average for floats."""
        channels, height, width = x.shape
        out_h, out_w = ((n + 2 * padding - kernel) // stride + 1 for n in (height, width))
        cls = kl.AveragePool2d if x.dtype == np.float32 else kl.QuantizedMaxPool2d
        return self._step(cls, [x], Tensor((channels, out_h, out_w), x.dtype, 0, x.quant), dict(
            in_width=width, in_height=height, in_channels=channels, out_width=out_w,
            out_height=out_h, out_channels=channels, kernel_width=kernel, kernel_height=kernel,
            stride_width=stride, stride_height=stride, padding_width=padding,
            padding_height=padding))

    def add_fully_connected(self, x: Tensor, weights, bias=0.0, act: int = 0) -> Tensor:
        """Dense float layer; weights (out, in), act 0 linear, 1 ReLU, 2 ReLU6."""
        weights = np.asarray(weights, np.float32)
        out = weights.shape[0]
        if weights.shape != (out, x.count):
            raise KmodelError(f"weights {weights.shape} on {x.count} inputs")
        return self._step(kl.FullyConnected, [x], Tensor((out, 1, 1), np.float32, 0), dict(
            in_channels=x.count, out_channels=out, act=act, weights=weights,
            bias=np.resize(np.asarray(bias, np.float32), out)))

    def add_flatten(self, x: Tensor) -> Tensor:
        """CHW to HWC order."""
        channels, height, width = x.shape
        cls = kl.TensorflowFlatten if x.dtype == np.float32 else kl.QuantizedTensorflowFlatten
        return self._step(cls, [x], Tensor((x.count, 1, 1), x.dtype, 0, x.quant),
                          dict(width=width, height=height, channels=channels))

    def add_resize(self, x: Tensor, width: int, height: int) -> Tensor:
        """Nearest neighbour, floats or bytes."""
        cls = (kl.ResizeNearestNeighbor if x.dtype == np.float32
               else kl.QuantizedResizeNearestNeighbor)
        return self._step(cls, [x], Tensor((x.shape[0], height, width), x.dtype, 0, x.quant), dict(
            in_width=x.shape[2], in_height=x.shape[1], channels=x.shape[0], out_width=width,
            out_height=height))

    def add_softmax(self, x: Tensor) -> Tensor:
        return self._step(kl.Softmax, [x], Tensor(x.shape, np.float32, 0), dict(channels=x.count))

    def add_logistic(self, x: Tensor) -> Tensor:
        return self._step(kl.Logistic, [x], Tensor(x.shape, np.float32, 0), dict(channels=x.count))

    def add_l2_normalization(self, x: Tensor) -> Tensor:
        return self._step(kl.L2Normalization, [x], Tensor(x.shape, np.float32, 0),
                          dict(channels=x.count))

    def output(self, x: Tensor) -> None:
        """Make a tensor the next output of the model."""
        x.in_main = True
        x.last = 1 << 30
        self.outputs.append(x)

    # -- the file -----------------------------------------------------------------------------

    def build(self) -> bytes:
        """The file's bytes. Raises KmodelError when the maps do not fit the AI RAM."""
        if not self.steps or not self.outputs:
            raise KmodelError("a model needs at least one layer and one output")
        lines = _place([(t, ai_ram.map_lines(t.shape)) for t in self.tensors if t.on_kpu],
                       "line", ai_ram.LINES)
        for t in self.tensors:
            if t.on_kpu:
                t.line = ai_ram.LINES - t.line - ai_ram.map_lines(t.shape)
        main = _place([(t, -(-t.nbytes // 8) * 8) for t in self.tensors if t.in_main],
                      "address", 1 << 31)
        count = len(self.steps)
        at = HeaderV3.SIZE + OutputV3.SIZE * len(self.outputs) + LayerHeader.SIZE * count
        bodies, sizes = [], []
        for cls, inputs, result, fields in self.steps:
            body, end = self._body(cls, inputs, result, fields, at)
            bodies.append(body)
            sizes.append(end - at)
            at = end
        header = HeaderV3(flags=int(self.eight_bit), layers_length=count,
                          max_start_address=ai_ram.LINES - lines, main_mem_usage=main,
                          output_count=len(self.outputs))
        outputs = [OutputV3(address=t.address, size=t.nbytes) for t in self.outputs]
        return v3.build(v3.ModelV3(header, outputs, bodies, sizes))

    def _body(self, cls, inputs, result, fields, at):
        """One body at file offset `at`, and where it ends."""
        fields = dict(fields)
        if cls is kl.Conv:
            return self._conv_body(inputs[0], result, fields, at)
        flags = kl.MAIN_MEM_OUT if result.in_main else 0
        if cls in (kl.Upload, kl.AddPadding):
            fields["kpu_dst"] = result.line
        else:
            fields["dst"] = result.address
        if cls in (kl.Concat, kl.QuantizedConcat):
            fields["inputs"] = np.array([(t.address, t.nbytes) for t in inputs], np.uint32)
        elif len(inputs) == 2:
            fields["src_a"], fields["src_b"] = inputs[0].address, inputs[1].address
        else:
            fields["src"] = inputs[0].address
        if cls is kl.Upload:
            channels, height, width = inputs[0].shape
            fields |= dict(width=width, height=height, channels=channels)
        elif cls in (kl.AddPadding, kl.RemovePadding):
            fields["channels"] = result.shape[0]
        body = cls(flags=flags, **fields)
        end = _align(at + len(body.write(at)), 8)
        return body, end

    def _conv_body(self, x, result, blobs, at):
        regs = blobs["regs"]
        regs.image_src_addr, regs.image_dst_addr = x.line, result.line
        layer = _align(at + kl.Conv.SIZE, 8)
        weights = _align(layer + SIZE, 128)
        bn = _align(weights + blobs["weights"].nbytes, 128)
        act = _align(bn + blobs["bn"].nbytes, 256)
        end = _align(act + len(blobs["act"]), 8)
        body = kl.Conv(flags=kl.MAIN_MEM_OUT if result.in_main else 0,
                       main_mem_out_address=result.address if result.in_main else 0,
                       layer_offset=layer, weights_offset=weights, bn_offset=bn, act_offset=act,
                       rest=bytes(end - at - kl.Conv.SIZE), **blobs)
        return body, end

    def _conv_regs(self, in_shape, out_shape, weights, depthwise) -> LayerRegs:
        """The fields that follow from the shapes alone."""
        regs = LayerRegs(depth_wise_layer=int(depthwise), kernel_type=int(weights.shape[3] == 3),
                         load_para=1, load_coor=1, load_act=1, dma_burst_size=15)
        channels, height, width = in_shape
        out, out_h, out_w = out_shape
        group, row, _ = ai_ram.layout(width)
        wb_group, wb_row, _ = ai_ram.layout(out_w)
        item = 1 if self.eight_bit else 2
        one = weights[0].size * item
        per = out if depthwise else min(out, max(1, LOAD_LIMIT[item] // one))
        values = dict(
            i_ch_num=channels - 1, o_ch_num=out - 1, o_ch_num_coef=per - 1, i_row_wid=width - 1,
            i_col_high=height - 1, o_row_wid=out_w - 1, o_col_high=out_h - 1,
            load_time=-(-out // per) - 1, para_size=one * per, channel_switch_addr=row * height,
            row_switch_addr=row, coef_group=group, wb_channel_switch_addr=wb_row * out_h,
            wb_row_switch_addr=wb_row, wb_group=wb_group,
            channel_byte_num=(out_w * out_h - 1) & 0xFFFF, dma_total_byte=out_w * out_h * out - 1,
        )
        for name, value in values.items():
            setattr(regs, name, value)
        return regs

    def _step(self, cls, inputs, result, fields=None) -> Tensor:
        step = len(self.steps)
        for t in inputs:
            t.last = max(t.last, step)
            t.in_main |= cls is not kl.Conv
        if cls is not kl.Conv and inputs[0] is self.input and self.input.on_kpu:
            raise KmodelError("the first layer must be a convolution (or use float_input=True)")
        result.first = result.last = step
        self.steps.append((cls, inputs, result, fields or {}))
        self.tensors.append(result)
        return result

    def _on_kpu(self, x: Tensor) -> Tensor:
        if x.on_kpu:
            return x
        if x.dtype != np.uint8:
            raise KmodelError("a convolution needs bytes: add_quantize first")
        return self.add_upload(x)

    @staticmethod
    def _quant(quant) -> Quant:
        if quant is None:
            raise KmodelError("quant is needed: the tensor carries no quantisation")
        return quant


def _align(value: int, to: int) -> int:
    return -(-value // to) * to


def _place(items, attribute: str, capacity: int) -> int:
    """Give every (tensor, size) a start so that tensors alive together do not overlap.

    First fit in order of creation; returns the highest end.
    """
    placed: list[tuple[Tensor, int, int]] = []
    high = 0
    for tensor, size in items:
        busy = sorted((start, start + length) for other, start, length in placed
                      if other.last >= tensor.first and tensor.last >= other.first)
        at = 0
        for start, end in busy:
            if at + size <= start:
                break
            at = max(at, end)
        if at + size > capacity:
            raise KmodelError(f"the layers need more than {capacity} units of memory at once")
        setattr(tensor, attribute, at)
        placed.append((tensor, at, size))
        high = max(high, at + size)
    return high
