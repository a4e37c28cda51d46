"""The published face detection script with its published model, on a picture with known faces.

Expected figures: the golden of the same model and picture (vendor's reference kernels).
"""

from __future__ import annotations

import json

import numpy as np
import pytest

from k210sim.flash import program
from tests.modules.picture_vm import PictureVm

# The public example's calls, with one round instead of an endless loop.
FACE_FIND = """
import sensor, image, lcd
import KPU as kpu
lcd.init()
sensor.reset()
sensor.set_pixformat(sensor.RGB565)
sensor.set_framesize(sensor.QVGA)
sensor.run(1)
task = kpu.load(0x300000)
anchor = (1.889, 2.5245, 2.9465, 3.94056, 3.99987, 5.3658, 5.155437, 6.92275, 6.718375, 9.01025)
a = kpu.init_yolo2(task, 0.5, 0.3, 5, anchor)
img = sensor.snapshot()
code = kpu.run_yolo2(task, img)
if code:
    for i in code:
        print(i)
        a = img.draw_rectangle(i.rect())
a = lcd.display(img)
a = kpu.deinit(task)
"""


@pytest.fixture
def guest(shared) -> PictureVm:
    made = PictureVm(source=str(shared / "images" / "faces_31.jpg"))
    return made


@pytest.mark.parametrize("source, addr", [
    ("face_model_at_0x300000.kfpkg", None), ("face_v3.kmodel", 0x300000),
])  # fmt: skip
def test_face_find(guest, shared, source, addr):
    parts = program.plan(str(shared / "models" / source), addr)
    program.apply(guest.vm.board.flash, parts)
    found = [json.loads(line) for line in guest.run(FACE_FIND).splitlines() if line[0] == "{"]
    assert len(found) == 1
    (face,) = found
    assert abs(face["value"] - 0.712) < 0.0005
    assert abs((face["x"] + face["w"] / 2) / 320 - 0.17) < 0.01
    assert abs((face["y"] + face["h"] / 2) / 240 - 0.23) < 0.01
    assert (face["classid"], face["index"], face["objnum"]) == (0, 0, 1)
    shown = guest.panel.pixels()
    assert np.array_equal(shown, guest.image().pixels)
    assert (shown[face["y"], face["x"] : face["x"] + face["w"]] == 0xFFFF).all()


def test_the_net_sees_what_the_golden_run_saw(guest, shared):
    """Pillow's scaling, planes in the order red, green, blue: byte for byte."""
    guest.run("import sensor\nsensor.reset()\nsensor.set_pixformat(sensor.RGB565)\n"
              "sensor.set_framesize(sensor.QVGA)\nimg = sensor.snapshot()")
    with np.load(shared / "golden" / "face_v3.npz") as golden:
        assert np.array_equal(guest.image().planes, golden["in_img"])
