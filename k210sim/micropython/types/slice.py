"""slice objects: what `a:b:c` makes between brackets. The guest cannot make one by name.

Source: micropython v1.11 py/objslice.c.
"""

from __future__ import annotations

from k210sim.micropython import ops
from k210sim.micropython.native import GuestType
from k210sim.micropython.types.sequence import slice_parts

_FIELDS = (b"start", b"stop", b"step")


class SliceType(GuestType):
    """Type, start, stop, step as object words."""

    name = "slice"

    def print(self, vm, o, kind):
        return "slice(%s)" % ", ".join(
            [vm.print_text(w, ops.PRINT_REPR) for w in slice_parts(vm, o)])

    def load_attr(self, vm, o, qstr):
        name = vm.qstrs.text[qstr]
        return slice_parts(vm, o)[_FIELDS.index(name)] if name in _FIELDS else None


TYPES = (SliceType,)
