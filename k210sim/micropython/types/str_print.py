"""How strings are shown: in quotes by `repr`, in double quotes by JSON.

Source: micropython v1.11 py/objstrunicode.c, py/objstr.c, py/unicode.c (facts: which characters
are escaped and how; UTF-8 is decoded leniently).
"""

from __future__ import annotations

_NAMED = {0x5C: "\\\\", 0x0A: "\\n", 0x0D: "\\r", 0x09: "\\t"}


def char_length(data: bytes, at: int) -> int:
    """Bytes of the character that starts at `at`: up to the next one that continues nothing."""
    end = at + 1
    n = len(data)
    while end < n and data[end] & 0xC0 == 0x80:
        end += 1
    return end - at


def code_point(data: bytes, at: int = 0) -> int:
    """Number of the character that starts at `at`."""
    first = data[at]
    if first < 0x80:
        return first
    value = first & 0x7F
    mask = 0x40
    while value & mask:
        value &= ~mask
        mask >>= 1
    for b in data[at + 1 : at + char_length(data, at)]:
        value = value << 6 | b & 0x3F
    return value & 0xFFFFFFFF


def count_chars(data: bytes) -> int:
    """Characters in UTF-8 bytes: all that do not continue one."""
    if data.isascii():
        return len(data)
    return sum(1 for b in data if b & 0xC0 != 0x80)


def encode_char(code: int) -> bytes:
    """UTF-8 of a code point, surrogates included."""
    return chr(code).encode("utf-8", "surrogatepass")


def _quote_for(data: bytes) -> int:
    return 0x22 if b"'" in data and b'"' not in data else 0x27


def quoted_bytes(data: bytes) -> str:
    """Bytes in quotes, everything but printable ASCII escaped (without the b in front)."""
    quote = _quote_for(data)
    names = {**_NAMED, quote: "\\" + chr(quote)}
    body = "".join(names.get(b) or (chr(b) if 0x20 <= b < 0x7F else "\\x%02x" % b) for b in data)
    return chr(quote) + body + chr(quote)


def quoted_text(data: bytes) -> str:
    """A str in quotes, everything but printable ASCII escaped."""
    if data.isascii():
        return quoted_bytes(data)
    quote = _quote_for(data)
    names = {**_NAMED, quote: "\\" + chr(quote)}
    out, at = [chr(quote)], 0
    while at < len(data):
        code = code_point(data, at)
        at += char_length(data, at)
        if code in names:
            out.append(names[code])
        elif 32 <= code <= 126:
            out.append(chr(code))
        elif code < 0x100:
            out.append("\\x%02x" % code)
        elif code < 0x10000:
            out.append("\\u%04x" % code)
        else:
            out.append("\\U%08x" % code)
    out.append(chr(quote))
    return "".join(out)


def json_text(data: bytes) -> str:
    """A str as JSON shows it; characters beyond ASCII stay as they are."""
    out = []
    for c in data.decode("utf-8", "surrogateescape"):
        if c in '"\\':
            out.append("\\" + c)
        elif c >= " ":
            out.append(c)
        elif c in "\n\r\t":
            out.append(_NAMED[ord(c)])
        else:
            out.append("\\u%04x" % ord(c))
    return '"' + "".join(out) + '"'


def raw_text(data: bytes) -> str:
    """Bytes as they are written out."""
    return data.decode("utf-8", "surrogateescape")


def is_utf8(data: bytes) -> bool:
    """Whether bytes pass the firmware's check: lead bytes with the right number of followers."""
    need = 0
    for c in data:
        if need:
            if c & 0xC0 != 0x80:
                return False
            need -= 1
        elif c >= 0xC0:
            if c >= 0xF8:
                return False
            need = 0xE5 >> (c >> 3 & 6) & 3
        elif c >= 0x80:
            return False
    return need == 0
