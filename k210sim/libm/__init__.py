"""The board's maths library: single-precision functions, bit for bit.

The firmware's C library is newlib with its functions of the fdlibm family, compiled for the chip,
whose compiler fuses products and sums. Each function here takes the same steps with the same
roundings: reduction of the argument, polynomial, and the sums in their order.

Ref: Sun's fdlibm (netlib.org/fdlibm; the methods, and the coefficients in their single-precision
form by I. L. Taylor, Cygnus Support); the published v0.6.3 binary (which sums are fused). Numbers
are host floats that hold single-precision values. A domain error gives nan, as on the board.
"""

from __future__ import annotations

import importlib

_NAMES = {
    "error": ("erf", "erfc"),
    "exponential": ("cosh", "exp", "expm1", "sinh", "tanh"),
    "gamma_function": ("gamma", "lgamma"),
    "inverse": ("acos", "asin", "atan", "atan2"),
    "logarithm": ("acosh", "asinh", "atanh", "log", "log1p", "log2", "log10"),
    "powers": ("power",),
    "trigonometric": ("cos", "sin", "tan"),
}
_MODULES = {name: module for module, names in _NAMES.items() for name in names}


def __getattr__(name: str):
    """A function, loaded when it is first asked for: most programs use none."""
    if name not in _MODULES:
        raise AttributeError(f"no function {name!r} in the maths library")
    function = getattr(importlib.import_module(f"k210sim.libm.{_MODULES[name]}"), name)
    globals()[name] = function
    return function
