"""`type`, user classes and their instances, `super`, `property`, `staticmethod`, `classmethod`.

A class is a 128-byte heap object (layout.TYPE_*: flags and name, parent, locals dict) with a
`UserClass` in `vm.types` for as long as the block lives. Its parent word is 0, a type, or the
tuple of bases. An instance is type, attribute map and, when a built-in type stands among the
ancestors, one word more for the native object it wraps; methods of the built-in type act on that
object. Attributes are looked up depth first, left to right, not by C3; `object` is no real base.
Source: micropython v1.11 py/objtype.c, py/objproperty.c (behaviour, allocations, messages).

Slots of `UserClass` answer None where the class defines no such method. `load_attr` of the types
here gives (member, receiver): the receiver, if not 0, is passed first in a call and makes a bound
method otherwise.
"""

from __future__ import annotations

from k210sim.micropython import layout as L
from k210sim.micropython import ops
from k210sim.micropython.layout import RAM_BASE, SENTINEL, TYPE
from k210sim.micropython.native import Arg, GuestError, GuestType, NativeFunction, native
from k210sim.micropython.types.exceptions import PRINT_EXC_SUBCLASS, is_native_exception
from k210sim.micropython.types.lookup import (
    NATIVE,
    lookup,
    name_number,
    native_bases,
    not_constructed,
    parents,
    super_lookup,
)
from k210sim.micropython.types.sequence import check_self
from k210sim.micropython.types.singletons import address_hash, generic_unary

FLAG_SUBCLASSED, FLAG_ACCESSORS = 1, 2

_ONE = NativeFunction("", None, 1, 1)
_TWO = NativeFunction("", None, 2, 2)
_ONE_TO_THREE = NativeFunction("", None, 1, 3)

# The operators whose special methods this configuration looks for (no reverse ones, and only two
# of the in-place ones).
_UNARY = {op: name for op, name in ops.UNARY_NAMES.items() if op != ops.SIZEOF}
_BINARY = {op: name for op, name in ops.BINARY_NAMES.items()
           if op != ops.NOT_EQUAL and not (ops.INPLACE_OR <= op <= ops.INPLACE_POWER
                                           and op not in (ops.INPLACE_ADD, ops.INPLACE_SUBTRACT))}


def new_instance(vm, class_word: int) -> tuple[int, int]:
    """A blank instance, and the built-in type whose object it must still be given (0: none)."""
    count, native_base = native_bases(vm, class_word)
    o = vm.new_object(class_word, L.INSTANCE_SUBOBJ + 8 * count)
    vm.map_init(o + L.INSTANCE_MAP, 0)
    if count:
        vm.words[(o + L.INSTANCE_SUBOBJ - RAM_BASE) >> 3] = not_constructed(vm)
    return o, native_base


class InstanceMarker(GuestType):
    """Holds one function of the image, out of the guest's reach by name."""

    name = "instance_marker"

    @native(1, None, name="__init__")
    def construct(vm, self, *args):
        native_base = native_bases(vm, vm.type_word(self))[1]
        check_self(vm, vm.type_of(self).is_user and native_base, "native __init__", self)
        made = vm.types[native_base].make_new(vm, native_base, list(args), {})
        vm.words[(self + L.INSTANCE_SUBOBJ - RAM_BASE) >> 3] = made


