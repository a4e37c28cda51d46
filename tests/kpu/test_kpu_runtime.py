"""The firmware's view: layer limits, dumps, facts, refusals; yolo2 boxes; face features."""

import math

import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from k210sim.errors import KmodelError
from k210sim.kpu import KModel
from k210sim.kpu.ai_ram import AiRam
from k210sim.kpu.features import face_compare, face_encode
from k210sim.kpu.kernels import region
from k210sim.kpu.kmodel.header import Refusal
from k210sim.kpu.kmodel.writer import ModelBuilder, Quant
from k210sim.kpu.runtime import DeviceCrash, Driver, Net
from k210sim.kpu.yolo2 import RegionInitError, class_count, region_layer


def chain(width=20) -> bytes:
    rng = np.random.default_rng(width)
    q = Quant(0.02, 0)
    b = ModelBuilder((3, 10, width))
    x = b.input
    for channels in (6, 4, 5):
        x = b.add_quantized_conv(x, rng.integers(100, 160, (channels, x.shape[0], 3, 3)),
                                 scale=0.02, zero=128, in_quant=q, out_quant=q)
    b.output(b.add_dequantize(x))
    return b.build()


def picture(width=20):
    return np.random.default_rng(1).integers(0, 256, (3, 10, width), dtype=np.uint8)


def test_a_net_tells_what_the_firmware_asks():
    net = Net.from_bytes(chain())
    assert net.input_shape() == (3, 10, 20) and net.total_layers == net.layer_count == 4
    facts = net.layer_facts(1)
    assert {k: facts[k] for k in ("index", "type", "wi", "hi", "wo", "ho", "chi", "cho", "dw",
                                  "kernel_type", "pool_type", "para_size")} == dict(
        index=1, type=10240, wi=20, hi=10, wo=20, ho=10, chi=6, cho=4, dw=0, kernel_type=1,
        pool_type=0, para_size=216)
    last = net.layer_facts(3)
    assert last["type"] == 12 and last["para_size"] == last["body_size"] == 24 and last["wi"] == 0
    assert net.typecode() == "f" and net.last_layer_shape() is None
    assert net.yolo_shape() == (5, 10, 20)
    assert net.main_mem_usage == net.main.size and net.model_size == len(chain())


def test_outputs_are_live_views():
    net = Net.from_bytes(chain())
    net.run(picture())
    view = net.output_bytes()
    assert view.size == 5 * 10 * 20 * 4
    before = view.copy()
    net.run(255 - picture())
    assert not np.array_equal(view, before)
    with pytest.raises(Refusal, match="2001"):
        net.output_bytes(1)


def test_set_layers_dumps_a_conv_layer_one_byte_short():
    """dma_total_byte holds the size minus one, and the firmware takes it as the size."""
    reference = KModel.from_bytes(chain()).run(picture(), layers=True).layers
    net = Net.from_bytes(chain())
    assert net.set_layers(2).ok and net.layer_count == 2
    assert net.outputs[0][1] == 4 * 10 * 20 - 1
    net.run(picture())
    assert np.array_equal(net.output_bytes(), reference[1].value.ravel()[:-1])
    assert net.typecode() == "B" and net.last_layer_shape() == (4, 10, 20)
    assert net.set_layers(0).ok and net.layer_count == 4
    net.run(picture())
    assert net.outputs[0][1] == 5 * 10 * 20 * 4
    want = reference[3].value
    assert np.array_equal(net.output_bytes().view(np.float32), want.ravel())


def test_set_layers_beyond_the_end_prints_and_refuses():
    net = Net.from_bytes(chain())
    answer = net.set_layers(9)
    assert not answer.ok and answer.printed == "err: set layers_length to 9, but max 4\r\n"
    assert net.layer_count == 4


def test_going_down_from_a_dumped_layer_crashes_the_firmware():
    driver = Driver()
    net, other = (Net.from_bytes(chain(), driver=driver) for _ in range(2))
    net.set_layers(2)
    with pytest.raises(DeviceCrash) as caught:
        other.set_layers(1)
    assert caught.value.printed == "err: index 1 > layers_length 1!\r\n"


def test_the_next_set_layers_switches_the_dump_off():
    net = Net.from_bytes(chain())
    net.set_layers(1)
    net.set_layers(2)
    net.main.data[:] = 0
    net.run(picture())
    assert net.driver.forced == (net, 1) and net._forced == {1}


