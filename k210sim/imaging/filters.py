"""Filters over the neighbourhood of each pixel, in place.

`size` n means a window of (2n + 1) x (2n + 1), edges repeated. Each filter works on the levels of
a gray picture or on r5, g6 and b5; with `threshold` the result is white where the old pixel's
brightness is above the filtered one less `offset`, else black; `invert` turns that around.
Ref: sipeed/MaixPy-v1 components/micropython/port/src/omv/img/filter.c and
py/py_image.c, d8901fd.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from k210sim.imaging.arith import COMPONENTS
from k210sim.imaging.colour import G8_TO_6, R8_TO_5, gray_table, yuv_table
from k210sim.imaging.formats import BINARY, RGB565, kind_of
from k210sim.imaging.rounding import fast_exp, fused

_F = np.float32
_WINDOW_BYTES = 32 << 20  # how much of the windows is laid out at once


class Cut(NamedTuple):
    """What filters do with their result."""

    threshold: bool = False
    offset: int = 0
    invert: bool = False
    mask: np.ndarray | None = None


def _brightness(image: np.ndarray) -> np.ndarray:
    if kind_of(image) == RGB565:
        return gray_table()[image].astype(np.int64)
    return image.astype(np.int64)


def _finish(image: np.ndarray, result: np.ndarray, cut: Cut) -> None:
    result = result.astype(image.dtype)
    if cut.threshold:
        white = True if kind_of(image) == BINARY else np.iinfo(image.dtype).max
        above = (_brightness(result) - cut.offset < _brightness(image)) ^ bool(cut.invert)
        result = np.where(above, white, 0).astype(image.dtype)
    if cut.mask is None:
        image[:] = result
    else:
        image[cut.mask] = result[cut.mask]


def _windows(part: np.ndarray, size: int):
    """Pairs of (first row, int64 (rows, w, n * n) windows) that together cover the picture."""
    n = 2 * size + 1
    padded = np.pad(part.astype(np.int64), size, mode="edge")
    view = np.lib.stride_tricks.sliding_window_view(padded, (n, n))
    step = max(1, _WINDOW_BYTES // (8 * n * n * part.shape[1]))
    for row in range(0, part.shape[0], step):
        rows = view[row : row + step]
        yield row, rows.reshape(rows.shape[0], rows.shape[1], n * n)


def _filter(image: np.ndarray, size: int, function, cut: Cut) -> None:
    """Replace each component by function(windows, greatest value)."""
    result = np.zeros(image.shape, np.int64)
    source = image.astype(np.int64)
    for shift, top in COMPONENTS[kind_of(image)]:
        for row, windows in _windows(source >> shift & top, size):
            part = np.asarray(function(windows, top)).astype(np.int64) & top
            result[row : row + len(windows)] |= part << shift
    _finish(image, result, cut)


def mean(image, size: int, cut: Cut = Cut()) -> None:
    """Mean of the window, cut off."""
    over = _F(1) / _F((2 * size + 1) ** 2)
    _filter(image, size, lambda w, top: w.sum(2).astype(_F) * over, cut)


def median(image, size: int, percentile: float = 0.5, cut: Cut = Cut()) -> None:
    """The value at `percentile` (0..1) of the sorted window."""
    at = int(_F(percentile) * _F((2 * size + 1) ** 2 - 1))
    _filter(image, size, lambda w, top: np.partition(w, at, axis=2)[:, :, at], cut)


def _first_mode(windows: np.ndarray, top: int) -> np.ndarray:
    """The value that is first to reach the greatest count, read row by row."""
    count = np.zeros(windows.shape, np.int64)
    for i in range(windows.shape[2]):
        count[:, :, i] = (windows[:, :, : i + 1] == windows[:, :, i : i + 1]).sum(2)
    return np.take_along_axis(windows, count.argmax(2)[:, :, None], 2)[:, :, 0]


def mode(image, size: int, cut: Cut = Cut()) -> None:
    """The most frequent value of the window."""
    _filter(image, size, _first_mode, cut)


def midpoint(image, size: int, bias: float = 0.5, cut: Cut = Cut()) -> None:
    """Between the window's least and greatest: least * (1 - bias) + greatest * bias."""
    upper = _F(bias)
    lower = _F(1) - upper

    def between(w, top):
        return fused(w.min(2).astype(_F), lower, w.max(2).astype(_F) * upper)

    _filter(image, size, between, cut)


