"""Removing shadows.

Ref: sipeed/MaixPy-v1 components/micropython/port/src/omv/img/shadow_removal.c, d8901fd.
"""

from __future__ import annotations

import numpy as np

from k210sim.imaging import stats
from k210sim.imaging.colour import lab_table, unpack

_F = np.float32
_SHADE = _F(0.3)  # how much darker than the other picture a shadow can be


def _brightest(image: np.ndarray) -> np.ndarray:
    return np.maximum.reduce(unpack(image)).astype(_F)


def remove_shadows(image: np.ndarray, other) -> None:
    """Take the pixels of `other` (a picture, or a colour) that are shaded in `image`; RGB565.

    Hue and saturation would count too, but the board computes both as zero.
    """
    other = np.broadcast_to(np.asarray(other, np.uint16), image.shape)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = _brightest(image) / _brightest(other)
    shaded = (ratio > _SHADE) & (ratio < 1)
    image[shaded] = other[shaded]


def has_shadows(image: np.ndarray) -> bool:
    """Whether more than a twentieth of the pixels is darker than 0.8 of the mean."""
    lightness = lab_table()[:, 0].astype(np.int64)[image]
    histogram = stats.histogram(image, stats.DEFAULT_BINS[stats.kind_of(image)])
    limit = int(_F(stats.statistics(histogram)[0].mean) * _F(0.8))
    return np.count_nonzero(lightness < limit) > image.size // 20
