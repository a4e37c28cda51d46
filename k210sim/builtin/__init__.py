"""The built-in engine: our own firmware, put together from types, modules and a boot sequence."""
