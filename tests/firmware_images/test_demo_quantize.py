"""The quantiser: tables and factors against plain arithmetic, and the shipped bytes again."""

from __future__ import annotations

import json
from fractions import Fraction

import numpy as np
import pytest

from firmware_images import quantize
from firmware_images.network import LAYERS, Layer, weight_shape
from firmware_images.quantize import KMODEL, Scale

SMALL = Layer("small", 3, 4, 3)


def activated(table, y: int) -> int:
    """One value through an activation table, as the KPU sheet words it (t >= 0 only)."""
    i = max(i for i in range(16) if int(table.x_start[i]) <= y)
    t = (y - int(table.x_start[i])) * int(table.mul[i])
    assert t >= 0
    return min(255, round(Fraction(t, 1 << int(table.shift[i]))) + int(table.bias[i]))


@pytest.mark.parametrize("zero", [0, 1, 29, 128])
@pytest.mark.parametrize("slope", [0.125, 1.0])
def test_activation_table_is_the_leaky_line_with_saturation(zero, slope):
    table = quantize.activation_table(slope, zero)
    assert (np.diff(table.x_start) >= 0).all() and table.x_start[0] == -(1 << 35)
    for y in (-(1 << 34), -300_000, -100_000, -8193, -1024, -3, 0, 511, 513, 99_999, 300_000):
        line = Fraction(y, 1024) * (Fraction(slope) if y < 0 else 1) + zero
        # the table rounds the distance from a segment's start, ties to even there
        assert abs(activated(table, y) - min(255, max(0, line))) <= Fraction(1, 2), y


def test_factors_fill_the_field_and_stay_near():
    factors = np.array([5.3, 0.7, 64.0, 700.123, 1e-3])
    mul, shift = quantize.norm_factors(factors)
    assert (mul < 1 << 21).all() and (shift <= 15).all()
    assert mul / 2.0**shift == pytest.approx(factors, rel=0.02)
    assert (mul / 2.0**shift)[:4] == pytest.approx(factors[:4], rel=1e-4)


def test_scale_keeps_zero_on_a_step_and_covers_the_range():
    scale = quantize.scale_of(-1.5, 12.0)
    assert isinstance(scale.zero, int)
    assert (0 - scale.zero) * scale.scale == pytest.approx(-1.5, abs=scale.scale / 2)
    assert (255 - scale.zero) * scale.scale == pytest.approx(12.0, abs=scale.scale / 2)


def test_an_integer_layer_means_the_float_layer():
    rng = np.random.RandomState(7)
    checkpoint = {
        "small.weight": rng.normal(0, 0.3, weight_shape(SMALL)).astype(np.float32),
        "small.gamma": rng.uniform(0.5, 2, 4).astype(np.float32),
        "small.beta": rng.normal(0, 0.5, 4).astype(np.float32),
        "small.mean": rng.normal(0, 0.5, 4).astype(np.float32),
        "small.variance": rng.uniform(0.5, 2, 4).astype(np.float32),
    }
    source, target = Scale(0.02, 31), Scale(0.03, 60)
    item = quantize.quantized_layer(checkpoint, SMALL, source, target)
    x = rng.randint(0, 256, (3, 3, 3))  # the one output pixel in the middle
    weights = checkpoint["small.weight"].astype(float)
    spread = np.sqrt(checkpoint["small.variance"])
    raw = (weights * (x - source.zero) * source.scale).sum((1, 2, 3))
    value = (raw - checkpoint["small.mean"]) / spread * checkpoint["small.gamma"]
    value = value + checkpoint["small.beta"]
    wanted = np.where(value < 0, value / 8, value) / target.scale + target.zero
    w = item.weights.astype(int)
    for channel in range(4):
        acc = int((w[channel] * x).sum()) + item.arg_x * int(x.sum())
        acc += item.arg_w * int(w[channel].sum()) + item.arg_add * 3
        norm = item.norm
        y = (acc * int(norm.mul[channel]) >> int(norm.shift[channel])) + int(norm.add[channel])
        assert activated(item.activation, y) == pytest.approx(
            np.clip(wanted[channel], 0, 255), abs=1.5
        )


def test_wrong_weights_are_refused():
    with pytest.raises(ValueError, match="conv1: weights of shape"):
        quantize.folded({"conv1.weight": np.zeros((8, 4, 3, 3), np.float32)}, LAYERS[0])


def test_quantising_the_checkpoint_gives_the_shipped_files():
    data, description = quantize.build()
    assert data == KMODEL.read_bytes()
    shipped = json.loads(KMODEL.with_suffix(".json").read_text())
    assert {name: shipped[name] for name in description} == description