class UserClass(GuestType):
    """What `vm.types` holds for a class made by the guest."""

    is_user = True

    def __init__(self, vm, word: int, name: str, first_base: int):
        self.word, self.name = word, name
        self.table, self.parent_type = {}, None
        base = vm.types.get(first_base)
        # A class over a stream type is a stream itself.
        self.protocol = getattr(base, "protocol", None) if base else None

    def bases(self, vm) -> list[int]:
        return parents(vm, self.word)

    def native_base_object(self, vm, o: int) -> int:
        """The object of the built-in base inside an instance."""
        return vm.words[(o + L.INSTANCE_SUBOBJ - RAM_BASE) >> 3]

    def special(self, vm, o: int, name: str, slot: str = ""):
        return lookup(vm, self.word, name_number(vm, name), o, slot)

    # --- construction ---------------------------------------------------------------------------
    def make_new(self, vm, type_word, args, kw):
        found = lookup(vm, type_word, name_number(vm, "__new__"), 0, "make_new")
        native_base = 0
        if found is None or found == NATIVE:
            o, native_base = new_instance(vm, type_word)
        else:
            made = _call_with_copy(vm, found[0], [type_word], args, kw)
            if vm.type_word(made) != type_word:
                return made
            o = made
        found = lookup(vm, type_word, name_number(vm, "__init__"), o)
        if found is not None:
            first = [found[1]] if found[1] else []
            result = _call_with_copy(vm, found[0], first, args, kw, copies=2)
            if result != L.NONE:
                raise vm.error("TypeError", "__init__() should return None, not '%s'"
                               % vm.type_name(result),
                               formatted="__init__() should return None, not '%s'")
        if native_base:
            at = (o + L.INSTANCE_SUBOBJ - RAM_BASE) >> 3
            if vm.words[at] == not_constructed(vm):
                base = vm.types[native_base]
                vm.words[at] = base.make_new(vm, native_base, list(args), dict(kw))
        return o

    # --- slots ----------------------------------------------------------------------------------
    def print(self, vm, o, kind):
        name = "__str__" if kind == ops.PRINT_STR else "__repr__"
        found = self.special(vm, o, name, "print")
        if found is None and kind == ops.PRINT_STR:
            found = self.special(vm, o, "__repr__")
        if found == NATIVE:
            inner = self.native_base_object(vm, o)
            if is_native_exception(vm, inner):
                name = "" if kind == ops.PRINT_STR else self.name
                return name + vm.print_text(inner, kind | PRINT_EXC_SUBCLASS)
            return vm.print_text(inner, kind)
        if found is not None:
            # The method is called with the instance only, as the firmware does.
            return vm.print_text(vm.call(found[0], [o]), ops.PRINT_STR)
        return "<%s object at %x>" % (self.name, o)

    def unary_op(self, vm, op, o):
        found = lookup(vm, self.word, _op_number(vm, _UNARY, op), o, "unary_op")
        if found == NATIVE:
            return vm.unary_op(op, self.native_base_object(vm, o))
        if found is None:
            if op == ops.HASH and self.special(vm, o, "__eq__") is None:
                return address_hash(o)
            return None
        value = vm.call(found[0], [o])
        if op == ops.HASH:
            number = vm.int_value(value) if vm.is_int(value) else vm.get_int(value)
            word = ((number << 1) | 1) & 0xFFFFFFFFFFFFFFFF
            return word - (1 << 64) if word >> 63 else word
        if op == ops.INT and not vm.is_int(value):
            raise vm.error("TypeError")
        return value

    def binary_op(self, vm, op, a, b):
        while True:
            found = lookup(vm, self.word, _op_number(vm, _BINARY, op), a, "binary_op")
            if found is not None:
                break
            if not ops.INPLACE_OR <= op <= ops.INPLACE_POWER:
                return None
            op += ops.INPLACE_TO_BINARY
        if found == NATIVE:
            inner = self.native_base_object(vm, a)
            # A container without a test of its own is walked through.
            result = vm.binary_op(ops.IN, b, inner) if op == ops.CONTAINS else \
                vm.binary_op(op, inner, b)
        else:
            result = _call_member(vm, found, b)
        return None if result == L.NOT_IMPLEMENTED else result

    def load_attr(self, vm, o, qstr):
        member = vm.map_find(o + L.INSTANCE_MAP, (qstr << 2) | 2)
        if member:
            return vm.words[(member - RAM_BASE) >> 3], 0
        name = vm.qstrs.text[qstr]
        if name == b"__dict__":
            return _attribute_dict(vm, o), 0
        found = lookup(vm, self.word, qstr, o)
        if found is not None:
            if _flags(vm, self.word) & FLAG_ACCESSORS:
                return self._through_accessor(vm, o, found)
            return found
        if name != b"__getattr__":
            hook = vm.load_method_maybe(o, name_number(vm, "__getattr__"))
            if hook is not None:
                return _call_member(vm, hook, (qstr << 2) | 2), 0
        return None

    def _through_accessor(self, vm, o, found):
        member = found[0]
        if vm.is_type(member, "property"):
            getter = vm.words[(member + 8 - RAM_BASE) >> 3]
            if getter == L.NONE:
                raise vm.error("AttributeError", "unreadable attribute")
            return vm.call(getter, [o]), 0
        hook = vm.load_method_maybe(member, name_number(vm, "__get__"))
        if hook is not None:
            return _call_member(vm, hook, o, self.word), found[1]
        return found

    def store_attr(self, vm, o, qstr, value):
        if _flags(vm, self.word) & FLAG_ACCESSORS:
            found = lookup(vm, self.word, qstr, o)
            if found is not None:
                done = self._store_through(vm, o, found[0], value)
                if done is not None:
                    return done
        key = (qstr << 2) | 2
        if not value:
            return _map_delete(vm, o + L.INSTANCE_MAP, key)
        vm.words[(vm.map_slot(o + L.INSTANCE_MAP, key) - RAM_BASE) >> 3] = value
        return True

    def _store_through(self, vm, o, member, value) -> bool | None:
        """Store or delete by a property or descriptor; None: the member is neither."""
        if vm.is_type(member, "property"):
            accessor = vm.words[(member + (16 if value else 24) - RAM_BASE) >> 3]
            if accessor == L.NONE:
                return False
            vm.call(accessor, [o, value] if value else [o])
            return True
        hook = vm.load_method_maybe(member, name_number(vm, "__set__" if value else "__delete__"))
        if hook is None:
            return None
        _call_member(vm, hook, *([o, value] if value else [o]))
        return True

    def subscr(self, vm, o, index, value):
        name = {SENTINEL: "__getitem__", L.NULL: "__delitem__"}.get(value, "__setitem__")
        found = self.special(vm, o, name, "subscr")
        if found is None:
            return None
        if found == NATIVE:
            return vm.subscr(self.native_base_object(vm, o), index, value)
        if value == SENTINEL:
            return _call_member(vm, found, index)
        _call_member(vm, found, *([index, value] if value else [index]))
        return L.NONE

    def callable(self, vm, o) -> bool:
        return self.special(vm, o, "__call__", "call") is not None

    def call(self, vm, o, args, kw):
        found = self.special(vm, o, "__call__", "call")
        if found is None:
            return None
        if found == NATIVE:
            return vm.call(self.native_base_object(vm, o), args, kw)
        if not found[1]:
            return vm.call(found[0], args, kw)
        # More than four words of arguments are copied to the heap for the call.
        n_words = len(args) + 2 * len(kw)
        copy = vm.malloc_maybe(8 * (1 + n_words)) if n_words > 4 else 0
        result = vm.call(found[0], [found[1], *args], kw)
        if copy:
            vm.free_temp(copy, 8 * (1 + n_words))
        return result

    def getiter(self, vm, o):
        found = self.special(vm, o, "__iter__", "getiter")
        if found == NATIVE:
            inner = self.native_base_object(vm, o)
            return vm.type_of(inner).getiter(vm, inner)
        if found is None:
            return None
        if not vm.__dict__.get("iter_buffer", 0):
            vm.malloc(32)  # room for an iterator, made in vain
        vm.iter_buffer = 0
        return _call_member(vm, found)

    def buffer(self, vm, o):
        if lookup(vm, self.word, 0, o, "buffer") != NATIVE:
            return None
        inner = self.native_base_object(vm, o)
        return vm.type_of(inner).buffer(vm, inner)


