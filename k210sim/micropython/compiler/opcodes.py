"""The instruction set of MicroPython 1.11 and a disassembler.

Numbers, operands and the meaning of the operand bytes follow version 4 of the compiled format,
in the flavour with two-byte string numbers and a constant table (the one MaixPy uses).

Operand formats (`Op.operand`):

    NONE    opcode alone
    QSTR    two bytes, little-endian string number
    UINT    7-bit groups, most significant first, bit 7 set on all but the last
    SINT    the same groups holding a two's-complement number (sign is bit 6 of the first)
    JUMP    two bytes, little-endian, target = next instruction + value - 0x8000
    AHEAD   two bytes, little-endian, target = next instruction + value
    BYTE    one byte

`next instruction` means the byte after the two offset bytes. MAKE_CLOSURE, MAKE_CLOSURE_DEFARGS
and UNWIND_JUMP have one more byte after their main operand (`Op.extra`), which does not count
for jump targets.
"""

from __future__ import annotations

from dataclasses import dataclass

NONE, QSTR, UINT, SINT, JUMP, AHEAD, BYTE = "none", "qstr", "uint", "sint", "jump", "ahead", "byte"

LOAD_CONST_FALSE = 0x10
LOAD_CONST_NONE = 0x11
LOAD_CONST_TRUE = 0x12
LOAD_CONST_SMALL_INT = 0x14
LOAD_CONST_STRING = 0x16
LOAD_CONST_OBJ = 0x17
LOAD_NULL = 0x18
LOAD_FAST_N = 0x19
LOAD_DEREF = 0x1A
LOAD_NAME = 0x1B
LOAD_GLOBAL = 0x1C
LOAD_ATTR = 0x1D
LOAD_METHOD = 0x1E
LOAD_SUPER_METHOD = 0x1F
LOAD_BUILD_CLASS = 0x20
LOAD_SUBSCR = 0x21
STORE_FAST_N = 0x22
STORE_DEREF = 0x23
STORE_NAME = 0x24
STORE_GLOBAL = 0x25
STORE_ATTR = 0x26
STORE_SUBSCR = 0x27
DELETE_FAST = 0x28
DELETE_DEREF = 0x29
DELETE_NAME = 0x2A
DELETE_GLOBAL = 0x2B
DUP_TOP = 0x30
DUP_TOP_TWO = 0x31
POP_TOP = 0x32
ROT_TWO = 0x33
ROT_THREE = 0x34
JUMP_ALWAYS = 0x35
POP_JUMP_IF_TRUE = 0x36
POP_JUMP_IF_FALSE = 0x37
JUMP_IF_TRUE_OR_POP = 0x38
JUMP_IF_FALSE_OR_POP = 0x39
SETUP_WITH = 0x3D
WITH_CLEANUP = 0x3E
SETUP_EXCEPT = 0x3F
SETUP_FINALLY = 0x40
END_FINALLY = 0x41
GET_ITER = 0x42
FOR_ITER = 0x43
POP_EXCEPT_JUMP = 0x44
UNWIND_JUMP = 0x46
GET_ITER_STACK = 0x47
BUILD_TUPLE = 0x50
BUILD_LIST = 0x51
BUILD_MAP = 0x53
STORE_MAP = 0x54
BUILD_SET = 0x56
STORE_COMP = 0x57
BUILD_SLICE = 0x58
UNPACK_SEQUENCE = 0x59
UNPACK_EX = 0x5A
RETURN_VALUE = 0x5B
RAISE_VARARGS = 0x5C
YIELD_VALUE = 0x5D
YIELD_FROM = 0x5E
MAKE_FUNCTION = 0x60
MAKE_FUNCTION_DEFARGS = 0x61
MAKE_CLOSURE = 0x62
MAKE_CLOSURE_DEFARGS = 0x63
CALL_FUNCTION = 0x64
CALL_FUNCTION_VAR_KW = 0x65
CALL_METHOD = 0x66
CALL_METHOD_VAR_KW = 0x67
IMPORT_NAME = 0x68
IMPORT_FROM = 0x69
IMPORT_STAR = 0x6A