def test_set_layers_on_layers_without_main_output():
    b = ModelBuilder((2, 4, 4))
    q = Quant(0.1, 0)
    x = b.add_quantized_conv(b.input, np.full((2, 2, 1, 1), 130), scale=0.1, zero=128, in_quant=q,
                             out_quant=q)
    y = b.add_upload(b.add_requantize(x, np.arange(256)))
    z = b.add_quantized_conv(y, np.full((2, 2, 1, 1), 130), scale=0.1, zero=128, in_quant=q,
                             out_quant=q)
    b.output(b.add_dequantize(z))
    net = Net.from_bytes(b.build())
    assert net.set_layers(2).printed == "" and net.outputs[0][1] == 32
    before = list(net.outputs[0])
    answer = net.set_layers(3)
    assert answer.ok and answer.printed == "KL_K210_UPLOAD not support output to mainbuf!\r\n"
    assert net.outputs[0] == before and net.layer_count == 3


def test_a_dump_runs_over_what_lies_behind_the_main_memory():
    """With the memory in guest RAM a large feature map lands in the heap behind, as on the chip."""
    q = Quant(0.1, 0)
    b = ModelBuilder((1, 8, 8))
    x = b.add_quantized_conv(b.input, np.full((9, 1, 1, 1), 130), scale=0.5, zero=128, in_quant=q,
                             out_quant=q)
    x = b.add_quantized_conv(x, np.full((1, 9, 1, 1), 130), scale=0.5, zero=128, in_quant=q,
                             out_quant=q)
    b.output(b.add_dequantize(x))
    net = Net.from_bytes(b.build())
    ram = np.full(1000, 0xEE, np.uint8)
    net.main.attach(ram[100:])
    assert net.main_mem_usage == 320 < 9 * 64
    net.set_layers(1)
    net.run(np.full((1, 8, 8), 7, np.uint8))
    assert (ram[:100] == 0xEE).all() and (ram[100:676] == 7).all() and (ram[676:] == 0xEE).all()
    assert net.output_bytes().base is not None and (net.output_bytes() == 7).all()
    with pytest.raises(KmodelError, match="cannot hold"):
        net.main.attach(ram[:10])


@pytest.mark.parametrize("width, whole", [(20, True), (64, False)])
def test_the_cpu_copy_leaves_the_last_byte_on_widths_of_whole_lines(width, whole):
    nets = [Net.from_bytes(chain(width), cpu_copy=copy) for copy in (False, True)]
    for net in nets:
        net.set_layers(3)
        net.main.data[:] = 0xA5
        net.run(picture(width))
    a, b = (net.main.data for net in nets)
    last = nets[0].outputs[0][0] + 5 * 10 * width - 1
    assert np.array_equal(np.delete(a, last), np.delete(b, last))
    assert a[last] != 0xA5 and b[last] == (a[last] if whole else 0xA5)


def test_models_that_do_not_load_or_start():
    with pytest.raises(Refusal, match="2002.*") as caught:
        Net.from_bytes(b"\xff" * 64)
    assert caught.value.code == 2002 and "erased flash" in str(caught.value)
    data = chain()
    with pytest.raises(Refusal, match="2002"):
        Net.from_bytes(data[:8] + b"\1" + data[9:])
    with pytest.raises(Refusal, match="2006"):
        Net.from_bytes(data[:20] + b"\0\0\0\x7f" + data[24:])
    dense = ModelBuilder(3, float_input=True)
    dense.output(dense.add_softmax(dense.add_fully_connected(dense.input, np.ones((2, 3)))))
    net = Net.from_bytes(dense.build())
    with pytest.raises(Refusal, match="2007"):
        net.input_shape()
    net.run(np.ones(3, np.float32))
    assert net.output_bytes().view(np.float32).tolist() == [0.5, 0.5]
    swapped = bytearray(chain())
    swapped[36:40] = (12).to_bytes(4, "little")
    with pytest.raises(Refusal, match="2008"):
        Net.from_bytes(bytes(swapped)).run(picture())


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 2**32 - 1), channels=st.integers(1, 9), height=st.integers(1, 6),
       width=st.sampled_from((1, 4, 15, 16, 17, 31, 32, 33, 63, 64, 65, 130)),
       line=st.integers(0, 2000))
