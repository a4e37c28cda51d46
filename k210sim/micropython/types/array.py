"""bytearray, array.array and memoryview: one layout, type, code and spare room, length, items.

In a memoryview the spare room is the offset of its first element, and the code's high bit says
that it may be written. Source: micropython v1.11 py/objarray.c (growth, messages).
"""

from __future__ import annotations

from k210sim.errors import NotSimulated
from k210sim.micropython import layout as L
from k210sim.micropython import ops
from k210sim.micropython.layout import NULL, RAM_BASE, SENTINEL, TYPE
from k210sim.micropython.native import GuestType, NativeFunction, method
from k210sim.micropython.textargs import buffer_bytes, buffer_maybe, buffer_view, no_buffer
from k210sim.micropython.types import iterators, typecodes
from k210sim.micropython.types.sequence import get_index, require, slice_bounds
from k210sim.micropython.types.str_print import quoted_bytes
from k210sim.micropython.types.typecodes import BYTEARRAY

WRITABLE = 0x80
_ONE = NativeFunction("", None, 1, 1)
_ONE_OR_TWO = NativeFunction("", None, 1, 2)
_UP_TO_THREE = NativeFunction("", None, 0, 3)


def new_array(vm, code: str, n: int) -> int:
    """An array of `n` zero elements; a bytearray for the code BYTEARRAY."""
    size = typecodes.size_of(vm, code)
    o = vm.new_object(TYPE["bytearray" if code == BYTEARRAY else "array"], 32)
    at = (o - RAM_BASE) >> 3
    vm.words[at + 1] = ord(code)
    if n:
        vm.words[at + 3] = vm.malloc((size * n) & 0xFFFFFFFFFFFFFFFF)
    vm.words[at + 2] = n
    return o


def new_bytearray_at(vm, addr: int, n: int) -> int:
    """A bytearray over memory that is somebody else's."""
    return put_bytearray(vm, vm.new_object(TYPE["bytearray"], 32), addr, n)


def put_bytearray(vm, o: int, addr: int, n: int) -> int:
    """The same, the object itself at `o` in memory that is the caller's."""
    at = (o - RAM_BASE) >> 3
    vm.words[at] = TYPE["bytearray"]
    vm.words[at + 1], vm.words[at + 2], vm.words[at + 3] = ord(BYTEARRAY), n, addr
    return o


def new_memoryview(vm, code: str, addr: int, n: int, writable: bool = False) -> int:
    """A view of `n` elements at `addr`, which should be the start of a heap block."""
    o = vm.new_object(TYPE["memoryview"], 32)
    at = (o - RAM_BASE) >> 3
    vm.words[at + 1] = ord(code) | (WRITABLE if writable else 0)
    vm.words[at + 2], vm.words[at + 3] = n, addr
    return o


def code_of(vm, o: int) -> str:
    return chr(vm.words[((o - RAM_BASE) >> 3) + 1] & 0x7F)


def get_buffer(vm, o: int) -> tuple[int, int, str, bool]:
    """(address, bytes, code, writable) of a buffer argument; TypeError for any other."""
    found = buffer_view(vm, o)
    if found is None:
        raise no_buffer(vm)
    return found


def _construct(vm, code: str, source: int) -> int:
    if code == BYTEARRAY or vm.is_bytes(source) or vm.is_type(source, "bytearray"):
        data = buffer_maybe(vm, source)
        if data is not None:
            size = typecodes.size_of(vm, code)
            n = len(data) // size
            o = new_array(vm, code, n)
            if n:
                vm.memory.write(vm.words[((o - RAM_BASE) >> 3) + 3],
                                data[: n * size])
            return o
    n = vm.len_of(source) or 0
    o = new_array(vm, code, n)
    items = vm.words[((o - RAM_BASE) >> 3) + 3]
    for i, item in enumerate(vm.iterate(source)):
        if n == 0:
            _append(vm, o, item)
        elif i >= n:
            raise NotSimulated("array of an iterable longer than its len()",
                               "the firmware overwrites other memory")
        else:
            typecodes.store(vm, code, items, i, item)
    return o


def _append(vm, o: int, item: int) -> None:
    words = vm.words
    at = (o - RAM_BASE) >> 3
    code, free = chr(words[at + 1] & 0x7F), words[at + 1] >> 8
    n = words[at + 2]
    if free == 0:
        # Eight more at a time, however long it is; the new room is cleared but for one.
        size = typecodes.size_of(vm, code)
        free = 8
        words[at + 1] = ord(code) | free << 8
        addr = words[at + 3] = vm.realloc(words[at + 3], size * n, size * (n + free))
        vm.memory.write(addr + size * (n + 1), bytes(size * (free - 1)))
    typecodes.store(vm, code, words[at + 3], n, item)
    words[at + 1], words[at + 2] = ord(code) | (free - 1) << 8, n + 1


