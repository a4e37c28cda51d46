"""An open file on a SPIFFS volume: position, modes and the one-page write cache.

The cache belongs to the file, not to the handle, as in the firmware: a second handle on the same
file flushes it by reading.
"""

from __future__ import annotations

from k210sim.flash import spiffs_layout as L
from k210sim.flash.spiffs_layout import SpiffsFailure


class SpiffsFile:
    """An open file of a `SpiffsVolume`; `SpiffsVolume.open` makes it.

    Every method raises SpiffsFailure(FILE_CLOSED) after `close`.
    """

    def __init__(self, volume, file, flags: int):
        self._volume, self._file, self._flags = volume, file, flags
        self._position = 0

    @property
    def name(self) -> str:
        return L.decode_name(self._file.name)

    @property
    def size(self) -> int:
        """Bytes on flash; what is still in the write cache does not count."""
        return self._file.length

    @property
    def closed(self) -> bool:
        return self not in self._volume._handles

    def read(self, length: int = -1) -> bytes:
        """Up to `length` bytes (all of the rest if negative); b"" at the end of the file."""
        self._check()
        if not self._flags & L.O_RDONLY:
            raise SpiffsFailure(L.NOT_READABLE, self.name)
        self._volume._flush(self._file)
        if length < 0:
            length = max(0, self._file.length - self._position)
        data = self._volume._read(self._file, self._position, length)
        self._position += len(data)
        return data

    def write(self, data) -> int:
        """Write all of `data`, returning its length.

        Less than a page goes to the write cache first, so that a full volume may show only at
        the next flush, seek or close.
        """
        self._check()
        file, data = self._file, bytes(data)
        if not self._flags & L.O_WRONLY:
            raise SpiffsFailure(L.NOT_WRITABLE, self.name)
        if self._flags & L.O_APPEND:
            end = file.cache_offset + len(file.cache) if file.cache else 0
            self._position = max(file.length, end)
        at = self._position
        if len(data) < L.PAGE and not self._flags & L.O_DIRECT:
            inside = at - file.cache_offset
            if file.cache and not (
                0 <= inside <= len(file.cache) and inside + len(data) <= L.PAGE
            ):
                self._volume._flush(file)
            if not file.cache:
                file.cache_offset = at
            inside = at - file.cache_offset
            file.cache[inside : inside + len(data)] = data
        else:
            self._volume._flush(file)
            self._volume._write(file, at, data)
        self._position = at + len(data)
        return len(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move the position; returns it. Beyond the end: it goes to the end and END_OF_OBJECT."""
        self._check()
        self._volume._flush(self._file)
        target = offset + (0, self._position, self._file.length)[whence]
        if target < 0:
            raise SpiffsFailure(L.SEEK_BOUNDS, self.name)
        self._position = min(target, self._file.length)
        if target > self._file.length:
            raise SpiffsFailure(L.END_OF_OBJECT, self.name)
        return self._position

    def tell(self) -> int:
        self._check()
        return self._position

    def flush(self) -> None:
        """Write the cache to flash."""
        self._check()
        self._volume._flush(self._file)

    def close(self) -> None:
        """Flush and give the descriptor back; it stays taken when the flush fails, as on the
        device."""
        self._check()
        self._volume._flush(self._file)
        self._volume._handles.remove(self)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if not self.closed:
            self.close()

    def _check(self) -> None:
        if self.closed:
            raise SpiffsFailure(L.FILE_CLOSED)
