"""The language of the built-in firmware: MicroPython v1.11 as MaixPy v0.6.3 configures it.

Guest objects are not host objects. They are words in the board's simulated RAM with the layout
the 64-bit firmware gives them, found, moved and freed by the same block allocator, and run as
the same bytecode by a virtual machine of our own:

    compiler/     source text -> bytecode
    layout.py     where the fields of each object lie
    memory.py     the RAM as words and bytes
    qstr.py       interned strings
    objects.py    making and reading objects from host code
    operations.py what `+`, `[]`, `.`, `()`, `for` mean for any object
    frames.py, handlers.py, fastloop.py   frames and unwinding; instructions; their compiled cases
    types/        one file for each family of built-in types
    native.py     how host code offers functions, types and modules to the guest

docs/adr/0001-guest-code.md says why.
"""

from k210sim import kernel_cache

kernel_cache.check(__path__[0])
