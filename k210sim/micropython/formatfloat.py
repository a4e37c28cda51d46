"""Text of a single-precision number, digit for digit as the board prints it.

The firmware scales the number to one digit before the point by multiplying with powers of ten in
single precision and then peels off digit after digit; the rounding errors of this show in the
last places (`'%f' % 99.9999` is `99.999905`), so every step here is rounded to single too.

The firmware is compiled with fast-math, which removes its tests for inf and nan: both run through
the digit loop and come out as `/.//////e+64` and `//./////`, as on the board. Source: micropython
v1.11 py/formatfloat.c (facts: order of the steps, buffer limits), device goldens.
"""

from __future__ import annotations

import math
import struct

_F32 = struct.Struct("<f")

_STEPS = (32, 16, 8, 4, 2, 1)
_UP = tuple(_F32.unpack(_F32.pack(10.0**n))[0] for n in _STEPS)
_DOWN = tuple(_F32.unpack(_F32.pack(10.0**-n))[0] for n in _STEPS)
_ALMOST_ONE = _F32.unpack(_F32.pack(0.9999995))[0]
_TENTH = _DOWN[-1]
_EXPONENT_ROOM = 6  # "+9e+99" and the closing zero byte

REPR_ROOM, FORMAT_ROOM = 16, 32  # sizes of the firmware's buffers for print() and for %, format
REPR_DIGITS = 7


def single(x: float) -> float:
    """Nearest single-precision value; too large becomes infinity."""
    try:
        return _F32.unpack(_F32.pack(x))[0]
    except OverflowError:
        return math.copysign(math.inf, x)


def _whole(f: float) -> int:
    """The chip's conversion to a 32-bit integer: saturating, nan gives the largest."""
    if f != f or f >= 2147483648.0:
        return 0x7FFFFFFF
    return -0x80000000 if f < -2147483648.0 else int(f)


def _digit(value: int) -> int:
    return 0x30 if value < 0 else (0x30 + value) & 0xFF


class _Plan:
    """How the digits of one number are laid out; see `format_float`."""

    __slots__ = ("f", "style", "precision", "e", "point", "e_sign", "n_digits")

    def __init__(self, f: float, style: str, precision: int):
        self.f, self.style, self.precision = f, style, precision
        self.e = 0  # absolute value of the decimal exponent
        self.point = 0  # digits before the point, less one
        self.e_sign = ""
        self.n_digits = 0


def _plan_zero(p: _Plan, room: int) -> None:
    if p.style == "f":
        p.precision = min(p.precision, room - 2)
        p.n_digits = p.precision + 1
    else:
        p.precision = min(p.precision, room - 6)
        if p.style == "e":
            p.e_sign = "+"


def _plan_small(p: _Plan, room: int, out: bytearray) -> None:
    """A number below one: scale it up; write the leading zeros of the fixed styles."""
    general = p.style == "g"
    first = 0x31 if p.f >= _ALMOST_ONE else 0x30
    for step, up, down in zip(_STEPS, _UP, _DOWN, strict=True):
        if down > p.f:
            p.e += step
            p.f = single(p.f * up)
    sign = "-"
    if p.f < 1.0:
        if p.f >= _ALMOST_ONE:
            p.f = 1.0
            if p.e == 0:
                sign = "+"
        else:
            p.e += 1
            p.f = single(p.f * 10.0)
    if p.style == "f" or (general and p.e <= 4):
        p.style, p.point = "f", -1
        out.append(first)
        if general:
            p.precision += p.e - 1
        p.precision = min(p.precision, room - 2)
        p.n_digits = p.precision
        if p.n_digits:
            out.append(0x2E)
            p.e -= 1
            while p.e and p.n_digits:
                out.append(0x30)
                p.n_digits -= 1
                p.e -= 1
    else:
        p.e_sign = sign
        if p.precision > room - _EXPONENT_ROOM:
            p.precision = room - _EXPONENT_ROOM + general


