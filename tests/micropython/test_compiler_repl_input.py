"""When the prompt asks for another line."""

from __future__ import annotations

import pytest

from k210sim.micropython.compiler import continue_input


@pytest.mark.parametrize(
    "text",
    [
        b"if a:", b"while 1:", b"for x in y:", b"try:", b"with a:", b"def f():", b"class A:",
        b"@d", b"if", b"if a:\n  b", b"x = (", b"x = [1,", b"{", b"'''", b'"""abc\n', b"a \\",
        b"'''it's", b"x = '''a'", b"f('\\'(', (", b"try:\n  (\n", b"# ((",
    ],
)  # fmt: skip
def test_more_wanted(text):
    assert continue_input(text)


@pytest.mark.parametrize(
    "text",
    [
        b"", b"x", b"if a:\n  b\n", b"iffy", b"classes = 1", b"'abc", b"'(", b"x = ')('", b"())",
        b" if a:", b"try:\n", b"'a' '''b'''", b"'\\'(\\\"('", b"async def f():", b"x\0(",
    ],
)  # fmt: skip
def test_complete(text):
    assert not continue_input(text)
