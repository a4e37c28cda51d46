"""What flashing a file means: which bytes go to which address, checked before anything changes.

`plan` reads and verifies, `apply` writes. The rules for a file without an address follow
kflash, and where kflash knows no rule (models, file system images) the habits of its users.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from k210sim.errors import FlashError, HostError
from k210sim.flash import boot_image
from k210sim.flash.flash_map import model_at
from k210sim.flash.kfpkg import Kfpkg
from k210sim.flash.nor import BLOCK64, SIZE, NorFlash
from k210sim.flash.spiffs_layout import BASE as SPIFFS_BASE
from k210sim.flash.spiffs_layout import SIZE as SPIFFS_SIZE
from k210sim.flash.spiffs_layout import looks_formatted

MODEL_ADDRESS = 0x300000  # where models go by convention
ENCRYPTED_MODELS = (b"\x13\x27\x00\x00", b"LDMS", b"LDME")
_MAX_FILE = 2 * SIZE


@dataclass(frozen=True)
class Part:
    """Bytes for one place in flash; `what` says in words what they are."""

    name: str
    address: int
    data: bytes = field(repr=False)
    what: str = "data"

    @property
    def end(self) -> int:
        return self.address + len(self.data)


def plan(source, addr: int | None = None, name: str | None = None) -> list[Part]:
    """The parts that flashing `source` (a path or bytes) would write.

    addr
        Where a bare file goes; not allowed with a kfpkg, which has its own addresses. Without
        it: kfpkg by its list, firmware (`.bin`, or anything with a good firmware header) to 0,
        models to 0x300000, a SPIFFS image to 0xD00000, a 16 MiB dump to 0.

    Raises KfpkgError for a bad package, FlashError for what does not fit, HostError for a file
    that cannot be read or whose place is unclear.
    """
    data, name = _content(source, name)
    if data.startswith(b"PK") or name.lower().endswith(".kfpkg"):
        if addr is not None:
            raise HostError(f"{name}: a kfpkg has its own addresses, --addr does not apply")
        package = Kfpkg.read(data, name)
        return [
            Part(m.name, m.address, m.flash_bytes(),
                 "firmware" if m.sha256_prefix else _what(m.data))
            for m in package.members
        ]
    if not data:
        raise FlashError(f"{name}: the file is empty, nothing to flash")
    if data.startswith(b"\x7fELF"):
        raise HostError(
            f"{name}: an ELF file cannot be flashed; convert it with `objcopy -O binary` first"
        )
    part = _bare(data, name, addr)
    if part.address < 0 or part.end > SIZE:
        raise FlashError(
            f"{name}: 0x{part.address:08x}..0x{part.end:08x} does not fit, the chip ends at "
            f"0x{SIZE:08x}"
        )
    return [part]


def plan_all(sources, addr: int | None = None) -> list[Part]:
    """The parts of several files together; refuses two that overlap, and `addr` with several."""
    sources = list(sources)
    if addr is not None and len(sources) > 1:
        raise HostError(f"--addr goes with one file, found {len(sources)}; flash them one by one")
    parts = [part for source in sources for part in plan(source, addr)]
    ordered = sorted(parts, key=lambda p: p.address)
    for a, b in zip(ordered, ordered[1:], strict=False):
        if b.address < a.end:
            raise FlashError(
                f"{a.name} (0x{a.address:08x}..0x{a.end:08x}) and {b.name} "
                f"(0x{b.address:08x}..0x{b.end:08x}) overlap; flash them one by one"
            )
    return parts


def apply(nor: NorFlash, parts, progress=None) -> None:
    """Write `parts`; what lies beside them in a sector stays. `progress(part, done)` in bytes."""
    for part in parts:
        at = 0
        while at < len(part.data):
            n = min(len(part.data) - at, BLOCK64 - (part.address + at) % BLOCK64)
            nor.write(part.address + at, part.data[at : at + n])
            at += n
            if progress is not None:
                progress(part, at)


def _content(source, name: str | None):
    if isinstance(source, (bytes, bytearray, memoryview)):
        return bytes(source), name or "data"
    path = Path(source)
    try:
        if path.stat().st_size > _MAX_FILE:
            raise HostError(f"{path}: {path.stat().st_size} bytes, the flash chip has {SIZE}")
        return path.read_bytes(), name or str(path)
    except OSError as error:
        raise HostError(f"{path}: cannot be read: {error.strerror or error}") from error


def _bare(data: bytes, name: str, addr: int | None) -> Part:
    what = _what(data)
    suffix = Path(name).suffix.lower()
    if addr is None:
        if what == "firmware" or suffix == ".bin":
            addr = 0
        elif what.startswith(("kmodel", "encrypted")):
            addr = MODEL_ADDRESS
        elif what == "SPIFFS image":
            addr = SPIFFS_BASE
        elif len(data) == SIZE:
            return Part(name, 0, data, "whole flash image")
        elif suffix in (".kmodel", ".smodel"):
            raise FlashError(
                f"{name}: its name says {suffix[1:]}, its bytes do not; "
                "give --addr to flash it all the same"
            )
        else:
            raise HostError(
                f"{name}: cannot tell where it belongs; give --addr, such as --addr 0x300000"
            )
    if addr == 0 and suffix == ".bin" and what != "firmware" and len(data) < SIZE:
        # As kflash does: a bare program gets the header and hash the boot ROM wants.
        return Part(name, 0, boot_image.wrap(data), "firmware")
    return Part(name, addr, data, what)


def _what(data: bytes) -> str:
    model = model_at(data, 0, partial=True)
    if model is not None:
        return model.kind
    if data.startswith(ENCRYPTED_MODELS):
        return "encrypted model"
    if len(data) == SPIFFS_SIZE and looks_formatted(data, 0):
        return "SPIFFS image"
    try:
        boot_image.read_boot_image(data)
    except boot_image.BootImageError:
        return "data"
    return "firmware"


def remarks(parts) -> list[str]:
    """What is odd about flashing these parts, though it can be done."""
    texts = []
    for part in parts:
        spiffs_end = SPIFFS_BASE + SPIFFS_SIZE
        over = part.address < spiffs_end and part.end > SPIFFS_BASE
        if over and part.what not in ("SPIFFS image", "whole flash image"):
            texts.append(
                f"{part.name} reaches into the file system at 0x{SPIFFS_BASE:08x}; the board "
                "formats that at its next boot"
            )
    return texts
