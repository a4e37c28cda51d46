"""The /flash volume as the guest sees it: `uos.VfsSpiffs`, mounted at the start.

SPIFFS is flat: a name may hold slashes, but there are no directories. Its object belongs to the
firmware image, so that it costs no heap. Source: MaixPy-v1 v0.6.3
port/src/standard_lib/uos/vfs_spiffs.c (what is printed and raised, temporary buffers).
"""

from __future__ import annotations

from k210sim.flash import spiffs_layout as spiffs
from k210sim.flash.spiffs import SpiffsVolume
from k210sim.flash.spiffs_layout import SpiffsFailure
from k210sim.micropython import layout as L
from k210sim.micropython.native import GuestError, GuestType, method
from k210sim.micropython.textargs import text_data
from k210sim.modules.files import open_file, stored_name
from k210sim.modules.vfs import FILE, NOTHING

EIO = 5
DIRECTORY_MODE, FILE_MODE = 0x4000, 0x8000
VOLUME_BLOCK = 0x20000
ITERATOR_BYTES = 40

# errno for SPIFFS codes (-10000 - index); all others EIO.
_ERRNO = {0: 8, 1: 28, 2: 2, 7: 24, 8: 1, 10: 9, 11: 1, 17: 22, 20: 22, 21: 1, 22: 1, 23: 17,
          29: 11, 30: 17, 31: 2, 36: 22, 40: 29}


def os_error(vm, failure: SpiffsFailure, *, told: bool = False) -> GuestError:
    """The OSError for a failure; `told` prints the number first, as `remove` does."""
    if told:
        vm.write("[MaixPy]:SPIFFS Error Code %d\n" % failure.code)
    return vm.os_error(_ERRNO.get(-10000 - failure.code, EIO))


def volume_of(vm, o: int) -> SpiffsVolume:
    """The volume behind a VfsSpiffs object; TypeError for another object (the board crashes)."""
    volume = vm.spiffs_volumes.get(o)
    if volume is None:
        raise vm.error("TypeError", "k210sim: '%s' is no mounted VfsSpiffs; the board does not "
                       "check and crashes" % vm.type_name(o))
    return volume


def _path(vm, word: int) -> bytes:
    return text_data(vm, word).split(b"\0")[0]


class Listing(GuestType):
    """What `ilistdir` gives: (name, type, 0, size) of each file, in their order on flash.

    The names are taken down at the start; a file removed meanwhile is left out, one added is not
    seen (the device would see it in a page it has not come to yet).
    """

    name = "iterator"
    core_name = "spiffs_listing"

    def getiter(self, vm, o):
        return o

    def iternext(self, vm, o):
        volume, names, as_str = vm.host(o)
        while names:
            try:
                entry = volume.stat(names.pop(0))
            except SpiffsFailure:
                continue
            t = vm.new_tuple([L.NONE] * 4)
            if not entry.name.startswith("/"):
                continue  # stored without the slash by some old tool: never shown
            text = entry.name.lstrip("/").encode("utf-8", "surrogateescape")
            items = t + L.TUPLE_ITEMS
            word = vm.new_str(text) if as_str else vm.new_heap_str(text, "bytes")
            vm.memory.set_word(items, word)
            vm.memory.set_word(items + 8, (FILE_MODE << 1) | 1)
            vm.memory.set_word(items + 16, (0 << 1) | 1)
            vm.memory.set_word(items + 24, vm.new_int(entry.size))
            return t
        return L.NULL


