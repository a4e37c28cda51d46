"""`uzlib`: decompression of zlib, gzip and raw deflate data.

Buffers grow on the guest's heap as the firmware's do, so output is bounded by the heap. A DecompIO
takes the window bits of a zlib header for its dictionary as they stand there, 8 too few, as the
firmware does: its dictionary is 128 bytes at most and matches further back fail. Source:
micropython v1.11 extmod/moduzlib.c, extmod/uzlib (error numbers, header checks, buffer sizes).
"""

from __future__ import annotations

import zlib

from k210sim.micropython import stream_methods, streams
from k210sim.micropython.layout import RAM_BASE, TYPE, small_int
from k210sim.micropython.native import GuestError, GuestModule, GuestType, NativeFunction
from k210sim.micropython.textargs import buffer_bytes
from k210sim.modules.inflate import CHECKSUM_ERROR, DATA_ERROR, BadData, Inflater

module = GuestModule("uzlib")

STATE_BYTES = 1312  # the inflater with its two trees
OBJECT_BYTES = 1336
STEP = 256  # how much an output buffer grows by
EINVAL = 22
_ONE_OR_TWO = NativeFunction("DecompIO", None, 1, 2)


def zlib_window(first: int, second: int) -> int:
    """Window bits (less 8) of a zlib header; BadData for a wrong one."""
    if (256 * first + second) % 31 or first & 15 != 8 or first >> 4 > 7 or second & 0x20:
        raise BadData(DATA_ERROR)
    return first >> 4


def skip_gzip_header(read) -> None:
    """Read a gzip header byte by byte; BadData for a wrong one."""
    if read() != 0x1F or read() != 0x8B or read() != 8:
        raise BadData(DATA_ERROR)
    flags = read()
    if flags & 0xE0:
        raise BadData(DATA_ERROR)
    for _ in range(6):
        read()
    if flags & 4:
        for _ in range(read() | read() << 8):
            read()
    for flag in (8, 16):
        if flags & flag:
            while read():
                pass
    if flags & 2:
        read()
        read()


def _error(vm, code: int) -> GuestError:
    return GuestError(vm.make_exception(vm.exception_word("ValueError"), [small_int(code)]))


@module.function(1, 3)
def decompress(vm, data, window=0, size_hint=0):
    raw = buffer_bytes(vm, data)
    state = vm.malloc(STATE_BYTES)
    room = (len(raw) + 15) & ~15
    addr = vm.malloc(room)
    wrapped = not (window and window & 1 and window >> 1 < 0)
    source = iter(raw)
    inflater = Inflater(lambda: next(source, None))
    out = bytearray()
    try:
        if wrapped:
            zlib_window(inflater.byte(), inflater.byte())
        while True:
            out += inflater.read(room - len(out))
            if len(out) < room:
                break
            addr = vm.realloc(addr, room, room + STEP)
            room += STEP
            vm.checkpoint()
        if wrapped:
            check = bytes(inflater.byte() for _ in range(4))
            if int.from_bytes(check, "big") != zlib.adler32(out):
                raise BadData(CHECKSUM_ERROR)
    except BadData as error:
        raise _error(vm, error.code) from None
    addr = vm.realloc(addr, room, len(out))
    if out:
        vm.memory.write(addr, out)
    o = vm.new_object(TYPE["bytearray"], 32)
    at = (o - RAM_BASE) >> 3
    vm.words[at + 1], vm.words[at + 2], vm.words[at + 3] = 1, len(out), addr
    vm.free_temp(state, STATE_BYTES)
    return o


class _Source:
    """Decompresses from a guest stream, reading no more of it than needed."""

    def __init__(self, vm, stream: int):
        self.vm, self.stream = vm, stream
        self.inflater = Inflater(self.byte)
        self.checksum, self.check = 0, ""  # running value, and which: "adler", "crc" or none
        self.done = False

    def byte(self) -> int:
        """The next byte of the stream; EOFError at its end."""
        vm = self.vm
        data = streams.stream_of(vm, self.stream, streams.READ).read(vm, self.stream, 1)
        if not data:
            raise vm.error("EOFError")
        return data[0]

    def read(self, n_bytes: int) -> bytes:
        """Up to so many decompressed bytes, b"" at the end; BadData for broken input."""
        if self.done:
            return b""
        out = self.inflater.read(n_bytes)
        if self.check == "adler":
            self.checksum = zlib.adler32(out, self.checksum)
        elif self.check == "crc":
            self.checksum = zlib.crc32(out, self.checksum)
        if self.inflater.done:
            self.done = True
            if self.check:
                self._compare()
        return out

    def _compare(self) -> None:
        trailer = bytes(self.byte() for _ in range(4))
        if int.from_bytes(trailer, "big" if self.check == "adler" else "little") != self.checksum:
            raise BadData(CHECKSUM_ERROR)
        if self.check == "crc":
            for _ in range(4):
                self.byte()


def _read(vm, o: int, n_bytes: int) -> bytes:
    try:
        return vm.host(o).read(n_bytes)
    except BadData:
        raise vm.os_error(EINVAL) from None


class DecompIO(GuestType):
    """A stream that decompresses another one."""

    name = "DecompIO"
    protocol = streams.Protocol(read=_read)

    def make_new(self, vm, type_word, args, kw):
        vm.check_args(_ONE_OR_TWO, len(args), len(kw))
        streams.stream_of(vm, args[0], streams.READ)
        source = _Source(vm, args[0])
        o = vm.new_host_object(self, source, OBJECT_BYTES)
        vm.words[((o - RAM_BASE) >> 3) + 1] = args[0]
        option = vm.get_int(args[1]) if len(args) > 1 else 0
        try:
            if option >= 16:
                skip_gzip_header(source.byte)
                source.check = "crc"
                size = 1 << min(option - 16, 62)
            elif option >= 0:
                size = 1 << zlib_window(source.byte(), source.byte())
                source.check, source.checksum = "adler", 1
            else:
                size = 1 << min(-option, 62)
        except BadData:
            raise vm.error("ValueError", "compression header", formatted=False) from None
        source.inflater.window = size
        vm.words[((o - RAM_BASE) >> 3) + 2] = vm.malloc(size)
        return o

    constants = {"read": stream_methods.READ, "readinto": stream_methods.READINTO,
                 "readline": stream_methods.READLINE}


module.add_type(DecompIO)
