"""The /flash volume: SPIFFS as the firmware has it, read and written in the flash image.

Flat names of up to 127 bytes, at most two files open, a one-page write cache for each file, the
firmware's rules for free space. On flash it is what pellepl/spiffs writes; in one respect we do
better: pages that are replaced are deleted only after the new index page is complete, so that a
power cut leaves the old content or the new, and `mount` removes what a cut left behind (the
firmware keeps such pages for ever).

Names are given as SPIFFS stores them, with the leading slash (`/main.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from k210sim.flash import spiffs_layout as L
from k210sim.flash.spiffs_file import SpiffsFile
from k210sim.flash.spiffs_layout import SpiffsFailure
from k210sim.flash.spiffs_pages import PageStore

_DATA_FLAGS = 0xFF & ~(L.F_USED | L.F_FINAL)
_INDEX_FLAGS = 0xFF & ~(L.F_USED | L.F_FINAL | L.F_INDEX)


@dataclass
class Entry:
    """What `stat` and `listdir` tell about a file."""

    name: str
    size: int
    obj_id: int
    type: int = L.TYPE_FILE


@dataclass(eq=False)
class _File:
    """A file as its index header describes it. `size` None: nothing was written yet."""

    obj_id: int
    name: bytes
    size: int | None
    page: int  # of the index header
    pages: list[int] = field(default_factory=list)  # of the data
    type: int = L.TYPE_FILE
    cache: bytearray = field(default_factory=bytearray)
    cache_offset: int = 0

    @property
    def length(self) -> int:
        return self.size or 0


class SpiffsVolume:
    """A volume at `base` of the chip, `size` bytes long. Not mounted until `mount`.

    The chip charges the time (`nor.clock`). `on_sync()` is called when something is safely on
    flash: after closing and flushing a written file, removing and renaming.
    """

    def __init__(self, nor, base: int = L.BASE, size: int = L.SIZE, *, on_sync=None):
        self._store = PageStore(nor, base, size)
        self._on_sync = on_sync
        self._files: dict[int, _File] = {}
        self._handles: list[SpiffsFile] = []
        self.mounted = False

    # -- the volume ----------------------------------------------------

    def mount(self) -> None:
        """Read the volume's structure; raises SpiffsFailure(NOT_A_FS) when it has none."""
        if self.mounted:
            raise SpiffsFailure(L.MOUNTED)
        self._store.load()
        self._files = {}
        self._handles = []
        self._scan()
        self.mounted = True

    def unmount(self) -> None:
        """Flush and close all files."""
        self._need_mount()
        for handle in list(self._handles):
            handle.close()
        self.mounted = False

    def format(self) -> None:
        """Erase the volume, which must not be mounted, and leave it empty (and unmounted)."""
        if self.mounted:
            raise SpiffsFailure(L.MOUNTED)
        self._store.format()
        self._synced()

    def info(self) -> tuple[int, int]:
        """(total, used) bytes, counted in pages as the firmware counts them."""
        self._need_mount()
        total = (self._store.blocks - 2) * L.ENTRIES + 1
        return total * L.DATA_BYTES, self._store.allocated * L.DATA_BYTES

    def listdir(self) -> list[Entry]:
        """All files, in the order of their index pages on flash."""
        self._need_mount()
        return [self._entry(f) for f in sorted(self._files.values(), key=lambda f: f.page)]

    def stat(self, name: str) -> Entry:
        """One file; raises SpiffsFailure(NOT_FOUND). Unflushed writes do not show."""
        self._need_mount()
        return self._entry(self._find(L.encode_name(name)))

    # -- files ----------------------------------------------------

    def open(self, name: str, flags: int) -> SpiffsFile:
        """Open a file with `O_*` flags of spiffs_layout; raises SpiffsFailure.

        Codes: OUT_OF_FILE_DESCS with two open files, NOT_FOUND without O_CREAT, FILE_EXISTS with
        O_CREAT | O_EXCL, NAME_TOO_LONG, FULL.
        """
        self._need_mount()
        raw = L.encode_name(name)
        self._need_descriptor()
        try:
            file = self._find(raw)
        except SpiffsFailure:
            if not flags & L.O_CREAT:
                raise
            file = self._create(raw)
        else:
            if flags & L.O_CREAT and flags & L.O_EXCL:
                raise SpiffsFailure(L.FILE_EXISTS, name)
            if flags & L.O_TRUNC:
                self._truncate(file)
        handle = SpiffsFile(self, file, flags)
        self._handles.append(handle)
        return handle

    def remove(self, name: str) -> None:
        """Delete a file; handles on it are closed. Needs a free descriptor, as on the device."""
        self._need_mount()
        raw = L.encode_name(name)
        self._need_descriptor()
        file = self._find(raw)
        self._store.set_flags(file.page, _INDEX_FLAGS & ~L.F_INDEX_DELETING)
        # From here on the file is gone; the rest only gives its pages back.
        del self._files[file.obj_id]
        self._handles = [h for h in self._handles if h._file is not file]
        for page in [*reversed(file.pages), file.page]:
            if self._store.valid(page) and self._store.lookup_id(page) & ~L.ID_INDEX == file.obj_id:
                self._store.delete(page)
        self._synced()

    def rename(self, old: str, new: str) -> None:
        """Give a file another name; raises SpiffsFailure(CONFLICTING_NAME) when it is taken."""
        self._need_mount()
        raw = L.encode_name(new)
        file = self._find(L.encode_name(old))
        if any(f.name == raw for f in self._files.values()):
            raise SpiffsFailure(L.CONFLICTING_NAME, new)
        self._need_descriptor()
        self._replace_index(file, name=raw)
        self._synced()

    # -- used by SpiffsFile ---------------------------------------------------------------------

    def _read(self, file: _File, offset: int, length: int) -> bytes:
        parts = []
        end = min(offset + length, file.length)
        while offset < end:
            span, inside = divmod(offset, L.DATA_BYTES)
            n = min(end - offset, L.DATA_BYTES - inside)
            page = self._data_page(file, span)
            parts.append(self._store.read(page, L.PageHeader.SIZE + inside, n))
            offset += n
        return b"".join(parts)

    def _write(self, file: _File, offset: int, data: bytes) -> None:
        """Change bytes inside the file first, then append the rest, as the firmware does."""
        offset = min(offset, file.length)
        inside = min(len(data), file.length - offset)
        if inside:
            self._modify(file, offset, data[:inside])
        if inside < len(data):
            self._append(file, data[inside:])

    def _flush(self, file: _File) -> None:
        if file.cache:
            data, file.cache = bytes(file.cache), bytearray()
            self._write(file, file.cache_offset, data)
            self._synced()

    def _synced(self) -> None:
        if self._on_sync is not None:
            self._on_sync()

    # -- changing files ----------------------------------------------------

    def _create(self, name: bytes) -> _File:
        self._store.make_room(L.DATA_BYTES, self._evacuate)
        used = {obj_id & ~L.ID_INDEX for _, obj_id in self._store.entries()}
        obj_id = next(n for n in range(1, L.ID_INDEX) if n not in used)
        file = _File(obj_id, name, None, 0)
        file.page = self._write_index(file, [])
        self._files[obj_id] = file
        return file

    def _truncate(self, file: _File) -> None:
        file.cache = bytearray()
        if not file.length:
            return
        self._store.make_room(2 * L.DATA_BYTES, self._evacuate)
        old = file.pages
        self._replace_index(file, pages=[], size=None)
        self._delete_data(file, old)

    def _modify(self, file: _File, offset: int, data: bytes) -> None:
        self._store.make_room(len(data) + L.DATA_BYTES, self._evacuate)
        pages, replaced, at = list(file.pages), [], 0
        try:
            while at < len(data):
                span, inside = divmod(offset + at, L.DATA_BYTES)
                n = min(len(data) - at, L.DATA_BYTES - inside)
                old = self._data_page(file, span)
                body = bytearray(self._store.read(old, L.PageHeader.SIZE, L.DATA_BYTES))
                body[inside : inside + n] = data[at : at + n]
                pages[span] = self._store.allocate(file.obj_id, span, _DATA_FLAGS, bytes(body))
                replaced.append(old)
                at += n
            self._replace_index(file, pages=pages)
        except SpiffsFailure:
            self._delete_data(file, [p for p in pages if p not in file.pages])
            raise
        self._delete_data(file, replaced)

    def _append(self, file: _File, data: bytes) -> None:
        self._store.make_room(len(data) + L.DATA_BYTES, self._evacuate)
        pages, replaced, size, at = list(file.pages), [], file.length, 0
        try:
            inside = size % L.DATA_BYTES
            if inside:
                at = min(len(data), L.DATA_BYTES - inside)
                last = self._data_page(file, size // L.DATA_BYTES)
                start = L.PageHeader.SIZE + inside
                body = self._store.read(last, L.PageHeader.SIZE, L.DATA_BYTES)
                if body[inside:] == b"\xff" * (L.DATA_BYTES - inside):
                    self._store.write(last, start, data[:at])
                else:
                    # An append that was cut short left its bytes there: take a fresh page.
                    span = size // L.DATA_BYTES
                    body = body[:inside] + data[:at]
                    pages[span] = self._store.allocate(file.obj_id, span, _DATA_FLAGS, body)
                    replaced.append(last)
            while at < len(data):
                n = min(len(data) - at, L.DATA_BYTES)
                pages.append(
                    self._store.allocate(file.obj_id, len(pages), _DATA_FLAGS, data[at : at + n])
                )
                at += n
            if file.size is None:
                self._fill_index(file, pages, size + len(data))
            else:
                self._replace_index(file, pages=pages, size=size + len(data))
        except SpiffsFailure:
            self._delete_data(file, [p for p in pages if p not in file.pages])
            raise
        self._delete_data(file, replaced)

    def _delete_data(self, file: _File, pages) -> None:
        for page in pages:
            if self._store.valid(page) and self._store.lookup_id(page) == file.obj_id:
                self._store.delete(page)

    # -- index pages ----------------------------------------------------

    def _write_index(self, file: _File, pages, name=None, size=None) -> int:
        name = file.name if name is None else name
        header = L.IndexHeader(
            size=L.UNDEFINED_SIZE if size is None else size,
            type=file.type,
            name=name.ljust(L.NAME_LEN, b"\0"),
        ).build()
        body = header[L.PageHeader.SIZE :] + _table(pages)
        return self._store.allocate(file.obj_id | L.ID_INDEX, 0, _INDEX_FLAGS, body)

    def _fill_index(self, file: _File, pages, size: int) -> None:
        """First content of a file: its table and size are still blank and can be programmed.

        The size comes last; `_scan` takes a file whose size is torn for empty.
        """
        self._store.write(file.page, L.IndexHeader.SIZE, _table(pages))
        self._store.write(file.page, L.IndexHeader.size.offset, size.to_bytes(4, "little"))
        file.pages, file.size = list(pages), size

    _KEEP = object()

    def _replace_index(self, file: _File, *, pages=None, size=_KEEP, name=None) -> None:
        """Write the index header anew and delete the old one."""
        pages = file.pages if pages is None else pages
        size = file.size if size is self._KEEP else size
        page = self._write_index(file, pages, name, size)
        old, file.page = file.page, page
        file.pages, file.size = list(pages), size
        file.name = file.name if name is None else name
        self._store.delete(old)

    # -- garbage, mounting, searching ----------------------------------------------------

    def _evacuate(self, block: int) -> None:
        """Move everything alive out of a block, file by file."""
        for file in list(self._files.values()):
            pages = list(file.pages)
            for span, page in enumerate(pages):
                if page // L.PAGES_PER_BLOCK == block and self._owns(file, span, page):
                    body = self._store.read(page, L.PageHeader.SIZE, L.DATA_BYTES)
                    pages[span] = self._store.allocate(file.obj_id, span, _DATA_FLAGS, body)
            moved = [p for p, new in zip(file.pages, pages, strict=True) if p != new]
            if moved or file.page // L.PAGES_PER_BLOCK == block:
                self._replace_index(file, pages=pages)
                self._delete_data(file, moved)

    def _scan(self) -> None:
        """Find the files, then delete every page that belongs to none of them."""
        found: list[_File] = []
        for page, obj_id in self._store.entries():
            if not obj_id & L.ID_INDEX:
                continue
            header = L.IndexHeader.parse(self._store.read(page, 0, L.IndexHeader.SIZE))
            live = header.flags & (L.F_FINAL | L.F_INDEX | L.F_DELETED | L.F_INDEX_DELETING)
            if live != L.F_DELETED | L.F_INDEX_DELETING or header.obj_id != obj_id or header.span:
                continue
            size = None if header.size == L.UNDEFINED_SIZE else header.size
            number = obj_id & ~L.ID_INDEX
            name = header.name.split(b"\0")[0]
            file = _File(number, name, size, page, type=header.type)
            count = -(-file.length // L.DATA_BYTES)
            if count <= L.HEADER_ENTRIES:
                raw = self._store.read(page, L.IndexHeader.SIZE, 2 * count)
                file.pages = [raw[i] | raw[i + 1] << 8 for i in range(0, len(raw), 2)]
            found.append(file)
        for file in found:
            # Two index headers of one file: a change was cut short. Both are complete; an
            # undamaged one is preferred, then the first, as the firmware's search would.
            other = self._files.get(file.obj_id)
            if other is None or (not self._intact(other) and self._intact(file)):
                self._files[file.obj_id] = file
        owned = {f.page for f in self._files.values()}
        owned.update(p for f in self._files.values() for p in f.pages)
        for page, _ in list(self._store.entries()):
            if page not in owned:
                self._store.delete(page)
        for file in list(self._files.values()):
            if -(-file.length // L.DATA_BYTES) > L.HEADER_ENTRIES:
                # The size of a first write was cut short: nothing of it counts.
                self._replace_index(file, pages=[], size=None)
            elif file.size is None and self._store.read(
                file.page, L.IndexHeader.SIZE, L.PAGE - L.IndexHeader.SIZE
            ).strip(b"\xff"):
                # Cut short even before the size: the table is no longer blank.
                self._replace_index(file, pages=[])

    def _intact(self, file: _File) -> bool:
        full = len(file.pages) == -(-file.length // L.DATA_BYTES)
        return full and all(self._owns(file, span, p) for span, p in enumerate(file.pages))

    def _owns(self, file: _File, span: int, page: int) -> bool:
        try:
            self._check_page(file, span, page)
        except SpiffsFailure:
            return False
        return True

    def _data_page(self, file: _File, span: int) -> int:
        page = file.pages[span] if span < len(file.pages) else L.NO_PAGE
        self._check_page(file, span, page)
        return page

    def _check_page(self, file: _File, span: int, page: int) -> None:
        """Raise what the firmware raises for an index entry that names a wrong page."""
        if page == L.NO_PAGE:
            raise SpiffsFailure(L.INDEX_REF_FREE)
        if not self._store.valid(page):
            raise SpiffsFailure(L.INDEX_REF_INVALID)
        header = self._store.header(page)
        for code, wrong in (
            (L.IS_FREE, header.flags & L.F_USED),
            (L.DELETED, not header.flags & L.F_DELETED),
            (L.NOT_FINALIZED, header.flags & L.F_FINAL),
            (L.IS_INDEX, not header.flags & L.F_INDEX),
            (L.DATA_SPAN_MISMATCH, (header.obj_id, header.span) != (file.obj_id, span)),
        ):
            if wrong:
                raise SpiffsFailure(code, f"page {page} of {L.decode_name(file.name)}")

    def _find(self, name: bytes) -> _File:
        hits = [f for f in self._files.values() if f.name == name]
        if not hits:
            raise SpiffsFailure(L.NOT_FOUND, L.decode_name(name))
        return min(hits, key=lambda f: f.page)

    def _entry(self, file: _File) -> Entry:
        return Entry(L.decode_name(file.name), file.length, file.obj_id, file.type)

    def _need_mount(self) -> None:
        if not self.mounted:
            raise SpiffsFailure(L.NOT_MOUNTED)

    def _need_descriptor(self) -> None:
        if len(self._handles) >= L.MAX_OPEN:
            raise SpiffsFailure(L.OUT_OF_FILE_DESCS, f"{L.MAX_OPEN} files are open already")


def _table(pages) -> bytes:
    return b"".join(page.to_bytes(2, "little") for page in pages)
