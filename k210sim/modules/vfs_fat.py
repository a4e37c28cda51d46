"""`uos.VfsFat`: FAT file systems, of the card in the SD slot, which the firmware mounts at /sd, and
of block devices that the guest wrote.

Source: micropython v1.11 extmod/vfs_fat.c, vfs_fat_file.c, vfs_fat_diskio.c (errors, what stat
gives, how block devices are asked); MaixPy-v1 v0.6.3 port/src/fatfs_port.c (dates),
port/src/maixpy_main.c, init_sdcard_fs (which partition, and that another mount of the same name is
replaced).
"""

from __future__ import annotations

from k210sim.micropython import layout as L
from k210sim.micropython import stream_methods, streams
from k210sim.micropython.native import GuestError, GuestType, NativeFunction, method
from k210sim.micropython.streams import Protocol
from k210sim.micropython.textargs import text_data
from k210sim.modules.utime import date_of_seconds, rtc_seconds
from k210sim.modules.vfs import DIRECTORY, FILE, NOTHING
from k210sim.sd import fat_layout as fat
from k210sim.sd.fat_layout import FatFailure

EINVAL, ENOTDIR, EISDIR, EIO, ENOSPC = 22, 20, 21, 5, 28
DIRECTORY_MODE, FILE_MODE = 0x4000, 0x8000
CARD_OBJECT_BYTES = 1104  # with its sector buffer; a guess
FILE_BYTES = 592  # with its sector buffer; a guess
ITERATOR_BYTES = 80
NS_PER_BYTE = 500  # a guess: about 2 MB/s
SD_MOUNT = b"/sd"
MOUNT_TRIES = 4  # of the firmware; each failure is one line

_ERRNO = {fat.DISK_ERR: EIO, fat.INT_ERR: EIO, fat.NO_FILE: 2, fat.NO_PATH: 2,
          fat.INVALID_NAME: EINVAL, fat.DENIED: 13, fat.EXIST: 17, fat.INVALID_OBJECT: EINVAL,
          fat.WRITE_PROTECTED: 30, fat.NO_FILESYSTEM: 19, fat.MKFS_ABORTED: EIO}
_MODES = {"r": fat.READ, "w": fat.WRITE | fat.CREATE_ALWAYS, "x": fat.WRITE | fat.CREATE_NEW,
          "a": fat.WRITE | fat.OPEN_ALWAYS, "+": fat.READ | fat.WRITE}


def os_error(vm, failure: FatFailure) -> GuestError:
    return vm.os_error(_ERRNO.get(failure.result, EIO))


def stamp(vm) -> int:
    """The time of a change, date << 16 | time. The firmware puts the whole year where FAT has
    years since 1980, so that 2000 is stored as 2060."""
    year, month, day, hour, minute, second = date_of_seconds(rtc_seconds(vm))[:6]
    return (year & 0x7F) << 25 | month << 21 | day << 16 | hour << 11 | minute << 5 | second // 2


class Stamp:
    """`stamp` of one machine, for a volume; snapshots keep it."""

    def __init__(self, vm):
        self.vm = vm

    def __call__(self) -> int:
        return stamp(self.vm)


def _host(vm, o: int):
    """The Mounted behind a VfsFat object."""
    if not vm.is_instance_of(o, VfsFat):
        raise vm.error("TypeError", "k210sim: '%s' is no VfsFat; the board does not check"
                       % vm.type_name(o))
    return vm.host(o)


def _card(vm, o: int):
    """The file system behind a VfsFat object: a FatVolume or a FolderCard."""
    found = _host(vm, o).volume
    if found is None:
        raise vm.os_error(_ERRNO[fat.NO_FILESYSTEM])
    return found


def _path(vm, word: int, card) -> str:
    return text_data(vm, word).split(b"\0")[0].decode(card.encoding, "surrogateescape")


class Mounted:
    """Host state of a VfsFat object. `volume` is None on a device without a file system."""

    def __init__(self, volume, device=None):
        self.volume, self.device = volume, device


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


def guarded(fn):
    """Failures of the card become OSErrors of the guest."""

    def call(vm, *args):
        try:
            return fn(vm, *args)
        except FatFailure as failure:
            raise os_error(vm, failure) from None

    call.__name__ = fn.__name__
    return call


@guarded
def _read(vm, o, n):
    data = _file(vm, o, fat.READ).file.read(n) or b""
    vm.charge_ns(len(data) * NS_PER_BYTE)
    return data


