"""What is in a flash image: firmware, models, file system, everything else, and what collides.

Models are found by scanning, wherever they start. Only the outer headers are read here (kmodel
V3, V4, V5, and V3 with its words reversed for `KPU.load_flash`); their contents are the KPU's
business.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass

from k210sim.errors import FormatError
from k210sim.flash import boot_image
from k210sim.flash.nor import SECTOR
from k210sim.flash.spiffs_layout import BASE as SPIFFS_BASE
from k210sim.flash.spiffs_layout import SIZE as SPIFFS_SIZE
from k210sim.flash.spiffs_layout import looks_formatted
from k210sim.records import U32, Bytes, Record

MAX_MODEL = 6 * 1024 * 1024  # the loader refuses more
MAX_LAYERS = 4096  # far above any real model (30 on average, 73 at most in the wild)
KNOWN_LAYERS = frozenset([*range(1, 26), *range(10240, 10244)])


class KmodelV3Header(Record):
    version = U32(const=3)
    flags = U32()
    arch = U32(const=0)
    layers = U32()
    max_start_address = U32()
    main_mem_usage = U32()
    outputs = U32()


class KmodelV4Header(Record):
    identifier = Bytes(4, const=b"LDMK")
    version = U32(const=4)
    flags = U32()
    target = U32()
    constants = U32()
    main_mem = U32()
    nodes = U32()
    inputs = U32()
    outputs = U32()
    reserved = U32()


class KmodelV5Header(Record):
    identifier = Bytes(4, const=b"LDMK")
    version = U32(const=5)
    header_size = U32(const=32)
    flags = U32()
    alignment = U32()
    modules = U32()
    entry_module = U32()
    entry_function = U32()


@dataclass(frozen=True)
class Region:
    """One thing in flash; `start` and `end` are addresses, half-open."""

    kind: str
    start: int
    end: int
    detail: str = ""

    @property
    def size(self) -> int:
        return self.end - self.start

    def as_dict(self) -> dict:
        return asdict(self) | {"size": self.size}


@dataclass(frozen=True)
class FlashMap:
    regions: tuple[Region, ...]
    problems: tuple[str, ...]

    def as_dict(self) -> dict:
        return {"regions": [r.as_dict() for r in self.regions], "problems": list(self.problems)}


def read_map(data, spiffs=(SPIFFS_BASE, SPIFFS_SIZE)) -> FlashMap:
    """Look through a whole flash image (`NorFlash.data` or bytes)."""
    view = memoryview(data)
    regions: list[Region] = []
    problems: list[str] = []
    firmware = _firmware(view)
    if firmware is not None:
        regions.append(firmware)
    regions += find_models(view, firmware.end if firmware else 0)
    start, size = spiffs
    if looks_formatted(view, start):
        regions.append(Region("spiffs", start, start + size, _spiffs_detail(view, start, size)))
    elif view[start : start + size] != b"\xff" * size:
        problems.append(
            f"0x{start:08x}..0x{start + size:08x} is not a SPIFFS volume; the firmware formats it "
            "at the next boot"
        )
    regions += _other_data(view, regions)
    regions.sort(key=lambda r: (r.start, r.end))
    problems += _collisions(view, regions)
    return FlashMap(tuple(regions), tuple(problems))


def model_at(data, offset: int, *, partial: bool = False) -> Region | None:
    """The model that starts at `offset`, or None.

    With `partial`, one that does not end inside the data is reported too, with the end it
    announces.
    """
    view = memoryview(data)
    word = bytes(view[offset : offset + 4])
    if word == b"\x00\x00\x00\x03":
        reverse = _reversed_words(view, offset, 28 + 8 * 64)
        found = _model_v3(reverse, 0, True, 64)
        if found is None:
            return None
        whole = _reversed_words(view, offset, 28 + 8 * found[1])
        found = _model_v3(whole, 0, True, MAX_LAYERS)
        return _region(view, offset, found, "kmodel V3, words reversed", partial)
    for parse, kind in ((_model_v3, "kmodel V3"), (_model_v4, "kmodel V4"),
                        (_model_v5, "kmodel V5")):
        found = parse(view, offset, partial, MAX_LAYERS)
        if found is not None:
            return _region(view, offset, found, kind, partial)
    return None


def find_models(view, start: int = 0) -> list[Region]:
    """All models from `start` on, in order; models never start inside another one."""
    data = bytes(view)
    # version 3 and arch 0 eight bytes on; the same with reversed words; or the V4/V5 mark
    pattern = re.compile(
        rb"\x03\x00\x00\x00[\x00-\xff]\x00\x00\x00\x00\x00\x00\x00"
        rb"|\x00\x00\x00\x03\x00\x00\x00[\x00-\xff]\x00\x00\x00\x00|LDMK[\x04\x05]\x00\x00\x00"
    )
    found = []
    at = start
    while (match := pattern.search(data, at)) is not None:
        region = model_at(view, match.start())
        if region is None:
            at = match.start() + 1
        else:
            found.append(region)
            at = max(region.end - 8, match.start() + 1)
    return found


# -- the outer headers: each gives (size in bytes, number of parts) or None ----------------


def _model_v3(view, offset: int, partial: bool, max_layers: int):
    try:
        header = KmodelV3Header.parse(view, offset)
    except FormatError:
        return None
    if not (1 <= header.layers <= MAX_LAYERS and 1 <= header.outputs <= 64):
        return None
    table = offset + KmodelV3Header.SIZE + 8 * header.outputs
    size = table + 8 * header.layers - offset
    for layer in range(min(header.layers, max_layers)):
        at = table + 8 * layer
        if at + 8 > len(view):
            return (size, header.outputs + header.layers) if partial and layer else None
        kind = int.from_bytes(view[at : at + 4], "little")
        body = int.from_bytes(view[at + 4 : at + 8], "little")
        if kind not in KNOWN_LAYERS or not 0 < body <= MAX_MODEL:
            return None
        size += body
        if size > 2 * MAX_MODEL:
            return None
    return size, header.outputs + header.layers


def _model_v4(view, offset: int, partial: bool, max_layers: int):
    try:
        header = KmodelV4Header.parse(view, offset)
    except FormatError:
        return None
    if header.target > 1 or not 1 <= header.nodes <= max_layers:
        return None
    if header.inputs > 64 or header.outputs > 64 or header.constants > MAX_MODEL:
        return None
    table = offset + 40 + 32 * header.inputs + 16 * header.outputs + header.constants
    size = table + 8 * header.nodes - offset
    for node in range(header.nodes):
        at = table + 8 * node
        if at + 8 > len(view):
            return (size, header.nodes) if partial else None
        body = int.from_bytes(view[at + 4 : at + 8], "little")
        size += body
        if size > 2 * MAX_MODEL:
            return None
    return size, header.nodes


def _model_v5(view, offset: int, partial: bool, max_layers: int):
    try:
        header = KmodelV5Header.parse(view, offset)
    except FormatError:
        return None
    if not 1 <= header.modules <= 16:
        return None
    at = offset + 32
    for _ in range(header.modules):
        if at + 48 > len(view):
            return (at + 48 - offset, header.modules) if partial else None
        if int.from_bytes(view[at + 20 : at + 24], "little") != 48:
            return None
        size = int.from_bytes(view[at + 24 : at + 28], "little")
        if not 48 <= size <= 2 * MAX_MODEL:
            return None
        at += (size + 7) // 8 * 8
    return at - offset, header.modules


def _region(view, offset: int, found, kind: str, partial: bool) -> Region | None:
    size, parts = found
    end = offset + size
    # Files may lack up to 7 bytes of padding at their end.
    if end > len(view) + 7 and not partial:
        return None
    return Region(kind, offset, end if partial else min(end, len(view)), f"{size} bytes")


def _reversed_words(view, offset: int, size: int) -> bytes:
    size = min(size, len(view) - offset) // 4 * 4
    raw = bytes(view[offset : offset + size])
    return b"".join(raw[i : i + 4][::-1] for i in range(0, size, 4))


# -- the rest ------------------------------------------------------------------------------------


def _firmware(view) -> Region | None:
    try:
        image = boot_image.read_boot_image(view)
    except FormatError:
        return None
    detail = "encrypted" if image.encrypted else _version_text(image.payload)
    return Region("firmware", 0, image.size, detail)


def _version_text(payload: bytes) -> str:
    """The first thing in a firmware that looks like MicroPython's version text."""
    match = re.search(rb"v\d+\.\d+\.\d+[-0-9a-zA-Z.]* on \d{4}-\d\d-\d\d", payload)
    return match[0].decode("ascii") if match else ""


