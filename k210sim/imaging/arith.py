"""Arithmetic between two pictures, or a picture and a colour.

The second operand is an array of the same shape and format, or a pixel value. A mask (bool array)
limits what changes. RGB565 is worked on by component: r5, g6, b5. Everything happens in place.

There is no bitwise logic here: the firmware's b_and, b_or and the rest do nothing (their body is
commented out), as its recorded answers confirm.
Ref: sipeed/MaixPy-v1 components/micropython/port/src/omv/img/mathop.c and binary.c, d8901fd.
"""

from __future__ import annotations

import numpy as np

from k210sim.imaging.formats import BINARY, GRAYSCALE, RGB565, kind_of
from k210sim.imaging.rounding import fast_pow, fused

_F = np.float32
# (shift, greatest value) of the components of each format.
COMPONENTS = {BINARY: ((0, 1),), GRAYSCALE: ((0, 255),), RGB565: ((11, 31), (5, 63), (0, 31))}


def _apply(image: np.ndarray, other, function, mask) -> None:
    """image = function(component of image, of other, greatest value), by component.

    `function` gets int64 arrays and gives numbers whose low bits are stored.
    """
    kind = kind_of(image)
    mine = image.astype(np.int64)
    theirs = np.asarray(other).astype(np.int64)
    result = np.zeros(image.shape, np.int64)
    for shift, top in COMPONENTS[kind]:
        part = function(mine >> shift & top, theirs >> shift & top, top)
        result |= (np.asarray(part).astype(np.int64) & top) << shift
    result = result.astype(image.dtype)
    if mask is None:
        image[:] = result
    else:
        image[mask] = result[mask]


def add(image, other, mask=None) -> None:
    """Sum, at most the greatest value."""
    _apply(image, other, lambda a, b, top: np.minimum(a + b, top), mask)


def sub(image, other, reverse: bool = False, mask=None) -> None:
    """Difference, at least zero; `reverse` takes the picture from the other operand."""
    _apply(image, other, lambda a, b, top: np.maximum(b - a if reverse else a - b, 0), mask)


def minimum(image, other, mask=None) -> None:
    """The smaller of each component."""
    _apply(image, other, lambda a, b, top: np.minimum(a, b), mask)


def maximum(image, other, mask=None) -> None:
    """The greater of each component."""
    _apply(image, other, lambda a, b, top: np.maximum(a, b), mask)


def difference(image, other, mask=None) -> None:
    """Absolute difference."""
    _apply(image, other, lambda a, b, top: np.abs(a - b), mask)


def mul(image, other, invert: bool = False, mask=None) -> None:
    """Product over the greatest value; `invert` multiplies the complements (a "screen")."""

    def product(a, b, top):
        scale = _F(1) / _F(top)
        if not invert:
            return (a * b).astype(_F) * scale
        a, b = _F(top) - a.astype(_F), _F(top) - b.astype(_F)
        return fused(-(a * b), scale, _F(top))

    _apply(image, other, product, mask)


def div(image, other, invert: bool = False, mod: bool = False, mask=None) -> None:
    """Quotient (or rest) of the picture scaled by the greatest value, at most that; x/0 is 0."""

    def quotient(a, b, top):
        a, b = np.broadcast_arrays(a, b)
        upper, lower = (b, a) if invert else (a, b)
        upper, safe = upper * top, np.where(lower == 0, 1, lower)
        value = upper % safe if mod else upper // safe
        return np.minimum(np.where(lower == 0, 0, value), top)

    _apply(image, other, quotient, mask)


def blend(image, other, alpha: int = 128, mask=None) -> None:
    """picture * alpha / 256 + other * (256 - alpha) / 256, cut off; alpha 0..256."""
    weight = _F(alpha / 256)

    def mix(a, b, top):
        return fused(a.astype(_F), weight, b.astype(_F) * (_F(1) - weight))

    _apply(image, other, mix, mask)


def invert(image) -> None:
    """All bits of all pixels the other way."""
    np.invert(image, out=image)


# The same thing for every format: the greatest value less each component.
negate = invert


def gamma_corr(image, gamma: float = 1.0, contrast: float = 1.0, brightness: float = 0.0) -> None:
    """Each component c in 0..1 becomes c ** (1 / gamma) * contrast + brightness.

    The power is the firmware's fast one, exact to a few per cent only.
    """
    exponent = _F(1) / _F(gamma) if gamma else _F(0)
    kind = kind_of(image)
    result = np.zeros(image.shape, np.int64)
    for shift, top in COMPONENTS[kind]:
        levels = np.arange(top + 1).astype(_F) * (_F(1) / _F(top))
        table = fused(fast_pow(levels, exponent), _F(contrast), _F(brightness)) * _F(top)
        table = np.clip(table.astype(np.int64), 0, top)
        result |= table[image.astype(np.int64) >> shift & top] << shift
    image[:] = result.astype(image.dtype)


def replace(image, other, hmirror=False, vflip=False, transpose=False, mask=None) -> np.ndarray:
    """The picture with `other` put in its place, mirrored or flipped or transposed.

    Returns the resulting array: transposing changes the shape. The mask is looked up at the
    mirrored place, as on the board; with `transpose` the old pixels keep their place in memory.
    """
    height, width = image.shape
    other = np.broadcast_to(np.asarray(other, image.dtype), image.shape).copy()
    columns = np.arange(width)[::-1] if hmirror else np.arange(width)
    lines = np.arange(height)[::-1] if vflip else np.arange(height)
    # Row r of `other` goes to row lines[r]; its pixel columns[i] goes to column i.
    lets = np.ones(image.shape, bool)
    if mask is not None:
        lets = mask[np.ix_(lines, columns)]
    result = image.reshape(width, height).copy() if transpose else image
    target_rows, target_columns = np.meshgrid(lines, np.arange(width), indexing="ij")
    if transpose:
        target_rows, target_columns = target_columns, target_rows
    result[target_rows[lets], target_columns[lets]] = other[:, columns][lets]
    return result
