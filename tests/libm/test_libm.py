"""The maths library gives, bit for bit, what the published firmware's gives.

`values.json` was recorded from the functions of the v0.6.3 binary: words of the arguments, a colon,
the word of the result. tests/riscv/test_firmware_maths.py compares many more with the binary.
"""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from k210sim import libm
from k210sim.libm.arithmetic import fused, single, value, word

VALUES = json.loads((Path(__file__).parent / "values.json").read_text())
WORDS = st.integers(0, 0xFFFFFFFF)


@pytest.mark.parametrize("name", VALUES)
def test_a_function_gives_the_recorded_bits(name):
    function = getattr(libm, name)
    wrong = []
    for case in VALUES[name].split():
        given_words, _, wanted = case.partition(":")
        arguments = [value(int(text, 16)) for text in given_words.split(",")]
        got = function(*arguments)
        if not (got != got and wanted == "7fc00000") and f"{word(got):08x}" != wanted:
            wrong.append((arguments, got, value(int(wanted, 16))))
    assert not wrong


def test_every_function_has_recorded_values():
    assert set(libm._MODULES) == set(VALUES)
    with pytest.raises(AttributeError, match="cosine"):
        libm.cosine  # noqa: B018


@pytest.mark.parametrize("name", sorted(set(VALUES) - {"power", "atan2"}))
def test_no_word_breaks_a_function(name):
    random = np.random.default_rng(3)
    for bits in random.integers(0, 2**32, 300):
        got = getattr(libm, name)(value(int(bits)))
        assert got != got or single(got) == got


@given(WORDS, WORDS, WORDS)
@example(0x3F800001, 0x3F800001, 0x33800000)
@example(0x3F800001, 0x3FC00000, 0x2F000000)
@example(0x3F800003, 0x3F800001, 0xA8800000)
def test_fused_rounds_once(a, b, c):
    a, b, c = value(a), value(b), value(c)
    got = fused(a, b, c)
    if not all(np.isfinite((a, b, c))):
        assert got != got or abs(got) == np.inf or np.isfinite(got)
        return
    exact = Fraction(a) * Fraction(b) + Fraction(c)
    if not np.isfinite(got):
        assert abs(exact) >= Fraction(2) ** 128 - Fraction(2) ** 103
        return
    bits = word(got)
    for other in (bits - 1, bits + 1):
        if 0 <= other < 2**32 and np.isfinite(value(other)):
            near, far = abs(Fraction(got) - exact), abs(Fraction(value(other)) - exact)
            assert near < far or near == far and not bits & 1 or near == far == 0
