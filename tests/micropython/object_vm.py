"""A virtual machine with the firmware's types and the modules of the object tests."""

from __future__ import annotations

import importlib

from k210sim.builtin import image
from k210sim.clock import Clock
from k210sim.micropython.memory import Memory
from k210sim.micropython.qstr_table import firmware_qstrs
from k210sim.micropython.vm import VM
from k210sim.modules import builtins

MODULES = ("sys", "gc", "micropython", "uerrno", "ucollections", "array", "uheapq", "utimeq",
           "uctypes", "uio", "ustruct", "math")


class Files:
    """A file system of path to source, as the import machinery wants it."""

    def __init__(self, files: dict[str, str]):
        self.files = files

    def import_stat(self, path: str) -> int:
        if path in self.files:
            return 2
        return 1 if any(name.startswith(path + "/") for name in self.files) else 0

    def read_file(self, path: str) -> bytes:
        return self.files[path].encode()


def make_vm(files: dict[str, str] | None = None):
    """(vm, output): started, output is a growing bytearray."""
    output = bytearray()
    modules = [importlib.import_module("k210sim.modules." + name).module for name in MODULES]
    names = {m.name for m in modules}
    links = {weak: name for weak, name in image.WEAK_LINKS.items() if name in names}
    vm = VM(Memory(), clock=Clock(), stdout=output.extend, types=image.types(), modules=modules,
            builtins=builtins.module, weak_links=links, qstrs=firmware_qstrs())
    vm.vfs = Files(files or {})
    vm.start()
    return vm, output


def run(source: str, files: dict[str, str] | None = None) -> str:
    """What a program prints, its traceback included."""
    vm, output = make_vm(files)
    outcome = vm.execute(source.encode())
    return (output + outcome.traceback).decode("utf-8", "surrogateescape")


def cost(expression: str, setup: str = "") -> int:
    """Heap bytes that evaluating an expression takes, temporaries included."""
    text = run(f"""
import gc
{setup}
def f(): return {expression}
f()
gc.collect(); gc.disable()
a = gc.mem_free()
x = f()
b = gc.mem_free()
print(a - b)
""")
    return int(text)
