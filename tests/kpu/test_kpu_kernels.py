"""The numba kernels against their plain twins, exactly, and the vendor's single-layer vectors."""

import json
import math
import struct

import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from k210sim.errors import ConfigError
from k210sim.kpu.conv_params import ConvParams, segments
from k210sim.kpu.kernels import arm, conv2d, dense, pool2d, quant, table
from k210sim.kpu.kernels.portable import pool
from k210sim.kpu.kmodel.writer import ModelBuilder, activation_table
from k210sim.kpu.layer_regs import Activation, BatchNorm, LayerRegs

COMMON = settings(deadline=None, max_examples=60)


def run_layer(kernels, x, weights, bn, act, *, depthwise=False, kind=0, rule="even", **args):
    builder = ModelBuilder(x.shape, eight_bit=weights.dtype == np.uint8)
    builder.add_conv(builder.input, weights, bn=bn, act=act, pool=kind, depthwise=depthwise, **args)
    fields = builder.steps[0][3]
    params = ConvParams.from_layer(fields["regs"], fields["weights"], fields["bn"], fields["act"],
                                   rule)
    return kernels.prepare(params).run(x)


@pytest.mark.parametrize("outputs", range(1, 14))
def test_sums_of_so_many_outputs(outputs):
    """Each number that the last block may have, with its rows behind left alone where a tile is
    smaller, against NumPy."""
    if "avx2" not in table.available():
        pytest.skip("this host has no AVX2")
    from k210sim.kpu.kernels import dot_avx2

    rng = np.random.default_rng(outputs)
    steps, count, blocks = 5, 40, -(-outputs // dot_avx2.ROWS)
    x = rng.integers(0, 256, (steps, count, 2)).astype(np.int16)
    weights = rng.integers(-255, 256, (blocks, steps, dot_avx2.ROWS, 2)).astype(np.int16)
    offsets = np.arange(steps) * count * 4
    acc = np.full((blocks * dot_avx2.ROWS + 1, count), 77, np.int32)
    dot_avx2.by_outputs.ctypes(x.ctypes.data, offsets.ctypes.data, steps, weights.ctypes.data,
                               outputs, count, acc.ctypes.data, 4 * count)
    want = np.einsum("spk,bsrk->brp", x.astype(int), weights.astype(int)).reshape(-1, count)
    assert np.array_equal(acc[:outputs], want[:outputs])
    rows = {1: 2, 2: 2, 3: 4, 4: 4}.get(outputs % 6, 6) - outputs % 6 if outputs % 6 else 0
    assert (acc[outputs + rows :] == 77).all()


@pytest.fixture(scope="module", params=table.available())
def kernels(request):
    return table.load(request.param)


def test_a_set_of_another_processor_is_refused_by_name():
    """And an AArch64 one is known by its auxiliary vector: entry 16, bit 20 for dot products."""
    missing = [name for name in table.SETS if name not in table.available()]
    for name in missing:
        with pytest.raises(ConfigError, match=f"kernels '{name}' need instructions this host"):
            table.load(name)
    assert len(missing) >= 2  # no host has both families
    entries = ((33, 1 << 40), (16, 0x8FB | arm.ASIMDDP), (0, 0))
    auxv = b"".join(struct.pack("=QQ", *entry) for entry in entries)
    assert arm.hwcap(auxv) == 0x1008FB and arm.hwcap(auxv[:16] + b"cut") == 0
    assert "neon" in table.available() or not arm.dot_product()


@pytest.fixture(scope="module")
def vectors(shared):
    with np.load(shared / "golden" / "conv_vectors.npz") as z:
        arrays = {name: z[name] for name in z.files}
    return json.loads(str(arrays["meta"])), arrays


def test_all_vendor_vectors_match_in_both_rules(kernels, vectors):
    meta, z = vectors
    assert len(meta) == 112
    for m in meta:
        key = f"v{m['index']:03d}_"
        layer = LayerRegs(z[key + "regs"]), z[key + "w"], z[key + "bn"], z[key + "act"].tobytes()
        even = kernels.prepare(ConvParams.from_layer(*layer)).run(z[key + "in"])
        assert np.array_equal(even, z[key + "out"]), m["name"]
        up = kernels.prepare(ConvParams.from_layer(*layer, "up")).run(z[key + "in"])
        assert np.count_nonzero(up != even) == m["alt_rule_differs"], m["name"]


@st.composite
def layers(draw):
    """A random small layer: everything a twin can compute in a moment."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    depthwise = draw(st.booleans())
    k = draw(st.sampled_from((1, 3)))
    kind = draw(st.integers(0, 9))
    stride = (1, 2, 2, 4, 4, 2, 2, 4, 1, 1)[kind]
    channels = draw(st.integers(1, 6))
    height = draw(st.integers(stride, 6))
    width = draw(st.one_of(st.integers(stride, 9), st.sampled_from((62, 64, 65, 70))))
    out = channels if depthwise else draw(st.integers(1, 6))
    wide = draw(st.booleans())
    high = 65536 if wide else 256
    extreme = draw(st.booleans())
    weights = rng.integers(0, high, (out, 1 if depthwise else channels, k, k))
    x = rng.integers(0, 256, (channels, height, width), dtype=np.uint8)
    if extreme:
        weights[:], x[:] = high - 1, 255
    # Factors in proportion to their shifts keep y inside the 36 bits the chip's tables span.
    shr_x, shr_w = draw(st.integers(0, 15)), draw(st.integers(0, 15))
    args = dict(
        arg_x=draw(st.integers(-(256 << shr_x), 255 << shr_x)), shr_x=shr_x,
        arg_w=draw(st.integers(-(256 << shr_w), 255 << shr_w)), shr_w=shr_w,
        arg_add=draw(st.integers(-(2**29), 2**29)), pad_value=draw(st.integers(0, 255)))
    shift = rng.integers(0, 16, out)
    bn = BatchNorm(rng.integers(-(1 << shift), 1 << shift, endpoint=True), shift,
                   rng.integers(-(2**31), 2**31, out))
    starts = np.sort(rng.integers(-(2**35), 2**35, 16))
    starts[0] = -(2**35)
    starts[5:8] = rng.integers(-(2**20), 2**20, 3)
    # Without negative slopes the kernels may take their float64 path.
    slopes = rng.integers(0 if draw(st.booleans()) else -(2**15), 2**15, 16)
    act = Activation(starts, slopes, rng.integers(0, 44, 16), rng.integers(0, 256, 16))
    weights = weights.astype(np.uint16 if wide else np.uint8)
    return x, weights, bn, act, depthwise, kind, draw(st.sampled_from(("even", "up"))), args


@COMMON
@given(case=layers())
def test_layer_equals_its_twin(kernels, case):
    x, weights, bn, act, depthwise, kind, rule, args = case
    got = run_layer(kernels, x, weights, bn, act, depthwise=depthwise, kind=kind, rule=rule, **args)
    norm = np.stack([bn.mul, bn.shift, bn.add], axis=1)
    rows = list(zip(act.x_start, act.mul, act.shift, act.bias, strict=True))
    want = naive.layer(x, weights, norm, rows, kind, rule, depthwise=depthwise, **args)
    assert np.array_equal(got, want)


@pytest.mark.parametrize("channels, out, k", [(1024, 5, 3), (1024, 4, 1), (7, 1024, 1)])
def test_largest_layers_stay_exact(kernels, channels, out, k):
    """All weights and pixels at 255: the sum of 1024 channels just fits 32 bits."""
    x = np.full((channels, 4, 5), 255, np.uint8)
    weights = np.full((out, channels, k, k), 255, np.uint8)
    got = run_layer(kernels, x, weights, BatchNorm(np.ones(out), 15, 0),
                    Activation(*np.array([(-(2**35), 0, 0, 0), (0, 1, 7, 0)]
                                         + [(2**35 - 15 + i, 0, 0, 255) for i in range(14)]).T))
    full = channels * 255 * 255
    inside = naive.round_even((full * k * k) >> 15, 7)
    corner = naive.round_even((full * (4 if k == 3 else 1)) >> 15, 7)
    assert got[0, 1, 1] == min(inside, 255) and got[-1, 0, 0] == min(corner, 255)


@COMMON
@given(y=st.lists(st.integers(-(2**36), 2**36), min_size=1, max_size=40),
       rows=st.lists(st.tuples(st.integers(-(2**35), 2**35 - 1), st.integers(-(2**15), 2**15 - 1),
                               st.integers(0, 255), st.integers(0, 255)),
                     min_size=16, max_size=16),
       near=st.booleans(), rule=st.sampled_from(("even", "up")))
def test_activation_equals_its_twin_for_any_table(y, rows, near, rule):
    if near:
        y = y + [r[0] + d for r in rows for d in (-1, 0, 1)]
    act = Activation(*np.array(rows, np.int64).T)
    out = np.zeros(len(y) + 3, np.uint8)
    conv2d.activate(np.array(y, np.int64), len(y), segments(act, rule), int(rule == "up"), out, 2)
    want = [naive.activate(v, rows, rule) for v in y]
    assert list(out[2:-1]) == want
    assert out[0] == out[1] == out[-1] == 0


@pytest.mark.parametrize("t, s, up, even", [
    (5, 1, 3, 2), (7, 1, 4, 4), (6, 2, 2, 2), (10, 2, 3, 2), (2, 2, 1, 0), (11, 2, 3, 3),
    (-5, 1, -4, -4), (-7, 1, -5, -4), (-6, 2, -3, -2), (-10, 2, -4, -4), (-11, 2, -3, -3),
    (-9, 2, -4, -4), (-1, 2, -2, -2), (-3, 2, -1, -1)])
def test_twins_follow_the_published_rounding_table(t, s, up, even):
    """The sheet's own examples; its E column for -1 and -7 needs the one-below-the-floor rule."""
    assert naive.round_up(t, s) == up
    assert naive.round_even(t, s) == even


@COMMON
@given(seed=st.integers(0, 2**32 - 1), kind=st.integers(0, 9), height=st.integers(4, 11),
       width=st.integers(4, 70))
def test_pools_equal_their_twin_on_strided_maps(seed, kind, height, width):
    wide = np.random.default_rng(seed).integers(0, 256, (3, height, width + 5), dtype=np.uint8)
    x = wide[:, :, :width]
    stride = (1, 2, 2, 4, 4, 2, 2, 4, 1, 1)[kind]
    got = pool(x, kind, (3, height // stride, width // stride))
    assert np.array_equal(got, naive.pool(x, kind))


def test_pool_example_of_the_data_sheet():
    x = np.arange(1, 26, dtype=np.uint8).reshape(1, 5, 5)
    x[0, 4, 4] = 26
    assert pool(x, 8, (1, 5, 5))[0, 4].tolist() == [21, 22, 23, 25, 26]
    assert pool(x, 6, (1, 2, 2))[0].tolist() == [[2, 4], [12, 14]]


@COMMON
@given(seed=st.integers(0, 2**32 - 1), kernel=st.tuples(st.integers(1, 4), st.integers(1, 4)),
       stride=st.tuples(st.integers(1, 3), st.integers(1, 3)),
       pad=st.tuples(st.integers(0, 2), st.integers(0, 2)))
def test_cpu_pools_equal_their_twins(seed, kernel, stride, pad):
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 256, (2, 6, 7), dtype=np.uint8)
    out = np.zeros((2, 4, 4), np.uint8)
    pool2d.cpu_max(x, *kernel, *stride, *pad, out)
    assert np.array_equal(out, naive.cpu_max_pool(x, out.shape, kernel, stride, pad))
    floats = rng.normal(size=x.shape).astype(np.float32)
    means = np.zeros((2, 4, 4), np.float32)
    dense.average_pool(floats, *kernel, *stride, *pad, means)
    want = naive.average_pool(floats, means.shape, kernel, stride, pad)
    assert np.array_equal(means, want, equal_nan=True)


FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False, min_value=-1e4, max_value=1e4)


@COMMON
@given(x=st.lists(FLOATS, min_size=1, max_size=30), truncate=st.booleans(),
       scale=st.floats(2.0**-10, 100, width=32), bias=st.floats(-50, 50, width=32))
def test_quantize_equals_its_twin(x, truncate, scale, bias):
    x = np.array(x, np.float32)
    out = np.zeros(x.size, np.uint8)
    quant.quantize(x, scale, bias, int(truncate), out)
    assert np.array_equal(out, naive.quantize(x, scale, bias, truncate))


def test_quantize_examples_of_the_data_sheet():
    x = np.array([1.0, -0.5, 0.125, 0.375, 3.3, 100.0, np.nan], np.float32)
    out = np.zeros(7, np.uint8)
    quant.quantize(x, 0.25, -1.0, 0, out)
    assert out.tolist() == [8, 2, 5, 6, 17, 255, 0]
    quant.quantize(x, 0.25, -1.0, 1, out)
    assert out.tolist() == [8, 2, 4, 5, 17, 255, 0]


@COMMON
@given(x=st.binary(min_size=1, max_size=40), scale=st.floats(-10, 10, width=32),
       bias=st.floats(-1000, 1000, width=32))
def test_dequantize_equals_its_twin(x, scale, bias):
    data = np.frombuffer(x, np.uint8).copy()
    out = np.zeros(data.size, np.float32)
    quant.dequantize(data, scale, bias, out)
    assert np.array_equal(out, naive.dequantize(data, scale, bias))


def test_quantized_add_examples_of_the_data_sheet():
    for a, b, shift, want in ((200, 17, 15, 103), (200, 17, 14, 107), (3, 5, 15, 0)):
        f = np.array([-30, 21845, 15, -10, 30000, shift, 12, 25000, 15], np.int64)
        out = np.zeros(1, np.uint8)
        quant.quantized_add(np.array([a], np.uint8), np.array([b], np.uint8), f, out)
        assert out[0] == want


@COMMON
@given(a=st.binary(min_size=16, max_size=16), b=st.binary(min_size=16, max_size=16),
       f=st.tuples(*[st.integers(-256, 256), st.integers(-65536, 65536), st.integers(0, 20)] * 3))
def test_quantized_add_equals_its_twin(a, b, f):
    left, right = (np.frombuffer(v, np.uint8).copy() for v in (a, b))
    out = np.zeros(16, np.uint8)
    quant.quantized_add(left, right, np.array(f, np.int64), out)
    assert np.array_equal(out, naive.quantized_add(left, right, f))


@COMMON
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 40), act=st.integers(0, 2))
def test_dense_layers_sum_in_the_stated_order(seed, n, act):
    rng = np.random.default_rng(seed)
    x = (rng.normal(size=n) * 10).astype(np.float32)
    weights = rng.normal(size=(3, n)).astype(np.float32)
    bias = rng.normal(size=3).astype(np.float32)
    out = np.zeros(3, np.float32)
    dense.fully_connected(x, weights, bias, act, out)
    assert np.array_equal(out, naive.fully_connected(x, weights, bias, act))
    means = np.zeros(3, np.float32)
    dense.global_average(weights, means)
    want = [naive.F(naive.ordered_sum(row) / naive.F(n)) for row in weights]
    assert np.array_equal(means, np.array(want, np.float32))
    soft = np.zeros(n, np.float32)
    dense.softmax(x, dense.FLT_MIN, soft)
    assert np.array_equal(soft, naive.softmax(x, lambda v: np.float32(dense.exp32(v))))
    unit = np.zeros(n, np.float32)
    dense.l2_normalize(x, unit)
    assert np.array_equal(unit, naive.l2_normalize(x))


