"""Text: room, new lines, scales, loaded fonts."""

import numpy as np
import pytest

from k210sim.errors import NotSimulated
from k210sim.imaging import font, formats, text


def dots(string, width=100, height=40, **options):
    image = formats.blank(width, height, formats.GRAYSCALE)
    text.draw_string(image, 0, 0, string, 255, **options)
    return image


def columns(image):
    return np.flatnonzero(image.any(0))


def test_every_character_has_a_glyph_of_its_own():
    data = font.ascii_font()
    glyphs = [data[i : i + 12] for i in range(0, len(data), 12)]
    assert len(glyphs) == 95 == len(set(glyphs))
    assert not any(glyphs[0]) and all(any(g) for g in glyphs[1:])


def test_proportional_text_drops_empty_columns():
    # M takes 5 columns and one of space, as measured on the firmware
    assert columns(dots(b"MM")).tolist() == [*range(5), *range(6, 11)]
    assert columns(dots(b"MM", mono_space=True)).tolist() == [*range(1, 6), *range(9, 14)]


def test_a_blank_takes_three_columns_and_spacing_adds():
    assert columns(dots(b"M M"))[5] == 6 + 3
    assert columns(dots(b"MM", x_spacing=4))[5] == 10


def test_new_lines():
    a = dots(b"H\nH")
    for other in (b"H\rH", b"H\r\nH"):
        assert np.array_equal(a, dots(other))
    rows = np.flatnonzero(a.any(1))
    assert rows[0] == 1 and rows[-1] == 9 + 12 + 2


def test_scale_doubles_each_dot():
    small, large = dots(b"Rg", 20, 12), dots(b"Rg", 40, 24, scale=2)
    assert np.array_equal(np.kron(small, np.ones((2, 2), np.uint8)), large)


def test_text_is_clipped_and_ends_at_nul():
    image = formats.blank(8, 6, formats.RGB565)
    text.draw_string(image, -3, -4, b"WW", 0xFFFF)
    text.draw_string(image, 500, 500, b"WW", 0xFFFF)
    assert image.any() and np.array_equal(dots(b"a\0b"), dots(b"a"))


def test_unknown_bytes_draw_a_box_without_room():
    assert np.array_equal(dots(b"\x01\x02"), dots(b"\x01"))
    assert np.flatnonzero(dots(b"\x01").any(0)).tolist() == list(range(1, 11))


def test_a_scale_that_hangs_the_board_is_refused():
    with pytest.raises(NotSimulated, match="draw_string"):
        dots(b"A", scale=40)


def test_loaded_square_font():
    glyphs = {0x4E2D: bytes(range(1, 33))}
    asked = []

    def read(code, length):
        asked.append((code, length))
        return glyphs[code]

    image = formats.blank(40, 20, formats.GRAYSCALE)
    text.draw_string_with(image, 0, 0, "中".encode(), 9, text.Font(16, 16, read), mono_space=True)
    assert asked == [(0x4E2D, 32)]
    for y in range(16):
        bits = (y + 1) << 8 | (y + 17)
        assert [bool(v) for v in image[y, :16]] == [bool(bits >> (15 - x) & 1) for x in range(16)]


def test_loaded_font_stops_at_what_the_decoder_refuses():
    asked = []

    def read(code, length):
        asked.append(code)
        return bytes(length)

    image = formats.blank(40, 20, formats.GRAYSCALE)
    text.draw_string_with(image, 0, 0, "aАб".encode(), 9, text.Font(8, 8, read))
    assert asked == [ord("a"), ord("А")]  # the second letter's last byte is above 0x9f
