"""Local binary patterns: which of a pixel's eight neighbours are at least as bright, counted for
each of 7 x 7 parts of a box.

Ref: sipeed/MaixPy-v1 components/micropython/port/src/omv/img/lbp.c, d8901fd; T. Ahonen, A. Hadid,
M. Pietikainen, "Face Description with Local Binary Patterns", 2006.
"""

from __future__ import annotations

import numpy as np

PARTS = 7
_OTHER = 58  # the bin of all patterns with more than two changes around the circle
BINS = _OTHER + 1
SIZE = PARTS * PARTS * BINS
# How much each part counts when two faces are compared, row by row.
_WEIGHTS = np.array([int(d) for d in "2111112" "2441442" "1110111" "0110110" "0111110" "0112110"
                     "0111110"])  # fmt: skip
# The neighbours from the lowest bit up: clockwise from the upper left.
_CIRCLE = ((0, 0), (1, 0), (2, 0), (2, 1), (2, 2), (1, 2), (0, 2), (0, 1))


def _bins() -> np.ndarray:
    """uint8 (256,): the bin of each pattern; patterns with at most two changes have their own."""
    table = np.full(256, _OTHER, np.uint8)
    count = 0
    for pattern in range(256):
        turned = pattern >> 1 | (pattern & 1) << 7
        if bin(pattern ^ turned).count("1") <= 2:
            table[pattern] = count
            count += 1
    return table


_BIN_OF = _bins()


def describe(image: np.ndarray, roi) -> np.ndarray:
    """uint8 (SIZE,): counts, modulo 256, of each bin in each part; grayscale picture.

    As on the board the whole picture's width and height are walked from the box's corner: beyond
    the right edge the next row follows, and what lies right of the box counts for the next parts.
    What would be counted beyond the last part (the board writes past the descriptor there) is
    left out, and pixels below the picture, whatever lies there on the board, are black.
    Both sides of the box have 7 pixels or more.
    """
    left, top, w, h = roi
    height, width = image.shape
    high, wide = h // PARTS, w // PARTS
    rows = np.arange(top, top + height - 3)
    rows = rows[(rows - top) // high < PARTS]
    columns = np.arange(left, left + width - 3)
    memory = np.concatenate([image.ravel(), np.zeros(3 * width + 3, np.uint8)])
    if rows.size:
        memory = np.pad(memory, (0, max(0, (int(rows[-1]) + 4) * width + left - memory.size + 3)))
    place = rows[:, None] * width + columns[None, :]
    centre = memory[place + width + 1]
    pattern = np.zeros(place.shape, np.int64)
    for bit, (x, y) in enumerate(_CIRCLE):
        pattern |= (memory[place + y * width + x] >= centre).astype(np.int64) << bit
    part = (rows - top)[:, None] // high * PARTS + (columns - left)[None, :] // wide
    index = (part * BINS + _BIN_OF[pattern]).ravel()
    return np.bincount(index[index < SIZE], minlength=SIZE).astype(np.uint8)


def distance(one: np.ndarray, other: np.ndarray) -> int:
    """How different two descriptors are: weighted chi-squared, each term cut off."""
    one, other = one.astype(np.int64), other.astype(np.int64)
    terms = (one - other) ** 2 // np.maximum(one + other, 1)
    return int((terms.reshape(-1, BINS).sum(1) * _WEIGHTS).sum())
