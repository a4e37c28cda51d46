"""`help()`: the welcome text, an object's names, or the table of modules.

Source: the port's help text as printed (spec), micropython v1.11 py/builtinhelp.c (layout).
"""

from __future__ import annotations

from k210sim.micropython import layout as L
from k210sim.micropython import ops
from k210sim.micropython.importing import SECOND_NAMES
from k210sim.micropython.layout import RAM_BASE, TYPE
from k210sim.micropython.native import native
from k210sim.micropython.types import module as modules
from k210sim.micropython.types.list import sort

WELCOME = """\
Welcome to MicroPython on the Sipeed Maix!

For generic online docs please visit https://maixpy.sipeed.com

Official website : http://www.sipeed.com


Control commands:
  CTRL-A        -- on a blank line, enter raw REPL mode
  CTRL-B        -- on a blank line, enter normal REPL mode
  CTRL-C        -- interrupt a running program
  CTRL-D        -- on a blank line, do a soft reset of the board
  CTRL-E        -- on a blank line, enter paste mode

For further help on a specific object, type help(obj)
For a list of available modules, type help('modules')
"""
COLUMNS, WIDTH = 4, 18


def module_names(vm) -> list[str]:
    """What the image offers to import; some names stand in two of its tables."""
    names = ["__main__", "builtins"] + [m.name for m in vm.builtin_modules]
    names += [second for second, name in SECOND_NAMES.items() if name in names]
    if "modules" in names:
        names.append("modules")
    names += vm.weak_links
    return names + [file.rpartition(".")[0] for file in vm.frozen]


def _print_modules(vm) -> None:
    found = vm.new_list([])
    for name in module_names(vm):
        vm.list_append(found, vm.new_str(name))
    sort(vm, found, [], {})
    names = [vm.text_of(word) for word in vm.items_of(found)]
    rows = -(-len(names) // COLUMNS)
    for row in range(rows):
        line = ""
        for name in names[row::rows]:
            line += name
            gap = WIDTH - len(name)
            while gap < 1:
                gap += WIDTH
            line += " " * gap
        # The last column is not padded.
        vm.write(line[: len(line) - gap] + "\n")
    vm.write("Plus any modules on the filesystem\n")


def _members(vm, o: int) -> list[tuple[int, int]]:
    """(name word, value word) pairs that help lists."""
    kind = vm.type_word(o)
    if kind == TYPE["module"]:
        return [((q << 2) | 2, value) for q, value in modules.names(vm, o)]
    t = vm.types[o] if kind == TYPE["type"] else vm.types[kind]
    if t.is_user:
        members = vm.words[(t.word + L.TYPE_LOCALS - RAM_BASE) >> 3]
        return vm.dict_items(members)
    return [((q << 2) | 2, value) for q, value in t.table.items()]


@native(0, 1, name="help")
def help_(vm, o=0):
    if not o:
        vm.write(WELCOME)
        return
    if vm.is_str(o) and o & 2 and vm.bytes_of(o) == b"modules":
        _print_modules(vm)
        return
    vm.write("object " + vm.print_text(o, ops.PRINT_STR) + " is of type "
             + vm.type_name(o) + "\n")
    for name, value in _members(vm, o):
        vm.write("  " + vm.print_text(name, ops.PRINT_STR) + " -- "
                 + vm.print_text(value, ops.PRINT_STR) + "\n")
