"""The stack machine of kmodel V5: scalars, addresses, shape registers, calls of KPU functions.

Numbers are 64 bits wide, as pointers are on the chip. What no compiler emits and the vendor's
runtime refuses (LDARG, CALL, ECALL, THROW, BREAK) is refused here too.
Ref: nncase v1.9.0 src/runtime/stackvm/ops (behaviour, not code).
"""

from __future__ import annotations

import math
from bisect import bisect_left

import numpy as np

from k210sim.errors import KmodelError
from k210sim.kpu.kmodel import stackvm, v5
from k210sim.kpu.runtime import LayerResult
from k210sim.kpu.v5.views import MAX_ELEMENTS, Buffer, strided, tensor_at

MAX_INSTRUCTIONS = 1 << 20
MAX_DEPTH = 4096

BITS = 64
_WRAP = {"I1": (8, True), "I2": (16, True), "I4": (32, True), "I": (64, True), "U1": (8, False),
         "U2": (16, False), "U4": (32, False), "U": (64, True)}  # the stack itself is signed
_CELLS = {"I1": "i1", "I2": "<i2", "I4": "<i4", "I": "<i8", "U1": "u1", "U2": "<u2", "U4": "<u4",
          "U": "<u8", "BR2": "<u2", "R4": "<f4"}
_MEMORY = ("LDIND", "STIND", "LDELEM", "STELEM")


def _wrap(value, bits=BITS, signed=True) -> int:
    value = int(value) & ((1 << bits) - 1)
    return value - (1 << bits) if signed and value >> (bits - 1) else value


def _divide(a, b):
    """Toward zero, also for REM: the vendor's runtime divides there as well."""
    if isinstance(a, np.floating):
        return a / b
    if b == 0:
        raise KmodelError("division by zero", field="stackvm.DIV")
    q = abs(a) // abs(b)
    return q if (a < 0) == (b < 0) else -q


_ARITHMETIC = {
    "ADD": lambda a, b: a + b, "SUB": lambda a, b: a - b, "MUL": lambda a, b: a * b,
    "DIV": _divide, "REM": _divide, "AND": lambda a, b: a & b, "OR": lambda a, b: a | b,
    "XOR": lambda a, b: a ^ b, "SHL": lambda a, b: a << (b & 63), "SHR": lambda a, b: a >> (b & 63),
    "CLT": lambda a, b: int(a < b), "CLE": lambda a, b: int(a <= b),
    "CEQ": lambda a, b: int(a == b), "CGE": lambda a, b: int(a >= b),
    "CGT": lambda a, b: int(a > b), "CNE": lambda a, b: int(a != b),
}
_BITWISE = ("AND", "OR", "XOR", "SHL", "SHR")


def _bfloat(value) -> int:
    """The 16 bits of the nearest bfloat16, ties to even."""
    word = int(np.float32(value).view(np.uint32))
    if math.isnan(value):
        return word >> 16 | 0x40
    return (word + 0x7FFF + (word >> 16 & 1)) >> 16


def _from_bfloat(word) -> float:
    return float(np.uint32(int(word) << 16).view(np.float32))


