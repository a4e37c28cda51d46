"""Built-in functions about numbers and text: `FUNCTIONS`, by name.

Source: micropython v1.11 py/modbuiltins.c (facts: which operation each one stands for, messages,
buffers).
"""

from __future__ import annotations

from k210sim.micropython import layout as L
from k210sim.micropython import ops, singles, streams
from k210sim.micropython.layout import small_int
from k210sim.micropython.native import Arg, GuestError, native
from k210sim.micropython.textargs import formatted_error, text_data
from k210sim.micropython.types.int import from_float, pow3
from k210sim.micropython.types.numeric import get_float
from k210sim.micropython.types.str_print import code_point, count_chars, encode_char
from k210sim.micropython.types.strformat import format_text
from k210sim.micropython.types.strmodulo import modulo
from k210sim.micropython.vstr import Vstr

CTRL_C, CTRL_D = 3, 4

_PRINT_ARGS = [Arg("sep", default=0, kw_only=True), Arg("end", default=0, kw_only=True),
               Arg("file", default=0, kw_only=True)]


@native(1)
def abs(vm, o):
    return vm.unary_op(ops.ABS, o)


@native(1)
def bin(vm, o):
    return format_text(vm, b"{:#b}", [o], {}, "str")


@native(1)
def hex(vm, o):
    return modulo(vm, vm.new_qstr("%#x"), o)


@native(1)
def oct(vm, o):
    return modulo(vm, vm.new_qstr("%#o"), o)


@native(1)
def chr(vm, o):
    code = vm.get_int(o)
    if not 0 <= code < 0x110000:
        raise vm.error("ValueError", "chr() arg not in range(0x110000)", formatted=False)
    return vm.new_qstr(encode_char(code))


@native(1)
def ord(vm, o):
    data = text_data(vm, o)
    if vm.is_str(o):
        length = count_chars(data)
        if length == 1:
            return small_int(code_point(data))
    else:
        length = len(data)
        if length == 1:
            return small_int(data[0])
    raise formatted_error(vm, "TypeError", "ord() expected a character, but string of length %d "
                          "found", length)


@native(2)
def divmod(vm, a, b):
    return vm.binary_op(ops.DIVMOD, a, b)


@native(2, 3)
def pow(vm, base, exponent, modulus=0):
    if modulus:
        return pow3(vm, base, exponent, modulus)
    return vm.binary_op(ops.POWER, base, exponent)


@native(1)
def hash(vm, o):
    return vm.unary_op(ops.HASH, o)


def _round_int(vm, o: int, places: int) -> int:
    """An int to a power of ten, halves to even."""
    multiple = vm.binary_op(ops.POWER, small_int(10), small_int(-places))
    half = vm.binary_op(ops.FLOOR_DIVIDE, multiple, small_int(2))
    rest = vm.binary_op(ops.MODULO, o, multiple)
    down = vm.binary_op(ops.SUBTRACT, o, rest)
    if vm.binary_op(ops.MORE, half, rest) == L.TRUE:
        return down
    if vm.binary_op(ops.MORE, rest, half) != L.TRUE:
        quotient = vm.binary_op(ops.FLOOR_DIVIDE, o, multiple)
        if not vm.is_true(vm.binary_op(ops.AND, quotient, small_int(1))):
            return down
    return vm.binary_op(ops.ADD, down, multiple)


@native(1, 2)
def round(vm, o, digits=0):
    if vm.is_int(o):
        places = vm.get_int(digits) if digits else 0
        return o if places >= 0 else _round_int(vm, o, places)
    x = get_float(vm, o)
    if digits:
        scale = singles.power(10.0, singles.of_int(vm.get_int(digits)))
        scaled = singles.nearest(singles.single(x * scale))
        return vm.new_float(singles.divide(scaled, scale))
    return from_float(vm, singles.nearest(x))


@native(1)
def repr(vm, o):
    buffer = Vstr(vm, 16)
    buffer.add_text(vm.print_text(o, ops.PRINT_REPR))
    return buffer.finish("str")


@native(0, kw=True)
def print(vm, args, kw):
    separator, end, file = vm.parse_args([], kw, _PRINT_ARGS) if kw else (0, 0, 0)
    if file:
        streams.stream_of(vm, file, streams.WRITE)
    between = text_data(vm, separator) if separator else b" "
    last = text_data(vm, end) if end else b"\n"

    def put(data: bytes) -> None:
        if file:
            streams.write_all(vm, file, data)
        else:
            vm.stdout(data)

    for i, o in enumerate(args):
        if i and between:
            put(between)
        try:
            data = vm.print_text(o, ops.PRINT_STR).encode("utf-8", "surrogateescape")
        except GuestError:
            put(vm.printed_before_overflow.encode("utf-8", "surrogateescape"))
            vm.printed_before_overflow = ""
            raise
        if data:
            put(data)
    if last:
        put(last)


@native(0, 1)
def input(vm, prompt=0):
    """Reads through `vm.input_line(prompt: bytes) -> (ending key, line)`, which the engine sets."""
    if prompt:
        vm.write(vm.print_text(prompt, ops.PRINT_STR))
    key, line = vm.input_line(b"")
    if key == CTRL_C:
        raise vm.error("KeyboardInterrupt")
    if not line and key == CTRL_D:
        raise vm.error("EOFError")
    buffer = Vstr(vm, 16)
    buffer.add(bytes(line))
    return buffer.finish("str")


@native(1)
def __repl_print__(vm, o):
    if o != L.NONE:
        vm.write(vm.print_text(o, ops.PRINT_REPR))
        vm.write("\n")


FUNCTIONS = {f.name: f for f in (abs, bin, chr, divmod, hash, hex, input, oct, ord, pow, print,
                                 repr, round, __repl_print__)}
