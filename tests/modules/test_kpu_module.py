"""The `KPU` module: every error number under the firmware's conditions, and the documented calls.

Models are made by our own writer; the board is a whole one, so flash, heaps and prompt take part.
"""

from __future__ import annotations

import struct

import numpy as np
import pytest

from k210sim import Board
from k210sim.kpu.kmodel.header import swap_words
from k210sim.kpu.kmodel.writer import MAX_2X2, ModelBuilder, Quant

AT = 0x300000
SPARE = 0x500000

SETUP = """
import KPU, image, gc
def tell(f, *a, **k):
    try: print('->', f(*a, **k))
    except Exception as e: print(type(e).__name__ + ':', e)
def picture(w=16, h=8, gray=False):
    p = image.Image(size=(w, h))
    p.clear()
    p.draw_rectangle(2, 2, 4, 4, color=(255, 255, 255), fill=True)
    if gray: p = p.to_grayscale()
    p.pix_to_ai()
    return p
"""


def small_model(channels: int = 3, *, head: int = 6, dequantize: bool = True) -> bytes:
    """Two layers over 16x8 pixels, the second 1x1, then (optionally) floats."""
    rng = np.random.default_rng(5)
    b = ModelBuilder((channels, 8, 16))
    x = b.add_quantized_conv(b.input, rng.integers(0, 256, (8, channels, 3, 3)), scale=0.01,
                             zero=128, in_quant=Quant(1 / 255, 0), out_quant=Quant(0.02, 0),
                             activation="relu", pool=MAX_2X2)
    x = b.add_quantized_conv(x, rng.integers(0, 256, (head, 8, 1, 1)), scale=0.01, zero=128,
                             out_quant=Quant(0.05, 128))
    b.output(b.add_dequantize(x) if dequantize else x)
    return b.build()


def dense_model() -> bytes:
    """Four floats in, three out."""
    b = ModelBuilder((4, 1, 1), float_input=True)
    y = b.add_fully_connected(b.input, np.arange(12, dtype=np.float32).reshape(3, 4))
    b.output(b.add_softmax(y))
    return b.build()


@pytest.fixture
def board():
    with Board(flash_image=None) as made:
        made.flash(small_model(), addr=AT)
        assert made.exec(SETUP).ok
        yield made


def put(board, data: bytes) -> None:
    """Flash a second model; flashing restarts the board."""
    board.flash(data, addr=SPARE)
    assert board.exec(SETUP).ok


def run(board, source: str) -> list[str]:
    """What a program prints, without blank lines (some messages end in a line end of their own)."""
    result = board.exec(source, timeout=30)
    assert result.error is None, result.error
    lines = result.stdout.replace("\r", "").split("\n")
    return [line for line in lines if line]


# --- error numbers ---------------------------------------------------------------------
def test_2001_an_offset_that_is_a_multiple_of_four_gigabytes(board):
    assert run(board, "tell(KPU.load, 1 << 32)") == [
        "ValueError: [MAIXPY]kpu: load error:2001, ERR_PARAM: please check param, load address or "
        "kmodel file name"]


def for_another_chip() -> bytes:
    model = bytearray(small_model())
    struct.pack_into("<I", model, 8, 1)
    return bytes(model)


@pytest.mark.parametrize("make", [
    lambda: b"\xff" * 64, for_another_chip, lambda: swap_words(small_model()),
    lambda: b"LDMK" + struct.pack("<9I", 5, 0, 0, 0, 0, 0, 0, 0, 0),
], ids=["erased", "other chip", "byte-reversed", "V5"])
def test_2002_no_model_that_this_firmware_knows(board, make):
    put(board, make())
    assert run(board, f"tell(KPU.load, {SPARE})") == [
        "ValueError: [MAIXPY]kpu: load error:2002, ERR_KMODEL_VERSION: only support kmodel V3/V4 "
        "now"]


def test_2003_a_layer_without_a_body(board):
    model = bytearray(small_model())
    struct.pack_into("<I", model, 28 + 8 + 4, 0)
    put(board, bytes(model))
    assert run(board, f"tell(KPU.load, {SPARE})") == [
        "model size err",
        "ValueError: [MAIXPY]kpu: load error:2003, ERR_KMODEL_FORMAT: layer_header.body_size <=0"]


