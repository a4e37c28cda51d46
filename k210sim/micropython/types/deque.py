"""ucollections.deque: type, slots, place to take from, place to put, table, flags (48 bytes).

Source: micropython v1.11 py/objdeque.c.
"""

from __future__ import annotations

from k210sim.micropython import layout as L
from k210sim.micropython import ops
from k210sim.micropython.layout import RAM_BASE
from k210sim.micropython.native import GuestType, NativeFunction, method
from k210sim.micropython.types.sequence import require

CHECK_OVERFLOW = 1
_TWO_OR_THREE = NativeFunction("", None, 2, 3)
_ALLOC, _GET, _PUT, _TABLE, _FLAGS = 1, 2, 3, 4, 5


class DequeType(GuestType):
    name = "deque"

    def make_new(self, vm, type_word, args, kw):
        vm.check_args(_TWO_OR_THREE, len(args), len(kw))
        if args[0] != L.EMPTY_TUPLE:
            raise vm.error("ValueError")
        longest = vm.get_int(args[1])
        if longest < 0:
            raise vm.error("ValueError")
        o = vm.new_object(type_word, 48)
        at = (o - RAM_BASE) >> 3
        vm.words[at + _ALLOC] = longest + 1
        vm.words[at + _TABLE] = vm.malloc(8 * (longest + 1))
        if len(args) > 2:
            vm.words[at + _FLAGS] = vm.get_int(args[2]) & 0xFFFFFFFF
        return o

    def unary_op(self, vm, op, o):
        at = (o - RAM_BASE) >> 3
        alloc, get, put = vm.words[at + _ALLOC : at + _TABLE]
        if op == ops.BOOL:
            return vm.new_bool(get != put)
        return ((put - get) % alloc << 1) | 1 if op == ops.LEN else None

    @method(2)
    def append(vm, self, item):
        require(vm, self, DequeType, "deque.append")
        words = vm.words
        at = (self - RAM_BASE) >> 3
        alloc, get, put = words[at + _ALLOC : at + _TABLE]
        following = (put + 1) % alloc
        if words[at + _FLAGS] & CHECK_OVERFLOW and following == get:
            raise vm.error("IndexError", "full")
        words[((words[at + _TABLE] - RAM_BASE) >> 3) + put] = item
        words[at + _PUT] = following
        if get == following:
            words[at + _GET] = (get + 1) % alloc

    @method(1)
    def popleft(vm, self):
        require(vm, self, DequeType, "deque.popleft")
        words = vm.words
        at = (self - RAM_BASE) >> 3
        alloc, get, put = words[at + _ALLOC : at + _TABLE]
        if get == put:
            raise vm.error("IndexError", "empty")
        slot = ((words[at + _TABLE] - RAM_BASE) >> 3) + get
        item, words[slot] = words[slot], 0
        words[at + _GET] = (get + 1) % alloc
        return item


TYPES = (DequeType,)
