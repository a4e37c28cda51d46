"""What operators, attribute access, subscripts, calls and iteration mean for any object.

The rules are those of micropython v1.11 py/runtime.c and py/obj.c (facts); how one type answers
is in its `GuestType` slots.
"""

from __future__ import annotations

import struct

from k210sim.errors import NotSimulated
from k210sim.micropython import layout as L
from k210sim.micropython import ops
from k210sim.micropython.layout import NULL, RAM_BASE, SENTINEL, TYPE
from k210sim.micropython.native import GuestError, NativeFunction
from k210sim.micropython.types import exceptions, iterators

OVERFLOW = "\udfff"  # marks where nested printing ran out of stack; no guest text contains it

FUNCTION_TYPES = frozenset(TYPE[n] for n in ("function", "fun_bc", "closure", "gen_wrap"))

# What a native function meets in an object that is not of its kind.
NATIVE_SLIPS = (LookupError, TypeError, AttributeError, ValueError, ArithmeticError,
                AssertionError, struct.error)


class Operations:
    """Generic operations over object words. Mixed into `VM`."""

    # --- truth, equality, hash, length ----------------------------------------------------
    def is_true(self, o: int) -> bool:
        if o == L.TRUE:
            return True
        if o == L.FALSE or o == L.NONE:
            return False
        if o & 1:
            return o != 1
        t = self.type_of(o)
        if t.unary_op is not None:
            result = t.unary_op(self, ops.BOOL, o)
            if result is not None and result != NULL:
                return result == L.TRUE
        length = self.len_of(o)
        return length is None or length != 0

    def len_of(self, o: int) -> int | None:
        """Length, or None for an object that has none."""
        t = self.type_of(o)
        if t.unary_op is None:
            return None
        result = t.unary_op(self, ops.LEN, o)
        if result is None or result == NULL:
            return None
        return self.get_int(result)

    def hash(self, o: int) -> int:
        """Host value of `hash(o)` (may be negative); TypeError for what has none."""
        if o & 1:
            return o >> 1
        if o & 2:
            return int(self.qstrs.hashes[o >> 2])
        if o == L.TRUE:
            return 1
        if o == L.FALSE:
            return 0
        t = self.type_of(o)
        if t.unary_op is not None:
            result = t.unary_op(self, ops.HASH, o)
            if result is not None and result != NULL:
                return self.get_int(result)
        raise self.error("TypeError", "unsupported type for __hash__: '%s'" % t.name,
                         formatted=True)

    def equal(self, a: int, b: int) -> bool:
        """`a == b` as the tables and `in` see it."""
        if a == b and not (not a & 3 and self.type_word(a) in self.eq_not_identity):
            return True
        if a == L.NONE or b == L.NONE:
            return False
        if a & 1 and b & 1:
            return False
        if a & 2 and not a & 1 and b & 2 and not b & 1:
            return False
        sa, sb = self.is_str(a), self.is_str(b)
        if sa or sb:
            # A str equals strs only; no other type is asked.
            return sa and sb and self.bytes_of(a) == self.bytes_of(b)
        if a & 1:
            a, b = b, a
        t = self.type_of(a)
        if t.binary_op is not None:
            # Only the left side is asked, and only True itself counts.
            return t.binary_op(self, ops.EQUAL, a, b) == L.TRUE
        return False

    # types whose `==` must be asked even for the same object (floats: nan)
    eq_not_identity = frozenset((TYPE["float"], TYPE["complex"]))

    # --- operators ------------------------------------------------------------------------
    def unary_op(self, op: int, o: int) -> int:
        """Result word of a unary operator; TypeError where the type has no answer."""
        if op == ops.NOT:
            return L.FALSE if self.is_true(o) else L.TRUE
        t = self.type_of(o)
        if t.unary_op is not None:
            result = t.unary_op(self, op, o)
            if result is not None and result != NULL:
                return result
        raise self.error("TypeError", "unsupported type for %s: '%s'"
                         % (ops.UNARY_NAMES.get(op, ""), t.name), formatted=True)

    def binary_op(self, op: int, a: int, b: int) -> int:
        """Result word of a binary operator; TypeError where neither side has an answer."""
        if op == ops.IS:
            return L.TRUE if a == b else L.FALSE
        if op == ops.EQUAL:
            return L.TRUE if self.equal(a, b) else L.FALSE
        if op == ops.NOT_EQUAL:
            return L.FALSE if self.equal(a, b) else L.TRUE
        if op == ops.EXCEPTION_MATCH:
            return L.TRUE if self._except_match(a, b) else L.FALSE
        if op == ops.IN:
            return self._contains(a, b)
        t = self.type_of(a)
        if t.binary_op is not None:
            result = t.binary_op(self, op, a, b)
            if result is not None and result != NULL:
                return result
        raise self.binary_op_error(op, a, b)

    def binary_op_error(self, op: int, a: int, b: int) -> GuestError:
        return self.error("TypeError", "unsupported types for %s: '%s', '%s'"
                          % (ops.BINARY_NAMES.get(op, ""), self.type_name(a), self.type_name(b)),
                          formatted=True)

    def _contains(self, item: int, container: int) -> int:
        t = self.type_of(container)
        if t.binary_op is not None:
            result = t.binary_op(self, ops.CONTAINS, container, item)
            if result is not None and result != NULL:
                return self.new_bool(self.is_true(result))
        if not self._iterable(container):
            # The firmware names the operator only for what has a special method; `in` has none.
            raise self.error("TypeError", "unsupported types for : '%s', '%s'"
                             % (self.type_name(item), t.name), formatted=True)
        for word in iterators.stack_iterate(self, container):
            if self.equal(word, item):
                return L.TRUE
        return L.FALSE

    def _iterable(self, o: int) -> bool:
        t = self.type_of(o)
        if t.getiter is not None or t.iternext is not None:
            return True
        return t.subscr is not None and t.is_user

    # --- exceptions -----------------------------------------------------------------------
    def exception_word(self, name: str) -> int:
        """Address of a built-in exception type by name."""
        return exceptions.exception_word(self, name)

    def is_exception_type(self, o: int) -> bool:
        return (not o & 3 and o in self.types
                and self.is_subclass(o, TYPE["BaseException"]))

    def is_exception_instance(self, o: int) -> bool:
        return not o & 3 and o != 0 and self.is_subclass(self.type_word(o), TYPE["BaseException"])

    def exception_value(self, o: int) -> int:
        """What a StopIteration carries."""
        return exceptions.value_of(self, o)

    def exception_match(self, exc: int, wanted: int) -> bool:
        """Is an exception instance or type of the wanted type."""
        t = exc if self.is_type_object(exc) else self.type_word(exc)
        return self.is_type_object(wanted) and self.is_subclass(t, wanted)

    def is_type_object(self, o: int) -> bool:
        return not o & 3 and o in self.types

    def _except_match(self, exc: int, wanted: int) -> bool:
        if self.is_exception_type(wanted):
            return self.exception_match(exc, wanted)
        if self.is_type(wanted, "tuple"):
            for item in self.items_of(wanted):
                if not self.is_exception_type(item):
                    raise self.binary_op_error(ops.EXCEPTION_MATCH, exc, wanted)
                if self.exception_match(exc, item):
                    return True
            return False
        raise self.binary_op_error(ops.EXCEPTION_MATCH, exc, wanted)

    def make_exception(self, type_word: int, args: list[int]) -> int:
        """An exception object of a built-in type with the given argument words; never fails."""
        return exceptions.make_exception(self, type_word, args)

    def new_exception(self, name: str, message: str = "",
                      formatted: bool | str | None = None) -> int:
        """A built-in exception with a one-string message; see exceptions.new_exception."""
        return exceptions.new_exception(self, name, message, formatted)

    def make_raise_object(self, o: int) -> int:
        """What `raise o` raises: an instance, made if `o` is an exception type."""
        if self.is_exception_type(o):
            return self.call(o, [])
        if self.is_exception_instance(o):
            return o
        return self.new_exception("TypeError", "exceptions must derive from BaseException")

    def is_subclass(self, type_word: int, base: int) -> bool:
        """Does `base` stand among the ancestors of a type (itself included)."""
        while True:
            if type_word == base:
                return True
            t = self.types.get(type_word)
            if t is None:
                return False
            if t.is_user:
                parents = t.bases(self)
                if not parents:
                    return False
                for parent in parents[:-1]:
                    if self.is_subclass(parent, base):
                        return True
                type_word = parents[-1]
            elif t.parent_type is not None:
                type_word = t.parent_type.word
            else:
                return False

    # --- attributes -----------------------------------------------------------------------
    def load_attr(self, o: int, qstr: int) -> int:
        """`o.name`; AttributeError with the firmware's words."""
        fun, receiver = self.load_method(o, qstr)
        return fun if not receiver else self.new_bound_method(fun, receiver)

    def load_attr_maybe(self, o: int, qstr: int) -> int:
        """`o.name` or 0."""
        found = self.load_method_maybe(o, qstr)
        if found is None:
            return NULL
        return found[0] if not found[1] else self.new_bound_method(*found)

    def new_bound_method(self, fun: int, receiver: int) -> int:
        o = self.new_object(TYPE["bound_method"], 24)
        at = (o - RAM_BASE) >> 3
        self.words[at + 1], self.words[at + 2] = fun, receiver
        return o

    def load_method(self, o: int, qstr: int) -> tuple[int, int]:
        """(callable, object to pass first or 0) for `o.name(...)`."""
        found = self.load_method_maybe(o, qstr)
        if found is None:
            raise self.attribute_error(o, qstr)
        return found

    def attribute_error(self, o: int, qstr: int) -> GuestError:
        name = self.qstr_text(qstr)
        if self.is_type(o, "type"):
            return self.error("AttributeError", "type object '%s' has no attribute '%s'"
                              % (self.types[o].name, name), formatted=True)
        return self.error("AttributeError", "'%s' object has no attribute '%s'"
                          % (self.type_name(o), name), formatted=True)

    def qstr_text(self, qstr: int) -> str:
        return self.qstrs.text[qstr].decode("utf-8", "surrogateescape")

    def load_method_maybe(self, o: int, qstr: int) -> tuple[int, int] | None:
        t = self.type_of(o)
        if qstr == self.q_class:
            return t.word, 0
        if qstr == self.q_next and t.iternext is not None and not t.is_user:
            return int(self.builtin_words[self.q_next_builtin]), o
        if t.load_attr is not None:
            found = t.load_attr(self, o, qstr)
            if found is None or found == NULL:
                return None
            return found if isinstance(found, tuple) else (found, 0)
        return self.lookup_native(t, o, qstr)

    def lookup_native(self, t, o: int, qstr: int) -> tuple[int, int] | None:
        """A method or class attribute of a built-in type, bound to `o` if it binds."""
        while t is not None:
            member = t.table.get(qstr)
            if member is not None:
                return self.bind_member(member, o, t.word)
            t = t.parent_type
        return None

    def bind_member(self, member: int, receiver: int, type_word: int) -> tuple[int, int]:
        """How a class member becomes an attribute of an instance (receiver 0: of the type)."""
        if not member & 3:
            kind = self.words[(member - RAM_BASE) >> 3]
            if kind in FUNCTION_TYPES:
                return member, receiver
            if kind == TYPE["staticmethod"]:
                return self.words[((member - RAM_BASE) >> 3) + 1], 0
            if kind == TYPE["classmethod"]:
                return self.words[((member - RAM_BASE) >> 3) + 1], type_word
        return member, 0

    def store_attr(self, o: int, qstr: int, value: int) -> None:
        """`o.name = value`, or `del o.name` for value 0."""
        t = self.type_of(o)
        if t.store_attr is not None and t.store_attr(self, o, qstr, value):
            return
        raise self.error("AttributeError", "'%s' object has no attribute '%s'"
                         % (self.type_name(o), self.qstr_text(qstr)),
                         formatted="'%s' object has no attribute '%q'")

    # --- subscripts -----------------------------------------------------------------------
    def subscr(self, o: int, index: int, value: int = SENTINEL) -> int:
        """`o[index]`, `o[index] = value`, or `del o[index]` for value 0."""
        t = self.type_of(o)
        if t.subscr is not None:
            result = t.subscr(self, o, index, value)
            if result is not None and result != NULL:
                return result
        if value == NULL:
            what = "doesn't support item deletion"
        elif value == SENTINEL:
            what = "isn't subscriptable"
        else:
            what = "doesn't support item assignment"
        raise self.error("TypeError", "'%s' object %s" % (t.name, what), formatted=True)

    # --- iteration ------------------------------------------------------------------------
    def getiter(self, o: int) -> int:
        """An iterator object over `o`."""
        t = self.type_of(o)
        if t.getiter is not None:
            result = t.getiter(self, o)
            if result is not None and result != NULL:
                return result
        elif t.iternext is not None:
            return o
        found = self.load_method_maybe(o, self.q_getitem) if t.is_user else None
        if found is not None:
            return iterators.new_getitem_iterator(self, found)
        raise self.error("TypeError", "'%s' object isn't iterable" % t.name, formatted=True)

    def iternext(self, it: int) -> int:
        """The next item, or 0 at the end."""
        t = self.type_of(it)
        if t.iternext is not None:
            result = t.iternext(self, it)
            return NULL if result is None else result
        found = self.load_method_maybe(it, self.q_next)
        if found is None:
            raise self.error("TypeError", "'%s' object isn't an iterator" % t.name,
                             formatted=True)
        try:
            return self.call(found[0], [found[1]] if found[1] else [])
        except GuestError as error:
            if self.is_subclass(self.type_word(error.obj), self.exception_word("StopIteration")):
                return NULL
            raise

    def iterate(self, o: int, roots: list[int] | None = None):
        """Host generator over the items of any iterable.

        Without `roots` everything allocated meanwhile stays rooted (the caller collects the
        items). With it only the items of that host list and the latest item survive a
        collection: for loops that keep little of what they see.
        """
        it = self.getiter(o)
        self.temps.append(it)
        mark = len(self.temps)
        while True:
            item = self.iternext(it)
            if item == NULL:
                return
            if roots is not None:
                del self.temps[mark:]
                self.temps.extend(roots)
            if not item & 3:
                self.temps.append(item)
                if len(self.temps) - mark > self.heap.n_blocks:
                    self.temps[mark:] = set(self.temps[mark:])  # some stand there twice
            self.checkpoint()
            yield item

    # --- calls ----------------------------------------------------------------------------
    def call(self, f: int, args: list[int], kw: dict[int, int] | None = None) -> int:
        """Call any object; returns the result word, raises GuestError."""
        kind = self.type_word(f)
        if kind == TYPE["function"]:
            native = self.rom[f] if f in self.rom else self.host_values[f]
            return self.call_native(native, args, kw)
        if kind == TYPE["fun_bc"]:
            return self.call_bytecode(f, args, kw)
        if kind == TYPE["bound_method"]:
            at = (f - RAM_BASE) >> 3
            return self.call(self.words[at + 1], [self.words[at + 2], *args], kw)
        if kind == TYPE["closure"]:
            at = (f - RAM_BASE) >> 3
            n = self.words[at + 2]
            cells = list(self.words[at + 3 : at + 3 + n])
            return self.call(self.words[at + 1], cells + list(args), kw)
        t = self.type_of(f)
        if kind == TYPE["type"]:
            made = self.types[f]
            if made.make_new is None:
                raise self.error("TypeError", "cannot create '%s' instances" % made.name,
                                 formatted=True)
            return made.make_new(self, f, list(args), kw or {})
        if t.call is not None:
            result = t.call(self, f, list(args), kw or {})
            if result is not None:
                return result
        raise self.error("TypeError", "'%s' object isn't callable" % t.name, formatted=True)

    def call_native(self, native: NativeFunction, args, kw: dict[int, int] | None) -> int:
        """Call a host function; what it allocates stays rooted until it returns."""
        self.check_args(native, len(args), len(kw) if kw else 0)
        mark = len(self.temps)
        try:
            result = native.fn(self, list(args), kw or {}) if native.kw else native.fn(self, *args)
        except NATIVE_SLIPS as error:
            self.check_receiver(native, args, error)
            raise
        if result is None:
            result = L.NONE
        del self.temps[mark:]
        if not result & 3:
            self.temps.append(result)
        return result

    def check_receiver(self, native: NativeFunction, args, error: Exception) -> None:
        """Was it a method taken from its type and called on something else that failed?"""
        if native.owners and args:
            t = self.type_of(args[0])
            while t is not None:
                if type(t) in native.owners:
                    return
                t = t.parent_type
            raise NotSimulated(f"{native.name}() called on a {self.type_name(args[0])} object",
                               "the firmware reads foreign memory") from error

    def call_method(self, o: int, name: str, *args: int) -> int:
        """`o.name(*args)`."""
        fun, receiver = self.load_method(o, self.intern(name))
        return self.call(fun, [receiver, *args] if receiver else list(args))

    # --- printing -------------------------------------------------------------------------
    def print_text(self, o: int, kind: int = ops.PRINT_STR) -> str:
        """The text `print` (PRINT_STR) or `repr` (PRINT_REPR) shows."""
        if o == NULL:
            return "(nil)"
        if self.print_stack_used_up():
            if self.print_depth == 0:
                raise self.recursion_error()
            self.print_overflowed = True
            return OVERFLOW
        self.print_depth += 1
        try:
            t = self.type_of(o)
            text = t.print(self, o, kind) if t.print is not None else "<%s>" % t.name
        finally:
            self.print_depth -= 1
        if self.print_overflowed and self.print_depth == 0:
            # The firmware prints as it goes: what stands before the overflow is already out.
            self.print_overflowed = False
            self.printed_before_overflow = text.split(OVERFLOW)[0]
            raise self.recursion_error()
        return text

    print_depth = 0
    print_overflowed = False
    printed_before_overflow = ""

    def recursion_error(self) -> GuestError:
        return self.error("RuntimeError", "maximum recursion depth exceeded", formatted=False)

