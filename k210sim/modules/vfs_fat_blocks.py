"""Block devices that the guest wrote: objects with readblocks, writeblocks and ioctl, or with the
older sync and count.

What the methods return is not looked at, as in the firmware; what they raise goes through.
Source: micropython v1.11 extmod/vfs_fat.c (which methods are looked up), vfs_fat_diskio.c (how
they are called).
"""

from __future__ import annotations

from k210sim.micropython import layout as L
from k210sim.micropython.types.array import put_bytearray
from k210sim.sd import BLOCK
from k210sim.sd.cards import MOST_BLOCKS
from k210sim.sd.fat_layout import DISK_ERR, WRITE_PROTECTED, FatFailure

INIT, SYNC, BLOCK_COUNT = 1, 3, 4  # of ioctl
NOT_READY = 3
# The VfsFat object keeps the methods, so that the collector sees them, and has room for a block and
# the bytearray over it, which the firmware has on its stack: files are closed in collections too,
# where nothing can be taken from the heap.
_READ, _WRITE, _IOCTL, _SYNC, _COUNT, _BUFFER, _ARRAY = 16, 48, 80, 80, 112, 512, 1056


class GuestBlocks:
    """The device behind the VfsFat object `o`; see the package k210sim.sd for the protocol."""

    block_count = MOST_BLOCKS  # the volume's own numbers count; nobody asks before mkfs

    def __init__(self, vm, o: int, device: int):
        self.vm, self.o = vm, o
        self._load(device, "readblocks", _READ, required=True)
        self._load(device, "writeblocks", _WRITE)
        self._has_ioctl = self._load(device, "ioctl", _IOCTL)
        if not self._has_ioctl:
            self._load(device, "sync", _SYNC)
            self._load(device, "count", _COUNT, required=True)

    def set_read_only(self) -> None:
        self.vm.memory.set_word(self.o + _WRITE, 0)

    @property
    def read_only(self) -> bool:
        return not self.vm.memory.word(self.o + _WRITE)

    def initialise(self) -> None:
        """What mounting begins with; raises FatFailure when the device is not ready."""
        if self._has_ioctl:
            answer = self._ioctl(INIT)
            if answer != L.NONE and self.vm.get_int(answer) != 0:
                raise FatFailure(NOT_READY, "ioctl(1) failed")

    def count(self) -> int:
        """Number of blocks."""
        answer = self._ioctl(BLOCK_COUNT) if self._has_ioctl else self._call(_COUNT)
        return self.vm.get_int(answer) & 0xFFFFFFFF

    def sync(self) -> None:
        if self._has_ioctl:
            self._ioctl(SYNC)
        elif self.vm.memory.word(self.o + _SYNC):
            self._call(_SYNC)

    def read_block(self, n: int) -> bytes:
        vm = self.vm
        vm.memory.write(self.o + _BUFFER, bytes(BLOCK))
        self._transfer(_READ, n)
        return bytes(vm.memory.read(self.o + _BUFFER, BLOCK))

    def write_block(self, n: int, data) -> None:
        if self.read_only:
            raise FatFailure(WRITE_PROTECTED, "the device has no writeblocks")
        self.vm.memory.write(self.o + _BUFFER, bytes(data))
        self._transfer(_WRITE, n)

    # --- inside ---------------------------------------------------------------------------------
    def _load(self, device: int, name: str, at: int, *, required: bool = False) -> bool:
        vm = self.vm
        look = vm.load_method if required else vm.load_method_maybe
        found = look(device, vm.intern(name))
        if found is None:
            return False
        for i, word in enumerate(found):
            vm.memory.set_word(self.o + at + 8 * i, word)
        return True

    def _transfer(self, at: int, n: int) -> None:
        buffer = put_bytearray(self.vm, self.o + _ARRAY, self.o + _BUFFER, BLOCK)
        self._call(at, n << 1 | 1, buffer)

    def _ioctl(self, request: int) -> int:
        return self._call(_IOCTL, request << 1 | 1, 0 << 1 | 1)

    def _call(self, at: int, *args: int) -> int:
        memory = self.vm.memory
        function, receiver = memory.word(self.o + at), memory.word(self.o + at + 8)
        if not function:
            raise FatFailure(DISK_ERR, "the device has no such method")
        return self.vm.call(function, [receiver, *args] if receiver else list(args))
