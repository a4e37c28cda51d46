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


class IndexPage(PageHeader):
    """Page header of a further index page; the page table follows."""

    padding = Bytes(3, default=b"\xff\xff\xff")


DATA_BYTES = PAGE - PageHeader.SIZE
HEADER_ENTRIES = (PAGE - IndexHeader.SIZE) // 2
INDEX_ENTRIES = (PAGE - IndexPage.SIZE) // 2


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
