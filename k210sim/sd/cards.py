"""Cards as blocks: an image file on the host, or memory.

A write reaches the image file at once, block by block, as it reaches a real card: who is killed
has written exactly the blocks it was told to. The order of the writes, which the file system on
the card chooses, decides what that means for files.

An image of a bare FAT volume is presented as the first partition of a card: the firmware mounts
only partitions (MaixPy-v1 maixpy_main.c, init_sdcard_fs: numbers 1 to 4), and every card that is
sold has a partition table.
"""

from __future__ import annotations

import os
import stat
import struct
import zlib
from pathlib import Path

from k210sim.errors import HostError
from k210sim.sd import BLOCK

MOST_BLOCKS = 1 << 32  # of 512 bytes: SDXC ends at 2 TiB
FEWEST_BLOCKS = 64
LEAD = 2048  # blocks before the partition that a bare volume is presented as
TABLE, ENTRY = 446, 16  # partition table in block 0: four entries
_ENTRY = struct.Struct("<B3sB3sII")
_FAR = b"\xfe\xff\xff"  # cylinder, head, sector of what lies beyond their reach
TYPE_FAT = 0x0C
SIGNATURE = b"\x55\xaa"


class CardError(HostError):
    """A block cannot be read or written."""


def check_block(n: int, count: int, data=None) -> None:
    """Raise CardError for a block that is not there or data of another size."""
    if not 0 <= n < count:
        raise CardError(f"SD card: block {n} is outside the card, which has {count} blocks")
    if data is not None and len(data) != BLOCK:
        raise CardError(f"SD card: a block of {len(data)} bytes, expected {BLOCK}")


def partition_table(start: int, count: int, kind: int = TYPE_FAT) -> bytes:
    """Block 0 of a card with one partition of `count` blocks at block `start`."""
    entry = _ENTRY.pack(0, _FAR, kind, _FAR, start, min(count, 0xFFFFFFFF))
    return (bytes(TABLE) + entry).ljust(BLOCK - 2, b"\0") + SIGNATURE


def partitions(block0: bytes) -> list[tuple[int, int, int]]:
    """(type, start, blocks) of the four entries of a partition table; type 0: none."""
    found = (_ENTRY.unpack_from(block0, TABLE + i * ENTRY) for i in range(4))
    return [(kind, start, count) for _, _, kind, _, start, count in found]


class MemoryCard:
    """A card in memory, empty unless `data` is given."""

    def __init__(self, blocks: int = 0, *, data=None):
        self._data = bytearray(data) if data is not None else bytearray(blocks * BLOCK)
        self.block_count = len(self._data) // BLOCK
        self.serial, self.name = 1, "memory"

    def read_block(self, n: int) -> bytes:
        check_block(n, self.block_count)
        return bytes(self._data[n * BLOCK : (n + 1) * BLOCK])

    def write_block(self, n: int, data) -> None:
        check_block(n, self.block_count, data)
        self._data[n * BLOCK : (n + 1) * BLOCK] = data

    def flush(self) -> None:
        """Nothing to do."""

    def close(self) -> None:
        self.block_count = 0


class ImageCard:
    """The image file `path` as a card. It is locked while this is open.

    Raises HostError when it is no regular file, another k210sim has it, or its size is none of a
    card. A file that may not be written is a card with its protection tab set.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self._file = None
        try:
            if not stat.S_ISREG(os.stat(self.path).st_mode):
                raise HostError(f"SD card {path}: expected an image file or a folder")
            self.protected = not os.access(self.path, os.W_OK)
            self._file = open(self.path, "rb" if self.protected else "r+b", buffering=0)
            size = os.fstat(self._file.fileno()).st_size
        except OSError as error:
            raise HostError(f"SD card {path}: {error.strerror or error}") from error
        try:
            _lock(self._file, self.path)
            if size % BLOCK or not FEWEST_BLOCKS <= size // BLOCK < MOST_BLOCKS:
                raise HostError(
                    f"SD card {path}: found {size} bytes, expected a multiple of {BLOCK} from "
                    f"{FEWEST_BLOCKS * BLOCK} bytes to 2 TiB; `k210sim fs mkfs --sd {path} "
                    "--size 64M` makes a new card"
                )
        except BaseException:
            self._file.close()
            raise
        self.block_count = size // BLOCK
        self.name = str(self.path.resolve())
        self.serial = zlib.crc32(self.name.encode())

    def read_block(self, n: int) -> bytes:
        check_block(n, self.block_count)
        try:
            self._file.seek(n * BLOCK)
            data = self._file.read(BLOCK)
        except (OSError, ValueError) as error:
            raise CardError(f"SD card {self.path}: {error}") from error
        if len(data) != BLOCK:
            raise CardError(f"SD card {self.path}: the file has become shorter")
        return data

    def write_block(self, n: int, data) -> None:
        check_block(n, self.block_count, data)
        if self.protected:
            raise CardError(f"SD card {self.path}: write-protected (the file may not be written)")
        try:
            self._file.seek(n * BLOCK)
            if self._file.write(data) != BLOCK:
                raise OSError("the disk is full")
        except (OSError, ValueError) as error:
            raise CardError(f"SD card {self.path}: {error}") from error

    def flush(self) -> None:
        if not self.protected and self.block_count:
            try:
                os.fsync(self._file.fileno())
            except (OSError, ValueError) as error:
                raise CardError(f"SD card {self.path}: {error}") from error

    def close(self) -> None:
        self.block_count = 0
        self._file.close()


class PartitionedCard:
    """A bare volume as the first partition of a card; see the top of this file.

    What is written before the partition is kept until the card is taken out: no such place exists
    in the image.
    """

    def __init__(self, volume):
        self._volume = volume
        self._lead = {0: partition_table(LEAD, volume.block_count)}
        self.block_count = LEAD + volume.block_count
        self.serial, self.name = volume.serial, volume.name

    def read_block(self, n: int) -> bytes:
        check_block(n, self.block_count)
        if n < LEAD:
            return self._lead.get(n, bytes(BLOCK))
        return self._volume.read_block(n - LEAD)

    def write_block(self, n: int, data) -> None:
        check_block(n, self.block_count, data)
        if n < LEAD:
            self._lead[n] = bytes(data)
        else:
            self._volume.write_block(n - LEAD, data)

    def flush(self) -> None:
        self._volume.flush()

    def close(self) -> None:
        self.block_count = 0
        self._volume.close()


def _lock(file, path: Path) -> None:
    """Take the image for this process; raises HostError when another has it."""
    try:
        import fcntl
    except ImportError:  # Windows: nothing keeps two boards from one image there
        return
    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise HostError(
            f"SD card {path}: another k210sim is using it; end that one first or give a copy"
        ) from None
