"""Functions, closures, generators, bound methods and code objects."""

from __future__ import annotations

from k210sim.micropython import layout as L
from k210sim.micropython.frames import YIELDED
from k210sim.micropython.layout import NULL, RAM_BASE, TYPE
from k210sim.micropython.native import GuestError, GuestType, method
from k210sim.micropython.types.sequence import require
from k210sim.micropython.types.singletons import generic_unary


class _Hashable(GuestType):
    """Hashed by address, as functions and generators are."""

    def unary_op(self, vm, op, o):
        return generic_unary(op, o)


class NativeFunctionType(_Hashable):
    """A function of the firmware image."""

    core_name = name = "function"

    def print(self, vm, o, kind):
        return "<function>"


class BytecodeFunctionType(_Hashable):
    """A `def` or lambda."""

    core_name = "fun_bc"
    name = "function"

    def print(self, vm, o, kind):
        return "<function %s at 0x%x>" % (vm.function_name(o), o)

    def load_attr(self, vm, o, qstr):
        if qstr == vm.q_name:
            return vm.new_qstr(vm.function_name(o))
        return None


class ClosureType(GuestType):
    """A function with cells of the scopes around it."""

    core_name = name = "closure"

    def print(self, vm, o, kind):
        at = (o - RAM_BASE) >> 3
        n = vm.words[at + 2]
        cells = ["(nil)" if cell == NULL else vm.print_text(cell, 1)
                 for cell in vm.words[at + 3 : at + 3 + n]]
        return "<closure %s at %x, n_closed=%d %s >" % (
            vm.print_text(vm.words[at + 1], 1), o, n, " ".join(cells))

    def load_attr(self, vm, o, qstr):
        if qstr == vm.q_name:
            return vm.new_qstr(vm.function_name(vm.words[((o - RAM_BASE) >> 3) + 1]))
        return None


class CellType(GuestType):
    """A variable shared between scopes; the guest never holds one."""

    core_name = name = "cell"

    def print(self, vm, o, kind):
        inside = vm.words[((o - RAM_BASE) >> 3) + 1]
        shown = "(nil)" if inside == NULL else vm.print_text(inside, 1)
        return "<cell %x %s>" % (inside & 0xFFFFFFFFFFFFFFFF, shown)


class GeneratorFunctionType(_Hashable):
    """A function with `yield` in it."""

    core_name = "gen_wrap"
    name = "generator"

    load_attr = BytecodeFunctionType.load_attr

    def print(self, vm, o, kind):
        return "<generator>"

    def call(self, vm, o, args, kw):
        return vm.new_generator(o, args, kw)


class GeneratorType(_Hashable):
    """A generator that has been called into life."""

    core_name = name = "generator"

    def print(self, vm, o, kind):
        fun = vm.words[((o - RAM_BASE) >> 3) + 2]
        return "<generator object '%s' at %x>" % (vm.function_name(fun), o)

    def getiter(self, vm, o):
        return o

    def iternext(self, vm, o):
        how, value = vm.resume_generator(o, L.NONE)
        if how == YIELDED:
            return value
        if value == NULL or value == L.NONE:
            return NULL
        raise GuestError(vm.make_exception(vm.exception_word("StopIteration"), [value]))

    @method(2)
    def send(vm, self, value):
        require(vm, self, GeneratorType, "generator.send")
        return _resume_and_raise(vm, self, value, 0)

    @method(1)
    def close(vm, self):
        require(vm, self, GeneratorType, "generator.close")
        try:
            how, _ = vm.resume_generator(self, L.NONE, vm.exception_word("GeneratorExit"))
        except GuestError as error:
            if any(vm.exception_match(error.obj, vm.exception_word(n))
                   for n in ("GeneratorExit", "StopIteration")):
                return L.NONE
            raise
        if how == YIELDED:
            raise vm.error("RuntimeError", "generator ignored GeneratorExit", formatted=False)
        return L.NONE

    @method(2)
    def pend_throw(vm, self, exception):
        require(vm, self, GeneratorType, "generator.pend_throw")
        slot = vm.words[((self + L.GEN_CODE_STATE - RAM_BASE) >> 3) + 2]
        if slot == self + L.GEN_CODE_STATE + L.CODE_STATE - 8:
            raise vm.error("TypeError", "can't pend throw to just-started generator")
        at = (slot - RAM_BASE) >> 3
        previous, vm.words[at] = vm.words[at], exception
        return previous

    @method(2, 4)
    def throw(vm, self, kind, value=0, traceback=0):
        require(vm, self, GeneratorType, "generator.throw")
        exc = value if value and value != L.NONE else kind
        return _resume_and_raise(vm, self, L.NONE, exc)



def _resume_and_raise(vm, gen, send, throw):
    how, value = vm.resume_generator(gen, send, throw)
    if how == YIELDED:
        return value
    args = [] if value in (NULL, L.NONE) else [value]
    raise GuestError(vm.make_exception(vm.exception_word("StopIteration"), args))


class BoundMethodType(GuestType):
    """A method together with its object."""

    core_name = name = "bound_method"

    def print(self, vm, o, kind):
        at = (o - RAM_BASE) >> 3
        return "<bound_method %x %s.%s>" % (
            o, vm.print_text(vm.words[at + 2], 1), vm.print_text(vm.words[at + 1], 1))

    def load_attr(self, vm, o, qstr):
        if qstr == vm.q_name:
            fun = vm.words[((o - RAM_BASE) >> 3) + 1]
            if vm.type_word(fun) in (TYPE["fun_bc"], TYPE["gen_wrap"]):
                return vm.new_qstr(vm.function_name(fun))
        return None


class CodeType(GuestType):
    """What `compile()` returns: a module function waiting for its namespaces."""

    core_name = name = "code"

    def print(self, vm, o, kind):
        return "<code>"


class RawCodeType(GuestType):
    """Code of an inner function; only constant tables hold one."""

    core_name = name = "raw_code"


class StopType(GuestType):
    """Marks inside the machine that no guest sees."""

    core_name = name = "stop"


TYPES = [NativeFunctionType, BytecodeFunctionType, ClosureType, CellType, GeneratorFunctionType,
         GeneratorType, BoundMethodType, CodeType, RawCodeType, StopType]
