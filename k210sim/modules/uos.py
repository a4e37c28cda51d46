"""`uos`: files, mount points, and what the system is called.

Source: micropython v1.11 extmod/vfs.c, uos_dupterm.c; MaixPy-v1 v0.6.3
port/src/standard_lib/uos/moduos.c, rng.c.
"""

from __future__ import annotations

from k210sim.flash.spiffs_layout import SpiffsFailure
from k210sim.micropython import layout as L
from k210sim.micropython import streams
from k210sim.micropython.native import Arg, GuestModule, GuestType, native
from k210sim.micropython.textargs import text_data
from k210sim.micropython.types.namedtuple import AttrTupleConstant
from k210sim.micropython.vstr import Vstr
from k210sim.modules.settings import open_flash_volume
from k210sim.modules.vfs import (
    DIRECTORY_MODE,
    EEXIST,
    EINVAL,
    EPERM,
    NAME_MAX,
    NOWHERE,
    ROOT,
    FileSystems,
)
from k210sim.modules.vfs_fat import VfsFat, mount_card
from k210sim.modules.vfs_spiffs import VfsSpiffs, flash_object
from k210sim.repl.wording import MACHINE, Release

R_DUPTERM = 7  # root pointer of the runtime
FLASH_MOUNT = b"/flash"
ROOT_LISTING_BYTES = 32
RNG_SEED = (0xEDA4BABA, 69, 233, 0)
_MASK = 0xFFFFFFFF

module = GuestModule("uos")
module.add_type(VfsSpiffs)
module.add_type(VfsFat)


class Yasmarang:
    """The fixed-seed generator behind `urandom`: the same numbers after every power-on."""

    def __init__(self):
        self.pad, self.n, self.d, self.dat = RNG_SEED

    def next(self) -> int:
        """The next number, 32 bits."""
        pad = (self.pad + self.dat + self.d * self.n) & _MASK
        pad = (pad << 3 & _MASK) + (pad >> 29) & _MASK
        self.n = pad | 2
        self.d ^= (pad << 31 & _MASK) + (pad >> 1) & _MASK
        self.dat = (self.dat ^ pad ^ self.d >> 8 ^ 1) & 0xFF
        self.pad = pad
        return (pad ^ self.d << 5 ^ pad >> 18 ^ self.dat << 1) & _MASK


class RootListing(GuestType):
    """What `ilistdir('/')` gives: (name, type, 0) of each mount point."""

    name = "iterator"
    core_name = "root_listing"

    def getiter(self, vm, o):
        return o

    def iternext(self, vm, o):
        mounts, as_str, inner = vm.host(o)
        if inner:
            return vm.iternext(inner[0])
        if not mounts:
            return L.NULL
        mount = mounts.pop(0)
        if len(mount.path) == 1:
            word = vm.vfs.call(mount, "ilistdir", vm.new_qstr("/"))
            inner.append(vm.getiter(word))
            vm.memory.set_word(o + 16, inner[0])
            return vm.iternext(inner[0])
        t = vm.new_tuple([L.NONE] * 3)
        name = mount.path[1:]
        word = vm.new_str(name) if as_str else vm.new_heap_str(name, "bytes")
        for i, item in enumerate((word, (DIRECTORY_MODE << 1) | 1, (0 << 1) | 1)):
            vm.memory.set_word(t + L.TUPLE_ITEMS + 8 * i, item)
        return t


# --- the system ---------------------------------------------------------------------------------
class _Text:
    """A str object of the image that is not interned."""

    def __init__(self, text: str):
        self.text = text

    def rom_word(self, vm) -> int:
        return vm.rom_bytes_object(self.text.encode(), "str")


class _Uname:
    """The function `uname` of the image, together with the tuple it gives."""

    def rom_word(self, vm) -> int:
        release = Release()
        values = {
            "sysname": "MaixPy", "nodename": "MaixPy", "release": release.version[1:],
            "version": "%s on %s" % (release.version, release.date), "machine": MACHINE,
        }  # fmt: skip
        items = {name: _Text(text) for name, text in values.items()}
        vm.uname = AttrTupleConstant(**items).rom_word(vm)
        return vm._rom_entry(native(0, name="uname")(lambda vm: vm.uname))


module.entries["uname"] = _Uname()


@module.function(1)
def urandom(vm, n_bytes):
    n = vm.get_int(n_bytes)
    if n < 0:
        raise vm.memory_error(n + 1)
    buffer = Vstr(vm, n + 1)
    buffer.data += bytes(vm.rng.next() & 0xFF for _ in range(n))
    return buffer.finish("bytes")


@module.function(1)
def set_REPLio(vm, uart):  # noqa: N802
    """Only the object the prompt already speaks through can be set."""
    if vm.type_name(uart) != "UART":
        return L.NONE
    previous = vm.repl_uart
    if uart != previous:
        raise vm.not_simulated("uos.set_REPLio() of another UART")
    return previous


@module.function(1, 2)
def dupterm(vm, stream, index=0):
    if index and vm.get_int(index) != 0:
        raise vm.error("ValueError", "invalid dupterm index", formatted=False)
    previous = vm.root(R_DUPTERM) or L.NONE
    if stream == L.NONE:
        vm.set_root(R_DUPTERM, 0)
    else:
        streams.stream_of(vm, stream, streams.READ | streams.WRITE | streams.IOCTL)
        raise vm.not_simulated("uos.dupterm(stream)")
    return previous


# --- directories and files ----------------------------------------------------------------------
@module.function(0, 1)
def ilistdir(vm, path=0):
    path = path or vm.new_str(b"")
    mount, inner = vm.vfs.lookup_word(path)
    if mount is ROOT:
        return vm.new_host_object(RootListing, (list(vm.vfs.mounts), vm.is_str(path), []),
                                  ROOT_LISTING_BYTES)
    return vm.vfs.call(mount, "ilistdir", inner)


