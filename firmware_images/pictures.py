"""Pictures of the generated scene for training and measuring, split by the scene's seed.

Every seed is another layout of objects and another wall; no seed stands in two ranges, and the
board's own default seeds (small numbers) stand in none of them.
"""

from __future__ import annotations

import numpy as np

from firmware_images.network import INPUT_HEIGHT, INPUT_WIDTH
from k210sim.camera.scene import CHAPTER_FRAMES, LABELS, render

TRAINING_SEEDS = range(10_000, 13_000)
CALIBRATION_SEEDS = range(20_000, 20_048)  # ranges of the activations
VALIDATION_SEEDS = range(30_000, 30_150)  # watched while training, and to choose the threshold
HELD_OUT_SEEDS = range(40_000, 40_400)  # only ever measured


def moment(seed: int) -> int:
    """The frame of a seed's first chapter that stands in the set: spread over the chapter."""
    return seed * 37 % CHAPTER_FRAMES


def as_rgb565(picture: np.ndarray) -> np.ndarray:
    """What is left of a uint8 RGB picture (..., 3) after an RGB565 frame buffer."""
    most = np.array([31, 63, 31])
    coarse = picture.astype(np.int32) >> np.array([3, 2, 3])
    return ((coarse * 255 * 2 + most) // (2 * most)).astype(np.uint8)


def _draw_bar(values: np.ndarray, rng) -> None:
    """Paint one bar of a random colour, 4 to 10 pixels thick, somewhere over the picture."""
    height, width = values.shape[:2]
    angle, half = rng.uniform(0, np.pi), rng.uniform(15, 110)
    dx = np.arange(width)[None, :] - rng.uniform(0, width)
    dy = np.arange(height)[:, None] - rng.uniform(0, height)
    along = dx * np.cos(angle) + dy * np.sin(angle)
    across = dy * np.cos(angle) - dx * np.sin(angle)
    bar = (np.abs(along) < half) & (np.abs(across) < rng.uniform(2, 5))
    values[bar] = rng.uniform(0, 255, 3)


def disturbed(pixels: np.ndarray, rng: np.random.RandomState) -> np.ndarray:
    """The picture in worse conditions: bars in front, out of focus, other light, more noise.

    Each disturbance comes at random; uint8 (height, width, 3) in and out. Bars may hide up to
    about a third of a small object.
    """
    values = pixels.astype(np.float32)
    if rng.uniform() < 0.5:
        for _ in range(rng.randint(1, 4)):
            _draw_bar(values, rng)
    if rng.uniform() < 0.25:
        values = (values + np.roll(values, 1, 0) + np.roll(values, 1, 1)) / 3
    values = values * rng.uniform(0.7, 1.2, 3) + rng.uniform(-20, 20)
    if rng.uniform() < 0.5:
        values += rng.normal(0, rng.uniform(1, 8), values.shape[:2] + (1,))
    return np.clip(values, 0, 255).astype(np.uint8)


def picture(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """One picture and its truth.

    Returns uint8 (240, 320, 3), not yet reduced to RGB565, and float64 (objects, 5): class
    number, left, top, width, height in pixels.
    """
    pixels, objects = render(seed, moment(seed), INPUT_WIDTH, INPUT_HEIGHT)
    rows = [(LABELS.index(item.label), *item.box) for item in objects]
    return pixels, np.array(rows, dtype=np.float64).reshape(-1, 5)


def planes(pixels: np.ndarray) -> np.ndarray:
    """The KPU's input: uint8 (3, height, width) of a picture (height, width, 3), as RGB565."""
    return np.ascontiguousarray(as_rgb565(pixels).transpose(2, 0, 1))
