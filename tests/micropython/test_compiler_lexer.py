"""Tokens: kinds, values and lines."""

from __future__ import annotations

from itertools import takewhile

import pytest

from k210sim.micropython.compiler.lexer import END, Lexer


def tokens(source: bytes):
    return list(takewhile(lambda t: t[0] != END, Lexer(source).tokens()))


def kinds(source: bytes):
    return [kind for kind, _, _ in tokens(source)]


def test_blocks():
    source = b"if x:\n\ty\n        z\n  # c\nw"
    assert kinds(source) == [
        "if", "NAME", ":", "NEWLINE", "INDENT", "NAME", "NEWLINE", "NAME", "NEWLINE", "DEDENT",
        "NAME", "NEWLINE",
    ]  # fmt: skip
    assert "MISMATCH" in kinds(b"if x:\n  y\n z")


def test_a_line_end_carries_the_line_of_what_follows():
    assert tokens(b"a\n\n# c\nb")[1] == ("NEWLINE", None, 4)


def test_joined_lines():
    assert kinds(b"(a,\n b)") == ["(", "NAME", ",", "NAME", ")", "NEWLINE"]
    assert [t[2] for t in tokens(b"a \\\n + \\\n b")] == [1, 2, 3, 4]
    assert kinds(b"a # no \\\nb") == ["NAME", "NEWLINE", "NAME", "NEWLINE"]


@pytest.mark.parametrize("ending", [b"\n", b"\r", b"\r\n"])
def test_line_ends(ending):
    assert [t[2] for t in tokens(b"a" + ending + b"b" + ending)] == [1, 2, 2, 3]


@pytest.mark.parametrize(
    "source, kind, value",
    [
        (b"'a\\n\\x41\\101\\0'", "STRING", b"a\nAA\0"),
        (b"'\\u00e9\\U0001f600\\xe9'", "STRING", "\u00e9\U0001f600\u00e9".encode()),
        (b"b'\\xff\\u00e9'", "BYTES", b"\xff\\u00e9"),
        (b"r'\\n\\''", "STRING", b"\\n\\'"),
        (b"rb'\\x' br'y'", "BYTES", b"\\xy"),
        (b"'\\q'", "STRING", b"\\q"),
        (b"'a\\\nb'", "STRING", b"ab"),
        (b"'a' \"b\" '''c\nd'''", "STRING", b"abc\nd"),
        (b'""', "STRING", b""),
        (b'"""a""b"""', "STRING", b'a""b'),
        (b"'\\ud800'", "STRING", b"\xed\xa0\x80"),
        (b"'abc", "INVALID", None),
        (b"'\\x4'", "INVALID", None),
        (b"'''abc", "INVALID", None),
        (b"1_000", "INTEGER", b"1000"),
        (b"1E5", "FLOAT", b"1e5"),
        (b"1e-5", "FLOAT", b"1e-5"),
        (b"0xe5", "INTEGER", b"0xe5"),
        (b"1j", "FLOAT", b"1j"),
        (b".5", "FLOAT", b".5"),
        (b"\xc3\xa9t", "NAME", b"\xc3\xa9t"),
        (b"F", "NAME", b"F"),
        (b"$", "INVALID", None),
        (b"\0", "INVALID", None),
        (b"...", "...", None),
        (b"!", "INVALID", None),
        (b"//=", "//=", None),
    ],
)
def test_single_tokens(source, kind, value):
    got = tokens(source)[0]
    assert got[0] == kind
    if value is not None:
        assert got[1] == value


def test_operators_are_cut_longest_first():
    assert kinds(b"a:=b<>c@=d..e->f")[:-1] == [
        "NAME", ":", "=", "NAME", "<", ">", "NAME", "@", "=", "NAME", ".", ".", "NAME", "->",
        "NAME",
    ]  # fmt: skip


def test_lines_behind_long_literals():
    assert tokens(b"'''a\nb\nc''' x\ny")[1] == ("NAME", b"x", 3)
