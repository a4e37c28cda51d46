"""Runs kmodel V4 node by node, and answers what the firmware's `KPU` module asks of a V4 model.

    net = NetV4.from_bytes(data)                  Refusal 2002, 2006
    net.set_outputs(i, w, h, ch) -> code          0, 2011 or 2012; output_size(i) for the message
    net.check_outputs()                           Refusal 2013 until every output has a shape
    net.run(x)                                    uint8 (C, H, W) or float32, as input 0 says
    net.output_bytes(i), net.output_shape(i)      live bytes; (w, h, ch) as set, or None

`run` itself does not insist on set_outputs, which only the device needs. `netinfo`, `set_layers`
and `load_flash` mean nothing on V4 (the device answers 2014 or ignores them).
The memories: constants (type 0), main (1), AI RAM (2). Ranges outside them raise KmodelError.
"""

from __future__ import annotations

import math

import numpy as np

from k210sim.errors import KmodelError
from k210sim.kpu import ai_ram
from k210sim.kpu.kernels.tiles import check_threads
from k210sim.kpu.kmodel import nodes as nd
from k210sim.kpu.kmodel import v4
from k210sim.kpu.kmodel.header import Refusal, describe_word, identify
from k210sim.kpu.memory import MainMemory
from k210sim.kpu.placed import KpuCalls, PlacedConv, PlacedTransfer, call_helpers, group
from k210sim.kpu.runtime import LayerResult

MAX_OUTPUTS = 16


