"""`uio`: streams in memory, buffered writing, and the base for streams of the guest's own.

StringIO and BytesIO are 32 bytes (type, pointer to their growing buffer, position, the object
whose data they share); the buffer has a header of 32 bytes. FileIO and TextIOWrapper are the
types of files on /flash.

Source: micropython v1.11 py/objstringio.c, py/modio.c.
"""

from __future__ import annotations

from k210sim.micropython import layout as L
from k210sim.micropython import stream_methods, streams
from k210sim.micropython.layout import RAM_BASE
from k210sim.micropython.native import GuestModule, GuestType, NativeFunction, method
from k210sim.micropython.stream_methods import SEEK_CUR, SEEK_END, SEEK_SET
from k210sim.micropython.streams import Protocol
from k210sim.micropython.textargs import buffer_bytes, buffer_view
from k210sim.micropython.types.array import new_bytearray_at
from k210sim.micropython.types.lookup import name_number
from k210sim.micropython.types.sequence import require
from k210sim.modules.builtins import open_
from k210sim.modules.files import FileIO, TextIOWrapper

EAGAIN, EINVAL = 11, 22
_BUFFER, _POSITION, _SHARED = 1, 2, 3
_ALLOC, _LENGTH, _DATA, _FIXED = 0, 1, 2, 3  # words of the buffer's header
IOBASE_OBJECT = 0x802E0000 + 8 * 40  # in the runtime's state area
_TWO = NativeFunction("", None, 2, 2)


def _header(vm, o: int) -> int:
    """Index of the buffer's header in `vm.words`; ValueError once closed."""
    header = vm.words[((o - RAM_BASE) >> 3) + _BUFFER]
    if not header:
        raise vm.error("ValueError", "I/O operation on closed file")
    return (header - RAM_BASE) >> 3


def _native(vm, o: int) -> int:
    t = vm.type_of(o)
    return t.native_base_object(vm, o) if t.is_user else o


def _read(vm, o, n):
    o = _native(vm, o)
    h, at = _header(vm, o), (o - RAM_BASE) >> 3
    position = vm.words[at + _POSITION]
    n = max(0, min(n, vm.words[h + _LENGTH] - position))
    if not n:
        return b""
    vm.words[at + _POSITION] = position + n
    return vm.memory.read(vm.words[h + _DATA] + position, n)


def _grow(vm, h: int, extra: int) -> None:
    """Room for `extra` bytes past the length, as string buffers grow."""
    words = vm.words
    need = words[h + _LENGTH] + extra
    if need > words[h + _ALLOC]:
        size = ((need + 16) & ~7) + 8
        words[h + _DATA] = vm.realloc(words[h + _DATA], words[h + _ALLOC], size)
        words[h + _ALLOC] = size


def _write(vm, o, data):
    o = _native(vm, o)
    words = vm.words
    h, at = _header(vm, o), (o - RAM_BASE) >> 3
    if words[h + _FIXED]:
        n = words[h + _LENGTH]
        shared = vm.memory.read(words[h + _DATA], n) if n else b""
        words[h + _DATA] = vm.malloc(n) if n else 0
        if n:
            vm.memory.write(words[h + _DATA], shared)
        words[h + _FIXED] = words[at + _SHARED] = 0
    position, length = words[at + _POSITION], words[h + _LENGTH]
    end = position + len(data)
    if end > words[h + _ALLOC]:
        missing = end - words[h + _ALLOC]
        words[h + _LENGTH] = words[h + _ALLOC]
        _grow(vm, h, missing)
        words[h + _LENGTH] = end
    if position > length:
        vm.memory.write(words[h + _DATA] + length, bytes(position - length))
    if data:
        vm.memory.write(words[h + _DATA] + position, data)
    words[at + _POSITION] = end
    words[h + _LENGTH] = max(words[h + _LENGTH], end)
    return len(data)


def _ioctl(vm, o, request, argument):
    o = _native(vm, o)
    words = vm.words
    at = (o - RAM_BASE) >> 3
    if request == streams.FLUSH:
        return 0
    if request == streams.CLOSE:
        header = words[at + _BUFFER]
        if header:
            h = (header - RAM_BASE) >> 3
            if not words[h + _FIXED] and words[h + _DATA]:
                vm.free_temp(words[h + _DATA], words[h + _ALLOC])
            vm.free_temp(header, 32)
        words[at + _BUFFER] = 0
        return 0
    if request != streams.SEEK:
        raise vm.os_error(EINVAL)
    start = {SEEK_CUR: words[at + _POSITION],
             SEEK_END: words[_header(vm, o) + _LENGTH]}.get(argument.whence, 0)
    position = start + argument.offset
    if argument.whence != SEEK_SET and position < 0:
        position = 0
    argument.offset = words[at + _POSITION] = position
    return 0


