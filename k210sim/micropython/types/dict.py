"""dict, OrderedDict and the views of a dict. The tables themselves are in objects.py.

Source: micropython v1.11 py/objdict.c.
"""

from __future__ import annotations

from k210sim.micropython import layout as L
from k210sim.micropython import ops
from k210sim.micropython.layout import NULL, RAM_BASE, SENTINEL, TYPE
from k210sim.micropython.native import GuestError, GuestType, NativeFunction, method
from k210sim.micropython.types import iterators
from k210sim.micropython.types.sequence import require

_ONE_OR_TWO = NativeFunction("", None, 1, 2, kw=True)
VIEW_NAMES = ("dict_items", "dict_keys", "dict_values")


class DictType(GuestType):
    """Type and map: flags and count, slots, table of key and value words."""

    name = "dict"

    def print(self, vm, o, kind):
        kind = kind if kind == ops.PRINT_JSON else ops.PRINT_REPR
        inside = ", ".join([vm.print_text(key, kind) + ": " + vm.print_text(value, kind)
                            for key, value in vm.dict_items(o)])
        if vm.is_type(o, "dict"):
            return "{" + inside + "}"
        return self.name + "({" + inside + "})"

    def make_new(self, vm, type_word, args, kw):
        o = vm.new_dict(0)
        at = (o - RAM_BASE) >> 3
        vm.words[at] = type_word
        if type_word == TYPE["OrderedDict"]:
            vm.words[at + 1] |= L.MAP_ORDERED
        if args or kw:
            update(vm, [o, *args], kw)
        return o

    def unary_op(self, vm, op, o):
        used = vm.map_used(o + L.DICT_MAP)
        if op == ops.BOOL:
            return vm.new_bool(used)
        return (used << 1) | 1 if op == ops.LEN else None

    def binary_op(self, vm, op, a, b):
        if op == ops.CONTAINS:
            return vm.new_bool(vm.map_find(a + L.DICT_MAP, b))
        if op != ops.EQUAL:
            return None
        if vm.is_type(a, "OrderedDict") and vm.is_type(b, "OrderedDict"):
            mine, theirs = vm.dict_items(a), vm.dict_items(b)
            return vm.new_bool(len(mine) == len(theirs) and all(
                vm.equal(x[0], y[0]) and vm.equal(x[1], y[1])
                for x, y in zip(mine, theirs, strict=True)))
        if not vm.is_type(b, "dict"):
            return L.FALSE
        if vm.map_used(a + L.DICT_MAP) != vm.map_used(b + L.DICT_MAP):
            return L.FALSE
        for key, value in vm.dict_items(a):
            slot = vm.map_find(b + L.DICT_MAP, key)
            if not slot or not vm.equal(value, vm.words[(slot - RAM_BASE) >> 3]):
                return L.FALSE
        return L.TRUE

    def subscr(self, vm, o, index, value):
        if value == SENTINEL:
            found = vm.dict_get(o, index)
            if not found:
                raise key_error(vm, index)
            return found
        if value == NULL:
            _remove(vm, o, index)
        else:
            not_fixed(vm, o)
            vm.dict_set(o, index, value)
        return L.NONE

    def getiter(self, vm, o):
        return iterators.place(vm, vm.type_of_class(iterators.DictIterator).word,
                               iterators.KEYS, o, 0)

    @method(1)
    def clear(vm, self):
        require(vm, self, DictType, "dict.clear")
        not_fixed(vm, self)
        at = (self + L.DICT_MAP - RAM_BASE) >> 3
        if vm.words[at + 2]:
            vm.free_temp(vm.words[at + 2], 16 * vm.words[at + 1])
        vm.words[at] = L.MAP_KEYS_ARE_QSTRS | (vm.words[at] & L.MAP_ORDERED)
        vm.words[at + 1] = vm.words[at + 2] = 0

    @method(1)
    def copy(vm, self):
        require(vm, self, DictType, "dict.copy")
        at = (self - RAM_BASE) >> 3
        alloc = vm.words[at + 2]
        o = vm.new_dict(alloc)
        to = (o - RAM_BASE) >> 3
        vm.words[to], vm.words[to + 1] = vm.words[at], vm.words[at + 1] & ~L.MAP_FIXED
        if alloc:
            vm.memory.write(vm.words[to + 3], vm.memory.read(vm.words[at + 3], 16 * alloc))
        return o

    @method(2, 3, kind="class")
    def fromkeys(vm, cls, iterable, value=L.NONE):
        it = vm.getiter(iterable)
        n = vm.len_of(iterable)
        o = vm.new_dict(n or 0)
        for item in iterators.steps(vm, it):
            vm.dict_set(o, item, value)
        return o

    @method(2, 3)
    def get(vm, self, key, default=L.NONE):
        require(vm, self, DictType, "dict.get")
        return vm.dict_get(self, key) or default

    @method(1)
    def items(vm, self):
        return new_view(vm, self, iterators.ITEMS)

    @method(1)
    def keys(vm, self):
        return new_view(vm, self, iterators.KEYS)

    @method(2, 3)
    def pop(vm, self, key, default=NULL):
        require(vm, self, DictType, "dict.pop")
        return _remove(vm, self, key, default)

    @method(1)
    def popitem(vm, self):
        require(vm, self, DictType, "dict.popitem")
        not_fixed(vm, self)
        at = (self + L.DICT_MAP - RAM_BASE) >> 3
        words = vm.words
        first = (words[at + 2] - RAM_BASE) >> 3
        for i in range(first, first + 2 * words[at + 1], 2):
            key, value = words[i], words[i + 1]
            if key not in (NULL, SENTINEL):
                words[at] -= 1 << 3
                words[i], words[i + 1] = SENTINEL, NULL
                return vm.new_tuple([key, value])
        raise vm.error("KeyError", "popitem(): dictionary is empty")

    @method(2, 3)
    def setdefault(vm, self, key, default=L.NONE):
        require(vm, self, DictType, "dict.setdefault")
        not_fixed(vm, self)
        slot = (vm.map_slot(self + L.DICT_MAP, key) - RAM_BASE) >> 3
        if not vm.words[slot]:
            vm.words[slot] = default
        return vm.words[slot]

    @method(1, kw=True, name="update")
    def update_(vm, args, kw):
        update(vm, args, kw)

    @method(1)
    def values(vm, self):
        return new_view(vm, self, iterators.VALUES)

    @method(2, name="__getitem__")
    def get_item(vm, self, key):
        return vm.subscr(self, key, SENTINEL)

    @method(3, name="__setitem__")
    def set_item(vm, self, key, value):
        return vm.subscr(self, key, value)

    @method(2, name="__delitem__")
    def delete_item(vm, self, key):
        return vm.subscr(self, key, NULL)


