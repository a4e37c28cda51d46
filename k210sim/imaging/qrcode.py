"""Finding QR codes in pictures.

A method of our own, not the firmware's (the quirc library): a code that is hard to see may be found
by one and not by the other. Codes seen as in a mirror are not found.
"""

from __future__ import annotations

from itertools import combinations, permutations
from typing import NamedTuple

import numpy as np

from k210sim.imaging import qrcode_data
from k210sim.imaging.colour import to_grayscale

_MOST_FINDERS = 12
_RATIO = np.array([1, 1, 3, 1, 1])


class QRCode(NamedTuple):
    x: int
    y: int
    w: int
    h: int
    payload: bytes
    version: int
    ecc_level: int
    mask: int
    data_type: int
    eci: int
    corners: tuple


def _darker_than_around(gray: np.ndarray) -> np.ndarray:
    """Dark where a pixel is below the mean of the box around it."""
    height, width = gray.shape
    reach = max(height, width, 64) // 8
    sums = np.zeros((height + 1, width + 1), np.int64)
    sums[1:, 1:] = gray.astype(np.int64).cumsum(0).cumsum(1)
    y, x = np.arange(height), np.arange(width)
    top, bottom = np.maximum(y - reach, 0)[:, None], np.minimum(y + reach + 1, height)[:, None]
    left, right = np.maximum(x - reach, 0)[None], np.minimum(x + reach + 1, width)[None]
    total = sums[bottom, right] - sums[top, right] - sums[bottom, left] + sums[top, left]
    return gray * ((bottom - top) * (right - left)) < total * 0.95


def _darker_half(gray: np.ndarray) -> np.ndarray:
    """Dark where a pixel is below the level that parts the picture best (Otsu)."""
    counts = np.bincount(gray.ravel(), minlength=256).astype(np.float64)
    below, levels = counts.cumsum(), (counts * np.arange(256)).cumsum()
    above = below[-1] - below
    with np.errstate(divide="ignore", invalid="ignore"):
        gap = levels / below - (levels[-1] - levels) / above
        parted = np.nan_to_num(below * above * gap**2)
    return gray <= int(parted.argmax())


def _fits(runs) -> bool:
    """Whether five lengths are as those across a finder pattern, 1:1:3:1:1."""
    runs = np.asarray(runs, np.float64)
    module = runs.sum() / 7
    return module >= 0.9 and bool(
        (np.abs(runs - module * _RATIO) <= module * 0.6 * _RATIO**0.5).all()
    )


def _across(line: np.ndarray, at: int):
    """Middle and length of the finder pattern on a line of pixels through `at`, or None."""
    if not line[at]:
        return None
    edges = np.concatenate([[0], np.flatnonzero(np.diff(line)) + 1, [len(line)]])
    i = int(np.searchsorted(edges, at, "right")) - 1
    if i < 2 or i + 3 >= len(edges):
        return None
    runs = np.diff(edges[i - 2 : i + 4])
    if not _fits(runs):
        return None
    return (edges[i] + edges[i + 1]) / 2, float(runs.sum())


class _Finder:
    def __init__(self, x: float, y: float, size: float):
        self.x, self.y, self.size, self.count = x, y, size, 1

    def add(self, x: float, y: float, size: float) -> bool:
        if max(abs(x - self.x), abs(y - self.y)) > self.size / 4:
            return False
        n = self.count + 1
        self.x += (x - self.x) / n
        self.y += (y - self.y) / n
        self.size += (size - self.size) / n
        self.count = n
        return True

    @property
    def place(self) -> np.ndarray:
        return np.array([self.x, self.y])


