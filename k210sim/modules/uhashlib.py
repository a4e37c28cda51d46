"""`uhashlib`: SHA-256 by the chip's one hashing engine.

Starting a hash resets the engine, so objects used in turns spoil each other on the board, and a
digest ends its object; both raise NotSimulated here instead of inventing the garbage. Source:
MaixPy v0.6.3 port/src/moduhashlib_maixpy.c (functions and their order, object size).
"""

from __future__ import annotations

import hashlib

from k210sim.errors import NotSimulated
from k210sim.micropython.native import GuestModule, GuestType, NativeFunction, method
from k210sim.micropython.textargs import buffer_bytes
from k210sim.micropython.vstr import built_string

module = GuestModule("uhashlib")

OBJECT_BYTES = 96
_UP_TO_ONE = NativeFunction("sha256", None, 0, 1)


def _engine(vm, o: int, call: str):
    """The running hash of an object, which must be the one the engine works on."""
    if vm.__dict__.get("sha_owner") != o:
        raise NotSimulated(f"uhashlib.sha256.{call} after another use of the hashing engine")
    state = vm.host(o)
    if state is None:
        raise NotSimulated(f"uhashlib.sha256.{call} after digest()")
    return state


class Sha256(GuestType):
    """One SHA-256 being computed."""

    name = "sha256"

    def make_new(self, vm, type_word, args, kw):
        vm.check_args(_UP_TO_ONE, len(args), len(kw))
        o = vm.new_host_object(self, hashlib.sha256(), OBJECT_BYTES)
        vm.sha_owner = o
        if args:
            _engine(vm, o, "update").update(buffer_bytes(vm, args[0]))
        return o

    def finalise(self, vm, o, host_value):
        if vm.__dict__.get("sha_owner") == o:
            vm.sha_owner = 0

    @method(2)
    def update(vm, self, data):
        raw = buffer_bytes(vm, data)
        _engine(vm, self, "update").update(raw)

    @method(1)
    def digest(vm, self):
        result = _engine(vm, self, "digest").digest()
        vm.host_values[self] = None
        return built_string(vm, result, "bytes")

    @method(2)
    def calculate_hard(vm, self, data):
        raw = buffer_bytes(vm, data)
        vm.sha_owner = 0
        return built_string(vm, hashlib.sha256(raw).digest(), "bytes")


module.add_type(Sha256)
