"""Polar coordinates; the recorded pictures are met through the guest (tests/modules)."""

import numpy as np
import pytest

from k210sim.imaging.polar import polar


@pytest.mark.parametrize("linear", [True, False])
def test_rings_become_stripes(linear):
    y, x = np.indices((64, 64)) - 31.5
    image = np.where(np.hypot(x, y) < 20, 200, 50).astype(np.uint8)
    polar(image, linear)
    assert (image[3] == 200).all()
    rows = np.flatnonzero((image == 200).all(1))
    assert rows.max() < 63 and (image[-1] != 200).all()


@pytest.mark.parametrize("linear", [True, False])
def test_reverse_undoes_it(linear):
    y, x = np.indices((64, 64)) - 31.5
    image = ((np.arctan2(y, x) > 0) * 200 + 20).astype(np.uint8)
    again = image.copy()
    polar(again, linear)
    polar(again, linear, reverse=True)
    inside = (np.hypot(x, y) < 28) & (np.hypot(x, y) > 8) & (np.abs(y) > 4)
    assert (again[inside] == image[inside]).mean() > 0.95