class OrderedDictType(DictType):
    """As dict, with a flag that makes the table a list."""

    name = "OrderedDict"
    parent = DictType
    constants = DictType.locals


def key_error(vm, key: int) -> GuestError:
    return GuestError(vm.make_exception(vm.exception_word("KeyError"), [key]))


def not_fixed(vm, o: int) -> None:
    """Tables of the image cannot be changed."""
    if vm.words[(o + L.DICT_MAP - RAM_BASE) >> 3] & L.MAP_FIXED:
        raise vm.error("TypeError")


def _remove(vm, o: int, key: int, default: int = NULL) -> int:
    not_fixed(vm, o)
    value = vm.map_remove(o + L.DICT_MAP, key)
    if value or default:
        return value or default
    raise key_error(vm, key)


def update(vm, args: list[int], kw: dict[int, int]) -> None:
    """`dict.update(self[, mapping or pairs], **kw)`."""
    o = args[0]
    require(vm, o, DictType, "dict.update")
    not_fixed(vm, o)
    vm.check_args(_ONE_OR_TWO, len(args), len(kw))
    if len(args) == 2:
        other = args[1]
        if isinstance(vm.type_of(other), DictType):
            if other != o:
                for key, value in vm.dict_items(other):
                    vm.dict_set(o, key, value)
        else:
            for pair in vm.iterate(other):
                it = vm.getiter(pair)
                words = [vm.iternext(it) for _ in range(3)]
                vm.temps += [w for w in words if w]
                if not words[0] or not words[1] or words[2]:
                    raise vm.error("ValueError", "dict update sequence has wrong length")
                vm.dict_set(o, words[0], words[1])
    for number, value in kw.items():
        vm.dict_set(o, (number << 2) | 2, value)


class DictView(GuestType):
    """What items(), keys() and values() give: type, dict, kind."""

    name = "dict_view"

    def print(self, vm, o, kind):
        at = (o - RAM_BASE) >> 3
        d, view = vm.words[at + 1], vm.words[at + 2]
        parts = []
        for key, value in vm.dict_items(d):
            if view == iterators.ITEMS:
                # Printing makes the pairs, as iterating does.
                item = vm.new_tuple([key, value])
            else:
                item = key if view == iterators.KEYS else value
            parts.append(vm.print_text(item, ops.PRINT_REPR))
        return VIEW_NAMES[view] + "([" + ", ".join(parts) + "])"

    def binary_op(self, vm, op, a, b):
        at = (a - RAM_BASE) >> 3
        if vm.words[at + 2] != iterators.KEYS or op != ops.CONTAINS:
            return None
        return vm.new_bool(vm.map_find(vm.words[at + 1] + L.DICT_MAP, b))

    def getiter(self, vm, o):
        at = (o - RAM_BASE) >> 3
        return iterators.place(vm, vm.type_of_class(iterators.DictIterator).word,
                               vm.words[at + 2], vm.words[at + 1], 0)


def new_view(vm, d: int, kind: int) -> int:
    """A view of a dict: iterators.ITEMS, KEYS or VALUES."""
    require(vm, d, DictType, "dict." + VIEW_NAMES[kind][5:])
    o = vm.new_object(TYPE["dict_view"], 24)
    at = (o - RAM_BASE) >> 3
    vm.words[at + 1], vm.words[at + 2] = d, kind
    return o


TYPES = (DictType, OrderedDictType, DictView)
