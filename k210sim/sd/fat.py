"""A FAT12, FAT16 or FAT32 volume on a block device: folders, long names, times, files.

It offers what `folder.FolderCard` offers, so that the guest's file system does not know which of
the two is in the slot. Volumes are untrusted: every number is checked when it is used, no chain
is followed for longer than the volume is, and what is damaged fails with a number of the FAT
library (FatFailure) and harms nothing else.

In three points we differ from the firmware's library on purpose: a folder cannot be moved into
itself, a new file gets the next number for its 8.3 name where the library uses a hash from the
sixth collision on, and an open file whose entry is removed, renamed or emptied fails from then on.
Ref: FAT 1.03; FatFs R0.13c (rules, results, order of writes).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from k210sim.sd import BLOCK, fat_names
from k210sim.sd import fat_layout as L
from k210sim.sd.fat_file import FatFile
from k210sim.sd.fat_layout import DirRecord, Entry, FatFailure, find_volume
from k210sim.sd.fat_table import FatTable, Window

MOST_ENTRIES = 65536  # of a folder, by the specification
Slot = tuple[int, int]  # block and offset of a directory entry


@dataclass
class Item:
    """A file or folder where it stands in its folder. `slots` are its entries, the last is its
    8.3 one."""

    name: str
    record: DirRecord
    slots: list[Slot] = field(default_factory=list)

    @property
    def is_dir(self) -> bool:
        return bool(self.record.attributes & L.DIRECTORY)


class FatVolume:
    """The volume in partition `partition` (0: the first there is) of `device`.

    now : gives the date and time of changes as FAT has them, date << 16 | time
    keep : False for a device whose content others change too
    """

    encoding = fat_names.CODE_PAGE  # of the guest's names

    def __init__(self, device, *, partition: int = 0, now: Callable[[], int] | None = None,
                 keep: bool = True):
        self.device = device
        self._again = (device, partition, now, keep)
        self.place = find_volume(device, partition)
        self.window = Window(device, keep=keep)
        self.table = FatTable(self.window, self.place)
        self.now = now or (lambda: 0x28210000)  # 1 January 2000
        self.cwd: list[str] = []
        self.open_files: list[FatFile] = []
        self._on_sync = getattr(device, "sync", None)

    @property
    def cluster_bytes(self) -> int:
        return self.place.cluster_bytes

    def __reduce__(self):
        """In a snapshot: the volume as it is on the card when the snapshot is put back. Of a
        device in the guest's own memory nothing has to be read again."""
        if self._again[3]:
            return _volume_again, (*self._again, list(self.cwd))
        return super().__reduce_ex__(2)

    # --- what the file system offers ------------------------------------------------------------
    def chdir(self, path: str) -> None:
        names = fat_names.split(path, self.cwd)
        self.cwd = self._folder(names)[1]

    def getcwd(self) -> str:
        return "/" + "/".join(self.cwd)

    def listdir(self, path: str) -> list[Entry]:
        """Entries of a folder, in their order on the card."""
        folder, _ = self._folder(fat_names.split(path, self.cwd))
        return [_entry(item) for item in self.items(folder)]

    def stat(self, path: str) -> Entry:
        """NO_FILE or NO_PATH where there is nothing; the top has no name."""
        names = fat_names.split(path, self.cwd)
        if not names:
            return Entry("", True, 0, 0)
        return _entry(self.find(path))

    def find(self, path: str) -> Item:
        """A file or folder where it stands; NO_FILE or NO_PATH where there is nothing."""
        names = self._names(path)
        return self._need(self._find(names)[1], names)

    def open(self, path: str, mode: int) -> FatFile:
        """A file, for the mode bits of `fat_layout`."""
        names = self._names(path)
        self._may_write(bool(mode & ~L.READ))
        folder, item = self._find(names)
        creates = mode & (L.CREATE_NEW | L.CREATE_ALWAYS | L.OPEN_ALWAYS)
        if item is None:
            if not creates:
                raise FatFailure(L.NO_FILE, names[-1])
            item = self._create(folder, names[-1], L.ARCHIVE, 0)
        elif mode & L.CREATE_NEW:
            raise FatFailure(L.EXIST, names[-1])
        elif item.is_dir:
            raise FatFailure(L.DENIED if creates or mode & L.WRITE else L.NO_FILE, names[-1])
        elif mode & L.WRITE and item.record.attributes & L.READ_ONLY:
            raise FatFailure(L.DENIED, names[-1])
        elif mode & L.CREATE_ALWAYS:
            self._empty(item)
        file = FatFile(self, item.slots[-1], item.record.cluster, item.record.size, mode)
        self.open_files.append(file)
        return file

    def write_file(self, path: str, data) -> None:
        """Make or replace a whole file: cut at any write it is the old one or the new one."""
        names = self._names(path)
        self._may_write()
        folder, item = self._find(names)
        if item is not None and (item.is_dir or item.record.attributes & L.READ_ONLY):
            raise FatFailure(L.DENIED, names[-1])
        first = self._store_chain(data)
        if item is None:
            size = DirRecord(size=len(data))
            try:
                self._create(folder, names[-1], L.ARCHIVE, first, self._stamped(size))
            except FatFailure:
                self.table.release(first)
                raise
        else:
            self._orphan(item)
            old, record = item.record.cluster, self._stamped(item.record)
            record.size = len(data)
            _point(record, first)
            n, at = item.slots[-1]
            self.window.change(n)[at : at + DirRecord.SIZE] = record.build()
            self.window.sync()
            self.table.release(old)
        self.sync()

    def mkdir(self, path: str) -> None:
        names = self._names(path)
        self._may_write()
        folder, item = self._find(names)
        if item is not None:
            raise FatFailure(L.EXIST, names[-1])
        cluster = self.table.allocate()
        if not cluster:
            raise FatFailure(L.DENIED, "the card is full")
        try:
            self._clear(cluster)
            for i, (name, target) in enumerate(((b".", cluster), (b"..", self._up(folder)))):
                record = self._stamped(DirRecord(name=name.ljust(11), attributes=L.DIRECTORY))
                _point(record, target)
                block = self.window.change(self._first_block(cluster))
                block[i * record.SIZE : (i + 1) * record.SIZE] = record.build()
            self.window.sync()
            self._create(folder, names[-1], L.DIRECTORY, cluster)
        except FatFailure:
            self.table.release(cluster)
            raise
        self.sync()

    def unlink(self, path: str) -> None:
        """Remove a file or an empty folder, which must not be the current one."""
        names = self._names(path)
        self._may_write()
        item = self._need(self._find(names)[1], names)
        if item.record.attributes & L.READ_ONLY:
            raise FatFailure(L.DENIED, names[-1])
        if item.is_dir:
            here = [fat_names.fold(n) for n in self.cwd]
            if here[: len(names)] == [fat_names.fold(n) for n in names] or any(
                    True for _ in self.items(item.record.cluster)):
                raise FatFailure(L.DENIED, names[-1])
        self._erase(item)
        self.table.release(item.record.cluster)
        self.sync()

    def rename(self, old: str, new: str) -> None:
        """The new name must not exist, unless it is the old one in other letters."""
        names, targets = self._names(old), self._names(new)
        self._may_write()
        _, item = self._find(names)
        item = self._need(item, names)
        folder, other = self._find(targets)
        if other is not None and other.slots[-1] != item.slots[-1]:
            raise FatFailure(L.EXIST, targets[-1])
        folded = [fat_names.fold(n) for n in targets]
        if item.is_dir and len(folded) > len(names) and folded[: len(names)] == [
                fat_names.fold(n) for n in names]:
            raise FatFailure(L.DENIED, "a folder cannot be moved into itself")
        record = item.record
        if other is None:
            # Both entries exist for a moment: who is killed then has the file twice, never not.
            self._create(folder, targets[-1], record.attributes | L.ARCHIVE, record.cluster, record)
            self._erase(item)
        else:
            self._erase(item)
            self._create(folder, targets[-1], record.attributes | L.ARCHIVE, record.cluster, record)
        if item.is_dir and record.cluster:
            block = self.window.change(self._first_block(record.cluster))
            if block[DirRecord.SIZE : DirRecord.SIZE + 2] == b"..":
                up = DirRecord.parse(block, DirRecord.SIZE)
                _point(up, self._up(folder))
                block[DirRecord.SIZE : 2 * DirRecord.SIZE] = up.build()
        self.sync()

    def clusters(self) -> tuple[int, int]:
        """(all, free) clusters."""
        return self.place.clusters, self.table.free()

    def sync(self) -> None:
        """What was changed is on the device."""
        self.table.sync()
        if self._on_sync is not None:
            self._on_sync()

    # --- folders --------------------------------------------------------------------------------
    # A folder is its first cluster; 0 is the top, which on FAT12 and FAT16 has no cluster.
    def blocks(self, folder: int) -> Iterator[int]:
        """The blocks of a folder, in order."""
        place = self.place
        if folder == 0 and place.bits != 32:
            yield from range(place.root, place.root + place.root_blocks)
            return
        for cluster in self.table.chain(folder or place.root):
            first = self._first_block(cluster)
            yield from range(first, first + place.cluster_blocks)

    def slots(self, folder: int) -> Iterator[tuple[Slot, bytes]]:
        """Every entry of a folder with where it stands, free ones too."""
        count = 0
        for n in self.blocks(folder):
            block = bytes(self.window.read(n))
            for at in range(0, BLOCK, DirRecord.SIZE):
                yield (n, at), block[at : at + DirRecord.SIZE]
            count += BLOCK // DirRecord.SIZE
            if count >= MOST_ENTRIES:
                return

    def items(self, folder: int) -> Iterator[Item]:
        """The files and folders of a folder, without `.` and `..`."""
        long, places = fat_names.LongName(), []
        for slot, raw in self.slots(folder):
            attributes = raw[11] & 0x3F
            if raw[0] == 0:
                return
            if raw[0] == L.DELETED:
                long.clear()
                places = []
            elif attributes == L.LONG_NAME:
                long.add(raw)
                places = [*places, slot][-long.count :] if long.count else []
            else:
                if not attributes & L.LABEL and raw[0] != ord("."):
                    record = DirRecord.parse(raw)
                    name = long.take(record.name)
                    if name is None:
                        places = []
                    yield Item(name or fat_names.shown(record.name, record.nt_flags), record,
                               [*places, slot])
                long.clear()
                places = []

    def _may_write(self, wanted: bool = True) -> None:
        if wanted and getattr(self.device, "read_only", False):
            raise FatFailure(L.WRITE_PROTECTED)

    def _names(self, path: str) -> list[str]:
        names = fat_names.split(path, self.cwd)
        if not names:
            raise FatFailure(L.INVALID_NAME, path)
        return names

    def _folder(self, names: list[str]) -> tuple[int, list[str]]:
        """(first cluster, names as they stand there) of a folder; NO_PATH where it is none."""
        at, found = 0, []
        for name in names:
            item = self._in(at, name)
            if item is None or not item.is_dir:
                raise FatFailure(L.NO_PATH, name)
            at = item.record.cluster
            found.append(item.name)
        return at, found

    def _in(self, folder: int, name: str) -> Item | None:
        wanted = fat_names.fold(name)
        for item in self.items(folder):
            if wanted in (fat_names.fold(item.name), fat_names.shown(item.record.name, 0)):
                return item
        return None

    def _find(self, names: list[str]) -> tuple[int, Item | None]:
        """The folder of a path's last name, and the item there."""
        folder, _ = self._folder(names[:-1])
        return folder, self._in(folder, names[-1])

    @staticmethod
    def _need(item: Item | None, names: list[str]) -> Item:
        if item is None:
            raise FatFailure(L.NO_FILE, names[-1])
        return item

    def _up(self, folder: int) -> int:
        """What `..` of a folder in `folder` says: 0 for the top."""
        return 0 if folder == self.place.root and self.place.bits == 32 else folder

    def _first_block(self, cluster: int) -> int:
        return self.place.data + (cluster - 2) * self.place.cluster_blocks

    def _clear(self, cluster: int) -> None:
        first = self._first_block(cluster)
        for n in range(first, first + self.place.cluster_blocks):
            self.window.write(n, bytes(BLOCK))

    def _store_chain(self, data) -> int:
        """A new chain that holds `data`; its first cluster, 0 for no data."""
        first = last = 0
        for start in range(0, len(data), self.cluster_bytes):
            cluster = self.table.allocate(last)
            if not cluster:
                self.table.release(first)
                raise FatFailure(L.DENIED, "the card is full")
            first, last = first or cluster, cluster
            part = bytes(data[start : start + self.cluster_bytes])
            for n, at in enumerate(range(0, len(part), BLOCK), self._first_block(cluster)):
                self.window.write(n, part[at : at + BLOCK].ljust(BLOCK, b"\0"))
        self.window.sync()
        return first

    # --- changing folders -----------------------------------------------------------------------
    def _stamped(self, record: DirRecord) -> DirRecord:
        stamp = self.now()
        record.date = record.created_date = stamp >> 16
        record.time = record.created_time = stamp & 0xFFFF
        return record

    def _create(self, folder: int, name: str, attributes: int, cluster: int,
                like: DirRecord | None = None) -> Item:
        """A new entry; with `like` it is that file or folder under another name."""
        short = fat_names.as_short(name)
        if short is not None:
            raw, flags, parts = short[0], short[1], []
        else:
            taken = {record.name for record in (i.record for i in self.items(folder))}
            raw, flags = fat_names.short_for(name, taken), 0
            parts = fat_names.long_parts(name, raw)
        record = DirRecord.parse(like.build()) if like else self._stamped(DirRecord())
        record.name, record.nt_flags, record.attributes = raw, flags, attributes
        _point(record, cluster)
        slots = self._free_slots(folder, len(parts) + 1)
        for (n, at), entry in zip(slots, [*parts, record.build()], strict=True):
            self.window.change(n)[at : at + DirRecord.SIZE] = entry
        self.window.sync()
        return Item(name, record, slots)

    def _free_slots(self, folder: int, count: int) -> list[Slot]:
        """`count` free entries in a row; the folder grows when there are none."""
        run: list[Slot] = []
        total, ended = 0, False
        for slot, raw in self.slots(folder):
            total += 1
            ended = ended or raw[0] == 0
            if ended or raw[0] == L.DELETED:
                run.append(slot)
                if len(run) == count:
                    return run
            else:
                run = []
        if folder == 0 and self.place.bits != 32:
            raise FatFailure(L.DENIED, "the top directory is full")
        *_, last = self.table.chain(folder or self.place.root)
        while len(run) < count:
            grown = self.place.cluster_bytes // DirRecord.SIZE
            if total + grown > MOST_ENTRIES:
                raise FatFailure(L.DENIED, "the folder is full")
            cluster = self.table.allocate()
            if not cluster:
                raise FatFailure(L.DENIED, "the card is full")
            self._clear(cluster)
            self.table.set(last, cluster)
            last, total = cluster, total + grown
            first = self._first_block(cluster)
            run += [(n, at) for n in range(first, first + self.place.cluster_blocks)
                    for at in range(0, BLOCK, DirRecord.SIZE)]
        return run[:count]

    def _erase(self, item: Item) -> None:
        """Free an item's entries, the 8.3 one first: with it the item is gone.

        A file that is open loses its handle's place with it, so that the handle dies: on the
        device it would go on into clusters that are somebody else's by then.
        """
        self._orphan(item)
        for n, at in reversed(item.slots):
            self.window.change(n)[at] = L.DELETED
        self.window.sync()

    def _orphan(self, item: Item) -> None:
        for file in [f for f in self.open_files if f.slot == item.slots[-1]]:
            file.dead = True
            self.open_files.remove(file)

    def _empty(self, item: Item) -> None:
        """An existing file becomes a new one."""
        self._orphan(item)
        first = item.record.cluster
        record = self._stamped(item.record)
        record.attributes, record.size = L.ARCHIVE, 0
        _point(record, 0)
        n, at = item.slots[-1]
        self.window.change(n)[at : at + DirRecord.SIZE] = record.build()
        self.window.sync()
        self.table.release(first)
        self.sync()


def _volume_again(device, partition, now, keep, cwd) -> FatVolume:
    volume = FatVolume(device, partition=partition, now=now, keep=keep)
    volume.cwd = cwd
    return volume


def _point(record: DirRecord, cluster: int) -> None:
    record.cluster_high, record.cluster_low = cluster >> 16, cluster & 0xFFFF


def _entry(item: Item) -> Entry:
    record = item.record
    return Entry(item.name, item.is_dir, 0 if item.is_dir else record.size,
                 _seconds(record.date, record.time), fat_names.shown(record.name, 0))


def _seconds(date: int, time: int) -> int:
    """Seconds from 2000 to a date and time of FAT, which may be nonsense; negative before 2000."""
    year, month, day = 1980 + (date >> 9), max(date >> 5 & 15, 1), date & 31
    days = sum(366 if _leap(y) else 365 for y in range(2000, year))
    days -= sum(366 if _leap(y) else 365 for y in range(year, 2000))
    lengths = (31, 29 if _leap(year) else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
    days += sum(lengths[: min(month, 13) - 1]) + day - 1
    return ((days * 24 + (time >> 11)) * 60 + (time >> 5 & 63)) * 60 + 2 * (time & 31)


def _leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
