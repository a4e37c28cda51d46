"""What the boot ROM wants at flash address 0: flags, length, payload, SHA-256.

Layout as `kflash` 1.1.6 writes it: one flag byte, the payload's length, the payload (linked to
run at 0x80000000), then SHA-256 over everything before it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from k210sim.errors import FormatError
from k210sim.records import U8, U32, Record

FLAG_ENCRYPTED = 0x01  # payload is AES-128-CBC; the key sits in the chip's fuses
FLAG_DIO = 0x02  # read the flash with two data lines (what kflash writes by default)
KNOWN_FLAGS = FLAG_ENCRYPTED | FLAG_DIO
HASH_SIZE = 32
MAX_PAYLOAD = 6 * 1024 * 1024  # general SRAM: where the ROM copies the payload to


class BootImageError(FormatError):
    what = "firmware image"


class BootHeader(Record):
    flags = U8(doc="bit 0 encrypted, bit 1 DIO")
    length = U32(doc="bytes of payload")

    ERROR = BootImageError


@dataclass(frozen=True)
class BootImage:
    """A firmware image whose hash has been checked."""

    flags: int
    payload: bytes

    @property
    def size(self) -> int:
        """Bytes it takes in flash, header and hash included."""
        return BootHeader.SIZE + len(self.payload) + HASH_SIZE

    @property
    def encrypted(self) -> bool:
        return bool(self.flags & FLAG_ENCRYPTED)


def payload_start(data) -> int | None:
    """Where the payload begins when there is a header at 0 that could be one, with a length that is
    right or spoilt; nothing is hashed."""
    header = BootHeader.parse(data)
    plausible = not header.flags & ~KNOWN_FLAGS and header.length > 0
    return BootHeader.SIZE if plausible else None


def wrap(payload: bytes, flags: int = FLAG_DIO) -> bytes:
    """The image of `payload` with header and hash, byte for byte as kflash builds it."""
    body = BootHeader(flags=flags, length=len(payload)).build() + bytes(payload)
    return body + hashlib.sha256(body).digest()


def read_boot_image(data, offset: int = 0) -> BootImage:
    """Check and take apart the image at `offset` of `data`; raises BootImageError.

    That unknown flag bits are refused is our guess: what the ROM does with them is not public.
    """
    header = BootHeader.parse(data, offset)
    if header.flags & ~KNOWN_FLAGS:
        raise BootImageError(
            f"flags are 0x{header.flags:02x}, expected 0x00 to 0x03", offset=offset
        )
    end = offset + BootHeader.SIZE + header.length
    if not 0 < header.length <= MAX_PAYLOAD or end + HASH_SIZE > len(data):
        raise BootImageError(
            f"payload length is {header.length}, expected 1 to {MAX_PAYLOAD} and inside the data",
            offset=offset + 1,
        )
    body = bytes(data[offset:end])
    if hashlib.sha256(body).digest() != bytes(data[end : end + HASH_SIZE]):
        raise BootImageError("the SHA-256 does not match the payload", offset=end)
    return BootImage(header.flags, body[BootHeader.SIZE :])
