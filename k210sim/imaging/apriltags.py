"""Finding AprilTags: quadrangles whose inside is a code of a family.

Single cells that lie on an edge, and last digits of poses, depend on the rounding of the
decompositions, which are numpy's here.
Ref: sipeed/MaixPy-v1 components/micropython/port/src/omv/img/apriltag.c, d8901fd.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from k210sim.imaging import quads
from k210sim.imaging.colour import to_grayscale
from k210sim.imaging.hough import ROOM
from k210sim.imaging.rects import bounding_box, whole_points
from k210sim.imaging.rounding import fast_atan2
from k210sim.imaging.tag_families import FAMILIES, Family

_F = np.float32
_SQUARE = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)], np.float64)


class AprilTag(NamedTuple):
    """A tag that was found. Angles in radians 0..2 pi; lengths in half sides of the tag."""

    x: int
    y: int
    w: int
    h: int
    id: int
    family: int
    cx: int
    cy: int
    rotation: float
    decision_margin: float
    hamming: int
    goodness: float
    x_translation: float
    y_translation: float
    z_translation: float
    x_rotation: float
    y_rotation: float
    z_rotation: float
    corners: tuple[tuple[int, int], ...]


class _Found(NamedTuple):
    family: Family
    id: int
    hamming: int
    margin: float
    projection: np.ndarray
    corners: np.ndarray


def homography(quad: np.ndarray) -> np.ndarray | None:
    """float64 (3, 3) that takes the square from -1 to 1 to the corners; None without an inverse."""
    points = quad.astype(np.float64)
    centre = points.mean(0)
    rows = []
    for (x, y), (u, v) in zip(_SQUARE, points - centre, strict=True):
        rows.append([x, y, 1, 0, 0, 0, -x * u, -y * u, -u])
        rows.append([0, 0, 0, x, y, 1, -x * v, -y * v, -v])
    if not np.isfinite(rows).all():
        return None
    central = np.linalg.svd(np.array(rows))[2][-1].reshape(3, 3)
    back = np.eye(3)
    back[:2, 2] = centre
    result = back @ central
    return result if abs(np.linalg.det(result)) > 1e-12 else None


def project(matrix: np.ndarray, points) -> np.ndarray:
    """Points (n, 2) through a homography."""
    points = np.asarray(points, np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        full = points @ matrix[:, :2].T + matrix[:, 2]
        return full[:, :2] / full[:, 2:]


def _sample(gray, matrix, points):
    """(inside, levels) of the picture at points of the tag, cut off to whole pixels."""
    height, width = gray.shape
    places = np.nan_to_num(project(matrix, points), nan=-2.0, posinf=1e9, neginf=-1e9)
    column, row = np.trunc(places).astype(np.int64).T
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    return inside, gray[np.where(inside, row, 0), np.where(inside, column, 0)].astype(np.float64)


def _plane(points, levels) -> np.ndarray:
    """(a, b, c) of the brightness a x + b y + c that fits best; NaNs when it is not determined."""
    rows = np.column_stack([points, np.ones(len(points))])
    try:
        return np.linalg.solve(rows.T @ rows, rows.T @ levels)
    except np.linalg.LinAlgError:
        return np.full(3, np.nan)


def _border(side: int):
    """Points of the cells around the code: (white ones outside, black ones inside)."""
    cells = side + 2
    along = np.arange(cells) + 0.5
    kinds = []
    for away in (-0.5, 0.5):
        lines = []
        for at in (away, cells - away):
            lines += [np.column_stack([np.full(cells, at), along])]
            lines += [np.column_stack([along, np.full(cells, at)])]
        kinds.append(2 * (np.concatenate(lines) / cells - 0.5))
    return kinds


def _turned(code: int, side: int) -> int:
    """The code of the tag turned by a quarter."""
    result = 0
    for row in reversed(range(side)):
        for column in range(side):
            result = result << 1 | code >> (row + side * column) & 1
    return result


def _ones(values: np.ndarray) -> np.ndarray:
    return np.unpackbits(values.view(np.uint8).reshape(-1, 8), axis=1).sum(1)


def look_up(code: int, family: Family) -> tuple[int, int, int] | None:
    """(id, wrong cells, quarter turns) of the first code that is near enough; None without."""
    for turns in range(4):
        wrong = _ones(family.codes ^ np.uint64(code))
        near = np.flatnonzero(wrong <= family.correctable)
        if len(near):
            return int(near[0]), int(wrong[near[0]]), turns
        code = _turned(code, family.side)
    return None


def _read(gray, matrix, family: Family) -> tuple[int, float] | None:
    """The code in the quadrangle, and by how much its cells are black or white."""
    planes = []
    for points in _border(family.side):
        inside, levels = _sample(gray, matrix, points)
        planes.append(_plane(points[inside], levels[inside]))
    white, black = planes
    if white[2] - black[2] < 0:
        return None
    at = 2 * ((np.arange(family.side) + 1.5) / (family.side + 2) - 0.5)
    y, x = (v.ravel() for v in np.meshgrid(at, at, indexing="ij"))
    points = np.column_stack([x, y])
    inside, levels = _sample(gray, matrix, points)
    middle = sum(p[0] * x + p[1] * y + p[2] for p in (black, white)) / 2
    code, scores, counts = 0, [_F(0), _F(0)], [_F(1), _F(1)]
    for good, level, limit in zip(inside, levels, middle, strict=True):
        bright = bool(good and level > limit)
        code = code << 1 | bright
        if good:
            scores[bright] = _F(scores[bright] + abs(level - limit))
            counts[bright] += _F(1)
    return code, float(min(scores[0] / counts[0], scores[1] / counts[1]))


def _pose(matrix, fx: float, fy: float, cx: float, cy: float):
    """Rotation (3, 3) and translation (3,) of the tag before a camera that looks along -z."""
    parts = matrix.copy()
    parts[0] = (matrix[0] - cx * matrix[2]) / fx
    parts[1] = (matrix[1] - cy * matrix[2]) / fy
    lengths = [float(np.sqrt(_F((parts[:, i] ** 2).sum()))) for i in range(2)]
    scale = 1.0 / float(np.sqrt(_F(lengths[0] * lengths[1])))
    parts *= -scale if matrix[2, 2] > 0 else scale
    one, two, move = parts.T
    u, _, v = np.linalg.svd(np.column_stack([one, two, np.cross(one, two)]))
    return u @ v, move


def _detect(gray, families, pool: int) -> list[_Found]:
    found = []
    for quad in quads.find_quads(gray, False, pool):
        matrix = homography(quads.refine(gray, quad))
        if matrix is None:
            continue
        for family in families:
            read = _read(gray, matrix, family)
            match = look_up(read[0], family) if read else None
            if match is None or not read[1] >= 0:
                continue
            number, wrong, turns = match
            c, s = ((1, 0), (0, -1), (-1, 0), (0, 1))[turns]
            turned = matrix @ np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]], np.float64)
            corners = project(turned, _SQUARE[::-1])
            found.append(_Found(family, number, wrong, read[1], turned, corners))
    found = quads.distinct(
        found,
        lambda tag: tag.corners,
        lambda a, b: a.id == b.id and a.family is b.family,
        lambda tag: (tag.hamming, -tag.margin, *tag.corners.ravel()),
    )
    return sorted(found, key=lambda tag: tag.id)


def find_apriltags(image, roi, families: int, lens, room: int = ROOM) -> list[AprilTag]:
    """The tags of the families (a sum of their numbers) within the box `roi`.

    lens : focal lengths fx and fy and centre cx and cy, in pixels
    Raises quads.TooManyBlocks where the board runs out of scratch blocks, MemoryError where the
    box is too large for its memory.
    """
    x, y, w, h = roi
    gray = to_grayscale(image)[y : y + h, x : x + w]
    pool = (room - 5 * w * h) // (w * h) * (w * h)
    if pool < 128 * 16:
        raise MemoryError
    fx, fy, cx, cy = (float(_F(v)) for v in lens)
    chosen = [family for number, family in FAMILIES.items() if families & number]
    result = []
    for tag in _detect(gray, chosen, pool):
        points = whole_points(tag.corners, roi)
        middle = project(tag.projection, [(0, 0)])[0]
        turn, move = _pose(tag.projection, -fx, fy, cx, cy)
        flat = np.sqrt(_F(turn[2, 1] ** 2 + turn[2, 2] ** 2))
        angles = [
            float(fast_atan2(a, b))
            for a, b in (
                (turn[2, 1], turn[2, 2]), (-turn[2, 0], flat), (turn[1, 0], turn[0, 0]),
            )
        ]  # fmt: skip
        result.append(
            AprilTag(
                *bounding_box(points), tag.id, tag.family.number,
                int(middle[0]) + x, int(middle[1]) + y, angles[2],
                float(_F(tag.margin / 255)), tag.hamming, 0.0,
                *(float(_F(v)) for v in move), *angles, tuple(points),
            )
        )  # fmt: skip
    return result
