"""The benchmarks of the KPU run, on a small model with layers of every kind they tell apart."""

import json

import numpy as np
import pytest

from bench.__main__ import main
from bench.kpu import _convs, _input
from k210sim.kpu import KModel
from k210sim.kpu.kernels import table
from k210sim.kpu.kmodel.writer import LEFT_TOP_2X2, ModelBuilder, Quant


def model() -> bytes:
    """KPU layers in chains and alone, CPU layers in chains and such that run by themselves."""
    rng, quant = np.random.default_rng(3), Quant(0.05, 0)
    b = ModelBuilder((3, 12, 16))

    def conv(x, out, side, **more):
        shape = (out, side, side) if more.get("depthwise") else (out, x.shape[0], side, side)
        return b.add_quantized_conv(x, rng.integers(0, 256, shape), scale=0.002, zero=128,
                                    in_quant=quant, out_quant=quant, **more)

    x = conv(b.input, 64, 3, pool=LEFT_TOP_2X2)
    x = conv(conv(x, 64, 3, depthwise=True), 64, 1)
    x = b.add_pool(x, 2, 2)
    x = conv(x, 8, 1)
    b.output(b.add_logistic(b.add_channelwise_dequantize(x, np.full(8, 0.1), np.zeros(8))))
    return b.build()


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "small.kmodel").write_bytes(model())
    return tmp_path


def rows(folder, capsys, *subjects):
    assert main([*subjects, "--quick", "--json", "--models", str(folder)]) == 0
    lines = capsys.readouterr().out.splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")][1:]


def test_times_of_models_and_threads(folder, capsys):
    found = rows(folder, capsys, "kpu", "kpu_threads")
    times = [row for row in found if row["subject"] == "kpu"]
    assert {row["kernels"] for row in times} == set(table.available())
    assert all(row["conv_ms"] > 0 and row["vs_chip"] > 0 for row in times)
    threads = {(row["model"], row["what"]): row for row in found if row["subject"] == "kpu_threads"}
    assert set(threads) == {(name, what) for name in ("small", "all")
                            for what in ("model", "KPU layers")}
    assert all(row["one_ms"] > 0 and row["ratio"] > 0 for row in threads.values())


def test_every_target_is_measured(folder, capsys):
    found = {row["target"]: row for row in rows(folder, capsys, "kpu_targets")}
    chip = found["models of 1 that are 3 times faster than the chip"]
    assert chip["wanted"] == 1 and chip["measured"] in (0, 1)
    names = " ".join(found)
    assert "KPU layers, two threads against one" in names and "memory of a loaded model" in names
    if table.default().NAME != "portable":
        assert found["all KPU layers with activation and pool, part of the peak"]["measured"] > 0
        assert found["sums of 1x1 and 3x3 with 64 channels or more, part of the peak"]["wanted"]


def test_memory_of_models(folder, capsys):
    (row,) = rows(folder, capsys, "kpu_memory")
    size = (folder / "small.kmodel").stat().st_size
    assert row["small"] and row["file_bytes"] == size
    assert row["held_bytes"] > size and row["held"] == pytest.approx(row["held_bytes"] / size)


def test_layers_alone_get_the_maps_that_runs_give_them():
    net_model = KModel.from_bytes(model())
    layers = _convs(net_model, _input(net_model))
    assert [body.regs.in_channels for _, body, _ in layers] == [3, 64, 64, 64]
    for index, body, source in layers:
        out = net_model.net.kpu_plan(index).run(source)
        assert out.shape == body.regs.out_shape
    assert np.array_equal(out, net_model.net.ai_ram.read_map(body.regs.image_dst_addr, out.shape))
    assert net_model.net.kpu_plan(layers[-1][0] + 1) is None
