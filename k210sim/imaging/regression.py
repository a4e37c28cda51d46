"""The straight line through the pixels of a colour.

Ref: sipeed/MaixPy-v1 components/micropython/port/src/omv/img/stats.c, d8901fd.
"""

from __future__ import annotations

import numpy as np

from k210sim.imaging.hough import COSINE, ROOM, SINE, Line, across_box, clip_line
from k210sim.imaging.morph import inside
from k210sim.imaging.rounding import fast_atan2, fused, to_int32

_F = np.float32
_DEGREES, _RIGHT_ANGLE = _F(57.295780), _F(1.570796)


def _int32(value: int) -> int:
    return (int(value) + (1 << 31) & 0xFFFFFFFF) - (1 << 31)


def _points(image, roi, thresholds, invert, x_stride, y_stride):
    """(xs, ys) of the sampled pixels in the thresholds, those of each threshold row by row."""
    left, top, w, h = roi
    rows = np.arange(top, top + h, y_stride)
    sampled = np.zeros((h, w), bool)
    for row in rows:
        sampled[row - top, int(row) % x_stride :: x_stride] = True
    found = [
        np.argwhere(inside(image[top : top + h, left : left + w], threshold, invert) & sampled)
        for threshold in thresholds
    ]
    ys, xs = np.concatenate(found).T if found else np.zeros((2, 0), np.int64)
    return xs + left, ys + top


def _least_squares(xs, ys):
    """Centre (x, y), angle and strength of the axis of least inertia."""
    count, sum_x, sum_y = len(xs), int(xs.sum()), int(ys.sum())
    x, y = sum_x // count, sum_y // count
    xx = _int32(int((xs * xs).sum()) - 2 * x * sum_x + count * x * x)
    xy = _int32(int((xs * ys).sum()) - x * sum_y - y * sum_x + count * x * y)
    yy = _int32(int((ys * ys).sum()) - 2 * y * sum_y + count * y * y)
    angle = fast_atan2(_int32(2 * xy), _int32(xx - yy)) / _F(2) if xx != yy else _RIGHT_ANGLE
    mean = _F(_int32(xx + yy)) / _F(2)
    mixed, gap = _F(xy), _F(_int32(xx - yy))
    with np.errstate(divide="ignore", invalid="ignore"):
        half = np.sqrt(fused(_F(4) * mixed, mixed, gap * gap)) / _F(2)
        more, less = np.sqrt(mean + half), np.sqrt(mean - half)
        if not less < more:
            more, less = less, more
        ratio = more / less
    return x, y, angle, to_int32(ratio) - 1


def _middle(counts: np.ndarray) -> int:
    """The index at which half of the counts is reached."""
    return int(np.searchsorted(counts.cumsum(), (int(counts.sum()) + 1) // 2))


def _median_slope(xs, ys, width: int, height: int):
    """As `_least_squares`, from the medians of the points and of the steps between all pairs.

    None when there is no pair. What memory does not hold counts for the medians of points only.
    """
    most = (ROOM - 4 * (width + height) - 16 * (width + height)) // 4
    some_x, some_y = xs[:most], ys[:most]
    if len(some_x) < 2:
        return None
    steps_x, steps_y = np.zeros(2 * width, np.int64), np.zeros(2 * height, np.int64)
    for i in range(len(some_x) - 1):
        steps_x += np.bincount(some_x[i] - some_x[i + 1 :] + width, minlength=2 * width)
        steps_y += np.bincount(some_y[i] - some_y[i + 1 :] + height, minlength=2 * height)
    dx, dy = _middle(steps_x) - width, _middle(steps_y) - height
    angle = fast_atan2(dy, dx) if dx else _RIGHT_ANGLE
    length = int(np.sqrt(_F(dx * dx + dy * dy)))
    x, y = (_middle(np.bincount(values)) for values in (xs, ys))
    return x, y, angle, length


def get_regression(
    image, thresholds, invert, roi, x_stride=2, y_stride=1, area_threshold=10,
    pixels_threshold=10, robust=False,
) -> Line | None:  # fmt: skip
    """The line through the pixels, or None; fitted by least squares, or `robust` by medians."""
    left, top, w, h = roi
    xs, ys = _points(image, roi, thresholds, invert, x_stride, y_stride)
    if not len(xs) or len(xs) < pixels_threshold:
        return None
    if int(xs.max() - xs.min()) * int(ys.max() - ys.min()) < area_threshold:
        return None
    fit = _median_slope(xs, ys, *image.shape[::-1]) if robust else _least_squares(xs, ys)
    if fit is None:
        return None
    x, y, angle, magnitude = fit
    theta = int((angle + _RIGHT_ANGLE) * _DEGREES) % 180
    rho = int(fused(_F(x - left), COSINE[theta], _F(y - top) * SINE[theta]))
    ends = clip_line(across_box(theta, rho, w, h), w, h)
    if ends is None:
        return None
    x1, y1, x2, y2 = ends
    length = int(np.sqrt(_F((x2 - x1) ** 2 + (y2 - y1) ** 2)))
    rho += int(fused(_F(left), COSINE[theta], _F(top) * SINE[theta]))
    return Line(x1 + left, y1 + top, x2 + left, y2 + top, length, magnitude, theta, rho)
