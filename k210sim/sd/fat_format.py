"""Making an empty FAT volume.

What kind it becomes and how large its clusters are follows the size, as in the firmware's
`VfsFat.mkfs` (FatFs R0.13c f_mkfs, called by micropython v1.11 extmod/vfs_fat.c: one FAT, 512
entries in the top directory, FAT32 only where FAT16 is not possible). Cards get the alignment of
new cards: the partition begins at 1 MiB.
"""

from __future__ import annotations

from k210sim.sd import BLOCK
from k210sim.sd import fat_layout as L
from k210sim.sd.cards import LEAD, SIGNATURE, CardError, partition_table
from k210sim.sd.fat_layout import BootSector, BootTail, DirRecord, Fat32Boot, FatFailure, FsInfo

ROOT_ENTRIES = 512
RESERVED32 = 32
SMALLEST = 22  # blocks
# Cluster sizes double where the volume reaches these sizes: in 4096 blocks, FAT12 and FAT16; in
# 131072 blocks, FAT32.
_STEPS16, _STEPS32 = (1, 4, 16, 64, 256, 512), (1, 2, 4, 8, 16, 32)
MOST_PER_CLUSTER = 128


def format_volume(device, start: int = 0, count: int | None = None, *, stamp: int = 0x28210000,
                  fat32: bool | None = None, fats: int = 1) -> None:
    """Make a volume in `count` blocks from `start`. Raises FatFailure(MKFS_ABORTED).

    stamp : date << 16 | time, becomes the volume's number
    fat32 : True and False force the kind, None takes what fits
    """
    count = device.block_count - start if count is None else count
    if count < SMALLEST:
        raise FatFailure(L.MKFS_ABORTED, f"{count} blocks are too few")
    if fat32:
        plan = _plan32(count, fats)
    else:
        plan = _plan16(count, fats) or (_plan32(count, fats) if fat32 is None else None)
    if plan is None:
        raise FatFailure(L.MKFS_ABORTED, f"{count} blocks suit no FAT of this kind")
    bits, per, reserved, fat_blocks, clusters = plan
    root_entries = 0 if bits == 32 else ROOT_ENTRIES
    boot = BootSector(sectors_per_cluster=per, reserved_sectors=reserved, fats=fats,
                      root_entries=root_entries, hidden_sectors=start)
    if count < 0x10000:
        boot.sectors16 = count
    else:
        boot.sectors32 = count
    block = boot.build()
    if bits == 32:
        block += Fat32Boot(fat_sectors=fat_blocks).build()
        tail = BootTail(volume_id=stamp, kind=b"FAT32   ")
    else:
        block = block[: BootSector.fat_sectors16.offset] + fat_blocks.to_bytes(2, "little") + (
            block[BootSector.fat_sectors16.offset + 2 :])
        tail = BootTail(volume_id=stamp)
    block = (block + tail.build()).ljust(BLOCK - 2, b"\0") + SIGNATURE
    fat = start + reserved
    top = fat + fats * fat_blocks
    top_blocks = per if bits == 32 else root_entries * DirRecord.SIZE // BLOCK
    first = {12: b"\xf8\xff\xff", 16: b"\xf8\xff\xff\xff",
             32: b"\xf8\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x0f"}[bits]
    try:
        # The boot sector comes last: until then there is no volume, or the one of before.
        for copy in range(fats):
            for n in range(fat_blocks):
                _put(device, fat + copy * fat_blocks + n, first if n == 0 else b"")
        for n in range(top_blocks):
            _put(device, top + n, b"")
        if bits == 32:
            info = FsInfo(free=clusters - 1, next_free=2).build()
            for n, data in ((start + 7, info), (start + 6, block), (start + 1, info)):
                _put(device, n, data)
        _put(device, start, block)
    except CardError as error:
        raise FatFailure(L.DISK_ERR, str(error)) from error


def format_card(device, *, stamp: int = 0x28210000) -> None:
    """Make a partition table and one volume in it that takes the rest of the card.

    Cards below 4 MiB get FAT12, below 512 MiB FAT16, others FAT32.
    """
    if device.block_count < 2 * LEAD:
        start = 63
    else:
        start = LEAD
    count = device.block_count - start
    large = device.block_count >= 512 << 11
    format_volume(device, start, count, stamp=stamp, fat32=True if large else None, fats=2)
    try:
        _put(device, 0, partition_table(start, count, _kind(device, start)))
    except CardError as error:
        raise FatFailure(L.DISK_ERR, str(error)) from error


def _kind(device, start: int) -> int:
    """The partition's type for the volume in it."""
    place = L.geometry(device, start, device.read_block(start))
    if place.bits == 32:
        return 0x0C
    return 0x06 if place.blocks >= 0x10000 else 0x04 if place.bits == 16 else 0x01


def _put(device, n: int, data: bytes) -> None:
    device.write_block(n, data.ljust(BLOCK, b"\0"))


def _steps(size: int, steps: tuple[int, ...]) -> int:
    return 1 << sum(step <= size for step in steps)


def _plan16(count: int, fats: int):
    """(bits, blocks a cluster, reserved, blocks of a FAT, clusters) of FAT12 or 16, or None."""
    per = _steps(count // 0x1000, _STEPS16)
    top = ROOT_ENTRIES * DirRecord.SIZE // BLOCK
    while per <= MOST_PER_CLUSTER:
        rough = count // per
        bits = 12 if rough <= L.MOST_CLUSTERS[12] else 16
        size = (rough * 3 + 1) // 2 + 3 if bits == 12 else rough * 2 + 4
        fat_blocks = -(-size // BLOCK)
        used = 1 + fats * fat_blocks + top
        if count < used + 16 * per:
            return None
        clusters = (count - used) // per
        # What counts as FAT12 or FAT16 is the number of clusters that are left in the end.
        if (bits == 12) == (clusters <= L.MOST_CLUSTERS[12]) and clusters <= L.MOST_CLUSTERS[16]:
            return bits, per, 1, fat_blocks, clusters
        per *= 2
    return None


def _plan32(count: int, fats: int):
    per = _steps(count // 0x20000, _STEPS32)
    while per:
        rough = count // per
        fat_blocks = -(-(rough * 4 + 8) // BLOCK)
        used = RESERVED32 + fats * fat_blocks
        clusters = (count - used) // per if count > used else 0
        if L.MOST_CLUSTERS[16] < clusters <= L.MOST_CLUSTERS[32]:
            return 32, per, RESERVED32, fat_blocks, clusters
        per //= 2
    return None
