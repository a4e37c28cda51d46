"""The `lcd` module: what the panel shows after its calls, its errors and its memory."""

from __future__ import annotations

import numpy as np
import pytest

from k210sim.errors import NotSimulated
from tests.modules.picture_vm import PictureVm

RED, GREEN, BLUE, WHITE = 0xF800, 0x07E0, 0x001F, 0xFFFF


@pytest.fixture
def guest():
    made = PictureVm()
    made.run("import lcd, image\nlcd.init()")
    return made


def test_before_init():
    made = PictureVm()
    assert made.run("import lcd, image\nprint(lcd.width(), lcd.height(), lcd.type(), lcd.deinit(), "
                    "lcd.clear(), lcd.display(image.Image()))") == "None None None None None None\n"
    assert made.error("lcd.draw_string(0, 0, 'a')") == "ValueError: not init"
    assert made.error("lcd.fill_rectangle(0, 0, 1, 1, 0)") == "ValueError: not init"
    for call in ("rotation(1)", "mirror(1)", "direction(0)", "freq()", "bgr_to_rgb(1)"):
        name = call.split("(")[0]
        assert made.error("lcd." + call) == (
            f"OSError: [k210sim]lcd.{name}: call lcd.init first; on the board this reads a null "
            "pointer")
    assert not made.panel.pixels().any()


def test_init_clears_to_a_colour_in_memory_order():
    made = PictureVm()
    for colour, shown in (("lcd.RED", RED), ("(0, 255, 0)", GREEN), ("(-5, 0, 999)", BLUE)):
        made.run(f"import lcd\nlcd.init(type=1, freq=20000000, color={colour})")
        assert (made.panel.pixels() == shown).all()
    assert made.run("print(lcd.width(), lcd.height(), lcd.type(), lcd.freq(), lcd.rotation(), "
                    "lcd.mirror(), lcd.set_backlight(1), lcd.get_backlight())") == \
        "320 240 1 15000000 0 0 None None\n"


def test_init_takes_290_ms_and_a_screenful_of_the_system_heap():
    made = PictureVm()
    before = made.vm.clock.now_ns
    made.run("import lcd\nlcd.init()")
    assert 0.29e9 < made.vm.clock.now_ns - before < 0.36e9
    assert list(made.vm.system_heap.asked.values()) == [153600]
    made.run("lcd.init(width=240, height=240)")
    assert list(made.vm.system_heap.asked.values()) == [115200]
    made.run("lcd.deinit()")
    assert not made.vm.system_heap.asked


@pytest.mark.parametrize("arguments, text", [
    ("9", "ValueError: type error"),
    ("colour=3", "TypeError: extra keyword arguments given"),
    ("color='a'", "TypeError: object 'str' isn't a tuple or list"),
    ("color=(1, 2)", "ValueError: requested length 3 but object has length 2"),
    ("width=2000, height=2000", "OSError: [Errno 12] ENOMEM"),
])  # fmt: skip
def test_refused_init(arguments, text):
    assert PictureVm().error(f"import lcd\nlcd.init({arguments})") == text


@pytest.mark.parametrize("arguments", ["type=5", "lcd_type=1"])
def test_other_panels_are_named_as_not_simulated(arguments):
    with pytest.raises(NotSimulated, match="lcd.init"):
        PictureVm().run(f"import lcd\nlcd.init({arguments})")


def test_the_board_configuration_overrides_arguments():
    made = PictureVm()
    made.run("settings = {'type': 'x', 'lcd': {'invert': True, 'width': 240}}\nimport lcd")
    made.vm.config = made.vm.keep(made.global_word("settings"))
    made.run("lcd.init(color=lcd.RED, width=100)\nprint(lcd.width(), lcd.height())")
    assert made.output == b"240 240\n"
    assert made.panel.inverted
    made.run("settings['lcd']['width'] = 'a'")
    assert made.error("lcd.init()") == "TypeError: can't convert str to int"


