"""`uos.VfsFat`: the FAT file system of the card in the SD slot, mounted at /sd by the firmware.

A FAT volume on a block device of the guest's own is not simulated.
Source: micropython v1.11 extmod/vfs_fat.c, vfs_fat_file.c (errors, what stat gives).
"""

from __future__ import annotations

from k210sim.micropython import layout as L
from k210sim.micropython import stream_methods, streams
from k210sim.micropython.native import GuestError, GuestType, method
from k210sim.micropython.streams import Protocol
from k210sim.micropython.textargs import text_data
from k210sim.modules.vfs import DIRECTORY, FILE, NOTHING
from k210sim.sd import folder as fat
from k210sim.sd.folder import FatFailure, FolderCard

EINVAL, ENOTDIR, EISDIR, EIO = 22, 20, 21, 5
DIRECTORY_MODE, FILE_MODE = 0x4000, 0x8000
CARD_OBJECT_BYTES = 1104  # with its sector buffer; a guess
FILE_BYTES = 592  # with its sector buffer; a guess
ITERATOR_BYTES = 80
NS_PER_BYTE = 500  # a guess: about 2 MB/s

_ERRNO = {fat.DISK_ERR: EIO, fat.NO_FILE: 2, fat.NO_PATH: 2, fat.INVALID_NAME: EINVAL,
          fat.DENIED: 13, fat.EXIST: 17, fat.INVALID_OBJECT: EINVAL}
_MODES = {"r": fat.READ, "w": fat.WRITE | fat.CREATE_ALWAYS, "x": fat.WRITE | fat.CREATE_NEW,
          "a": fat.WRITE | fat.OPEN_ALWAYS, "+": fat.READ | fat.WRITE}


def os_error(vm, failure: FatFailure) -> GuestError:
    return vm.os_error(_ERRNO.get(failure.result, EIO))


def _card(vm, o: int) -> FolderCard:
    if not vm.is_instance_of(o, VfsFat):
        raise vm.error("TypeError", "k210sim: '%s' is no VfsFat; the board does not check"
                       % vm.type_name(o))
    return vm.host(o)


def _path(vm, word: int) -> str:
    return text_data(vm, word).split(b"\0")[0].decode("utf-8", "surrogateescape")


# --- files ---------------------------------------------------------------------------------------
class OpenFile:
    """Host state of a file object; `file` is None once it is closed."""

    def __init__(self, file, mode: int):
        self.file, self.mode = file, mode

    def __reduce__(self):
        if self.file is not None:
            raise TypeError("a file on the SD card is open")
        return OpenFile, (None, self.mode)


def _file(vm, o: int, needs: int = 0) -> OpenFile:
    state = vm.host(o)
    if state.file is None:
        raise vm.os_error(EINVAL)
    if needs and not state.mode & needs:
        raise vm.os_error(_ERRNO[fat.DENIED])
    return state


def _read(vm, o, n):
    try:
        data = _file(vm, o, fat.READ).file.read(n) or b""
    except OSError:
        raise vm.os_error(EIO) from None
    vm.charge_ns(len(data) * NS_PER_BYTE)
    return data


def _write(vm, o, data):
    try:
        done = _file(vm, o, fat.WRITE).file.write(data)
    except OSError:
        raise vm.os_error(EIO) from None
    vm.charge_ns(done * NS_PER_BYTE)
    return done


def _seek(state: OpenFile, request: stream_methods.Seek) -> None:
    """Beyond its end a file grows when it is open for writing; otherwise the end is the limit."""
    file = state.file
    here, size = file.tell(), file.seek(0, 2)
    target = max({0: 0, 1: here, 2: size}.get(request.whence, here) + request.offset, 0)
    if not state.mode & fat.WRITE:
        target = min(target, size)
    elif target > size:
        file.truncate(target)
    request.offset = file.seek(target)


def _control(vm, o, request, argument=0):
    if request == streams.CLOSE:
        state = vm.host(o)
        file, state.file = state.file, None
        if file is not None:
            file.close()
        return 0
    state = _file(vm, o)
    try:
        if request == streams.SEEK:
            _seek(state, argument)
        elif request != streams.FLUSH:
            raise vm.os_error(EINVAL)
    except OSError:
        raise vm.os_error(EIO) from None
    return 0


class _FatFile(GuestType):
    def print(self, vm, o, kind):
        return "<io.%s %x>" % (self.name, o)

    def getiter(self, vm, o):
        return o

    iternext = stream_methods.next_line

    def finalise(self, vm, o, state):
        if state is not None and state.file is not None:
            state.file.close()
            state.file = None


_METHODS = {
    "read": stream_methods.READ, "readinto": stream_methods.READINTO,
    "readline": stream_methods.READLINE, "readlines": stream_methods.READLINES,
    "write": stream_methods.WRITE, "flush": stream_methods.FLUSH, "close": stream_methods.CLOSE,
    "seek": stream_methods.SEEK, "tell": stream_methods.TELL, "__del__": stream_methods.CLOSE,
    "__enter__": stream_methods.ENTER, "__exit__": stream_methods.EXIT,
}  # fmt: skip


class FatFileIO(_FatFile):
    name = "FileIO"
    core_name = "fat_fileio"
    protocol = Protocol(read=_read, write=_write, ioctl=_control)
    constants = _METHODS


