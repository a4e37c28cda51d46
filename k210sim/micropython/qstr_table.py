"""The names built into the firmware image, in the order of its string table.

`data/qstrs.txt` has one name a line, control characters escaped. First the interpreter's fixed
ones, then special names, then those of the C sources of the standard configuration sorted by
byte, then those of the frozen modules. The order is what `dir()` and Tab list names in, and a
name that is here costs no heap. Names of ulab, whose sources are a separate project, are those
its module shows; it may use a few more inside.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def firmware_qstrs() -> list[str]:
    """All names but the empty one, which every table begins with."""
    text = files("k210sim").joinpath("data/qstrs.txt").read_text(encoding="utf-8")
    return [line.encode("ascii").decode("unicode_escape") for line in text.split("\n")[:-1]]
