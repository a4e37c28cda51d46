"""Fitting points onto points, and moving AI planes by the matrix."""

import numpy as np
import pytest

from k210sim.imaging.affine import get_affine_transform, warp_affine_ai


def apply(matrix, points):
    m = np.array(matrix).reshape(3, 3)
    return [tuple(m[:2] @ (x, y, 1)) for x, y in points]


@pytest.mark.parametrize("degrees, scale", [(0, 1), (30, 1), (-75, 2.5), (100, 0.5)])
def test_a_turned_and_scaled_shape_is_found_back(degrees, scale):
    targets = [(38, 52), (74, 52), (56, 72), (42, 92), (71, 92)]
    angle = np.deg2rad(degrees)
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points = [tuple(np.rint(turn @ p + (400, 300)).astype(int)) for p in targets]
    matrix = get_affine_transform(points, targets)
    assert matrix[6:] == [0, 0, 1]
    assert np.allclose(apply(matrix, targets), points, atol=1.0)
    assert np.hypot(matrix[0], matrix[3]) == pytest.approx(scale, rel=0.03)


def test_no_points_give_no_numbers():
    assert np.isnan(get_affine_transform([], [])[:6]).all()


def plain_warp(source, target, m):
    channels, height, width = source.shape
    memory = source.ravel().tolist() + [0] * (width + 1)
    for c, i, j in np.ndindex(target.shape):
        x, y = (
            int(m[3 * r] * 256 * j + m[3 * r + 1] * 256 * i + m[3 * r + 2] * 256) for r in (0, 1)
        )
        target[c, i, j] = 0
        if 0 <= x >> 8 < width and 0 <= y >> 8 < height:
            at, fx, fy = c * width * height + (y >> 8) * width + (x >> 8), x & 255, y & 255
            target[c, i, j] = (
                (256 - fx) * (256 - fy) * memory[at] + fx * (256 - fy) * memory[at + 1]
                + (256 - fx) * fy * memory[at + width] + fx * fy * memory[at + width + 1]
            ) >> 16  # fmt: skip


@pytest.mark.parametrize(
    "matrix",
    [
        [1, 0, 0, 0, 1, 0, 0, 0, 1],
        [0.75, 0.25, -3.5, -0.25, 0.75, 6, 0, 0, 1],
        [2, 0, 1.25, 0, 2, 0.5, 0, 0, 1],
    ],
)
def test_warping_is_bilinear(matrix):
    source = np.random.default_rng(3).integers(0, 256, (3, 20, 24), np.uint8)
    target, wanted = (np.full((3, 16, 18), 7, np.uint8) for _ in range(2))
    warp_affine_ai(source, target, matrix)
    plain_warp(source, wanted, matrix)
    assert np.array_equal(target, wanted)


def test_warping_a_picture_onto_itself_leaves_nothing():
    planes = np.full((1, 8, 8), 9, np.uint8)
    warp_affine_ai(planes, planes, [1, 0, 0, 0, 1, 0, 0, 0, 1])
    assert not planes.any()
