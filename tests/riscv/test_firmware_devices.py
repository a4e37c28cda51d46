"""Released firmware draws on the LCD, takes a picture, finds a face and uses an SD card through its
own drivers.

The files are known by their SHA-256, see test_firmware.py; the face model and the picture are
shared material too.
"""

from __future__ import annotations

import ast

import numpy as np
import pytest

from k210sim import Board
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
