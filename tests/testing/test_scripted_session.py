"""The scripted session of the README, with the real runtime, model and picture."""

from __future__ import annotations

ANCHORS = (
    "(1.889, 2.5245, 2.9465, 3.94056, 3.99987, 5.3658, 5.155437, 6.92275, 6.718375, 9.01025)"
)


def test_face_is_found_and_framed(k210_board_factory, shared):
    board = k210_board_factory(camera=shared / "images" / "faces_31.jpg")
    board.flash(shared / "models" / "face_model_at_0x300000.kfpkg")
    board.exec("import KPU, sensor, lcd\nlcd.init()\nsensor.reset()\nsensor.run(1)")
    board.exec("sensor.set_pixformat(sensor.RGB565)\nsensor.set_framesize(sensor.QVGA)")
    board.exec(f"t = KPU.load(0x300000)\nKPU.init_yolo2(t, 0.5, 0.3, 5, {ANCHORS})")
    board.exec("img = sensor.snapshot()\nfaces = KPU.run_yolo2(t, img)")
    board.serial.write(b"x = img.draw_rectangle(faces[0].rect()); lcd.display(img); faces[0]\r")
    board.expect(rb'"value":0.71')
    x, y = 45, 41
    assert board.lcd.image().getpixel((x, y)) == (255, 255, 255)