class TensorMachine:
    """One call of a stackvm function: its operand stack and shape registers."""

    def __init__(self, net, module: int, function: int, inputs, outputs, results):
        self.net, self.module, self.results = net, module, results
        self.release = net.releases[module]
        self.release_name = stackvm.RELEASES[self.release]
        if function is not None:  # else it only executes what it is given (plans.py)
            record = net.model.modules[module].functions[function]
            self.program = net.program(module, function)
            self.tensors = {v5.INPUT: (record.inputs, inputs), v5.OUTPUT: (record.outputs, outputs)}
        self.at = 0
        self.stack: list = []
        self.shapes: dict[int, tuple[int, ...]] = {}
        self.pads: dict[int, list[tuple[int, int, int]]] = {}

    # -- operands -----------------------------------------------------------------------------

    def pop(self):
        """An int or a float."""
        if not self.stack:
            raise KmodelError("the operand stack is empty", field="stackvm")
        value = self.stack.pop()
        if isinstance(value, Buffer):
            raise KmodelError("an address where a number is expected", field="stackvm")
        return value

    def pop_int(self) -> int:
        value = self.pop()
        if not isinstance(value, int):
            raise KmodelError(f"{value!r} where an integer is expected", field="stackvm")
        return value

    def pop_address(self) -> Buffer:
        if not self.stack or not isinstance(self.stack[-1], Buffer):
            raise KmodelError("a number where an address is expected", field="stackvm")
        return self.stack.pop()

    def pop_padding(self) -> tuple[int, int]:
        """before, after of one axis; a number between elements is not used by windows."""
        if self.release >= stackvm.WITH_INTERIOR:
            self.pop_int()
        after = _wrap(self.pop_int(), 32)
        return _wrap(self.pop_int(), 32), after

    def shape(self, register: int) -> tuple[int, ...]:
        """A register's numbers, signed."""
        if register not in self.shapes:
            raise KmodelError(f"shape register {register} was never set", field="stackvm")
        return self.shapes[register]

    def paddings(self, register: int) -> list[tuple[int, int, int]]:
        if register not in self.pads:
            raise KmodelError(f"padding register {register} was never set", field="stackvm")
        return self.pads[register]

    # -- tensors ------------------------------------------------------------------------------

    @staticmethod
    def dtype(number: int) -> np.dtype:
        if number >= len(v5.DATATYPES):
            raise KmodelError(f"datatype {number}", field="stackvm.datatype")
        return np.dtype(v5.DATATYPES[number])

    @staticmethod
    def check_size(shape):
        """The shape; KmodelError when it is larger than the chip's memory."""
        if any(d < 0 for d in shape) or math.prod(max(1, d) for d in shape) > MAX_ELEMENTS:
            raise KmodelError(f"a tensor of {tuple(shape)} does not fit", field="shape")
        return tuple(shape)

    def _at(self, place: Buffer, dt: int, shape, strides) -> np.ndarray:
        if not 0 <= place.start <= place.cells.size:
            raise KmodelError(f"address {place.start} of {place.cells.size} bytes",
                              field="stackvm.LEA_BUFFER")
        return strided(place.cells, self.dtype(dt), shape, strides, place.start)

    def view(self, place, dt: int, shape, strides: int) -> np.ndarray:
        """The elements at a place."""
        return self._at(place, dt, shape, self.shape(strides))

    def read(self, place, dt: int, shape, strides: int) -> np.ndarray:
        """A fresh array from a place."""
        return self.view(place, dt, shape, strides).copy()

    def read_flat(self, place, dt: int, count: int) -> np.ndarray:
        return self._at(place, dt, (count,), (1,)).copy()

    def read_packed(self, place, dt: int, shape) -> np.ndarray:
        """A fresh array whose elements lie one behind the other."""
        return self.read_flat(place, dt, math.prod(self.check_size(shape))).reshape(shape)

    def write(self, place, dt: int, strides: int, values) -> np.ndarray:
        """Store an array; returns it."""
        values = np.asarray(values)
        return self._store(place, dt, self.shape(strides), values)

    def write_packed(self, place, dt: int, values) -> np.ndarray:
        """Store an array's elements one behind the other; returns it."""
        values = np.asarray(values)
        self._store(place, dt, (1,), values.reshape(-1))
        return values

    def _store(self, place, dt, steps, values):
        if not place.cells.flags.writeable:
            raise KmodelError("the code writes into .rdata", field="stackvm")
        self._at(place, dt, values.shape, steps)[...] = values
        return values

    # -- running ------------------------------------------------------------------------------

    def run(self) -> None:
        """All instructions, from the first to the end of the text or RET."""
        steps, offsets = self.program.steps, self.program.offsets
        index = 0
        for _ in range(MAX_INSTRUCTIONS):
            if index >= len(steps):
                return
            name, operands = steps[index]
            self.at = offsets[index]
            try:
                jump = self._step(name, operands)
            except KmodelError as error:
                self.tell(error, name, self.at)
                raise
            if len(self.stack) > MAX_DEPTH:
                raise KmodelError("the operand stack overflows", offset=offsets[index], field=name)
            index += 1
            if jump is None:
                continue
            if jump == "return":
                return
            # Relative to the byte behind the jump, which takes five.
            target = offsets[index - 1] + 5 + jump
            at = bisect_left(offsets, target)
            if at == len(offsets) or offsets[at] != target:
                raise KmodelError(f"a jump to {target}", offset=offsets[index - 1], field=name)
            index = at
        raise KmodelError(f"more than {MAX_INSTRUCTIONS} instructions", field="stackvm")

    @staticmethod
    def tell(error: KmodelError, name: str, at: int) -> None:
        """Add where in the code it happened."""
        error.args = (f"{error.args[0]}, in {name} at {at} of the code",)

    def _step(self, name, o):
        if name.startswith("TENSOR."):
            self.execute(name[7:], o)
            return None
        if name in ("LDC_I4", "LDC_R4"):
            self.stack.append(o["0"])
        elif name in ("LDC_I4_0", "LDC_I4_1", "LDNULL"):
            self.stack.append(1 if name == "LDC_I4_1" else 0)
        elif name == "LEA_BUFFER":
            self.stack.append(self._buffer(o["0"], o["2"]))
        elif name == "STSHAPE":
            self.shapes[o["0"]] = tuple(self.pop_int() for _ in range(o["1"]))[::-1]
        elif name == "STPADDINGS":
            parts = []
            for _ in range(o["1"]):
                between = self.pop_int() if self.release >= stackvm.WITH_INTERIOR else 0
                after = _wrap(self.pop_int(), 32)
                parts.append((_wrap(self.pop_int(), 32), after, _wrap(between, 32)))
            self.pads[o["0"]] = parts[::-1]
        elif name == "DUP":
            self.stack.append(self.stack[-1] if self.stack else self.pop())
        elif name == "POP":
            if not self.stack:
                self.pop()
            self.stack.pop()
        elif name in ("BR", "BR_TRUE", "BR_FALSE"):
            if name == "BR" or bool(self.pop()) == (name == "BR_TRUE"):
                return o["0"]
        elif name == "RET":
            return "return"
        elif name != "NOP":
            self._scalar(name)
        return None

    def _buffer(self, location, offset):
        if location in self.tensors:
            return Buffer(*tensor_at(*self.tensors[location], offset))
        if location in (v5.RDATA, v5.DATA):
            memory = self.net.rdata if location == v5.RDATA else self.net.data
            return Buffer(memory[self.module], offset)
        raise KmodelError(f"memory {location}, expected 0 to 3", field="stackvm.LEA_BUFFER")

    def _scalar(self, name):
        """Arithmetic, comparisons and conversions; unsigned forms end in _U."""
        base, unsigned = (name[:-2], True) if name.endswith("_U") else (name, False)
        kind, _, cell = name.partition("_")
        if kind in _MEMORY:
            self._access(kind, cell)
        elif kind == "CONV":
            value = self.pop()
            if cell == "R4":
                self.stack.append(float(np.float32(value)))
            elif cell == "BR2":
                self.stack.append(_from_bfloat(_bfloat(value)))
            elif not math.isfinite(value):
                raise KmodelError(f"{value} has no integer", field=name)
            else:
                self.stack.append(_wrap(value, *_WRAP[cell]))
        elif name == "NEG":
            value = self.pop()
            self.stack.append(-value if isinstance(value, float) else _wrap(-value))
        elif name == "NOT":
            self.stack.append(_wrap(~self.pop_int()))
        elif base in _ARITHMETIC:
            self._calculate(base, unsigned)
        else:
            raise KmodelError(f"{name} is not executed: no compiler emits it and the vendor's "
                              "runtime refuses it", field="stackvm")

    def _calculate(self, base, unsigned):
        """Two values to one; an address moves by an integer."""
        at = self.stack[-2] if len(self.stack) > 1 else None
        if base == "ADD" and isinstance(at, Buffer):
            moved = at.start + self.pop_int()
            self.stack[-1] = Buffer(at.cells, moved)
            return
        b, a = self.pop(), self.pop()
        if isinstance(a, float) != isinstance(b, float):
            raise KmodelError("an integer and a float", field=base)
        if isinstance(a, float):
            if base in _BITWISE:
                raise KmodelError("bits of a float", field=base)
            with np.errstate(all="ignore"):
                value = _ARITHMETIC[base](np.float32(a), np.float32(b))
            self.stack.append(value if isinstance(value, int) else float(value))
            return
        if unsigned:
            a, b = _wrap(a, signed=False), _wrap(b, signed=False)
        self.stack.append(_wrap(_ARITHMETIC[base](a, b)))

    def _access(self, kind, cell):
        """Load or store one number through an address, or an element of an array there."""
        dtype = np.dtype(_CELLS[cell])
        value = self.pop() if kind.startswith("ST") else None
        index = self.pop_int() if kind.endswith("ELEM") else 0
        place = self.pop_address()
        start = place.start + index * dtype.itemsize
        if not 0 <= start <= place.cells.size - dtype.itemsize:
            raise KmodelError(f"{dtype.itemsize} bytes at {start} of {place.cells.size}",
                              field=f"{kind}_{cell}")
        raw = place.cells[start : start + dtype.itemsize]
        if value is None:
            loaded = raw.view(dtype)[0]
            self.stack.append(_from_bfloat(loaded) if cell == "BR2" else float(loaded)
                              if cell == "R4" else _wrap(loaded))
            return
        if not place.cells.flags.writeable:
            raise KmodelError("the code writes into .rdata", field=f"{kind}_{cell}")
        if isinstance(value, float) != (cell in ("R4", "BR2")):
            raise KmodelError(f"{value!r} is no value for this store", field=f"{kind}_{cell}")
        if cell == "BR2":
            value = _bfloat(value)
        elif cell != "R4":
            value = _wrap(value, 8 * dtype.itemsize)
        raw[:] = np.frombuffer(np.array(value, dtype).tobytes(), np.uint8)

    def execute(self, name: str, o: dict) -> None:
        """A tensor function with its operands on the stack."""
        from k210sim.kpu.v5 import table

        if name == "CALL":
            self._call(o)
            return
        function = table.EXECUTED.get(name)
        if function is None:
            raise KmodelError(f"the tensor function {name} is not executed: no release gives it "
                              "fields", field="stackvm")
        with np.errstate(all="ignore"):  # a file may hold any floats
            value = function(self, o)
        if self.results is not None:
            self.results.append(LayerResult(len(self.results), name.lower(), np.array(value)))

    def callee(self, o) -> tuple:
        """Module, function, its record, and views of the tensors it is called with, popped."""
        modules = self.net.model.modules
        module, function = o["module"], o["function"]
        if module >= len(modules) or function >= len(modules[module].functions):
            raise KmodelError(f"function {function} of module {module}", field="CALL")
        if modules[module].type != "k210":
            raise KmodelError("a call into another stackvm module is not executed", field="CALL")
        record = modules[module].functions[function]
        if (o["inputs"], o["outputs"]) != (len(record.inputs), len(record.outputs)):
            raise KmodelError(f"{o['inputs']} inputs and {o['outputs']} outputs, the function has "
                              f"{len(record.inputs)} and {len(record.outputs)}", field="CALL")
        views = []
        for _ in range(o["outputs"] + o["inputs"]):
            strides, shape = self.shape(self.pop_int()), self.shape(self.pop_int())
            dt = self.pop_int()
            views.append(self._at(self.pop_address(), dt & 0xFF, shape, strides))
        return module, function, record, views[::-1]

    def _call(self, o):
        module, function, _, views = self.callee(o)
        inputs = [np.ascontiguousarray(v).reshape(-1).view(np.uint8).copy()
                  for v in views[: o["inputs"]]]
        results = []
        for view in views[o["inputs"] :]:
            if not view.flags.writeable and view.size:
                raise KmodelError("the code writes into .rdata", field="CALL")
            results.append(np.zeros(view.size * view.itemsize, np.uint8))
        self.net.run_k210(module, function, inputs, results, self.results)
        for view, raw in zip(views[o["inputs"] :], results, strict=True):
            view[...] = raw.view(view.dtype).reshape(view.shape)
