"""Finding straight lines and circles by voting (Hough transform).

The gradient of each sampled pixel says which line it may lie on, or which centres of circles it
may belong to; where enough strength gathers, there is one. Then near ones are merged.
Ref: sipeed/MaixPy-v1 components/micropython/port/src/omv/img/hough.c, d8901fd.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from k210sim.imaging.colour import to_grayscale
from k210sim.imaging.rounding import fast_atan, fast_atan2, fused

_F = np.float32
_DEGREES = _F(57.295780)
ROOM = 700 * 1024  # bytes the algorithms may use on the board; less room makes coarser votes
_ANGLES = np.deg2rad(np.arange(360))
SINE, COSINE = (np.round(f(_ANGLES), 6).astype(_F) for f in (np.sin, np.cos))


class Line(NamedTuple):
    x1: int
    y1: int
    x2: int
    y2: int
    length: int
    magnitude: int
    theta: int
    rho: int


class Circle(NamedTuple):
    x: int
    y: int
    r: int
    magnitude: int


def _gradients(image, xs, ys):
    """Sobel gradients at the places: angle in whole degrees 0..359, and strength.

    The library's arctangent lies in 0..2 pi; on the vertical axis the angle is a right one,
    which truncated is 89 degrees.
    """
    gray = to_grayscale(image).astype(np.int64)

    def at(dx, dy):
        return gray[ys + dy, xs + dx]

    left = at(-1, -1) + 2 * at(-1, 0) + at(-1, 1)
    right = at(1, -1) + 2 * at(1, 0) + at(1, 1)
    above = at(-1, -1) + 2 * at(0, -1) + at(1, -1)
    below = at(-1, 1) + 2 * at(0, 1) + at(1, 1)
    x, y = (left - right).astype(_F), (above - below).astype(_F)
    with np.errstate(divide="ignore", invalid="ignore"):
        small = fast_atan(np.abs(y) / np.abs(x)).astype(_F)
    pi = _F(np.pi)
    angle = np.where(
        x > 0,
        np.where(y >= 0, small, _F(2) * pi - small),
        np.where(y >= 0, pi - small, pi + small),
    )
    angle = np.where(x == 0, _F(1.570796), angle).astype(_F)
    strength = np.sqrt(x * x + y * y).astype(np.int64)
    return (angle * _DEGREES).astype(np.int64) % 360, strength


def _sampled(roi, rows, x_stride):
    """The places (xs, ys) that are looked at: every other row begins a pixel later."""
    x, _, w, _ = roi
    columns = [np.arange(x + row % x_stride + 1, x + w - 1, x_stride) for row in rows]
    ys = np.repeat(np.array(rows, np.int64), [len(c) for c in columns])
    return (np.concatenate(columns) if columns else np.zeros(0, np.int64)), ys


def _peaks(votes, threshold):
    """(row, column, votes) of the local maxima inside a border of one, row by row."""
    inner = votes[1:-1, 1:-1]
    if inner.size == 0:
        return []
    height, width = inner.shape
    good = inner >= threshold
    for dy in range(3):
        for dx in range(3):
            good &= inner >= votes[dy : dy + height, dx : dx + width]
    return [(int(y) + 1, int(x) + 1, int(inner[y, x])) for y, x in np.argwhere(good)]


def _merged(found, join):
    """Each with all later ones that join it, over again until none does."""
    again = True
    while again:
        again, rest, found = False, list(found), []
        while rest:
            one, others = rest.pop(0), []
            for other in rest:
                both = join(one, other)
                if both is None:
                    others.append(other)
                else:
                    one, again = both, True
            rest = others
            found.append(one)
    return found


def _join_lines(theta_margin, rho_margin):
    def join(one, other):
        (theta, rho, m), (theta2, rho2, m2) = one, other
        if rho < 0:
            rho, theta = -rho, theta + 180
        if rho2 < 0:
            rho2, theta2 = -rho2, theta2 + 180
        turn = abs(theta - theta2)
        turn = 360 - turn if turn >= 180 else turn
        if not (turn < theta_margin and abs(rho - rho2) < rho_margin):
            return None
        total = m + m2
        sine, cosine = (
            fused(table[theta], _F(m), table[theta2] * _F(m2)) / _F(total)
            for table in (SINE, COSINE)
        )
        angle = int(fast_atan2(sine, cosine) * _DEGREES) % 360
        rho = (rho * m + rho2 * m2) // total
        return (angle - 180, -rho, total // 2) if angle >= 180 else (angle, rho, total // 2)

    return join


def clip_line(line, width: int, height: int):
    """The part (x1, y1, x2, y2) of a line inside a box at the origin, or None."""
    x1, y1, x2, y2 = line
    dx, dy, start, end = x2 - x1, y2 - y1, _F(0), _F(1)
    for p, q in ((-dx, x1), (dx, width - 1 - x1), (-dy, y1), (dy, height - 1 - y1)):
        if p == 0:
            if q < 0:
                return None
            continue
        u = _F(q) / _F(p)
        if p < 0:
            if u > end:
                return None
            start = max(start, u)
        else:
            if u < start:
                return None
            end = min(end, u)
    if end < start:
        return None
    return tuple(int(fused(d, u, at)) for u in (start, end) for d, at in ((dx, x1), (dy, y1)))


def across_box(theta: int, rho: int, w: int, h: int):
    """The line's ends on the box's sides: left and right for a flat line, else top and bottom."""
    if 45 <= theta < 135:
        y1, y2 = (int(fused(-_F(x), COSINE[theta], rho) / SINE[theta]) for x in (0, w - 1))
        return 0, y1, w - 1, y2
    x1, x2 = (int(fused(-_F(y), SINE[theta], rho) / COSINE[theta]) for y in (0, h - 1))
    return x1, 0, x2, h - 1


def find_lines(
    image, roi, x_stride=2, y_stride=1, threshold=1000, theta_margin=25, rho_margin=25, room=ROOM
) -> list[Line]:
    """Straight lines within the box `roi` (x, y, w, h).

    theta is the angle of the normal in degrees 0..179, rho the distance from the origin. As on
    the board, y_stride counts for binary pictures only; others take x_stride for rows too.
    """
    left, top, w, h = roi
    diagonal, divide = int(np.sqrt(_F(w * w + h * h))), 1
    while True:
        far, thetas = -(-diagonal // divide), 2 + -(-180 // divide)
        if 4 * thetas * (2 * far + 1) <= room:
            break
        divide *= 2
        if divide > 4:
            raise MemoryError
    if image.dtype == bool:
        rows = list(range(top + 1, top + h - 1, y_stride))
    else:
        step = x_stride
        ends = [(h - 2 + step - 1) * part // step // 2 * step + top + 1 for part in range(3)]
        rows = [y for a, b in zip(ends, ends[1:], strict=False) for y in range(a, b, step)]
    xs, ys = _sampled(roi, rows, x_stride)
    theta, strength = _gradients(image, xs, ys)
    theta %= 180
    rho = fused((xs - left).astype(_F), COSINE[theta], (ys - top).astype(_F) * SINE[theta])
    votes = np.zeros((2 * far + 1) * thetas, np.int64)
    place = (np.trunc(rho.astype(np.int64) / divide).astype(np.int64) + far) * thetas
    np.add.at(votes, place + theta // divide + 1, strength)
    found = [
        ((column - 1) * divide, (row - far) * divide, count)
        for row, column, count in _peaks(votes.reshape(-1, thetas), threshold)
    ]
    lines = []
    for theta, rho, magnitude in _merged(found, _join_lines(theta_margin, rho_margin)):
        ends = clip_line(across_box(theta, rho, w, h), w, h)
        if ends is None:
            continue
        x1, y1, x2, y2 = ends
        length = int(np.sqrt(_F((x2 - x1) ** 2 + (y2 - y1) ** 2)))
        rho += int(fused(_F(left), COSINE[theta], _F(top) * SINE[theta]))
        lines.append(Line(x1 + left, y1 + top, x2 + left, y2 + top, length, magnitude, theta, rho))
    return lines


def _join_circles(x_margin, y_margin, r_margin):
    def join(one, other):
        if not (
            abs(one.x - other.x) < x_margin
            and abs(one.y - other.y) < y_margin
            and abs(one.r - other.r) < r_margin
        ):
            return None
        total = one.magnitude + other.magnitude
        mean = (
            (a * one.magnitude + b * other.magnitude) // total
            for a, b in zip(one[:3], other[:3], strict=True)
        )
        return Circle(*mean, total // 2)

    return join


def find_circles(
    image, roi, x_stride=2, y_stride=1, threshold=2000, x_margin=10, y_margin=10, r_margin=10,
    r_min=2, r_max=None, r_step=2, room=ROOM,
) -> list[Circle]:  # fmt: skip
    """Circles that lie within the box `roi` (x, y, w, h), radii from r_min up to below r_max."""
    left, top, w, h = roi
    largest = min(w // 2, h // 2)
    r_min, r_max = max(r_min, 2), largest if r_max is None else min(r_max, largest)
    count = (h - 2 + y_stride - 1) // y_stride * y_stride
    ends = [count * part // 2 + top + 1 for part in range(3)]
    rows = [y for a, b in zip(ends, ends[1:], strict=False) for y in range(a, b, y_stride)]
    # With strides that do not fit, the board looks below the box; that is left out here.
    rows = [y for y in dict.fromkeys(rows) if y < image.shape[0] - 1]
    xs, ys = _sampled(roi, rows, x_stride)
    theta, strength = _gradients(image, xs, ys)
    inside = (strength > 0) & (ys < top + h)
    xs, ys, theta, strength = (v[inside] for v in (xs - left, ys - top, theta, strength))
    found = []
    for r in range(r_min, r_max, r_step):
        wide, high, divide = w - 2 * r, h - 2 * r, 1
        while True:
            columns, lines = 2 + -(-wide // divide), 2 + -(-high // divide)
            if 4 * columns * lines <= room - 4 * w * h:
                break
            divide *= 2
            if divide > 4:
                raise MemoryError
        votes = np.zeros(columns * lines, np.int64)
        for turned in (theta, (theta + 180) % 360):
            a = fused(_F(r), COSINE[turned], xs).astype(np.int64) - r
            b = fused(_F(r), SINE[turned], ys).astype(np.int64) - r
            fits = (a >= 0) & (a < wide) & (b >= 0) & (b < high)
            place = (b[fits] // divide + 1) * columns + a[fits] // divide + 1
            np.add.at(votes, place, strength[fits])
        for row, column, magnitude in _peaks(votes.reshape(lines, columns), threshold):
            x, y = (column - 1) * divide + r + left, (row - 1) * divide + r + top
            found.append(Circle(x, y, r, magnitude))
    return _merged(found, _join_circles(x_margin, y_margin, r_margin))
