"""range objects.

Source: micropython v1.11 py/objrange.c.
"""

from __future__ import annotations

from k210sim.micropython import ops
from k210sim.micropython.layout import RAM_BASE, SENTINEL, TYPE
from k210sim.micropython.native import GuestType, NativeFunction
from k210sim.micropython.types import iterators
from k210sim.micropython.types.sequence import get_index, slice_bounds, wrapped_small

_ONE_TO_THREE = NativeFunction("", None, 1, 3)


def _numbers(vm, o: int) -> tuple[int, int, int]:
    """Start, stop, step as host integers."""
    at = (o - RAM_BASE) >> 3
    return vm.words[at + 1], vm.words[at + 2], vm.words[at + 3]


def _length(start: int, stop: int, step: int) -> int:
    return len(range(start, stop, step))


def _new_range(vm, type_word: int) -> int:
    return vm.new_object(type_word, 32)


class RangeType(GuestType):
    """Type, start, stop, step as machine integers."""

    name = "range"

    def print(self, vm, o, kind):
        start, stop, step = (_as_c_int(n) for n in _numbers(vm, o))
        return "range(%d, %d%s)" % (start, stop, "" if step == 1 else ", %d" % step)

    def make_new(self, vm, type_word, args, kw):
        vm.check_args(_ONE_TO_THREE, len(args), len(kw))
        o = _new_range(vm, type_word)
        at = (o - RAM_BASE) >> 3
        numbers = [vm.get_int(arg) for arg in args]
        if len(numbers) == 1:
            numbers.insert(0, 0)
        if len(numbers) == 2:
            numbers.append(1)
        if numbers[2] == 0:
            raise vm.error("ValueError", "zero step")
        vm.words[at + 1], vm.words[at + 2], vm.words[at + 3] = numbers
        return o

    def unary_op(self, vm, op, o):
        if op == ops.BOOL:
            return vm.new_bool(_length(*_numbers(vm, o)))
        return wrapped_small(_length(*_numbers(vm, o))) if op == ops.LEN else None

    def subscr(self, vm, o, index, value):
        if value != SENTINEL:
            return None
        start, stop, step = _numbers(vm, o)
        n = _length(start, stop, step)
        if not vm.is_type(index, "slice"):
            return wrapped_small(start + get_index(vm, self.name, n, index) * step)
        first, last, stride = slice_bounds(vm, n, index)
        result = _new_range(vm, TYPE["range"])
        at = (result - RAM_BASE) >> 3
        vm.words[at + 1] = start + first * step
        # With a negative stride the bound is inclusive.
        vm.words[at + 2] = start + last * step - (step if stride < 0 else 0)
        vm.words[at + 3] = stride * step
        return result

    def getiter(self, vm, o):
        return iterators.place(vm, vm.type_of_class(iterators.RangeIterator).word,
                               *_numbers(vm, o))

    def load_attr(self, vm, o, qstr):
        name = vm.qstrs.text[qstr]
        if name not in (b"start", b"stop", b"step"):
            return None
        return vm.new_int(_numbers(vm, o)[(b"start", b"stop", b"step").index(name)])


def _as_c_int(n: int) -> int:
    """The port prints these with a 32-bit format."""
    n &= 0xFFFFFFFF
    return n - (1 << 32) if n >> 31 else n


TYPES = (RangeType,)