def _spiffs_detail(view, start: int, size: int) -> str:
    from k210sim.flash.nor import NorFlash
    from k210sim.flash.spiffs import SpiffsVolume

    nor = NorFlash(data=view)
    try:
        volume = SpiffsVolume(nor, start, size)
        volume.mount()
        names = volume.listdir()
        total, used = volume.info()
    except FormatError as error:
        return f"damaged: {error}"
    shown = ", ".join(entry.name for entry in names[:8])
    more = ", ..." if len(names) > 8 else ""
    return f"{len(names)} files, {used} of {total} bytes used: {shown}{more}"


def _other_data(view, regions) -> list[Region]:
    """Programmed sectors that belong to nothing known, joined to runs."""
    known = sorted((r.start, r.end) for r in regions)
    erased = b"\xff" * SECTOR
    runs: list[list[int]] = []
    for at in range(0, len(view), SECTOR):
        if view[at : at + SECTOR] == erased:
            continue
        if any(start < at + SECTOR and at < end for start, end in known):
            continue
        if runs and runs[-1][1] == at:
            runs[-1][1] = at + SECTOR
        else:
            runs.append([at, at + SECTOR])
    return [Region("data", a, b, "not recognised") for a, b in runs]


def _collisions(view, regions) -> list[str]:
    texts = []
    for i, a in enumerate(regions):
        for b in regions[i + 1 :]:
            if b.start < a.end:
                texts.append(
                    f"{a.kind} 0x{a.start:08x}..0x{a.end:08x} and {b.kind} "
                    f"0x{b.start:08x}..0x{b.end:08x} overlap"
                )
    return texts