def _finders(dark: np.ndarray) -> list[_Finder]:
    found: list[_Finder] = []
    for row in range(len(dark)):
        line = dark[row]
        edges = np.concatenate([[0], np.flatnonzero(np.diff(line)) + 1, [len(line)]])
        for i in range(len(edges) - 5):
            if not line[edges[i]] or not _fits(np.diff(edges[i : i + 6])):
                continue
            x = int(edges[i + 2] + edges[i + 3]) // 2
            down = _across(dark[:, x], row)
            if down is None:
                continue
            over = _across(dark[int(down[0])], x)
            if over is None:
                continue
            finder = over[0], down[0], (over[1] + down[1]) / 2
            if not any(known.add(*finder) for known in found):
                found.append(_Finder(*finder))
    found.sort(key=lambda f: -f.count)
    return found[:_MOST_FINDERS]


def _dark_at(dark: np.ndarray, places: np.ndarray) -> np.ndarray:
    """The pixels at (..., 2) places x, y; light outside the picture."""
    x, y = np.floor(places[..., 0]).astype(int), np.floor(places[..., 1]).astype(int)
    inside = (x >= 0) & (y >= 0) & (x < dark.shape[1]) & (y < dark.shape[0])
    return inside & dark[np.where(inside, y, 0), np.where(inside, x, 0)]


def _module(dark: np.ndarray, start: np.ndarray, end: np.ndarray) -> float:
    """Pixels per module between two finders: three and a half from the centre to the third edge."""
    way = end - start
    length = float(np.hypot(*way))
    steps = np.arange(0, length, 0.125)
    line = _dark_at(dark, start + steps[:, None] * way / length)
    edges = np.flatnonzero(np.diff(line))
    return float(steps[edges[2]]) / 3.5 if len(edges) > 2 else 0.0


def _projection(modules, places) -> np.ndarray:
    """The 3 x 3 matrix that takes four points of the code to four of the picture."""
    rows = []
    for (x, y), (u, v) in zip(modules, places, strict=True):
        rows.append([x, y, 1, 0, 0, 0, -x * u, -y * u, -u])
        rows.append([0, 0, 0, x, y, 1, -x * v, -y * v, -v])
    return np.linalg.svd(np.array(rows, np.float64))[2][-1].reshape(3, 3)


def _project(matrix: np.ndarray, points) -> np.ndarray:
    points = np.asarray(points, np.float64)
    u, v, w = np.moveaxis(points @ matrix[:, :2].T + matrix[:, 2], -1, 0)
    return np.stack([u / w, v / w], -1)


def _alignment(dark, near, right, down) -> np.ndarray | None:
    """The centre of the alignment pattern near a place; `right`, `down`: a module's steps."""
    ring = [(x, y) for x in range(-2, 3) for y in range(-2, 3)]
    wanted = np.array([max(abs(x), abs(y)) != 1 for x, y in ring])
    cells = np.array([x * right + y * down for x, y in ring])
    moves = np.arange(-12, 13) / 4
    offsets = np.array([a * right + b * down for a in moves for b in moves])
    scores = (_dark_at(dark, near + offsets[:, None] + cells[None]) == wanted).sum(1)
    if scores.max() < 21:
        return None
    return near + offsets[scores == scores.max()].mean(0)


