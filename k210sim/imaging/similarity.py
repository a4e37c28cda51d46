"""How much two pictures look alike: structural similarity of blocks of 8 x 8 pixels.

Ref: sipeed/MaixPy-v1 components/micropython/port/src/omv/img/stats.c, d8901fd.
"""

from __future__ import annotations

import numpy as np

from k210sim.imaging.colour import lab_table
from k210sim.imaging.formats import BINARY, RGB565, kind_of

_F = np.float32


def _levels(image: np.ndarray) -> tuple[np.ndarray, int]:
    kind = kind_of(image)
    if kind == RGB565:
        return lab_table()[:, 0][image].astype(np.int64), 100
    return image.astype(np.int64), 1 if kind == BINARY else 255


def get_similarity(image: np.ndarray, other: np.ndarray) -> dict[str, float]:
    """Mean, standard deviation, minimum and maximum of the blocks' similarity, at most 1.

    As on the board, block x takes the columns from x, not from 8 x, so only the pictures' left
    parts count.
    """
    (ours, top), (theirs, _) = _levels(image), _levels(other)
    height, width = image.shape
    c1, c2 = _F(top) * _F(0.01), _F(top) * _F(0.03)
    total, squares, least, most = _F(0), _F(0), np.finfo(_F).max, np.finfo(_F).tiny
    columns = (width + 7) // 8
    for y in range(0, height, 8):
        for x in range(columns):
            span = slice(x, x + min(width - 8 * x, 8))
            a, b = ours[y : y + 8, span], theirs[y : y + 8, span]
            mx, my = int(a.sum()) // a.size, int(b.sum()) // b.size
            vx = int((a * a).sum()) - 2 * mx * int(a.sum()) + a.size * mx * mx
            vy = int((b * b).sum()) - 2 * my * int(b.sum()) + b.size * my * my
            both = int((a * b).sum()) - mx * int(b.sum()) - my * int(a.sum()) + a.size * mx * my
            above = (_F(2 * mx * my) + c1) * (_F(2 * both) + c2)
            value = above / ((_F(mx * mx + my * my) + c1) * (_F(vx + vy) + c2))
            total, squares = total + value, squares + value * value
            least, most = min(least, value), max(most, value)
    blocks = _F(columns * ((height + 7) // 8))
    mean = total / blocks
    with np.errstate(invalid="ignore"):
        deviation = np.sqrt(squares / blocks - mean * mean)
    return {"mean": mean, "stdev": deviation, "min": least, "max": most}
