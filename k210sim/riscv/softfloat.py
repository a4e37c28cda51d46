"""IEEE 754 arithmetic on bit patterns: every rounding mode, every flag, compiled.

A number is taken apart into (class, sign, exponent, significand): 2**61 <= significand < 2**62,
value = significand * 2**(exponent - 61). Single and double differ only in how a result is rounded
and packed. Tininess is detected after rounding, and a NaN result is the canonical one, as RISC-V
wants. All functions return bit patterns and flags.

Ref: IEEE 754-2008; RISC-V Instruction Set Manual volume I version 2.2, chapters F and D.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from k210sim.riscv.float_format import (
    BOX,
    DZ,
    FINITE,
    INF,
    NAN32,
    NAN64,
    NV,
    NX,
    OF,
    QNAN,
    RDN,
    RMM,
    RNE,
    RUP,
    SNAN,
    UF,
    ZERO,
)

TOP = 61
ONE = 1 << TOP


@njit("int64(int64, int64)", cache=True)
def shift_jam(sig, count):
    """`sig` (not negative) shifted right; bit 0 is set when anything but zeros fell off."""
    if count <= 0:
        return sig
    if count > 62:
        return np.int64(1 if sig != 0 else 0)
    lost = sig & ((np.int64(1) << count) - 1)
    return (sig >> count) | np.int64(1 if lost != 0 else 0)


@njit("int64(int64)", cache=True)
def bit_length(value):
    """Bits of a number that is not negative."""
    n = np.int64(0)
    step = np.int64(32)
    while step:
        if value >> step:
            value >>= step
            n += step
        step >>= 1
    return n + value


@njit("Tuple((int64, int64, int64, int64))(int64, boolean)", cache=True)
def unpack(bits, double):
    """(class, sign, exponent, significand) of a register's content."""
    if double:
        sign = (bits >> 63) & 1
        field = (bits >> 52) & 0x7FF
        frac = bits & 0xFFFFFFFFFFFFF
        width, bias, top = np.int64(52), np.int64(1023), np.int64(0x7FF)
    else:
        if bits >> 32 != -1:  # not boxed: counts as a quiet NaN
            return np.int64(QNAN), np.int64(0), np.int64(0), np.int64(0)
        sign = (bits >> 31) & 1
        field = (bits >> 23) & 0xFF
        frac = bits & 0x7FFFFF
        width, bias, top = np.int64(23), np.int64(127), np.int64(0xFF)
    if field == top:
        if frac == 0:
            return np.int64(INF), sign, np.int64(0), np.int64(0)
        quiet = (frac >> (width - 1)) & 1
        return np.int64(QNAN if quiet else SNAN), sign, np.int64(0), np.int64(0)
    if field == 0:
        if frac == 0:
            return np.int64(ZERO), sign, np.int64(0), np.int64(0)
        length = bit_length(frac)
        return np.int64(FINITE), sign, length - width - bias, frac << (TOP + 1 - length)
    sig = (frac | (np.int64(1) << width)) << (TOP - width)
    return np.int64(FINITE), sign, field - bias, sig


@njit("int64(int64, int64, boolean)", cache=True)
def _make(sign, magnitude, double):
    """A register's content from sign and the bits below it."""
    if double:
        return (sign << 63) | magnitude
    return (sign << 31) | magnitude | BOX


@njit("int64(boolean)", cache=True)
def nan(double):
    return np.int64(NAN64) if double else np.int64(NAN32) | BOX


@njit("int64(int64, boolean)", cache=True)
def infinity(sign, double):
    return _make(sign, np.int64(0x7FF << 52) if double else np.int64(0xFF << 23), double)


@njit("int64(int64, boolean)", cache=True)
def zero(sign, double):
    return _make(sign, np.int64(0), double)


@njit("boolean(int64, int64, int64, int64, int64)", cache=True)
def _up(mode, sign, odd, low, half):
    """Whether a magnitude with `low` of 2*`half` cut off is rounded away from zero."""
    if low == 0:
        return False
    if mode == RNE:
        return low > half or (low == half and odd != 0)
    if mode == RDN:
        return sign != 0
    if mode == RUP:
        return sign == 0
    return mode == RMM and low >= half


