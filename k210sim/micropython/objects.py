"""Making and reading guest objects from host code: the part of the VM that knows layouts."""

from __future__ import annotations

import struct

from k210sim.errors import NotSimulated
from k210sim.micropython import layout as L
from k210sim.micropython import ops, singles
from k210sim.micropython.layout import NULL, RAM_BASE, TYPE
from k210sim.micropython.native import Arg, GuestError, GuestType, NativeFunction
from k210sim.micropython.qstr import qstr_hash

_F32 = struct.Struct("<f")

CHIP_NAN = _F32.unpack(b"\0\0\xc0\x7f")[0]  # the one nan the chip makes: positive, quiet

# Table sizes of dicts and sets (spec repl_and_runtime.md 6.3; py/map.c).
HASH_SIZES = (
    0, 2, 4, 6, 8, 10, 12, 17, 23, 29, 37, 47, 59, 73, 97, 127, 167, 223, 293, 389, 521, 691,
    919, 1223, 1627, 2161, 3229, 4831, 7243, 10861, 16273, 24407, 36607, 54907,
)


def next_hash_size(wanted: int) -> int:
    """The smallest table size that is at least `wanted`."""
    for size in HASH_SIZES:
        if size >= wanted:
            return size
    return (wanted + wanted // 2) | 1


def to_f32(x: float) -> float:
    """Round to single precision; overflow gives infinity, as the chip's unit does."""
    try:
        return _F32.unpack(_F32.pack(x))[0]
    except OverflowError:
        return float("inf") if x > 0 else float("-inf")


class Objects:
    """Constructors and accessors. Mixed into `VM`, which provides memory, heap and qstrs."""

    # --- allocation -------------------------------------------------------------------------
    def malloc(self, n_bytes: int, finaliser: bool = False) -> int:
        """GC heap bytes, cleared and rooted until the current native call returns; raises the
        guest's MemoryError when there is no room."""
        addr = self.heap.alloc(n_bytes, finaliser)
        if not addr:
            if n_bytes == 0:
                return 0
            raise self.memory_error(n_bytes)
        self.temps.append(addr)
        return addr

    def malloc_maybe(self, n_bytes: int) -> int:
        """As `malloc`, but 0 when there is no room."""
        addr = self.heap.alloc(n_bytes)
        if addr:
            self.temps.append(addr)
        return addr

    def new_object(self, type_word: int, n_bytes: int, finaliser: bool = False) -> int:
        """A block of `n_bytes` whose first word is the type."""
        addr = self.malloc(n_bytes, finaliser)
        self.words[(addr - RAM_BASE) >> 3] = type_word
        return addr

    def new_host_object(self, guest_type: type[GuestType] | GuestType, host_value,
                        n_bytes: int = 32) -> int:
        """A guest object with host state: see native.py."""
        t = self.type_of_class(guest_type)
        addr = self.new_object(t.word, n_bytes, finaliser=True)
        self.host_values[addr] = host_value
        return addr

    def host(self, o: int):
        """The host value of an object made by `new_host_object`."""
        try:
            return self.host_values[o]
        except KeyError:
            raise NotSimulated(f"this call on a {self.type_name(o)} object",
                               "the firmware reads foreign memory") from None

    # --- type tests -------------------------------------------------------------------------
    def type_word(self, o: int) -> int:
        """Address of the object's type."""
        if o & 1:
            return TYPE["int"]
        if o & 2:
            return TYPE["str"]
        return self.words[(o - RAM_BASE) >> 3]

    def type_of(self, o: int) -> GuestType:
        """The `GuestType` that describes the object."""
        if o & 1:
            return self.int_type
        if o & 2:
            return self.str_type
        return self.types[self.words[(o - RAM_BASE) >> 3]]

    def type_name(self, o: int) -> str:
        return self.type_of(o).name

    def is_type(self, o: int, name: str) -> bool:
        """Exactly of the core type called `name` (see layout.CORE_TYPES)."""
        return self.type_word(o) == TYPE[name]

    def is_instance_of(self, o: int, cls: type[GuestType]) -> bool:
        """Exactly of the built-in type declared by `cls`."""
        return isinstance(self.type_of(o), cls)

    # --- bool, None -------------------------------------------------------------------------
    @staticmethod
    def new_bool(value) -> int:
        return L.TRUE if value else L.FALSE

    # --- int --------------------------------------------------------------------------------
    def new_int(self, n: int) -> int:
        """A small int, or a heap integer with 16-bit digits."""
        if L.SMALL_INT_MIN <= n <= L.SMALL_INT_MAX:
            return (n << 1) | 1
        return self.new_big_int(n)

    def new_big_int(self, n: int, digits_alloc: int = 0) -> int:
        """A heap integer whatever the value; `digits_alloc` 16-bit digits at least."""
        magnitude = abs(n)
        count = (magnitude.bit_length() + 15) // 16
        alloc = max(count, digits_alloc, 2)
        o = self.new_object(TYPE["int"], 32)
        digits = self.malloc(alloc * 2)
        at = (o - RAM_BASE) >> 3
        self.words[at + 1] = (1 if n < 0 else 0) | (alloc << 2)
        self.words[at + 2] = count
        self.words[at + 3] = digits
        self.memory.write(digits, magnitude.to_bytes(count * 2, "little"))
        return o

    def big_int_value(self, o: int) -> int:
        at = (o - RAM_BASE) >> 3
        flags, count, digits = self.words[at + 1], self.words[at + 2], self.words[at + 3]
        value = int.from_bytes(self.memory.read(digits, count * 2), "little")
        return -value if flags & 1 else value

    def is_int(self, o: int) -> bool:
        """Of type int exactly (not bool)."""
        return bool(o & 1) or (not o & 2 and o != 0
                               and self.words[(o - RAM_BASE) >> 3] == TYPE["int"])

    def int_value(self, o: int) -> int | None:
        """Host value of an int or bool, None for anything else."""
        if o & 1:
            return o >> 1
        if o == L.TRUE:
            return 1
        if o == L.FALSE:
            return 0
        if not o & 2 and self.words[(o - RAM_BASE) >> 3] == TYPE["int"]:
            return self.big_int_value(o)
        return None

    def get_int(self, o: int) -> int:
        """Host value of an int or bool argument, or of what converts to one (`__int__`);
        TypeError "can't convert X to int" otherwise."""
        value = self.int_value(o)
        if value is None:
            t = self.type_of(o)
            result = t.unary_op(self, ops.INT, o) if t.unary_op is not None else None
            value = self.int_value(result) if result else None
        if value is None:
            raise self.error("TypeError", "can't convert %s to int" % self.type_name(o))
        if not -(1 << 63) <= value < (1 << 63):
            raise self.error("OverflowError", "overflow converting long int to machine word")
        return value

    # --- float, complex -----------------------------------------------------------------------
    def new_float(self, x: float) -> int:
        """A heap float, rounded to single precision."""
        o = self.new_object(TYPE["float"], 16)
        if x != x:
            x = CHIP_NAN
        try:
            self.floats[(o - RAM_BASE + 8) >> 2] = x
        except OverflowError:
            self.floats[(o - RAM_BASE + 8) >> 2] = to_f32(x)
        return o

    def is_float(self, o: int) -> bool:
        return not o & 3 and o != 0 and self.words[(o - RAM_BASE) >> 3] == TYPE["float"]

    def float_value(self, o: int) -> float:
        """Host value of a float object."""
        return self.floats[(o - RAM_BASE + 8) >> 2]

    def get_float(self, o: int) -> float:
        """Host value of a float, int or bool argument, in single precision; TypeError otherwise."""
        if self.is_float(o):
            return self.float_value(o)
        value = self.int_value(o)
        if value is None:
            raise self.error("TypeError", "can't convert %s to float" % self.type_name(o))
        if o & 1 or o in (L.TRUE, L.FALSE):
            return singles.of_int(value)
        return singles.of_big_int(value)

    def new_complex(self, z: complex) -> int:
        o = self.new_object(TYPE["complex"], 16)
        at = (o - RAM_BASE + 8) >> 2
        self.floats[at], self.floats[at + 1] = to_f32(z.real), to_f32(z.imag)
        return o

    def complex_value(self, o: int) -> complex:
        at = (o - RAM_BASE + 8) >> 2
        return complex(self.floats[at], self.floats[at + 1])

    # --- str, bytes ---------------------------------------------------------------------------
    def new_str(self, text: str | bytes) -> int:
        """A str object: the interned string if there is one of that text, else a heap copy."""
        data = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else bytes(text)
        number = self.qstrs.find(data)
        if number:
            return (number << 2) | 2
        return self.new_heap_str(data)

    def new_qstr(self, text: str | bytes) -> int:
        """An interned str."""
        return (self.intern(text) << 2) | 2

    def new_heap_str(self, data: bytes, type_name: str = "str") -> int:
        """A str or bytes object on the heap, header and data."""
        o = self.new_object(TYPE[type_name], 32)
        at = (o - RAM_BASE) >> 3
        self.words[at + 1] = qstr_hash(data)
        self.words[at + 2] = len(data)
        addr = self.malloc(len(data) + 1)
        self.words[at + 3] = addr
        self.memory.write(addr, data)
        return o

    def new_bytes(self, data: bytes) -> int:
        """A bytes object; the empty one is a constant."""
        if not data:
            return self.empty_bytes
        return self.new_heap_str(bytes(data), "bytes")

    def is_str(self, o: int) -> bool:
        return bool(not o & 1 and (o & 2 or (o != 0 and self.words[(o - RAM_BASE) >> 3]
                                             == TYPE["str"])))

    def is_bytes(self, o: int) -> bool:
        return not o & 3 and o != 0 and self.words[(o - RAM_BASE) >> 3] == TYPE["bytes"]

    def bytes_of(self, o: int) -> bytes:
        """The bytes of a str or bytes object (no type check)."""
        if o & 2:
            return self.qstrs.text[o >> 2]
        at = (o - RAM_BASE) >> 3
        return self.memory.read(self.words[at + 3], self.words[at + 2])

    def text_of(self, o: int) -> str:
        """The text of a str object; bytes that are no UTF-8 survive as surrogates."""
        return self.bytes_of(o).decode("utf-8", "surrogateescape")

    def get_str(self, o: int) -> str:
        """The text of a str argument; TypeError otherwise, as the firmware words it."""
        if not self.is_str(o):
            raise self.error("TypeError",
                             "can't convert '%s' object to str implicitly" % self.type_name(o))
        return self.text_of(o)

    def qstr_of(self, o: int) -> int:
        """The number of a str object's text, interning it if need be."""
        return o >> 2 if o & 2 else self.intern(self.bytes_of(o))

    def intern(self, text: str | bytes) -> int:
        """The qstr number of a text."""
        try:
            return self.qstrs.intern(text)
        except MemoryError as error:
            raise self.memory_error(int(error.args[0])) from None

    # --- tuple, list ----------------------------------------------------------------------------
    def new_tuple(self, items) -> int:
        """A tuple of object words; the empty one is a constant."""
        items = list(items)
        if not items:
            return L.EMPTY_TUPLE
        o = self.new_object(TYPE["tuple"], 16 + 8 * len(items))
        at = (o - RAM_BASE) >> 3
        self.words[at + 1] = len(items)
        for i, item in enumerate(items):
            self.words[at + 2 + i] = item
        return o

    def new_list(self, items=()) -> int:
        """A list of object words (at least four slots, as the firmware allocates)."""
        items = list(items)
        o = self.new_object(TYPE["list"], 32)
        alloc = max(len(items), 4)
        table = self.malloc(alloc * 8)
        at = (o - RAM_BASE) >> 3
        self.words[at + 1], self.words[at + 2], self.words[at + 3] = alloc, len(items), table
        at = (table - RAM_BASE) >> 3
        for i, item in enumerate(items):
            self.words[at + i] = item
        return o

    def items_of(self, o: int) -> list[int]:
        """The item words of a tuple or list (namedtuples and subclasses of tuple included)."""
        at = (o - RAM_BASE) >> 3
        if self.words[at] == TYPE["list"]:
            n, first = self.words[at + 2], (self.words[at + 3] - RAM_BASE) >> 3
        else:
            n, first = self.words[at + 1], at + 2
        return list(self.words[first : first + n])

    def list_append(self, o: int, item: int) -> None:
        """Append, doubling the table when it is full."""
        at = (o - RAM_BASE) >> 3
        alloc, n, table = self.words[at + 1], self.words[at + 2], self.words[at + 3]
        if n >= alloc:
            table = self.realloc(table, alloc * 8, alloc * 16)
            self.words[at + 1], self.words[at + 3] = alloc * 2, table
            first = (table - RAM_BASE) >> 3
            for i in range(n + 1, alloc * 2):
                self.words[first + i] = 0
        self.words[((table - RAM_BASE) >> 3) + n] = item
        self.words[at + 2] = n + 1

    def realloc(self, addr: int, old_bytes: int, new_bytes: int) -> int:
        """Resize a heap table; guest MemoryError when there is no room."""
        moved = self.heap.realloc(addr, old_bytes, new_bytes)
        if not moved and new_bytes:
            raise self.memory_error(new_bytes)
        if moved and moved != addr:
            self.temps.append(moved)
        return moved

    def get_array(self, o: int) -> list[int]:
        """Items of a tuple or list argument; TypeError "object 'X' isn't a tuple or list"."""
        t = self.type_word(o)
        if t not in (TYPE["tuple"], TYPE["list"]) and not self.is_tuple_like(o):
            raise self.error("TypeError",
                             "object '%s' isn't a tuple or list" % self.type_name(o))
        return self.items_of(o)

    def get_array_fixed(self, o: int, length: int) -> list[int]:
        """As `get_array`, with the length checked."""
        items = self.get_array(o)
        if len(items) != length:
            raise self.error("ValueError", "requested length %d but object has length %d"
                             % (length, len(items)))
        return items

    def is_tuple_like(self, o: int) -> bool:
        """A tuple, or a built-in type laid out like one (namedtuple, attrtuple)."""
        return not o & 3 and o != 0 and getattr(self.type_of(o), "tuple_layout", False)

    # --- dict -----------------------------------------------------------------------------------
    def new_dict(self, n: int = 0) -> int:
        """An empty dict with a table of `n` slots."""
        o = self.new_object(TYPE["dict"], 32)
        self.map_init(o + L.DICT_MAP, n)
        return o

    def map_init(self, m: int, n: int) -> None:
        at = (m - RAM_BASE) >> 3
        self.words[at], self.words[at + 1] = L.MAP_KEYS_ARE_QSTRS, n
        self.words[at + 2] = self.malloc(n * 16) if n else 0

    def map_used(self, m: int) -> int:
        return self.words[(m - RAM_BASE) >> 3] >> 3

    def map_items(self, m: int) -> list[tuple[int, int]]:
        """(key, value) words in table order."""
        at = (m - RAM_BASE) >> 3
        alloc, table = self.words[at + 1], self.words[at + 2]
        if not table:
            return []
        first = (table - RAM_BASE) >> 3
        raw = self.words[first : first + 2 * alloc].tolist()
        return [(raw[i], raw[i + 1]) for i in range(0, 2 * alloc, 2)
                if raw[i] not in (NULL, L.SENTINEL)]

    def map_find(self, m: int, key: int) -> int:
        """Address of the value slot of `key`, or 0."""
        at = (m - RAM_BASE) >> 3
        flags, alloc, table = self.words[at], self.words[at + 1], self.words[at + 2]
        if alloc <= 0:  # below zero only when a program spoilt it
            return 0
        only_equal_words = bool(flags & L.MAP_KEYS_ARE_QSTRS)
        if only_equal_words and key & 3 != 2:
            if not self.is_str(key):
                if not key & 3:
                    self.hash(key)  # an unhashable key raises even here
                return 0
            only_equal_words = False
        first = (table - RAM_BASE) >> 3
        words = self.words
        if flags & L.MAP_ORDERED:
            used = flags >> 3
            for i in range(used):
                k = words[first + 2 * i]
                if k == key or (not only_equal_words and self.equal(k, key)):
                    return table + 16 * i + 8
            return 0
        if key & 1:
            h = (key >> 1) & 0xFFFFFFFFFFFFFFFF
        elif key & 2:
            h = int(self.qstrs.hashes[key >> 2])
        else:
            h = self.hash(key) & 0xFFFFFFFFFFFFFFFF
        start = pos = h % alloc
        while True:
            k = words[first + 2 * pos]
            if k == NULL:
                return 0
            if k == key or (k != L.SENTINEL and not only_equal_words and self.equal(k, key)):
                return table + 16 * pos + 8
            pos = pos + 1 if pos + 1 < alloc else 0
            if pos == start:
                return 0

    def map_slot(self, m: int, key: int) -> int:
        """Address of the value slot of `key`, added if it is new (value 0 then)."""
        at = (m - RAM_BASE) >> 3
        words = self.words
        if words[at + 1] == 0:
            if words[at] & L.MAP_ORDERED:
                self._ordered_grow(at)
            else:
                self._map_rehash(m)
        if not words[at] & L.MAP_ORDERED and (key & 2 or key & 1):
            h = (key >> 1) & 0xFFFFFFFFFFFFFFFF if key & 1 else int(self.qstrs.hashes[key >> 2])
        elif words[at] & L.MAP_ORDERED:
            found = self.map_find(m, key)
            if found:
                return found
            if not key & 3:
                self.hash(key)
            if words[at] >> 3 >= words[at + 1]:
                self._ordered_grow(at)
            used = words[at] >> 3
            slot = words[at + 2] + 16 * used
            self._map_added(at, key)
            words[(slot - RAM_BASE) >> 3] = key
            return slot + 8
        else:
            h = self.hash(key) & 0xFFFFFFFFFFFFFFFF
        only_words = bool(words[at] & L.MAP_KEYS_ARE_QSTRS) and key & 3 == 2
        while True:
            alloc, table = words[at + 1], words[at + 2]
            if alloc <= 0:
                raise IndexError("hash table of %d slots in guest RAM" % alloc)
            first = (table - RAM_BASE) >> 3
            start = pos = h % alloc
            avail = -1
            while True:
                k = words[first + 2 * pos]
                if k == NULL:
                    if avail < 0:
                        avail = pos
                    break
                if k == L.SENTINEL:
                    if avail < 0:
                        avail = pos
                elif k == key or (not only_words and self.equal(k, key)):
                    return table + 16 * pos + 8
                pos = pos + 1 if pos + 1 < alloc else 0
                if pos == start:
                    break
            if avail >= 0:
                self._map_added(at, key)
                words[first + 2 * avail] = key
                words[first + 2 * avail + 1] = 0
                return table + 16 * avail + 8
            self._map_rehash(m)

    def _map_added(self, at: int, key: int) -> None:
        flags = self.words[at] + (1 << 3)
        if key & 3 != 2:
            flags &= ~L.MAP_KEYS_ARE_QSTRS
        self.words[at] = flags

    def _ordered_grow(self, at: int) -> None:
        words = self.words
        alloc = words[at + 1]
        words[at + 2] = self.realloc(words[at + 2], alloc * 16, (alloc + 4) * 16)
        words[at + 1] = alloc + 4

    def _map_rehash(self, m: int) -> None:
        at = (m - RAM_BASE) >> 3
        words = self.words
        old = self.map_items(m)
        old_alloc, old_table = words[at + 1], words[at + 2]
        new_alloc = next_hash_size(old_alloc + 1)
        table = self.malloc(new_alloc * 16)
        words[at], words[at + 1], words[at + 2] = L.MAP_KEYS_ARE_QSTRS, new_alloc, table
        for key, value in old:
            words[(self.map_slot(m, key) - RAM_BASE) >> 3] = value
        if old_table:
            self.free_temp(old_table, old_alloc * 16)

    def free_temp(self, addr: int, n_bytes: int) -> None:
        """Free a block at once and forget that the current native call roots it."""
        # Nearly always among the latest; one that is not stays listed, which only keeps whatever
        # gets its address next until the native call returns.
        temps = self.temps
        for i in range(len(temps) - 1, max(len(temps) - 65, -1), -1):
            if temps[i] == addr:
                del temps[i]
                break
        self.heap.free(addr, n_bytes)

    def map_remove(self, m: int, key: int) -> int:
        """Delete a key; returns its value word, or 0 if it is not there."""
        slot = self.map_find(m, key)
        if not slot:
            return 0
        words = self.words
        at = (m - RAM_BASE) >> 3
        alloc, table = words[at + 1], words[at + 2]
        first = (table - RAM_BASE) >> 3
        pos = (slot - 8 - table) // 16
        value = words[first + 2 * pos + 1]
        words[at] -= 1 << 3
        if words[at] & L.MAP_ORDERED:
            used = words[at] >> 3
            for i in range(2 * pos, 2 * used):
                words[first + i] = words[first + i + 2]
            words[first + 2 * used] = words[first + 2 * used + 1] = 0
            return value
        following = pos + 1 if pos + 1 < alloc else 0
        empty_next = words[first + 2 * following] == NULL
        words[first + 2 * pos] = NULL if empty_next else L.SENTINEL
        words[first + 2 * pos + 1] = 0
        return value

    def dict_get(self, d: int, key: int) -> int:
        """Value word, or 0."""
        slot = self.map_find(d + L.DICT_MAP, key)
        return self.words[(slot - RAM_BASE) >> 3] if slot else 0

    def dict_set(self, d: int, key: int, value: int) -> None:
        slot = self.map_slot(d + L.DICT_MAP, key)
        self.words[(slot - RAM_BASE) >> 3] = value

    def dict_items(self, d: int) -> list[tuple[int, int]]:
        return self.map_items(d + L.DICT_MAP)

    # --- exceptions -----------------------------------------------------------------------------
    def error(self, type_name: str, message: str = "", *, formatted: bool | str | None = None
              ) -> GuestError:
        """A guest exception with a one-string message (or none), ready to `raise`."""
        return GuestError(self.new_exception(type_name, message, formatted=formatted))

    def os_error(self, number: int) -> GuestError:
        """`OSError(number)`."""
        return GuestError(self.make_exception(self.exception_word("OSError"),
                                              [self.new_int(number)]))

    def memory_error(self, n_bytes: int) -> GuestError:
        """The MemoryError of a failed allocation of `n_bytes` (printed modulo 2**32)."""
        self.event("memory_error", n_bytes)
        if self.heap.locked:
            return self.error("MemoryError", "memory allocation failed, heap is locked")
        return self.error("MemoryError", "memory allocation failed, allocating %d bytes"
                          % (n_bytes & 0xFFFFFFFF))

    # --- arguments --------------------------------------------------------------------------------
    def check_args(self, f: NativeFunction, n_args: int, n_kw: int) -> None:
        """Raise the firmware's TypeError when the counts do not fit the declaration."""
        if n_kw and not f.kw:
            raise self.error("TypeError", "function doesn't take keyword arguments")
        if f.min_args == f.max_args:
            if n_args != f.min_args:
                raise self.error("TypeError", "function takes %d positional arguments but %d "
                                 "were given" % (f.min_args, n_args))
        elif n_args < f.min_args:
            raise self.error("TypeError", "function missing %d required positional arguments"
                             % (f.min_args - n_args))
        elif f.max_args is not None and n_args > f.max_args:
            raise self.error("TypeError", "function expected at most %d arguments, got %d"
                             % (f.max_args, n_args))

    def parse_args(self, args: list[int], kw: dict[int, int], spec: list[Arg]) -> list:
        """Bind positional and keyword arguments as `mp_arg_parse_all` does; see native.Arg."""
        values, used_pos, used_kw = [], 0, 0
        for i, arg in enumerate(spec):
            if i < len(args) and not arg.kw_only:
                word = args[i]
                used_pos += 1
            else:
                key = self.qstrs.find(arg.name.encode())
                if key and key in kw:
                    word = kw[key]
                    used_kw += 1
                elif arg.required:
                    raise self.error("TypeError", "'%s' argument required" % arg.name,
                                     formatted=True)
                else:
                    values.append(L.NONE if arg.default is None and arg.kind == "obj"
                                  else arg.default)
                    continue
            if arg.kind == "int":
                values.append(self.get_int(word))
            elif arg.kind == "bool":
                values.append(self.is_true(word))
            else:
                values.append(word)
        if used_pos < len(args):
            raise self.error("TypeError", "extra positional arguments given")
        if used_kw < len(kw):
            raise self.error("TypeError", "extra keyword arguments given")
        return values

