"""What `k210sim fs` works on: the flash's SPIFFS volume, or an SD card.

Both have list, read, write, remove, make_folder and usage. Names are as the guest has them, with
or without /flash or /sd in front.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from k210sim.errors import HostError


@dataclass
class Listed:
    """A line of `fs ls`."""

    name: str
    size: int
    is_dir: bool = False


@contextmanager
def open_store(flash_image, sd) -> Iterator[FlashFiles | CardFiles]:
    """The card `sd` or, where that is None, /flash of the image. /flash is saved at the end when
    nothing was raised; a card is written at once, file by file."""
    if sd is not None:
        from k210sim.sd.slot import SdSlot

        slot = SdSlot(sd)
        try:
            yield CardFiles(slot)
        finally:
            slot.eject()
        return
    from k210sim.cli.base import open_image
    from k210sim.flash.spiffs import SpiffsVolume
    from k210sim.flash.spiffs_layout import NOT_A_FS, SpiffsFailure

    with open_image(flash_image) as storage:
        spiffs = SpiffsVolume(storage.nor)
        try:
            spiffs.mount()
        except SpiffsFailure as error:
            if error.code != NOT_A_FS:
                raise
            raise HostError(
                f"{storage.path}: there is no file system at 0x00d00000; `k210sim fs mkfs` "
                "makes one, and so does the board at its next boot"
            ) from error
        yield FlashFiles(spiffs)
        spiffs.unmount()


class FlashFiles:
    """/flash: a flat file system, whose names may hold slashes."""

    mount = "/flash"

    def __init__(self, spiffs):
        self._spiffs = spiffs

    @staticmethod
    def inside(name: str) -> str:
        """The name as SPIFFS stores it: `main.py`, `/main.py` and `/flash/main.py` are one."""
        if name == "/sd" or name.startswith("/sd/"):
            raise HostError(f"{name}: give the card with --sd DIR|IMG")
        name = name.removeprefix("/flash/").lstrip("/")
        if not name or name == "flash":
            raise HostError("a file name is missing; /flash has no folders")
        return "/" + name

    def list(self, folder: str) -> list[Listed]:
        if folder.strip("/") not in ("", "flash"):
            self.inside(folder)
            raise HostError(f"{folder}: /flash has no folders; its names may hold slashes")
        return [Listed(e.name, e.size) for e in self._spiffs.listdir()]

    def read(self, name: str) -> bytes:
        from k210sim.flash.spiffs_layout import O_RDONLY

        with self._spiffs.open(self.inside(name), O_RDONLY) as file:
            return file.read()

    def write(self, name: str, data: bytes) -> str:
        """Make or replace a file; returns the name the guest has for it."""
        from k210sim.flash.spiffs_layout import O_CREAT, O_TRUNC, O_WRONLY

        target = self.inside(name)
        with self._spiffs.open(target, O_WRONLY | O_CREAT | O_TRUNC) as file:
            file.write(data)
        return self.mount + target

    def remove(self, names) -> None:
        """All of them or, since nothing is saved then, none."""
        for name in names:
            self._spiffs.remove(self.inside(name))

    def make_folder(self, name: str) -> None:
        self.inside(name)
        raise HostError(f"{name}: /flash has no folders; its names may hold slashes")

    def usage(self) -> tuple[int, int]:
        """(bytes in all, bytes used)."""
        return self._spiffs.info()


class CardFiles:
    """An SD card: its first FAT volume, or a folder."""

    mount = "/sd"

    def __init__(self, slot):
        from k210sim.sd.fat import FatVolume

        self._path = slot.path
        is_folder = hasattr(slot.card, "listdir")
        self._volume = slot.card if is_folder else FatVolume(slot.card, now=_now)

    @staticmethod
    def inside(name: str) -> str:
        """The path on the card: `a.txt`, `/a.txt` and `/sd/a.txt` are one file."""
        if name == "/flash" or name.startswith("/flash/"):
            raise HostError(f"{name}: that is on the flash; leave --sd away")
        return "/" + (name + "/").removeprefix("/sd/").strip("/")

    def list(self, folder: str) -> list[Listed]:
        with _told(folder, self._path):
            return [Listed(e.name, e.size, e.is_dir)
                    for e in self._volume.listdir(self.inside(folder))]

    def read(self, name: str) -> bytes:
        from k210sim.sd.fat_layout import READ

        with _told(name, self._path):
            file = self._volume.open(self.inside(name), READ)
            try:
                return file.read()
            finally:
                file.close()

    def write(self, name: str, data: bytes) -> str:
        with _told(name, self._path):
            self._volume.write_file(self.inside(name), data)
        return self.mount + self.inside(name)

    def remove(self, names) -> None:
        """Files and empty folders; none when one of the names does not exist."""
        for name in names:
            with _told(name, self._path):
                self._volume.stat(self.inside(name))
        for name in names:
            with _told(name, self._path):
                self._volume.unlink(self.inside(name))

    def make_folder(self, name: str) -> None:
        with _told(name, self._path):
            self._volume.mkdir(self.inside(name))

    def usage(self) -> tuple[int, int]:
        total, free = self._volume.clusters()
        size = self._volume.cluster_bytes
        return total * size, (total - free) * size


@contextmanager
def _told(name: str, card) -> Iterator[None]:
    """The FAT library's numbers in words."""
    from k210sim.sd import fat_layout as L

    words = {
        L.NO_FILE: "no such file", L.NO_PATH: "no such folder",
        L.INVALID_NAME: "no name that FAT can hold", L.EXIST: "exists already",
        L.DENIED: "refused: a folder that is not empty, a file that is a folder or read-only, or "
        "no room left",
    }
    try:
        yield
    except L.FatFailure as failure:
        if failure.result not in words:
            raise
        raise HostError(f"{name} on {card}: {words[failure.result]}") from failure


def _now() -> int:
    """The host's time as FAT has it."""
    when = time.localtime()
    return (min(when.tm_year - 1980, 127) << 25 | when.tm_mon << 21 | when.tm_mday << 16
            | when.tm_hour << 11 | when.tm_min << 5 | when.tm_sec // 2)
