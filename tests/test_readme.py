"""The README's promises that a machine can check."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md")), ROOT / "CONTRIBUTING.md"]


def test_the_example_test_works(k210_board_factory, monkeypatch):
    monkeypatch.chdir(ROOT)
    source = re.search(r"```python\n(from PIL.*?)```", README, re.DOTALL)[1]
    names: dict = {}
    exec(source, names)  # our own README
    names["test_the_shapes_are_found"](k210_board_factory)


def test_every_link_leads_somewhere():
    missing = []
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            if "://" not in target and not (page.parent / target).exists():
                missing.append(f"{page.name}: {target}")
    assert not missing


def test_every_command_named_exists():
    from k210sim.cli.main import COMMANDS

    named = set(re.findall(r"^k210sim ([a-z-]+)", README, re.MULTILINE))
    assert named <= set(COMMANDS), named - set(COMMANDS)
