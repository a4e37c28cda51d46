"""Batch norm and activation in float32 against the plain twin, and the layers built on it."""

import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_kpu_kernels import run_layer

from k210sim.kpu import ai_ram
from k210sim.kpu.conv_params import segments
from k210sim.kpu.kernels import (
    buckets,
    cell_code,
    chain,
    dot_conv,
    maps,
    short_code,
    stair_fit,
    staircase,
    table,
)
from k210sim.kpu.kmodel.writer import activation_table
from k210sim.kpu.layer_regs import Activation, BatchNorm
from k210sim.kpu.placed import PlacedConv

COMMON = settings(deadline=None, max_examples=40)


def fit(norm, low, high, act, rule):
    seg = segments(act, rule)
    lines = np.zeros((staircase.ROWS, 3), np.float32)
    edges, table = np.zeros(buckets.EDGES, np.int32), np.zeros(buckets.ROOM, np.uint16)
    ints = np.zeros((len(norm), 5), np.int32)
    factors = np.zeros(len(norm), np.float32)
    stair_fit.fit(np.array(norm, np.int64), np.array(low, np.int64), np.array(high, np.int64), seg,
                  int(rule == "up"), lines, edges, table, ints, factors, np.zeros(2, np.int64))
    return ints, factors, lines, edges, buckets.opened(table)


