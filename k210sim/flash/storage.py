"""The file behind the flash chip: created on first use, one process at a time, never torn.

A commit writes every changed sector as one transaction into `<image>.journal`, syncs it to disk,
then changes the image and empties the journal. A process killed at any moment therefore leaves
either the whole commit or nothing of it: a complete transaction is applied at the next open, an
incomplete one (its SHA-256 does not match) is thrown away. The journal is also the lock: it
exists while an image is open.
"""

from __future__ import annotations

import hashlib
import os
import struct
from pathlib import Path

from k210sim.errors import ConfigError, HostError
from k210sim.flash.nor import GIGADEVICE, SECTOR, SECTORS, SIZE, NorFlash
from k210sim.records import U32, Bytes, Record

ENVIRONMENT = "K210SIM_FLASH"
JOURNAL_SUFFIX = ".journal"
_INDEX = struct.Struct("<I")


class JournalHeader(Record):
    """Followed by `count` times {u32 sector number, 4096 bytes}, then SHA-256 over all of it."""

    magic = Bytes(8, const=b"K210JRN1")
    count = U32()


def default_image_path() -> Path:
    """`$K210SIM_FLASH`, else `flash.bin` in the user's data directory."""
    named = os.environ.get(ENVIRONMENT)
    if named:
        return Path(named)
    import platformdirs

    return Path(platformdirs.user_data_dir("k210sim", appauthor=False)) / "flash.bin"


def pack_transaction(sectors: dict[int, bytes]) -> bytes:
    """One transaction's bytes: sector number -> its 4096 bytes."""
    parts = [JournalHeader(count=len(sectors)).build()]
    for number, data in sorted(sectors.items()):
        parts += [_INDEX.pack(number), data]
    body = b"".join(parts)
    return body + hashlib.sha256(body).digest()


def unpack_transaction(data: bytes) -> dict[int, bytes] | None:
    """The sectors of a complete transaction, or None when it is torn, damaged or absent."""
    if len(data) < JournalHeader.SIZE or not data.startswith(JournalHeader.magic.const):
        return None
    count = JournalHeader.parse(data).count
    entry = _INDEX.size + SECTOR
    end = JournalHeader.SIZE + count * entry
    if count > SECTORS or len(data) < end + 32:
        return None
    if hashlib.sha256(data[:end]).digest() != data[end : end + 32]:
        return None
    sectors = {}
    for at in range(JournalHeader.SIZE, end, entry):
        (number,) = _INDEX.unpack_from(data, at)
        if number >= SECTORS:
            return None
        sectors[number] = data[at + _INDEX.size : at + entry]
    return sectors


