"""Quadrangles: what find_rects and find_apriltags start from.

The picture is cut into black and white by the brightness around each tile; where a black and a
white region touch, their boundary is walked around its centre, and four straight pieces of it make
a quadrangle (AprilTag 2).
Ref: sipeed/MaixPy-v1 components/micropython/port/src/omv/img/apriltag.c and fb_alloc.c, d8901fd;
J. Wang, E. Olson, "AprilTag 2: Efficient and robust fiducial detection", 2016.
"""

from __future__ import annotations

import math
from itertools import combinations
from typing import NamedTuple

import numpy as np

_F = np.float32
_TILE = 4
_LEAST_CONTRAST = 5
_LEAST_POINTS = 5
_MOST_CORNERS = 10
_WORST_FIT = 10.0  # mean squared distance from a side, in pixels
_LEAST_ANGLE = math.radians(10)
_LEAST_AREA = 8 * 8
_CENTRE_NUDGE = 0.05118, -0.028581  # keeps points from lying in one direction
_BUCKETS = 700 * 1024 // 8  # of the table in which the board keeps the boundaries
_SLOTS = 100  # scratch blocks the board can keep track of
# Estimated: 16 bytes a point, in pieces of eight; the heads of a boundary take some more.
_POINT_BYTES, _PIECE, _HEAD_BYTES = 16, 8, 96


class TooManyBlocks(Exception):
    """More scratch blocks than the board keeps track of (it loses some at every boundary that has
    less than four corners)."""


class Boundary(NamedTuple):
    """Points between a black and a white region: doubled places, and the way to white."""

    x: np.ndarray
    y: np.ndarray
    gx: np.ndarray
    gy: np.ndarray


def _spread(tiles: np.ndarray, function) -> np.ndarray:
    """The greatest or least of each tile's 3 x 3 neighbours."""
    padded = np.pad(tiles, 1, mode="edge")
    h, w = tiles.shape
    return function.reduce([padded[y : y + h, x : x + w] for y in range(3) for x in range(3)])


