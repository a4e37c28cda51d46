"""The firmware image: every type and module the guest can reach, in the firmware's order.

Reading this file shows the whole of what guest code can name.
"""

from __future__ import annotations

import importlib

from k210sim.micropython.memory import Memory
from k210sim.micropython.qstr_table import firmware_qstrs
from k210sim.micropython.vm import VM

TYPE_FILES = (
    "singletons", "exceptions", "classes", "object", "functions", "int", "float", "complex", "str",
    "bytes", "tuple", "list", "dict", "set", "range", "slice", "iterators", "array", "namedtuple",
    "deque", "module",
)

# Module files under k210sim.modules, in no particular order: `help('modules')` sorts by name.
MODULE_FILES = (
    "array", "cmath", "gc", "image.module", "kpu.module", "lcd", "math", "sensor", "sys",
    "ubinascii", "ucollections", "uerrno",
    "micropython", "ucryptolib", "uctypes", "uhashlib", "uheapq", "uio", "ujson", "urandom", "ure",
    "ustruct", "utimeq", "uzlib", "uos", "utime", "maix", "audio",
    "extension", "machine", "nes", "network", "thread", "touchscreen", "usocket", "video",
    "webrepl", "ulab.module",
)

# Names that find a built-in module unless a file of that name is on the file system.
WEAK_LINKS = {
    "binascii": "ubinascii", "collections": "ucollections", "errno": "uerrno",
    "hashlib": "uhashlib", "heapq": "uheapq", "json": "ujson", "math": "math", "os": "uos",
    "random": "urandom", "re": "ure", "struct": "ustruct", "zlib": "uzlib",
}


def types():
    """All built-in types."""
    for name in TYPE_FILES:
        yield from importlib.import_module("k210sim.micropython.types." + name).TYPES


def modules():
    """All built-in modules but `builtins`."""
    for name in MODULE_FILES:
        yield importlib.import_module("k210sim.modules." + name).module


def make_vm(memory: Memory, *, clock, stdout, board) -> VM:
    """A VM with the firmware's types and modules, not started."""
    from k210sim.modules import builtins
    from k210sim.modules.frozen import SOURCES as FROZEN
    from k210sim.repl.boot import STARTUP, STARTUP_NAME

    return VM(memory, clock=clock, stdout=stdout, board=board, types=types(), modules=modules(),
              builtins=builtins.module, weak_links=WEAK_LINKS, qstrs=firmware_qstrs(),
              frozen={**FROZEN, STARTUP_NAME: STARTUP.encode()})