def _extend(vm, o: int, other: int) -> None:
    words = vm.words
    at = (o - RAM_BASE) >> 3
    code = chr(words[at + 1] & 0x7F)
    data = buffer_bytes(vm, other)
    size = typecodes.size_of(vm, code)
    free, n, extra = words[at + 1] >> 8, words[at + 2], len(data) // size
    if free < extra:
        words[at + 3] = vm.realloc(words[at + 3], (n + free) * size, (n + extra) * size)
        free = 0
    else:
        free -= extra
    if extra:
        vm.memory.write(words[at + 3] + n * size, data[: extra * size])
    words[at + 1], words[at + 2] = ord(code) | free << 8, n + extra


class _ArrayBase(GuestType):
    """What the three types share."""

    is_view = False

    def unary_op(self, vm, op, o):
        n = vm.words[((o - RAM_BASE) >> 3) + 2]
        if op == ops.BOOL:
            return vm.new_bool(n)
        return (n << 1) | 1 if op == ops.LEN else None

    def binary_op(self, vm, op, a, b):
        if op == ops.ADD:
            addr, n_bytes, code, _ = self.buffer(vm, a)
            other = buffer_bytes(vm, b)
            size = typecodes.size_of(vm, code)
            extra = len(other) // size
            result = new_array(vm, code, n_bytes // size + extra)
            data = vm.memory.read(addr, n_bytes) + other[: extra * size]
            if data:
                vm.memory.write(vm.words[((result - RAM_BASE) >> 3) + 3], data)
            return result
        if op == ops.INPLACE_ADD:
            if self.is_view:
                return None
            _extend(vm, a, b)
            return a
        if op == ops.CONTAINS:
            needle = buffer_maybe(vm, b)
            if needle is not None:
                return vm.new_bool(vm.is_type(a, "bytearray") and needle in buffer_bytes(vm, a))
            if vm.is_int(b) or vm.is_float(b):
                raise vm.error("NotImplementedError")
            return L.FALSE
        if op == ops.EQUAL:
            return vm.new_bool(buffer_bytes(vm, a) == buffer_maybe(vm, b))
        return None

    def subscr(self, vm, o, index, value):
        if value == NULL:
            return None
        words = vm.words
        at = (o - RAM_BASE) >> 3
        code, n = chr(words[at + 1] & 0x7F), words[at + 2]
        writable = not self.is_view or words[at + 1] & WRITABLE
        if vm.is_type(index, "slice"):
            start, stop, step = slice_bounds(vm, n, index)
            if step != 1:
                raise vm.error("NotImplementedError",
                               "only slices with step=1 (aka None) are supported")
            if value == SENTINEL:
                return self._load_slice(vm, o, code, start, stop)
            return _store_slice(vm, o, value, (start, stop), self.is_view, writable)
        i = get_index(vm, self.name, n, index)
        if self.is_view:
            i += words[at + 1] >> 8
        if value == SENTINEL:
            return typecodes.load(vm, code, words[at + 3], i)
        if not writable:
            return None
        typecodes.store(vm, code, words[at + 3], i, value)
        return L.NONE

    def _load_slice(self, vm, o, code, start, stop):
        at = (o - RAM_BASE) >> 3
        if self.is_view:
            view = vm.new_object(TYPE["memoryview"], 32)
            to = (view - RAM_BASE) >> 3
            vm.words[to + 1] = vm.words[at + 1] + (start << 8)
            vm.words[to + 2], vm.words[to + 3] = stop - start, vm.words[at + 3]
            return view
        size = typecodes.size_of(vm, code)
        result = new_array(vm, code, stop - start)
        if stop > start:
            vm.memory.write(vm.words[((result - RAM_BASE) >> 3) + 3],
                            vm.memory.read(vm.words[at + 3] + start * size, (stop - start) * size))
        return result

    def buffer(self, vm, o):
        at = (o - RAM_BASE) >> 3
        code, addr = chr(vm.words[at + 1] & 0x7F), vm.words[at + 3]
        size = typecodes.size_of(vm, code)
        if self.is_view:
            addr += (vm.words[at + 1] >> 8) * size
        return (addr or RAM_BASE, vm.words[at + 2] * size, code,
                not self.is_view or bool(vm.words[at + 1] & WRITABLE))

    def getiter(self, vm, o):
        offset = vm.words[((o - RAM_BASE) >> 3) + 1] >> 8 if self.is_view else 0
        return iterators.place(vm, vm.type_of_class(ArrayIterator).word, o, offset, 0)


def _store_slice(vm, o: int, value: int, part: tuple[int, int], is_view: bool, writable: bool):
    """`o[start:stop] = value`, which must be an array with elements of that size, or bytes."""
    words = vm.words
    at = (o - RAM_BASE) >> 3
    size = typecodes.size_of(vm, chr(words[at + 1] & 0x7F))
    start, stop = part
    if isinstance(vm.type_of(value), _ArrayBase):
        fits = size == typecodes.size_of(vm, code_of(vm, value))
    elif vm.is_bytes(value):
        fits = size == 1
    else:
        raise vm.error("NotImplementedError", "array/bytes required on right side")
    if not fits:
        raise vm.error("ValueError", "lhs and rhs should be compatible")
    new = buffer_bytes(vm, value)
    change = len(new) // size - (stop - start)
    n = words[at + 2]
    if is_view:
        if not writable:
            return None
        if change:
            raise vm.error("ValueError", "lhs and rhs should be compatible")
        vm.memory.write(words[at + 3] + ((words[at + 1] >> 8) + start) * size, new)
        return L.NONE
    free = words[at + 1] >> 8
    if change > free:
        words[at + 3] = vm.realloc(words[at + 3], (n + free) * size, (n + change) * size)
        # The firmware forgets the spare room but not that some of it was used.
        words[at + 1] = words[at + 1] & 0xFF
    old = vm.memory.read(words[at + 3], n * size) if n else b""
    result = old[: start * size] + new + old[stop * size :]
    if result or old:
        vm.memory.write(words[at + 3], result + bytes(max(0, len(old) - len(result))))
    words[at + 2] = n + change
    return L.NONE


def _decode(vm, self, *args):
    encoding = args[0] if args else vm.new_qstr("utf-8")
    return vm.types[TYPE["str"]].make_new(vm, TYPE["str"], [self, encoding], {})


class ByteArrayType(_ArrayBase):
    name = "bytearray"

    def print(self, vm, o, kind):
        return "bytearray(b" + quoted_bytes(buffer_bytes(vm, o)) + ")"

    def make_new(self, vm, type_word, args, kw):
        vm.check_args(_UP_TO_THREE, len(args), len(kw))
        if not args:
            return new_array(vm, BYTEARRAY, 0)
        if vm.is_int(args[0]):
            n = vm.get_int(args[0]) & 0xFFFFFFFFFFFFFFFF
            return new_array(vm, BYTEARRAY, n)
        return _construct(vm, BYTEARRAY, args[0])

    @method(2)
    def append(vm, self, item):
        require(vm, self, _ArrayBase, "array.append")
        _append(vm, self, item)

    @method(2)
    def extend(vm, self, other):
        require(vm, self, _ArrayBase, "array.extend")
        _extend(vm, self, other)

    @method(1, 3)
    def decode(vm, self, *args):
        return _decode(vm, self, *args)


class ArrayType(_ArrayBase):
    name = "array"
    constants = ByteArrayType.locals

    def print(self, vm, o, kind):
        at = (o - RAM_BASE) >> 3
        code, n, addr = code_of(vm, o), vm.words[at + 2], vm.words[at + 3]
        if code == BYTEARRAY:
            return ByteArrayType.print(self, vm, o, kind)
        items = ""
        if n:
            items = ", [" + ", ".join([
                vm.print_text(typecodes.load(vm, code, addr, i), ops.PRINT_REPR)
                for i in range(n)]) + "]"
        return "array('%s'%s)" % (code, items)

    def make_new(self, vm, type_word, args, kw):
        vm.check_args(_ONE_OR_TWO, len(args), len(kw))
        code = (vm.get_str(args[0]) or "\0")[0]
        return new_array(vm, code, 0) if len(args) == 1 else _construct(vm, code, args[1])


class MemoryViewType(_ArrayBase):
    name = "memoryview"
    is_view = True

    def make_new(self, vm, type_word, args, kw):
        vm.check_args(_ONE, len(args), len(kw))
        addr, n_bytes, code, writable = get_buffer(vm, args[0])
        return new_memoryview(vm, code, addr, n_bytes // typecodes.size_of(vm, code), writable)


class ArrayIterator(GuestType):
    """Type, array, offset of a view, next position."""

    name = "iterator"
    core_name = "array_iterator"

    def getiter(self, vm, o):
        return o

    def iternext(self, vm, o):
        at = (o - RAM_BASE) >> 3
        array, offset, position = vm.words[at + 1 : at + 4]
        a = (array - RAM_BASE) >> 3
        if position >= vm.words[a + 2]:
            return NULL
        vm.words[at + 3] = position + 1
        return typecodes.load(vm, chr(vm.words[a + 1] & 0x7F), vm.words[a + 3], offset + position)


TYPES = (ByteArrayType, ArrayType, MemoryViewType, ArrayIterator)
