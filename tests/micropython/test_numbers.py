"""Integers, floats and complex numbers: against CPython, numpy and hand-checked device texts."""

from __future__ import annotations

import math
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from k210sim.micropython import bigint, layout, ops, singles
from k210sim.micropython.formatfloat import float_text, format_float
from k210sim.micropython.native import GuestError
from tests.micropython.number_vm import make_vm, run

big = st.integers(-(1 << 200), 1 << 200) | st.integers(-(1 << 64), 1 << 64) | st.integers(-5, 5)
floats = st.floats(width=32, allow_nan=False)


@pytest.fixture(scope="module")
def vm():
    return make_vm()[0]


def word(vm, value):
    """A guest number of a host one."""
    if isinstance(value, float):
        return vm.new_float(value)
    return (value << 1) | 1 if -(1 << 62) <= value < 1 << 62 else vm.new_big_int(value)


def value(vm, o):
    if vm.is_float(o):
        return vm.float_value(o)
    if vm.is_type(o, "tuple"):
        return tuple(value(vm, item) for item in vm.items_of(o))
    return vm.int_value(o)


def compute(vm, op, *operands):
    """Host result of a guest operator, or the name of the exception."""
    vm.temps.clear()
    words = [word(vm, x) for x in operands]
    try:
        result = vm.binary_op(op, *words) if len(words) == 2 else vm.unary_op(op, *words)
    except GuestError as error:
        return vm.type_name(error.obj)
    return value(vm, result)


INT_OPERATORS = {
    ops.ADD: lambda a, b: a + b, ops.SUBTRACT: lambda a, b: a - b,
    ops.MULTIPLY: lambda a, b: a * b, ops.AND: lambda a, b: a & b, ops.OR: lambda a, b: a | b,
    ops.XOR: lambda a, b: a ^ b, ops.LESS: lambda a, b: a < b, ops.MORE: lambda a, b: a > b,
    ops.LESS_EQUAL: lambda a, b: a <= b, ops.MORE_EQUAL: lambda a, b: a >= b,
    ops.EQUAL: lambda a, b: a == b,
}


@settings(max_examples=300, deadline=None)
@given(op=st.sampled_from(sorted(INT_OPERATORS)), a=big, b=big)
def test_int_operators_agree_with_cpython(vm, op, a, b):
    assert compute(vm, op, a, b) == INT_OPERATORS[op](a, b)


