"""Tensor functions of kmodel V5 about places: blocks of space, regions of a map, boxes.

As in ops.py, each takes the machine and the operands. "Packed" tensors have no strides.
Ref: nncase v1.9.0 src/kernels/cpu/reference (behaviour, not code).
"""

from __future__ import annotations

import math

import numpy as np

from k210sim.errors import KmodelError
from k210sim.kpu.v5.ops import FLOAT, float_only
from k210sim.kpu.v5.sums import running

F32 = np.float32
I64 = 3
MAX_SAMPLES = 1 << 22
MAX_PAIRS = 1 << 28


def _blocks(m, o, x):
    block = m.shape(o["block_shape"])
    pads = m.paddings(o["crop_pads"])
    if not 0 < len(block) < x.ndim or len(pads) < len(block) or min(block) < 1:
        raise KmodelError(f"blocks of {block} in {x.shape}, {len(pads)} paddings",
                          field="block_shape")
    return block, pads


def space_to_batch(m, o):
    """Pad the last axes, then take every block's pixels apart into the batch; the result is
    packed."""
    out_at, in_at = m.pop_address(), m.pop_address()
    x = m.read(in_at, o["dt"], m.shape(o["shape"]), o["in_strides"])
    block, pads = _blocks(m, o, x)
    lead = x.ndim - len(block)
    split = list(x.shape[:lead])
    for size, step, (before, after, between) in zip(x.shape[lead:], block, pads, strict=False):
        if between or before < 0 or after < 0 or (size + before + after) % step:
            raise KmodelError(f"axis of {size} padded by {before} and {after} (between: {between}) "
                              f"in blocks of {step}", field="block_shape")
        split += [(size + before + after) // step, step]
    m.check_size(split)
    x = np.pad(x, [(0, 0)] * lead + [pad[:2] for pad in pads[: len(block)]])
    inside = list(range(lead + 1, len(split), 2))
    order = inside + list(range(lead)) + list(range(lead, len(split), 2))
    return m.write_packed(out_at, o["dt"], x.reshape(split).transpose(order))


def batch_to_space(m, o):
    """The reverse: the batch becomes the pixels of blocks, whose borders are cropped."""
    out_at, in_at = m.pop_address(), m.pop_address()
    x = m.read(in_at, o["dt"], m.shape(o["shape"]), o["in_strides"])
    block, crops = _blocks(m, o, x)
    lead, count = x.ndim - len(block), math.prod(block)
    if x.shape[0] % count:
        raise KmodelError(f"a batch of {x.shape[0]} in blocks of {count}", field="block_shape")
    wide = x.reshape(*block, x.shape[0] // count, *x.shape[1:])
    order = list(range(len(block), len(block) + lead))
    for i in range(len(block)):
        order += [len(block) + lead + i, i]
    whole = [x.shape[lead + i] * block[i] for i in range(len(block))]
    x = wide.transpose(order).reshape(x.shape[0] // count, *x.shape[1:lead], *whole)
    parts = [slice(None)] * lead
    for size, (before, after, _) in zip(whole, crops, strict=False):
        if before < 0 or after < 0 or before + after > size:
            raise KmodelError(f"crop of {before} and {after} from {size}", field="crop_pads")
        parts.append(slice(before, size - after))
    return m.write(out_at, o["dt"], o["out_strides"], x[tuple(parts)])


def _samples(start, cell, bins, count, size):
    """Along one axis: the pixels before and behind each of bins * count places, how far the place
    lies between them (float32), and whether it is in reach of the map."""
    at = (F32(start) + np.arange(bins, dtype=F32)[:, None] * cell
          + (np.arange(count, dtype=F32) + F32(0.5)) * cell / F32(count)).reshape(-1)
    reach = ~((at < -1) | (at > size))
    at = np.where(reach & (at > 0), at, F32(0))
    low = np.minimum(at.astype(np.int64), size - 1)
    at = np.where(low >= size - 1, F32(size - 1), at)
    return low, np.minimum(low + 1, size - 1), at - low.astype(F32), reach


def roi_align(m, o):
    """Means (0) or maxima (1) of bilinear samples in a grid over each region; packed float32.

    The maximum is that of the four weighted neighbours, not of their sum.
    """
    out_at, images_at, rois_at, in_at = (m.pop_address() for _ in range(4))
    float_only(o)
    shape, out_shape = m.shape(o["shape"]), m.check_size(m.shape(o["out_shape"]))
    if len(shape) != 4 or len(out_shape) != 4 or out_shape[1] != shape[1] or o["mode"] > 1 \
            or min(*shape, *out_shape) < 1:
        raise KmodelError(f"regions of {shape} to {out_shape}, mode {o['mode']}", field="out_shape")
    x = m.read_packed(in_at, FLOAT, shape)
    rois = m.read_packed(rois_at, FLOAT, (out_shape[0], 4))
    images = m.read_packed(images_at, I64, (out_shape[0],))
    if images.min() < 0 or images.max() >= shape[0]:
        raise KmodelError(f"regions of images {images.tolist()[:4]}, there are {shape[0]}",
                          field="ROI_ALIGN")
    out, left = np.empty(out_shape, F32), MAX_SAMPLES
    with np.errstate(all="ignore"):
        for n, roi in enumerate(rois * F32(o["scale"])):
            sizes, counts = _grid(roi, out_shape[2:], o["ratio"])
            left -= math.prod(counts) * math.prod(out_shape[1:])
            if left < 0:
                raise KmodelError(f"{counts} samples in each of {out_shape[2:]} cells",
                                  field="ratio")
            out[n] = _one_region(x[images[n]], roi, out_shape[2:], sizes, counts, o["mode"])
    return m.write_packed(out_at, FLOAT, out)


def _grid(roi, bins, ratio):
    """Height and width of a cell, float32, and how many samples it gets down and across."""
    if not np.isfinite(roi).all():
        raise KmodelError(f"a region of {roi.tolist()}", field="ROI_ALIGN")
    left, top, right, bottom = roi
    whole = max(bottom - top, F32(1)), max(right - left, F32(1))
    sizes = [size / F32(count) for size, count in zip(whole, bins, strict=True)]
    return sizes, [ratio if ratio > 0 else math.ceil(min(size, F32(MAX_SAMPLES)))
                   for size in sizes]


def _one_region(planes, roi, bins, sizes, counts, mode):
    """(channels, rows, columns) of one region."""
    places = [_samples(start, *rest) for start, *rest in zip(
        (roi[1], roi[0]), sizes, bins, counts, planes.shape[1:], strict=True)]
    (y0, y1, fy, y_in), (x0, x1, fx, x_in) = places
    inside = (y_in[:, None] & x_in).astype(F32)
    gy, gx = F32(1) - fy, F32(1) - fx
    terms = [planes[:, rows[:, None], columns] * (weight * inside) for rows, columns, weight in
             ((y0, x0, gy[:, None] * gx), (y0, x1, gy[:, None] * fx),
              (y1, x0, fy[:, None] * gx), (y1, x1, fy[:, None] * fx))]
    total = terms[0]
    for term in terms[1:]:
        total = total + term if mode == 0 else np.maximum(total, term)
    cells = total.reshape(len(planes), bins[0], counts[0], bins[1], counts[1])
    cells = cells.transpose(0, 1, 3, 2, 4).reshape(len(planes), *bins, math.prod(counts))
    return running(cells, 3)[..., -1] / F32(cells.shape[3]) if mode == 0 else cells.max(3)


def detection_postprocess(m, o):
    """TFLite's box decoding and suppression: boxes, classes, scores and their number; packed.

    As in the vendor's kernel the regular way leaves out the last class. Guess: of equal scores in
    one box the fast way takes the lower class.
    """
    count_at, scores_at, classes_at, boxes_at = (m.pop_address() for _ in range(4))
    anchor_at, score_at, box_at = (m.pop_address() for _ in range(3))
    shapes = [m.shape(o[f"{name}_shape"]) for name in ("box", "score", "anchor")]
    if [len(s) for s in shapes] != [3, 3, 2] or min(shapes[0][0], shapes[1][0]) < 1 \
            or shapes[0][2] < 4 or shapes[0][2] != shapes[2][1] \
            or shapes[2][0] > min(shapes[0][1], shapes[1][1]):
        raise KmodelError(f"boxes {shapes[0]}, scores {shapes[1]}, anchors {shapes[2]}",
                          field="box_shape")
    number, wide = shapes[2][0], shapes[1][2]
    labels = wide - o["classes"]
    limit, each = o["max_detections"], o["max_classes"]
    if not (1 <= o["classes"] <= wide and 1 <= limit <= MAX_SAMPLES and 1 <= each <= MAX_SAMPLES) \
            or number == 0 or number * min(number, limit) * o["classes"] > MAX_PAIRS:
        raise KmodelError(f"{number} boxes of {o['classes']} classes, {limit} wanted",
                          field="max_detections")
    boxes = _decode(m.read_packed(box_at, FLOAT, shapes[0])[0, :number],
                    m.read_packed(anchor_at, FLOAT, shapes[2]), o)
    scores = m.read_packed(score_at, FLOAT, shapes[1])[0, :number, labels:]
    if o["use_nms"]:
        found = _every_class(boxes, scores, o)
        rows = [(i, c, scores[i, c]) for i, c in found]
        slots, total = range(len(rows)), limit
    else:
        per = min(each, o["classes"])
        order = np.argsort(-scores, axis=1, kind="stable")[:, :per]
        best = np.take_along_axis(scores, order[:, :1], 1)[:, 0]
        kept = _suppress(boxes, best, o)
        rows = [(i, c, scores[i, c]) for i in kept for c in order[i]]
        slots = [each * n + c for n in range(len(kept)) for c in range(per)]
        total, found = max(slots, default=-1) + 1, kept
    places = [m.read_flat(at, FLOAT, n * total) for at, n in ((boxes_at, 4), (classes_at, 1),
                                                              (scores_at, 1))]
    if o["use_nms"]:
        for values in places:
            values[:] = 0
    for slot, (box, label, score) in zip(slots, rows, strict=True):
        places[0][4 * slot : 4 * slot + 4] = boxes[box]
        places[1][slot], places[2][slot] = label, score
    for at, values in zip((boxes_at, classes_at, scores_at), places, strict=True):
        m.write_packed(at, FLOAT, values)
    return m.write_packed(count_at, FLOAT, np.array([len(found)], F32))


def _decode(boxes, anchors, o):
    """Corners (top, left, bottom, right), float32, computed in double and rounded at both ends."""
    scale = [float(F32(o[f"{n}_scale"])) for n in "yxhw"]
    b, a = boxes.astype(np.float64), anchors.astype(np.float64)
    with np.errstate(all="ignore"):
        middle = [(b[:, i] / scale[i] * a[:, i + 2] + a[:, i]).astype(F32) for i in range(2)]
        half = [(0.5 * np.exp(b[:, i] / scale[i]) * a[:, i]).astype(F32) for i in (2, 3)]
        return np.stack([middle[0] - half[0], middle[1] - half[1], middle[0] + half[0],
                         middle[1] + half[1]], axis=1)


def _suppress(boxes, scores, o):
    """Indices of the boxes kept, best first."""
    known = np.flatnonzero(scores >= F32(o["score"]))
    order = known[np.argsort(-scores[known], kind="stable")]
    wanted, kept = min(len(order), o["max_detections"]), []
    while len(order) and len(kept) < wanted:
        first, order = order[0], order[1:]
        kept.append(int(first))
        order = order[~(_overlap(boxes[first], boxes[order]) > F32(o["iou"]))]
    return kept


def _overlap(box, others):
    """Intersection over union, 0 where a box has no area."""
    with np.errstate(all="ignore"):
        area = (box[2] - box[0]) * (box[3] - box[1])
        areas = (others[:, 2] - others[:, 0]) * (others[:, 3] - others[:, 1])
        high = np.minimum(box[2], others[:, 2]) - np.maximum(box[0], others[:, 0])
        wide = np.minimum(box[3], others[:, 3]) - np.maximum(box[1], others[:, 1])
        common = np.maximum(high, F32(0)) * np.maximum(wide, F32(0))
        ratio = common / (area + areas - common)
    return np.where((area <= 0) | (areas <= 0), F32(0), ratio)


def _every_class(boxes, scores, o):
    """(box, class) of the best over all classes but the last; of equal scores the later class."""
    found = []
    for label in range(o["classes"] - 1):
        new = [(i, label) for i in _suppress(boxes, scores[:, label], o)]
        merged = sorted(new + found, key=lambda one: -scores[one])
        found = merged[: o["max_detections"]]
    return found


EXECUTED = {
    "BATCH_TO_SPACE": batch_to_space, "ROI_ALIGN": roi_align, "SPACE_TO_BATCH": space_to_batch,
    "TFLITE_DETECTION_POSTPROCESS": detection_postprocess,
}
