"""Scripts of the recorded firmware answers: those that do not compile, fail with its very text."""

from __future__ import annotations

import re

from compiler_helpers import StringTable

from k210sim.micropython.compiler import GuestSyntaxError, compile_source

_TRACEBACK = re.compile(
    r"^Traceback \(most recent call last\):\n  File \"<stdin>\", line \d+(?:, in .*)?\n"
    r"(?:SyntaxError|IndentationError): .*\n?$"
)


def printed(e: GuestSyntaxError) -> str:
    if e.line is None:
        return f"{e.kind}: {e.message}\n"
    block = f", in {e.block}" if e.block else ""
    return (
        "Traceback (most recent call last):\n"
        f'  File "{e.filename}", line {e.line}{block}\n{e.kind}: {e.message}\n'
    )


def test_scripts(shared):
    folder = shared / "golden" / "maixpy" / "scripts"
    scripts = sorted(folder.glob("*.py"))
    assert scripts
    refused = 0
    for script in scripts:
        expected = script.with_suffix(".out").read_text("utf-8", errors="replace")
        must_fail = bool(_TRACEBACK.match(expected))
        try:
            compile_source(script.read_bytes(), "<stdin>", "exec", StringTable().intern)
        except GuestSyntaxError as e:
            refused += 1
            assert printed(e) == expected, script.name
        else:
            assert not must_fail, script.name
    assert refused
