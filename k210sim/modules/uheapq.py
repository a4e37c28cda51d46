"""`uheapq`: a priority queue in a list. Source: micropython v1.11 extmod/moduheapq.c."""

from __future__ import annotations

from k210sim.micropython import layout as L
from k210sim.micropython import ops
from k210sim.micropython.layout import RAM_BASE
from k210sim.micropython.native import GuestModule

module = GuestModule("uheapq")


def _heap(vm, o: int) -> None:
    if not vm.is_type(o, "list"):
        raise vm.error("TypeError", "heap must be a list")


def _items(vm, heap: int) -> tuple[int, int]:
    """Index of the first item in `vm.words`, and the length."""
    at = (heap - RAM_BASE) >> 3
    return (vm.words[at + 3] - RAM_BASE) >> 3, vm.words[at + 2]


def _less(vm, a: int, b: int) -> int:
    return vm.binary_op(ops.LESS, a, b)


def _towards_root(vm, heap: int, start: int, pos: int) -> None:
    words = vm.words
    item = words[_items(vm, heap)[0] + pos]
    while pos > start:
        parent_pos = (pos - 1) >> 1
        parent = words[_items(vm, heap)[0] + parent_pos]
        if _less(vm, item, parent) != L.TRUE:
            break
        words[_items(vm, heap)[0] + pos] = parent
        pos = parent_pos
    words[_items(vm, heap)[0] + pos] = item


def _towards_leaves(vm, heap: int, pos: int) -> None:
    words = vm.words
    start = pos
    end = _items(vm, heap)[1]
    item = words[_items(vm, heap)[0] + pos]
    vm.temps.append(item)
    child = 2 * pos + 1
    while child < end:
        first = _items(vm, heap)[0]
        if child + 1 < end and _less(vm, words[first + child],
                                     words[first + child + 1]) == L.FALSE:
            child += 1
        first = _items(vm, heap)[0]
        words[first + pos] = words[first + child]
        pos = child
        child = 2 * pos + 1
    words[_items(vm, heap)[0] + pos] = item
    _towards_root(vm, heap, start, pos)


@module.function(2)
def heappush(vm, heap, item):
    _heap(vm, heap)
    vm.list_append(heap, item)
    _towards_root(vm, heap, 0, _items(vm, heap)[1] - 1)


@module.function(1)
def heappop(vm, heap):
    _heap(vm, heap)
    first, n = _items(vm, heap)
    if n == 0:
        raise vm.error("IndexError", "empty heap")
    item = vm.words[first]
    n -= 1
    vm.words[((heap - RAM_BASE) >> 3) + 2] = n
    vm.words[first] = vm.words[first + n]
    vm.words[first + n] = 0
    vm.temps.append(item)
    if n:
        _towards_leaves(vm, heap, 0)
    return item


@module.function(1)
def heapify(vm, heap):
    _heap(vm, heap)
    for i in range(_items(vm, heap)[1] // 2 - 1, -1, -1):
        _towards_leaves(vm, heap, i)
