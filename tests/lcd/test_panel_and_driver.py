"""The LCD panel and its driver."""

import numpy as np
import pytest

from k210sim.clock import Clock
from k210sim.imaging import formats
from k210sim.lcd import Driver, Panel, PanelKind
from k210sim.lcd import panel as chip

RED, GREEN, BLUE, WHITE = 0xF800, 0x07E0, 0x001F, 0xFFFF


@pytest.fixture
def lcd():
    driver = Driver(Panel(), Clock())
    driver.init()
    return driver


def corners(panel):
    seen = panel.pixels()
    return [int(seen[0, 0]), int(seen[0, -1]), int(seen[-1, 0]), int(seen[-1, -1])]


def marked(width=320, height=240):
    """White with red, green and blue in three corners."""
    image = np.full((height, width), WHITE, np.uint16)
    image[0, 0], image[0, -1], image[-1, 0] = RED, GREEN, BLUE
    return image


def test_nothing_shows_before_the_display_is_on():
    panel = Panel()
    panel.memory[:] = WHITE
    assert not panel.pixels().any()
    assert panel.image().size == (320, 240)


def test_display_is_upright_after_init(lcd):
    lcd.display(marked())
    assert corners(lcd.panel) == [RED, GREEN, BLUE, WHITE]
    assert lcd.panel.image().getpixel((0, 0)) == (255, 0, 0)


@pytest.mark.parametrize(
    "rotation,expected",
    [
        (0, [RED, GREEN, BLUE, WHITE]),
        (1, [BLUE, RED, WHITE, GREEN]),
        (2, [WHITE, BLUE, GREEN, RED]),
        (3, [GREEN, WHITE, RED, BLUE]),
    ],
)
def test_rotation_turns_clockwise(lcd, rotation, expected):
    lcd.set_rotation(rotation)
    assert (lcd.width, lcd.height) == ((240, 320) if rotation & 1 else (320, 240))
    lcd.display(marked(lcd.width, lcd.height))
    assert corners(lcd.panel) == expected


def test_mirror_stays_until_a_rotation(lcd):
    lcd.set_mirror(True)
    lcd.display(marked())
    assert corners(lcd.panel) == [GREEN, RED, WHITE, BLUE]
    lcd.set_mirror(False)
    lcd.display(marked())
    assert corners(lcd.panel) == [GREEN, RED, WHITE, BLUE]
    lcd.set_rotation(0)
    lcd.display(marked())
    assert corners(lcd.panel) == [RED, GREEN, BLUE, WHITE]


def test_small_pictures_are_centred_on_black(lcd):
    lcd.clear(GREEN)
    lcd.display(np.full((11, 20), RED, np.uint16))
    seen = lcd.panel.pixels()
    rows, columns = np.nonzero(seen == RED)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (114, 124, 150, 169)
    assert np.count_nonzero(seen) == 220


def test_large_pictures_are_cut_at_their_middle(lcd):
    image = np.zeros((300, 400), np.uint16)
    image[30:270, 40:360] = BLUE
    lcd.display(image)
    assert (lcd.panel.pixels() == BLUE).all()


def test_offset_leaves_the_rest(lcd):
    lcd.clear(GREEN)
    lcd.display(np.full((10, 10), RED, np.uint16), offset=(300, 235))
    seen = lcd.panel.pixels()
    assert np.count_nonzero(seen == RED) == 10 * 5
    assert np.count_nonzero(seen == GREEN) == 320 * 240 - 50


def test_region(lcd):
    lcd.display(marked(), roi=(0, 0, 2, 1), offset=(5, 6))
    assert lcd.panel.pixels()[6, 5:8].tolist() == [RED, WHITE, 0]


def test_gray_shows_in_64_steps_and_an_odd_last_pixel_is_missing(lcd):
    image = np.full((3, 3), 255, np.uint8)
    image[0, 0] = 130
    lcd.display(image, offset=(0, 0))
    seen = lcd.panel.pixels()
    assert seen[0, 0] == 16 << 11 | 32 << 5 | 16
    assert seen[2, 1] == WHITE and seen[2, 2] == 0


def test_fill_leaves_an_odd_last_pixel(lcd):
    lcd.fill(10, 10, 13, 13, RED)
    assert np.count_nonzero(lcd.panel.pixels()) == 8
    lcd.fill(0, 0, 0, 5, RED)
    assert np.count_nonzero(lcd.panel.pixels()) == 8


def test_draw_string_has_a_background_and_is_cut(lcd):
    lcd.draw_string(300, 0, b"WWWWWWWW", WHITE, BLUE)
    seen = lcd.panel.pixels()
    columns = np.flatnonzero(seen.any(0))
    assert (columns[0], columns[-1]) == (300, 315)
    assert set(np.unique(seen)) == {0, WHITE, BLUE}
    before = lcd.panel.writes
    lcd.draw_string(320, 0, b"W", WHITE)
    lcd.draw_string(0, 305, b"W", WHITE)
    assert lcd.panel.writes == before


