"""The numba kernels against their plain-Python twins."""

import math

import kernel_twins as twins
import numpy as np
import pytest

from k210sim.imaging import jpeg, jpeg_reader
from k210sim.imaging.hough import COSINE, SINE
from k210sim.imaging.kernels import boundaries, flood, jpeg_blocks, jpeg_scan, segments
from k210sim.imaging.rounding import fast_atan2, fast_exp, fast_log

F = np.float32


def patchy(seed, shape, levels):
    """A picture of small patches of few levels."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, levels, (shape[0] // 3 + 1, shape[1] // 3 + 1))
    return np.kron(small, np.ones((3, 3), np.int64))[: shape[0], : shape[1]]


@pytest.mark.parametrize("seed", range(4))
def test_flood(seed):
    parts = np.stack([patchy(seed + i, (20, 27), 4) for i in range(3)]).astype(np.int16)
    taken = (patchy(seed + 9, (20, 27), 6) == 0).astype(np.uint8)
    same = taken.copy()
    seed_limits, step_limits = np.array([2, 2, 3]), np.array([1, 2, 2])
    found = np.empty(taken.size, np.int64)
    count = flood.flood(parts, taken, 13, 9, seed_limits, step_limits, found)
    region = twins.flood(parts, same, 13, 9, seed_limits.tolist(), step_limits.tolist())
    assert {(int(v) % 27, int(v) // 27) for v in found[:count]} == region
    assert count == len(region) and (taken == same).all()


@pytest.fixture
def spied(monkeypatch):
    """Calls of a kernel with copies of their arguments before and after."""

    def spy(module, name):
        calls, kernel = [], getattr(module, name)

        def run(*args):
            copies = [
                [a.copy() if isinstance(a, np.ndarray) else a for a in args] for _ in range(2)
            ]
            result = kernel(*copies[1])
            for mine, theirs in zip(args, copies[1], strict=True):
                if isinstance(mine, np.ndarray):
                    mine[...] = theirs
            calls.append((*copies, result))
            return result

        monkeypatch.setattr(module, name, run)
        return calls

    return spy


@pytest.mark.parametrize("quality", [20, 50, 95])
def test_jpeg_blocks(spied, quality):
    calls = spied(jpeg_blocks, "encode")
    picture = (patchy(quality, (21, 30), 65536) & 0xFFFF).astype(np.uint16)
    picture[5:9] = np.random.default_rng(quality).integers(0, 65536, 30, np.uint16)
    jpeg.encode(picture, quality)
    assert len(calls) == 2
    for before, after, _ in calls:
        blocks, parts, factors, codes, zigzag, last, _, state, skip = before
        assert list(state) == [0, 0, 0]
        size, held, rest = (int(v) for v in after[7])
        have = bytes(after[6][:size]).replace(b"\xff\0", b"\xff")
        text = "".join(format(byte, "08b") for byte in have) + format(rest, "024b")[:held]
        assert text == twins.encode(blocks, parts, factors, codes, zigzag, last, skip)


@pytest.mark.parametrize("quality", [20, 50, 95])
def test_jpeg_scan(spied, quality):
    calls = spied(jpeg_scan, "decode")
    picture = (patchy(quality, (21, 30), 65536) & 0xFFFF).astype(np.uint16)
    jpeg_reader.decode(jpeg.encode(picture, quality))
    ((data, parts, quant, codes, symbols, order, across, down, _, _), after, broken) = calls[0]
    planes = np.zeros_like(after[-1])
    data = bytes(data)[: bytes(data).rindex(b"\xff\xd9")]
    twins.decode(data, parts, quant, codes, symbols, order, across, down, planes)
    assert broken == 0 and (planes == after[-1]).all()


@pytest.mark.parametrize("seed", range(4))
def test_boundaries(seed):
    levels = np.array([0, 127, 255, 255, 0], np.uint8)[patchy(seed, (24, 31), 5)]
    found = np.empty((2 * levels.size, 6), np.int32)
    count = boundaries.boundaries(levels, np.empty(65536, np.int32), found)
    groups = {}
    for one, two, *point in found[:count].tolist():
        groups.setdefault((one, two), set()).add(tuple(point))
    assert count and {frozenset(points) for points in groups.values()} == twins.boundaries(levels)


def test_segments_mathematics():
    rng = np.random.default_rng(2)
    positive = (10 ** rng.uniform(-6, 6, 200)).astype(F)
    assert np.array_equal([segments.log(v) for v in positive], fast_log(positive))
    below = rng.uniform(-80, 0, 200).astype(F)
    assert np.array_equal([segments.exp(v) for v in below], fast_exp(below))
    for y, x in rng.integers(-300, 300, (200, 2)):
        assert segments.atan2(F(y), F(x)) == pytest.approx(fast_atan2(y, x), abs=1e-6)


def test_segments_grow():
    rng = np.random.default_rng(3)
    angles = (patchy(3, (18, 22), 6) * 60 + rng.integers(0, 9, (18, 22))).astype(np.int16)
    used = np.zeros(angles.shape, np.uint8)
    same, region, mean = used.copy(), np.empty((angles.size, 2), np.int32), np.zeros(1, F)
    turns = np.stack([COSINE, SINE])
    for x, y in ((3, 4), (10, 10), (20, 2)):
        tolerance = F(math.radians(22.5))
        size = segments.grow(x, y, angles, used, region, tolerance, turns, mean)
        assert [tuple(p) for p in region[:size]] == twins.grow(x, y, angles, same, tolerance)
    assert (used == same).all()


@pytest.mark.parametrize(("n", "k"), [(20, 12), (60, 30), (200, 90), (40, 40), (30, 0)])
def test_segments_significance(n, k):
    """Nearly the exact one: the logarithm is an approximation that is a percent off."""
    have = segments.significance(n, k, F(0.125), F(11))
    want = twins.significance(n, k, 0.125, 11) if k else -11
    assert have == pytest.approx(want, abs=0.25 + 0.02 * abs(want))