@guarded
def _write(vm, o, data):
    """What does not fit on a full card is lost, and what did stays."""
    done = _file(vm, o, fat.WRITE).file.write(data)
    vm.charge_ns(done * NS_PER_BYTE)
    if done < len(data):
        raise vm.os_error(ENOSPC)
    return done


@guarded
def _control(vm, o, request, argument=0):
    if request == streams.CLOSE:
        state = vm.host(o)
        file, state.file = state.file, None
        if file is not None:
            file.close()
        return 0
    file = _file(vm, o).file
    if request == streams.SEEK:
        start = {0: 0, 1: file.tell(), 2: file.size}.get(argument.whence, file.tell())
        argument.offset = file.seek(start + argument.offset)
    elif request == streams.FLUSH:
        file.flush()
    else:
        raise vm.os_error(EINVAL)
    return 0


class _FatFile(GuestType):
    def print(self, vm, o, kind):
        return "<io.%s %x>" % (self.name, o)

    def getiter(self, vm, o):
        return o

    iternext = stream_methods.next_line

    def finalise(self, vm, o, state):
        if state is not None and state.file is not None:
            file, state.file = state.file, None
            try:
                file.close()
            except FatFailure as failure:
                raise os_error(vm, failure) from None


class FatFileIO(_FatFile):
    name = "FileIO"
    core_name = "fat_fileio"
    protocol = Protocol(read=_read, write=_write, ioctl=_control)
    constants = stream_methods.FILE_METHODS


class FatTextIOWrapper(_FatFile):
    name = "TextIOWrapper"
    core_name = "fat_textio"
    protocol = Protocol(read=_read, write=_write, ioctl=_control, is_text=True)
    constants = stream_methods.FILE_METHODS


# --- the volume ----------------------------------------------------------------------------------
class FatListing(GuestType):
    """What `ilistdir` gives: (name, type, 0, size)."""

    name = "iterator"
    core_name = "fat_listing"

    def getiter(self, vm, o):
        return o

    def iternext(self, vm, o):
        entries, as_str, encoding = vm.host(o)
        if not entries:
            return L.NULL
        entry = entries.pop(0)
        t = vm.new_tuple([L.NONE] * 4)
        text = entry.guest_name(encoding)
        items = (vm.new_str(text) if as_str else vm.new_heap_str(text, "bytes"),
                 vm.new_int(DIRECTORY_MODE if entry.is_dir else FILE_MODE), vm.new_int(0),
                 vm.new_int(entry.size))
        for i, item in enumerate(items):
            vm.memory.set_word(t + L.TUPLE_ITEMS + 8 * i, item)
        return t


def _unlink(vm, o: int, path: int, wants_dir: bool) -> None:
    card = _card(vm, o)
    name = _path(vm, path, card)
    if card.stat(name).is_dir != wants_dir:
        raise vm.os_error(ENOTDIR if wants_dir else EISDIR)
    card.unlink(name)


_MADE = NativeFunction("VfsFat", None, 1, 1)


