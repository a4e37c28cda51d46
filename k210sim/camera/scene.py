"""The generated camera scene: moving coloured shapes on varied backgrounds, with ground truth.

One generator serves two users: the board's default camera (`--camera scene`) and the trainer of
the demo detector. `render(seed, frame)` is a pure function of its arguments, so a run with the
same seed sees the same pictures, and pictures of held-out seeds can be made again anywhere. Random
figures come from `numpy.random.RandomState`, whose streams NumPy keeps frozen.

A scene lasts `CHAPTER_FRAMES` frames, then another layout follows. Objects live in the cells of
a randomly split frame and never overlap. Sizes are for 320x240 and scale with other frames.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

LABELS = ("circle", "square", "triangle", "cross")
CHAPTER_FRAMES = 150
MAX_OBJECTS = 6
BASE_WIDTH, BASE_HEIGHT = 320, 240
# Radius of the circle around a shape, in pixels of the base size. A rotated square or triangle
# fills 1.41 to 2 radii of its box, so boxes stay within 30 to 110 pixels.
MIN_RADIUS, MAX_RADIUS = 22.0, 54.0
_CELL_MARGIN = 3.0
_CROSS_ARM = 0.34  # half the width of a cross' bar, relative to half its length


class SceneObject(NamedTuple):
    """One object of the ground truth: its label and its tight box (x, y, w, h) in pixels."""

    label: str
    box: tuple[int, int, int, int]


class _Actor(NamedTuple):
    """How one object looks and moves; lengths in pixels of the base size."""

    label: str
    cell: tuple[float, float, float, float]
    radius: float
    angle: float
    spin: float
    swing: tuple[float, float, float, float]
    colour: np.ndarray
    edge: float
    shade: float


def _stream(*numbers: int) -> np.random.RandomState:
    """A random stream of its own for each tuple of integers."""
    return np.random.RandomState([int(n) & 0xFFFFFFFF for n in numbers])


def _split(rng, cells: int) -> list[tuple[float, float, float, float]]:
    """Cut the base frame into up to `cells` rectangles (x, y, w, h), each fit for an object."""
    least = 2 * (MIN_RADIUS + _CELL_MARGIN)
    done = [(0.0, 0.0, float(BASE_WIDTH), float(BASE_HEIGHT))]
    while len(done) < cells:
        done.sort(key=lambda cell: cell[2] * cell[3])
        x, y, w, h = done[-1]
        longer = max(w, h)
        if longer < 2 * least:
            break
        share = rng.uniform(least / longer, 1 - least / longer)
        if w >= h:
            parts = [(x, y, w * share, h), (x + w * share, y, w * (1 - share), h)]
        else:
            parts = [(x, y, w, h * share), (x, y + h * share, w, h * (1 - share))]
        done[-1:] = parts
    return done


def _object_colour(rng, background: np.ndarray) -> np.ndarray:
    """A colour that stands out from the background's mean colour."""
    for _ in range(20):
        hue, depth, value = rng.uniform(0, 6), rng.uniform(0.45, 1.0), rng.uniform(0.45, 1.0)
        steps = np.array([abs(hue - 3) - 1, 2 - abs(hue - 2), 2 - abs(hue - 4)])
        colour = 255 * value * (1 - depth * (1 - np.clip(steps, 0, 1)))
        if np.abs(colour - background).sum() > 170:
            break
    return colour


def _cast(rng, background: np.ndarray) -> list[_Actor]:
    """Choose the objects of a chapter."""
    cells = _split(rng, rng.randint(1, MAX_OBJECTS + 1))
    actors = []
    for cell in cells:
        if len(cells) > 2 and rng.uniform() < 0.12:
            continue  # now and then a place stays empty
        most = min(MAX_RADIUS, min(cell[2], cell[3]) / 2 - _CELL_MARGIN)
        radius = rng.uniform(MIN_RADIUS, max(MIN_RADIUS, most))
        actors.append(
            _Actor(
                label=LABELS[rng.randint(len(LABELS))],
                cell=cell,
                radius=radius,
                angle=rng.uniform(0, 2 * math.pi),
                spin=rng.uniform(-0.02, 0.02),
                swing=tuple(rng.uniform((0.01, 0.01, 0, 0), (0.06, 0.06, 6.28, 6.28))),
                colour=_object_colour(rng, background),
                edge=rng.uniform(0.25, 0.7) if rng.uniform() < 0.4 else 1.0,
                shade=rng.uniform(-0.25, 0.25),
            )
        )
    return actors


def _smooth_noise(rng, rows: int, columns: int, width: int, height: int) -> np.ndarray:
    """Blotches in -1..1: a coarse random grid drawn out to (height, width)."""
    grid = rng.uniform(-1, 1, (rows + 1, columns + 1))
    y, x = np.linspace(0, rows - 1e-6, height), np.linspace(0, columns - 1e-6, width)
    i, j = y.astype(int), x.astype(int)
    v, u = (y - i)[:, None], (x - j)[None, :]
    upper = grid[i][:, j] * (1 - u) + grid[i][:, j + 1] * u
    lower = grid[i + 1][:, j] * (1 - u) + grid[i + 1][:, j + 1] * u
    return upper * (1 - v) + lower * v


