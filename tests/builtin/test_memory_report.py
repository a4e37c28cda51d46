"""Why did it not fit: public cases of models and heap sizes, the notes and the memory timeline."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from click.testing import CliRunner

from k210sim import Board
from k210sim.builtin.timeline import LENGTH, Timeline
from k210sim.kpu.kmodel.header import HeaderV3, LayerHeader, OutputV3
from k210sim.kpu.kmodel.writer import ModelBuilder, Quant

ADDRESS = 0x300000
KB = 1024
LOAD = f"import KPU\nm = KPU.load({ADDRESS})"


def model_of(size: int, main_memory: int = 64) -> bytes:
    """A V3 file of exactly `size` bytes: one layer whose body is padding."""
    body = size - HeaderV3.SIZE - OutputV3.SIZE - LayerHeader.SIZE
    head = HeaderV3(layers_length=1, main_mem_usage=main_memory, output_count=1,
                    max_start_address=0).build()
    return head + OutputV3(address=0, size=64).build() + LayerHeader(
        type=10240, body_size=body).build() + bytes(body)


@pytest.fixture
def board():
    with Board(flash_image=None) as made:
        yield made


def figures(board) -> tuple[int, int]:
    """The two numbers of `KPU.memtest()`, in KB."""
    found = re.findall(r"memory ?: (\d+) KB", board.exec("import KPU\nKPU.memtest()").stdout)
    return int(found[0]), int(found[1])


CAMERA = ("import sensor, lcd\nlcd.init()\nsensor.reset()\nsensor.set_pixformat(sensor.RGB565)\n"
          "sensor.set_framesize(sensor.QVGA)\nsensor.run(1)")


def test_issue_422_of_maixpy_a_model_of_3336_kb(board):
    """494 KB of GC heap and 2052 KB of system heap were free there: 2006."""
    board.flash(model_of(3336 * KB), ADDRESS)
    board.exec(CAMERA)
    gc_free, system_free = figures(board)
    assert 470 <= gc_free <= 510 and 1800 <= system_free <= 2600
    result = board.exec(LOAD)
    assert "ValueError: [MAIXPY]kpu: load error:2006, ERR_NO_MEM: memory not enough" in result.error
    assert figures(board)[1] == system_free  # what was taken meanwhile came back
    note = board.statistics()["notes"][-1]
    assert f"a block of {3336 * KB + 256} bytes" in note and "camera frames" in note
    assert "the model is too large for this firmware" in note


def test_issue_180_of_maixpy_a_model_that_leaves_680_kb(board):
    """A small GC heap, then a load that leaves 680 KB, and no room for a second model."""
    board.exec("from Maix import utils\nutils.gc_heap_size(200 * 1024)")
    before = figures(board)
    board.reset()
    gc_free, system_free = figures(board)
    assert 150 <= gc_free <= 200 and system_free == before[1] + 312
    board.flash(model_of((system_free - 680) * KB), ADDRESS)
    assert board.exec(LOAD).error is None
    assert abs(figures(board)[1] - 680) <= 4
    result = board.exec(f"n = KPU.load({ADDRESS})")
    assert "load error:2006" in result.error
    note = board.statistics()["notes"][-1]
    assert "other models" in note and "KPU.deinit" in note and "would do" in note
    assert board.exec("KPU.deinit(m)").error is None
    assert figures(board)[1] == system_free


def test_a_new_heap_size_counts_from_the_next_start(board):
    code = "from Maix import utils\nimport gc\nprint(utils.gc_heap_size(), gc.mem_free() > 600000)"
    assert board.exec(code).stdout == "524288 False\n"
    board.exec("utils.gc_heap_size(0x100000)")
    assert board.exec(code).stdout == "1048576 False\n"
    board.soft_reset()
    assert board.exec(code).stdout == "1048576 False\n"
    board.serial.clear()
    board.reset()
    assert b"[MaixPy] gc heap=0x802ffd80-0x803ffd80(1048576)\r\n" in board.serial.transcript
    assert board.exec(code).stdout == "1048576 True\n"


@pytest.mark.parametrize("size", [0x500000, 0xFFFFFFFF])
def test_a_heap_size_without_room_becomes_128_kb(board, size):
    board.exec(f"from Maix import utils\nutils.gc_heap_size({size})")
    board.serial.clear()
    board.reset()
    shown = size if size < 1 << 31 else size - (1 << 32)
    said = board.serial.transcript
    assert b"GC heap size %d is too large, reset GC heap size\r\nGC size 128k\r\n" % shown in said
    assert b"(131072)\r\n" in said
    free = board.exec("import gc\ngc.collect()\nprint(gc.mem_free())").stdout
    assert 100_000 < int(free) < 131072


def test_2002_says_what_stands_there_and_where_models_are(board):
    board.flash(small_model(), 0x400000, name="m.kmodel")
    result = board.exec(LOAD)
    assert "load error:2002" in result.error and "0x00400000" not in result.output.decode()
    note = board.statistics()["notes"][-1]
    assert "at 0x00300000 stands ff ff" in note and "erased flash" in note
    assert "0x00400000 (kmodel V3" in note and "k210sim explain 2002" in note


def small_model() -> bytes:
    rng = np.random.default_rng(5)
    b = ModelBuilder((3, 16, 16))
    x = b.add_quantized_conv(b.input, rng.integers(0, 256, (4, 3, 3, 3)), scale=0.01, zero=128,
                             in_quant=Quant(1 / 255, 0), out_quant=Quant(0.02, 0))
    b.output(b.add_dequantize(x))
    return b.build()


@pytest.mark.parametrize(("make", "fix"), [
    ("i = image.Image(size=(32, 16)); i.pix_to_ai()", "sensor.set_windowing((16, 16))"),
    ("i = image.Image(size=(16, 16))", "img.pix_to_ai()"),
])
def test_a_picture_that_does_not_fit_names_the_call_that_mends_it(board, make, fix):
    board.flash(small_model(), ADDRESS, name="m.kmodel")
    result = board.exec(f"import image\n{LOAD}\n{make}\nKPU.forward(m, i)")
    assert "check img format err!" in result.error and fix not in result.error
    note = board.statistics()["notes"][-1]
    assert note.startswith("the model takes 16x16 with 3 channels") and fix in note


@pytest.mark.parametrize(("line", "words"), [
    ("print(f'{x}')", "no f-strings"), ("print(rf'{x}')", "no f-strings"),
    ("if (y := x): pass", "no :="), ("async def f(): pass", "without async"),
    ("match x:", "no match statement"),
])
def test_newer_syntax_is_named_on_the_host_only(board, line, words):
    result = board.exec(f"x = 1\n{line}\n")
    assert "SyntaxError: invalid syntax" in result.error and words not in result.error
    assert board.statistics()["notes"][-1].startswith("line 2: ")
    assert words in board.statistics()["notes"][-1]


def test_an_ordinary_syntax_error_gets_no_note(board):
    board.exec("x = (1, 2")
    board.exec("print('f', buf'x')")
    assert board.statistics()["notes"] == []


@pytest.mark.parametrize(("program", "why"), [
    ("bytearray(600000)", "more than the whole heap"),
    ("l = []\nwhile True: l = [l]", "less than that is free"),
    ("l = [bytearray(1024) for i in range(300)]\nl = [x for i, x in enumerate(l) if i % 2]\n"
     "import gc\ngc.collect()\nwhile True: l.append(bytearray(10000))", "fragmented"),
])
def test_a_memory_error_says_why(board, program, why):
    assert "MemoryError" in board.exec(program).error
    assert why in board.statistics()["notes"][-1]


def test_a_caught_memory_error_is_no_note(board):
    board.exec("try: bytearray(600000)\nexcept MemoryError: pass")
    board.exec("1/0")
    assert board.statistics()["notes"] == []


def test_the_timeline_covers_a_run_evenly_and_stays_short():
    line = Timeline()
    for i in range(100_000):
        line.add(float(i), i, 2 * i)
    samples = line.report()
    assert LENGTH / 4 < len(samples) <= LENGTH + 1
    times = [s["virtual_ms"] for s in samples]
    assert times == sorted(times) and times[0] == 0 and times[-1] == 99_999
    assert max(b - a for a, b in zip(times, times[1:], strict=False)) < 2000
    assert Timeline().report() == []


def test_the_report_has_peaks_timeline_and_notes(tmp_path, monkeypatch):
    from k210sim.cli.exec import command

    monkeypatch.setenv("K210SIM_FLASH", str(tmp_path / "flash.bin"))
    report = tmp_path / "r.json"
    code = "x = bytearray(300000)\nx = None\nimport sensor\nsensor.reset()\nbytearray(900000)"
    CliRunner().invoke(command, ["--report", str(report), "-c", code])
    facts = json.loads(report.read_text())
    assert facts["exit_reason"] == "exception"
    assert facts["gc_heap_peak_bytes"] >= 300_000
    timeline = facts["memory_timeline"]
    assert max(s["gc_heap_used"] for s in timeline) >= 300_000
    assert max(s["system_heap_used"] for s in timeline) == facts["system_heap_peak_bytes"]
    assert [s["virtual_ms"] for s in timeline] == sorted(s["virtual_ms"] for s in timeline)
    assert any("more than the whole heap" in note for note in facts["notes"])


def test_watching_changes_no_virtual_time(board):
    def run() -> float:
        board.reset()
        return board.exec("import gc\nfor i in range(50): gc.collect()").virtual_ms

    first = run()
    board.statistics()
    assert run() == first


