"""`KModel`: a kmodel on the host, without a board."""

from __future__ import annotations

import math
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np

from k210sim.errors import KmodelError
from k210sim.kpu import ai_ram, ai_ram_use, warmup
from k210sim.kpu.forecast import Forecast, forecast
from k210sim.kpu.kernels.tiles import check_threads
from k210sim.kpu.kmodel import layers as kl
from k210sim.kpu.kmodel import v3, v4, v5
from k210sim.kpu.kmodel.header import describe_word, identify, swap_words
from k210sim.kpu.kmodel.nodes import KpuConv2d
from k210sim.kpu.runtime import LayerResult, Net
from k210sim.kpu.runtime_v4 import NetV4
from k210sim.kpu.v5.runtime import NetV5

KINDS = {"v3": (v3, Net), "v4": (v4, NetV4), "v5": (v5, NetV5)}


class RunResult(NamedTuple):
    """What `run(x, layers=True)` gives: the outputs, and every layer's result in order."""

    outputs: list[np.ndarray]
    layers: list[LayerResult]


class KModel:
    """A parsed model that can run many times.

        model = KModel.from_file("face.kmodel")
        outputs = model.run(x)                       # list of arrays
        outputs, layers = model.run(x, layers=True)  # and every layer's output

    Byte-swapped V3 files (for `load_flash`) are turned round silently. Raises KmodelError for
    kinds that cannot run, with the reason.
    """

    def __init__(self, data: bytes, *, path=None, **options):
        """options: those of `runtime.Net`, `runtime_v4.NetV4` or `v5.runtime.NetV5`, e.g.
        activation="up", kernels="portable", threads=2."""
        data = bytes(data)
        kind = identify(data)
        self.swapped = kind == "v3_swapped"
        if self.swapped:
            data = swap_words(data)
            kind = "v3"
        if kind not in KINDS:
            raise KmodelError(f"expected a kmodel V3, V4 or V5, found {describe_word(data)}",
                              path=path)
        self.path, self.file_size = path, len(data)
        try:
            container, runtime = KINDS[kind]
            self.model = container.parse(data)
            self.net = runtime(self.model, **options)
        except KmodelError as error:
            error.path = path
            raise

    @classmethod
    def from_file(cls, path, **options) -> KModel:
        """Read a .kmodel file."""
        try:
            data = Path(path).read_bytes()
        except OSError as error:
            raise KmodelError(f"cannot be read: {error.strerror}", path=path) from error
        return cls(data, path=path, **options)

    @classmethod
    def from_bytes(cls, data: bytes, **options) -> KModel:
        return cls(data, **options)

    @property
    def version(self) -> int:
        return self.model.version

    @property
    def input_shape(self) -> tuple[int, ...]:
        """(C, H, W) of uint8 or float32, or (n,) of float32 for a fully connected first layer."""
        if self.version == 3 and isinstance(self._first, kl.FullyConnected):
            return (self._first.in_channels,)
        return self.net.input_shape()

    @property
    def input_dtype(self) -> np.dtype:
        if self.version > 3:
            return self.net.input_dtype
        return np.dtype(np.float32 if isinstance(self._first, kl.FullyConnected) else np.uint8)

    @property
    def _first(self):
        return self.model.layers[0] if self.model.layers else None

    def info(self) -> dict:
        """Version, input, layers (as `netinfo`, with names and shapes), outputs, memory."""
        if self.version == 5:
            return self._info_v5()
        version3 = self.version == 3
        layers = []
        for i, body in enumerate(self.model.layers if version3 else self.model.nodes):
            facts = self.net.layer_facts(i) if version3 else {
                "index": i, "type": body.OPCODE, "body_size": self.model.body_sizes[i]}
            facts["name"] = body.NAME
            facts["on_kpu"] = isinstance(body, kl.Conv | KpuConv2d)
            layers.append(facts)
        outputs = self.model.outputs
        common = {
            "version": self.version, "file_size": self.file_size, "size": self.model.size,
            "byte_swapped": self.swapped, "weight_bits": 8 if self.model.eight_bit else 16,
            "input": {"shape": list(self.input_shape), "dtype": self.input_dtype.name},
            "outputs": [{"address": o.address if version3 else o.start, "size": o.size}
                        for o in outputs],
            "main_mem_usage": self.net.main_mem_usage,
            "system_heap": (1 + self.model.size + 256 + 192 + self.net.main_mem_usage
                            + (0 if version3 else 288)),
            "layers": layers,
        }
        if version3:
            common["ai_ram_lines"] = ai_ram.LINES - self.model.header.max_start_address
        return common

    def _info_v5(self) -> dict:
        """`info()` of a V5 file, which no MaixPy firmware loads: no system heap to tell."""
        entry = self.model.entry
        layers = [{"index": i, "name": name, "on_kpu": name == "kpu_conv2d"}
                  for i, (name, _) in enumerate(self.net.layer_steps())]
        return {
            "version": 5, "file_size": self.file_size, "size": self.model.size,
            "byte_swapped": False, "weight_bits": 8, "nncase": self.net.release,
            "input": {"shape": list(self.input_shape), "dtype": self.input_dtype.name},
            "outputs": [{"address": place.start, "size": place.size, "shape": list(shape)}
                        for place, shape in zip(entry.outputs, entry.output_shapes, strict=True)],
            "modules": [{"type": m.type, "functions": len(m.functions), "size": m.header.size}
                        for m in self.model.modules],
            "main_mem_usage": self.net.main_mem_usage, "layers": layers,
        }

    def run(self, x, layers: bool = False, *, threads: int | None = None):
        """Run on one input; returns a list of output arrays, or a RunResult with layers=True.

        threads: how many work on one KPU layer (default: the constructor's, 1). The result does
        not depend on it. x: of input_shape and input_dtype. An output is float32 or uint8 by the
        layer that wrote it, (C, H, W) where that is known and flat elsewhere (V4 files store no
        output shapes); V5 files tell shape and type.
        """
        warmup.ready(self.version)
        if threads is not None:
            self.net.threads = check_threads(threads)
        if self.version < 5:
            self.net.call_helpers()  # they are on their way while the memories are made ready
        # The unused pixels of padded maps show what the AI RAM held before: start from zeros, so
        # that a dump of the layers depends on the input alone.
        for first, end in self._ai_ram_lines:
            self.net.ai_ram.data[first * ai_ram.LINE : end * ai_ram.LINE] = 0
        results = self.net.run(x, keep_layers=layers)
        outputs = [self._output(i) for i in range(self._output_count)]
        return RunResult(outputs, results) if layers else outputs

    @cached_property
    def _ai_ram_lines(self) -> list[tuple[int, int]]:
        """The ranges of lines any layer may touch."""
        return ai_ram_use.lines(self.net)

    def forecast(self, cpu_hz: float = 400e6, kpu_hz: float = 400e6, *,
                 dma: bool = False) -> Forecast:
        """Predicted milliseconds on the real chip, per layer and in total (docs/forecast.md).

        KmodelError for V5: no published measurement tells what its runtime costs.
        """
        if self.version == 5:
            raise KmodelError("no forecast of kmodel V5: nothing was measured to fit it to",
                              path=self.path)
        return forecast(self.model, cpu_hz, kpu_hz, dma=dma)

    @property
    def _output_count(self) -> int:
        return len(self.model.entry.outputs if self.version == 5 else self.model.outputs)

    def _output(self, index):
        if self.version == 5:
            return self.net.output(index)
        raw = self.net.output_bytes(index).copy()
        if self.version == 4:
            if self.model.outputs[index].datatype == 0:
                return raw[: raw.size // 4 * 4].view("<f4")
            return raw
        address = self.model.outputs[index].address
        shape, is_float = self._written.get(address, (None, True))
        if is_float:
            out = raw[: raw.size // 4 * 4].view("<f4")
        else:
            out = raw if shape is None else raw[: math.prod(shape)]
        return out.reshape(shape) if shape and out.size == math.prod(shape) else out

    @cached_property
    def _written(self) -> dict[int, tuple]:
        """Main memory address -> (shape or None, is float) of the last layer that wrote there."""
        known: dict[int, tuple] = {}
        for body in self.model.layers:
            if isinstance(body, kl.Conv):
                if body.flags & kl.MAIN_MEM_OUT:
                    known[body.main_mem_out_address] = (body.regs.out_shape, False)
                continue
            address = getattr(body, "dst", None)
            if address is None:
                continue
            source = known.get(getattr(body, "src", getattr(body, "src_a", -1)), (None, False))[0]
            count = getattr(body, "count", None)
            if isinstance(body, kl.ChannelwiseDequantize):
                count = body.channels * body.channel_size
            elif isinstance(body, kl.Softmax | kl.Logistic | kl.L2Normalization):
                count = body.channels
            shape = None
            if source is not None and count == math.prod(source):
                shape = source
            elif isinstance(body, kl.QuantizedMaxPool2d):
                shape = (body.out_channels, body.out_height, body.out_width)
            elif isinstance(body, kl.ResizeNearestNeighbor):
                shape = (body.channels, body.out_height, body.out_width)
            is_float = body.TYPE in (1, 5, 9, 12, 14, 15, 16, 18, 20, 22, 24, 25)
            known[address] = (shape, is_float)
        return known
