"""Constant folding: what the device computes while it parses.

Only whole groups are folded (`1 + 2 + x` stays as it is), only integers, and never `/` or `**`.
"""

from __future__ import annotations

from k210sim.micropython.errno_table import ERRNO

from .errors import GuestSyntaxError
from .nodes import Node, int_value, is_false, is_true
from .numbers import is_small_int

# A shift that needs more memory than the 512 KiB heap of the device has.
_SHIFT_LIMIT_BITS = 8 * 518144
_MACHINE_WORD_MAX = (1 << 63) - 1


def int_node(value: int, big: bool = False) -> Node:
    """An integer constant that was computed; it has no line.

    `big`: a long integer took part. The result then stays a heap object, however small it is.
    """
    if not big and is_small_int(value):
        return Node("int", 0, (), value)
    return Node("const", 0, (), ("int", value))


def fold_logical(kind: str, operands: list[Node]) -> list[Node]:
    """Operands of `or` / `and` that are left: neutral constants go, a deciding one ends it."""
    neutral, deciding = (is_false, is_true) if kind == "or" else (is_true, is_false)
    kept = []
    for i, node in enumerate(operands):
        if i == len(operands) - 1 or deciding(node):
            kept.append(node)
            break
        if not neutral(node):
            kept.append(node)
    return kept


def fold_not(node: Node) -> Node | None:
    """`not` of a known constant."""
    if is_false(node):
        return Node("token", 0, (), "True")
    if is_true(node):
        return Node("token", 0, (), "False")
    return None


def fold_unary(op: str, node: Node) -> Node | None:
    """`+`, `-`, `~` of an integer constant."""
    value = int_value(node)
    if value is None:
        return None
    value = value if op == "positive" else -value if op == "negative" else ~value
    return int_node(value, node.kind == "const")


def _shift_left(value: int, count: int) -> int:
    if value and value.bit_length() + count > _SHIFT_LIMIT_BITS:
        # The device asks for that many 16-bit digits and prints the size modulo 2**32.
        size = 2 * (-(-value.bit_length() // 16) + (count + 15) // 16)
        raise GuestSyntaxError(
            "MemoryError", f"memory allocation failed, allocating {size & 0xFFFFFFFF} bytes"
        )
    return value << count if value else 0


_TERM = {
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: a * b,
    "lshift": _shift_left,
    "rshift": lambda a, b: a >> b,
    "floor_divide": lambda a, b: a // b,
    "modulo": lambda a, b: a % b,
}
_BITS = {"or": lambda a, b: a | b, "xor": lambda a, b: a ^ b, "and": lambda a, b: a & b}


def _stays_big(op: str, right: int, result: int, big: bool) -> bool:
    """Whether the device holds the result of one step as a long integer."""
    # Any shift by 64 or more goes through long integers, even that of zero.
    return big or not is_small_int(result) or op == "lshift" and right >= 64


def fold_bits(op: str, operands: list[Node]) -> Node | None:
    """`|`, `^` or `&` over integer constants."""
    values = [int_value(node) for node in operands]
    if None in values:
        return None
    total, apply = values[0], _BITS[op]
    for value in values[1:]:
        total = apply(total, value)
    return int_node(total, any(node.kind == "const" for node in operands))


def fold_term(ops: list[str], operands: list[Node]) -> Node | None:
    """A chain of one precedence level of arithmetic over integer constants."""
    total, big = int_value(operands[0]), operands[0].kind == "const"
    if total is None:
        return None
    for op, node in zip(ops, operands[1:], strict=True):
        value, apply = int_value(node), _TERM.get(op)
        if value is None or apply is None:
            return None
        if op in ("lshift", "rshift"):
            if value < 0:
                return None
            if value > _MACHINE_WORD_MAX:
                raise GuestSyntaxError(
                    "OverflowError", "overflow converting long int to machine word"
                )
        if op in ("floor_divide", "modulo") and value == 0:
            return None
        result = apply(total, value)
        big = _stays_big(op, value, result, big or node.kind == "const")
        total = result
    return int_node(total, big)


def module_constant(base: Node, attribute: bytes) -> Node | None:
    """`errno.X` and `uctypes.X` as integers."""
    if base.kind != "name":
        return None
    table = _MODULE_CONSTANTS.get(base.value)
    value = table.get(attribute.decode("latin-1")) if table else None
    return None if value is None else int_node(value)


def _shifted(code: int, bits: int) -> int:
    """A type code in the top `bits` of a signed 31-bit number, as uctypes has it."""
    wide = (code << (32 - bits)) & 0xFFFFFFFF
    return (wide - (1 << 32) if wide >> 31 else wide) >> 1


def _uctypes_constants() -> dict[str, int]:
    values = (
        "UINT8 INT8 UINT16 INT16 UINT32 INT32 UINT64 INT64 BFUINT8 BFINT8 BFUINT16 BFINT16 "
        "BFUINT32 BFINT32 FLOAT32 FLOAT64"
    ).split()
    table = {name: _shifted(code, 4) for code, name in enumerate(values)}
    same = {
        "VOID": "UINT8", "SHORT": "INT16", "USHORT": "UINT16", "INT": "INT32", "UINT": "UINT32",
        "LONG": "INT64", "ULONG": "UINT64", "LONGLONG": "INT64", "ULONGLONG": "UINT64",
    }  # fmt: skip
    table.update({name: table[other] for name, other in same.items()})
    table.update(PTR=_shifted(1, 2), ARRAY=_shifted(2, 2), BF_POS=17, BF_LEN=22)
    table.update(LITTLE_ENDIAN=0, BIG_ENDIAN=1, NATIVE=2)
    return table


# The two modules whose attributes become numbers at compile time.
_MODULE_CONSTANTS = {b"errno": ERRNO, b"uctypes": _uctypes_constants()}
