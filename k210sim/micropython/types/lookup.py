"""Finding attributes in classes: depth first, left to right, over user classes and built-in types.

Source: micropython v1.11 py/objtype.c, py/runtime.c (order of the search, what binds).
"""

from __future__ import annotations

from k210sim.micropython import layout as L
from k210sim.micropython.layout import RAM_BASE, SENTINEL, TYPE

# What a lookup of a special method gives when a built-in base has the operation itself.
NATIVE = (SENTINEL, 0)

_BINDING = frozenset(TYPE[n] for n in ("function", "fun_bc", "closure", "gen_wrap", "generator"))


def name_number(vm, name: str) -> int:
    """Qstr number of a name of the firmware image, remembered per machine."""
    known = vm.__dict__.setdefault("name_numbers", {})
    number = known.get(name)
    if number is None:
        number = known[name] = vm.intern(name)
    return number


def bind_member(vm, member: int, receiver: int, type_word: int) -> tuple[int, int]:
    """What a class member is when reached through `receiver` (0: through the class itself)."""
    if not member & 3 and member:
        kind = vm.words[(member - RAM_BASE) >> 3]
        if kind in _BINDING:
            return member, receiver
        if kind == TYPE["staticmethod"]:
            return vm.words[((member - RAM_BASE) >> 3) + 1], 0
        if kind == TYPE["classmethod"]:
            return (vm.words[((member - RAM_BASE) >> 3) + 1],
                    vm.type_word(receiver) if receiver else type_word)
    return member, 0


def lookup(vm, type_word: int, attr: int, obj: int = 0, slot: str = "", owner: int = 0
           ) -> tuple[int, int] | None:
    """Search a class and its ancestors for the qstr `attr`.

    obj: the instance asked (0: none). slot: also accept a built-in base that has this
    `GuestType` slot, which gives `NATIVE`. owner: the class through which it was asked when it
    was asked of a class; class methods are bound to it. None when there is nothing.
    """
    object_word = TYPE["object"]
    words = vm.words
    while True:
        t = vm.types[type_word]
        if t.is_user:
            member = vm.dict_get(words[(type_word + L.TYPE_LOCALS - RAM_BASE) >> 3],
                                 (attr << 2) | 2) if attr else 0
        else:
            if slot and getattr(t, slot) is not None:
                return NATIVE
            member = t.table.get(attr, 0)
        wraps = obj and not t.is_user and type_word != object_word and not owner
        if member:
            if owner:
                return bind_member(vm, member, 0, owner)
            return bind_member(vm, member, _wrapped(vm, obj) if wraps else obj, type_word)
        if wraps and attr:
            # Attributes a built-in type answers for without listing them.
            found = vm.load_method_maybe(_wrapped(vm, obj), attr)
            if found is not None:
                return found
        bases = parents(vm, type_word)
        if not bases:
            return None
        for base in bases[:-1]:
            if base != object_word:
                found = lookup(vm, base, attr, obj, slot, owner)
                if found is not None:
                    return found
        type_word = bases[-1]
        if type_word == object_word:
            return None


def _wrapped(vm, obj: int) -> int:
    """The native object in an instance (anything else is its own)."""
    if vm.type_of(obj).is_user:
        return vm.words[(obj + L.INSTANCE_SUBOBJ - RAM_BASE) >> 3]
    return obj


def parents(vm, type_word: int) -> list[int]:
    """The direct bases of any type, as type words."""
    t = vm.types[type_word]
    if not t.is_user:
        return [t.parent_type.word] if t.parent_type else []
    parent = vm.words[(type_word + L.TYPE_PARENT - RAM_BASE) >> 3]
    if not parent:
        return []
    return vm.items_of(parent) if vm.type_word(parent) == TYPE["tuple"] else [parent]


def native_bases(vm, type_word: int) -> tuple[int, int]:
    """How many built-in types a class is laid out over, and the last of them (0: none)."""
    if type_word == TYPE["object"]:
        return 0, 0
    if not vm.types[type_word].is_user:
        return 1, type_word
    count, last = 0, 0
    for base in parents(vm, type_word):
        n, word = native_bases(vm, base)
        count, last = count + n, word or last
    return count, last


def not_constructed(vm) -> int:
    """The function that stands in an instance until its native object is made; called as
    `super().__init__` it makes it."""
    return next(iter(vm.types[TYPE["instance_marker"]].table.values()))


def is_subclass(vm, type_word: int, base: int) -> bool:
    """Is `base` the type itself or an ancestor; false when `type_word` is no type."""
    while True:
        if type_word == base:
            return True
        if not vm.is_type(type_word, "type"):
            return False
        bases = parents(vm, type_word)
        if not bases or any(is_subclass(vm, other, base) for other in bases[:-1]):
            return bool(bases)
        type_word = bases[-1]


def super_lookup(vm, type_word: int, obj: int, attr: int) -> tuple[int, int] | None:
    """`super(type, obj).attr` without a super object: (member, receiver) or None."""
    name = vm.qstrs.text[attr]
    slot = "make_new" if name == b"__init__" else ""
    for base in parents(vm, type_word):
        if base == TYPE["object"]:
            continue
        found = lookup(vm, base, attr, obj, slot)
        if found == NATIVE:
            return not_constructed(vm), obj
        if found is not None:
            return found
    return lookup(vm, TYPE["object"], attr, obj)
