"""kfpkg containers: a zip of files with `flash-list.json` saying where in flash each belongs.

The format is what kflash 1.1.6 reads (`lint` knows its quirks). Everything a package can get
wrong is found by `Kfpkg.read`, before anything is written.

An entry may also carry `"sha256": "<64 hex digits>"` of its member. That key is our own
extension: other tools ignore it, we refuse a package where it does not match.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from k210sim.errors import KfpkgError
from k210sim.flash import boot_image
from k210sim.flash.nor import SIZE

LIST_NAME = "flash-list.json"
MAX_PACKAGE = 2 * SIZE
FIRMWARE_END = 0x300000  # models start here by convention, see the vendor's flash map
MAX_LIST = 256 * 1024
MAX_MEMBERS = 64
_STAMP = (2019, 1, 1, 0, 0, 0)  # the time of every member we write, so that bytes are reproducible

# kflash allows numbers JSON does not know: 0x300000 without quotes.
_HEX_NUMBER = re.compile(r'("address"\s*:\s*)(0[xX][0-9a-fA-F]+)')


@dataclass(frozen=True)
class Member:
    """One file of a package and its place in flash."""

    name: str
    address: int
    data: bytes = field(repr=False)
    sha256_prefix: bool = False  # wrap it as a firmware image (header and hash) when flashing
    reverse_4bytes: bool = False  # kept, but without effect, as in kflash

    def flash_bytes(self) -> bytes:
        """What has to stand in flash at `address`."""
        return boot_image.wrap(self.data) if self.sha256_prefix else self.data

    @property
    def end(self) -> int:
        extra = boot_image.BootHeader.SIZE + boot_image.HASH_SIZE if self.sha256_prefix else 0
        return self.address + len(self.data) + extra


@dataclass(frozen=True)
class Kfpkg:
    """A package that has passed all checks. Order is the order of the list."""

    members: tuple[Member, ...]
    version: str = "0.1.0"
    list_text: str = field(default="", repr=False)

    @classmethod
    def read(cls, source, name: str | None = None) -> Kfpkg:
        """Read and verify a package from a path or from bytes; raises KfpkgError.

        `name` is what messages call it when `source` is bytes.
        """
        if isinstance(source, (bytes, bytearray, memoryview)):
            return _read(bytes(source), name)
        path = Path(source)
        try:
            size = path.stat().st_size
            if size > MAX_PACKAGE:
                raise KfpkgError(f"{size} bytes, expected at most {MAX_PACKAGE}", path=path)
            return _read(path.read_bytes(), name or str(path))
        except OSError as error:
            raise KfpkgError(f"cannot be read: {error.strerror or error}", path=path) from error

    @classmethod
    def of(cls, members, version: str = "0.1.0") -> Kfpkg:
        """A package of `members`, checked as one that was read."""
        package = cls(tuple(members), version)
        _check_members(package.members, None)
        return package

    def build(self, *, checksums: bool = False) -> bytes:
        """The package's bytes, the same every time; readable by kflash.

        `checksums` adds our `sha256` key to each entry.
        """
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as archive:
            text = flash_list_text(self.members, self.version, checksums=checksums)
            for name, data in [(LIST_NAME, text.encode()), *_distinct(self.members)]:
                info = zipfile.ZipInfo(name, _STAMP)
                info.compress_type = zipfile.ZIP_DEFLATED
                info.create_system = 3
                info.external_attr = 0o644 << 16
                archive.writestr(info, data, compresslevel=9)
        return out.getvalue()


def flash_list_text(members, version: str = "0.1.0", *, checksums: bool = False) -> str:
    """`flash-list.json` in the shape kflash can read: one key a line, addresses in hex."""
    entries = []
    for m in members:
        lines = [f'"address": 0x{m.address:08X}', f'"bin": {json.dumps(m.name)}']
        if checksums:
            lines.append(f'"sha256": "{hashlib.sha256(m.data).hexdigest()}"')
        lines.append(f'"sha256Prefix": {json.dumps(m.sha256_prefix)}')
        if m.reverse_4bytes:
            lines.append('"reverse4Bytes": true')
        entries.append("        {\n            " + ",\n            ".join(lines) + "\n        }")
    body = ",\n".join(entries)
    return f'{{\n    "version": {json.dumps(version)},\n    "files": [\n{body}\n    ]\n}}\n'


def is_plain(name: str) -> bool:
    """Whether a member's name is that of a file right in a folder, on every system."""
    path = PurePosixPath(name.replace("\\", "/"))
    return len(path.parts) == 1 and path.name not in ("", "..") and not path.is_absolute() and (
        ":" not in name)


