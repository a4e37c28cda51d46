"""Repeated runs of kmodel V5: the steps of v5/plans.py against the byte code itself, and their
loops against plain Python."""

import math

import numpy as np
import pytest
import v5_files as files
from hypothesis import given, settings
from hypothesis import strategies as st
from v5_cases import CASES

from k210sim.errors import KmodelError
from k210sim.kpu import KModel, ai_ram
from k210sim.kpu.kernels import chain, team, tensors
from k210sim.kpu.placed import PlacedTransfer, joined
from k210sim.kpu.v5 import plans, steps
from k210sim.kpu.v5.steps import Binary, Move

F = np.float32
described = plans.described
SCALAR = ("memory",)  # these use more of the stack machine
COMMON = settings(deadline=None, max_examples=30)


def twice(data, x):
    """The steps of a recorded run; outputs by them are checked against the byte code's."""
    model, made = KModel.from_bytes(data), []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plans, "described", lambda *args: made.append(
            described(*args)) or made[-1])
        model.run(x)
    want = model.run(x, layers=True).outputs
    for _ in range(3):
        outputs = model.run(x)
        assert all(a.tobytes() == b.tobytes() for a, b in zip(outputs, want, strict=True))
    other = (x[..., ::-1] * x.dtype.type(2)).astype(x.dtype)
    outputs, want = model.run(other), model.run(other, layers=True).outputs
    assert all(a.tobytes() == b.tobytes() for a, b in zip(outputs, want, strict=True))
    return made[0] if model.net._plan else None


@pytest.mark.parametrize("name", [n for n in CASES if "gather" not in n and "onehot" not in n])
def test_steps_equal_the_byte_code(name):
    data, x, _ = CASES[name]
    steps = twice(data, x)
    assert (steps is None) == (name in SCALAR)


def test_steps_of_a_whole_network():
    data = files.small_v5()
    x = np.random.default_rng(1).random((3, 12, 20), dtype=F)
    steps = twice(data, x)
    assert [type(step).__name__ for step in steps] == ["Quantize", "Call", "Dequantize", "Step"]
    kinds = [type(layer.plan).__name__ for layer in steps[1].layers]
    assert kinds[0] == kinds[2] == "Transfer" and len(kinds) == 3


def code_of(build, in_shape, out_shape, rdata=b""):
    code = files.Code()
    build(code)
    return files.whole(code, [(files.F32, in_shape)], [(files.F32, out_shape)], rdata)


def tensor(code, name, places, shape, out_shape=None, **more):
    for place in places:
        code.buffer(*place)
    out = out_shape or shape
    code.tensor(name, dt=files.F32, shape=code.shape(shape), in_strides=code.shape(
        files.strides(shape)), out_strides=code.shape(files.strides(out)),
        **{k: code.shape(v) for k, v in more.items()})


def test_moves_are_views_where_source_and_target_are_apart():
    x = np.arange(24, dtype=F).reshape(1, 2, 3, 4)

    def build(code, begin=0):
        tensor(code, "SLICE", [(0, 0), (1, 0)], x.shape, (1, 2, 2, 2), begins=(0, 0, begin, 1),
               ends=(1, 2, 3, 9), steps=(1, 1, 2, 2))

    (step,) = twice(code_of(build, x.shape, (1, 2, 2, 2)), x)
    assert isinstance(step, Move)

    def shifted(code):
        tensor(code, "COPY", [(0, 0), (0, 4)], (1, 23))
        tensor(code, "COPY", [(0, 0), (1, 0)], x.shape)

    steps = twice(code_of(shifted, x.shape, x.shape), x)
    assert [type(step).__name__ for step in steps] == ["Step", "Move"]


@pytest.mark.parametrize("pads, kind", [
    (((0, 0, 0), (0, 2, 0), (1, 0, 0)), "Pad"), (((0, 0, 0), (0, -1, 0), (1, 0, 0)), "Step"),
    (((0, 0, 0), (0, 2, 1), (1, 0, 0)), "Step")])
def test_paddings_by_a_constant_are_views(pads, kind):
    x = np.arange(12, dtype=F).reshape(1, 3, 4)
    wide = [d + max(0, d - 1) * p[2] + p[0] + p[1] for d, p in zip(x.shape, pads, strict=True)]

    def build(code):
        for number in np.ravel(pads).tolist():
            code.push(number)
        code.add("STPADDINGS", 0, len(pads))
        code.buffer(0, 0)
        code.buffer(1, 0)
        code.push(7.5)
        code.tensor("PAD", dt=files.F32, shape=code.shape(x.shape), in_strides=code.shape(
            files.strides(x.shape)), out_strides=code.shape(files.strides(wide)), pads=0, mode=0)

    data = code_of(build, x.shape, wide)
    (step,) = twice(data, x)
    assert type(step).__name__ == kind
    if kind == "Pad":
        want = np.pad(x, [p[:2] for p in pads], constant_values=7.5)
        assert np.array_equal(KModel.from_bytes(data).run(x)[0], want)