def test_maps_lie_in_the_ai_ram_as_the_sheet_says(seed, channels, height, width, line):
    x = np.random.default_rng(seed).integers(1, 256, (channels, height, width), dtype=np.uint8)
    ram = AiRam()
    ram.write_map(line, x)
    group, rows, pitch = (4, 1, 16) if width <= 16 else (2, 1, 32) if width <= 32 else (
        1, -(-width // 64), 64)
    c, i, j = np.indices(x.shape)
    offset = line * 64 + c // group * rows * height * 64 + c % group * pitch + i * rows * 64 + j
    assert np.array_equal(ram.data[offset], x)
    assert np.count_nonzero(ram.data) == x.size
    assert np.array_equal(ram.read_map(line, x.shape), x)
    with pytest.raises(KmodelError, match="the AI RAM has 32768"):
        ram.write_map(32768, x)


# -- yolo2 ------------------------------------------------------------------------------------

FACE_ANCHORS = (1.889, 2.5245, 2.9465, 3.94056, 3.99987, 5.3658, 5.155437, 6.92275, 6.718375,
                9.01025)


def test_the_face_of_the_stored_answer(shared):
    with np.load(shared / "golden" / "face_v3.npz") as z:
        out = z["out_img_0"].copy()
    (face,) = region_layer(out, (30, 15, 20), FACE_ANCHORS, 0.5, 0.3, (320, 240))
    assert face.value == pytest.approx(0.71, abs=0.005) and face.classid == 0
    assert ((face.x + face.w / 2) / 320, (face.y + face.h / 2) / 240) == pytest.approx(
        (0.17, 0.23), abs=0.01)


def test_the_worked_box_of_the_sheet():
    """Cell column 3, row 2 of a 10x7 grid with all logits 0, anchor (1.889, 2.5245)."""
    data = np.full((5, 6, 7, 10), -30, np.float32)
    data[0, :4, 2, 3] = 0
    data[0, 4, 2, 3] = 30
    found = region_layer(data.reshape(-1), (30, 7, 10), FACE_ANCHORS, 0.5, 0.3, (320, 240))
    assert [d[:4] for d in found] == [(81, 42, 61, 86)]
    assert data[0, 0, 2, 3] == 0.5, "the output is activated in place"


def test_boxes_over_the_edges():
    """Negative edges become 0 and shorten the box; nothing is cut at the right and bottom."""
    data = np.full((5, 6, 2, 2), -30, np.float32)
    for cell in ((0, 0), (1, 1)):
        data[(0, 4, *cell)] = 30
        data[(0, slice(0, 4), *cell)] = (0, 0, 1, 1)
    anchors = (2, 2) + (1, 1) * 4
    found = region_layer(data.reshape(-1), (30, 2, 2), anchors, 0.5, 1.0, (100, 80))
    size = math.e * 2 / 2
    assert found[0][:4] == (0, 0, int(25 + size * 50), int(20 + size * 40))
    assert found[1].x == 0 and found[1].x + found[1].w == int(75 + size * 50) > 100


def test_heads_the_firmware_misreads():
    assert [class_count(c) for c in (25, 29, 30, 125)] == [0, 0, 1, 20]
    with pytest.raises(DeviceCrash):
        class_count(24)
    with pytest.raises(RegionInitError):
        class_count(19)
    nine = np.zeros(54 * 80, np.float32)
    with pytest.raises(DeviceCrash, match="9 anchors"):
        region_layer(nine, (54, 8, 10), (1,) * 18, 0.5, 0.3, (320, 256))
    assert region_layer(nine, (54, 8, 10), (1,) * 18, 0.5, 0.3, (320, 256), classes=1) == []
    assert region_layer(np.zeros(25 * 4, np.float32), (25, 2, 2), (1,) * 10, 0.5, 0.3,
                        (32, 32)) == []


@settings(deadline=None, max_examples=100)
@given(scores=st.lists(st.sampled_from((0.0, 0.25, 0.5, 0.75, 1.0)), max_size=150),
       seed=st.integers(0, 1000))
def test_the_sort_orders_and_permutes(scores, seed):
    score = np.array(scores, np.float32)
    order = np.random.default_rng(seed).permutation(score.size).astype(np.int64)
    region.sort_descending(score, order)
    assert sorted(order.tolist()) == list(range(score.size))
    assert (np.diff(score[order]) <= 0).all()


def test_equal_scores_keep_their_order_only_below_seven():
    """From seven on the middle element becomes the pivot and trades places with the first."""
    for n, want in ((6, [0, 1, 2, 3, 4, 5]), (7, [3, 1, 2, 0, 4, 5, 6])):
        order = np.arange(n)
        region.sort_descending(np.zeros(n, np.float32), order)
        assert order.tolist() == want


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 2**32 - 1), limit=st.sampled_from((0.1, 0.3, 0.5)))
def test_suppression_equals_the_plain_loop(seed, limit):
    rng = np.random.default_rng(seed)
    boxes = rng.uniform(0.05, 0.5, (12, 4)).astype(np.float32)
    score = rng.uniform(0.1, 1, 12).astype(np.float32)
    order = np.argsort(-score)
    want = score.copy()
    for a, i in enumerate(order):
        for j in order[a + 1 :]:
            if want[i] and naive.iou(boxes[i], boxes[j]) > np.float32(limit):
                want[j] = 0
    region.suppress(boxes, score, order, limit)
    assert np.array_equal(score, want)


