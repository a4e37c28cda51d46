"""Compiled regions on disk, so that the next start finds them: one file a program.

A file is records one after the other, in the order in which the regions were compiled; what is new
is appended. A record: see HEAD, then the decoded instructions of all blocks (int64), their offsets
in RAM (int32), the number of instructions of each block (int32), the object code, zeros up to a
multiple of 8 bytes. The first record that is damaged ends the file. K210SIM_JIT_CACHE names another
folder; "" means none.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import struct
from pathlib import Path
from typing import NamedTuple

import numpy as np

from k210sim import kept_files
from k210sim.riscv.jit_region import Block, Region

ENVIRONMENT = "K210SIM_JIT_CACHE"
MOST_BYTES = 64 << 20
MOST_FILES = 1000
MOST_OF_ONE = 16 << 20
# SHA-256 of the rest of the record, its bytes in all, instructions, blocks, is_loop, bytes of code
DIGEST = 32
HEAD = struct.Struct("<32sIIIII40s4x")


class Record(NamedTuple):
    """key : a name for what the code depends on (40 characters)."""

    key: str
    region: Region
    code: bytes


def folder() -> Path | None:
    """Where the files are, or None when there is to be no cache."""
    import platformdirs

    named = os.environ.get(ENVIRONMENT)
    if named is not None:
        return Path(named) if named else None
    return Path(platformdirs.user_cache_dir("k210sim", appauthor=False)) / "riscv"


def pack(record: Record) -> bytes:
    """The bytes of a record."""
    at, words = np.array(record.region.words, np.int64).T
    counts = [len(block.words) for block in record.region.blocks]
    body = words.tobytes() + at.astype("<i4").tobytes() + np.array(counts, "<i4").tobytes()
    body += record.code
    body += bytes(-len(body) % 8)
    head = HEAD.pack(bytes(DIGEST), HEAD.size + len(body), len(words), len(counts),
                     record.region.is_loop, len(record.code), record.key.encode())  # fmt: skip
    data = head[DIGEST:] + body
    return hashlib.sha256(data).digest() + data


def unpack(data: bytes) -> tuple[list[Record], int]:
    """(records, bytes that they take) of a file's content up to the first damaged one."""
    records, place = [], 0
    while len(data) - place >= HEAD.size:
        digest, size, instructions, blocks, is_loop, code, key = HEAD.unpack_from(data, place)
        end = place + size
        if (end > len(data) or size < HEAD.size + 12 * instructions + 4 * blocks + code
                or hashlib.sha256(data[place + DIGEST : end]).digest() != digest):  # fmt: skip
            break
        body = place + HEAD.size
        words = np.frombuffer(data, "<i8", instructions, body)
        at = np.frombuffer(data, "<i4", instructions, body + 8 * instructions)
        counts = np.frombuffer(data, "<i4", blocks, body + 12 * instructions)
        pairs, first, found = tuple(zip(at.tolist(), words.tolist(), strict=True)), 0, []
        for count in counts.tolist():
            found.append(Block(pairs[first][0], pairs[first : first + count]))
            first += count
        start = body + 12 * instructions + 4 * blocks
        region = Region(tuple(found), bool(is_loop))
        records.append(Record(key.decode(), region, data[start : start + code]))
        place = end
    return records, place


class File:
    """The regions of one program. No error of the file system leaves here.

    place : a folder, or None for no cache. identity : of the compiler; others' regions are not
    seen. program : a name
    """

    def __init__(self, place: Path | None, identity: str, program: str):
        self._path = None if place is None else place / identity[:16] / f"{program}.regions"

    def read(self) -> list[Record]:
        """What is there; a damaged end is cut off."""
        if self._path is None:
            return []
        with contextlib.suppress(OSError):
            data = self._path.read_bytes()
            records, good = unpack(data)
            if good < len(data):
                os.truncate(self._path, good)
            os.utime(self._path)  # used again: the oldest go first
            return records
        return []

    def append(self, record: Record) -> None:
        """Keep a region; another process may do the same at the same time."""
        if self._path is None:
            return
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("ab", buffering=0) as file:
                if file.tell() < MOST_OF_ONE:
                    file.write(pack(record))  # in one call, so that records do not mix


def trim(place: Path | None) -> None:
    """Delete the files not used for longest while there is too much; see kept_files.trim."""
    if place is not None:
        kept_files.trim(place, MOST_BYTES, MOST_FILES)
