"""What lint says, and that its numbers are those of the simulated board."""

from types import SimpleNamespace

import numpy as np
import pytest

from k210sim.errors import KmodelError
from k210sim.heap.system import SystemHeap
from k210sim.kpu import ai_ram, cpu_layers, lint, rules
from k210sim.kpu.kmodel import v3
from k210sim.kpu.kmodel.header import swap_words
from k210sim.kpu.kmodel.writer import ModelBuilder, Quant
from k210sim.kpu.lint import lint as check
from k210sim.kpu.report import ModelFile
from k210sim.modules.settings import make_system_heap, take_gc_heap

Q = Quant(0.02, 0)
RNG = np.random.default_rng(3)


def built(shape=(3, 240, 320), *, softmax=False, dequantize=True) -> bytes:
    b = ModelBuilder(shape)
    x = b.add_quantized_conv(b.input, RNG.integers(100, 160, (4, shape[0], 3, 3)), scale=0.02,
                             zero=128, in_quant=Q, out_quant=Q)
    if dequantize:
        x = b.add_dequantize(x)
    b.output(b.add_softmax(x) if softmax else x)
    return b.build()


def report_of(data: bytes, **options):
    return check(ModelFile.of(data, "m.kmodel"), **options)


def found(report, level):
    return [f for f in report.findings if f.level == level]


# -- memory, against the simulated board --------------------------------------------------------


def test_the_heap_is_that_of_the_standard_image():
    heap = make_system_heap()
    assert heap.end - heap.start == lint.HEAP_BYTES
    take_gc_heap(heap, lint.GC_HEAP, print)
    assert heap.free_to_top == lint.free_after(lint.HEAP_BYTES, (lint.GC_HEAP,))


