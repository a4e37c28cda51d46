"""A string table for compiler tests, and shortcuts."""

from __future__ import annotations

from k210sim.micropython.compiler import compile_source
from k210sim.micropython.compiler.opcodes import dis


class StringTable:
    """Numbers strings from 1 in the order in which they are first seen."""

    def __init__(self):
        self.numbers: dict[bytes, int] = {}

    def intern(self, text: bytes) -> int:
        assert isinstance(text, bytes)
        return self.numbers.setdefault(text, len(self.numbers) + 1)

    def text(self, number: int) -> str:
        return list(self.numbers)[number - 1].decode("utf-8", "backslashreplace")


def build(source, mode="exec", **options):
    """Code object of a text, with the string table it used."""
    table = StringTable()
    data = source.encode() if isinstance(source, str) else source
    return compile_source(data, "t.py", mode, table.intern, **options), table


def own_listing(raw, table) -> list[str]:
    """Instructions of one code object, without offsets and without nested code."""
    lines = []
    for line in dis(raw, table.text).splitlines()[1:]:
        if ": state=" in line:
            break  # nested code objects follow their parent
        lines.append(line.split(None, 1)[1])
    return lines


def listing(source, mode="exec", **options) -> list[str]:
    """Instructions of a text."""
    return own_listing(*build(source, mode, **options))


def child_listing(source, **options) -> list[str]:
    """Instructions of the first nested code object."""
    raw, table = build(source, **options)
    return own_listing(raw.children()[0], table)
