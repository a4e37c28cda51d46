"""The KPU through its registers: layers, FIFOs, interrupts, AI RAM; whole models both ways."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from k210sim.clock import Clock
from k210sim.errors import DeviceError, KmodelError, NotSimulated
from k210sim.kpu import KModel, ai_ram
from k210sim.kpu import device as dev
from k210sim.kpu.conv_params import ConvParams
from k210sim.kpu.device import Kpu, KpuRegs
from k210sim.kpu.device_run import DeviceNet, DeviceNetV4, Machine
from k210sim.kpu.forecast import conv_seconds
from k210sim.kpu.kernels import table
from k210sim.kpu.kmodel import v3
from k210sim.kpu.kmodel.writer import ModelBuilder, Quant
from k210sim.kpu.layer_regs import LayerRegs
from k210sim.kpu.layer_rules import faults, maps
from k210sim.kpu.runtime import Net

RNG = np.random.default_rng(7)


def layer(width=20, channels=3, outputs=5, **more):
    """A small convolution with its weights and tables, straight from a built model."""
    b = ModelBuilder((channels, 8, width))
    x = b.add_quantized_conv(b.input, RNG.integers(100, 160, (outputs, channels, 3, 3)),
                             scale=0.02, zero=128, in_quant=Quant(0.02, 0),
                             out_quant=Quant(0.02, 0), **more)
    b.output(b.add_dequantize(x))
    return v3.parse(b.build()).layers[0]


def picture(item):
    return RNG.integers(0, 256, item.regs.in_shape, dtype=np.uint8)


def expected(item, x):
    params = ConvParams.from_layer(item.regs, item.weights, item.bn, item.act)
    return table.default().prepare(params).run(x)


class Bench:
    """A machine without a driver's interrupt handler: the test looks at the line itself."""

    def __init__(self, **options):
        self.machine = Machine()
        self.clock = Clock("virtual")
        self.levels, self.ready = [], 0
        self.kpu = Kpu(self.clock, self.machine._read, self.levels.append,
                       data_ready=self._on_ready, **options)
        self.kpu.write(dev.EIGHT_BIT_MODE, 1)

    def _on_ready(self):
        self.ready += 1

    def push(self, regs):
        for word in regs.words:
            self.kpu.write(dev.LAYER_ARGUMENT_FIFO, word)

    def end(self):
        self.clock.advance_ns(self.clock.next_alarm_ns() - self.clock.now_ns)


@pytest.fixture
def bench():
    return Bench()


# -- the arithmetic through the registers -------------------------------------------------------


