"""The lower half of SPIFFS: blocks, lookup pages, allocating, deleting and erasing pages.

The lookup pages are kept in memory after `load`, so searching costs no flash reads here; the
firmware's read cache does about the same. Writes go through `NorFlash.write`, as the firmware's
go through its driver: every write costs one sector's worth of page programs.
"""

from __future__ import annotations

from array import array

from k210sim.flash import spiffs_layout as L
from k210sim.flash.nor import NorFlash

# Weights of the collector's choice and its limit of tries, from the spiffs defaults.
_W_DELETED, _W_USED, _W_AGE = 5, -1, 50
_MAX_RUNS = 5


class PageStore:
    """The pages of one volume. Page numbers count from the start of the volume."""

    def __init__(self, nor: NorFlash, base: int, size: int):
        if size % L.BLOCK or base % L.ERASE or not 3 <= size // L.BLOCK <= 32:
            raise L.SpiffsFailure(
                L.NOT_A_FS, f"0x{size:x} bytes at 0x{base:x} are not 3 to 32 blocks of 128 KiB"
            )
        self.nor, self.base, self.size = nor, base, size
        self.blocks = size // L.BLOCK
        self.lookup: list[array] = []
        self.erase_counts: list[int] = []
        self.next_erase_count = 0
        self._cursor = (0, 0)
        self._cleaning: int | None = None
        self._counted_free = 0  # free blocks by the firmware's count, see make_room

    # -- whole volume ----------------------------------------------------

    def format(self) -> None:
        """Erase everything and write the magics; the erase counts start again at 0."""
        self.lookup = [array("H", [L.ID_FREE] * L.ENTRIES) for _ in range(self.blocks)]
        self.erase_counts = [0] * self.blocks
        for block in range(self.blocks):
            self.next_erase_count = 0
            self.erase_block(block)
        self._counted_free = self.free_blocks

    def load(self) -> None:
        """Check the magics and read the lookup pages; raises SpiffsFailure(NOT_A_FS).

        One block without magic is a block whose erasure was cut short: it is erased again.
        """
        magic_bad, counts = [], []
        for block in range(self.blocks):
            raw = self.nor.read(self._address(block * L.PAGES_PER_BLOCK) + L.MAGIC_OFFSET, 4)
            if int.from_bytes(raw[:2], "little") != L.block_magic(block, self.blocks):
                magic_bad.append(block)
                if len(magic_bad) > 1:
                    raise L.SpiffsFailure(L.NOT_A_FS)
            counts.append(int.from_bytes(raw[2:], "little"))
        known = [c for c in counts if c != L.ID_FREE] or [0]
        wrapped = max(known) - min(known) > L.ID_FREE // 2
        self.next_erase_count = (min(known) if wrapped else max(known)) + 1
        self.erase_counts = counts
        self.lookup = []
        for block in range(self.blocks):
            raw = self.nor.read(self._address(block * L.PAGES_PER_BLOCK), 2 * L.ENTRIES)
            self.lookup.append(_entries(raw))
        self._cursor = (0, 0)
        for block in magic_bad:
            self.erase_block(block)
        self._counted_free = self.free_blocks

    # -- pages ----------------------------------------------------

    def entries(self):
        """(page, lookup id) of every page that is neither free nor deleted, in order."""
        for block, ids in enumerate(self.lookup):
            for entry, obj_id in enumerate(ids):
                if obj_id not in (L.ID_FREE, L.ID_DELETED):
                    yield block * L.PAGES_PER_BLOCK + 1 + entry, obj_id

    def valid(self, page: int) -> bool:
        """Whether a page number can be that of a data or index page."""
        return 0 <= page < self.blocks * L.PAGES_PER_BLOCK and page % L.PAGES_PER_BLOCK != 0

    def lookup_id(self, page: int) -> int:
        return self.lookup[page // L.PAGES_PER_BLOCK][page % L.PAGES_PER_BLOCK - 1]

    def header(self, page: int) -> L.PageHeader:
        return L.PageHeader.parse(self.read(page, 0, L.PageHeader.SIZE))

    def read(self, page: int, offset: int, length: int) -> bytes:
        return self.nor.read(self._address(page) + offset, length)

    def write(self, page: int, offset: int, data: bytes) -> None:
        self.nor.write(self._address(page) + offset, data)

    def allocate(self, obj_id: int, span: int, flags: int, body: bytes) -> int:
        """Take a free page and fill it; returns its number. `flags` is how it looks finished.

        The page becomes valid with the last write only, the one that clears the final bit.
        """
        block, entry = self._find_free()
        self._cursor = (block, entry + 1)
        page = block * L.PAGES_PER_BLOCK + 1 + entry
        self._counted_free -= entry == 0
        if self.nor.data[self._address(page) : self._address(page) + L.PAGE] != b"\xff" * L.PAGE:
            # Left over from an erasure that was cut short after the lookup page.
            self.nor.erase(self._address(page), L.PAGE)
        self._mark(page, obj_id)
        header = L.PageHeader(obj_id=obj_id, span=span, flags=flags | L.F_FINAL).build()
        self.write(page, 0, header + body)
        self.set_flags(page, flags)
        return page

    def set_flags(self, page: int, flags: int) -> None:
        self.write(page, 4, bytes([flags]))

    def delete(self, page: int) -> None:
        """Mark a page deleted; its block gets it back when it is erased.

        The firmware writes the flag byte blindly, relying on bits that cannot be set; its flash
        driver then sees bits to set and erases and rewrites the page. So do we.
        """
        self._mark(page, L.ID_DELETED)
        self.set_flags(page, 0xFF & ~(L.F_DELETED | L.F_USED))

    def erase_block(self, block: int) -> None:
        start = self._address(block * L.PAGES_PER_BLOCK)
        for at in range(start, start + L.BLOCK, L.ERASE):
            self.nor.erase(at, L.ERASE)
        self.nor.write(start + L.ERASE_COUNT_OFFSET, self.next_erase_count.to_bytes(2, "little"))
        magic = L.block_magic(block, self.blocks)
        self.nor.write(start + L.MAGIC_OFFSET, magic.to_bytes(2, "little"))
        self.lookup[block] = array("H", [L.ID_FREE] * L.ENTRIES)
        self.erase_counts[block] = self.next_erase_count
        self.next_erase_count = (self.next_erase_count + 1) % L.ID_INDEX
        self._counted_free += 1

    # -- free space ----------------------------------------------------

    @property
    def free_blocks(self) -> int:
        """Blocks of which nothing is used: their first entry is free."""
        return sum(ids[0] == L.ID_FREE for ids in self.lookup)

    @property
    def deleted(self) -> int:
        return sum(ids.count(L.ID_DELETED) for ids in self.lookup)

    @property
    def allocated(self) -> int:
        free = sum(ids.count(L.ID_FREE) for ids in self.lookup)
        return self.blocks * L.ENTRIES - free - self.deleted

    @property
    def free_pages(self) -> int:
        """Free pages outside the two blocks kept in reserve; may be negative."""
        return L.ENTRIES * (self.blocks - 2) - self.allocated - self.deleted

    def make_room(self, length: int, evacuate) -> None:
        """See that `length` bytes of data fit, collecting garbage if need be.

        `evacuate(block)` has to move everything alive out of a block. Raises SpiffsFailure(FULL)
        by the firmware's rule, which counts pages and keeps two blocks in reserve. Its count of
        free blocks rises with every erased block, also with one that was free already, so that it
        stops collecting earlier than the blocks themselves would let it.
        """
        if self._counted_free > 3 and length < self.free_pages * L.DATA_BYTES:
            return
        needed = -(-length // L.DATA_BYTES)
        if needed > self.free_pages + self.deleted:
            raise L.SpiffsFailure(L.FULL)
        for _ in range(_MAX_RUNS):
            before = self.free_pages
            self._clean(self._candidate(crammed=before <= 0), evacuate)
            if before <= 0 and self.free_pages == before:
                break
            if self._counted_free > 2 and length <= self.free_pages * L.DATA_BYTES:
                break
        if length > self.free_pages * L.DATA_BYTES:
            raise L.SpiffsFailure(L.FULL)

    # -- inside ----------------------------------------------------

    def _clean(self, block: int, evacuate) -> None:
        if self._cursor[0] == block:
            self._cursor = ((block + 1) % self.blocks, 0)
        self._cleaning = block
        try:
            evacuate(block)
        finally:
            self._cleaning = None
        self.erase_block(block)

    def _candidate(self, crammed: bool) -> int:
        """The block to clean: many deleted pages, few used ones, long not erased."""

        def score(block: int) -> int:
            ids = self.lookup[block]
            deleted = ids.count(L.ID_DELETED)
            used = L.ENTRIES - deleted - ids.count(L.ID_FREE)
            age = (self.next_erase_count - self.erase_counts[block]) % L.ID_FREE
            return deleted * _W_DELETED + used * _W_USED + (0 if crammed else age * _W_AGE)

        return max(range(self.blocks), key=lambda block: (score(block), -block))

    def _find_free(self) -> tuple[int, int]:
        if self._cleaning is None and self.free_blocks < 2:
            # Last resort: a block in which everything is deleted needs no moving.
            for block, ids in enumerate(self.lookup):
                if ids.count(L.ID_DELETED) == L.ENTRIES:
                    self.erase_block(block)
                    break
            if self.free_blocks < 2:
                raise L.SpiffsFailure(L.FULL)
        first, entry = self._cursor
        for n in range(self.blocks + 1):
            block = (first + n) % self.blocks
            if block == self._cleaning:
                continue
            ids = self.lookup[block]
            for at in range(entry if n == 0 else 0, L.ENTRIES):
                if ids[at] == L.ID_FREE:
                    return block, at
        raise L.SpiffsFailure(L.FULL)

    def _mark(self, page: int, obj_id: int) -> None:
        block, entry = page // L.PAGES_PER_BLOCK, page % L.PAGES_PER_BLOCK - 1
        self.nor.write(
            self._address(block * L.PAGES_PER_BLOCK) + 2 * entry, obj_id.to_bytes(2, "little")
        )
        self.lookup[block][entry] = obj_id

    def _address(self, page: int) -> int:
        return self.base + page * L.PAGE


def _entries(raw: bytes) -> array:
    return array("H", [raw[i] | raw[i + 1] << 8 for i in range(0, len(raw), 2)])
