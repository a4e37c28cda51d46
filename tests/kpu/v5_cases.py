"""One file per tensor function of kmodel V5 beyond the everyday ones: name -> (file, input, what
plain NumPy gives, or None where only the vendor's simulator can tell). All written here."""

from __future__ import annotations

import numpy as np
import v5_files as files
from v5_files import F32, I32, I64

F = np.float32
RNG = np.random.default_rng(11)
X = RNG.normal(size=(1, 3, 5, 6)).astype(F)
ROUNDED = np.round(X * 2).astype(F)  # with ties
FOUR = RNG.normal(size=(4, 3, 2, 2)).astype(F)


def case(name, x, out, **more):
    """`out`: the expected first output, or its shape."""
    want = None if isinstance(out, tuple) else np.asarray(out)
    shape = out if want is None else want.shape
    more.setdefault("after", ("out",))
    return files.one_tensor_function(name, x.shape, shape, **more), x, want


def choosing():
    """Functions that choose."""
    first = np.eye(3, dtype=F)[X.argmax(1)].transpose(0, 3, 1, 2)
    yield "hardmax", case("HARDMAX", X + F(3), first, axis=1)
    yield "hardmax of small values", case("HARDMAX", -np.abs(X), np.zeros_like(X), axis=2)
    for name, op, last, want in (("argmax", 1, 0, X.argmax(2)), ("argmin", 0, 1, X.argmin(2))):
        yield name, case("REDUCE_ARG", X, want, out_dt=I64, op=op, keep=0, last=last,
                         registers=(("axes", (2,)),))
    ends = ROUNDED.shape[3] - 1 - ROUNDED[..., ::-1].argmax(3)
    yield "last of equals", case("REDUCE_ARG", ROUNDED, ends.astype(np.int32), out_dt=I32, op=1,
                                 keep=0, last=1, registers=(("axes", (3,)),))
    b, c = RNG.normal(size=(2, 6)).astype(F)
    yield "ternary", case("TERNARY", ROUNDED, np.where(ROUNDED != 0, b, c), rdata=b.tobytes()
                          + c.tobytes(), after=((2, 0), (2, 24), "out"), registers=(
        ("a_shape", X.shape), ("a_strides", files.strides(X.shape)), ("b_shape", (6,)),
        ("b_strides", (1,)), ("c_shape", (6,)), ("c_strides", (1,))))
    yield "compress", case("COMPRESS", X, X[:, :, [0, 3]], rdata=bytes([1, 0, 0, 7]),
                           after=("rdata", "out"), axis=2.0, registers=(("condition_shape", (4,)),))
    flat = X.reshape(-1)[[1, 2]]
    yield "compress flat", case("COMPRESS", X, flat, rdata=bytes([0, 1, 1]),
                                after=("rdata", "out"), axis=4.0,
                                registers=(("condition_shape", (3,)),))
    for upper, k, change in ((1, 1, np.triu), (1, -2, np.triu), (0, 0, np.tril), (0, -9, np.tril),
                             (1, 1 << 40, np.triu)):
        yield f"triangle {upper} {k}", case("TRILU", X, change(X, min(k, 99)), upper=upper, k=k)