def test_2004_a_model_encrypted_for_another_board(board):
    put(board, struct.pack("<II", 0x2713, 64) + bytes(56))
    assert run(board, f"tell(KPU.load, {SPARE})") == [
        "encrypted model",
        "ValueError: [MAIXPY]kpu: load error:2004, ERR_DECRYPT: check smodel match with your "
        "board"]


def test_2003_an_encrypted_model_of_odd_size(board):
    put(board, struct.pack("<II", 0x2713, 60) + bytes(56))
    assert "error:2003" in run(board, f"tell(KPU.load, {SPARE})")[-1]


def test_2005_a_file_that_is_not_there_or_too_short(board):
    lines = run(board, "tell(KPU.load, '/flash/none.kmodel')\n"
                       "with open('/flash/x.kmodel', 'wb') as f: a = f.write(b'123')\n"
                       "tell(KPU.load, '/flash/x.kmodel')")
    assert [line for line in lines if "SPIFFS" not in line] == 2 * [
        "ValueError: [MAIXPY]kpu: load error:2005, ERR_READ_FILE: read file failed"]


def test_2006_a_model_larger_than_the_system_heap(board):
    model = bytearray(small_model())
    struct.pack_into("<I", model, 20, 4 << 20)  # main memory
    put(board, bytes(model))
    before, *rest, after = run(board, "from Maix import utils\nprint(utils.heap_free())\n"
                                      f"tell(KPU.load, {SPARE})\nprint(utils.heap_free())")
    assert rest[-1] == ("ValueError: [MAIXPY]kpu: load error:2006, ERR_NO_MEM: memory not enough")
    assert "SYSCALL: Out of memory" in "".join(rest)
    assert before == after, "a refused model leaves nothing behind"


def test_2007_and_2008_a_first_layer_that_is_no_convolution(board):
    put(board, dense_model())
    lines = run(board, f"t = KPU.load({SPARE})\n"
                       "tell(KPU.run_yolo2, t, picture())\ntell(KPU.forward, t, picture())\n"
                       "print(KPU.forward(t, [1, 2, 3, 4.5])[:])")
    assert lines[0] == lines[1] == "ValueError: [MAIXPY]kpu: first layer not conv layer!"
    assert lines[-1].startswith("(") and lines[-1].count(",") == 2


def test_2008_a_first_layer_the_driver_does_not_start(board):
    b = ModelBuilder((4, 1, 1), float_input=True)
    b.output(b.add_softmax(b.input))
    put(board, b.build())
    assert run(board, f"t = KPU.load({SPARE})\ntell(KPU.forward, t, [1, 2, 3, 4])") == [
        "OSError: ERR_RUN_MODEL: maybe model dirty"]


def test_2009_a_sixth_model(board):
    lines = run(board, f"l = [KPU.load({AT}) for _ in range(5)]\ntell(KPU.load, {AT})\n"
                       f"a = KPU.deinit(l[2])\nt = KPU.load({AT})\nprint('room again')")
    assert lines == [
        "ValueError: [MAIXPY]kpu: load error:2009, ERR_MODELS_FULL: we only support load 5 models "
        "in the same time", "room again"]


def v4_model(shared) -> bytes:
    return (shared / "models" / "mnist_v4.kmodel").read_bytes()


def test_2011_2012_2013_2014_a_v4_model_and_its_shapes(board, shared):
    put(board, v4_model(shared))
    lines = run(board, f"t = KPU.load({SPARE})\np = picture(112, 112, gray=True)\n"
                       "tell(KPU.forward, t, p)\nprint(KPU.set_outputs(t, 9, 1, 1, 10))\n"
                       "print(KPU.set_outputs(t, 0, 1, 1, 9))\n"
                       "print(KPU.set_outputs(t, 0, 1, 1, 10))\ntell(KPU.netinfo, t)\n"
                       "f = KPU.forward(t, p)\nprint(f.ch(), len(f[:]))")
    assert lines == [
        "OSError: ERR_OUTPUTS_SET: need kpu.set_outputs() to set shape",
        "[MAIXPY]kpu: set_outputs arg value error:kmodel output idx 9 out of range", "False",
        "w*h*ch!=40",
        "[MAIXPY]kpu: set_outputs arg value error: w,c,ch size not match output size", "False",
        "True", "OSError: 2014", "10 10"]


def test_2015_an_emodel(board):
    put(board, b"LDME" + struct.pack("<I", 64) + bytes(56))
    assert run(board, f"tell(KPU.load, {SPARE})") == [
        "ValueError: [MAIXPY]kpu: load error:2015, ERR_UNKNOWN"]