class FlashStorage:
    """An open flash image: `nor` is the chip holding its content, `commit` saves the changes.

    path
        The image file, or None for a chip in memory only (nothing is ever written).
    factory
        Called for the content (`SIZE` bytes) when the file does not exist yet; None: erased.

    A context manager; `close` commits, an exception inside `with` does not.
    """

    def __init__(self, path=None, *, clock=None, factory=None, jedec_id=GIGADEVICE):
        self.path = Path(path) if path is not None else None
        self._journal = None
        self._image = None
        if self.path is None:
            data = factory() if factory else None
        else:
            data = self._open(factory)
        self.nor = NorFlash(clock, jedec_id=jedec_id, data=data)

    def commit(self) -> int:
        """Save all changes as one transaction; returns how many sectors were written."""
        dirty = self.nor.take_dirty()
        if not dirty or self.path is None:
            return 0
        if self._image is None:
            raise HostError(f"flash image {self.path}: already closed, changes cannot be saved")
        content = self.nor.data
        sectors = {n: bytes(content[n * SECTOR : (n + 1) * SECTOR]) for n in dirty}
        try:
            self._write_journal(pack_transaction(sectors))
            self._apply(sectors)
        except OSError as error:
            self.nor.mark_dirty(dirty)
            raise HostError(
                f"flash image {self.path}: cannot be saved: {error.strerror}"
            ) from error
        return len(dirty)

    def close(self, *, save: bool = True) -> None:
        """Commit (unless `save` is False) and give the image free for others."""
        if self.path is None or self._image is None:
            return
        try:
            if save:
                self.commit()
        finally:
            self._release()

    def __enter__(self):
        return self

    def __exit__(self, kind, value, traceback):
        self.close(save=kind is None)

    # -- opening ----------------------------------------------------

    def _open(self, factory) -> bytearray:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if self.path.is_dir():
                raise ConfigError(f"flash image {self.path}: is a directory, expected a file")
            self._journal = _lock(self.path)
            try:
                if not self.path.exists():
                    self._create(factory() if factory else b"\xff" * SIZE)
                self._image = open(self.path, "r+b", buffering=0)
                size = os.fstat(self._image.fileno()).st_size
                if size != SIZE:
                    raise ConfigError(
                        f"flash image {self.path}: found {size} bytes, expected {SIZE} (16 MiB); "
                        "give another --flash-image, or remove the file to get a factory image"
                    )
                self._recover()
                self._image.seek(0)
                return bytearray(_read_all(self._image, SIZE))
            except BaseException:
                self._release()
                raise
        except OSError as error:
            raise ConfigError(f"flash image {self.path}: {error.strerror or error}") from error

    def _create(self, content: bytes) -> None:
        """Write a new image beside its place and move it there whole."""
        temporary = self.path.with_name(self.path.name + ".new")
        try:
            with open(temporary, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, self.path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
        _sync_folder(self.path.parent)
        self._journal.truncate(0)  # a journal left from an image that was removed

    def _recover(self) -> None:
        self._journal.seek(0)
        sectors = unpack_transaction(self._journal.read())
        if sectors:
            self._apply(sectors)
        else:
            self._journal.truncate(0)

    # -- writing ----------------------------------------------------

    def _write_journal(self, data: bytes) -> None:
        self._journal.seek(0)
        self._journal.truncate(0)
        _write_all(self._journal, data)
        os.fsync(self._journal.fileno())

    def _apply(self, sectors: dict[int, bytes]) -> None:
        for number, data in sorted(sectors.items()):
            self._image.seek(number * SECTOR)
            _write_all(self._image, data)
        os.fsync(self._image.fileno())
        self._journal.truncate(0)

    def _release(self) -> None:
        if self._image is not None:
            self._image.close()
            self._image = None
        if self._journal is not None:
            journal, self._journal = self._journal, None
            # A journal that still holds a transaction (saving failed half-way) must stay.
            if os.fstat(journal.fileno()).st_size == 0:
                _unlink_locked(journal, _journal_path(self.path))
            journal.close()


def _journal_path(image: Path) -> Path:
    return image.with_name(image.name + JOURNAL_SUFFIX)


def _lock(image: Path):
    """Open and lock the image's journal; raises ConfigError when another process has it."""
    path = _journal_path(image)
    while True:
        journal = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+b", buffering=0)
        try:
            _lock_file(journal)
        except OSError:
            journal.close()
            raise ConfigError(
                f"flash image {image}: another k210sim is using it; end that one first or give "
                "another --flash-image"
            ) from None
        # The holder before us may have removed the file between our open and our lock.
        try:
            if os.path.samestat(os.fstat(journal.fileno()), os.stat(path)):
                return journal
        except FileNotFoundError:
            pass
        journal.close()


if os.name == "nt":  # pragma: no cover - the project's tests run on Linux
    import msvcrt

    def _lock_file(file) -> None:
        # A byte far behind any journal: Windows locks forbid reading what they cover.
        file.seek(1 << 40)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        file.seek(0)

    def _unlink_locked(file, path: Path) -> None:
        """Windows cannot remove an open file: the empty journal stays, which is harmless."""

    def _sync_folder(folder: Path) -> None:
        """Windows has no way to sync a folder."""

else:
    import fcntl

    def _lock_file(file) -> None:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _unlink_locked(file, path: Path) -> None:
        path.unlink(missing_ok=True)

    def _sync_folder(folder: Path) -> None:
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _read_all(file, size: int) -> bytes:
    parts = []
    while size:
        part = file.read(size)
        if not part:
            raise OSError("the file ends early")
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _write_all(file, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]
