"""`complex`: a heap object with two single-precision numbers."""

from __future__ import annotations

from k210sim.micropython import ops, singles
from k210sim.micropython.formatfloat import complex_text
from k210sim.micropython.native import GuestType, NativeFunction
from k210sim.micropython.types.float import hash_word, parse
from k210sim.micropython.types.numeric import complex_binary_op, get_float

_UP_TO_TWO = NativeFunction("complex", None, 0, 2)


class ComplexType(GuestType):
    """Complex numbers of single precision."""

    name = "complex"

    def print(self, vm, o, kind):
        return complex_text(vm.complex_value(o))

    def make_new(self, vm, type_word, args, kw):
        vm.check_args(_UP_TO_TWO, len(args), len(kw))
        if not args:
            return vm.new_complex(0j)
        first = args[0]
        if len(args) == 1:
            if vm.is_str(first):
                return parse(vm, vm.bytes_of(first), complex_too=True, force_complex=True)
            if vm.is_type(first, "complex"):
                return first
            return vm.new_complex(complex(get_float(vm, first), 0.0))
        if vm.is_type(first, "complex"):
            z = vm.complex_value(first)
            real, imag = z.real, z.imag
        else:
            real, imag = get_float(vm, first), 0.0
        if vm.is_type(args[1], "complex"):
            z = vm.complex_value(args[1])
            real, imag = singles.single(real - z.imag), singles.single(imag + z.real)
        else:
            imag = singles.single(imag + get_float(vm, args[1]))
        return vm.new_complex(complex(real, imag))

    def unary_op(self, vm, op, o):
        z = vm.complex_value(o)
        if op == ops.BOOL:
            return vm.new_bool(z.real != 0 or z.imag != 0)
        if op == ops.HASH:
            return hash_word(singles.hash_of(z.real) ^ singles.hash_of(z.imag))
        if op == ops.POSITIVE:
            return o
        if op == ops.NEGATIVE:
            return vm.new_complex(complex(-z.real, -z.imag))
        if op == ops.ABS:
            square = singles.fused(z.real, z.real, singles.single(z.imag * z.imag))
            return vm.new_float(singles.root(square))
        return None

    def binary_op(self, vm, op, a, b):
        z = vm.complex_value(a)
        return complex_binary_op(vm, op, z.real, z.imag, b)

    def load_attr(self, vm, o, qstr):
        name = vm.qstrs.text[qstr]
        if name == b"real":
            return vm.new_float(vm.complex_value(o).real)
        if name == b"imag":
            return vm.new_float(vm.complex_value(o).imag)
        return None


TYPES = [ComplexType]
