"""Boxes out of the network's output, and how good they are: region decode, NMS, mAP@0.5.

The decode follows the firmware's `run_yolo2` (kept when objectness x class > threshold, then
suppression per class), in float64 and with boxes left unrounded, over all boxes of one picture.
"""

from __future__ import annotations

import numpy as np

from firmware_images.network import ANCHORS, ENTRIES, GRID_HEIGHT, GRID_WIDTH
from firmware_images.network import INPUT_HEIGHT as HEIGHT
from firmware_images.network import INPUT_WIDTH as WIDTH


def overlaps(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Intersection over union of one box (left, top, width, height) with each of `boxes`."""
    left_top = np.maximum(box[:2], boxes[:, :2])
    right_bottom = np.minimum(box[:2] + box[2:], boxes[:, :2] + boxes[:, 2:])
    shared = np.clip(right_bottom - left_top, 0, None).prod(1)
    return shared / (box[2:].prod() + boxes[:, 2:].prod(1) - shared)


def decode(output: np.ndarray, anchors: np.ndarray, threshold: float, nms: float) -> np.ndarray:
    """Detections of one picture.

    `output` is the network's float output, 45x15x20 in any shape of that size; `anchors` is
    (5, 2) in grid cells. Returns float64 (detections, 6): class, score, left, top, width, height
    in pixels, best score first.
    """
    grid = np.asarray(output, dtype=np.float64).reshape(ANCHORS, ENTRIES, GRID_HEIGHT, GRID_WIDTH)
    sigmoid = 1 / (1 + np.exp(-grid[:, [0, 1, 4]]))
    x = (sigmoid[:, 0] + np.arange(GRID_WIDTH)) / GRID_WIDTH * WIDTH
    y = (sigmoid[:, 1] + np.arange(GRID_HEIGHT)[:, None]) / GRID_HEIGHT * HEIGHT
    w = np.exp(grid[:, 2]) * anchors[:, 0, None, None] / GRID_WIDTH * WIDTH
    h = np.exp(grid[:, 3]) * anchors[:, 1, None, None] / GRID_HEIGHT * HEIGHT
    raised = np.exp(grid[:, 5:] - grid[:, 5:].max(1, keepdims=True))
    scores = (sigmoid[:, 2:3] * raised / raised.sum(1, keepdims=True)).transpose(0, 2, 3, 1)
    boxes = np.stack([x - w / 2, y - h / 2, w, h], axis=-1).reshape(-1, 4)
    found = []
    for label, column in enumerate(scores.reshape(len(boxes), -1).T):
        left = np.flatnonzero(column > threshold)
        left = left[np.argsort(-column[left], kind="stable")]
        while len(left):
            best, left = left[0], left[1:]
            found.append((label, column[best], *boxes[best]))
            left = left[overlaps(boxes[best], boxes[left]) <= nms]
    rows = np.array(found, dtype=np.float64).reshape(-1, 6)
    return rows[np.argsort(-rows[:, 1], kind="stable")]


def matches(found: np.ndarray, truth: np.ndarray, least: float = 0.5) -> np.ndarray:
    """Which detections (rows of `decode`, best first) hit an object not hit before.

    `truth` is (objects, 5): class, left, top, width, height. A hit has the right class and an
    overlap of `least` or more.
    """
    hits = np.zeros(len(found), dtype=bool)
    free = np.ones(len(truth), dtype=bool)
    for i, (label, _, *box) in enumerate(found):
        shared = overlaps(np.array(box), truth[:, 1:]) * (truth[:, 0] == label)
        if len(shared) and shared.max() >= least and free[shared.argmax()]:
            hits[i], free[shared.argmax()] = True, False
    return hits


def average_precision(scores: np.ndarray, hits: np.ndarray, objects: int) -> float:
    """Area under the precision-recall curve (every point, precision made monotone)."""
    if not objects:
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    right = np.cumsum(hits[order])
    recall = np.concatenate([[0.0], right / objects])
    precision = right / np.arange(1, len(right) + 1)
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    return float((np.diff(recall) * precision).sum())


def mean_average_precision(
    found: list[np.ndarray], truths: list[np.ndarray], classes: int
) -> tuple[float, list[float]]:
    """mAP@0.5 over pictures, and the AP of each class. Objects of equal weight, no difficult ones.

    `found` should be decoded with a threshold near zero, or the tail of the curve is missing.
    """
    each = []
    for label in range(classes):
        scores, hits, objects = [np.zeros(0)], [np.zeros(0, bool)], 0
        for rows, truth in zip(found, truths, strict=True):
            rows, wanted = rows[rows[:, 0] == label], truth[truth[:, 0] == label]
            scores.append(rows[:, 1])
            hits.append(matches(rows, wanted))
            objects += len(wanted)
        each.append(average_precision(np.concatenate(scores), np.concatenate(hits), objects))
    return float(np.nanmean(each)), each
