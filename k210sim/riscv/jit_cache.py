"""Object code of compiled regions on disk, so that the next start finds it.

One file a region, named by its key: the SHA-256 of what follows, then the object. Whatever else is
found there is deleted and compiled anew. K210SIM_JIT_CACHE names another folder; "" means none.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path

ENVIRONMENT = "K210SIM_JIT_CACHE"
MOST_BYTES = 64 << 20
DIGEST = 32


def folder() -> Path | None:
    """Where the files are, or None when there is to be no cache."""
    import platformdirs

    named = os.environ.get(ENVIRONMENT)
    if named is not None:
        return Path(named) if named else None
    return Path(platformdirs.user_cache_dir("k210sim", appauthor=False)) / "riscv"


class Cache:
    """Files by key. No error of the file system leaves here: a cache may always be without."""

    def __init__(self, place: Path | None):
        self.place = place
        self._known: set[str] = set()
        if place is not None:
            with contextlib.suppress(OSError):
                place.mkdir(parents=True, exist_ok=True)
                self._trim()
                self._known = {path.stem for path in place.glob("*.o")}

    def __contains__(self, key: str) -> bool:
        return key in self._known

    def get(self, key: str) -> bytes | None:
        """The object, or None."""
        if self.place is None or key not in self._known:
            return None
        path = self.place / f"{key}.o"
        try:
            data = path.read_bytes()
            if hashlib.sha256(data[DIGEST:]).digest() == data[:DIGEST]:
                os.utime(path)  # used again: the oldest go first
                return data[DIGEST:]
            path.unlink()
        except OSError:
            pass
        self._known.discard(key)
        return None

    def put(self, key: str, code: bytes) -> None:
        """Keep an object; another process may do the same at the same time."""
        if self.place is None:
            return
        part = self.place / f"{key}.{os.getpid()}.part"
        with contextlib.suppress(OSError):
            part.write_bytes(hashlib.sha256(code).digest() + code)
            part.replace(self.place / f"{key}.o")
            self._known.add(key)

    def _trim(self) -> None:
        """Delete the files not used for longest while all are too large together."""
        files = [(path.stat().st_mtime, path.stat().st_size, path) for path in self.place.iterdir()]
        total = sum(size for _, size, _ in files)
        for _, size, path in sorted(files):
            if total <= MOST_BYTES:
                break
            path.unlink(missing_ok=True)
            total -= size
