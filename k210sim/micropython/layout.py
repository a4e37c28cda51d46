"""Object representation "A" of MicroPython on a 64-bit machine, and the layout of its structs.

A word is a small integer `(n << 1) | 1`, an interned string `(q << 2) | 2`, or the address of an
object whose first word is the address of its type. Offsets are in bytes from the object's
address. Source: micropython v1.11 py/obj.h, py/obj*.h, py/bc.h (facts: field order and widths).
"""

RAM_BASE = 0x80000000
RAM_SIZE = 0x00800000  # 6 MiB general SRAM and 2 MiB AI SRAM
AI_RAM_BASE = 0x80600000

WORD = 8
BLOCK = 32  # bytes in one GC block

# Objects that the firmware image holds (never collected). Types come first, one slot each.
ROM_BASE = 0x80100000
ROM_SLOT = 64
ROM_END = 0x80200000

NULL = 0  # "no object": unset slot, end of iteration, deletion in subscr
SENTINEL = 4  # "load" in subscr; not a valid object word


def small_int(n: int) -> int:
    """The word of a small integer; the caller knows that it fits in 63 bits."""
    return (n << 1) | 1


SMALL_INT_MAX = (1 << 62) - 1
SMALL_INT_MIN = -(1 << 62)


def _slot(number: int) -> int:
    return ROM_BASE + number * ROM_SLOT


# Built-in types with a fixed place. `rom.py` continues after them.
CORE_TYPES = (
    "type", "object", "NoneType", "bool", "int", "float", "complex", "str", "bytes",
    "bytearray", "memoryview", "array", "tuple", "list", "dict", "OrderedDict", "set",
    "frozenset", "range", "slice", "function", "fun_bc", "closure", "cell", "generator",
    "gen_wrap", "bound_method", "module", "super", "property", "staticmethod", "classmethod",
    "iterator", "map", "filter", "zip", "enumerate", "reversed", "dict_view", "BaseException",
    "ellipsis", "NotImplementedType", "code", "instance_marker", "raw_code", "stop",
)
TYPE = {name: _slot(i) for i, name in enumerate(CORE_TYPES)}
FIRST_FREE_SLOT = 64

# Constant objects.
NONE = _slot(56)
TRUE = _slot(57)
FALSE = _slot(58)
ELLIPSIS = _slot(59)
NOT_IMPLEMENTED = _slot(60)
EMPTY_TUPLE = _slot(61)
STOP_ITERATION_MARK = _slot(62)
GENERATOR_EXIT_MARK = _slot(63)

# --- struct offsets ------------------------------------------------------------------------
FLOAT_VALUE = 8  # float32
COMPLEX_REAL, COMPLEX_IMAG = 8, 12
INT_FLAGS, INT_LEN, INT_DIGITS = 8, 16, 24  # mpz: neg:1 fixed:1 alloc:62 | len | pointer
STR_HASH, STR_LEN, STR_DATA = 8, 16, 24
TUPLE_LEN, TUPLE_ITEMS = 8, 16
LIST_ALLOC, LIST_LEN, LIST_ITEMS = 8, 16, 24
DICT_MAP = 8
MAP_FLAGS, MAP_ALLOC, MAP_TABLE = 0, 8, 16  # flags: keys_are_qstrs:1 fixed:1 ordered:1 used:61
SET_ALLOC, SET_USED, SET_TABLE = 8, 16, 24
RANGE_START, RANGE_STOP, RANGE_STEP = 8, 16, 24
SLICE_START, SLICE_STOP, SLICE_STEP = 8, 16, 24
FUN_GLOBALS, FUN_BYTECODE, FUN_CONSTS, FUN_EXTRA = 8, 16, 24, 32
CLOSURE_FUN, CLOSURE_N, CLOSURE_CELLS = 8, 16, 24
CELL_VALUE = 8
BOUND_METH, BOUND_SELF = 8, 16
GEN_GLOBALS, GEN_CODE_STATE = 8, 16
EXC_TRACEBACK_SIZES, EXC_TRACEBACK, EXC_ARGS = 8, 16, 24  # alloc:16 | len:16 in the low bits
INSTANCE_MAP, INSTANCE_SUBOBJ = 8, 32
ARRAY_TYPECODE_FREE, ARRAY_LEN, ARRAY_ITEMS = 8, 16, 24  # typecode:8 free:56
MODULE_GLOBALS = 8
TYPE_FLAGS_NAME, TYPE_PARENT, TYPE_LOCALS = 8, 112, 120  # size 128
TYPE_SIZE = 128

CODE_FUN, CODE_IP, CODE_SP, CODE_EXC_SP, CODE_OLD_GLOBALS, CODE_STATE = 0, 8, 16, 24, 32, 40
EXC_ENTRY_SIZE = 24  # handler, val_sp with tag bits, previous exception

MAP_KEYS_ARE_QSTRS, MAP_FIXED, MAP_ORDERED = 1, 2, 4
