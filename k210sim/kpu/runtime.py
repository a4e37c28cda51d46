"""Runs kmodel V3 layer by layer as the firmware does, over main memory and AI RAM.

What the firmware's `KPU` module needs, in its own order:

    kind = header.identify(first_bytes)            "v3", "v4", "v5", "smodel", "unknown" ...
    size = header.flash_size(read)                 bytes of a V3 model in flash; Refusal 2002, 2003
    net = Net.from_bytes(data, driver=driver)      KmodelError (Refusal: .code) if it cannot load
    net.main_mem_usage, net.model_size             what the loader allocates besides
    net.input_shape()                              (C, H, W); Refusal 2007 if layer 0 is no conv
    net.run(x)                                     uint8 planes, or float32 for dense first layers
    net.output_bytes(i)                            live uint8 view of output i in main memory
    net.outputs[i]                                 [address, size] as `set_layers` left them
    net.set_layers(n) -> SetLayers(ok, printed)    the layer limit, with the firmware's messages
    net.layer_count, net.total_layers              current limit, all
    net.layer_facts(i)                             what `netinfo` shows of layer i
    net.last_layer_shape(), net.typecode()         of the last layer executed
    net.yolo_shape()                               (W, H) of the last conv layer's output, channels

`Driver` holds what the firmware keeps in globals, so give all nets of one board the same one.
Options of Net: activation="even" (newer vendor rule) or "up" (older; which one the silicon has is
an open question), truncate=True for MaixPy's truncating `roundf` in the Quantize layer,
cpu_copy=True for its CPU copy of conv outputs, which leaves the last byte when the width is a
multiple of 64 (kpu_api `dma` <= 0), kernels=name of a kernel set, threads=how many work on a layer.
Errors while running are KmodelError naming the layer; the device answers 2008 or misbehaves.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from k210sim.errors import KmodelError
from k210sim.kpu import ai_ram
from k210sim.kpu.kernels.tiles import check_threads
from k210sim.kpu.kmodel import layers as kl
from k210sim.kpu.kmodel import v3
from k210sim.kpu.kmodel.header import Refusal, describe_word, identify
from k210sim.kpu.memory import MainMemory
from k210sim.kpu.placed import KpuCalls, PlacedConv, PlacedTransfer, call_helpers, group

# Sizes `set_layers` gives to output 0, by the last layer's type; conv and add_padding apart.
OUTPUT_SIZES = {
    kl.Add: lambda b: b.count, kl.QuantizedAdd: lambda b: b.count,
    kl.GlobalAveragePool2d: lambda b: b.channels * 4, kl.L2Normalization: lambda b: b.channels * 4,
    kl.Softmax: lambda b: b.channels * 4, kl.FullyConnected: lambda b: b.out_channels * 4,
    kl.QuantizedMaxPool2d: lambda b: b.out_width * b.out_height * b.out_channels,
    kl.AveragePool2d: lambda b: b.out_width * b.out_height * b.out_channels * 4,
    kl.TensorflowFlatten: lambda b: b.width * b.height * b.channels * 4,
    kl.Quantize: lambda b: b.count, kl.Requantize: lambda b: b.count,
    kl.Dequantize: lambda b: b.count * 4,
    kl.Concat: lambda b: b.input_count * b.ranges[0][1] if b.ranges else 0,
    kl.QuantizedConcat: lambda b: b.input_count * b.ranges[0][1] if b.ranges else 0,
    kl.RemovePadding: lambda b: b.channels,
}

FLOAT_TYPES = (1, 5, 9, 12, 14, 15, 16, 18, 20, 22, 24, 25)
BYTE_TYPES = (2, 8, 10, 11, 13, 17, 19, 21, 23, 10240, 10241, 10242, 10243)


class DeviceCrash(KmodelError):
    """The firmware would follow a null pointer here; `printed` is what it prints before."""

    def __init__(self, message: str, printed: str = ""):
        self.printed = printed
        super().__init__(message)


@dataclass
class SetLayers:
    """What `set_layers` did: its return value and the console text."""

    ok: bool
    printed: str = ""


@dataclass
class Driver:
    """The firmware's globals: the conv layer whose output `set_layers` switched on."""

    forced: tuple | None = None


