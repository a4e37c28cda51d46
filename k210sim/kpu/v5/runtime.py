"""Runs kmodel V5 on the host. No MaixPy v1 firmware does: on the device it is error 2002.

The entry function is byte code of a stack machine (`kmodel/stackvm.py`); its tensor functions work
on the module's memories (`ops.py`), and its CALLs run functions of the k210 module: uploads
into the AI RAM, KPU layers, downloads. Everything a file names is checked against its memory.
"""

from __future__ import annotations

import math
from array import array
from typing import TYPE_CHECKING

import numpy as np

from k210sim.errors import KmodelError
from k210sim.kpu import ai_ram
from k210sim.kpu.kernels.tiles import check_threads
from k210sim.kpu.kmodel import stackvm, v5
from k210sim.kpu.placed import PlacedConv
from k210sim.kpu.runtime import LayerResult
from k210sim.kpu.v5.stack_machine import TensorMachine
from k210sim.kpu.v5.views import MAX_ELEMENTS, strided, tensor_at

if TYPE_CHECKING:
    from k210sim.kpu.v5.plans import Plan

MAX_POOL = 32 << 20


class Program:
    """Byte code ready to run: steps (name, operands), shared where equal, and their offsets in
    the text. A whole network repeats the same few hundred steps."""

    def __init__(self, instructions: list[stackvm.Instruction]):
        shared: dict[tuple[str, int], tuple[str, dict]] = {}
        self.steps = [shared.setdefault((one.name, id(one.operands)), (one.name, one.operands))
                      for one in instructions]
        self.offsets = array("I", [one.offset for one in instructions])


