"""Layers in a row as one call: the same bytes as one by one, with any number of threads, and as
their plain twins."""

import threading

import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_kpu_kernels import layers

from bench.kpu import synthetic
from k210sim.kpu import KModel, ai_ram
from k210sim.kpu.conv_params import ConvParams
from k210sim.kpu.kernels import chain, cuts, dot_frame, table, team
from k210sim.kpu.kmodel.writer import ModelBuilder
from k210sim.kpu.placed import PlacedChain, PlacedConv, PlacedTransfer, joined

SETS = [name for name in table.available() if name != "portable"]


@pytest.fixture(autouse=True)
def all_threads(monkeypatch):
    """Threads share the smallest layers, on any host."""
    monkeypatch.setattr(chain, "WORTH", 0)
    monkeypatch.setattr(team, "cores", lambda: 4)


@st.composite
def stacks(draw):
    """Random layers of test_kpu_kernels whose maps fit one another."""
    first = draw(layers())
    stack, shape = [first], naive_shape(first, first[0].shape)
    for _ in range(draw(st.integers(1, 3))):
        following = draw(layers())
        if following[1].dtype != first[1].dtype or shape[2] > 200:
            continue
        x, weights, bn, act, depthwise, kind, rule, args = following
        rng = np.random.default_rng(draw(st.integers(0, 99)))
        out = shape[0] if depthwise else len(weights)
        if depthwise or min(shape[1:]) < 4:
            kind = 0
        size = (out, 1 if depthwise else shape[0], *weights.shape[2:])
        weights = rng.integers(0, 256, size).astype(weights.dtype)
        bn = type(bn)(*(np.resize(part, out) for part in (bn.mul, bn.shift, bn.add)))
        stack.append((None, weights, bn, act, depthwise, kind, rule, args))
        shape = naive_shape(stack[-1], shape)
    return stack


def naive_shape(layer, shape):
    stride = (1, 2, 2, 4, 4, 2, 2, 4, 1, 1)[layer[5]]
    return len(layer[1]), shape[1] // stride, shape[2] // stride


def placed(kernels, stack):
    """The layers one behind the other in the AI RAM, and their plain answers."""
    found, line, x = [], 0, stack[0][0]
    wants = []
    for _, weights, bn, act, depthwise, kind, rule, args in stack:
        b = ModelBuilder(x.shape, eight_bit=weights.dtype == np.uint8)
        b.add_conv(b.input, weights, bn=bn, act=act, pool=kind, depthwise=depthwise, **args)
        f = b.steps[0][3]
        params = ConvParams.from_layer(f["regs"], f["weights"], f["bn"], f["act"], rule)
        following = line + ai_ram.map_lines(x.shape)
        regs = type("Regs", (), {"image_src_addr": line, "image_dst_addr": following,
                                 "in_shape": x.shape, "out_shape": params.out_shape})
        found.append(PlacedConv(kernels.prepare(params), regs))
        norm = np.stack([bn.mul, bn.shift, bn.add], axis=1)
        rows = list(zip(act.x_start, act.mul, act.shift, act.bias, strict=True))
        x = naive.layer(x, weights, norm, rows, kind, rule, depthwise=depthwise, **args)
        wants.append(x)
        line = following
    return found, wants


@pytest.mark.parametrize("name", SETS)
@settings(deadline=None, max_examples=15)
@given(stack=stacks())
def test_a_stack_gives_the_bytes_of_its_twins_with_any_number_of_threads(name, stack):
    found, wants = placed(table.load(name), stack)
    for threads in (1, 2, 3):
        ram = ai_ram.AiRam()
        ram.write_map(0, stack[0][0])
        for call in joined(found):
            call.run(ram, threads)
        for layer, want in zip(found, wants, strict=True):
            assert np.array_equal(layer.output(ram), want)


@pytest.mark.parametrize("name", SETS[:1])
def test_larger_stacks_do_not_depend_on_the_threads(name):
    """Shapes that are cut in bands, in blocks and in channels; one by one against one call."""
    rng = np.random.default_rng(5)
    b = ModelBuilder((3, 40, 60))
    x = b.input
    for out, k, pool in ((24, 3, 5), (0, 3, 0), (70, 1, 0), (70, 3, 1), (300, 1, 0), (0, 3, 0),
                         (40, 1, 5)):
        shape = (out, x.shape[0], k, k) if out else (x.shape[0], k, k)
        x = b.add_quantized_conv(x, rng.integers(0, 256, shape), scale=0.004, zero=120,
                                 activation="leaky", pool=pool, depthwise=not out,
                                 **quants())
    b.output(b.add_dequantize(x))
    data = b.build()
    source = rng.integers(0, 256, (3, 40, 60), dtype=np.uint8)
    one, each = KModel.from_bytes(data, kernels=name).run(source, layers=True)
    assert len({v for layer in each[:7] for v in layer.value.reshape(-1)}) > 100
    kept = KModel.from_bytes(data, kernels=name)  # what one run is made of serves no other number
    for threads in (1, 2, 3, 4):
        assert np.array_equal(kept.run(source, threads=threads)[0], one[0])
        model = KModel.from_bytes(data, kernels=name)
        assert np.array_equal(model.run(source, threads=threads)[0], one[0])
        last, calls = model.net._groups[0]
        assert last == 7 and isinstance(calls[0], PlacedChain) and len(calls) == 1


