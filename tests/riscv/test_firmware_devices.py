"""Released firmware draws on the LCD, takes a picture, finds a face and uses an SD card through its
own drivers.

The files are known by their SHA-256, see test_firmware.py; the face model and the picture are
shared material too.
"""

from __future__ import annotations

import ast
import re

import numpy as np
import pytest

from k210sim import Board
from k210sim.kpu.model import KModel
from k210sim.kpu.pictures import find_boxes, load_input
from k210sim.sd import fat_layout as fat
from k210sim.sd.cards import MemoryCard
from k210sim.sd.fat import FatVolume
from k210sim.sd.fat_format import format_card
from k210sim.sd.slot import SdSlot
from tests.conftest import SHARED
from tests.riscv.test_firmware import firmware

pytestmark = pytest.mark.slow

RELEASES = {
    "v0.6.3": "6dde2d59adc344ee0c7f96300528b4feff5e36c160f5cc0066016389394f15fa",
    "v0.6.3 openmv": "a7364cdd147c35ad3e36eca24d1cae5557049be16202e37996aba5a1a12416b1",
    "v0.6.2-84 openmv": "6e6c778e2f50cfad4763d3708bb5b1660393852f6db2ce912bd661254ac89d6c",
    "v0.6.2-84": "edbdd364c2a2ab0fe25cc944d2dfc46fdf9ec112217450b88d34276cd3c769f7",
    "v0.5.0": "2d24e326f605980e6e77b4aa1190cddbf7273565f770692046b03b235fc292de",
}
MODEL = SHARED / "models" / "face_model_at_0x300000.kfpkg"
PICTURE = SHARED / "images" / "faces_31.jpg"
PROGRAM = """\
import sensor, lcd, KPU
lcd.init(); sensor.reset(); a = sensor.set_pixformat(sensor.RGB565)
sensor.set_framesize(sensor.QVGA); a = sensor.run(1)
task = KPU.load(0x300000)
a = KPU.init_yolo2(task, 0.5, 0.3, 5, (1.889, 2.5245, 2.9465, 3.94056, 3.99987, 5.3658, 5.155437, 6.92275, 6.718375, 9.01025))
img = sensor.snapshot(); a = lcd.display(img); found = KPU.run_yolo2(task, img)
"""  # noqa: E501


def typed(board: Board, line: str, timeout: float = 120) -> str:
    """What the board prints when a line is typed at its prompt."""
    board.serial.write(line.encode() + b"\r\n")
    board.expect(rb"\r\n", timeout)
    return board.expect(rb"([\s\S]*?)>>> $", timeout).group(1).decode("latin-1")


@pytest.fixture(scope="module", params=RELEASES)
def board(request):
    if not PICTURE.exists():
        pytest.skip(f"{PICTURE} is not there")
    board = Board(engine="riscv", camera=PICTURE)
    board.flash(firmware(RELEASES[request.param]), 0, name="maixpy.bin")
    board.flash(MODEL)
    board.power_on(wait=False)
    board.expect(rb">>> $", 300)
    yield board
    board.close()


def test_the_lcd_shows_what_is_drawn(board):
    typed(board, "import lcd")
    typed(board, "lcd.init(); lcd.clear(lcd.RED)")
    assert (board.lcd.pixels() == 0xF800).all()
    typed(board, "lcd.rotation(2); lcd.draw_string(0, 0, 'I', lcd.WHITE, lcd.BLUE)")
    turned = board.lcd.pixels()[::-1, ::-1]
    assert set(np.unique(turned[:12, :8])) == {0xFFFF, 0x001F}
    assert (turned[12:, 8:] == 0xF800).all()


def test_a_face_is_found_as_on_the_builtin_engine(board):
    builtin = Board(camera=PICTURE)
    try:
        builtin.flash(MODEL)
        builtin.power_on()
        expected = ast.literal_eval(builtin.exec(PROGRAM + "print(found)").stdout.splitlines()[-1])
        seen = builtin.lcd.pixels()
    finally:
        builtin.close()
    for line in PROGRAM.splitlines():
        text = typed(board, line)
        assert "Error" not in text, text
    found = ast.literal_eval(typed(board, "found").strip())
    assert len(found) == len(expected) == 1
    for name in ("x", "y", "w", "h"):
        assert abs(found[0][name] - expected[0][name]) <= 1
    assert found[0]["classid"] == expected[0]["classid"]
    assert abs(found[0]["value"] - expected[0]["value"]) < 0.02
    assert np.array_equal(board.lcd.pixels(), seen)


def test_kpu_memtest_prints(board):
    typed(board, "import KPU")
    text = typed(board, "KPU.memtest()")
    assert re.search(r"free gc heap memory ?: \d+ KB\s+.*free sys heap memory ?: ?\d+ KB", text)


