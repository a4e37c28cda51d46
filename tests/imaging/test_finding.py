"""Finding templates, lines, rectangles, tags and textures; equalising."""

import math

import numpy as np
import pytest

from k210sim.errors import NotSimulated
from k210sim.imaging import (
    apriltags,
    draw,
    equalise,
    invariant,
    lbp,
    quads,
    rects,
    regression,
    segments,
    template,
)
from k210sim.imaging.colour import pack
from k210sim.imaging.morph import Threshold
from k210sim.imaging.tag_families import FAMILIES

RNG = np.random.default_rng(5)


def noise(height, width):
    return RNG.integers(0, 256, (height, width), np.uint8)


def polygon(shape, corners, level, ground):
    """A picture with a filled convex polygon, corners clockwise."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    inside = np.ones(shape, bool)
    for (x1, y1), (x2, y2) in zip(corners, [*corners[1:], corners[0]], strict=True):
        inside &= (x2 - x1) * (y - y1) - (y2 - y1) * (x - x1) >= 0
    return np.where(inside, level, ground).astype(np.uint8)


# --- equalising and invariants --------------------------------------------------------------------
def test_limited_counts_keep_their_sum_and_the_limit():
    counts = [900, 3, 0, 40] + [1] * 252
    result = equalise._limited(counts, 20)
    assert sum(result) == sum(counts) and max(result) <= 20
    with pytest.raises(NotSimulated):
        equalise._limited(counts, 2)


def test_adaptive_equalising():
    image = np.tile(np.arange(100, 164, dtype=np.uint8), (48, 1))
    old = image.copy()
    equalise.adaptive_histeq(image, 1.0)
    assert (image == old).all()
    equalise.adaptive_histeq(image, -1.0)
    assert image.min() < 30 and image.max() > 225
    mask = np.zeros(old.shape, bool)
    mask[:, 10:20] = True
    masked = old.copy()
    equalise.adaptive_histeq(masked, -1.0, mask)
    assert (masked[mask] == image[mask]).all() and (masked[~mask] == old[~mask]).all()


def test_invariant_colours():
    table = invariant.chroma_table()
    assert table[0] == 0
    assert table[pack(255, 0, 0)] == pack(255, 0, 0)
    gray = {int(table[pack(v, v, v)]) for v in (255,)}
    assert gray == {int(pack(85, 85, 85))}
    # Darker of the same colour is about the same.
    bright, dark = (int(invariant.illumination_table()[pack(*c)]) for c in
                    ((240, 120, 60), (236, 118, 59)))  # fmt: skip
    assert abs((bright >> 11) - (dark >> 11)) <= 1


# --- templates and lines --------------------------------------------------------------------------
def test_template_is_found_where_it_was_cut():
    image = noise(40, 50)
    part = image[12:20, 22:34].copy()
    found = template.find_exhaustive(image, part, (0, 0, 50, 40), 2)
    assert found.box == (22, 12, 12, 8) and found.score == pytest.approx(1, abs=0.01)
    assert template.find_exhaustive(image, part, (23, 0, 27, 40), 1).score < 0.8
    flat = np.full((40, 50), 7, np.uint8)
    assert template.find_exhaustive(flat, part, (0, 0, 50, 40), 2).score == 0


def test_template_by_diamonds():
    y, x = np.mgrid[:60, :80]
    image = (255 * np.exp(-((x - 50) ** 2 + (y - 36) ** 2) / 200)).astype(np.uint8)
    part = image[26:46, 40:60].copy()
    found = template.find_diamond(image, part)
    assert found.box == (40, 26, 20, 20) and found.score == pytest.approx(1, abs=0.01)


def brute_score(image, part, x, y):
    a = image[y : y + part.shape[0], x : x + part.shape[1]].astype(float)
    a, b = a - a.mean(), part - part.mean()
    return (a * b).sum() / math.sqrt((a * a).sum() * (b * b).sum())


def test_template_score_is_the_correlation():
    image, part = noise(12, 14), noise(5, 6)
    found = template.find_exhaustive(image, part, (0, 0, 14, 12), 1)
    best = max(
        ((brute_score(image, part, x, y), (x, y)) for x in range(9) for y in range(8)),
    )
    assert found.box[:2] == best[1] and found.score == pytest.approx(best[0], abs=0.02)


@pytest.mark.parametrize("robust", [False, True])
def test_regression_line(robust):
    image = np.zeros((60, 80), np.uint8)
    draw.draw_line(image, 5, 10, 70, 50, 255)
    args = image, [Threshold.of((200, 255))], False, (0, 0, 80, 60), 1, 1, 10, 10, robust
    line = regression.get_regression(*args)
    assert line.theta == pytest.approx(90 + math.degrees(math.atan2(40, 65)), abs=3)
    if not robust:
        assert line.magnitude > 5
    assert regression.get_regression(image, [Threshold.of((1, 9))], False, (0, 0, 80, 60)) is None
    assert regression.get_regression(
        image, [Threshold.of((200, 255))], False, (0, 0, 80, 60), pixels_threshold=500
    ) is None  # fmt: skip


def test_line_segments():
    image = polygon((60, 80), [(10, 10), (60, 10), (60, 45), (10, 45)], 200, 30)
    found = segments.find_line_segments(image, (0, 0, 80, 60))
    # The board's arctangent fails on the vertical axis, so upright edges come out as points.
    flat = [s for s in found if s.theta in (89, 90)]
    assert sorted(s.y1 for s in flat) == [9, 45]
    assert all(s.length > 40 and s.magnitude >= 10 for s in flat)
    assert segments.find_line_segments(np.full((60, 80), 9, np.uint8), (0, 0, 80, 60)) == []
    part = segments.find_line_segments(image, (2, 30, 70, 28))
    (line,) = (s for s in part if s.length > 40)
    assert line.y1 == line.y2 == 45 and 8 <= line.x1 < line.x2 <= 61
    with pytest.raises(MemoryError):
        segments.find_line_segments(np.zeros((240, 320), np.uint8), (0, 0, 320, 240))


def test_segments_are_merged():
    one = ((0, 10, 20, 10), 90, 7, 10)
    near, far = ((23, 11, 50, 12), 92, 5, 11), ((23, 30, 50, 31), 92, 5, 30)
    assert segments.merge([one, near], 5, 15) == [((0, 11, 50, 12), 90, 7, 10)]
    assert segments.merge([one, far], 5, 15) == [one, far]
    assert segments.merge([one, near], 5, 1) == [one, near]


# --- quadrangles ----------------------------------------------------------------------------------
CORNERS = [(30, 20), (110, 28), (98, 90), (24, 74)]


@pytest.mark.parametrize(("level", "ground"), [(30, 220), (220, 30)])
def test_rectangles_black_and_white(level, ground):
    image = polygon((110, 140), CORNERS, level, ground)
    (rect,) = rects.find_rects(image, (0, 0, 140, 110), 10000)
    for have, want in zip(sorted(rect.corners), sorted(CORNERS), strict=True):
        assert math.dist(have, want) <= 2.5
    assert rect[:2] == (min(x for x, _ in rect.corners), min(y for _, y in rect.corners))
    assert rect.magnitude > 50000
    assert rects.find_rects(image, (0, 0, 140, 110), rect.magnitude + 1) == []
    assert rects.find_rects(image, (0, 0, 60, 60), 0) == []


def test_too_many_blocks_and_no_memory():
    image = np.where(np.add.outer(np.arange(100), np.arange(120)) % 2, 0, 0).astype(np.uint8)
    y, x = np.mgrid[:100, :120]
    image[((x % 12 - 6) ** 2 + (y % 12 - 6) ** 2 < 20)] = 255
    slots = quads._Slots(98)
    slots.need(2)
    with pytest.raises(quads.TooManyBlocks):
        slots.need(3)
    with pytest.raises(MemoryError):
        rects.find_rects(np.zeros((480, 640), np.uint8), (0, 0, 640, 480), 0)
    assert len(quads.find_boundaries(quads.binarise(image), 10**6)) > 50
    assert len(quads.find_boundaries(quads.binarise(image), 1000)) < 10


def test_overlap():
    square = np.array([(0, 0), (10, 0), (10, 10), (0, 10)], float)
    assert quads.overlap(square, square + 5)
    assert quads.overlap(square, square / 4 + 2)
    assert not quads.overlap(square, square + (20, 0))
    kept = quads.distinct(
        [square + 5, square, square + 100], lambda q: q, lambda a, b: True, lambda q: q[0, 0]
    )
    assert [q[0, 0] for q in kept] == [100, 0] or [q[0, 0] for q in kept] == [0, 100]


def tag_picture(family, number, cell=7, margin=20):
    side = family.side
    cells = np.full((side + 4, side + 4), 255, np.uint8)
    cells[1:-1, 1:-1] = 0
    for i in range(side * side):
        if int(family.codes[number]) >> (side * side - 1 - i) & 1:
            cells[2 + i // side, 2 + i % side] = 255
    return np.pad(np.kron(cells, np.ones((cell, cell), np.uint8)), margin, constant_values=255)


@pytest.mark.parametrize(("number", "which"), [(16, 0), (16, 586), (1, 17), (2, 200), (4, 34)])
def test_tags_are_read_from_all_sides(number, which):
    family, every = FAMILIES[number], sum(FAMILIES)
    for turns in range(4):
        image = np.ascontiguousarray(np.rot90(tag_picture(family, which), -turns))
        h, w = image.shape
        (tag,) = apriltags.find_apriltags(image, (0, 0, w, h), every, (w, w, w / 2, h / 2))
        assert (tag.family, tag.id, tag.hamming) == (number, which, 0)
        # Turning to the left counts.
        off = abs(tag.rotation + turns * math.pi / 2) % (2 * math.pi)
        assert min(off, 2 * math.pi - off) < 0.05
        assert tag.cx == pytest.approx(w / 2, abs=1.5) and tag.cy == pytest.approx(h / 2, abs=1.5)
        # The first corner is the tag's own upper left.
        corners = [(27, 27), (w - 27, 27), (w - 27, h - 27), (27, h - 27)]
        assert math.dist(tag.corners[0], corners[turns]) <= 3


def test_wrong_cells_of_a_tag():
    family = FAMILIES[16]
    image = tag_picture(family, 5)
    for cells, wrong in ((3, 3), (12, None)):
        spoilt = image.copy()
        spoilt[20 + 14 : 20 + 14 + 7, 20 + 14 : 20 + 14 + 7 * cells // 2 : 1] ^= 255
        found = apriltags.find_apriltags(spoilt, (0, 0, *image.shape), 16, (90, 90, 55, 55))
        if found:
            assert found[0].id == 5 and 0 < found[0].hamming <= family.correctable
        else:
            assert wrong is None
    assert apriltags.look_up(int(family.codes[9]) ^ 0b10101, family) == (9, 3, 0)
    assert apriltags.look_up(int(family.codes[9]) ^ 0b101010111, family) is None


@pytest.mark.parametrize("family", FAMILIES.values(), ids=str)
def test_code_books_keep_their_distance(family):
    codes = [int(code) for code in family.codes]
    assert len(set(codes)) == len(codes)
    for code in codes[:: max(1, len(codes) // 12)]:
        turned = code
        for _ in range(4):
            others = family.codes[family.codes != np.uint64(code)]
            assert apriltags._ones(others ^ np.uint64(turned)).min() >= family.distance
            turned = apriltags._turned(turned, family.side)
        assert turned == code


# --- textures -------------------------------------------------------------------------------------
def test_binary_patterns():
    image = noise(35, 35)
    whole = lbp.describe(image, (0, 0, 35, 35))
    counts = np.zeros((8, 8, lbp.BINS), int)
    for y in range(32):
        for x in range(32):
            centre = image[y + 1, x + 1]
            around = [image[y + b, x + a] >= centre for a, b in
                      ((0, 0), (1, 0), (2, 0), (2, 1), (2, 2), (1, 2), (0, 2), (0, 1))]  # fmt: skip
            changes = sum(a != b for a, b in zip(around, around[1:] + around[:1], strict=True))
            number = sum(1 << i for i, bit in enumerate(around) if bit)
            counts[y // 5, x // 5, lbp._BIN_OF[number] if changes <= 2 else 58] += 1
    assert (whole.reshape(7, 7, lbp.BINS) == counts[:7, :7]).all()
    assert lbp.distance(whole, whole) == 0
    assert lbp.distance(whole, lbp.describe(noise(35, 35), (0, 0, 35, 35))) > 100
