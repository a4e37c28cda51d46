"""The tables of docs/tools.md and the tests that are their cells say the same."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ABSENT = "–"  # the tool has no such function


def marked() -> set[tuple[str, str, str]]:
    """(tool, row, outcome) of every test that is marked with `cell` or `cells`."""
    found = []
    for path in sorted((ROOT / "tests" / "tools").glob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                found += [mark for call in node.decorator_list for mark in marks(call)]
    assert len(found) == len(set(found)), "a cell has two tests"
    return set(found)


def marks(decorator: ast.expr) -> Iterator[tuple[str, str, str]]:
    if isinstance(decorator, ast.Call) and isinstance(decorator.func, ast.Name):
        words = [ast.literal_eval(word) for word in decorator.args
                 if decorator.func.id in ("cell", "cells")]  # fmt: skip
        if decorator.func.id == "cell":
            tool, row, *outcome = words
            yield tool, row, *(outcome or ["works"])
        elif decorator.func.id == "cells":
            yield from ((tool, words[0], "works") for tool in words[1:])


def documented() -> set[tuple[str, str, str]]:
    """The same from the page: tables whose first heading is `What`, one column a tool."""
    found = set()
    columns: list[str] = []
    for line in (ROOT / "docs" / "tools.md").read_text().splitlines():
        words = [word.strip() for word in line.strip("|").split("|")] if line[:1] == "|" else []
        if words[:1] == ["What"]:
            columns = words[1:]
        elif not words:
            columns = []
        elif columns and not re.fullmatch("-+", words[0]):
            assert len(words) == len(columns) + 1, line
            for tool, outcome in zip(columns, words[1:], strict=True):
                if outcome != ABSENT:
                    found.add((tool, words[0], outcome))
    return found


def test_each_cell_of_the_page_is_a_test_and_each_test_is_on_the_page():
    assert documented() == marked()