def test_inversion_shows_or_is_needed():
    driver = Driver(Panel(), Clock())
    driver.init(invert=True)
    assert (driver.panel.pixels() == WHITE).all()
    driver = Driver(Panel(PanelKind(inverted=True)), Clock())
    driver.init(invert=True, colour=RED)
    assert (driver.panel.pixels() == RED).all()


def test_red_and_blue_exchanged(lcd):
    lcd.clear(RED)
    lcd.set_bgr(True)
    assert (lcd.panel.pixels() == BLUE).all()
    lcd.set_rotation(2)
    assert lcd.panel.access & chip.BGR
    lcd.set_bgr(False)
    assert (lcd.panel.pixels() == RED).all()


def test_a_frame_takes_its_time_on_the_bus(lcd):
    def cost(action):
        start = lcd.clock.now_ns
        action()
        return (lcd.clock.now_ns - start) / 1e6

    image = marked()
    assert cost(lambda: lcd.display(image)) == pytest.approx(153600 / 15000, rel=0.01)
    lcd.set_freq(20_000_000)
    assert cost(lambda: lcd.display(image)) == pytest.approx(153600 / 20000, rel=0.01)
    lcd.init(parallel=False, freq=20_000_000)
    assert cost(lambda: lcd.display(image)) == pytest.approx(8 * 153600 / 20000, rel=0.01)


def test_init_takes_a_third_of_a_second():
    clock = Clock()
    Driver(Panel(), clock).init()
    assert 0.29e9 < clock.now_ns < 0.31e9


def test_raw_commands_wrap_in_their_window():
    panel = Panel()
    for code, data in (
        (chip.SLEEP_OUT, b""),
        (chip.DISPLAY_ON, b""),
        (chip.MEMORY_ACCESS, bytes([chip.MV | chip.MY])),
        (chip.COLUMN_ADDRESS, bytes([0, 4, 0, 5])),
        (chip.PAGE_ADDRESS, bytes([0, 1, 0, 2])),
        (chip.PIXEL_FORMAT, b"\x55"),
        (chip.MEMORY_WRITE, formats.to_memory(np.array([[1, 2, 3, 4, 5]], np.uint16))),
    ):
        panel.command(code, data)
    assert panel.pixels()[1:3, 4:6].tolist() == [[5, 2], [3, 4]]
    panel.command(chip.COLUMN_ADDRESS, bytes([0, 9, 0, 2]))
    panel.command(chip.MEMORY_WRITE, b"\1\2")  # the ends are crossed: dropped
    assert np.count_nonzero(panel.pixels()) == 4


def test_smaller_screens_use_offsets():
    driver = Driver(Panel(), Clock())
    driver.init(width=240, height=135, offsets=(0, 0, 40, 52))
    driver.clear(RED)
    rows, columns = np.nonzero(driver.panel.pixels() == RED)
    assert (columns.min(), columns.max(), rows.min(), rows.max()) == (40, 279, 52, 186)


@pytest.mark.parametrize("access", range(0, 0x100, 0x20))
def test_whole_windows_and_single_pixels_land_alike(access):
    """A window written at once takes another way than one written in two parts."""
    random = np.random.RandomState(access)
    one, two = Panel(), Panel()
    for box in ((0, 0, 9, 7), (200, 100, 239, 319), (230, 230, 250, 250), (0, 0, 239, 239)):
        count = (box[2] - box[0] + 1) * (box[3] - box[1] + 1)
        pixels = random.randint(1, 65536, count)
        for panel in (one, two):
            panel.command(chip.MEMORY_ACCESS, bytes([access]))
            panel.window(*box)
        one.write(pixels)
        two.write(pixels[:5])
        two.write(pixels[5:])
        assert np.array_equal(one.memory, two.memory)


def test_state_comes_back(lcd):
    lcd.display(marked())
    state = lcd.panel.state()
    other = Panel()
    other.load_state(state)
    assert np.array_equal(other.pixels(), lcd.panel.pixels())
    with pytest.raises(ValueError, match="version"):
        other.load_state({**state, "version": 99})


def test_a_program_may_choose_another_pixel_format(lcd):
    lcd.register(chip.PIXEL_FORMAT, b"\x66")
    lcd.fill(0, 0, 4, 3, 0xFC80)  # 24 bytes: eight pixels of three
    seen = lcd.panel.pixels()[:3, :4].ravel()
    assert [hex(v) for v in seen[:4]] == ["0xfc1f", "0x87f0", "0xfc1f", "0x87f0"]
    assert np.count_nonzero(seen) == 8
    other = Panel()
    other.load_state(lcd.panel.state())
    assert other.bits == 18
    lcd.init()
    assert lcd.panel.bits == 16
