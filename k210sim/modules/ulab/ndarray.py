"""The array object: `ndarray`, its memory, printing, iteration and methods.

Words of the object: type, rows, columns, unused, the `array` object with the elements, bytes of
the elements. A flat array has one row. All arrays are made by `create`.
"""

from __future__ import annotations

import numpy as np

from k210sim.errors import NotSimulated
from k210sim.micropython import layout as L
from k210sim.micropython import ops
from k210sim.micropython.layout import RAM_BASE
from k210sim.micropython.native import Arg, GuestType, NativeFunction, method
from k210sim.micropython.types import iterators, typecodes
from k210sim.micropython.types.array import new_array
from k210sim.micropython.types.iterators import stack_iterate
from k210sim.micropython.types.sequence import require

UINT8, INT8, UINT16, INT16, FLOAT = "BbHhf"
DTYPE_NAMES = {UINT8: "uint8", INT8: "int8", UINT16: "uint16", INT16: "int16", FLOAT: "float"}
DTYPES = {UINT8: np.dtype("u1"), INT8: np.dtype("i1"), UINT16: np.dtype("<u2"),
          INT16: np.dtype("<i2"), FLOAT: np.dtype("<f4")}  # fmt: skip
_OTHER = {"i": "<i4", "I": "<u4", "l": "<i8", "L": "<u8", "q": "<i8", "Q": "<u8", "d": "<f8",
          typecodes.BYTEARRAY: "u1"}  # fmt: skip
OBJECT_BYTES = 48
PRINT_MAX = 10
_NS_PER_ELEMENT = 25  # a guess: ten cycles for each element made


# --- memory ---------------------------------------------------------------------------------------
def create(vm, m: int, n: int, code: str = FLOAT) -> int:
    """A new array of zeros; MemoryError when it does not fit, ValueError for an unknown code."""
    o = vm.new_object(vm.type_of_class(NdarrayType).word, OBJECT_BYTES)
    array = new_array(vm, code, (m * n) & 0xFFFFFFFFFFFFFFFF)
    at = (o - RAM_BASE) >> 3
    vm.words[at + 1], vm.words[at + 2], vm.words[at + 4] = m, n, array
    vm.words[at + 5] = m * n * typecodes.size_of(vm, code)
    vm.charge_ns(_NS_PER_ELEMENT * m * n)
    return o


def is_ndarray(vm, o: int) -> bool:
    return vm.is_instance_of(o, NdarrayType)


def needs_ndarray(vm, o: int, call: str) -> None:
    """The firmware takes any object here for an array."""
    if not is_ndarray(vm, o):
        raise NotSimulated(f"ulab.{call} of a {vm.type_name(o)}", "the firmware does not check")


class Shape:
    """Where an array's parts are: rows m, columns n, element code and size, address, length."""

    __slots__ = ("m", "n", "code", "size", "at", "length")

    def __init__(self, vm, o: int):
        words, at = vm.words, (o - RAM_BASE) >> 3
        self.m, self.n = words[at + 1], words[at + 2]
        array = (words[at + 4] - RAM_BASE) >> 3
        self.code = chr(words[array + 1] & 0x7F)
        self.size = typecodes.size_of(vm, self.code)
        self.length, self.at = words[array + 2], words[array + 3]


def dtype_of(code: str) -> np.dtype:
    found = DTYPES.get(code) or (np.dtype(_OTHER[code]) if code in _OTHER else None)
    if found is None:
        raise NotSimulated(f"ulab array of typecode {code!r}")
    return found


def elements(vm, o: int) -> np.ndarray:
    """The elements as a view of the guest's memory, flat."""
    s = Shape(vm, o)
    at = s.at - RAM_BASE if s.length else 0
    return vm.memory.u8[at : at + s.length * s.size].view(dtype_of(s.code))


def block(vm, o: int, dtype=None) -> np.ndarray:
    """As `elements`, to the end of the memory block they lie in."""
    s = Shape(vm, o)
    at = s.at - RAM_BASE if s.length else 0
    room = (s.length * s.size + L.BLOCK - 1) // L.BLOCK * L.BLOCK
    return vm.memory.u8[at : at + room].view(dtype or dtype_of(s.code))