class NetV4(KpuCalls):
    """A loaded V4 model with its own main memory."""

    def __init__(self, model: v4.ModelV4, *, activation: str = "even", kernels: str | None = None,
                 ram: ai_ram.AiRam | None = None, driver=None, threads: int = 1):
        self.model = model
        self.activation = activation
        self.main = MainMemory(model.header.main_mem)
        self.ai_ram = ram or ai_ram.AiRam()
        self.constants = np.frombuffer(model.constants, np.uint8)
        self._kernels, self.threads = kernels, check_threads(threads)
        self._plans: dict[int, tuple[PlacedConv, ...]] = {}
        self._groups: dict[int, tuple[int, list]] = {}
        self._memories: tuple = (None, None)  # those the groups know
        self._lone: dict[int, nd.Node] = {}
        self._slots: dict[int, tuple[int, int, int]] = {}
        self._keep = False  # whether a node's output is wanted, not only its effect

    @classmethod
    def from_bytes(cls, data: bytes, **options) -> NetV4:
        """Load V4 bytes. Where the firmware's loader goes wrong after a bad version or target
        (it follows a null pointer) this is refusal 2002; too much main memory is 2006."""
        if identify(data) != "v4":
            raise Refusal(2002, f"expected a kmodel V4, found {describe_word(data)}", offset=0)
        if len(data) >= 16 and int.from_bytes(data[12:16], "little") > 1:
            raise Refusal(2002, "the target is neither CPU nor K210", offset=12)
        model = v4.parse(data, strict=False)
        if model.header.main_mem > ai_ram.SIZE * 3:
            raise Refusal(2006, f"main memory of {model.header.main_mem} bytes", offset=20)
        return cls(model, **options)

    # -- facts --------------------------------------------------------------------------------

    @property
    def total_layers(self) -> int:
        return len(self.model.nodes)

    @property
    def layer_count(self) -> int:
        """Always all: the firmware's layer limit does nothing on V4."""
        return self.total_layers

    @property
    def main_mem_usage(self) -> int:
        return self.model.header.main_mem

    @property
    def model_size(self) -> int:
        return self.model.size

    def input_shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of input 0; Refusal 2007 when there is none."""
        if not self.model.inputs:
            raise Refusal(2007, "the model has no input")
        dims = self.model.input_shapes[0].dims
        if min(dims) < 0 or math.prod(max(1, d) for d in dims) > ai_ram.SIZE * 4:
            raise KmodelError(f"input shape {dims}", field="ShapeV4")
        return dims[1:]

    @property
    def input_dtype(self) -> np.dtype:
        return np.dtype(np.float32 if self.model.inputs[0].datatype == 0 else np.uint8)

    def output_size(self, index: int) -> int:
        """Bytes of an output; Refusal 2011 past the last."""
        if not 0 <= index < len(self.model.outputs):
            raise Refusal(2011, f"output {index}, the model has {len(self.model.outputs)}")
        return self.model.outputs[index].size

    def set_outputs(self, index: int, width: int, height: int, channels: int) -> int:
        """The firmware's answer: 0, 2011 (no such output) or 2012 (the product is another size)."""
        if not 0 <= index < min(MAX_OUTPUTS, len(self.model.outputs)):
            return 2011
        if width * height * channels * 4 != self.model.outputs[index].size:
            return 2012
        self._slots[index] = (width, height, channels)
        return 0

    def output_shape(self, index: int) -> tuple[int, int, int] | None:
        """(width, height, channels) as set_outputs told."""
        return self._slots.get(index)

    def check_outputs(self) -> None:
        """Refusal 2013 until set_outputs was called for every output."""
        ready = sum(all(slot) for slot in self._slots.values())
        if ready != len(self.model.outputs):
            raise Refusal(2013, f"{ready} of {len(self.model.outputs)} outputs have a shape")

    # -- memories -----------------------------------------------------------------------------

    def cells(self, where: nd.MemoryRange, count: int) -> np.ndarray:
        """uint8 view of `count` bytes from a range's start."""
        if where.type == 1:
            memory = self.main.data
        elif where.type == 2:
            memory = self.ai_ram.data
        elif where.type == 0:
            memory = self.constants
        else:
            raise KmodelError(f"memory type {where.type}, expected 0 to 2", field="memory_type")
        if count < 0 or where.start + count > memory.size:
            raise KmodelError(f"{count} bytes at {where.start} of memory {where.type}, it has "
                              f"{memory.size}", field="start")
        return memory[where.start : where.start + count]

    def read(self, where, count: int, dtype) -> np.ndarray:
        """A fresh array of `count` elements."""
        return self.cells(where, count * np.dtype(dtype).itemsize).copy().view(dtype)

    def put(self, where, raw: np.ndarray) -> None:
        """Store bytes at a range's start; the constants cannot be written."""
        if where.type == 0:
            raise KmodelError("a node writes into the constants", field="memory_type")
        self.cells(where, raw.size)[:] = raw

    def room(self, where, count: int, dtype, *sources) -> np.ndarray | None:
        """`count` elements at a range's start to be filled in place; None where they are not
        aligned, constants, or share bytes with a source."""
        if where.type == 0:
            return None
        room = self.cells(where, count * np.dtype(dtype).itemsize).view(dtype)
        apart = not any(np.may_share_memory(room, one) for one in sources)
        return room if apart and room.flags.aligned else None

    def write(self, where, values: np.ndarray) -> np.ndarray:
        """Store an array and return it."""
        self.put(where, np.ascontiguousarray(values).reshape(-1).view(np.uint8))
        return values

    def upload(self, start: int, x: np.ndarray) -> None:
        """uint8 (N, C, H, W) into the AI RAM from byte `start`, one image after the other."""
        if start % ai_ram.LINE:
            raise KmodelError(f"AI RAM address {start} is no multiple of 64", field="start")
        if 0 in x.shape:
            return
        lines = ai_ram.map_lines(x.shape[1:])
        for n, image in enumerate(x):
            self.ai_ram.store_map(start // ai_ram.LINE + n * lines, image)

    # -- running ------------------------------------------------------------------------------

    def run(self, x: np.ndarray, keep_layers: bool = False, before=None) -> list[LayerResult]:
        """Run all nodes on input 0; returns every node's result if asked. With keep_layers every
        node runs by itself, and before(index, node) is called before each."""
        self._place_input(np.asarray(x))
        results, self._keep, index, end = [], keep_layers, -1, self.total_layers
        while index + 1 < end:
            index, together = (index + 1, []) if keep_layers else self._group(index + 1)
            for layer in together:
                layer.run(self.ai_ram, self.threads)
            if together:
                continue
            node = self._by_itself(index)
            if before is not None:
                before(index, node)
            try:
                value = self._execute(index, node)
            except KmodelError as error:
                error.args = (f"{error.args[0]}, in node {index} ({node.NAME})",)
                raise
            if keep_layers:
                results.append(LayerResult(index, node.NAME, np.array(value)))
        return results

    def _by_itself(self, index):
        """A node that runs by itself; kept where all runs need it, since to read it takes time."""
        if self._keep:
            return self.model.nodes[index]
        if index not in self._lone:
            self._lone[index] = self.model.nodes[index]
        return self._lone[index]

    def _place_input(self, x):
        if not self.model.inputs:
            raise KmodelError("the model has no input")
        where, batch = self.model.inputs[0].range, self.model.input_shapes[0].n
        shape = (batch, *self.input_shape())
        if x.dtype != self.input_dtype or x.size != math.prod(shape):
            raise KmodelError(f"input is {x.dtype} {x.shape}, the model takes {self.input_dtype} "
                              f"{shape}")
        if where.type == 2:
            self.upload(where.start, x.reshape(shape).astype(np.uint8, copy=False))
        else:
            self.write(where, x)

    def _execute(self, index, node):
        if isinstance(node, nd.KpuConv2d):
            return self._convolve(index, node)
        from k210sim.kpu import node_ops

        operation = node_ops.EXECUTED.get(type(node))
        if operation is None:
            if getattr(node, "error", None):
                raise KmodelError(str(node.error))
            raise KmodelError(f"opcode {node.OPCODE:#x} is not executed on the K210")
        return operation(node, self)

    def call_helpers(self) -> None:
        """A run follows: wake the threads its first KPU layers will need."""
        call_helpers(self._groups, self.threads)

    def _group(self, first):
        memories = self.main.data, self.ai_ram.data
        if any(a is not b for a, b in zip(self._memories, memories, strict=True)):
            self._groups.clear()  # parts know the places in the old ones
            self._memories = memories
        return group(self._groups, first, len(self.model.nodes), self._parts)

    def _parts(self, index) -> list | None:
        """The node as what can run with others, None where it cannot."""
        node = self.model.nodes[index]
        if not isinstance(node, nd.KpuConv2d):
            from k210sim.kpu import graph_parts

            maker = graph_parts.MAKERS.get(type(node))
            return None if maker is None else maker(node, self)
        layers = self._placed(index)
        if node.main_out.size <= 0:
            return layers
        if node.main_out.type != 1:
            return None
        shape = node.regs.out_shape
        cells = self.cells(node.main_out, len(layers) * math.prod(shape))
        maps = cells.reshape(len(layers), shape[0], -1)
        return [*layers, *(PlacedTransfer(maps[n], shape, layer.target, True)
                           for n, layer in enumerate(layers))]

    def _placed(self, index) -> tuple[PlacedConv, ...]:
        """The prepared KPU layer, one for each map of its batch."""
        node = self.model.nodes[index]
        layers = self._plans.get(index)
        if layers is None:
            if not 1 <= node.batches <= ai_ram.LINES:
                raise KmodelError(f"{node.batches} batches", field="batches")
            # The last maps reach farthest: a broken file is refused before anything is prepared.
            PlacedConv(None, node.regs, node.batches - 1)
            plan = self._prepare(node)
            layers = self._plans[index] = tuple(PlacedConv(plan, node.regs, n)
                                                for n in range(node.batches))
        return layers

    def _is_kpu(self, index) -> bool:
        return isinstance(self.model.nodes[index], nd.KpuConv2d)

    def _convolve(self, index, node):
        for layer in self._placed(index):
            layer.run(self.ai_ram, self.threads)
        return self._leave(index, node)

    def _leave(self, index, node):
        """The output of a KPU layer that has run, where somebody wants it."""
        if not (self._keep or node.main_out.size > 0):
            return None
        parts = [layer.output(self.ai_ram) for layer in self._plans[index]]
        result = parts[0] if len(parts) == 1 else np.stack(parts)
        if node.main_out.size > 0:
            self.write(node.main_out, result)
        return result

    def _prepare(self, node):
        from k210sim.kpu.conv_params import ConvParams
        from k210sim.kpu.kernels import table

        kernels = table.load(self._kernels) if self._kernels else table.default()
        return kernels.prepare(ConvParams.from_layer(node.regs, node.weights, node.bn, node.act,
                                                     self.activation))

    def output_bytes(self, index: int = 0) -> np.ndarray:
        """Output `index` as a live uint8 view; Refusal 2011 past the last."""
        size = self.output_size(index)
        return self.cells(self.model.outputs[index].range, size)
