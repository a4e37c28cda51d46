"""set and frozenset: hash tables of bare words, with the rules of the dict's.

Source: micropython v1.11 py/objset.c, py/map.c.
"""

from __future__ import annotations

from k210sim.micropython import layout as L
from k210sim.micropython import ops
from k210sim.micropython.layout import NULL, RAM_BASE, SENTINEL, TYPE
from k210sim.micropython.native import GuestError, GuestType, method
from k210sim.micropython.objects import next_hash_size
from k210sim.micropython.types import iterators
from k210sim.micropython.types.sequence import UP_TO_ONE, check_self, wrapped_small

FIND, ADD, REMOVE = 0, 1, 2  # ADD | REMOVE: add it if it is missing, remove it if not


def new_set(vm, items=(), type_name: str = "set") -> int:
    """A set with a table of as many slots as there are items (0: no table), then filled."""
    items = list(items)
    o = vm.new_object(TYPE[type_name], 32)
    at = (o - RAM_BASE) >> 3
    vm.words[at + 1], vm.words[at + 2] = len(items), 0
    vm.words[at + 3] = vm.malloc(8 * len(items)) if items else 0
    for item in items:
        lookup(vm, o, item, ADD)
    return o


def set_items(vm, o: int) -> list[int]:
    """The elements in table order."""
    at = (o - RAM_BASE) >> 3
    first = (vm.words[at + 3] - RAM_BASE) >> 3 if vm.words[at + 3] else 0
    return [w for w in vm.words[first : first + vm.words[at + 1]].tolist()
            if w not in (NULL, SENTINEL)]


def lookup(vm, o: int, item: int, how: int) -> int:
    """Find, add or remove an element: its word in the table, or 0. Raises for an unhashable."""
    words = vm.words
    at = (o - RAM_BASE) >> 3
    if words[at + 1] == 0:
        if not how & ADD:
            return NULL
        _rehash(vm, o)
    h = vm.hash(item) & 0xFFFFFFFFFFFFFFFF
    while True:
        if words[at + 1] <= 0:  # emptied by the element's own __hash__ or __eq__
            if not how & ADD:
                return NULL
            _rehash(vm, o)
        alloc, first = words[at + 1], (words[at + 3] - RAM_BASE) >> 3
        start = pos = h % alloc
        free = -1
        while True:
            element = words[first + pos]
            if element == NULL:
                if not how & ADD:
                    return NULL
                return _put(vm, at, first + (pos if free < 0 else free), item)
            if element == SENTINEL:
                free = pos if free < 0 else free
            elif vm.equal(element, item):
                if how & REMOVE:
                    _delete(vm, at, pos)
                return element
            pos = pos + 1 if pos + 1 < alloc else 0
            if pos == start:
                break
        if not how & ADD:
            return NULL
        if free >= 0:
            return _put(vm, at, first + free, item)
        _rehash(vm, o)


def _put(vm, at: int, slot: int, item: int) -> int:
    vm.words[slot] = item
    vm.words[at + 2] += 1
    return item


def _delete(vm, at: int, pos: int) -> None:
    alloc, first = vm.words[at + 1], (vm.words[at + 3] - RAM_BASE) >> 3
    vm.words[at + 2] -= 1
    following = vm.words[first + (pos + 1) % alloc]
    vm.words[first + pos] = NULL if following == NULL else SENTINEL


def _rehash(vm, o: int) -> None:
    at = (o - RAM_BASE) >> 3
    old, old_alloc, old_table = set_items(vm, o), vm.words[at + 1], vm.words[at + 3]
    alloc = next_hash_size(old_alloc + 1)
    table = vm.malloc(8 * alloc)
    vm.words[at + 1], vm.words[at + 2], vm.words[at + 3] = alloc, 0, table
    for item in old:
        lookup(vm, o, item, ADD)
    if old_table:
        vm.free_temp(old_table, 8 * old_alloc)


def clear(vm, o: int) -> None:
    at = (o - RAM_BASE) >> 3
    if vm.words[at + 3]:
        vm.free_temp(vm.words[at + 3], 8 * vm.words[at + 1])
    vm.words[at + 1] = vm.words[at + 2] = vm.words[at + 3] = 0


