"""The state of a running machine as bytes, taken and put back while it stands at its prompt.

Most of a guest's world is words in the simulated RAM. What the host keeps beside it (books of the
heaps, interned strings, values behind native objects, state of modules) hangs on the machine's
attributes and is pickled; everything that belongs to the board or to the firmware image is
referred to by name, so that it is neither copied nor replaced.
"""

from __future__ import annotations

import importlib
import io
import pickle
import types
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from k210sim.errors import NotSimulated

VERSION = 1
# Attributes of the machine that are the firmware image itself, the same for every start.
IMAGE = {"handlers", "rom", "builtin_modules", "frozen", "weak_links", "_type_objects"}
FIXED = (
    types.MethodType, types.FunctionType, types.BuiltinFunctionType, memoryview,
)  # fmt: skip


class _Names:
    """Names for the objects that a snapshot refers to instead of copying them."""

    def __init__(self, runtime):
        vm = runtime.vm
        board = runtime.board
        named: dict[Any, Any] = {
            "runtime": runtime, "vm": vm, "memory": vm.memory, "heap": vm.heap, "board": board,
            "qstrs": vm.qstrs, "system_heap": vm.system_heap, "clock": vm.clock,
            "firmware": board.firmware, "hardware": board.hardware, "port": board.port,
            "flash": board.flash, "storage": board.storage, "camera": board.camera,
            "lcd": board.lcd, "profile": board.profile, "sd": board.sd,
        }  # fmt: skip
        card = board.sd.card
        if card is not None:
            named["sd card", card.name] = card
        for address, guest_type in vm.types.items():
            if not guest_type.is_user:
                named["type", address] = guest_type
                named["class", address] = type(guest_type)
        for address, entry in vm.rom.items():
            named["rom", address] = entry
        for module in vm.builtin_modules:
            named["module", module.name] = module
        self.ram = vm.memory.u8
        self.objects = {name: thing for name, thing in named.items() if thing is not None}
        self.by_id = {id(thing): name for name, thing in self.objects.items()}


class _Pickler(pickle.Pickler):
    def __init__(self, file, names: _Names):
        super().__init__(file, protocol=pickle.HIGHEST_PROTOCOL)
        self._names = names

    def persistent_id(self, thing: Any) -> Any:
        name = self._names.by_id.get(id(thing))
        if name is not None:
            return ("name", name)
        if isinstance(thing, np.ndarray) and thing.size:
            ram = self._names.ram
            at = thing.__array_interface__["data"][0] - ram.__array_interface__["data"][0]
            if 0 <= at < ram.size:  # a view of guest memory must stay one
                return ("ram", at, thing.shape, thing.strides, thing.dtype.str)
        return None


class _Unpickler(pickle.Unpickler):
    def __init__(self, file, names: _Names):
        super().__init__(file)
        self._names = names

    def persistent_load(self, pid: Any) -> Any:
        if pid[0] == "name":
            if pid[1] not in self._names.objects:
                raise NotSimulated("restoring this snapshot",
                                   f"{' '.join(map(str, pid[1]))} is not in the slot")
            return self._names.objects[pid[1]]
        _, at, shape, strides, dtype = pid
        return np.ndarray(shape, np.dtype(dtype), self._names.ram.data, at, strides)


def _kept(runtime) -> Iterator[tuple[str, Any, list[str]]]:
    """The objects whose attributes are state: name, object, names of the attributes."""
    vm = runtime.vm
    names = _Names(runtime)
    for label, thing in (
        ("vm", vm), ("heap", vm.heap), ("qstrs", vm.qstrs), ("system_heap", vm.system_heap),
    ):  # fmt: skip
        wanted = [
            attribute
            for attribute, value in vars(thing).items()
            if attribute not in IMAGE
            and not isinstance(value, FIXED)
            and not callable(value)
            and id(value) not in names.by_id
            and not (isinstance(value, np.ndarray) and value.size >= names.ram.size // 8)
        ]
        yield label, thing, wanted


def _image_types(vm) -> list[tuple[int, str, str]]:
    """Address, module and name of every type of the image, in order of address."""
    return sorted(
        (address, type(t).__module__, type(t).__qualname__)
        for address, t in vm.types.items()
        if not t.is_user
    )


def _install_missing(vm, wanted: list[tuple[int, str, str]]) -> None:
    """Put types into the image that it only gets when they are first used.

    The machine is fresh, so each can have the place it had.
    """
    for address, module, name in wanted:
        if address in vm.types:
            continue
        cls: Any = importlib.import_module(module)
        for part in name.split("."):
            cls = getattr(cls, part)
        vm._rom_next = address
        if vm.type_of_class(cls).word != address:
            raise NotSimulated("restoring this snapshot", f"the type {name} has moved")


def save(runtime) -> dict[str, Any]:
    """The machine's state; raises NotSimulated naming what cannot be kept."""
    names = _Names(runtime)
    values = {
        label: {attribute: getattr(thing, attribute) for attribute in wanted}
        for label, thing, wanted in _kept(runtime)
    }
    file = io.BytesIO()
    try:
        _Pickler(file, names).dump(values)
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        raise NotSimulated("a snapshot of this program", str(error)) from error
    host = zlib.compress(file.getvalue(), 1)
    return {
        "version": VERSION,
        "types": _image_types(runtime.vm),
        "ram": zlib.compress(runtime.vm.memory.u8, 1),
        "host": host,
    }


def load(runtime, state: dict[str, Any]) -> None:
    """Put back what `save` gave, into a machine that has only been started."""
    if state["version"] != VERSION:
        raise NotSimulated(f"restoring a snapshot of version {state['version']}")
    _install_missing(runtime.vm, state["types"])
    names = _Names(runtime)
    runtime.vm.memory.u8[:] = np.frombuffer(zlib.decompress(state["ram"]), np.uint8)
    values = _Unpickler(io.BytesIO(zlib.decompress(state["host"])), names).load()
    for label, thing, _ in list(_kept(runtime)):
        for attribute, value in values[label].items():
            _put(thing, attribute, value)


def _put(thing: Any, attribute: str, value: Any) -> None:
    """Set an attribute; containers are changed in place, since others may hold them."""
    current = getattr(thing, attribute, None)
    if type(current) is not type(value):
        setattr(thing, attribute, value)
    elif isinstance(value, np.ndarray) and value.shape == current.shape:
        current[...] = value
    elif isinstance(value, list):
        current[:] = value
    elif isinstance(value, (dict, set)):
        current.clear()
        current.update(value)
    else:
        setattr(thing, attribute, value)
