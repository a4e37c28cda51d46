"""`ujson`: a forgiving JSON reader and a writer that prints.

The reader treats commas and colons as blanks and does not check that brackets pair up, as on the
board. Source: micropython v1.11 extmod/modujson.c (accepted texts, messages, buffers).
"""

from __future__ import annotations

from k210sim.micropython import layout as L
from k210sim.micropython import ops, streams
from k210sim.micropython.layout import TYPE
from k210sim.micropython.native import GuestModule
from k210sim.micropython.textargs import text_data
from k210sim.micropython.types.float import parse as parse_float
from k210sim.micropython.types.int import parse as parse_int
from k210sim.micropython.types.str_print import encode_char
from k210sim.micropython.vstr import Vstr

module = GuestModule("ujson")

_WORDS = {0x6E: (b"ull", L.NONE), 0x66: (b"alse", L.FALSE), 0x74: (b"rue", L.TRUE)}
_ESCAPES = {0x62: 8, 0x66: 12, 0x6E: 10, 0x72: 13, 0x74: 9}
_DIGITS = frozenset(b"0123456789")
_STACK_SLOTS = 4  # slots the list of open containers starts with


@module.function(2)
def dump(vm, o, stream):
    streams.stream_of(vm, stream, streams.WRITE)
    text = vm.print_text(o, ops.PRINT_JSON)
    streams.write_all(vm, stream, text.encode("utf-8", "surrogateescape"))


@module.function(1)
def dumps(vm, o):
    buffer = Vstr(vm, 8)
    buffer.add_text(vm.print_text(o, ops.PRINT_JSON))
    return buffer.finish("str")


class _Reader:
    """One document; `cur` is the byte under the eye, 0 at the end."""

    def __init__(self, vm, read_byte):
        self.vm, self._read = vm, read_byte
        self.buffer = Vstr(vm, 8)
        self.cur = 0
        self.next()

    def next(self) -> int:
        self.cur = self._read()
        return self.cur

    def fail(self):
        return self.vm.error("ValueError", "syntax error in JSON", formatted=False)

    def string(self) -> int:
        """A string whose opening quote has been read."""
        buffer = self.buffer
        buffer.data.clear()
        while self.cur and self.cur != 0x22:
            c = self.cur
            if c == 0x5C:
                c = self.next()
                if c == 0x75:
                    buffer.add(self._unicode())
                    self.next()
                    continue
                c = _ESCAPES.get(c, c)
            buffer.add(bytes((c,)))
            self.next()
        if not self.cur:
            raise self.fail()
        self.next()
        return self.vm.new_str(bytes(buffer.data))

    def _unicode(self) -> bytes:
        number = 0
        for _ in range(4):
            c = ((self.next() | 0x20) - 0x30) & 0xFF
            if c > 9:
                c = (c - 0x27) & 0xFF
            number = number << 4 | c
        return encode_char(number & 0xFFFF)

    def number(self, first: int) -> int:
        """A number whose first byte has been read."""
        buffer, is_float, c = self.buffer, False, first
        buffer.data.clear()
        while True:
            buffer.add(bytes((c,)))
            c = self.cur
            if c in b".eE" and c:
                is_float = True
            elif c not in _DIGITS and c not in b"+-":
                break
            self.next()
        text = bytes(buffer.data)
        return parse_float(self.vm, text) if is_float else parse_int(self.vm, text, 10)

    def keyword(self, first: int) -> int:
        rest, word = _WORDS[first]
        for i, c in enumerate(rest):
            if (self.cur if i == 0 else self.next()) != c:
                raise self.fail()
        self.next()
        return word

    def document(self) -> int:
        vm = self.vm
        open_ones: list[int] = []
        slots = table = top = key = 0
        while self.cur:
            c = self.cur
            self.next()
            if c in b",: \t\n\r":
                continue
            if c in b"}]":
                if not top:
                    raise self.fail()
                if not open_ones:
                    return self._end(top, open_ones)
                top = open_ones.pop()
                continue
            entering = c in b"[{"
            if c in _WORDS:
                word = self.keyword(c)
            elif c == 0x22:
                word = self.string()
            elif c == 0x2D or c in _DIGITS:
                word = self.number(c)
            elif entering:
                word = vm.new_list() if c == 0x5B else vm.new_dict(0)
            else:
                raise self.fail()
            if not top:
                top = word
                if not entering:
                    return self._end(top, open_ones)
                continue
            if vm.type_word(top) == TYPE["list"]:
                vm.list_append(top, word)
            elif not key:
                key = word
                if entering:
                    raise self.fail()
            else:
                vm.dict_set(top, key, word)
                key = 0
            if entering:
                if not table:
                    slots, table = _STACK_SLOTS, vm.malloc(8 * _STACK_SLOTS)
                elif len(open_ones) >= slots:
                    table = vm.realloc(table, 8 * slots, 16 * slots)
                    slots *= 2
                open_ones.append(top)
                top = word
            vm.checkpoint()
        return self._end(top, open_ones)

    def _end(self, top: int, open_ones: list[int]) -> int:
        while self.cur and self.cur in b" \t\n\r\v\f":
            self.next()
        if self.cur or not top or open_ones:
            raise self.fail()
        self.buffer.clear()
        return top


@module.function(1)
def load(vm, stream):
    p = streams.stream_of(vm, stream, streams.READ)

    def read_byte() -> int:
        data = p.read(vm, stream, 1)
        return data[0] if data else 0

    return _Reader(vm, read_byte).document()


@module.function(1)
def loads(vm, text):
    source = iter(text_data(vm, text))
    return _Reader(vm, lambda: next(source, 0)).document()
