"""kmodel V4: single nodes against plain NumPy, refusals, and the device's set_outputs."""

import math
import struct

import numpy as np
import pytest
from fuzz_kmodel import mutate, try_everything
from hypothesis import given, settings
from hypothesis import strategies as st

from k210sim.errors import KmodelError
from k210sim.kpu import KModel
from k210sim.kpu.kernels import chain, float_conv, neutral, team
from k210sim.kpu.kmodel import nodes as nd
from k210sim.kpu.kmodel import v4
from k210sim.kpu.kmodel.header import Refusal
from k210sim.kpu.runtime_v4 import NetV4

F = np.float32
NONE = (-3.4028234663852886e38, 3.4028234663852886e38)


def one_node(cls, x, out_bytes, out_type=0, extra=b"", tails=b"", second=None, **fields) -> bytes:
    """A V4 file with one node: input at 0, a second operand in the constants, output behind."""
    x = np.asarray(x)
    shape = (1,) * (4 - x.ndim) + x.shape
    in_type = 0 if x.dtype == F else 1
    start = -(-x.nbytes // 8) * 8
    src = nd.MemoryRange(1, in_type, 0, x.nbytes)
    dst = nd.MemoryRange(1, out_type, start, out_bytes)
    constants = b"" if second is None else np.ascontiguousarray(second).tobytes()
    const = nd.MemoryRange(0, in_type, 0, len(constants))
    given = dict(src=src, a=src, b=const, table=const, dst=dst, in_shape=shape, a_shape=shape)
    body = b""
    for name, kind in cls.LAYOUT:
        value = fields[name] if name in fields else given.get(name)
        code = struct.Struct("<" + nd.KINDS[kind][0])
        body += code.pack(*value) if isinstance(value, tuple) else code.pack(value)
    body += tails + extra
    head = v4.HeaderV4(target=1, constants=len(constants), main_mem=start + out_bytes + 8, nodes=1,
                       inputs=1, outputs=1).build()
    return (head + v4.RangeV4(**src._asdict()).build() + struct.pack("<4i", *shape)
            + v4.RangeV4(**dst._asdict()).build() + constants
            + struct.pack("<2I", cls.OPCODE, len(body)) + body)


def run(data, x):
    """The output, the same by the node's function and, where it can be one, as part of a chain."""
    assert v4.build(v4.parse(data)) == data
    model = KModel.from_bytes(data)
    (out,) = model.run(x)
    (other,) = model.run(x, layers=True).outputs
    assert out.tobytes() == other.tobytes()
    return out


WINDOW = dict(pad_h=(0, 0), pad_w=(0, 0), stride_h=1, stride_w=1, dilation_h=1, dilation_w=1)


def plain_conv(x, w, bias, pads, strides, dilations, groups):
    """Reference order: bias, then input channel, row, column; float32 after each step."""
    (top, bottom), (left, right) = pads
    per_in, per_out = w.shape[1], w.shape[0] // groups
    reach = [(k - 1) * d + 1 for k, d in zip(w.shape[2:], dilations, strict=True)]
    height = (x.shape[1] + top + bottom - reach[0] + strides[0]) // strides[0]
    width = (x.shape[2] + left + right - reach[1] + strides[1]) // strides[1]
    out = np.zeros((w.shape[0], height, width), F)
    for o, i, j in np.ndindex(*out.shape):
        total = bias[o]
        for c, a, b in np.ndindex(*w.shape[1:]):
            y = i * strides[0] - top + a * dilations[0]
            z = j * strides[1] - left + b * dilations[1]
            if 0 <= y < x.shape[1] and 0 <= z < x.shape[2]:
                total = F(total + F(x[o // per_out * per_in + c, y, z] * w[o, c, a, b]))
        out[o, i, j] = total
    return out


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**32 - 1), groups=st.sampled_from((1, 2)),
       pads=st.tuples(*[st.tuples(st.integers(0, 3), st.integers(0, 3))] * 2),
       strides=st.tuples(st.integers(1, 3), st.integers(1, 3)),
       dilations=st.tuples(st.integers(1, 2), st.integers(1, 2)),
       k=st.tuples(st.integers(1, 3), st.integers(1, 3)))
def test_float_convolution_adds_in_the_stated_order(seed, groups, pads, strides, dilations, k):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(4, 6, 7)).astype(F)
    w = rng.normal(size=(2 * groups, 4 // groups, *k)).astype(F)
    bias = rng.normal(size=2 * groups).astype(F)
    want = plain_conv(x, w, bias, pads, strides, dilations, groups)
    data = one_node(nd.Conv2d, x, want.nbytes, groups=groups, out_channels=2 * groups,
                    pad_h=pads[0], pad_w=pads[1], filter_h=k[0], filter_w=k[1],
                    stride_h=strides[0], stride_w=strides[1], dilation_h=dilations[0],
                    dilation_w=dilations[1], clamp=NONE, tails=w.tobytes() + bias.tobytes())
    assert np.array_equal(run(data, x), want.ravel())


@pytest.mark.parametrize("threads", (1, 3))
@pytest.mark.parametrize("outputs, groups", [(9, 1), (70, 1), (18, 2), (4, 4)])
def test_float_convolution_of_many_channels_adds_in_the_stated_order(outputs, groups, threads,
                                                                     monkeypatch):
    """Side by side in one thread or several; what lies outside adds nothing, not even 0 to -0."""
    monkeypatch.setattr(chain, "WORTH", 0)
    monkeypatch.setattr(team, "cores", lambda: 3)
    rng = np.random.default_rng(outputs)
    x = rng.normal(size=(4, 5, 6)).astype(F)
    w = rng.normal(size=(outputs, 4 // groups, 3, 2)).astype(F)
    bias = rng.normal(size=outputs).astype(F)
    w[0, 0, 0], bias[1], w[1], x[1, 2, 2] = np.inf, -0.0, -0.0, np.inf
    pads, strides = ((2, 1), (1, 1)), (2, 1)
    with np.errstate(invalid="ignore"):
        want = plain_conv(x, w, bias, pads, strides, (1, 2), groups)
    out = np.empty_like(want)
    g = np.array([pads[0][0], pads[1][0], *strides, 1, 2, groups], np.int64)
    float_conv.conv2d(x, w, bias, g, F(-np.inf), F(np.inf), out, threads)
    told = ~np.isnan(want)  # what the limits make of others is theirs
    assert not told.all() and np.isinf(want).any()
    assert np.array_equal(out.view(np.uint32)[told], want.view(np.uint32)[told])


def test_quantized_convolution():
    rng = np.random.default_rng(3)
    x = rng.integers(0, 256, (2, 5, 5), dtype=np.uint8)
    w = rng.integers(0, 256, (3, 2, 3, 3), dtype=np.uint8)
    bias = rng.integers(-1000, 1000, 3).astype(np.int32)
    data = one_node(nd.QuantizedConv2d, x, 27, 1, groups=1, out_channels=3, filter_h=3, filter_w=3,
                    input_offset=-120, filter_offset=-128, out_mul=100, out_shift=18,
                    out_offset=77, tails=bias.tobytes() + w.tobytes(), **WINDOW)
    windows = np.lib.stride_tricks.sliding_window_view(x.astype(int) - 120, (3, 3), axis=(1, 2))
    total = np.einsum("chwab,ocab->ohw", windows, w.astype(int) - 128) + bias[:, None, None]
    want = np.clip(((total * 100 + (1 << 17)) >> 18) + 77, 0, 255)
    assert np.array_equal(run(data, x).reshape(3, 3, 3), want)


def test_transposed_convolution_ignores_the_bias():
    x = np.array([[[1, 2], [3, 4]]], F)
    w = np.arange(1, 10, dtype=F).reshape(1, 1, 1, 3, 3)
    data = one_node(nd.Conv2dTranspose, x, 100, out_shape=(1, 1, 5, 5), groups=1, filter_h=3,
                    filter_w=3, clamp=NONE, tails=w.tobytes() + np.array([99], F).tobytes(),
                    **{**WINDOW, "stride_h": 2, "stride_w": 2})
    want = np.zeros((5, 5))
    for i, j in np.ndindex(2, 2):
        want[2 * i : 2 * i + 3, 2 * j : 2 * j + 3] += x[0, i, j] * w[0, 0, 0]
    assert np.array_equal(run(data, x).reshape(5, 5), want)


def test_quantized_binary_examples_of_the_data_sheet():
    def result(a, b, op=0, **kw):
        fields = dict(op=op, b_shape=(1, 1, 1, 1), out_shape=(1, 1, 1, 1), a_offset=-30,
                      a_mul=21845, a_shift=15, b_offset=-10, b_mul=30000, b_shift=15,
                      out_offset=12, out_mul=25000, out_shift=15) | kw
        x = np.array([a], np.uint8)
        return run(one_node(nd.QuantizedBinary, x, 1, 1, second=np.array([b], np.uint8),
                            **fields), x)[0]

    assert result(200, 17) == 103 and result(3, 5) == 0
    plain = dict(a_offset=0, a_mul=1, a_shift=0, b_offset=0, b_mul=1, b_shift=0, out_offset=0,
                 out_mul=1, out_shift=0)
    assert [result(7, 2, op, **plain) for op in range(6)] == [9, 5, 14, 4, 2, 7]
    with pytest.raises(KmodelError, match="division by zero.*node 0"):
        result(7, 0, 3, **plain)


def test_broadcasting_binary_with_a_clamp():
    x = np.arange(12, dtype=F).reshape(1, 3, 2, 2)
    y = np.array([10, 20, 30], F).reshape(1, 3, 1, 1)
    data = one_node(nd.Binary, x, 48, op=2, b_shape=y.shape, out_shape=x.shape, clamp=(5.0, 200.0),
                    second=y)
    assert np.array_equal(run(data, x), np.clip(x * y, 5, 200).ravel())


@pytest.mark.parametrize("cls, fields, expect", [
    (nd.Transpose, dict(perm=(0, 2, 3, 1)), lambda x: x.transpose(0, 2, 3, 1)),
    (nd.StridedSlice, dict(begin=(0, 1, 3, 0), end=(1, 3, -1, 5), strides=(1, 1, -2, 2),
                           begin_mask=0, end_mask=0, ellipsis_mask=0, new_axis_mask=0,
                           shrink_axis_mask=0), lambda x: x[:, 1:3, ::-2, ::2]),
    (nd.Pad, dict(pad_n=(0, 0), pad_c=(1, 0), pad_h=(-1, 2), pad_w=(0, -2),
                  value=(0, struct.pack("<f", 7.0))),
     lambda x: np.pad(x[:, :, 1:, :-2], ((0, 0), (1, 0), (0, 2), (0, 0)), constant_values=7)),
    (nd.MemoryCopy, {}, lambda x: x),
    (nd.Unary, dict(op=9), lambda x: x * x),
    (nd.Reduce, dict(op=2, out_shape=(1, 3, 1, 1), init=-1e30),
     lambda x: x.max(axis=(2, 3), keepdims=True)),
    (nd.Reduce, dict(op=3, out_shape=(1, 1, 4, 5), init=0.0),
     lambda x: x.sum(axis=1, keepdims=True)),
    (nd.ReduceWindow2d, dict(WINDOW, op=0, filter_h=2, filter_w=2, init=0.0, clamp=NONE),
     lambda x: np.lib.stride_tricks.sliding_window_view(x, (2, 2), axis=(2, 3)).mean((4, 5))),
    (nd.ResizeImage, dict(out_h=8, out_w=5, mode=1, align_corners=0),
     lambda x: np.repeat(x, 2, axis=2)),
    (nd.ResizeImage, dict(out_h=4, out_w=9, mode=0, align_corners=1),
     lambda x: np.apply_along_axis(lambda r: np.interp(np.arange(9) / 2, np.arange(5), r), 3, x)),
    (nd.Softmax, dict(inner=20, outer=3, beta=1.0),
     lambda x: np.exp(x) / np.exp(x).sum(axis=(2, 3), keepdims=True)),
])
def test_nodes_equal_numpy(cls, fields, expect):
    x = np.random.default_rng(7).normal(size=(1, 3, 4, 5)).astype(F)
    want = expect(x)
    got = run(one_node(cls, x, want.size * 4, **fields), x)
    np.testing.assert_allclose(got, want.ravel(), rtol=3e-6, atol=1e-6)


def test_matmul_concat_and_lookup():
    rng = np.random.default_rng(1)
    a, b, bias = (rng.normal(size=s).astype(F) for s in ((3, 4), (4, 2), 2))
    data = one_node(nd.Matmul, a, 24, a_rows=3, a_cols=4, b_cols=2, clamp=NONE, second=b,
                    tails=bias.tobytes())
    np.testing.assert_allclose(run(data, a), (a @ b + bias).ravel(), rtol=1e-5, atol=1e-6)
    qa = rng.integers(0, 256, (3, 4), dtype=np.uint8)
    qb = rng.integers(0, 256, (4, 2), dtype=np.uint8)
    data = one_node(nd.QuantizedMatmul, qa, 6, 1, a_rows=3, a_cols=4, b_cols=2, a_offset=-9,
                    b_offset=-100, out_mul=3, out_shift=10, out_offset=50, second=qb,
                    tails=np.array([5, -5], np.int32).tobytes())
    total = (qa.astype(int) - 9) @ (qb.astype(int) - 100) + [5, -5]
    assert np.array_equal(run(data, qa), np.clip(((total * 3 + 512) >> 10) + 50, 0, 255).ravel())
    table = np.arange(256, dtype=np.uint8)[::-1]
    assert np.array_equal(run(one_node(nd.TableLookup1d, qa, 12, 1, second=table), qa),
                          255 - qa.ravel())
    x = np.arange(8, dtype=np.uint8)
    ranges = b"".join(struct.pack("<4I", 1, 1, start, 4) for start in (0, 4))
    data = one_node(nd.Concat, x, 8, 1, inner=1, outer=2, count=2,
                    tails=ranges + struct.pack("<2i", 2, 2))
    assert run(data, x).tolist() == [0, 1, 4, 5, 2, 3, 6, 7]


def test_quantize_rounds_half_away_and_dequantize_uses_the_reciprocal():
    x = np.array([1.0, 0.125, 0.375, -9, 1e9, np.nan], F)
    assert run(one_node(nd.Quantize, x, 6, 1, quant=(4, 4.0)), x).tolist() == [8, 5, 6, 0, 255, 0]
    q = np.array([200], np.uint8)
    got = run(one_node(nd.Dequantize, q, 4, quant=(125, 7.7273211)), q)[0]
    assert got == F(75) * (F(1) / F(7.7273211))


def test_the_byte_code_machine():
    """min(x*x + 1.5, 4): input, dup, mul, push 1.5, add, push 4, min, ret."""
    code = (b"\x03\x01\x42" + b"\x06" + struct.pack("<f", 1.5) + b"\x40"
            + b"\x06" + struct.pack("<f", 4) + b"\x44\xa0")
    x = np.array([0.5, 1, 2], F)
    assert run(one_node(nd.NnilUnaryMethod, x, 12, extra=code), x).tolist() == [1.75, 2.5, 4]
    for bad in (b"\x40", b"\x03", b"\x77\xa0", b"\x06\0", b"\x03" + b"\x01" * 200 + b"\xa0"):
        with pytest.raises(KmodelError, match="byte code"):
            KModel.from_bytes(one_node(nd.NnilUnaryMethod, x, 12, extra=bad)).run(x)


def test_the_reduction_kernel_wraps_short_dimensions_to_zero():
    out = np.zeros((1, 1, 1, 2), F)
    neutral.reduce(np.ones((1, 2, 3, 5), F), 3, out)
    assert out.ravel().tolist() == [6 * 4, 6]


# -- the device's questions ---------------------------------------------------------------------


def test_the_forecast_covers_every_node(shared):
    model = KModel.from_file(shared / "models" / "20class_v4.kmodel")
    forecast = model.forecast()
    assert len(forecast.layers) == model.net.layer_count == 21
    kpu = sum(layer.ms - layer.copy_ms for layer in forecast.layers if layer.on_kpu)
    assert kpu == pytest.approx(11, rel=0.1), "as the V3 twin of this network"


def test_set_outputs_answers_with_the_firmwares_numbers(shared):
    net = NetV4.from_bytes((shared / "models" / "ulffd_landmark_v4.kmodel").read_bytes())
    assert net.input_shape() == (3, 240, 320) and net.total_layers == 99
    assert net.set_outputs(3, 1, 1, 1) == 2011 and net.set_outputs(0, 1, 1, 5) == 2012
    with pytest.raises(Refusal, match="2013"):
        net.check_outputs()
    for i, count in enumerate((12640, 31600, 6320)):
        assert net.output_size(i) == 4 * count
        assert net.set_outputs(i, 1, 1, count) == 0
    net.check_outputs()
    assert net.output_shape(1) == (1, 1, 31600)
    with pytest.raises(Refusal, match="2011"):
        net.output_bytes(3)


@pytest.mark.parametrize("at, value, code", [(4, 5, 2002), (12, 2, 2002), (20, 0x7F000000, 2006)])
def test_headers_the_loader_stumbles_over(shared, at, value, code):
    data = bytearray((shared / "models" / "mnist_v4.kmodel").read_bytes())
    struct.pack_into("<I", data, at, value)
    with pytest.raises(Refusal) as caught:
        NetV4.from_bytes(bytes(data))
    assert caught.value.code == code


def test_broken_nodes_are_refused_with_their_place():
    x = np.zeros((1, 3, 4, 5), F)
    data = bytearray(one_node(nd.Transpose, x, 240, perm=(0, 1, 2, 2)))
    with pytest.raises(KmodelError, match=r"permutation \(0, 1, 2, 2\).*node 0 \(transpose\)"):
        KModel.from_bytes(bytes(data)).run(x)
    short = one_node(nd.Unary, x, 240, op=0)[:-20]
    with pytest.raises(KmodelError, match="node 0 ends at"):
        v4.parse(short)
    beyond = one_node(nd.MemoryCopy, x, 240, dst=nd.MemoryRange(1, 0, 4000, 240))
    with pytest.raises(KmodelError, match="240 bytes at 4000 of memory 1"):
        KModel.from_bytes(beyond).run(x)
    constant = one_node(nd.MemoryCopy, x, 240, dst=nd.MemoryRange(0, 0, 0, 240), second=x)
    with pytest.raises(KmodelError, match="writes into the constants"):
        KModel.from_bytes(constant).run(x)
    with pytest.raises(KmodelError, match="opcode 0x1001 is not executed"):
        raw = bytearray(one_node(nd.MemoryCopy, x, 240))
        raw[-40:-36] = struct.pack("<I", 0x1001)
        KModel.from_bytes(bytes(raw)).run(x)


def test_an_output_of_odd_size_is_cut_to_whole_floats():
    """Found by the mutation loop."""
    x = np.arange(4, dtype=F).reshape(1, 1, 1, 4)
    data = bytearray(one_node(nd.MemoryCopy, x, 16))
    struct.pack_into("<I", data, 40 + 32 + 12, 7)
    (out,) = KModel.from_bytes(bytes(data)).run(x)
    assert out.tolist() == [0.0]


def test_negative_and_huge_input_shapes_are_refused():
    """Found by the mutation loop."""
    x = np.zeros((1, 3, 4, 5), F)
    for c in (-3, 1 << 30):
        data = bytearray(one_node(nd.MemoryCopy, x, 240))
        struct.pack_into("<i", data, 40 + 16 + 4, c)
        with pytest.raises(KmodelError, match="input shape"):
            KModel.from_bytes(bytes(data)).run(x)


@pytest.mark.parametrize("seed", range(3))
def test_mutated_v4_files_are_refused_or_run_inside_their_memory(shared, seed):
    data = (shared / "models" / "mnist32_v4.kmodel").read_bytes()
    rng = np.random.default_rng(seed)
    seen = {try_everything(mutate(data, rng)) for _ in range(60)}
    assert seen == {"ran", "refused"}


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 2**32 - 1), op=st.integers(0, 5), shift=st.integers(0, 20))
def test_quantized_binary_kernel_equals_its_twin(seed, op, shift):
    rng = np.random.default_rng(seed)
    left, right = (rng.integers(-(2**31), 2**31, 256) >> rng.integers(0, 25) for _ in range(2))
    right[right == 0] = 1
    a, b = rng.integers(0, 256, (2, 40), dtype=np.uint8)
    mul, offset = int(rng.integers(-(2**20), 2**20)), int(rng.integers(-99, 300))
    out = np.zeros(40, np.uint8)
    neutral.quantized_binary(a, b, left, right, op, mul, shift, offset, out)

    def word(v):
        return (int(v) + 2**31) % 2**32 - 2**31

    for i, got in enumerate(out):
        x, y = int(left[a[i]]), int(right[b[i]])
        if op == 3:
            total = x + int(y / 2)
            v = abs(total) // abs(y) * (1 if (total < 0) == (y < 0) else -1)
        else:
            v = (x + y, x - y, x * y, None, min(x, y), max(x, y))[op]
        v = word(v) * mul
        v = word((v + (1 << shift >> 1)) >> shift if shift else v) + offset
        assert got == min(max(v, 0), 255)


@settings(deadline=None, max_examples=60)
@given(x=st.lists(st.floats(width=32), min_size=1, max_size=30),
       scale=st.floats(-100, 100, width=32), zero=st.integers(-300, 300))
def test_quantize_and_dequantize_kernels_equal_their_twins(x, scale, zero):
    x = np.array(x, np.float32)
    out = np.zeros(x.size, np.uint8)
    neutral.quantize(x, scale, zero, out)
    with np.errstate(all="ignore"):
        values = [float(np.float32(np.float32(v * np.float32(scale)) + np.float32(zero)))
                  for v in x]
    want = [0 if math.isnan(v) else min(max(math.floor(min(max(v, -9), 300) + 0.5), 0), 255)
            for v in values]
    assert out.tolist() == want
    back = np.zeros(x.size, np.float32)
    neutral.dequantize(out, zero, scale, back)
    with np.errstate(all="ignore"):
        assert np.array_equal(back, [np.float32(np.float32(int(v) - zero) * np.float32(scale))
                                     for v in out], equal_nan=True)


@pytest.mark.parametrize("at", [0, 3, 5, 16, 61])
def test_conversions_into_their_own_source_and_to_odd_places(at):
    """A target may lie over its source, or where no float is aligned: all is read first."""
    x = np.arange(16, dtype=np.uint8).reshape(1, 1, 4, 4)
    data = bytearray(one_node(nd.Dequantize, x, 64, quant=(3, 2.0)))
    usual, moved = (struct.pack("<4I", 1, 0, start, 64) for start in (16, at))
    data = data.replace(usual, moved)  # the output's range and the node's
    struct.pack_into("<I", data, 20, 160)  # main memory
    out = KModel.from_bytes(bytes(data)).run(x)[0]
    assert np.array_equal(out, (x.ravel().astype(F) - 3) * F(0.5))


@pytest.mark.parametrize("dtype", [np.uint8, np.int32])
def test_nearest_equals_indexing(dtype):
    rng = np.random.default_rng(5)
    x = rng.integers(0, 200, (3, 4, 5)).astype(dtype)
    rows, columns = rng.integers(0, 4, 7), rng.integers(0, 5, 9)
    out = np.zeros((3, 7, 9), dtype)
    neutral.nearest(x, rows, columns, out)
    want = [[[x[c, i, j] for j in columns] for i in rows] for c in range(3)]
    assert out.tolist() == np.array(want).tolist()
