"""What a run of kmodel V5's byte code does, as steps that can be repeated without the byte code.

Code without jumps and scalar memory accesses does the same at every run but for the values in its
tensors. Its first run goes through `Recorder`, with every check. What it notes becomes steps: the
tensor function itself with the operands of that time (`Step`), or where views of the memories do
the same faster, one of steps.py. Of these most are parts of a chain (kernels/chain.py), with
the KPU layers, so a network is a few calls of compiled code.
"""

from __future__ import annotations

import numpy as np

from k210sim.errors import KmodelError
from k210sim.kpu.placed import joined
from k210sim.kpu.v5.stack_machine import TensorMachine
from k210sim.kpu.v5.steps import MAKERS, Dequantize, Quantize, requantized

STRAIGHT = ("LDC_I4", "LDC_R4", "LDC_I4_0", "LDC_I4_1", "LDNULL", "LEA_BUFFER", "STSHAPE",
            "STPADDINGS", "DUP", "POP", "NOP", "RET")


class Step:
    """A tensor function with its operands: the stack's values and the registers it reads."""

    __slots__ = ("name", "o", "at", "operands", "shapes", "pads")
    reads = writes = None  # anything

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

    def parts(self):
        return None


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


class Layers:
    """What runs together, between maps of the AI RAM and over main memory."""

    __slots__ = ("calls",)

    def __init__(self, parts):
        self.calls = joined(parts)

    def run(self, machine) -> None:
        for call in self.calls:
            call.run(machine.net.ai_ram, machine.net.threads)


class Plan:
    """The steps of a recorded run, on the same memories, inputs and outputs."""

    def __init__(self, recorder: Recorder):
        self.machine = TensorMachine(recorder.net, recorder.module, None, None, None, None)
        self.steps: list = []
        row: list = []
        for step in described(self.machine, recorder.steps):
            parts = step.parts()
            if parts is not None:
                row += parts
                continue
            self.steps += [Layers(row), step] if row else [step]
            row = []
        if row:
            self.steps.append(Layers(row))

    def run(self) -> None:
        with np.errstate(all="ignore"):
            for step in self.steps:
                step.run(self.machine)


def described(machine, steps: list[Step]) -> list:
    """The steps, where possible by views, floats that are only bytes again left out."""
    found = []
    for step in steps:
        make, faster = MAKERS.get(step.name), None
        if make is not None:
            step.give(machine)
            faster = make(machine, step.o)
        found.append(faster or step)
    return without_floats(found, machine.net.outputs)


def span(array) -> tuple[int, int]:
    """The addresses from an array's first byte to behind its last; strides are not negative."""
    start = array.__array_interface__["data"][0]
    return start, start + array.itemsize + sum(
        (n - 1) * step for n, step in zip(array.shape, array.strides, strict=True))


def _meet(arrays, start, end) -> bool:
    """Whether one of the arrays may have a byte in [start, end)."""
    return any(a < end and start < b for a, b in map(span, arrays))


def without_floats(steps: list, outputs) -> list:
    """Bytes that become floats and at once bytes again, as a join of quantised maps does it, become
    bytes directly. The floats are left out where no other step and nobody after the run sees them.
    """
    found = list(steps)
    for index, after in enumerate(steps):
        if not isinstance(after, Quantize):
            continue
        before = _sources(steps, index)
        direct = before and _direct(after, [one for _, one in before])
        if direct is None:
            continue
        found[index] = direct
        for at, one in before:
            if not _seen(steps, at, index, one.target, outputs):
                found[at] = []
    return [one for step in found for one in (step if isinstance(step, list) else [step])]


def _direct(after: Quantize, before: list[Dequantize]) -> list | None:
    """Steps from the bytes to those of `after`, None where what one writes another still reads."""
    start, steps, made = span(after.source)[0], [], []
    for one in sorted(before, key=lambda one: span(one.target)[0]):
        first = (span(one.target)[0] - start) // 4
        target = after.target[first : first + one.target.size]
        some = None if _meet(made, *span(one.source)) else requantized(one, after, target)
        if some is None:
            return None
        steps += some
        made.append(target)
    return steps


def _sources(steps, index) -> list[tuple[int, Dequantize]] | None:
    """The steps that make exactly the floats steps[index] takes, each with its place, if nothing
    touches these or what they are made of in between."""
    after = steps[index]
    start, end = span(after.source)
    before, left, made = [], end - start, []
    for at in range(index - 1, -1, -1):
        step = steps[at]
        if step.writes is None:
            return None
        if isinstance(step, Dequantize) and _meet([step.target], start, end):
            first, last = span(step.target)
            others = [one.target for _, one in before]
            if (first < start or last > end or _meet(others, first, last)
                    or _meet(made, *span(step.source))):
                return None
            before.append((at, step))
            left -= last - first
            if not left:
                return before
        elif _meet(step.writes, start, end):
            return None
        made += step.writes
    return None


def _seen(steps, at, index, floats, outputs) -> bool:
    """Whether what steps[at] wrote is read by another step than steps[index], before others have
    written over all of it, or belongs to an output."""
    left = [span(floats)]
    for number in range(at + 1, len(steps)):
        step = steps[number]
        if step.reads is None:
            return True
        if number != index and any(_meet(step.reads, *part) for part in left):
            return True
        for array in step.writes:
            if not array.flags.c_contiguous:
                continue
            first, last = span(array)
            left = [part for a, b in left for part in ((a, min(b, first)), (max(a, last), b))
                    if part[0] < part[1]]
        if not left:
            return False
    return any(_meet(outputs, *part) for part in left)