def _plan_large(p: _Plan, room: int) -> None:
    """A number from one upwards (and inf and nan): scale it down."""
    for step, up, down in zip(_STEPS, _UP, _DOWN, strict=True):
        if up <= p.f:
            p.e += step
            p.f = single(p.f * down)
    if _whole(p.f) >= 10:
        p.e += 1
        p.f = single(p.f * _TENTH)
    if p.style == "f":
        if p.e >= room:
            p.style = "e"
        elif p.e + p.precision + 2 > room:
            p.precision = room - p.e - 2
            if p.precision < 0:
                p.precision += 1  # no point, so there is room for one more
    if p.style == "e":
        p.precision = min(p.precision, room - _EXPONENT_ROOM)
    if p.style == "g":
        p.precision = min(p.precision, room - (_EXPONENT_ROOM - 1))
        if p.e < p.precision:
            p.style = "f"
            p.precision -= p.e + 1
    if p.style == "f":
        p.point = p.e
        p.n_digits = p.precision + p.e + 1
    else:
        p.e_sign = "+"


def _round_up(out: bytearray, p: _Plan) -> None:
    """Add one in the last place, carrying to the left; may lengthen the number."""
    at = len(out) - 1
    while True:
        c = out[at]
        if c == 0x2E:
            at -= 1
            continue
        if not 0x30 <= c <= 0x39:  # the sign
            at += 1
            break
        if c < 0x39:
            out[at] += 1
            break
        out[at] = 0x30
        if at == 0:
            break
        at -= 1
    if at >= len(out) or out[at] != 0x30:
        return
    if p.style != "f" and out[at + 1 : at + 2] == b".":
        # 9.99 became 10.00: move the point and shift, the last digit falls away.
        out[at], out[at + 1] = 0x2E, 0x30
        if p.e_sign == "-":
            p.e -= 1
            if p.e == 0:
                p.e_sign = "+"
        else:
            p.e += 1
        del out[-1]
    out.insert(at, 0x31)


def format_float(f: float, room: int, style: str, precision: int, plus: str = "") -> str:
    """Text of `f` (a single-precision value).

    room: size of the firmware's buffer in bytes, which limits the digits; style: one of eEfFgG;
    precision: digits, -1 for the default of 6; plus: what to write before a positive number.
    """
    out = bytearray()
    if math.copysign(1.0, f) < 0:
        out.append(0x2D)
        f = -f
    elif plus:
        out += plus.encode()
    room -= 1 + len(out)
    lower = style.lower()
    if precision < 0:
        precision = 6
    if lower == "g" and precision == 0:
        precision = 1
    p = _Plan(f, lower, precision)
    if f == 0.0:
        _plan_zero(p, room)
    elif f < 1.0:
        _plan_small(p, room, out)
    else:
        _plan_large(p, room)
    p.precision = max(p.precision, 0)
    if p.style == "e":
        p.n_digits = p.precision + 1
    elif p.style == "g":
        p.precision = p.precision or 1
        p.n_digits = p.precision
    rest, point = p.f, p.point
    for _ in range(p.n_digits):
        d = _whole(rest)
        out.append(_digit(d))
        if point == 0 and p.precision > 0:
            out.append(0x2E)
        point -= 1
        rest = single(single(rest - single(d)) * 10.0)
    if (lower != "f" or p.e <= p.n_digits) and rest >= 5.0:
        _round_up(out, p)
    if lower == "g" and p.precision > 0:
        while out[-1] == 0x30:
            del out[-1]
        if out[-1] == 0x2E:
            del out[-1]
    if p.e_sign:
        mark = "e" if style.islower() else "E"
        out += b"%s%s%c%c" % (mark.encode(), p.e_sign.encode(),
                              0x30 + p.e // 10 % 10, 0x30 + p.e % 10)
    return out.decode("latin-1")


def float_text(f: float) -> str:
    """What `print` and `repr` show for a float."""
    text = format_float(f, REPR_ROOM, "g", REPR_DIGITS)
    return text if "." in text or "e" in text or "n" in text else text + ".0"


def complex_text(z: complex) -> str:
    """What `print` and `repr` show for a complex number."""
    imag = format_float(z.imag, REPR_ROOM, "g", REPR_DIGITS)
    if z.real == 0:
        return imag + "j"
    plus = "+" if z.imag >= 0 else ""  # none before nan: that test is compiled away
    return "(" + format_float(z.real, REPR_ROOM, "g", REPR_DIGITS) + plus + imag + "j)"
