"""FAT on disk: boot sector, FSInfo, directory entries, and the geometry they give.

Ref: Microsoft, FAT: General Overview of On-Disk Format 1.03; what a volume must satisfy to be
mounted, and which kind of FAT it is then: FatFs R0.13c as micropython v1.11 has it
(lib/oofatfs/ff.c, check_fs and find_volume).
"""

from __future__ import annotations

from dataclasses import dataclass

from k210sim.errors import HostError
from k210sim.records import U8, U16, U32, Bytes, Record
from k210sim.sd import BLOCK
from k210sim.sd.cards import SIGNATURE, CardError, partitions

# Results of the FAT library, by its own numbers.
DISK_ERR, INT_ERR, NO_FILE, NO_PATH, INVALID_NAME, DENIED, EXIST, INVALID_OBJECT = (
    1, 2, 4, 5, 6, 7, 8, 9)
WRITE_PROTECTED, NO_FILESYSTEM, MKFS_ABORTED = 10, 13, 14

READ, WRITE, CREATE_NEW, CREATE_ALWAYS, OPEN_ALWAYS = 0x01, 0x02, 0x04, 0x08, 0x10
LONGEST_NAME = 255
FORBIDDEN = frozenset('"*:<>?|\x7f\\/')

READ_ONLY, HIDDEN, SYSTEM, LABEL, DIRECTORY, ARCHIVE = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
LONG_NAME = READ_ONLY | HIDDEN | SYSTEM | LABEL
LOWER_BODY, LOWER_EXTENSION = 0x08, 0x10  # of `nt_flags`
DELETED, E5_STANDS_FOR = 0xE5, 0x05
LAST_PART = 0x40  # of a long name, set in the part that stands first
CHARS_PER_PART = 13

MOST_CLUSTERS = {12: 0xFF5, 16: 0xFFF5, 32: 0x0FFFFFF5}
END_MARK = {12: 0xFFF, 16: 0xFFFF, 32: 0x0FFFFFFF}


class FatFailure(HostError):
    """An operation failed; `result` is the FAT library's number for it."""

    def __init__(self, result: int, detail: str = ""):
        self.result = result
        super().__init__(f"SD card: result {result}{': ' if detail else ''}{detail}")


@dataclass
class Entry:
    """A file or folder: its name, size in bytes, seconds since 2000 of its last change."""

    name: str
    is_dir: bool
    size: int
    changed: int
    short: str = ""  # its 8.3 name, where it has one

    def guest_name(self, encoding: str) -> bytes:
        """The name as the guest reads it: the 8.3 one where its code page lacks a character."""
        try:
            return self.name.encode(encoding, "surrogateescape")
        except UnicodeEncodeError:
            return self.short.encode(encoding)


class BootSector(Record):
    """The first 36 bytes of a volume; what follows depends on the kind of FAT."""

    jump = Bytes(3, default=b"\xeb\xfe\x90")
    oem = Bytes(8, default=b"MSDOS5.0")
    bytes_per_sector = U16(default=BLOCK)
    sectors_per_cluster = U8()
    reserved_sectors = U16()
    fats = U8()
    root_entries = U16()
    sectors16 = U16()
    media = U8(default=0xF8)
    fat_sectors16 = U16()
    sectors_per_track = U16(default=63)
    heads = U16(default=255)
    hidden_sectors = U32()
    sectors32 = U32()


class Fat32Boot(Record):
    """Offset 36 of a FAT32 volume."""

    fat_sectors = U32()
    flags = U16()
    version = U16()
    root_cluster = U32(default=2)
    info_sector = U16(default=1)
    backup_sector = U16(default=6)
    unused = Bytes(12)


class BootTail(Record):
    """The end of both kinds of boot sector."""

    drive = U8(default=0x80)
    unused = U8()
    signature = U8(default=0x29)
    volume_id = U32()
    label = Bytes(11, default=b"NO NAME    ")
    kind = Bytes(8, default=b"FAT     ")


class FsInfo(Record):
    """FSInfo of FAT32: hints about free clusters."""

    lead = U32(const=0x41615252)
    unused = Bytes(480)
    middle = U32(const=0x61417272)
    free = U32(default=0xFFFFFFFF)
    next_free = U32(default=0xFFFFFFFF)
    unused2 = Bytes(14)
    end = U16(const=0xAA55)


class DirRecord(Record):
    """A directory entry of 32 bytes."""

    name = Bytes(11)
    attributes = U8()
    nt_flags = U8()
    created_tenths = U8()
    created_time = U16()
    created_date = U16()
    accessed_date = U16()
    cluster_high = U16()
    time = U16()
    date = U16()
    cluster_low = U16()
    size = U32()

    @property
    def cluster(self) -> int:
        return self.cluster_high << 16 | self.cluster_low


