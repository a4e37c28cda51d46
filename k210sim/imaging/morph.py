"""Binary pictures and the operations on their shapes: threshold, erode, dilate and friends.

Ref: sipeed/MaixPy-v1 components/micropython/port/src/omv/img/binary.c, d8901fd.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from k210sim.imaging import arith
from k210sim.imaging.colour import lab_table, to_bitmap
from k210sim.imaging.formats import BINARY, RGB565, kind_of


class Threshold(NamedTuple):
    """A range of gray levels (the L pair) or of LAB colours, both ends included."""

    l_min: int = 0
    l_max: int = 255
    a_min: int = -128
    a_max: int = 127
    b_min: int = -128
    b_max: int = 127

    @classmethod
    def of(cls, values) -> Threshold:
        """From 1 to 6 numbers, clipped and each pair put in order; what is missing is all."""
        numbers = [*values[:6], *cls()[len(values) :]]
        pairs = []
        for i, (least, most) in enumerate(((0, 255), (-128, 127), (-128, 127))):
            ends = (max(least, min(most, int(n))) for n in numbers[2 * i : 2 * i + 2])
            pairs += sorted(ends)
        return cls(*pairs)


def inside(image: np.ndarray, threshold: Threshold, invert: bool = False) -> np.ndarray:
    """bool (h, w): which pixels lie in the range (or, inverted, do not)."""
    t = threshold
    if kind_of(image) != RGB565:
        return ((image >= t.l_min) & (image <= t.l_max)) ^ invert
    lab = lab_table()
    hit = (lab[:, 0] >= t.l_min) & (lab[:, 0] <= t.l_max)
    hit &= (lab[:, 1] >= t.a_min) & (lab[:, 1] <= t.a_max)
    hit &= (lab[:, 2] >= t.b_min) & (lab[:, 2] <= t.b_max)
    return (hit ^ invert)[image]


def binary(
    image: np.ndarray, thresholds, invert=False, zero=False, mask=None, to_bits=False
) -> np.ndarray:
    """A new picture: white where any threshold holds, else black.

    With `zero` the pixels that hold become black and others stay. Outside `mask` pixels stay.
    With `to_bits` the result is a binary picture.
    """
    hits = np.zeros(image.shape, bool)
    for threshold in thresholds:
        hits |= inside(image, threshold, invert)
    chosen = np.ones(image.shape, bool) if mask is None else mask
    old = to_bitmap(image) if to_bits else image
    if zero:
        return np.where(chosen & hits, old.dtype.type(0), old)
    white = {np.dtype(np.bool_): True, np.dtype(np.uint8): 255}.get(old.dtype, 0xFFFF)
    return np.where(chosen, np.where(hits, white, 0).astype(old.dtype), old)


def _neighbours(bits: np.ndarray, size: int) -> np.ndarray:
    """int64 (h, w): how many of the (2 * size + 1)**2 pixels around are set, edges repeated."""
    padded = np.pad(bits.astype(np.int64), size, mode="edge")
    sums = np.pad(padded.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    n = 2 * size + 1
    return sums[n:, n:] - sums[:-n, n:] - sums[n:, :-n] + sums[:-n, :-n]


def full(size: int) -> int:
    """How many neighbours a pixel has in a kernel of this size."""
    return (2 * size + 1) ** 2 - 1


def erode(image, size: int, threshold: int | None = None, mask=None) -> None:
    """Clear set pixels with fewer than `threshold` set neighbours (all, unless told)."""
    bits = to_bitmap(image)
    wanted = full(size) if threshold is None else threshold
    lost = bits & (_neighbours(bits, size) - 1 < wanted)
    image[lost if mask is None else lost & mask] = 0


def dilate(image, size: int, threshold: int = 0, mask=None) -> None:
    """Set unset pixels with more than `threshold` set neighbours."""
    bits = to_bitmap(image)
    won = ~bits & (_neighbours(bits, size) > threshold)
    white = True if kind_of(image) == BINARY else np.iinfo(image.dtype).max
    image[won if mask is None else won & mask] = white


def opening(image, size: int, threshold: int = 0, mask=None) -> None:
    """Erode, then dilate."""
    erode(image, size, full(size) - threshold, mask)
    dilate(image, size, threshold, mask)


def closing(image, size: int, threshold: int = 0, mask=None) -> None:
    """Dilate, then erode."""
    dilate(image, size, threshold, mask)
    erode(image, size, full(size) - threshold, mask)


def _hat(image, function, size, threshold, mask) -> None:
    changed = image.copy()
    function(changed, size, threshold, mask)
    arith.difference(image, changed, mask)


def top_hat(image, size: int, threshold: int = 0, mask=None) -> None:
    """What opening takes away."""
    _hat(image, opening, size, threshold, mask)


def black_hat(image, size: int, threshold: int = 0, mask=None) -> None:
    """What closing adds."""
    _hat(image, closing, size, threshold, mask)
