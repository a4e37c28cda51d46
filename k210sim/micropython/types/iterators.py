"""Iterators over the containers, and map, filter, zip, enumerate, reversed.

A container's iterator is four plain words (32 bytes on the heap, or a buffer on the VM stack):

    Iterator (`TYPE["iterator"]`)   type, kind (LIST TUPLE SET or a `register`ed one), object,
                                    next position
    range iterator                  type, next value, stop, step (host integers)
    dict iterator                   type, view kind (ITEMS KEYS VALUES), dict, next slot
    __getitem__ iterator            type, function, receiver or 0, next index (small int)

All of them are called "iterator" by the guest. `place` puts one into `vm.iter_buffer` when the
caller has set that to the address of a four-word buffer, else on the heap.
Source: micropython v1.11 py/objpolyiter.c and its users (layouts, sizes).
"""

from __future__ import annotations

from collections.abc import Callable

from k210sim.micropython import layout as L
from k210sim.micropython import ops
from k210sim.micropython.layout import NULL, RAM_BASE, SENTINEL, TYPE
from k210sim.micropython.native import Arg, GuestError, GuestType, NativeFunction
from k210sim.micropython.types.lookup import name_number
from k210sim.micropython.types.sequence import ANY_ARGS, require

LIST, TUPLE, SET = 1, 2, 3
ITEMS, KEYS, VALUES = 0, 1, 2

# next_item(vm, object, position) -> (word or 0, next position), by kind
_KINDS: dict[int, Callable] = {}

_TWO = NativeFunction("", None, 2, 2)
_TWO_OR_MORE = NativeFunction("", None, 2, None)
_ONE = NativeFunction("", None, 1, 1)


def register(next_item: Callable) -> int:
    """A new kind of `Iterator`: next_item(vm, object word, position) -> (word or 0, position)."""
    kind = max((SET, *_KINDS)) + 1
    _KINDS[kind] = next_item
    return kind


def place(vm, type_word: int, *fields: int) -> int:
    """An iterator of one of the layouts above."""
    o = vm.__dict__.get("iter_buffer", 0)
    vm.iter_buffer = 0
    if not o:
        o = vm.malloc(32)
    at = (o - RAM_BASE) >> 3
    vm.words[at] = type_word
    for i, field in enumerate(fields, 1):
        vm.words[at + i] = field
    return o


def new_iterator(vm, kind: int, o: int) -> int:
    """An `Iterator` over `o` from its start."""
    return place(vm, TYPE["iterator"], kind, o, 0)


def new_getitem_iterator(vm, found: tuple[int, int]) -> int:
    """Iterates by calling `__getitem__`, given as (function, receiver or 0), with 0, 1, 2 ..."""
    return place(vm, vm.type_of_class(GetItemIterator).word, found[0], found[1], 1)


def steps(vm, it: int, keep: bool = False):
    """Host generator over what an iterator still gives."""
    mark = len(vm.temps)
    vm.temps.append(it)
    while item := vm.iternext(it):
        # What the caller keeps is below the mark or reachable; the rest may go.
        if not keep and len(vm.temps) > mark + 256:
            del vm.temps[mark + 1 : -64]
        vm.temps.append(item)
        yield item
        vm.checkpoint()


# Four-word buffers for iterators that the firmware keeps on its C stack. They lie in a corner of
# RAM that nothing else uses and the collector does not scan, so what is iterated is rooted apart.
STACK_BUFFERS, N_STACK_BUFFERS = 0x802E9000, 128


def stack_iterate(vm, o: int, keep: bool = False):
    """Host generator over an iterable, with its iterator off the heap where it fits there.
    `keep`: all items stay rooted, not only the latest."""
    depth = vm.__dict__.get("iterators_on_stack", 0)
    vm.iterators_on_stack = depth + 1
    vm.temps.append(o)
    try:
        if depth < N_STACK_BUFFERS:
            vm.iter_buffer = STACK_BUFFERS + 32 * depth
        it = vm.getiter(o)
        vm.iter_buffer = 0
        yield from steps(vm, it, keep)
    finally:
        vm.iter_buffer = 0
        vm.iterators_on_stack = depth


def collect(vm, o: int) -> list[int]:
    """All items of an iterable, all rooted; the iterator off the heap where it fits there."""
    return bounded(vm, stack_iterate(vm, o, keep=True))


def bounded(vm, items) -> list[int]:
    """A host list of words that could stand in the guest's heap; MemoryError past its size."""
    found = []
    for item in items:
        found.append(item)
        if 8 * len(found) > vm.heap_size:
            raise vm.memory_error(8 * len(found))
    return found


class _SelfIterator(GuestType):
    """An object that is its own iterator."""

    def getiter(self, vm, o):
        return o


