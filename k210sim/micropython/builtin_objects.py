"""Built-in functions that deal with objects, names, classes and code. `FUNCTIONS` is the table.

Iterators that the firmware keeps on its C stack cost no heap here either.
Source: micropython v1.11 py/modbuiltins.c, py/builtinevex.c, py/objtype.c.
"""

from __future__ import annotations

from k210sim.micropython import importing, ops
from k210sim.micropython import layout as L
from k210sim.micropython.frames import R_LOCALS
from k210sim.micropython.layout import NULL, RAM_BASE, TYPE
from k210sim.micropython.native import GuestError, NativeFunction, native
from k210sim.micropython.textargs import text_data
from k210sim.micropython.types.iterators import stack_iterate
from k210sim.micropython.types.list import sort
from k210sim.micropython.types.lookup import is_subclass, name_number

_CALLABLE = frozenset(TYPE[n] for n in ("function", "fun_bc", "closure", "gen_wrap",
                                        "bound_method", "type"))


# --- iterables ---------------------------------------------------------------------------------
@native(1, name="all")
def all_(vm, o):
    for item in stack_iterate(vm, o):
        if not vm.is_true(item):
            return L.FALSE
    return L.TRUE


@native(1, name="any")
def any_(vm, o):
    for item in stack_iterate(vm, o):
        if vm.is_true(item):
            return L.TRUE
    return L.FALSE


def _extreme(vm, args, kw, op):
    """max and min: keywords `key` and `default`, others are ignored."""
    key_function = kw.get(name_number(vm, "key"), NULL)
    best = best_key = NULL
    held = len(vm.temps)  # two places that root the best so far
    vm.temps += [NULL, NULL]
    for item in stack_iterate(vm, args[0]) if len(args) == 1 else args:
        key = vm.call(key_function, [item]) if key_function else item
        if not best or vm.binary_op(op, key, best_key) == L.TRUE:
            best, best_key = vm.temps[held : held + 2] = item, key
    if best:
        return best
    default = kw.get(name_number(vm, "default"), NULL)
    if not default:
        raise vm.error("ValueError", "arg is an empty sequence")
    return default


@native(1, kw=True, name="max")
def max_(vm, args, kw):
    return _extreme(vm, args, kw, ops.MORE)


@native(1, kw=True, name="min")
def min_(vm, args, kw):
    return _extreme(vm, args, kw, ops.LESS)


@native(1, 2, name="sum")
def sum_(vm, iterable, start=1):
    total = start
    held = len(vm.temps)
    vm.temps.append(total)
    for item in stack_iterate(vm, iterable):
        total = vm.temps[held] = vm.binary_op(ops.ADD, total, item)
    return total


@native(1, kw=True, name="sorted")
def sorted_(vm, args, kw):
    if len(args) > 1:
        raise vm.error("TypeError", "must use keyword argument for key function")
    result = vm.types[TYPE["list"]].make_new(vm, TYPE["list"], args[:1], {})
    sort(vm, result, [], kw)
    return result


@native(1, name="iter")
def iter_(vm, o):
    return vm.getiter(o)


@native(1, name="next")
def next_(vm, o):
    t = vm.type_of(o)
    if t.iternext is not None:
        item = t.iternext(vm, o)
        if not item:
            raise GuestError(vm.make_exception(vm.exception_word("StopIteration"), []))
        return item
    found = vm.load_method_maybe(o, name_number(vm, "__next__"))
    if found is None:
        raise vm.error("TypeError", "'%s' object isn't an iterator" % t.name,
                       formatted="'%s' object isn't an iterator")
    return vm.call(found[0], [found[1]] if found[1] else [])


@native(1, name="len")
def len_(vm, o):
    t = vm.type_of(o)
    result = t.unary_op(vm, ops.LEN, o) if t.unary_op is not None else None
    if not result:
        raise vm.error("TypeError", "object of type '%s' has no len()" % t.name,
                       formatted="object of type '%s' has no len()")
    return result


# --- objects and attributes --------------------------------------------------------------------
@native(1, name="callable")
def callable_(vm, o):
    t = vm.type_of(o)
    if t.is_user:
        return vm.new_bool(t.callable(vm, o))
    return vm.new_bool(vm.type_word(o) in _CALLABLE or t.call is not None)


@native(1, name="id")
def id_(vm, o):
    return vm.new_int(o)


def _attribute(vm, name: int) -> int:
    """The qstr of an attribute's name argument."""
    vm.get_str(name)
    return vm.qstr_of(name)


@native(2, 3, name="getattr")
def getattr_(vm, o, name, default=NULL):
    qstr = _attribute(vm, name)
    if not default:
        return vm.load_attr(o, qstr)
    return vm.load_attr_maybe(o, qstr) or default


@native(3, name="setattr")
def setattr_(vm, o, name, value):
    vm.store_attr(o, _attribute(vm, name), value)


@native(2, name="delattr")
def delattr_(vm, o, name):
    vm.store_attr(o, _attribute(vm, name), NULL)


def _responds(vm, o: int, qstr: int):
    """`load_method_maybe` that takes an AttributeError for no."""
    try:
        return vm.load_method_maybe(o, qstr)
    except GuestError as error:
        if not is_subclass(vm, vm.type_word(error.obj), vm.exception_word("AttributeError")):
            raise
        return None


@native(2, name="hasattr")
def hasattr_(vm, o, name):
    return vm.new_bool(_responds(vm, o, _attribute(vm, name)) is not None)


