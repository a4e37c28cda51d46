"""The two heaps of the board: MicroPython's GC heap block by block, and the system heap."""

from k210sim import kernel_cache

kernel_cache.check(__path__[0])
