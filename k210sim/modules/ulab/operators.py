"""Operators on arrays, with the type of the result by the types of the operands."""

from __future__ import annotations

import numpy as np

from k210sim.micropython import layout as L
from k210sim.micropython import ops
from k210sim.modules.ulab.ndarray import (
    FLOAT,
    INT8,
    INT16,
    UINT8,
    UINT16,
    Shape,
    copy,
    create,
    dtype_of,
    elements,
    is_ndarray,
)

_ARITHMETIC = {ops.ADD: np.add, ops.SUBTRACT: np.subtract, ops.MULTIPLY: np.multiply}
_COMPARISONS = {ops.LESS: np.less, ops.LESS_EQUAL: np.less_equal, ops.MORE: np.greater,
                ops.MORE_EQUAL: np.greater_equal}  # fmt: skip
_KNOWN = {*_ARITHMETIC, *_COMPARISONS, ops.TRUE_DIVIDE}

# Type of the result of two integer types; with a float it is float.
_RESULT = {
    (UINT8, UINT8): UINT8, (UINT8, INT8): INT16, (UINT8, UINT16): UINT16, (UINT8, INT16): INT16,
    (INT8, UINT8): INT16, (INT8, INT8): INT8, (INT8, UINT16): INT16, (INT8, INT16): INT16,
    (UINT16, UINT8): UINT16, (UINT16, INT8): UINT16, (UINT16, UINT16): UINT16,
    (UINT16, INT16): FLOAT, (INT16, UINT8): INT16, (INT16, INT8): INT16, (INT16, UINT16): FLOAT,
    (INT16, INT16): INT16,
}  # fmt: skip
# Left sides that the firmware reads as another type when the right side is float.
_MISREAD = {UINT16: UINT8, INT16: UINT16}


def _scalar(vm, word: int) -> int:
    """An array of one element for a number; its type is the least that the firmware finds."""
    if vm.is_float(word):
        code, value = FLOAT, vm.float_value(word)
    else:
        value = (vm.get_int(word) + 0x80000000 & 0xFFFFFFFF) - 0x80000000
        if 0 < value < 256:
            code = UINT8
        elif 255 < value < 65535:
            code = UINT16
        elif -128 < value < 0:
            code = INT8
        elif -32767 < value < -127:
            code = INT16
        else:
            code = FLOAT  # zero, too
    o = create(vm, 1, 1, code)
    elements(vm, o)[0] = value
    return o


def binary(vm, op: int, a: int, b: int) -> int | None:
    """Result of a binary operator, None for one that arrays do not have."""
    number = vm.is_int(b) or vm.is_float(b)
    right = _scalar(vm, b) if number else b
    if not is_ndarray(vm, right):
        raise vm.error("TypeError", "wrong operand type on the right hand side", formatted=False)
    x, y = Shape(vm, a), Shape(vm, right)
    if not number and (x.m, x.n) != (y.m, y.n):
        raise vm.error("ValueError", "operands could not be broadcast together", formatted=False)
    if op == ops.EQUAL:
        same = (x.m, x.n, x.code) == (y.m, y.n, y.code) and \
            elements(vm, a).tobytes() == elements(vm, right).tobytes()
        return vm.new_bool(same)
    if op not in _KNOWN:
        return None
    if FLOAT in (x.code, y.code):
        code = FLOAT
    else:
        code = _RESULT.get((x.code, y.code), "")
    if not code or (x.code, y.code) != (FLOAT, FLOAT) and "BbHhf".find(x.code) < 0:
        raise vm.error("TypeError", "wrong input type", formatted=False)
    left, other = _operands(vm, a, right, x, y)
    if op in _COMPARISONS:
        return _compare(vm, x, _COMPARISONS[op](left, other))
    if op == ops.TRUE_DIVIDE:
        made = create(vm, x.m, x.n)
        with np.errstate(all="ignore"):
            elements(vm, made)[:] = left.astype(np.float32) / other.astype(np.float32)
        return made
    made = create(vm, x.m, x.n, code)
    with np.errstate(all="ignore"):
        elements(vm, made)[:] = _ARITHMETIC[op](left, other).astype(dtype_of(code))
    return made


def _operands(vm, a: int, b: int, x: Shape, y: Shape) -> tuple[np.ndarray, np.ndarray]:
    """Both sides as C has them before the operation: integers widened, else single precision."""
    left, right = elements(vm, a), elements(vm, b)
    if y.length <= 1:
        right = right[:1]
    if y.code == FLOAT and x.code in _MISREAD:
        raw = left.view(np.uint8)
        left = raw.view(dtype_of(_MISREAD[x.code]))[: x.length]
    if FLOAT in (x.code, y.code):
        return left.astype(np.float32), right.astype(np.float32)
    return left.astype(np.int64), right.astype(np.int64)


def _compare(vm, x: Shape, answers: np.ndarray) -> int:
    """A list of truths; of a matrix, a list of such lists."""
    result = vm.new_list()
    for row in answers.reshape(x.m, x.n):
        words = vm.new_list([L.TRUE if truth else L.FALSE for truth in row])
        if x.m == 1:
            return words
        vm.list_append(result, words)
    return result


def unary(vm, op: int, o: int) -> int | None:
    """Result of a unary operator, None for one that arrays do not have."""
    s = Shape(vm, o)
    if op == ops.LEN:
        return vm.new_int(s.m if s.m > 1 else s.n)
    if op == ops.POSITIVE:
        return copy(vm, o)
    if op == ops.INVERT:
        if s.code == FLOAT:
            raise vm.error("ValueError", "operation is not supported for given type",
                           formatted=False)
        made = copy(vm, o)
        raw = elements(vm, made).view(np.uint8)
        raw[:] = ~raw
        return made
    if op not in (ops.NEGATIVE, ops.ABS):
        return None
    made = copy(vm, o)
    values = elements(vm, made)
    if op == ops.NEGATIVE:
        values[:] = -values
    elif s.code not in (UINT8, UINT16):
        values[:] = np.where(values < 0, -values, values)
    return made
