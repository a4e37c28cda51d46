"""The kept scripts print the same on both engines, but for what docs/conformance.md lists.

Takes the published v0.6.3 binary (K210SIM_FIRMWARE_DIR) and the shared face model and picture. By
hand: `k210sim compare --ignore-addresses tests/compare/scripts/*.py`.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from k210sim import Board
from k210sim.board.compare import Comparison, Pair
from tests.golden.booted import image_with, v063
from tests.riscv.test_firmware_devices import MODEL, PICTURE

SCRIPTS = sorted((Path(__file__).parent / "scripts").glob("*.py"))
DOCS = Path(__file__).resolve().parents[2] / "docs" / "conformance.md"
ROW = re.compile(r"\| `(\w+)` \| `([^|]*)` \| `([^|]*)` \| [^|]+ \|")


def listed() -> dict[str, tuple[str, str]]:
    """By script, what its first line that differs has: the firmware's, the built-in engine's."""
    section = DOCS.read_text().partition("## Engine against engine\n")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| `")]
    found = [ROW.fullmatch(line) for line in rows]
    assert found and all(found), rows
    return {match[1]: (match[2], match[3]) for match in found}


DIFFERENT = listed()


def lines(found: Comparison) -> tuple[str, ...]:
    """The first line that differs, by engine; empty behind the end."""
    at = found.line - 1
    texts = [output.decode("utf-8", "replace") for output in found.outputs.values()]
    return tuple("".join(text.split("\r\n")[at : at + 1]) for text in texts)


def test_every_listed_difference_is_of_a_script():
    assert set(DIFFERENT) <= {path.stem for path in SCRIPTS}


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    if not (MODEL.is_file() and PICTURE.is_file()):
        pytest.skip(f"{MODEL} or {PICTURE} is not there (set K210SIM_SHARED)")
    path = tmp_path_factory.mktemp("compare") / "flash.bin"
    path.write_bytes(image_with({}))
    with Board(path, engine="builtin") as board:
        board.flash(MODEL)
    board = Board(path, engine="riscv")
    try:
        board.flash(v063(), 0, name="maixpy.bin")
        board.power_on(wait=False)  # once, for what it writes to /flash at its first boot
        assert board._engine.wait_booted(600), "no prompt"
    finally:
        board.close()
    with Pair(path, camera=PICTURE) as both:
        yield both


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_prints_the_same_on_both_engines(pair, script):
    found = pair.compare(script, timeout=300, mask_addresses=True)
    for result in found.results.values():
        assert result.exit_reason not in ("timeout", "hung")
    if script.stem not in DIFFERENT:
        assert found.equal, lines(found)
        assert found.outputs["riscv"]
        return
    assert not found.equal, f"{script.stem} is equal now: take it out of docs/conformance.md"
    for line, part in zip(lines(found), DIFFERENT[script.stem], strict=True):
        assert part in line
