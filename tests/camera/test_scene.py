"""The generated scene: the same everywhere, truthful, varied."""

import numpy as np
import pytest

from k210sim.camera.scene import LABELS, render


def test_same_arguments_give_the_same_picture():
    first, objects = render(7, 31)
    again, objects_again = render(7, 31)
    assert first.dtype == np.uint8 and first.shape == (240, 320, 3)
    assert np.array_equal(first, again) and objects == objects_again
    assert not np.array_equal(first, render(8, 31)[0])


def test_objects_move_smoothly_within_a_chapter():
    (_, before), (_, after) = render(3, 10), render(3, 11)
    assert [o.label for o in before] == [o.label for o in after]
    for old, new in zip(before, after, strict=True):
        assert all(abs(a - b) <= 8 for a, b in zip(old.box, new.box, strict=True))
    assert before != render(3, 40)[1]


@pytest.mark.parametrize("seed", range(25))
def test_boxes_are_inside_sized_and_apart(seed):
    picture, objects = render(seed, seed * 37)
    assert 1 <= len(objects) <= 6
    for label, (x, y, w, h) in objects:
        assert label in LABELS
        assert 30 <= w <= 110 and 30 <= h <= 110
        assert x >= 0 and y >= 0 and x + w <= 320 and y + h <= 240
    for i, (_, (x, y, w, h)) in enumerate(objects):
        for _, (x2, y2, w2, h2) in objects[i + 1 :]:
            assert x + w <= x2 or x2 + w2 <= x or y + h <= y2 or y2 + h2 <= y


def test_the_box_is_where_the_object_is():
    """Against the same frame of the wall alone, an object's pixels differ, the rest does not."""
    from k210sim.camera import scene

    picture, objects = render(11, 5)
    cast, scene._cast = scene._cast, lambda rng, background: []
    try:
        empty, none = render(11, 5)
    finally:
        scene._cast = cast
    assert none == [] and objects
    changed = np.abs(picture.astype(int) - empty).sum(2) > 10
    allowed = np.zeros_like(changed)
    for _, (x, y, w, h) in objects:
        allowed[max(0, y - 2) : y + h + 2, max(0, x - 2) : x + w + 2] = True
        inside = changed[y : y + h, x : x + w]
        assert inside.mean() > 0.3
    assert not (changed & ~allowed).any()


def test_every_label_and_number_of_objects_occurs():
    seen = [render(seed, 0, 80, 60)[1] for seed in range(60)]
    assert {o.label for objects in seen for o in objects} == set(LABELS)
    assert {len(objects) for objects in seen} >= {1, 2, 3, 4, 5}


def test_other_sizes_show_the_same_scene():
    _, small = render(5, 9, 160, 120)
    _, large = render(5, 9, 640, 480)
    assert [o.label for o in small] == [o.label for o in large]
    for a, b in zip(small, large, strict=True):
        assert all(abs(4 * p - q) <= 6 for p, q in zip(a.box, b.box, strict=True))
