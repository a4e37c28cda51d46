"""Histograms of a picture and what is read from them, in single precision.

A histogram has one channel (gray levels, or bits) or three (L, a, b); bins are shares of the
pixels of the region, so they add up to one unless thresholds leave pixels out.
Ref: sipeed/MaixPy-v1 components/micropython/port/src/omv/img/stats.c, d8901fd.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from k210sim.imaging.colour import lab_table
from k210sim.imaging.formats import BINARY, RGB565, kind_of
from k210sim.imaging.morph import inside
from k210sim.imaging.rounding import fused

_F = np.float32
# (least, greatest) value of each channel.
RANGES = {1: ((0, 255),), 3: ((0, 100), (-128, 127), (-128, 127))}
_BITS = ((0, 1),)
DEFAULT_BINS = {BINARY: (2,), 1: (256,), RGB565: (101, 256, 256)}


class Histogram(NamedTuple):
    """float32 bins by channel, and each channel's range of values."""

    bins: tuple[np.ndarray, ...]
    ranges: tuple[tuple[int, int], ...]


class Statistics(NamedTuple):
    """Of one channel, whole numbers."""

    mean: int
    median: int
    mode: int
    stdev: int
    min: int
    max: int
    lq: int
    uq: int


def _channels(image: np.ndarray) -> list[np.ndarray]:
    if kind_of(image) == RGB565:
        lab = lab_table()
        return [lab[image, i].astype(np.int64) for i in range(3)]
    return [image.astype(np.int64)]


def histogram(image: np.ndarray, bins=None, thresholds=(), invert: bool = False) -> Histogram:
    """Count the pixels of `image` (cut the region out before).

    bins : how many for each channel, at least 2. With thresholds a pixel counts once for each
    threshold it satisfies.
    """
    kind = kind_of(image)
    ranges = RANGES[3] if kind == RGB565 else _BITS if kind == BINARY else RANGES[1]
    bins = bins or DEFAULT_BINS[kind]
    weights = None
    if thresholds:
        weights = sum(inside(image, t, invert).astype(np.int64) for t in thresholds).ravel()
    share = _F(1) / _F(image.size)
    result = []
    for part, count, (least, most) in zip(_channels(image), bins, ranges, strict=True):
        # The firmware's compiler multiplies by the reciprocal: some boundaries feel it.
        factor = _F(count - 1) * (_F(1) / _F(most - least))
        place = ((part - least).astype(_F) * factor).astype(np.int64).ravel()
        counts = np.bincount(place, weights, minlength=count)
        result.append(counts.astype(_F) * share)
    return Histogram(tuple(result), ranges)


def _value(i: int, step, least: int):
    """The channel value a bin stands for."""
    return fused(_F(i), step, _F(least))


def _step(bins: np.ndarray, least: int, most: int):
    return _F(most - least) / _F(len(bins) - 1)


def statistics(of: Histogram) -> tuple[Statistics, ...]:
    """Mean, median and so on of each channel, cut to whole numbers."""
    return tuple(
        _channel_statistics(bins, *limits) for bins, limits in zip(of.bins, of.ranges, strict=True)
    )


def _channel_statistics(bins: np.ndarray, least: int, most: int) -> Statistics:
    step = _step(bins, least, most)
    mean = square = seen = best = _F(0)
    found = dict.fromkeys(Statistics._fields, 0)
    quarters = (("lq", _F(0.25)), ("median", _F(0.5)), ("uq", _F(0.75)))
    first = True
    for i in np.flatnonzero(bins):
        share, level = bins[i], _value(int(i), step, least)
        value = int(level)
        mean = fused(level, share, mean)
        square = fused(level * level, share, square)
        after = seen + share
        for name, quarter in quarters:
            if seen < quarter <= after:
                found[name] = value
        if share > best:
            best = share
            found["mode"] = value
        if first:
            found["min"], first = value, False
        found["max"] = value
        seen = after
    found["mean"] = int(mean)
    variance = fused(-mean, mean, square)
    found["stdev"] = int(np.sqrt(variance)) if variance > 0 else 0
    return Statistics(**found)


def percentile(of: Histogram, share: float) -> tuple[int, ...]:
    """The value below which `share` (0..1) of the pixels lie, of each channel; 0 when none."""
    values = []
    for bins, (least, most) in zip(of.bins, of.ranges, strict=True):
        step, seen, value = _step(bins, least, most), _F(0), 0
        for i, part in enumerate(bins):
            if seen < _F(share) <= seen + part:
                value = int(_value(i, step, least))
                break
            seen = seen + part
        values.append(value)
    return tuple(values)


def _otsu(bins: np.ndarray) -> int:
    """The bin that parts the histogram with the greatest variance between the sides."""
    share, moment = [bins[0]], [_F(0)]
    for i in range(1, len(bins)):
        share.append(share[-1] + bins[i])
        moment.append(fused(_F(i), bins[i], moment[-1]))
    best, at = _F(0), 0
    for i in range(len(bins) - 1):
        part = share[i]
        if part == 0 or part == 1:
            continue
        spread = fused(part, moment[-1], -moment[i])
        with np.errstate(divide="ignore", invalid="ignore"):
            variance = spread * spread / (part * (_F(1) - part))
        if variance > best:
            best, at = variance, i
    return at


def _signed8(value: int) -> int:
    return (value + 128 & 0xFF) - 128


def threshold(of: Histogram) -> tuple[int, ...]:
    """Otsu's threshold of each channel. The least value is not added, as on the board: those of
    a and b count from 0 and wrap as signed bytes."""
    values = []
    for i, (bins, (least, most)) in enumerate(zip(of.bins, of.ranges, strict=True)):
        value = _otsu(bins) * (most - least) // (len(bins) - 1)
        values.append(_signed8(value) if i else value & 0xFF)
    return tuple(values)
