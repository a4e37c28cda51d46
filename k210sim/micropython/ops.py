"""Numbers of the operators, as the bytecode carries them, and the names in error texts.

Source: micropython v1.11 py/runtime0.h (order), py/objtype.c (special method names).
"""

POSITIVE, NEGATIVE, INVERT, NOT, BOOL, LEN, HASH, ABS, INT, SIZEOF = range(10)

(LESS, MORE, EQUAL, LESS_EQUAL, MORE_EQUAL, NOT_EQUAL, IN, IS, EXCEPTION_MATCH,
 INPLACE_OR, INPLACE_XOR, INPLACE_AND, INPLACE_LSHIFT, INPLACE_RSHIFT, INPLACE_ADD,
 INPLACE_SUBTRACT, INPLACE_MULTIPLY, INPLACE_FLOOR_DIVIDE, INPLACE_TRUE_DIVIDE,
 INPLACE_MODULO, INPLACE_POWER,
 OR, XOR, AND, LSHIFT, RSHIFT, ADD, SUBTRACT, MULTIPLY, FLOOR_DIVIDE, TRUE_DIVIDE,
 MODULO, POWER, DIVMOD, CONTAINS) = range(35)

INPLACE_TO_BINARY = OR - INPLACE_OR  # add to an in-place operator for the plain one

UNARY_NAMES = {
    POSITIVE: "__pos__", NEGATIVE: "__neg__", INVERT: "__invert__", BOOL: "__bool__",
    LEN: "__len__", HASH: "__hash__", ABS: "__abs__", INT: "__int__", SIZEOF: "__sizeof__",
}
BINARY_NAMES = {
    LESS: "__lt__", MORE: "__gt__", EQUAL: "__eq__", LESS_EQUAL: "__le__", MORE_EQUAL: "__ge__",
    CONTAINS: "__contains__",
    # The configuration leaves the other in-place methods out; `!=` inverts `__eq__`.
    INPLACE_ADD: "__iadd__", INPLACE_SUBTRACT: "__isub__",
    ADD: "__add__", SUBTRACT: "__sub__", MULTIPLY: "__mul__", FLOOR_DIVIDE: "__floordiv__",
    TRUE_DIVIDE: "__truediv__", MODULO: "__mod__", POWER: "__pow__", OR: "__or__",
    XOR: "__xor__", AND: "__and__", LSHIFT: "__lshift__", RSHIFT: "__rshift__",
    DIVMOD: "__divmod__",
}

PRINT_STR, PRINT_REPR, PRINT_EXC, PRINT_JSON, PRINT_RAW = 0, 1, 2, 3, 4