def check(norm, low, high, act, rule="even", seed=0):
    """Bytes of proved channels at random sums and around every step; returns the row kinds."""
    ints, *tables = fit(norm, low, high, act, rule)
    rows = list(zip(act.x_start, act.mul, act.shift, act.bias, strict=True))
    rng = np.random.default_rng(seed)
    sums = [rng.integers(a, b + 1, 40) for a, b in zip(low, high, strict=True)]
    for o, (const, mul, shift, add) in enumerate(norm):
        # Sums near the segments' starts and near a few steps.
        y = np.concatenate([np.clip(act.x_start, -(2**30), 2**30), rng.integers(-99, 99, 4)])
        # And some of all steps, whose first sums decide.
        ends = [((v + const) * mul >> shift) + add for v in (low[o], high[o])]
        places = np.zeros(1100, np.int64)
        count = buckets.changes(*ends, segments(act, rule), int(rule == "up"), places,
                                np.zeros(1101, np.int64))
        y = np.concatenate([y, rng.choice(places[: max(1, count)], 30)])
        near = (((y - add) << shift) // max(1, mul) - const)[:, None] + np.arange(-2, 3)
        sums[o] = np.clip(np.concatenate([sums[o], near.ravel(), ints[o, 1:3] - const,
                                          ints[o, 1:3] - const - 1]), low[o], high[o])
    acc = np.array(sums, np.int64).astype(np.int32)
    extra = rng.integers(-50, 50, acc.shape[1])
    out = np.zeros((len(norm), acc.shape[1] + 3), np.uint8)
    staircase.finish(acc - extra.astype(np.int32), acc.shape[1], extra, 2, ints, *tables, out)
    for count in (1, 7, 9, 20):  # less than a vector, and a last one that overlaps
        few = np.zeros_like(out)
        staircase.finish(acc - extra.astype(np.int32), count, extra, 2, ints, *tables, few)
        assert np.array_equal(few[:, 2 : 2 + count], out[:, 2 : 2 + count])
        assert not few[:, :2].any() and not few[:, 2 + count :].any()
    for o, (const, mul, shift, add) in enumerate(norm):
        if ints[o, 4] == 0:
            assert not out[o].any()
            continue
        want = [naive.activate(naive.normalise(int(v) + const, mul, shift, add), rows, rule)
                for v in acc[o]]
        assert out[o, 2:-1].tolist() == want
        assert out[o, 0] == out[o, 1] == out[o, -1] == 0
    return [(int(v >> staircase.MANY), bool(v & staircase.BUCKETS)) for v in ints[:, 4]]


def ways(norm, low, high, act, rule="even"):
    """The way of every channel, after check."""
    check(norm, low, high, act, rule)
    kinds = {staircase.NEAR: "early", staircase.SHORT: "short", staircase.BUCKETS: "buckets"}
    codes = fit(norm, low, high, act, rule)[0][:, 4].tolist()
    return [(next((kinds[flag] for flag in kinds if code & flag), "lines"), code >> staircase.MANY)
            for code in codes]


NORMS = st.lists(st.tuples(st.integers(-(2**20), 2**20), st.integers(0, 2**22 - 1),
                           st.integers(0, 15), st.integers(-(2**20), 2**20)), min_size=1,
                 max_size=4)


@COMMON
@given(norm=NORMS, seed=st.integers(0, 2**32 - 1), slope=st.integers(1, 2**15 - 1),
       shift=st.integers(0, 30), rule=st.sampled_from(("even", "up")))
def test_a_rectifier_equals_its_twin(norm, seed, slope, shift, rule):
    starts = [-(2**35), 0] + [2**35 - 15 + i for i in range(14)]
    act = Activation(starts, [0, slope] + [0] * 14, [0, shift] + [0] * 14, [0] * 2 + [255] * 14)
    low, high = [-(2**21)] * len(norm), [2**21] * len(norm)
    check(norm, low, high, act, rule, seed)


@COMMON
@given(norm=NORMS, seed=st.integers(0, 2**32 - 1), rule=st.sampled_from(("even", "up")),
       steep=st.integers(0, 15), rising=st.booleans())
def test_any_table_gives_its_bytes_or_nothing(norm, seed, rule, steep, rising):
    rng = np.random.default_rng(seed)
    starts = np.sort(rng.integers(-(2**22), 2**22, 16))
    starts[0] = -(2**35)
    slopes = rng.integers(0 if rising else -(2**steep), 2**steep + 1, 16)
    slopes[0] = 0
    bias = rng.integers(0, 256, 16)
    act = Activation(starts, slopes, np.full(16, 18), np.sort(bias) if rising else bias)
    check(norm, [-(2**20)] * len(norm), [2**20] * len(norm), act, rule, seed)


def test_what_the_models_need_is_proved():
    """A rectifier is one line, a leaky table lines or buckets, a falling one buckets."""
    norm = [(1000, 70000, 15, -3000), (0, 0, 15, 9), (5, 300000, 12, 77)]
    low, high = [-400000] * 3, [500000] * 3
    starts = [-(2**35), 0] + [2**35 - 15 + i for i in range(14)]
    relu = Activation(starts, [0, 32] + [0] * 14, [0, 15] + [0] * 14, [0] * 2 + [255] * 14)
    assert check(norm, low, high, relu) == [(1, False)] * 3
    kinds = check(norm, low, high, activation_table("leaky", 10))
    assert all(count for count, _ in kinds)
    jagged = Activation([-(2**35)] + [500 * i for i in range(15)], [0] + [33] * 15, [0] + [10] * 15,
                        [0] + [17 * i for i in range(15)])
    assert any(by_buckets for _, by_buckets in check(norm, low, high, jagged))
    falls = Activation([-(2**35), 0, 1000] + [2**35 - 13 + i for i in range(13)], [0] * 16,
                       [0] * 16, [0, 90, 30] + [255] * 13)
    assert check(norm, low, high, falls) == [(1, True)] * 3
    apart = Activation([-(2**35), -(2**32), 2**32] + [2**35 - 13 + i for i in range(13)], [0] * 16,
                       [0] * 16, [0, 90, 30] + [255] * 13)
    far = check([(0, 2**23, 0, 0)], [-1024], [1024], apart)
    assert far == [(0, False)]  # more than 32 bits from the first change to the last


LEAKY = ([-(2**35), -119808 - 40, *range(-109568, 3073, 10240), 13312],
         [0, *[102] * 13, 1024], [20] * 15, [0, *range(14)])


def test_which_tables_go_the_short_way():
    """A rectifier by one line; one with small segments at its top, as nncase 0.2 writes it, and a
    leaky one whose segments drift, as 0.1 does, by two that are early; one without drift by two."""
    norm = [(1234, 70001, 15, 3000), (-77, 155555, 15, -99), (5, 33333, 14, 0)]
    low, high = [-100000] * 3, [300000] * 3
    far = [2**35 - 15 + i for i in range(14)]
    relu = Activation([-(2**35), 0, *far], [0, 1024] + [0] * 14, [0, 20] + [0] * 14,
                      [0] * 2 + [255] * 14)
    assert ways(norm, low, high, relu) == [("short", 1)] * 3
    assert {way for way, _ in ways(norm, low, high, relu, "up")} == {"short"}
    starts = [257547, 257802, 258057, 258312, 258568, 258823, 259078, 259333, 259589, 259844,
              260099, 260354, 260610, 260865]
    top = Activation([-(2**35), 0, *starts], [0] + [1024] * 15, [0] + [20] * 15,
                     [0, 0] + [252 + i // 4 for i in range(14)])
    assert {way for way, _ in ways(norm, low, high, top)} <= {"early", "short"}
    starts, *rest = LEAKY
    assert ways(norm, low, high, leaky(starts, *rest)) == [("early", 2)] * 3
    bent = Activation([-(2**35), -(2**17), 2**13, *far[:13]], [0, 1, 8] + [0] * 13,
                      [0, 13, 13] + [0] * 13, [0, 0, 18] + [255] * 13)
    assert ways(norm, low, high, bent) == [("short", 2)] * 3
    whole = [(8, 2**15, 15, 0)]  # the product has no fractions to turn: every y is met
    assert ways(whole, low[:1], high[:1], relu) == [("short", 1)]


def leaky(starts, mul, shift, bias):
    return Activation([*starts, 2**35 - 1], [*mul, 0], [*shift, 0], [*bias, 255])


def test_no_constant_turns_some_fractions():
    """Half a y a sum: where a step's place is met exactly, nearest is no floor, whatever is added,
    and the longer way takes the channel. A sum later all is well."""
    relu = Activation([-(2**35), 0] + [2**35 - 15 + i for i in range(14)], [0, 1024] + [0] * 14,
                      [0, 20] + [0] * 14, [0] * 2 + [255] * 14)
    half = [(0, 2**14, 15, 0)]
    assert ways(half, [-9999], [900000], relu) == [("lines", 1)]


@COMMON
@given(seed=st.integers(0, 2**32 - 1), count=st.sampled_from((1, 5, 8, 20, 33, 40, 77)),
       more=st.booleans())
def test_rows_of_any_length_go_the_short_way(seed, count, more):
    """Every kind of it, with and without numbers to add, against one sum at a time."""
    rng = np.random.default_rng(seed)
    norm, low, high = [(1234, 70001, 15, 3000)], [-100000], [300000]
    starts, *rest = LEAKY
    bent = Activation([-(2**35), -(2**17), 2**13] + [2**35 - 13 + i for i in range(13)],
                      [0, 1, 8] + [0] * 13, [0, 13, 13] + [0] * 13, [0, 0, 18] + [255] * 13)
    for kind in (activation_table("relu", 10), bent, leaky(starts, *rest)):
        ints, *tables = fit(norm, low, high, kind, "even")
        sums = rng.integers(-60000, 120000, (1, count), dtype=np.int32)
        extra = rng.integers(-999, 999, count if more else 0)
        out, want = np.zeros((2, 1, count + 2), np.uint8)
        staircase.finish(sums, count, extra, 1, ints, *tables, out)
        for i in range(count):
            staircase.finish(sums[:, i : i + 1].copy(), 1, extra[i : i + 1], i + 1, ints, *tables,
                             want)
        assert (out.any() or count < 20) and np.array_equal(out, want)
    assert ints[0, 4] & staircase.SHORT


@pytest.mark.parametrize("count", [31, 700, 32 * short_code.MARKS + 77])
def test_any_number_of_sums_may_be_left_to_the_places(count):
    """Early lines where nearly every sum lies just before or at a step."""
    starts, *rest = LEAKY
    norm, low, high = [(1234, 70001, 15, 3000)], [-100000], [300000]
    ints, *tables = fit(norm, low, high, leaky(starts, *rest), "even")
    assert ints[0, 4] & staircase.NEAR
    sums = np.arange(-100000, 150000, dtype=np.int32)
    out = np.zeros((1, len(sums)), np.uint8)
    staircase.finish(sums[None], len(sums), np.zeros(0, np.int64), 0, ints, *tables, out)
    steps = np.flatnonzero(np.diff(out[0].astype(int)))
    near = (sums[steps][:, None] + np.arange(-3, 5)).ravel()
    sums = np.ascontiguousarray(np.resize(near, (1, count)).astype(np.int32))
    got, want = np.zeros((2, 1, count), np.uint8)
    staircase.finish(sums, count, np.zeros(0, np.int64), 0, ints, *tables, got)
    for i in range(0, count, 7):  # fewer than a vector are done one by one
        part = np.ascontiguousarray(sums[:, i : i + 7])
        staircase.finish(part, part.shape[1], np.zeros(0, np.int64), i, ints, *tables, want)
    assert len(steps) > 100 and np.array_equal(got, want)


@COMMON
@given(seed=st.integers(0, 2**32 - 1), fine=st.integers(4, 16), falls=st.booleans(),
       rule=st.sampled_from(("even", "up")))
def test_tables_that_count_finer_than_float32_are_found_by_cells(seed, fine, rule, falls):
    """As kmodel V5 has them: SiLU in fifteen segments, values up to 2**29."""
    rng = np.random.default_rng(seed)
    starts = np.sort(rng.integers(-600, 300, 15)) << (fine + 4)
    x = starts / 2.0 ** (fine + 11)
    rises = np.diff(x / (1 + np.exp(-x))) / np.maximum(np.diff(x), 0.01)
    slopes = np.concatenate([[0], rises, [1]])
    if falls:
        slopes = -slopes
    act = Activation([-(2**35), *starts.tolist()], (slopes * 2**14).astype(np.int64),
                     np.full(16, fine + 17), np.sort(rng.integers(0, 256, 16)))
    norm = [(int(rng.integers(-2**20, 2**20)), int(rng.integers(2**20, 2**21)),
             int(rng.integers(6, 16)), int(rng.integers(-2**27, 2**27))) for _ in range(3)]
    check(norm, [-(2**19)] * 3, [2**19] * 3, act, rule, seed)


@COMMON
@given(seed=st.integers(0, 2**32 - 1), k=st.integers(1, 24), rule=st.sampled_from(("even", "up")),
       shift=st.integers(4, 12), first=st.integers(-(2**26), 2**26))
def test_ramps_need_no_cells(seed, k, rule, shift, first):
    """As kmodel V5's rectifiers are: a slope of 2**-k and small segments at the top."""
    rng = np.random.default_rng(seed)
    top = first + (251 << k) + int(rng.integers(0, 2**k))
    starts = [-(2**35), first, *(top + 2 + i * (1 << k >> 3) for i in range(14))]
    bias = [0, 0, *np.clip(251 + np.arange(14) // 5, 0, 255)]
    act = Activation(starts, [0] + [1 << 14] * 15, [0] + [k + 14] * 15, bias)
    norm = [(int(rng.integers(-99, 99)), int(rng.integers(1, 2**21)), shift,
             first + int(rng.integers(-(2**20), 2**20))) for _ in range(3)]
    check(norm, [-(2**19)] * 3, [2**19] * 3, act, rule, seed)


def test_a_ramp_is_found():
    """The table of a MobileNet's layer, cut short: slope 2**-18, two segments at its top."""
    starts = [-(2**35), -37748736, 28640798, 28706112] + [2**35 - 12 + i for i in range(12)]
    act = Activation(starts, [0] + [16384] * 15, [0] + [32] * 15, [0, 0, 253, 254] + [255] * 12)
    norm = [(100, 1500000, 7, -20000000)]
    _, _, _, edges, table = fit(norm, [-(2**17)], [2**17], act, "even")
    assert table[:4].tolist() == [18, 1, buckets.RAMP, 0] and 250 < edges[1] < 255
    assert check(norm, [-(2**17)], [2**17], act) == [(1, True)]


@COMMON
@given(seed=st.integers(0, 2**32 - 1), gap=st.sampled_from((3, 200, 40000, 3000000)),
       count=st.integers(0, 290))
def test_cells_hold_every_change(seed, gap, count):
    """Each value near a change, by the cells as they are filled."""
    rng = np.random.default_rng(seed)
    places = np.cumsum(rng.integers(1, 2 * gap, count))
    bytes_ = rng.integers(0, 256, count + 1)
    span = int(places[-1] if count else 0) + int(rng.integers(0, gap))
    room = np.zeros(buckets.ROOM, np.uint16)
    size = buckets.cells(places, bytes_, count, span, room)
    if size == 0:
        assert gap < 100 or count > 100
        return
    t = np.unique(np.clip(np.concatenate([places - 1, places, places + 1, [0, span]]), 0, span))
    room = buckets.opened(room[:size].copy())
    out, values = np.zeros(len(t), np.uint8), np.zeros(cell_code.TILE, np.int32)
    sums = t.astype(np.int32)
    cell_code.by_cells(sums.ctypes.data, 0, out.ctypes.data, len(t), 0, 0, 2**31 - 1, 1.0, 0.0,
                       values.ctypes.data, room.ctypes.data + 2 * buckets.HEAD, int(room[0]))
    assert out.tolist() == bytes_[np.searchsorted(places, t, "right")].tolist()


@COMMON
@given(seed=st.integers(0, 2**32 - 1), rule=st.sampled_from((0, 1)))
def test_every_change_of_a_byte_is_found(seed, rule):
    """`changes` against every value one by one; `byte_of` against the twin."""
    rng = np.random.default_rng(seed)
    starts = [-(2**35), *np.sort(rng.integers(-400, 400, 15)).tolist()]
    act = Activation(starts, rng.integers(-60, 61, 16), rng.integers(0, 9, 16),
                     rng.integers(0, 256, 16))
    seg = segments(act, ("even", "up")[rule])
    rows = list(zip(act.x_start, act.mul, act.shift, act.bias, strict=True))
    every = [buckets.byte_of(y, seg, rule) for y in range(-500, 501)]
    assert every[200:-200] == [naive.activate(y, rows, ("even", "up")[rule])
                               for y in range(-300, 301)]
    places, found = np.zeros(2000, np.int64), np.zeros(2001, np.int64)
    count = buckets.changes(-500, 500, seg, rule, places, found)
    want = [y for y in range(-499, 501) if every[y + 500] != every[y + 499]]
    assert places[:count].tolist() == want
    assert found[: count + 1].tolist() == [every[0]] + [every[y + 500] for y in want]


DOT_SETS = [name for name in table.available() if name != "portable"]


@pytest.mark.skipif(not DOT_SETS, reason="this host has the portable set only")
@COMMON
@given(seed=st.integers(0, 2**32 - 1), pool=st.integers(0, 9), k=st.sampled_from((1, 3)),
       height=st.integers(4, 21), width=st.integers(4, 37), channels=st.integers(1, 9),
       out=st.integers(1, 14), signed=st.booleans(), threads=st.integers(1, 3))
def test_every_pool_on_sums_equals_the_portable_set(seed, pool, k, height, width, channels, out,
                                                    signed, threads):
    """With the factor of the input sum in the weights and, as for byte weights, beside them."""
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 256, (channels, height, width), dtype=np.uint8)
    weights = rng.integers(0, 256, (out, channels, k, k)).astype(np.uint8)
    bn = BatchNorm(rng.integers(0, 5000, out), 8, rng.integers(-200000, 200000, out))
    act = activation_table("relu", 9) if seed % 2 else activation_table("leaky", 10)
    options = dict(kind=pool, pad_value=int(rng.integers(0, 256)), arg_x=-119 << 9, shr_x=9,
                   arg_w=-7, shr_w=1)
    results = []
    for name in (DOT_SETS[0], "portable"):
        kernels = table.load(name)

        class Threaded:
            @staticmethod
            def prepare(params, kernels=kernels):
                plan = kernels.prepare(params)
                if isinstance(plan, dot_conv.DotConv) and not signed:
                    file = plan.kernels.__name__.rpartition(".")[2]
                    plan = dot_conv.DotConv(params, file, plan.wide, winograd=(0,), fold=False)
                return type("Plan", (), {"run": lambda _, v: plan.run(v, threads)})()

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(chain, "WORTH", 0)  # small layers are shared too
            results.append(run_layer(Threaded, x, weights, bn, act, **options))
    assert np.array_equal(*results)


@COMMON
@given(seed=st.integers(0, 2**32 - 1), height=st.integers(1, 9), width=st.integers(1, 70),
       channels=st.integers(1, 9), wide=st.booleans(), stride=st.sampled_from((1, 2, 4)),
       border=st.integers(0, 1))
def test_words_hold_the_framed_map(seed, height, width, channels, wide, stride, border):
    rng = np.random.default_rng(seed)
    ram = ai_ram.AiRam()
    ram.data[:] = rng.integers(0, 256, ram.data.size, dtype=np.uint8)
    x = rng.integers(0, 256, (channels, height, width), dtype=np.uint8)
    ram.write_map(3, x)
    framed = np.pad(x, ((0, 0), (border, border), (border, border)), constant_values=77)
    planes = np.array([(a, b) for a in range(stride) for b in range(stride)], np.int64)
    row, rows = (-(-(size + 2 * border) // stride) for size in (width, height))
    group, dtype = (2, np.uint16) if wide else (4, np.uint8)
    size = len(planes) * rows * row
    out = np.zeros((-(-channels // group), size + 32), np.int32)
    frame = np.array([border, 77, stride, row, rows * row], np.int64)
    maps.words(ram.data, ai_ram.place(3, x.shape), np.array(x.shape, np.int64), frame, planes, wide,
               0, rows, 0, out)
    got = out[:, :size].copy().view(dtype).reshape(len(out), len(planes), rows, row, group)
    for n, (a, b) in enumerate(planes):
        part = framed[:, a::stride, b::stride]
        for c in range(channels):
            seen = got[c // group, n, : part.shape[1], : part.shape[2], c % group]
            assert np.array_equal(seen, part[c])
    if channels % group:
        assert not got[-1, ..., channels % group :].any()
    if len(out) > 1:  # from the second group on
        rest = np.zeros_like(out[1:])
        maps.words(ram.data, ai_ram.place(3, x.shape), np.array(x.shape, np.int64), frame, planes,
                   wide, 0, rows, 1, rest)
        assert np.array_equal(rest[:, :size], out[1:, :size])
    if wide and channels % 2:
        maps.words(ram.data, ai_ram.place(3, x.shape), np.array(x.shape, np.int64), frame, planes,
                   maps.PAIRS, 0, rows, 0, out)
        beside = np.pad(framed[-1, :, 1:], ((0, 0), (0, 1)), constant_values=77)
        got = out[:, :size].copy().view(dtype).reshape(len(out), len(planes), rows, row, group)
        for n, (a, b) in enumerate(planes):
            for k, part in enumerate((framed[-1], beside)):
                part = part[a::stride, b::stride]
                assert np.array_equal(got[-1, n, : len(part), : part.shape[1], k], part)
    some = planes[planes[:, 1] == rng.integers(stride)]  # one column of a stride alone
    column = np.zeros((len(out), len(some) * rows * row + 32), np.int32)
    maps.words(ram.data, ai_ram.place(3, x.shape), np.array(x.shape, np.int64), frame, some, wide,
               0, rows, 0, column)
    got = column[:, : len(some) * rows * row].copy().view(dtype).reshape(
        len(out), len(some), rows, row, group)
    for n, (a, b) in enumerate(some):
        part = framed[:, a::stride, b::stride]
        for c in range(channels):
            seen = got[c // group, n, : part.shape[1], : part.shape[2], c % group]
            assert np.array_equal(seen, part[c])
    pixels = np.zeros((channels, height * width), np.uint8)
    pixels[:] = x.reshape(channels, -1)
    other = ai_ram.AiRam()
    maps.store(pixels, width, 0, 0, height, width, ai_ram.place(5, x.shape), other.data)
    want = ai_ram.AiRam()
    want.write_map(5, x)
    assert np.array_equal(other.data, want.data)


@pytest.mark.parametrize("shift", [0, 40, 10000])
@pytest.mark.parametrize("depth", [False, True])
def test_maps_that_overlap_are_read_before_they_are_written(shift, depth):
    """A layer in place or over a part of its input gives what it gives with room between."""
    rng = np.random.default_rng(shift)
    x = rng.integers(0, 256, (8, 12, 20), dtype=np.uint8)
    weights = rng.integers(0, 256, (8, 3, 3) if depth else (8, 8, 3, 3)).astype(np.uint8)
    made = []

    class Keep:
        @staticmethod
        def prepare(params):
            made.append(table.default().prepare(params))
            return made[0]

    bn = BatchNorm(np.full(8, 900), 8, np.zeros(8, np.int64))
    want = run_layer(Keep, x, weights, bn, activation_table("relu", 9), depthwise=depth)
    regs = type("Regs", (), {"image_src_addr": 100, "image_dst_addr": 100 + shift,
                             "in_shape": x.shape, "out_shape": x.shape})
    ram = ai_ram.AiRam()
    ram.write_map(100, x)
    layer = PlacedConv(made[0], regs)
    assert layer.direct == (shift == 10000 and hasattr(made[0], "run_cells"))
    layer.run(ram, 1)
    assert np.array_equal(layer.output(ram), want)
