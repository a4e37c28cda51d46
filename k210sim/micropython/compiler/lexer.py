"""Source bytes to tokens.

Tokens are `(kind, value, line)`. `kind` is the operator or keyword itself, or one of the
capitalised names below. They are made lazily because the device reads one token ahead: an error
that only the tokenizer sees must not hide an earlier syntax error.

Facts worth knowing: a NEWLINE token carries the line of the next token (blank lines and comments
are skipped first); tabs advance to multiples of eight; adjacent literals join here; an unbalanced
or bad literal becomes a token that no rule accepts.
"""

from __future__ import annotations

import re

from .errors import GuestSyntaxError

NAME, INTEGER, FLOAT, STRING, BYTES = "NAME", "INTEGER", "FLOAT", "STRING", "BYTES"
NEWLINE, INDENT, DEDENT, END = "NEWLINE", "INDENT", "DEDENT", "END"
MISMATCH, INVALID = "MISMATCH", "INVALID"

KEYWORDS = {
    word.encode(): word
    for word in (
        "False None True and as assert break class continue def del elif else except finally "
        "for from global if import in is lambda nonlocal not or pass raise return try while "
        "with yield"
    ).split()
}

_BLANK = re.compile(rb"(?:[ \t\n\x0b\x0c]|\#[^\n]*|\\\n)*")
_BLANK_IN_LINE = re.compile(rb"(?:[ \t\x0b\x0c]|\#[^\n]*|\\\n)*")
_COMMENT = re.compile(rb"#[^\n]*")
_TOKEN = re.compile(
    rb"(?P<string>(?:rb|br|[rub])?(?=['\"]))"
    rb"|(?P<name>[A-Za-z_\x80-\xff][A-Za-z0-9_\x80-\xff]*)"
    rb"|(?P<based>0(?=[boxBOX])[A-Za-z0-9._]*)"
    rb"|(?P<number>(?:[0-9]|\.(?=[0-9]))(?:[eE][+-]?|[A-Za-z0-9._])*)"
    rb"|(?P<op><<=|>>=|\*\*=|//=|\.\.\.|<<|>>|\*\*|//|->|!=|[<>*+\-&|/%^=]="
    rb"|[()\[\]{},:;@~<>*+\-&|/%^=.])"
)
_SIMPLE_ESCAPES = {
    0x5C: 0x5C, 0x27: 0x27, 0x22: 0x22, ord("a"): 7, ord("b"): 8, ord("t"): 9, ord("n"): 10,
    ord("v"): 11, ord("f"): 12, ord("r"): 13,
}  # fmt: skip
_HEX_LENGTH = {ord("x"): 2, ord("u"): 4, ord("U"): 8}
_HEX = b"0123456789abcdefABCDEF"


def normalise(source: bytes) -> bytes:
    """One kind of line end, and a line end at the end."""
    source = source.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return source if source.endswith(b"\n") else source + b"\n"


def utf8(code_point: int) -> bytes:
    """UTF-8 of a code point below 0x110000; surrogates are not special here."""
    return chr(code_point).encode("utf-8", "surrogatepass")


class _Literal:
    """One string literal from its opening quote on."""

    def __init__(self, source: bytes, at: int, raw: bool, is_bytes: bool):
        self.source, self.at, self.raw, self.is_bytes = source, at, raw, is_bytes
        self.good = True
        self.value = bytearray()

    def read(self) -> None:
        """Fill `value`, move `at` behind the literal, clear `good` when it is malformed."""
        source, quote = self.source, self.source[self.at : self.at + 1]
        closing = quote * 3 if source.startswith(quote * 3, self.at) else quote
        # An empty literal '' looks like the start of a triple quote only with a third quote.
        self.at += len(closing)
        stops = re.compile(rb"\\|" + closing + (b"" if len(closing) == 3 else rb"|\n"))
        while True:
            found = stops.search(source, self.at)
            if found is None:
                self.good, self.at = False, len(source)
                return
            self.value += source[self.at : found.start()]
            self.at = found.end()
            stop = found.group()
            if stop == closing:
                return
            if stop == b"\n":
                self.good, self.at = False, found.start()
                return
            self._escape()

    def _escape(self) -> None:
        c = self.source[self.at]
        if self.raw:
            self.value += b"\\"
            self.value.append(c)
            self.at += 1
            return
        self.at += 1
        if c == 0x0A:
            return
        if c in _SIMPLE_ESCAPES:
            self.value.append(_SIMPLE_ESCAPES[c])
        elif c in _HEX_LENGTH and not (self.is_bytes and c != 0x78):
            self._hex(_HEX_LENGTH[c])
        elif c == 0x4E:
            raise GuestSyntaxError("NotImplementedError", "unicode name escapes")
        elif 0x30 <= c <= 0x37:
            end = self.at
            while end < self.at + 2 and 0x30 <= self.source[end] <= 0x37:
                end += 1
            self._character(int(self.source[self.at - 1 : end], 8))
            self.at = end
        else:
            self.value += b"\\"
            self.value.append(c)

    def _hex(self, length: int) -> None:
        digits = self.source[self.at : self.at + length]
        good = 0
        while good < len(digits) and digits[good] in _HEX:
            good += 1
        if good < length:
            # The offending character is swallowed too, even a quote.
            self.good = False
            self.at = min(self.at + good + 1, len(self.source) - 1)
            return
        self.at += length
        self._character(int(digits, 16))

    def _character(self, code: int) -> None:
        if self.is_bytes and code < 0x100:
            self.value.append(code)
        elif not self.is_bytes and code < 0x110000:
            self.value += utf8(code)
        else:
            self.good = False