def lint(package: Kfpkg, spiffs=(0xD00000, 0x300000)) -> list[str]:
    """Remarks about a package that is readable but may not do what its maker wanted."""
    remarks = []
    start, size = spiffs
    for m in package.members:
        data = m.data
        if not is_plain(m.name):
            remarks.append(f"{m.name}: the name is a path; `kfpkg unpack` refuses the package")
        if m.end > start and m.address < start + size and not _spiffs_image(m, start):
            remarks.append(
                f"{m.name}: 0x{m.address:08x}..0x{m.end:08x} overlaps the file system at "
                f"0x{start:08x}; the firmware will format it at the next boot"
            )
        if 0 < m.address < FIRMWARE_END and not m.sha256_prefix:
            remarks.append(
                f"{m.name}: 0x{m.address:08x} is below 0x{FIRMWARE_END:08x}, how far a standard "
                "firmware may reach; fine only with a smaller one"
            )
        if m.address == 0 and not m.sha256_prefix:
            try:
                boot_image.read_boot_image(data)
            except boot_image.BootImageError as error:
                remarks.append(
                    f"{m.name}: goes to 0x00000000 without sha256Prefix, and is no firmware image "
                    f"by itself ({error}); the board will not boot"
                )
        if m.sha256_prefix and m.address != 0:
            remarks.append(
                f"{m.name}: sha256Prefix puts a firmware header in front of data at "
                f"0x{m.address:08x}; models and file systems must not have one"
            )
        if m.sha256_prefix and _is_boot_image(data):
            remarks.append(
                f"{m.name}: has a firmware header and hash already; sha256Prefix adds a second one"
            )
        if m.reverse_4bytes:
            remarks.append(f"{m.name}: reverse4Bytes is ignored by kflash and by this program")
        if m.address % 4096:
            remarks.append(
                f"{m.name}: address 0x{m.address:08x} is not a multiple of 0x1000, the sector size"
            )
        remarks += [f"{m.name}: {text}" for text in _model_remarks(m)]
    text = package.list_text
    if text:
        if re.search(r'"address":(?! )', text) or re.search(r'"address":  ', text):
            remarks.append(
                f'{LIST_NAME}: kflash wants exactly one blank after "address":, others are refused'
            )
        if re.search(r'"address": [^\n,]*\}', text) or text.count("\n") < 3:
            remarks.append(f"{LIST_NAME}: kflash wants each key on a line of its own")
        if re.search(r'"address": 0[xX][0-9a-fA-F]+\s*\n', text):
            remarks.append(f"{LIST_NAME}: kflash wants a comma after the address, not a line end")
    return remarks


# -- reading ----------------------------------------------------------------------------------


