"""The line editor against a small model of the terminal it draws on."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from k210sim.repl.continuation import begins_compound, needs_more
from k210sim.repl.readline import ENTER, HISTORY_LINES, Readline, auto_indent, columns


class Screen:
    """One line of a VT100 terminal: printable bytes, backspace, cursor left, erase to the end."""

    def __init__(self):
        self.cells = bytearray()
        self.column = 0

    def write(self, data: bytes) -> None:
        for part in re.findall(rb"\x1b\[\d*[DK]|[\s\S]", data):
            if part == b"\x1b[K":
                del self.cells[self.column :]
            elif part.startswith(b"\x1b"):
                self.column -= int(part[2:-1])
            elif part == b"\b":
                self.column -= 1
            elif part == b"\r":
                self.column = 0
            elif part == b"\n":
                self.cells.clear()
            else:
                self.cells[self.column : self.column + 1] = part
                self.column += 1
            assert 0 <= self.column


def complete(text: bytes):
    if text.endswith(b"a"):
        return b"lpha"
    return [b"alpha", b"alpine"] if text.endswith(b" ") else b""


KEYS = st.sampled_from(
    [b"a", b"b", b" ", b"    ", b"xyz" * 5, b"\x08", b"\x7f", b"\t", b"\x01", b"\x02", b"\x05",
     b"\x06", b"\x04", b"\x0b", b"\x0e", b"\x10", b"\x15", b"\x1b[A", b"\x1b[B", b"\x1b[C",
     b"\x1b[D", b"\x1b[H", b"\x1b[F", b"\x1b[1~", b"\x1b[3~", b"\x1b[4~", b"\x1bOH", b"\x1bOF",
     b"\x1b[5~", b"\x1bq", b"\r", b"\xc3\xa9", b"\x00"]
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(KEYS, max_size=60))
def test_the_screen_shows_the_line_and_the_cursor(keys):
    screen = Screen()
    editor = Readline(screen.write, complete)
    editor.begin(b">>> ")
    for key in keys:
        for byte in key:
            if editor.process(byte) is not None:
                screen.write(b"\r\n")
                editor.begin(b">>> ")
        assert screen.cells == b">>> " + editor.line
        assert screen.column == 4 + editor._cursor
        assert len(editor.history) <= HISTORY_LINES


def test_history_has_no_empty_lines_and_no_doubles():
    editor = Readline(lambda data: None, lambda text: b"")
    for line in (b"a", b"", b"a", b"b", b"a"):
        editor.begin(b"")
        for byte in line:
            editor.process(byte)
        assert editor.process(13) == ENTER
    assert editor.history == [b"a", b"b", b"a"]


@pytest.mark.parametrize(
    ("text", "levels"),
    [
        (b"", 0), (b"\n", 0), (b"if 1:\n", 1), (b"x\n", 0), (b"if 1:\n    x\n", 1),
        (b"if 1:\n    if 2:\n", 2), (b"  if 1:\n", 1), (b"if 1:\n      x\n", 1),
        (b"if 1:\n    x\n    \n", 1), (b"if 1:\n    x\n    \n    \n", 0),
        (b"if 1:\n    \n    \n", 0), (b"{:\n", 1),
    ],
)  # fmt: skip
def test_auto_indent(text, levels):
    assert auto_indent(text) == levels


@pytest.mark.parametrize(
    ("text", "more"),
    [
        (b"", False), (b"1", False), (b"(", True), (b"(]", True), (b"(1,\n2)", False),
        (b"'(", False), (b"'''(", True), (b"'''a'''", False), (b'"""', True), (b"'\\'(", False),
        (b"x = 1 + \\", True), (b"if 1: x", True), (b"if 1: x\n", False), (b"iffy", False),
        (b"for", True), (b"forx", False), (b"@property", True), (b"async def f(): pass", False),
        (b"classes", False), (b"with_x = 1", False), (b"try:", True), (b"def f(", True),
        (b"'a\"b", False), (b"\"a'''b\"", False), (b")(", False), (b"])([", False),
    ],
)  # fmt: skip
def test_whether_more_lines_are_asked_for(text, more):
    assert needs_more(text) is more


def test_compound_words_end_where_identifiers_end():
    assert begins_compound(b"if(1)") and begins_compound(b"while\n") and begins_compound(b"def")
    assert not begins_compound(b"definitely") and not begins_compound(b"if_")


def test_columns():
    names = [b"__class__", b"__name__", b"sixteen_letters_", b"x" * 70, b"end"]
    assert columns(names) == (
        b"\r\n__class__       __name__        sixteen_letters_\r\n" + b"x" * 70 + b"\r\nend\r\n"
    )
