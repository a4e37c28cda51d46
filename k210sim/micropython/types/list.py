"""list. Its sort is the firmware's quicksort: not stable, and the order shows.

Source: micropython v1.11 py/objlist.c (growth, order of comparisons, messages).
"""

from __future__ import annotations

from k210sim.errors import NotSimulated
from k210sim.micropython import layout as L
from k210sim.micropython import ops
from k210sim.micropython.layout import NULL, RAM_BASE, SENTINEL
from k210sim.micropython.native import Arg, GuestType, method
from k210sim.micropython.types import iterators
from k210sim.micropython.types.sequence import (
    COMPARISONS,
    UP_TO_ONE,
    compare,
    count_of,
    extract,
    get_index,
    index_number,
    index_of,
    require,
    slice_bounds,
)
from k210sim.micropython.types.tuple import check_size

MIN_ALLOC = 4


class ListType(GuestType):
    """Type, slots, length, table of items."""

    name = "list"

    def print(self, vm, o, kind):
        return "[" + iterators.print_items(vm, vm.items_of(o), kind) + "]"

    def make_new(self, vm, type_word, args, kw):
        vm.check_args(UP_TO_ONE, len(args), len(kw))
        result = vm.new_list()
        if args:
            extend_from(vm, result, args[0])
        return result

    def unary_op(self, vm, op, o):
        n = vm.words[((o - RAM_BASE) >> 3) + 2]
        if op == ops.BOOL:
            return vm.new_bool(n)
        return (n << 1) | 1 if op == ops.LEN else None

    def binary_op(self, vm, op, a, b):
        if op == ops.ADD:
            return vm.new_list(vm.items_of(a) + vm.items_of(b)) if vm.is_type(b, "list") else None
        if op == ops.INPLACE_ADD:
            extend(vm, a, b)
            return a
        if op == ops.MULTIPLY:
            n = index_number(vm, b)
            if n is None:
                return None
            items = vm.items_of(a)
            n = max(n, 0) if items else 0
            if 8 * len(items) * n > 8 * vm.heap.size:
                vm.malloc(32)  # the header is there before the table fails
                check_size(vm, 8 * len(items) * n)
            return vm.new_list(items * n)
        if op in COMPARISONS:
            if not vm.is_type(b, "list"):
                return L.FALSE if op == ops.EQUAL else None
            return vm.new_bool(compare(vm, op, vm.items_of(a), vm.items_of(b)))
        return None

    def subscr(self, vm, o, index, value):
        if vm.is_type(index, "slice"):
            return _slice(vm, o, index, value)
        if value == L.NULL:
            _pop(vm, o, index)
            return L.NONE
        at = (o - RAM_BASE) >> 3
        slot = ((vm.words[at + 3] - RAM_BASE) >> 3) \
            + get_index(vm, self.name, vm.words[at + 2], index)
        if value == SENTINEL:
            return vm.words[slot]
        vm.words[slot] = value
        return L.NONE

    def getiter(self, vm, o):
        return iterators.new_iterator(vm, iterators.LIST, o)

    @method(2)
    def append(vm, self, item):
        require(vm, self, ListType, "list.append")
        vm.list_append(self, item)

    @method(1)
    def clear(vm, self):
        require(vm, self, ListType, "list.clear")
        at = (self - RAM_BASE) >> 3
        words = vm.words
        words[at + 2] = 0
        table = vm.realloc(words[at + 3], 8 * words[at + 1], 8 * MIN_ALLOC)
        words[at + 1], words[at + 3] = MIN_ALLOC, table
        for i in range(MIN_ALLOC):
            words[((table - RAM_BASE) >> 3) + i] = 0

    @method(1)
    def copy(vm, self):
        require(vm, self, ListType, "list.copy")
        return vm.new_list(vm.items_of(self))

    @method(2)
    def count(vm, self, value):
        require(vm, self, ListType, "list.count")
        return count_of(vm, vm.items_of(self), value)

    @method(2, name="extend")
    def extend_(vm, self, other):
        require(vm, self, ListType, "list.extend")
        extend(vm, self, other)

    @method(2, 4)
    def index(vm, self, *args):
        require(vm, self, ListType, "list.index")
        return index_of(vm, vm.items_of(self), [self, *args])

    @method(3)
    def insert(vm, self, index, item):
        require(vm, self, ListType, "list.insert")
        # The firmware takes the bits of the word for a number, whatever the type.
        n = vm.words[((self - RAM_BASE) >> 3) + 2]
        i = index >> 1
        if i < 0:
            i += n
        i = min(max(i, 0), n)
        vm.list_append(self, L.NONE)
        first = (vm.words[((self - RAM_BASE) >> 3) + 3] - RAM_BASE) >> 3
        vm.words[first + i + 1 : first + n + 1] = vm.words[first + i : first + n]
        vm.words[first + i] = item

    @method(1, 2)
    def pop(vm, self, index=-1):
        require(vm, self, ListType, "list.pop")
        return _pop(vm, self, index)

    @method(2)
    def remove(vm, self, value):
        require(vm, self, ListType, "list.remove")
        _pop(vm, self, index_of(vm, vm.items_of(self), [self, value]))

    @method(1)
    def reverse(vm, self):
        require(vm, self, ListType, "list.reverse")
        _store(vm, self, vm.items_of(self)[::-1])

    @method(1, kw=True)
    def sort(vm, args, kw):
        require(vm, args[0], ListType, "list.sort")
        sort(vm, args[0], args[1:], kw)


