"""namedtuple types (made by the guest) and attrtuple (tuples with names, made by the firmware).

Both are laid out as a tuple. A namedtuple type is a heap object: a type's 120 bytes, the number
of fields, their qstrs. An attrtuple has one word more than items, which stands for its names.
Source: micropython v1.11 py/objnamedtuple.c, py/objattrtuple.c.
"""

from __future__ import annotations

from k210sim.micropython import ops
from k210sim.micropython.layout import RAM_BASE, TYPE
from k210sim.micropython.native import GuestType
from k210sim.micropython.types.tuple import TupleType

_TYPE_BYTES = 120


def _print_fields(vm, names, items) -> str:
    return "(" + ", ".join(["%s=%s" % (name, vm.print_text(item, ops.PRINT_REPR))
                            for name, item in zip(names, items, strict=True)]) + ")"


class NamedTupleClass(GuestType):
    """One type made by `namedtuple`; lives in `vm.types` while its heap object does."""

    tuple_layout = True

    def __init__(self, vm, word: int, name: str, fields: list[int]):
        self.word, self.name, self.fields = word, name, fields
        self.table, self.parent_type, self.filled = {}, vm.types[TYPE["tuple"]], True

    def print(self, vm, o, kind):
        names = [vm.qstrs.text[q].decode("utf-8", "surrogateescape") for q in self.fields]
        return self.name + _print_fields(vm, names, vm.items_of(o))

    def make_new(self, vm, type_word, args, kw):
        n = len(self.fields)
        if len(args) + len(kw) != n:
            raise vm.error("TypeError", "%s() takes %d positional arguments but %d were given"
                           % (self.name, n, len(args) + len(kw)),
                           formatted="%q() takes %d positional arguments but %d were given")
        o = vm.new_tuple([*args, *([0] * len(kw))])
        first = ((o - RAM_BASE) >> 3) + 2
        if n:
            vm.words[first - 2] = type_word
        for number, value in kw.items():
            text = vm.qstrs.text[number].decode("utf-8", "surrogateescape")
            if number not in self.fields:
                raise vm.error("TypeError", "unexpected keyword argument '%s'" % text,
                               formatted="unexpected keyword argument '%q'")
            slot = first + self.fields.index(number)
            if vm.words[slot]:
                raise vm.error("TypeError", "function got multiple values for argument '%s'"
                               % text, formatted="function got multiple values for argument '%q'")
            vm.words[slot] = value
        return o

    def load_attr(self, vm, o, qstr):
        if qstr not in self.fields:
            return None
        return vm.items_of(o)[self.fields.index(qstr)]

    def store_attr(self, vm, o, qstr, value):
        raise vm.error("AttributeError", "can't set attribute")

    unary_op = TupleType.unary_op
    binary_op = TupleType.binary_op
    subscr = TupleType.subscr
    getiter = TupleType.getiter


def new_namedtuple_type(vm, name_word: int, fields_word: int) -> int:
    """`namedtuple(name, fields)`: fields is a tuple or list of names, or one str to split."""
    vm.get_str(name_word)
    name = vm.qstr_of(name_word)
    if vm.is_str(fields_word):
        fields_word = vm.call_method(fields_word, "split")
    words = vm.get_array(fields_word)
    o = vm.new_object(TYPE["type"], _TYPE_BYTES + 8 + 8 * len(words), finaliser=True)
    at = ((o - RAM_BASE) >> 3) + _TYPE_BYTES // 8
    fields = []
    for i, word in enumerate(words, 1):
        vm.get_str(word)
        fields.append(vm.qstr_of(word))
        vm.words[at + i] = fields[-1]
    vm.words[at] = len(fields)
    vm.words[((o - RAM_BASE) >> 3) + 1] = name << 16
    vm.types[o] = NamedTupleClass(vm, o, vm.qstrs.text[name].decode("utf-8", "surrogateescape"),
                                  fields)
    return o


class AttrTuple(GuestType):
    """A tuple whose items also have names; the guest sees the type's name as "tuple"."""

    name = "tuple"
    core_name = "attrtuple"
    tuple_layout = True

    def names(self, vm, o) -> tuple[str, ...]:
        n = vm.words[((o - RAM_BASE) >> 3) + 1]
        return vm.attrtuple_names[vm.words[((o - RAM_BASE) >> 3) + 2 + n] >> 1]

    def print(self, vm, o, kind):
        return _print_fields(vm, self.names(vm, o), vm.items_of(o))

    def load_attr(self, vm, o, qstr):
        name = vm.qstrs.text[qstr].decode("utf-8", "surrogateescape")
        names = self.names(vm, o)
        return vm.items_of(o)[names.index(name)] if name in names else None

    unary_op = TupleType.unary_op
    binary_op = TupleType.binary_op
    subscr = TupleType.subscr
    getiter = TupleType.getiter


def _names_word(vm, names) -> int:
    """The word that stands for the pointer to the names: a number in a host table."""
    known = vm.__dict__.setdefault("attrtuple_names", [])
    names = tuple(names)
    if names not in known:
        known.append(names)
    return (known.index(names) << 1) | 1


class AttrTupleConstant:
    """An attrtuple in the firmware image, for a module's table: names and constant values."""

    def __init__(self, **items):
        self.items = items

    def rom_word(self, vm) -> int:
        for name in self.items:
            vm.intern_rom(name)
        words = [vm._rom_entry(value) for value in self.items.values()]
        return vm.rom_alloc(vm.type_of_class(AttrTuple).word, len(words), *words,
                            _names_word(vm, self.items))


TYPES = (AttrTuple,)