class StringIOType(GuestType):
    name = "StringIO"
    protocol = Protocol(_read, _write, _ioctl, is_text=True)

    def print(self, vm, o, kind):
        return "<io.%s 0x%x>" % (self.name, o)

    def make_new(self, vm, type_word, args, kw):
        o = vm.new_object(type_word, 32)
        size, data = 16, b""
        if args:
            if vm.is_int(args[0]):
                size = vm.get_int(args[0])
            elif vm.is_str(args[0]) or vm.is_bytes(args[0]):
                return self._share(vm, o, args[0])
            else:
                data = buffer_bytes(vm, args[0])
                size = len(data)
        at = (o - RAM_BASE) >> 3
        # The header is at least one byte's worth of buffer.
        vm.words[at + _BUFFER] = vm.malloc(32)
        h = _header(vm, o)
        alloc = max(size & 0xFFFFFFFFFFFFFFFF, 1)
        vm.words[h + _DATA] = vm.malloc(alloc)
        vm.words[h + _ALLOC] = alloc
        if data:
            _write(vm, o, data)
            vm.words[at + _POSITION] = 0
        return o

    def _share(self, vm, o, source):
        """Reading needs no copy of a str or bytes: it stays with the object until written."""
        at = (o - RAM_BASE) >> 3
        vm.words[at + _BUFFER] = vm.malloc(32)
        h = _header(vm, o)
        addr, n, _, _ = buffer_view(vm, source)
        vm.words[h], vm.words[h + _LENGTH] = n, n
        vm.words[h + _DATA], vm.words[h + _FIXED] = addr, 1
        vm.words[at + _SHARED] = source
        return o

    def getiter(self, vm, o):
        return o

    iternext = stream_methods.next_line

    constants = {"read": stream_methods.READ, "readinto": stream_methods.READINTO,
                 "readline": stream_methods.READLINE, "write": stream_methods.WRITE,
                 "seek": stream_methods.SEEK, "flush": stream_methods.FLUSH,
                 "close": stream_methods.CLOSE}

    @method(1)
    def getvalue(vm, self):
        require(vm, self, StringIOType, "StringIO.getvalue")
        h = _header(vm, self)
        n = vm.words[h + _LENGTH]
        data = vm.memory.read(vm.words[h + _DATA], n) if n else b""
        if vm.type_of(self).protocol.is_text:
            return vm.new_str(data)
        return vm.new_bytes(data)


StringIOType.locals = {**StringIOType.constants, "getvalue": StringIOType.locals["getvalue"],
                       "__enter__": stream_methods.ENTER, "__exit__": stream_methods.EXIT}


class BytesIOType(StringIOType):
    name = "BytesIO"
    protocol = Protocol(_read, _write, _ioctl)
    constants = StringIOType.locals


# --- IOBase ------------------------------------------------------------------------------------
def _own_method(vm, o: int, name: str, data: bytes) -> tuple[int, bytes]:
    """Call the guest's `readinto` or `write` with a bytearray; (its answer, what it holds)."""
    found = vm.load_method(o, name_number(vm, name))
    block = vm.malloc_maybe(len(data)) if data else 0
    if block:
        vm.memory.write(block, data)
    # The array object lies on the firmware's C stack; here it is given back at once.
    array = new_bytearray_at(vm, block, len(data))
    answer = vm.call(found[0], [found[1], array] if found[1] else [array])
    if answer == L.NONE:
        raise vm.os_error(EAGAIN)
    held = vm.memory.read(block, len(data)) if block else b""
    return vm.get_int(answer), held


def _base_read(vm, o, n):
    count, held = _own_method(vm, o, "readinto", bytes(n))
    return held[:count] if count > 0 else b""


def _base_write(vm, o, data):
    return _own_method(vm, o, "write", bytes(data))[0]


def _base_ioctl(vm, o, request, argument):
    found = vm.load_method(o, name_number(vm, "ioctl"))
    number = argument if isinstance(argument, int) else 0
    args = [vm.new_int(request), vm.new_int(number)]
    answer = vm.get_int(vm.call(found[0], [found[1], *args] if found[1] else args))
    if answer < 0:
        raise vm.os_error(-answer)
    return answer


class IOBaseType(GuestType):
    """To derive streams from: the guest's methods readinto, write and ioctl are the stream."""

    name = "IOBase"
    protocol = Protocol(_base_read, _base_write, _base_ioctl)

    def make_new(self, vm, type_word, args, kw):
        # One fixed object serves for all: it holds nothing.
        vm.words[(IOBASE_OBJECT - RAM_BASE) >> 3] = type_word
        return IOBASE_OBJECT


class BufferedWriterType(GuestType):
    """Type, stream, size, bytes waiting, the bytes."""

    name = "BufferedWriter"

    def make_new(self, vm, type_word, args, kw):
        vm.check_args(_TWO, len(args), len(kw))
        size = vm.get_int(args[1])
        o = vm.new_object(type_word, (32 + size) & 0xFFFFFFFFFFFFFFFF)
        at = (o - RAM_BASE) >> 3
        vm.words[at + 1], vm.words[at + 2] = args[0], size
        return o

    constants = {"write": stream_methods.WRITE}

    @method(1)
    def flush(vm, self):
        require(vm, self, BufferedWriterType, "BufferedWriter.flush")
        at = (self - RAM_BASE) >> 3
        waiting = vm.words[at + 3]
        if waiting:
            vm.words[at + 3] = 0
            streams.write_all(vm, vm.words[at + 1], vm.memory.read(self + 32, waiting))


BufferedWriterType.locals = {"write": stream_methods.WRITE,
                             "flush": BufferedWriterType.locals["flush"]}


def _buffered_write(vm, o, data):
    at = (o - RAM_BASE) >> 3
    size, rest = vm.words[at + 2], bytes(data)
    while rest:
        room = size - vm.words[at + 3]
        if len(rest) < room:
            vm.memory.write(o + 32 + vm.words[at + 3], rest)
            vm.words[at + 3] += len(rest)
            break
        if room:
            vm.memory.write(o + 32 + vm.words[at + 3], rest[:room])
        rest = rest[room:]
        streams.write_all(vm, vm.words[at + 1], vm.memory.read(o + 32, size))
        vm.words[at + 3] = 0
    return len(data)


BufferedWriterType.protocol = Protocol(write=_buffered_write)

module = GuestModule("uio")
module.entries["open"] = open_
module.add_type(IOBaseType)
module.add_type(StringIOType)
module.add_type(BytesIOType)
module.add_type(BufferedWriterType)
module.add_type(FileIO)
module.add_type(TextIOWrapper)
