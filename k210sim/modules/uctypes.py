"""`uctypes`: memory as C structures. Addresses must lie in the guest's RAM.

A descriptor is a dict of fields, or a tuple; a scalar's word carries its type in the top 4 of 31
bits, an aggregate's in the top 2. Any other address raises NotSimulated: the firmware would touch
devices there, or crash. Source: micropython v1.11 extmod/moductypes.c.
"""

from __future__ import annotations

import struct

from k210sim.errors import NotSimulated
from k210sim.micropython import ops
from k210sim.micropython.layout import NULL, RAM_BASE, RAM_SIZE, SENTINEL
from k210sim.micropython.native import GuestModule, GuestType, NativeFunction
from k210sim.micropython.textargs import buffer_view, no_buffer
from k210sim.micropython.types.array import new_bytearray_at
from k210sim.micropython.types.dict import DictType
from k210sim.micropython.types.typecodes import BYTEARRAY

LITTLE_ENDIAN, BIG_ENDIAN, NATIVE = 0, 1, 2
(UINT8, INT8, UINT16, INT16, UINT32, INT32, UINT64, INT64, BFUINT8, BFINT8, BFUINT16, BFINT16,
 BFUINT32, BFINT32, FLOAT32, FLOAT64) = range(16)
STRUCT, PTR, ARRAY = range(3)
_CODES = "BbHhIiQq------fd"
_TWO_OR_THREE = NativeFunction("", None, 2, 3)


def _code(value: int, bits: int) -> int:
    """The constant that stands for a type in the top bits of a 31-bit number, sign included."""
    word = value << (32 - bits)
    return (word - (1 << 32) if word >> 31 else word) >> 1


def _type_in(number: int, bits: int) -> int:
    return (number >> (31 - bits)) & ((1 << bits) - 1)


def _without_type(number: int, bits: int) -> int:
    return number & ((1 << (31 - bits)) - 1)


def _scalar_size(kind: int) -> int:
    """Bytes of a scalar. FLOAT64 counts as 8, a bit field as its base type."""
    return 4 if kind == FLOAT32 else 1 << ((kind & 7) >> 1)


def _element_size(kind: int) -> int:
    """Bytes of an array's scalar; the firmware forgets to treat floats apart here."""
    return 1 << (kind >> 1)


def _syntax_error(vm):
    return vm.error("TypeError", "syntax error in uctypes descriptor")


def _is_dict(vm, o: int) -> bool:
    return isinstance(vm.type_of(o), DictType)


def _small(word: int) -> int:
    """The number in a small int; of any other word the bits, as the firmware does."""
    return word >> 1


def _size(vm, desc: int, layout: int, largest: list[int]) -> int:
    """Bytes a descriptor covers; `largest` collects the size of the biggest field."""
    if not _is_dict(vm, desc):
        if vm.is_type(desc, "tuple"):
            return _aggregate_size(vm, vm.items_of(desc), layout, largest)
        if desc & 1:
            raise vm.error("TypeError", "Cannot unambiguously get sizeof scalar")
        raise _syntax_error(vm)
    total = 0
    for _name, value in vm.dict_items(desc):
        if value & 1:
            number = value >> 1
            kind = _type_in(number, 4)
            offset = _without_type(number, 4)
            if BFUINT8 <= kind <= BFINT32:
                offset &= (1 << 17) - 1
            size = _scalar_size(kind)
            largest[0] = max(largest[0], size)
        else:
            if not vm.is_type(value, "tuple"):
                raise _syntax_error(vm)
            items = vm.items_of(value)
            offset = _without_type(_small(items[0]), 2)
            size = _aggregate_size(vm, items, layout, largest)
        total = max(total, offset + size)
    if layout == NATIVE and largest[0]:
        total = (total + largest[0] - 1) & ~(largest[0] - 1)
    return total