@njit("Tuple((int64, int64))(int64, int64, int64, boolean, int64)", cache=True)
def round_pack(sign, exp, sig, double, mode):
    """(register content, flags) of a number with a significand in [2**61, 2**62)."""
    p = np.int64(53 if double else 24)
    emax = np.int64(1023 if double else 127)
    emin = 1 - emax
    drop = TOP + 1 - p
    mask = (np.int64(1) << drop) - 1
    half = np.int64(1) << (drop - 1)
    kept = sig >> drop
    low = sig & mask
    whole = kept + np.int64(1 if _up(mode, sign, kept & 1, low, half) else 0)
    if exp < emin:
        tiny = exp < emin - 1 or whole >> p == 0
        sig = shift_jam(sig, emin - exp)
        kept = sig >> drop
        low = sig & mask
        kept += np.int64(1 if _up(mode, sign, kept & 1, low, half) else 0)
        flags = np.int64(0)
        if low != 0:
            flags = np.int64(NX | UF if tiny else NX)
        return _make(sign, kept, double), flags
    if whole >> p:
        whole >>= 1
        exp += 1
    if exp > emax:
        away = mode == RNE or mode == RMM or (mode == RDN and sign) or (mode == RUP and not sign)
        largest = infinity(sign, double)
        return (largest if away else largest - 1), np.int64(OF | NX)
    field = (exp + emax) << (p - 1)
    flags = np.int64(NX if low != 0 else 0)
    return _make(sign, field | (whole & ((np.int64(1) << (p - 1)) - 1)), double), flags


@njit("Tuple((int64, int64))(int64, int64, boolean)", cache=True)
def _nan_result(class_a, class_b, double):
    return nan(double), np.int64(NV if class_a == SNAN or class_b == SNAN else 0)


@njit("Tuple((int64, int64))(int64, int64, boolean, int64)", cache=True)
def add(a, b, double, mode):
    ca, sa, ea, fa = unpack(a, double)
    cb, sb, eb, fb = unpack(b, double)
    if ca >= QNAN or cb >= QNAN:
        return _nan_result(ca, cb, double)
    if ca == INF:
        if cb == INF and sa != sb:
            return nan(double), np.int64(NV)
        return infinity(sa, double), np.int64(0)
    if cb == INF:
        return infinity(sb, double), np.int64(0)
    if ca == ZERO and cb == ZERO:
        sign = sa if sa == sb else np.int64(1 if mode == RDN else 0)
        return zero(sign, double), np.int64(0)
    if ca == ZERO:
        return b, np.int64(0)
    if cb == ZERO:
        return a, np.int64(0)
    if eb > ea or (eb == ea and fb > fa):
        sa, sb = sb, sa
        ea, eb = eb, ea
        fa, fb = fb, fa
    fb = shift_jam(fb, ea - eb)
    if sa == sb:
        total = fa + fb
        if total >> (TOP + 1):
            total = shift_jam(total, np.int64(1))
            ea += 1
        return round_pack(sa, ea, total, double, mode)
    total = fa - fb
    if total == 0:
        return zero(np.int64(1 if mode == RDN else 0), double), np.int64(0)
    left = TOP + 1 - bit_length(total)
    return round_pack(sa, ea - left, total << left, double, mode)


@njit("Tuple((uint64, uint64))(uint64, uint64)", cache=True)
def multiply_wide(a, b):
    """The 128-bit product: (upper, lower) half."""
    low = np.uint64(0xFFFFFFFF)
    half = np.uint64(32)
    a0, a1 = a & low, a >> half
    b0, b1 = b & low, b >> half
    p00, p01, p10, p11 = a0 * b0, a0 * b1, a1 * b0, a1 * b1
    middle = (p00 >> half) + (p01 & low) + (p10 & low)
    upper = p11 + (p01 >> half) + (p10 >> half) + (middle >> half)
    return upper, a * b


