"""An open file on a FAT volume."""

from __future__ import annotations

from k210sim.sd import BLOCK
from k210sim.sd import fat_layout as L
from k210sim.sd.fat_layout import DirRecord, FatFailure


class FatFile:
    """What `FatVolume.open` gives. `slot` is where its directory entry is.

    The entry is brought up to date by `flush` and `close`, as in the firmware: until then a file
    that grew has its old size on the card. Methods raise FatFailure.
    """

    def __init__(self, volume, slot: tuple[int, int], first: int, size: int, mode: int):
        self.volume, self.slot, self.size, self.mode = volume, slot, size, mode
        self._chain = [first] if first else []
        self._position = size if mode & L.OPEN_ALWAYS else 0
        self._changed = False
        self.closed = self.dead = False

    def tell(self) -> int:
        return self._position

    def read(self, length: int = -1) -> bytes:
        """Up to `length` bytes (all of the rest if negative); b"" at the end of the file."""
        self._alive()
        left = max(self.size - self._position, 0)
        left = left if length < 0 else min(length, left)
        window, parts = self.volume.window, []
        while left:
            n, inside = self._block(self._position)
            part = bytes(window.read(n)[inside : inside + left])
            parts.append(part)
            self._position += len(part)
            left -= len(part)
        return b"".join(parts)

    def write(self, data) -> int:
        """Write at the position; returns how much fitted: less than all means the card is full."""
        self._alive()
        view = memoryview(data).cast("B")
        window, at = self.volume.window, 0
        view = view[: max(0xFFFFFFFF - self._position, 0)]  # a file's size has 32 bits
        while at < len(view):
            if not self._reach(self._position):
                break
            n, inside = self._block(self._position)
            part = min(BLOCK - inside, len(view) - at)
            if part == BLOCK:
                window.write(n, view[at : at + part])
            else:
                window.change(n)[inside : inside + part] = view[at : at + part]
            at += part
            self._position += part
            self.size = max(self.size, self._position)
        self._changed = True
        return at

    def seek(self, target: int) -> int:
        """Go to a position. Beyond the end the file grows (with whatever is there on the card)
        when it is open for writing, as far as the card has room; else the end is the limit."""
        self._alive()
        target = min(max(target, 0), 0xFFFFFFFF)
        if target > self.size:
            if not self.mode & L.WRITE:
                target = self.size
            else:
                if target and not self._reach(target - 1):
                    target = len(self._chain) * self.volume.cluster_bytes
                self.size = max(self.size, target)
                self._changed = True
        self._position = target
        return target

    def flush(self) -> None:
        """Bring the card up to date: data first, then the table, then the entry."""
        self._alive()
        volume = self.volume
        if self._changed:
            volume.window.sync()
            n, at = self.slot
            block = volume.window.change(n)
            record = DirRecord.parse(block, at)
            first = self._chain[0] if self._chain else 0
            record.cluster_high, record.cluster_low = first >> 16, first & 0xFFFF
            record.size = self.size
            record.attributes |= L.ARCHIVE
            stamp = volume.now()
            record.date, record.time = stamp >> 16, stamp & 0xFFFF
            block[at : at + DirRecord.SIZE] = record.build()
            self._changed = False
        volume.sync()

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            try:
                self.flush()
            finally:
                if self in self.volume.open_files:
                    self.volume.open_files.remove(self)

    # --- inside ---------------------------------------------------------------------------------
    def _alive(self) -> None:
        if self.dead:
            raise FatFailure(L.INVALID_OBJECT, "the file's entry is another's now")

    def _block(self, position: int) -> tuple[int, int]:
        """Block and offset of a position in the file; INT_ERR where the chain ends too early."""
        place = self.volume.place
        index, inside = divmod(position, place.cluster_bytes)
        self._follow(index)
        if index >= len(self._chain):
            raise FatFailure(L.INT_ERR, "the file's chain is shorter than its size")
        cluster = self._chain[index]
        if not 2 <= cluster < place.limit:
            raise FatFailure(L.INT_ERR, f"cluster {cluster} is outside the volume")
        n, offset = divmod(inside, BLOCK)
        return place.data + (cluster - 2) * place.cluster_blocks + n, offset

    def _follow(self, index: int) -> None:
        """Read the chain up to the cluster `index`, or to its end."""
        table = self.volume.table
        while self._chain and len(self._chain) <= index:
            if len(self._chain) > self.volume.place.clusters:
                raise FatFailure(L.INT_ERR, "the file's chain has no end")
            following = table.next(self._chain[-1])
            if following is None:
                return
            self._chain.append(following)

    def _reach(self, position: int) -> bool:
        """Make the chain reach a position; False when the card is full."""
        index = position // self.volume.cluster_bytes
        self._follow(index)
        while len(self._chain) <= index:
            cluster = self.volume.table.allocate(self._chain[-1] if self._chain else 0)
            if not cluster:
                return False
            self._chain.append(cluster)
        return True
