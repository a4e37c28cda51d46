"""Compiled regions on disk, so that the next start finds them.

One file a region: the SHA-256 of what follows, the length of the region's description (4 bytes,
little endian), the description as JSON, the object code. Its name begins with the line of RAM that
the region was asked for at. Files that are not like that are deleted. K210SIM_JIT_CACHE names
another folder; "" means none.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from pathlib import Path

from k210sim.riscv.jit_region import Block, Region

ENVIRONMENT = "K210SIM_JIT_CACHE"
MOST_BYTES = 64 << 20
DIGEST, LENGTH = 32, 4


def folder() -> Path | None:
    """Where the files are, or None when there is to be no cache."""
    import platformdirs

    named = os.environ.get(ENVIRONMENT)
    if named is not None:
        return Path(named) if named else None
    return Path(platformdirs.user_cache_dir("k210sim", appauthor=False)) / "riscv"


def pack(region: Region, code: bytes) -> bytes:
    """The content of a file."""
    blocks = [[block.start, block.words] for block in region.blocks]
    text = json.dumps([region.is_loop, blocks]).encode()
    data = len(text).to_bytes(LENGTH, "little") + text + code
    return hashlib.sha256(data).digest() + data


def unpack(data: bytes) -> tuple[Region, bytes]:
    """(region, object code) of a file's content. Raises ValueError when it is damaged."""
    digest, data = data[:DIGEST], data[DIGEST:]
    if hashlib.sha256(data).digest() != digest:
        raise ValueError("damaged")
    size = int.from_bytes(data[:LENGTH], "little")
    is_loop, blocks = json.loads(data[LENGTH : LENGTH + size])
    blocks = tuple(Block(start, tuple((at, word) for at, word in words)) for start, words in blocks)
    return Region(blocks, is_loop), data[LENGTH + size :]


class Cache:
    """Regions by line and key. No error of the file system leaves here.

    place : a folder, or None for no cache. identity : of the compiler; others' regions are not seen
    """

    def __init__(self, place: Path | None, identity: str):
        self._place = None if place is None else place / identity[:16]
        self._keys: dict[int, list[str]] = {}
        if place is not None:
            with contextlib.suppress(OSError):
                self._place.mkdir(parents=True, exist_ok=True)
                _trim(place)
                for path in self._place.glob("*.o"):
                    line, _, key = path.stem.partition("-")
                    with contextlib.suppress(ValueError):
                        self._keys.setdefault(int(line, 16), []).append(key)

    def keys(self, line: int) -> tuple[str, ...]:
        """Keys of the regions asked for at a line."""
        return tuple(self._keys.get(line, ()))

    def get(self, line: int, key: str) -> tuple[Region, bytes] | None:
        """(region, object code), or None."""
        path = self._path(line, key)
        try:
            found = unpack(path.read_bytes())
            os.utime(path)  # used again: the oldest go first
            return found
        except ValueError:
            with contextlib.suppress(OSError):
                path.unlink()
        except OSError:
            pass
        with contextlib.suppress(ValueError):
            self._keys[line].remove(key)
        return None

    def put(self, line: int, key: str, region: Region, code: bytes) -> None:
        """Keep a region; another process may do the same at the same time."""
        if self._place is None:
            return
        part = self._place / f"{key}.{os.getpid()}.part"
        with contextlib.suppress(OSError):
            part.write_bytes(pack(region, code))
            part.replace(self._path(line, key))
            self._keys.setdefault(line, []).append(key)

    def _path(self, line: int, key: str) -> Path:
        return self._place / f"{line:05x}-{key}.o"


def _trim(place: Path) -> None:
    """Delete the files not used for longest while all are too large together."""
    found = [(path.stat(), path) for path in place.rglob("*") if path.is_file()]
    total = sum(status.st_size for status, _ in found)
    for status, path in sorted(found, key=lambda pair: pair[0].st_mtime):
        if total <= MOST_BYTES:
            break
        path.unlink(missing_ok=True)
        total -= status.st_size
