"""Where SPIFFS keeps what: the firmware's parameters and the records on flash.

Parameters: MaixPy-v1 `projects/maixpy_k210/config_defaults.mk`; layout: pellepl/spiffs
`docs/TECH_SPEC` and the image its code writes with these parameters. Object ids, page indexes
and span indexes are 16 bit wide; flags are active low.
"""

from __future__ import annotations

from k210sim.errors import SpiffsError
from k210sim.records import U8, U16, U32, Bytes, Record

BASE = 0xD00000
SIZE = 0x300000
PAGE = 0x1000
BLOCK = 0x20000
ERASE = 0x1000
PAGES_PER_BLOCK = BLOCK // PAGE
ENTRIES = PAGES_PER_BLOCK - 1  # page 0 of each block is the lookup page
NAME_LEN = 128  # with the NUL
MAX_OPEN = 2  # 128 bytes of descriptors, 64 for each file

MAGIC = 0x20140529
MAGIC_OFFSET = PAGE - 4  # in the lookup page: magic, then the erase count
ERASE_COUNT_OFFSET = PAGE - 2

ID_FREE = 0xFFFF
ID_DELETED = 0
ID_INDEX = 0x8000  # set in the lookup entry (and page header) of an index page
NO_PAGE = 0xFFFF  # index entry without a data page
UNDEFINED_SIZE = 0xFFFFFFFF  # size of a file to which nothing was flushed yet
TYPE_FILE = 1

# Open flags, with the numbers of spiffs.h.
O_APPEND = 0x01
O_TRUNC = 0x02
O_CREAT = 0x04
O_RDONLY = 0x08
O_WRONLY = 0x10
O_RDWR = O_RDONLY | O_WRONLY
O_DIRECT = 0x20  # no write cache
O_EXCL = 0x40

# Error codes, as the firmware prints them.
ERRORS = {
    -10000: "not mounted",
    -10001: "the volume is full",
    -10002: "no such file",
    -10003: "end of the file",
    -10004: "page is deleted",
    -10005: "page is not finalised",
    -10006: "page is not an index",
    -10007: "no free file descriptor",
    -10008: "file is closed",
    -10010: "bad file descriptor",
    -10011: "page is an index",
    -10012: "page is free",
    -10014: "page belongs to another place",
    -10015: "index names no page",
    -10017: "index names a page that cannot be",
    -10020: "bad index",
    -10021: "file is not open for writing",
    -10022: "file is not open for reading",
    -10023: "a file of that name exists",
    -10025: "not a SPIFFS volume",
    -10026: "mounted already",
    -10029: "no block is fully deleted",
    -10030: "the file exists",
    -10031: "not a file",
    -10036: "the name is too long",
    -10040: "seek before the start",
}
NOT_MOUNTED = -10000
FULL = -10001
NOT_FOUND = -10002
END_OF_OBJECT = -10003
DELETED = -10004
NOT_FINALIZED = -10005
OUT_OF_FILE_DESCS = -10007
FILE_CLOSED = -10008
BAD_DESCRIPTOR = -10010
IS_INDEX = -10011
IS_FREE = -10012
DATA_SPAN_MISMATCH = -10014
INDEX_REF_FREE = -10015
INDEX_REF_INVALID = -10017
INDEX_INVALID = -10020
NOT_WRITABLE = -10021
NOT_READABLE = -10022
CONFLICTING_NAME = -10023
NOT_A_FS = -10025
MOUNTED = -10026
NO_DELETED_BLOCKS = -10029
FILE_EXISTS = -10030
NOT_A_FILE = -10031
NAME_TOO_LONG = -10036
SEEK_BOUNDS = -10040


# How the firmware's file layer turns codes into errno (vfs_spiffs_file.c); all others are EIO, 5.
ERRNO = {
    NOT_MOUNTED: 8,
    FULL: 28,
    NOT_FOUND: 2,
    OUT_OF_FILE_DESCS: 24,
    FILE_CLOSED: 1,
    BAD_DESCRIPTOR: 9,
    IS_INDEX: 1,
    INDEX_INVALID: 22,
    NOT_WRITABLE: 1,
    NOT_READABLE: 1,
    CONFLICTING_NAME: 17,
    NO_DELETED_BLOCKS: 11,
    FILE_EXISTS: 17,
    NOT_A_FILE: 2,
    NAME_TOO_LONG: 22,
    SEEK_BOUNDS: 29,
}
EIO = 5


class SpiffsFailure(SpiffsError):
    """An operation of the file system failed; `code` is the number the device prints.

    `errno` is what the firmware's file layer makes of it.
    """

    def __init__(self, code: int, detail: str = ""):
        self.code = code
        self.errno = ERRNO.get(code, EIO)
        super().__init__(f"{ERRORS.get(code, 'error')}{': ' if detail else ''}{detail} ({code})")


# Page flags: a bit is *cleared* to say so.
F_USED = 0x01
F_FINAL = 0x02
F_INDEX = 0x04
F_INDEX_DELETING = 0x40
F_DELETED = 0x80


class PageHeader(Record):
    """At the start of every page that is not a lookup page."""

    obj_id = U16()
    span = U16()
    flags = U8(default=0xFF)

    ERROR = SpiffsError


class IndexHeader(PageHeader):
    """Page header of an object's first index page (span 0); the page table follows."""

    padding = Bytes(3, default=b"\xff\xff\xff")
    size = U32(default=UNDEFINED_SIZE)
    type = U8(default=TYPE_FILE)
    name = Bytes(NAME_LEN)
    # the record is padded to an even size by the C compiler
    end = U8(default=0xFF)


# Bytes of file content in a data page, and data pages an index header can name. The second is
# more than the volume has pages, so that no file ever needs a further index page.
DATA_BYTES = PAGE - PageHeader.SIZE
HEADER_ENTRIES = (PAGE - IndexHeader.SIZE) // 2


def block_magic(block: int, blocks: int) -> int:
    """The magic of block number `block` of a volume of `blocks` blocks (magic with length)."""
    return (MAGIC ^ PAGE ^ (blocks - block)) & 0xFFFF


def looks_formatted(data, base: int = BASE, size: int = SIZE) -> bool:
    """Whether most blocks of the volume carry their magic (one may be under erasure)."""
    blocks = size // BLOCK
    good = 0
    for block in range(blocks):
        at = base + block * BLOCK + MAGIC_OFFSET
        good += int.from_bytes(data[at : at + 2], "little") == block_magic(block, blocks)
    return good >= blocks - 1


def encode_name(name: str) -> bytes:
    """A name as SPIFFS stores it; raises SpiffsFailure(NAME_TOO_LONG) above 127 bytes."""
    raw = name.encode("utf-8", "surrogateescape")
    if len(raw) > NAME_LEN - 1:
        raise SpiffsFailure(NAME_TOO_LONG, name[:20] + "...")
    return raw.split(b"\0")[0]


def decode_name(name: bytes) -> str:
    """The name as text; bytes that are no UTF-8 survive a round trip."""
    return name.decode("utf-8", "surrogateescape")