def _read(raw: bytes, name: str | None) -> Kfpkg:
    def refuse(message: str) -> KfpkgError:
        return KfpkgError(message, path=name)

    if len(raw) > MAX_PACKAGE:
        raise refuse(f"{len(raw)} bytes, expected at most {MAX_PACKAGE}")
    try:
        archive = zipfile.ZipFile(io.BytesIO(raw))
        infos = archive.infolist()
    # Damaged archives make zipfile raise many kinds; whatever it is, it is no readable zip.
    except Exception as error:
        raise refuse(f"not a zip archive ({error})") from error
    by_name: dict[str, zipfile.ZipInfo] = {}
    for info in infos:
        if info.filename in by_name:
            raise refuse(f"the archive holds {info.filename!r} twice")
        by_name[info.filename] = info
    if LIST_NAME not in by_name:
        raise refuse(f"no {LIST_NAME} in the archive's root; pack one with `k210sim kfpkg pack`")
    raw_list = _member_bytes(archive, by_name[LIST_NAME], MAX_LIST, refuse)
    text, version, entries = _parse_list(raw_list, refuse)
    cache: dict[str, bytes] = {}
    members = []
    total = 0
    for number, entry in enumerate(entries, 1):
        fields = _entry(entry, number, refuse)
        member_name = fields["name"]
        if member_name not in by_name:
            raise refuse(
                f"{LIST_NAME} names {member_name!r}, which is not in the archive"
            )
        if member_name not in cache:
            total += by_name[member_name].file_size
            if total > SIZE:
                raise refuse(
                    f"its files unpack to more than {SIZE} bytes, the size of the flash chip"
                )
            cache[member_name] = _member_bytes(archive, by_name[member_name], SIZE, refuse)
        data = cache[member_name]
        wanted = fields.pop("sha256")
        if wanted is not None and hashlib.sha256(data).hexdigest() != wanted:
            raise refuse(
                f"{member_name!r} has SHA-256 {hashlib.sha256(data).hexdigest()[:16]}..., "
                f"{LIST_NAME} says {wanted[:16]}..."
            )
        members.append(Member(data=data, **fields))
    _check_members(members, name)
    for m in members:
        _check_wrapped(m, refuse)
    return Kfpkg(tuple(members), version, text)


def _member_bytes(archive, info, limit: int, refuse) -> bytes:
    if info.flag_bits & 1:
        raise refuse(f"{info.filename!r} is encrypted, which flashing tools cannot read")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise refuse(
            f"{info.filename!r} uses zip method {info.compress_type}, expected 0 (stored) or "
            "8 (deflated)"
        )
    if info.file_size > limit:
        raise refuse(f"{info.filename!r} unpacks to {info.file_size} bytes, at most {limit} fit")
    try:
        with archive.open(info) as file:
            # One byte more than announced, so that an archive that lies is caught.
            data = file.read(info.file_size + 1)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError,
            ValueError, RuntimeError) as error:
        raise refuse(f"{info.filename!r} is damaged ({error})") from error
    if len(data) != info.file_size:
        raise refuse(
            f"{info.filename!r} holds {len(data)} bytes, the archive says {info.file_size}"
        )
    return data


def _parse_list(raw: bytes, refuse):
    try:
        text = raw.decode("utf-8-sig")
        # Decimal keeps the rest of the line in place, so JSON errors name the right line.
        plain = _HEX_NUMBER.sub(lambda m: m[1] + str(int(m[2], 16)), text)
        tree = json.loads(plain, object_pairs_hook=_without_twice)
    except UnicodeDecodeError as error:
        raise refuse(f"{LIST_NAME} is not UTF-8 text") from error
    except (ValueError, RecursionError) as error:
        raise refuse(f"{LIST_NAME} is not JSON: {error}") from error
    if not isinstance(tree, dict):
        raise refuse(f"{LIST_NAME} holds a {_kind(tree)}, expected an object")
    entries = tree.get("files")
    if not isinstance(entries, list):
        raise refuse(f'{LIST_NAME} has no list "files"')
    if not 0 < len(entries) <= MAX_MEMBERS:
        raise refuse(f"{LIST_NAME} lists {len(entries)} files, expected 1 to {MAX_MEMBERS}")
    version = tree.get("version", "0.1.0")
    return text, version if isinstance(version, str) else str(version), entries


def _without_twice(pairs) -> dict:
    """An object of the list; JSON would silently keep the last of two equal keys."""
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f'an object has the key "{twice:.40}" twice')
    return found


