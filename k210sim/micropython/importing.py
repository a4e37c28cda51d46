"""Import: built-in modules, the search of sys.path, packages, relative names, weak links.

Files come from `vm.vfs` (None: no file system yet), an object with

    import_stat(path) -> 0 (nothing), 1 (directory) or 2 (file)
    read_file(path) -> bytes          raises GuestError

Modules of the image that are Python are in `vm.frozen`, a dict from file name ("board.py") to
source. Source: micropython v1.11 py/builtinimport.c (order of the search, messages).
"""

from __future__ import annotations

from k210sim.errors import NotSimulated
from k210sim.micropython import layout as L
from k210sim.micropython import mpy
from k210sim.micropython.types import module as modules
from k210sim.micropython.types.dict import key_error
from k210sim.micropython.types.lookup import name_number

NOTHING, DIRECTORY, FILE = 0, 1, 2
# Modules that stand in the image's table under a second name.
SECOND_NAMES = {"time": "utime", "socket": "usocket"}
LONGEST_PATH = 128  # with the final zero byte
R_LOADED, R_PATH = 1, 2  # root pointers of the runtime, see vm.py


def import_name(vm, qstr: int, fromlist: int, level: int) -> int:
    """The `import` statement: name by qstr, fromlist and level as object words."""
    return import_module(vm, (qstr << 2) | 2, fromlist, level >> 1)


def import_module(vm, name_word: int, fromlist: int = L.NONE, level: int = 0,
                  weak: bool = True) -> int:
    """`__import__`: the top package, or the module itself when there is a fromlist.

    `weak`: weak links count. The device was seen to find them in the statement only.
    """
    if level < 0:
        raise vm.error("ValueError")
    name = vm.get_str(name_word)
    if level:
        name = _absolute(vm, name, level)
        qstr = vm.intern(name)
    else:
        qstr = vm.qstr_of(name_word)
    known = find_module(vm, qstr)
    if known:
        if "." not in name or fromlist != L.NONE:
            return known
        return find_module(vm, vm.intern(name.split(".")[0]))
    return _load_chain(vm, name, fromlist, weak)


def find_module(vm, qstr: int) -> int:
    """A module that is loaded or built in, or 0. `__init__` of a built-in one is called once."""
    loaded = vm.dict_get(vm.root(R_LOADED), (qstr << 2) | 2)
    if loaded:
        return loaded
    name = vm.qstrs.text[qstr].decode("utf-8", "surrogateescape")
    if name == "__main__":
        return vm.main_module_word()
    word = builtin_module(vm, name)
    if word:
        _initialise(vm, qstr, word)
    return word


def builtin_module(vm, name: str) -> int:
    """A module of the image by its name, or 0."""
    name = SECOND_NAMES.get(name, name)
    if name == "builtins" or any(m.name == name for m in vm.builtin_modules):
        return vm.modules[name][0]
    return 0


def _initialise(vm, qstr: int, module: int) -> None:
    start = modules.lookup(vm, module, name_number(vm, "__init__"))
    if start:
        vm.call(start, [])
        vm.dict_set(vm.root(R_LOADED), (qstr << 2) | 2, module)


def _absolute(vm, name: str, level: int) -> str:
    """The full name behind a relative one."""
    main_key = (name_number(vm, "__main__") << 2) | 2
    this = vm.dict_get(vm.globals, (name_number(vm, "__name__") << 2) | 2)
    if not this:
        raise key_error(vm, (name_number(vm, "__name__") << 2) | 2)
    if this == main_key:
        this = vm.dict_get(vm.globals, main_key)
        if not this:
            raise key_error(vm, main_key)
    package = vm.text_of(this)
    is_package = bool(vm.dict_get(vm.globals, (name_number(vm, "__path__") << 2) | 2))
    for _ in range(level - 1 if is_package else level):
        package = package.rpartition(".")[0]
    if not package:
        raise vm.error("ValueError", "cannot perform relative import")
    return package + "." + name if name else package


