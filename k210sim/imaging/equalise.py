"""Adaptive histogram equalisation with limited contrast (Zuiderveld's CLAHE).

The picture is cut into regions; each gets its own equalising map, and every pixel is mapped by
the mean of the four nearest regions' maps, weighted by nearness.
Ref: sipeed/MaixPy-v1 components/micropython/port/src/omv/img/clahe.c, d8901fd; K. Zuiderveld,
"Contrast Limited Adaptive Histogram Equalization", Graphics Gems IV, 1994.
"""

from __future__ import annotations

import numpy as np

from k210sim.errors import NotSimulated
from k210sim.imaging.colour import to_grayscale, yuv_table
from k210sim.imaging.filters import yuv_to_rgb565
from k210sim.imaging.formats import BINARY, RGB565, kind_of

_F = np.float32
_LEVELS = 256
_MOST_REGIONS = 16
_NO_LIMIT = 1 << 14


def _regions(length: int) -> int:
    """How many regions lie along a side: 16 from 512 pixels up, half as many for half of it."""
    return max(_MOST_REGIONS >> (10 - min(length.bit_length(), 10)), 2)


def _limited(counts: list[int], limit: int) -> list[int]:
    """The histogram with no count above `limit` and what was above spread over the levels."""
    excess = sum(max(0, count - limit) for count in counts)
    share = excess // _LEVELS
    result = []
    for count in counts:
        # A share above the limit leaves, as numbers wrap there, no count that is nearly full.
        if count > limit:
            count = limit
        elif share <= limit and count > limit - share:
            excess -= count - (limit - share)
            count = limit
        else:
            excess -= share
            count += share
        result.append(count)
    while excess:
        before = excess
        for start in range(_LEVELS):
            if not excess:
                break
            step = max(1, _LEVELS // excess)
            for at in range(start, _LEVELS, step):
                if result[at] < limit:
                    result[at] += 1
                    excess -= 1
                    if not excess:
                        break
        if excess == before:
            raise NotSimulated("image.Image.histeq", "a clip_limit with which it never ends")
    return result


def _spans(count: int, size: int):
    """(first pixel, pixels, region before, region after) of the strips between regions' centres."""
    at = 0
    for i in range(count + 1):
        if i == 0:
            length, before, after = size // 2, 0, 0
        elif i == count:
            length, before, after = (size + 1) // 2, count - 1, count - 1
        else:
            length, before, after = size, i - 1, i
        yield at, length, before, after
        at += length


def clahe(gray: np.ndarray, across: int, down: int, clip_limit: float) -> np.ndarray:
    """uint8 (h, w) equalised; h and w are multiples of `down` and `across`.

    clip_limit : the greatest count as a multiple of the mean one, no limit if it is not above 0
    """
    if clip_limit == 1:
        return gray.copy()
    high, wide = gray.shape[0] // down, gray.shape[1] // across
    if high < 2 or wide < 2:
        raise NotSimulated("image.Image.histeq", "adaptive on a picture of a few pixels")
    limit = _NO_LIMIT
    if clip_limit > 0:
        limit = max(1, int(_F(clip_limit) * _F(high * wide) / _F(_LEVELS)))
    scale = _F(_LEVELS - 1) / _F(high * wide)
    maps = np.zeros((down, across, _LEVELS), np.int64)
    for row in range(down):
        for column in range(across):
            part = gray[row * high : (row + 1) * high, column * wide : (column + 1) * wide]
            counts = np.bincount(part.ravel(), minlength=_LEVELS).tolist()
            sums = np.cumsum(_limited(counts, limit)).astype(_F)
            maps[row, column] = np.minimum((sums * scale).astype(np.int64), _LEVELS - 1)
    result = np.empty_like(gray)
    for y, h, above, below in _spans(down, high):
        for x, w, left, right in _spans(across, wide):
            level = gray[y : y + h, x : x + w]
            far_y, far_x = np.arange(h)[:, None], np.arange(w)[None, :]
            near_y, near_x = h - far_y, w - far_x
            total = near_y * (near_x * maps[above, left][level] + far_x * maps[above, right][level])
            total += far_y * (near_x * maps[below, left][level] + far_x * maps[below, right][level])
            result[y : y + h, x : x + w] = total // (h * w)
    return result


def adaptive_histeq(image: np.ndarray, clip_limit: float, mask=None) -> None:
    """Equalise the brightness region by region, in place.

    Sides that the regions do not divide are padded with black; as on the board the padded rows
    then still begin where those of the narrower picture would.
    """
    height, width = image.shape
    across, down = _regions(width), _regions(height)
    wide, high = width + -width % across, height + -height % down
    start = ((high - height) // 2) * width + (wide - width) // 2
    flat = np.zeros(wide * high, np.uint8)
    flat[start : start + width * height] = to_grayscale(image).ravel()
    flat = clahe(flat.reshape(high, wide), across, down, clip_limit).ravel()
    result = flat[start : start + width * height].reshape(height, width)
    kind = kind_of(image)
    if kind == BINARY:
        result = result > 127
    elif kind == RGB565:
        yuv = yuv_table()
        result = yuv_to_rgb565(result, yuv[image, 1], yuv[image, 2]).astype(np.uint16)
    chosen = ... if mask is None else mask
    image[chosen] = result[chosen]
