"""`uerrno`: error numbers by name, and names by number. Source: micropython v1.11 moduerrno.c."""

from __future__ import annotations

from k210sim.micropython import layout as L
from k210sim.micropython.errno_table import ERRNO
from k210sim.micropython.layout import TYPE
from k210sim.micropython.native import GuestModule


class ConstantDict:
    """A dict of the image that cannot change, in the order given."""

    def __init__(self, items: dict):
        self.items = items

    def rom_word(self, vm) -> int:
        words = [word for key, value in self.items.items()
                 for word in (vm._rom_entry(key), vm._rom_entry(value))]
        n = len(self.items)
        table = vm.rom_alloc(*words)
        return vm.rom_alloc(TYPE["dict"], L.MAP_FIXED | L.MAP_ORDERED | n << 3, n, table)


module = GuestModule("uerrno")
module.constant("errorcode", ConstantDict({number: name for name, number in ERRNO.items()}))
for _name, _number in ERRNO.items():
    module.constant(_name, _number)
