"""Picture formats: which numpy array stands for which kind of buffer of the board.

| format    | array                | on the board                                      |
|-----------|----------------------|---------------------------------------------------|
| RGB565    | uint16 (h, w)        | two bytes a pixel, high byte first                |
| GRAYSCALE | uint8 (h, w)         | one byte a pixel                                  |
| BINARY    | bool (h, w)          | one bit a pixel, rows of whole 32-bit words       |

Everywhere in `k210sim.imaging` an RGB565 pixel is the plain number r5<<11 | g6<<5 | b5. The
firmware keeps its pixels with the high byte first in memory, so the number a guest program sees
(`get_pixel(rgbtuple=False)`, integer colours) has its bytes swapped: `swapped` goes both ways,
`to_memory` and `from_memory` convert whole buffers.

Functions that change a picture change the array they are given; all others return a new one.
"""

from __future__ import annotations

import numpy as np

BINARY, GRAYSCALE, RGB565 = 0, 1, 2
NAMES = {BINARY: "binary", GRAYSCALE: "grayscale", RGB565: "rgb565"}
_DTYPES = {BINARY: np.bool_, GRAYSCALE: np.uint8, RGB565: np.uint16}


def blank(width: int, height: int, kind: int = RGB565) -> np.ndarray:
    """A black picture of the given format."""
    return np.zeros((height, width), _DTYPES[kind])


def kind_of(image: np.ndarray) -> int:
    """BINARY, GRAYSCALE or RGB565, by dtype; anything else raises TypeError."""
    if image.ndim == 2:
        for kind, dtype in _DTYPES.items():
            if image.dtype == dtype:
                return kind
    raise TypeError(f"not a picture: array of {image.dtype} with {image.ndim} dimensions")


def row_bytes(width: int, kind: int) -> int:
    """Bytes of one row in memory."""
    return (width + 31) // 32 * 4 if kind == BINARY else width * kind


def memory_size(image: np.ndarray) -> int:
    """Bytes the pixels take on the board."""
    return row_bytes(image.shape[1], kind_of(image)) * image.shape[0]


def swapped(pixel: int) -> int:
    """The other byte order of an RGB565 pixel."""
    return (pixel & 0xFF) << 8 | (pixel >> 8) & 0xFF


def to_memory(image: np.ndarray) -> bytes:
    """The pixels as they lie in the board's memory."""
    kind = kind_of(image)
    if kind == RGB565:
        return image.astype(">u2").tobytes()
    if kind == GRAYSCALE:
        return image.tobytes()
    padded = np.zeros((image.shape[0], row_bytes(image.shape[1], BINARY) * 8), np.bool_)
    padded[:, : image.shape[1]] = image
    return np.packbits(padded, axis=1, bitorder="little").tobytes()


def from_memory(data, width: int, height: int, kind: int) -> np.ndarray:
    """The picture that `data`, as it lies in the board's memory, stands for."""
    raw = np.frombuffer(data, np.uint8)[: row_bytes(width, kind) * height]
    if kind == RGB565:
        return raw.view(">u2").astype(np.uint16).reshape(height, width)
    if kind == GRAYSCALE:
        return raw.reshape(height, width).copy()
    bits = np.unpackbits(raw.reshape(height, -1), axis=1, bitorder="little")
    return bits[:, :width].astype(np.bool_)


def store(image: np.ndarray, colour: int) -> int:
    """What an integer colour becomes when it is stored into a pixel of this picture."""
    kind = kind_of(image)
    return colour & (0xFFFF if kind == RGB565 else 0xFF if kind == GRAYSCALE else 1)