class Iterator(_SelfIterator):
    """Over a list, tuple, set, or what was `register`ed."""

    name = "iterator"

    def iternext(self, vm, o):
        words = vm.words
        at = (o - RAM_BASE) >> 3
        kind, container, position = words[at + 1], words[at + 2], words[at + 3]
        c = (container - RAM_BASE) >> 3
        if kind == LIST:
            if position >= words[c + 2]:
                return NULL
            words[at + 3] = position + 1
            return words[((words[c + 3] - RAM_BASE) >> 3) + position]
        if kind == TUPLE:
            if position >= words[c + 1]:
                return NULL
            words[at + 3] = position + 1
            return words[c + 2 + position]
        if kind == SET:
            alloc, first = words[c + 1], (words[c + 3] - RAM_BASE) >> 3
            while position < alloc:
                item = words[first + position]
                position += 1
                if item not in (NULL, SENTINEL):
                    words[at + 3] = position
                    return item
            return NULL
        item, words[at + 3] = _KINDS[kind](vm, container, position)
        return item


class RangeIterator(_SelfIterator):
    name = "iterator"
    core_name = "range_iterator"

    def iternext(self, vm, o):
        at = (o - RAM_BASE) >> 3
        cur, stop, step = vm.words[at + 1 : at + 4]
        if (step > 0 and cur < stop) or (step < 0 and cur > stop):
            vm.words[at + 1] = cur + step
            return (cur << 1) | 1
        return NULL


class DictIterator(_SelfIterator):
    """Over the keys of a dict, or over a view."""

    name = "iterator"
    core_name = "dict_iterator"

    def iternext(self, vm, o):
        words = vm.words
        at = (o - RAM_BASE) >> 3
        kind, d, position = words[at + 1], words[at + 2], words[at + 3]
        m = (d + L.DICT_MAP - RAM_BASE) >> 3
        alloc, first = words[m + 1], (words[m + 2] - RAM_BASE) >> 3
        while position < alloc:
            key, value = words[first + 2 * position], words[first + 2 * position + 1]
            position += 1
            if key not in (NULL, SENTINEL):
                words[at + 3] = position
                if kind == ITEMS:
                    return vm.new_tuple([key, value])
                return key if kind == KEYS else value
        return NULL


class GetItemIterator(_SelfIterator):
    """Over an object that only has `__getitem__`."""

    name = "iterator"
    core_name = "getitem_iterator"

    def iternext(self, vm, o):
        at = (o - RAM_BASE) >> 3
        function, receiver, index = vm.words[at + 1 : at + 4]
        try:
            item = vm.call(function, [receiver, index] if receiver else [index])
        except GuestError as error:
            if vm.type_word(error.obj) in (vm.exception_word("StopIteration"),
                                           vm.exception_word("IndexError")):
                return NULL
            raise
        vm.words[at + 3] = index + 2
        return item


# C stack that one iterator within another takes: its own frame and the one of the generic step
# with its exception buffer (a guess from the sizes on the 64-bit chip).
NESTED_OVERHEAD = 320
_R_STACK, _R_STACK_MIN = 4, 11  # registers, see frames.py


def _inner_next(vm, it: int) -> int:
    """The next item of an iterator inside another; RuntimeError when they are nested too deep."""
    depth = vm.__dict__.get("nested_iterators", 0)
    if depth * NESTED_OVERHEAD > vm.R[_R_STACK] - vm.R[_R_STACK_MIN]:
        raise vm.error("RuntimeError", "maximum recursion depth exceeded")
    vm.nested_iterators = depth + 1
    try:
        return vm.iternext(it)
    finally:
        vm.nested_iterators = depth


class MapType(_SelfIterator):
    """`map`: type, number of iterators, function, iterators."""

    name = "map"

    def make_new(self, vm, type_word, args, kw):
        vm.check_args(_TWO_OR_MORE, len(args), len(kw))
        o = vm.new_object(type_word, 24 + 8 * (len(args) - 1))
        at = (o - RAM_BASE) >> 3
        vm.words[at + 1], vm.words[at + 2] = len(args) - 1, args[0]
        for i, arg in enumerate(args[1:]):
            vm.words[at + 3 + i] = vm.getiter(arg)
        return o

    def iternext(self, vm, o):
        require(vm, o, MapType, "map.__next__")
        at = (o - RAM_BASE) >> 3
        n, function = vm.words[at + 1], vm.words[at + 2]
        # The arguments stand in a block of the heap that is only freed at the end.
        block = vm.malloc(8 * n)
        first = (block - RAM_BASE) >> 3
        for i in range(n):
            item = _inner_next(vm, vm.words[at + 3 + i])
            if item == NULL:
                vm.free_temp(block, 8 * n)
                return NULL
            vm.words[first + i] = item
        return vm.call(function, list(vm.words[first : first + n]))


