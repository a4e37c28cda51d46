"""A host folder as the FAT file system of an SD card.

The guest sees names as FAT has them: case does not matter, the characters FAT forbids are refused,
and there is no way out of the folder: paths are walked one checked name at a time, `..` stops at
the top, and symbolic links (and everything else that is neither file nor folder) do not exist.
Failures are `FatFailure` with the number the FAT library would give.
"""

from __future__ import annotations

import os
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path

from k210sim.errors import HostError

# Results of the FAT library, by its own numbers.
DISK_ERR, NO_FILE, NO_PATH, INVALID_NAME, DENIED, EXIST, INVALID_OBJECT = 1, 4, 5, 6, 7, 8, 9

READ, WRITE, CREATE_NEW, CREATE_ALWAYS, OPEN_ALWAYS = 0x01, 0x02, 0x04, 0x08, 0x10
LONGEST_NAME = 255
CLUSTER = 32768
CARD_BYTES = 4 << 30  # the size that is shown: a card of 4 GiB
EPOCH_2000 = 946684800  # seconds from 1970 to 2000
_FORBIDDEN = frozenset('"*:<>?|\x7f\\/')


class FatFailure(HostError):
    """An operation failed; `result` is one of the numbers above."""

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


class FolderCard:
    """The folder `root`, which must exist. `cwd` is the current folder inside, as a list."""

    def __init__(self, root: str | Path):
        self.root = Path(root).resolve()
        if not self.root.is_dir():
            raise HostError(f"SD card {root}: expected a folder")
        self.cwd: list[str] = []

    # --- paths ----------------------------------------------------------------------------------
    def split(self, path: str) -> list[str]:
        """The names of a path from the top, checked; `.` and `..` are resolved."""
        names = [] if path.startswith("/") else list(self.cwd)
        for part in path.split("/"):
            if part in ("", "."):
                continue
            if part == "..":
                del names[-1:]
                continue
            part = part.rstrip(". ")
            if (not part or len(part) > LONGEST_NAME or _FORBIDDEN & set(part)
                    or any(ord(c) < 32 or 0xD800 <= ord(c) < 0xE000 for c in part)):
                raise FatFailure(INVALID_NAME, path)
            names.append(part)
        return names

    def _child(self, folder: str, name: str) -> os.DirEntry | None:
        """The entry of a host folder that a FAT name means."""
        wanted = name.casefold()
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.name.casefold() == wanted and not entry.is_symlink() and (
                            entry.is_file(follow_symlinks=False)
                            or entry.is_dir(follow_symlinks=False)):
                        return entry
        except OSError as error:
            raise FatFailure(DISK_ERR, str(error.strerror)) from error
        return None

    def _folder(self, names: list[str]) -> str:
        """The host path of a folder; NO_PATH where one of the names is none."""
        at = str(self.root)
        for name in names:
            entry = self._child(at, name)
            if entry is None or not entry.is_dir(follow_symlinks=False):
                raise FatFailure(NO_PATH, name)
            at = entry.path
        return at

    def _find(self, path: str) -> tuple[str, str, os.DirEntry | None]:
        """(host path of the folder, last name, its entry or None) of a path."""
        names = self.split(path)
        if not names:
            raise FatFailure(INVALID_NAME, path)
        folder = self._folder(names[:-1])
        return folder, names[-1], self._child(folder, names[-1])

    @staticmethod
    def _entry(entry: os.DirEntry) -> Entry:
        info = entry.stat(follow_symlinks=False)
        is_dir = stat.S_ISDIR(info.st_mode)
        return Entry(entry.name, is_dir, 0 if is_dir else info.st_size,
                     max(int(info.st_mtime) - EPOCH_2000, 0) & ~1)

    # --- what the file system offers ------------------------------------------------------------
    def chdir(self, path: str) -> None:
        names = self.split(path)
        self._folder(names)
        self.cwd = names

    def getcwd(self) -> str:
        return "/" + "/".join(self.cwd)

    def listdir(self, path: str) -> list[Entry]:
        """Entries of a folder, sorted by name; names FAT cannot hold are left out."""
        found = []
        folder = self._folder(self.split(path))
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    try:
                        self.split("/" + entry.name)
                    except FatFailure:
                        continue
                    if self._child(folder, entry.name) is not None:
                        found.append(self._entry(entry))
        except OSError as error:
            raise FatFailure(DISK_ERR, str(error.strerror)) from error
        return sorted(found, key=lambda e: e.name)

    def stat(self, path: str) -> Entry:
        """NO_FILE or NO_PATH where there is nothing; the top has no name."""
        if not self.split(path):
            return Entry("", True, 0, 0)
        _, name, entry = self._find(path)
        if entry is None:
            raise FatFailure(NO_FILE, name)
        return self._entry(entry)

    def open(self, path: str, mode: int):
        """A host file, unbuffered, for the mode bits above."""
        folder, name, entry = self._find(path)
        if entry is not None and entry.is_dir(follow_symlinks=False):
            raise FatFailure(NO_FILE if not mode & WRITE else DENIED, name)
        if entry is None and not mode & (CREATE_NEW | CREATE_ALWAYS | OPEN_ALWAYS):
            raise FatFailure(NO_FILE, name)
        if entry is not None and mode & CREATE_NEW:
            raise FatFailure(EXIST, name)
        flags = os.O_RDWR if mode & WRITE else os.O_RDONLY
        flags |= getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        if entry is None:
            flags |= os.O_CREAT | os.O_EXCL
        elif mode & CREATE_ALWAYS:
            flags |= os.O_TRUNC
        target = os.path.join(folder, name) if entry is None else entry.path
        try:
            number = os.open(target, flags, 0o644)
        except OSError as error:
            raise FatFailure(DENIED, str(error.strerror)) from error
        return os.fdopen(number, "r+b" if mode & WRITE else "rb", buffering=0)

    def mkdir(self, path: str) -> None:
        folder, name, entry = self._find(path)
        if entry is not None:
            raise FatFailure(EXIST, name)
        self._do(os.mkdir, os.path.join(folder, name))

    def unlink(self, path: str) -> None:
        """Remove a file or an empty folder."""
        _, name, entry = self._find(path)
        if entry is None:
            raise FatFailure(NO_FILE, name)
        self._do(os.rmdir if entry.is_dir(follow_symlinks=False) else os.remove, entry.path)

    def rename(self, old: str, new: str) -> None:
        _, old_name, entry = self._find(old)
        if entry is None:
            raise FatFailure(NO_FILE, old_name)
        folder, name, target = self._find(new)
        if target is not None and target.path != entry.path:
            raise FatFailure(EXIST, name)
        self._do(os.rename, entry.path, os.path.join(folder, name))

    @staticmethod
    def _do(action, *paths: str) -> None:
        try:
            action(*paths)
        except OSError as error:
            raise FatFailure(DENIED, str(error.strerror)) from error

    def clusters(self) -> tuple[int, int]:
        """(all, free) clusters: of a card of a fixed size holding what is in the folder."""
        used = 0
        for folder, _, files in os.walk(self.root):
            used += 1
            for name in files:
                info = os.lstat(os.path.join(folder, name))
                if stat.S_ISREG(info.st_mode):
                    used += -(-info.st_size // CLUSTER)
        total = CARD_BYTES // CLUSTER
        room = shutil.disk_usage(self.root).free // CLUSTER
        return total, max(min(total - used, room), 0)
