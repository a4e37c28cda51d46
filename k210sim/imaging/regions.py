"""Connected regions: flood fill, cartoon, and blobs of like colours.

Ref: sipeed/MaixPy-v1 components/micropython/port/src/omv/img/blob.c, draw.c and filter.c,
d8901fd. The firmware fills along rows, we by neighbours; the pixels found are the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from k210sim.imaging.arith import COMPONENTS
from k210sim.imaging.formats import kind_of
from k210sim.imaging.morph import Threshold, inside
from k210sim.imaging.rounding import fast_atan2

_F = np.float32


class _Filler:
    """Fills in one picture: its components and the scratch memory of the kernel."""

    def __init__(self, image: np.ndarray):
        from k210sim.imaging.kernels.flood import flood

        self._flood = flood
        self._shape = image.shape
        self._components = COMPONENTS[kind_of(image)]
        self.parts = np.empty((len(self._components), *image.shape), np.int16)
        self._found = np.empty(image.size, np.int64)
        for part, (shift, top) in zip(self.parts, self._components, strict=True):
            part[:] = image >> shift & top if shift or top < 255 else image

    def limits(self, share: float) -> np.ndarray:
        """The greatest difference of each component for a share (0..1) of its range."""
        return np.array([int(_F(share) * _F(top)) for _, top in self._components], np.int64)

    def region(self, taken, x: int, y: int, seed_limits, step_limits) -> np.ndarray:
        """Places (in the flat picture) of the region of (x, y); marks them in `taken`."""
        count = self._flood(self.parts, taken, x, y, seed_limits, step_limits, self._found)
        return self._found[:count]

    def means(self, places) -> list[int]:
        """Mean of each component over the places, cut off."""
        flat = self.parts.reshape(len(self.parts), -1)[:, places]
        return (flat.astype(np.int64).sum(1) // len(places)).tolist()


def _taken(mask, shape) -> np.ndarray:
    return np.zeros(shape, np.uint8) if mask is None else mask.astype(np.uint8)


def flood_fill(
    image, x, y, seed_threshold, floating_threshold, colour, invert, clear_background, mask
) -> None:
    """Paint the region of (x, y), or with `invert` all but it, in place.

    The thresholds are shares of the range: of the difference to the seed and to the neighbour.
    The mask's pixels are not entered and count as part of the region.
    """
    height, width = image.shape
    if not (0 <= x < width and 0 <= y < height):
        return
    filler = _Filler(image)
    taken = _taken(mask, image.shape)
    filler.region(taken, x, y, filler.limits(seed_threshold), filler.limits(floating_threshold))
    chosen = taken.astype(bool) ^ bool(invert)
    if clear_background:
        image[:] = 0
    image[chosen] = colour


def cartoon(image, seed_threshold: float, floating_threshold: float, mask=None) -> None:
    """Give every region its mean colour, in place; the mask's pixels are left out of painting."""
    filler = _Filler(image)
    limits = filler.limits(seed_threshold), filler.limits(floating_threshold)
    averaged, painted = np.zeros(image.shape, np.uint8), _taken(mask, image.shape)
    flat = image.reshape(-1)
    components = COMPONENTS[kind_of(image)]
    for place in range(image.size):
        y, x = divmod(place, image.shape[1])
        if averaged[y, x]:
            continue
        means = filler.means(filler.region(averaged, x, y, *limits))
        level = sum(mean << shift for mean, (shift, _) in zip(means, components, strict=True))
        region = filler.region(painted, x, y, *limits)
        flat[region] = level
        filler.parts.reshape(len(means), -1)[:, region] = np.array(means, np.int16)[:, None]


# --- blobs --------------------------------------------------------------------------------------


@dataclass
class Blob:
    """A region of like pixels. w and h are last less first coordinate, as on the board."""

    x: int
    y: int
    w: int
    h: int
    pixels: int
    cx: int
    cy: int
    rotation: np.float32
    code: int
    count: int = 1


def _int32(value: int) -> int:
    return (int(value) + 2**31 & 0xFFFFFFFF) - 2**31