def _background(rng, drift: float, width: int, height: int) -> np.ndarray:
    """A wall behind the objects: float64 (height, width, 3), 0..255; `drift` moves its pattern."""
    first, second = rng.uniform(15, 240, 3), rng.uniform(15, 240, 3)
    second = first + (second - first) * rng.uniform(0.15, 0.5)
    kind = rng.randint(5)
    x = np.linspace(0, BASE_WIDTH, width)[None, :]
    y = np.linspace(0, BASE_HEIGHT, height)[:, None]
    angle, period = rng.uniform(0, math.pi), rng.uniform(16, 70)
    along = x * math.cos(angle) + y * math.sin(angle)
    if kind == 0:
        mix = np.zeros((height, width))
    elif kind == 1:
        mix = (along - along.min()) / max(1.0, float(np.ptp(along)))
    elif kind == 2:
        mix = 0.5 + 0.5 * np.sin((along + drift) * 2 * math.pi / period)
    elif kind == 3:
        across = y * math.cos(angle) - x * math.sin(angle)
        mix = ((np.floor((along + drift) / period) + np.floor(across / period)) % 2) * 1.0
    else:
        mix = 0.5 + 0.5 * _smooth_noise(rng, 6, 8, width, height)
    wall = first + (second - first) * mix[:, :, None]
    light = 1 + 0.12 * _smooth_noise(rng, 2, 2, width, height)
    return wall * light[:, :, None]


def _distance(label: str, x: np.ndarray, y: np.ndarray, radius: float) -> np.ndarray:
    """Signed distance to the shape's edge in pixels, negative inside; `radius` circumscribes it."""
    if label == "circle":
        return np.hypot(x, y) - radius
    if label == "square":
        return np.maximum(np.abs(x), np.abs(y)) - radius / math.sqrt(2)
    if label == "triangle":
        slant = math.sqrt(3) / 2
        sides = np.maximum(slant * x - y / 2, -slant * x - y / 2)
        return np.maximum(sides, y) - radius / 2
    length = radius / math.hypot(1, _CROSS_ARM)
    arm = length * _CROSS_ARM
    upright = np.maximum(np.abs(x) - arm, np.abs(y) - length)
    level = np.maximum(np.abs(x) - length, np.abs(y) - arm)
    return np.minimum(upright, level)


def _place(actor: _Actor, time: int) -> tuple[float, float, float]:
    """Centre and angle of an object at a frame of its chapter, in pixels of the base size."""
    x, y, w, h = actor.cell
    room_x = w / 2 - actor.radius - _CELL_MARGIN
    room_y = h / 2 - actor.radius - _CELL_MARGIN
    rate_x, rate_y, phase_x, phase_y = actor.swing
    return (
        x + w / 2 + room_x * math.sin(phase_x + rate_x * time),
        y + h / 2 + room_y * math.sin(phase_y + rate_y * time),
        actor.angle + actor.spin * time,
    )


def _draw(picture: np.ndarray, actor: _Actor, time: int) -> tuple[int, int, int, int] | None:
    """Paint one object into `picture`; returns its box, or None when nothing of it shows."""
    height, width = picture.shape[:2]
    scale = min(width / BASE_WIDTH, height / BASE_HEIGHT)
    centre_x, centre_y, angle = _place(actor, time)
    centre_x, centre_y = centre_x * width / BASE_WIDTH, centre_y * height / BASE_HEIGHT
    radius = actor.radius * scale
    left, top = max(0, int(centre_x - radius - 2)), max(0, int(centre_y - radius - 2))
    right = min(width, int(centre_x + radius + 3))
    bottom = min(height, int(centre_y + radius + 3))
    dx = np.arange(left, right)[None, :] + 0.5 - centre_x
    dy = np.arange(top, bottom)[:, None] + 0.5 - centre_y
    x = dx * math.cos(angle) + dy * math.sin(angle)
    y = dy * math.cos(angle) - dx * math.sin(angle)
    distance = _distance(actor.label, x, y, radius)
    cover = np.clip(0.5 - distance, 0, 1)[:, :, None]
    inside = np.clip(0.5 - (distance + 3 * scale), 0, 1)[:, :, None]
    tone = actor.edge + (1 - actor.edge) * inside + actor.shade * (dy / radius)[:, :, None]
    patch = picture[top:bottom, left:right]
    patch += (actor.colour * tone - patch) * cover
    seen = cover[:, :, 0] >= 0.5
    columns, rows = np.flatnonzero(seen.any(0)), np.flatnonzero(seen.any(1))
    if not len(columns):
        return None
    return (
        left + int(columns[0]),
        top + int(rows[0]),
        int(columns[-1] - columns[0]) + 1,
        int(rows[-1] - rows[0]) + 1,
    )


def render(
    seed: int, frame: int, width: int = BASE_WIDTH, height: int = BASE_HEIGHT
) -> tuple[np.ndarray, list[SceneObject]]:
    """Draw one frame of the scene.

    Returns the picture, uint8 (height, width, 3) in RGB order, and what it shows. The smallest
    frame that makes sense is about 80x60; boxes of smaller ones may be empty and are left out.
    """
    chapter, time = divmod(int(frame), CHAPTER_FRAMES)
    wall_rng = _stream(seed, chapter, 1)
    picture = _background(wall_rng, 0.4 * time, width, height)
    objects = []
    for actor in _cast(_stream(seed, chapter, 2), picture.mean((0, 1))):
        box = _draw(picture, actor, time)
        if box is not None:
            objects.append(SceneObject(actor.label, box))
    # Grain of the sensor: the same wherever the frame is made again.
    picture += _stream(seed, frame, 3).normal(0, 2.0, (height, width, 1))
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8), objects
