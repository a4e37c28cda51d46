"""The K210's peripherals as its programs see them: registers, one file a device."""

from k210sim import kernel_cache

kernel_cache.check(__path__[0])
