"""Fields of formatted text: integers, floats and bytes padded to a width.

Source: micropython v1.11 py/mpprint.c (padding rules, the pieces padding is written in).
"""

from __future__ import annotations

from dataclasses import dataclass

from k210sim.micropython import bigint
from k210sim.micropython import layout as L
from k210sim.micropython.formatfloat import FORMAT_ROOM, format_float
from k210sim.micropython.layout import small_int
from k210sim.micropython.vstr import Vstr

PAD_CHUNK = 16  # blanks and zeros are written so many at a time, other fillers singly


@dataclass
class Layout:
    """How one value is laid out in its field."""

    fill: bytes = b" "
    width: int = 0
    precision: int = -1
    left: bool = False
    centre: bool = False
    after_sign: bool = False  # padding goes between sign or prefix and digits
    plus: str = ""  # "+", " " or nothing before a positive number
    prefix: bool = False
    octal_letter: bool = False
    comma: bool = False
    percent: bool = False


def pad(out: Vstr, data: bytes, fill: bytes, width: int, left: bool = False,
         centre: bool = False) -> None:
    gap = max(width - len(data), 0)
    before = gap // 2 if centre else 0 if left else gap
    chunk = PAD_CHUNK if fill in (b" ", b"0") else 1
    out.add_fill(fill, before, chunk)
    if data:
        out.add(data)
    out.add_fill(fill, gap - before, chunk)


def put_int(vm, out: Vstr, word: int, base: int, upper: bool, form: Layout) -> None:
    """An integer (or what converts to one) in base 2, 8, 10 or 16."""
    if not vm.is_int(word):
        word = small_int(vm.get_int(word))
    fill, width, precision = form.fill, form.width, form.precision
    left, after_sign = form.left, form.after_sign
    if not left and not form.centre and fill == b"0":
        width, precision = max(width, precision), 0
    prefix = ""
    if (word >> 1 if word & 1 else vm.big_int_value(word)) >= 0:
        prefix = form.plus
    if form.prefix:
        if base == 8:
            prefix += "0" + ("o" if form.octal_letter else "")
        elif base != 10:
            prefix += "0" + ("b" if base == 2 else "X" if upper else "x")
    by_precision = precision > 1
    after_sign = after_sign or by_precision
    comma = "," if form.comma else ""
    sign = ""
    if after_sign:
        text = bigint.formatted(vm, word, base, "", upper, comma)
        if text[0] == "-":
            sign, text = "-", text[1:]
    else:
        text = bigint.formatted(vm, word, base, prefix, upper, comma)
    before = after = 0
    if by_precision:
        taken = max(len(text), precision) + len(sign) + len(prefix)
        if left:
            after = width - taken
        else:
            before = width - taken
        fill, left = b"0", False
    if before > 0:
        pad(out, b"", b" ", before)
    if after_sign:
        if sign:
            out.add(b"-")
            width -= 1
        if prefix:
            out.add(prefix.encode())
            width -= len(prefix)
    if by_precision:
        width = precision
    pad(out, text.encode(), fill, width, left, form.centre)
    if after > 0:
        pad(out, b"", b" ", after)


def put_float(out: Vstr, x: float, style: str, form: Layout) -> None:
    """A float in one of the styles eEfFgG."""
    text = format_float(x, FORMAT_ROOM, style, form.precision, form.plus).encode("latin-1")
    if form.percent and len(text) + 1 < FORMAT_ROOM:
        text += b"%"
    width = form.width
    if form.after_sign and text[0] < 0x30:
        out.add(text[:1])
        text = text[1:]
        width -= 1
    pad(out, text, form.fill, width, form.left, form.centre)


def looks_integer(vm, word: int) -> bool:
    return word in (L.TRUE, L.FALSE) or vm.is_int(word)


def value_error(vm, message: str):
    return vm.error("ValueError", message, formatted=False)


def number_at(data: bytes, at: int, top: int, default: int) -> tuple[int, int]:
    """Unsigned decimal at a place: its value (a C int) or the default, and the place after it."""
    end = at
    while end < top and 0x30 <= data[end] <= 0x39:
        end += 1
    if end == at:
        return default, at
    value = int(data[at : at + 4000 if end - at > 4000 else end]) & 0xFFFFFFFF
    return value - (1 << 32) if value >> 31 else value, end
