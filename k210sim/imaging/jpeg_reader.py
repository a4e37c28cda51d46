"""Reading baseline JPEG files, level by level as the firmware's decoder (picojpeg) does.

Ref: ITU-T T.81; sipeed/MaixPy-v1 components/micropython/port/src/omv/img/picojpeg.c and
picojpeg_util.c, d8901fd.
"""

from __future__ import annotations

import numpy as np

from k210sim.imaging.jpeg import AAN, zigzag


class BadJpeg(ValueError):
    """A file the firmware cannot read; `progressive` when that is why."""

    def __init__(self, text: str, progressive: bool = False):
        super().__init__(text)
        self.progressive = progressive


class _Tables:
    """What the segments before the scan say."""

    def __init__(self):
        self.quant = np.zeros((4, 64), np.int64)
        self.codes = np.full((8, 16, 3), -1, np.int64)
        self.symbols = np.zeros((8, 256), np.uint8)
        self.parts: list[tuple[int, int, int, int]] = []  # identifier, h, v, quantisation
        self.size = (0, 0)
        self.restart = 0

    def read_quantisation(self, body: bytes) -> None:
        scale = np.empty(64, np.int64)
        scale[zigzag()] = [
            int(128 * float(AAN[k >> 3]) * float(AAN[k & 7]) + 0.5) for k in range(64)
        ]
        while body:
            wide, which = body[0] >> 4, body[0] & 15
            count = 128 if wide else 64
            if which > 3 or len(body) < 1 + count:
                raise BadJpeg("bad quantisation table")
            steps = np.frombuffer(body[1 : 1 + count], ">u2" if wide else "u1").astype(np.int64)
            scaled = (steps * scale + 4) >> 3
            self.quant[which] = (scaled + 32768 & 65535) - 32768
            body = body[1 + count :]

    def read_huffman(self, body: bytes) -> None:
        while body:
            kind, which = body[0] >> 4, body[0] & 15
            counts = body[1:17]
            total = sum(counts)
            if kind > 1 or which > 3 or len(counts) < 16 or len(body) < 17 + total or total > 256:
                raise BadJpeg("bad Huffman table")
            table = 4 * kind + which
            self.symbols[table, :total] = np.frombuffer(body[17 : 17 + total], np.uint8)
            code = first = 0
            for length, count in enumerate(counts):
                self.codes[table, length] = code, code + count - 1 if count else -1, first
                code, first = (code + count) << 1, first + count
            body = body[17 + total :]

    def read_frame(self, body: bytes) -> None:
        if len(body) < 6 or body[0] != 8 or len(body) < 6 + 3 * body[5]:
            raise BadJpeg("bad frame header")
        self.size = int.from_bytes(body[3:5], "big"), int.from_bytes(body[1:3], "big")
        parts = [body[6 + 3 * i : 9 + 3 * i] for i in range(body[5])]
        self.parts = [(p[0], p[1] >> 4, p[1] & 15, p[2] & 3) for p in parts]
        sampling = [(h, v) for _, h, v, _ in self.parts]
        one = sampling in ([(1, 1)],) or len(sampling) == 1
        three = (
            len(sampling) == 3
            and sampling[0] in ((1, 1), (2, 1), (1, 2), (2, 2))
            and sampling[1] == sampling[2] == (1, 1)
        )
        if not (one or three) or not all(self.size):
            raise BadJpeg("unsupported number of components or sampling")


def _segments(data: bytes):
    """(marker, body, offset after it) of each segment from the start."""
    at = 2
    while at + 4 <= len(data):
        if data[at] != 0xFF:
            at += 1
            continue
        marker = data[at + 1]
        if marker in (0xFF, 0x00, 0x01) or 0xD0 <= marker <= 0xD8:
            at += 1 if marker == 0xFF else 2
            continue
        if marker == 0xD9:
            return
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        if length < 2 or at + 2 + length > len(data):
            raise BadJpeg("a segment ends past the file")
        yield marker, data[at + 4 : at + 2 + length], at + 2 + length
        at += 2 + length


def _scan(tables: _Tables, body: bytes, data: bytes) -> np.ndarray:
    """The planes of the scan, uint8 (components, rows, columns), chroma not enlarged."""
    from k210sim.imaging.kernels.jpeg_scan import decode

    if not tables.parts or len(body) < 1 + 2 * body[0] or body[0] != len(tables.parts):
        raise BadJpeg("unsupported scan")
    chosen = {body[1 + 2 * i]: body[2 + 2 * i] for i in range(body[0])}
    rows = []
    for identifier, h, v, quant in tables.parts:
        which = chosen.get(identifier, 0)
        h, v = (1, 1) if len(tables.parts) == 1 else (h, v)
        rows.append((h, v, quant, which >> 4 & 3, 4 + (which & 3)))
    width, height = tables.size
    most_h, most_v = rows[0][:2]
    mcus_x, mcus_y = -(-width // (8 * most_h)), -(-height // (8 * most_v))
    planes = np.zeros((len(rows), 8 * most_v * mcus_y, 8 * most_h * mcus_x), np.uint8)
    order = np.argsort(zigzag())
    broken = decode(
        np.frombuffer(data, np.uint8).copy(), np.array(rows, np.int64), tables.quant, tables.codes,
        tables.symbols, order, mcus_x, mcus_y, tables.restart, planes,
    )  # fmt: skip
    if broken:
        raise BadJpeg("broken picture data")
    return planes


def _colours(planes: np.ndarray, h: int, v: int) -> tuple[np.ndarray, ...]:
    """8-bit red, green and blue; chroma pixels are repeated, sums clipped one by one."""
    luma = planes[0].astype(np.int64)
    blue_diff, red_diff = (
        np.repeat(np.repeat(p[: p.shape[0] // v, : p.shape[1] // h], v, 0), h, 1).astype(np.int64)
        for p in planes[1:]
    )
    green = np.clip(luma - ((blue_diff * 88 >> 8) - 44), 0, 255)
    blue = np.clip(luma + blue_diff + (blue_diff * 198 >> 8) - 227, 0, 255)
    red = np.clip(luma + red_diff + (red_diff * 103 >> 8) - 179, 0, 255)
    return red, np.clip(green - ((red_diff * 183 >> 8) - 91), 0, 255), blue


def decode(data: bytes) -> np.ndarray:
    """The picture: uint8 (h, w) of one component, else RGB565 with the lower bits cut off."""
    if data[:2] != b"\xff\xd8":
        raise BadJpeg("no JPEG file")
    tables = _Tables()
    for marker, body, after in _segments(data):
        if marker == 0xDB:
            tables.read_quantisation(body)
        elif marker == 0xC4:
            tables.read_huffman(body)
        elif marker == 0xC0:
            tables.read_frame(body)
        elif 0xC1 <= marker <= 0xCF and marker not in (0xC8, 0xCC):
            raise BadJpeg("not a baseline JPEG", progressive=marker == 0xC2)
        elif marker == 0xDD and len(body) == 2:
            tables.restart = int.from_bytes(body, "big")
        elif marker == 0xDA:
            planes = _scan(tables, body, data[after:])
            width, height = tables.size
            if len(planes) == 1:
                return np.ascontiguousarray(planes[0, :height, :width])
            red, green, blue = _colours(planes, *tables.parts[0][1:3])
            image = red >> 3 << 11 | green >> 2 << 5 | blue >> 3
            return np.ascontiguousarray(image[:height, :width].astype(np.uint16))
    raise BadJpeg("no picture in the file")
