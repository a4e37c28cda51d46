"""A host folder as a card of blocks, for who reads and writes blocks: a FAT32 volume made of it.

The volume's tables and folders are made when the card is first asked for a block; the content of
files is read from the host when it is wanted. Blocks that are written are kept here, and once
nothing was written for a second, and when the card is flushed or taken out, the volume is read
like any other and what has changed in it is brought to the host:

* a changed or new file is written whole beside its place and then put there, so that it is the
  old one or the new one at every moment;
* what the volume no longer has is removed, but only if it was presented from this folder;
* a file that is not whole (a chain shorter than its size) stays as it was until it is.

Names are checked as in `folder.py`, links are not followed, nothing outside the folder is reached:
paths are made of the names on the volume, which hold no separators, below the folder. Files of
the host that change meanwhile do not show until the card is put in anew; one that became shorter
reads as an error where it ends.
"""

from __future__ import annotations

import bisect
import logging
import os
import stat
import threading
import time
import zlib
from pathlib import Path

from k210sim.errors import HostError
from k210sim.sd import BLOCK, TEMPORARY
from k210sim.sd import fat_layout as L
from k210sim.sd.cards import CardError, check_block
from k210sim.sd.fat import FatVolume
from k210sim.sd.fat_format import format_card
from k210sim.sd.fat_layout import FatFailure

log = logging.getLogger("k210sim")

SMALLEST_CARD = 4 << 30
LARGEST_FILE = 0xFFFFFFFF
MOST_FILES = 20_000
QUIET_S = 1.0  # without a write, then changes go to the host
EPOCH_1980 = 315532800
PIECE = 1 << 20


class _Sparse:
    """Blocks in memory; what was never written is zero."""

    def __init__(self, count: int):
        self.block_count = count
        self.blocks: dict[int, bytes] = {}

    def read_block(self, n: int) -> bytes:
        check_block(n, self.block_count)
        return self.blocks.get(n, bytes(BLOCK))

    def write_block(self, n: int, data) -> None:
        check_block(n, self.block_count, data)
        data = bytes(data)
        if n in self.blocks or data.strip(b"\0"):
            self.blocks[n] = data


