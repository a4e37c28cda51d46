"""`sys`. The standard streams speak through `vm.stdout` and `vm.stdin_char`.

`vm.stdin_char() -> int` waits for a byte of the console; without it reading raises NotSimulated.
Source: micropython v1.11 py/modsys.c, lib/utils/sys_stdio_mphal.c.
"""

from __future__ import annotations

from k210sim.errors import NotSimulated
from k210sim.micropython import layout as L
from k210sim.micropython import stream_methods, streams
from k210sim.micropython.layout import RAM_BASE
from k210sim.micropython.native import GuestError, GuestModule, GuestType, native
from k210sim.micropython.streams import Protocol
from k210sim.micropython.types.exceptions import traceback_text
from k210sim.micropython.types.namedtuple import AttrTupleConstant

EPERM = 1
VERSION = (0, 6, 3)
R_LOADED, R_PATH, R_ARGV = 1, 2, 3


def _fd(vm, o: int) -> int:
    return vm.words[((o - RAM_BASE) >> 3) + 1]


def _console_bytes(vm, n: int) -> bytes:
    source = getattr(vm, "stdin_char", None)
    if source is None:
        raise NotSimulated("reading sys.stdin", "no console is attached")
    return bytes(source() for _ in range(n))


def _read(vm, o, n):
    if _fd(vm, o) != 0:
        raise vm.os_error(EPERM)
    return _console_bytes(vm, n).replace(b"\r", b"\n")


def _write(vm, o, data):
    if _fd(vm, o) == 0:
        raise vm.os_error(EPERM)
    vm.stdout(bytes(data))
    return len(data)


def _raw_write(vm, o, data):
    # As bytes: line ends are not cooked on this way out.
    vm.raw_stdout(bytes(data))
    return len(data)


@native(4, name="__exit__")
def _no_exit(vm, self, _type, _value, _traceback):
    return L.NONE


@native(1, name="close")
def _identity(vm, self):
    return self


class StandardStreamObject:
    """A stream object of the image: type and file number."""

    def __init__(self, cls: type[GuestType], fd: int):
        self.cls, self.fd, self.words = cls, fd, {}

    def rom_word(self, vm) -> int:
        return vm.rom_alloc(vm.type_of_class(self.cls).word, self.fd)


class _StreamBase(GuestType):
    def print(self, vm, o, kind):
        return "<io.FileIO %d>" % _fd(vm, o)

    def getiter(self, vm, o):
        return o

    iternext = stream_methods.next_line


_METHODS = {
    "read": stream_methods.READ, "readinto": stream_methods.READINTO,
    "readline": stream_methods.READLINE, "readlines": stream_methods.READLINES,
    "write": stream_methods.WRITE, "close": _identity, "__del__": _identity,
    "__enter__": _identity, "__exit__": _no_exit,
}


class BinaryStream(_StreamBase):
    """`sys.stdin.buffer`: bytes, nothing translated."""

    name = "FileIO"
    core_name = "stdio_buffer"
    protocol = Protocol(read=lambda vm, o, n: _console_bytes(vm, n), write=_raw_write)
    constants = dict(_METHODS)


class StandardStream(_StreamBase):
    """stdin, stdout and stderr."""

    name = "FileIO"
    core_name = "stdio"
    protocol = Protocol(read=_read, write=_write, is_text=True)
    constants = {"buffer": StandardStreamObject(BinaryStream, 0), **_METHODS}


module = GuestModule("sys")
module.lazy("path", lambda vm: vm.root(R_PATH))
module.lazy("argv", lambda vm: vm.root(R_ARGV))
module.constant("version", "3.4.0")
module.constant("version_info", (3, 4, 0))
module.constant("implementation", AttrTupleConstant(name="micropython", version=VERSION))
module.constant("platform", "MaixPy")
module.constant("byteorder", "little")
module.constant("maxsize", 0x7FFFFFFF)


@module.function(0, 1, name="exit")
def exit_(vm, *value):
    raise GuestError(vm.make_exception(vm.exception_word("SystemExit"), list(value)))


module.constant("stdin", StandardStreamObject(StandardStream, 0))
module.constant("stdout", StandardStreamObject(StandardStream, 1))
module.constant("stderr", StandardStreamObject(StandardStream, 2))
module.lazy("modules", lambda vm: vm.root(R_LOADED))


@module.function(1, 2)
def print_exception(vm, error, stream=0):
    if stream:
        streams.stream_of(vm, stream, streams.WRITE)
    text = traceback_text(vm, error).encode("utf-8", "surrogateescape")
    if stream:
        streams.write_all(vm, stream, text)
    else:
        vm.stdout(text)
