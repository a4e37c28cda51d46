"""How host code offers functions, types and modules to the guest.

Everything the guest can reach is declared here explicitly; there is no path from a guest name to
a host attribute.

A **function** takes the virtual machine and object words and returns an object word (or None,
meaning guest `None`)::

    @native(2)                       # exactly two arguments
    def compare(vm, a, b): ...

    @native(1, 3)                    # one to three: missing ones are not passed
    def sleep(vm, a, b=0, c=0): ...

    @native(1, None)                 # one or more
    def print_all(vm, *args): ...

    @native(1, kw=True)              # MicroPython's "KW" functions: (vm, args, kw)
    def load(vm, args, kw): ...      # args: list of words; kw: dict qstr number -> word

Wrong argument counts raise the firmware's TypeError before the function is entered. KW functions
with a parser call `vm.parse_args(args, kw, spec)`.

A **type** is a class derived from `GuestType`; its docstring says what it is. Slots that it does
not define do not exist for the guest. Methods are `@method(...)`-decorated plain functions whose
first parameter after `vm` is the object::

    class KpuNet(GuestType):
        name = "kpu_net"

        @method(1)
        def model_size(vm, self): return vm.new_int(vm.host(self).size)

        def print(self, vm, o, kind): return "{...}"

Host state of an object: allocate it with `vm.new_host_object(type, host_value, n_bytes)`; it is
a real block on the GC heap, `vm.host(o)` gives the host value back, and the value is dropped when
the block is collected (a type with `finalise(self, vm, o, host_value)` is told first).

A **module** is a `GuestModule` with a table of names, in `dir()` order::

    module = GuestModule("utime")
    @module.function(1)
    def sleep_ms(vm, ms): ...
    module.constant("VERSION", 3)             # int, float, str, bytes, tuple, None
    module.add_type(KpuNet)
    module.lazy("path", lambda vm: word)      # made when the runtime starts

Errors: `raise vm.error("ValueError", "text")`; `raise vm.os_error(2)`. Guest objects held in
host variables across an allocation are safe until the native function returns (the VM roots
everything allocated meanwhile); what is kept longer goes into a guest object or `vm.keep(word)`.

Long host loops call `vm.checkpoint()` now and then so that Ctrl-C and budgets work; waiting is
`vm.delay_ns(ns)`; `vm.charge_ns(ns)` lets virtual time pass.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar


class GuestError(Exception):
    """A guest exception on its way up; `obj` is the exception object's word."""

    def __init__(self, obj: int):
        self.obj = obj


class NativeFunction:
    """A host function the guest may call; see the module docstring."""

    __slots__ = ("name", "fn", "min_args", "max_args", "kw", "kind", "owners")

    def __init__(self, name: str, fn: Callable, min_args: int, max_args: int | None,
                 kw: bool = False, kind: str = "function"):
        self.name, self.fn = name, fn
        self.min_args, self.max_args, self.kw = min_args, max_args, kw
        self.kind = kind  # "function", "static" or "class"
        self.owners: frozenset[type[GuestType]] = frozenset()  # types that have it as a method


class _Default:
    pass


def native(min_args: int, max_args: int | None | type = _Default, *, kw: bool = False,
           name: str = "", kind: str = "function"):
    """Declare a function; `max_args` defaults to `min_args` (to any number for KW functions)."""

    def wrap(fn) -> NativeFunction:
        most = (None if kw else min_args) if max_args is _Default else max_args
        return NativeFunction(name or fn.__name__, fn, min_args, most, kw, kind)

    return wrap


method = native


class GuestType:
    """A built-in type. Subclasses define what exists; `None` slots do not.

    print(self, vm, o, kind) -> str        kind: ops.PRINT_*
    make_new(self, vm, type_word, args, kw) -> word
    unary_op(self, vm, op, o) -> word | None          None: unsupported
    binary_op(self, vm, op, a, b) -> word | None
    load_attr(self, vm, o, qstr) -> word | None       None: look in the methods
    store_attr(self, vm, o, qstr, value) -> bool      value 0 deletes; False: no such attribute
    subscr(self, vm, o, index, value) -> word | None  value SENTINEL loads, 0 deletes
    getiter(self, vm, o) -> word
    iternext(self, vm, o) -> word                     0 at the end
    call(self, vm, o, args, kw) -> word
    buffer(self, vm, o) -> (address, length in bytes, typecode: str, writable: bool)
    finalise(self, vm, o, host_value)                 the block is about to be freed
    """

    name: ClassVar[str] = ""
    parent: ClassVar[type[GuestType] | None] = None
    locals: ClassVar[dict[str, Any]] = {}

    print: Any = None
    make_new: Any = None
    unary_op: Any = None
    binary_op: Any = None
    load_attr: Any = None
    store_attr: Any = None
    subscr: Any = None
    getiter: Any = None
    iternext: Any = None
    call: Any = None
    buffer: Any = None
    finalise: Any = None

    is_user = False
    word = 0  # address of the type object; set when the runtime installs the type
    table: dict[int, int]  # qstr number -> word: methods and class attributes

    def __init_subclass__(cls, **kw):
        super().__init_subclass__(**kw)
        own = {v.name if isinstance(v, NativeFunction) else k: v
               for k, v in vars(cls).items() if isinstance(v, NativeFunction)}
        cls.locals = {**own, **vars(cls).get("constants", {})}


class GuestModule:
    """A built-in module: an ordered table of names."""

    def __init__(self, name: str, *, shown_name: str = ""):
        self.name = name
        self.shown_name = shown_name or name  # `__name__`, where the firmware's differs
        self.entries: dict[str, Any] = {}
        self.word = 0
        self.table: dict[int, int] = {}
        self.on_init: Callable | None = None  # called as on_init(vm) at (soft) reset

    def function(self, min_args: int, max_args: int | None | type = _Default, *,
                 kw: bool = False, name: str = ""):
        def wrap(fn):
            declared = native(min_args, max_args, kw=kw, name=name)(fn)
            self.entries[declared.name] = declared
            return fn

        return wrap

    def constant(self, name: str, value: Any) -> None:
        self.entries[name] = value

    def add_type(self, cls: type[GuestType], name: str = "") -> None:
        self.entries[name or cls.name] = cls

    def lazy(self, name: str, make: Callable[[Any], int]) -> None:
        self.entries[name] = Lazy(make)

    def init(self, fn):
        """Decorator: run `fn(vm)` whenever the runtime starts afresh (soft reset too)."""
        self.on_init = fn
        return fn


class Lazy:
    """An entry whose word is made at start, by `make(vm)`."""

    def __init__(self, make):
        self.make = make


class Arg:
    """One parameter for `vm.parse_args`: name, kind 'int' | 'bool' | 'obj', default.

    `required` must be given; `kw_only` cannot be given by position. A default of `Arg.NONE` gives
    None for a missing argument. 'int' values come out as host ints, 'bool' as host bools, 'obj'
    as words.
    """

    __slots__ = ("name", "kind", "default", "required", "kw_only")

    def __init__(self, name: str, kind: str = "obj", default: Any = None, *,
                 required: bool = False, kw_only: bool = False):
        self.name, self.kind, self.default = name, kind, default
        self.required, self.kw_only = required, kw_only