# -- face features ----------------------------------------------------------------------------


def test_face_encode_values_of_the_sheet():
    values = [0.1, -0.1, 0.25, 0.2499, -0.3, 0.0, math.nan, math.inf]
    assert list(face_encode(values)) == [51, 205, 128, 127, 128, 0, 128, 128]
    assert face_encode([]) == bytearray()


def test_face_compare_values_of_the_sheet():
    assert face_compare(b"\1\0", b"\1\1") == pytest.approx(85.35534, abs=1e-5)
    assert face_compare(b"\5\7", b"\5\7") == 100.0
    assert face_compare(b"\1\0", b"\0\1") == 50.0
    assert face_compare(b"\1", b"\xff") == 0.0
    assert math.isnan(face_compare(b"\0", b"\1"))
    with pytest.raises(ValueError):
        face_compare(b"\1", b"\1\1")


# -- warm-up ----------------------------------------------------------------------------------


def test_warmup_tells_what_it_compiles_and_only_then():
    from numba import njit
    from numba.core import event

    from k210sim.kpu import warmup

    told = []
    warmup.warmup()
    assert warmup.warmup(told.append) >= 0 and told == []
    teller = warmup._teller(told.append)
    teller.pending = "first file"
    with event.install_listener("numba:compile", teller):
        assert njit("int64(int64)")(lambda x: x + 1)(1) == 2
        njit("int64(int64)")(lambda x: x + 2)
    assert told == ["first file"] and teller.compiled


def test_importing_the_package_does_not_load_numba():
    import subprocess
    import sys

    code = ("import sys, k210sim.kpu, k210sim.kpu.kmodel.v3, k210sim.kpu.runtime\n"
            "from k210sim.kpu import KModel\nassert 'numba' not in sys.modules")
    subprocess.run([sys.executable, "-c", code], check=True)


# -- loading by content -----------------------------------------------------------------------


def test_load_tells_the_kinds_apart(shared):
    from k210sim.kpu.kmodel.header import swap_words
    from k210sim.kpu.loader import load, load_swapped

    data = chain()
    assert isinstance(load(data, truncate=True, cpu_copy=True), Net)
    v4 = (shared / "models" / "mnist32_v4.kmodel").read_bytes()
    assert load(v4, truncate=True, cpu_copy=True).input_shape() == (1, 32, 32)
    assert load_swapped(swap_words(data)).input_shape() == (3, 10, 20)
    v5 = (shared / "models" / "mini_mbnet96_v5.kmodel").read_bytes()
    for bad, code in ((b"\x13\x27\0\0" + bytes(60), 2004), (b"LDMS" + bytes(60), 2004),
                      (b"LDME" + bytes(60), 2015), (b"\xff" * 64, 2002), (b"", 2003), (v5, 2002),
                      (swap_words(data), 2002), (data + bytes(6 << 20), 2003)):
        with pytest.raises(Refusal) as caught:
            load(bad)
        assert caught.value.code == code
    with pytest.raises(Refusal, match="2002"):
        load(v4, v4_support=False)
    with pytest.raises(Refusal, match="2002"):
        load_swapped(data)
