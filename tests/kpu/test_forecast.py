"""The forecast against the published measurements, and its rules."""

from pathlib import Path

import numpy as np
import pytest

from bench import forecast as bench
from k210sim.kpu import KModel
from k210sim.kpu import forecast as fc
from k210sim.kpu import measurements as ms
from k210sim.kpu.kmodel.writer import LEFT_TOP_2X2, ModelBuilder, Quant

DOCS = Path(__file__).resolve().parents[2] / "docs" / "forecast.md"


def chain(width=20, pool=0) -> KModel:
    rng = np.random.default_rng(width)
    q = Quant(0.02, 0)
    b = ModelBuilder((3, 16, width))
    x = b.input
    for channels in (6, 8):
        x = b.add_quantized_conv(x, rng.integers(100, 160, (channels, x.shape[0], 3, 3)),
                                 scale=0.02, zero=128, in_quant=q, out_quant=q, pool=pool)
    b.output(b.add_softmax(b.add_dequantize(x)))
    return KModel.from_bytes(b.build())


def test_the_size_table_is_met_within_two_percent():
    table = [row for row in bench.rows() if row["group"] == "sizes"]
    assert len(table) == 10
    assert max(abs(row["residual"]) for row in table) < 0.02


def test_known_layers_are_met_within_a_clock_tick_or_three_percent():
    table = [row for row in bench.rows() if row["group"] == "layers"]
    assert len(table) == 20
    assert max(abs(row["residual"]) for row in table) < 0.031


def test_single_steps_are_met():
    table = [row for row in bench.rows() if row["group"] == "steps"]
    assert len(table) == 8 and max(abs(row["residual"]) for row in table) < 0.07


def test_totals_are_met_within_ten_percent(shared):
    table = [row for row in bench.rows(shared / "models") if row["group"] == "totals"]
    assert len(table) == len(ms.TOTALS)
    assert {row["what"]: round(row["residual"], 3) for row in table
            if abs(row["residual"]) >= 0.1} == {}


def test_the_documented_tables_are_what_the_script_prints(shared):
    printed = bench.markdown(bench.rows(shared / "models"))
    assert DOCS.read_text().endswith(printed)


def test_every_layer_of_the_face_detector(shared):
    layers = KModel.from_file(shared / "models" / "face_v3.kmodel").forecast(dma=True).layers
    for got, want in zip(layers, ms.FACE_LAYERS, strict=True):
        assert got.ms == pytest.approx(want, rel=0.05, abs=0.0011), got


def test_the_search_for_the_constants_ends_near_those_in_use():
    before = fc.FIXED_CYCLES, dict(fc.ROW_OVERHEAD)
    found = bench.fit(steps=300)
    assert (fc.FIXED_CYCLES, fc.ROW_OVERHEAD) == before
    assert found["score"] < 0.02
    assert found["WEIGHT_BYTES_PER_S"] == pytest.approx(fc.WEIGHT_BYTES_PER_S, rel=0.05)


def test_clocks_scale_the_parts_they_drive():
    model = chain()
    base, slow_kpu, slow_cpu = (model.forecast(*hz) for hz in
                                ((400e6, 400e6), (400e6, 200e6), (200e6, 400e6)))
    assert slow_kpu.cpu_ms == base.cpu_ms and slow_cpu.cpu_ms == pytest.approx(2 * base.cpu_ms)
    first = [f.layers[0].ms for f in (base, slow_kpu, slow_cpu)]
    assert first[1] > 1.5 * first[0] and first[2] == first[0]
    assert base.total_ms == pytest.approx(base.kpu_ms + base.cpu_ms + base.upload_ms)


def test_pools_are_paid_at_full_resolution_and_cpu_layers_name_their_rule():
    with_pool, without = chain(pool=LEFT_TOP_2X2).forecast(), chain().forecast()
    assert with_pool.layers[0].ms == without.layers[0].ms
    assert with_pool.layers[0].macs == without.layers[0].macs == 3 * 6 * 9 * 16 * 20
    assert [(layer.on_kpu, layer.rule) for layer in without.layers] == [
        (True, ""), (True, ""), (False, "the KPU has no conversion to float"),
        (False, "the KPU has no softmax")]


@pytest.mark.parametrize("width, ratio", [(20, 85.7 / 14), (64, 85.7 / 8 / 14)])
def test_copies_by_the_cpu_and_by_dma(width, ratio):
    model = chain(width)
    copies = [model.forecast(dma=dma).layers[1].copy_ms for dma in (False, True)]
    assert copies[0] == pytest.approx(ratio * copies[1])


def test_batches_of_load_flash():
    sizes = [10, 10, 10, 100, 5, 5, 200, 1]
    assert fc.batches(sizes, 25) == [[0, 1, 2], [3], [4, 5], [6], [7]]
    assert fc.batches(sizes, 0) == [[i] for i in range(8)]
    assert fc.batches([], 10) == []
    base = chain().forecast()
    single = fc.stream(base, [1000] * 4, fc.FlashStream(40e6))
    assert single.stream_ms == pytest.approx(4000 / 20e3)
    dual = fc.stream(base, [1000] * 4, fc.FlashStream(40e6, dual=True))
    assert 1000 / 20e3 <= dual.stream_ms < single.stream_ms


def test_a_part_of_a_model_costs_a_part():
    model = chain()
    whole, part = fc.forecast(model.model), fc.forecast(model.model, layers=2)
    assert len(part.layers) == 2 and part.layers == whole.layers[:2]
