"""The blocks of a FAT volume through one window, and its file allocation table.

Like the firmware's library in its small configuration, a volume holds one block that may differ
from the card; it is written back before another is changed. So the card sees the changes in the
order in which they were made, which is what keeps files whole when the power fails: a chain is
marked before it is used, and a directory entry comes last.

Ref: FAT 1.03; FatFs R0.13c (order of writes, both copies of the table, use of FSInfo).
"""

from __future__ import annotations

from collections import OrderedDict

from k210sim.sd import BLOCK
from k210sim.sd.cards import CardError
from k210sim.sd.fat_layout import DISK_ERR, END_MARK, INT_ERR, FatFailure, FsInfo, Geometry

KEPT_BLOCKS = 256
_UNKNOWN = 0xFFFFFFFF


class Window:
    """Blocks of a device: any may be read, one at a time is being changed.

    keep : remember blocks that were read. Not for devices that others change behind our back.
    """

    def __init__(self, device, *, keep: bool = True):
        self.device = device
        self._number, self._block, self._dirty = -1, bytearray(BLOCK), False
        self._kept: OrderedDict[int, bytes] | None = OrderedDict() if keep else None
        self.mirror = (0, 0, 0)  # first block, blocks, distance of what is written twice

    def read(self, n: int) -> bytes | bytearray:
        """A block's content; not to be changed. What is kept of a card that was taken out does not
        count: it is gone at once."""
        if self.device.block_count == 0:
            raise FatFailure(DISK_ERR, "the card was taken out")
        if n == self._number:
            return self._block
        if self._kept is None:
            return self._fetch(n)
        block = self._kept.get(n)
        if block is None:
            block = self._kept[n] = self._fetch(n)
            if len(self._kept) > KEPT_BLOCKS:
                self._kept.popitem(last=False)
        else:
            self._kept.move_to_end(n)
        return block

    def change(self, n: int) -> bytearray:
        """A block's content to be changed now; it reaches the card before any other change."""
        if n != self._number:
            block = bytearray(self.read(n))
            self.sync()
            self._number, self._block = n, block
        self._dirty = True
        return self._block

    def write(self, n: int, data) -> None:
        """Replace a whole block at once."""
        if n == self._number:
            self._number, self._dirty = -1, False
        else:
            self.sync()
        self._store(n, bytes(data))

    def sync(self) -> None:
        """Write back what was changed. What cannot be written is forgotten."""
        if self._dirty:
            self._dirty = False
            first, count, distance = self.mirror
            n, self._number = self._number, -1
            self._store(n, bytes(self._block))
            if first <= n < first + count:
                self._store(n + distance, bytes(self._block))
            self._number = n

    def _fetch(self, n: int) -> bytes:
        try:
            return self.device.read_block(n)
        except CardError as error:
            raise FatFailure(DISK_ERR, str(error)) from error

    def _store(self, n: int, data: bytes) -> None:
        if self._kept is not None:
            self._kept.pop(n, None)
        try:
            self.device.write_block(n, data)
        except CardError as error:
            raise FatFailure(DISK_ERR, str(error)) from error


