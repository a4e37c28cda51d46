"""The recorded scripts of the real firmware: sent to a fresh board, the output must be equal.

What the records themselves call variable (see their README) is compared accordingly; what differs
for a known reason stands in DIFFERENT with that reason and is expected to differ.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from k210sim import Board
from tests.golden.masks import mask

SHARED = Path(os.environ.get("K210SIM_SHARED", Path(__file__).resolve().parents[3] / "shared"))
FOLDER = SHARED / "golden" / "maixpy" / "scripts"
INDEX = {}
if (FOLDER / "index.jsonl").is_file():
    for line in (FOLDER / "index.jsonl").read_text().splitlines():
        entry = json.loads(line)
        INDEX[entry["name"]] = entry

# name -> why our board answers differently from the recording
DIFFERENT = {
    # Each prints what the published binary prints (docs/conformance.md).
    "float_fmt_table": "decimal literals: the binary multiplies by powf(10, -n)",
    "num_infnan": "int() of inf and nan is 0 in the binary",
    "tb_os_raise2": "the number of ETIMEDOUT is that of the firmware's C library",
}


def squeeze(text: str) -> list[str]:
    """Repeated neighbouring lines as one, and runs of nested lists as one: for records whose
    depth varies with the C compiler."""
    lines = []
    for line in re.sub(r"(\[1, )+", "[1, ", text).splitlines():
        if not lines or lines[-1] != line:
            lines.append(line)
    return lines


def last_digits_agree(got: str, expected: str) -> bool:
    """Equal, or differing only in numbers that are one unit in the last place apart."""
    number = re.compile(r"-?\d+\.\d+(?:e[-+]\d+)?")
    if number.sub("#", got) != number.sub("#", expected):
        return False
    for a, b in zip(number.findall(got), number.findall(expected), strict=True):
        unit = 10.0 ** -len(re.sub(r"e.*", "", b).split(".")[1])
        unit *= float("1e" + b.split("e")[1]) if "e" in b else 1
        if abs(float(a) - float(b)) > 1.5 * unit:
            return False
    return True


def agrees(name: str, got: str, expected: str) -> bool:
    entry = INDEX.get(name, {})
    if got == expected:
        return True
    if entry.get("depth_varies"):
        return squeeze(got) == squeeze(expected)
    if entry.get("address_dependent"):
        lines, wanted = got.splitlines(), expected.splitlines()
        differing = sum(a != b for a, b in zip(lines, wanted, strict=False))
        return len(lines) == len(wanted) and differing < len(wanted) / 2
    if entry.get("last_digit"):
        return last_digits_agree(got, expected)
    return False


def answer(name: str) -> str:
    with Board(flash_image=None) as board:
        result = board.exec((FOLDER / f"{name}.py").read_bytes(), timeout=30)
    text = result.stdout + (result.error or "")
    return mask(text.replace("\r\n", "\n"), meminfo="meminfo" in name)


@pytest.mark.skipif(not INDEX, reason=f"no recorded scripts at {FOLDER} (set K210SIM_SHARED)")
@pytest.mark.parametrize("name", sorted(INDEX))
def test_a_script_prints_what_the_firmware_prints(name, request):
    if name in DIFFERENT:
        request.applymarker(pytest.mark.xfail(reason=DIFFERENT[name], strict=True))
    expected = [(FOLDER / f"{name}.out").read_text()]
    if (FOLDER / f"{name}.plain").is_file():
        expected.append((FOLDER / f"{name}.plain").read_text())
    got = answer(name)
    if not any(agrees(name, got, text) for text in expected):
        assert got == expected[0]