class NetV5:
    """A loaded V5 model: memories, code and prepared KPU layers."""

    def __init__(self, model: v5.ModelV5, *, activation: str = "even", kernels: str | None = None,
                 ram: ai_ram.AiRam | None = None, threads: int = 1):
        if activation not in ("even", "up"):
            raise KmodelError(f"activation rule {activation!r}, expected even or up")
        self.model, self.activation, self._kernels = model, activation, kernels
        self.ai_ram = ram or ai_ram.AiRam()
        self.threads = check_threads(threads)
        self._plans: dict[tuple, object] = {}
        self._code: dict[tuple[int, int], Program | list] = {}
        self.rdata, self.data = [], []
        self.releases: dict[int, int] = {}
        for offset, module in zip(model.offsets, model.modules, strict=True):
            self._check_module(offset, module)
            self.rdata.append(np.frombuffer(module.section(".rdata"), np.uint8))
            self.data.append(np.zeros(module.pool_size(v5.DATA), np.uint8))
        for number, module in enumerate(model.modules):
            if module.type == "stackvm":
                self.releases[number] = stackvm.detect(self._text(number, None))
        entry = model.entry
        if len(entry.inputs) != 1:
            raise KmodelError(f"an entry function with {len(entry.inputs)} inputs, expected 1",
                              field="FunctionHeader.inputs")
        self._check_tensor(entry.inputs[0], entry.input_shapes[0])
        total = 0
        for place, shape in zip(entry.outputs, entry.output_shapes, strict=True):
            self._check_tensor(place, shape)
            total += place.size
            if place.size > MAX_POOL or total > 2 * MAX_POOL:
                raise KmodelError(f"an output of {place.size} bytes", field="RangeV5.size")
        self._outputs = [np.zeros(place.size, np.uint8) for place in entry.outputs]
        self._input = np.zeros(entry.inputs[0].size, np.uint8)
        self._plan: Plan | None = None
        self._straight = True  # until a run has shown that there can be no plan

    @classmethod
    def from_bytes(cls, data: bytes, **options) -> NetV5:
        return cls(v5.parse(data), **options)

    def _check_module(self, offset, module):
        if module.type not in ("stackvm", "k210"):
            raise KmodelError(f"a module of type {module.type!r}, expected stackvm or k210",
                              offset=offset, field="ModuleHeader.type")
        if module.pool_size(v5.DATA) > MAX_POOL:
            raise KmodelError(f"a data pool of {module.pool_size(v5.DATA)} bytes", offset=offset,
                              field="MemoryPool.size")
        text = len(module.section(".text"))
        for function in module.functions:
            h = function.header
            if h.entrypoint + h.text_size > text:
                raise KmodelError(f"code at {h.entrypoint} of {h.text_size} bytes, .text has "
                                  f"{text}", offset=offset, field="FunctionHeader.text_size")

    @staticmethod
    def _check_tensor(place, shape):
        size = math.prod(max(1, d) for d in shape)
        if place.datatype >= len(v5.DATATYPES):
            raise KmodelError(f"datatype {place.datatype}", field="RangeV5.datatype")
        if size > MAX_ELEMENTS or size * np.dtype(v5.DATATYPES[place.datatype]).itemsize > \
                place.size:
            raise KmodelError(f"a tensor of {shape} in {place.size} bytes", field="RangeV5.size")

    # -- facts --------------------------------------------------------------------------------

    @property
    def main_mem_usage(self) -> int:
        """Bytes of all data pools."""
        return sum(part.size for part in self.data)

    @property
    def caller_bytes(self) -> int:
        """Bytes of the input and the outputs, which the vendor's runtime has from its caller."""
        return self._input.size + sum(out.size for out in self._outputs)

    @property
    def release(self) -> str:
        """The nncase releases whose byte code this is: the oldest of its group."""
        return stackvm.RELEASES[self.releases.get(self.model.header.entry_module, 0)]

    def input_shape(self) -> tuple[int, ...]:
        """Of the only input, without a leading batch of 1."""
        shape = self.model.entry.input_shapes[0]
        return shape[1:] if len(shape) > 1 and shape[0] == 1 else shape

    @property
    def input_dtype(self) -> np.dtype:
        return np.dtype(v5.DATATYPES[self.model.entry.inputs[0].datatype])

    def layer_steps(self) -> list[tuple[str, v5.K210Op | None]]:
        """Name of everything a straight run executes, KPU operations in their CALL's place with
        the operation."""
        names = []
        number = self.model.header.entry_module
        for name, o in self.program(number, self.model.header.entry_function).steps:
            if not name.startswith("TENSOR."):
                continue
            if name == "TENSOR.CALL" and self._is_k210(o["module"], o["function"]):
                names += [(op.NAME, op) for op in self.operations(o["module"], o["function"])]
            else:
                names.append((name[7:].lower(), None))
        return names

    def _is_k210(self, module, function) -> bool:
        modules = self.model.modules
        return (module < len(modules) and modules[module].type == "k210"
                and function < len(modules[module].functions))

    def _text(self, module, function):
        text = self.model.modules[module].section(".text")
        if function is None:
            return text
        h = self.model.modules[module].functions[function].header
        return text[h.entrypoint : h.entrypoint + h.text_size]

    def program(self, module: int, function: int) -> Program:
        """The decoded byte code of a stackvm function."""
        key = (module, function)
        if key not in self._code:
            self._code[key] = Program(stackvm.disassemble(self._text(*key), self.releases[module]))
        return self._code[key]

    def operations(self, module: int, function: int) -> list[v5.K210Op]:
        """The operations of a k210 function."""
        key = (module, function)
        if key not in self._code:
            self._code[key] = v5.read_ops(self._text(*key))
        return self._code[key]

    # -- running ------------------------------------------------------------------------------

    def run(self, x: np.ndarray, keep_layers: bool = False) -> list[LayerResult]:
        """Run the entry function; returns every operation's result if asked."""
        x, entry = np.asarray(x), self.model.entry
        shape = entry.input_shapes[0]
        if x.dtype != self.input_dtype or x.size != math.prod(shape):
            raise KmodelError(f"input is {x.dtype} {x.shape}, the model takes {self.input_dtype} "
                              f"{shape}")
        raw = self._input
        flat = np.ascontiguousarray(x).reshape(-1).view(np.uint8)
        raw[: flat.size] = flat
        raw[flat.size :] = 0
        for data in self.data:
            data[:] = 0
        for out in self._outputs:
            out[:] = 0
        results: list[LayerResult] | None = [] if keep_layers else None
        number, function = self.model.header.entry_module, self.model.header.entry_function
        if self.model.modules[number].type == "k210":
            self.run_k210(number, function, [raw], self._outputs, results)
        elif keep_layers or not self._straight:
            TensorMachine(self, number, function, [raw], self._outputs, results).run()
        elif self._plan is not None:
            self._plan.run()
        else:
            self._record(number, function, raw)
        return results or []

    def _record(self, number, function, raw):
        """Run the byte code, and keep what later runs can do without it."""
        from k210sim.kpu.v5.plans import Plan, Recorder

        recorder = Recorder(self, number, function, [raw], self._outputs)
        recorder.run()
        self._straight = recorder.steps is not None
        if self._straight:
            self._plan = Plan(recorder)
            for layers in self._plans.values():
                layers[0].forget()  # most run together from now on
            self._code.clear()  # larger than the plan, and decoded again where somebody asks

    @property
    def outputs(self) -> list[np.ndarray]:
        """The bytes of every output, live."""
        return self._outputs

    def output_size(self, index: int) -> int:
        return self._outputs[index].size

    def output_bytes(self, index: int = 0) -> np.ndarray:
        """Output `index` as a live uint8 view."""
        return self._outputs[index]

    def output(self, index: int) -> np.ndarray:
        """Output `index` as an array of its shape and type."""
        entry = self.model.entry
        shape, dtype = entry.output_shapes[index], v5.DATATYPES[entry.outputs[index].datatype]
        size = math.prod(shape) * np.dtype(dtype).itemsize
        return self._outputs[index][:size].copy().view(dtype).reshape(shape)

    def run_k210(self, module, function, inputs, outputs, results) -> None:
        """One function of a k210 module; inputs and outputs are uint8 arrays in its order."""
        record = self.model.modules[module].functions[function]
        memory = self.k210_memory(module, record, inputs, outputs)
        for number, op in enumerate(self.operations(module, function)):
            try:
                value = self._operation(op, memory, (module, function, number),
                                        results is not None)
            except KmodelError as error:
                error.args = (f"{error.args[0]}, in {op.NAME} {number} of function {function}",)
                raise
            if results is not None:
                results.append(LayerResult(len(results), op.NAME, np.array(value)))

    def _operation(self, op, memory, key, wanted):
        if op.opcode == 2:
            return self._convolve(op, memory, key, wanted)
        if op.opcode == 3:
            dtype = v5.DATATYPES[op.src.datatype] if op.src.datatype < 11 else "u1"
            source = strided(memory.cells(op.src), dtype, op.shape, op.src_strides)
            target = strided(memory.cells(op.dst), dtype, op.shape, op.dst_strides)
            target[:] = source.copy()
            return target
        shape = op.shape
        if math.prod(max(1, d) for d in shape) > ai_ram.SIZE:
            raise KmodelError(f"a map of {shape} does not fit the AI RAM", field="shape")
        lines = ai_ram.map_lines(shape[1:])
        place = op.dst if op.opcode == 0 else op.src
        if place.location != v5.AI_RAM or place.start % ai_ram.LINE:
            raise KmodelError(f"place {place.start} of memory {place.location} is no line of the "
                              "AI RAM", field="start")
        first = place.start // ai_ram.LINE
        if 0 in shape:
            return np.zeros(shape, np.uint8)
        if op.opcode == 0:
            x = memory.cells(op.src)[: math.prod(shape)]
            if x.size < math.prod(shape):
                raise KmodelError(f"{x.size} bytes for a map of {shape}", field="src")
            x = x.reshape(shape)
            for n in range(shape[0]):
                self.ai_ram.write_map(first + n * lines, x[n])
            return x
        out = np.stack([self.ai_ram.read_map(first + n * lines, shape[1:])
                        for n in range(shape[0])])
        cells = memory.cells(op.dst)
        if cells.size < out.size:
            raise KmodelError(f"{cells.size} bytes for a map of {shape}", field="dst")
        memory.writable(op.dst)
        cells[: out.size] = out.reshape(-1)
        return out

    def k210_memory(self, module, record, inputs, outputs) -> _K210Memory:
        """The memories of a call of a k210 function."""
        return _K210Memory(self, module, record, inputs, outputs)

    def layers(self, op, memory, key) -> list[PlacedConv]:
        """The prepared layers of a conv2d, one for each map of its batch."""
        layers = self._plans.get(key)
        if layers is None:
            if not 1 <= op.batches <= ai_ram.LINES:
                raise KmodelError(f"{op.batches} batches", field="batches")
            # The last maps reach farthest: a broken file is refused before anything is prepared.
            PlacedConv(None, op.regs, op.batches - 1)
            plan = self._prepare(op, memory)
            layers = self._plans[key] = [PlacedConv(plan, op.regs, n) for n in range(op.batches)]
        return layers

    def _convolve(self, op, memory, key, wanted):
        layers = self.layers(op, memory, key)
        for layer in layers:
            layer.run(self.ai_ram, self.threads)
        if not (wanted or op.main_out.size):
            return None
        parts = [layer.output(self.ai_ram) for layer in layers]
        result = parts[0] if len(parts) == 1 else np.stack(parts)
        if op.main_out.size:
            cells = memory.cells(op.main_out)
            memory.writable(op.main_out)
            if cells.size < result.size:
                raise KmodelError(f"{cells.size} bytes for {result.size}", field="main_out")
            cells[: result.size] = result.reshape(-1)
        return result

    def _prepare(self, op, memory):
        from k210sim.kpu.conv_params import ConvParams
        from k210sim.kpu.kernels import table

        regs, tables = op.regs, []
        for name, count in (("weights", regs.weight_count), ("batch_norm", 8 * regs.out_channels),
                            ("activation", 144)):
            cells = memory.cells(getattr(op, name)._replace(size=count))
            memory.constant(getattr(op, name))
            tables.append(cells)
        kernels = table.load(self._kernels) if self._kernels else table.default()
        return kernels.prepare(ConvParams.from_layer(
            regs, tables[0], tables[1].copy().view("<u8"), tables[2].tobytes(), self.activation))


