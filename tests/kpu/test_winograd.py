"""3x3 layers by Winograd's ways: the bytes of the direct way, whatever the weights and pixels."""

import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from k210sim.kpu.conv_params import ConvParams
from k210sim.kpu.kernels import chain, dot_frame, maps, schemes, table, tiles, winograd
from k210sim.kpu.kernels.dot_conv import DotConv
from k210sim.kpu.kmodel.writer import ModelBuilder, activation_table
from k210sim.kpu.layer_regs import BatchNorm

pytestmark = pytest.mark.skipif("avx2" not in table.available(), reason="this host has no AVX2")
SIZES = tuple(schemes.BY_SIZE)


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
    size, pool = draw(st.sampled_from(SIZES)), draw(st.sampled_from((0, 1)))
    least = 1 + pool
    channels, out = draw(st.integers(1, 4)), draw(st.integers(1, 7))
    height, width = draw(st.integers(least, 9)), draw(st.integers(least, 21))
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
    factor = draw(st.sampled_from(FACTORS[size]) | st.integers(*FACTORS[size]))
    return (weights, x.astype(np.uint8), factor, pool, draw(st.integers(0, 255)),
            draw(st.integers(5, 15)), size, draw(st.sampled_from((0, 0x7F, 0xFF))))


# The least and the greatest with which transformed weights fit.
FACTORS = {2: (-3640, 3385), 4: (-668, 413)}


def only(params, size):
    """A plan that takes one way."""
    return DotConv(params, "dot_avx2", wide=True, winograd=(size,))


@settings(deadline=None, max_examples=60)
@given(case=layers())
def test_it_equals_the_twin(case):
    """And nothing depends on what lay in the room to work in: outputs beyond the map share the
    transforms of those inside."""
    weights, x, factor, pool, pad_value, shift, size, left = case
    params, bn, act, args = layer(x, weights, factor, pool, pad_value, shift)
    plan = only(params, size)
    norm = np.stack([bn.mul, bn.shift, bn.add], axis=1)
    rows = list(zip(act.x_start, act.mul, act.shift, act.bias, strict=True))
    want = naive.layer(x, weights, norm, rows, pool, "even", depthwise=False, **args)
    tiles.scratch("chain", (1 << 18,), np.uint8)[:] = left
    assert np.array_equal(plan.run(x), want)
    assert plan.layout.size == size or pool == 1 or not plan.stairs.complete


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("shape, out, pool", [
    ((5, 40, 61), 13, 0), ((40, 33, 30), 50, 0), ((70, 9, 11), 9, 0), ((64, 40, 42), 30, 1),
    ((9, 31, 33), 20, 1)])
def test_several_bands_and_threads(shape, out, pool, size, monkeypatch):
    rng = np.random.default_rng(out)
    x = rng.integers(0, 256, shape, dtype=np.uint8)
    weights = rng.integers(0, 256, (out, shape[0], 3, 3))
    shift = 8 + int(np.log2(12_000 * (9 * shape[0]) ** 0.5 / 40_000))  # bytes of all sizes
    params, *_ = layer(x, weights, -127, pool, 9, shift)
    want = only(params, 0)
    monkeypatch.setattr(dot_frame, "LEAST_POSITIONS", 1)
    monkeypatch.setattr(dot_frame, "INPUT_BYTES", 20_000)
    monkeypatch.setattr(dot_frame, "PRODUCT_BYTES", 100_000)
    dot_frame.winograd.cache_clear()
    plan = only(params, size)
    dot_frame.winograd.cache_clear()
    assert want.layout.size == 0 and plan.layout.size == size and plan.layout.bands > 1
    expected = want.run(x)
    assert expected.std() > 20
    for threads in (1, 2, 3):
        assert np.array_equal(plan.run(x, threads), expected)


@pytest.mark.parametrize("size, most", [(2, 917), (4, 57)])
def test_sums_that_would_not_fit_are_made_directly(size, most):
    """Four times a sum, or 64 times, must fit 32 bits."""
    x = np.full((most + 1, 6, 5), 255, np.uint8)
    made = {}
    for channels in (most, most + 1):
        params, *_ = layer(x[:channels], np.full((3, channels, 3, 3), 255), 0, 0, 255, 15)
        plan = only(params, size)
        made[channels] = plan.layout.size
        assert np.array_equal(plan.run(x[:channels]), only(params, 0).run(x[:channels]))
    limit = 1 << 31 - 2 * max(schemes.BY_SIZE[size].shifts)
    assert most * 9 * 255 * 255 < limit <= (most + 1) * 9 * 255 * 255
    assert list(made.values()) == [size, 0]


@pytest.mark.parametrize("size", SIZES)
def test_what_is_exact(size):
    scheme = schemes.BY_SIZE[size]
    limit = 1 << 31 - 2 * max(scheme.shifts)
    least, most = FACTORS[size]
    assert scheme.exact(-limit, limit - 1, most) and scheme.exact(0, 0, least)
    assert not scheme.exact(0, 0, most + 1) and not scheme.exact(0, 0, least - 1)
    assert not scheme.exact(-limit - 1, 0, 0) and not scheme.exact(0, limit, 0)
    assert schemes.most(scheme.spread) ** 2 * 255 < 1 << 15