def _aggregate_size(vm, items: list[int], layout: int, largest: list[int]) -> int:
    kind = _type_in(_small(items[0]), 2)
    if kind == STRUCT:
        return _size(vm, items[1], layout, largest)
    if kind == PTR:
        largest[0] = max(largest[0], 8)
        return 8
    if kind != ARRAY:
        raise NotSimulated("uctypes descriptor of no known kind",
                           "the firmware halts at an assertion")
    count = _small(items[1])
    element = _type_in(count, 4)
    count = _without_type(count, 4)
    if len(items) == 2:
        size = _element_size(element)
        largest[0] = max(largest[0], size)
    else:
        size = _size(vm, items[2], layout, largest)
    return size * count


def _in_ram(addr: int, n_bytes: int) -> int:
    """The offset of an address in the guest's RAM."""
    if not RAM_BASE <= addr <= RAM_BASE + RAM_SIZE - n_bytes or n_bytes < 0:
        raise NotSimulated(f"uctypes access to {n_bytes} bytes at 0x{addr & (2**64 - 1):x}",
                           "only RAM can be reached this way")
    return addr - RAM_BASE


def _load(vm, kind: int, addr: int, layout: int) -> int:
    if _CODES[kind] == "-":
        raise NotSimulated("uctypes array of bit fields", "the firmware halts at an assertion")
    s = struct.Struct((">" if layout == BIG_ENDIAN else "<") + _CODES[kind])
    value = s.unpack_from(vm.memory.bytes, _in_ram(addr, s.size))[0]
    return vm.new_float(value) if kind >= FLOAT32 else vm.new_int(value)


def _store(vm, kind: int, addr: int, layout: int, word: int) -> None:
    if _CODES[kind] == "-":
        raise NotSimulated("uctypes array of bit fields", "the firmware halts at an assertion")
    s = struct.Struct((">" if layout == BIG_ENDIAN else "<") + _CODES[kind])
    at = _in_ram(addr, s.size)
    if kind >= FLOAT32:
        vm.memory.bytes[at : at + s.size] = s.pack(vm.get_float(word))
        return
    number = vm.int_value(word) if vm.is_int(word) else vm.get_int(word)
    data = (number & ((1 << 8 * s.size) - 1)).to_bytes(
        s.size, "big" if layout == BIG_ENDIAN else "little")
    vm.memory.bytes[at : at + s.size] = data


class StructType(GuestType):
    """Type, descriptor, address, layout."""

    name = "struct"

    def make_new(self, vm, type_word, args, kw):
        vm.check_args(_TWO_OR_THREE, len(args), len(kw))
        addr = vm.int_value(args[0])
        if addr is None:
            raise NotSimulated("uctypes.struct at an address that is no number",
                               "the firmware reads foreign memory")
        layout = vm.get_int(args[2]) if len(args) == 3 else NATIVE
        return _new_struct(vm, args[1], addr, layout)

    def print(self, vm, o, kind):
        desc, addr, _ = _fields(vm, o)
        what = "ERROR"
        if _is_dict(vm, desc):
            what = "STRUCT"
        elif vm.is_type(desc, "tuple"):
            aggregate = _type_in(_small(vm.items_of(desc)[0]), 2)
            what = {PTR: "PTR", ARRAY: "ARRAY"}.get(aggregate, "unk")
        return "<struct %s %x>" % (what, addr & 0xFFFFFFFFFFFFFFFF)

    def unary_op(self, vm, op, o):
        desc, addr, _ = _fields(vm, o)
        if op == ops.INT and vm.is_type(desc, "tuple") \
                and _type_in(_small(vm.items_of(desc)[0]), 2) == PTR:
            return vm.new_int(_pointer(vm, addr))
        return None

    def load_attr(self, vm, o, qstr):
        return _attribute(vm, o, qstr, NULL)

    def store_attr(self, vm, o, qstr, value):
        # Deleting reads the field and drops it, as on the device.
        _attribute(vm, o, qstr, value)
        return True

    def subscr(self, vm, o, index, value):
        return None if value == NULL else _element(vm, o, _small(index), value)

    def buffer(self, vm, o):
        desc, addr, layout = _fields(vm, o)
        size = _size(vm, desc, layout, [0])
        _in_ram(addr, size)
        return addr, size, BYTEARRAY, True