def quants():
    from k210sim.kpu.kmodel.writer import Quant

    return {"in_quant": Quant(0.05, 0), "out_quant": Quant(0.05, 0)}


def test_groups_end_where_somebody_looks_and_where_a_layer_is_broken():
    rng = np.random.default_rng(1)
    b = ModelBuilder((2, 6, 6))
    x = b.input
    for _ in range(4):
        x = b.add_quantized_conv(x, rng.integers(0, 256, (2, 2, 3, 3)), scale=0.01, zero=128,
                                 **quants())
    b.output(b.add_dequantize(x))
    data = b.build()
    source = rng.integers(0, 256, (2, 6, 6), dtype=np.uint8)
    model = KModel.from_bytes(data)
    model.run(source)
    assert model.net._groups[0][0] == 4
    assert model.net.set_layers(2).ok  # the second layer now goes to main memory
    model.net.run(source)
    last, (call,) = model.net._groups[0]
    assert last == 1 and isinstance(model.net._parts(1)[-1], PlacedTransfer)
    assert model.net.set_layers(0).ok
    model.net.run(source)
    assert model.net._groups[0][0] == 4
    broken = KModel.from_bytes(data)
    broken.net.model.layers[2].regs.pool_type = 15
    with pytest.raises(Exception, match="in layer 2"):
        broken.run(source)
    assert broken.net._groups[0][0] == 1  # the two before it ran


def test_two_nets_run_at_once_in_two_threads():
    """One leads the team, the other works alone; both give what they give by themselves."""
    data = synthetic()
    rng = np.random.default_rng(2)
    inputs = [rng.integers(0, 256, (3, 240, 320), dtype=np.uint8) for _ in range(2)]
    models = [KModel.from_bytes(data) for _ in inputs]
    wants = [model.run(x)[0] for model, x in zip(models, inputs, strict=True)]
    same = []

    def work(model, x, want):
        same.extend(np.array_equal(model.run(x, threads=3)[0], want) for _ in range(5))

    threads = [threading.Thread(target=work, args=args)
               for args in zip(models, inputs, wants, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(same) == 10 and all(same)


def test_models_give_the_same_bytes_with_two_and_three_threads(shared):
    for name in ("tiny8x8_v3", "mnist32_v4", "mini_mbnet96_v5", "yolo_face_v3"):
        model = KModel.from_file(shared / "models" / f"{name}.kmodel")
        x = np.random.default_rng(0).integers(0, 256, model.input_shape, dtype=np.uint8)
        one = model.run(x)
        for threads in (2, 3):
            other = model.run(x, threads=threads)
            assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


@settings(deadline=None, max_examples=100)
@given(shape=st.tuples(st.integers(1, 300), st.integers(1, 90), st.integers(1, 90)),
       outputs=st.integers(1, 300), taps=st.sampled_from((1, 9)), pool=st.integers(0, 7),
       threads=st.integers(2, 8), wide=st.booleans())
def test_cuts_cover_a_layer(shape, outputs, taps, pool, threads, wide):
    if min(shape[1:]) < 4:
        pool = 0
    frame = dot_frame.of(shape, outputs, taps, pool, pool in dot_frame.MAXIMA, 0, 2, 6, 16)
    _covers(frame, cuts.best(frame, 6, 16, threads, wide))
    for size in (2, 4) if taps == 9 and pool < 2 else ():
        frame = dot_frame.winograd(shape, outputs, pool == 1, 0, 2, 6, 8, size)
        _covers(frame, cuts.best(frame, 6, 8, threads, wide))


def _covers(frame, cut):
    items = frame.blocks if cut.by_blocks else -(-frame.rows // cut.band)
    assert 0 < cut.band <= frame.band and 0 < cut.pieces < 1 << 10
    assert (cut.pieces - 1) * cut.per_piece < items <= cut.pieces * cut.per_piece
    assert cuts.whole(frame).pieces == 1 and cuts.whole(frame).per_piece == frame.bands