def test_set_outputs_of_a_v3_model(board):
    assert run(board, f"t = KPU.load({AT})\nprint(KPU.set_outputs(t, 0, 1, 1, 1))") == [
        "[MAIXPY]kpu: set_outputs ctx error, maybe init err:2002", "False"]


# --- arguments -------------------------------------------------------------------------
@pytest.mark.parametrize("call, answer", [
    ("KPU.load, 0", "ValueError: [MAIXPY]kpu: model_addr must > 0 "),
    ("KPU.load, -4", "ValueError: [MAIXPY]kpu: model_addr must > 0 "),
    ("KPU.load, True", "TypeError: [MAIXPY]kpu: only accept int or string"),
    ("KPU.load, 1.5", "TypeError: [MAIXPY]kpu: only accept int or string"),
    ("KPU.load, 'x.bin'", "ValueError: [MAIXPY]kpu: model format "
     "don't match, only supply .kmodel "),
    ("KPU.load", "TypeError: function missing 1 required positional arguments"),
    ("KPU.netinfo, 1, 2", "TypeError: function takes 1 positional arguments but 2 were given"),
    ("KPU.deinit, 1", "TypeError: [MAIXPY]kpu: kpu_net type error"),
    ("KPU.run_yolo2, 1, 2", "TypeError: [MAIXPY]kpu: kpu_net type error"),
    ("KPU.forward, 1, 2", "-> None"),
    ("KPU.init_yolo2, 1, 0.5, 0.3, 1, (1, 2)", "TypeError: [MAIXPY]kpu: kpu_net type error"),
    ("KPU.init_yolo2, t, 1.5, 0.3, 1, (1, 2)",
     "ValueError: [MAIXPY]kpu: threshold only support 0 to 1"),
    ("KPU.init_yolo2, t, 0.5, -1, 1, (1, 2)",
     "ValueError: [MAIXPY]kpu: nms_value only support 0 to 1"),
    ("KPU.init_yolo2, t, 0.5, 0.3, 0, ()", "ValueError: [MAIXPY]kpu: anchor_number should > 0"),
    ("KPU.init_yolo2, t, 0.5, 0.3, 2, (1, 2)",
     "ValueError: requested length 4 but object has length 2"),
    ("KPU.init_yolo2, t, 0.5, 0.3, 1, 7", "TypeError: object 'int' isn't a tuple or list"),
    ("KPU.run_yolo2, t, 5", "TypeError: Can't convert int to type"),
    ("KPU.forward, t, (1,)", "ValueError: input not support"),
    ("KPU.forward, t, []", "ValueError: [MAIXPY]kpu: check input list format err!"),
    ("KPU.load_flash, 1, 2, 3, 'x'",
     "ValueError: [MAIXPY]kpu: load_flash arg format error: task=kpu.load_flash(flash_addr, "
     "is_dual_buf, batch_size, spi_speed)"),
    ("KPU.face_encode, 1", "TypeError: object 'int' isn't a tuple or list"),
    ("KPU.face_encode, [0] * 513", "ValueError: feature dim <=200"),
    ("KPU.face_compare, b'12', b'1'", "ValueError: compare feature must in same dim!"),
])
def test_wrong_arguments(board, call, answer):
    run(board, f"t = KPU.load({AT})")
    assert run(board, f"tell({call})") == [answer.rstrip("\r\n")]


@pytest.mark.parametrize("picture, line", [
    ("image.Image(size=(16, 8))", "[MAIXPY]kpu: pix_ai is NULL!"),
    ("picture(32, 8)", "[MAIXPY]kpu: img w=32,h=8, but model w=16,h=8"),
    ("picture(gray=True)", "[MAIXPY]kpu: grayscale img, but model channel=3"),
])
def test_a_picture_that_does_not_fit(board, picture, line):
    assert run(board, f"t = KPU.load({AT})\np = {picture}\ntell(KPU.forward, t, p)") == [
        line, "ValueError: [MAIXPY]kpu: check img format err!"]


