"""kmodel V5: the tensor functions of v5_cases.py against NumPy, against the vendor's own simulator
where it is installed, and what they refuse."""

import numpy as np
import pytest
import v5_files as files
from v5_cases import CASES, X

from k210sim.errors import KmodelError
from k210sim.kpu import KModel
from k210sim.kpu.kmodel import stackvm, v5

F = np.float32
INEXACT = ("gru", "random_normal")  # exp, tanh and log of two C libraries


@pytest.mark.parametrize("name", [n for n, made in CASES.items() if made[2] is not None])
def test_functions_equal_numpy(name):
    data, x, want = CASES[name]
    assert v5.build(v5.parse(data)) == data
    out = KModel.from_bytes(data).run(x)[0]
    assert out.dtype == want.dtype and out.tobytes() == np.ascontiguousarray(want).tobytes()


@pytest.mark.parametrize("name", CASES)
def test_functions_equal_the_vendors_simulator(name):
    """Live, when nncase 1.9 is installed (docs/kpu.md says how). It works in the bytes it is given,
    and its GRU changes them, so it gets a copy."""
    nncase = pytest.importorskip("nncase", reason="nncase 1.9 is not installed (see docs/kpu.md)")
    data, x, _ = CASES[name]
    simulator = nncase.Simulator()
    simulator.load_model(bytes(bytearray(data)))
    simulator.set_input_tensor(0, nncase.RuntimeTensor.from_numpy(x))
    outputs = KModel.from_bytes(data).run(x)
    simulator.run()
    assert len(outputs) == simulator.outputs_size
    for i, out in enumerate(outputs):
        want = simulator.get_output_tensor(i).to_numpy()
        if name.startswith(INEXACT):
            np.testing.assert_allclose(out, want, rtol=2e-6, atol=1e-6)
        elif name.startswith("regions 1"):  # of two zeros, which one its compiler took
            assert np.array_equal(out, want)
        else:
            assert out.tobytes() == want.tobytes()


def test_every_function_with_fields_is_executed():
    from k210sim.kpu.v5 import table

    empty = {"CLAMP", "CONV2D_TRANSPOSE", "LOGISTIC", "TAKE"}
    names = {row[0] for rows in stackvm.TABLES for row in rows}
    assert names - set(table.EXECUTED) - {"CALL"} == empty


