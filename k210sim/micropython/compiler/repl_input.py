"""Does the interactive prompt need another line?"""

from __future__ import annotations

import re

_COMPOUND = re.compile(rb"@|(?:if|while|for|try|with|def|class)(?![A-Za-z0-9_])")
_SCAN = re.compile(rb"'''|\"\"\"|\\['\"\\]|['\"()\[\]{}]")
_STEPS = {b"(": (0, 1), b")": (0, -1), b"[": (1, 1), b"]": (1, -1), b"{": (2, 1), b"}": (2, -1)}


def continue_input(text: bytes) -> bool:
    """True when the device would show "... " after `text` (lines joined by a line feed).

    Open triple quotes or brackets ask for more, so does a backslash at the end, and a compound
    statement until an empty line. Comments are not recognised: a quote in one counts.
    """
    text = text.split(b"\0", 1)[0]
    if not text:
        return False
    quote, levels, at = b"", [0, 0, 0], 0
    while True:
        found = _SCAN.search(text, at)
        if found is None:
            break
        at, mark = found.end(), found.group()
        if mark in _STEPS:
            if not quote:
                which, step = _STEPS[mark]
                levels[which] += step
        elif mark[:1] == b"\\":
            if not quote:
                at = found.start() + 1
        elif len(mark) == 3 and quote in (b"", mark):
            quote = b"" if quote else mark
        else:
            # Three quotes of which only the first counts, inside a literal of another kind.
            at = found.start() + 1
            if quote in (b"", mark[:1]):
                quote = b"" if quote else mark[:1]
    if len(quote) == 3:
        return True
    if not quote and any(level > 0 for level in levels):
        return True
    if text.endswith(b"\\"):
        return True
    return bool(_COMPOUND.match(text)) and not text.endswith(b"\n")
