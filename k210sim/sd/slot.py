"""The SD card slot of a board: at most one card, changed at any time.

See the package's docstring for the protocol. A card is an image file or a folder; what lies in a
folder is a file system without blocks (`folder.py`) until somebody asks for blocks.
"""

from __future__ import annotations

import threading
from pathlib import Path

from k210sim.errors import ConfigError, HostError
from k210sim.sd import BLOCK
from k210sim.sd.cards import CardError, ImageCard, PartitionedCard
from k210sim.sd.fat_layout import FatFailure, find_volume, looks_like_fat
from k210sim.sd.folder import FolderCard


def open_image(path: str | Path):
    """The image file as a card. Raises HostError, also when there is no FAT volume on it."""
    card = ImageCard(path)
    try:
        if looks_like_fat(card.read_block(0)):
            card = PartitionedCard(card)
        find_volume(card)
    except FatFailure as failure:
        card.close()
        reason = str(failure).partition(": ")[2].partition(": ")[2]
        raise HostError(
            f"SD card {path}: no FAT volume: {reason}; `k210sim fs mkfs --sd {path}` makes one"
        ) from None
    return card


class SdSlot:
    """The slot. `card` is None or the card in it: an image's (blocks) or a FolderCard."""

    BLOCK = BLOCK

    def __init__(self, path: str | Path | None = None):
        self.card = None
        self.path: Path | None = None
        self.changes = 0
        self.lock = threading.RLock()
        if path is not None:
            self.insert(path)

    @property
    def inserted(self) -> bool:
        return self.card is not None

    def insert(self, path: str | Path) -> None:
        """Put a card in: an image file or a folder. One that is in the slot is taken out first.

        Raises ConfigError or HostError, and leaves the slot as it was, when it is no card.
        """
        path = Path(path)
        if not path.exists():
            raise ConfigError(f"SD card {path}: no such folder or image file")
        with self.lock:
            if self.path is not None and path.exists() and path.samefile(self.path):
                self.eject()
            card = FolderCard(path) if path.is_dir() else open_image(path)
            self.eject()
            self.card, self.path = card, path
            self.changes += 1

    def eject(self) -> None:
        """Take the card out. What still holds on to it fails from now on."""
        with self.lock:
            card, self.card, self.path = self.card, None, None
            if card is None:
                return
            self.changes += 1
            try:
                card.flush()
            finally:
                card.close()

    # --- the card in it, as blocks ----------------------------------------------------------
    @property
    def block_count(self) -> int:
        with self.lock:
            return self._blocks().block_count if self.card is not None else 0

    @property
    def serial(self) -> int:
        with self.lock:
            return self._blocks().serial if self.card is not None else 0

    def read_block(self, n: int) -> bytes:
        with self.lock:
            return self._blocks().read_block(n)

    def write_block(self, n: int, data) -> None:
        with self.lock:
            self._blocks().write_block(n, data)

    def flush(self) -> None:
        """All that was written is on the host's disk afterwards."""
        with self.lock:
            if self.card is not None:
                self.card.flush()

    def _blocks(self):
        if self.card is None:
            raise CardError("SD card: there is none in the slot")
        if isinstance(self.card, FolderCard):
            return self.card.blocks()
        return self.card
