"""The demo detector's layers, labels and grid: what the trainer and the quantiser agree on.

A small relative of YOLO v2: 3x320x240 in, 45x20x15 out (five anchors with x, y, w, h, objectness
and four classes each), made of what the KPU does in one step: 1x1 or 3x3 convolution, leaky ReLU
and an optional 2x2 maximum pool. The slope 1/8 is exact in the activation table.
"""

from __future__ import annotations

from typing import NamedTuple

from k210sim.camera.scene import LABELS

INPUT_WIDTH, INPUT_HEIGHT = 320, 240
GRID_WIDTH, GRID_HEIGHT = 20, 15
ANCHORS = 5  # the firmware's region layer divides the channels by five whatever it is told
ENTRIES = 5 + len(LABELS)
LEAK = 0.125


class Layer(NamedTuple):
    """One KPU layer: convolution ("same" size, stride 1), activation, optional pool."""

    name: str
    inputs: int
    outputs: int
    kernel: int
    depthwise: bool = False
    pool: bool = False
    slope: float = LEAK  # of the activation below zero; 1.0 is no activation


LAYERS = (
    Layer("conv1", 3, 8, 3, pool=True),  # 320x240 -> 160x120
    Layer("deep2", 8, 8, 3, depthwise=True),
    Layer("mix2", 8, 16, 1, pool=True),  # -> 80x60
    Layer("conv3", 16, 24, 3, pool=True),  # -> 40x30
    Layer("conv4", 24, 48, 3, pool=True),  # -> 20x15
    Layer("conv5", 48, 64, 3),
    Layer("deep6", 64, 64, 3, depthwise=True),
    Layer("mix6", 64, 96, 1),
    Layer("deep7", 96, 96, 3, depthwise=True),
    Layer("mix7", 96, 96, 1),
    Layer("head", 96, ANCHORS * ENTRIES, 1, slope=1.0),
)


def weight_shape(layer: Layer) -> tuple[int, int, int, int]:
    """Shape of a layer's weights: (outputs, inputs per output, kernel, kernel)."""
    return layer.outputs, 1 if layer.depthwise else layer.inputs, layer.kernel, layer.kernel


def multiplications() -> int:
    """Multiply-adds of one picture."""
    width, height, total = INPUT_WIDTH, INPUT_HEIGHT, 0
    for layer in LAYERS:
        outputs, inputs, k, _ = weight_shape(layer)
        total += outputs * inputs * k * k * width * height
        if layer.pool:
            width, height = width // 2, height // 2
    return total
