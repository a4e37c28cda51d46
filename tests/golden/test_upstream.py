"""MicroPython's own tests: those that the firmware's configuration passes pass here too.

Set K210SIM_UPSTREAM_TESTS to the `tests` folder of a checkout of micropython/micropython at the
firmware's release (v1.11-64, commit ced340d739). Which files the firmware passes is listed in the
recordings' upstream.md. Expected output is the file's `.exp`, or what CPython prints.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from k210sim import Board
from k210sim.errors import K210SimError

VARIABLE = "K210SIM_UPSTREAM_TESTS"
TARGET = 0.97
SECONDS = 30.0
# Upstream tests we do not run, and why; they count as skipped.
SKIPPED: dict[str, str] = {}


def listed(text: str) -> dict[str, list[str]]:
    """folder -> files that the firmware passes, from the text of upstream.md."""
    passing = text.split("## Pass", 1)[1].split("## Fail", 1)[0]
    found = re.finditer(r"^\*\*(\w+)\*\* \(\d+\): (.*)$", passing, re.M)
    return {m[1]: m[2].split() for m in found}


def expected(folder: Path, name: str) -> str:
    """The recorded output of a test, or what CPython prints for it."""
    recorded = folder / (name + ".exp")
    if recorded.is_file():
        return recorded.read_bytes().decode("utf-8", "surrogateescape")
    done = subprocess.run([sys.executable, "-B", f"{folder.name}/{name}"], cwd=folder.parent,
                          capture_output=True, timeout=60,
                          env={**os.environ, "PYTHONIOENCODING": "utf-8", "PYTHONPATH": ""})
    return done.stdout.decode("utf-8", "surrogateescape")


def lay_out(board, folder: Path) -> None:
    """Put a folder's helper modules and data on /flash, where the tests look for them."""
    files = list(folder.glob("*.py")) if folder.name == "import" else []
    if folder.name == "io":
        files += [p for p in (folder / "data").glob("*") if p.is_file()]
    for path in files:
        name = path.relative_to(folder if folder.name == "import" else folder.parent).as_posix()
        program = f"f = open('/flash/{name}', 'wb'); f.write({path.read_bytes()!r}); f.close()"
        assert board.exec(program).ok, name


def answer(folder: Path, name: str) -> str:
    """What the board prints for a test, traceback included."""
    with Board(flash_image=None) as board:
        lay_out(board, folder)
        try:
            result = board.exec((folder / name).read_bytes(), timeout=SECONDS)
        except K210SimError as error:
            return f"{type(error).__name__}: {error}"
    text = result.output.decode("utf-8", "surrogateescape")
    return text.replace("\r\n", "\n")


def test_the_list_of_the_recordings_is_understood(shared):
    names = listed((shared / "golden/maixpy/upstream.md").read_text())
    assert {f: len(n) for f, n in names.items()} == {
        "basics": 299, "float": 21, "misc": 4, "io": 5, "extmod": 42, "unicode": 6, "import": 9,
        "micropython": 21}


def test_upstream_tests_that_the_firmware_passes(shared, capsys):
    if VARIABLE not in os.environ:
        pytest.skip(f"set {VARIABLE} to the tests folder of a MicroPython v1.11 checkout")
    root = Path(os.environ[VARIABLE])
    assert (root / "basics").is_dir(), f"{VARIABLE}={root}: no MicroPython tests there"
    counts: dict[str, Counter] = {}
    failed = []
    for group, names in listed((shared / "golden/maixpy/upstream.md").read_text()).items():
        count = counts[group] = Counter()
        for name in names:
            if f"{group}/{name}" in SKIPPED or not (root / group / name).is_file():
                count["skipped"] += 1
                failed.append((f"{group}/{name}", SKIPPED.get(f"{group}/{name}", "not there")))
                continue
            got, want = answer(root / group, name), expected(root / group, name)
            good = same(got, want)
            count["passed" if good else "failed"] += 1
            if not good:
                failed.append((f"{group}/{name}", first_difference(got, want)))
    with capsys.disabled():
        print()
        for group, count in counts.items():
            print(f"{group:12} passed {count['passed']:4} failed {count['failed']:3} "
                  f"skipped {count['skipped']:3}")
        for name, why in failed:
            print(f"  {name}: {why}")
    total = sum(counts.values(), Counter())
    assert total["passed"] >= TARGET * (total["passed"] + total["failed"]), failed


def same(got: str, want: str) -> bool:
    """Equal line by line; a line `########` of a recorded output stands for any lines."""
    pattern = "".join(r"(?:.*\n)*?" if line == "########" else re.escape(line) + r"\n"
                      for line in want.splitlines())
    return re.fullmatch(pattern, "".join(line + "\n" for line in got.splitlines())) is not None


def test_a_line_of_hashes_stands_for_any_lines():
    assert same("a\nb\nc\n", "a\n########\nc\n") and same("a\nc", "a\n########\nc\n")
    assert not same("a\nb\nd\n", "a\n########\nc\n") and not same("a\nb\n", "a\n")


def first_difference(got: str, want: str) -> str:
    for number, (a, b) in enumerate(zip(got.splitlines(), want.splitlines(), strict=False), 1):
        if a != b:
            return f"line {number}: got {a[:90]!r}, expected {b[:90]!r}"
    return f"{len(got.splitlines())} lines instead of {len(want.splitlines())}"
