"""The two RV64IMAFDC harts of the K210 in machine mode, and the machine around them."""

from k210sim import kernel_cache

SOURCES = kernel_cache.check(__path__[0])  # a name for what the compiled functions are made of