@njit("Tuple((int64, int64))(int64, int64, boolean, int64)", cache=True)
def multiply(a, b, double, mode):
    ca, sa, ea, fa = unpack(a, double)
    cb, sb, eb, fb = unpack(b, double)
    sign = sa ^ sb
    if ca >= QNAN or cb >= QNAN:
        return _nan_result(ca, cb, double)
    if ca == INF or cb == INF:
        if ca == ZERO or cb == ZERO:
            return nan(double), np.int64(NV)
        return infinity(sign, double), np.int64(0)
    if ca == ZERO or cb == ZERO:
        return zero(sign, double), np.int64(0)
    upper, lower = multiply_wide(np.uint64(fa), np.uint64(fb))
    sig = np.int64((upper << np.uint64(3)) | (lower >> np.uint64(61)))
    if lower & np.uint64(ONE - 1) != np.uint64(0):
        sig |= 1
    exp = ea + eb
    if sig >> (TOP + 1):
        sig = shift_jam(sig, np.int64(1))
        exp += 1
    return round_pack(sign, exp, sig, double, mode)


@njit("Tuple((int64, int64))(int64, int64, boolean, int64)", cache=True)
def divide(a, b, double, mode):
    ca, sa, ea, fa = unpack(a, double)
    cb, sb, eb, fb = unpack(b, double)
    sign = sa ^ sb
    if ca >= QNAN or cb >= QNAN:
        return _nan_result(ca, cb, double)
    if ca == INF:
        if cb == INF:
            return nan(double), np.int64(NV)
        return infinity(sign, double), np.int64(0)
    if cb == INF:
        return zero(sign, double), np.int64(0)
    if cb == ZERO:
        if ca == ZERO:
            return nan(double), np.int64(NV)
        return infinity(sign, double), np.int64(DZ)
    if ca == ZERO:
        return zero(sign, double), np.int64(0)
    exp = ea - eb
    if fa < fb:
        fa <<= 1
        exp -= 1
    quotient = np.int64(0)
    for _ in range(TOP + 1):
        quotient <<= 1
        if fa >= fb:
            fa -= fb
            quotient |= 1
        fa <<= 1
    if fa != 0:
        quotient |= 1
    return round_pack(sign, exp, quotient, double, mode)


@njit("Tuple((int64, int64))(int64, boolean, int64)", cache=True)
def square_root(a, double, mode):
    ca, sign, exp, rest = unpack(a, double)
    if ca >= QNAN:
        return nan(double), np.int64(NV if ca == SNAN else 0)
    if ca == ZERO:
        return a, np.int64(0)
    if sign:
        return nan(double), np.int64(NV)
    if ca == INF:
        return a, np.int64(0)
    rest >>= 2  # room for the remainder; a significand's lowest nine bits are zero
    if exp & 1:
        rest <<= 1
        exp -= 1
    root = np.int64(0)
    twice = np.int64(0)
    bit = np.int64(1) << (TOP - 2)
    while bit:
        trial = twice + bit
        if trial <= rest:
            twice = trial + bit
            rest -= trial
            root += bit
        rest <<= 1
        bit >>= 1
    root <<= 2
    if rest != 0:
        root |= 1
    return round_pack(np.int64(0), exp >> 1, root, double, mode)


@njit("Tuple((uint64, uint64))(uint64, uint64, int64)", cache=True)
def _shift_jam_wide(upper, lower, count):
    """A 128-bit number shifted right, with what fell off in bit 0."""
    nothing, one = np.uint64(0), np.uint64(1)
    if count <= 0:
        return upper, lower
    if count >= 128:
        return nothing, (one if (upper | lower) != nothing else nothing)
    if count >= 64:
        lost = lower
        lower = upper
        upper = nothing
        count -= 64
    else:
        lost = nothing
    if count:
        n, m = np.uint64(count), np.uint64(64 - count)
        lost |= lower << m
        lower = (lower >> n) | (upper << m)
        upper >>= n
    if lost != nothing:
        lower |= one
    return upper, lower