def _new_struct(vm, desc: int, addr: int, layout: int) -> int:
    vm.trusts_ram = False
    o = vm.new_object(vm.type_of_class(StructType).word, 32)
    at = (o - RAM_BASE) >> 3
    addr &= 0xFFFFFFFFFFFFFFFF
    vm.words[at + 1], vm.words[at + 3] = desc, layout & 0xFFFFFFFF
    vm.words[at + 2] = addr - (1 << 64) if addr >> 63 else addr
    return o


def _fields(vm, o: int) -> tuple[int, int, int]:
    at = (o - RAM_BASE) >> 3
    return vm.words[at + 1], vm.words[at + 2], vm.words[at + 3]


def _pointer(vm, addr: int) -> int:
    return struct.unpack_from("<q", vm.memory.bytes, _in_ram(addr, 8))[0]


def _attribute(vm, o: int, qstr: int, value: int) -> int:
    """Load (value 0) or store a field; the word loaded, or the value."""
    desc, addr, layout = _fields(vm, o)
    if not _is_dict(vm, desc):
        raise vm.error("TypeError", "struct: no fields")
    field = vm.subscr(desc, (qstr << 2) | 2, SENTINEL)
    if field & 1:
        number = field >> 1
        kind, offset = _type_in(number, 4), _without_type(number, 4)
        if BFUINT8 <= kind <= BFINT32:
            return _bit_field(vm, kind, offset, addr, layout, value)
        if not value:
            return _load(vm, kind, addr + offset, layout)
        _store(vm, kind, addr + offset, layout, value)
        return value
    if not vm.is_type(field, "tuple"):
        raise _syntax_error(vm)
    if value:
        raise _syntax_error(vm)
    items = vm.items_of(field)
    kind, offset = _type_in(_small(items[0]), 2), _without_type(_small(items[0]), 2)
    if kind == STRUCT:
        return _new_struct(vm, items[1], addr + offset, layout)
    if kind == ARRAY and len(items) == 2 and _type_in(_small(items[1]), 4) == UINT8:
        n = _aggregate_size(vm, items, layout, [0])
        _in_ram(addr + offset, n)
        return new_bytearray_at(vm, addr + offset, n)
    return _new_struct(vm, field, addr + offset, layout)


def _bit_field(vm, kind: int, offset: int, addr: int, layout: int, value: int) -> int:
    first, length = offset >> 17 & 31, offset >> 22 & 31
    addr += offset & ((1 << 17) - 1)
    size = _scalar_size(kind)
    order = "big" if layout == BIG_ENDIAN else "little"
    at = _in_ram(addr, size)
    whole = int.from_bytes(vm.memory.bytes[at : at + size], order)
    mask = (1 << length) - 1
    if not value:
        if kind & 1:
            raise NotSimulated("signed uctypes bit fields",
                               "the firmware halts at an assertion")
        return vm.new_int(whole >> first & mask)
    bits = vm.get_int(value) & mask
    whole = whole & ~(mask << first) | bits << first
    vm.memory.bytes[at : at + size] = (whole & ((1 << 8 * size) - 1)).to_bytes(size, order)
    return value


