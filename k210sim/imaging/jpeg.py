"""JPEG, byte for byte as the firmware writes it.

Subsampling follows the quality: none from 60, half the columns from 36, half of both below; the
chroma pixels between are dropped. Colour pictures are coded in two halves, as by the board's two
cores, and joined bit by bit.
Ref: ITU-T T.81 Annex K (tables); sipeed/MaixPy-v1
components/micropython/port/src/omv/img/jpeg.c, d8901fd.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from k210sim.imaging.colour import yuv_table
from k210sim.imaging.formats import RGB565, kind_of

_F = np.float32
_LUMINANCE = (
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55,
    14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62,
    18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92,
    49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
)  # fmt: skip
_CHROMINANCE = (
    17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99,
    24, 26, 56, 99, 99, 99, 99, 99, 47, 66, 99, 99, 99, 99, 99, 99,
) + (99,) * 32  # fmt: skip
# Scale factors of the DCT's rows and columns.
AAN = tuple(map(_F, (1.0, 1.387039845, 1.306562965, 1.175875602,
                      1.0, 0.785694958, 0.541196100, 0.275899379)))  # fmt: skip

# Huffman tables of T.81 Annex K: codes of each length 1..16, then the symbols in code order.
_HUFFMAN = (
    ("00010501010101010100000000000000", "000102030405060708090a0b"),
    (
        "0002010303020403050504040000017d",
        "01020300041105122131410613516107227114328191a1082342b1c11552d1f02433627282090a161718"
        "191a25262728292a3435363738393a434445464748494a535455565758595a636465666768696a737475"
        "767778797a838485868788898a92939495969798999aa2a3a4a5a6a7a8a9aab2b3b4b5b6b7b8b9bac2c3"
        "c4c5c6c7c8c9cad2d3d4d5d6d7d8d9dae1e2e3e4e5e6e7e8e9eaf1f2f3f4f5f6f7f8f9fa",
    ),
    ("00030101010101010101010000000000", "000102030405060708090a0b"),
    (
        "00020102040403040705040400010277",
        "000102031104052131061241510761711322328108144291a1b1c109233352f0156272d10a162434e125"
        "f11718191a262728292a35363738393a434445464748494a535455565758595a636465666768696a7374"
        "75767778797a82838485868788898a92939495969798999aa2a3a4a5a6a7a8a9aab2b3b4b5b6b7b8b9ba"
        "c2c3c4c5c6c7c8c9cad2d3d4d5d6d7d8d9dae2e3e4e5e6e7e8e9eaf2f3f4f5f6f7f8f9fa",
    ),
)
_CLASSES = (0x00, 0x10, 0x01, 0x11)


@lru_cache(maxsize=1)
def zigzag() -> np.ndarray:
    """int64 (64): the place of each coefficient, row by row, in the zigzag order."""
    order = sorted(
        ((y, x) for y in range(8) for x in range(8)),
        key=lambda p: (p[0] + p[1], p[0] if (p[0] + p[1]) % 2 else p[1]),
    )
    place = np.empty(64, np.int64)
    for i, (y, x) in enumerate(order):
        place[8 * y + x] = i
    return place


@lru_cache(maxsize=1)
def _codes() -> np.ndarray:
    """int64 (4, 256, 2): code and length of each symbol of each table."""
    result = np.zeros((4, 256, 2), np.int64)
    for table, (counts, symbols) in zip(result, _HUFFMAN, strict=True):
        code, symbols = 0, iter(bytes.fromhex(symbols))
        for length, count in enumerate(bytes.fromhex(counts), 1):
            for _ in range(count):
                table[next(symbols)] = code, length
                code += 1
            code <<= 1
    return result


def _quantisation(quality: int) -> tuple[np.ndarray, np.ndarray]:
    """uint8 (2, 64) tables in zigzag order, and the float32 factors of the coefficients."""
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    tables = np.empty((2, 64), np.uint8)
    factors = np.empty((2, 64), _F)
    for i, base in enumerate((_LUMINANCE, _CHROMINANCE)):
        steps = np.clip((np.array(base) * scale + 50) // 100, 1, 255)
        tables[i, zigzag()] = steps
        for k, step in enumerate(steps):
            factors[i, k] = _F(1) / (AAN[k >> 3] * AAN[k & 7] * _F(step) * _F(8))
    return tables, factors


def _segment(marker: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return bytes([0xFF, marker]) + (len(body) + 2).to_bytes(2, "big") + body


def _headers(width: int, height: int, colour: bool, sampling: int, tables) -> bytes:
    count, kinds = (3, 2) if colour else (1, 1)
    parts = [bytes([i + 1, sampling if i == 0 else 0x11, min(i, 1)]) for i in range(count)]
    huffman = [
        bytes([which]) + bytes.fromhex(counts) + bytes.fromhex(symbols)
        for which, (counts, symbols) in zip(_CLASSES[: 2 * kinds], _HUFFMAN, strict=False)
    ]
    size = height.to_bytes(2, "big") + width.to_bytes(2, "big")
    scan = [bytes([i + 1, 0x11 if i else 0x00]) for i in range(count)]
    return b"".join(
        (
            b"\xff\xd8",
            _segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0"),
            _segment(0xDB, *(bytes([i]) + tables[i].tobytes() for i in range(kinds))),
            _segment(0xC0, b"\x08", size, bytes([count]), *parts),
            _segment(0xC4, *huffman),
            _segment(0xDA, bytes([count]), *scan, b"\0\x3f\0"),
        )
    )


class _Writer:
    """One stream of coded blocks: the bytes, and the bits that do not fill one yet."""

    def __init__(self, tables, capacity: int):
        from k210sim.imaging.kernels import jpeg_blocks

        self._kernels, self._factors = jpeg_blocks, tables
        self.out = np.empty(capacity, np.uint8)
        self.state = np.zeros(3, np.int64)  # bytes, bits held, the bits
        self._last = np.zeros(3, np.int64)

    def blocks(self, blocks: np.ndarray, parts: np.ndarray, skip: int = 0) -> None:
        self._kernels.encode(
            blocks, parts, self._factors, _codes(), zigzag(), self._last, self.out, self.state, skip
        )

    def bits(self, code: int, length: int) -> None:
        self._kernels.put_bits(self.out, self.state, code, length)

    def written(self) -> bytes:
        return self.out[: self.state[0]].tobytes()


def _tiles(plane: np.ndarray, height: int, width: int) -> np.ndarray:
    """(rows, columns, height, width): the plane in tiles."""
    rows, columns = plane.shape[0] // height, plane.shape[1] // width
    return plane.reshape(rows, height, columns, width).swapaxes(1, 2)


def _colour_units(image: np.ndarray, unit_w: int, unit_h: int) -> tuple[np.ndarray, np.ndarray]:
    """int8 (rows, columns, blocks, 8, 8) of every unit, and the components of its blocks.

    Outside the picture pixels are black.
    """
    height, width = image.shape
    padded = np.zeros((-(-height // unit_h) * unit_h, -(-width // unit_w) * unit_w), np.uint16)
    padded[:height, :width] = image
    yuv = yuv_table()[padded]
    units = []
    luma = _tiles(yuv[:, :, 0], unit_h, unit_w)
    for y in range(0, unit_h, 8):
        for x in range(0, unit_w, 8):
            units.append(luma[:, :, y : y + 8, x : x + 8])
    for part in (1, 2):
        chroma = _tiles(yuv[:, :, part], unit_h, unit_w)
        units.append(chroma[:, :, :: unit_h // 8, :: unit_w // 8])
    parts = np.array([0] * (len(units) - 2) + [1, 2], np.int64)
    return np.ascontiguousarray(np.stack(units, 2)), parts


def _join(first: _Writer, second: _Writer) -> None:
    """Append the second stream to the first, which may end within a byte.

    The very first joined byte is not stuffed when it is 255, as on the board.
    """
    held, rest = int(first.state[1]), bytes(second.written())
    if not rest:
        first.bits(int(second.state[2]) >> (24 - int(second.state[1])), int(second.state[1]))
        return
    plain = rest.replace(b"\xff\0", b"\xff")
    at = int(first.state[0])
    number = int.from_bytes(plain, "big")
    total = held + 8 * len(plain)
    bits = (int(first.state[2]) >> (24 - held)) << (8 * len(plain)) | number
    whole = total // 8
    joined = (bits >> (total % 8)).to_bytes(whole, "big")
    stuffed = joined[:1] + joined[1:].replace(b"\xff", b"\xff\0")
    first.out[at : at + len(stuffed)] = np.frombuffer(stuffed, np.uint8)
    first.state[0] = at + len(stuffed)
    left = total % 8
    first.state[1] = left
    first.state[2] = (bits & ((1 << left) - 1)) << (24 - left)
    tail = int(second.state[1])
    first.bits(int(second.state[2]) >> (24 - tail), tail)


def encode(image: np.ndarray, quality: int = 50) -> bytes:
    """The JPEG file of a picture; quality 1..100."""
    height, width = image.shape
    tables, factors = _quantisation(quality)
    capacity = 4 * image.size + 65536
    if kind_of(image) == RGB565:
        unit_w, unit_h = (8, 8) if quality >= 60 else (16, 8) if quality > 35 else (16, 16)
        units, parts = _colour_units(image, unit_w, unit_h)
        half = (height + unit_h - 1) // unit_h // 2
        writers = _Writer(factors, capacity), _Writer(factors, capacity)
        for writer, rows, before in (
            (writers[0], units[:half], None),
            (writers[1], units[half:], units[half - 1, -1] if half else None),
        ):
            # The second core works out the first's last values by itself.
            blocks = rows.reshape(-1, 8, 8)
            skip = 0 if before is None else len(parts)
            if skip:
                blocks = np.concatenate([before, blocks])
            writer.blocks(blocks, np.resize(parts, len(blocks)), skip)
        _join(*writers)
        writer = writers[0]
        header = _headers(width, height, True, (unit_w // 8) << 4 | unit_h // 8, tables)
    else:
        padded = np.zeros((-(-height // 8) * 8, -(-width // 8) * 8), np.int8)
        level = image.astype(np.uint8) * np.uint8(255 if image.dtype == np.bool_ else 1)
        padded[:height, :width] = (level.astype(np.int16) - 128).astype(np.int8)
        blocks = np.ascontiguousarray(_tiles(padded, 8, 8).reshape(-1, 8, 8))
        writer = _Writer(factors, capacity)
        writer.blocks(blocks, np.zeros(len(blocks), np.int64))
        header = _headers(width, height, False, 0x11, tables)
    writer.bits(0x7F, 7)
    return header + writer.written() + b"\xff\xd9"