class FolderBlocks:
    """The folder `root` as a card; see the package's docstring for the protocol."""

    def __init__(self, root: Path):
        self.root = root
        self.name = str(root)
        self.serial = zlib.crc32(self.name.encode())
        self._lock = threading.RLock()
        tree = _read_tree(root)
        total = sum(size + L.DirRecord.SIZE * 20 for _, _, size, _ in tree)
        card = SMALLEST_CARD
        while total > card // 2:
            card *= 2
        self._disk = _Sparse(card // BLOCK)
        self.block_count = self._disk.block_count
        # Where files of the host show through: first block -> (block after, host path, offset).
        self._shown: dict[int, tuple[int, str, int]] = {}
        self._starts: list[int] = []
        self._presented: dict[str, bool] = {}  # path on the volume -> is a folder
        self._build(tree)
        self._touched: set[int] = set()  # blocks written since all was brought to the host
        self._staged = 0
        self._dirty = self._closed = False
        self._last_write = 0.0
        self._file: tuple[str, int] | None = None  # the host file that is open for reading
        self._wake = threading.Condition(self._lock)
        threading.Thread(target=self._watch, name="k210 sd folder", daemon=True).start()

    # --- the protocol ---------------------------------------------------------------------------
    def read_block(self, n: int) -> bytes:
        with self._lock:
            check_block(n, self.block_count)
            shown = None if n in self._disk.blocks else self._behind(n)
            return self._disk.read_block(n) if shown is None else self._host_block(*shown)

    def write_block(self, n: int, data) -> None:
        with self._lock:
            check_block(n, self.block_count, data)
            self._disk.blocks[n] = bytes(data)
            self._touched.add(n)
            self._last_write = time.monotonic()
            if not self._dirty:
                self._dirty = True
                self._wake.notify()

    def flush(self) -> None:
        """Bring to the host what has changed."""
        with self._lock:
            if self._dirty:
                self._dirty = False
                self._write_back()

    def close(self) -> None:
        with self._lock:
            self.flush()
            self._closed, self.block_count = True, 0
            self._close_file()
            self._wake.notify()

    # --- from the host to the volume ------------------------------------------------------------
    def _build(self, tree) -> None:
        format_card(self._disk)
        volume = FatVolume(self._disk)
        for path, is_dir, size, changed in tree:
            volume.now = lambda changed=changed: _fat_time(changed)
            try:
                if is_dir:
                    volume.mkdir(path)
                else:
                    self._add_file(volume, path, size)
            except FatFailure as failure:
                raise HostError(f"SD card {self.root}: {path}: {failure}") from failure
            self._presented[path] = is_dir
        volume.sync()
        self._starts = sorted(self._shown)

    def _add_file(self, volume: FatVolume, path: str, size: int) -> None:
        file = volume.open(path, L.WRITE | L.CREATE_NEW)
        if size:
            file.seek(size)
        file.close()
        self._show(volume, path, self._host_path(path), size)

    def _show(self, volume: FatVolume, path: str, host: str, size: int) -> None:
        """Let the host's file show through where the volume has the file's content."""
        place, offset = volume.place, 0
        for first, count in self._runs(volume, path):
            start = place.data + (first - 2) * place.cluster_blocks
            blocks = min(count * place.cluster_blocks, -(-(size - offset) // BLOCK))
            if blocks > 0:
                self._shown[start] = (start + blocks, host, offset)
            offset += count * place.cluster_bytes

    @staticmethod
    def _runs(volume: FatVolume, path: str) -> list[tuple[int, int]]:
        """(first cluster, clusters) of each piece of a file."""
        runs: list[tuple[int, int]] = []
        first = volume.find(path).record.cluster
        for cluster in volume.table.chain(first) if first else ():
            if runs and cluster == sum(runs[-1]):
                runs[-1] = (runs[-1][0], runs[-1][1] + 1)
            else:
                runs.append((cluster, 1))
        return runs

    def _behind(self, n: int) -> tuple[str, int] | None:
        """The host's file and the offset in it that show through at a block."""
        at = bisect.bisect_right(self._starts, n) - 1
        if at >= 0:
            start = self._starts[at]
            end, host, offset = self._shown[start]
            if n < end:
                return host, offset + (n - start) * BLOCK
        return None

    def _host_block(self, host: str, offset: int) -> bytes:
        try:
            if self._file is None or self._file[0] != host:
                self._close_file()
                flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
                self._file = (host, os.open(host, flags))
            os.lseek(self._file[1], offset, os.SEEK_SET)
            data = os.read(self._file[1], BLOCK)
        except OSError as error:
            raise CardError(f"SD card {host}: {error.strerror}") from error
        if not data:
            raise CardError(f"SD card {host}: the file has become shorter")
        return data.ljust(BLOCK, b"\0")

    def _close_file(self) -> None:
        if self._file is not None:
            os.close(self._file[1])
            self._file = None

    # --- from the volume to the host ------------------------------------------------------------
    def _watch(self) -> None:
        """Bring changes to the host once it has been quiet for a while."""
        with self._lock:
            while not self._closed:
                if not self._dirty:
                    self._wake.wait()
                    continue
                quiet = time.monotonic() - self._last_write
                if quiet < QUIET_S:
                    self._wake.wait(QUIET_S - quiet)
                    continue
                self._dirty = False
                try:
                    self._write_back()
                except Exception as error:  # the next flush tries again
                    log.warning("SD card %s: changes not saved yet: %s", self.root, error)

    def _write_back(self) -> None:
        try:
            volume = FatVolume(self)
        except FatFailure as failure:
            log.warning("SD card %s: no volume on it now (%s): the folder stays as it was",
                        self.root, failure)
            return
        now: dict[str, tuple[bool, int]] = {}
        whole = _walk(volume, "", now)
        staged: dict[str, str] = {}  # path on the volume -> new file with its content
        try:
            for path, (is_dir, size) in now.items():
                if not is_dir and self._changed(volume, path, size):
                    temporary = self._stage(volume, path, size)
                    if temporary is None:
                        whole = False
                    else:
                        staged[path] = temporary
            self._close_file()
            for path, (is_dir, _) in now.items():
                if is_dir:
                    self._make_folder(path)
            for path in list(staged):
                host = self._host_path(path)
                if self._reachable(path) and not os.path.isdir(host):
                    os.replace(staged[path], host)
                else:
                    os.unlink(staged.pop(path))
                    log.warning("SD card %s: something else is at %s", self.root, host)
        except OSError as error:
            self._dirty = True
            raise CardError(f"SD card {self.root}: {error.strerror or error}") from error
        if whole:
            self._remove_missing(now)
            self._touched.clear()
        for path in staged:
            self._replace_shown(volume, path, self._host_path(path), now[path][1])
        self._presented.update({path: is_dir for path, (is_dir, _) in now.items()
                                if os.path.lexists(self._host_path(path))})

    def _make_folder(self, path: str) -> None:
        host = self._host_path(path)
        if self._reachable(path) and not os.path.isdir(host):
            if self._presented.get(path) is False:
                os.unlink(host)  # a file that the volume has no longer; its content is staged
                del self._presented[path]
            os.mkdir(host)

    def _changed(self, volume: FatVolume, path: str, size: int) -> bool:
        """Whether the host's file is another than the one on the volume."""
        host = self._host_path(path)
        try:
            info = os.lstat(host)
            runs = self._runs(volume, path)
        except (OSError, FatFailure):
            return True
        if not stat.S_ISREG(info.st_mode) or info.st_size != size:
            return True
        touched = sorted(self._touched)
        offset, place = 0, volume.place
        for first, count in runs:
            n = place.data + (first - 2) * place.cluster_blocks
            left = min(count * place.cluster_blocks, -(-(size - offset) // BLOCK))
            if bisect.bisect_left(touched, n) != bisect.bisect_left(touched, n + max(left, 0)):
                return True
            while left > 0:
                at = bisect.bisect_right(self._starts, n) - 1
                end = self._shown[self._starts[at]][0] if at >= 0 else 0
                if self._behind(n) != (host, offset):
                    return True
                step = min(left, end - n)
                n, offset, left = n + step, offset + step * BLOCK, left - step
        return offset < size

    def _stage(self, volume: FatVolume, path: str, size: int) -> str | None:
        """The file's content in a new file at the top of the folder; None when it is not whole."""
        self._staged += 1
        temporary = str(self.root / f"{TEMPORARY}{os.getpid()}-{self._staged}")
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        with os.fdopen(os.open(temporary, flags, 0o644), "wb") as out:
            try:
                file, left = volume.open(path, L.READ), size
                while left:
                    part = file.read(min(left, PIECE))
                    out.write(part)
                    left -= len(part)
            except FatFailure:
                out.close()
                os.unlink(temporary)
                return None
        return temporary

    def _remove_missing(self, now) -> None:
        """Remove from the host what was presented and is on the volume no longer."""
        for path in sorted(set(self._presented) - set(now), key=len, reverse=True):
            host = self._host_path(path)
            try:
                if not self._reachable(path) or self._same_by_case(host, now):
                    pass
                elif self._presented[path]:
                    os.rmdir(host)
                else:
                    os.unlink(host)
            except OSError as error:
                log.warning("SD card %s: %s stays: %s", self.root, path, error.strerror)
            del self._presented[path]

    def _same_by_case(self, host: str, now) -> bool:
        """On a host that does not tell case apart the file may be there under its new name."""
        others = (o for o in map(self._host_path, now) if o.casefold() == host.casefold())
        return any(os.path.lexists(host) and os.path.lexists(other)
                   and os.path.samefile(host, other) for other in others)

    def _replace_shown(self, volume: FatVolume, path: str, host: str, size: int) -> None:
        """From now on the new file of the host shows through, and its blocks are forgotten."""
        place = volume.place
        for first, count in self._runs(volume, path):
            start = place.data + (first - 2) * place.cluster_blocks
            for n in range(start, start + count * place.cluster_blocks):
                self._disk.blocks.pop(n, None)
            self._cut_shown(start, start + count * place.cluster_blocks)
        self._show(volume, path, host, size)
        self._starts = sorted(self._shown)

    def _cut_shown(self, start: int, end: int) -> None:
        """Nothing shows through in these blocks any more."""
        for first, (last, host, offset) in list(self._shown.items()):
            if first < end and start < last:
                del self._shown[first]
                if first < start:
                    self._shown[first] = (start, host, offset)
                if end < last:
                    self._shown[end] = (last, host, offset + (end - first) * BLOCK)

    def _host_path(self, path: str) -> str:
        return str(self.root.joinpath(*path.strip("/").split("/")))

    def _reachable(self, path: str) -> bool:
        """Whether no link of the host stands on the way to a path, or at it."""
        at = str(self.root)
        for name in path.strip("/").split("/"):
            at = os.path.join(at, name)
            if os.path.islink(at):
                return False
        return True


def _read_tree(root: Path) -> list[tuple[str, bool, int, float]]:
    """(path, is a folder, size, time of change) of all that FAT can hold, folders first."""
    from k210sim.sd.fat_names import fold, split

    found: list[tuple[str, bool, int, float]] = []

    def walk(folder: str, path: str) -> None:
        seen: set[str] = set()
        with os.scandir(folder) as entries:
            for entry in sorted(entries, key=lambda e: e.name):
                is_dir = entry.is_dir(follow_symlinks=False)
                if not (is_dir or entry.is_file(follow_symlinks=False)):
                    continue
                try:
                    names = split(entry.name, [])
                except FatFailure:
                    continue
                info = entry.stat(follow_symlinks=False)
                if names != [entry.name] or fold(entry.name) in seen or (
                        entry.name.startswith(TEMPORARY) or info.st_size > LARGEST_FILE):
                    continue
                seen.add(fold(entry.name))
                if len(found) >= MOST_FILES:
                    raise HostError(f"SD card {root}: more than {MOST_FILES} files; give a folder "
                                    "with fewer, or an image")
                inner = f"{path}/{entry.name}"
                found.append((inner, is_dir, 0 if is_dir else info.st_size, info.st_mtime))
                if is_dir:
                    walk(entry.path, inner)

    try:
        walk(str(root), "")
    except OSError as error:
        raise HostError(f"SD card {root}: {error.strerror}") from error
    return found


def _walk(volume: FatVolume, path: str, found: dict[str, tuple[bool, int]], depth: int = 0) -> bool:
    """Gather path -> (is a folder, size); False when a folder could not be read to its end."""
    if depth > 60 or len(found) > MOST_FILES:
        return False
    whole = True
    try:
        entries = volume.listdir(path or "/")
    except FatFailure:
        return False
    for entry in entries:
        if not _is_plain(entry.name):
            whole = False
            continue
        inner = f"{path}/{entry.name}"
        found[inner] = (entry.is_dir, entry.size)
        if entry.is_dir:
            whole = _walk(volume, inner, found, depth + 1) and whole
    return whole


def _is_plain(name: str) -> bool:
    """Whether a name on the volume may become one on the host."""
    return not (L.FORBIDDEN & set(name) or name.strip(". ") == "" or name.startswith(TEMPORARY)
                or any(c < " " or 0xD800 <= ord(c) < 0xE000 for c in name))


def _fat_time(seconds: float) -> int:
    when = time.gmtime(max(seconds, EPOCH_1980))
    year = min(when.tm_year - 1980, 127)
    return (year << 25 | when.tm_mon << 21 | when.tm_mday << 16 | when.tm_hour << 11
            | when.tm_min << 5 | when.tm_sec // 2)