def copy(vm, o: int) -> int:
    """A set of the same type with a copy of the table."""
    either(vm, o, "copy")
    at = (o - RAM_BASE) >> 3
    alloc = vm.words[at + 1]
    result = vm.new_object(vm.words[at], 32)
    to = (result - RAM_BASE) >> 3
    table = vm.malloc(8 * alloc) if alloc else 0
    vm.words[to + 1], vm.words[to + 2], vm.words[to + 3] = alloc, vm.words[at + 2], table
    if alloc:
        vm.memory.write(table, vm.memory.read(vm.words[at + 3], 8 * alloc))
    return result


def is_set(vm, o: int) -> bool:
    """A set or a frozenset, exactly."""
    return vm.type_word(o) in (TYPE["set"], TYPE["frozenset"])


def either(vm, o: int, name: str) -> None:
    check_self(vm, is_set(vm, o), "set." + name, o)


def mutable(vm, o: int, name: str) -> None:
    check_self(vm, vm.is_type(o, "set"), "set." + name, o)


def add_all(vm, o: int, iterable: int) -> None:
    for item in vm.iterate(iterable):
        lookup(vm, o, item, ADD)


def difference(vm, args: list[int], update: bool) -> int:
    if update:
        mutable(vm, args[0], "difference_update")
        result = args[0]
    else:
        result = copy(vm, args[0])
    for other in args[1:]:
        if other == result:
            clear(vm, result)
        else:
            for item in vm.iterate(other):
                lookup(vm, result, item, REMOVE)
    return result


def intersection(vm, o: int, other: int, update: bool) -> int:
    """The new set, or None's word after an update in place."""
    (mutable if update else either)(vm, o, "intersection")
    if o == other:
        return L.NONE if update else copy(vm, o)
    out = new_set(vm)
    for item in vm.iterate(other):
        if lookup(vm, o, item, FIND):
            lookup(vm, out, item, ADD)
    if not update:
        return out
    clear(vm, o)
    at, source = (o - RAM_BASE) >> 3, (out - RAM_BASE) >> 3
    vm.words[at + 1 : at + 4] = vm.words[source + 1 : source + 4]
    return L.NONE


def is_subset(vm, a: int, b: int, proper: bool) -> int:
    """`a <= b`; other iterables become sets for the time of the test."""
    made = []
    sides = []
    for side in (a, b):
        if not is_set(vm, side):
            side = vm.types[TYPE["set"]].make_new(vm, TYPE["set"], [side], {})
            made.append(side)
        sides.append(side)
    used = [vm.words[((side - RAM_BASE) >> 3) + 2] for side in sides]
    if proper and used[0] == used[1]:
        answer = False
    else:
        answer = all(lookup(vm, sides[1], item, FIND) for item in set_items(vm, sides[0]))
    for side in made:
        clear(vm, side)
    return vm.new_bool(answer)


def symmetric_update(vm, o: int, other: int) -> None:
    either(vm, o, "symmetric_difference")
    for item in vm.iterate(other):
        lookup(vm, o, item, ADD | REMOVE)


