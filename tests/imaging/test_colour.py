"""Formats and colours."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from k210sim.imaging import colour, formats


def test_memory_order_is_high_byte_first():
    picture = np.array([[0xF800, 0x07E0]], np.uint16)
    assert formats.to_memory(picture) == bytes([0xF8, 0, 0x07, 0xE0])
    assert formats.swapped(0xF800) == 0x00F8


@given(st.integers(1, 70), st.integers(1, 5), st.sampled_from([0, 1, 2]), st.randoms())
def test_memory_round_trip(width, height, kind, random):
    data = bytes(random.randrange(256) for _ in range(formats.row_bytes(width, kind) * height))
    picture = formats.from_memory(data, width, height, kind)
    again = formats.from_memory(formats.to_memory(picture), width, height, kind)
    assert formats.kind_of(again) == kind and np.array_equal(picture, again)
    assert formats.memory_size(picture) == len(data)


def test_a_wrong_array_is_no_picture():
    with pytest.raises(TypeError, match="int64"):
        formats.kind_of(np.zeros((2, 2), np.int64))


def test_components_survive_the_round_trip():
    pixels = np.arange(65536).astype(np.uint16)
    assert np.array_equal(colour.pack(*colour.unpack(pixels)), pixels)


@pytest.mark.parametrize(
    "rgb,lab",
    [((255, 0, 0), (53, 80, 67)), ((0, 255, 0), (88, -86, 83)), ((255, 255, 255), (100, 0, 0))],
)
def test_picture_lab_of_pure_colours(rgb, lab):
    assert tuple(colour.lab_table()[colour.colour_value(rgb, formats.RGB565)]) == lab


@pytest.mark.parametrize(
    "rgb,lab",
    [
        ((255, 0, 0), (53, 86, 69)),
        ((0, 255, 0), (87, -77, 83)),
        ((0, 0, 255), (32, 74, -103)),
        ((255, 255, 255), (98, 0, 0)),
        ((0, 0, 0), (-1, 0, 0)),
    ],
)
def test_module_lab_is_the_fast_approximation(rgb, lab):
    assert colour.rgb_to_lab(rgb) == lab


def test_module_colours_as_recorded():
    assert colour.lab_to_rgb((53, 80, 67)) == (254, 0, 0)
    assert colour.lab_to_rgb((50, 0, 0)) == (118, 118, 118)
    grays = [colour.rgb_to_grayscale(c) for c in ((255, 255, 255), (255, 0, 0), (10, 20, 30))]
    assert grays == [254, 127, 19]


def test_masks_and_bitmaps_cut_at_half_brightness():
    gray = np.array([[127, 128]], np.uint8)
    assert colour.to_bitmap(gray).tolist() == [[False, True]]
    assert colour.to_grayscale(colour.to_bitmap(gray)).tolist() == [[0, 255]]
    assert colour.to_rgb565(gray).tolist() == [[0x7BEF, 0x8410]]