# A missing index of `pop` is the small int -1, which happens to be the word -1.


def _store(vm, o: int, items: list[int]) -> None:
    first = (vm.words[((o - RAM_BASE) >> 3) + 3] - RAM_BASE) >> 3
    for i, item in enumerate(items):
        vm.words[first + i] = item


def extend_from(vm, o: int, iterable: int) -> None:
    """Append what an iterable gives."""
    for item in vm.iterate(iterable):
        vm.list_append(o, item)


def extend(vm, o: int, other: int) -> None:
    """`o.extend(other)`; from a list the table grows once, with four slots to spare."""
    if not vm.is_type(other, "list"):
        extend_from(vm, o, other)
        return
    words = vm.words
    at = (o - RAM_BASE) >> 3
    n, items = words[at + 2], vm.items_of(other)
    total = n + len(items)
    if total > words[at + 1]:
        table = vm.realloc(words[at + 3], 8 * words[at + 1], 8 * (total + 4))
        words[at + 1], words[at + 3] = total + 4, table
        for i in range(total, total + 4):
            words[((table - RAM_BASE) >> 3) + i] = 0
    first = (words[at + 3] - RAM_BASE) >> 3
    for i, item in enumerate(items):
        words[first + n + i] = item
    words[at + 2] = total


def _pop(vm, o: int, index: int) -> int:
    words = vm.words
    at = (o - RAM_BASE) >> 3
    alloc, n, table = words[at + 1], words[at + 2], words[at + 3]
    if n == 0:
        raise vm.error("IndexError", "pop from empty list")
    i = get_index(vm, "list", n, index)
    first = (table - RAM_BASE) >> 3
    item = words[first + i]
    n -= 1
    words[first + i : first + n] = words[first + i + 1 : first + n + 1]
    words[at + 2], words[first + n] = n, 0
    if alloc > MIN_ALLOC and alloc > 2 * n:
        words[at + 3] = vm.realloc(table, 8 * alloc, 8 * (alloc // 2))
        words[at + 1] = alloc // 2
    return item


def _slice(vm, o: int, index: int, value: int) -> int:
    """Load, store or delete a slice."""
    words = vm.words
    at = (o - RAM_BASE) >> 3
    n = words[at + 2]
    items = vm.items_of(o)
    new = [] if value in (L.NULL, SENTINEL) else vm.get_array(value)
    start, stop, step = slice_bounds(vm, n, index)
    if value == SENTINEL:
        if step != 1:
            return extract(vm, items, (start, stop, step))
        return vm.new_list(items[start:stop])
    if step != 1:
        raise vm.error("NotImplementedError")
    result = items[:start] + new + items[stop:]
    if len(result) > words[at + 1]:
        words[at + 3] = vm.realloc(words[at + 3], 8 * words[at + 1], 8 * len(result))
        words[at + 1] = len(result)
    _store(vm, o, result + [0] * max(0, n - len(result)))
    words[at + 2] = len(result)
    return L.NONE


SORT_ARGS = [Arg("key", kw_only=True), Arg("reverse", "bool", False, kw_only=True)]


def sort(vm, o: int, args: list[int], kw: dict[int, int]) -> None:
    """Sort a list in place; args are positional ones beyond the list (an error)."""
    key, reverse = vm.parse_args(args, kw, SORT_ARGS)
    table = vm.words[((o - RAM_BASE) >> 3) + 3]
    n = vm.words[((o - RAM_BASE) >> 3) + 2]
    if n > 1:
        _quicksort(vm, (table - RAM_BASE) >> 3, 0, n - 1, 0 if key == L.NONE else key,
                   L.FALSE if reverse else L.TRUE)


def _quicksort(vm, base: int, low: int, high: int, key: int, wanted: int) -> None:
    """Sort the words at base+low .. base+high; `wanted` is the answer of `<` that keeps order.

    The pivot is the last item, the smaller part is done first; the key function is called
    anew for each comparison. These choices decide the order of equal items.
    """
    words = vm.words

    def keyed(i: int) -> int:
        return vm.call(key, [words[base + i]]) if key else words[base + i]

    while low < high:
        pivot = keyed(high)
        vm.temps.append(pivot)
        h, t = low - 1, high
        while True:
            h += 1
            while h < t and _less(vm, keyed(h), pivot) == wanted:
                h += 1
            t -= 1
            while h < t and _less(vm, pivot, keyed(t)) == wanted:
                t -= 1
            if h >= t:
                break
            words[base + h], words[base + t] = words[base + t], words[base + h]
        words[base + h], words[base + high] = words[base + high], words[base + h]
        if t - low < high - h - 1:
            _quicksort(vm, base, low, t, key, wanted)
            low = h + 1
        else:
            _quicksort(vm, base, h + 1, high, key, wanted)
            high = t
        vm.checkpoint()


def _less(vm, a: int, b: int) -> int:
    if a & 1 and b & 1:
        return L.TRUE if a < b else L.FALSE
    if a == NULL or b == NULL:
        raise NotSimulated("sorting a list that its own key or comparison empties",
                           "the firmware reads through a null pointer")
    return vm.binary_op(ops.LESS, a, b)


TYPES = (ListType,)
