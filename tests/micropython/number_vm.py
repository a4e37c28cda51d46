"""A virtual machine for the tests of numbers, strings and their modules."""

from __future__ import annotations

import importlib

from k210sim.builtin import image
from k210sim.clock import Clock
from k210sim.micropython.memory import Memory
from k210sim.micropython.qstr_table import firmware_qstrs
from k210sim.micropython.vm import VM
from k210sim.modules.builtins import module as builtins


def make_vm(*module_names: str, heap_size: int = 512 * 1024):
    """(vm, output) with the named files of k210sim/modules; output is a growing bytearray."""
    modules = [importlib.import_module(f"k210sim.modules.{n}").module for n in module_names]
    output = bytearray()
    vm = VM(Memory(), clock=Clock(), stdout=output.extend, types=image.types(), modules=modules,
            builtins=builtins, weak_links=image.WEAK_LINKS, qstrs=firmware_qstrs())
    vm.start(heap_size)
    return vm, output


def run(source: str, *module_names: str, heap_size: int = 512 * 1024) -> str:
    """What a program prints, its traceback included."""
    vm, output = make_vm(*module_names, heap_size=heap_size)
    outcome = vm.execute(source.encode("utf-8", "surrogateescape"))
    return (output + outcome.traceback).decode("utf-8", "surrogateescape")
