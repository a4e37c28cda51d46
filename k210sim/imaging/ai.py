"""The AI planes of a picture, and the helpers that prepare pictures for a network.

Planes are uint8 (channels, h, w): R, G, B of an RGB565 picture, or the gray levels.
Ref: sipeed/MaixPy-v1 components/micropython/port/src/omv/py/py_image.c, d8901fd.
"""

from __future__ import annotations

import numpy as np

from k210sim.imaging.colour import pack, unpack
from k210sim.imaging.formats import GRAYSCALE, kind_of

_F = np.float32
MAX_STRETCH = 5


def pix_to_ai(image: np.ndarray) -> np.ndarray:
    """The planes of an RGB565 or grayscale picture: round(v * 255 / 31), round(v * 255 / 63)."""
    if kind_of(image) == GRAYSCALE:
        return image[None].copy()
    return np.stack(unpack(image))


def ai_to_pix(planes: np.ndarray) -> np.ndarray:
    """The picture that planes stand for: RGB565 of three, grayscale of one."""
    return pack(*planes) if len(planes) == 3 else planes[0].copy()


def stretch(image: np.ndarray, least: int, greatest: int) -> None:
    """Spread the gray levels of a grayscale picture, in place, from its own to (least, greatest).

    The picture's extremes are taken inside its border of one pixel; the factor is a whole number,
    at most 5; levels outside 0..255 wrap around as the unsigned store does.
    """
    inner = image[1:-1, 1:-1]
    # The search starts from the first pixel of the second row's inside, even where there is none.
    first = int(image.ravel()[image.shape[1] + 1]) if image.size > image.shape[1] + 1 else 0
    low = min(first, int(inner.min())) if inner.size else first
    high = max(first, int(inner.max())) if inner.size else first
    if low == high:
        return
    factor = min(int((greatest - least) / (high - low)), MAX_STRETCH)
    image[:] = (image.astype(np.int64) - low) * factor + least & 0xFF


def strech_char(image: np.ndarray, de_dark: int) -> None:
    """Spread a grayscale picture, in place, from its mean to its maximum; darker becomes black.

    With `de_dark` the result fades towards the corners. The name is the firmware's.
    """
    height, width = image.shape
    values = image.astype(np.int64)
    gate = int(values.sum()) // width // height
    span = int(values.max()) - gate
    if span == 0:
        values = np.full_like(values, 255)  # RISC-V: a division by zero gives -1, unsigned most
        values[image < gate] = 0
    else:
        values = np.clip(np.trunc((values - gate) * 255 / span).astype(np.int64), 0, 255)
    if de_dark:
        x, y = np.arange(width) - width // 2, np.arange(height) - height // 2
        r2 = (x * x)[None, :] + (y * y)[:, None]
        fall = _F(1) + r2.astype(_F) * _F(32) * r2.astype(_F) / _F(width) / _F(width) / _F(
            height
        ) / _F(height)
        values = (values.astype(_F) / fall).astype(np.int64)
    image[:] = values
