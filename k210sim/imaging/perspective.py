"""Turning a picture in space, and pulling its corners about.

All in single precision with products and sums fused, as on the board; where a place falls on the
edge between two pixels the last bit decides. Sine, cosine and tangent are the nearest single, as in
the recorded answers, which come out pixel for pixel; those of k210sim.libm would give the pixels of
the published binary. The projection that draws corners out comes from another decomposition than
the board's: a few pixels of it differ.
Ref: sipeed/MaixPy-v1 components/micropython/port/src/omv/img/apriltag.c, d8901fd.
"""

from __future__ import annotations

import math

import numpy as np

from k210sim.imaging.rounding import fused

_F = np.float32
_EPS = 1e-8


def radians(degrees: float):
    """float32, with the factor rounded twice as the board's compiler folds it."""
    return _F(degrees) * (_F(np.pi) * (_F(1) / _F(180)))


def _product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """A matrix product, summed in order."""
    result = np.zeros((len(a), b.shape[1]), _F)
    for k in range(len(b)):
        result = fused(a[:, k, None], b[None, k], result)
    return result


def _turn(axis: int, angle) -> np.ndarray:
    """A rotation about an axis (0 x, 1 y, 2 z) as a 4 x 4 matrix; angle float32 in radians."""
    first, second = ((1, 2), (0, 2), (0, 1))[axis]
    matrix = np.eye(4, dtype=_F)
    cosine, sine = _F(math.cos(angle)), _F(math.sin(angle))
    matrix[first, first] = matrix[second, second] = cosine
    matrix[first, second], matrix[second, first] = -sine, sine
    return matrix


def _inverse(matrix: np.ndarray) -> np.ndarray | None:
    """By LU decomposition with the greatest pivots; None for a singular matrix."""
    n = len(matrix)
    lu, order = matrix.copy(), list(range(n))
    for j in range(n):
        for i in range(n):
            total = _F(0)
            for k in range(min(i, j)):
                total = fused(lu[i, k], lu[k, j], total)
            lu[i, j] -= total
        pivot = j + int(np.argmax(np.abs(lu[j:, j])))
        if pivot != j:
            lu[[pivot, j]] = lu[[j, pivot]]
            order[pivot], order[j] = order[j], order[pivot]
        if abs(lu[j, j]) < _EPS:
            return None
        lu[j + 1 :, j] *= _F(1) / lu[j, j]
    x = np.eye(n, dtype=_F)[order]
    for k in range(n):
        for i in range(k + 1, n):
            x[i] = fused(x[k], -lu[i, k], x[i])
    for k in reversed(range(n)):
        x[k] *= _F(1) / lu[k, k]
        for i in range(k):
            x[i] = fused(x[k], -lu[i, k], x[i])
    return x


def _homography(width: int, height: int, corners) -> np.ndarray:
    """The projection that takes the picture's corners to four points, clockwise from top left.

    Its scale, which counts where the elements are rounded, is such that its form for points about
    their centres has the norm one.
    """
    right, bottom = width - 1, height - 1
    places = np.array([(0, 0), (right, 0), (right, bottom), (0, bottom)], np.float64)
    points = np.array(corners, np.float32).astype(np.float64)
    centre, target = places.mean(0), points.mean(0)
    rows = []
    for (x, y), (u, v) in zip(places - centre, points - target, strict=True):
        rows.append([x, y, 1, 0, 0, 0, -x * u, -y * u, -u])
        rows.append([0, 0, 0, x, y, 1, -x * v, -y * v, -v])
    central = np.linalg.svd(np.array(rows))[2][-1].reshape(3, 3)
    before, after = np.eye(3), np.eye(3)
    before[:2, 2], after[:2, 2] = -centre, target
    return after @ central @ before


def rotation_corr(
    image: np.ndarray,
    x_rotation=0.0,
    y_rotation=0.0,
    z_rotation=0.0,
    x_translation=0.0,
    y_translation=0.0,
    zoom=1.0,
    fov=60.0,
    corners=None,
) -> None:
    """Look at the picture turned in space, in place; rotations and fov in degrees.

    corners : four points (x, y) that are drawn out to the picture's corners, from the top left
    clockwise. What comes from outside is black.
    """
    height, width = image.shape
    x_rotation, y_rotation, z_rotation, fov = (
        radians(a) for a in (x_rotation, y_rotation, z_rotation, fov)
    )
    depth = np.sqrt(_F(width * width + height * height)) / _F(2) / _F(math.tan(fov / _F(2)))
    spread = depth * _F(zoom)
    half_w, half_h = width // 2, height // 2
    to_space = np.array([[1, 0, -half_w], [0, 1, -half_h], [0, 0, 0], [0, 0, 1]], _F)
    turned = _product(_turn(0, x_rotation), _turn(1, y_rotation))
    turned = _product(turned, _turn(2, z_rotation))
    moved = np.eye(4, dtype=_F)
    moved[:3, 3] = x_translation, y_translation, depth
    to_plane = np.array([[spread, 0, half_w, 0], [0, spread, half_h, 0], [0, 0, 1, 0]], _F)
    back = _inverse(_product(to_plane, _product(moved, _product(turned, to_space))))
    if back is None:
        image[:] = 0
        return
    if corners is not None:
        back = _product(_homography(width, height, corners).astype(_F), back)
    m = back
    x = np.arange(width).astype(_F)[None, :]
    y = np.arange(height).astype(_F)[:, None]
    across, down, far = (fused(m[i, 0], x, fused(m[i, 1], y, m[i, 2])) for i in range(3))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        from_x, from_y = across / far, down / far
    good = np.isfinite(from_x) & np.isfinite(from_y)
    good &= (np.abs(from_x) < 1e9) & (np.abs(from_y) < 1e9)
    from_x = np.where(good, from_x, -2).astype(np.int64)
    from_y = np.where(good, from_y, -2).astype(np.int64)
    good &= (from_x >= 0) & (from_x < width) & (from_y >= 0) & (from_y < height)
    source = image.copy()
    image[:] = 0
    image[good] = source[from_y[good], from_x[good]]