def test_recurrent_and_normalising_functions_equal_their_formulas():
    def softened(v):
        return 1 / (1 + np.exp(-v))

    data, x, _ = CASES["gru 0 0"]
    out, last = KModel.from_bytes(data).run(x)
    rdata = np.frombuffer(v5.parse(data).modules[0].section(".rdata"), F).astype(float)
    w, r, b, h = rdata[:18].reshape(6, 3), rdata[18:30].reshape(6, 2), rdata[30:42], rdata[42:46]
    h = h.reshape(2, 2)
    for i in range(4):
        z = softened(x[i] @ w[:2].T + b[:2] + h @ r[:2].T + b[6:8])
        reset = softened(x[i] @ w[2:4].T + b[2:4] + h @ r[2:4].T + b[8:10])
        new = np.tanh(x[i] @ w[4:].T + b[4:6] + (reset * h) @ r[4:].T + b[10:12])
        h = (1 - z) * new + z * h
        np.testing.assert_allclose(out[i, 0], h, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(last[0], h, rtol=1e-5, atol=1e-6)
    again = KModel.from_bytes(data).run(x)[0]
    assert np.array_equal(again, out)
    data, x, _ = CASES["layer norm"]
    scale, bias = np.frombuffer(v5.parse(data).modules[0].section(".rdata"), F).reshape(2, 6)
    want = (x - x.mean(3, keepdims=True)) / np.sqrt(x.var(3, keepdims=True) + 1e-5) * scale + bias
    np.testing.assert_allclose(KModel.from_bytes(data).run(x)[0], want, rtol=1e-5, atol=1e-6)


def test_random_numbers_follow_their_published_generator():
    """The ten thousandth number of minstd_rand0 is 1043618065 (ISO C++, from seed 1)."""
    from k210sim.kpu.v5.sums import random_numbers

    assert random_numbers(1.0, 10000)[-1] == F(1043618064) / F(2**31)
    values = [KModel.from_bytes(CASES[f"random_{kind}"][0]).run(np.zeros(1, F))[0]
              for kind in ("normal", "uniform")]
    assert len(np.unique(values)) == 30 and -1 <= values[1].min() and values[1].max() < 3


def test_regions_and_boxes_of_simple_scenes():
    """A region that is the whole map and one sample a cell gives the map; two equal boxes one."""
    rdata = np.array([0, 0, 6, 5], F).tobytes() + bytes(8)
    data = files.one_tensor_function(
        "ROI_ALIGN", X.shape, (1, 3, 5, 6), rdata=rdata, after=((2, 0), (2, 16), "out"), mode=0,
        scale=1.0, ratio=1, registers=(("out_shape", (1, 3, 5, 6)),))
    middle = np.pad(X, ((0, 0), (0, 0), (0, 1), (0, 1)), mode="edge")
    want = (middle[..., :-1, :-1] + middle[..., 1:, :-1] + middle[..., :-1, 1:]
            + middle[..., 1:, 1:]) / 4
    np.testing.assert_allclose(KModel.from_bytes(data).run(X)[0], want, rtol=1e-5, atol=1e-6)
    boxes = np.zeros((1, 3, 4), F)
    scores = np.array([[0, .9, .1], [0, .8, .2], [0, .2, .7]], F)
    anchors = np.array([[.5, .5, .2, .2], [.5, .5, .2, .2], [.1, .1, .1, .1]], F)
    data = files.one_tensor_function(
        "TFLITE_DETECTION_POSTPROCESS", boxes.shape, (3, 4),
        rdata=scores.tobytes() + anchors.tobytes(),
        after=((2, 0), (2, 36), "out", (1, 48), (1, 60), (1, 72)),
        more_outputs=[(9, (3,)), (9, (3,)), (9, (1,))], registers=(
            ("box_shape", boxes.shape), ("score_shape", (1, 3, 3)), ("anchor_shape", (3, 4))),
        max_detections=3, max_classes=1, per_class=3, use_nms=0, score=0.3, iou=0.5, classes=2,
        y_scale=1.0, x_scale=1.0, h_scale=1.0, w_scale=1.0)
    places, labels, found, count = KModel.from_bytes(data).run(boxes)
    assert count == 2 and labels[:2].tolist() == [0, 1] and found[:2].tolist() == [F(.9), F(.7)]
    np.testing.assert_allclose(places[0], [.4, .4, .6, .6], rtol=1e-6)


def test_detection_of_no_batch_is_refused():
    boxes = np.zeros((1, 3, 4), F)
    data = files.one_tensor_function(
        "TFLITE_DETECTION_POSTPROCESS", boxes.shape, (3, 4), rdata=bytes(84),
        after=((2, 0), (2, 36), "out", (1, 48), (1, 60), (1, 72)),
        more_outputs=[(9, (3,)), (9, (3,)), (9, (1,))], registers=(
            ("box_shape", (0, 3, 4)), ("score_shape", (1, 3, 3)), ("anchor_shape", (3, 4))),
        max_detections=3, max_classes=1, per_class=3, use_nms=0, score=0.3, iou=0.5, classes=2,
        y_scale=1.0, x_scale=1.0, h_scale=1.0, w_scale=1.0)
    with pytest.raises(KmodelError, match="boxes"):
        KModel.from_bytes(data).run(boxes)


@pytest.mark.parametrize("name, change, match", [
    ("topk 1 1 True", {"k": 7}, "the first 7 of 6"), ("cumsum 0 0", {"axis": 4}, "axis 4 of 4"),
    ("onehot 0 1", {"mode": 2}, "mode 2"), ("regions 0 0", {"mode": 2}, "mode 2"),
    ("hardmax", {"axis": -1}, "axis -1"), ("layer norm", {"axis": 4}, "axis 4"),
    ("argmax", {"op": 2}, "operation 2"), ("compress", {"axis": float("nan")}, "axis -1"),
    ("gather_elements", {"axis": 0}, "into|outside"), ("gather_nd", {"axis": 2}, "indices of"),
    ("detection 1 1", {"classes": 9}, "of 9 classes"), ("regions 1 2", {"ratio": 9999}, "samples"),
    ("random_normal", {"seed": float("inf")}, "seed inf")])
def test_operands_that_make_no_sense(name, change, match):
    data, x, _ = CASES[name]
    model = v5.parse(data)
    text = model.modules[0].section(".text")
    release = stackvm.detect(text)
    code = stackvm.disassemble(text, release)
    bad = [one._replace(operands={**one.operands, **change})
           if one.name.startswith("TENSOR.") else one for one in code]
    raw = stackvm.assemble(bad, release)
    at = data.index(text)
    with pytest.raises(KmodelError, match=match):
        KModel.from_bytes(data[:at] + raw + data[at + len(text) :]).run(x)


@pytest.mark.parametrize("name, fields", [
    ("REDUCE_ARG", {"op": 1, "keep": 1, "last": 0, "registers": (("axes", (1,)),)}),
    ("HARDMAX", {"axis": 1}),
    ("LAYER_NORM", {"axis": 1, "epsilon": 0.1, "after": ((2, 0), (2, 0), "out")})])
def test_nothing_has_no_maximum_and_no_mean(name, fields):
    """Found by mutation runs: shapes with a 0 in them."""
    data = files.one_tensor_function(name, (2, 0), (2, 1), **{"after": ("out",), **fields})
    with pytest.raises(KmodelError, match="of \\(2, 0\\)|nothing"):
        KModel.from_bytes(data).run(np.zeros((2, 0), F))


@pytest.mark.parametrize("instructions, match", [
    ((("LDC_I4", 1), ("LDC_R4", 1.0), ("ADD",)), "an integer and a float"),
    ((("LDC_R4", 1.0), ("LDC_R4", 1.0), ("AND",)), "bits of a float"),
    ((("LEA_BUFFER", 0, 0, 13), ("LDIND_R4",)), "4 bytes at 13 of 16"),
    ((("LEA_BUFFER", 0, 0, 0), ("LDC_I4", -1), ("LDELEM_I1",)), "1 bytes at -1"),
    ((("LDC_I4", 5), ("LDIND_U1",)), "an address is expected"),
    ((("LEA_BUFFER", 2, 0, 0), ("LDC_I4", 5), ("STIND_I1",)), "writes into .rdata"),
    ((("LEA_BUFFER", 1, 0, 0), ("LDC_I4", 5), ("STIND_R4",)), "no value for this store"),
    ((("LDC_I4", 5), ("LDC_I4", 0), ("REM",)), "division by zero"),
    ((("LDARG_0",),), "LDARG_0 is not executed"), ((("THROW",),), "THROW is not executed")])
def test_scalar_code_that_makes_no_sense(instructions, match):
    c = files.Code()
    for name, *operands in instructions:
        c.add(name, *operands)
    data = files.whole(c, [(files.F32, (4,))], [(files.F32, (4,))], b"abcd")
    with pytest.raises(KmodelError, match=match):
        KModel.from_bytes(data).run(np.zeros(4, F))