def test_conversions_at_odd_places_stay_functions():
    """The kernels take aligned floats only."""
    x = np.arange(12, dtype=F).reshape(1, 12)

    def build(code, at=1):
        tensor(code, "COPY", [(0, 0), (3, at)], x.shape)
        code.buffer(3, at)
        code.buffer(1, 0)
        code.push(2.0)
        code.push(1.0)
        s = code.shape(x.shape), code.shape(files.strides(x.shape))
        code.tensor("QUANTIZE", dt=files.F32, dt_out=files.U8, shape=s[0], in_strides=s[1],
                    out_strides=s[1])

    code = files.Code()
    build(code)
    data = files.whole(code, [(files.F32, x.shape)], [(files.U8, x.shape)])
    assert [type(step).__name__ for step in twice(data, x)] == ["Move", "Step"]
    assert KModel.from_bytes(data).run(x)[0].tolist() == (2 * x + 1).tolist()


def test_binary_steps_limit_and_broadcast():
    x = np.array([[[-3, -1, 0, 2, np.nan, np.inf]]], F)

    def build(code):
        for place in ((0, 0), (2, 0), (1, 0)):
            code.buffer(*place)
        shapes = [code.shape(s) for s in (x.shape, files.strides(x.shape), (1,), (0,), x.shape,
                                          files.strides(x.shape))]
        code.tensor("BINARY", dt=files.F32, op=2, low=-4.0, high=3.0, **dict(zip(
            ("a_shape", "a_strides", "b_shape", "b_strides", "out_shape", "out_strides"), shapes,
            strict=True)))

    (step,) = twice(code_of(build, x.shape, x.shape, F(2).tobytes()), x)
    assert isinstance(step, Binary) and step.limits == (-4, 3)


def test_an_error_in_a_repeated_run_tells_the_place():
    """The divisors are the input, so the second run can fail where the first did not."""
    x = np.array([[3, 2, 1]], np.int32)
    code = files.Code()
    for place in ((2, 0), (0, 0), (1, 0)):
        code.buffer(*place)
    shapes = [code.shape(s) for s in (x.shape, (3, 1)) * 3]
    code.tensor("BINARY", dt=files.I32, op=3, low=-99.0, high=99.0, **dict(zip(
        ("a_shape", "a_strides", "b_shape", "b_strides", "out_shape", "out_strides"), shapes,
        strict=True)))
    model = KModel.from_bytes(files.whole(code, [(files.I32, x.shape)], [(files.I32, x.shape)],
                                          np.array([7, -7, 7], np.int32).tobytes()))
    assert [model.run(x)[0].tolist() for _ in range(2)] == [[[2, -3, 7]]] * 2
    assert model.net._plan
    bad = x - 1
    messages = []
    for layers in (False, True):
        with pytest.raises(KmodelError) as found:
            model.run(bad, layers=layers)
        messages.append(str(found.value))
    assert messages[0] == messages[1] and "in TENSOR.BINARY at" in messages[0]


def test_code_with_jumps_is_run_as_code():
    x = np.arange(6, dtype=F).reshape(1, 6)

    def build(code):
        code.push(1)
        code.add("BR_TRUE", 0)
        tensor(code, "COPY", [(0, 0), (1, 0)], x.shape)

    assert twice(code_of(build, x.shape, x.shape), x) is None


UP, DOWN = (files.U8, files.F32), (files.F32, files.U8)


def convert(code, name, source, target, size, numbers, kinds):
    code.buffer(*source)
    code.buffer(*target)
    for number in numbers:
        code.push(number)
    shape, steps = code.shape((1, size)), code.shape((size, 1))
    code.tensor(name, dt=kinds[0], dt_out=kinds[1], shape=shape, in_strides=steps,
                out_strides=steps)


@pytest.mark.parametrize("look", ["nobody", "a step", "the output"])
def test_floats_between_bytes_are_left_out_where_nobody_sees_them(look):
    """A join of two quantised rows: bytes to floats in one buffer, and to bytes of one scale."""
    x = np.random.default_rng(2).integers(0, 256, (1, 24), dtype=np.uint8)
    code = files.Code()
    floats = 1 if look == "the output" else 3  # location: outputs, else the module's data

    convert(code, "DEQUANTIZE", (0, 0), (floats, 0), 10, (0.25, -3.0), UP)
    convert(code, "DEQUANTIZE", (0, 10), (floats, 40), 14, (0.5, 1.5), UP)
    convert(code, "QUANTIZE", (floats, 0), (3, 128), 24, (3.0, 7.0), DOWN)
    outs = [(files.F32, (1, 24))]
    if look != "the output":
        convert(code, "DEQUANTIZE", (3, 128), (1, 0), 24, (2.0, 0.5), UP)
    if look == "a step":
        tensor(code, "COPY", [(3, 20), (1, 20)], (1, 4))
    steps = twice(files.whole(code, [(files.U8, x.shape)], outs, data=256), x)
    kinds = [type(step).__name__ for step in steps]
    kept = ["Dequantize"] * (look == "the output") * 2 or ["Dequantize"] * (look == "a step")
    assert kinds[: len(kept) + 2] == [*kept, "Requantize", "Requantize"]


