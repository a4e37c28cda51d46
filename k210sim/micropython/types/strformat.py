"""`str.format` and the `%` operator.

Source: micropython v1.11 py/objstr.c, py/mpprint.c (facts: grammar, padding rules, messages,
buffers).
"""

from __future__ import annotations

from dataclasses import dataclass

from k210sim.micropython import bigint, ops, singles
from k210sim.micropython import layout as L
from k210sim.micropython.formatfloat import FORMAT_ROOM, format_float
from k210sim.micropython.layout import SENTINEL, TYPE, small_int
from k210sim.micropython.native import native
from k210sim.micropython.textargs import formatted_error, text_data
from k210sim.micropython.types.numeric import get_float
from k210sim.micropython.types.sequence import check_self
from k210sim.micropython.vstr import Vstr

_ALIGN = b"<>=^"
PAD_CHUNK = 16  # blanks and zeros are written so many at a time, other fillers singly
_TYPES = b"bcdeEfFgGnosxX%"


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


# --- putting values -----------------------------------------------
def _pad(out: Vstr, data: bytes, fill: bytes, width: int, left: bool = False,
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
        _pad(out, b"", b" ", before)
    if after_sign:
        if sign:
            out.add(b"-")
            width -= 1
        if prefix:
            out.add(prefix.encode())
            width -= len(prefix)
    if by_precision:
        width = precision
    _pad(out, text.encode(), fill, width, left, form.centre)
    if after > 0:
        _pad(out, b"", b" ", after)


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
    _pad(out, text, form.fill, width, form.left, form.centre)


def _looks_integer(vm, word: int) -> bool:
    return word in (L.TRUE, L.FALSE) or vm.is_int(word)


def _value_error(vm, message: str):
    return vm.error("ValueError", message, formatted=False)


def _number(data: bytes, at: int, top: int, default: int) -> tuple[int, int]:
    """Unsigned decimal at a place: its value (a C int) or the default, and the place after it."""
    end = at
    while end < top and 0x30 <= data[end] <= 0x39:
        end += 1
    if end == at:
        return default, at
    value = int(data[at : at + 4000 if end - at > 4000 else end]) & 0xFFFFFFFF
    return value - (1 << 32) if value >> 31 else value, end


# --- str.format -----------------------------------------------
class _Formatter:
    """One call of `format`: its arguments and the automatic numbering."""

    def __init__(self, vm, data: bytes, args: list[int], kw: dict[int, int]):
        self.vm, self.data, self.args, self.kw = vm, data, args, kw
        self.next = 0  # -1: numbered by hand

    def at(self, i: int) -> int:
        return self.data[i] if i < len(self.data) else 0

    def run(self, at: int, top: int, depth: int = 0) -> Vstr:
        vm, data = self.vm, self.data
        if depth > 60:
            raise vm.recursion_error()
        out = Vstr(vm, 16)
        while at < top:
            c = data[at]
            if c == 0x7D:
                at += 1
                if at >= top or data[at] != 0x7D:
                    raise _value_error(vm, "single '}' encountered in format string")
                out.add(b"}")
            elif c != 0x7B:
                end = at
                while end < top and data[end] not in b"{}":
                    end += 1
                out.add_singly(data[at:end])
                at = end
                continue
            else:
                at += 1
                if at < top and data[at] == 0x7B:
                    out.add(b"{")
                else:
                    at = self._field(out, at, top, depth)
            at += 1
        return out

    def _field(self, out: Vstr, at: int, top: int, depth: int) -> int:
        """One replacement field, `at` behind its brace; returns the place of its end."""
        vm, data = self.vm, self.data
        start = at
        while at < top and data[at] not in b"}!:":
            at += 1
        name = data[start:at]
        conversion = 0
        if at < top and data[at] == 0x21:
            at += 1
            if at < top and data[at] in b"rs":
                conversion = data[at]
                at += 1
            elif at >= top:
                raise _value_error(vm, "end of format while looking for conversion specifier")
            else:
                raise formatted_error(vm, "ValueError", "unknown conversion specifier %c", data[at])
        spec = -1
        if at < top and data[at] == 0x3A:
            at += 1
            if self.at(at) != 0x7D:
                spec = at
                nest = 1
                while at < top:
                    if data[at] == 0x7B:
                        nest += 1
                    elif data[at] == 0x7D:
                        nest -= 1
                        if nest == 0:
                            break
                    at += 1
        if at >= top:
            raise _value_error(vm, "unmatched '{' in format")
        if data[at] != 0x7D:
            raise _value_error(vm, "expected ':' after format specifier")
        word = self._named(name) if name else self._automatic()
        if spec < 0 and not conversion:
            conversion = 0x73
        if conversion:
            buffer = Vstr(vm, 16)
            buffer.add_text(vm.print_text(
                word, ops.PRINT_STR if conversion == 0x73 else ops.PRINT_REPR))
            word = buffer.finish("str")
        form, style, align = Layout(width=-1, fill=b""), "", 0
        if spec >= 0:
            nested = self.run(spec, at, depth + 1)
            style, align = self._specifier(bytes(nested.data), form)
            nested.clear()
        self._put(out, word, form, style, align)
        return at

    def _automatic(self) -> int:
        if self.next < 0:
            raise _value_error(self.vm, "can't switch from manual field specification to "
                               "automatic field numbering")
        if self.next >= len(self.args):
            raise self._no_argument()
        self.next += 1
        return self.args[self.next - 1]

    def _no_argument(self):
        return self.vm.error("IndexError", "tuple index out of range", formatted=False)

    def _named(self, name: bytes) -> int:
        vm = self.vm
        if 0x30 <= name[0] <= 0x39:
            if self.next > 0:
                raise _value_error(vm, "can't switch from automatic field numbering to manual "
                                   "field specification")
            index, end = _number(name, 0, len(name), 0)
            if not 0 <= index < len(self.args):
                raise self._no_argument()
            word = self.args[index]
            self.next = -1
        else:
            end = 0
            while end < len(name) and name[end] not in b".[":
                end += 1
            number = vm.intern(name[:end])
            if number not in self.kw:
                raise key_error(vm, (number << 2) | 2)
            word = self.kw[number]
        if end < len(name):
            raise vm.error("NotImplementedError", "attributes not supported yet", formatted=False)
        return word

    def _specifier(self, spec: bytes, form: Layout) -> tuple[str, int]:
        """Parse `[[fill]align][sign][#][0][width][,][.precision][type]` into `form`."""
        at, n, align = 0, len(spec), 0
        ahead = spec.split(b"\0")[0] + b"\0\0"  # the firmware stops at a zero byte
        if ahead[0] and ahead[0] in _ALIGN:
            align, at = ahead[0], 1
        elif ahead[0] and ahead[1] and ahead[1] in _ALIGN:
            form.fill, align, at = ahead[:1], ahead[1], 2
        if ahead[at] in b"+- " and ahead[at]:
            form.plus = {0x2B: "+", 0x20: " "}.get(ahead[at], "")
            at += 1
        if ahead[at] == 0x23:
            form.prefix = True
            at += 1
        if ahead[at] == 0x30:
            align = align or 0x3D
            form.fill = form.fill or b"0"
        form.width, at = _number(spec, at, n, -1)
        if ahead[at] == 0x2C:
            form.comma = True
            at += 1
        if ahead[at] == 0x2E:
            form.precision, at = _number(spec, at + 1, n, -1)
        style = ""
        if ahead[at] and ahead[at] in _TYPES:
            style = chr(ahead[at])
            at += 1
        if ahead[at]:
            raise _value_error(self.vm, "invalid format specifier")
        return style, align

    def _put(self, out: Vstr, word: int, form: Layout, style: str, align: int) -> None:
        vm = self.vm
        integer = _looks_integer(vm, word)
        numeric = integer or vm.is_float(word)
        align = align or (0x3E if numeric else 0x3C)
        form.fill = form.fill or b" "
        if form.plus and style == "s":
            raise _value_error(vm, "sign not allowed in string format specifier")
        if form.plus and style == "c":
            raise _value_error(vm, "sign not allowed with integer format specifier 'c'")
        form.left, form.after_sign, form.centre = align == 0x3C, align == 0x3D, align == 0x5E
        if integer and self._put_integer(out, word, form, style):
            return
        if numeric:
            style = "g" if style in ("", "n") else style
            if style in "eEfFgG":
                put_float(out, get_float(vm, word), style, form)
            elif style == "%":
                form.percent = True
                put_float(out, singles.single(get_float(vm, word) * 100.0), "f", form)
            else:
                raise self._unknown(style, word)
            return
        if align == 0x3D:
            raise _value_error(vm, "'=' alignment not allowed in string format specifier")
        if style not in ("", "s"):
            raise self._unknown(style, word)
        data = text_data(vm, word)
        if form.precision >= 0:
            data = data[: form.precision]
        _pad(out, data, form.fill, form.width, form.left, form.centre)

    def _put_integer(self, out: Vstr, word: int, form: Layout, style: str) -> bool:
        """The integer styles; False when a float style was asked for."""
        vm = self.vm
        form.precision, kept = 0, form.precision
        if style == "b":
            put_int(vm, out, word, 2, False, form)
        elif style == "c":
            _pad(out, bytes((vm.get_int(word) & 0xFF,)), form.fill, form.width, form.left,
                 form.centre)
        elif style in ("", "n", "d"):
            put_int(vm, out, word, 10, False, form)
        elif style == "o":
            form.octal_letter = form.prefix
            put_int(vm, out, word, 8, False, form)
        elif style in "xX":
            put_int(vm, out, word, 16, style == "X", form)
        elif style in "eEfFgG%":
            form.precision = kept
            return False
        else:
            raise self._unknown(style, word)
        return True

    def _unknown(self, style: str, word: int):
        return formatted_error(
            self.vm, "ValueError", "unknown format code '%c' for object of type '%s'", style,
            self.vm.type_name(word))


def key_error(vm, key: int):
    """A KeyError that carries the key."""
    from k210sim.micropython.native import GuestError

    return GuestError(vm.make_exception(vm.exception_word("KeyError"), [key]))


def format_text(vm, data: bytes, args: list[int], kw: dict[int, int], kind: str) -> int:
    """`data.format(*args, **kw)` as an object of type `kind`."""
    return _Formatter(vm, data, args, kw).run(0, len(data)).finish(kind)


@native(1, kw=True, name="format")
def format_method(vm, args, kw):
    o = args[0]
    kind = "str" if vm.is_str(o) else "bytes"
    check_self(vm, kind == "str" or vm.is_bytes(o), "format", o)
    return format_text(vm, vm.bytes_of(o), args[1:], kw, kind)


# --- the % operator -----------------------------------------------
class _Modulo:
    """One use of `%`: pattern, arguments and how many are used."""

    def __init__(self, vm, pattern: int, right: int):
        self.vm, self.data = vm, vm.bytes_of(pattern)
        self.is_bytes = not vm.is_str(pattern)
        kind = vm.type_word(right)
        self.args = vm.items_of(right) if kind == TYPE["tuple"] else [right]
        self.dict = right if kind == TYPE["dict"] else 0
        self.used = 0
        self.out = Vstr(vm, 16)

    def take(self) -> int:
        if self.used >= len(self.args):
            raise self.vm.error("TypeError", "format string needs more arguments",
                                formatted=False)
        self.used += 1
        return self.args[self.used - 1]

    def run(self) -> int:
        data, out, at, top = self.data, self.out, 0, len(self.data)
        while at < top:
            if data[at] != 0x25:
                end = data.find(b"%", at)
                end = top if end < 0 else end
                out.add_singly(data[at:end])
                at = end - 1
            else:
                at += 1
                if at >= top:
                    raise self._incomplete()
                if data[at] == 0x25:
                    out.add(b"%")
                else:
                    at = self._field(at)
            at += 1
        if self.used != len(self.args):
            raise self.vm.error("TypeError", "format string didn't convert all arguments",
                                formatted=False)
        return out.finish("bytes" if self.is_bytes else "str")

    def _incomplete(self):
        return _value_error(self.vm, "incomplete format")

    def _key(self, at: int) -> tuple[int, int]:
        vm = self.vm
        if not self.dict:
            raise vm.error("TypeError", "format needs a dict", formatted=False)
        self.used = 1
        end = self.data.find(b")", at)
        if end < 0:
            raise _value_error(vm, "incomplete format key")
        key = vm.new_qstr(self.data[at:end])
        return vm.subscr(self.dict, key, SENTINEL), end + 1

    def _field(self, at: int) -> int:
        vm, data, top = self.vm, self.data, len(self.data)
        word = 0
        if data[at] == 0x28:
            word, at = self._key(at + 1)
        form, alt = Layout(), False
        while at < top:
            c = data[at]
            if c == 0x2D:
                form.left = True
            elif c == 0x2B:
                form.plus = "+"
            elif c == 0x20:
                form.plus = form.plus or " "
            elif c == 0x23:
                alt = True
            elif c == 0x30:
                form.after_sign, form.fill = True, b"0"
            else:
                break
            at += 1
        if at < top and data[at] == 0x2A:
            form.width = vm.get_int(self.take())
            at += 1
        else:
            form.width, at = _number(data, at, top, 0)
        if at < top and data[at] == 0x2E:
            at += 1
            if at < top and data[at] == 0x2A:
                form.precision = vm.get_int(self.take())
                at += 1
            elif at < top:
                form.precision, at = _number(data, at, top, 0)
        if at >= top:
            raise self._incomplete()
        self._put(word or self.take(), data[at], form, alt, at)
        return at

    def _put(self, word: int, style: int, form: Layout, alt: bool, at: int) -> None:
        vm, out, letter = self.vm, self.out, chr(style)
        if letter == "c":
            _pad(out, self._char(word), b" ", form.width, form.left)
        elif letter in "diu":
            if vm.is_float(word):
                from k210sim.micropython.types.int import from_float

                word = from_float(vm, vm.float_value(word))
            put_int(vm, out, word, 10, False, form)
        elif letter in "eEfFgG":
            put_float(out, get_float(vm, word), letter, form)
        elif letter == "o":
            form.prefix = form.octal_letter = alt
            put_int(vm, out, word, 8, False, form)
        elif letter in "rs":
            buffer = Vstr(vm, 16)
            kind = ops.PRINT_REPR if letter == "r" else ops.PRINT_STR
            if letter == "s" and self.is_bytes and not word & 3 and vm.is_bytes(word):
                kind = ops.PRINT_RAW
            buffer.add_text(vm.print_text(word, kind))
            data = bytes(buffer.data)
            if form.precision >= 0:
                data = data[: form.precision]
            _pad(out, data, b" ", form.width, form.left)
            buffer.clear()
        elif letter in "xX":
            form.prefix = alt
            put_int(vm, out, word, 16, letter == "X", form)
        else:
            raise formatted_error(
                vm, "ValueError", "unsupported format character '%c' (0x%x) at index %d", style,
                style, at)

    def _char(self, word: int) -> bytes:
        vm = self.vm
        if not word & 1 and vm.is_str(word):
            data = vm.bytes_of(word)
            if len(data) != 1:
                raise vm.error("TypeError", "%%c needs int or char", formatted=False)
            return data
        if not _looks_integer(vm, word):
            raise vm.error("TypeError", "integer needed", formatted=False)
        return bytes((vm.get_int(word) & 0xFF,))


def modulo(vm, pattern: int, right: int) -> int:
    """`pattern % right`."""
    return _Modulo(vm, pattern, right).run()
