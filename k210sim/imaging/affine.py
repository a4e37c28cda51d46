"""Moving a picture's AI planes so that points fall on given points (faces onto a template).

Ref: sipeed/MaixPy-v1 components/micropython/port/src/omv/img/affine.c, d8901fd.
"""

from __future__ import annotations

import numpy as np

from k210sim.imaging.rounding import fused

_F = np.float32


def _closest_rotation(a: np.ndarray) -> tuple[np.ndarray, float]:
    """U V of the decomposition of a 2 x 2 matrix as U S V, and the sum of S; single precision.

    The formulas, signs included, are the firmware's, so mirrored points give what it gives.
    """
    a0, a1, a2, a3 = (float(v) for v in a.ravel())
    first, second = np.hypot(a0 - a3, a1 + a2), np.hypot(a0 + a3, a1 - a2)
    s0 = _F((first + second) / 2)
    s1 = _F(abs(float(s0) - first))
    v2 = _F(0)
    if s0 > s1:
        across = 2 * (a0 * a1 + a2 * a3)
        v2 = _F(np.sin(np.arctan2(across, a0 * a0 - a1 * a1 + a2 * a2 - a3 * a3) / 2))
    v0 = _F(np.sqrt(1 - float(v2) ** 2))
    v1, v3 = -v2, v0
    f0, f1, f2, f3 = a.ravel()
    u0 = -(f0 * v0 + f1 * v2) / s0 if s0 != 0 else _F(1)
    u2 = -(f2 * v0 + f3 * v2) / s0 if s0 != 0 else _F(0)
    u1 = (f0 * v1 + f1 * v3) / s1 if s1 != 0 else -u2
    u3 = (f2 * v1 + f3 * v3) / s1 if s1 != 0 else u0
    u, v = np.array([[u0, u1], [u2, u3]], _F), np.array([[-v0, v1], [-v2, v3]], _F)
    return u @ v, s0 + s1


def get_affine_transform(points, targets) -> list[float]:
    """The turn, scale and shift, 3 x 3 row by row, from the targets back to the points.

    The least squares fit without shear; `points` and `targets` are equally many (x, y), each
    coordinate taken as an unsigned 16 bit number. No points give NaNs.
    """
    points = (np.array(points, np.int64).reshape(-1, 2) & 0xFFFF).astype(_F)
    targets = (np.array(targets, np.int64).reshape(-1, 2) & 0xFFFF).astype(_F)
    count = _F(len(points))
    with np.errstate(all="ignore"):
        at, onto = points.sum(0, dtype=_F) / count, targets.sum(0, dtype=_F) / count
        around, about = points - at, targets - onto
        turn, size = _closest_rotation((around.T @ about) / count)
        spread = ((about - about.sum(0, dtype=_F) / count) ** 2).sum(0, dtype=_F) / count
        scale = _F(1) / (spread[0] + spread[1]) * size
        shift = at - scale * (turn @ onto)
        turn = turn * scale
    return [float(v) for v in (*turn[0], shift[0], *turn[1], shift[1], 0, 0, 1)]


def warp_affine_ai(source: np.ndarray, target: np.ndarray, matrix) -> None:
    """Fill the planes `target` from the planes `source` through a matrix of get_affine_transform.

    Bilinear in 1/256 pixels; black where the place is outside. At the right and the lower edge
    the neighbours are the bytes that follow in memory: the next row, the next plane; zeros after
    the last.
    """
    channels, height, width = source.shape
    m = np.array(matrix, _F).reshape(3, 3)
    x = (np.arange(target.shape[2]) * 256).astype(_F)[None, :]
    y = (np.arange(target.shape[1]) * 256).astype(_F)[:, None]
    with np.errstate(all="ignore"):
        at_x, at_y = (fused(m[i, 0], x, fused(m[i, 1], y, m[i, 2] * _F(256))) for i in range(2))
        # As the processor converts: what is too great becomes the greatest.
        at_x, at_y = (
            np.clip(np.nan_to_num(v.astype(np.float64), nan=2.0**31), -(2**31), 2**31 - 1).astype(
                np.int64
            )
            for v in (at_x, at_y)
        )
    target[:] = 0  # before reading: warping planes onto themselves leaves nothing
    part_x, part_y, at_x, at_y = at_x & 0xFF, at_y & 0xFF, at_x >> 8, at_y >> 8
    inside = (at_x >= 0) & (at_x < width) & (at_y >= 0) & (at_y < height)
    memory = np.concatenate([source.reshape(-1), np.zeros(width + 1, np.uint8)]).astype(np.int64)
    place = np.where(inside, at_y * width + at_x, 0)
    for channel in range(channels):
        at = place + channel * width * height
        total = (256 - part_x) * (256 - part_y) * memory[at]
        total += part_x * (256 - part_y) * memory[at + 1]
        total += (256 - part_x) * part_y * memory[at + width]
        total += part_x * part_y * memory[at + width + 1]
        target[channel] = np.where(inside, total >> 16, 0)
