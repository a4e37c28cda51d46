"""Whether what was typed so far needs another line.

The firmware decides by looks, before any parsing: a line that begins like a compound statement
goes on until an empty line; open brackets, an open triple quote and a trailing backslash go on
too. `async` is not in its list. Ref: MicroPython py/repl.c at ced340d739.
"""

from __future__ import annotations

COMPOUND = (b"if", b"while", b"for", b"try", b"with", b"def", b"class")
BRACKETS = {"(": ("(", 1), ")": ("(", -1), "[": ("[", 1), "]": ("[", -1),
            "{": ("{", 1), "}": ("{", -1)}  # fmt: skip


def _is_identifier_byte(byte: int) -> bool:
    return byte == 0x5F or byte >= 0x80 or chr(byte).isalnum()


def begins_compound(text: bytes) -> bool:
    """Whether the text begins with a decorator or the keyword of a compound statement."""
    if text.startswith(b"@"):
        return True
    for word in COMPOUND:
        if text.startswith(word):
            rest = text[len(word) : len(word) + 1]
            if not rest or not _is_identifier_byte(rest[0]):
                return True
    return False


def needs_more(text: bytes) -> bool:
    """True when the prompt should ask for another line."""
    if not text:
        return False
    quote, depth = _scan(text)
    if len(quote) == 3:
        return True
    if not quote and any(count > 0 for count in depth.values()):
        return True
    if text.endswith(b"\\"):
        return True
    return begins_compound(text) and not text.endswith(b"\n")


def _scan(text: bytes) -> tuple[str, dict[str, int]]:
    """The quote that is open at the end ("" for none) and the bracket depths outside quotes."""
    line = text.decode("latin-1")
    quote = ""
    depth = {"(": 0, "[": 0, "{": 0}
    at = 0
    while at < len(line):
        char = line[at]
        if char in "'\"":
            triple = char * 3
            if quote in ("", triple) and line.startswith(triple, at):
                quote = "" if quote else triple
                at += 2
            elif quote in ("", char):
                quote = "" if quote else char
        elif char == "\\" and line[at + 1 : at + 2] in ("'", '"', "\\"):
            if quote:
                at += 1
        elif not quote and char in BRACKETS:
            kind, step = BRACKETS[char]
            depth[kind] += step
        at += 1
    return quote, depth