@dataclass
class LayerResult:
    """One executed layer: index, type name and what it wrote (uint8 or float32)."""

    index: int
    name: str
    value: np.ndarray = field(repr=False)


class Net(KpuCalls):
    """A loaded V3 model with its own main memory. See the module's docstring."""

    def __init__(self, model: v3.ModelV3, *, activation: str = "even", truncate: bool = False,
                 cpu_copy: bool = False, kernels: str | None = None, driver: Driver | None = None,
                 ram: ai_ram.AiRam | None = None, threads: int = 1):
        if activation not in ("even", "up"):
            raise KmodelError(f"activation rule {activation!r}, expected even or up")
        self.model = model
        self.activation, self.truncate, self.cpu_copy = activation, truncate, cpu_copy
        self.main = MainMemory(model.header.main_mem_usage)
        self.ai_ram = ram or ai_ram.AiRam()
        self.outputs = [[o.address, o.size] for o in model.outputs]
        self.layer_count = self.total_layers
        self.driver = driver or Driver()
        self._kernels, self.threads = kernels, check_threads(threads)
        self._plans: dict[int, PlacedConv] = {}
        self._groups: dict[int, tuple[int, list]] = {}
        self._memories: tuple = (None, None)  # those the groups know
        self._forced: set[int] = set()
        self._keep = False  # whether a layer's output is wanted, not only its effect

    @classmethod
    def from_bytes(cls, data: bytes, **options) -> Net:
        """Load V3 bytes as the firmware does. Raises Refusal (2002, 2003, 2006) or KmodelError.

        A layer that cannot be read is only met when it runs, as on the chip.
        """
        if identify(data) != "v3" or data[8:12] != bytes(4):
            raise Refusal(2002, f"expected a kmodel V3 for the K210, found {describe_word(data)}",
                          offset=0)
        model = v3.parse(data, strict=False)
        if model.header.main_mem_usage > ai_ram.SIZE * 3:
            raise Refusal(2006, f"main memory of {model.header.main_mem_usage} bytes",
                          offset=20, field="HeaderV3.main_mem_usage")
        return cls(model, **options)

    # -- facts --------------------------------------------------------------------------------

    @property
    def total_layers(self) -> int:
        return len(self.model.layers)

    @property
    def main_mem_usage(self) -> int:
        """Bytes of system heap the loader takes for the main memory."""
        return self.model.header.main_mem_usage

    @property
    def model_size(self) -> int:
        """Bytes of the model as the loader counts them from flash."""
        return self.model.size

    def input_shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of layer 0; Refusal 2007 when it is no convolution."""
        first = self.model.layers[0] if self.model.layers else None
        if not isinstance(first, kl.Conv):
            raise Refusal(2007, "the first layer is no K210 convolution")
        return first.regs.in_shape

    def layer_facts(self, index: int) -> dict[str, int]:
        """The numbers `netinfo` reports, and body_size."""
        body = self.model.layers[index]
        facts = dict.fromkeys(("index", "type", "wi", "hi", "wo", "ho", "chi", "cho", "dw",
                               "kernel_type", "pool_type", "para_size"), 0)
        size = self.model.body_sizes[index]
        facts.update(index=index, type=body.TYPE, para_size=size, body_size=size)
        if isinstance(body, kl.Conv):
            r = body.regs
            facts.update(wi=r.in_width, hi=r.in_height, wo=r.out_width, ho=r.out_height,
                         chi=r.in_channels, cho=r.out_channels, dw=r.depth_wise_layer,
                         kernel_type=r.kernel_type, pool_type=r.pool_type, para_size=r.para_size)
        return facts

    def last_layer(self):
        """The body of the last enabled layer."""
        return self.model.layers[self.layer_count - 1]

    def last_layer_shape(self) -> tuple[int, int, int] | None:
        """(channels, height, width) if the last enabled layer is a convolution, else None."""
        body = self.last_layer()
        return body.regs.out_shape if isinstance(body, kl.Conv) else None

    def typecode(self) -> str:
        """"f", "B", or "" (the firmware's code 0) by the type of the last enabled layer."""
        number = self.last_layer().TYPE
        return "f" if number in FLOAT_TYPES else "B" if number in BYTE_TYPES else ""

    def yolo_shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of the last convolution among the enabled layers."""
        for body in reversed(self.model.layers[: self.layer_count]):
            if isinstance(body, kl.Conv):
                return body.regs.out_shape
        raise Refusal(2007, "the model has no K210 convolution")

    # -- set_layers ---------------------------------------------------------------------------

    def set_layers(self, count: int) -> SetLayers:
        """Limit later runs to the first `count` layers (<= 0: all) and redefine output 0.

        A conv layer at the end gets its main memory output switched on until the next call on
        any net of the driver. Raises DeviceCrash where the firmware follows a null pointer:
        going from a switched-on layer to a smaller count.
        """
        if count > self.total_layers:
            return SetLayers(False, f"err: set layers_length to {count}, but max "
                                    f"{self.total_layers}\r\n")
        self.layer_count = count if count > 0 else self.total_layers
        self._groups.clear()
        if self.driver.forced is not None:
            net, index = self.driver.forced
            if index >= self.layer_count:
                text = f"err: index {index} > layers_length {self.layer_count}!\r\n"
                raise DeviceCrash(
                    f"set_layers({count}) after layer {index} was dumped crashes the firmware: "
                    "set the full count first", text)
            net._forced.discard(index)
            net._groups.clear()
            self.driver.forced = None
        index = self.layer_count - 1
        body = self.model.layers[index]
        if not self.outputs:
            return SetLayers(True, "output index too big!\r\n")
        if isinstance(body, kl.Conv):
            if body.flags == 0:
                self._forced.add(index)
                self.driver.forced = (self, index)
            size = body.regs.dma_total_byte
            self.outputs[0] = [body.main_mem_out_address, size]
            self.main.grow(min(body.main_mem_out_address, self.main.data.size)
                           + int(np.prod(body.regs.out_shape)))
        elif type(body) in OUTPUT_SIZES:
            address = body.dst
            self.outputs[0] = [address, OUTPUT_SIZES[type(body)](body)]
        elif isinstance(body, kl.AddPadding | kl.Upload):
            return SetLayers(True, f"KL_{body.NAME} not support output to mainbuf!\r\n")
        else:
            return SetLayers(True, f"Unknow layer type: {body.TYPE}!\r\n")
        return SetLayers(True)

    # -- running ------------------------------------------------------------------------------

    def run(self, x: np.ndarray, keep_layers: bool = False, before=None) -> list[LayerResult]:
        """Run the enabled layers on `x`; returns each layer's result if asked. With keep_layers
        every layer runs by itself, and before(index, body) is called before each.

        x: uint8, input_shape() elements; or float32 for a model whose first layer is fully
        connected. Raises Refusal 2008 if the first layer is neither, KmodelError for a wrong
        input or a layer that cannot run.
        """
        self._place_input(np.asarray(x))
        results, self._keep, index = [], keep_layers, -1
        while index + 1 < self.layer_count:
            index, together = (index + 1, []) if keep_layers else self._group(index + 1)
            for layer in together:
                layer.run(self.ai_ram, self.threads)
            body = self.model.layers[index]
            if before is not None and not together:
                before(index, body)
            try:
                value = None if together else self._execute(index, body)
            except Refusal:
                raise
            except KmodelError as error:
                error.args = (f"{error.args[0]}, in layer {index} ({body.NAME})",)
                raise
            if keep_layers:
                results.append(LayerResult(index, body.NAME, np.array(value)))
        return results

    def _place_input(self, x):
        first = self.model.layers[0] if self.model.layers else None
        if isinstance(first, kl.Conv):
            shape, dtype = first.regs.in_shape, np.dtype(np.uint8)
        elif isinstance(first, kl.FullyConnected):
            shape, dtype = (first.in_channels,), np.dtype(np.float32)
        else:
            name = first.NAME if first is not None else "missing"
            raise Refusal(2008, f"the first layer is {name}, expected a convolution or a fully "
                                "connected layer")
        if dtype == np.uint8:
            ai_ram.check_map(first.regs.image_src_addr, shape)
        if x.dtype != dtype or x.size != math.prod(shape):
            raise KmodelError(f"input is {x.dtype} {x.shape}, the model takes {dtype} {shape}")
        if dtype == np.uint8:
            self.ai_ram.store_map(first.regs.image_src_addr, x.reshape(shape))
        else:
            self.main.put(first.src, x, "src")

    def _execute(self, index, body):
        if isinstance(body, kl.Conv):
            return self._convolve(index, body)
        from k210sim.kpu import cpu_layers

        layer = cpu_layers.EXECUTED.get(type(body))
        if layer is None:
            if getattr(body, "error", None):
                raise KmodelError(str(body.error))
            raise KmodelError(f"layer type {body.TYPE} is not executed by any firmware")
        return layer(body, self)

    def call_helpers(self) -> None:
        """A run follows: wake the threads its first KPU layers will need."""
        call_helpers(self._groups, self.threads)

    def _group(self, first):
        memories = self.main.data, self.ai_ram.data
        if any(a is not b for a, b in zip(self._memories, memories, strict=True)):
            self._groups.clear()  # parts know the places in the old ones
            self._memories = memories
        return group(self._groups, first, self.layer_count, self._parts)

    def _parts(self, index) -> list | None:
        """The layer as what can run with others, None where it cannot."""
        body = self.model.layers[index]
        if not isinstance(body, kl.Conv):
            from k210sim.kpu import layer_parts

            maker = layer_parts.MAKERS.get(type(body))
            return None if maker is None else maker(body, self)
        layers = self._placed(index)
        if not self._wanted(index):
            return layers
        if self.cpu_copy:
            return None
        shape = body.regs.out_shape
        cells = self.main.cells(body.main_mem_out_address, math.prod(shape), "main_mem_out_address")
        return [*layers, PlacedTransfer(cells.reshape(shape[0], -1), shape,
                                        body.regs.image_dst_addr, True)]

    def _placed(self, index) -> list[PlacedConv]:
        """The prepared KPU layer."""
        body = self.model.layers[index]
        layer = self._plans.get(index)
        if layer is None:
            ai_ram.check_map(body.regs.image_src_addr, body.regs.in_shape)
            ai_ram.check_map(body.regs.image_dst_addr, body.regs.out_shape)
            layer = self._plans[index] = PlacedConv(self._prepare(body), body.regs)
        return [layer]

    def _is_kpu(self, index) -> bool:
        return isinstance(self.model.layers[index], kl.Conv)

    def _wanted(self, index) -> bool:
        """Whether a KPU layer's output goes to main memory."""
        return bool(self.model.layers[index].flags & kl.MAIN_MEM_OUT) or index in self._forced

    def _convolve(self, index, body):
        for layer in self._placed(index):
            layer.run(self.ai_ram, self.threads)
        return self._leave(index, body)

    def _leave(self, index, body):
        """The output of a KPU layer that has run, where somebody wants it."""
        wanted = self._wanted(index)
        if not (wanted or self._keep):
            return None
        out = self._plans[index].output(self.ai_ram)
        if wanted:
            count = out.size
            if self.cpu_copy and body.regs.out_width % ai_ram.LINE == 0:
                count -= 1
            self.main.put(body.main_mem_out_address, out.reshape(-1)[:count],
                          "main_mem_out_address")
        return out

    def _prepare(self, body):
        from k210sim.kpu.conv_params import ConvParams
        from k210sim.kpu.kernels import table

        kernels = table.load(self._kernels) if self._kernels else table.default()
        return kernels.prepare(ConvParams.from_layer(body.regs, body.weights, body.bn, body.act,
                                                     self.activation))

    def output_bytes(self, index: int = 0) -> np.ndarray:
        """Output `index` as a live uint8 view of main memory, cut at the memory's end.

        Raises Refusal 2001 for an index the model does not have.
        """
        if not 0 <= index < len(self.outputs):
            raise Refusal(2001, f"output {index}, the model has {len(self.outputs)}")
        address, size = self.outputs[index]
        return self.main.data[address : address + size]
