"""The compiled functions of the core in one object file, so that a start needs no numba.

numba keeps each compiled function in a file of its own, and takes most of a second to import itself
and to have all sixty of them in place. What the machine calls (`Functions`) is four of them; they
and what they call are put together once more, in one object of machine code that LLVM links in a
few milliseconds. It is made of the code that numba has optimised, the first time that numba has
loaded it.

In such an object a function `name(int64...) -> int64` tells by ERROR that numba's code has raised
an exception; none of them does.
"""

from __future__ import annotations

import contextlib
import hashlib
import sys
from pathlib import Path
from typing import NamedTuple

from k210sim import kept_files, riscv
from k210sim.riscv.jit_native import Native

ERROR = -1
PREFIX = "k210_"  # of the names in the object: the C library has an `access` too
ARGUMENTS = {"run": 2, "find": 4, "access": 5, "instruction": 1}
MAGIC = b"k210core"
MOST_BYTES = 4 << 20
# of the C library; for roots LLVM has an instruction where the number is not negative
LIBRARY = {"memcpy", "memset", "memmove", "sqrt", "sqrtf"}
# numba counts the references to each array's memory. These arrays are views of memory that Python
# holds, and nothing here allocates any (`build` would miss that function): nothing to count.
NO_COUNTING = """
define void @NRT_incref(ptr %memory) alwaysinline { ret void }
define void @NRT_decref(ptr %memory) alwaysinline { ret void }
"""


class Functions(NamedTuple):
    """Addresses of compiled functions: execute.run, idle.find, jit_device.access and
    decode.instruction."""

    run: int
    find: int
    access: int
    instruction: int


def identity(native: Native) -> str | None:
    """What the object depends on, as a name; None where the sources cannot be told."""
    if riscv.SOURCES is None:
        return None
    parts = (riscv.SOURCES, native.identity, sys.implementation.cache_tag, _numba_version())
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:40]


def _numba_version() -> str:
    import importlib.util

    spec = importlib.util.find_spec("numba")  # numba is not imported by that
    return Path(spec.origin).with_name("_version.py").read_text(encoding="utf-8")


def build(native: Native, compiled: dict[str, object]) -> bytes:
    """The object. compiled : numba's CFuncs by the names of ARGUMENTS.

    Raises ValueError when numba's code needs more than the C library.
    """
    import llvmlite.binding as llvm

    module = llvm.parse_assembly(NO_COUNTING + "\n".join(
        _entry(name, function.native_name.removeprefix("cfunc."))
        for name, function in compiled.items()
    ))
    for function in compiled.values():
        module.link_in(function._library._get_module_for_linking(), preserve=True)
    for value in (*module.functions, *module.global_variables):
        if not value.is_declaration and not value.name.startswith(PREFIX):
            value.linkage = "internal"
    target = native.target(opt=3)
    # what numba optimised function by function is looked at as a whole
    builder = llvm.create_pass_builder(target, llvm.PipelineTuningOptions(2))
    builder.getModulePassManager().run(module, builder)
    missing = {value.name for value in (*module.functions, *module.global_variables)
               if value.is_declaration and not value.name.startswith("llvm.")}
    if missing - LIBRARY:
        raise ValueError(f"compiled code needs {', '.join(sorted(missing - LIBRARY))}")
    return target.emit_object(module)


def _entry(name: str, native_name: str) -> str:
    """A function with C's conventions around one with numba's: (result, exception, arguments)."""
    values = ", ".join(f"i64 %a{n}" for n in range(ARGUMENTS[name]))
    kinds = ", ".join(["i64"] * ARGUMENTS[name])
    return f"""
declare i32 @"{native_name}"(ptr, ptr, {kinds})
define i64 @{PREFIX}{name}({values}) {{
  %result = alloca i64
  %exception = alloca ptr
  store ptr null, ptr %exception
  %failed = call i32 @"{native_name}"(ptr %result, ptr %exception, {values})
  %good = icmp eq i32 %failed, 0
  %value = load i64, ptr %result
  %answer = select i1 %good, i64 %value, i64 {ERROR}
  ret i64 %answer
}}"""


def read(place: Path, name: str) -> bytes | None:
    """The object of that name, None when there is none or it is damaged."""
    with contextlib.suppress(OSError, ValueError):
        return kept_files.read(_path(place, name), MAGIC, MOST_BYTES)
    return None


def write(place: Path, name: str, code: bytes) -> None:
    """Keep an object; no error of the file system leaves here."""
    with contextlib.suppress(OSError):
        kept_files.write(_path(place, name), MAGIC, code)


def _path(place: Path, name: str) -> Path:
    return place / "core" / f"{name}.o"


def link(native: Native, code: bytes) -> Functions:
    """The functions of an object, in this process."""
    found = native.link_objects([code], [PREFIX + name for name in Functions._fields])
    return Functions(*found.values())
