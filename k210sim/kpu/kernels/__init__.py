"""The KPU's arithmetic, compiled: kernel sets, their parts and what calls them."""

from k210sim import kernel_cache

kernel_cache.check(__path__[0])
