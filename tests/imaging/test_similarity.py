"""Similarity of pictures; the recorded numbers are met through the guest (tests/modules)."""

import numpy as np
import pytest

from k210sim.imaging.similarity import get_similarity


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, bool])
def test_a_picture_is_like_itself(kind):
    picture = np.random.default_rng(0).integers(0, 2, (20, 27)).astype(kind)
    found = get_similarity(picture, picture)
    assert found["mean"] == pytest.approx(1) and found["min"] == pytest.approx(1)


def test_a_negative_is_unlike():
    picture = np.random.default_rng(0).integers(0, 256, (16, 16), np.uint8)
    found = get_similarity(picture, 255 - picture)
    assert found["mean"] < 0
    assert 0 < found["max"] < 1e-37  # the board starts from the least positive number
