"""What the sequence types share: indexes, slices, comparison, searching, checks of `self`.

Source: micropython v1.11 py/sequence.c, py/obj.c (rules and messages).
"""

from __future__ import annotations

from k210sim.errors import NotSimulated
from k210sim.micropython import layout as L
from k210sim.micropython import ops
from k210sim.micropython.layout import RAM_BASE
from k210sim.micropython.native import NativeFunction

NO_ARGS = NativeFunction("", None, 0, 0)
UP_TO_ONE = NativeFunction("", None, 0, 1)
ANY_ARGS = NativeFunction("", None, 0, None)

# How deep containers may compare into each other. The firmware does not check here; a deeper
# comparison overruns its C stack, which we turn into the error it gives elsewhere (a guess).
MAX_COMPARE_DEPTH = 200

COMPARISONS = frozenset((ops.EQUAL, ops.LESS, ops.LESS_EQUAL, ops.MORE, ops.MORE_EQUAL))


def check_self(vm, good: bool, method: str, o: int) -> None:
    """A method reached through its type was given another object: the firmware stops dead at an
    assertion, so there is nothing to simulate."""
    if not good:
        raise NotSimulated(f"{method} of a {vm.type_name(o) or 'nameless'} object",
                           "the firmware halts at an assertion")


def require(vm, o: int, cls, method: str) -> None:
    """`o` must be of the built-in type `cls` (or one declared as a subclass of it)."""
    check_self(vm, isinstance(vm.type_of(o), cls), method, o)


def index_number(vm, o: int) -> int | None:
    """Host value of an int or bool index, None for other types."""
    return o >> 1 if o & 1 else vm.int_value(o)


def get_index(vm, type_name: str, length: int, index: int, is_slice: bool = False) -> int:
    """Position in a sequence for an index word; IndexError outside, TypeError for no integer.

    `is_slice`: a bound of a range, which is clamped instead.
    """
    i = index_number(vm, index)
    if i is None:
        raise vm.error("TypeError", "%s indices must be integers, not %s"
                       % (type_name, vm.type_name(index)),
                       formatted="%q indices must be integers, not %s")
    if i < 0:
        i += length
    if is_slice:
        return min(max(i, 0), length)
    if not 0 <= i < length:
        raise vm.error("IndexError", "%s index out of range" % type_name,
                       formatted="%q index out of range")
    return i


def slice_parts(vm, index: int) -> tuple[int, int, int]:
    """Start, stop and step words of a slice object."""
    at = (index - RAM_BASE) >> 3
    return vm.words[at + 1], vm.words[at + 2], vm.words[at + 3]


def slice_bounds(vm, length: int, index: int) -> tuple[int, int, int]:
    """(start, stop, step) of a slice over `length` items, clamped.

    With a negative step the stop is the last position included. ValueError for a zero step.
    """
    start_word, stop_word, step_word = slice_parts(vm, index)
    step = 1
    if step_word not in (L.NONE, 3):
        step = vm.get_int(step_word)
        if step == 0:
            raise vm.error("ValueError", "slice step cannot be zero")
    if start_word == L.NONE:
        start = 0 if step > 0 else length - 1
    else:
        start = vm.get_int(start_word)
    if stop_word == L.NONE:
        stop = length if step > 0 else 0
    else:
        stop = vm.get_int(stop_word)
        if stop >= 0 and step < 0:
            stop += 1
    if start < 0:
        start += length
        if start < 0:
            start = -1 if step < 0 else 0
    elif step > 0 and start > length:
        start = length
    elif step < 0 and start >= length:
        start = length - 1
    if stop < 0:
        stop = max(stop + length, -1)
        if step < 0:
            stop += 1
    elif stop > length:
        stop = length
    if step > 0 and start > stop:
        stop = start
    elif step < 0 and start < stop:
        stop = start + 1
    return start, stop, step


def extract(vm, items: list[int], bounds: tuple[int, int, int]) -> int:
    """A new list of the items of a stepped slice, grown item by item."""
    start, stop, step = bounds
    result = vm.new_list()
    for i in range(start, stop - 1 if step < 0 else stop, step):
        vm.list_append(result, items[i])
    return result


def compare(vm, op: int, a: list[int], b: list[int]) -> bool:
    """Lexicographic comparison of item words; the first unequal pair decides."""
    if op == ops.EQUAL and len(a) != len(b):
        return False
    if op in (ops.LESS, ops.LESS_EQUAL):
        a, b = b, a
        op = ops.MORE if op == ops.LESS else ops.MORE_EQUAL
    depth = vm.__dict__.get("compare_depth", 0)
    if depth > MAX_COMPARE_DEPTH:
        raise vm.error("RuntimeError", "maximum recursion depth exceeded")
    vm.compare_depth = depth + 1
    try:
        for x, y in zip(a, b, strict=False):
            if vm.equal(x, y):
                continue
            return op != ops.EQUAL and vm.binary_op(op, x, y) == L.TRUE
    finally:
        vm.compare_depth = depth
    if len(a) != len(b):
        return len(a) > len(b)
    return op != ops.MORE


def index_of(vm, items: list[int], args: list[int]) -> int:
    """`sequence.index(value[, start[, stop]])` over the items; args includes self."""
    name = vm.type_name(args[0])
    start = get_index(vm, name, len(items), args[2], True) if len(args) > 2 else 0
    stop = get_index(vm, name, len(items), args[3], True) if len(args) > 3 else len(items)
    for i in range(start, stop):
        if vm.equal(items[i], args[1]):
            return (i << 1) | 1
    raise vm.error("ValueError", "object not in sequence")


def count_of(vm, items: list[int], value: int) -> int:
    return (sum(1 for item in items if vm.equal(item, value)) << 1) | 1


def wrapped_small(n: int) -> int:
    """The small int that the firmware's shift makes of a machine word."""
    word = ((n << 1) | 1) & 0xFFFFFFFFFFFFFFFF
    return word - (1 << 64) if word >> 63 else word