@native(0, 1, name="dir")
def dir_(vm, o=NULL):
    result = vm.new_list()
    if not o:
        for key, _value in vm.dict_items(vm.locals):
            vm.list_append(result, key)
        return result
    special = name_number(vm, "__dir__")
    mark = len(vm.temps)
    for qstr in range(2, len(vm.qstrs.text)):
        found = _responds(vm, o, qstr)
        if found is not None:
            if qstr == special and found[1]:
                return vm.call(found[0], [found[1]])
            vm.list_append(result, (qstr << 2) | 2)
        del vm.temps[mark:]
    return result


@native(0, name="globals")
def globals_(vm):
    return vm.globals


@native(0, name="locals")
def locals_(vm):
    return vm.locals


def _is_subclass(vm, type_word: int, classes: int) -> int:
    if vm.is_type(classes, "type"):
        wanted = [classes]
    elif vm.is_type(classes, "tuple"):
        wanted = vm.items_of(classes)
    else:
        raise vm.error("TypeError",
                       "issubclass() arg 2 must be a class or a tuple of classes")
    return vm.new_bool(any(w == TYPE["object"] or is_subclass(vm, type_word, w) for w in wanted))


@native(2, name="isinstance")
def isinstance_(vm, o, classes):
    return _is_subclass(vm, vm.type_word(o), classes)


@native(2, name="issubclass")
def issubclass_(vm, o, classes):
    if not vm.is_type(o, "type"):
        raise vm.error("TypeError", "issubclass() arg 1 must be a class")
    return _is_subclass(vm, o, classes)


@native(2, None, name="__build_class__")
def build_class(vm, body, name, *bases):
    """Run a class body in a new dict, then make the class by calling its metaclass."""
    outer = vm.R[R_LOCALS]
    members = vm.new_dict(0)
    vm.set_locals(members)
    # As on the device, an exception in the body leaves the namespace where it is.
    cell = vm.call(body, [])
    vm.set_locals(outer)
    meta = vm.type_word(bases[0]) if bases else TYPE["type"]
    made = vm.call(meta, [name, vm.new_tuple(bases), members])
    if cell != L.NONE:
        vm.words[(cell + L.CELL_VALUE - RAM_BASE) >> 3] = made
    return made


@native(1, name="__repl_print__")
def repl_print(vm, o):
    if o != L.NONE:
        vm.write(vm.print_text(o, ops.PRINT_REPR) + "\n")


@native(1, 5, name="__import__")
def import_(vm, name, globals_word=L.NONE, locals_word=L.NONE, fromlist=L.NONE, level=1):
    text_data(vm, name)
    return importing.import_module(vm, name, fromlist, level >> 1, weak=False)


# --- code --------------------------------------------------------------------------------------
@native(3, 6, name="compile")
def compile_(vm, source, filename, mode, *_ignored):
    text = text_data(vm, source)
    text_data(vm, filename)
    file = vm.qstrs.text[vm.qstr_of(filename)].decode("utf-8", "surrogateescape")
    text_data(vm, mode)
    kind = vm.qstrs.text[vm.qstr_of(mode)].decode("utf-8", "surrogateescape")
    if kind not in ("single", "exec", "eval"):
        raise vm.error("ValueError", "bad compile mode")
    o = vm.new_object(TYPE["code"], 16)
    vm.words[((o - RAM_BASE) >> 3) + 1] = vm.compile_module(text, file, kind)
    return o


def _namespaces(vm, given) -> tuple[int, int]:
    """Globals and locals for eval and exec; TypeError for what is no dict."""
    globals_word, locals_word = vm.globals, vm.locals
    for i, o in enumerate(given):
        if o != L.NONE:
            if not vm.is_type(o, "dict"):
                raise vm.error("TypeError")
            locals_word = o
            if i == 0:
                globals_word = o
    return globals_word, locals_word


def _run(vm, source, given, mode):
    globals_word, locals_word = _namespaces(vm, given)
    if vm.is_type(source, "code"):
        function = vm.words[((source - RAM_BASE) >> 3) + 1]
        return vm.run_module(function, globals_word, locals_word)
    return vm.run_source(text_data(vm, source), "<string>", mode, globals_word, locals_word)


@native(1, 3, name="eval")
def eval_(vm, source, *namespaces):
    return _run(vm, source, namespaces, "eval")


@native(1, 3, name="exec")
def exec_(vm, source, *namespaces):
    return _run(vm, source, namespaces, "exec")


@native(1, 3, name="execfile")
def execfile(vm, path, *namespaces):
    globals_word, locals_word = _namespaces(vm, namespaces)
    if vm.is_type(path, "code"):
        return vm.run_module(vm.words[((path - RAM_BASE) >> 3) + 1], globals_word, locals_word)
    name = text_data(vm, path).decode("utf-8", "surrogateescape")
    if vm.vfs is None:
        raise vm.os_error(19)
    vm.intern(name)
    return vm.run_source(vm.vfs.read_file(name), name, "exec", globals_word, locals_word)


FUNCTIONS: dict[str, NativeFunction] = {f.name: f for f in (
    all_, any_, build_class, callable_, compile_, delattr_, dir_, eval_, exec_, execfile,
    getattr_, globals_, hasattr_, id_, import_, isinstance_, issubclass_, iter_, len_, locals_,
    max_, min_, next_, repl_print, setattr_, sorted_, sum_,
)}