class FilterType(_SelfIterator):
    """`filter`: type, function or None, iterator."""

    name = "filter"

    def make_new(self, vm, type_word, args, kw):
        vm.check_args(_TWO, len(args), len(kw))
        o = vm.new_object(type_word, 24)
        at = (o - RAM_BASE) >> 3
        vm.words[at + 1] = args[0]
        vm.words[at + 2] = vm.getiter(args[1])
        return o

    def iternext(self, vm, o):
        require(vm, o, FilterType, "filter.__next__")
        at = (o - RAM_BASE) >> 3
        function, it = vm.words[at + 1], vm.words[at + 2]
        while True:
            item = _inner_next(vm, it)
            if item == NULL:
                return NULL
            vm.temps.append(item)
            verdict = vm.call(function, [item]) if function != L.NONE else item
            if vm.is_true(verdict):
                return item
            vm.checkpoint()


class ZipType(_SelfIterator):
    """`zip`: type, number of iterators, iterators."""

    name = "zip"

    def make_new(self, vm, type_word, args, kw):
        vm.check_args(ANY_ARGS, len(args), len(kw))
        o = vm.new_object(type_word, 16 + 8 * len(args))
        at = (o - RAM_BASE) >> 3
        vm.words[at + 1] = len(args)
        for i, arg in enumerate(args):
            vm.words[at + 2 + i] = vm.getiter(arg)
        return o

    def iternext(self, vm, o):
        require(vm, o, ZipType, "zip.__next__")
        at = (o - RAM_BASE) >> 3
        n = vm.words[at + 1]
        if n == 0:
            return NULL
        result = vm.new_tuple([NULL] * n)
        to = (result - RAM_BASE) >> 3
        for i in range(n):
            item = _inner_next(vm, vm.words[at + 2 + i])
            if item == NULL:
                vm.free_temp(result, 16 + 8 * n)
                return NULL
            vm.words[to + 2 + i] = item
        return result


class EnumerateType(_SelfIterator):
    """`enumerate`: type, iterator, next number (a host integer)."""

    name = "enumerate"

    def make_new(self, vm, type_word, args, kw):
        iterable, start = vm.parse_args(args, kw, [Arg("iterable", required=True),
                                                   Arg("start", "int", 0)])
        o = vm.new_object(type_word, 24)
        at = (o - RAM_BASE) >> 3
        vm.words[at + 1] = vm.getiter(iterable)
        vm.words[at + 2] = start
        return o

    def iternext(self, vm, o):
        require(vm, o, EnumerateType, "enumerate.__next__")
        at = (o - RAM_BASE) >> 3
        item = _inner_next(vm, vm.words[at + 1])
        if item == NULL:
            return NULL
        number = vm.words[at + 2]
        vm.words[at + 2] = number + 1
        return vm.new_tuple([(number << 1) | 1, item])


class ReversedType(_SelfIterator):
    """`reversed`: type, sequence, items left."""

    name = "reversed"

    def make_new(self, vm, type_word, args, kw):
        vm.check_args(_ONE, len(args), len(kw))
        own = vm.load_method_maybe(args[0], name_number(vm, "__reversed__"))
        if own is not None:
            return vm.call(own[0], [own[1]] if own[1] else [])
        o = vm.new_object(type_word, 24)
        at = (o - RAM_BASE) >> 3
        vm.words[at + 1] = args[0]
        vm.words[at + 2] = length_of(vm, args[0])
        return o

    def iternext(self, vm, o):
        require(vm, o, ReversedType, "reversed.__next__")
        at = (o - RAM_BASE) >> 3
        left = vm.words[at + 2]
        if left == 0:
            return NULL
        vm.words[at + 2] = left - 1
        return vm.subscr(vm.words[at + 1], ((left - 1) << 1) | 1, SENTINEL)


def length_of(vm, o: int) -> int:
    """`len(o)` as a host int; TypeError for what has none."""
    n = vm.len_of(o)
    if n is None:
        raise vm.error("TypeError", "object of type '%s' has no len()" % vm.type_name(o),
                       formatted="object of type '%s' has no len()")
    return n


def print_items(vm, items, kind: int) -> str:
    """The items of a container, separated as all of them print."""
    kind = kind if kind == ops.PRINT_JSON else ops.PRINT_REPR
    return ", ".join([vm.print_text(item, kind) for item in items])


TYPES = (Iterator, RangeIterator, DictIterator, GetItemIterator, MapType, FilterType, ZipType,
         EnumerateType, ReversedType)
