"""`int` and `bool`: small integers in the word itself, larger ones on the heap.

Source: micropython v1.11 py/runtime.c (mp_binary_op), py/objint.c, py/objint_mpz.c,
py/objbool.c (facts: order of the cases, messages, what is allocated).
"""

from __future__ import annotations

from k210sim.micropython import bigint, ops, singles
from k210sim.micropython import layout as L
from k210sim.micropython.compiler.numbers import NumberSyntaxError, parse_integer
from k210sim.micropython.layout import SMALL_INT_MAX, SMALL_INT_MIN, TYPE, small_int
from k210sim.micropython.native import GuestError, GuestType, NativeFunction, method
from k210sim.micropython.textargs import buffer_bytes, formatted_error, text_data
from k210sim.micropython.types.numeric import as_float, complex_binary_op, float_binary_op
from k210sim.micropython.vstr import fill_string

WORD_BITS = 64
_UP_TO_TWO = NativeFunction("int", None, 0, 2)
_UP_TO_ONE = NativeFunction("bool", None, 0, 1)


def fits(value: int) -> bool:
    """Does the value fit a small integer."""
    return SMALL_INT_MIN <= value <= SMALL_INT_MAX


def word_of(vm, value: int) -> int:
    """The word of a machine integer: small, or a heap integer."""
    return (value << 1) | 1 if fits(value) else bigint.from_word(vm, value)


def zero_division(vm) -> GuestError:
    return vm.error("ZeroDivisionError", "divide by zero", formatted=False)


def negative_shift(vm) -> GuestError:
    return vm.error("ValueError", "negative shift count", formatted=False)


def parse(vm, text: bytes, base: int) -> int:
    """The int object a text stands for; ValueError otherwise."""
    try:
        value = parse_integer(text, base)
    except NumberSyntaxError as error:
        message = str(error)
        raise vm.error("ValueError", message,
                       formatted=message.startswith("invalid")) from None
    if fits(value):
        return (value << 1) | 1
    return bigint.from_digits(vm, value, len(text.strip()))


def from_float(vm, x: float) -> int:
    """The int object of a float's integer part; 0 for inf and nan, which -ffast-math leaves the
    firmware no test for (seen on the published v0.6.3)."""
    if x != x or x in (singles.INF, -singles.INF):
        return small_int(0)
    value = int(x)
    return (value << 1) | 1 if fits(value) else bigint.from_float(vm, value)


# --- two small integers -----------------------------------------------
def _small_power(vm, a: int, b: int, x: int, y: int) -> int:
    if y < 0:
        return float_binary_op(vm, ops.POWER, singles.of_int(x), b)
    answer = 1
    while y > 0:
        if y & 1:
            answer *= x
            if not fits(answer):
                return _big(vm, ops.POWER, bigint.from_word(vm, a >> 1), b)
        if y == 1:
            break
        y >>= 1
        x *= x
        if not fits(x):
            return _big(vm, ops.POWER, bigint.from_word(vm, a >> 1), b)
    return (answer << 1) | 1


def _small_shift_left(vm, b: int, x: int, y: int) -> int:
    if y < 0:
        raise negative_shift(vm)
    if y >= WORD_BITS or x > SMALL_INT_MAX >> y or x < SMALL_INT_MIN >> y:
        return _big(vm, ops.LSHIFT, bigint.from_word(vm, x), b)
    return (x << y << 1) | 1


