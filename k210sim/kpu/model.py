"""`KModel`: a kmodel on the host, without a board."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from k210sim.errors import KmodelError
from k210sim.kpu.forecast import Forecast, forecast
from k210sim.kpu.kmodel import layers as kl
from k210sim.kpu.kmodel import v3
from k210sim.kpu.kmodel.header import describe_word, identify, swap_words
from k210sim.kpu.runtime import LayerResult, Net


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
        """options: those of `k210sim.kpu.runtime.Net`, e.g. activation="up"."""
        data = bytes(data)
        kind = identify(data)
        self.swapped = kind == "v3_swapped"
        if self.swapped:
            data = swap_words(data)
            kind = "v3"
        if kind != "v3":
            raise KmodelError(f"expected a kmodel V3, found {describe_word(data)}", path=path)
        try:
            self.model = v3.parse(data)
        except KmodelError as error:
            error.path = path
            raise
        self.path, self.file_size = path, len(data)
        self.net = Net(self.model, **options)

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
        """(C, H, W) of uint8, or (n,) of float32 for a fully connected first layer."""
        first = self.model.layers[0]
        if isinstance(first, kl.FullyConnected):
            return (first.in_channels,)
        return self.net.input_shape()

    @property
    def input_dtype(self) -> np.dtype:
        return np.dtype(np.float32 if len(self.input_shape) == 1 else np.uint8)

    def info(self) -> dict:
        """Version, input, layers (as `netinfo`, with names and shapes), outputs, memory."""
        header = self.model.header
        layers = []
        for i, body in enumerate(self.model.layers):
            facts = self.net.layer_facts(i)
            facts["name"] = body.NAME
            facts["on_kpu"] = isinstance(body, kl.Conv)
            layers.append(facts)
        return {
            "version": self.version, "file_size": self.file_size, "size": self.model.size,
            "byte_swapped": self.swapped, "weight_bits": 8 if self.model.eight_bit else 16,
            "input": {"shape": list(self.input_shape), "dtype": self.input_dtype.name},
            "outputs": [{"address": o.address, "size": o.size} for o in self.model.outputs],
            "main_mem_usage": header.main_mem_usage,
            "ai_ram_lines": 32768 - header.max_start_address,
            "system_heap": 1 + self.model.size + 256 + 192 + header.main_mem_usage,
            "layers": layers,
        }

    def run(self, x, layers: bool = False):
        """Run on one input; returns a list of output arrays, or a RunResult with layers=True.

        x: uint8 (C, H, W) or float32 (n,). An output is float32 or uint8 by the layer that wrote
        it, (C, H, W) where that is known and flat elsewhere.
        """
        # The unused pixels of padded maps show what the AI RAM held before: start from zeros, so
        # that a dump of the layers depends on the input alone.
        self.net.ai_ram.data[:] = 0
        results = self.net.run(x, keep_layers=layers)
        outputs = [self._output(i) for i in range(len(self.model.outputs))]
        return RunResult(outputs, results) if layers else outputs

    def forecast(self, cpu_hz: float = 400e6, kpu_hz: float = 400e6) -> Forecast:
        """Predicted milliseconds on the real chip, per layer and in total (see forecast.py)."""
        return forecast(self.model, cpu_hz, kpu_hz)

    def _output(self, index):
        raw = self.net.output_bytes(index).copy()
        address = self.model.outputs[index].address
        shape, is_float = self._written().get(address, (None, True))
        if is_float:
            out = raw[: raw.size // 4 * 4].view("<f4")
        else:
            out = raw if shape is None else raw[: int(np.prod(shape))]
        return out.reshape(shape) if shape and out.size == int(np.prod(shape)) else out

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
            if source is not None and count == int(np.prod(source)):
                shape = source
            elif isinstance(body, kl.QuantizedMaxPool2d):
                shape = (body.out_channels, body.out_height, body.out_width)
            elif isinstance(body, kl.ResizeNearestNeighbor):
                shape = (body.channels, body.out_height, body.out_width)
            is_float = body.TYPE in (1, 5, 9, 12, 14, 15, 16, 18, 20, 22, 24, 25)
            known[address] = (shape, is_float)
        return known
