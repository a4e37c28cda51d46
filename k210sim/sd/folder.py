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
from pathlib import Path

from k210sim.errors import HostError
from k210sim.sd import TEMPORARY
from k210sim.sd.fat_layout import (
    CREATE_ALWAYS,
    CREATE_NEW,
    DENIED,
    DISK_ERR,
    EXIST,
    FORBIDDEN,
    INVALID_NAME,
    LONGEST_NAME,
    NO_FILE,
    NO_PATH,
    OPEN_ALWAYS,
    WRITE,
    Entry,
    FatFailure,
)

CLUSTER = 32768
CARD_BYTES = 4 << 30  # the size that is shown: a card of 4 GiB
EPOCH_2000 = 946684800  # seconds from 1970 to 2000


class FolderFile:
    """An open file of a FolderCard; the same methods as a FatFile's, FatFailure when they fail."""

    def __init__(self, card: FolderCard, file, mode: int):
        self._card, self._file, self.mode = card, file, mode

    @property
    def size(self) -> int:
        return os.fstat(self._file.fileno()).st_size

    def read(self, length: int = -1) -> bytes:
        return self._do(self._file.read, length)

    def write(self, data) -> int:
        """How much fitted on the host's disk."""
        view, done = memoryview(data).cast("B"), 0
        while done < len(view):
            try:
                done += self._do(self._file.write, view[done:])
            except FatFailure:
                if self._card.gone:
                    raise
                break
        return done

    def tell(self) -> int:
        return self._do(self._file.tell)

    def seek(self, target: int) -> int:
        """Beyond its end a file grows when it is open for writing; else the end is the limit."""
        target, size = max(target, 0), self.size
        if not self.mode & WRITE:
            target = min(target, size)
        elif target > size:
            self._do(self._file.truncate, target)
        return self._do(self._file.seek, target)

    def flush(self) -> None:
        self._do(self._file.flush)

    def close(self) -> None:
        self._file.close()

    def _do(self, action, *args):
        if self._card.gone:
            raise FatFailure(DISK_ERR, "the card was taken out")
        try:
            return action(*args)
        except OSError as error:
            raise FatFailure(DISK_ERR, str(error.strerror)) from error


class FolderCard:
    """The folder `root`, which must exist. `cwd` is the current folder inside, as a list."""

    encoding = "utf-8"  # of the guest's names
    cluster_bytes = CLUSTER

    def __init__(self, root: str | Path):
        self.root = Path(root).resolve()
        if not self.root.is_dir():
            raise HostError(f"SD card {root}: expected a folder")
        self.cwd: list[str] = []
        self.name = str(self.root)
        self.gone = False
        self._as_blocks = None

    # --- the card in its slot -------------------------------------------------------------------
    def blocks(self):
        """The folder as a card of blocks, for who talks to the card and not to its files."""
        if self._as_blocks is None:
            from k210sim.sd.folder_blocks import FolderBlocks

            self._as_blocks = FolderBlocks(self.root)
        return self._as_blocks

    def flush(self) -> None:
        if self._as_blocks is not None:
            self._as_blocks.flush()

    def close(self) -> None:
        """The card is taken out: everything fails from now on."""
        self.gone = True
        if self._as_blocks is not None:
            self._as_blocks.close()

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
            if (not part or len(part) > LONGEST_NAME or FORBIDDEN & set(part)
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
        if self.gone:
            raise FatFailure(DISK_ERR, "the card was taken out")
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
                    if entry.is_symlink() or entry.name.startswith(TEMPORARY) or not (
                            entry.is_file(follow_symlinks=False)
                            or entry.is_dir(follow_symlinks=False)):
                        continue
                    try:
                        self.split("/" + entry.name)
                    except FatFailure:
                        continue
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
        """A file, for the mode bits of `fat_layout`."""
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
        opened = os.fdopen(number, "r+b" if mode & WRITE else "rb", buffering=0)
        file = FolderFile(self, opened, mode)
        if mode & OPEN_ALWAYS:
            file.seek(file.size)
        return file

    def write_file(self, path: str, data) -> None:
        """Make or replace a whole file: killed at any moment it is the old one or the new one."""
        folder, name, entry = self._find(path)
        if entry is not None and entry.is_dir(follow_symlinks=False):
            raise FatFailure(DENIED, name)
        target = os.path.join(folder, name) if entry is None else entry.path
        temporary = os.path.join(folder, f"{TEMPORARY}{os.getpid()}")
        try:
            with open(temporary, "xb") as file:
                file.write(data)
            os.replace(temporary, target)
        except OSError as error:
            raise FatFailure(DENIED, str(error.strerror)) from error
        finally:
            if os.path.lexists(temporary):
                os.unlink(temporary)

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
