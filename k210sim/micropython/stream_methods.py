"""The methods every stream type has: read, write, seek and so on, over its `Protocol`.

Use them in a type's body under their names (`read = stream_methods.READ`), and
`iternext = stream_methods.next_line` for iteration by lines.
Source: micropython v1.11 py/stream.c (buffer sizes, what a non-blocking stream gives).
"""

from __future__ import annotations

from k210sim.micropython import layout as L
from k210sim.micropython import streams
from k210sim.micropython.native import GuestError, native
from k210sim.micropython.textargs import buffer_bytes, writable_view
from k210sim.micropython.types.exceptions import value_of
from k210sim.micropython.vstr import Vstr

READ_ALL_STEP = 256
EAGAIN, EINVAL = 11, 22
SEEK_SET, SEEK_CUR, SEEK_END = 0, 1, 2


class Seek:
    """Argument of the SEEK request: offset and whence; the ioctl leaves the new offset in it."""

    __slots__ = ("offset", "whence")

    def __init__(self, offset: int, whence: int):
        self.offset, self.whence = offset, whence


def _would_block(vm, error: GuestError) -> bool:
    return (vm.type_word(error.obj) == vm.exception_word("OSError")
            and value_of(vm, error.obj) == (EAGAIN << 1) | 1)


def _protocol(vm, o: int, needs: int) -> streams.Protocol:
    return streams.stream_of(vm, o, needs)


def _content(p: streams.Protocol) -> str:
    return "str" if p.is_text else "bytes"


def _read_part(vm, o: int, p: streams.Protocol, n: int) -> bytes | None:
    """One read; None where the stream would block."""
    try:
        return p.read(vm, o, n)
    except GuestError as error:
        if not _would_block(vm, error):
            raise
        return None


def _read_fully(vm, o: int, p: streams.Protocol, n: int) -> tuple[bytes, bool]:
    """Up to n bytes until the end; (data, blocked before anything came)."""
    data = bytearray()
    while len(data) < n:
        part = _read_part(vm, o, p, n - len(data))
        if part is None:
            return bytes(data), not data
        if not part:
            break
        data += part
    return bytes(data), False


def read_all(vm, o: int) -> int:
    """Everything to the end, as str or bytes; None's word where nothing came without waiting."""
    p = _protocol(vm, o, streams.READ)
    buffer = Vstr(vm, READ_ALL_STEP)
    wanted = READ_ALL_STEP
    while True:
        part = _read_part(vm, o, p, wanted)
        if part is None and not buffer.data:
            return L.NONE
        if not part:
            break
        buffer.data += part
        if len(part) < wanted:
            wanted -= len(part)
        else:
            # The buffer grows by what the next read may give.
            grown = buffer.alloc + READ_ALL_STEP
            buffer.addr = vm.realloc(buffer.addr, buffer.alloc, grown)
            buffer.alloc, wanted = grown, READ_ALL_STEP
    return buffer.finish(_content(p))


def _read_text(vm, o: int, p: streams.Protocol, n_chars: int) -> int:
    """So many characters, reading no byte too far."""
    buffer = Vstr(vm, n_chars)
    missing = n_chars
    while missing > 0:
        buffer.reserve(missing)
        part, blocked = _read_fully(vm, o, p, missing)
        if blocked:
            if not buffer.data:
                buffer.clear()
                return L.NONE
            break
        buffer.data += part
        if len(part) < missing:
            break
        missing = _missing(bytes(buffer.data), n_chars)
    return buffer.finish("str")


def _missing(data: bytes, n_chars: int) -> int:
    """Bytes still to read for n characters: those that complete the last one, and one each."""
    at = chars = 0
    while at < len(data):
        b = data[at]
        size = 1 if b < 0x80 else 2 if b >> 5 == 6 else 3 if b >> 4 == 14 else \
            4 if b >> 3 == 30 else 5
        if at + size > len(data):
            return at + size - len(data) + n_chars - chars - 1
        at += size
        chars += 1
    return n_chars - chars


