"""The yolo2 region layer as the firmware computes it after a run: boxes from output 0.

Ref: sipeed/MaixPy-v1 components/kendryte_sdk/src/sipeed_yolo2.c. Float32 in the order of the
source; the chip's build contracts some products and sums, so values on a boundary may differ.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from k210sim.errors import KmodelError
from k210sim.kpu.runtime import DeviceCrash


class Detection(NamedTuple):
    """One object in pixels of the network input; x, y, w, h as the firmware's int16."""

    x: int
    y: int
    w: int
    h: int
    value: float
    classid: int


class RegionInitError(KmodelError):
    """The firmware answers `region_layer_init err!`: its score buffer cannot be allocated."""


def class_count(channels: int) -> int:
    """Classes the firmware assumes: channels // 5 - 5, whatever the number of anchors.

    Raises DeviceCrash or RegionInitError where that goes below zero.
    """
    count = channels // 5 - 5
    if count == -1:
        raise DeviceCrash(f"{channels} output channels: the firmware's region layer writes outside "
                          "its buffer; a yolo2 head has 5 * (5 + classes) channels")
    if count < 0:
        raise RegionInitError(f"{channels} output channels, a yolo2 head has 5 * (5 + classes)")
    return count


def region_layer(data: np.ndarray, shape: tuple[int, int, int], anchors, threshold: float,
                 nms_value: float, net_size: tuple[int, int],
                 classes: int | None = None) -> list[Detection]:
    """Detections, in box order, from the raw output `data` (float32, activated in place).

    shape: (channels, rows, columns) of the head; anchors: w0, h0, w1, h1 ... in cells; net_size:
    (width, height) of the network input; classes: None for the firmware's own rule, which is
    right for heads with 5 anchors only. Raises DeviceCrash where the firmware reads past `data`.
    """
    channels, rows, columns = shape
    classes = class_count(channels) if classes is None else classes
    anchors = np.asarray(anchors, np.float32).reshape(-1, 2)
    cells = rows * columns
    per_anchor = cells * (5 + classes)
    if data.dtype != np.float32 or data.size < len(anchors) * per_anchor:
        raise DeviceCrash(f"output 0 has {data.nbytes} bytes, {len(anchors)} anchors and {classes} "
                          f"classes on {columns}x{rows} cells need {4 * len(anchors) * per_anchor}:"
                          " the firmware would read and change what lies behind")
    from k210sim.kpu.kernels import dense, region

    head = data[: len(anchors) * per_anchor].reshape(len(anchors), 5 + classes, cells)
    for entry in (0, 1, 4):
        values = np.ascontiguousarray(head[:, entry]).reshape(-1)
        dense.logistic(values, values)
        head[:, entry] = values.reshape(len(anchors), cells)
    if classes == 0:
        return []
    _softmax(head[:, 5:], dense.exp_all)
    boxes = _boxes(head, anchors, rows, columns, dense.exp_all)
    scores = np.ascontiguousarray((head[:, 4:5] * head[:, 5:]).transpose(1, 0, 2))
    scores = scores.reshape(classes, -1)
    scores[~(scores > np.float32(threshold))] = 0
    order = np.arange(boxes.shape[0])
    limit = np.float32(nms_value)
    for k in range(classes):
        region.sort_descending(scores[k], order)
        alive = int(np.count_nonzero(scores[k]))
        region.suppress(boxes, scores[k], order[:alive], limit)
    return _select(boxes, scores, np.float32(threshold), net_size)


def _softmax(logits, exp_all):
    """Over the class axis (1) of float32[anchors, classes, cells], the sum in class order."""
    values = np.ascontiguousarray(logits - logits.max(axis=1, keepdims=True))
    exp_all(values.reshape(-1), values.reshape(-1))
    total = np.zeros_like(values[:, 0])
    for k in range(values.shape[1]):
        total += values[:, k]
    logits[:] = values / total[:, None]


def _boxes(head, anchors, rows, columns, exp_all):
    """float32[anchors * cells, 4]: centre and size relative to the network input."""
    row, column = np.divmod(np.arange(rows * columns), columns)
    size = np.ascontiguousarray(head[:, 2:4]).reshape(-1)
    exp_all(size, size)
    size = size.reshape(len(anchors), 2, -1)
    width, height = np.float32(columns), np.float32(rows)
    parts = (
        (column.astype(np.float32) + head[:, 0]) / width,
        (row.astype(np.float32) + head[:, 1]) / height,
        size[:, 0] * anchors[:, 0:1] / width,
        size[:, 1] * anchors[:, 1:2] / height,
    )
    return np.ascontiguousarray(np.stack(parts, axis=-1).reshape(-1, 4))


def _select(boxes, scores, threshold, net_size):
    best = scores.argmax(axis=0)
    value = scores[best, np.arange(scores.shape[1])]
    width, height = np.float32(net_size[0]), np.float32(net_size[1])
    found = []
    for i in np.flatnonzero(value > threshold):
        x, y, w, h = boxes[i]
        half = np.float32(2)
        left, right = (_pixel(x * width + sign * w * width / half) for sign in (-1, 1))
        top, bottom = (_pixel(y * height + sign * h * height / half) for sign in (-1, 1))
        found.append(Detection(_int16(left), _int16(top), _int16(right - left),
                               _int16(bottom - top), float(value[i]), int(best[i])))
    return found


def _pixel(value) -> int:
    """The chip's conversion to unsigned: toward zero, saturating at 0 and 2**32 - 1."""
    if not value > 0:
        return 0
    return int(min(float(value), 2.0**32 - 1))


def _int16(value: int) -> int:
    return (value + 0x8000) % 0x10000 - 0x8000