def _element(vm, o: int, index: int, value: int) -> int | None:
    """Load (SENTINEL) or store an element of an array or behind a pointer."""
    desc, addr, layout = _fields(vm, o)
    if not vm.is_type(desc, "tuple"):
        raise vm.error("TypeError", "struct: cannot index")
    items = vm.items_of(desc)
    kind = _type_in(_small(items[0]), 2)
    if kind == ARRAY:
        count = _small(items[1])
        element, count = _type_in(count, 4), _without_type(count, 4)
        if index >= count:
            raise vm.error("IndexError", "struct: index out of range")
        if len(items) == 2:
            # Native floats are indexed by their own size, others by that of the type's number.
            size = _element_size(element)
            if layout == NATIVE and element >= FLOAT32:
                size = 4 if element == FLOAT32 else 8
            if value == SENTINEL:
                return _load(vm, element, addr + size * index, layout)
            _store(vm, element, addr + size * index, layout, value)
            return value
        if value != SENTINEL:
            return None
        size = _size(vm, items[2], layout, [0])
        return _new_struct(vm, items[2], addr + size * index, layout)
    if kind == PTR:
        target = _pointer(vm, addr)
        if items[1] & 1:
            element = _type_in(_small(items[1]), 4)
            return _load(vm, element, target + _scalar_size(element) * index, NATIVE)
        size = _size(vm, items[1], layout, [0])
        return _new_struct(vm, items[1], target + size * index, layout)
    raise NotSimulated("index of a uctypes structure", "the firmware halts at an assertion")


module = GuestModule("uctypes")
module.add_type(StructType)


@module.function(1, 2)
def sizeof(vm, o, layout=0):
    if vm.is_type(o, "bytearray"):
        return vm.new_int(vm.len_of(o))
    kind = NATIVE
    if isinstance(vm.type_of(o), StructType):
        if layout:
            raise vm.error("TypeError")
        o, _, kind = _fields(vm, o)
    elif layout:
        kind = vm.get_int(layout)
    return vm.new_int(_size(vm, o, kind, [0]))


@module.function(1)
def addressof(vm, o):
    found = buffer_view(vm, o)
    if found is None:
        raise no_buffer(vm)
    return vm.new_int(found[0])


def _range(vm, address, size) -> tuple[int, int]:
    vm.trusts_ram = False
    addr, n = vm.get_int(address), vm.get_int(size)
    _in_ram(addr, n)
    return addr, n


@module.function(2)
def bytes_at(vm, address, size):
    addr, n = _range(vm, address, size)
    return vm.new_bytes(vm.memory.read(addr, n))


@module.function(2)
def bytearray_at(vm, address, size):
    addr, n = _range(vm, address, size)
    return new_bytearray_at(vm, addr, n)


for _name, _value in (
        ("NATIVE", NATIVE), ("LITTLE_ENDIAN", LITTLE_ENDIAN), ("BIG_ENDIAN", BIG_ENDIAN),
        ("VOID", _code(UINT8, 4)), ("UINT8", _code(UINT8, 4)), ("INT8", _code(INT8, 4)),
        ("UINT16", _code(UINT16, 4)), ("INT16", _code(INT16, 4)), ("UINT32", _code(UINT32, 4)),
        ("INT32", _code(INT32, 4)), ("UINT64", _code(UINT64, 4)), ("INT64", _code(INT64, 4)),
        ("BFUINT8", _code(BFUINT8, 4)), ("BFINT8", _code(BFINT8, 4)),
        ("BFUINT16", _code(BFUINT16, 4)), ("BFINT16", _code(BFINT16, 4)),
        ("BFUINT32", _code(BFUINT32, 4)), ("BFINT32", _code(BFINT32, 4)),
        ("BF_POS", 17), ("BF_LEN", 22),
        ("FLOAT32", _code(FLOAT32, 4)), ("FLOAT64", _code(FLOAT64, 4)),
        ("SHORT", _code(INT16, 4)), ("USHORT", _code(UINT16, 4)), ("INT", _code(INT32, 4)),
        ("UINT", _code(UINT32, 4)), ("LONG", _code(INT64, 4)), ("ULONG", _code(UINT64, 4)),
        ("LONGLONG", _code(INT64, 4)), ("ULONGLONG", _code(UINT64, 4)),
        ("PTR", _code(PTR, 2)), ("ARRAY", _code(ARRAY, 2))):
    module.constant(_name, _value)