def _op_number(vm, table: dict[int, str], op: int) -> int:
    name = table.get(op)
    return name_number(vm, name) if name else 0


def _call_member(vm, found: tuple[int, int], *args: int) -> int:
    return vm.call(found[0], [found[1], *args] if found[1] else list(args))


def _call_with_copy(vm, function, first, args, kw, copies=1) -> int:
    """Call with arguments that the firmware copies to the heap for the time of the call."""
    n_bytes = 8 * (copies + len(args) + 2 * len(kw))
    copy = vm.malloc(n_bytes) if args or kw else 0
    result = vm.call(function, [*first, *args], dict(kw))
    if copy:
        vm.free_temp(copy, n_bytes)
    return result


def _attribute_dict(vm, o: int) -> int:
    """`o.__dict__`: a new dict with copies of the attributes."""
    m = o + L.INSTANCE_MAP
    copy = vm.new_dict(vm.map_used(m))
    for key, value in vm.map_items(m):
        vm.dict_set(copy, key, value)
    return copy


def _map_delete(vm, m: int, key: int) -> bool:
    if not vm.map_find(m, key):
        return False
    vm.map_remove(m, key)
    return True


def _flags(vm, type_word: int) -> int:
    return vm.words[(type_word + L.TYPE_FLAGS_NAME - RAM_BASE) >> 3] & 0xFFFF


