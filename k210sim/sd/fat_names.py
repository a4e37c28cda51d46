"""Names on FAT volumes: paths, 8.3 names, long names in parts of 13 characters.

The firmware's code page is 437. Ref: FAT 1.03, "Long File Name Implementation"; FatFs R0.13c
(what is cut off, what is refused, when a long name is needed).
"""

from __future__ import annotations

from k210sim.sd.fat_layout import (
    CHARS_PER_PART,
    E5_STANDS_FOR,
    FORBIDDEN,
    INVALID_NAME,
    LAST_PART,
    LONG_NAME,
    LONGEST_NAME,
    LOWER_BODY,
    LOWER_EXTENSION,
    DirRecord,
    FatFailure,
)

CODE_PAGE = "cp437"
_SHORT_ONLY = frozenset("+,;=[]")  # allowed in long names only
_PART_FIELDS = ((1, 5), (14, 6), (28, 2))  # offset and characters, in an entry of a long name


def split(path: str, cwd: list[str], forbidden=FORBIDDEN) -> list[str]:
    """The names of a path from the top; `.` and `..` are resolved, the top has no parent.

    Raises FatFailure(INVALID_NAME). A control character ends the path, as in the FAT library.
    """
    end = next((i for i, c in enumerate(path) if c < " "), len(path))
    path = path[:end].replace("\\", "/")
    names = [] if path.startswith("/") else list(cwd)
    for part in path.split("/"):
        if part in ("", "."):
            continue
        if part == "..":
            del names[-1:]
            continue
        if len(part) > LONGEST_NAME or forbidden & set(part):
            raise FatFailure(INVALID_NAME, path)
        part = part.rstrip(". ")
        if not part or any(0xD800 <= ord(c) < 0xE000 or ord(c) > 0xFFFF for c in part):
            raise FatFailure(INVALID_NAME, path)
        names.append(part)
    return names


def fold(name: str) -> str:
    """A name as it is compared: upper case, character by character."""
    return "".join(c.upper() if len(c.upper()) == 1 else c for c in name)


def as_short(name: str) -> tuple[bytes, int] | None:
    """The 11 bytes and case flags of a name that needs no long one, else None."""
    body, dot, extension = name.rpartition(".")
    if not dot:
        body, extension = name, ""
    if not body or len(body) > 8 or len(extension) > 3 or "." in body or " " in name:
        return None
    flags = 0
    for text, flag in ((body, LOWER_BODY), (extension, LOWER_EXTENSION)):
        if any(c >= "\x80" or c in _SHORT_ONLY for c in text):
            return None
        if text != text.upper():
            if text != text.lower():
                return None
            flags |= flag
    return (body.upper().ljust(8) + extension.upper().ljust(3)).encode("ascii"), flags


def short_for(name: str, taken: set[bytes]) -> bytes:
    """An 8.3 name for a long one, with a number, that is not in `taken`."""

    def fitting(text: str) -> bytes:
        kept = (c for c in text if c not in " .")
        folded = (fold(c) if c not in _SHORT_ONLY else "_" for c in kept)
        return "".join(folded).encode(CODE_PAGE, "replace").replace(b"?", b"_")

    body, dot, extension = name.lstrip(" .").rpartition(".")
    if not dot:
        body, extension = extension, ""
    start, end = fitting(body) or b"_", fitting(extension)[:3].ljust(3)
    for number in range(1, 1_000_000):
        tail = b"~%d" % number
        candidate = (start[: 8 - len(tail)] + tail).ljust(8) + end
        if candidate not in taken:
            return candidate
    raise FatFailure(INVALID_NAME, name)


def shown(raw: bytes, flags: int) -> str:
    """The text of an 8.3 name."""
    if raw[0] == E5_STANDS_FOR:
        raw = b"\xe5" + raw[1:]
    body = raw[:8].rstrip().decode(CODE_PAGE)
    extension = raw[8:].rstrip().decode(CODE_PAGE)
    if flags & LOWER_BODY:
        body = body.lower()
    if flags & LOWER_EXTENSION:
        extension = extension.lower()
    return f"{body}.{extension}" if extension else body


def checksum(raw: bytes) -> int:
    """What ties the parts of a long name to their 8.3 entry."""
    total = 0
    for byte in raw:
        total = ((total & 1) << 7 | total >> 1) + byte & 0xFF
    return total


def long_parts(name: str, raw: bytes) -> list[bytes]:
    """The entries of a long name in the order in which they stand in the directory."""
    units = name.encode("utf-16-le")
    units = [units[i : i + 2] for i in range(0, len(units), 2)]
    count = -(-len(units) // CHARS_PER_PART)
    if len(units) % CHARS_PER_PART:
        units.append(b"\0\0")
    units += [b"\xff\xff"] * (count * CHARS_PER_PART - len(units))
    parts = []
    for number in range(count, 0, -1):
        part = bytearray(DirRecord.SIZE)
        part[0] = number | (LAST_PART if number == count else 0)
        part[11], part[13] = LONG_NAME, checksum(raw)
        at = (number - 1) * CHARS_PER_PART
        for offset, length in _PART_FIELDS:
            part[offset : offset + 2 * length] = b"".join(units[at : at + length])
            at += length
        parts.append(bytes(part))
    return parts


class LongName:
    """Puts a long name together from the parts that stand before an 8.3 entry."""

    def __init__(self):
        self.clear()

    def clear(self) -> None:
        self._expected, self._sum = -1, 0
        self._units: list[bytes] = []
        self.count = 0  # parts so far

    def add(self, part) -> None:
        """The next part; one that does not belong there drops what there was."""
        number = part[0] & ~LAST_PART
        if part[0] & LAST_PART:
            self.clear()
            self._expected, self._sum = number, part[13]
        if number != self._expected or number == 0 or part[13] != self._sum or number > 20:
            self.clear()
            return
        self._units.insert(0, b"".join(bytes(part[o : o + 2 * n]) for o, n in _PART_FIELDS))
        self._expected -= 1
        self.count += 1

    def take(self, raw: bytes) -> str | None:
        """The name that belongs to this 8.3 entry, or None."""
        if self._expected != 0 or self._sum != checksum(raw):
            return None
        data = b"".join(self._units)
        end = next((i for i in range(0, len(data), 2) if data[i : i + 2] == b"\0\0"), len(data))
        name = data[:end].decode("utf-16-le", "replace")
        return name or None
