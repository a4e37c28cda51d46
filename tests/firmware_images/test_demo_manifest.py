"""Every shipped image is the one the manifest names."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]
MANIFEST = tomllib.loads((ROOT / "firmware_images" / "manifest.toml").read_text())


@pytest.mark.parametrize("entry", MANIFEST["image"], ids=lambda entry: entry["path"])
def test_image_has_the_bytes_the_manifest_names(entry):
    data = (ROOT / entry["path"]).read_bytes()
    assert len(data) == entry["size"]
    assert hashlib.sha256(data).hexdigest() == entry["sha256"]


def test_every_model_in_the_package_and_every_checkpoint_is_listed():
    listed = {entry["path"] for entry in MANIFEST["image"]}
    kinds = ("k210sim/data/*.kmodel", "firmware_images/*.npz", "firmware_images/riscv/*.bin")
    found = [path for kind in kinds for path in ROOT.glob(kind)]
    assert {path.relative_to(ROOT).as_posix() for path in found} == listed


def test_readme_names_the_shipped_model():
    entry = next(e for e in MANIFEST["image"] if e["path"].endswith(".kmodel"))
    assert entry["sha256"] in (ROOT / "firmware_images" / "README.md").read_text()