@module.function(0, 1)
def listdir(vm, path=0):
    iterator = ilistdir(vm, path)
    names = vm.new_list()
    while entry := vm.iternext(iterator):
        vm.list_append(names, vm.subscr(entry, (0 << 1) | 1, L.SENTINEL))
    return names


@module.function(1)
def mkdir(vm, path):
    mount, inner = vm.vfs.lookup_word(path)
    if mount is ROOT or (mount is not NOWHERE and text_data(vm, inner) == b"/"):
        raise vm.os_error(EEXIST)
    return vm.vfs.call(mount, "mkdir", inner)


@module.function(1)
def rmdir(vm, path):
    mount, inner = vm.vfs.lookup_word(path)
    return vm.vfs.call(mount, "rmdir", inner)


@module.function(1)
def chdir(vm, path):
    vm.vfs.chdir(path)


@module.function(0)
def getcwd(vm):
    files = vm.vfs
    if files.current is ROOT:
        return vm.new_qstr("/")
    inner = files.call(files.current, "getcwd")
    base = files.current.path
    if len(base) == 1:
        return inner
    path = text_data(vm, inner)
    text = Vstr(vm, len(base) + len(path) + 1)
    text.add(base)
    if path != b"/":
        text.add(path)
    return text.finish("str")


@module.function(1)
def remove(vm, path):
    mount, inner = vm.vfs.lookup_word(path)
    return vm.vfs.call(mount, "remove", inner)


@module.function(2)
def rename(vm, old, new):
    old_mount, old_inner = vm.vfs.lookup_word(old)
    new_mount, new_inner = vm.vfs.lookup_word(new)
    if old_mount is not new_mount:
        raise vm.os_error(EPERM)
    return vm.vfs.call(old_mount, "rename", old_inner, new_inner)


@module.function(1)
def stat(vm, path):
    mount, inner = vm.vfs.lookup_word(path)
    if mount is ROOT:
        return vm.new_tuple(vm.new_int(n) for n in (DIRECTORY_MODE, *[0] * 9))
    return vm.vfs.call(mount, "stat", inner)


@module.function(1)
def statvfs(vm, path):
    mount, inner = vm.vfs.lookup_word(path)
    if mount is ROOT:
        mount = next((m for m in vm.vfs.mounts if len(m.path) == 1), None)
        if mount is None:
            return vm.new_tuple(vm.new_int(n) for n in (*[0] * 9, NAME_MAX))
        inner = vm.new_qstr("/")
    return vm.vfs.call(mount, "statvfs", inner)


_MOUNT_ARGS = [Arg("readonly", "obj", L.FALSE, kw_only=True),
               Arg("mkfs", "obj", L.FALSE, kw_only=True)]


@module.function(2, kw=True)
def mount(vm, args, kw):
    fs, point = args[0], args[1]
    readonly, make = vm.parse_args(args[2:], kw, _MOUNT_ARGS)
    path = text_data(vm, point)
    if vm.load_method_maybe(fs, vm.intern("mount")) is None:
        fs = vm.type_of_class(VfsFat).make_new(vm, 0, [fs], {})  # a block device
    vm.call_method(fs, "mount", readonly, make)
    existing, _ = vm.vfs.lookup(text_data(vm, point))
    if existing is not NOWHERE and existing is not ROOT and (
            len(path) == 1 or len(existing.path) != 1):
        raise vm.os_error(EPERM)
    text = 0 if point & 2 else vm.memory.word(point + L.STR_DATA)
    vm.vfs.mount(fs, path, text)


@module.function(1)
def umount(vm, what):
    path = text_data(vm, what) if vm.is_str(what) else None
    for mounted in vm.vfs.mounts:
        if mounted.path == path or mounted.fs == what:
            break
    else:
        raise vm.os_error(EINVAL)
    vm.vfs.unmount(mounted)
    vm.call_method(mounted.fs, "umount")


@module.function(0)
def sync(vm):
    """Nothing, as in the firmware."""


@module.function(0)
def flash_format(vm):
    """Empties /flash, telling about it; True when it could be mounted again."""
    volume = vm.flash_volume
    while volume.mounted:
        try:
            volume.unmount()
        except SpiffsFailure:
            continue  # a full volume: what could not be saved is dropped, so the next try works
    vm.write("[MAIXPY]:Spiffs Unmount.\n")
    vm.write("[MAIXPY]:Spiffs Formating...\n")
    volume.format()
    vm.write("[MAIXPY]:Spiffs Format successful \n")
    volume.mount()
    vm.write("[MAIXPY]:Spiffs Mount successful \n")
    return L.TRUE


@module.init
def _start(vm):
    """A fresh mount table with /flash on it; the volume itself outlives a soft reset."""
    if not hasattr(vm, "rng"):
        vm.rng = Yasmarang()
    vm.vfs = FileSystems(vm)
    vm.repl_uart = getattr(vm, "repl_uart", 0) or L.NONE
    volume = board_volume(vm)
    if volume is not None:
        vm.vfs.mount(flash_object(vm, volume), FLASH_MOUNT)
    slot = getattr(vm.board, "sd", None)
    if slot is not None:
        mount_card(vm, slot)


def board_volume(vm):
    """The volume on the board's flash chip, mounted now if the boot has not done it; None on a
    machine without flash."""
    flash = getattr(vm.board, "flash", None)
    if flash is None:
        return None
    volume = getattr(vm, "flash_volume", None)
    if volume is None:
        storage = getattr(vm.board, "storage", None)
        volume = open_flash_volume(flash, vm.printk, storage.commit if storage else None)
        vm.flash_volume = volume
    return volume
