"""The measuring stick itself: overlaps, region decode and mAP against figures made by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from firmware_images.detection import (
    average_precision,
    decode,
    matches,
    mean_average_precision,
    overlaps,
)

ANCHORS = np.array([[1.0, 1.0], [2.0, 2.0], [3.0, 3.0], [4.0, 4.0], [1.889, 2.5245]])


def empty_output():
    output = np.zeros((5, 9, 15, 20))
    output[:, 4] = -12.0
    return output


def test_overlap_of_half_shifted_squares_is_a_third():
    box = np.array([10.0, 10.0, 20.0, 20.0])
    others = np.array([[20.0, 10.0, 20.0, 20.0], [10.0, 10.0, 20.0, 20.0], [40.0, 10.0, 5.0, 5.0]])
    assert overlaps(box, others) == pytest.approx([1 / 3, 1.0, 0.0])


def test_decode_places_a_box_by_cell_anchor_and_entries():
    output = empty_output()
    cell = output[4, :, 2, 3]
    cell[4] = 6.0
    cell[5:] = [0.0, 8.0, 0.0, 0.0]
    cell[2] = math.log(2)
    (row,) = decode(output, ANCHORS, 0.5, 0.3)
    label, score, *box = row
    width, height = 2 * 1.889 * 16, 2.5245 * 16
    assert label == 1
    assert score == pytest.approx(1 / (1 + math.exp(-6)) / (1 + 3 * math.exp(-8)))
    assert box == pytest.approx([3.5 * 16 - width / 2, 2.5 * 16 - height / 2, width, height])


def test_decode_suppresses_within_a_class_only():
    output = empty_output()
    for anchor, objectness, label in ((1, 5.0, 0), (2, 4.0, 0), (3, 3.0, 2)):
        output[anchor, 4, 7, 7] = objectness
        output[anchor, 5 + label, 7, 7] = 9.0
    found = decode(output, ANCHORS, 0.5, 0.3)
    assert found[:, 0].tolist() == [0, 2]
    assert len(decode(output, ANCHORS, 0.5, 0.9)) == 3
    assert len(decode(output, ANCHORS, 0.97, 0.9)) == 2


def test_each_object_is_hit_once_and_by_its_own_class():
    truth = np.array([[0, 10, 10, 20, 20], [1, 100, 100, 20, 20]], dtype=float)
    found = np.array(
        [
            [0, 0.9, 11, 10, 20, 20],
            [0, 0.8, 10, 11, 20, 20],  # the same object again
            [0, 0.7, 100, 100, 20, 20],  # right place, wrong class
            [1, 0.6, 112, 100, 20, 20],  # too far off: overlap 0.25
        ]
    )
    assert matches(found, truth).tolist() == [True, False, False, False]


def test_average_precision_of_a_known_ranking():
    scores = np.array([0.9, 0.8, 0.7, 0.6])
    hits = np.array([True, False, True, False])
    # recall 1/3 at precision 1, then 2/3 at precision 2/3, the third object is never found
    assert average_precision(scores, hits, 3) == pytest.approx(1 / 3 + (1 / 3) * (2 / 3))


def test_mean_is_over_classes_and_a_missed_class_counts_as_zero():
    truths = [np.array([[0, 10, 10, 20, 20], [1, 50, 50, 20, 20]], dtype=float)]
    found = [np.array([[0, 0.9, 10, 10, 20, 20]])]
    mean, each = mean_average_precision(found, truths, 2)
    assert each == [1.0, 0.0] and mean == 0.5
