"""The core in one object file does what numba's functions do, and needs no numba at a start."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import k210sim
from k210sim.riscv import compiled, core_object, jit_native
from k210sim.riscv import state as st
from tests.riscv.conftest import PROGRAMS

START = """
import sys
from k210sim.clock import Clock
from k210sim.flash.nor import NorFlash
from k210sim.riscv.machine import Machine
clock = Clock()
machine = Machine(clock, NorFlash(clock), lambda data: None, lambda count: b"")
machine.load(open(sys.argv[1], "rb").read())
for _ in range(10):
    machine.step()
print("numba" in sys.modules)
"""


@pytest.fixture(scope="module")
def functions():
    """(numba's functions, those of the object made of them)."""
    native, by_numba = jit_native.shared(), compiled._by_numba()
    linked = core_object.link(native, core_object.build(native, by_numba))
    return compiled._addresses(by_numba), linked


@pytest.mark.parametrize("program", ["instructions", "floats", "flash"])
def test_programs_end_alike(functions, rig, monkeypatch, program):
    ends = []
    for chosen in functions:
        monkeypatch.setattr(compiled, "functions", lambda chosen=chosen: chosen)
        one = rig(program, strict=False, compile_blocks=False)
        text = one.run()
        core = one.machine.core
        ends.append((text, one.clock.now_ns, core.ram.tobytes(), core.code.tobytes(),
                     *(hart.all[: st.RAM_AT].tobytes() for hart in core.harts)))  # fmt: skip
    assert ends[0] == ends[1]


def test_a_start_with_the_object_needs_no_numba(tmp_path):
    environment = {**os.environ, "K210SIM_JIT_CACHE": str(tmp_path)}
    root = str(Path(k210sim.__file__).parents[1])

    def run(code: str, argument: str) -> str:
        command = [sys.executable, "-c", code, argument]
        with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, text=True) as process:  # fmt: skip
            printed = process.stdout.read()
            assert process.wait() == 0
            return printed

    run(compiled.CHILD, root)  # as the first start has it made
    (kept,) = (tmp_path / "core").iterdir()
    assert run(START, str(PROGRAMS / "hello.bin")) == "False\n"
    whole = kept.read_bytes()
    assert core_object.read(tmp_path, kept.stem) == whole[len(core_object.MAGIC) + 32 :]
    kept.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert core_object.read(tmp_path, kept.stem) is None


@pytest.mark.parametrize("content", [b"", b"k210core", core_object.MAGIC + bytes(40), None])
def test_what_is_no_object_is_not_read(tmp_path, content):
    path = tmp_path / "core" / "name.o"
    path.parent.mkdir()
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    assert core_object.read(tmp_path, "name") is None


def test_code_that_needs_more_than_the_c_library_makes_no_object():
    from numba import cfunc

    @cfunc("int64(int64)")
    def allocates(number):
        return np.zeros(number, np.int64).sum()

    with pytest.raises(ValueError, match="NRT_"):
        core_object.build(jit_native.shared(), {"instruction": allocates})


def test_an_exception_of_compiled_code_is_told_by_error():
    import ctypes

    from numba import cfunc

    @cfunc("int64(int64)")
    def hundred_by(number):
        return 100 // number

    native = jit_native.shared()
    code = core_object.build(native, {"instruction": hundred_by})
    name = core_object.PREFIX + "instruction"
    function = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(
        native.link_objects([code], [name])[name])
    assert [function(4), function(0)] == [25, core_object.ERROR]