@pytest.mark.parametrize("numbers,to,kinds", [
    ((2.0, -2.0), 512, ["Move"]),
    ((2.0, -2.0), 128, []),
    ((2.0, -2.0), 120, ["Move"] * 3),
    ((2.0, -2.0), 136, ["Dequantize", "Quantize"]),
    ((3.0, 0.0), 512, ["Requantize"]),
    ((3.0, 0.0), 128, ["Requantize", "Move"] * 2),
    ((3.0, 0.0), 120, ["Requantize"] * 3),
    ((3.0, 0.0), 126, ["Dequantize", "Quantize"])])
def test_bytes_become_bytes_where_they_lie(monkeypatch, numbers, to, kinds):
    """Over their own place or one that begins before it, with the same scale or another."""
    monkeypatch.setattr(steps, "ROOM", 12)
    monkeypatch.setattr(steps, "LEAST", 4)
    x = np.random.default_rng(2).integers(0, 256, (1, 24), dtype=np.uint8)
    code = files.Code()
    convert(code, "DEQUANTIZE", (0, 0), (3, 256), 24, (0.25, 3.0), UP)
    convert(code, "QUANTIZE", (3, 256), (3, 128), 24, (5.0, 1.0), DOWN)
    convert(code, "DEQUANTIZE", (3, 128), (3, 256), 24, (0.5, 1.0), UP)
    convert(code, "QUANTIZE", (3, 256), (3, to), 24, numbers, DOWN)
    convert(code, "DEQUANTIZE", (3, to), (1, 0), 24, (2.0, 0.5), UP)
    found = twice(files.whole(code, [(files.U8, x.shape)], [(files.F32, (1, 24))], data=1024), x)
    assert [type(step).__name__ for step in found] == ["Requantize", *kinds, "Dequantize"]


def plain_quantize(x, scale, bias, low, high):
    v = float(np.rint(F(F(x * scale) + bias)))
    v = v if -(2.0**31) <= v < 2.0**31 else -(2.0**31)
    return int(min(max(v, low), high)) & 0xFF


@COMMON
@given(x=st.lists(st.floats(width=32), min_size=1, max_size=40), signed=st.booleans(),
       scale=st.floats(-300, 300, width=32), bias=st.floats(-300, 300, width=32))
def test_quantize_equals_its_twin(x, signed, scale, bias):
    x = np.array(x + [0.5, 1.5, -2.5, 3e9, -3e9, math.inf, -math.inf, math.nan], F)
    low, high = (-128, 127) if signed else (0, 255)
    out = np.zeros(len(x), np.uint8)
    with np.errstate(all="ignore"):
        tensors.quantize(x, F(scale), F(bias), F(low), F(high), out)
        want = [plain_quantize(v, F(scale), F(bias), low, high) for v in x]
    assert out.tolist() == want


@COMMON
@given(signed=st.booleans(), scale=st.floats(-300, 300, width=32),
       bias=st.floats(-300, 300, width=32))
def test_dequantize_equals_its_twin(signed, scale, bias):
    x = np.arange(256).astype(np.uint8)
    out = np.zeros(256, F)
    tensors.dequantize(x, signed, F(scale), F(bias), out)
    values = [v - 256 if signed and v > 127 else v for v in range(256)]
    assert out.tolist() == [float(F(F(F(v) * F(scale)) + F(bias))) for v in values]


@COMMON
@given(seed=st.integers(0, 2**32 - 1), channels=st.integers(1, 9), height=st.integers(1, 9),
       width=st.integers(1, 70), threads=st.integers(1, 3))
def test_transfers_equal_read_map_and_write_map(seed, channels, height, width, threads):
    rng = np.random.default_rng(seed)
    ram, other = ai_ram.AiRam(), ai_ram.AiRam()
    shape = (channels, height, width)
    rows = rng.integers(0, 256, (channels, height * width), dtype=np.uint8)
    out = np.zeros_like(rows)
    up, down = (PlacedTransfer(a, shape, 7, way) for a, way in ((rows, False), (out, True)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chain, "WORTH", 0)
        patch.setattr(team, "cores", lambda: 3)
        for call in (joined([up]) + joined([down]) if seed % 2 else joined([up, down])):
            call.run(ram, threads)
    other.write_map(7, rows.reshape(shape))
    assert np.array_equal(ram.data, other.data)
    assert np.array_equal(out.reshape(shape), other.read_map(7, shape))