class _K210Memory:
    """Ranges of a k210 function as byte views."""

    def __init__(self, net, module, record, inputs, outputs):
        self.net, self.module = net, module
        self.tensors = {v5.INPUT: (record.inputs, inputs), v5.OUTPUT: (record.outputs, outputs)}

    def writable(self, place) -> None:
        if place.location == v5.RDATA:
            raise KmodelError("an operation writes into .rdata", field="location")

    def constant(self, place) -> None:
        """A layer is prepared once, so its tables must be where nothing changes them."""
        if place.location != v5.RDATA:
            raise KmodelError(f"tables in memory {place.location}, expected .rdata",
                              field="location")

    def cells(self, place) -> np.ndarray:
        """The bytes of a Place; KmodelError when they are outside their memory."""
        start = place.start
        if place.location in self.tensors:
            cells, start = tensor_at(*self.tensors[place.location], start)
        elif place.location == v5.AI_RAM:
            cells = self.net.ai_ram.data
        elif place.location in (v5.RDATA, v5.DATA):
            memory = self.net.rdata if place.location == v5.RDATA else self.net.data
            cells = memory[self.module]
        else:
            raise KmodelError(f"memory {place.location}, expected input, output, rdata, data or "
                              "AI RAM", field="location")
        if start + place.size > cells.size:
            raise KmodelError(f"{place.size} bytes at {start} of memory {place.location}, it has "
                              f"{cells.size}", field="start")
        return cells[start : start + place.size]