class Lexer:
    """Tokens of one source text."""

    def __init__(self, source: bytes, opt_level: int = 0):
        self.source = normalise(source)
        self.at, self.line, self.depth = 0, 1, 0
        self.indents = [0]
        self.debug_word = "True" if opt_level == 0 else "False"

    def _column(self) -> int:
        """Columns (from 0) in front of the current position on its line, tabs counted as 8."""
        start = self.source.rfind(b"\n", 0, self.at) + 1
        column = 0
        for c in self.source[start : self.at]:
            column = (column + 8) // 8 * 8 if c == 0x09 else column + 1
        return column

    def _skip(self, pattern) -> bool:
        """Move over blanks; whether a line ended that was not continued by a backslash."""
        found = pattern.match(self.source, self.at)
        text = found.group()
        self.at = found.end()
        ends = text.count(b"\n")
        if not ends:
            return False
        self.line += ends
        if b"\\\n" in text:
            return ends > _COMMENT.sub(b"", text).count(b"\\\n")
        return True

    def _newline(self):
        """The tokens of a line end: NEWLINE and the change of indentation."""
        column, kinds = self._column(), []
        if column > self.indents[-1]:
            self.indents.append(column)
            kinds = [NEWLINE, INDENT]
        else:
            kinds = [NEWLINE]
            while column < self.indents[-1]:
                self.indents.pop()
                kinds.append(DEDENT)
            if column != self.indents[-1]:
                kinds[0] = MISMATCH
        return kinds

    def tokens(self):
        """Yield tokens for ever (END repeats)."""
        first = True
        while True:
            ended = self._skip(_BLANK)
            line = self.line
            if first and self._column() != 0:
                yield INDENT, None, line
            first = False
            if ended and self.depth == 0:
                for kind in self._newline():
                    yield kind, None, line
                continue
            if self.at >= len(self.source):
                yield END, None, line
                continue
            yield self._token(line)

    def _token(self, line: int):
        found = _TOKEN.match(self.source, self.at)
        if found is None:
            self.at += 1
            return INVALID, None, line
        group = found.lastgroup
        if group == "string":
            return self._strings(found, line)
        text = found.group()
        self.at = found.end()
        if group == "name":
            word = KEYWORDS.get(text)
            if word is not None:
                return word, None, line
            if text == b"__debug__":
                return self.debug_word, None, line
            return NAME, text, line
        if group == "op":
            if text in b"([{":
                self.depth += 1
            elif text in b")]}":
                self.depth -= 1
            return text.decode(), None, line
        return self._number(text, group == "based", line)

    def _number(self, text: bytes, based: bool, line: int):
        text = text.replace(b"_", b"")
        marks = b".jJ" if based else b".jJeE"
        is_float = any(c in marks for c in text)
        if not based:
            text = text.replace(b"E", b"e")
        return (FLOAT if is_float else INTEGER), text, line

    def _strings(self, found, line: int):
        """One literal and all that follow it directly, of the same kind."""
        value, kind = bytearray(), None
        while True:
            prefix = found.group()
            this = BYTES if b"b" in prefix else STRING
            if kind is None:
                kind = this
            elif kind != this:
                break
            start = found.end()
            literal = _Literal(self.source, start, b"r" in prefix, this == BYTES)
            literal.read()
            self.at = literal.at
            self.line += self.source.count(b"\n", start, self.at)
            value += literal.value
            if not literal.good:
                kind = INVALID
            self._skip(_BLANK if self.depth else _BLANK_IN_LINE)
            found = _TOKEN.match(self.source, self.at)
            if found is None or found.lastgroup != "string":
                break
        return kind, bytes(value), line