@native(1, 2, name="read")
def READ(vm, self, size=-1):
    n = vm.get_int(size)
    if n == -1:
        return read_all(vm, self)
    p = _protocol(vm, self, streams.READ)
    if n < 0:
        raise vm.memory_error(n & 0xFFFFFFFFFFFFFFFF)
    if p.is_text:
        return _read_text(vm, self, p, n)
    buffer = Vstr(vm, n + 1)
    part, blocked = _read_fully(vm, self, p, n)
    if blocked:
        buffer.clear()
        return L.NONE
    buffer.data += part
    return buffer.finish("bytes")


def write(vm, o: int, data: bytes) -> int:
    """Write all; the number of bytes, or None's word where the stream would block."""
    try:
        return (streams.write_all(vm, o, data) << 1) | 1
    except GuestError as error:
        if not _would_block(vm, error):
            raise
        return L.NONE


@native(2, 4, name="write")
def WRITE(vm, self, data, first=0, second=0):
    content = buffer_bytes(vm, data)
    if second:
        content = content[max(vm.get_int(first), 0):]
        first = second
    if first:
        n = vm.get_int(first)
        content = content[:n] if n >= 0 else content
    return write(vm, self, content)


@native(2, 3, name="readinto")
def READINTO(vm, self, target, size=0):
    addr, n, _, _ = writable_view(vm, target)
    if size:
        wanted = vm.get_int(size)
        n = min(n, wanted) if wanted >= 0 else n
    part, blocked = _read_fully(vm, self, _protocol(vm, self, streams.READ), n)
    if blocked:
        return L.NONE
    if part:
        vm.memory.write(addr, part)
    return (len(part) << 1) | 1


def read_line(vm, o: int, longest: int = -1) -> int:
    """A line with its end, at most `longest` bytes if that is not -1, read byte by byte."""
    p = _protocol(vm, o, streams.READ)
    buffer = Vstr(vm, 16 if longest == -1 else longest)
    while longest == -1 or len(buffer.data) < longest:
        buffer.reserve(1)
        part = _read_part(vm, o, p, 1)
        if part is None and not buffer.data:
            buffer.clear()
            return L.NONE
        if not part:
            break
        buffer.data += part
        if part == b"\n":
            break
    return buffer.finish(_content(p))


@native(1, 2, name="readline")
def READLINE(vm, self, size=-1):
    return read_line(vm, self, size >> 1)


@native(1, name="readlines")
def READLINES(vm, self):
    lines = vm.new_list()
    while True:
        line = read_line(vm, self)
        if not vm.is_true(line):
            return lines
        vm.list_append(lines, line)


def next_line(_type, vm, o: int) -> int:
    """`iternext` of a stream type."""
    line = read_line(vm, o)
    return line if vm.is_true(line) else L.NULL


def control(vm, o: int, request: int, argument=0) -> int:
    """An ioctl; raises what the stream raises."""
    return _protocol(vm, o, streams.IOCTL).ioctl(vm, o, request, argument)


@native(1, name="close")
def CLOSE(vm, self):
    control(vm, self, streams.CLOSE)


@native(1, name="flush")
def FLUSH(vm, self):
    control(vm, self, streams.FLUSH)


def seek(vm, o: int, offset: int, whence: int) -> int:
    request = Seek(offset, whence)
    control(vm, o, streams.SEEK, request)
    return vm.new_int(request.offset)


@native(2, 3, name="seek")
def SEEK(vm, self, offset, whence=1):
    to, mode = vm.get_int(offset), vm.get_int(whence)
    if mode == SEEK_SET and to < 0:
        raise vm.os_error(EINVAL)
    return seek(vm, self, to, mode)


@native(1, name="tell")
def TELL(vm, self):
    return seek(vm, self, 0, SEEK_CUR)


@native(1, name="__enter__")
def ENTER(vm, self):
    return self


@native(4, name="__exit__")
def EXIT(vm, self, _type, _value, _traceback):
    control(vm, self, streams.CLOSE)


# What a file of any volume has, in the order in which `dir()` shows it.
FILE_METHODS = {
    "read": READ, "readinto": READINTO,
    "readline": READLINE, "readlines": READLINES,
    "write": WRITE, "flush": FLUSH, "close": CLOSE,
    "seek": SEEK, "tell": TELL, "__del__": CLOSE,
    "__enter__": ENTER, "__exit__": EXIT,
}  # fmt: skip
