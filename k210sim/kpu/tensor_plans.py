"""What a run of kmodel V5's byte code does, as steps that can be repeated without the byte code.

Code without jumps and scalar memory accesses does the same at every run but for the values in its
tensors. Its first run goes through `Recorder`, with every check. What it notes becomes steps: the
tensor function itself with the operands of that time (`Step`), or where views of the memories do
the same faster, one of the classes below. These need sources and targets apart, since the
functions read all before they write.
"""

from __future__ import annotations

import math

import numpy as np

from k210sim.errors import KmodelError
from k210sim.kpu import ai_ram
from k210sim.kpu.kernels import tensors
from k210sim.kpu.kmodel import v5
from k210sim.kpu.placed import PlacedTransfer, joined
from k210sim.kpu.stack_machine import TensorMachine
from k210sim.kpu.tensor_ops import BINARY, F32, FLOAT
from k210sim.kpu.tensor_views import MAX_ELEMENTS

STRAIGHT = ("LDC_I4", "LDC_R4", "LDC_I4_0", "LDC_I4_1", "LDNULL", "LEA_BUFFER", "STSHAPE",
            "STPADDINGS", "DUP", "POP", "NOP", "RET")
IEEE = 6  # the first of BINARY: add, subtract, multiply, divide, minimum, maximum


class Step:
    """A tensor function with its operands: the stack's values and the registers it reads."""

    __slots__ = ("name", "o", "at", "operands", "shapes", "pads")

    def __init__(self, name, o, at, operands, shapes, pads):
        self.name, self.o, self.at = name, o, at
        self.operands, self.shapes, self.pads = operands, shapes, pads

    def give(self, machine) -> None:
        """Make a machine ready to execute it."""
        machine.stack, machine.shapes, machine.pads = list(self.operands), self.shapes, self.pads

    def run(self, machine) -> None:
        self.give(machine)
        try:
            machine.execute(self.name, self.o)
        except KmodelError as error:
            machine.tell(error, "TENSOR." + self.name, self.at)
            raise


class Recorder(TensorMachine):
    """A machine that notes the tensor functions it executes; `steps` is None for other code."""

    def __init__(self, net, module: int, function: int, inputs, outputs):
        super().__init__(net, module, function, inputs, outputs, None)
        self.steps: list[Step] | None = []
        self._used: tuple[dict, dict] = ({}, {})

    def shape(self, register):
        self._used[0][register] = value = super().shape(register)
        return value

    def paddings(self, register):
        self._used[1][register] = value = super().paddings(register)
        return value

    def _step(self, name, o):
        if not name.startswith("TENSOR.") and name not in STRAIGHT:
            self.steps = None
        return super()._step(name, o)

    def execute(self, name, o):
        before, self._used = tuple(self.stack), ({}, {})
        super().execute(name, o)
        if self.steps is not None:
            self.steps.append(Step(name, o, self.at, before[len(self.stack):], *self._used))


class Plan:
    """The steps of a recorded run, on the same memories, inputs and outputs."""

    def __init__(self, recorder: Recorder):
        self.machine = TensorMachine(recorder.net, recorder.module, None, None, None, None)
        self.steps = [self._faster(step) or step for step in recorder.steps]

    def _faster(self, step):
        make = FASTER.get(step.name)
        if make is None:
            return None
        step.give(self.machine)
        return make(self.machine, step.o)

    def run(self) -> None:
        with np.errstate(all="ignore"):
            for step in self.steps:
                step.run(self.machine)


def _apart(target, *sources) -> bool:
    """Whether a target may be written while its sources are read."""
    return target.flags.writeable and not any(np.may_share_memory(target, s) for s in sources)


def _row(view):
    """The elements of a view as one row, None where they do not lie so, or not aligned."""
    view = view.squeeze()
    whole = view.flags.c_contiguous and view.flags.aligned and view.size
    return view.reshape(-1) if whole else None


def _in_and_out(m, o):
    """Views of the source and target of a function that takes both from the stack."""
    out_at, in_at = m.pop_address(), m.pop_address()
    shape = m.shape(o["shape"])
    return (m.view(in_at, o["dt"], shape, o["in_strides"]),
            m.view(out_at, o.get("dt_out", o["dt"]), shape, o["out_strides"]))


class Move:
    """COPY, SLICE: from view to view."""

    __slots__ = ("source", "target")

    def __init__(self, source, target):
        self.source, self.target = source, target

    def run(self, machine) -> None:
        self.target[...] = self.source


def copy(m, o):
    source, target = _in_and_out(m, o)
    return Move(source, target) if _apart(target, source) else None


def slice_(m, o):
    out_at, in_at = m.pop_address(), m.pop_address()
    source = m.view(in_at, o["dt"], m.shape(o["shape"]), o["in_strides"])
    parts = zip(*(m.shape(o[name]) for name in ("begins", "ends", "steps")), strict=True)
    picks = []
    for (begin, end, step), size in zip(parts, source.shape, strict=True):
        if begin < 0 or step < 1:
            return None
        picks.append(slice(begin, min(max(end, 0), size), step))
    source = source[tuple(picks)]
    target = m.view(out_at, o["dt"], source.shape, o["out_strides"])
    return Move(source, target) if _apart(target, source) else None


class Pad:
    """PAD by a constant: `inside` is where in the target the source lies."""

    __slots__ = ("source", "target", "inside", "value")

    def __init__(self, source, target, inside, value):
        self.source, self.target, self.inside, self.value = source, target, inside, value

    def run(self, machine) -> None:
        self.target[...] = self.value
        self.inside[...] = self.source