# Families that hold their operand in the opcode itself.
LOAD_CONST_SMALL_INT_MULTI = 0x70  # 64 values: -16 .. 47
LOAD_FAST_MULTI = 0xB0  # 16 locals
STORE_FAST_MULTI = 0xC0  # 16 locals
UNARY_OP_MULTI = 0xD0
BINARY_OP_MULTI = 0xD7

SMALL_INT_LOW, SMALL_INT_HIGH = -16, 47

UNARY_OPS = ("positive", "negative", "invert", "not")
BINARY_OPS = (
    "less", "more", "equal", "less_equal", "more_equal", "not_equal", "in", "is",
    "exception_match",
    "inplace_or", "inplace_xor", "inplace_and", "inplace_lshift", "inplace_rshift",
    "inplace_add", "inplace_subtract", "inplace_multiply", "inplace_floor_divide",
    "inplace_true_divide", "inplace_modulo", "inplace_power",
    "or", "xor", "and", "lshift", "rshift", "add", "subtract", "multiply", "floor_divide",
    "true_divide", "modulo", "power",
)  # fmt: skip

# Slots of the value stack an iterator takes that lives on the stack (GET_ITER_STACK).
ITER_SLOTS = 4


@dataclass(frozen=True)
class Op:
    """One opcode: number, name, operand format, and whether one extra byte follows."""

    code: int
    name: str
    operand: str = NONE
    extra: bool = False


_OPERANDS = {
    QSTR: (
        LOAD_CONST_STRING, LOAD_NAME, LOAD_GLOBAL, LOAD_ATTR, LOAD_METHOD, LOAD_SUPER_METHOD,
        STORE_NAME, STORE_GLOBAL, STORE_ATTR, DELETE_NAME, DELETE_GLOBAL, IMPORT_NAME,
        IMPORT_FROM,
    ),
    UINT: (
        LOAD_CONST_OBJ, LOAD_FAST_N, LOAD_DEREF, STORE_FAST_N, STORE_DEREF, DELETE_FAST,
        DELETE_DEREF, BUILD_TUPLE, BUILD_LIST, BUILD_MAP, BUILD_SET, STORE_COMP, BUILD_SLICE,
        UNPACK_SEQUENCE, UNPACK_EX, MAKE_FUNCTION, MAKE_FUNCTION_DEFARGS, MAKE_CLOSURE,
        MAKE_CLOSURE_DEFARGS, CALL_FUNCTION, CALL_FUNCTION_VAR_KW, CALL_METHOD,
        CALL_METHOD_VAR_KW,
    ),
    SINT: (LOAD_CONST_SMALL_INT,),
    JUMP: (
        JUMP_ALWAYS, POP_JUMP_IF_TRUE, POP_JUMP_IF_FALSE, JUMP_IF_TRUE_OR_POP,
        JUMP_IF_FALSE_OR_POP, UNWIND_JUMP,
    ),
    AHEAD: (SETUP_WITH, SETUP_EXCEPT, SETUP_FINALLY, FOR_ITER, POP_EXCEPT_JUMP),
    BYTE: (RAISE_VARARGS,),
}  # fmt: skip
_EXTRA = {MAKE_CLOSURE, MAKE_CLOSURE_DEFARGS, UNWIND_JUMP}


def _build_table() -> dict[int, Op]:
    operand_of = {code: kind for kind, codes in _OPERANDS.items() for code in codes}
    table = {}
    for name, code in list(globals().items()):
        single = name.isupper() and isinstance(code, int) and 0x10 <= code < 0x70
        if single and not name.startswith("SMALL_INT"):
            shown = "JUMP" if name == "JUMP_ALWAYS" else name
            table[code] = Op(code, shown, operand_of.get(code, NONE), code in _EXTRA)
    for i in range(64):
        code = LOAD_CONST_SMALL_INT_MULTI + i
        table[code] = Op(code, f"LOAD_CONST_SMALL_INT {i + SMALL_INT_LOW}")
    for i in range(16):
        table[LOAD_FAST_MULTI + i] = Op(LOAD_FAST_MULTI + i, f"LOAD_FAST {i}")
        table[STORE_FAST_MULTI + i] = Op(STORE_FAST_MULTI + i, f"STORE_FAST {i}")
    for i, name in enumerate(UNARY_OPS):
        table[UNARY_OP_MULTI + i] = Op(UNARY_OP_MULTI + i, f"UNARY_OP {name}")
    for i, name in enumerate(BINARY_OPS):
        table[BINARY_OP_MULTI + i] = Op(BINARY_OP_MULTI + i, f"BINARY_OP {name}")
    return table