def within(view: np.ndarray, index, call: str) -> None:
    """Refuse to touch what lies behind an array's block, as the firmware would."""
    if np.size(index) and np.max(index) >= len(view):
        raise NotSimulated(call, "the firmware overwrites other memory")


def floats(vm, o: int) -> np.ndarray:
    """The elements in single precision, copied."""
    return elements(vm, o).astype(np.float32)


def from_floats(vm, values, m: int, n: int) -> int:
    """A new float array of m x n values."""
    o = create(vm, m, n)
    elements(vm, o)[:] = values
    return o


def copy(vm, o: int) -> int:
    """A new array of the same shape, type and content."""
    s = Shape(vm, o)
    made = create(vm, s.m, s.n, s.code)
    elements(vm, made)[:] = elements(vm, o)
    return made


def get(vm, o: int, index: int) -> int:
    """The word of one element; floats are new objects."""
    s = Shape(vm, o)
    return typecodes.load(vm, s.code, s.at, index)


def list_length(vm, o: int) -> int:
    """What the firmware takes for the length of a list, tuple or range: the third word. For
    a tuple that is its first item, for a range its stop."""
    if o & 3:
        raise NotSimulated("an interned string where ulab takes a list",
                           "the firmware reads foreign memory")
    return vm.words[((o - RAM_BASE) >> 3) + 2]


# --- the type -------------------------------------------------------------------------------------
_ONE_OR_TWO = NativeFunction("", None, 1, 2, True)
_DTYPE = [Arg("", "obj", required=True), Arg("dtype", "int", ord(FLOAT), kw_only=True)]


def _fill(vm, o: int, source: int, index: int, room: int) -> int:
    """Store the items of an iterable from `index` on; returns the index behind the last."""
    s = Shape(vm, o)
    for item in stack_iterate(vm, source):
        if index >= room:
            raise NotSimulated("ulab.array of an iterable longer than its len()",
                               "the firmware overwrites other memory")
        typecodes.store(vm, s.code, s.at, index, item)
        index += 1
    return index


