"""`str.format`.

Source: micropython v1.11 py/objstr.c (facts: grammar, messages, buffers).
"""

from __future__ import annotations

from k210sim.micropython import ops, singles
from k210sim.micropython.native import GuestError, native
from k210sim.micropython.textargs import formatted_error, text_data
from k210sim.micropython.types.numeric import get_float
from k210sim.micropython.types.sequence import check_self
from k210sim.micropython.types.textfields import (
    Layout,
    looks_integer,
    number_at,
    pad,
    put_float,
    put_int,
    value_error,
)
from k210sim.micropython.vstr import Vstr

_ALIGN = b"<>=^"
_TYPES = b"bcdeEfFgGnosxX%"


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
                    raise value_error(vm, "single '}' encountered in format string")
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
                raise value_error(vm, "end of format while looking for conversion specifier")
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
            raise value_error(vm, "unmatched '{' in format")
        if data[at] != 0x7D:
            raise value_error(vm, "expected ':' after format specifier")
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
            raise value_error(self.vm, "can't switch from manual field specification to "
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
                raise value_error(vm, "can't switch from automatic field numbering to manual "
                                   "field specification")
            index, end = number_at(name, 0, len(name), 0)
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
        form.width, at = number_at(spec, at, n, -1)
        if ahead[at] == 0x2C:
            form.comma = True
            at += 1
        if ahead[at] == 0x2E:
            form.precision, at = number_at(spec, at + 1, n, -1)
        style = ""
        if ahead[at] and ahead[at] in _TYPES:
            style = chr(ahead[at])
            at += 1
        if ahead[at]:
            raise value_error(self.vm, "invalid format specifier")
        return style, align

    def _put(self, out: Vstr, word: int, form: Layout, style: str, align: int) -> None:
        vm = self.vm
        integer = looks_integer(vm, word)
        numeric = integer or vm.is_float(word)
        align = align or (0x3E if numeric else 0x3C)
        form.fill = form.fill or b" "
        if form.plus and style == "s":
            raise value_error(vm, "sign not allowed in string format specifier")
        if form.plus and style == "c":
            raise value_error(vm, "sign not allowed with integer format specifier 'c'")
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
            raise value_error(vm, "'=' alignment not allowed in string format specifier")
        if style not in ("", "s"):
            raise self._unknown(style, word)
        data = text_data(vm, word)
        if form.precision >= 0:
            data = data[: form.precision]
        pad(out, data, form.fill, form.width, form.left, form.centre)

    def _put_integer(self, out: Vstr, word: int, form: Layout, style: str) -> bool:
        """The integer styles; False when a float style was asked for."""
        vm = self.vm
        form.precision, kept = 0, form.precision
        if style == "b":
            put_int(vm, out, word, 2, False, form)
        elif style == "c":
            pad(out, bytes((vm.get_int(word) & 0xFF,)), form.fill, form.width, form.left,
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