@njit("Tuple((int64, int64))(int64, int64, int64, int64, boolean, int64)", cache=True)
def multiply_add(a, b, c, negate_product, double, mode):
    """a * b + c, rounded once; with `negate_product` -(a * b) + c."""
    ca, sa, ea, fa = unpack(a, double)
    cb, sb, eb, fb = unpack(b, double)
    cc, sc, ec, fc = unpack(c, double)
    sign = sa ^ sb ^ negate_product
    impossible = (ca == INF and cb == ZERO) or (ca == ZERO and cb == INF)
    if ca >= QNAN or cb >= QNAN or cc >= QNAN:
        invalid = impossible or ca == SNAN or cb == SNAN or cc == SNAN
        return nan(double), np.int64(NV if invalid else 0)
    if impossible:
        return nan(double), np.int64(NV)
    if ca == INF or cb == INF:
        if cc == INF and sc != sign:
            return nan(double), np.int64(NV)
        return infinity(sign, double), np.int64(0)
    if cc == INF:
        return c, np.int64(0)
    if ca == ZERO or cb == ZERO:
        if cc != ZERO:
            return c, np.int64(0)
        if sc != sign:
            sign = np.int64(1 if mode == RDN else 0)
        return zero(sign, double), np.int64(0)
    # both as 128-bit numbers with 2**122 for 1; a product has 18 zero bits at its end or more
    exp = ea + eb
    upper, lower = multiply_wide(np.uint64(fa), np.uint64(fb))
    if cc == FINITE:
        c_upper, c_lower = np.uint64(fc) >> np.uint64(3), np.uint64(fc) << np.uint64(61)
        if exp >= ec:
            c_upper, c_lower = _shift_jam_wide(c_upper, c_lower, exp - ec)
        else:
            upper, lower = _shift_jam_wide(upper, lower, ec - exp)
            exp = ec
        if sign == sc:
            total = lower + c_lower
            upper += c_upper + np.uint64(1 if total < lower else 0)
            lower = total
        else:
            if upper < c_upper or (upper == c_upper and lower < c_lower):
                upper, c_upper = c_upper, upper
                lower, c_lower = c_lower, lower
                sign = sc
            upper -= c_upper + np.uint64(1 if lower < c_lower else 0)
            lower -= c_lower
            if (upper | lower) == np.uint64(0):
                return zero(np.int64(1 if mode == RDN else 0), double), np.int64(0)
    while upper >> np.uint64(61) == np.uint64(0):
        upper = (upper << np.uint64(1)) | (lower >> np.uint64(63))
        lower <<= np.uint64(1)
        exp -= 1
    # the leading bit is now 125, which stands for 2**3
    upper, lower = _shift_jam_wide(upper, lower, np.int64(64))
    exp += 3
    return round_pack(sign, exp, np.int64(lower), double, mode)


@njit("Tuple((int64, int64))(int64, boolean, boolean)", cache=True)
def to_class(a, double, _unused):
    """The bit of fclass, and 0."""
    c, sign, exp, _ = unpack(a, double)
    if c == SNAN:
        return np.int64(1 << 8), np.int64(0)
    if c == QNAN:
        return np.int64(1 << 9), np.int64(0)
    if c == INF:
        place = 0
    elif c == ZERO:
        place = 3
    else:
        place = 1 if exp >= (-1022 if double else -126) else 2
    return np.int64(1) << np.int64(place if sign else 7 - place), np.int64(0)


@njit("Tuple((int64, int64))(int64, boolean, boolean, boolean, int64)", cache=True)
def from_integer(value, signed, wide, double, mode):
    """An integer register as a number; `wide` takes all 64 bits, else the lower 32."""
    if not wide:
        value = (value << 32) >> 32 if signed else value & 0xFFFFFFFF
    sign = np.int64(0)
    if signed and value < 0:
        sign = np.int64(1)
        value = -value
    if value == 0:
        return zero(np.int64(0), double), np.int64(0)
    if value < 0:  # 2**63 and more
        magnitude = np.int64(np.uint64(value) >> np.uint64(2)) | (1 if value & 3 else 0)
        return round_pack(sign, np.int64(63), magnitude, double, mode)
    length = bit_length(value)
    if length == 63:
        return round_pack(sign, np.int64(62), shift_jam(value, np.int64(1)), double, mode)
    return round_pack(sign, length - 1, value << (TOP + 1 - length), double, mode)


@njit("Tuple((int64, int64))(boolean, boolean, boolean)", cache=True)
def _saturated(signed, wide, negative):
    """What an integer conversion gives outside its range."""
    if signed:
        least = np.int64(-0x8000000000000000) if wide else np.int64(-0x80000000)
        return (least if negative else ~least), np.int64(NV)
    return np.int64(0 if negative else -1), np.int64(NV)


