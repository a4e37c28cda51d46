"""CPU layers and nodes as parts of a chain against their functions and plain NumPy."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from test_kpu_v4 import NONE, WINDOW, one_node

from k210sim.kpu import KModel
from k210sim.kpu.kernels import chain, neutral, team, tensors
from k210sim.kpu.kmodel import nodes as nd
from k210sim.kpu.kmodel.writer import ModelBuilder, Quant
from k210sim.kpu.node_parts import filled, moved
from k210sim.kpu.placed import joined

F = np.float32
COMMON = settings(deadline=None, max_examples=60)


def run(parts):
    for call in joined(parts):
        call.chain.run(chain.NOTHING, chain.NOTHING)


@COMMON
@given(seed=st.integers(0, 2**32 - 1), dtype=st.sampled_from(("u1", "<i2", "<f4", "<f8")),
       shape=st.lists(st.integers(1, 5), min_size=1, max_size=5))
def test_moves_equal_numpy(seed, dtype, shape):
    """Between views of any strides, of what can be told by four axes and rows."""
    rng = np.random.default_rng(seed)
    views = []
    for _ in range(2):
        order = rng.permutation(len(shape))
        whole = rng.integers(0, 256, [shape[i] + rng.integers(0, 3) for i in order]).astype(dtype)
        part = whole[tuple(slice(0, shape[i]) for i in order)]
        views.append((part.transpose(np.argsort(order)), whole))
    (target, whole), (source, _) = views
    want = whole.copy()
    part = moved(target, source)
    if part is None:
        assert len(shape) == 5
        return
    run([part])
    assert np.array_equal(target, source)
    mark = np.zeros_like(whole)
    np.lib.stride_tricks.as_strided(mark, target.shape, target.strides)[...] = 1
    assert np.array_equal(whole[mark == 0], want[mark == 0])


@pytest.mark.parametrize("dtype", ["u1", "<f4"])
@pytest.mark.parametrize("count", [1, 8, 9, 16, 17, 33, 50])
def test_every_second_element_is_moved(dtype, count):
    """As strided slices of maps are; the last one ends the memory."""
    source = np.random.default_rng(count).integers(0, 256, 4 * count - 1).astype(dtype)
    for step, begin in ((2, 0), (2, 2 * count), (3, 1)):
        picked = source[begin::step][:count]
        out = np.full(len(picked) + 2, 7, dtype)
        run([moved(out[1:-1], picked)])
        assert out.tolist() == [7, *picked.tolist(), 7]


def test_moves_and_fillings_leave_the_rest():
    cells = np.arange(40, dtype=np.uint8)
    part = moved(cells[2:38].reshape(6, 6)[1:3, 2:5].T, np.full((3, 2), 200, np.uint8))
    run([part])
    want = np.arange(40, dtype=np.uint8)
    want[2:38].reshape(6, 6)[1:3, 2:5] = 200
    assert np.array_equal(cells, want)
    floats = np.zeros(9, F)
    run([filled(floats[2:7], F(-1.5))])
    assert floats.tolist() == [0, 0, *[-1.5] * 5, 0, 0]
    assert moved(cells[:8], cells[7:15]) is None  # a function reads all before it writes
    assert moved(np.frombuffer(bytes(4), np.uint8), cells[:4]) is None


def cases():
    rng = np.random.default_rng(4)
    x = rng.normal(size=(1, 3, 6, 8)).astype(F)
    small = rng.integers(0, 256, (1, 3, 4, 5), dtype=np.uint8)
    shifts = dict(a_offset=-3, a_mul=5, a_shift=1, b_offset=7, b_mul=-4, b_shift=2, out_offset=9,
                  out_mul=3, out_shift=4)
    other = rng.integers(0, 256, (1, 3, 1, 1), dtype=np.uint8)
    yield "dequantize", one_node(nd.Dequantize, small, 4 * small.size, quant=(7, 3.3)), small
    yield "quantize", one_node(nd.Quantize, x, x.size, 1, quant=(100, 31.7)), x
    for op in (0, 1, 2, 4, 5):
        yield f"bytes {op}", one_node(
            nd.QuantizedBinary, small, small.size, 1, second=other, op=op,
            b_shape=other.shape, out_shape=small.shape, **shifts), small
    limits = np.array([[[[0.0]], [[-0.0]], [[np.nan]]]], F)
    for op in range(4):
        yield f"floats {op}", one_node(
            nd.Binary, x, x.nbytes, second=limits, op=op, b_shape=limits.shape,
            out_shape=x.shape, clamp=(0.0, 1.5)), x
    window = dict(WINDOW, filter_h=3, filter_w=4, pad_h=(1, 1), pad_w=(2, 1))
    for op in range(4):
        yield f"windows {op}", one_node(
            nd.ReduceWindow2d, x, x.nbytes, op=op, init=-0.0, clamp=NONE, **window), x
        yield f"reduce {op}", one_node(nd.Reduce, x, 12, op=op, out_shape=(1, 3, 1, 1),
                                       init=0.5), x
        yield f"columns {op}", one_node(nd.Reduce, x, 4 * 24, op=op, out_shape=(1, 3, 1, 8),
                                        init=0.5), x
    for name, pads in (("pad", ((0, 0), (1, 0), (2, 1), (0, 3))),
                       ("crop", ((0, 0), (0, -1), (-2, 0), (1, -3)))):
        size = 4 * int(np.prod([d + a + b for d, (a, b) in zip(x.shape, pads, strict=True)]))
        yield name, one_node(nd.Pad, x, size, pad_n=pads[0], pad_c=pads[1], pad_h=pads[2],
                             pad_w=pads[3], value=(0, F(2.5).tobytes())), x
    yield "transpose", one_node(nd.Transpose, small, small.size, 1, perm=(0, 2, 3, 1)), small
    for array, kind in ((x, 0), (small, 1)):
        yield f"nearest {kind}", one_node(
            nd.ResizeImage, array, 3 * 11 * 7 * array.itemsize, kind, out_h=11, out_w=7, mode=1,
            align_corners=0), array
    table = rng.permutation(256).astype(np.uint8)
    yield "look up", one_node(nd.TableLookup1d, small, small.size, 1, second=table), small
    yield "copy", one_node(nd.MemoryCopy, x, x.nbytes), x
    bias = rng.normal(size=5).astype(F)
    yield "matmul", one_node(
        nd.Matmul, x, 4 * 18 * 5, second=rng.normal(size=(8, 5)).astype(F), a_rows=18, a_cols=8,
        b_cols=5, clamp=(-1.0, 2.0), tails=bias.tobytes()), x


CASES = {name: (data, x) for name, data, x in cases()}


@pytest.mark.parametrize("name", CASES)
def test_a_node_in_a_chain_equals_its_function(name):
    data, x = CASES[name]
    model = KModel.from_bytes(data)
    want = model.run(x, layers=True).outputs[0].tobytes()
    for _ in range(2):
        assert model.run(x)[0].tobytes() == want
    ((last, calls),) = model.net._groups.values()
    assert last == 0 and len(calls) == 1


def test_channelwise_dequantize_in_a_chain_equals_its_twin():
    """Each channel by a scale and an offset of its own, the product rounded before the sum."""
    rng = np.random.default_rng(5)
    scale, bias = rng.normal(size=(2, 7)).astype(F)
    b = ModelBuilder((3, 6, 20))
    x = b.add_quantized_conv(b.input, rng.integers(0, 256, (7, 3, 1, 1)), scale=0.01, zero=128,
                             in_quant=Quant(0.05, 0), out_quant=Quant(0.05, 128))
    b.output(b.add_channelwise_dequantize(x, scale, bias))
    model = KModel.from_bytes(b.build())
    x = rng.integers(0, 256, model.input_shape, dtype=np.uint8)
    outputs, layers = model.run(x, layers=True)
    want = (layers[0].value.astype(F) * scale[:, None, None]).astype(F) + bias[:, None, None]
    for _ in range(2):
        assert model.run(x)[0].tobytes() == outputs[0].tobytes() == want.tobytes()
    ((last, calls),) = model.net._groups.values()
    assert last == 1 and len(calls) == 1


@pytest.mark.parametrize("name, rest", [
    ("tiny8x8_v3", set()), ("mnist_v3", set()), ("mnist32_v4", set()), ("dae_v4", set()),
    ("iris_v3", set()), ("iris_v4", set()), ("asr_v4", set())])
def test_whole_models_are_chains(shared, name, rest, monkeypatch):
    """The same bytes as layer by layer, by one thread and by two."""
    monkeypatch.setattr(chain, "WORTH", 0)
    monkeypatch.setattr(team, "cores", lambda: 2)
    model = KModel.from_file(shared / "models" / f"{name}.kmodel")
    rng = np.random.default_rng(1)
    for _ in range(2):
        x = rng.integers(0, 256, model.input_shape).astype(model.input_dtype)
        want = [out.tobytes() for out in model.run(x, layers=True).outputs]
        for threads in (1, 2):
            assert [out.tobytes() for out in model.run(x, threads=threads)] == want
    alone = {index for index, (_, calls) in model.net._groups.items() if not calls}
    assert alone == rest


@pytest.mark.parametrize("name", ["tiny8x8_v3", "mnist32_v4", "iris_v4", "mini_mbnet96_v5"])
def test_inputs_may_be_read_only_and_lie_anyhow(shared, name):
    model = KModel.from_file(shared / "models" / f"{name}.kmodel")
    x = np.random.default_rng(3).integers(0, 256, model.input_shape).astype(model.input_dtype)
    want = [out.tobytes() for out in model.run(x)]
    fixed = np.frombuffer(x.tobytes(), x.dtype).reshape(x.shape)
    for other in (fixed, np.asfortranarray(x)):
        for _ in range(2):
            assert [out.tobytes() for out in model.run(other)] == want


def test_parts_follow_a_memory_that_moves(shared):
    """As on the device, where the main memory becomes a block of the guest's RAM."""
    model = KModel.from_file(shared / "models" / "tiny8x8_v3.kmodel")
    x = np.random.default_rng(0).integers(0, 256, model.input_shape, dtype=np.uint8)
    want = model.run(x)[0].tobytes()
    cells = np.zeros(model.net.main.data.size + 64, np.uint8)
    model.net.main.attach(cells[64:])
    model.net.main.data[:] = 0
    assert model.run(x)[0].tobytes() == want
    assert cells.any() and model.net.main.data.base is cells