def _small(vm, op: int, a: int, b: int) -> int | None:
    x, y = a >> 1, b >> 1
    if op == ops.ADD:
        return word_of(vm, x + y)
    if op == ops.SUBTRACT:
        return word_of(vm, x - y)
    if op == ops.LESS:
        return L.TRUE if x < y else L.FALSE
    if op == ops.MORE:
        return L.TRUE if x > y else L.FALSE
    if op == ops.LESS_EQUAL:
        return L.TRUE if x <= y else L.FALSE
    if op == ops.MORE_EQUAL:
        return L.TRUE if x >= y else L.FALSE
    if op == ops.EQUAL:
        return L.TRUE if x == y else L.FALSE
    if op == ops.MULTIPLY:
        product = x * y
        if fits(product):
            return (product << 1) | 1
        return _big(vm, op, bigint.from_word(vm, x), b)
    if op == ops.AND:
        return (x & y) << 1 | 1
    if op == ops.OR:
        return (x | y) << 1 | 1
    if op == ops.XOR:
        return (x ^ y) << 1 | 1
    if op == ops.LSHIFT:
        return _small_shift_left(vm, b, x, y)
    if op == ops.RSHIFT:
        if y < 0:
            raise negative_shift(vm)
        return (x >> min(y, WORD_BITS - 1)) << 1 | 1
    if op == ops.POWER:
        return _small_power(vm, a, b, x, y)
    if op in (ops.FLOOR_DIVIDE, ops.MODULO, ops.TRUE_DIVIDE, ops.DIVMOD):
        if y == 0:
            raise zero_division(vm)
        if op == ops.FLOOR_DIVIDE:
            return word_of(vm, x // y)
        if op == ops.MODULO:
            return (x % y) << 1 | 1
        if op == ops.TRUE_DIVIDE:
            return vm.new_float(singles.divide(singles.of_int(x), singles.of_int(y)))
        quotient, rest = divmod(x, y)
        return vm.new_tuple([small_int(quotient), small_int(rest)])
    return None


# --- at least one heap integer -----------------------------------------------
_COMPARE = {
    ops.LESS: lambda x, y: x < y, ops.MORE: lambda x, y: x > y,
    ops.LESS_EQUAL: lambda x, y: x <= y, ops.MORE_EQUAL: lambda x, y: x >= y,
    ops.EQUAL: lambda x, y: x == y,
}


def _big(vm, op: int, a: int, b: int) -> int | None:
    compare = _COMPARE.get(op)
    if compare is not None:
        return vm.new_bool(compare(vm.int_value(a), vm.int_value(b)))
    x, y = bigint.read(vm, a), bigint.read(vm, b)
    if op == ops.TRUE_DIVIDE:
        if not y.value:
            raise zero_division(vm)
        return vm.new_float(singles.divide(singles.of_big_int(x.value),
                                           singles.of_big_int(y.value)))
    if not ops.OR <= op <= ops.DIVMOD:
        return None
    result = bigint.Result(vm)
    into = result.big
    if op == ops.ADD:
        into.add(x, y)
    elif op == ops.SUBTRACT:
        into.sub(x, y)
    elif op == ops.MULTIPLY:
        into.mul(x, y)
    elif op in (ops.FLOOR_DIVIDE, ops.MODULO, ops.DIVMOD):
        if not y.value:
            raise zero_division(vm)
        if op == ops.DIVMOD:
            quotient = bigint.Result(vm)
            quotient.big.divmod(into, x, y)
            return vm.new_tuple([quotient.store(), result.store()])
        other = bigint.Big(vm)
        if op == ops.FLOOR_DIVIDE:
            into.divmod(other, x, y)
        else:
            other.divmod(into, x, y)
        other.free()
    elif op in (ops.AND, ops.OR, ops.XOR):
        into.bitwise(op, x, y)
    elif op in (ops.LSHIFT, ops.RSHIFT):
        count = bigint.checked(vm, y.value)
        if count < 0:
            raise negative_shift(vm)
        if op == ops.LSHIFT:
            into.shift_left(x, count)
        else:
            into.shift_right(x, count)
    else:  # POWER
        if y.value < 0:
            return float_binary_op(vm, op, singles.of_big_int(x.value), b)
        into.power(x, y)
    return result.store()


_REPEATABLE = frozenset((TYPE["str"], TYPE["bytes"], TYPE["tuple"], TYPE["list"]))


def _other_operand(vm, op: int, a: int, b: int) -> int | None:
    """An int with something that is no number of its kind."""
    if b == L.FALSE or b == L.TRUE:
        return vm.binary_op(op, a, 3 if b == L.TRUE else 1)
    if op == ops.MULTIPLY and vm.type_word(b) in _REPEATABLE:
        return vm.binary_op(op, b, a)
    return None


def pow3(vm, base: int, exponent: int, modulus: int) -> int:
    """`pow` with three arguments."""
    if not (vm.is_int(base) and vm.is_int(exponent) and vm.is_int(modulus)):
        raise vm.error("TypeError", "pow() with 3 arguments requires integers", formatted=False)
    result = bigint.Result(vm)
    result.big.need(bigint.WORD_DIGITS)
    operands = []
    for word in (base, exponent, modulus):
        if word & 1:
            operands.append(bigint.Big(vm).set_int(word >> 1))
        else:
            operands.append(bigint.read(vm, word))
    if not operands[2].value:
        # The board stops with a failed assertion here; an error is friendlier.
        raise zero_division(vm)
    result.big.power_mod(*operands)
    for operand in operands:
        operand.free()
    return result.store()


class IntType(GuestType):
    """Integers of any size; `bool` is a separate type here and no subclass."""

    name = "int"

    def print(self, vm, o, kind):
        return str(o >> 1) if o & 1 else bigint.formatted(vm, o)

    def make_new(self, vm, type_word, args, kw):
        vm.check_args(_UP_TO_TWO, len(args), len(kw))
        if not args:
            return 1
        o = args[0]
        if len(args) == 2:
            return parse(vm, text_data(vm, o), vm.get_int(args[1]))
        if vm.is_int(o):
            return o
        if vm.is_str(o) or vm.is_bytes(o):
            return parse(vm, vm.bytes_of(o), 0)
        if vm.is_float(o):
            return from_float(vm, vm.float_value(o))
        t = vm.type_of(o)
        result = t.unary_op(vm, ops.INT, o) if t.unary_op is not None else None
        if not result:
            raise formatted_error(vm, "TypeError", "can't convert %s to int", t.name)
        return result

    def unary_op(self, vm, op, o):
        if o & 1:
            value = o >> 1
            if op == ops.BOOL:
                return L.FALSE if value == 0 else L.TRUE
            if op in (ops.HASH, ops.POSITIVE, ops.INT):
                return o
            if op == ops.NEGATIVE:
                return word_of(vm, -value)
            if op == ops.ABS:
                return o if value >= 0 else word_of(vm, -value)
            return (~value << 1) | 1 if op == ops.INVERT else None
        value = vm.big_int_value(o)
        if op == ops.BOOL:
            return vm.new_bool(value)
        if op == ops.HASH:
            low = value & ((1 << 63) - 1)
            return small_int(low - (1 << 63) if low >> 62 else low)
        if op == ops.POSITIVE or (op == ops.ABS and value >= 0):
            return o
        if op not in (ops.NEGATIVE, ops.INVERT, ops.ABS):
            return None
        source, result = bigint.read(vm, o), bigint.Result(vm)
        result.big.set(source)
        if op == ops.INVERT:
            if value >= 0:
                result.big.need(source.n + 1)
            result.big.value = ~value
        else:
            result.big.value = -value
        return result.store()

    def binary_op(self, vm, op, a, b):
        if ops.INPLACE_OR <= op <= ops.INPLACE_POWER:
            plain = op + ops.INPLACE_TO_BINARY
        else:
            plain = op
        if b & 1:
            return _small(vm, plain, a, b) if a & 1 else _big(vm, plain, a, b)
        if not b & 2 and b != 0:
            kind = vm.type_word(b)
            if kind == TYPE["int"]:
                return _big(vm, plain, a, b)
            if kind == TYPE["float"]:
                return float_binary_op(vm, plain, as_float(vm, a), b)
            if kind == TYPE["complex"]:
                return complex_binary_op(vm, plain, as_float(vm, a), 0.0, b)
        return _other_operand(vm, op, a, b)

    @method(3, 4, kind="class")
    def from_bytes(vm, cls, data, order, signed=0):
        raw = buffer_bytes(vm, data)
        little = vm.is_str(order) and vm.bytes_of(order) == b"little"
        value = int.from_bytes(raw, "little" if little else "big")
        if value >> 8 > SMALL_INT_MAX >> 8:
            return bigint.from_bytes(vm, value, len(raw))
        return word_of(vm, value)

    @method(3, 4)
    def to_bytes(vm, self, length, order, signed=0):
        size = vm.get_int(length)
        if size < 0:
            raise vm.error("ValueError")
        little = vm.is_str(order) and vm.bytes_of(order) == b"little"
        addr = vm.malloc(size + 1)
        value = vm.int_value(self)
        # Only the bytes the number itself has are written: no sign extension beyond them.
        own = min(size, 8 if self & 1 else bigint.digits_of(value) * 2)
        data = (value & ((1 << (8 * own)) - 1)).to_bytes(own, "little").ljust(size, b"\0")
        if not little:
            data = data[::-1]
        return fill_string(vm, vm.new_object(TYPE["bytes"], 32), data, addr)


class BoolType(GuestType):
    """`True` and `False`; arithmetic treats them as 1 and 0."""

    name = "bool"

    def print(self, vm, o, kind):
        text = "True" if o == L.TRUE else "False"
        return text.lower() if kind == ops.PRINT_JSON else text

    def make_new(self, vm, type_word, args, kw):
        vm.check_args(_UP_TO_ONE, len(args), len(kw))
        return vm.new_bool(vm.is_true(args[0])) if args else L.FALSE

    def unary_op(self, vm, op, o):
        if op == ops.LEN:
            return None
        return vm.unary_op(op, 3 if o == L.TRUE else 1)

    def binary_op(self, vm, op, a, b):
        return vm.binary_op(op, 3 if a == L.TRUE else 1, b)


TYPES = [IntType, BoolType]
