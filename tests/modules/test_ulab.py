"""`ulab` against the original.

`ulab_reference` holds programs and what they printed under ulab's own C code (c315a57, compiled
for a PC with single-precision floats on MicroPython 1.11). Lines with inf or nan are left out:
the device's compiler flags make other texts of them. 0.9, which the device's parser reads one unit
higher than the PC's, is written as a quotient. The last digits of what is computed in several steps
may differ: the board fuses products and sums (tests/compare/scripts/ulab_numbers.py compares every
bit with the published binary).
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from k210sim.errors import NotSimulated
from k210sim.modules.ulab.functions import transform
from k210sim.modules.ulab.ndarray import elements
from k210sim.modules.ulab.sorting import heap_order
from tests.modules.picture_vm import PictureVm

REFERENCE = Path(__file__).parent / "ulab_reference"
NOT_FINITE = ("/.//", "//./")
NUMBER = re.compile(r"-?\d+\.\d+(?:e[-+]\d+)?")


def answers(program: str) -> list[str]:
    guest = PictureVm()
    guest.run((REFERENCE / program).read_text())
    printed = guest.output.decode().splitlines()
    return [line for line in printed if not any(mark in line for mark in NOT_FINITE)]


@pytest.fixture(scope="module")
def guest():
    made = PictureVm()
    made.run("import ulab\nfrom ulab import array")
    return made


@pytest.mark.parametrize("program, expected", [
    ("program.txt", "answers.txt"), ("memory_program.txt", "memory_answers.txt"),
])  # fmt: skip
def test_answers_and_heap_use_are_the_original_s(program, expected):
    given, wanted = answers(program), (REFERENCE / expected).read_text().splitlines()
    assert len(given) == len(wanted)
    different = [pair for pair in zip(given, wanted, strict=True) if pair[0] != pair[1]]
    assert len(different) < len(wanted) / 25
    for have, want in different:
        assert "memory" not in program and NUMBER.sub("#", have) == NUMBER.sub("#", want)
        assert np.allclose(*(np.array(NUMBER.findall(text), float) for text in (have, want)),
                           rtol=2e-4, atol=3e-6), (have, want)  # fmt: skip


def test_names_come_in_the_firmware_s_order(guest):
    names = eval(guest.run("print(dir(ulab))"))
    assert names[:6] == ["__class__", "__name__", "sort", "sum", "__version__", "acos"]
    assert names[6:] == sorted(names[6:]) and len(names) == 58
    assert guest.run("print(ulab.__version__, ulab.float, ulab.int8)") == "0.262 102 98\n"


@pytest.mark.parametrize("code", [
    "ulab.eye(2, M=4, k=-1)",
    "ulab.sort(array(range(9), dtype=ulab.uint16))",
    "ulab.sort(ulab.ones((9, 2)), axis=0)",
    "ulab.dot(ulab.ones((9, 9)), ulab.ones((9, 1)))",
    "ulab.dot([[1]], array([1]))",
    "ulab.roll([1, 2], 1)",
    "ulab.polyfit(range(256), 1)",
    "ulab.sin((1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12))",
    "ulab.max(array([]))",
    "array([1, 2])['a']",
])  # fmt: skip
def test_where_the_firmware_leaves_its_arrays_the_call_says_so(guest, code):
    with pytest.raises(NotSimulated):
        guest.run(code)


def test_operators_that_arrays_lack_are_named(guest):
    assert guest.error("array([1]) ** 2") == \
        "TypeError: unsupported types for __pow__: 'ndarray', 'int'"
    assert guest.error("2.0 * array([1])") == \
        "TypeError: unsupported types for __mul__: 'float', 'ndarray'"


def test_division_by_zero_is_infinite(guest):
    guest.run("x = array([1, -1, 0], dtype=ulab.int8) / 0")
    values = elements(guest.vm, guest.global_word("x"))
    assert values[0] == np.inf and values[1] == -np.inf and np.isnan(values[2])


@pytest.mark.parametrize("n", [1, 2, 8, 64, 1024])
def test_the_transform_is_a_fourier_transform(n):
    random = np.random.RandomState(n)
    re, im = (random.uniform(-1, 1, n).astype(np.float32) for _ in range(2))
    expected = np.fft.fft(re + 1j * im)
    turned_re, turned_im = re.copy(), im.copy()
    transform(turned_re, turned_im, 1)
    assert np.allclose(turned_re + 1j * turned_im, expected, atol=2e-3 * max(1, n) ** 0.5)
    transform(turned_re, turned_im, -1)
    assert np.allclose(turned_re / n, re, atol=1e-4)


def test_heap_order_sorts():
    keys = np.random.RandomState(1).randint(0, 20, 200).tolist()
    order = heap_order(keys)
    assert sorted(order) == list(range(200))
    assert [keys[i] for i in order] == sorted(keys)


def test_a_transform_takes_the_time_measured_on_boards(guest):
    guest.run("x = ulab.linspace(0, 9, num=1024)")
    start = guest.vm.clock.now_ns
    guest.run("y = ulab.spectrum(x)")
    assert 1.9e6 < guest.vm.clock.now_ns - start < 2.4e6
