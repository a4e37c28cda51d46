"""Guest calls that find something given, what they cost, and snapshots with pictures about."""

import numpy as np
import pytest
from picture_vm import PictureVm

from k210sim import Board
from k210sim.errors import NotSimulated
from k210sim.imaging import bmp
from k210sim.imaging.tag_families import FAMILIES


@pytest.fixture(scope="module")
def guest():
    guest = PictureVm(4 << 20)
    guest.files["/flash/tag.bmp"] = bmp.encode(tag_picture(586))
    guest.run('import image\ntag = image.Image("/flash/tag.bmp")\n')
    return guest


def tag_picture(number, cell=7, margin=20):
    family = FAMILIES[16]
    cells = np.full((10, 10), 255, np.uint8)
    cells[1:-1, 1:-1] = 0
    for i in range(36):
        if int(family.codes[number]) >> (35 - i) & 1:
            cells[2 + i // 6, 2 + i % 6] = 255
    return np.pad(np.kron(cells, np.ones((cell, cell), np.uint8)), margin, constant_values=255)


def test_tags(guest):
    guest.run("(t,) = tag.find_apriltags()")
    assert guest.run("print(t.id(), t.family() == image.TAG36H11, t.hamming())") == "586 True 0\n"
    assert guest.run("print(t[4], t[0:4] == t.rect(), len(t.corners()))") == "586 True 4\n"
    names = [part.split(":")[0].strip('"') for part in guest.run("print(t)").split(", ")]
    assert names[:6] == ['{"x', "y", "w", "h", "id", "family"] and len(names) == 18
    assert guest.run("print(tag.find_apriltags(roi=(0, 0, 3, 90)))") == "[]\n"
    assert "64K pixels" in guest.error("image.Image(size=(320, 240)).find_apriltags()")
    with pytest.raises(NotSimulated, match="TAG36H10"):
        guest.run("tag.find_apriltags(families=image.TAG36H10 | image.TAG36H11)")


def test_rectangles(guest):
    guest.run(
        "i = image.Image(size=(80, 60))\n"
        "i.draw_rectangle(20, 15, 40, 30, color=(255, 255, 255), fill=True)\n"
        "(r,) = i.find_rects(threshold=9000)"
    )
    x, y, w, h = eval(guest.run("print(r.rect())"))
    assert abs(x - 20) < 3 and abs(y - 15) < 3 and abs(w - 40) < 4 and abs(h - 30) < 4
    assert guest.run("print(r.magnitude() == r[4] > 9000, len(r.corners()))") == "True 4\n"
    assert guest.run("print(i.find_rects(threshold=10000000))") == "[]\n"
    assert "Out of Memory" in guest.error("image.Image(size=(600, 400)).find_rects()")


def test_templates(guest):
    guest.run("t = tag.copy(roi=(40, 40, 16, 16))")
    assert guest.run("print(tag.find_template(t, 0.9, step=4))") == "(40, 40, 16, 16)\n"
    assert guest.run("print(tag.find_template(t, 1.5))") == "None\n"
    assert "smaller than template" in guest.error("tag.find_template(t, 0.9, roi=(0, 0, 9, 9))")
    with pytest.raises(NotSimulated, match="step=0"):
        guest.run("tag.find_template(t, 0.9, step=0)")


def test_regression(guest):
    guest.run("i = image.Image(size=(80, 60))\ni.draw_line(0, 10, 79, 10, color=(255, 255, 255))")
    assert guest.run("print(i.get_regression([(50, 100)]))") == "None\n"  # its box has no area
    guest.run("i.draw_line(0, 11, 79, 11, color=(255, 255, 255))")
    line = eval(guest.run("print(i.get_regression([(50, 100)]).line())"))
    assert line[0] == 0 and line[2] == 79 and all(7 <= y <= 11 for y in line[1::2])
    assert guest.run("print(i.get_regression([]), i.get_regression([(50, 60)]))") == "None None\n"
    assert "y_stride" in guest.error("i.get_regression([(0, 9)], y_stride=0)")


def test_binary_patterns_and_their_files(guest):
    guest.run("a = tag.find_lbp((0, 0, 70, 70))\nb = tag.find_lbp((30, 30, 70, 70))")
    assert guest.run("print(a, image.match_descriptor(a, a))") == "{} 0\n"
    assert int(guest.run("print(image.match_descriptor(a, b))")) > 0
    assert guest.run('print(image.save_descriptor(a, "/flash/a.lbp"))') == "True\n"
    assert len(guest.files["/flash/a.lbp"]) == 4 + 7 * 7 * 59
    load = 'image.load_descriptor("/flash/a.lbp")'
    assert guest.run(f"print(image.match_descriptor({load}, a))") == "0\n"
    assert "different types" in guest.error("image.match_descriptor(a, tag)")
    guest.files["/flash/bad.lbp"] = b"\0\0\0\0short"
    assert "not supported" in guest.error('image.load_descriptor("/flash/bad.lbp")')
    with pytest.raises(NotSimulated, match="7 x 7"):
        guest.run("tag.find_lbp((0, 0, 6, 50))")


def test_pictures_that_must_be_coloured(guest):
    for call in ("chrominvar()", "illuminvar()"):
        assert "not supported" in guest.error(f"tag.{call}")
        guest.run(f"c = image.Image(size=(20, 20))\nc.{call}")


def test_methods_take_time(guest):
    guest.run("small = image.Image(size=(40, 30))\nlarge = image.Image(size=(160, 120))")

    def took(code):
        guest.run("pass")
        before = guest.vm.clock.now_ns
        guest.run(code)
        return guest.vm.clock.now_ns - before

    assert 10 < took("large.mean(1)") / took("small.mean(1)") < 17
    assert 2 < took("large.mean(2)") / took("large.mean(1)") < 3
    assert took("large.find_circles()") > took("large.find_lines()") > took("large.invert()")


SETUP = """
import sensor, image, lcd
lcd.init()
sensor.reset()
sensor.set_pixformat(sensor.RGB565)
sensor.set_framesize(sensor.QQVGA)
sensor.run(1)
frame = sensor.snapshot()
own = image.Image(size=(40, 30))
own.draw_rectangle(3, 3, 20, 16, color=(255, 0, 0), fill=True)
own.pix_to_ai()
blobs, found = own.find_blobs([(20, 100, 20, 127, 0, 127)]), own.find_rects()
histogram, packed = own.get_histogram(), own.copy().compress()
lcd.display(frame)
"""
QUESTION = """
print(frame.get_pixel(5, 5), own.get_pixel(5, 5), own.get_pixel(0, 0), blobs, found)
print(histogram.get_statistics(), packed, len(packed.to_bytes()))
again = sensor.snapshot()
print(again, again.get_pixel(80, 60))
own.clear()
own.ai_to_pix()
print(own.get_pixel(5, 5))
lcd.display(own)
"""


def test_a_snapshot_keeps_pictures_camera_and_panel():
    with Board() as board:
        out = board.exec(SETUP)
        assert out.ok, out.error
        snapshot, shown = board.snapshot(), np.array(board.lcd.image())
        first = board.exec(QUESTION)
        assert first.ok, first.error
        after = np.array(board.lcd.image())
        assert board.exec(
            "own.clear()\nframe.clear()\nsensor.set_vflip(1)\nsensor.set_framesize(sensor.QVGA)\n"
            "sensor.snapshot()\nlcd.clear((9, 200, 9))\ndel blobs, packed"
        ).ok
        board.restore(snapshot)
        assert (np.array(board.lcd.image()) == shown).all()
        assert board.exec(QUESTION).stdout == first.stdout
        assert (np.array(board.lcd.image()) == after).all()
        with Board() as other:
            other.restore(snapshot)
            assert (np.array(other.lcd.image()) == shown).all()
            assert other.exec(QUESTION).stdout == first.stdout


def test_shadows(guest):
    guest.run(
        "now = image.Image(size=(30, 20))\nnow.draw_rectangle(0, 0, 30, 20, color=(200, 160, 80),"
        " fill=True)\nthen = now.copy()\n"
        "now.draw_rectangle(3, 3, 8, 8, color=(120, 96, 48), fill=True)\n"
        "now.draw_rectangle(15, 3, 8, 8, color=(40, 32, 16), fill=True)\n"
        "dark = now.get_pixel(17, 5)\nnow.remove_shadows(then)"
    )
    same = "now.get_pixel(5, 5) == then.get_pixel(5, 5), now.get_pixel(17, 5) == dark"
    pixels = guest.run(f"print({same})")
    assert pixels == "True True\n"
    same = "then.copy().remove_shadows().get_pixel(5, 5) == then.get_pixel(5, 5)"
    assert guest.run(f"print({same})") == "True\n"
    with pytest.raises(NotSimulated, match="beyond its memory"):
        guest.run("now.remove_shadows()")
    assert "not supported" in guest.error("tag.remove_shadows()")
