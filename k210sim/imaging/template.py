"""Finding a picture in a picture by normalised cross-correlation.

Ref: sipeed/MaixPy-v1 components/micropython/port/src/omv/img/template.c, d8901fd.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from k210sim.imaging.rounding import fused

_F = np.float32
_WORD = 0xFFFFFFFF


class Match(NamedTuple):
    """The best place and how well it fits there (1 is the same)."""

    box: tuple[int, int, int, int]
    score: float


def _int32(value):
    return (value + (1 << 31) & _WORD) - (1 << 31)


def _score(product, spread, template_spread) -> np.ndarray:
    """product / (root spread * root template_spread) in single precision; arrays or numbers."""
    with np.errstate(divide="ignore", invalid="ignore"):
        roots = np.sqrt(np.asarray(spread).astype(_F)) * np.sqrt(_F(template_spread))
        return np.asarray(_int32(product)).astype(_F) / roots


def _centred(template: np.ndarray) -> np.ndarray:
    template = template.astype(np.int64)
    return template - template.sum() // template.size


def find_exhaustive(image, template, roi, step: int) -> Match:
    """The best of every `step`-th place in `roi`; uint8 pictures. Without any, score 0."""
    pixels, weights = image.astype(np.int64), _centred(template)
    left, top, w, h = roi
    height, width = weights.shape
    area = _F(width * height)
    columns = np.arange(left, left + w - width + 1, step)
    rows = np.arange(top, top + h - height + 1, step)
    sums = np.pad(pixels.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    squares = np.pad((pixels**2).cumsum(0).cumsum(1), ((1, 0), (1, 0)))

    def boxed(table):
        below, right = rows + height, columns + width
        total = table[np.ix_(below, right)] - table[np.ix_(rows, right)]
        return total - table[np.ix_(below, columns)] + table[np.ix_(rows, columns)]

    total = boxed(sums)
    mean = (total.astype(_F) / area).astype(np.int64)
    product = np.zeros(total.shape, np.int64)
    for y in range(height):
        for x in range(width):
            product += pixels[np.ix_(rows + y, columns + x)] * weights[y, x]
    product -= mean * weights.sum()
    whole = total.astype(_F)
    spread = fused(-whole, whole / area, (boxed(squares) & _WORD).astype(_F))
    spread = np.maximum(spread, _F(0)).astype(np.int64)
    score = np.nan_to_num(_score(product, spread, (weights**2).sum() & _WORD), nan=-1.0)
    if not score.size or score.max() <= 0:
        return Match((0, 0, 0, 0), 0.0)
    y, x = np.unravel_index(int(score.argmax()), score.shape)
    box = int(columns[x]), int(rows[y]), width, height
    return Match(box, float(score[y, x]))


def _around(x: int, y: int, step: int):
    """The centre and eight points of a diamond; as in C, half of the step is cut off."""
    half = step // 2
    yield x, y
    for dx, dy in (
        (step, 0), (half, half), (0, step), (-half, half),
        (-step, 0), (-half, -half), (0, -step), (half, -half),
    ):  # fmt: skip
        yield x + dx, y + dy


def find_diamond(image, template) -> Match:
    """Search from the middle of the picture in diamonds that shrink where the centre is best."""
    pixels, weights = image.astype(np.int64), _centred(template)
    (height, width), (rows, columns) = pixels.shape, weights.shape
    template_spread = int((weights**2).sum()) & _WORD

    def score_at(x, y):
        x, y = max(x, 0), max(y, 0)
        part = pixels[y : y + rows, x : x + columns]
        off = part - part.sum() // part.size
        h, w = part.shape
        product = int((off * weights[:h, :w]).sum())
        return float(_score(product, int((off * off).sum()) & _WORD, template_spread))

    centre = width // 2 - columns // 2, height // 2 - rows // 2
    best, at, step = float("-inf"), (0, 0), columns
    while step > 0:
        for point in _around(*centre, step):
            if point[0] >= width or point[1] >= height:
                continue
            score = score_at(*point)
            if score > best:
                best, at = score, point
        if at == centre:
            step -= 1
        centre = at
    x, y = centre
    # A box over the left or the upper edge keeps its size.
    box = max(x, 0), max(y, 0), min(columns, width - x), min(rows, height - y)
    return Match(box, best)
