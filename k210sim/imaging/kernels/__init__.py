"""Compiled loops of the image library; numpy and numba only."""

from k210sim import kernel_cache

kernel_cache.check(__path__[0])