@pytest.mark.parametrize("size", SIZES)
def test_the_matrices_give_the_sums(size):
    """The plain twin of the whole way, in Python's integers."""
    rng = np.random.default_rng(4)
    scheme = schemes.BY_SIZE[size]
    spread, weigh, gather = (np.array(one, object) for one in scheme[1:4])
    patch = rng.integers(0, 256, (size + 2, size + 2)).astype(object)
    w = rng.integers(-668, 669, (3, 3)).astype(object)
    products = (weigh @ w @ weigh.T) * (spread @ patch @ spread.T)
    got = gather @ products @ gather.T
    for y in range(size):
        for x in range(size):
            total = (patch[y : y + 3, x : x + 3] * w).sum()
            times = scheme.odd**2 << scheme.shifts[y] + scheme.shifts[x]
            assert got[y, x] == times * total
            assert got[y, x] * scheme.inverse % 2**32 == (times // scheme.odd**2 * total) % 2**32


@pytest.mark.parametrize("size", SIZES)
def test_transformed_weights_equal_the_twin(size):
    rng = np.random.default_rng(3)
    scheme, (blocks, rows, factor) = schemes.BY_SIZE[size], (3, 6, FACTORS[size][0])
    weigh = np.array(scheme.weigh)
    for groups in (1, 4, 5):
        weights = rng.choice([0, 1, 128, 255], (blocks, 9, groups, rows, 2)).astype(np.uint8)
        room = np.append(weights, np.zeros(16, np.uint8))
        kind = winograd.kind_bytes(groups, blocks * rows)
        out = np.zeros((scheme.kinds, kind), np.uint8)
        winograd.weights(size, chain.address(room), blocks, groups * rows * 2, factor,
                         chain.address(out), kind)
        got = out[:, : blocks * groups * rows * 4].copy().view(np.int16)
        nine = weights.astype(np.int64).reshape(blocks, 3, 3, groups, rows, 2) + factor
        want = np.einsum("iy,jx,byxgrp->ijbgrp", weigh, weigh, nine)
        assert np.array_equal(got, want.reshape(scheme.kinds, -1))
        assert abs(want).max() <= 32767


@pytest.mark.parametrize("size", SIZES)
def test_transformed_sums_at_the_limit(size):
    """Products whose outputs are the largest sums, of either sign."""
    scheme = schemes.BY_SIZE[size]
    limit = 1 << 31 - 2 * max(scheme.shifts)
    rng = np.random.default_rng(6)
    for edge in (size, size // 2):
        weights = rng.choice([-385, 255], (8, 3, 3)).astype(np.int64)
        patch = rng.choice([0, 255], (8, size + 2, size + 2)).astype(np.int64)
        sums = np.stack([[(patch[:, y : y + 3, x : x + 3] * weights).sum(axis=(1, 2))
                          for x in range(size)] for y in range(size)])
        times = limit // abs(sums).max()
        spread, weigh = (np.array(one) for one in scheme[1:3])
        products = (np.einsum("iy,jx,pyx->ijp", weigh, weigh, weights)
                    * np.einsum("iy,jx,pyx->ijp", spread, spread, patch)) * times
        kept = products.reshape(scheme.kinds, 1, 8).astype(np.int32)  # modulo 2**32
        out = np.zeros((1, edge * edge, 8), np.int32)
        winograd.outputs(size, edge, chain.address(kept), 32, 32, 1, 8, chain.address(out),
                         out.nbytes)
        want = sums * times
        if edge < size:
            want = want.reshape(edge, 2, edge, 2, 8).max(axis=(1, 3))
        assert np.array_equal(out.reshape(want.shape), want)
        assert abs(sums * times).max() > 0.9 * limit


@pytest.mark.parametrize("edge", (1, 2, 4))
def test_patches_are_stored_as_a_map(edge):
    rng = np.random.default_rng(edge)
    for width in (1, 2, 3, 5, 8, 9, 15, 16, 31, 33, 64, 67):
        height, columns = 2 * edge + (edge > 1), -(-width // edge)
        count = 3 * columns + 5
        rows = rng.integers(0, 256, (2, edge * edge * count), dtype=np.uint8)
        cells = np.full((3, height + 1, width), 7, np.uint8)
        want = cells.copy()
        for y in range(edge, height):
            for x in range(width):
                at = (y % edge * edge + x % edge) * count + (y // edge - 1) * columns + x // edge
                want[1:, y, x] = rows[:, at]
        place = np.array([0, 1, 0, (height + 1) * width, width], np.int64)
        maps.store_patches(rows, edge, columns, count, 1, 1, 3 if edge > 1 else 1, height, width,
                           place, cells.reshape(-1))
        assert np.array_equal(cells, want)


@pytest.mark.parametrize("outputs", range(1, 14))
def test_even_steps_give_the_sums(outputs):
    """Each number of channels the last block may have, against NumPy."""
    from k210sim.kpu.kernels import dot_avx2

    rng = np.random.default_rng(outputs)
    steps, count, rows = 5, 40, dot_avx2.ROWS
    blocks = -(-outputs // rows)
    x = rng.integers(0, 256, (steps, count, 2)).astype(np.int16)
    weights = rng.integers(-255, 256, (blocks, steps, rows, 2)).astype(np.int16)
    acc = np.full((blocks * rows + 1, count), 77, np.int32)
    offsets = np.arange(-1, steps - 1) * 4 * count
    dot_avx2.even.ctypes(chain.address(x) + 4 * count, chain.address(offsets), steps,
                         chain.address(weights), outputs, count, chain.address(acc), 4 * count)
    want = np.einsum("spk,bsrk->brp", x.astype(int), weights.astype(int)).reshape(-1, count)
    assert np.array_equal(acc[:outputs], want[:outputs])
    assert (acc[blocks * rows :] == 77).all()
