"""`Maix.config`: the settings of `/flash/config.json`, read once when the firmware starts.

The other modules ask `value(vm, "lcd")`. Source: MaixPy-v1 v0.6.3 port/src/Maix/Maix_config.c.
"""

from __future__ import annotations

from k210sim.micropython import layout as L
from k210sim.micropython import stream_methods, streams
from k210sim.micropython.layout import TYPE
from k210sim.micropython.native import GuestError, GuestType, method
from k210sim.micropython.types.exceptions import traceback_text
from k210sim.modules import ujson

PATH = "/flash/config.json"


def load(vm) -> bool:
    """Read the file; False without one. What is wrong with it is printed and otherwise ignored."""
    if vm.vfs is None:
        return False
    try:
        file = vm.vfs.open(vm, [vm.new_str(PATH), vm.new_qstr("rb")], {})
    except GuestError:
        return False
    try:
        settings = ujson.module.entries["load"].fn(vm, file)
    except GuestError as error:
        vm.write(traceback_text(vm, error.obj))
        return False
    finally:
        stream_methods.control(vm, file, streams.CLOSE)
    if vm.config:
        vm.release(vm.config)
    vm.config = vm.keep(settings)
    return True


def get_value(vm, key: int, default: int) -> int:
    """The value of a key (a word), or `default`; the file is tried again until it gives a dict."""
    if not (vm.config and vm.type_word(vm.config) == TYPE["dict"]) and not (
            load(vm) and vm.type_word(vm.config) == TYPE["dict"]):
        return default
    return vm.dict_get(vm.config, key) or default


def value(vm, key: str) -> int:
    """As `get_value` for host code; None's word where there is no such setting."""
    return get_value(vm, vm.new_str(key), L.NONE)


class ConfigType(GuestType):
    name = "config"

    @method(0, name="__init__")
    def init(vm):
        return vm.new_bool(load(vm))

    @method(2, name="get_value")
    def get_value(vm, key, default):
        return get_value(vm, key, default)

    constants = {"__name__": "config"}


def start(vm) -> None:
    """Nothing is read yet: a soft reset reads the file anew."""
    vm.config = 0