def pad(m, o):
    value, out_at, in_at = m.pop(), m.pop_address(), m.pop_address()
    source = m.view(in_at, o["dt"], m.shape(o["shape"]), o["in_strides"])
    pads = m.paddings(o["pads"])
    if o["mode"] != 0 or any(before < 0 or after < 0 or between for before, after, between in pads):
        return None
    shape = [size + pad[0] + pad[1] for size, pad in zip(source.shape, pads, strict=True)]
    target = m.view(out_at, o["dt"], shape, o["out_strides"])
    inside = target[tuple(slice(pad[0], pad[0] + size)
                          for size, pad in zip(source.shape, pads, strict=True))]
    if not _apart(target, source):
        return None
    return Pad(source, target, inside, np.array(value).astype(source.dtype))


class Quantize:
    """QUANTIZE of floats in a row."""

    __slots__ = ("source", "target", "numbers")

    def __init__(self, source, target, numbers):
        self.source, self.target, self.numbers = source, target, numbers

    def run(self, machine) -> None:
        tensors.quantize(self.source, *self.numbers, self.target)


def quantize(m, o):
    bias, scale = F32(m.pop()), F32(m.pop())
    source, target = (_row(view) for view in _in_and_out(m, o))
    if source is None or target is None or not _apart(target, source):
        return None
    limits = np.iinfo(target.dtype)
    return Quantize(source, target.view(np.uint8),
                    (scale, bias, F32(limits.min), F32(limits.max)))


class Dequantize:
    """DEQUANTIZE of bytes in a row."""

    __slots__ = ("source", "target", "numbers")

    def __init__(self, source, target, numbers):
        self.source, self.target, self.numbers = source, target, numbers

    def run(self, machine) -> None:
        tensors.dequantize(self.source, *self.numbers, self.target)


def dequantize(m, o):
    bias, scale = F32(m.pop()), F32(m.pop())
    source, target = (_row(view) for view in _in_and_out(m, o))
    if source is None or target is None or not _apart(target, source):
        return None
    return Dequantize(source.view(np.uint8), target, (o["dt"] == 0, scale, bias))


class Binary:
    """BINARY of floats by one NumPy function; limits None where they limit nothing."""

    __slots__ = ("function", "a", "b", "target", "limits")

    def __init__(self, function, a, b, target, limits):
        self.function, self.a, self.b = function, a, b
        self.target, self.limits = target, limits

    def run(self, machine) -> None:
        self.function(self.a, self.b, out=self.target)
        if self.limits is not None:
            np.minimum(self.target, self.limits[1], out=self.target)
            np.maximum(self.target, self.limits[0], out=self.target)


def binary(m, o):
    out_at, b_at, a_at = m.pop_address(), m.pop_address(), m.pop_address()
    if o["dt"] != FLOAT or o["op"] >= IEEE:
        return None
    a = m.view(a_at, FLOAT, m.shape(o["a_shape"]), o["a_strides"])
    b = m.view(b_at, FLOAT, m.shape(o["b_shape"]), o["b_strides"])
    target = m.view(out_at, FLOAT, np.broadcast_shapes(a.shape, b.shape), o["out_strides"])
    if not _apart(target, a, b):
        return None
    limits = F32(o["low"]), F32(o["high"])
    return Binary(BINARY[o["op"]], a, b, target, None if limits == (-np.inf, np.inf) else limits)


class Layer:
    """KPU layers between maps of the AI RAM and what moves maps from and to main memory, together
    as far as they can be (placed.py)."""

    __slots__ = ("call",)

    def __init__(self, call):
        self.call = call

    def run(self, machine) -> None:
        self.call.run(machine.net.ai_ram, machine.net.threads)


class Call:
    """CALL of a k210 function, whose operations work on the caller's own tensors."""

    __slots__ = ("steps",)

    def __init__(self, steps):
        self.steps = steps

    def run(self, machine) -> None:
        for step in self.steps:
            step.run(machine)


def call(m, o):
    net = m.net
    number, function, record, views = m.callee(o)
    rows = [_row(view) for view in views]
    if any(row is None for row in rows):
        return None
    rows = [row.view(np.uint8) for row in rows]
    sources, targets = rows[: o["inputs"]], rows[o["inputs"] :]
    for i, target in enumerate(targets):
        if not _apart(target, *sources, *targets[:i]):
            return None
    memory = net.k210_memory(number, record, sources, targets)
    steps, whole = [], set()
    for index, op in enumerate(net.operations(number, function)):
        if op.opcode == 2 and not op.main_out.size:
            steps += net.layers(op, memory, (number, function, index))
        elif op.opcode == 0 and op.src.location == v5.INPUT:
            steps += _maps(op, memory.cells(op.src), op.dst, False)
        elif op.opcode == 1 and op.dst.location == v5.OUTPUT:
            cells = memory.cells(op.dst)
            steps += _maps(op, cells, op.src, True)
            whole |= {i for i, t in enumerate(targets) if math.prod(op.shape) == t.size
                      and np.shares_memory(cells, t) and cells.size >= t.size}
        else:
            return None
    # What no operation fills is zeros.
    return Call([Layer(one) for one in joined(steps)]) if len(whole) == len(targets) else None


def _maps(op, cells, place, down) -> list[PlacedTransfer]:
    """What moves each map of a batch."""
    batch, shape = op.shape[0], op.shape[1:]
    size = math.prod(shape)
    if not 0 < batch * size <= MAX_ELEMENTS:
        return []
    lines = ai_ram.map_lines(shape)
    rows = cells[: batch * size].reshape(batch, shape[0], -1)
    return [PlacedTransfer(rows[n], shape, place.start // ai_ram.LINE + n * lines, down)
            for n in range(batch)]


FASTER = {"BINARY": binary, "CALL": call, "COPY": copy, "DEQUANTIZE": dequantize, "PAD": pad,
          "QUANTIZE": quantize, "SLICE": slice_}