class FatTable:
    """The chains of clusters of a volume."""

    def __init__(self, window: Window, place: Geometry):
        self.window, self.place = window, place
        self.last = 1  # where the last cluster was found
        self._free = _UNKNOWN
        if place.fats == 2:
            window.mirror = (place.fat, place.fat_blocks, place.fat_blocks)
        if place.info:
            block = bytes(window.read(place.info))
            if block[:4] == b"RRaA" and block[484:488] == b"rrAa" and block[510:] == b"\x55\xaa":
                hints = FsInfo.parse(block)
                self._free = hints.free if hints.free <= place.clusters else _UNKNOWN
                if 2 <= hints.next_free < place.limit:
                    self.last = hints.next_free
        self._hints_changed = False

    def get(self, cluster: int) -> int:
        """The entry of a cluster; raises INT_ERR for a number that is none."""
        bits = self.place.bits
        if not 2 <= cluster < self.place.limit:
            raise FatFailure(INT_ERR, f"cluster {cluster} is outside the volume")
        if bits == 12:
            at = cluster + cluster // 2
            value = self._byte(at) | self._byte(at + 1) << 8
            return value >> 4 if cluster & 1 else value & 0xFFF
        n, inside = divmod(cluster * bits // 8, BLOCK)
        block = self.window.read(self.place.fat + n)
        value = int.from_bytes(block[inside : inside + bits // 8], "little")
        return value & 0x0FFFFFFF

    def set(self, cluster: int, value: int) -> None:
        bits = self.place.bits
        if not 2 <= cluster < self.place.limit:
            raise FatFailure(INT_ERR, f"cluster {cluster} is outside the volume")
        if bits == 12:
            at = cluster + cluster // 2
            for i in (0, 1):
                n, inside = divmod(at + i, BLOCK)
                old = self._byte(at + i)
                if cluster & 1:
                    new = value >> 4 & 0xFF if i else old & 0x0F | value << 4 & 0xF0
                else:
                    new = old & 0xF0 | value >> 8 & 0x0F if i else value & 0xFF
                self.window.change(self.place.fat + n)[inside] = new
            return
        n, inside = divmod(cluster * bits // 8, BLOCK)
        block = self.window.change(self.place.fat + n)
        if bits == 32:
            value |= block[inside + 3] << 24 & 0xF0000000
        block[inside : inside + bits // 8] = value.to_bytes(bits // 8, "little")

    def next(self, cluster: int) -> int | None:
        """The cluster after this one, None at the end of the chain; INT_ERR where it is broken."""
        value = self.get(cluster)
        if value < self.place.limit:
            if value < 2:
                raise FatFailure(INT_ERR, f"cluster {cluster} leads to {value}")
            return value
        return None

    def chain(self, first: int):
        """The clusters of a chain; INT_ERR when it is broken or longer than the volume."""
        cluster: int | None = first
        for _ in range(self.place.clusters):
            yield cluster
            cluster = self.next(cluster)
            if cluster is None:
                return
        raise FatFailure(INT_ERR, f"the chain from cluster {first} has no end")

    def allocate(self, previous: int = 0) -> int:
        """A free cluster, now the end of a chain and (if given) the successor of `previous`.

        0 when the volume is full.
        """
        start = previous or self.last
        count, limit = self.place.clusters, self.place.limit
        at = start if 2 <= start < limit else 1
        for _ in range(count):
            at += 1
            if at >= limit:
                at = 2
            if self.get(at) == 0:
                break
        else:
            return 0
        self.set(at, END_MARK[self.place.bits])
        if previous:
            self.set(previous, at)
        self.last = at
        if self._free != _UNKNOWN and self._free:
            self._free -= 1
        self._hints_changed = True
        return at

    def release(self, first: int) -> None:
        """Free a chain from `first` to its end, or to where it is broken."""
        cluster = first
        while 2 <= cluster < self.place.limit:
            following = self.get(cluster)
            if following == 0:
                break  # free already: the chain was broken, or runs into itself
            self.set(cluster, 0)
            if self._free != _UNKNOWN and self._free < self.place.clusters:
                self._free += 1
            cluster = following
        self._hints_changed = True

    def free(self) -> int:
        """Number of free clusters: the count that FAT32 keeps, or counted now."""
        if self._free == _UNKNOWN:
            self._free = self.count_free()
            self._hints_changed = True
        return self._free

    def count_free(self) -> int:
        """Free clusters as the table has them, whatever FSInfo says."""
        if self.place.bits == 12:
            return sum(self.get(c) == 0 for c in range(2, self.place.limit))
        import numpy as np

        per = BLOCK * 8 // self.place.bits
        free, left = 0, self.place.limit
        kind, mask = ("<u2", 0xFFFF) if self.place.bits == 16 else ("<u4", 0x0FFFFFFF)
        for n in range(self.place.fat_blocks):
            if left <= 0:
                break
            entries = np.frombuffer(bytes(self.window.read(self.place.fat + n)), kind)[:left]
            if n == 0:
                entries = entries[2:]
            free += int(np.count_nonzero((entries & mask) == 0))
            left -= per
        return free

    def sync(self) -> None:
        """Write back the window and, on FAT32, the hints."""
        self.window.sync()
        if self._hints_changed and self.place.info:
            block = self.window.change(self.place.info)
            for offset, value in ((FsInfo.lead.offset, FsInfo.lead.const),
                                  (FsInfo.middle.offset, FsInfo.middle.const),
                                  (FsInfo.free.offset, self._free),
                                  (FsInfo.next_free.offset, self.last)):
                block[offset : offset + 4] = value.to_bytes(4, "little")
            block[510:] = b"\x55\xaa"
            self.window.sync()
        self._hints_changed = False

    def _byte(self, at: int) -> int:
        n, inside = divmod(at, BLOCK)
        return self.window.read(self.place.fat + n)[inside]
