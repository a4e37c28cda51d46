"""Threads over tiles: the same bytes with any number, in every kernel set this host has."""

import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_kpu_kernels import run_layer

from k210sim.errors import ConfigError
from k210sim.kpu import KModel
from k210sim.kpu.conv_params import ConvParams
from k210sim.kpu.kernels import table, tiles
from k210sim.kpu.kmodel.writer import ModelBuilder, activation_table
from k210sim.kpu.layer_regs import BatchNorm


@settings(deadline=None)
@given(count=st.integers(0, 200), threads=st.integers(1, 5), step=st.integers(1, 7))
def test_every_item_is_covered_once(count, threads, step):
    seen = np.zeros(count, int)
    firsts = []

    def work(first, end):
        firsts.append(first)
        seen[first:end] += 1

    tiles.run(work, count, threads, step)
    assert (seen == 1).all() and len(firsts) <= threads
    assert all(first % step == 0 for first in firsts)


def test_an_error_in_a_worker_reaches_the_caller():
    def work(first, end):
        if first:
            raise ArithmeticError(first)

    with pytest.raises(ArithmeticError):
        tiles.run(work, 4, 2)


def test_scratch_arrays_belong_to_their_thread():
    mine = tiles.scratch("x", (4, 5), np.int32)
    assert tiles.scratch("x", (2, 5), np.int32).base is mine.base
    others = []
    thread = threading.Thread(target=lambda: others.append(tiles.scratch("x", (1,), np.int32)))
    thread.start()
    thread.join()
    assert not np.shares_memory(mine, others[0])


def test_the_tables_of_a_layer_are_made_by_one_thread(monkeypatch):
    """Several made them at once (Python 3.12 dropped a lock), and one found nothing left."""
    b = ModelBuilder((2, 4, 4))
    b.add_conv(b.input, np.full((1, 2, 1, 1), 200), bn=BatchNorm([1 << 14], 15, 0),
               act=activation_table("leaky", 10))
    f = b.steps[0][3]
    params = ConvParams.from_layer(f["regs"], f["weights"], f["bn"], f["act"])
    make, started = ConvParams._make_tables, threading.Barrier(4)
    calls, results = [], []

    def slowly(self):
        calls.append(1)
        time.sleep(0.05)
        return make(self)

    def ask():
        started.wait()
        results.append(params.longer())

    monkeypatch.setattr(ConvParams, "_make_tables", slowly)
    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(calls) == 1 and len(results) == 4
    assert all(np.array_equal(r[3], results[0][3]) for r in results)


@pytest.mark.parametrize("name", table.available())
@pytest.mark.parametrize("shape, out, k, depthwise, pool", [
    ((5, 70, 130), 9, 3, False, 1), ((3, 66, 130), 7, 3, False, 5), ((24, 20, 33), 26, 1, False, 0),
    ((24, 9, 10), 26, 3, False, 2), ((17, 40, 40), 17, 3, True, 7), ((5, 8, 8), 5, 1, True, 0)])
def test_layers_do_not_depend_on_the_threads(name, shape, out, k, depthwise, pool):
    rng = np.random.default_rng(out)
    weights = rng.integers(0, 256, (out, k, k) if depthwise else (out, shape[0], k, k))
    bn = BatchNorm(rng.integers(-200, 200, out), 8, rng.integers(0, 200000, out))
    act = activation_table("leaky", 30)
    x = rng.integers(0, 256, shape, dtype=np.uint8)
    kernels, results = table.load(name), []

    class Threaded:
        def __init__(self, threads):
            self.threads = threads

        def prepare(self, params):
            plan = kernels.prepare(params)
            return type("Plan", (), {"run": lambda _, v: plan.run(v, self.threads)})()

    for threads in (1, 2, 3):
        results.append(run_layer(Threaded(threads), x, weights.astype(np.uint8), bn, act,
                                 depthwise=depthwise, kind=pool, arg_x=-128, arg_w=-3,
                                 arg_add=7))
    assert len(np.unique(results[0])) > 5
    assert all(np.array_equal(results[0], other) for other in results[1:])


def test_models_take_a_number_of_threads(shared):
    for name in ("mnist_v3", "mnist32_v4", "mini_mbnet96_v5"):
        path = shared / "models" / f"{name}.kmodel"
        model = KModel.from_file(path)
        x = np.random.default_rng(0).integers(0, 256, model.input_shape, dtype=np.uint8)
        one = model.run(x)
        for other in (model.run(x, threads=2), KModel.from_file(path, threads=3).run(x)):
            assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
        for bad in (0, 65, 1.5):
            with pytest.raises(ConfigError, match="expected 1 to 64"):
                model.run(x, threads=bad)