def test_all_single_layer_vectors_through_the_registers(shared):
    with np.load(shared / "golden" / "conv_vectors.npz") as z:
        entries = json.loads(str(z["meta"]))
        assert len(entries) == 112
        for entry in entries:
            key = f"v{entry['index']:03d}_"
            item = SimpleNamespace(regs=LayerRegs(z[key + "regs"]), weights=z[key + "w"],
                                   bn=z[key + "bn"], act=z[key + "act"].tobytes())
            machine = Machine(strict=True)
            machine.setup(not entry["w16"])
            regs = machine.parameters(item)
            machine.kpu.ram.write_map(regs.image_src_addr, z[key + "in"])
            streamed = machine.run(regs, stream=True)
            out = z[key + "out"]
            got = machine.kpu.ram.read_map(regs.image_dst_addr, regs.out_shape)
            assert np.array_equal(got, out), entry["name"]
            assert streamed[: out.size] == out.tobytes(), entry["name"]
            assert len(streamed) == -(-out.size // 8) * 8


V3 = ("20class_chdeq_v3", "20class_v3", "face_attribute_v3", "face_feature_v3", "face_mask5_v3",
      "face_v3", "iris_v3", "landmark5_v3", "lp_detect_v3", "lp_recog_v3", "mask_v3",
      "mbnet25_4class_v3", "mbnet75_1000_v3", "mnist_v3", "person_detect_v3", "santa_uno_v3",
      "tiny8x8_v3", "yolo_face_v3", "yolov2_mbv1_50_v3", "yolov3_v3")
V4 = ("20class_v4", "asr_v4", "dae_v4", "dronet_v4", "face_feature_v4", "iris_v4",
      "mb025_feature_v4", "mnist32_v4", "mnist_v4", "rfb320_face_v4", "semseg_v4",
      "ulffd_landmark_v4", "yolo_face_v4", "yolo_gesture25_v4")


@pytest.mark.parametrize("name", V3 + V4)
def test_whole_models_give_the_same_bytes_both_ways(shared, name):
    """Every layer, the whole AI RAM and the whole main memory; strict mode finds no fault."""
    model = KModel.from_file(shared / "models" / f"{name}.kmodel")
    net = (DeviceNet if model.version == 3 else DeviceNetV4)(model.model)
    if model.input_dtype == np.uint8:
        x = RNG.integers(0, 256, model.input_shape, dtype=np.uint8)
    else:
        x = RNG.random(model.input_shape, dtype=np.float32)
    plain, driven = model.run(x, layers=True).layers, net.run(x, keep_layers=True)
    for a, b in zip(plain, driven, strict=True):
        assert np.array_equal(a.value, b.value), a.index
    assert np.array_equal(model.net.ai_ram.data, net.ai_ram.data)
    assert np.array_equal(model.net.main.data, net.main.data)


def test_a_built_model_both_ways_and_a_dumped_layer():
    b = ModelBuilder((3, 16, 40))
    x = b.input
    for channels in (6, 8):
        x = b.add_quantized_conv(x, RNG.integers(90, 160, (channels, x.shape[0], 3, 3)),
                                 scale=0.02, zero=128, in_quant=Quant(0.02, 3),
                                 out_quant=Quant(0.02, 0))
    b.output(b.add_dequantize(x))
    data = b.build()
    nets = [Net.from_bytes(data), DeviceNet.from_bytes(data)]
    x = RNG.integers(0, 256, (3, 16, 40), dtype=np.uint8)
    for count in (0, 1):
        for net in nets:
            net.set_layers(count)
            net.run(x)
        assert nets[0].output_bytes().tobytes() == nets[1].output_bytes().tobytes()
    assert nets[1].machine.kpu.layers_done == 3


@pytest.mark.parametrize("shape, at, offset", [
    ((6, 7, 10), (5, 3, 2), 658), ((8, 4, 16), (7, 3, 15), 511), ((5, 15, 20), (3, 14, 19), 1907),
    ((1, 28, 28), (0, 27, 27), 1755), ((3, 30, 40), (2, 29, 39), 5735),
    ((2, 8, 100), (1, 7, 99), 2019)])
def test_the_chip_s_layout_of_maps(bench, shape, at, offset):
    """A layer that copies its input finds and puts the pixel where the vendor's formula says."""
    channels = shape[0]
    b = ModelBuilder(shape)
    eye = np.where(np.eye(channels, dtype=bool), 129, 128)[:, :, None, None]
    y = b.add_quantized_conv(b.input, eye, scale=1.0, zero=128, in_quant=Quant(1.0, 0),
                             out_quant=Quant(1.0, 0))
    b.output(b.add_dequantize(y))
    item = v3.parse(b.build()).layers[0]
    regs = bench.machine.parameters(item)
    bench.kpu.ram.data[regs.image_src_addr * 64 + offset] = 201
    bench.push(regs)
    bench.end()
    assert np.flatnonzero(bench.kpu.ram.data == 201).tolist() == sorted(
        line * 64 + offset for line in (regs.image_src_addr, regs.image_dst_addr))
    assert bench.kpu.ram.read_map(regs.image_dst_addr, shape)[at] == 201


# -- registers, FIFO, interrupts ----------------------------------------------------------------


def test_registers_at_power_on_and_what_can_be_written(bench):
    kpu = bench.kpu
    assert kpu.read(dev.INTERRUPT_MASK) == 7 and kpu.read(dev.FIFO_CTRL) == 0x1F
    for offset in range(0, dev.WINDOW, 8):
        if offset not in (dev.LAYER_ARGUMENT_FIFO, dev.FIFO_DATA_OUT):
            kpu.write(offset, 0xFFFFFFFFFFFFFFFF)
            assert kpu.read(offset) == KpuRegs.WRITABLE.get(offset, 0), offset
    kpu.write(dev.FIFO_THRESHOLD, 12 | 1 << 4, 4)
    assert kpu.read(dev.FIFO_THRESHOLD, 4) == 0x1C and kpu.read(dev.FIFO_THRESHOLD + 4, 4) == 0
    assert (kpu.regs.full_threshold, kpu.regs.empty_threshold) == (12, 1)
    for offset, size in ((dev.WINDOW, 8), (4, 8), (-8, 8), (8, 2)):
        with pytest.raises(DeviceError, match="64 bits wide"):
            kpu.read(offset, size)
    with pytest.raises(NotSimulated):
        kpu.write(dev.LAYER_ARGUMENT_FIFO, 1, 4)
    with pytest.raises(NotSimulated):
        kpu.read(dev.FIFO_DATA_OUT, 4)


def test_a_first_layer_does_not_compile_without_a_word(bench, monkeypatch):
    told = []
    monkeypatch.setattr(dev.compiling, "announce", lambda: told.append(True))
    regs = bench.machine.parameters(layer())
    for word in regs.words:
        bench.kpu.write(dev.LAYER_ARGUMENT_FIFO, word)
    bench.clock.advance_ns(bench.clock.next_alarm_ns() or 1)
    assert told


def test_a_layer_takes_its_time_and_interrupts_once(bench):
    item = layer()
    regs = bench.machine.parameters(item)
    regs.int_en = 1
    x = picture(item)
    bench.kpu.ram.write_map(regs.image_src_addr, x)
    bench.kpu.write(dev.INTERRUPT_MASK, 0b110)
    for word in regs.words[:-1]:
        bench.kpu.write(dev.LAYER_ARGUMENT_FIFO, word)
    assert bench.kpu.queued_words == 11 and not bench.kpu.busy
    bench.kpu.write(dev.LAYER_ARGUMENT_FIFO, regs.words[-1])
    assert bench.kpu.busy and bench.kpu.queued_words == 0
    took = bench.clock.next_alarm_ns()
    assert took == round(conv_seconds(regs, 1, 400e6) * 1e9)
    bench.clock.advance_ns(took - 1)
    assert bench.kpu.busy and bench.levels == [] and bench.kpu.read(dev.INTERRUPT_STATUS) == 0
    bench.clock.advance_ns(1)
    assert not bench.kpu.busy and bench.levels == [True]
    assert bench.kpu.read(dev.INTERRUPT_STATUS) == dev.CALC_DONE
    out = bench.kpu.ram.read_map(regs.image_dst_addr, regs.out_shape)
    assert np.array_equal(out, expected(item, x)) and bench.kpu.layers_done == 1
    bench.kpu.write(dev.INTERRUPT_MASK, 7)
    assert bench.levels == [True, False] and bench.kpu.read(dev.INTERRUPT_RAW) & dev.CALC_DONE
    bench.kpu.write(dev.INTERRUPT_CLEAR, dev.ALMOST_EMPTY | dev.ALMOST_FULL)
    assert bench.kpu.read(dev.INTERRUPT_RAW) == dev.CALC_DONE
    bench.kpu.write(dev.INTERRUPT_CLEAR, dev.CALC_DONE)
    assert bench.kpu.read(dev.INTERRUPT_RAW) == 0


def test_without_int_en_a_layer_ends_silently(bench):
    bench.kpu.write(dev.INTERRUPT_MASK, 0b110)
    bench.push(bench.machine.parameters(layer()))
    bench.end()
    assert bench.levels == [] and bench.kpu.layers_done == 1


def test_queued_layers_run_one_after_the_other_and_ask_for_more(bench):
    """As the oldest driver works: almost_empty feeds the next layer."""
    kpu = bench.kpu
    kpu.write(dev.FIFO_THRESHOLD, 12 | 1 << 4)
    regs = bench.machine.parameters(layer())
    bench.push(regs)
    assert kpu.read(dev.INTERRUPT_RAW) == dev.ALMOST_EMPTY | dev.ALMOST_FULL
    kpu.write(dev.INTERRUPT_CLEAR, 7)
    bench.push(regs)
    bench.push(regs)
    assert kpu.queued_words == 24 and kpu.layers_started == 1
    assert kpu.read(dev.INTERRUPT_RAW) == dev.ALMOST_FULL
    kpu.write(dev.INTERRUPT_CLEAR, 7)
    bench.end()
    assert (kpu.layers_started, kpu.layers_done, kpu.queued_words) == (2, 1, 12)
    assert kpu.read(dev.INTERRUPT_RAW) == 0
    bench.end()
    assert kpu.read(dev.INTERRUPT_RAW) == dev.ALMOST_EMPTY
    bench.end()
    assert kpu.layers_done == 3 and bench.clock.next_alarm_ns() is None


def test_the_layer_fifo_can_be_emptied_and_does_not_grow_forever(bench):
    for word in range(7):
        bench.kpu.write(dev.LAYER_ARGUMENT_FIFO, word)
    bench.kpu.write(dev.FIFO_CTRL, 0x1F & ~4)
    assert bench.kpu.queued_words == 0
    bench.kpu.write(dev.FIFO_CTRL, 0x1F)
    regs = bench.machine.parameters(layer())
    with pytest.raises(DeviceError, match="FIFO holds"):
        for _ in range(100):
            bench.push(regs)
    assert bench.kpu.queued_words == dev.FIFO_WORDS


def test_the_output_stream_and_full_add(bench):
    item = layer(width=9)
    regs = bench.machine.parameters(item)
    x = picture(item)
    bench.kpu.ram.write_map(regs.image_src_addr, x)
    regs.send_data_out = 1
    bench.push(regs)
    bench.end()
    out = expected(item, x)
    assert bench.ready == 1 and bench.kpu.stream_bytes == -(-out.size // 8) * 8
    first = bench.kpu.read(dev.FIFO_DATA_OUT)
    rest = bench.kpu.take(bench.kpu.stream_bytes)
    assert first.to_bytes(8, "little") + rest == out.tobytes()
    assert bench.kpu.read(dev.FIFO_DATA_OUT) == 0
    regs.full_add = 1
    bench.push(regs)
    bench.end()
    words = [bench.kpu.read(dev.FIFO_DATA_OUT) for _ in range(5)]
    assert words == out.sum(axis=(1, 2), dtype=int).tolist() and bench.kpu.stream_bytes == 0
    bench.push(regs)
    bench.end()
    bench.kpu.write(dev.FIFO_CTRL, 0x1E)
    assert bench.kpu.stream_bytes == 0


def test_load_bits(bench):
    item = layer()
    regs = bench.machine.parameters(item)
    x = picture(item)
    bench.kpu.ram.write_map(regs.image_src_addr, x)
    bench.push(regs)
    bench.end()
    regs.load_coor = regs.load_para = 0
    regs.para_start_addr = regs.bwsx_base_addr = 0  # nothing is there
    bench.kpu.ram.write_map(regs.image_dst_addr, np.zeros(regs.out_shape, np.uint8))
    bench.push(regs)
    bench.end()
    assert np.array_equal(bench.kpu.ram.read_map(regs.image_dst_addr, regs.out_shape),
                          expected(item, x))
    regs.load_act = 0
    bench.push(regs)
    bench.end()
    assert not bench.kpu.ram.read_map(regs.image_dst_addr, regs.out_shape).any()
    fresh = Bench()
    regs.load_act = 1
    fresh.machine.sram = bench.machine.sram
    fresh.push(regs)
    with pytest.raises(DeviceError, match="no weights or no batch norm"):
        fresh.end()


def test_weights_of_several_loads_may_lie_apart(bench):
    item = layer(outputs=5)
    one = 27
    regs = bench.machine.parameters(item)
    spread = b"".join(item.weights.tobytes()[i : i + 2 * one].ljust(64, b"\xee")
                      for i in range(0, 5 * one, 2 * one))
    regs.para_start_addr = bench.machine.place(spread, 128)
    regs.o_ch_num_coef, regs.load_time, regs.para_size = 1, 2, 64
    x = picture(item)
    bench.kpu.ram.write_map(regs.image_src_addr, x)
    bench.push(regs)
    bench.end()
    assert np.array_equal(bench.kpu.ram.read_map(regs.image_dst_addr, regs.out_shape),
                          expected(item, x))


def test_changed_weights_at_the_same_place_are_seen(bench):
    item = layer()
    regs = bench.machine.parameters(item)
    x = picture(item)
    bench.kpu.ram.write_map(regs.image_src_addr, x)
    bench.push(regs)
    bench.end()
    at = regs.para_start_addr - 0x40000000
    item.weights = (255 - item.weights).astype(np.uint8)
    bench.machine.sram[at : at + item.weights.size] = item.weights.tobytes()
    bench.push(regs)
    bench.end()
    assert np.array_equal(bench.kpu.ram.read_map(regs.image_dst_addr, regs.out_shape),
                          expected(item, x))


# -- broken rules -------------------------------------------------------------------------------


def test_a_map_past_the_end_goes_on_at_the_start_unless_strict():
    item = layer()
    x = picture(item)
    for strict in (False, True):
        bench = Bench(strict=strict)
        regs = bench.machine.parameters(item)
        bench.kpu.ram.write_map(regs.image_src_addr, x)
        regs.image_dst_addr = ai_ram.LINES - 3
        if strict:
            with pytest.raises(DeviceError, match="rule ai-ram-overflow: the output map"):
                bench.push(regs)
            assert not bench.kpu.busy
            continue
        bench.push(regs)
        bench.end()
        turned = ai_ram.AiRam()
        turned.data[:] = np.roll(bench.kpu.ram.data, 3 * 64)
        assert np.array_equal(turned.read_map(0, regs.out_shape), expected(item, x))


def test_an_input_that_is_overwritten_is_read_first_unless_strict():
    item = layer(outputs=3)
    x = picture(item)
    bench = Bench()
    regs = bench.machine.parameters(item)
    regs.image_dst_addr = regs.image_src_addr
    bench.kpu.ram.write_map(regs.image_src_addr, x)
    bench.push(regs)
    bench.end()
    assert np.array_equal(bench.kpu.ram.read_map(regs.image_dst_addr, regs.out_shape),
                          expected(item, x))
    strict = Bench(strict=True)
    with pytest.raises(DeviceError, match="layer 0 breaks the rule ai-ram-overlap"):
        strict.push(regs)


@pytest.mark.parametrize("change, rule", [
    (dict(first_stride=1), "first-stride"), (dict(bypass_conv=1), "bypass-conv"),
    (dict(pad_type=1), "pad-type"), (dict(kernel_type=2), "kernel-type"),
    (dict(pool_type=12), "pool-type"), (dict(pool_type=1), "output-size"),
    (dict(depth_wise_layer=1), "depthwise-channels"), (dict(load_act=0), "load-act"),
    (dict(row_switch_addr=2), "map-layout"), (dict(wb_group=4), "map-layout"),
    (dict(para_size=100), "weight-size"), (dict(o_ch_num_coef=1), "weight-loads"),
    (dict(send_data_out=1, dma_total_byte=7), "stream-size")])
def test_every_rule_is_named(change, rule):
    regs = layer().regs
    assert faults(regs) == []
    for name, value in change.items():
        setattr(regs, name, value)
    assert rule in [fault.rule for fault in faults(regs) if fault.fatal]


def test_small_and_large_inputs_are_only_remarked():
    regs = layer(width=20).regs
    regs.i_col_high = regs.o_col_high = 299
    regs.channel_switch_addr = regs.wb_channel_switch_addr = 300
    regs.dma_total_byte = 5 * 300 * 20 - 1
    regs.image_src_addr, regs.image_dst_addr = 0, maps(regs)[0][1] - maps(regs)[0][0]
    assert [(f.rule, f.fatal) for f in faults(regs)] == [("size-maximum", False)]


@pytest.mark.parametrize("change", [dict(first_stride=1), dict(bypass_conv=1), dict(pool_type=12),
                                    dict(kernel_type=3), dict(kernel_type=3, depth_wise_layer=1)])
def test_what_is_not_simulated_says_so(change):
    bench = Bench()
    regs = bench.machine.parameters(layer())
    for name, value in change.items():
        setattr(regs, name, value)
    with pytest.raises(NotSimulated, match="KPU layer"):
        bench.push(regs)
        bench.end()
    assert not bench.kpu.busy


def test_strict_mode_wants_an_aligned_activation_table_and_a_filled_stream():
    bench = Bench(strict=True)
    regs = bench.machine.parameters(layer())
    regs.active_addr += 8
    with pytest.raises(DeviceError, match="act-alignment"):
        bench.push(regs)
    with pytest.raises(DeviceError, match="output FIFO"):
        bench.kpu.read(dev.FIFO_DATA_OUT)


def test_maps_larger_than_the_ai_ram_are_refused_before_anything_runs(bench):
    regs = bench.machine.parameters(layer())
    regs.i_row_wid, regs.i_col_high, regs.i_ch_num = 1023, 511, 9
    with pytest.raises(DeviceError, match="10x512x1024 is larger than the AI RAM"):
        bench.push(regs)
    assert not bench.kpu.busy and bench.clock.next_alarm_ns() is None


def test_random_descriptors_end_in_a_result_or_a_named_refusal(shared):
    import random

    rng = random.Random(2)
    with np.load(shared / "golden" / "conv_vectors.npz") as z:
        known = [[int(word) for word in z[key]] for key in z.files if key.endswith("_regs")]
    memory = rng.randbytes(1 << 20)
    done = 0
    for _ in range(300):
        kpu = Kpu(Clock("virtual"), lambda at, count: memory[:count], strict=rng.random() < 0.3)
        kpu.write(dev.EIGHT_BIT_MODE, rng.randrange(2))
        words = list(rng.choice(known))
        for _ in range(rng.randint(1, 8)):
            words[rng.randrange(12)] ^= 1 << rng.randrange(64)
        try:
            for word in words:
                kpu.write(dev.LAYER_ARGUMENT_FIFO, word)
            kpu.clock.advance_ns(10**11)
        except (DeviceError, NotSimulated):
            assert not kpu.busy
        done += kpu.layers_done
    assert done > 50


def test_addresses_without_memory(bench):
    regs = bench.machine.parameters(layer())
    regs.para_start_addr = 0x50000000
    bench.push(regs)
    with pytest.raises(DeviceError, match="0x50000000"):
        bench.end()
    assert not bench.kpu.busy


def test_a_bus_that_gives_too_little_is_noticed():
    kpu = Kpu(Clock("virtual"), lambda address, count: b"")
    kpu.write(dev.EIGHT_BIT_MODE, 1)
    for word in layer().regs.words:
        kpu.write(dev.LAYER_ARGUMENT_FIFO, word)
    with pytest.raises(DeviceError, match="the bus gives 0"):
        kpu.clock.advance_ns(10**9)


def test_a_driven_net_refuses_what_leaves_the_ai_ram():
    model = v3.parse(small_model())
    model.layers[0].regs.image_dst_addr = ai_ram.LINES - 1
    with pytest.raises(KmodelError, match="AI RAM"):
        DeviceNet(model).run(np.zeros((3, 8, 20), np.uint8))


def small_model() -> bytes:
    b = ModelBuilder((3, 8, 20))
    y = b.add_quantized_conv(b.input, RNG.integers(100, 160, (5, 3, 3, 3)), scale=0.02, zero=128,
                             in_quant=Quant(0.02, 0), out_quant=Quant(0.02, 0))
    b.output(b.add_dequantize(y))
    return b.build()


# -- state --------------------------------------------------------------------------------------


def test_a_snapshot_in_the_middle_of_a_layer():
    item = layer()
    x = picture(item)
    bench = Bench()
    regs = bench.machine.parameters(item)
    regs.int_en = regs.send_data_out = 1
    bench.kpu.ram.write_map(regs.image_src_addr, x)
    bench.kpu.write(dev.INTERRUPT_MASK, 0b110)
    bench.push(regs)
    bench.push(regs)
    bench.clock.advance_ns(1000)
    state = bench.kpu.save_state()
    other = Bench()
    other.machine.sram = bench.machine.sram
    other.clock.advance_ns(5_000_000)
    other.kpu.load_state(state)
    assert other.kpu.busy and other.kpu.queued_words == 12
    left = [b.clock.next_alarm_ns() - b.clock.now_ns for b in (bench, other)]
    assert left[0] == left[1]
    for b in (bench, other):
        b.end()
        b.end()
        assert b.kpu.layers_done == 2 and b.levels == [True]
    assert bench.kpu.save_state() == other.kpu.save_state()
    other.kpu.reset()
    assert not other.kpu.busy and other.levels == [True, False]
    assert np.array_equal(other.kpu.ram.data, bench.kpu.ram.data)
    other.kpu.load_state(state)
    other.kpu.reset()
    assert other.clock.next_alarm_ns() is None