def morph(image, size: int, kernel, mul: float, add: float = 0.0, cut: Cut = Cut()) -> None:
    """Weighted sum with the whole numbers of `kernel` (row by row), times mul, plus int(add)."""
    weights = np.array([int(k) for k in kernel], np.int64)

    def weighted(w, top):
        return np.clip(((w @ weights).astype(_F) * _F(mul)).astype(np.int64) + int(add), 0, top)

    _filter(image, size, weighted, cut)


def pascal_kernel(size: int) -> np.ndarray:
    """int64 (n, n): the outer product of a row of Pascal's triangle with itself."""
    row = [1]
    for i in range(2 * size):
        row.append(row[i] * (2 * size - i) // (i + 1))
    return np.outer(row, row)


def gaussian_kernel(size: int, unsharp: bool = False) -> tuple[list[int], float]:
    """The kernel of `gaussian` and the factor it is used with."""
    kernel = pascal_kernel(size)
    total = int(kernel.sum())
    if unsharp:
        kernel[size, size] -= 2 * total
        total = -total
    return kernel.ravel().tolist(), float(_F(1) / _F(total))


def laplacian_kernel(size: int, sharpen: bool = False) -> tuple[list[int], float]:
    """The kernel of `laplacian` and the factor it is used with (infinite for size 0)."""
    kernel = -pascal_kernel(size)
    kernel[size, size] -= int(kernel.sum())
    centre = int(kernel[size, size])
    if sharpen:
        kernel[size, size] += centre
    factor = float(_F(1) / _F(centre)) if centre else float("inf")
    return kernel.ravel().tolist(), factor


def _bell(x: np.ndarray, sigma) -> np.ndarray:
    """Normal density, by the firmware's fast exponential."""
    sigma = _F(sigma)
    return fast_exp((x * x) / (_F(-2) * sigma * sigma)) / (abs(sigma) * _F(2.506628))


def bilateral(image, size: int, color_sigma=0.1, space_sigma=1.0, cut: Cut = Cut()) -> None:
    """Mean weighted by nearness in space and in level.

    Single precision, summed row by row with fused steps; the last digit depends on the compiler
    there, so single pixels can differ by one step from a board's.
    """
    n = 2 * size + 1
    dy, dx = np.mgrid[-size : size + 1, -size : size + 1]
    reach = np.sqrt(_F(2 * size * size))
    scale = _F(1) / reach if reach else _F(0)
    near = _bell(np.sqrt((dx * dx + dy * dy).astype(_F)) * scale, space_sigma).ravel()

    def weighted(w, top):
        like = _bell(np.arange(top + 1).astype(_F) * (_F(1) / _F(top)), color_sigma)
        centre = w[:, :, n * n // 2]
        total = np.zeros(centre.shape, _F)
        weights = np.zeros(centre.shape, _F)
        for i in range(n * n):
            weight = like[np.abs(centre - w[:, :, i])] * near[i]
            total = fused(w[:, :, i].astype(_F), weight, total)
            weights = weights + weight
        with np.errstate(divide="ignore", invalid="ignore"):
            value = np.where(weights == 0, _F(0), total / weights)
        return np.minimum(value, _F(top))

    _filter(image, size, weighted, cut)


def yuv_to_rgb565(y, u, v) -> np.ndarray:
    """RGB565 of Y (0..255) and signed U and V, in 16-bit fixed point."""
    y, u, v = (np.asarray(c).astype(np.int64) for c in (y, u, v))
    red = np.clip(y + (91881 * v >> 16), 0, 255)
    green = np.clip(y - (22554 * u + 46802 * v >> 16), 0, 255)
    blue = np.clip(y + (116130 * u >> 16), 0, 255)
    return R8_TO_5[red] << 11 | G8_TO_6[green] << 5 | R8_TO_5[blue]


def histeq(image, mask=None) -> None:
    """Spread the brightness so that all levels are equally frequent."""
    kind = kind_of(image)
    levels = _brightness(image)
    top = 1 if kind == BINARY else 255
    share = _F(top) / _F(image.size)
    sums = np.bincount(levels.ravel(), minlength=top + 1).cumsum()
    new = (share * sums.astype(_F)).astype(np.int64)[levels]
    if kind == RGB565:
        yuv = yuv_table()
        new = yuv_to_rgb565(new & 0xFF, yuv[image, 1], yuv[image, 2])
    _finish(image, new, Cut(mask=mask))
