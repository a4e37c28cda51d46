"""Finding lines and circles; the recorded answers are met through the guest (tests/modules)."""

import numpy as np
import pytest

from k210sim.imaging import draw, hough

BOX = (0, 0, 80, 60)


def picture():
    return np.zeros((60, 80), np.uint8)


def test_a_drawn_line_is_found():
    image = picture()
    draw.fill_box(image, 40, 0, 80, 60, 255)
    (line,) = hough.find_lines(image, BOX)
    assert line.theta in (0, 179) and abs(abs(line.rho) - 40) <= 1
    assert line.y1 == 0 and line.y2 == 59 and line.length == 59


def test_lines_move_with_the_box():
    image = picture()
    draw.fill_box(image, 40, 0, 80, 60, 255)
    (line,) = hough.find_lines(image, (20, 10, 50, 40))
    assert abs(line.x1 - 40) <= 1 and (line.y1, line.y2) == (10, 49)


def test_less_room_makes_coarser_votes_and_then_fails():
    image = picture()
    draw.fill_box(image, 40, 0, 80, 60, 255)
    assert len(hough.find_lines(image, BOX, room=100_000)) == 1
    with pytest.raises(MemoryError):
        hough.find_lines(image, BOX, room=1000)


@pytest.mark.parametrize("place", [(40, 30, 15), (30, 25, 20)])
def test_a_drawn_disc_is_found(place):
    image = picture()
    draw.draw_circle(image, *place, 255, 1, True)
    circles = hough.find_circles(image, BOX, 1, 1, 2000, 1, 1, 1, r_step=1)
    found = max(circles, key=lambda circle: circle.magnitude)
    assert all(abs(a - b) <= 2 for a, b in zip(found[:3], place, strict=True))


def test_an_empty_picture_has_nothing():
    assert hough.find_lines(picture(), BOX) == [] and hough.find_circles(picture(), BOX) == []
    assert hough.find_lines(picture(), (0, 0, 2, 2)) == []


@pytest.mark.parametrize(
    "line, part",
    [
        ((-10, 5, 90, 5), (0, 5, 79, 5)),
        ((3, 4, 20, 30), (3, 4, 20, 30)),
        ((-5, -5, -1, 70), None),
        ((10, 100, 60, 80), None),
    ],
)
def test_clipping(line, part):
    assert hough.clip_line(line, 80, 60) == part
