"""Modules. A built-in one has its names in a host table; one made by an import has a dict.

Source: micropython v1.11 py/objmodule.c.
"""

from __future__ import annotations

from k210sim.micropython import layout as L
from k210sim.micropython.layout import RAM_BASE, TYPE
from k210sim.micropython.native import GuestType
from k210sim.micropython.types.dict import key_error
from k210sim.micropython.types.lookup import name_number


class ModuleType(GuestType):
    """Type and globals dict (0 for a built-in module)."""

    name = "module"

    def print(self, vm, o, kind):
        name = lookup(vm, o, name_number(vm, "__name__"))
        text = "<module '%s'" % (vm.text_of(name) if name else "")
        file = lookup(vm, o, name_number(vm, "__file__"))
        return text + (" from '%s'>" % vm.text_of(file) if file else ">")

    def load_attr(self, vm, o, qstr):
        return lookup(vm, o, qstr) or None

    def store_attr(self, vm, o, qstr, value):
        d = module_globals(vm, o)
        if not d:
            return False
        key = (qstr << 2) | 2
        if value:
            vm.dict_set(d, key, value)
        elif not vm.map_remove(d + L.DICT_MAP, key):
            raise key_error(vm, key)
        return True


def module_globals(vm, o: int) -> int:
    """Globals dict of a module, 0 for a built-in one."""
    return vm.words[(o + L.MODULE_GLOBALS - RAM_BASE) >> 3]


def lookup(vm, o: int, qstr: int) -> int:
    """The value of a module's name, or 0."""
    table = vm.module_table(o)
    if table is not None:
        return table.get(qstr, 0)
    return vm.dict_get(module_globals(vm, o), (qstr << 2) | 2)


def names(vm, o: int) -> list[tuple[int, int]]:
    """(qstr, value) of all names, in the order of the table."""
    table = vm.module_table(o)
    if table is not None:
        return list(table.items())
    return [(key >> 2, value) for key, value in vm.dict_items(module_globals(vm, o))
            if key & 3 == 2]


def new_module(vm, name: int, loaded: int) -> int:
    """The module called by the qstr `name` of the dict of loaded modules, made if need be."""
    slot = vm.map_slot(loaded + L.DICT_MAP, (name << 2) | 2)
    known = vm.words[(slot - RAM_BASE) >> 3]
    if known:
        return known
    o = vm.new_object(TYPE["module"], 16)
    d = vm.new_dict(1)
    vm.words[(o + L.MODULE_GLOBALS - RAM_BASE) >> 3] = d
    vm.dict_set(d, (name_number(vm, "__name__") << 2) | 2, (name << 2) | 2)
    vm.words[(slot - RAM_BASE) >> 3] = o
    return o


TYPES = (ModuleType,)
