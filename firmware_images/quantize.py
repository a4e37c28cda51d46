"""Turn the float checkpoint into the integer layers of the KPU and write the kmodel.

    python -m firmware_images.quantize                # checkpoint + ranges -> the shipped files
    python -m firmware_images.quantize --calibrate    # first measure the activations' ranges anew

Plain NumPy, and the same bytes on every machine: the only step that depends on the order of float
sums, measuring the ranges, is done once and kept in `ranges.json`, rounded.

A map's byte q stands for `scale * (q - zero)`. A layer computes, exactly (`x`, `w` are bytes):

    acc = sum((w - 128) * (x - zero_in))                      arg_x, arg_w, arg_add, pad_value
    y   = (acc * mul >> shift) + add                          per channel: weight scale and bias
    out = leaky(y) / 1024 + zero_out, clamped to a byte       activation table

so `y` is the layer's value in 1/1024 of an output step, and since mul belongs to one channel,
every channel has its own weight scale.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np

from firmware_images.network import INPUT_HEIGHT, INPUT_WIDTH, LAYERS, Layer, weight_shape
from firmware_images.pictures import CALIBRATION_SEEDS, picture, planes
from k210sim.camera.scene import LABELS
from k210sim.kpu.kmodel.writer import MAX_2X2, NO_POOL, ModelBuilder, Quant
from k210sim.kpu.layer_regs import Activation, BatchNorm

HERE = Path(__file__).parent
CHECKPOINT = HERE / "demo_detector.npz"
RANGES = HERE / "ranges.json"
KMODEL = HERE.parent / "k210sim" / "data" / "demo_detector.kmodel"

WEIGHT_ZERO = 128
STEP_BITS = 10  # y counts in 1/1024 of an output step
MUL_BITS = 21  # widest positive batch-norm factor, as the vendor's compilers keep it
MAX_SHIFT = 15
TOP = (1 << 35) - 16  # activation segments that begin here are never reached
HEAD_SCALE, HEAD_ZERO = 1 / 16, 128  # network output: -8 to 7.9375, where sigmoids are flat
THRESHOLD, NMS = 0.5, 0.3


class Scale(NamedTuple):
    """What the bytes of a map mean: value = scale * (byte - zero)."""

    scale: float
    zero: int


class IntegerLayer(NamedTuple):
    """One KPU layer in the hardware's own figures."""

    layer: Layer
    weights: np.ndarray  # uint8 (outputs, inputs per output, kernel, kernel)
    arg_x: int
    arg_w: int
    arg_add: int
    pad_value: int
    norm: BatchNorm
    activation: Activation
    output: Scale


def folded(checkpoint, layer: Layer) -> tuple[np.ndarray, np.ndarray]:
    """Weights and bias of a layer with its batch norm folded in, float64."""
    weights = checkpoint[f"{layer.name}.weight"].astype(np.float64)
    if weights.shape != weight_shape(layer):
        raise ValueError(
            f"{layer.name}: weights of shape {weights.shape}, expected {weight_shape(layer)}"
        )
    if f"{layer.name}.bias" in checkpoint:
        return weights, checkpoint[f"{layer.name}.bias"].astype(np.float64)
    gamma, beta, mean, variance = (
        checkpoint[f"{layer.name}.{part}"].astype(np.float64)
        for part in ("gamma", "beta", "mean", "variance")
    )
    factor = gamma / np.sqrt(variance)
    return weights * factor[:, None, None, None], beta - mean * factor


