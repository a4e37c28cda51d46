"""The lines that stand for an activation's segments, against the activation's plain twin."""

import naive
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from k210sim.kpu.conv_params import segments
from k210sim.kpu.kmodel.writer import activation_table
from k210sim.kpu.layer_regs import Activation
from k210sim.kpu.step_lines import bytes_of, lines, value

COMMON = settings(deadline=None, max_examples=100)


def check(act, bottom, top, extra=()):
    """Lines of a table, equal to the twin at random places and at both sides of every step."""
    seg = segments(act, "even")
    table = lines(seg, bottom, top)
    if not len(table):
        return 0
    rows = list(zip(act.x_start, act.mul, act.shift, act.bias, strict=True))
    y = np.unique(np.clip(np.concatenate([
        np.linspace(bottom, top, 60).astype(np.int64),
        [r[0] + d for r in rows for d in (-1, 0, 1)], np.asarray(extra, np.int64)]), bottom, top))
    got = value(table, np.clip(y, int(table[0, 1]), int(table[0, 2])))
    assert got.tolist() == [naive.activate(int(v), rows, "even") for v in y]
    return len(table)


@COMMON
@given(seed=st.integers(0, 2**32 - 1), slope=st.integers(1, 2**15 - 1), shift=st.integers(0, 30),
       near=st.lists(st.integers(0, 2**20), max_size=30))
def test_a_rectifier_is_one_line(seed, slope, shift, near):
    starts = [-(2**35), 0] + [2**35 - 15 + i for i in range(14)]
    act = Activation(starts, [0, slope] + [0] * 14, [0, shift] + [0] * 14, [0] * 2 + [255] * 14)
    half = [(((2 * k + 1) << shift) // (2 * slope)) + d for k in range(256) for d in (-1, 0, 1)]
    found = check(act, -(2**20), 2**30, near + half)
    # Steps of less than one y a byte are jumps, which no line has.
    assert found == 1 or slope >= 1 << shift >> 1


@COMMON
@given(seed=st.integers(0, 2**32 - 1), bottom=st.integers(-(2**24), 0), top=st.integers(1, 2**24))
def test_any_rising_table_gives_its_bytes_or_no_lines(seed, bottom, top):
    rng = np.random.default_rng(seed)
    starts = np.sort(rng.integers(-(2**23), 2**23, 16))
    starts[0] = -(2**35)
    slopes = rng.integers(0, 2**11, 16)
    slopes[0] = 0
    act = Activation(starts, slopes, np.full(16, 20), np.sort(rng.integers(0, 256, 16)))
    check(act, bottom, top)


def test_leaky_needs_two_lines_and_a_falling_step_none():
    assert check(activation_table("leaky", 10), -(2**20), 2**20) >= 1
    starts = [-(2**35), 0, 1000] + [2**35 - 13 + i for i in range(13)]
    falls = Activation(starts, [0] * 16, [0] * 16, [0, 90, 30] + [255] * 13)
    assert len(lines(segments(falls, "even"), -10, 2000)) == 0


def test_the_integer_activation_is_the_twins():
    act = activation_table("leaky", 10)
    rows = list(zip(act.x_start, act.mul, act.shift, act.bias, strict=True))
    y = np.random.default_rng(0).integers(act.x_start[1], 2**22, 500)
    for rule, number in (("even", 0), ("up", 1)):
        got = bytes_of(segments(act, rule), number, y)
        assert got.tolist() == [naive.activate(int(v), rows, rule) for v in y]
