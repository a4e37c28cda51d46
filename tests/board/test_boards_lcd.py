"""Every board with its own panel: what its firmware sets up and what a user then sees."""

import json
import logging

import numpy as np
import pytest
from click.testing import CliRunner

from k210sim.board.board import Board
from k210sim.board.profiles import PROFILES
from k210sim.cli import exec as exec_command
from k210sim.errors import ConfigError
from k210sim.lcd import panel as panels

# What programs for the board call first.
SET_UP = {
    "m5stickv": "import lcd, image\nlcd.init(type=3)\nlcd.rotation(2)\n",
}
USUAL = "import lcd, image\nlcd.init()\n"
# Red, green and blue marks in three corners of white.
PICTURE = """
w, h = lcd.width(), lcd.height()
img = image.Image(size=(w, h))
img.draw_rectangle(0, 0, w, h, color=(255, 255, 255), fill=True)
img.draw_rectangle(0, 0, 20, 10, color=(255, 0, 0), fill=True)
img.draw_rectangle(w - 20, 0, 20, 10, color=(0, 255, 0), fill=True)
img.draw_rectangle(0, h - 10, 20, 10, color=(0, 0, 255), fill=True)
lcd.display(img)
print(w, h, lcd.type())
"""


@pytest.fixture(params=list(PROFILES))
def board(request):
    with Board(board=request.param) as made:
        yield made


def run(board, code):
    result = board.exec(code, timeout=20)
    assert result.ok, result.error
    return result.stdout


def test_a_picture_stands_upright_and_fills_the_panel(board):
    name = board.profile.name
    width, height = board.profile.lcd_size
    printed = run(board, SET_UP.get(name, USUAL) + PICTURE)
    assert printed.split() == [str(width), str(height), str(board.profile.lcd_type)]
    seen = board.lcd.image()
    assert seen.size == (width, height) == board.lcd.size
    expected = np.full((height, width, 3), 255, np.uint8)
    expected[:10, :20] = (255, 0, 0)
    expected[:10, -20:] = (0, 255, 0)
    expected[-10:, :20] = (0, 0, 255)
    # The stick's firmware writes one line beyond the glass, so the first line is not seen and the
    # last one keeps what it showed before.
    shifted = 1 if name == "m5stickv" else 0
    seen = np.asarray(seen)
    assert np.array_equal(seen[: height - shifted], expected[shifted:])


def test_board_info_knows_the_pins_where_the_firmware_writes_a_configuration(board):
    settings = board.profile.config()
    code = "from Maix import config\nprint(config.get_value('board_info', None))"
    found = run(board, code).strip()
    if not settings:
        assert found == "None"
    else:
        assert json.loads(found.replace("'", '"')) == dict(board.profile.pins)


def test_the_bus_clock_is_the_one_the_firmware_is_built_with(board):
    printed = run(board, SET_UP.get(board.profile.name, USUAL) + "print(lcd.freq())")
    assert int(printed) == (40_000_000 if board.profile.name == "m5stickv" else 15_000_000)


def test_sizes_agree():
    for profile in PROFILES.values():
        assert getattr(panels, profile.panel).size == profile.lcd_size


def test_the_amigo_without_its_configuration_still_sets_its_panel_up():
    with Board(board="amigo") as board:
        run(board, "import os\nos.remove('/flash/config.json')")
        board.reset()
        assert run(board, USUAL + PICTURE).split() == ["480", "320", "1"]
        assert board.lcd.image().getpixel((0, 0)) == (255, 0, 0)
        run(board, "lcd.rotation(0)\nlcd.bgr_to_rgb(False)\nlcd.clear((255, 0, 0))")
        assert board.lcd.image().getpixel((0, 0)) == (0, 0, 255)


def test_the_other_data_lines_reach_nothing_and_a_warning_says_so(caplog):
    with caplog.at_level(logging.WARNING, "k210sim"), Board(board="m5stickv") as board:
        run(board, USUAL + "lcd.clear(lcd.RED)")
        assert not board.lcd.pixels().any()
    assert "nothing will be seen" in caplog.text


def test_a_factory_board_of_each_kind_keeps_its_model_and_files():
    with Board("factory:", board="amigo", run_main=False) as board:
        assert set(run(board, "import os\nprint(*sorted(os.listdir('/flash')))").split()) >= {
            "config.json", "main.py"}  # fmt: skip


def test_help_and_refusal_name_all_boards():
    text = " ".join(CliRunner().invoke(exec_command.command, ["--help"]).output.split())
    assert "bit (default), dock, go, duino, amigo, m5stickv, kd233." in text
    with pytest.raises(ConfigError) as refused:
        Board(board="cube")
    assert str(refused.value) == f"board 'cube': expected one of {', '.join(PROFILES)}"
