"""`ucollections`. Source: micropython v1.11 py/modcollections.c."""

from __future__ import annotations

from k210sim.micropython.native import GuestModule
from k210sim.micropython.types.deque import DequeType
from k210sim.micropython.types.dict import OrderedDictType
from k210sim.micropython.types.namedtuple import new_namedtuple_type

module = GuestModule("ucollections")


@module.function(2)
def namedtuple(vm, name, fields):
    return new_namedtuple_type(vm, name, fields)


module.add_type(DequeType)
module.add_type(OrderedDictType)
