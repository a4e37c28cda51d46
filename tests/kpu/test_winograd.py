"""3x3 layers by Winograd's way: the bytes of the direct way, whatever the weights and pixels."""

import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from k210sim.kpu.conv_params import ConvParams
from k210sim.kpu.kernels import dot_frame, table
from k210sim.kpu.kernels.dot_conv import DotConv
from k210sim.kpu.kmodel.writer import ModelBuilder, activation_table
from k210sim.kpu.layer_regs import BatchNorm

pytestmark = pytest.mark.skipif("avx2" not in table.available(), reason="this host has no AVX2")
SPREAD = np.array([[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]])
WEIGH = np.array([[2, 0, 0], [1, 1, 1], [1, -1, 1], [0, 0, 2]])
GATHER = np.array([[1, 1, 1, 0], [0, 1, -1, -1]])


def layer(x, weights, factor, pool, pad_value=0, shift=12):
    """(ConvParams, bn, act, arguments) of a layer whose factor of the input sum is whole."""
    out = len(weights)
    bn, act = BatchNorm(np.full(out, 1 << 8), shift, 65_000), activation_table("relu", 9)
    args = dict(arg_x=factor << 4, shr_x=4, arg_w=-7, shr_w=2, arg_add=5, pad_value=pad_value)
    builder = ModelBuilder(x.shape)
    builder.add_conv(builder.input, weights.astype(np.uint8), bn=bn, act=act, pool=pool, **args)
    fields = builder.steps[0][3]
    params = ConvParams.from_layer(fields["regs"], fields["weights"], fields["bn"], fields["act"])
    return params, bn, act, args


@st.composite
def layers(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    pool = draw(st.sampled_from((0, 1)))
    least = 1 + pool
    channels, out = draw(st.integers(1, 4)), draw(st.integers(1, 7))
    height, width = draw(st.integers(least, 5)), draw(st.integers(least, 7))
    kinds = draw(st.sampled_from(("any", "ends", "full")))
    if kinds == "any":
        weights = rng.integers(0, 256, (out, channels, 3, 3))
        x = rng.integers(0, 256, (channels, height, width))
    elif kinds == "ends":
        weights = rng.choice([0, 255], (out, channels, 3, 3))
        x = rng.choice([0, 255], (channels, height, width))
    else:
        weights = np.full((out, channels, 3, 3), 255)
        x = np.full((channels, height, width), 255)
    return (weights, x.astype(np.uint8), draw(st.integers(-3640, 3385)), pool,
            draw(st.integers(0, 255)), draw(st.integers(5, 15)))


@settings(deadline=None, max_examples=30)
@given(case=layers())
def test_it_equals_the_twin(case):
    weights, x, factor, pool, pad_value, shift = case
    params, bn, act, args = layer(x, weights, factor, pool, pad_value, shift)
    plan = DotConv(params, "dot_avx2", wide=True, winograd=True)
    norm = np.stack([bn.mul, bn.shift, bn.add], axis=1)
    rows = list(zip(act.x_start, act.mul, act.shift, act.bias, strict=True))
    want = naive.layer(x, weights, norm, rows, pool, "even", depthwise=False, **args)
    assert np.array_equal(plan.run(x), want)
    assert plan.layout.together > 0 or pool == 1 or not plan.stairs.complete


@pytest.mark.parametrize("shape, out, pool", [
    ((5, 40, 61), 13, 0), ((40, 33, 30), 50, 0), ((70, 9, 11), 9, 0), ((64, 40, 42), 30, 1),
    ((9, 31, 33), 20, 1)])
def test_several_bands_and_threads(shape, out, pool, monkeypatch):
    rng = np.random.default_rng(out)
    x = rng.integers(0, 256, shape, dtype=np.uint8)
    weights = rng.integers(0, 256, (out, shape[0], 3, 3))
    shift = 8 + int(np.log2(12_000 * (9 * shape[0]) ** 0.5 / 40_000))  # bytes of all sizes
    params, *_ = layer(x, weights, -127, pool, 9, shift)
    want = DotConv(params, "dot_avx2", wide=True, winograd=False)
    monkeypatch.setattr(dot_frame, "LEAST_POSITIONS", 1)
    monkeypatch.setattr(dot_frame, "BAND_BYTES", 100_000)
    dot_frame.winograd.cache_clear()
    plan = DotConv(params, "dot_avx2", wide=True, winograd=True)
    dot_frame.winograd.cache_clear()
    assert want.layout.together == 0 and plan.layout.together > 0 and plan.layout.bands > 1
    expected = want.run(x)
    assert expected.std() > 20
    for threads in (1, 2, 3):
        assert np.array_equal(plan.run(x, threads), expected)


def test_sums_that_would_not_fit_are_made_directly():
    """Four times a sum must fit 32 bits, and nine times a weight 16."""
    x = np.full((920, 4, 4), 255, np.uint8)
    made = {}
    for channels in (917, 918):
        params, *_ = layer(x[:channels], np.full((3, channels, 3, 3), 255), 0, 0, 255, 15)
        plan = DotConv(params, "dot_avx2", wide=True, winograd=True)
        made[channels] = plan.layout.together
        other = DotConv(params, "dot_avx2", wide=True, winograd=False)
        assert np.array_equal(plan.run(x[:channels]), other.run(x[:channels]))
    assert 917 * 9 * 255 * 255 < 1 << 29 <= 918 * 9 * 255 * 255
    assert made[917] > 0 and made[918] == 0
    assert dot_frame.exact(0, 0, 3385) and not dot_frame.exact(0, 0, 3386)
    assert dot_frame.exact(0, 0, -3640) and not dot_frame.exact(0, 0, -3641)
    assert not dot_frame.exact(-(1 << 29) - 1, 0, 0)


def test_the_matrices_give_four_sums():
    """The plain twin of the whole way, in Python's integers."""
    rng = np.random.default_rng(4)
    patch = rng.integers(0, 256, (4, 4)).astype(object)
    w = rng.integers(-3000, 3000, (3, 3)).astype(object)
    products = (WEIGH @ w @ WEIGH.T) * (SPREAD @ patch @ SPREAD.T)
    got = GATHER @ products @ GATHER.T
    for y in range(2):
        for x in range(2):
            assert got[y, x] == 4 * (patch[y : y + 3, x : x + 3] * w).sum()


def test_transformed_weights_equal_the_twin():
    from k210sim.kpu.kernels import winograd

    rng = np.random.default_rng(3)
    blocks, groups, rows, factor = 3, 5, 6, -3640
    weights = rng.choice([0, 1, 128, 255], (blocks, groups, 9, rows, 2)).astype(np.uint8)
    size = winograd.kind_bytes(groups, rows)
    out = np.zeros((blocks, 16 * size), np.uint8)
    winograd.widen(weights.reshape(blocks, -1), groups, rows, factor, out)
    got = out.reshape(blocks, 16, size)[:, :, : groups * rows * 4].copy().view(np.int16)
    nine = weights.astype(np.int64).reshape(blocks, groups, 3, 3, rows, 2) + factor
    want = np.einsum("iy,jx,bgyxrp->bijgrp", WEIGH, WEIGH, nine)
    assert np.array_equal(got.reshape(want.shape[0], 4, 4, groups, rows, 2), want)
    assert abs(want).max() <= 32767