def binarise(gray: np.ndarray) -> np.ndarray:
    """uint8 (h, w): 255 white, 0 black, 127 where there is too little contrast to tell.

    Pixels right of and below the last whole tile take its threshold and are never 127. Sides are
    at least a tile long.
    """
    height, width = gray.shape
    rows, columns = height // _TILE, width // _TILE
    tiles = gray[: rows * _TILE, : columns * _TILE].reshape(rows, _TILE, columns, _TILE)
    most = _spread(tiles.max((1, 3)), np.maximum).astype(np.int64)
    least = _spread(tiles.min((1, 3)), np.minimum).astype(np.int64)
    row = np.minimum(np.arange(height) // _TILE, rows - 1)
    column = np.minimum(np.arange(width) // _TILE, columns - 1)
    most, least = most[np.ix_(row, column)], least[np.ix_(row, column)]
    flat = most - least < _LEAST_CONTRAST
    flat[rows * _TILE :] = False
    flat[:, columns * _TILE :] = False
    result = np.where(gray > least + (most - least) // 2, 255, 0)
    return np.where(flat, 127, result).astype(np.uint8)


def find_boundaries(levels: np.ndarray, pool: int) -> list[Boundary]:
    """The boundaries of a binarised picture, in the order of the board's table.

    pool : bytes for points on the board; further ones are lost, in an order that is a guess
    """
    from k210sim.imaging.kernels.boundaries import boundaries

    found = np.empty((2 * levels.size, 6), np.int32)
    count = boundaries(np.ascontiguousarray(levels), np.empty(65536, np.int32), found)
    found = found[:count].astype(np.int64)
    keys = found[:, 0] << 16 | found[:, 1]
    order = np.argsort(keys, kind="stable")
    starts = np.flatnonzero(np.diff(keys[order], prepend=-1))
    lengths = np.diff(np.append(starts, count))
    rank = np.empty(count, np.int64)
    rank[order] = np.arange(count) - np.repeat(starts, lengths)
    cost = np.where(rank % _PIECE == 0, _PIECE * _POINT_BYTES, 0) + (rank == 0) * _HEAD_BYTES
    full = cost.cumsum() > pool
    if full.any():
        # A boundary stays as it is from the first piece on that no longer fits.
        first = np.flatnonzero(full)[0]
        kept = rank[:first]
        room = np.zeros(count, np.int64)
        np.maximum.at(room, np.searchsorted(keys[order][starts], keys[:first]), kept + 1)
        room = -(-room // _PIECE) * _PIECE
        fits = rank < room[np.searchsorted(keys[order][starts], keys)]
        order = order[fits[order]]
        starts = np.flatnonzero(np.diff(keys[order], prepend=-1))
    pieces = np.split(order, starts[1:]) if len(order) else []
    # Bucket by bucket; in a bucket the newest is first.
    places = [(int(2654435761 * int(keys[p[0]]) >> 32) % _BUCKETS, -int(p[0])) for p in pieces]
    return [
        Boundary(*found[pieces[i], 2:].T)
        for i in sorted(range(len(pieces)), key=places.__getitem__)
    ]


class _Ring:
    """Points around a centre with running sums, so that a line through any run of them is quick."""

    def __init__(self, gray: np.ndarray, x2: np.ndarray, y2: np.ndarray):
        height, width = gray.shape
        x, y = x2 * 0.5 + 0.5, y2 * 0.5 + 0.5
        column, row = x.astype(np.int64), y.astype(np.int64)
        inside = (column > 0) & (column + 1 < width) & (row > 0) & (row + 1 < height)
        column, row = np.where(inside, column, 1), np.where(inside, row, 1)
        levels = gray.astype(np.int64)
        across = levels[row, column + 1] - levels[row, column - 1]
        down = levels[row + 1, column] - levels[row - 1, column]
        weight = np.where(inside, np.sqrt(across * across + down * down) + 1, 1.0)
        moments = [weight * x, weight * y, weight * x * x, weight * x * y, weight * y * y, weight]
        self.size = len(x)
        self._sums = np.cumsum(np.stack(moments), 1)

    def fit(self, first, last):
        """Lines through the points first..last, both included, wrapping around; int arrays.

        Centre x and y, normal x and y, sum and mean of the squared distances.
        """
        sums = self._sums
        before = np.where(first > 0, sums[:, first - 1], 0.0)
        total = np.where(
            first < last, sums[:, last] - before, sums[:, [-1]] - before + sums[:, last]
        )
        count = (last - first) % self.size + 1
        x, y, xx, xy, yy = total[:5] / total[5]
        xx, xy, yy = xx - x * x, xy - x * y, yy - y * y
        nx, ny = _normal(xx, xy, yy)
        whole = nx * nx * count * xx + 2 * nx * ny * count * xy + ny * ny * count * yy
        mean = nx * nx * xx + 2 * nx * ny * xy + ny * ny * yy
        return x, y, nx, ny, whole, mean


def _normal(xx, xy, yy):
    """The direction across which points with these moments spread least; by way of singles."""
    angle = 0.5 * np.arctan2(np.asarray(-2 * xy, _F), np.asarray(yy - xx, _F)).astype(np.float64)
    angle = angle.astype(_F)
    return np.cos(angle).astype(np.float64), np.sin(angle).astype(np.float64)


def table_sine(turns: float) -> float:
    """Sine of a part of a turn (0..1) by a table of 512 entries, between which is interpolated."""
    at = _F(512) * _F(turns)
    low, part = int(at) & 511, at - _F(int(at))
    one, two = (_F(math.sin(2 * math.pi * i / 512)) for i in (low, low + 1))
    return float((_F(1) - part) * one + part * two)


# Sides whose normals are nearer to each other than this are none.
_MOST_DOT = table_sine(float(_F(_LEAST_ANGLE) * _F(0.159154943092) + _F(0.25)))
_SMOOTH = np.exp(-(np.arange(-3, 4) ** 2) / 2).astype(_F).astype(np.float64)


def _corners(ring: _Ring) -> list[int] | None:
    """The four points between which straight lines fit best; None when there are none.

    An empty list when there are less than four places to choose from.
    """
    size = ring.size
    reach = min(20, size // 12)
    if reach < 2:
        return None
    at = np.arange(size)
    errors = ring.fit((at - reach) % size, (at + reach) % size)[4]
    errors = sum(factor * np.roll(errors, 3 - i) for i, factor in enumerate(_SMOOTH))
    peaks = (errors > np.roll(errors, -1)) & (errors > np.roll(errors, 1))
    places = np.flatnonzero(peaks)
    if len(places) < 4:
        return []
    if len(places) > _MOST_CORNERS:
        limit = np.sort(errors[places])[-_MOST_CORNERS - 1]
        places = places[errors[places] > limit]
    count = len(places)
    if count < 4:
        return None
    one, two = (m.ravel() for m in np.meshgrid(places, places, indexing="ij"))
    apart = np.where(one == two, (two + 1) % size, two)
    *_, nx, ny, whole, mean = (v.reshape(count, count) for v in ring.fit(one, apart))
    best, chosen = math.inf, None
    good = mean <= _WORST_FIT
    for a, b, c, d in combinations(range(count), 4):
        if not (good[a, b] and good[b, c] and good[c, d] and good[d, a]):
            continue
        if abs(nx[a, b] * nx[b, c] + ny[a, b] * ny[b, c]) > _MOST_DOT:
            continue
        error = whole[a, b] + whole[b, c] + whole[c, d] + whole[d, a]
        if error < best:
            best, chosen = error, (a, b, c, d)
    if chosen is None or not best / size < _WORST_FIT:
        return None
    return [int(places[i]) for i in chosen]


def crossing(line, other):
    """Where two lines (x, y, normal x, normal y) meet, and the determinant; (None, det) if not."""
    a, b, c, d = line[3], -other[3], -line[2], other[2]
    det = a * d - c * b
    if not abs(det) >= 0.001:
        return None, det
    along = d / det * (other[0] - line[0]) + -b / det * (other[1] - line[1])
    return (line[0] + along * a, line[1] + along * c), det


def _triangle(points) -> float:
    lengths = [
        math.dist(points[i].astype(np.float64), points[(i + 1) % 3].astype(np.float64))
        for i in range(3)
    ]
    half = sum(lengths) / 2
    return math.sqrt(max(0.0, half * math.prod(half - v for v in lengths)))


def _plausible(quad: np.ndarray) -> bool:
    """Large enough, convex, once around, no angle too sharp or too flat."""
    if _triangle(quad[:3]) + _triangle(quad[[2, 3, 0]]) < _LEAST_AREA:
        return False
    total, good = 0.0, True
    for i in range(4):
        before, here, after = quad[i], quad[(i + 1) % 4], quad[(i + 2) % 4]
        turn = float(np.arctan2(before[1] - here[1], before[0] - here[0]))
        turn -= float(np.arctan2(after[1] - here[1], after[0] - here[0]))
        turn += 2 * math.pi if turn < 0 else 0
        good = good and _LEAST_ANGLE <= turn <= math.pi - _LEAST_ANGLE
        total += turn
    return good and 6.2 <= total <= 6.4


class _Slots:
    """How many scratch blocks are in use on the board."""

    def __init__(self, used: int):
        self.used = used

    def need(self, more: int) -> None:
        if self.used + more > _SLOTS:
            raise TooManyBlocks


def _fit_quad(gray, boundary: Boundary, either_way: bool, slots: _Slots) -> np.ndarray | None:
    x2, y2, gx, gy = boundary
    cx = int(x2.min() + x2.max()) * 0.5 + _CENTRE_NUDGE[0]
    cy = int(y2.min() + y2.max()) * 0.5 + _CENTRE_NUDGE[1]
    dx, dy = x2 - cx, y2 - cy
    if not either_way and (dx * gx + dy * gy).sum() < 0:
        return None
    # Points in the very same direction may be in another order on the board.
    order = np.argsort(np.arctan2(dy.astype(_F), dx.astype(_F)), kind="stable")
    count, depth = len(order), 0
    while count > 5:
        count, depth = count - count // 2, depth + 1
    slots.need(depth)
    ring = _Ring(gray, x2[order], y2[order])
    slots.need(5 if ring.size >= 24 else 1)
    corners = _corners(ring)
    if not corners:
        if corners is not None:
            slots.used += 3
        return None
    corners = np.array(corners)
    *lines, _, mean = ring.fit(corners, np.roll(corners, -1))
    if (mean > _WORST_FIT).any():
        return None
    lines = np.stack(lines, 1)
    quad = np.empty((4, 2), _F)
    for i in range(4):
        point, _ = crossing(lines[i], lines[(i + 1) % 4])
        if point is None:
            return None
        quad[i] = point
    return quad if _plausible(quad) else None


def find_quads(gray: np.ndarray, either_way: bool, pool: int) -> list[np.ndarray]:
    """float32 (4, 2) corners of each quadrangle of a uint8 picture.

    either_way : also white ones on black
    pool : bytes for points on the board
    Raises TooManyBlocks where the board runs out of those.
    """
    height, width = gray.shape
    if height < _TILE or width < _TILE:
        return []
    slots, quads = _Slots(2), []
    for boundary in find_boundaries(binarise(gray), pool):
        if not _LEAST_POINTS <= len(boundary.x) <= 3 * (2 * width + 2 * height):
            continue
        quad = _fit_quad(gray, boundary, either_way, slots)
        if quad is not None:
            quads.append(quad)
    return quads


def refine(gray: np.ndarray, quad: np.ndarray) -> np.ndarray:
    """The corners again, from lines through the steepest places near the sides."""
    height, width = gray.shape
    levels, lines = gray.astype(np.int64), []
    offsets = np.arange(-2, 2.25, 0.25)[None, :]
    for i in range(4):
        (ax, ay), (bx, by) = quad[i].astype(np.float64), quad[(i + 1) % 4].astype(np.float64)
        # The differences are of singles.
        nx, ny = float(quad[(i + 1) % 4, 1] - quad[i, 1]), float(quad[i, 0] - quad[(i + 1) % 4, 0])
        length = math.sqrt(nx * nx + ny * ny)
        nx, ny = nx / length, ny / length
        samples = max(16, int(length / 8))
        part = (1.0 + np.arange(samples)) / (samples + 1)
        x, y = part * ax + (1 - part) * bx, part * ay + (1 - part) * by

        def look(reach, x=x, y=y, nx=nx, ny=ny):
            column = np.trunc(x[:, None] + (offsets + reach) * nx).astype(np.int64)
            row = np.trunc(y[:, None] + (offsets + reach) * ny).astype(np.int64)
            inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
            return inside, levels[np.where(inside, row, 0), np.where(inside, column, 0)]

        (in_one, one), (in_two, two) = look(1), look(-1)
        weight = np.where(in_one & in_two & (one >= two), (two - one) ** 2, 0).astype(np.float64)
        total = weight.sum(1)
        some = total > 0
        shift = (weight * offsets).sum(1)[some] / total[some]
        x, y = x[some] + shift * nx, y[some] + shift * ny
        with np.errstate(divide="ignore", invalid="ignore"):
            count = np.float64(len(x))
            mx, my = x.sum() / count, y.sum() / count
            xx, xy, yy = (s / count for s in ((x * x).sum(), (x * y).sum(), (y * y).sum()))
        lines.append((mx, my, *_normal(xx - mx * mx, xy - mx * my, yy - my * my)))
    result = quad.copy()
    for i in range(4):
        point, _ = crossing(lines[i], lines[(i + 1) % 4])
        if point is not None:
            result[i] = point
    return result


def _segments_cross(a, b, c, d) -> bool:
    """Whether the segments a-b and c-d meet; parallel ones never do."""
    u, v = b - a, d - c
    with np.errstate(invalid="ignore", divide="ignore"):
        u = u / float(_F(math.hypot(*u)))
        v = v / float(_F(math.hypot(*v)))
    det = -u[0] * v[1] + v[0] * u[1]
    if not abs(det) >= 1e-8:
        return False
    gap = c - a
    at = a + u * (-v[1] / det * gap[0] + v[0] / det * gap[1])
    for start, end, way in ((a, b, u), (c, d, v)):
        last, here = (end - start) @ way, (at - start) @ way
        if (here < 0 and here < last) or (here > 0 and here > last):
            return False
    return True


def _contains(quad, point) -> bool:
    inside = False
    for (x1, y1), (x2, y2) in zip(quad, np.roll(quad, -1, 0), strict=True):
        if (y1 > point[1]) != (y2 > point[1]):
            if point[0] < (x2 - x1) * (point[1] - y1) / (y2 - y1) + x1:
                inside = not inside
    return inside


def overlap(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two quadrangles share some of the plane; float64 (4, 2)."""
    for i in range(4):
        for j in range(4):
            if _segments_cross(one[i], one[i - 3], other[j], other[j - 3]):
                return True
    return _contains(one, other[:3].mean(0)) or _contains(other, one[:3].mean(0))


def distinct(found: list, corners, alike, key) -> list:
    """Without those that overlap a better one of `found`.

    corners(item) : (4, 2); alike(a, b) : whether they can stand for the same; key(item) : a tuple,
    the smaller the better. The last takes the place of one that goes, as on the board.
    """
    found = list(found)
    i = 0
    while i < len(found):
        j = i + 1
        while j < len(found):
            one, other = found[i], found[j]
            points = (np.asarray(corners(v), np.float64) for v in (one, other))
            if not alike(one, other) or not overlap(*points):
                j += 1
                continue
            gone = j if key(one) < key(other) else i
            found[gone] = found[-1]
            found.pop()
            if gone == i:
                j = len(found) + 1
        if j == len(found):
            i += 1
    return found
