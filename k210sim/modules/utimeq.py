"""`utimeq`: a queue of callbacks by tick time. Source: micropython v1.11 extmod/modutimeq.c."""

from __future__ import annotations

from k210sim.micropython import layout as L
from k210sim.micropython import ops
from k210sim.micropython.layout import RAM_BASE
from k210sim.micropython.native import GuestModule, GuestType, NativeFunction, method
from k210sim.micropython.types.sequence import require, wrapped_small

PERIOD = 1 << 62  # of ticks
_ONE = NativeFunction("", None, 1, 1)
_ENTRY = 4  # words: time, serial number, callback, arguments


def _before(a, b) -> bool:
    """Is entry `a` due before `b`, times being on a ring."""
    distance = b[0] - a[0]
    if distance == 0:
        return a[1] < b[1]
    if distance < 0:
        distance += PERIOD
    return 0 < distance < PERIOD // 2


class UtimeqType(GuestType):
    """Type, slots, length, entries."""

    name = "utimeq"

    def make_new(self, vm, type_word, args, kw):
        vm.check_args(_ONE, len(args), len(kw))
        alloc = vm.get_int(args[0])
        o = vm.new_object(type_word, (24 + 8 * _ENTRY * alloc) & 0xFFFFFFFFFFFFFFFF)
        vm.words[((o - RAM_BASE) >> 3) + 1] = alloc
        return o

    def unary_op(self, vm, op, o):
        n = vm.words[((o - RAM_BASE) >> 3) + 2]
        if op == ops.BOOL:
            return vm.new_bool(n)
        return (n << 1) | 1 if op == ops.LEN else None

    @method(4)
    def push(vm, self, time, callback, args):
        require(vm, self, UtimeqType, "utimeq.push")
        at = (self - RAM_BASE) >> 3
        entries = _load(vm, self)
        if len(entries) == vm.words[at + 1]:
            raise vm.error("IndexError", "queue overflow")
        # Serial numbers go on over all queues, and over soft resets.
        serial = vm.utimeq_serial = vm.__dict__.get("utimeq_serial", -1) + 1
        entries.append((time >> 1, serial, callback, args))
        _up(entries, 0, len(entries) - 1)
        _save(vm, self, entries)

    @method(2)
    def pop(vm, self, result):
        require(vm, self, UtimeqType, "utimeq.pop")
        entries = _load(vm, self)
        if not entries:
            raise vm.error("IndexError", "empty heap")
        if not vm.is_type(result, "list") or len(vm.items_of(result)) < 3:
            raise vm.error("TypeError")
        first = (vm.words[((result - RAM_BASE) >> 3) + 3] - RAM_BASE) >> 3
        due = entries[0]
        vm.words[first] = wrapped_small(due[0])
        vm.words[first + 1], vm.words[first + 2] = due[2], due[3]
        last = entries.pop()
        if entries:
            entries[0] = last
            _down(entries, 0)
        _save(vm, self, entries)

    @method(1)
    def peektime(vm, self):
        require(vm, self, UtimeqType, "utimeq.peektime")
        entries = _load(vm, self)
        if not entries:
            raise vm.error("IndexError", "empty heap")
        return wrapped_small(entries[0][0])


def _load(vm, o: int) -> list[tuple[int, int, int, int]]:
    at = (o - RAM_BASE) >> 3
    n = vm.words[at + 2]
    return [tuple(vm.words[at + 3 + _ENTRY * i : at + 3 + _ENTRY * (i + 1)]) for i in range(n)]


def _save(vm, o: int, entries) -> None:
    at = (o - RAM_BASE) >> 3
    old = vm.words[at + 2]
    for i in range(max(old, len(entries))):
        entry = entries[i] if i < len(entries) else (0, 0, L.NULL, L.NULL)
        for j, word in enumerate(entry):
            vm.words[at + 3 + _ENTRY * i + j] = word
    vm.words[at + 2] = len(entries)


def _up(entries, start: int, pos: int) -> None:
    item = entries[pos]
    while pos > start:
        parent = (pos - 1) >> 1
        if not _before(item, entries[parent]):
            break
        entries[pos] = entries[parent]
        pos = parent
    entries[pos] = item


def _down(entries, pos: int) -> None:
    start, item = pos, entries[pos]
    child = 2 * pos + 1
    while child < len(entries):
        if child + 1 < len(entries) and not _before(entries[child], entries[child + 1]):
            child += 1
        entries[pos] = entries[child]
        pos = child
        child = 2 * pos + 1
    entries[pos] = item
    _up(entries, start, pos)


module = GuestModule("utimeq")
module.add_type(UtimeqType)