@pytest.mark.parametrize("arguments, pins", [
    ("", "(37, 38, 36, 39)"), ("rst=1, clk=2", "(1, 38, 36, 2)"), ("3", "(21, 20, 22, 19)"),
])  # fmt: skip
def test_init_gives_the_pins_their_functions(arguments, pins):
    assert PictureVm().run(
        f"import lcd\nfrom Maix import FPIOA\nlcd.init({arguments})\nf = FPIOA()\n"
        "print(tuple(f.get_Pin_num(n) for n in (f.GPIOHS30, f.GPIOHS31, f.SPI0_SS3, "
        "f.SPI0_SCLK)))") == pins + "\n"


def test_clear_takes_its_colour_by_position_only(guest):
    guest.run("lcd.clear(lcd.WHITE)")
    assert (guest.panel.pixels() == WHITE).all()
    guest.run("lcd.clear((255, 0, 0))")
    assert (guest.panel.pixels() == RED).all()
    guest.run("lcd.clear(color=lcd.BLUE)")
    assert not guest.panel.pixels().any()


def test_display_shows_a_picture_as_it_is(guest):
    guest.run("img = image.Image()\nimg.clear()\nimg.draw_rectangle(0, 0, 20, 10, (255, 0, 0), 1, "
              "True)\nimg[7] = (0, 255, 0)\nlcd.display(img)")
    assert np.array_equal(guest.panel.pixels(), guest.image().pixels)
    assert guest.panel.pixels()[0, 7] == GREEN and guest.panel.pixels()[9, 19] == RED


def test_display_centres_small_and_cuts_large_pictures(guest):
    guest.run("lcd.clear(lcd.WHITE)\nimg = image.Image(size=(100, 50))\nfor i in range(5000): "
              "img[i] = (0, 0, 255)\nlcd.display(img)")
    expected = np.zeros((240, 320), np.uint16)
    expected[95:145, 110:210] = BLUE
    assert np.array_equal(guest.panel.pixels(), expected)
    guest.run("lcd.clear(lcd.WHITE)\nlcd.display(img, oft=(10, 20))")
    expected[:] = WHITE
    expected[20:70, 10:110] = BLUE
    assert np.array_equal(guest.panel.pixels(), expected)
    guest.run("big = image.Image(size=(400, 260))\nbig.clear()\nbig.draw_cross(200, 130)\n"
              "lcd.display(big)")
    assert np.array_equal(guest.panel.pixels(), guest.image("big").pixels[10:250, 40:360])


def test_display_of_a_region_and_of_gray(guest):
    guest.run("img = image.Image(size=(64, 32))\nimg.clear()\nimg[64 * 3 + 5] = (255, 0, 0)\n"
              "lcd.clear(lcd.GREEN)\nlcd.display(img, roi=(4, 2, 8, 8), oft=(0, 0))")
    shown = guest.panel.pixels()
    assert shown[1, 1] == RED and not shown[0, :8].any() and (shown[8:] == GREEN).all()
    guest.run("g = img.to_grayscale()\ng[0] = 255\nlcd.display(g, oft=(2, 2))")
    assert guest.panel.pixels()[2, 2] == WHITE


@pytest.mark.parametrize("call, text", [
    ("display(7)", "TypeError: Can't convert int to type"),
    ("display(image.Image().compress())", "OSError: Image format is not supported."),
    ("display(image.Image(), roi=(1, 2, 3))",
     "ValueError: requested length 4 but object has length 3"),
    ("display(image.Image(), roi=(0, 0, 0, 0))", "OSError: Invalid ROI dimensions!"),
    ("display(image.Image(), oft=3)", "TypeError: object 'int' isn't a tuple or list"),
    ("rotation(4)", "ValueError: value:[0,3]"),
    ("bgr_to_rgb()", "ValueError: True or False"),
    ("fill_rectangle(0, 0, 320, 10, 0)", "ValueError: arg error"),
    ("draw_string(0, 0, 7)", "TypeError: can't convert 'int' object to str implicitly"),
    ("fill_rectangle(0, 0)", "TypeError: function missing 1 required positional arguments"),
])  # fmt: skip
def test_refused_calls(guest, call, text):
    assert guest.error("lcd." + call) == text


