"""Winograd's minimal ways to 3x3 convolutions in exact integers: their matrices, and when they fit.

For a patch d of a map and nine weights w, the outputs are A[(G w G') * (B d B')]A' with small
matrices, where * multiplies element by element: F(2x2, 3x3) takes 16 products for 2x2 outputs
where the direct way takes 36, F(4x4, 3x3) takes 36 for 4x4 outputs instead of 144. The usual
matrices hold fractions. Here all are whole, and what comes out is a known multiple of the sum.

Exactness: a transformed input, and a transformed weight of a layer that `exact` lets through, fits
16 bits, so a product of pairs is exact in 32 bits. All that follows are additions and
multiplications by constants modulo 2**32, where it does not matter whether something overflows on
the way. The odd part of the multiple is taken off by its inverse modulo 2**32. What is then left
is the sum times a power of two, which fits 32 bits and so is right itself; a shift gives the sum.
Source of the ways: Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2015.
F(4x4) evaluates at 0, 1, -1, 2, -2 and infinity. The factors its A would need are partly in G, as
far as the sums of G's rows leave room.
"""

from __future__ import annotations

from typing import NamedTuple


class Scheme(NamedTuple):
    """F(size x size, 3x3). spread: B; weigh: G; gather: A. Along one side, output i comes out
    times odd * 2**shifts[i]."""

    size: int
    spread: tuple
    weigh: tuple
    gather: tuple
    odd: int
    shifts: tuple

    @property
    def side(self) -> int:
        """Pixels along a patch."""
        return self.size + 2

    @property
    def kinds(self) -> int:
        """Products of a patch."""
        return self.side**2

    @property
    def inverse(self) -> int:
        """Of odd * odd, modulo 2**32."""
        return pow(self.odd, -2, 1 << 32)

    def exact(self, low: int, high: int, factor: int) -> bool:
        """Whether a layer whose sums lie in low to high, with weights of up to 255 plus the factor,
        comes out exact."""
        limit = 1 << 31 - 2 * max(self.shifts)
        return (-limit <= low and high < limit
                and most(self.weigh) ** 2 * max(abs(factor), abs(255 + factor)) < 1 << 15)


def most(matrix) -> int:
    """How many times the largest number a product with the matrix can be."""
    return max(sum(map(abs, row)) for row in matrix)


def apart(size: int) -> int:
    """Bytes from one kind to the next, of which each has `size`: an odd number of cache lines,
    since places of all kinds are worked on at once and should not share sets of the cache."""
    return ((size + 63) // 64 | 1) * 64


TWO = Scheme(
    2,
    ((1, 0, -1, 0), (0, 1, 1, 0), (0, -1, 1, 0), (0, 1, 0, -1)),
    ((2, 0, 0), (1, 1, 1), (1, -1, 1), (0, 0, 2)),
    ((1, 1, 1, 0), (0, 1, -1, -1)),
    1, (1, 1))
FOUR = Scheme(
    4,
    ((4, 0, -5, 0, 1, 0), (0, -4, -4, 1, 1, 0), (0, 4, -4, -1, 1, 0),
     (0, -2, -1, 2, 1, 0), (0, 2, -1, -2, 1, 0), (0, 4, 0, -5, 0, 1)),
    ((6, 0, 0), (2, 2, 2), (2, -2, 2), (1, 2, 4), (1, -2, 4), (0, 0, 6)),
    ((1, -2, -2, 1, 1, 0), (0, -1, 1, 1, -1, 0), (0, -1, -1, 2, 2, 0), (0, -1, 1, 4, -4, 2)),
    3, (3, 2, 2, 2))
BY_SIZE = {scheme.size: scheme for scheme in (TWO, FOUR)}
