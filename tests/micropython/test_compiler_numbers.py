"""Numbers from text, as literals and as int() and float() read them."""

from __future__ import annotations

import json
import math
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k210sim.micropython.compiler import numbers
from k210sim.micropython.compiler.numbers import NumberSyntaxError, parse_decimal, parse_integer


@pytest.mark.parametrize(
    "text, base, value",
    [
        ("0", 0, 0), ("007", 0, 7), ("0x1F", 0, 31), ("0b101", 0, 5), ("0O17", 0, 15),
        ("1_000", 0, 1000), (" \t42\n", 10, 42), ("-12", 10, -12), ("+12", 10, 12),
        ("ff", 16, 255), ("0xff", 16, 255), ("-0xff", 16, -255), ("zz", 36, 1295),
        ("0b1", 16, 0xB1), ("0o17", 8, 15), ("017", 8, 15),
        ("4611686018427387904", 0, 1 << 62), ("_1_", 10, 1),
    ],
)  # fmt: skip
def test_integers(text, base, value):
    assert parse_integer(text.encode(), base) == value


def test_integers_longer_than_the_host_converts():
    assert parse_integer(b"1" * 9001, 10) == (10**9001 - 1) // 9
    assert parse_integer(b"0x" + b"f" * 9001, 0) == (1 << 4 * 9001) - 1


@pytest.mark.parametrize(
    "text, base, message",
    [
        ("abc", 10, "invalid syntax for integer with base 10: 'abc'"),
        ("12x", 10, "invalid syntax for integer with base 10: '12x'"),
        ("", 10, "invalid syntax for integer with base 10: ''"),
        ("-", 10, "invalid syntax for integer with base 10: ''"),
        ("9", 8, "invalid syntax for integer with base 8: '9'"),
        ("0x", 0, "invalid syntax for integer with base 16: ''"),
        ("1 2", 0, "invalid syntax for integer with base 10: '1 2'"),
        ("1\n\\'\x01", 10, 'invalid syntax for integer with base 10: "1\\n\\\\\'\\x01"'),
        ("1", 1, "int() arg 2 must be >= 2 and <= 36"),
        ("1", 37, "int() arg 2 must be >= 2 and <= 36"),
    ],
)
def test_integer_messages(text, base, message):
    with pytest.raises(NumberSyntaxError) as caught:
        parse_integer(text.encode(), base)
    assert str(caught.value) == message


def bits(value: float) -> int:
    return struct.unpack("<I", struct.pack("<f", value))[0]


@pytest.mark.parametrize(
    "text, value",
    [
        ("0.0", 0.0), ("1.5", 1.5), ("10.", 10.0), (".5", 0.5), ("1e3", 1000.0), ("1E3", 1000.0),
        ("16777216.0", 16777216.0), ("1_0.5", 10.5), ("1e-10", 1.000000013351432e-10),
        ("1e39", math.inf), ("-1e39", -math.inf), ("1e-60", 0.0), ("inf", math.inf),
        ("-Infinity", -math.inf), ("1e999999999999", math.inf),
    ],
)  # fmt: skip
def test_decimals(text, value):
    assert parse_decimal(text.encode()) == value


def test_decimals_as_the_published_binary_reads_them():
    """Not the nearest numbers: the digits are rounded, and so is the power they are multiplied by.

    decimal_literals.json: text and the bits that v0.6.3, booted by the riscv engine, made of it.
    """
    table = json.loads(Path(__file__).with_name("decimal_literals.json").read_text())
    assert len(table) > 150
    assert {text: f"{bits(parse_decimal(text.encode())):08x}" for text in table} == table


def test_nan_and_complex():
    assert math.isnan(parse_decimal(b" NaN "))
    assert parse_decimal(b"2.5j") == 2.5j
    assert parse_decimal(b"3", force_complex=True) == 3 + 0j


@pytest.mark.parametrize(
    "text", ["", "abc", "1..2", "1e", "1e+", "1.5x", "infi", "in", "--1", "1 2"]
)
def test_decimal_message(text):
    with pytest.raises(NumberSyntaxError, match="^invalid syntax for number$"):
        parse_decimal(text.encode())


def test_imaginary_only_where_allowed():
    with pytest.raises(NumberSyntaxError):
        parse_decimal(b"1j", allow_imag=False)


@given(st.integers(0, 1 << 80))
def test_rounding_of_integers_to_single_precision(value):
    rounded = numbers.single_of_int(value)
    # Double rounding cannot happen below 2**53; above, compare with exact neighbours.
    if value < 1 << 53:
        assert rounded == int(numbers.to_single(float(value)))
    assert abs(rounded - value) * (1 << 24) <= value
    assert (
        rounded == 0
        or rounded >> max(0, rounded.bit_length() - 24) << max(0, rounded.bit_length() - 24)
        == rounded
    )


@given(st.floats(2.0**-100, 2.0**100, width=32))
def test_parsing_is_close_to_the_exact_value(value):
    parsed = parse_decimal(repr(value).encode())
    assert parsed == numbers.to_single(parsed)
    assert abs(parsed - value) <= abs(value) * 4e-7


@given(st.integers(-(1 << 200), 1 << 200), st.integers(2, 36))
def test_integers_in_every_base(value, base):
    digits, rest = "", abs(value)
    while rest or not digits:
        rest, digit = divmod(rest, base)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + digits
    text = ("-" if value < 0 else "") + digits
    assert parse_integer(text.encode(), base) == value


@given(st.binary(max_size=12), st.integers(0, 36))
def test_any_text_gives_a_number_or_the_message(text, base):
    for parse in (lambda: parse_integer(text, base), lambda: parse_decimal(text)):
        try:
            assert isinstance(parse(), int | float | complex)
        except NumberSyntaxError as e:
            assert str(e)