def test_softmax_of_negative_inputs_starts_at_the_smallest_positive_number():
    """The SDK's maximum starts at FLT_MIN, so very negative inputs all vanish."""
    out = np.zeros(2, np.float32)
    dense.softmax(np.array([-200, -201], np.float32), dense.FLT_MIN, out)
    assert np.isnan(out).all()


def test_exp_is_within_one_unit_in_the_last_place():
    x = np.concatenate([np.linspace(-103, 88.7, 20001), np.linspace(-1, 1, 5001),
                        [0, 1e-10, -1e-10]]).astype(np.float32)
    out = np.zeros(x.size, np.float32)
    dense.exp_all(x, out)
    exact = np.exp(x.astype(np.float64))
    unit = np.spacing(np.maximum(exact, np.float32(1.2e-38)).astype(np.float32)).astype(float)
    assert (np.abs(out - exact) / unit).max() <= 1.0
    assert dense.exp32(np.float32(89)) == math.inf and dense.exp32(np.float32(-104)) == 0
    assert math.isnan(dense.exp32(np.float32(math.nan)))


def test_both_ways_of_finishing_a_layer_are_taken():
    """Typical tables go through float64; products past 2**52 or falling slopes through integers."""
    def spans(mul, act):
        b = ModelBuilder((2, 4, 4))
        b.add_conv(b.input, np.full((1, 2, 1, 1), 200), bn=BatchNorm([mul], 15, 0), act=act)
        f = b.steps[0][3]
        return ConvParams.from_layer(f["regs"], f["weights"], f["bn"], f["act"]).spans.tolist()

    leaky = activation_table("leaky", 10)
    assert spans(1 << 22, leaky) == [[2, 3]] or spans(1 << 22, leaky)[0][0] >= 0
    falling = Activation(leaky.x_start, -np.abs(leaky.mul), leaky.shift, leaky.bias)
    assert spans(1 << 22, falling) == [[-1, -1]]


def test_segments_drops_what_is_never_reached():
    linear = segments(activation_table("linear"), "even")
    assert len(linear) == 16
    same = Activation([-(2**35)] * 16, [0] * 16, [0] * 16, list(range(16)))
    assert segments(same, "even")[-1].tolist() == [-(2**35), -(2**35), 0, 0, 15]