def test_fill_rectangle_reaches_all_but_the_last_row_and_column(guest):
    guest.run("lcd.fill_rectangle(10, 20, 30, 40, lcd.GREEN)\n"
              "lcd.fill_rectangle(0, 0, 5, 4, (255, 255, 255))\n"
              "lcd.fill_rectangle(0, 238, 319, 1, lcd.RED)")
    expected = np.zeros((240, 320), np.uint16)
    expected[20:60, 10:40], expected[:4, :5] = GREEN, WHITE
    expected[238, :318] = RED  # of an odd number of pixels the last is not written
    assert np.array_equal(guest.panel.pixels(), expected)


def test_draw_string_uses_cells_of_8_by_12_and_cuts_at_the_edge(guest):
    guest.run("img = image.Image()\nimg.clear()\n"
              "img.draw_string(16, 30, 'Hi?', (255, 255, 255), mono_space=1)\n"
              "lcd.draw_string(16, 30, 'Hi?', lcd.WHITE)")
    assert np.array_equal(guest.panel.pixels(), guest.image().pixels)
    guest.run("lcd.clear()\nlcd.draw_string(290, 0, 'WWWWWWWW', lcd.RED, lcd.BLUE)")
    shown = guest.panel.pixels()
    assert (shown[:12, 290:314] != 0).all() and not shown[:, 314:].any() and not shown[12:].any()
    assert set(np.unique(shown)) == {0, RED, BLUE}


def test_draw_string_gives_its_memory_back_but_not_off_the_screen(guest):
    blocks = len(guest.vm.system_heap.asked)
    guest.run("lcd.draw_string(0, 0, 'abc')")
    assert len(guest.vm.system_heap.asked) == blocks
    guest.run("lcd.draw_string(400, 0, 'abc')")
    assert len(guest.vm.system_heap.asked) == blocks + 2  # a leak of the firmware


@pytest.mark.parametrize("turn", range(4))
def test_rotation_turns_the_picture_by_quarters(guest, turn):
    assert guest.run(f"print(lcd.rotation({turn}), lcd.width(), lcd.height())") == \
        f"{turn} " + ("240 320\n" if turn & 1 else "320 240\n")
    w, h = (240, 320) if turn & 1 else (320, 240)
    guest.run(f"img = image.Image(size=({w}, {h}))\nimg.clear()\nimg[3] = (255, 0, 0)\n"
              f"img[{w} * 5] = (0, 255, 0)\nlcd.display(img)")
    shown, drawn = guest.panel.pixels(), guest.image().pixels
    turned = [np.rot90(drawn, k) for k in range(4)]
    assert any(np.array_equal(shown, t) for t in turned)
    if turn in (0, 2):
        assert np.array_equal(shown, turned[turn])


def test_mirror_is_switched_on_at_once_and_off_at_the_next_rotation(guest):
    guest.run("img = image.Image()\nimg.clear()\nimg.draw_line(0, 0, 100, 20)")
    drawn = guest.image().pixels
    guest.run("print(lcd.mirror(True))\nlcd.display(img)")
    mirrored = guest.panel.pixels()
    assert guest.output == b"1\n" and np.array_equal(mirrored, drawn[:, ::-1])
    guest.run("print(lcd.mirror(False))\nlcd.display(img)")
    assert guest.output == b"0\n" and np.array_equal(guest.panel.pixels(), mirrored)
    guest.run("lcd.rotation(0)\nlcd.display(img)")
    assert np.array_equal(guest.panel.pixels(), drawn)


def test_bgr_register_and_direction(guest):
    guest.run("lcd.bgr_to_rgb(True)\nlcd.clear(lcd.RED)")
    assert (guest.panel.pixels() == BLUE).all()
    guest.run("lcd.bgr_to_rgb(False)\nlcd.clear(lcd.RED)\nlcd.register(0x21, [])")
    assert (guest.panel.pixels() == ~np.uint16(RED)).all()
    guest.run("lcd.register(0x20, 0)\nlcd.register(0x36, [0x20])")
    assert guest.panel.access == 0x20 and not guest.panel.inverted
    guest.run("lcd.direction(lcd.YX_RLDU)")
    assert guest.panel.access == 0xA0


def test_the_screen_outlives_a_soft_reset(guest):
    guest.run("lcd.clear(lcd.RED)")
    guest.vm.start()
    assert guest.run("import lcd\nprint(lcd.width())") == "320\n"
    assert (guest.panel.pixels() == RED).all()
