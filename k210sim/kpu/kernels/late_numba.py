"""numba's `njit` and `cfunc` for functions that are loaded from numba's cache when first used.

To load a compiled function takes 4 to 10 ms, and the KPU's files hold more than a hundred, of which
Python calls a few: the others are in the code of those that call them. A function that the cache
lacks is compiled where it is defined, as by numba's own decorators.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path

import numba

from k210sim import kernel_cache

_loading = threading.RLock()
_waiting: list[Late] = []


class Late:
    """Stands for a compiled function, to Python and to functions that numba compiles."""

    __slots__ = ("py_func", "_make", "_made")

    def __init__(self, py_func, make):
        self.py_func, self._make, self._made = py_func, make, None

    def load(self):
        """numba's own object for the function."""
        if self._made is None:
            with _loading:
                if self._made is None:
                    self._made = self._make(self.py_func)
        return self._made

    def __call__(self, *args):
        return (self._made or self.load())(*args)

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.load(), name)

    def __reduce__(self):
        return _same, (self.load(),)  # numba keeps what a function refers to with its code

    @property
    def _numba_type_(self):
        return numba.typeof(self.load())


def njit(signature=None, **options):
    """As numba.njit."""
    return _late(numba.njit, signature, options)


def cfunc(signature, **options):
    """As numba.cfunc."""
    return _late(numba.cfunc, signature, options)


def load_all() -> None:
    """Load all functions of the files imported so far; what is missing is compiled."""
    while _waiting:
        _waiting.pop().load()


def _same(made):
    return made


def _late(decorator, signature, options):
    make = decorator(signature, **options) if signature else decorator(**options)

    def decorate(function):
        if not (signature and options.get("cache") and _is_kept(function)):
            return make(function)
        _waiting.append(Late(function, make))
        return _waiting[-1]

    return decorate


def _is_kept(function) -> bool:
    """Whether numba's cache, where it usually lies, has the function, compiled on whatever host."""
    if os.environ.get("NUMBA_CACHE_DIR"):
        return False
    code = function.__code__
    path = Path(code.co_filename)
    name = kernel_cache.index(path, f"{function.__qualname__}-{code.co_firstlineno}")
    try:
        index = os.stat(path.parent / "__pycache__" / name)
        return index.st_mtime_ns >= os.stat(path).st_mtime_ns
    except OSError:
        return False
