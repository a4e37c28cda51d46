"""Finding line segments (LSD): regions of like gradient whose rectangles are no chance.

Single precision throughout; angles are kept in whole degrees, as on the board. There is no
smoothing or scaling before. The board's compiler fuses and reorders some steps, so that single
segments of a picture full of faint ones can differ.
Ref: sipeed/MaixPy-v1 components/micropython/port/src/omv/img/lsd.c and line.c, d8901fd;
R. Grompone von Gioi et al., "LSD: A Fast Line Segment Detector with a False Detection Control".
"""

from __future__ import annotations

import math

import numpy as np

from k210sim.imaging.colour import to_grayscale
from k210sim.imaging.hough import COSINE, ROOM, SINE, Line, clip_line
from k210sim.imaging.rects import pixels_on
from k210sim.imaging.rounding import fast_atan2, fused

_F = np.float32
_BINS = 1024
_TOLERANCE = 22.5  # degrees
_LEAST_DENSITY = 0.7
_STEP = 2.0  # greatest error of a gradient by quantisation
_NOWHERE = (
    -512.0
)  # the angle of a pixel without a gradient: in degrees at the edge, in radians else
_DEGREES = _F(180 / math.pi)
# The board's scratch memory for a pixel: two 16-bit maps, list, marks, region.
_PIXEL_BYTES = 2 + 2 + 16 + 1 + 8


def _gradients(gray: np.ndarray):
    """int16 (h, w) angles in degrees and strengths, and the pixels (x, y) from strong to weak."""
    from k210sim.imaging.kernels.segments import gradient_angles

    levels = gray.astype(np.int64)
    one = levels[1:, 1:] - levels[:-1, :-1]
    two = levels[:-1, 1:] - levels[1:, :-1]
    gx, gy = (one + two).astype(_F), (one - two).astype(_F)
    norm = np.sqrt((gx * gx + gy * gy) / _F(4))
    limit = _F(_STEP) / _F(math.sin(_F(math.radians(_TOLERANCE))))
    angles = np.full(gray.shape, int(_NOWHERE), np.int16)
    strength = np.zeros(gray.shape, np.int16)
    strength[:-1, :-1] = norm.astype(np.int64)
    inner = np.empty(norm.shape, np.int16)
    gradient_angles(np.ascontiguousarray(one), np.ascontiguousarray(two), _DEGREES, inner)
    angles[:-1, :-1] = np.where(norm <= limit, int(_NOWHERE * 180 / math.pi), inner)
    most = norm[norm > limit].max(initial=0)
    kept = strength[:-1, :-1]
    with np.errstate(divide="ignore", invalid="ignore"):
        part = kept.astype(_F) * _F(_BINS) / _F(most)
    part = np.nan_to_num(part, nan=_BINS, posinf=_BINS)
    level = np.minimum(part.astype(np.int64), _BINS - 1)
    # Column by column within a level.
    order = np.argsort(-level.T.ravel(), kind="stable")
    height = kept.shape[0]
    seeds = np.stack([order // height, order % height], 1).astype(np.int32)
    return angles, strength, np.ascontiguousarray(seeds)


def _length(x: int, y: int) -> int:
    return int(np.sqrt(_F(x * x + y * y)))


def _near(line, other, most: int) -> bool:
    """Whether an end of `other` is within `most` pixels of the line's pixels."""
    xs, ys = pixels_on(line)
    for x, y in (other[:2], other[2:]):
        squares = (xs - x) ** 2 + (ys - y) ** 2
        if (np.sqrt(squares.astype(_F)).astype(np.int64) <= most).any():
            return True
    return False


def _quotient(a: int, b: int) -> int:
    """As the processor divides: cut off, and -1 by nothing."""
    if b == 0:
        return -1
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


def _stretched(line, other, longer_first: bool):
    """The line from the one's least to the other's greatest place along its main direction."""
    x1, y1, x2, y2 = line
    steep = abs(x2 - x1) < abs(y2 - y1)
    if steep:
        line, other = (line[1], line[0], *line[:1:-1]), (other[1], other[0], *other[:1:-1])
    if line[2] < line[0]:
        line = (*line[2:], *line[:2])
    if other[2] < other[0]:
        other = (*other[2:], *other[:2])
    base = line if longer_first else other
    run, rise = line[2] - line[0], line[3] - line[1]
    start, end = min(line[0], other[0]), max(line[2], other[2])
    first = base[1] - _quotient(rise * (base[0] - start), run)
    last = base[3] + _quotient(rise * (end - base[2]), run)
    return (first, start, last, end) if steep else (start, first, end, last)


def merge(segments, most: int, most_turn: int):
    """Join segments (line, theta, magnitude, rho) that nearly continue each other."""
    again = True
    while again:
        again, rest, segments = False, list(segments), []
        while rest:
            one, others = rest.pop(0), []
            for other in rest:
                line, more = one[0], other[0]
                lengths = [_length(v[2] - v[0], v[3] - v[1]) for v in (line, more)]
                turn = abs(one[1] - other[1])
                turn = 180 - turn if turn >= 90 else turn
                longer = lengths[0] > lengths[1]
                pair = (line, more) if longer else (more, line)
                if turn <= most_turn and _near(*pair, most):
                    one = (_stretched(line, more, longer), *one[1:])
                    again = True
                else:
                    others.append(other)
            rest = others
            segments.append(one)
    return segments


def find_line_segments(
    image, roi, merge_distance: int = 0, max_theta_diff: int = 15, room: int = ROOM
) -> list[Line]:
    """The segments within the box `roi` (x, y, w, h); magnitude is -log10 of chance, cut off.

    Raises MemoryError where the board gives up, mostly because the box is too large.
    """
    from k210sim.imaging.kernels import segments as kernels

    left, top, w, h = roi
    if w * h * _PIXEL_BYTES + 16 * _BINS > room:
        raise MemoryError
    gray = to_grayscale(image)[top : top + h, left : left + w]
    angles, strength, seeds = _gradients(gray)
    tolerance, p = _F(math.pi * _TOLERANCE / 180), _F(_TOLERANCE / 180)
    tests = _F(2.5) * (np.log10(_F(w)) + np.log10(_F(h))) + np.log10(_F(11))
    least = int(-tests / np.log10(p))
    found = np.empty((w * h, 5), np.float32)
    used, turns = np.zeros((h, w), np.uint8), np.stack([COSINE, SINE])
    count = kernels.find_segments(
        seeds, angles, strength, used, turns, tolerance, p, _F(tests), least,
        _F(_LEAST_DENSITY), found,
    )  # fmt: skip
    if count < 0:
        raise MemoryError
    segments = []
    for *ends, magnitude in found[:count]:
        line = clip_line([int(v) for v in ends], w, h)
        if line is None:
            continue
        x1, y1, x2, y2 = (v + o for v, o in zip(line, (left, top, left, top), strict=True))
        dx, dy = x2 - x1, y2 - y1
        angle = (fast_atan2(dy, dx) if dx else _F(1.570796)) + _F(1.570796)
        theta = int(angle * _F(57.295780)) % 180
        middle = x1 + _quotient(dx, 2), y1 + _quotient(dy, 2)
        rho = int(fused(_F(middle[0]), COSINE[theta], _F(middle[1]) * SINE[theta]))
        segments.append(((x1, y1, x2, y2), theta, int(magnitude), rho))
    if merge_distance:
        segments = merge(segments, merge_distance, max_theta_diff)
    return [
        Line(*line, _length(line[2] - line[0], line[3] - line[1]), magnitude, theta, rho)
        for line, theta, magnitude, rho in segments
    ]
