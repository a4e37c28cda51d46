"""The `%` operator of str and bytes.

Source: micropython v1.11 py/objstr.c (facts: grammar, messages, buffers).
"""

from __future__ import annotations

from k210sim.micropython import ops
from k210sim.micropython.layout import SENTINEL, TYPE
from k210sim.micropython.textargs import formatted_error
from k210sim.micropython.types.numeric import get_float
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
        return value_error(self.vm, "incomplete format")

    def _key(self, at: int) -> tuple[int, int]:
        vm = self.vm
        if not self.dict:
            raise vm.error("TypeError", "format needs a dict", formatted=False)
        self.used = 1
        end = self.data.find(b")", at)
        if end < 0:
            raise value_error(vm, "incomplete format key")
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
            form.width, at = number_at(data, at, top, 0)
        if at < top and data[at] == 0x2E:
            at += 1
            if at < top and data[at] == 0x2A:
                form.precision = vm.get_int(self.take())
                at += 1
            elif at < top:
                form.precision, at = number_at(data, at, top, 0)
        if at >= top:
            raise self._incomplete()
        self._put(word or self.take(), data[at], form, alt, at)
        return at

    def _put(self, word: int, style: int, form: Layout, alt: bool, at: int) -> None:
        vm, out, letter = self.vm, self.out, chr(style)
        if letter == "c":
            pad(out, self._char(word), b" ", form.width, form.left)
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
            pad(out, data, b" ", form.width, form.left)
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
        if not looks_integer(vm, word):
            raise vm.error("TypeError", "integer needed", formatted=False)
        return bytes((vm.get_int(word) & 0xFF,))


def modulo(vm, pattern: int, right: int) -> int:
    """`pattern % right`."""
    return _Modulo(vm, pattern, right).run()
