"""The layer loop with byte words and with unsigned pairs, as sets for other processors use it.

Their instructions need not be there: a plain function of the same interface takes their place.
"""

import ctypes
import sys
import types

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_kpu_kernels import run_layer

from k210sim.kpu.kernels import dot_conv, maps, portable
from k210sim.kpu.kmodel.writer import activation_table
from k210sim.kpu.layer_regs import BatchNorm

ROWS, STEP = 6, 64
NUMBERS = {"signed bytes": (ctypes.c_uint8, ctypes.c_int8, 4),
           "bytes": (ctypes.c_uint8, ctypes.c_uint8, 4),
           "pairs": (ctypes.c_uint16, ctypes.c_uint16, 2)}


def plain_sums(kind):
    """A function of sums.py's interface in NumPy, and its address."""
    pixel, weight, group = NUMBERS[kind]

    def at(kind, count, address):
        return np.ctypeslib.as_array((kind * int(count)).from_address(int(address)))

    def add_up(x, offsets, steps, weights, blocks, count, acc, row):
        assert count % STEP == 0
        starts = at(ctypes.c_int64, steps, offsets)
        for n in range(blocks * ROWS):
            total = np.zeros(count, np.int64)
            for k in range(steps):
                inputs = at(pixel, count * group, x + starts[k]).reshape(count, group)
                place = weights + ((n // ROWS * steps + k) * ROWS + n % ROWS) * 4
                total += inputs.astype(np.int64) @ at(weight, group, place).astype(np.int64)
            at(ctypes.c_int32, count, acc + n * row)[:] = total

    function = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * 8)(add_up)
    return function, ctypes.cast(function, ctypes.c_void_p).value


@pytest.fixture(scope="module", params=NUMBERS)
def kind(request):
    function, address = plain_sums(request.param)
    name = "k210sim.kpu.kernels.dot_plain"
    sys.modules[name] = types.SimpleNamespace(
        ROWS=ROWS, STEP=STEP, SIGNED=False, WINOGRAD=False,
        sums=types.SimpleNamespace(address=address))
    yield request.param
    del sys.modules[name], function


@settings(deadline=None, max_examples=12)
@given(seed=st.integers(0, 2**32 - 1), pool=st.sampled_from((0, 1, 2, 5, 6)),
       k=st.sampled_from((1, 3)), height=st.integers(4, 9), width=st.integers(4, 18),
       channels=st.integers(1, 6), out=st.integers(1, 8), inexact=st.booleans())
def test_layers_equal_the_portable_set(kind, seed, pool, k, height, width, channels, out, inexact):
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 256, (channels, height, width), dtype=np.uint8)
    weights = rng.integers(0, 256, (out, channels, k, k)).astype(np.uint8)
    bn = BatchNorm(rng.integers(0, 5000, out), 8, rng.integers(-200000, 200000, out))
    options = dict(kind=pool, pad_value=int(rng.integers(0, 256)), shr_x=9, arg_w=-7, shr_w=1,
                   arg_x=-60001 if inexact else -119 << 9)

    class Plain:
        @staticmethod
        def prepare(params):
            return dot_conv.DotConv(params, "dot_plain", wide=kind == "pairs",
                                    shift=128 if kind == "signed bytes" else 0)

    act = activation_table("relu", 9)
    got = run_layer(Plain, x, weights, bn, act, **options)
    assert np.array_equal(got, run_layer(portable, x, weights, bn, act, **options))


@pytest.mark.parametrize("wide", [True, False])
def test_sums_of_words_are_those_of_their_numbers(wide):
    rng = np.random.default_rng(1)
    numbers = rng.integers(0, 256, (3, 90, 2 if wide else 4))
    x = numbers.astype(np.uint16 if wide else np.uint8).view(np.int32)[:, :, 0].copy()
    taps = np.array([[0, 1, 30], [2, 2, 17]], np.int64)
    out = np.zeros((2, 60), np.int64)
    maps.word_sums(x, wide, taps, 60, -99991, 7, 128, out)
    total = numbers.sum(axis=(0, 2))
    for n, offsets in enumerate(taps):
        s = sum(total[t : t + 60] for t in offsets)
        assert np.array_equal(out[n], ((-99991 * s) >> 7) + 128 * s)