def _load_chain(vm, name: str, fromlist: int, weak: bool) -> int:
    """Find and load each part of a dotted name from the left."""
    path, top, outer, module = "", 0, 0, 0
    parts = name.split(".")
    for i, part in enumerate(parts):
        qstr = vm.intern(".".join(parts[: i + 1]))
        if path:
            kind, path = _stat(vm, _checked(vm, path + "/" + part))
        else:
            kind, path = _search(vm, ".".join(parts[: i + 1]))
        module = 0
        if kind == NOTHING:
            text = ".".join(parts[: i + 1])
            target = vm.weak_links.get(text) if weak and i == len(parts) - 1 else None
            if target is None:
                raise vm.error("ImportError", "no module named '%s'" % text,
                               formatted="no module named '%q'")
            module = vm.modules[target][0]
            _initialise(vm, qstr, module)
        else:
            module = find_module(vm, qstr)
        if not module:
            module = modules.new_module(vm, qstr, vm.root(R_LOADED))
            if kind == DIRECTORY:
                d = modules.module_globals(vm, module)
                vm.dict_set(d, (name_number(vm, "__path__") << 2) | 2, vm.new_str(path))
                found, start = _stat_file(vm, _checked(vm, path + "/__init__.py"))
                if found == FILE:
                    _load_file(vm, module, start)
            else:
                _load_file(vm, module, path)
        if outer:
            vm.store_attr(outer, vm.intern(part), module)
        outer = module
        top = top or module
    return module if fromlist != L.NONE else top


def _checked(vm, path: str) -> str:
    """The firmware's path buffer is fixed; past it it raises RuntimeError without text."""
    if len(path.encode("utf-8", "surrogateescape")) >= LONGEST_PATH:
        raise vm.error("RuntimeError")
    return path


def _search(vm, name: str) -> tuple[int, str]:
    """(kind, path) of a module file or package directory along sys.path."""
    folders = [vm.get_str(word) for word in vm.items_of(vm.root(R_PATH))]
    for folder in folders or [""]:
        kind, path = _stat(vm, _checked(vm, folder + "/" + name if folder else name))
        if kind != NOTHING:
            return kind, path
    return NOTHING, ""


def _stat_any(vm, path: str) -> int:
    if path in vm.frozen:
        return FILE
    if any(name.startswith(path + "/") for name in vm.frozen):
        return DIRECTORY
    return vm.vfs.import_stat(path) if vm.vfs is not None else NOTHING


def _stat(vm, path: str) -> tuple[int, str]:
    """A package directory of that path, or a file of it with an ending."""
    if _stat_any(vm, path) == DIRECTORY:
        return DIRECTORY, path
    return _stat_file(vm, _checked(vm, path + ".py"))


def _stat_file(vm, path: str) -> tuple[int, str]:
    for candidate in (path, path[:-2] + "mpy"):
        if _stat_any(vm, candidate) == FILE:
            return FILE, candidate
    return NOTHING, path


def _load_file(vm, module: int, path: str) -> None:
    """Run a file as the body of a module."""
    d = modules.module_globals(vm, module)
    if path in vm.frozen:
        vm.run_frozen(path, d)
        return
    source = vm.vfs.read_file(path)
    if path[-3] == "m":
        code = vm.load_raw_code(mpy.load(vm, source))
        vm.run_module(vm.make_function(code, d), d, d)
        return
    vm.dict_set(d, (name_number(vm, "__file__") << 2) | 2, vm.new_qstr(path))
    vm.run_source(source, path, "exec", d, d)


def is_package(vm, module: int) -> bool:
    return bool(vm.load_attr_maybe(module, name_number(vm, "__path__")))


def import_from(vm, module: int, qstr: int) -> int:
    """`from module import name`: an attribute, or a submodule of a package."""
    found = vm.load_method_maybe(module, qstr)
    if found is not None and not found[1]:
        return found[0]
    if found is None and is_package(vm, module):
        package = vm.text_of(vm.load_attr(module, name_number(vm, "__name__")))
        full = vm.intern(package + "." + vm.qstrs.text[qstr].decode("utf-8", "surrogateescape"))
        return import_name(vm, full, L.TRUE, 1)
    name = vm.qstrs.text[qstr].decode("utf-8", "surrogateescape")
    raise vm.error("ImportError", "cannot import name %s" % name,
                   formatted="cannot import name %q")


def import_all(vm, module: int) -> None:
    """`from module import *`: every name that does not begin with an underscore."""
    if not vm.is_type(module, "module"):
        raise NotSimulated("from ... import * of an object that is no module",
                           "the firmware reads foreign memory")
    for qstr, value in modules.names(vm, module):
        if not vm.qstrs.text[qstr].startswith(b"_"):
            vm.dict_set(vm.locals, (qstr << 2) | 2, value)
