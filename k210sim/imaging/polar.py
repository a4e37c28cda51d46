"""Pictures in polar coordinates, linear or logarithmic, and back.

Ref: sipeed/MaixPy-v1 components/micropython/port/src/omv/img/phasecorrelation.c, d8901fd.
"""

from __future__ import annotations

import numpy as np

from k210sim.imaging.formats import RGB565, kind_of
from k210sim.imaging.hough import COSINE, SINE
from k210sim.imaging.rounding import fast_atan, fast_exp, fused

_F = np.float32


def _fast_log(x):
    """Natural logarithm, to about four digits, by the number's bits and a rational function."""
    bits = np.asarray(x, _F).view(np.uint32)
    part = ((bits & 0x7FFFFF) | 0x3F000000).view(_F)
    y = fused(bits.astype(_F), _F(1.1920928955078125e-7), _F(-124.22551499))
    y = fused(-_F(1.498030302), part, y) - _F(1.72587999) / (_F(0.3520887068) + part)
    return _F(0.69314718) * y


def _degrees_around(y, x):
    """Whole degrees 0..359 of the direction (x, y); straight up and down exactly."""
    pi = _F(np.pi)
    with np.errstate(divide="ignore", invalid="ignore"):
        small = fast_atan(np.nan_to_num(np.abs(y) / np.abs(x))).astype(_F)
    angle = np.where(
        x > 0,
        np.where(y >= 0, small, _F(2) * pi - small),
        np.where(y >= 0, pi - small, pi + small),
    ).astype(_F)
    whole = (angle * _F(57.29578)).astype(np.int64)
    return np.where(x == 0, np.where(y < 0, 270, 90), whole)


def polar(image: np.ndarray, linear: bool, reverse: bool = False) -> None:
    """Redraw in place with the angle across and the distance down; `reverse` undoes that."""
    height, width = image.shape
    middle_x, middle_y = _F(width / 2), _F(height / 2)
    distance = np.sqrt(middle_x * middle_x + middle_y * middle_y)
    farthest = distance if linear else _fast_log(distance)
    rho_scale, theta_scale = farthest / _F(height), _F(360) / _F(width)
    x = np.arange(width).astype(_F)[None, :]
    y = np.arange(height).astype(_F)[:, None]
    if reverse:
        dx, dy = np.broadcast_arrays(x - middle_x, y - middle_y)
        rho = np.sqrt(dx * dx + dy * dy)
        rho = rho if linear else _fast_log(rho)
        theta = 630 - _degrees_around(dy, dx)
        theta = np.where(theta >= 360, theta - 360, theta).astype(_F)
        from_x = (theta * (_F(1) / theta_scale)).astype(np.int64)
        from_y = (rho * (_F(1) / rho_scale)).astype(np.int64)
        if kind_of(image) == RGB565:  # only there what lies outside is taken from the edge
            from_x, from_y = np.clip(from_x, 0, width - 1), np.clip(from_y, 0, height - 1)
    else:
        theta = 630 - (x * theta_scale).astype(np.int64)
        theta = np.where(theta >= 360, theta - 360, theta)
        rho = y * rho_scale
        rho = rho if linear else fast_exp(rho)
        from_x = fused(rho, COSINE[theta], middle_x).astype(np.int64)
        from_y = fused(rho, SINE[theta], middle_y).astype(np.int64)
    good = (from_x >= 0) & (from_x < width) & (from_y >= 0) & (from_y < height)
    source = image.copy()
    image[:] = 0
    image[good] = source[from_y[good], from_x[good]]