def test_the_openmv_build_runs_a_kmodel_of_version_4():
    model, picture = SHARED / "models" / "20class_v4.kmodel", SHARED / "images" / "dog.bmp"
    if not picture.exists():
        pytest.skip(f"{picture} is not there")
    net = KModel.from_file(model)
    anchors = (1.08, 1.19, 3.42, 4.41, 6.63, 11.38, 9.42, 5.11, 16.62, 10.52)
    output = net.run(load_input(picture, net.input_shape, "uint8"))[0]
    expected = find_boxes(net, output, anchors)
    board = Board(engine="riscv", camera=picture)
    try:
        board.flash(firmware(RELEASES["v0.6.3 openmv"]), 0, name="maixpy.bin")
        board.flash(model, 0x300000)
        board.power_on(wait=False)
        board.expect(rb">>> $", 300)
        for line in PROGRAM.splitlines()[:4]:
            typed(board, line)
        assert "True" in typed(board, "KPU.set_outputs(task, 0, 10, 7, 125)")
        typed(board, f"a = KPU.init_yolo2(task, 0.5, 0.3, 5, {anchors})")
        typed(board, "found = KPU.run_yolo2(task, sensor.snapshot())")
        found = ast.literal_eval(typed(board, "found").strip())
    finally:
        board.close()
    assert len(found) == len(expected) == 2
    for one, other in zip(found, expected, strict=True):
        assert max(abs(one[name] - getattr(other, name)) for name in "xywh") <= 1
        assert one["classid"] == other.classid and abs(one["value"] - other.value) < 1e-3


def test_other_peripherals_through_the_drivers_of_v0_6_3():
    """Strict: no register is used that nobody modelled."""
    board = Board(engine="riscv", clock="virtual", strict=True)
    try:
        board.flash(firmware(RELEASES["v0.6.3"]), 0, name="maixpy.bin")
        board.power_on(wait=False)
        board.expect(rb">>> $", 300)
        typed(board, "import uhashlib, ucryptolib, time; from machine import Timer, I2C")
        typed(board, "from Maix import GPIO, FFT, I2S; from fpioa_manager import fm")
        for line, answer in (
            ("a = uhashlib.sha256(b'abc').digest()", ""),
            ("a == uhashlib.sha256().calculate_hard(b'abc')", "True"),
            ("aes = lambda: ucryptolib.aes(b'k' * 16, ucryptolib.MODE_CBC, b'i' * 16)", ""),
            ("aes().decrypt(aes().encrypt(b'A' * 64)) == b'A' * 64", "True"),
            ("b = bytearray(256); b[0] = 100; FFT.run(b, 64, 0)[40]", "(100, 0)"),
            ("fm.register(10, fm.fpioa.GPIOHS0); p = GPIO(GPIO.GPIOHS0, GPIO.OUT); p.value(1)", ""),
            ("p.value()", "1"),
            ("fm.register(11, fm.fpioa.GPIO1); GPIO(GPIO.GPIO1, GPIO.IN, GPIO.PULL_UP).value()",
             "1"),
            ("fm.register(20, fm.fpioa.I2C0_SCLK); fm.register(21, fm.fpioa.I2C0_SDA)", ""),
            ("I2C(I2C.I2C0, freq=100000, scl=20, sda=21).scan()", "[]"),
            ("x = I2S(I2S.DEVICE_0); a = x.channel_config(x.CHANNEL_0, x.RECEIVER)", ""),
            ("a = x.set_sample_rate(16000); t = time.ticks_ms(); a = x.record(1600)"
             "; x.wait_record(); t = time.ticks_ms() - t", ""),
            ("49 <= t <= 51", "True"),  # left and right, word by word
            ("n = []; f = lambda t: n.append(time.ticks_ms())", ""),
            ("t = Timer(0, 0, mode=Timer.MODE_PERIODIC, period=50, callback=f)", ""),
            ("time.sleep_ms(240); t.stop(); [b - a for a, b in zip(n, n[1:])]", "[50, 50, 50]"),
            ("from Maix import MIC_ARRAY as m; m.init()",
             "Microphone Array Arithmetic, Developed by Canaan, Port by Sipeed\r\r\nTrue"),
            ("set(m.get_map().to_bytes()), m.get_dir(m.get_map()) == (0,) * 12", "({0}, True)"),
            ("m.set_led((1,) * 12, (0, 0, 255)), m.deinit()", "(True, True)"),
            ("import machine; from machine import PWM, SPI, UART, WDT", ""),
            ("t = Timer(Timer.TIMER1, Timer.CHANNEL2, mode=Timer.MODE_PWM)", ""),
            ("w = PWM(t, freq=100000, duty=30, pin=17); (w.freq(), w.duty())", "(100000, 30)"),
            ("d = I2C(I2C.I2C1, freq=100000, scl=22, sda=23)", ""),
            ("s = SPI(SPI.SPI1, mode=SPI.MODE_MASTER, baudrate=10000000, sck=28, mosi=29, "
             "miso=30, cs0=27); s.read(3)", "b'\\xff\\xff\\xff'"),
            ("u = UART(UART.UART1, 115200, timeout=50); u.write('hello'), u.read(5)", "(5, None)"),
            ("n = []; w = WDT(1, 200, lambda w: n.append(w.feed()), {}); time.sleep_ms(700)"
             "; w.stop(); len(n)", "4"),  # each 161 ms: the chip's period below 200
            ("machine.reset_cause()", "0"),
        ):  # fmt: skip
            assert typed(board, line).strip() == answer, line
        assert "OSError: [Errno 5] EIO" in typed(board, "d.writeto(0x24, b'123')")
        high = sum(board._engine.call(lambda: pad_after_a_microsecond(board)) for _ in range(200))
        assert 50 <= high <= 70  # 30 of 100
        board.serial.write(b"machine.reset()\r")
        board.expect(rb"init end[\s\S]*>>> $", 300)
        typed(board, "import machine")
        assert typed(board, "machine.reset_cause()").strip() == "1"
    finally:
        board.close()


