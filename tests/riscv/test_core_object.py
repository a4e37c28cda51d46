"""The core in one object file does what numba's functions do, and needs no numba at a start."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

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
def code():
    """The object's machine code, made anew."""
    return core_object.build(jit_native.shared(), compiled._by_numba())


@pytest.fixture(scope="module")
def linked(code):
    return core_object.link(jit_native.shared(), code)


def test_a_program_ends_as_with_numbas_functions(linked, rig, monkeypatch):
    ends = []
    for chosen in (linked, compiled._addresses(compiled._by_numba())):
        monkeypatch.setattr(compiled, "functions", lambda chosen=chosen: chosen)
        one = rig("instructions", compile_blocks=False)
        text = one.run()
        core = one.machine.core
        ends.append((text, one.clock.now_ns, core.ram.tobytes(), core.code.tobytes(),
                     *(hart.all[: st.RAM_AT].tobytes() for hart in core.harts)))  # fmt: skip
    assert ends[0] == ends[1]


def test_floats_are_what_qemu_gives(linked, rig, monkeypatch):
    monkeypatch.setattr(compiled, "functions", lambda: linked)
    expected = (PROGRAMS / "floats.expected").read_text()
    assert rig("floats", compile_blocks=False).run().splitlines() == expected.splitlines()


def test_a_start_with_the_object_needs_no_numba(code, tmp_path):
    name = core_object.identity(jit_native.shared())
    core_object.write(tmp_path, name, code)
    environment = {**os.environ, "K210SIM_JIT_CACHE": str(tmp_path)}
    command = [sys.executable, "-c", START, str(PROGRAMS / "hello.bin")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
    assert core_object.read(tmp_path, name) == code
    (kept,) = (tmp_path / "core").iterdir()
    whole = kept.read_bytes()
    kept.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert core_object.read(tmp_path, name) is None


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
