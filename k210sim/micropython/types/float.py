"""`float`: a heap object with one single-precision number."""

from __future__ import annotations

import math

from k210sim.micropython import layout as L
from k210sim.micropython import ops, singles
from k210sim.micropython.compiler.numbers import NumberSyntaxError, parse_decimal
from k210sim.micropython.formatfloat import float_text
from k210sim.micropython.layout import TYPE, small_int
from k210sim.micropython.native import GuestType, NativeFunction
from k210sim.micropython.textargs import buffer_maybe
from k210sim.micropython.types.numeric import (
    complex_binary_op,
    float_binary_op,
    get_float,
)

_UP_TO_ONE = NativeFunction("float", None, 0, 1)


def parse(vm, text: bytes, *, complex_too: bool = False, force_complex: bool = False) -> int:
    """The float (or complex) object a text stands for; ValueError otherwise."""
    try:
        value = parse_decimal(text, complex_too, force_complex)
    except NumberSyntaxError as error:
        raise vm.error("ValueError", str(error), formatted=False) from None
    return vm.new_complex(value) if isinstance(value, complex) else vm.new_float(value)


def hash_word(value: int) -> int:
    """A small int of the low 63 bits of a hash."""
    low = value & ((1 << 63) - 1)
    return small_int(low - (1 << 63) if low >> 62 else low)


class FloatType(GuestType):
    """Single-precision numbers."""

    name = "float"

    def print(self, vm, o, kind):
        return float_text(vm.float_value(o))

    def make_new(self, vm, type_word, args, kw):
        vm.check_args(_UP_TO_ONE, len(args), len(kw))
        if not args:
            return vm.new_float(0.0)
        text = buffer_maybe(vm, args[0])
        if text is not None:
            return parse(vm, text)
        if vm.is_float(args[0]):
            return args[0]
        return vm.new_float(get_float(vm, args[0]))

    def unary_op(self, vm, op, o):
        x = vm.float_value(o)
        if op == ops.BOOL:
            return L.TRUE if x != 0 else L.FALSE
        if op == ops.HASH:
            return hash_word(singles.hash_of(x))
        if op == ops.POSITIVE:
            return o
        if op == ops.NEGATIVE:
            return vm.new_float(-x)
        if op == ops.ABS:
            return vm.new_float(-x) if math.copysign(1.0, x) < 0 else o
        return None

    def binary_op(self, vm, op, a, b):
        x = vm.float_value(a)
        if not b & 3 and b != 0 and vm.type_word(b) == TYPE["complex"]:
            return complex_binary_op(vm, op, x, 0.0, b)
        return float_binary_op(vm, op, x, b)


TYPES = [FloatType]