class VfsSpiffs(GuestType):
    """A SPIFFS volume."""

    name = "VfsSpiffs"

    @staticmethod
    def import_stat(vm, o: int, path: bytes) -> int:
        """For `import`. An absolute path is not copied by the firmware and never found."""
        vm.malloc(len(path) + 2)
        if path.startswith(b"/"):
            return NOTHING
        try:
            volume_of(vm, o).stat(stored_name(vm, path, padded=False))
        except SpiffsFailure:
            return NOTHING
        return FILE

    def make_new(self, vm, type_word, args, kw):
        raise vm.not_simulated("uos.VfsSpiffs()")

    @method(1, kind="static")
    def mkfs(vm, self):
        """On a mounted volume only the error that it is mounted."""
        volume = volume_of(vm, self)
        if volume.mounted:
            raise os_error(vm, SpiffsFailure(spiffs.MOUNTED), told=True)
        volume.format()

    @method(3)
    def open(vm, self, path, mode):
        return open_file(vm, volume_of(vm, self), path, mode)

    @method(3)
    def mount(vm, self, readonly, mkfs):
        volume = volume_of(vm, self)
        if vm.is_true(readonly):
            raise vm.not_simulated("uos.mount(readonly=True)")
        try:
            volume.mount()
        except SpiffsFailure as failure:
            raise os_error(vm, failure) from None

    @method(1, 2)
    def ilistdir(vm, self, path=0):
        volume = volume_of(vm, self)
        as_str = not (path and vm.is_bytes(path))
        if path:
            text_data(vm, path)
        names = [entry.name for entry in volume.listdir()]
        return vm.new_host_object(Listing, (volume, names, as_str), ITERATOR_BYTES)

    @method(2)
    def chdir(vm, self, path):
        """Nothing: there are no directories."""

    @method(2)
    def mkdir(vm, self, path):
        raise vm.error("NotImplementedError", "SPIFFS not support")

    @method(2)
    def rmdir(vm, self, path):
        raise vm.os_error(EIO)

    @method(1)
    def getcwd(vm, self):
        return vm.new_str(b"")

    @method(2)
    def remove(vm, self, path):
        try:
            volume_of(vm, self).remove(stored_name(vm, _path(vm, path)))
        except SpiffsFailure as failure:
            raise os_error(vm, failure, told=True) from None

    @method(3)
    def rename(vm, self, old, new):
        """Replaces a file that has the new name."""
        volume = volume_of(vm, self)
        source, target = stored_name(vm, _path(vm, old)), stored_name(vm, _path(vm, new))
        try:
            try:
                volume.rename(source, target)
            except SpiffsFailure as failure:
                if failure.code != spiffs.CONFLICTING_NAME:
                    raise
                volume.remove(target)
                volume.rename(source, target)
        except SpiffsFailure as failure:
            raise os_error(vm, failure) from None

    @method(2)
    def stat(vm, self, path):
        name, size, mode = _path(vm, path), 0, DIRECTORY_MODE
        if name not in (b"", b"/") and not name.startswith(b"./"):
            try:
                size = volume_of(vm, self).stat(stored_name(vm, name)).size
            except SpiffsFailure as failure:
                raise os_error(vm, failure) from None
            mode = FILE_MODE
        return vm.new_tuple(vm.new_int(n) for n in (mode, 0, 0, 0, 0, 0, size, 0, 0, 0))

    @method(2)
    def statvfs(vm, self, path):
        """Counts are of blocks of 128 KiB."""
        try:
            total, used = volume_of(vm, self).info()
        except SpiffsFailure as failure:
            raise os_error(vm, failure) from None
        free = max(total - used, 0) // VOLUME_BLOCK
        return vm.new_tuple(vm.new_int(n) for n in (
            VOLUME_BLOCK, VOLUME_BLOCK, total // VOLUME_BLOCK, free, free, 0, 0, 0, 0,
            spiffs.NAME_LEN))

    @method(1)
    def umount(vm, self):
        """Nothing: the volume stays usable through this object."""


def flash_object(vm, volume: SpiffsVolume) -> int:
    """The VfsSpiffs object of the firmware image for the board's own volume; made at each start."""
    word = vm.rom_alloc(vm.type_of_class(VfsSpiffs).word, 0)
    vm.spiffs_volumes = {word: volume}
    return word