class NdarrayType(GuestType):
    """`ndarray`, called `ulab.array`."""

    name = "ndarray"

    def make_new(self, vm, type_word, args, kw):
        vm.check_args(_ONE_OR_TWO, len(args), len(kw or {}))
        _, dtype = vm.parse_args(args[:1], kw or {}, _DTYPE)
        code = chr(dtype & 0xFF)
        source = args[0]
        length = vm.len_of(source)
        if length is None:
            raise vm.error("ValueError", "first argument must be an iterable", formatted=False)
        columns, seen = 0, False
        for item in stack_iterate(vm, source):
            inner = vm.len_of(item)
            if inner is None:
                continue
            if seen and inner != columns:
                raise vm.error("ValueError", "iterables are not of the same length",
                               formatted=False)
            columns, seen = inner, True
        if not columns:
            o = create(vm, 1, length, code)
            _fill(vm, o, source, 0, length)
            return o
        o = create(vm, length, columns, code)
        index = 0
        for item in stack_iterate(vm, source):
            index = _fill(vm, o, item, index, length * columns)
        return o

    def print(self, vm, o, kind):
        s = Shape(vm, o)
        if not s.length:
            text = "[]"
        elif s.m == 1 or s.n == 1:
            text = _row(vm, s, 0, s.length)
        else:
            text = "[%s]" % ",\n\t ".join(_row(vm, s, i * s.n, s.n) for i in range(s.m))
        if s.code not in DTYPE_NAMES:
            return "array(" + text  # the firmware forgets to close it
        return f"array({text}, dtype={DTYPE_NAMES[s.code]})"

    def unary_op(self, vm, op, o):
        from k210sim.modules.ulab import operators

        return operators.unary(vm, op, o)

    def binary_op(self, vm, op, a, b):
        from k210sim.modules.ulab import operators

        return operators.binary(vm, op, a, b)

    def subscr(self, vm, o, index, value):
        from k210sim.modules.ulab import indexing

        return indexing.subscript(vm, o, index, value)

    def getiter(self, vm, o):
        return iterators.new_iterator(vm, _ITERATOR, o)

    @method(1)
    def shape(vm, self):
        require(vm, self, NdarrayType, "ndarray.shape")
        s = Shape(vm, self)
        return vm.new_tuple([vm.new_int(s.m), vm.new_int(s.n)])

    @method(1)
    def rawsize(vm, self):
        require(vm, self, NdarrayType, "ndarray.rawsize")
        s = Shape(vm, self)
        return vm.new_tuple([vm.new_int(v) for v in (s.m, s.n, s.length, s.length * s.size,
                                                     s.size)])  # fmt: skip

    @method(1, kw=True)
    def flatten(vm, args, kw):
        require(vm, args[0], NdarrayType, "ndarray.flatten")
        (order,) = vm.parse_args(args[1:], kw, [Arg("order", "obj", 0, kw_only=True)])
        made = copy(vm, args[0])
        wanted = vm.bytes_of(order) if order and vm.is_str(order) else b"" if order else b"C"
        if wanted not in (b"C", b"F"):
            raise vm.error("ValueError", "flattening order must be either 'C', or 'F'",
                           formatted=False)
        s = Shape(vm, made)
        if wanted == b"F":
            elements(vm, made)[:] = elements(vm, args[0]).reshape(s.m, s.n).T.ravel()
        set_shape(vm, made, 1, s.length)
        return made

    @method(1)
    def asbytearray(vm, self):
        require(vm, self, NdarrayType, "ndarray.asbytearray")
        return vm.words[((self - RAM_BASE) >> 3) + 4]

    @method(1)
    def transpose(vm, self):
        require(vm, self, NdarrayType, "ndarray.transpose")
        s = Shape(vm, self)
        if s.m != 1 and s.n != 1 and s.length:
            room = vm.malloc(s.length * s.size)
            turned = elements(vm, self).reshape(s.m, s.n).T.ravel()
            elements(vm, self)[:] = turned
            vm.free_temp(room, s.length * s.size)
        set_shape(vm, self, s.n, s.m)

    @method(2)
    def reshape(vm, self, shape):
        require(vm, self, NdarrayType, "ndarray.reshape")
        if not vm.is_type(shape, "tuple") or len(vm.items_of(shape)) != 2:
            raise vm.error("ValueError", "shape must be a 2-tuple", formatted=False)
        m, n = (vm.get_int(w) & 0xFFFF for w in vm.items_of(shape))
        s = Shape(vm, self)
        if m * n != s.m * s.n:
            raise vm.error("ValueError", "cannot reshape array (incompatible input/output shape)",
                           formatted=False)
        set_shape(vm, self, m, n)
        return self

    @method(1, kw=True)
    def sort(vm, args, kw):
        from k210sim.modules.ulab import sorting

        require(vm, args[0], NdarrayType, "ndarray.sort")
        sorting.sort(vm, args, kw, in_place=True)


def set_shape(vm, o: int, m: int, n: int) -> None:
    at = (o - RAM_BASE) >> 3
    vm.words[at + 1], vm.words[at + 2] = m, n


def _row(vm, s: Shape, first: int, n: int) -> str:
    """A printed row; of ten and more elements the first and last three."""
    def text(index: int) -> str:
        return vm.print_text(typecodes.load(vm, s.code, s.at, first + index), ops.PRINT_REPR)

    if n < PRINT_MAX:
        return "[%s]" % ", ".join(text(i) for i in range(n))
    head = ", ".join(text(i) for i in range(3))
    return "[%s, ..., %s]" % (head, ", ".join(text(i) for i in range(n - 3, n)))


def _next_item(vm, o: int, index: int) -> tuple[int, int]:
    """An element of a flat array, a copy of the next row of a matrix."""
    s = Shape(vm, o)
    if index >= (s.length if s.m == 1 else s.m):
        return 0, index
    if s.n == s.length:
        return typecodes.load(vm, s.code, s.at, index), index + 1
    row = create(vm, 1, s.n, s.code)
    elements(vm, row)[:] = elements(vm, o)[index * s.n : (index + 1) * s.n]
    return row, index + 1


_ITERATOR = iterators.register(_next_item)
