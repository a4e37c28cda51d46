"""File objects of the /flash volume: `FileIO` (binary) and `TextIOWrapper`.

Source: MaixPy-v1 v0.6.3 port/src/standard_lib/uos/vfs_spiffs_file.c (modes, errors, what
`seek` returns when it fails).
"""

from __future__ import annotations

from k210sim.flash import spiffs_layout as spiffs
from k210sim.flash.spiffs import SpiffsFile, SpiffsVolume
from k210sim.flash.spiffs_layout import SpiffsFailure
from k210sim.micropython import stream_methods, streams
from k210sim.micropython.native import GuestType
from k210sim.micropython.streams import Protocol
from k210sim.micropython.textargs import text_data

ENOENT, EIO, EINVAL = 2, 5, 22
FILE_BYTES = 24  # type, file system, descriptor
NAME_BUFFER = 128
BAD_DESCRIPTOR = -10010
WORD_MASK = 0xFFFFFFFFFFFFFFFF

_MODES = {
    "r": spiffs.O_RDONLY,
    "w": spiffs.O_RDWR | spiffs.O_CREAT | spiffs.O_TRUNC,
    "x": spiffs.O_RDWR | spiffs.O_CREAT | spiffs.O_TRUNC,
    "a": spiffs.O_RDWR | spiffs.O_APPEND,
    "+": spiffs.O_RDWR,
}


class OpenFile:
    """Host state of a file object; `file` is None once it is closed."""

    __slots__ = ("file",)

    def __init__(self, file: SpiffsFile):
        self.file: SpiffsFile | None = file


def _file(vm, o: int) -> SpiffsFile:
    """The open file behind a file object (or an instance derived from one); EIO if closed."""
    file = vm.host(o).file
    if file is None:
        raise vm.os_error(EIO)
    return file


def _read(vm, o: int, n_bytes: int) -> bytes:
    try:
        return _file(vm, o).read(n_bytes)
    except SpiffsFailure:
        raise vm.os_error(EIO) from None


def _write(vm, o: int, data: bytes) -> int:
    try:
        return _file(vm, o).write(data)
    except SpiffsFailure:
        raise vm.os_error(EIO) from None


def _seek(vm, o: int, request: stream_methods.Seek) -> None:
    """A failure is not raised: its number is what `seek` returns, as an unsigned 64-bit one."""
    file = vm.host(o).file
    try:
        if file is None:
            raise SpiffsFailure(BAD_DESCRIPTOR)
        if request.whence in (0, 1, 2):
            request.offset = file.seek(request.offset, request.whence)
        else:
            request.offset = 0
    except SpiffsFailure as failure:
        request.offset = failure.code & WORD_MASK


def _close(vm, o: int) -> None:
    state = vm.host(o)
    file, state.file = state.file, None
    if file is not None:
        try:
            file.close()
        except SpiffsFailure:
            raise vm.os_error(EIO) from None


def _control(vm, o: int, request: int, argument=0) -> int:
    if request == streams.SEEK:
        _seek(vm, o, argument)
    elif request == streams.FLUSH:
        try:
            _file(vm, o).flush()
        except SpiffsFailure:
            raise vm.os_error(EIO) from None
    elif request == streams.CLOSE:
        _close(vm, o)
    else:
        raise vm.os_error(EINVAL)
    return 0


class _FileBase(GuestType):
    def print(self, vm, o, kind):
        return "<io.%s %x>" % (self.name, o)

    def getiter(self, vm, o):
        return o

    iternext = stream_methods.next_line

    def make_new(self, vm, type_word, args, kw):
        # The firmware follows a null file system here and stops.
        raise vm.not_simulated("uio.%s()" % self.name)

    def finalise(self, vm, o, state):
        """A file nobody closed gives its descriptor back when it is collected."""
        if state is not None and state.file is not None:
            file, state.file = state.file, None
            try:
                file.close()
            except SpiffsFailure:
                raise vm.os_error(EIO) from None


class FileIO(_FileBase):
    """A file opened with `b` in its mode."""

    name = "FileIO"
    core_name = "spiffs_fileio"
    protocol = Protocol(read=_read, write=_write, ioctl=_control)
    constants = stream_methods.FILE_METHODS


class TextIOWrapper(_FileBase):
    """A file opened without `b`: reads give str. Nothing is translated."""

    name = "TextIOWrapper"
    core_name = "spiffs_textio"
    protocol = Protocol(read=_read, write=_write, ioctl=_control, is_text=True)
    constants = stream_methods.FILE_METHODS


def stored_name(vm, path: bytes, *, padded: bool = True) -> str:
    """The name on the volume for a path inside it: with one leading slash.

    A path without one is put together in a fresh buffer of 128 bytes on the GC heap (`padded`).
    """
    if path.startswith(b"./"):
        path = path[1:]
    elif not path.startswith(b"/"):
        if padded:
            vm.malloc(NAME_BUFFER)
        path = b"/" + path
    return path.decode("utf-8", "surrogateescape")


def open_file(vm, volume: SpiffsVolume, path: int, mode: int) -> int:
    """A file object; every failure is ENOENT, whatever the reason."""
    name = stored_name(vm, text_data(vm, path).split(b"\0")[0])
    flags, cls = 0, TextIOWrapper
    for letter in text_data(vm, mode).split(b"\0")[0].decode("latin-1"):
        flags |= _MODES.get(letter, 0)
        if letter == "b":
            cls = FileIO
        elif letter == "t":
            cls = TextIOWrapper
    t = vm.type_of_class(cls)
    o = vm.new_object(t.word, FILE_BYTES, finaliser=True)
    try:
        file = volume.open(name, flags)
    except SpiffsFailure:
        vm.free_temp(o, FILE_BYTES)
        raise vm.os_error(ENOENT) from None
    vm.host_values[o] = OpenFile(file)
    return o
