"""Text to number, as the firmware does it, for literals and for int(), float(), complex().

Facts: integers accept a sign, a base prefix, underscores anywhere and surrounding blanks.
Decimal numbers are accumulated digit by digit in single precision with one rounding per digit
(the chip fuses multiply and add), then multiplied by a power of ten in single precision, as the C
library's powf gives it. The source divides by small powers, but -ffast-math makes that a product
with powf(10, -n). The last bits therefore differ from the nearest number now and then: 123456.789
becomes 123456.796875 by way of 123456792, and 99999.99 is 99999.984375.

Ref: MaixPy v0.6.3, the published binary: 2,000 literals and the powers of ten from 1e-60 to 1e49,
bit for bit (tests/micropython/decimal_literals.json holds a part).
"""

from __future__ import annotations

import math
import struct

SMALL_INT_MIN = -(1 << 62)
SMALL_INT_MAX = (1 << 62) - 1

_BLANKS = b" \t\n\r\v\f"
_DIGITS = {c: i for i, c in enumerate(b"0123456789")}
_DIGITS.update({c: i + 10 for i, c in enumerate(b"abcdefghijklmnopqrstuvwxyz")})
_DIGITS.update({c: i + 10 for i, c in enumerate(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ")})
_EXPONENT_CAP = (0x7FFFFFFF // 2 - 9) // 10
_TINY_EXP = -37
_SMALLEST_POWER = -44  # below, powf gives 0
# Powers where powf of the firmware's C library is one unit off the nearest number.
_POWERS_OFF = {
    n: struct.unpack("<f", struct.pack("<I", word))[0]
    for n, word in ((-36, 0x03AA2424), (-22, 0x1AF1C900), (-18, 0x219392EE), (11, 0x51BA43B8))
}
_ACCUMULATE_BELOW = 100000002004087734272  # 1e20 in single precision


class NumberSyntaxError(Exception):
    """The text is no number; `str(e)` is the firmware's message (a ValueError at run time)."""


def is_small_int(value: int) -> bool:
    """Whether an integer fits the 63 bits of a small integer."""
    return SMALL_INT_MIN <= value <= SMALL_INT_MAX


def to_single(value: float) -> float:
    """The nearest single-precision number; too large becomes infinite."""
    try:
        return struct.unpack("<f", struct.pack("<f", value))[0]
    except OverflowError:
        return math.copysign(math.inf, value)


def single_of_int(value: int) -> int:
    """The nearest integer >= 0 with a 24-bit mantissa (ties to even): single precision, exactly."""
    excess = value.bit_length() - 24
    if excess <= 0:
        return value
    half, kept = 1 << (excess - 1), value >> excess
    rest = value - (kept << excess)
    if rest > half or (rest == half and kept & 1):
        kept += 1
    return kept << excess


def split_base(text: bytes, base: int) -> tuple[bytes, int]:
    """Take a 0x, 0o, 0b prefix off where `base` (0 = any) allows it; the rest and the base."""
    if len(text) > 1 and text[:1] == b"0":
        mark = text[1:2].lower()
        prefixed = {b"x": 16, b"o": 8, b"b": 2}.get(mark)
        if prefixed and base in (0, prefixed):
            return text[2:], prefixed
    return text, base or 10


def _int_of_digits(digits: bytes, base: int) -> int:
    """Value of plain digits; in pieces, because the host limits the length of decimal text."""
    if len(digits) <= 4000 or base & (base - 1) == 0:
        return int(digits, base)
    value, scale = 0, base**4000
    head = len(digits) % 4000
    if head:
        value = int(digits[:head], base)
    for at in range(head, len(digits), 4000):
        value = value * scale + int(digits[at : at + 4000], base)
    return value


def quoted(text: bytes) -> str:
    """Text in quotes as the firmware's messages show it (bytes style escapes)."""
    quote = '"' if b"'" in text and b'"' not in text else "'"
    names = {0x5C: "\\\\", 0x0A: "\\n", 0x0D: "\\r", 0x09: "\\t", ord(quote): "\\" + quote}
    shown = [names.get(c) or (chr(c) if 0x20 <= c <= 0x7E else f"\\x{c:02x}") for c in text]
    return quote + "".join(shown) + quote


def parse_integer(text: bytes, base: int = 0) -> int:
    """Integer of `text` in `base` (0: by its prefix, else 2..36).

    Raises NumberSyntaxError with the device's wording.
    """
    if base != 0 and base < 2 or base > 36:
        raise NumberSyntaxError("int() arg 2 must be >= 2 and <= 36")
    rest, negative = text.lstrip(_BLANKS), False
    if rest[:1] in (b"+", b"-"):
        negative, rest = rest[:1] == b"-", rest[1:]
    body, base = split_base(rest, base)
    end = 0
    for c in body:
        if c != 0x5F and _DIGITS.get(c, 99) >= base:
            break
        end += 1
    if end == 0 or body[end:].strip(_BLANKS):
        raise NumberSyntaxError(f"invalid syntax for integer with base {base}: {quoted(body)}")
    digits = body[:end].replace(b"_", b"")
    value = _int_of_digits(digits, base) if digits else 0
    if value > SMALL_INT_MAX and len(digits) < end:
        # The firmware's parser of long integers knows no underscores.
        raise NumberSyntaxError(
            f"invalid syntax for integer with base {base}: {quoted(body)}"
        )
    return -value if negative else value


def _power_of_ten(exponent: int) -> float:
    """What powf(10, exponent) of the firmware's C library gives."""
    if exponent > 38:
        return math.inf
    if exponent < _SMALLEST_POWER:
        return 0.0
    return _POWERS_OFF.get(exponent) or to_single(10.0**exponent)


def _scale(mantissa: int, exponent: int) -> float:
    value = float(mantissa)
    if exponent < _TINY_EXP:
        # Two steps, so that the power itself is never below the normal range.
        exponent -= _TINY_EXP
        value = to_single(value * to_single(1e-37))
    return to_single(value * _power_of_ten(exponent))


def _decimal(text: bytes, allow_imag: bool) -> tuple[float, int, bool]:
    """Value of the number at the start of `text`, its length, and whether a `j` ended it."""
    mantissa, extra, exponent, negative = 0, 0, 0, False
    part, at, n = "whole", 0, len(text)
    imaginary = False
    while at < n:
        c = text[at]
        at += 1
        if 0x30 <= c <= 0x39:
            digit = c - 0x30
            if part == "exponent":
                if exponent < _EXPONENT_CAP:
                    exponent = 10 * exponent + digit
            elif mantissa < _ACCUMULATE_BELOW:
                mantissa = single_of_int(10 * mantissa + digit)
                extra -= part == "fraction"
            else:
                extra += part == "whole"
        elif c == 0x2E and part == "whole":
            part = "fraction"
        elif c | 0x20 == 0x65 and part != "exponent":
            part = "exponent"
            if text[at : at + 1] in (b"+", b"-"):
                negative = text[at : at + 1] == b"-"
                at += 1
            if at == n:
                raise NumberSyntaxError("invalid syntax for number")
        elif c | 0x20 == 0x6A and allow_imag:
            imaginary = True
            break
        elif c != 0x5F:
            at -= 1
            break
    return _scale(mantissa, (-exponent if negative else exponent) + extra), at, imaginary


def parse_decimal(text: bytes, allow_imag: bool = True, force_complex: bool = False):
    """Single-precision float, or complex, of `text`.

    Raises NumberSyntaxError with the device's wording.
    """
    rest, negative = text.lstrip(_BLANKS), False
    if rest[:1] in (b"+", b"-"):
        negative, rest = rest[:1] == b"-", rest[1:]
    low, imaginary = rest[:8].lower(), False
    value, end = 0.0, 0
    if low[:1] == b"i":
        if low[:3] == b"inf":
            value = math.inf
            end = 8 if low == b"infinity" else 3
    elif low[:1] == b"n":
        if low[:3] == b"nan":
            value, end = math.nan, 3
    else:
        value, end, imaginary = _decimal(rest, allow_imag)
    if end == 0 or rest[end:].strip(_BLANKS):
        raise NumberSyntaxError("invalid syntax for number")
    if negative:
        value = -value
    if imaginary:
        return complex(0.0, value)
    return complex(value, 0.0) if force_complex else value