# --- running ---------------------------------------------------------------------------
def test_netinfo_prints_and_tells_the_layers(board):
    lines = run(board, f"t = KPU.load({AT})\ni = KPU.netinfo(t)\nprint(len(i))\nprint(i[0])\n"
                       "print(i[1].wi(), i[1].chi(), i[1].cho(), i[1].kernel_type(), i[0].dw())")
    assert [line.split(",")[0] for line in lines[:3]] == [
        "layer[0]: KL_K210_CONV", "layer[1]: KL_K210_CONV", "layer[2]: KL_DEQUANTIZE"]
    assert lines[3] == "3"
    assert lines[4].startswith('{"index":0, "type":KL_K210_CONV, "wi":16, "hi":8, "wo":8, "ho":4, '
                               '"chi":3, "cho":8, "dw":0, "kernel_type":1, "pool_type":1, ')
    assert lines[5] == "8 8 6 0 0"


def test_forward_to_a_layer_as_the_document_says(board):
    lines = run(board, f"t = KPU.load({AT})\nfrom Maix import utils\nfree = utils.heap_free\n"
                       "p = picture()\na = KPU.forward(t, p, 0)\n"
                       "print(a.w(), a.h(), a.ch(), a.size(), a.index())\n"
                       "b = KPU.forward(t, p, 1)\nprint(b.w(), b.h(), b.ch(), b.index())\n"
                       "c = KPU.forward(t, p, 2)\nprint(len(c[:]), type(c[0]))\n"
                       "m = KPU.fmap(a, 7)\nprint(m.width(), m.height(), m.format())\n"
                       "tell(KPU.fmap, a, 8)\ntell(KPU.fmap, c, 0)\n"
                       "print(KPU.fmap_free(a), KPU.fmap_free(a))\n"
                       "tell(KPU.forward, t, p, 3)\nprint(KPU.netinfo(t)[-1].index())")
    assert lines[:4] == ["8 4 8 256 0", "8 4 6 1", "192 <class 'float'>", "8 4 3"] or \
        lines[:3] == ["8 4 8 256 0", "8 4 6 1", "192 <class 'float'>"]
    assert "ValueError: [MAIXPY]kpu: ch err,input 0~8" in lines
    assert "ValueError: [MAIXPY]kpu: can't convet float fmap yet" in lines
    assert "None None" in lines
    assert any("end_layer 3, the model has layers 0 to 2" in line for line in lines)
    assert lines[-1] == "2", "the layer limit is for that call only"


def test_set_layers_as_the_firmware_does(board):
    lines = run(board, f"t = KPU.load({AT})\np = picture()\nprint(KPU.set_layers(t, 1))\n"
                       "f = KPU.forward(t, p)\nprint(f.w(), f.h(), f.ch(), f.size())\n"
                       "a = KPU.forward(t, p, 0)\nprint(f[0:20] == a[0:20])\n"
                       "print(KPU.set_layers(t, 9))\nprint(KPU.set_layers(t, 0))\n"
                       "print(len(KPU.forward(t, p)[:]))")
    assert lines == ["True", "8 4 8 255", "True", "err: set layers_length to 9, but max 3",
                     "False", "True", "192"]


def test_a_view_changes_with_the_next_run_and_writing_to_it_writes_there(board):
    lines = run(board, f"t = KPU.load({AT})\np = picture()\nf = KPU.forward(t, p)\na = f[:]\n"
                       "f[0] = 5.5\nprint(KPU.get_output(t, 0)[0])\ng = KPU.forward(t, p)\n"
                       "print(g[:] == a, f[:] == a)\nf[0:2] = 1.0\n"
                       "print(f[0], f[1], f[-1] == a[-1])\n"
                       "tell(lambda: f[192])\ntell(lambda: f['x'])\ntell(lambda: f[::2])")
    assert lines == ["5.5", "True True", "1.0 1.0 True", "IndexError: kpu_fmap index out of range",
                     "TypeError: kpu_fmap indices must be integers, not str",
                     "OSError: only slices with step=1 (aka None) are supported"]


def test_the_outcome_is_that_of_the_model_on_the_host(board):
    from k210sim import KModel

    lines = run(board, f"t = KPU.load({AT})\np = picture()\nb = bytearray(16 * 8 * 3)\n"
                       "print(list(KPU.forward(t, p)[:])[0:50])")
    pixels = np.zeros((3, 8, 16), np.uint8)
    pixels[:, 2:6, 2:6] = 255
    expected = KModel.from_bytes(small_model()).run(pixels)[0].reshape(-1)[:50]
    assert np.array(eval(lines[0]), np.float32) == pytest.approx(expected, rel=1e-5)