def _entry(entry, number: int, refuse) -> dict:
    where = f"{LIST_NAME}, file {number}"
    if not isinstance(entry, dict):
        raise refuse(f"{where}: found a {_kind(entry)}, expected an object")
    name = entry.get("bin")
    if not isinstance(name, str) or not name:
        raise refuse(f'{where}: "bin" is {name!r:.60}, expected the name of a file in the archive')
    address = entry.get("address")
    if isinstance(address, str):
        try:
            address = int(address, 0)
        except ValueError:
            raise refuse(f'{where}: "address" is {address!r:.60}, expected a number') from None
    if not isinstance(address, int) or isinstance(address, bool):
        raise refuse(f'{where}: "address" is {address!r:.60}, expected a number')
    prefix = entry.get("sha256Prefix")
    if not isinstance(prefix, bool):
        found = "missing" if "sha256Prefix" not in entry else f"{prefix!r:.60}"
        raise refuse(f'{where}: "sha256Prefix" is {found}, expected true or false')
    checksum = entry.get("sha256")
    if checksum is not None:
        if not isinstance(checksum, str) or not re.fullmatch(r"[0-9a-fA-F]{64}", checksum):
            raise refuse(f'{where}: "sha256" is {checksum!r:.80}, expected 64 hex digits')
        checksum = checksum.lower()
    return {
        "name": name,
        "address": address,
        "sha256_prefix": prefix,
        "reverse_4bytes": entry.get("reverse4Bytes") is True,
        "sha256": checksum,
    }


def _check_members(members, name: str | None) -> None:
    for m in members:
        if not m.data:
            raise KfpkgError(f"{m.name!r} is empty", path=name)
        if m.address < 0 or m.end > SIZE:
            raise KfpkgError(
                f"{m.name!r} needs flash 0x{m.address:08x}..0x{m.end:08x}, "
                f"the chip ends at 0x{SIZE:08x}",
                path=name,
            )
    ordered = sorted(members, key=lambda m: m.address)
    for a, b in zip(ordered, ordered[1:], strict=False):
        if b.address < a.end:
            raise KfpkgError(
                f"{a.name!r} (0x{a.address:08x}..0x{a.end:08x}) and {b.name!r} "
                f"(0x{b.address:08x}..0x{b.end:08x}) overlap",
                path=name,
            )
    contents: dict[str, bytes] = {LIST_NAME: b""}
    for m in members:
        if contents.setdefault(m.name, m.data) is not m.data and contents[m.name] != m.data:
            raise KfpkgError(f"two different files are both called {m.name!r}", path=name)


def _check_wrapped(m: Member, refuse) -> None:
    """Refuse a member that carries its own firmware header with a hash that does not match."""
    if m.sha256_prefix or m.address != 0 or len(m.data) < 64:
        return
    header = boot_image.BootHeader.parse(m.data)
    wrapped = boot_image.BootHeader.SIZE + header.length + boot_image.HASH_SIZE
    if header.flags <= boot_image.KNOWN_FLAGS and wrapped == len(m.data):
        try:
            boot_image.read_boot_image(m.data)
        except boot_image.BootImageError as error:
            raise refuse(f"{m.name!r} is a damaged {error}") from error


def _distinct(members):
    return {m.name: m.data for m in members}.items()


def _kind(value) -> str:
    names = {dict: "object", list: "list", str: "string", bool: "truth value", type(None): "null"}
    return names.get(type(value), "number")


def _is_boot_image(data: bytes) -> bool:
    try:
        boot_image.read_boot_image(data)
    except boot_image.BootImageError:
        return False
    return True


def _spiffs_image(m: Member, start: int) -> bool:
    """Whether a member is itself a file system for that place (first block's magic)."""
    return m.address == start and m.data[0xFFC:0xFFE] == b"\x31\x15"


def _model_remarks(m: Member) -> list[str]:
    from k210sim.flash.flash_map import model_at

    found = model_at(m.data, 0, partial=True)
    if found is None:
        if m.name.endswith(".kmodel"):
            return ["its name says kmodel, its bytes do not"]
        return []
    if found.end > len(m.data) + 7:  # the last layer's padding may be missing
        return [f"the {found.kind} is cut off: {len(m.data)} of {found.end} bytes"]
    return []
