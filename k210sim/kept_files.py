"""Files in a cache folder, one value each, that are checked before they are used.

A file is a magic, the SHA-256 of what follows, and that. It is written whole or not at all.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path


def read(path: Path, magic: bytes, most_bytes: int) -> bytes | None:
    """What `write` was given, None where there is no such file; it counts as used now.

    most_bytes : of the whole file. Raises ValueError for a larger or a damaged one, and OSError.
    """
    try:
        if path.stat().st_size > most_bytes:
            raise ValueError("too large")
        whole = path.read_bytes()
    except FileNotFoundError:
        return None
    head = len(magic) + hashlib.sha256().digest_size
    data = whole[head:]
    if whole[:head] != magic + hashlib.sha256(data).digest():
        raise ValueError("damaged")
    os.utime(path)  # the oldest go first, see trim
    return data


def write(path: Path, magic: bytes, data: bytes) -> None:
    """Keep `data`, with the folders above it. Raises OSError, and leaves nothing half done."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}")
    try:
        temporary.write_bytes(magic + hashlib.sha256(data).digest() + data)
        os.replace(temporary, path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def trim(place: Path, most_bytes: int, most_files: int) -> None:
    """Delete the files not used for longest while all are too large, or too many, together. No
    error of the file system leaves here."""
    with contextlib.suppress(OSError):
        found = [(path.stat(), path) for path in place.rglob("*") if path.is_file()]
        total, number = sum(status.st_size for status, _ in found), len(found)
        for status, path in sorted(found, key=lambda pair: pair[0].st_mtime):
            if total <= most_bytes and number <= most_files:
                break
            path.unlink(missing_ok=True)
            total -= status.st_size
            number -= 1
