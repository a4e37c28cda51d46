"""Sizes, regions, pools and the AI planes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from k210sim.imaging import ai, formats, transform


def gray(rows):
    return np.array(rows, np.uint8)


def test_resize_to_the_same_size_is_a_copy():
    image = np.arange(12, dtype=np.uint16).reshape(3, 4)
    copy = transform.resize(image, 4, 3)
    assert np.array_equal(copy, image) and copy is not image


def test_shrinking_colours_takes_pixels_and_gray_takes_means():
    image = np.arange(16, dtype=np.uint16).reshape(4, 4)
    assert transform.resize(image, 2, 2).tolist() == [[0, 2], [8, 10]]
    # three rows and columns a mean, the last ones beyond the picture
    means = transform.resize(image.astype(np.uint8), 2, 2)
    sums = [0 + 1 + 2 + 4 + 5 + 6 + 8 + 9 + 10, 2 + 3 + 4 + 6 + 7 + 8 + 10 + 11 + 12]
    assert means[0].tolist() == [total // 9 for total in sums]
    behind = transform.resize(image.astype(np.uint8), 2, 2, behind=bytes([90] * 8))
    assert behind[0].tolist() == means[0].tolist() and (behind[1] > means[1]).all()


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 20), st.integers(1, 20))
@settings(max_examples=60)
def test_resize_keeps_a_plain_picture_plain(w0, h0, w, h):
    colours = np.full((h0, w0), 0x8410, np.uint16)
    result = transform.resize(colours, w, h)
    # the float weights may lose one step of a component, never more
    assert result.shape == (h, w)
    for shift, mask in ((11, 31), (5, 63), (0, 31)):
        level = int(colours[0, 0]) >> shift & mask
        assert set(np.unique(result >> shift & mask)) <= {level, level - 1}


def test_cut_leaves_the_outside_black_and_reads_on_to_the_left():
    image = gray([[1, 2, 3], [4, 5, 6]])
    assert transform.cut(image, 1, 1, 3, 2).tolist() == [[5, 6, 0], [0, 0, 0]]
    assert transform.cut(image, -1, 1, 3, 1).tolist() == [[3, 4, 5]]


def test_copy_scales_regions():
    image = gray([[1, 2], [3, 4]])
    assert transform.copy(image, 1, 0, 1, 2, 2.0, 1.0).tolist() == [[2, 2], [4, 4]]
    assert transform.copy(image, 0, 0, 2, 2, 0.4, 1.0).shape[1] == 0


def test_pools_drop_the_rest():
    image = gray([[1, 2, 9], [3, 5, 9]])
    assert transform.mean_pool(image, 2, 2).tolist() == [[2]]
    assert transform.midpoint_pool(image, 2, 2).tolist() == [[3]]
    assert transform.midpoint_pool(image, 2, 2, bias=256).tolist() == [[5]]


@pytest.mark.parametrize("pixel,rgb", [(0xF800, (255, 0, 0)), (0x0861, (8, 12, 8))])
def test_pix_to_ai_planes(pixel, rgb):
    planes = ai.pix_to_ai(np.full((2, 3), pixel, np.uint16))
    assert planes.shape == (3, 2, 3) and planes.dtype == np.uint8
    assert tuple(planes[:, 0, 0].tolist()) == rgb


@given(st.integers(0, 65535))
def test_planes_and_back(pixel):
    image = np.full((1, 2), pixel, np.uint16)
    assert np.array_equal(ai.ai_to_pix(ai.pix_to_ai(image)), image)


def test_stretch_uses_a_whole_factor_and_the_inside():
    image = gray([[0, 0, 0, 0], [0, 100, 120, 0], [0, 110, 140, 0], [0, 0, 0, 0]])
    ai.stretch(image, 10, 130)  # 120 / 40 = 3
    assert image[1:3, 1:3].tolist() == [[10, 70], [40, 130]]
    assert image[0, 0] == (0 - 100) * 3 + 10 & 0xFF
    flat = gray([[7] * 4] * 4)
    ai.stretch(flat, 0, 255)
    assert (flat == 7).all()
    low = gray([[0] * 4, [0, 0, 1, 0], [0, 0, 1, 0], [0] * 4])
    ai.stretch(low, 0, 255)  # at most five
    assert low.max() == formats.store(low, 5)
