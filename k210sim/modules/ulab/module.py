"""The names of the `ulab` module, in the firmware's order."""

from __future__ import annotations

from k210sim.micropython.native import GuestModule, NativeFunction
from k210sim.micropython.singles import single
from k210sim.modules.ulab import functions, linalg, numerical, sorting
from k210sim.modules.ulab.ndarray import FLOAT, INT8, INT16, UINT8, UINT16, NdarrayType

module = GuestModule("ulab")


def _argument_count(name: str) -> tuple[int, int | None, bool]:
    """Least and most positional arguments, and whether keywords are taken."""
    if name in functions.NAMES or name in ("inv", "det", "eig"):
        return 1, 1, False
    if name in ("dot", "polyval"):
        return 2, 2, False
    if name == "polyfit":
        return 2, 3, False
    if name in ("fft", "ifft", "spectrum"):
        return 1, 2, False
    least = {"zeros": 0, "ones": 0, "eye": 0, "linspace": 2, "roll": 2}.get(name, 1)
    return least, None, True


_CODE = {
    **{name: functions.elementwise(name) for name in functions.NAMES},
    **{name: functions.fourier(name) for name in ("fft", "ifft", "spectrum")},
    **{name: numerical.reduction(name)
       for name in ("sum", "mean", "std", "min", "max", "argmin", "argmax")},
    "argsort": sorting.argsort, "det": linalg.det, "diff": numerical.diff, "dot": linalg.dot,
    "eig": linalg.eig, "eye": linalg.eye, "flip": numerical.flip, "inv": linalg.inv,
    "linspace": numerical.linspace, "ones": linalg.ones, "polyfit": functions.polyfit,
    "polyval": functions.polyval, "roll": numerical.roll, "size": linalg.size,
    "sort": sorting.sort, "zeros": linalg.zeros,
}  # fmt: skip
_VALUES = {
    "__version__": single(0.262), "array": NdarrayType, "float": ord(FLOAT), "int16": ord(INT16),
    "int8": ord(INT8), "uint16": ord(UINT16), "uint8": ord(UINT8),
}  # fmt: skip

for _name in ("sort", "sum", *sorted({*_CODE, *_VALUES} - {"sort", "sum"})):
    if _name in _VALUES:
        module.entries[_name] = _VALUES[_name]
    else:
        module.entries[_name] = NativeFunction(_name, _CODE[_name], *_argument_count(_name))