def _set_flags(vm, type_word: int, flags: int) -> None:
    vm.words[(type_word + L.TYPE_FLAGS_NAME - RAM_BASE) >> 3] |= flags


def _is_accessor(vm, value: int) -> bool:
    """A property or an object with a descriptor method."""
    if vm.is_type(value, "property"):
        return True
    for name in ("__get__", "__set__", "__delete__"):
        try:
            if vm.load_method_maybe(value, name_number(vm, name)) is not None:
                return True
        except GuestError:
            continue  # an attribute hook that raises has no such method
    return False


class TypeType(GuestType):
    """`type`: asks for a type or makes one; its instances are all types."""

    name = "type"

    def print(self, vm, o, kind):
        return "<class '%s'>" % vm.types[o].name

    def make_new(self, vm, type_word, args, kw):
        vm.check_args(_ONE_TO_THREE, len(args), len(kw))
        if len(args) == 1:
            return vm.type_word(args[0])
        if len(args) == 3:
            vm.get_str(args[0])
            return new_class(vm, vm.qstr_of(args[0]), args[1], args[2])
        raise vm.error("TypeError", "type takes 1 or 3 arguments")

    def call(self, vm, o, args, kw):
        t = vm.types[o]
        if t.make_new is None:
            raise vm.error("TypeError", "cannot create '%s' instances" % t.name,
                           formatted="cannot create '%q' instances")
        return t.make_new(vm, o, args, kw)

    def unary_op(self, vm, op, o):
        return generic_unary(op, o)

    def load_attr(self, vm, o, qstr):
        if vm.qstrs.text[qstr] == b"__name__":
            return vm.new_qstr(vm.types[o].name), 0
        return lookup(vm, o, qstr, owner=o)

    def store_attr(self, vm, o, qstr, value):
        if not vm.types[o].is_user:
            return False
        members = vm.words[(o + L.TYPE_LOCALS - RAM_BASE) >> 3] + L.DICT_MAP
        key = (qstr << 2) | 2
        if not value:
            return _map_delete(vm, members, key)
        flags = _flags(vm, o)
        if not flags & FLAG_ACCESSORS and _is_accessor(vm, value):
            if flags & FLAG_SUBCLASSED:
                raise vm.error("AttributeError",
                               "can't add special method to already-subclassed class")
            _set_flags(vm, o, FLAG_ACCESSORS)
        vm.words[(vm.map_slot(members, key) - RAM_BASE) >> 3] = value
        return True