@settings(max_examples=200, deadline=None)
@given(op=st.sampled_from([ops.FLOOR_DIVIDE, ops.MODULO, ops.DIVMOD]), a=big, b=big)
def test_int_division_agrees_with_cpython(vm, op, a, b):
    if b == 0:
        expected = "ZeroDivisionError"
    else:
        expected = {ops.FLOOR_DIVIDE: a // b, ops.MODULO: a % b, ops.DIVMOD: divmod(a, b)}[op]
    assert compute(vm, op, a, b) == expected


@settings(max_examples=100, deadline=None)
@given(a=big, n=st.integers(-3, 300))
def test_shifts_agree_with_cpython(vm, a, n):
    for op in (ops.LSHIFT, ops.RSHIFT):
        if n < 0:
            assert compute(vm, op, a, n) == "ValueError"
        else:
            assert compute(vm, op, a, n) == (a << n if op == ops.LSHIFT else a >> n)


@settings(max_examples=100, deadline=None)
@given(a=st.integers(-(1 << 70), 1 << 70).filter(bool), n=st.integers(0, 40))
def test_powers_agree_with_cpython(vm, a, n):
    assert compute(vm, ops.POWER, a, n) == a**n


@settings(max_examples=100, deadline=None)
@given(a=big)
def test_int_unary_operators_and_texts_agree_with_cpython(vm, a):
    assert compute(vm, ops.NEGATIVE, a) == -a
    assert compute(vm, ops.INVERT, a) == ~a
    assert compute(vm, ops.ABS, a) == abs(a)
    assert vm.print_text(word(vm, a), ops.PRINT_REPR) == str(a)
    for base, letter in ((2, "b"), (8, "o"), (16, "x")):
        assert bigint.formatted(vm, word(vm, a), base) == format(a, letter)


@settings(max_examples=20, deadline=None)
@given(bits=st.integers(11000, 60000), seed=st.integers(0, 1 << 64))
def test_long_decimal_texts(bits, seed):
    n = (1 << bits) + seed * 0x9E3779B97F4A7C15
    text = bigint.text_of(-n)
    assert text[0] == "-"
    total = 0
    for at in range(1, len(text), 4000):
        part = text[at : at + 4000]
        total = total * 10 ** len(part) + int(part)
    assert total == n


def test_heap_integers_stay_heap_integers(vm):
    a = vm.binary_op(ops.SUBTRACT, vm.new_big_int(10**20), vm.new_big_int(10**20 - 3))
    assert not a & 1
    assert vm.int_value(a) == 3


@pytest.mark.parametrize("source", ["10**10**8", "1<<10**8", "2**10**7", "n<<(n<<40)",
                                    "int('9'*200)**100000"])
def test_memory_is_asked_for_before_computing(source):
    out = run(f"n = 1\ntry:\n  {source}\nexcept MemoryError as e:\n  print(repr(e)[:11])\n")
    assert out == "MemoryError\n"


def test_mixed_operands_prefer_complex_then_float():
    out = run("print(1+1.5, 1.5+1, 10**20+1.0, 1+1j, 1.5*2j, 10**20*1j, True+1.0, 2**-1, "
              "(-8)**2, 2==2.0, 10**20==1e20)\n")
    assert out == ("2.5 2.5 1e+20 (1+1j) 3j 1e+20j 2.0 0.5 64 True True\n")


# --- single precision -----------------------------------------------------------------------------
def as_bits(x):
    return struct.unpack("<I", struct.pack("<f", x))[0]


@settings(max_examples=300, deadline=None)
@given(op=st.sampled_from([ops.ADD, ops.SUBTRACT, ops.MULTIPLY, ops.TRUE_DIVIDE]),
       a=floats, b=floats)
def test_float_operators_agree_with_numpy(vm, op, a, b):
    x, y = np.float32(a), np.float32(b)
    if op == ops.TRUE_DIVIDE and y == 0:
        assert compute(vm, op, a, b) == "ZeroDivisionError"
        return
    with np.errstate(all="ignore"):
        expected = {ops.ADD: x + y, ops.SUBTRACT: x - y, ops.MULTIPLY: x * y,
                    ops.TRUE_DIVIDE: x / y if y else x}[op]
    got = compute(vm, op, a, b)
    if math.isnan(expected):
        assert as_bits(got) == 0x7FC00000
    else:
        assert as_bits(got) == as_bits(expected)


@settings(max_examples=200, deadline=None)
@given(n=st.integers(-(1 << 63), (1 << 63) - 1))
def test_machine_integers_round_once(n):
    assert as_bits(singles.of_int(n)) == as_bits(np.int64(n).astype(np.float32))


def test_integers_that_rounding_twice_would_get_wrong():
    n = (1 << 60) + (1 << 36) + 1  # just above halfway between two singles
    assert singles.of_int(n) == float((1 << 60) + (1 << 37))


@settings(max_examples=200, deadline=None)
@given(a=floats, b=floats, c=floats)
def test_fused_multiply_add_rounds_once(a, b, c):
    from fractions import Fraction

    if any(math.isinf(x) for x in (a, b, c)):
        return
    exact = Fraction(a) * Fraction(b) + Fraction(c)
    got = singles.fused(a, b, c)
    if math.isinf(got):
        assert abs(exact) >= Fraction(2) ** 128 - Fraction(2) ** 103
        return
    for other in (np.nextafter(np.float32(got), np.float32(np.inf)),
                  np.nextafter(np.float32(got), np.float32(-np.inf))):
        if np.isfinite(other):
            step = abs(Fraction(float(other)) - exact)
            assert abs(Fraction(got) - exact) <= step


@settings(max_examples=200, deadline=None)
@given(x=floats)
def test_printed_floats_read_back_closely(x):
    if math.isinf(x) or 0 < abs(x) < 1.2e-38:
        return
    text = float_text(x)
    assert "." in text or "e" in text
    assert math.isclose(float(text), x, rel_tol=2e-6)


@pytest.mark.parametrize(("x", "text"), [
    (1 / 3, "0.3333333"), (100.0, "100.0"), (1e6, "1000000.0"), (1e7, "1e+07"),
    (123456789.0, "1.234568e+08"), (1e-4, "0.0001"), (1e-5, "1e-05"), (math.pi, "3.141593"),
    (16777216.0, "1.677722e+07"), (-0.0, "-0.0"), (math.inf, "/.//////e+64"),
    (-math.inf, "-/.//////e+64"), (math.nan, "//./////"), (0.9999999, "1.0"),
])
def test_printed_floats_are_the_device_s(x, text):
    assert float_text(singles.single(x)) == text


def test_formatted_floats_show_the_device_s_last_digits():
    x = singles.single(99.9999)
    assert format_float(x, 32, "f", -1) == "99.999905"
    assert format_float(singles.single(2.5), 32, "f", 0) == "3"
    assert format_float(1e10, 32, "f", -1) == "10000000000.000000"
    assert format_float(singles.single(9.9999), 32, "e", 2) == "1.00e+01"
    assert format_float(1.5, 32, "E", -1, "+") == "+1.500000E+00"


def test_conversions_and_their_errors():
    out = run("""
for f in (lambda: int("0x1f", 16), lambda: int("12x"), lambda: int([]), lambda: int(1e15),
          lambda: int(float("inf")), lambda: int(float("nan")), lambda: int("1", 1),
          lambda: float("a"), lambda: float(b"1.5"), lambda: complex("1j"), lambda: complex([]),
          lambda: int(True), lambda: bool(0.0), lambda: (2**70).to_bytes(9, "big"),
          lambda: int.from_bytes(b"\\x01\\x00", "big"), lambda: (-2).to_bytes(3, "little")):
    try: print(f())
    except Exception as e: print(repr(e))
""")
    assert out.splitlines() == [
        "31", "ValueError(\"invalid syntax for integer with base 10: '12x'\",)",
        "TypeError(\"can't convert list to int\",)", "999999986991104",
        "0", "0",  # as the published binary: it has no test for what is not finite
        "ValueError('int() arg 2 must be >= 2 and <= 36',)",
        "ValueError('invalid syntax for number',)", "1.5", "1j",
        "TypeError(\"can't convert list to float\",)", "1", "False",
        "b'@\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00'", "256", "b'\\xfe\\xff\\xff'"]


def test_rounding_functions():
    out = run("print(round(2.5), round(3.5), round(-2.5), round(1250, -2), round(1350, -2), "
              "round(2**70, -20), round(1.25, 1), pow(3, 1000, 10**9+7), divmod(-7, 2), "
              "divmod(-7.5, 2))\n")
    assert out == ("2 4 -2 1200 1400 1180600000000000000000 1.2 56888193 (-4, 1) (-4.0, 0.5)\n"
                   .replace("1180600000000000000000", str(round(2**70, -20))))


def test_layout_of_a_heap_integer(vm):
    o = vm.binary_op(ops.ADD, vm.new_big_int(1 << 63), vm.new_int(1))
    at = (o - layout.RAM_BASE) >> 3
    assert vm.words[at] == layout.TYPE["int"]
    assert vm.words[at + 2] == 4  # digits in use
    assert vm.memory.read(vm.words[at + 3], 8) == ((1 << 63) + 1).to_bytes(8, "little")
