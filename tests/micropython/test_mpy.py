"""Precompiled modules: what a writer of the format made from compiled source is loaded and run."""

from __future__ import annotations

import pytest

from k210sim.errors import NotSimulated
from k210sim.micropython import mpy
from k210sim.micropython.compiler import compile_source
from k210sim.micropython.compiler.opcodes import OPS, QSTR, decode, read_uint, write_uint
from tests.micropython.object_vm import Files, make_vm

SOURCE = """
import sys
NUMBERS = (1, -70000, 12345678901234567890, 2.5, 'text that is too long to be a name', b'bytes')
def outer(a, b=2, *rest, key=3, **more):
    def inner(): return a + b
    return inner() + sum(rest) + key + len(more)
class C:
    def m(self): return [x * 2 for x in range(3)]
def g():
    try: yield outer(1)
    finally: pass
VALUE = outer(1, 2, 3, key=4, z=5), C().m(), list(g())
def fail(): raise ValueError('from mpy')
"""


class Writer:
    """A `.mpy` writer in the plainest form: names seen lately come from the window."""

    def __init__(self, names: list[bytes]):
        self.names, self.recent = names, []

    def name(self, number: int) -> bytes:
        text = self.names[number]
        if text in self.recent:
            place = self.recent.index(text)
            self.recent.insert(0, self.recent.pop(place))
            return write_uint(place << 1 | 1)
        self.recent.insert(0, text)
        del self.recent[32:]
        return write_uint(len(text) << 1) + text

    def constant(self, entry) -> bytes:
        kind, *value = entry
        letter = {"int": b"i", "float": b"f", "str": b"s", "bytes": b"b", "ellipsis": b"e"}[kind]
        if kind == "ellipsis":
            return letter
        data = value[0] if isinstance(value[0], bytes) else str(value[0]).encode()
        return letter + write_uint(len(data)) + data

    def code(self, raw) -> bytes:
        data = raw.bytecode
        _, at = read_uint(data, 0)
        _, at = read_uint(data, at)
        names_at = read_uint(data, at + 4)[1]
        block, file = (int.from_bytes(data[names_at + i : names_at + i + 2], "little")
                       for i in (0, 2))
        out = write_uint(len(data) << 2) + data[: raw.code_offset]
        at = raw.code_offset
        while at < len(data):
            step = decode(data, at)
            if OPS[data[at]].operand == QSTR:
                out += data[at : at + 1] + self.name(step.arg)
            else:
                out += data[at : at + step.size]
            at += step.size
        out += self.name(block) + self.name(file)
        n_names = raw.n_pos_args + raw.n_kwonly_args
        consts = [e for e in raw.const_table[n_names:] if e[0] != "raw"]
        children = raw.children()
        out += write_uint(len(consts)) + write_uint(len(children))
        for entry in raw.const_table[:n_names]:
            out += self.name(entry[1])
        for entry in consts:
            out += self.constant(entry)
        for child in children:
            out += self.code(child)
        return out


def written(source: str) -> bytes:
    """A `.mpy` file of a source, made without the machine under test."""
    names = [b"", b""]

    def intern(text) -> int:
        text = text if isinstance(text, bytes) else text.encode()
        if text not in names[1:]:
            names.append(text)
        return names.index(text, 1)

    raw = compile_source(source.encode(), "made.py", "exec", intern)
    return b"M\x04\x02\x1f" + write_uint(32) + Writer(names).code(raw)


class Binary(Files):
    def read_file(self, path):
        return self.files[path]


def run(source: str, files: dict[str, bytes]) -> str:
    vm, output = make_vm()
    vm.vfs = Binary(files)
    outcome = vm.execute(source.encode())
    return (output + outcome.traceback).decode()


def test_a_precompiled_module_runs_like_its_source():
    program = "import m\nprint(m.VALUE, m.NUMBERS, m.outer.__name__)\nm.fail()"
    from_mpy = run(program, {"m.mpy": written(SOURCE)})
    assert from_mpy == run(program, {"m.py": SOURCE.encode()}).replace("m.py", "made.py")
    assert from_mpy.startswith("(11, [0, 2, 4], [6])")
    assert run("import m\nprint(m)", {"m.mpy": written("x = 1")}) == "<module 'm'>\n"


@pytest.mark.parametrize("data, message", [
    (b"", "incompatible .mpy file"), (b"M\x03\x02\x1f\x20", "incompatible .mpy file"),
    (b"M\x04\x00\x1f\x20", "incompatible .mpy file"),
    (b"M\x04\x02\x40\x20", "incompatible .mpy file"),
    (b"M\x04\x02\x1f\x21", "incompatible .mpy file"),
    (b"M\x04\x16\x1f\x20", "incompatible .mpy arch"),
])
def test_files_of_other_kinds_are_refused(data, message):
    assert run("import m", {"m.mpy": data}).splitlines()[-1] == "ValueError: " + message


@pytest.mark.parametrize("cut", [6, 20, 60, 200])
def test_a_truncated_file_is_refused(cut):
    vm, _ = make_vm()
    with pytest.raises(NotSimulated, match="mpy"):
        mpy.load(vm, written(SOURCE)[:cut])
