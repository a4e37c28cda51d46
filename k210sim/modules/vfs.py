"""The firmware's virtual file system: mount points, the current one, and paths.

The guest side (`uos`, `open`) and the host side (imports, models, the prompt) come through here.
A mounted file system is a guest object with methods (`open`, `stat`, `ilistdir` ...): the /flash
volume, an SD card, or whatever a program mounts. Nothing is mounted at `/`, which only lists the
mount points. Source: micropython v1.11 extmod/vfs.c, extmod/vfs_reader.c (order, errors, sizes).
"""

from __future__ import annotations

from dataclasses import dataclass

from k210sim.micropython import layout as L
from k210sim.micropython import stream_methods, streams
from k210sim.micropython.native import Arg, GuestError
from k210sim.micropython.textargs import text_data
from k210sim.micropython.vstr import string_of_type

EPERM, ENODEV, EEXIST, EINVAL = 1, 19, 17, 22
DIRECTORY_MODE = 0x4000
NAME_MAX = 128  # what statvfs("/") tells
NOTHING, DIRECTORY, FILE = 0, 1, 2
MOUNT_BYTES = 32  # mount point: text, length, object, next
READER_BYTES = 36  # what reads a source file in pieces
READ_STEP = 1 << 16

_OPEN_ARGS = [Arg("file", required=True), Arg("mode"), Arg("buffering", "int", -1),
              Arg("encoding")]


@dataclass(eq=False)
class Mount:
    """A mount point: its path, the file system object's word, its block on the GC heap."""

    path: bytes
    fs: int
    block: int


class _Place(Mount):
    """One of the two places below; a snapshot refers to them by name."""

    def __reduce__(self):
        return "ROOT" if self.path else "NOWHERE"


# Where a path leads when it leads into no mounted file system.
ROOT = _Place(b"/", 0, 0)
NOWHERE = _Place(b"", 0, 0)


class FileSystems:
    """The mount table of one running MicroPython; a soft reset begins with a new one."""

    def __init__(self, vm):
        self.vm = vm
        self.mounts: list[Mount] = []
        self.current = ROOT

    # --- the table --------------------------------------------------------------------------
    def mount(self, fs: int, path: bytes, text: int = 0) -> Mount:
        """Add a mount point at the end of the table; `text` is the address of the path's text."""
        vm = self.vm
        block = vm.malloc(MOUNT_BYTES)
        memory = vm.memory
        memory.set_word(block, text)
        memory.set_word(block + 8, len(path))
        memory.set_word(block + 16, fs)
        mount = Mount(path, fs, vm.keep(block))
        at = next((i for i, m in enumerate(self.mounts) if len(m.path) == 1), len(self.mounts))
        self.mounts.insert(at, mount)
        return mount

    def unmount(self, mount: Mount) -> None:
        self.mounts.remove(mount)
        self.vm.release(mount.block)
        if self.current is mount:
            self.current = ROOT

    def lookup(self, path: bytes) -> tuple[Mount, bytes]:
        """The mount point a path leads to (ROOT, NOWHERE) and the path inside it."""
        path = path.split(b"\0")[0]
        if path.startswith(b"/") or self.current is ROOT:
            absolute = path.startswith(b"/")
            rest = path[1:] if absolute else path
            if not rest:
                return ROOT, b""
            for mount in self.mounts:
                name = mount.path[1:]
                if not name:
                    return mount, path
                if rest.startswith(name):
                    inner = rest[len(name):]
                    if not inner:
                        return mount, b"/"
                    if inner.startswith(b"/"):
                        return mount, inner
            if absolute:
                return NOWHERE, b""
        return self.current, path

    def lookup_word(self, path: int) -> tuple[Mount, int]:
        """As `lookup`, with a str or bytes object; the inner path is a new object like it."""
        vm = self.vm
        mount, inner = self.lookup(text_data(vm, path))
        if mount is ROOT or mount is NOWHERE:
            return mount, path
        return mount, string_of_type(vm, inner, "str" if vm.is_str(path) else "bytes")

    def call(self, mount: Mount, method: str, *args: int) -> int:
        """A method of a mounted file system; ENODEV or EPERM where there is none."""
        if mount is NOWHERE:
            raise self.vm.os_error(ENODEV)
        if mount is ROOT:
            raise self.vm.os_error(EPERM)
        return self.vm.call_method(mount.fs, method, *args)

    # --- what the guest calls -----------------------------------------------------------------
    def open(self, vm, args, kw) -> int:
        """The builtin `open(file, mode='r', buffering=-1, encoding=None)`."""
        file, mode, _, _ = vm.parse_args(args, kw, _OPEN_ARGS)
        if mode == L.NONE and len(args) < 2 and vm.qstrs.find(b"mode") not in kw:
            mode = vm.new_qstr("r")
        mount, inner = self.lookup_word(file)
        return self.call(mount, "open", inner, mode)

    def chdir(self, path: int) -> None:
        """Change the current file system. A path that leads nowhere leaves none, as on the
        device: until the next chdir relative paths raise ENODEV."""
        mount, inner = self.lookup_word(path)
        self.current = mount
        if mount is not ROOT:
            self.call(mount, "chdir", inner)
            return
        for other in self.mounts:
            if len(other.path) == 1:
                self.call(other, "chdir", self.vm.new_qstr("/"))
                break

    # --- what the host calls ------------------------------------------------------------------
    # What these allocate is garbage at once, as in the firmware: the host keeps none of it.
    def import_stat(self, path: str) -> int:
        """What `import` finds at a path: NOTHING, DIRECTORY or FILE."""
        vm = self.vm
        mount, inner = self.lookup(path.encode("utf-8", "surrogateescape"))
        if mount is ROOT or mount is NOWHERE:
            return NOTHING
        mark = len(vm.temps)
        own = getattr(vm.type_of(mount.fs), "import_stat", None)
        try:
            if own is not None:
                return own(vm, mount.fs, inner)
            found = self.call(mount, "stat", vm.new_str(inner))
            mode = vm.get_int(vm.get_array_fixed(found, 10)[0])
            return DIRECTORY if mode & DIRECTORY_MODE else FILE
        except GuestError:
            return NOTHING
        finally:
            del vm.temps[mark:]

    def read_file(self, path: str) -> bytes:
        """A whole file; raises what opening and reading raise."""
        vm = self.vm
        mark = len(vm.temps)
        reader = vm.malloc(READER_BYTES)
        try:
            file = self.open(vm, [vm.new_str(path)], {})
            try:
                protocol = streams.stream_of(vm, file, streams.READ)
                data = bytearray()
                while part := protocol.read(vm, file, READ_STEP):
                    data += part
            finally:
                stream_methods.control(vm, file, streams.CLOSE)
        finally:
            vm.free_temp(reader, READER_BYTES)
        del vm.temps[mark:]
        return bytes(data)

    def write_file(self, path: str, data: bytes) -> None:
        """Make or replace a file; raises what opening and writing raise."""
        vm = self.vm
        mark = len(vm.temps)
        file = self.open(vm, [vm.new_str(path), vm.new_qstr("wb")], {})
        try:
            streams.write_all(vm, file, bytes(data))
        finally:
            stream_methods.control(vm, file, streams.CLOSE)
        del vm.temps[mark:]