def test_wired_drivers_of_v0_6_3_hear_each_other():
    wires = ((10, 12), (11, 13), (20, 22), (30, 31))
    board = Board(engine="riscv", clock="virtual", wires=wires)
    try:
        board.flash(firmware(RELEASES["v0.6.3"]), 0, name="maixpy.bin")
        board.power_on(wait=False)
        board.expect(rb">>> $", 300)
        for line, answer in (
            ("from machine import I2C, UART; from Maix import GPIO", ""),
            ("from fpioa_manager import fm", ""),
            ("got = []; n = [0x30]; f = lambda: n.append(n[-1] + 1) or n[-1]", ""),
            ("s = I2C(I2C.I2C1, mode=I2C.MODE_SLAVE, scl=12, sda=13, addr=0x24, addr_size=7, "
             "on_receive=got.append, on_transmit=f, on_event=lambda e: got.append((e,)))", ""),
            ("m = I2C(I2C.I2C0, freq=100000, scl=10, sda=11); m.writeto(0x24, b'hello')", "5"),
            ("import time; time.sleep_ms(5); got", "[(0,), 104, 101, 108, 108, 111, (2,)]"),
            ("m.readfrom(0x24, 5)", "b'12345'"),
            ("fm.register(20, fm.fpioa.GPIOHS0); fm.register(22, fm.fpioa.GPIOHS1)", ""),
            ("o = GPIO(GPIO.GPIOHS0, GPIO.OUT); i = GPIO(GPIO.GPIOHS1, GPIO.IN); o.value(1)", ""),
            ("i.value(), o.value(0), i.value()", "(1, None, 0)"),
            ("fm.register(30, fm.fpioa.UART1_TX, force=True)"
             "; fm.register(31, fm.fpioa.UART2_RX, force=True)", ""),
            ("a = UART(UART.UART1, 115200); b = UART(UART.UART2, 115200)", ""),
            ("a.write('over the wire' * 4); time.sleep_ms(50); b.read() == b'over the wire' * 4",
             "52\r\nTrue"),
        ):  # fmt: skip
            assert typed(board, line).strip() == answer, line
    finally:
        board.close()


def pad_after_a_microsecond(board: Board) -> int:
    """The level of the PWM's pad."""
    board.clock.advance_ns(1_010)
    return board._engine.machine.chip.pins.level(17)


@pytest.fixture(params=["image", "folder"])
def card(request, tmp_path):
    """What --sd takes, holding hello.txt."""
    path = tmp_path / "card"
    if request.param == "folder":
        path.mkdir()
        (path / "hello.txt").write_text("from the host")
        return path
    memory = MemoryCard(65536)
    format_card(memory)
    path.write_bytes(memory._data)
    slot = SdSlot(path)
    file = FatVolume(slot, partition=1).open("/hello.txt", fat.WRITE | fat.CREATE_ALWAYS)
    file.write(b"from the host")
    file.close()
    slot.eject()
    return path


@pytest.mark.parametrize("release", ["v0.6.3", "v0.5.0"])
def test_files_go_both_ways_on_an_sd_card(card, release):
    board = Board(engine="riscv", sd=card)
    try:
        board.flash(firmware(RELEASES[release]), 0, name="maixpy.bin")
        board.power_on(wait=False)
        board.expect(rb">>> $", 300)
        typed(board, "import os")
        assert "hello.txt" in ast.literal_eval(typed(board, "os.listdir('/sd')").strip())
        assert typed(board, "print(open('/sd/hello.txt').read())") == "from the host\r\n"
        typed(board, "f = open('/sd/new.txt', 'w')")
        typed(board, "a = f.write('from the device' * 200); f.close()")
    finally:
        board.close()
    if card.is_dir():
        assert (card / "new.txt").read_text() == "from the device" * 200
    else:
        slot = SdSlot(card)
        file = FatVolume(slot, partition=1).open("/new.txt", fat.READ)
        assert file.read(9999) == b"from the device" * 200
        file.close()
        slot.eject()