def test_time_passes_by_the_forecast_of_the_chip(board):
    from k210sim import KModel

    lines = run(board, f"import time\nt = KPU.load({AT})\np = picture()\na = time.ticks_us()\n"
                       "for _ in range(100): x = KPU.forward(t, p)\n"
                       "print(time.ticks_diff(time.ticks_us(), a))")
    forecast_us = KModel.from_bytes(small_model()).forecast().total_ms * 1000
    assert int(lines[0]) / 100 == pytest.approx(forecast_us, rel=0.2, abs=20)


def test_load_from_a_file(board):
    lines = run(board, "import uos\nd = bytearray(65536)\nn = 0\n"
                       f"from Maix import utils\nd = utils.flash_read({AT}, 8000)\n"
                       "with open('/flash/m.kmodel', 'wb') as f: n = f.write(d)\n"
                       "t = KPU.load('/flash/m.kmodel')\n"
                       "print(t.model_addr(), t.model_path(), t.model_size() == n)\nprint(t)")
    assert lines[0] == "None /flash/m.kmodel True"
    assert lines[1] == ('{"model_addr": 0, "model_size": 8000, "model_path": "/flash/m.kmodel", '
                        '"net_args": "(null)"}')


def test_load_flash_runs_a_byte_reversed_model(board):
    put(board, swap_words(small_model()))
    lines = run(board, f"t = KPU.load({AT})\nu = KPU.load_flash({SPARE}, 1, 0xC000, 60000000)\n"
                       "p = picture()\nprint(KPU.forward(t, p)[:] == KPU.forward(u, p)[:])\n"
                       f"tell(KPU.load_flash, {AT}, 0, 0, 60000000)")
    assert lines == ["SPI freq 66666666 Hz", "True", "SPI freq 66666666 Hz",
                     "ValueError: [MAIXPY]kpu: load_flash error:2002, ERR_KMODEL_VERSION: only "
                     "support kmodel V3/V4 now"]


def test_yolo_arguments_and_nothing_found(board):
    lines = run(board, f"t = KPU.load({AT})\nprint(KPU.init_yolo2(t, 0.5, 0.3, 2, (1, 2, 3, 4)))\n"
                       "a = t.net_arg()\nprint(a.threshold(), a.anchor_number(), a.anchor())\n"
                       "print(a)\nprint(KPU.deinit(t), KPU.deinit(t), t.net_arg())\n"
                       "tell(KPU.netinfo, t)\ntell(KPU.forward, t, picture())")
    assert lines[:2] == ["True", "0.5 2 (1.0, 2.0, 3.0, 4.0)"]
    assert lines[2] == ('{"threshold":0.500000, "nms_value":0.300000, "anchor_number":2, '
                        '"anchor":"(1.000000, 2.000000, 3.000000, 4.000000)"}')
    assert lines[3:5] == ["True True None", "ValueError: get layer num error!"]
    assert lines[5].startswith("OSError: [k210sim]kpu.forward: deinitialised")


def test_a_collected_net_says_so_and_gives_its_memory_back(board):
    lines = run(board, "from Maix import utils\nfree = utils.heap_free\n"
                       "def use():\n    x = [KPU.load(%d) for _ in range(5)]\n"
                       "    return free()\na = free()\nb = use()\nx = [None] * 20\n"
                       "gc.collect()\nprint(0 <= a - free() < 132 * 1024, a > b)\n"
                       "tell(KPU.load, 1)\ngc.collect()" % AT)
    assert lines.count("kpu_net __del__") >= 5
    assert "True True" in lines


def test_features_are_encoded_and_compared(board):
    lines = run(board, "e = KPU.face_encode([0.1, -0.1, 0.25, 0.2499, -0.3, 0.0])\nprint(e)\n"
                       "print(KPU.face_compare(bytes((1, 0)), bytes((1, 1))))\n"
                       "print(KPU.face_compare([1, 0], [1, 1]), KPU.face_compare(e, e))")
    assert lines == ["bytearray(b'3\\xcd\\x80\\x7f\\x80\\x00')", "85.35534", "85.35534 100.0"]


def test_memory_is_told_alike_everywhere(board):
    lines = run(board, "import micropython\nfrom Maix import utils\ngc.collect()\n"
                       "print(gc.mem_free() + gc.mem_alloc())\nKPU.memtest()\n"
                       "print(utils.heap_free() // 1024)")
    assert lines[0] == "518144"
    assert lines[1].startswith("###free gc heap memory : ") and lines[1].endswith(" KB")
    assert lines[2] == "###free sys heap memory: %s KB" % lines[3]