def _blob(places: np.ndarray, width: int, code: int) -> Blob:
    y, x = np.divmod(places, width)
    n, sum_x, sum_y = len(places), int(x.sum()), int(y.sum())
    mx, my = sum_x // n, sum_y // n
    # Second moments about the whole-numbered centre, in the firmware's 32 bits.
    a = _int32(int((x * x).sum()) - 2 * mx * sum_x + n * mx * mx)
    b = _int32(int((x * y).sum()) - mx * sum_y - my * sum_x + n * mx * my)
    c = _int32(int((y * y).sum()) - 2 * my * sum_y + n * my * my)
    rotation = _F(0)
    if a != c:
        rotation = fast_atan2(_F(_int32(2 * b)), _F(_int32(a - c))) / _F(2)
    left, top = int(x.min()), int(y.min())
    return Blob(
        left, top, int(x.max()) - left, int(y.max()) - top, n, mx, my, rotation, 1 << code & 0xFFFF
    )


def find_blobs(
    image: np.ndarray,
    roi: tuple[int, int, int, int],
    thresholds: list[Threshold],
    invert: bool = False,
    x_stride: int = 2,
    y_stride: int = 1,
    area_threshold: int = 10,
    pixels_threshold: int = 10,
    merge: bool = False,
    margin: int = 0,
    threshold_cb: Callable[[Blob], bool] | None = None,
    merge_cb: Callable[[Blob, Blob], bool] | None = None,
) -> list[Blob]:
    """The blobs of the region `roi` (x, y, w, h), in the order their first pixel is met.

    A pixel belongs to the first threshold it satisfies whose blob reaches it.
    """
    from k210sim.imaging.kernels.flood import flood

    x0, y0, w, h = roi
    height, width = image.shape
    limit = np.zeros(1, np.int64)
    found = np.empty(image.size, np.int64)
    taken = np.ones(image.shape, np.uint8)
    taken[y0 : y0 + h, x0 : x0 + w] = 0
    blobs = []
    for code, threshold in enumerate(thresholds):
        hits = inside(image, threshold, invert)
        parts = hits[None].astype(np.int16)
        for y in range(y0, y0 + h, y_stride):
            start = x0 + y % x_stride
            row = hits[y]
            for x in (start + x_stride * np.flatnonzero(row[start : x0 + w : x_stride])).tolist():
                if taken[y, x]:
                    continue
                count = flood(parts, taken, x, y, limit, limit, found)
                blob = _blob(found[:count], width, code)
                if blob.w * blob.h < area_threshold or blob.pixels < pixels_threshold:
                    continue
                if threshold_cb is None or threshold_cb(blob):
                    blobs.append(blob)
    return _merged(blobs, margin, merge_cb) if merge else blobs


def _overlap(one: Blob, other: Blob, margin: int) -> bool:
    """Whether `one` touches `other` grown by the margin on each side."""
    x, y = (max(-32768, min(32767, v - margin)) for v in (other.x, other.y))
    w, h = (max(0, min(32767, v + 2 * margin)) for v in (other.w, other.h))
    return one.x < x + w and one.y < y + h and x < one.x + one.w and y < one.y + one.h


def _join(one: Blob, other: Blob) -> None:
    """Make `one` the two together."""
    right, bottom = max(one.x + one.w, other.x + other.w), max(one.y + one.h, other.y + other.h)
    one.x, one.y = min(one.x, other.x), min(one.y, other.y)
    one.w, one.h = right - one.x, bottom - one.y
    total = one.pixels + other.pixels
    one.cx = (one.cx * one.pixels + other.cx * other.pixels) // total
    one.cy = (one.cy * one.pixels + other.cy * other.pixels) // total
    sine, cosine = (
        _F(_F(f(one.rotation)) * _F(one.pixels) + _F(f(other.rotation)) * _F(other.pixels))
        / _F(total)
        for f in (math.sin, math.cos)
    )
    one.rotation = fast_atan2(sine, cosine)
    one.pixels = total
    one.code |= other.code
    one.count = min(one.count + other.count, 65535)


def _merged(blobs: list[Blob], margin: int, merge_cb) -> list[Blob]:
    """Join blobs that touch until none do."""
    changed = True
    while changed:
        changed, waiting, blobs = False, blobs, []
        while waiting:
            one = waiting.pop(0)
            rest = []
            for other in waiting:
                if _overlap(one, other, margin) and (merge_cb is None or merge_cb(one, other)):
                    _join(one, other)
                    changed = True
                else:
                    rest.append(other)
            waiting = rest
            blobs.append(one)
    return blobs
