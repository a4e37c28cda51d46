"""tuple, and what the types laid out like it share (namedtuple, attrtuple).

Source: micropython v1.11 py/objtuple.c.
"""

from __future__ import annotations

from k210sim.micropython import layout as L
from k210sim.micropython import ops
from k210sim.micropython.layout import RAM_BASE, SENTINEL, TYPE
from k210sim.micropython.native import GuestType, method
from k210sim.micropython.types import iterators
from k210sim.micropython.types.sequence import (
    COMPARISONS,
    UP_TO_ONE,
    compare,
    count_of,
    get_index,
    index_number,
    index_of,
    require,
    slice_bounds,
    wrapped_small,
)


class TupleType(GuestType):
    """Type, length, items."""

    name = "tuple"
    tuple_layout = True

    def print(self, vm, o, kind):
        items = vm.items_of(o)
        inside = iterators.print_items(vm, items, kind)
        if kind == ops.PRINT_JSON:
            return "[" + inside + "]"
        return "(" + inside + (",)" if len(items) == 1 else ")")

    def make_new(self, vm, type_word, args, kw):
        vm.check_args(UP_TO_ONE, len(args), len(kw))
        if not args:
            return L.EMPTY_TUPLE
        if vm.is_type(args[0], "tuple"):
            return args[0]
        # Items are gathered in a table that doubles, and is freed once the tuple is made.
        alloc, n = 4, 0
        table = vm.malloc(8 * alloc)
        held = len(vm.temps) - 1  # where the table is rooted
        for item in vm.iterate(args[0]):
            if n >= alloc:
                table = vm.temps[held] = vm.realloc(table, 8 * alloc, 16 * alloc)
                alloc *= 2
            vm.words[((table - RAM_BASE) >> 3) + n] = item
            n += 1
        first = (table - RAM_BASE) >> 3
        result = vm.new_tuple(vm.words[first : first + n])
        vm.free_temp(table, 8 * alloc)
        return result

    def unary_op(self, vm, op, o):
        n = vm.words[((o - RAM_BASE) >> 3) + 1]
        if op == ops.BOOL:
            return vm.new_bool(n)
        if op == ops.LEN:
            return (n << 1) | 1
        if op == ops.HASH:
            return wrapped_small(L.EMPTY_TUPLE + sum(vm.hash(item) for item in vm.items_of(o)))
        return None

    def binary_op(self, vm, op, a, b):
        if op in (ops.ADD, ops.INPLACE_ADD):
            if not vm.is_subclass(vm.type_word(b), TYPE["tuple"]):
                return None
            return vm.new_tuple(vm.items_of(a) + vm.items_of(_native(vm, b)))
        if op in (ops.MULTIPLY, ops.INPLACE_MULTIPLY):
            n = index_number(vm, b)
            if n is None:
                return None
            items = vm.items_of(a)
            if n <= 0 or not items:
                return L.EMPTY_TUPLE
            check_size(vm, 16 + 8 * len(items) * n)
            return vm.new_tuple(items * n)
        if op in COMPARISONS:
            if not getattr(vm.type_of(b), "tuple_layout", False):
                if not vm.is_subclass(vm.type_word(b), TYPE["tuple"]):
                    return L.FALSE if op == ops.EQUAL else None
                b = _native(vm, b)
            return vm.new_bool(compare(vm, op, vm.items_of(a), vm.items_of(b)))
        return None

    def subscr(self, vm, o, index, value):
        if value != SENTINEL:
            return None
        at = (o - RAM_BASE) >> 3
        n = vm.words[at + 1]
        if vm.is_type(index, "slice"):
            start, stop, step = slice_bounds(vm, n, index)
            if step != 1:
                raise vm.error("NotImplementedError",
                               "only slices with step=1 (aka None) are supported")
            return vm.new_tuple(vm.words[at + 2 + start : at + 2 + stop])
        return vm.words[at + 2 + get_index(vm, self.name, n, index)]

    def getiter(self, vm, o):
        return iterators.new_iterator(vm, iterators.TUPLE, o)

    @method(2)
    def count(vm, self, value):
        require(vm, self, TupleType, "tuple.count")
        return count_of(vm, vm.items_of(self), value)

    @method(2, 4)
    def index(vm, self, *args):
        require(vm, self, TupleType, "tuple.index")
        return index_of(vm, vm.items_of(self), [self, *args])


def _native(vm, o: int) -> int:
    """The tuple inside an instance of a user subclass (anything else is its own)."""
    t = vm.type_of(o)
    return t.native_base_object(vm, o) if t.is_user else o


def check_size(vm, n_bytes: int) -> None:
    """Raise the MemoryError of an allocation no heap could hold, before the host builds it."""
    if n_bytes > 8 * vm.heap.size:
        raise vm.memory_error(n_bytes)


TYPES = (TupleType,)
