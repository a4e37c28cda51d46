"""Finding rectangles, seen from anywhere: quadrangles with strong edges.

Ref: sipeed/MaixPy-v1 components/micropython/port/src/omv/img/apriltag.c and line.c, d8901fd.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from k210sim.imaging import quads
from k210sim.imaging.colour import to_grayscale
from k210sim.imaging.hough import ROOM, clip_line


class Rect(NamedTuple):
    """A box around a quadrangle, its corners from the upper left clockwise, its edges' strength."""

    x: int
    y: int
    w: int
    h: int
    magnitude: int
    corners: tuple[tuple[int, int], ...]


def pixels_on(line) -> tuple[np.ndarray, np.ndarray]:
    """(xs, ys) of a line's pixels, both ends included, by Bresenham from the middle."""
    x1, y1, x2, y2 = line
    wide, high = abs(x2 - x1), abs(y2 - y1)
    right, down = int(np.sign(x2 - x1)), int(np.sign(y2 - y1))
    steps = np.arange(max(wide, high) + 1)
    if wide >= high:
        across = ((wide >> 1) + steps * high) // max(wide, 1)
        return x1 + right * steps, y1 + down * across
    across = ((high >> 1) + steps * wide) // high
    return x1 + right * across, y1 + down * steps


def edge_strength(gray: np.ndarray, xs, ys) -> np.ndarray:
    """int64: Sobel gradient's length at the places, cut off; the picture's edges repeat."""
    padded = np.pad(gray.astype(np.int64), 1, mode="edge")

    def at(dx, dy):
        return padded[ys + 1 + dy, xs + 1 + dx]

    x = at(-1, -1) + 2 * at(-1, 0) + at(-1, 1) - at(1, -1) - 2 * at(1, 0) - at(1, 1)
    y = at(-1, -1) + 2 * at(0, -1) + at(1, -1) - at(-1, 1) - 2 * at(0, 1) - at(1, 1)
    return np.sqrt((x * x + y * y).astype(np.float32)).astype(np.int64)


def whole_points(quad, roi) -> list[tuple[int, int]]:
    """The corners cut off to whole pixels of the picture, from the upper left clockwise."""
    return [(int(x) + roi[0], int(y) + roi[1]) for x, y in quad[::-1]]


def bounding_box(points) -> tuple[int, int, int, int]:
    xs, ys = zip(*points, strict=True)
    return min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)


def find_rects(image: np.ndarray, roi, threshold: int, room: int = ROOM) -> list[Rect]:
    """The quadrangles within the box `roi` whose edges add up to `threshold`.

    Raises quads.TooManyBlocks where the board runs out of scratch blocks, MemoryError where the
    box is too large for its memory.
    """
    x, y, w, h = roi
    whole = to_grayscale(image)
    gray = whole[y : y + h, x : x + w]
    pool = (room - 8 * w * h) // (w * h) * (w * h)
    if pool < 128 * 16:
        raise MemoryError
    found = [quads.refine(gray, quad) for quad in quads.find_quads(gray, True, pool)]
    found = quads.distinct(found, lambda q: q, lambda a, b: True, lambda q: tuple(q.ravel()))
    rects = []
    for quad in found:
        points = whole_points(quad, roi)
        magnitude = 0
        for one, other in zip(points[::-1], points[-2::-1] + points[-1:], strict=True):
            line = clip_line((*one, *other), *image.shape[::-1])
            if line is not None:
                magnitude += int(edge_strength(whole, *pixels_on(line)).sum())
        if magnitude >= threshold:
            rects.append(Rect(*bounding_box(points), magnitude, tuple(points)))
    return rects
