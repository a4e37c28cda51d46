"""Sums of depthwise layers and rows on their way, against NumPy."""

import numpy as np
import pytest
from numba import njit

from k210sim.kpu.kernels import depthwise, host, rows, tap_code

SIZES = [0] + [size for size, name in ((16, "avx2"), (32, "avx512bw")) if host.host_has(name)]


@pytest.mark.parametrize("size", SIZES)
def test_taps_by_registers_of_any_size(size):
    """The ends of what 16 bits hold, and pixels of both kinds of ends."""
    add_taps, pair = tap_code.taps(size), depthwise.pair

    @njit
    def run(plane, row, out, w):
        add_taps(plane, row, out, pair(w[0], w[1]), pair(w[2], 0), pair(0, w[0]), pair(w[1], w[2]),
                 pair(w[3], w[4]), pair(w[5], 0), pair(0, w[3]), pair(w[4], w[5]),
                 pair(w[6], w[7]), pair(w[8], 0), pair(0, w[6]), pair(w[7], w[8]))

    rng = np.random.default_rng(size)
    for low, high in ((-128, 128), (-(2**14) + 1, 2**14 + 255), (2**14 + 254, 2**14 + 255),
                      (-(2**14) + 1, -(2**14) + 2)):
        plane = rng.choice([0, 255, *range(0, 256, 5)], (5, 50)).astype(np.uint8)
        w = rng.integers(low, high, 9)
        out = np.zeros(tap_code.WIDE + 2, np.int32)
        run(plane.ctypes.data + 3, 50, out.ctypes.data + 4, w)
        want = sum(w[k] * plane[k // 3, 3 + k % 3 : 35 + k % 3].astype(np.int64) for k in range(9))
        assert out[1:-1].tolist() == want.tolist() and out[0] == out[-1] == 0


@pytest.mark.parametrize("width", [1, 3, 4, 7, 8, 12, 15, 16, 20, 31, 32, 33, 63, 64, 80, 161])
def test_rows_are_copied_and_nothing_beside_them(width):
    rng = np.random.default_rng(width)
    source = rng.integers(1, 256, (4, width + 9), dtype=np.uint8)
    target = np.zeros((4, width + 5), np.uint8)
    rows.copy_rows(target.ctypes.data + 2, width + 5, source.ctypes.data + 3, width + 9, 4, width)
    assert np.array_equal(target[:, 2 : 2 + width], source[:, 3 : 3 + width])
    assert not target[:, :2].any() and not target[:, 2 + width :].any()