def _known(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Modules that are the same in every code of a size: their middles, and which are dark."""
    dark = {}
    for left, top in ((0, 0), (size - 7, 0), (0, size - 7)):
        for y in range(-1, 8):
            for x in range(-1, 8):
                if 0 <= left + x < size and 0 <= top + y < size:
                    dark[left + x, top + y] = max(abs(x - 3), abs(y - 3)) in (0, 1, 3)
    for i in range(8, size - 8):
        dark[i, 6] = dark[6, i] = i % 2 == 0
    return np.array(list(dark)) + 0.5, np.array(list(dark.values()))


def _best_fourth(dark, modules, places, flat, over, down, size):
    """Where the code's fourth corner must be for its known modules to fit, when seen from aside."""
    known, wanted = _known(size)

    def score(place):
        matrix = _projection([*modules, flat[0]], [*places, place])
        return int((_dark_at(dark, _project(matrix, known)) == wanted).sum())

    if score(flat[1]) < 0.8 * len(wanted):
        return None
    reach = np.arange(-8, 9) * size / 50
    tried = [flat[1] + a * over + b * down for a in reach for b in reach]
    scores = np.array([score(place) for place in tried])
    return flat[0], np.mean([p for p, s in zip(tried, scores, strict=True) if s == scores.max()], 0)


def _fourths(dark, modules, places, flat, over, down, size):
    """Guesses of a fourth point, the likeliest first: (its place in the code, in the picture)."""
    if size > 21:
        near = flat[1] - 3 * over - 3 * down
        seen = _alignment(dark, near, over, down)
        if seen is not None and np.hypot(*(seen - near)) > np.hypot(*over) / 2:
            yield (size - 6.5, size - 6.5), seen
    yield flat
    better = _best_fourth(dark, modules, places, flat, over, down, size)
    if better:
        yield better


def _read(dark, corner, right, below):
    """Decode with the finders top left, top right and bottom left; (content, matrix) or None."""
    pairs = ((corner, right), (right, corner), (corner, below), (below, corner))
    sizes = [_module(dark, a, b) for a, b in pairs]
    if min(sizes) <= 0:
        return None
    wide, high = (np.hypot(*(p - corner)) for p in (right, below))
    count = (wide / np.mean(sizes[:2]) + high / np.mean(sizes[2:])) / 2 + 7
    guess = (count - 17) / 4
    versions = [v for v in range(1, 41) if abs(v - guess) < max(0.9, guess * 0.12)]
    for version in sorted(versions, key=lambda v: abs(v - guess)):
        size = 4 * version + 17
        over, down = (right - corner) / (size - 7), (below - corner) / (size - 7)
        modules = [(3.5, 3.5), (size - 3.5, 3.5), (3.5, size - 3.5)]
        flat = (size - 3.5, size - 3.5), right + below - corner
        fourths = _fourths(dark, modules, (corner, right, below), flat, over, down, size)
        for fourth, place in fourths:
            matrix = _projection([*modules, fourth], [corner, right, below, place])
            middle = np.arange(size) + 0.5
            grid = np.stack(np.meshgrid(middle, middle), -1)
            try:
                return qrcode_data.decode(_dark_at(dark, _project(matrix, grid))), matrix
            except qrcode_data.Unreadable:
                continue
    return None


def _corner_first(three):
    """Finders as top left, top right, bottom left, or None when they form no such corner."""
    best, ordered = 0.6, None
    for corner, right, below in permutations(three):
        a, b = right.place - corner.place, below.place - corner.place
        la, lb = np.hypot(*a), np.hypot(*b)
        if min(la, lb) > corner.size * 1.2 and 0.55 < la / lb < 1.8:
            sine = (a[0] * b[1] - a[1] * b[0]) / (la * lb)
            if sine > best:
                best, ordered = sine, (corner, right, below)
    return ordered


def find_qrcodes(image: np.ndarray, roi) -> list[QRCode]:
    """The readable QR codes inside the box `roi` (x, y, w, h)."""
    left, top, width, height = roi
    gray = to_grayscale(image)[top : top + height, left : left + width]
    for threshold in (_darker_half, _darker_than_around):
        codes = _codes_in(threshold(gray), left, top)
        if codes:
            return codes
    return []


def _codes_in(dark: np.ndarray, left: int, top: int) -> list[QRCode]:
    codes, used = [], set()
    finders = _finders(dark)
    for three in combinations(finders, 3):
        sizes = [f.size for f in three]
        if used.intersection(map(id, three)) or max(sizes) > 1.8 * min(sizes):
            continue
        ordered = _corner_first(three)
        found = ordered and _read(dark, *(f.place for f in ordered))
        if not found:
            continue
        content, matrix = found
        size = 4 * content.version + 17
        outside = _project(matrix, [(0, 0), (size, 0), (size, size), (0, size)])
        corners = tuple(
            (int(np.rint(x)) + left, int(np.rint(y)) + top) for x, y in outside.tolist()
        )
        xs, ys = zip(*corners, strict=True)
        box = min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)
        codes.append(QRCode(*box, *content, corners))
        used.update(map(id, three))
    return sorted(codes, key=lambda code: (code.y, code.x))
