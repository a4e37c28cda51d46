"""A small helping of bench/fuzz_serial.py."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parents[2]))
from bench.fuzz_serial import fuzz  # noqa: E402


@pytest.mark.parametrize("mode, inputs", [("prompt", 2000), ("isp", 2000)])
def test_random_input(mode, inputs):
    """Raises when the board stops answering, or a part of it fails."""
    assert fuzz(mode, inputs, seed=inputs) < 256 << 20