def new_class(vm, name: int, bases: int, members: int) -> int:
    """A class from the qstr of its name, the tuple of bases and the dict of its body.

    Raises TypeError for a bad base; the wording is empty where the firmware's is.
    """
    if not vm.is_type(bases, "tuple") or not vm.is_type(members, "dict"):
        raise vm.error("TypeError")
    base_words = vm.items_of(bases)
    flags = 0
    for base in base_words:
        if not vm.is_type(base, "type"):
            raise vm.error("TypeError")
        t = vm.types[base]
        if t.make_new is None:
            raise vm.error("TypeError", "type '%s' isn't an acceptable base type" % t.name,
                           formatted="type '%q' isn't an acceptable base type")
        if t.is_user:
            _set_flags(vm, base, FLAG_SUBCLASSED)
            flags |= _flags(vm, base) & FLAG_ACCESSORS
    o = vm.new_object(TYPE["type"], L.TYPE_SIZE, finaliser=True)
    text = vm.qstrs.text[name].decode("utf-8", "surrogateescape")
    vm.types[o] = UserClass(vm, o, text, base_words[0] if base_words else 0)
    at = (o - RAM_BASE) >> 3
    vm.words[at + (L.TYPE_FLAGS_NAME >> 3)] = flags | name << 16
    if base_words:
        vm.words[at + (L.TYPE_PARENT >> 3)] = bases if len(base_words) > 1 else base_words[0]
    vm.words[at + (L.TYPE_LOCALS >> 3)] = members
    if not flags & FLAG_ACCESSORS:
        if any(_is_accessor(vm, value) for _key, value in vm.dict_items(members)):
            _set_flags(vm, o, FLAG_ACCESSORS)
    if native_bases(vm, o)[0] > 1:
        raise vm.error("TypeError", "multiple bases have instance lay-out conflict")
    slot = vm.map_find(members + L.DICT_MAP, (name_number(vm, "__new__") << 2) | 2)
    if slot:
        function = vm.words[(slot - RAM_BASE) >> 3]
        if not function & 3 and vm.type_name(function) == "function":
            vm.words[(slot - RAM_BASE) >> 3] = new_wrapper(vm, "staticmethod", function)
    return o


# --- super, property, staticmethod, classmethod --------------------------------------------------
class Super(GuestType):
    """`super`: 24 bytes, the class and the object."""

    name = "super"

    def print(self, vm, o, kind):
        at = (o - RAM_BASE) >> 3
        return "<super: %s, %s>" % (vm.print_text(vm.words[at + 1], ops.PRINT_STR),
                                    vm.print_text(vm.words[at + 2], ops.PRINT_STR))

    def make_new(self, vm, type_word, args, kw):
        vm.check_args(_TWO, len(args), len(kw))
        if not vm.is_type(args[0], "type"):
            raise vm.error("TypeError")
        o = vm.new_object(type_word, 24)
        at = (o - RAM_BASE) >> 3
        vm.words[at + 1], vm.words[at + 2] = args
        return o

    def load_attr(self, vm, o, qstr):
        at = (o - RAM_BASE) >> 3
        return super_lookup(vm, vm.words[at + 1], vm.words[at + 2], qstr)


def _copy_property(vm, o: int, field: int, function: int) -> int:
    check_self(vm, vm.is_type(o, "property"), "property method", o)
    at = (o - RAM_BASE) >> 3
    copy = vm.new_object(TYPE["property"], 32)
    to = (copy - RAM_BASE) >> 3
    for i in (1, 2, 3):
        vm.words[to + i] = function if i == field else vm.words[at + i]
    return copy


class Property(GuestType):
    """`property`: getter, setter, deleter. They have no names, so only `doc` is a keyword."""

    name = "property"

    def make_new(self, vm, type_word, args, kw):
        values = vm.parse_args(args, kw, [Arg(""), Arg(""), Arg(""), Arg("doc")])
        o = vm.new_object(type_word, 32)
        at = (o - RAM_BASE) >> 3
        vm.words[at + 1], vm.words[at + 2], vm.words[at + 3] = values[:3]
        return o

    @native(2)
    def getter(vm, self, function):
        return _copy_property(vm, self, 1, function)

    @native(2)
    def setter(vm, self, function):
        return _copy_property(vm, self, 2, function)

    @native(2)
    def deleter(vm, self, function):
        return _copy_property(vm, self, 3, function)


def new_wrapper(vm, type_name: str, function: int) -> int:
    """A staticmethod or classmethod around a function."""
    o = vm.new_object(TYPE[type_name], 16)
    vm.words[((o - RAM_BASE) >> 3) + 1] = function
    return o


class StaticMethod(GuestType):
    name = "staticmethod"

    def make_new(self, vm, type_word, args, kw):
        vm.check_args(_ONE, len(args), len(kw))
        return new_wrapper(vm, self.name, args[0])


class ClassMethod(GuestType):
    name = "classmethod"

    def make_new(self, vm, type_word, args, kw):
        vm.check_args(_ONE, len(args), len(kw))
        return new_wrapper(vm, self.name, args[0])


TYPES = (TypeType, InstanceMarker, Super, Property, StaticMethod, ClassMethod)