class FatTextIOWrapper(_FatFile):
    name = "TextIOWrapper"
    core_name = "fat_textio"
    protocol = Protocol(read=_read, write=_write, ioctl=_control, is_text=True)
    constants = _METHODS


# --- the volume ----------------------------------------------------------------------------------
class FatListing(GuestType):
    """What `ilistdir` gives: (name, type, 0, size)."""

    name = "iterator"
    core_name = "fat_listing"

    def getiter(self, vm, o):
        return o

    def iternext(self, vm, o):
        entries, as_str = vm.host(o)
        if not entries:
            return L.NULL
        entry = entries.pop(0)
        t = vm.new_tuple([L.NONE] * 4)
        text = entry.name.encode("utf-8", "surrogateescape")
        items = (vm.new_str(text) if as_str else vm.new_heap_str(text, "bytes"),
                 vm.new_int(DIRECTORY_MODE if entry.is_dir else FILE_MODE), vm.new_int(0),
                 vm.new_int(entry.size))
        for i, item in enumerate(items):
            vm.memory.set_word(t + L.TUPLE_ITEMS + 8 * i, item)
        return t


def _unlink(vm, o: int, path: int, wants_dir: bool) -> None:
    card, name = _card(vm, o), _path(vm, path)
    if card.stat(name).is_dir != wants_dir:
        raise vm.os_error(ENOTDIR if wants_dir else EISDIR)
    card.unlink(name)


def guarded(fn):
    """Failures of the card become OSErrors of the guest."""

    def call(vm, *args):
        try:
            return fn(vm, *args)
        except FatFailure as failure:
            raise os_error(vm, failure) from None

    call.__name__ = fn.__name__
    return call


class VfsFat(GuestType):
    """The card's file system."""

    name = "VfsFat"

    @staticmethod
    def import_stat(vm, o: int, path: bytes) -> int:
        try:
            entry = vm.host(o).stat(path.decode("utf-8", "surrogateescape"))
        except FatFailure:
            return NOTHING
        return DIRECTORY if entry.is_dir else FILE

    def make_new(self, vm, type_word, args, kw):
        raise vm.not_simulated("uos.VfsFat()")

    @method(1, kind="static")
    def mkfs(vm, device):
        raise vm.not_simulated("uos.VfsFat.mkfs()")

    @method(3)
    @guarded
    def open(vm, self, path, mode):
        bits, cls = 0, FatTextIOWrapper
        for letter in _path(vm, mode):
            bits |= _MODES.get(letter, 0)
            if letter in "bt":
                cls = FatFileIO if letter == "b" else FatTextIOWrapper
        file = _card(vm, self).open(_path(vm, path), bits)
        try:
            o = vm.new_host_object(cls, OpenFile(file, bits), FILE_BYTES)
        except GuestError:
            file.close()
            raise
        if bits & fat.OPEN_ALWAYS:
            file.seek(0, 2)
        return o

    @method(1, 2)
    @guarded
    def ilistdir(vm, self, path=0):
        entries = _card(vm, self).listdir(_path(vm, path) if path else "")
        return vm.new_host_object(
            FatListing, (entries, not (path and vm.is_bytes(path))), ITERATOR_BYTES)

    @method(2)
    @guarded
    def mkdir(vm, self, path):
        _card(vm, self).mkdir(_path(vm, path))

    @method(2)
    @guarded
    def rmdir(vm, self, path):
        _unlink(vm, self, path, True)

    @method(2)
    @guarded
    def remove(vm, self, path):
        _unlink(vm, self, path, False)

    @method(2)
    @guarded
    def chdir(vm, self, path):
        _card(vm, self).chdir(_path(vm, path))

    @method(1)
    def getcwd(vm, self):
        return vm.new_str(_card(vm, self).getcwd())

    @method(3)
    @guarded
    def rename(vm, self, old, new):
        """Replaces a file that has the new name."""
        card, source, target = _card(vm, self), _path(vm, old), _path(vm, new)
        try:
            card.rename(source, target)
        except FatFailure as failure:
            if failure.result != fat.EXIST:
                raise
            _unlink(vm, self, new, False)
            card.rename(source, target)

    @method(2)
    @guarded
    def stat(vm, self, path):
        entry = _card(vm, self).stat(_path(vm, path))
        mode = DIRECTORY_MODE if entry.is_dir else FILE_MODE
        return vm.new_tuple(vm.new_int(n) for n in (
            mode, 0, 0, 0, 0, 0, entry.size, entry.changed, entry.changed, entry.changed))

    @method(2)
    def statvfs(vm, self, path):
        total, free = _card(vm, self).clusters()
        return vm.new_tuple(vm.new_int(n) for n in (
            fat.CLUSTER, fat.CLUSTER, total, free, free, 0, 0, 0, 0, fat.LONGEST_NAME))

    @method(3)
    def mount(vm, self, readonly, mkfs):
        if vm.is_true(readonly):
            raise vm.not_simulated("uos.mount(readonly=True)")
        _card(vm, self)

    @method(1)
    def umount(vm, self):
        """Nothing: the card stays usable through this object."""


def card_object(vm, card: FolderCard) -> int:
    """A VfsFat object for the card in the slot."""
    card.cwd = []
    return vm.new_host_object(VfsFat, card, CARD_OBJECT_BYTES)
