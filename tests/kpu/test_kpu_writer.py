"""Models made by the writer run as their real-valued network says."""

import numpy as np
import pytest

from k210sim.errors import KmodelError
from k210sim.kpu import KModel, ai_ram
from k210sim.kpu.kmodel import v3
from k210sim.kpu.kmodel import writer as w
from k210sim.kpu.kmodel.writer import ModelBuilder, Quant


def real_conv(x, weights, bias, depthwise):
    """float64 "same" convolution of (C, H, W)."""
    k = weights.shape[-1]
    padded = np.pad(x, ((0, 0), (k // 2,) * 2, (k // 2,) * 2))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (k, k), axis=(1, 2))
    if depthwise:
        return np.einsum("chwab,cab->chw", windows, weights[:, 0]) + bias[:, None, None]
    return np.einsum("chwab,ocab->ohw", windows, weights) + bias[:, None, None]


@pytest.mark.parametrize("k, depthwise, activation, zero_in, zero_out", [
    (3, False, "linear", 0, 128), (1, False, "relu", 30, 0), (3, True, "leaky", 10, 40),
    (3, False, "leaky", 0, 0), (1, False, "relu", 5, 20), (3, True, "linear", 255, 100)])
def test_a_quantised_layer_computes_the_real_convolution(k, depthwise, activation, zero_in,
                                                         zero_out):
    rng = np.random.default_rng(k * 100 + zero_in)
    out = 5
    in_quant, out_quant = Quant(0.02, zero_in), Quant(0.03, zero_out)
    quantised = rng.integers(0, 256, (out, 1 if depthwise else 5, k, k))
    scale, zero, bias = rng.uniform(0.002, 0.01, out), 131, rng.normal(size=out)
    b = ModelBuilder((5, 9, 21))
    y = b.add_quantized_conv(b.input, quantised, scale=scale, zero=zero, bias=bias,
                             in_quant=in_quant, out_quant=out_quant, activation=activation,
                             slope=0.125, depthwise=depthwise)
    b.output(b.add_dequantize(y))
    x = rng.integers(0, 256, (5, 9, 21), dtype=np.uint8)
    (got,) = KModel.from_bytes(b.build()).run(x)
    real = real_conv((x - float(zero_in)) * 0.02, (quantised - float(zero))
                     * scale[:, None, None, None], bias, depthwise)
    if activation == "relu":
        real = np.maximum(real, 0)
    elif activation == "leaky":
        real = np.where(real < 0, real * 0.125, real)
    low, high = ((q - zero_out) * 0.03 for q in (0, 255))
    # Half a step of the output, plus what the fixed-point factors lose.
    assert np.abs(got - np.clip(real, low, high)).max() <= 0.03 * 0.52


@pytest.mark.parametrize("pool, size", [
    (w.NO_POOL, (13, 37)), (w.MAX_2X2, (6, 18)), (w.MEAN_4X4, (3, 9)), (w.LEFT_TOP_2X2, (6, 18)),
    (w.MAX_2X2_S1, (13, 37))])
def test_pools_and_register_words_fit_the_map(pool, size):
    b = ModelBuilder((2, 13, 37))
    x = b.add_quantized_conv(b.input, np.full((3, 2, 3, 3), 140), scale=0.01, zero=128,
                             in_quant=Quant(0.01, 0), out_quant=Quant(0.02, 0), pool=pool)
    b.output(b.add_dequantize(x))
    model = KModel.from_bytes(b.build())
    (out,) = model.run(np.full((2, 13, 37), 100, np.uint8))
    assert out.shape == (3, *size) and out[0, 1, 1] == pytest.approx(2 * 9 * 0.12, abs=0.011)
    regs = model.model.convs[0][1].regs
    group, row, _ = ai_ram.layout(37)
    assert (regs.coef_group, regs.row_switch_addr, regs.channel_switch_addr) == (group, row,
                                                                                13 * row)
    assert regs.dma_total_byte + 1 == 3 * size[0] * size[1]


def test_a_branching_network_keeps_its_maps_apart():
    """Two branches from one map, joined on the CPU and uploaded again."""
    rng = np.random.default_rng(5)
    q = Quant(0.02, 0)
    b = ModelBuilder((3, 16, 16))
    eye = np.full((4, 3, 1, 1), 129)

    def conv(x, weights, **kw):
        return b.add_quantized_conv(x, weights, scale=0.5, zero=128, in_quant=q, out_quant=q, **kw)

    stem = conv(b.input, eye)
    left = conv(stem, rng.integers(120, 140, (4, 4, 3, 3)))
    right = conv(stem, rng.integers(120, 140, (4, 4, 1, 1)))
    both = b.add_concat([left, right])
    last = conv(both, rng.integers(120, 140, (2, 8, 1, 1)))
    for t in (left, right, last):
        b.output(b.add_dequantize(t))
    model = KModel.from_bytes(b.build())
    assert [x.NAME for x in model.model.layers][3:5] == ["QUANTIZED_CONCAT", "K210_UPLOAD"]
    x = rng.integers(0, 256, (3, 16, 16), dtype=np.uint8)
    outputs, layers = model.run(x, layers=True)
    for out, index in zip(outputs, (1, 2, 5), strict=True):
        want = layers[index].value.astype(np.float32) * np.float32(0.02)
        assert np.array_equal(out, want)
    joined = np.concatenate([layers[1].value, layers[2].value])
    assert np.array_equal(layers[3].value.reshape(8, 16, 16), joined)
    assert np.array_equal(layers[4].value, joined)


def test_every_cpu_layer_can_be_written_and_run():
    rng = np.random.default_rng(9)
    q = Quant(0.02, 3)
    b = ModelBuilder((4, 8, 8))
    x = b.add_quantized_conv(b.input, rng.integers(100, 156, (4, 4, 1, 1)), scale=0.02, zero=128,
                             in_quant=q, out_quant=q)
    added = b.add_quantized_add(x, x, a_offset=0, a_mul=1, a_shift=0, b_offset=0, b_mul=1,
                                b_shift=0, o_offset=0, o_mul=1, o_shift=1)
    table = np.arange(255, -1, -1)
    outputs = {
        "same": b.add_dequantize(added, q),
        "flipped": b.add_dequantize(b.add_requantize(x, table, q)),
        "pooled": b.add_dequantize(b.add_pool(x, 2, 2)),
        "bigger": b.add_dequantize(b.add_resize(x, 16, 12)),
        "flat": b.add_dequantize(b.add_flatten(x)),
        "scaled": b.add_channelwise_dequantize(x, [1, 2, 3, 4], [0, 0, 0, 5]),
    }
    real = outputs["same"]
    outputs["twice"] = b.add_add(real, real)
    outputs["mean"] = b.add_pool(real, 2, 2)
    outputs["average"] = b.add_global_average_pool(real)
    outputs["softmax"] = b.add_softmax(outputs["average"])
    outputs["sigmoid"] = b.add_logistic(outputs["average"])
    outputs["unit"] = b.add_l2_normalization(outputs["average"])
    outputs["dense"] = b.add_fully_connected(outputs["average"], np.eye(4), [1, 2, 3, 4], act=2)
    outputs["joined"] = b.add_concat([outputs["average"], outputs["softmax"]])
    outputs["wide"] = b.add_resize(real, 4, 4)
    outputs["hwc"] = b.add_flatten(real)
    outputs["back"] = b.add_dequantize(b.add_quantize(real, q))
    vector = b.add_quantize(outputs["average"], Quant(0.01, 0))
    dense = b.add_quantized_conv(b.add_padding(vector), np.full((2, 4, 1, 1), 129), scale=0.01,
                                 zero=128, in_quant=Quant(0.01, 0), out_quant=Quant(0.0005, 0))
    outputs["kpu_dense"] = b.add_dequantize(b.remove_padding(dense))
    for tensor in outputs.values():
        b.output(tensor)
    data = b.build()
    assert v3.build(v3.parse(data)) == data
    model = KModel.from_bytes(data)
    results, layers = model.run(rng.integers(0, 256, (4, 8, 8), dtype=np.uint8), layers=True)
    got = dict(zip(outputs, (r.ravel() for r in results), strict=True))
    q8 = layers[0].value.astype(np.int64)
    value = ((q8 - 3) * 0.02).astype(np.float32)
    mean = value.reshape(4, -1).mean(axis=1)

    def close(name, want):
        np.testing.assert_allclose(got[name], np.ravel(want), rtol=2e-5, atol=2e-5, err_msg=name)

    close("same", value)
    close("flipped", (255 - q8 - 3) * 0.02)
    close("pooled", value.reshape(4, 4, 2, 4, 2).max(axis=(2, 4)))
    close("bigger", value[:, np.arange(12) * 8 // 12][:, :, np.arange(16) // 2])
    close("flat", value.transpose(1, 2, 0))
    close("scaled", q8 * np.arange(1, 5)[:, None, None]
          + np.array([0, 0, 0, 5])[:, None, None])
    close("twice", 2 * value)
    close("mean", value.reshape(4, 4, 2, 4, 2).mean(axis=(2, 4)))
    close("average", mean)
    soft = np.exp(mean - max(mean.max(), 0))
    close("softmax", soft / soft.sum())
    close("sigmoid", 1 / (1 + np.exp(-mean)))
    close("unit", mean / np.sqrt((mean**2).sum()))
    close("dense", np.clip(mean + np.arange(1, 5), 0, 6))
    close("joined", np.concatenate([mean, soft / soft.sum()]))
    close("wide", value[:, ::2, ::2])
    close("hwc", value.transpose(1, 2, 0))
    close("back", value)
    bytes_ = np.clip(np.round(mean / 0.01), 0, 255)
    np.testing.assert_allclose(got["kpu_dense"], [bytes_.sum() * 1e-4] * 2, atol=0.0006)


def test_models_of_16_bit_weights():
    b = ModelBuilder((2, 6, 6), eight_bit=False)
    weights = np.full((3, 2, 3, 3), 40000)
    x = b.add_quantized_conv(b.input, weights, scale=1e-5, zero=30000, in_quant=Quant(0.01, 0),
                             out_quant=Quant(0.02, 0))
    b.output(b.add_dequantize(x))
    data = b.build()
    assert v3.parse(data).layers[0].weights.dtype == np.uint16
    (out,) = KModel.from_bytes(data).run(np.full((2, 6, 6), 200, np.uint8))
    assert out[0, 3, 3] == pytest.approx(2 * 9 * 0.1 * 2, abs=0.011)


@pytest.mark.parametrize("make, text", [
    (lambda b: b.add_dequantize(b.input, Quant(1, 0)), "first layer must be a convolution"),
    (lambda b: b.add_quantized_conv(b.input, np.zeros((2, 4, 3, 3)), scale=1, zero=0,
                                    in_quant=Quant(1, 0), out_quant=Quant(1, 0)), "weights of"),
    (lambda b: b.add_quantized_conv(b.input, np.full((2, 3, 3, 3), 256), scale=1, zero=0,
                                    in_quant=Quant(1, 0), out_quant=Quant(1, 0)), "weights 256"),
    (lambda b: b.add_quantized_conv(b.input, np.zeros((2, 3, 3, 3)), scale=1, zero=0,
                                    out_quant=Quant(1, 0)), "in_quant is needed"),
    (lambda b: b.build(), "at least one layer")])
def test_wrong_use_is_refused(make, text):
    with pytest.raises(KmodelError, match=text):
        make(ModelBuilder((3, 8, 8)))


def test_maps_that_do_not_fit_the_ai_ram_are_refused():
    b = ModelBuilder((3, 256, 256))
    x = b.input
    for channels in (16, 32):
        x = b.add_quantized_conv(x, np.zeros((channels, x.shape[0], 1, 1)), scale=1, zero=0,
                                 in_quant=Quant(1, 0), out_quant=Quant(1, 0))
    b.output(x)
    with pytest.raises(KmodelError, match="need more than 32768"):
        b.build()