def indexing():
    """Functions with indices."""
    picks = np.array([[[0, 1], [2, 4]]], np.int32)
    yield "gather_nd", case("GATHER_ND", X[0], X[0][[0, 2], [1, 4]][None], rdata=picks.tobytes(),
                            after=("out", "rdata"), axis=0, registers=(
        ("out_shape", (1, 2, 6)), ("indices_shape", picks.shape)))
    inside = np.array([[4, 5], [0, 2], [1, 1]], np.int32)
    yield "gather_nd batch", case("GATHER_ND", X[0], X[0][np.arange(3), inside[:, 0], inside[:, 1]],
                                  rdata=inside.tobytes(), after=("out", "rdata"), axis=1,
                                  registers=(("out_shape", (3,)), ("indices_shape", (3, 2))))
    places = RNG.integers(-5, 5, (1, 2, 4, 6))
    want = np.take_along_axis(X[:, :2], places % 5, 2)
    yield "gather_elements", case("GATHER_ELEMENTS", X, want, rdata=places.tobytes(),
                                  after=("rdata", "out"), axis=2,
                                  registers=(("indices_shape", places.shape),))
    ids = np.array([[0, 3, -1], [-4, 1, 2]], np.int32)
    values = b"".join(v.tobytes() + bytes(4) for v in (np.int32(4), F(2.5), F(-1)))
    at = ((2, 0), (2, 8), (2, 16), "out")
    for mode, shown in ((0, ids), (1, np.where(ids < 0, ids + 4, ids))):
        for axis in (0, 1, 2):
            want = np.moveaxis(np.where(shown[..., None] == np.arange(4), F(2.5), F(-1)), 2, axis)
            yield f"onehot {mode} {axis}", case(
                "ONEHOT", ids, want, in_dt=I32, rdata=values, after=at, axis=axis, mode=mode,
                registers=(("indices_shape", ids.shape), ("out_shape", want.shape)))
    for largest, ordered in ((1, 1), (0, 1), (1, 0), (0, 0)):
        for x in (X, ROUNDED):
            want = None
            if x is X and ordered:
                order = np.argsort(-x if largest else x, axis=3)[..., :3]
                want = np.take_along_axis(x, order, 3)
            shape = (1, 3, 5, 3)
            yield f"topk {largest} {ordered} {x is X}", case(
                "TOPK", x, shape if want is None else want, after=("out", (1, 180)),
                more_outputs=[(I64, shape)], k=3, axis=3, largest=largest, sorted=ordered,
                registers=(("values_shape", shape), ("values_strides", files.strides(shape)),
                           ("indices_shape", shape), ("indices_strides", files.strides(shape))))


def sums():
    """Functions that carry a value along."""
    for exclusive in (0, 1):
        for reverse in (0, 1):
            part = X[:, ::-1] if reverse else X
            total = np.zeros_like(part)
            for i in range(3):
                for j in range(i + 1 - exclusive):
                    total[:, i] += part[:, j]
            yield f"cumsum {exclusive} {reverse}", case(
                "CUMSUM", X, total[:, ::-1] if reverse else total, axis=1, exclusive=exclusive,
                reverse=reverse)
    want = np.ones((1, 1, 5, 1), F)
    for v in X.transpose(1, 3, 0, 2).reshape(18, 5):
        want[0, 0, :, 0] *= v
    yield "product", case("REDUCE_PROD", X, want, keep=1, registers=(("axes", (1, 3)),))
    scale, bias = RNG.normal(size=(2, 6)).astype(F)
    yield "layer norm", case("LAYER_NORM", X, X.shape, rdata=scale.tobytes() + bias.tobytes(),
                             after=((2, 0), (2, 24), "out"), axis=3, epsilon=1e-5)
    x = RNG.normal(size=(4, 2, 3)).astype(F)
    for direction in (0, 1, 2):
        d = 1 + direction // 2
        shapes = ((d, 6, 3), (d, 6, 2), (d, 12), (d, 2, 2))
        parts = [RNG.normal(size=s).astype(F).tobytes() for s in shapes]
        at = np.cumsum([0] + [len(p) for p in parts]).tolist()
        for linear in (0, 1):
            yield f"gru {direction} {linear}", case(
                "GRU", x, (4, d, 2, 2), rdata=b"".join(parts), direction=direction, linear=linear,
                after=(*((2, a) for a in at[:4]), "out", (1, 4 * d * 16)), release=8,
                more_outputs=[(F32, (d, 2, 2))], registers=(("w_shape", shapes[0]),))
    for name, fields in (("RANDOM_NORMAL", dict(mean=1.0, deviation=2.0)),
                         ("RANDOM_UNIFORM", dict(low=-1.0, high=3.0))):
        c = files.Code()
        c.buffer(1, 0)
        c.tensor(name, dt=F32, shape=c.shape((3, 5)), seed=7.0, **fields)
        yield name.lower(), (files.whole(c, [(F32, (1,))], [(F32, (3, 5))]), np.zeros(1, F), None)