@COMMON
@given(seed=st.integers(0, 2**32 - 1), rows=st.integers(1, 20), size=st.integers(0, 9))
def test_row_sums_add_in_order(seed, rows, size):
    rng = np.random.default_rng(seed)
    x, out = rng.normal(size=(rows, size)).astype(F), rng.normal(size=rows).astype(F)
    want = out.copy()
    for i in range(rows):
        for v in x[i]:
            want[i] = F(want[i] + v)
    neutral.row_sums(x, out)
    assert out.tobytes() == want.tobytes()


def plain_window(x, op, g, init, low, high, out):
    """One output after the other; the first of equal numbers stays, NaN is never greater."""
    for c, i, j in np.ndindex(*out.shape):
        v, count = init, 0
        for a, b in np.ndindex(int(g[6]), int(g[7])):
            y, z = i * g[2] - g[0] + a * g[4], j * g[3] - g[1] + b * g[5]
            if 0 <= y < x.shape[1] and 0 <= z < x.shape[2]:
                p = x[c, y, z]
                v = F(v + p) if op in (0, 3) else p if (p < v if op == 1 else p > v) else v
                count += 1
        if op == 0:
            v = F(v / F(count))
        v = low if low > v else v
        out[c, i, j] = high if high < v else v


@COMMON
@given(seed=st.integers(0, 2**32 - 1), op=st.integers(0, 3), single=st.booleans())
@example(seed=7493, op=2, single=True)  # no window meets the map
def test_windows_equal_their_twin(seed, op, single):
    """Zeros of both signs, NaN and a start above some numbers among them."""
    rng = np.random.default_rng(seed)
    numbers = np.array([-1, -0.0, 0.0, 1, 2.5, np.nan, -3, np.inf], F)
    x = rng.choice(numbers, (2, *rng.integers(1, 8, 2)))
    steps = (1, 1, 1, 1) if single else rng.integers(1, 3, 4)
    g = np.array([*rng.integers(-1, 4, 2), *steps, *rng.integers(1, 8, 2)], np.int64)
    init, high = F(rng.choice([-3.4e38, 0.0, -0.0, 1])), F(rng.choice([2.0, 3.4e38]))
    out = np.zeros((2, *rng.integers(1, 8, 2)), F)
    want = np.zeros_like(out)
    with np.errstate(all="ignore"):
        neutral.reduce_window(x, op, g, init, F(-2), high, out)
        plain_window(x, op, g, init, F(-2), high, want)
    told = ~np.isnan(want)
    assert np.array_equal(np.isnan(out), ~told)
    assert np.array_equal(out[told].view(np.int32), want[told].view(np.int32))


@COMMON
@given(signed=st.booleans(), numbers=st.tuples(*[st.floats(-300, 300, width=32)] * 4))
def test_requantize_is_both_steps(signed, numbers):
    x, floats = np.arange(256).astype(np.uint8), np.zeros(256, F)
    scale, bias, again, more = (F(v) for v in numbers)
    low, high = (F(-128), F(127)) if signed else (F(0), F(255))
    want, out = np.zeros(256, np.uint8), np.zeros(256, np.uint8)
    tensors.dequantize(x, signed, scale, bias, floats)
    tensors.quantize(floats, again, more, low, high, want)
    tensors.requantize(x, signed, scale, bias, again, more, low, high, out)
    assert np.array_equal(out, want)