class SetType(GuestType):
    """Type, slots, count, table."""

    name = "set"
    frozen = False

    def print(self, vm, o, kind):
        items = set_items(vm, o)
        if not items:
            return "frozenset()" if self.frozen else "set()"
        inside = "{" + ", ".join([vm.print_text(w, ops.PRINT_REPR) for w in items]) + "}"
        return "frozenset(" + inside + ")" if self.frozen else inside

    def make_new(self, vm, type_word, args, kw):
        vm.check_args(UP_TO_ONE, len(args), len(kw))
        o = new_set(vm)
        if args:
            add_all(vm, o, args[0])
        vm.words[(o - RAM_BASE) >> 3] = type_word
        return o

    def unary_op(self, vm, op, o):
        used = vm.words[((o - RAM_BASE) >> 3) + 2]
        if op == ops.BOOL:
            return vm.new_bool(used)
        if op == ops.LEN:
            return (used << 1) | 1
        if op == ops.HASH and self.frozen:
            return wrapped_small(self.word + sum(vm.hash(w) for w in set_items(vm, o)))
        return None

    def binary_op(self, vm, op, a, b):
        if op == ops.CONTAINS:
            return vm.new_bool(lookup(vm, a, b, FIND))
        if not is_set(vm, b):
            return None
        update = not self.frozen
        if op == ops.OR or (op == ops.INPLACE_OR and not update):
            result = copy(vm, a)
            add_all(vm, result, b)
            return result
        if op == ops.XOR or (op == ops.INPLACE_XOR and not update):
            result = copy(vm, a)
            symmetric_update(vm, result, b)
            return result
        if op == ops.AND:
            return intersection(vm, a, b, False)
        if op == ops.SUBTRACT:
            return difference(vm, [a, b], False)
        if op == ops.INPLACE_OR:
            add_all(vm, a, b)
            return a
        if op == ops.INPLACE_XOR:
            symmetric_update(vm, a, b)
            return a
        if op == ops.INPLACE_AND:
            result = intersection(vm, a, b, update)
            return a if update else result
        if op == ops.INPLACE_SUBTRACT:
            return difference(vm, [a, b], update)
        if op == ops.LESS:
            return is_subset(vm, a, b, True)
        if op == ops.MORE:
            return is_subset(vm, b, a, True)
        if op == ops.LESS_EQUAL:
            return is_subset(vm, a, b, False)
        if op == ops.MORE_EQUAL:
            return is_subset(vm, b, a, False)
        if op == ops.EQUAL:
            used = [vm.words[((o - RAM_BASE) >> 3) + 2] for o in (a, b)]
            return is_subset(vm, a, b, False) if used[0] == used[1] else L.FALSE
        return None

    def getiter(self, vm, o):
        return iterators.new_iterator(vm, iterators.SET, o)

    @method(2)
    def add(vm, self, item):
        mutable(vm, self, "add")
        lookup(vm, self, item, ADD)

    @method(1, name="clear")
    def clear_(vm, self):
        mutable(vm, self, "clear")
        clear(vm, self)

    @method(1, name="copy")
    def copy_(vm, self):
        return copy(vm, self)

    @method(2)
    def discard(vm, self, item):
        mutable(vm, self, "discard")
        lookup(vm, self, item, REMOVE)

    @method(1, None, name="difference")
    def difference_(vm, *args):
        return difference(vm, list(args), False)

    @method(1, None)
    def difference_update(vm, *args):
        difference(vm, list(args), True)

    @method(2, name="intersection")
    def intersection_(vm, self, other):
        return intersection(vm, self, other, False)

    @method(2)
    def intersection_update(vm, self, other):
        return intersection(vm, self, other, True)

    @method(2)
    def isdisjoint(vm, self, other):
        either(vm, self, "isdisjoint")
        # The firmware keeps this iterator on its C stack, so the block is given back.
        it = vm.getiter(other)
        answer = L.TRUE
        while item := vm.iternext(it):
            if lookup(vm, self, item, FIND):
                answer = L.FALSE
                break
        if vm.type_name(it) == "iterator":
            vm.free_temp(it, 32)
        return answer

    @method(2)
    def issubset(vm, self, other):
        return is_subset(vm, self, other, False)

    @method(2)
    def issuperset(vm, self, other):
        return is_subset(vm, other, self, False)

    @method(1)
    def pop(vm, self):
        mutable(vm, self, "pop")
        at = (self - RAM_BASE) >> 3
        first = (vm.words[at + 3] - RAM_BASE) >> 3
        for pos in range(vm.words[at + 1]):
            item = vm.words[first + pos]
            if item not in (NULL, SENTINEL):
                _delete(vm, at, pos)
                return item
        raise vm.error("KeyError", "pop from an empty set")

    @method(2)
    def remove(vm, self, item):
        mutable(vm, self, "remove")
        if not lookup(vm, self, item, REMOVE):
            raise GuestError(vm.make_exception(vm.exception_word("KeyError"), [item]))

    @method(2)
    def symmetric_difference(vm, self, other):
        result = copy(vm, self)
        symmetric_update(vm, result, other)
        return result

    @method(2)
    def symmetric_difference_update(vm, self, other):
        symmetric_update(vm, self, other)

    @method(2)
    def union(vm, self, other):
        result = copy(vm, self)
        add_all(vm, result, other)
        return result

    @method(1, None)
    def update(vm, self, *others):
        mutable(vm, self, "update")
        for other in others:
            add_all(vm, self, other)

    @method(2, name="__contains__")
    def contains(vm, self, item):
        return vm.binary_op(ops.IN, item, self)


class FrozenSetType(SetType):
    """As set, without the methods that change it, and with a hash."""

    name = "frozenset"
    frozen = True
    constants = {name: SetType.locals[name] for name in (
        "copy", "difference", "intersection", "isdisjoint", "issubset", "issuperset",
        "symmetric_difference", "union", "__contains__")}


TYPES = (SetType, FrozenSetType)
