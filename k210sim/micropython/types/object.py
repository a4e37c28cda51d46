"""`object`: instantiable, and the (only nominal) root of user classes."""

from __future__ import annotations

from k210sim.micropython import layout as L
from k210sim.micropython.native import GuestType, NativeFunction, native
from k210sim.micropython.types.classes import new_instance

NO_ARGS = NativeFunction("", None, 0, 0)


class ObjectType(GuestType):
    """Source: micropython v1.11 py/objobject.c."""

    name = "object"

    def make_new(self, vm, type_word, args, kw):
        vm.check_args(NO_ARGS, len(args), len(kw))
        return vm.new_object(type_word, 16)

    @native(1, name="__init__")
    def init(vm, self):
        return L.NONE

    @native(1, name="__new__", kind="static")
    def new(vm, cls):
        if not vm.is_type(cls, "type") or not vm.types[cls].is_user:
            raise vm.error("TypeError", "__new__ arg must be a user-type")
        return new_instance(vm, cls)[0]


TYPES = (ObjectType,)