def regions():
    """Functions about places."""
    pads = [(1, 0, 0), (0, 2, 0)]
    x = np.pad(X, ((0, 0), (0, 0), (1, 0), (0, 2)))
    want = x.reshape(1, 3, 3, 2, 4, 2).transpose(3, 5, 0, 1, 2, 4).reshape(4, 3, 3, 4)
    yield "space to batch", case("SPACE_TO_BATCH", X, want, pads=pads, crop_pads=0,
                                 registers=(("block_shape", (2, 2)),))
    whole = FOUR.reshape(2, 2, 1, 3, 2, 2).transpose(2, 3, 4, 0, 5, 1).reshape(1, 3, 4, 4)
    yield "batch to space", case("BATCH_TO_SPACE", FOUR, whole[:, :, 1:, :2], crop_pads=0,
                                 pads=[(1, 0, 0), (0, 2, 0)], registers=(("block_shape", (2, 2)),))
    rois = np.array([[0, 0, 9, 12], [2, 3, 8, 9.5], [-9, -2, 40, 4], [3, 3, 3, 3]], F)
    images = np.zeros(4, np.int64)
    for mode in (0, 1):
        for ratio in (0, 2):
            yield f"regions {mode} {ratio}", case(
                "ROI_ALIGN", X, (4, 3, 3, 2), rdata=rois.tobytes() + images.tobytes(),
                after=((2, 0), (2, 64), "out"), mode=mode, scale=0.5, ratio=ratio,
                registers=(("out_shape", (4, 3, 3, 2)),))
    boxes, classes = 12, 4
    x = (RNG.normal(size=(1, boxes, 4)) * 0.5).astype(F)
    scores = RNG.permutation(boxes * (classes + 1)).astype(F) / F(60)
    anchors = np.abs(RNG.normal(size=(boxes, 4))).astype(F)
    for regular in (0, 1):
        for per in (1, 2):
            slots = 5 if regular else 5 * per
            yield f"detection {regular} {per}", case(
                "TFLITE_DETECTION_POSTPROCESS", x, (slots, 4),
                rdata=scores.tobytes() + anchors.tobytes(),
                after=((2, 0), (2, scores.nbytes), "out", (1, 16 * slots), (1, 20 * slots),
                       (1, 24 * slots)), more_outputs=[(F32, (slots,))] * 2 + [(F32, (1,))],
                registers=(("box_shape", x.shape), ("score_shape", (1, boxes, classes + 1)),
                           ("anchor_shape", anchors.shape)), max_detections=5, max_classes=per,
                per_class=5, use_nms=regular, score=0.3, iou=0.4, classes=classes, y_scale=10.0,
                x_scale=10.0, h_scale=5.0, w_scale=5.0)


def memory():
    """Loads and stores through addresses: out = the input's third number plus one, and more."""
    c = files.Code()
    c.buffer(1, 0)
    c.buffer(0, 8)
    c.add("LDIND_R4")
    c.push(1.0)
    c.add("ADD")
    c.add("STIND_R4")
    c.buffer(1, 0)
    c.push(1)
    c.buffer(0, 4)
    c.push(4)
    c.add("ADD")
    c.push(1)
    c.add("LDELEM_R4")
    c.add("NEG")
    c.add("STELEM_R4")
    c.buffer(1, 0)
    c.push(2)
    for name, value in (("LDC_I4", -7), ("LDC_I4", 2), ("DIV", None), ("CONV_R4", None)):
        c.add(name, *(() if value is None else (value,)))
    c.add("STELEM_R4")
    c.buffer(1, 12)
    c.push(3.14159)
    c.add("STIND_BR2")
    c.buffer(1, 14)
    c.push(-2)
    c.add("STIND_I2")
    x = np.array([1.5, 2.5, 3.5, 4.5], F)
    word = int(F(3.14159).view(np.uint32)) + 0x7FFF >> 16 | 0xFFFE << 16
    want = np.array([4.5, -4.5, -3, np.uint32(word).view(F)], F)
    yield "memory", (files.whole(c, [(F32, (4,))], [(F32, (4,))]), x, want)


CASES = {name: made for group in (choosing, indexing, sums, regions, memory)
         for name, made in group()}