def float_maps(checkpoint, pixels: np.ndarray) -> list[np.ndarray]:
    """Every layer's float map for one input, uint8 (3, h, w): float64 (channels, h, w) each."""
    x, maps = pixels / 255.0, []
    for layer in LAYERS:
        weights, bias = folded(checkpoint, layer)
        channels, height, width = x.shape
        edge = layer.kernel // 2
        padded = np.pad(x, ((0, 0), (edge, edge), (edge, edge)))
        y = np.zeros((layer.outputs, height, width))
        for row in range(layer.kernel):
            for column in range(layer.kernel):
                shifted = padded[:, row : row + height, column : column + width]
                tap = weights[:, :, row, column]
                if layer.depthwise:
                    y += shifted * tap[:, :, None]
                else:
                    y += (tap @ shifted.reshape(channels, -1)).reshape(y.shape)
        y += bias[:, None, None]
        x = np.where(y < 0, y * layer.slope, y)
        if layer.pool:
            x = x.reshape(layer.outputs, height // 2, 2, width // 2, 2).max((2, 4))
        maps.append(x)
    return maps


def calibrate(checkpoint, seeds=CALIBRATION_SEEDS, tail: float = 0.0002) -> dict[str, list[float]]:
    """Lowest and highest value of each layer's map over pictures, bar the outermost `tail`.

    Rounded to three digits upwards in size, so that the last bits of float sums do not matter.
    """
    low = {layer.name: [] for layer in LAYERS}
    high = {layer.name: [] for layer in LAYERS}
    for seed in seeds:
        pixels, _ = picture(seed)
        for layer, values in zip(LAYERS, float_maps(checkpoint, planes(pixels)), strict=True):
            bottom, top = np.quantile(values, [tail, 1 - tail])
            low[layer.name].append(bottom)
            high[layer.name].append(top)
    return {
        layer.name: [
            float(f"{min(0.0, np.min(low[layer.name])):.3g}"),
            float(f"{max(0.0, np.max(high[layer.name])):.3g}"),
        ]
        for layer in LAYERS
    }


def scale_of(low: float, high: float) -> Scale:
    """Spread 256 steps over a range that contains zero, with zero on a step."""
    scale = (high - low) / 255
    return Scale(scale, round(-low / scale))


def activation_table(slope: float, zero: int) -> Activation:
    """Leaky activation of y (1/1024 steps) with saturation written out; exact for slope 1/2^n."""
    one = 1 << STEP_BITS
    x_start = [-(1 << 35), -round(zero / slope) * one, 0, (255 - zero) * one]
    mul = [0, round(one * slope), one, 0]
    shift = [0, 2 * STEP_BITS, 2 * STEP_BITS, 0]
    bias = [0, 0, zero, 255]
    spare = range(16 - len(bias))
    return Activation(
        [*x_start, *(TOP + i for i in spare)],
        [*mul, *(0 for _ in spare)],
        [*shift, *(0 for _ in spare)],
        [*bias, *(255 for _ in spare)],
    )


def norm_factors(factors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """mul, shift (int64) with mul / 2^shift nearest to each factor, as precise as the fields."""
    mul, shift = [], []
    for factor in factors.tolist():
        places = MAX_SHIFT
        while places and round(factor * 2**places) >= 1 << MUL_BITS:
            places -= 1
        mul.append(round(factor * 2**places))
        shift.append(places)
    return np.array(mul, dtype=np.int64), np.array(shift, dtype=np.int64)


def quantized_layer(checkpoint, layer: Layer, source: Scale, target: Scale) -> IntegerLayer:
    """One float layer as integers, between maps of the given scales."""
    weights, bias = folded(checkpoint, layer)
    largest = np.abs(weights).max((1, 2, 3))
    steps = np.where(largest > 0, largest, 1.0) / 127
    codes = np.rint(weights / steps[:, None, None, None]).astype(np.int64) + WEIGHT_ZERO
    one = (1 << STEP_BITS) / target.scale
    mul, shift = norm_factors(steps * source.scale * one)
    return IntegerLayer(
        layer,
        codes.astype(np.uint8),
        arg_x=-WEIGHT_ZERO,
        arg_w=-source.zero,
        arg_add=layer.kernel**2 * WEIGHT_ZERO * source.zero,
        pad_value=source.zero,
        norm=BatchNorm(mul, shift, np.rint(bias * one).astype(np.int64)),
        activation=activation_table(layer.slope, target.zero),
        output=target,
    )


def quantized(checkpoint, ranges: dict[str, list[float]]) -> list[IntegerLayer]:
    """All layers of the network as integers; the input is bytes of value/255."""
    source, layers = Scale(1 / 255, 0), []
    for layer in LAYERS:
        head = layer is LAYERS[-1]
        target = Scale(HEAD_SCALE, HEAD_ZERO) if head else scale_of(*ranges[layer.name])
        layers.append(quantized_layer(checkpoint, layer, source, target))
        source = target
    return layers


def kmodel(layers: list[IntegerLayer]) -> bytes:
    """The model as a kmodel V3 file: the KPU layers, then one Dequantize to float32."""
    builder = ModelBuilder((LAYERS[0].inputs, INPUT_HEIGHT, INPUT_WIDTH))
    tensor = builder.input
    for item in layers:
        tensor = builder.add_conv(
            tensor,
            item.weights,
            bn=item.norm,
            act=item.activation,
            arg_x=item.arg_x,
            arg_w=item.arg_w,
            arg_add=item.arg_add,
            pad_value=item.pad_value,
            pool=MAX_2X2 if item.layer.pool else NO_POOL,
            depthwise=item.layer.depthwise,
            quant=Quant(*item.output),
        )
    builder.output(builder.add_dequantize(tensor))
    return builder.build()


def write_description(description: dict) -> None:
    """The model's .json: one line a key, so that a change shows as one."""
    lines = [f" {json.dumps(key)}: {json.dumps(value)}" for key, value in description.items()]
    KMODEL.with_suffix(".json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


def build() -> tuple[bytes, dict]:
    """The shipped model and its description, from the checkpoint and ranges of this folder."""
    with np.load(CHECKPOINT) as arrays:
        checkpoint = dict(arrays)
    data = kmodel(quantized(checkpoint, json.loads(RANGES.read_text())))
    return data, {
        "model": KMODEL.name,
        "sha256": hashlib.sha256(data).hexdigest(),
        "size": len(data),
        "input": [LAYERS[0].inputs, INPUT_HEIGHT, INPUT_WIDTH],
        "labels": list(LABELS),
        "anchors": checkpoint["anchors"].ravel().tolist(),
        "threshold": THRESHOLD,
        "nms": NMS,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--calibrate", action="store_true", help=f"write {RANGES.name} from the checkpoint first"
    )
    if parser.parse_args().calibrate:
        with np.load(CHECKPOINT) as arrays:
            RANGES.write_text(json.dumps(calibrate(dict(arrays)), indent=1) + "\n")
    data, description = build()
    KMODEL.write_bytes(data)
    print(f"{KMODEL.name}: {len(data)} bytes, sha256 {description['sha256']}")
    # What was measured belongs to the old bytes; `evaluate --update` measures the new ones.
    write_description(description)


if __name__ == "__main__":
    main()