@njit("Tuple((int64, int64))(int64, boolean, boolean, boolean, int64)", cache=True)
def to_integer(a, signed, wide, double, mode):
    """A number as an integer register; 32-bit results are sign-extended."""
    c, sign, exp, sig = unpack(a, double)
    if c >= INF:
        return _saturated(signed, wide, c == INF and sign != 0)
    if c == ZERO:
        return np.int64(0), np.int64(0)
    if exp > 63:
        return _saturated(signed, wide, sign != 0)
    inexact = False
    if exp >= TOP:
        whole = np.uint64(sig) << np.uint64(exp - TOP)
    else:
        # one bit of the fraction and one for all below it
        cut = shift_jam(sig, np.int64(TOP - 2) - exp) if exp <= TOP - 2 else sig << (exp - TOP + 2)
        low = cut & 3
        kept = cut >> 2
        inexact = low != 0
        kept += np.int64(1 if _up(mode, sign, kept & 1, low, np.int64(2)) else 0)
        whole = np.uint64(kept)
    limit = np.uint64(1) << np.uint64(63 if wide else 31)
    if signed:
        outside = whole > limit or (whole == limit and not sign)
    elif sign:
        outside = whole != np.uint64(0)
    else:
        outside = (not wide) and whole >> np.uint64(32) != np.uint64(0)
    if outside:
        return _saturated(signed, wide, sign != 0)
    value = np.int64(whole)
    if sign:
        value = -value
    if not wide:
        value = (value << 32) >> 32
    return value, np.int64(NX if inexact else 0)


@njit("Tuple((int64, int64))(int64, boolean, int64)", cache=True)
def convert(a, to_double, mode):
    """Single to double or back."""
    c, sign, exp, sig = unpack(a, not to_double)
    if c >= QNAN:
        return nan(to_double), np.int64(NV if c == SNAN else 0)
    if c == INF:
        return infinity(sign, to_double), np.int64(0)
    if c == ZERO:
        return zero(sign, to_double), np.int64(0)
    return round_pack(sign, exp, sig, to_double, mode)


@njit("int64(int64, int64, boolean)", cache=True)
def _below(a, b, double):
    """1 when a < b, for numbers that are not NaN; -0 equals +0."""
    if not double:
        a, b = a << 32, b << 32
    if (a << 1) == 0 and (b << 1) == 0:
        return np.int64(0)
    if a < 0:
        return np.int64(1 if b >= 0 or a > b else 0)
    return np.int64(1 if b >= 0 and a < b else 0)


@njit("Tuple((int64, int64))(int64, int64, boolean, int64)", cache=True)
def compare(a, b, double, kind):
    """fle, flt, feq for kind 0, 1, 2."""
    ca = unpack(a, double)[0]
    cb = unpack(b, double)[0]
    if ca >= QNAN or cb >= QNAN:
        invalid = kind != 2 or ca == SNAN or cb == SNAN
        return np.int64(0), np.int64(NV if invalid else 0)
    if kind == 1:
        return _below(a, b, double), np.int64(0)
    if kind == 0:
        return np.int64(1) - _below(b, a, double), np.int64(0)
    return np.int64(1) - (_below(a, b, double) | _below(b, a, double)), np.int64(0)


@njit("Tuple((int64, int64))(int64, int64, boolean, boolean)", cache=True)
def extreme(a, b, double, maximum):
    """fmin, fmax: the other operand when one is a NaN, and -0 below +0."""
    ca, sa, _, _ = unpack(a, double)
    cb, sb, _, _ = unpack(b, double)
    flags = np.int64(NV if ca == SNAN or cb == SNAN else 0)
    if ca >= QNAN:
        return (nan(double) if cb >= QNAN else b), flags
    if cb >= QNAN:
        return a, flags
    if ca == ZERO and cb == ZERO:
        first = (sa != 0) != maximum
    else:
        first = (_below(a, b, double) != 0) != maximum
        if maximum and _below(b, a, double) == 0 and _below(a, b, double) == 0:
            first = True
    return (a if first else b), flags