def test_requests_succeed_and_fail_as_in_the_board_s_heap():
    rng = np.random.default_rng(11)
    for _ in range(300):
        size = int(rng.integers(1, 200)) * 4096 + int(rng.choice([0, 16, 2048]))
        blocks = [int(n) for n in rng.integers(0, size // 3, rng.integers(1, 8))]
        heap = SystemHeap(0x1000, 0x1000 + size)
        ok = all(heap.malloc(n) for n in blocks)
        assert lint.free_after(size, blocks) == (heap.free_to_top if ok else None)


def size_of(shared, name) -> int:
    return ModelFile.read(shared / "models" / f"{name}.kmodel").model().model.size


@pytest.mark.parametrize("name", ["face_v3", "mbnet75_1000_v3", "yolov3_v3", "rfb320_face_v4",
                                  "dronet_v4", "santa_uno_v3"])
def test_the_blocks_are_those_the_loader_takes(shared, name, monkeypatch):
    """The same requests in the same order as `KPU.load` makes in the simulated firmware."""
    from k210sim.modules.kpu import net
    from k210sim.modules.kpu.net import Library

    data = (shared / "models" / f"{name}.kmodel").read_bytes()[: size_of(shared, name)]
    vm = SimpleNamespace(kpu=Library(), event=lambda *a: None,
                         memory=SimpleNamespace(write=lambda at, raw: None))
    asked = []
    monkeypatch.setattr(net.Blocks, "take", lambda self, n: asked.append(n) or 0x80400000)
    monkeypatch.setattr(net, "place_main_memory", lambda vm, model, at: None)
    blocks = net.Blocks(vm)
    blocks.take(net.HANDLE_BYTES)
    net._install(vm, net.LoadedModel(), blocks, data)
    report = report_of(data)
    assert report.heap["blocks"] == asked


def test_rooms_and_what_does_not_fit(shared):
    small = report_of(built())
    assert small.ok and all(room["fits"] for room in small.heap["rooms"])
    frees = [room["free"] for room in small.heap["rooms"]]
    assert frees[0] > frees[1] > frees[2] and frees[0] // 1024 == 2556
    large = check(ModelFile.read(shared / "models" / "yolov3_v3.kmodel"))
    error = found(large, "error")
    assert not large.ok and len(error) == 1 and "error 2006" in error[0].text
    assert "load_flash needs" in error[0].advice and "smaller GC heap" not in error[0].advice
    mobile = ModelFile.read(shared / "models" / "mbnet75_1000_v3.kmodel")
    assert "smaller GC heap" in found(check(mobile), "error")[0].advice
    assert check(mobile, gc_heap=128 * 1024).ok
    santa = check(ModelFile.read(shared / "models" / "santa_uno_v3.kmodel"))
    assert santa.ok and "dual_buff" in found(santa, "warning")[0].text


# -- kinds --------------------------------------------------------------------------------------


def test_v3_loads_everywhere_and_v4_on_builds_with_v4(shared):
    assert {n: v.ok for n, v in report_of(built()).loads.items()} == {
        "v4-build": True, "v3-build": True, "load_flash": False}
    v4 = check(ModelFile.read(shared / "models" / "yolo_face_v4.kmodel"))
    assert v4.ok and v4.loads["v4-build"].ok and v4.loads["v3-build"].code == 2002
    assert v4.outputs[0]["set_outputs"] == "KPU.set_outputs(task, 0, 10, 8, 54)"
    assert any("2013" in f.text for f in found(v4, "note"))


def test_reversed_files_are_for_load_flash():
    report = report_of(swap_words(built()))
    assert report.kind == "v3_swapped" and report.ok
    assert report.loads["load_flash"].ok and report.loads["v4-build"].code == 2002
    assert report.heap["blocks"][0] == 192 and len(report.heap["blocks"]) == 5
    assert report.input["shape"] == [3, 240, 320]


@pytest.mark.parametrize("head, size, code, word", [
    (b"\x13\x27\0\0", 64, 2004, "one chip's key"), (b"\x13\x27\0\0", 65, 2003, "one chip's key"),
    (b"LDMS", 64, 2004, "one chip's key"), (b"LDME", 64, 2015, "own firmware"),
    (b"\1\0\0\0", 64, 2002, "before v0.3.0"), (b"LDMK\5\0\0\0", 64, 2002, "nncase 1.x"),
    (b"LDMK\6\0\0\0", 64, 2002, "nncase 1.x")])
def test_kinds_that_never_load_say_why_and_what_to_do(head, size, code, word):
    report = report_of(head.ljust(size, b"\0"))
    assert not report.ok and report.loads["v4-build"].code == code
    assert not any(verdict.ok for verdict in report.loads.values())
    (finding,) = report.findings
    assert word in finding.text and finding.advice
    if head != b"LDMS":
        assert report.loads["v3-build"].code == code


def test_garbage_is_refused_with_name_and_offset():
    for data in (b"", b"hello", b"\xff" * 100, b"PK\3\4 a package"):
        with pytest.raises(KmodelError, match="kmodel m.kmodel: expected a kmodel.*0x00000000"):
            report_of(data)
    data = built()
    for cut in (20, 40, 60, 200, len(data) - 100):
        with pytest.raises(KmodelError, match="kmodel m.kmodel: .* at offset 0x"):
            report_of(data[:cut])


def test_a_damaged_layer_is_named_but_does_not_stop_the_rest():
    model = v3.parse(built())
    model.layers[0].weights_offset = 0x7FFFFFF0
    data = bytearray(built())
    at = data.index(model.layers[0].regs.build()[:40]) - 24
    data[at + 12 : at + 16] = (0x7FFFFFF0).to_bytes(4, "little")
    report = report_of(bytes(data))
    assert [f.layers for f in found(report, "error") if "cannot be read" in f.text] == [[0]]
    assert report.cpu_layers[0]["name"] == "DEQUANTIZE"


# -- layers, AI RAM, input ----------------------------------------------------------------------


def test_executed_types_are_those_of_the_runtime():
    executed = {cls.TYPE for cls in cpu_layers.EXECUTED} | {0x2800}
    assert rules.V3_EXECUTED == executed


def test_a_layer_no_firmware_executes():
    data = bytearray(built())
    data[36 + 8 : 36 + 12] = (7).to_bytes(4, "little")  # the second layer's type: MAX_POOL2D
    data = bytes(data) + bytes(64)
    report = report_of(data)
    assert any("cannot be read" in f.text or "executed by no firmware" in f.text
               for f in found(report, "error"))


def test_cpu_layers_carry_their_rule(shared):
    report = report_of(built(softmax=True))
    assert [(c["index"], c["name"]) for c in report.cpu_layers] == [(1, "DEQUANTIZE"),
                                                                    (2, "SOFTMAX")]
    assert report.cpu_layers[1]["rule"] == "the KPU has no softmax"
    semseg = check(ModelFile.read(shared / "models" / "semseg_v4.kmodel"))
    warning = next(f for f in found(semseg, "warning") if "5x5" in f.text)
    assert len(warning.layers) == 15 and warning.line.startswith("layers 6, 21, 36, 51, 66, 81 ..")


def test_ai_ram_use_overlap_and_overflow():
    report = report_of(built((3, 8, 64)))
    want = 8 * 3 + 8 * 4
    assert report.ai_ram["used"] == report.ai_ram["largest_layer"] == want
    model = v3.parse(built((3, 8, 64)))
    regs = model.layers[0].regs
    regs.image_src_addr = regs.image_dst_addr = 100
    overlap = report_of(v3.build(model))
    assert [f.line for f in found(overlap, "error")][0].startswith(
        "layer 0: breaks the rule ai-ram-overlap")
    regs.image_dst_addr = ai_ram.LINES - 1
    assert any("ai-ram-overflow" in f.text for f in found(report_of(v3.build(model)), "error"))


@pytest.mark.parametrize("shape, setup", [
    ((3, 240, 320), ["RGB565", "QVGA"]), ((1, 28, 28), ["GRAYSCALE", "QVGA", "(28, 28)"]),
    ((3, 224, 224), ["RGB565", "QVGA", "(224, 224)"]),
    ((3, 256, 320), ["RGB565", "VGA", "(320, 256)"])])
def test_how_to_set_up_the_camera(shape, setup):
    report = report_of(built(shape))
    lines = report.input["setup"]
    assert len(lines) == len(setup) and all(a in b for a, b in zip(setup, lines, strict=True))
    window = [f for f in report.findings if "no camera frame size" in f.text]
    assert len(window) == (len(setup) == 3)
    assert any("VGA frames" in f.text for f in report.findings) == (shape[1] == 256)


def test_inputs_the_camera_cannot_give():
    odd = report_of(built((6, 8, 20)))
    assert any("6 input channels" in f.text for f in odd.findings) and "setup" not in odd.input
    wide = report_of(built((3, 16, 700)))
    assert any("larger than any camera frame" in f.text for f in wide.findings)
    dense = ModelBuilder(3, float_input=True)
    dense.output(dense.add_softmax(dense.add_fully_connected(dense.input, np.ones((2, 3)))))
    report = report_of(dense.build())
    assert report.ok and "list of 3 numbers" in report.findings[0].text
    first = ModelBuilder(3, float_input=True)
    first.output(first.add_softmax(first.input))
    assert any("2007" in f.text for f in found(report_of(first.build()), "error"))


def test_a_last_convolution_and_bytes_behind_the_model():
    report = report_of(built(dequantize=False) + bytes(5000))
    texts = [f.text for f in report.findings]
    assert any("last layer is a convolution" in t for t in texts)
    assert any(t.startswith("5000 bytes follow") for t in texts)


def test_every_public_model_gets_a_report_as_plain_data(shared):
    import json

    for path in sorted((shared / "models").glob("*.kmodel")):
        facts = check(ModelFile.read(path)).as_dict()
        assert json.loads(json.dumps(facts)) == facts
        assert facts["ok"] == (path.stem not in (
            "dronet_v4", "mbnet75_1000_v3", "yolov3_v3", "mini_mbnet96_v5", "yolox_nano_224_v5"))


def test_lint_does_not_load_numba():
    import subprocess
    import sys

    code = ("import sys\nfrom k210sim.kpu.lint import lint\nfrom k210sim.kpu.report import *\n"
            "assert 'numba' not in sys.modules")
    subprocess.run([sys.executable, "-c", code], check=True)


def test_mutated_files_end_in_a_report_or_one_line():
    import random

    from k210sim.errors import K210SimError
    from k210sim.kpu.report import profile

    rng = random.Random(1)
    files = [built((3, 8, 20), softmax=True), swap_words(built((1, 8, 8)))]
    reports = 0
    for _ in range(400):
        data = bytearray(rng.choice(files))
        for _ in range(rng.randint(1, 4)):
            at = rng.randrange(min(len(data) - 4, rng.choice((64, 400, 4000))))
            if rng.random() < 0.5:
                data[at] = rng.randrange(256)
            else:
                data[at : at + 4] = rng.choice((0, 1, 2**31 - 1, 2**32 - 1)).to_bytes(4, "little")
        for look in (lambda f: check(f).as_dict(), ModelFile.describe,
                     lambda f: profile(f.model())):
            try:
                look(ModelFile.of(bytes(data), "m.kmodel"))
                reports += 1
            except K210SimError as error:
                assert "\n" not in str(error) and "m.kmodel" in str(error)
    assert reports > 100


def test_rooms_are_what_the_board_shows(tmp_path):
    """`Maix.utils.heap_free()` after the calls each room stands for."""
    from k210sim import Board

    script = """
from Maix import utils
import lcd, sensor
lcd.init()
for dual in (False, True):
    sensor.reset(dual_buff=dual)
    sensor.set_pixformat(sensor.RGB565)
    sensor.set_framesize(sensor.QVGA)
    sensor.run(1)
    print("free", utils.heap_free())
"""
    with Board(flash_image=tmp_path / "flash.bin", clock="virtual") as board:
        out = board.exec(script, timeout=60).stdout
    free = [int(line.split()[1]) for line in out.splitlines() if line.startswith("free ")]
    rooms = [lint.free_after(lint.HEAP_BYTES, (lint.GC_HEAP, *room.taken)) for room in lint.ROOMS]
    assert free == rooms[1:]