@dataclass(frozen=True)
class Geometry:
    """Where things are on a volume, in blocks from the start of the device."""

    bits: int  # of a FAT entry: 12, 16, 32
    base: int  # the boot sector
    fat: int
    fat_blocks: int  # of one copy
    fats: int
    root: int  # first block (FAT12, FAT16) or first cluster (FAT32) of the top directory
    root_blocks: int  # 0 on FAT32
    data: int  # where cluster 2 is
    cluster_blocks: int
    clusters: int
    info: int  # block of FSInfo, 0: none
    blocks: int  # of the volume

    @property
    def limit(self) -> int:
        """The first cluster number there is not."""
        return self.clusters + 2

    @property
    def cluster_bytes(self) -> int:
        return self.cluster_blocks * BLOCK


def _not_a_volume(why: str) -> FatFailure:
    return FatFailure(NO_FILESYSTEM, why)


def looks_like_fat(block: bytes) -> bool:
    """Whether a block could be the first of a FAT volume; its numbers are not looked at."""
    return (block.endswith(SIGNATURE) and block[0] in (0xE8, 0xE9, 0xEB)
            and (block[54:57] == b"FAT" or block[82:87] == b"FAT32"))


def find_volume(device, partition: int = 0) -> Geometry:
    """The volume on a block device: in partition 1 to 4, or (0) the first that can be mounted.

    With 0 the device may also be one volume without a partition table. Raises
    FatFailure(NO_FILESYSTEM) and says why.
    """
    block0 = _read(device, 0)
    if not block0.endswith(SIGNATURE):
        raise _not_a_volume("block 0 does not end in 55 AA: no partition table, no volume")
    if partition == 0 and looks_like_fat(block0):
        return geometry(device, 0, block0)
    if block0[3:11] == b"EXFAT   ":
        raise _not_a_volume("it is exFAT, which the firmware does not read either; use FAT32")
    why = "the partition table names no FAT volume"
    for kind, start, _ in (partitions(block0)[partition - 1 :][:1] if partition
                           else partitions(block0)):
        if not kind or not 0 < start < device.block_count:
            continue
        block = _read(device, start)
        if looks_like_fat(block):
            return geometry(device, start, block)
        if block[3:11] == b"EXFAT   ":
            why = "its partition is exFAT, which the firmware does not read either; use FAT32"
    raise _not_a_volume(why)


def geometry(device, base: int, block: bytes) -> Geometry:
    """Geometry from the boot sector `block` at `base`; every number is checked."""
    boot = BootSector.parse(block)
    if boot.bytes_per_sector != BLOCK:
        raise _not_a_volume(f"sectors of {boot.bytes_per_sector} bytes, expected {BLOCK}")
    extra = Fat32Boot.parse(block, BootSector.SIZE)
    fat_blocks = boot.fat_sectors16 or extra.fat_sectors
    per = boot.sectors_per_cluster
    blocks = boot.sectors16 or boot.sectors32
    if boot.fats not in (1, 2):
        raise _not_a_volume(f"{boot.fats} FATs, expected 1 or 2")
    if per == 0 or per & (per - 1):
        raise _not_a_volume(f"clusters of {per} sectors, expected a power of two")
    if boot.root_entries % (BLOCK // DirRecord.SIZE):
        raise _not_a_volume(f"{boot.root_entries} root entries, expected a multiple of 16")
    if boot.reserved_sectors == 0:
        raise _not_a_volume("no reserved sectors")
    root_blocks = boot.root_entries * DirRecord.SIZE // BLOCK
    system = boot.reserved_sectors + boot.fats * fat_blocks + root_blocks
    clusters = (blocks - system) // per if blocks > system else 0
    bits = next((b for b, most in MOST_CLUSTERS.items() if clusters <= most), 0)
    if clusters == 0 or not bits:
        raise _not_a_volume(f"{blocks} sectors give no possible number of clusters")
    if bits == 32 and (boot.root_entries or extra.version):
        raise _not_a_volume("a FAT32 volume with a fixed top directory or of another version")
    if bits != 32 and not boot.root_entries:
        raise _not_a_volume("no room for a top directory")
    if fat_blocks < -(-((clusters + 2) * bits) // (8 * BLOCK)):
        raise _not_a_volume(f"a FAT of {fat_blocks} sectors is too small for {clusters} clusters")
    if base + blocks > device.block_count:
        raise _not_a_volume(
            f"the volume ends at block {base + blocks}, the device at {device.block_count}")
    fat = base + boot.reserved_sectors
    top = fat + boot.fats * fat_blocks
    if bits == 32 and not 2 <= extra.root_cluster < clusters + 2:
        raise _not_a_volume(f"the top directory is in cluster {extra.root_cluster}, which is none")
    info = base + extra.info_sector if bits == 32 and extra.info_sector == 1 else 0
    return Geometry(bits, base, fat, fat_blocks, boot.fats,
                    extra.root_cluster if bits == 32 else top, root_blocks, top + root_blocks,
                    per, clusters, info, blocks)


def _read(device, n: int) -> bytes:
    try:
        return device.read_block(n)
    except CardError as error:
        raise FatFailure(DISK_ERR, str(error)) from error