OPS: dict[int, Op] = _build_table()


def read_uint(code: bytes, at: int) -> tuple[int, int]:
    """The unsigned number at offset `at` and the offset after it."""
    value = 0
    while True:
        byte = code[at]
        at += 1
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, at


def read_sint(code: bytes, at: int) -> tuple[int, int]:
    """The signed number at offset `at` and the offset after it."""
    start = at
    value, at = read_uint(code, at)
    if code[start] & 0x40:
        value -= 1 << 7 * (at - start)
    return value, at


def write_uint(value: int) -> bytes:
    """A number >= 0 as 7-bit groups."""
    groups = [value & 0x7F]
    value >>= 7
    while value:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(reversed(groups))


def write_sint(value: int) -> bytes:
    """A signed number as 7-bit groups, with as few groups as keep the sign."""
    groups = [value & 0x7F]
    while not -64 <= value < 64:
        value >>= 7
        groups.append(value & 0x7F | 0x80)
    return bytes(reversed(groups))


@dataclass(frozen=True)
class Instruction:
    """One decoded instruction. `arg` is the target offset for jumps, else the operand."""

    offset: int
    op: Op
    arg: int | None
    extra: int | None
    size: int


def decode(code: bytes, at: int) -> Instruction:
    """Decode the instruction at offset `at` of a whole bytecode string.

    Raises ValueError for a byte that is no opcode.
    """
    op = OPS.get(code[at])
    if op is None:
        raise ValueError(f"no opcode 0x{code[at]:02x} at offset {at}")
    here, arg, extra, kind = at + 1, None, None, op.operand
    if kind == QSTR:
        arg, here = code[here] | code[here + 1] << 8, here + 2
    elif kind == UINT:
        arg, here = read_uint(code, here)
    elif kind == SINT:
        arg, here = read_sint(code, here)
    elif kind in (JUMP, AHEAD):
        arg, here = code[here] | code[here + 1] << 8, here + 2
        arg += here - (0x8000 if kind == JUMP else 0)
    elif kind == BYTE:
        arg, here = code[here], here + 1
    if op.extra:
        extra, here = code[here], here + 1
    return Instruction(at, op, arg, extra, here - at)


def instructions(code: bytes, start: int):
    """All instructions of a bytecode string from offset `start` to its end."""
    at = start
    while at < len(code):
        step = decode(code, at)
        yield step
        at += step.size


def _shown(part) -> str:
    """A part of a constant; the host refuses to print very long integers in decimal."""
    return hex(part) if isinstance(part, int) and part.bit_length() > 256 else repr(part)


def dis(raw, name_of=None, _indent: str = "") -> str:
    """Readable listing of a RawCode and its children.

    `name_of(qstr) -> str` turns string numbers into text; without it numbers are shown as #n.
    Offsets are relative to the first instruction.
    """
    show = name_of or (lambda n: f"#{n}")
    lines = [
        f"{_indent}{raw.name}: state={raw.n_state} exc={raw.n_exc_stack}"
        f" flags={raw.scope_flags} args={raw.n_pos_args}+{raw.n_kwonly_args}"
        f" defaults={raw.n_def_pos_args}"
    ]
    base, children = raw.code_offset, []
    for step in instructions(raw.bytecode, base):
        text = f"{_indent}{step.offset - base:5d} {step.op.name}"
        if step.op.operand == QSTR:
            text += f" {show(step.arg)}"
        elif step.op.operand in (JUMP, AHEAD):
            text += f" {step.arg - base}"
        elif step.arg is not None:
            text += f" {step.arg}"
        if step.extra is not None:
            text += f" {step.extra}"
        if step.op.code == LOAD_CONST_OBJ:
            text += f" ({' '.join(_shown(x) for x in raw.const_table[step.arg])})"
        elif MAKE_FUNCTION <= step.op.code <= MAKE_CLOSURE_DEFARGS:
            child = raw.const_table[step.arg][1]
            children.append(child)
            text += f" ({child.name})"
        lines.append(text)
    for child in children:
        lines.append(dis(child, name_of, _indent + "    "))
    return "\n".join(lines)
