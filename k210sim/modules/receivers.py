"""Methods get the object they are for.

The firmware's C methods take their receiver unseen: called on a foreign object through the type
(`Timer.stop(5)`) they read whatever memory that is. `checked` makes that a TypeError, and hands
the native part of an instance to the methods of a native base class.
"""

from __future__ import annotations

from k210sim.micropython.native import GuestType, NativeFunction


def checked(cls: type[GuestType]) -> type[GuestType]:
    """Class decorator: the methods of `cls` (not static ones) see objects of exactly that type."""
    cls.locals = {
        name: _wrapped(cls, entry) if _is_own_method(entry) else entry
        for name, entry in cls.locals.items()
    }
    return cls


def _is_own_method(entry) -> bool:
    return (isinstance(entry, NativeFunction) and entry.kind == "function" and entry.min_args > 0
            and entry.fn.__module__.startswith("k210sim.modules."))


def receiver(vm, cls: type[GuestType], o: int) -> int:
    """The object of type `cls` that `o` is or is derived from; TypeError otherwise."""
    t = vm.type_of(o)
    native = t.native_base_object(vm, o) if t.is_user else o
    if not native or not vm.is_instance_of(native, cls):
        raise vm.error("TypeError", "k210sim: '%s' where %s is needed; the board does not check"
                       % (vm.type_name(o), cls.name))
    return native


def _wrapped(cls: type[GuestType], entry: NativeFunction) -> NativeFunction:
    fn = entry.fn
    if entry.kw:
        def call(vm, args, kw):
            return fn(vm, [receiver(vm, cls, args[0]), *args[1:]], kw)
    else:
        def call(vm, o, *args):
            return fn(vm, receiver(vm, cls, o), *args)
    return NativeFunction(entry.name, call, entry.min_args, entry.max_args, entry.kw, entry.kind)
