"""Pictures that do not depend on the light: shares of the colours, and colours without shadows.

Both are tables over the 65,536 RGB565 values, computed in single precision in the firmware's
order with fused multiply-adds.
Ref: sipeed/MaixPy-v1 components/micropython/port/src/omv/img/shadow_removal.c, d8901fd;
M. S. Drew, H. R. Vaezi Joze, "Sharpening from shadows", 2009.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from k210sim.imaging.colour import linear_light, pack, unpack
from k210sim.imaging.rounding import fast_cbrt, fast_exp, fast_log, fused

_F = np.float32
# Rows: the sharpened red, green and blue from the linear ones.
_SHARPEN = ((0.9968, 0.0228, 0.0015), (-0.0071, 0.9933, 0.0146), (0.0103, -0.0161, 0.9839))
# The two axes of the plane of equal brightness, and the direction in it that light does not move.
_AXIS_X, _AXIS_Y = (0.7071, -0.7071, 0.0), (0.4082, 0.4082, -0.8164)
_DIRECTION = (0.9326, -0.3609)


def _linear_colours() -> list[np.ndarray]:
    return [linear_light()[part] for part in unpack(np.arange(65536))]


def _dot(factors, values):
    """The sum of products, the first product fused with the second."""
    first, *rest = ((_F(f), v) for f, v in zip(factors, values, strict=True))
    total = fused(*first, rest[0][0] * rest[0][1])
    for factor, value in rest[1:]:
        total = fused(factor, value, total)
    return total


def _shares(colours) -> np.ndarray:
    """uint16 (65536,): RGB565 of each part's share of the sum."""
    red, green, blue = colours
    total = red + green + blue
    with np.errstate(divide="ignore"):
        over = np.where(total > 0, _F(1) / total, _F(0))
    parts = (np.clip(part * over * _F(255), 0, 255).astype(np.uint8) for part in colours)
    return pack(*parts).astype(np.uint16)


@lru_cache(maxsize=1)
def chroma_table() -> np.ndarray:
    """uint16 (65536,): every colour's shares of linear light."""
    return _shares(_linear_colours())


@lru_cache(maxsize=1)
def illumination_table() -> np.ndarray:
    """uint16 (65536,): every colour without what the light does to it."""
    colours = [part + _F(1) for part in _linear_colours()]
    sharp = [_dot(row, colours) for row in _SHARPEN]
    mean = fast_cbrt(sharp[0] * sharp[1] * sharp[2])
    over = _F(1) / mean
    logs = [fast_log(part * over) for part in sharp]
    across, up = _dot(_AXIS_X, logs), _dot(_AXIS_Y, logs)
    x, y = (_F(v) for v in _DIRECTION)
    along_x = fused(x * x, across, x * y * up)
    along_y = fused(y * x, across, y * y * up)
    parts = [_dot(pair, (along_x, along_y)) for pair in zip(_AXIS_X, _AXIS_Y, strict=True)]
    return _shares([fast_exp(part) for part in parts])


def chrominvar(image: np.ndarray) -> None:
    """Each colour's shares of the pixel's light, in place; RGB565."""
    image[:] = chroma_table()[image]


def illuminvar(image: np.ndarray) -> None:
    """Colours freed from the light's colour and strength, in place; RGB565."""
    image[:] = illumination_table()[image]