class VfsFat(GuestType):
    """A FAT file system."""

    name = "VfsFat"

    @staticmethod
    def import_stat(vm, o: int, path: bytes) -> int:
        try:
            card = _card(vm, o)
            entry = card.stat(path.decode(card.encoding, "surrogateescape"))
        except (FatFailure, GuestError):
            return NOTHING
        return DIRECTORY if entry.is_dir else FILE

    def make_new(self, vm, type_word, args, kw):
        vm.check_args(_MADE, len(args), len(kw))
        return _of_device(vm, args[0])

    @method(1, kind="static")
    @guarded
    def mkfs(vm, device):
        """One FAT, no partition table, FAT32 only where nothing smaller is possible."""
        o = _of_device(vm, device)
        _make(vm, vm.host(o))

    @method(3)
    @guarded
    def open(vm, self, path, mode):
        card = _card(vm, self)
        bits, cls = 0, FatTextIOWrapper
        for letter in _path(vm, mode, card):
            bits |= _MODES.get(letter, 0)
            if letter in "bt":
                cls = FatFileIO if letter == "b" else FatTextIOWrapper
        o = vm.new_host_object(cls, OpenFile(None, bits), FILE_BYTES)
        vm.host(o).file = card.open(_path(vm, path, card), bits)
        return o

    @method(1, 2)
    @guarded
    def ilistdir(vm, self, path=0):
        card = _card(vm, self)
        entries = card.listdir(_path(vm, path, card) if path else "")
        return vm.new_host_object(
            FatListing, (entries, not (path and vm.is_bytes(path)), card.encoding),
            ITERATOR_BYTES)

    @method(2)
    @guarded
    def mkdir(vm, self, path):
        card = _card(vm, self)
        card.mkdir(_path(vm, path, card))

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
        card = _card(vm, self)
        card.chdir(_path(vm, path, card))

    @method(1)
    @guarded
    def getcwd(vm, self):
        card = _card(vm, self)
        return vm.new_str(card.getcwd().encode(card.encoding, "surrogateescape"))

    @method(3)
    @guarded
    def rename(vm, self, old, new):
        """Replaces a file that has the new name."""
        card = _card(vm, self)
        source, target = _path(vm, old, card), _path(vm, new, card)
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
        card = _card(vm, self)
        entry = card.stat(_path(vm, path, card))
        mode = DIRECTORY_MODE if entry.is_dir else FILE_MODE
        return vm.new_tuple(vm.new_int(n) for n in (
            mode, 0, 0, 0, 0, 0, entry.size, entry.changed, entry.changed, entry.changed))

    @method(2)
    @guarded
    def statvfs(vm, self, path):
        card = _card(vm, self)
        total, free = card.clusters()
        return vm.new_tuple(vm.new_int(n) for n in (
            card.cluster_bytes, card.cluster_bytes, total, free, free, 0, 0, 0, 0,
            fat.LONGEST_NAME))

    @method(3)
    @guarded
    def mount(vm, self, readonly, mkfs):
        """`readonly` counts for block devices of the guest; `mkfs` where there is no volume."""
        mounted = _host(vm, self)
        if mounted.device is not None:
            if vm.is_true(readonly):
                mounted.device.set_read_only()
            if mounted.volume is None and vm.is_true(mkfs):
                _make(vm, mounted)
        elif vm.is_true(readonly):
            raise vm.not_simulated("uos.mount(readonly=True) of the SD card")
        _card(vm, self)

    @method(1)
    def umount(vm, self):
        """Nothing: the volume stays usable through this object."""


# --- devices of the guest ------------------------------------------------------------------------
def _of_device(vm, device: int) -> int:
    """A VfsFat object on a block device of the guest; its volume is None when there is none."""
    from k210sim.modules.vfs_fat_blocks import GuestBlocks

    mounted = Mounted(None)
    o = vm.new_host_object(VfsFat, mounted, CARD_OBJECT_BYTES)
    mounted.device = GuestBlocks(vm, o, device)
    try:
        mounted.volume = _volume(vm, mounted.device)
    except FatFailure as failure:
        if failure.result != fat.NO_FILESYSTEM:
            raise os_error(vm, failure) from None
    return o


def _volume(vm, device):
    from k210sim.sd.fat import FatVolume

    device.initialise()
    return FatVolume(device, now=Stamp(vm), keep=False)


def _make(vm, mounted: Mounted) -> None:
    from k210sim.sd.fat_format import format_volume

    device = mounted.device
    device.initialise()
    format_volume(device, count=device.count(), stamp=stamp(vm))
    device.sync()
    mounted.volume = _volume(vm, device)


# --- the card ------------------------------------------------------------------------------------
def mount_card(vm, slot) -> bool:
    """Mount the first partition that holds a volume at /sd, as the firmware does at its start and
    for `machine.SDCard.remount()`; it becomes the current file system. False: nothing mounted."""
    card = slot.card
    if card is None:
        return False
    volume = _card_volume(vm, card)
    if volume is None:
        vm.printk("PYB: can't mount SD card\n" * MOUNT_TRIES)
        return False
    volume.cwd = []
    fs = vm.new_host_object(VfsFat, Mounted(volume), CARD_OBJECT_BYTES)
    mounts = vm.vfs.mounts
    same = next((i for i, mount in enumerate(mounts) if mount.path == SD_MOUNT), None)
    if same is not None:  # what was mounted after it is lost with it
        for mount in mounts[same:]:
            vm.vfs.unmount(mount)
    vm.vfs.current = vm.vfs.mount(fs, SD_MOUNT)
    return True


def _card_volume(vm, card):
    """The file system of the card in the slot, or None."""
    if hasattr(card, "listdir"):
        return card
    from k210sim.sd.fat import FatVolume

    for partition in (1, 2, 3, 4):
        try:
            return FatVolume(card, partition=partition, now=Stamp(vm))
        except FatFailure:
            continue
    return None
