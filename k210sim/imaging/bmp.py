"""BMP files as the firmware reads and writes them.

Ref: sipeed/MaixPy-v1 components/micropython/port/src/omv/img/bmp.c, d8901fd.
"""

from __future__ import annotations

import numpy as np

from k210sim.imaging.colour import pack
from k210sim.imaging.formats import GRAYSCALE, kind_of
from k210sim.records import I32, U16, U32, Bytes, Record


class BadBmp(ValueError):
    """A file the firmware refuses; the text is the firmware's."""


class _Header(Record):
    """File header and information header."""

    magic = Bytes(2, default=b"BM")
    file_size = U32()
    reserved = U32()
    data_offset = U32()
    info_size = U32(default=40)
    width = I32()
    height = I32()  # negative: rows from the top
    planes = U16(default=1)
    bits = U16()
    compression = U32()
    data_size = U32()
    x_per_metre = U32()
    y_per_metre = U32()
    colours = U32()
    important = U32()


_MASKS = b"".join(mask.to_bytes(4, "little") for mask in (0xF800, 0x07E0, 0x001F))
_BIT_FIELDS = 3


def decode(data: bytes) -> np.ndarray:
    """The picture: grayscale of 8 bits a pixel, else RGB565 (24 bits are rounded).

    Refuses what the firmware refuses; like it, takes palettes and bit masks for granted.
    """
    if len(data) < _Header.SIZE or data[:2] != b"BM":
        raise BadBmp("Failed to read requested bytes!")
    header = _Header.parse(data)
    width, height = abs(header.width), abs(header.height)
    if header.file_size <= header.data_offset or not width or not height:
        raise BadBmp("file_corrupted_raise!")
    wanted = {8: (0,), 16: (_BIT_FIELDS,), 24: (0, _BIT_FIELDS)}
    if header.bits not in wanted or header.compression not in wanted[header.bits]:
        raise BadBmp("Unsupported format!")
    pitch = (width * header.bits + 31) // 32 * 4
    if header.file_size - header.data_offset < pitch * height:
        raise BadBmp("file_corrupted_raise!")
    raw = np.frombuffer(data, np.uint8)[header.data_offset :][: pitch * height]
    if len(raw) < pitch * height:
        raise BadBmp("Failed to read requested bytes!")
    rows = raw.reshape(height, pitch)[:, : width * header.bits // 8]
    if header.bits == 8:
        image = rows.copy()
    elif header.bits == 16:
        image = np.ascontiguousarray(rows).view("<u2").astype(np.uint16)
    else:
        blue, green, red = rows.reshape(height, width, 3).transpose(2, 0, 1)
        image = pack(red, green, blue)
    if header.height > 0:
        image = image[::-1]
    if header.width < 0:
        image = image[:, ::-1]
    return np.ascontiguousarray(image)


def encode(image: np.ndarray) -> bytes:
    """The BMP file of a picture, rows from the top: 8 bits with a gray palette, or 16 bits.

    A binary picture goes out as 16-bit one of its memory on the board; we do not follow there and
    raise TypeError.
    """
    height, width = image.shape
    if image.dtype == np.bool_:
        raise TypeError("a binary picture has no BMP form")
    gray = kind_of(image) == GRAYSCALE
    bits = 8 if gray else 16
    if gray:
        table = b"".join((i * 0x010101).to_bytes(4, "little") for i in range(256))
    else:
        table = _MASKS
    pitch = (width * bits + 31) // 32 * 4
    rows = np.zeros((height, pitch), np.uint8)
    rows[:, : width * bits // 8] = image.astype("<u2" if bits == 16 else "u1").view(np.uint8)
    offset = _Header.SIZE + len(table)
    header = _Header(
        file_size=offset + rows.size,
        data_offset=offset,
        width=width,
        height=-height,
        bits=bits,
        compression=0 if gray else _BIT_FIELDS,
        data_size=rows.size,
    )
    return header.build() + table + rows.tobytes()
