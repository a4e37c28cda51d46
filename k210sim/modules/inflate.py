"""Inflate (RFC 1951) byte by byte, with the limits and error numbers of the firmware's inflater.

It reads no further than the bytes asked for need, and knows the firmware's window: with a
dictionary of `window` bytes a match further back is an error of its own. Source: micropython v1.11
extmod/uzlib/tinflate.c (order of reads, checks, error numbers); RFC 1951 for the format.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

DATA_ERROR, CHECKSUM_ERROR, WINDOW_ERROR = -3, -4, -5

_LENGTH_ORDER = (16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15)
_LONGEST_CODE = 14  # the firmware gives up at 15 bits
_BROKEN_LITERAL = b"\xfd"  # what its literal decoder makes of a code it gave up on


class BadData(Exception):
    """The data cannot be decompressed; `code` is the inflater's error number."""

    def __init__(self, code: int):
        super().__init__(code)
        self.code = code


def _bases(first: int, step: int, count: int) -> list[tuple[int, int]]:
    """(base, extra bits) of length or distance symbols: `step` symbols per number of bits."""
    out, base = [], first
    for i in range(count):
        bits = max(i // step - 1, 0)
        out.append((base, bits))
        base += 1 << bits
    return out


_LENGTHS = [*_bases(3, 4, 28), (258, 0)]
_DISTANCES = _bases(1, 2, 30)


class _Code:
    """A canonical Huffman code given by the lengths of its symbols' codes."""

    def __init__(self, lengths: list[int]):
        self.counts = [0] * 16
        for n in lengths:
            self.counts[n] += 1
        self.counts[0] = 0
        self.symbols = [s for _, s in sorted((n, s) for s, n in enumerate(lengths) if n)]


_FIXED_LITERALS = _Code([8] * 144 + [9] * 112 + [7] * 24 + [8] * 8)
_FIXED_DISTANCES = _Code([5] * 32)


class Inflater:
    """Decompresses what `read_byte` delivers.

    read_byte() -> int     the next byte; at the end it may raise, or return None for "no more"
    window                 size of the dictionary in bytes, 0: all output so far
    """

    def __init__(self, read_byte: Callable[[], int | None], window: int = 0):
        self._read_byte, self.window = read_byte, window
        self._tag = self._left = 0
        self.at_end = False  # the source ran dry
        self.done = False
        self._output = bytearray()  # enough of it for matches
        self._pieces = self._run()
        self._rest = b""

    def read(self, n_bytes: int) -> bytes:
        """Up to so many bytes, fewer only at the end of the data; BadData for broken data."""
        out = bytearray(self._rest[:n_bytes])
        self._rest = self._rest[n_bytes:]
        while len(out) < n_bytes and not self.done:
            piece = next(self._pieces, None)
            if piece is None:
                self.done = True
                break
            room = n_bytes - len(out)
            out += piece[:room]
            self._rest = piece[room:]
        return bytes(out)

    def byte(self) -> int:
        """The next source byte, 0 once the source has run dry."""
        value = None if self.at_end else self._read_byte()
        if value is None:
            self.at_end = True
            return 0
        return value

    def _bits(self, count: int) -> int:
        value = 0
        for i in range(count):
            if not self._left:
                self._tag, self._left = self.byte(), 8
            value |= (self._tag & 1) << i
            self._tag >>= 1
            self._left -= 1
        return value

    def _symbol(self, code: _Code) -> int:
        """The next symbol, -1 where the firmware gives up."""
        place = value = 0
        for length in range(1, _LONGEST_CODE + 1):
            value = 2 * value + self._bits(1)
            count = code.counts[length]
            place += count
            value -= count
            if value < 0:
                return code.symbols[place + value]
        self._bits(1)
        return -1

    def _codes(self) -> tuple[_Code, _Code]:
        """The two codes of a dynamic block."""
        n_literals, n_distances = self._bits(5) + 257, self._bits(5) + 1
        lengths = [0] * 19
        for i in range(self._bits(4) + 4):
            lengths[_LENGTH_ORDER[i]] = self._bits(3)
        code, lengths = _Code(lengths), []
        total = n_literals + n_distances
        while len(lengths) < total:
            symbol = self._symbol(code)
            if symbol < 0:
                raise BadData(DATA_ERROR)
            if symbol < 16:
                lengths.append(symbol)
                continue
            if symbol == 16:
                if not lengths:
                    raise BadData(DATA_ERROR)
                value, repeat = lengths[-1], 3 + self._bits(2)
            else:
                value, repeat = 0, 3 + self._bits(3) if symbol == 17 else 11 + self._bits(7)
            if len(lengths) + repeat > total:
                raise BadData(DATA_ERROR)
            lengths += [value] * repeat
        return _Code(lengths[:n_literals]), _Code(lengths[n_literals:])

    def _match(self, symbol: int, distances: _Code) -> bytes:
        if symbol - 257 >= len(_LENGTHS):
            raise BadData(DATA_ERROR)
        base, extra = _LENGTHS[symbol - 257]
        length = base + self._bits(extra)
        symbol = self._symbol(distances)
        if not 0 <= symbol < len(_DISTANCES):
            raise BadData(DATA_ERROR)
        base, extra = _DISTANCES[symbol]
        distance = base + self._bits(extra)
        have = len(self._output)
        if self.window:
            if distance > self.window:
                raise BadData(WINDOW_ERROR)
            if distance > have:
                self._output[:0] = bytes(distance - have)  # a part of the window not yet filled
        elif distance > have:
            raise BadData(DATA_ERROR)
        pattern = bytes(self._output[-distance:])
        return (pattern * (length // distance + 1))[:length]

    def _keep(self, piece: bytes) -> bytes:
        self._output += piece
        if len(self._output) > 3 * 32768:
            del self._output[: -32768]
        return piece

    def _compressed(self, literals: _Code, distances: _Code) -> Iterator[bytes]:
        while True:
            symbol = self._symbol(literals)
            if self.at_end:
                raise BadData(DATA_ERROR)
            if symbol == 256:
                return
            if symbol < 0:
                yield self._keep(_BROKEN_LITERAL)
            elif symbol < 256:
                yield self._keep(bytes((symbol,)))
            else:
                yield self._keep(self._match(symbol, distances))

    def _stored(self) -> Iterator[bytes]:
        length = self.byte() | self.byte() << 8
        if length != ~(self.byte() | self.byte() << 8) & 0xFFFF:
            raise BadData(DATA_ERROR)
        self._left = 0
        for _ in range(length):
            yield self._keep(bytes((self.byte(),)))

    def _run(self) -> Iterator[bytes]:
        final = 0
        while not final:
            final, kind = self._bits(1), self._bits(2)
            if kind == 0:
                yield from self._stored()
            elif kind == 1:
                yield from self._compressed(_FIXED_LITERALS, _FIXED_DISTANCES)
            elif kind == 2:
                yield from self._compressed(*self._codes())
            else:
                raise BadData(DATA_ERROR)
