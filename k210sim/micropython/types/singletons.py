"""None, Ellipsis and NotImplemented.

The firmware gives Ellipsis and NotImplemented one nameless type, so `type(...)` prints
`<class ''>`; here they are two types with the same empty name.
"""

from __future__ import annotations

from k210sim.micropython import ops
from k210sim.micropython.native import GuestType


def address_hash(o: int) -> int:
    """The hash most objects have: their own word, as a small int."""
    word = ((o << 1) | 1) & 0xFFFFFFFFFFFFFFFF
    return word - (1 << 64) if word >> 63 else word


def generic_unary(op: int, o: int) -> int | None:
    """What types without operators of their own support: being hashed by address."""
    return address_hash(o) if op == ops.HASH else None


class NoneType(GuestType):
    name = "NoneType"

    def print(self, vm, o, kind):
        return "null" if kind == ops.PRINT_JSON else "None"

    def unary_op(self, vm, op, o):
        return generic_unary(op, o)


class EllipsisType(GuestType):
    name = ""
    core_name = "ellipsis"

    def print(self, vm, o, kind):
        return "Ellipsis"


class NotImplementedObject(GuestType):
    name = ""
    core_name = "NotImplementedType"

    def print(self, vm, o, kind):
        return "NotImplemented"


TYPES = (NoneType, EllipsisType, NotImplementedObject)
