"""The `sensor` module: lines, errors, frame buffers, and what snapshots show."""

from __future__ import annotations

import numpy as np
import pytest

from k210sim.errors import NotSimulated
from tests.modules.picture_vm import SYSTEM_HEAP, PictureVm

SET_UP = (
    "import sensor\nsensor.reset(%s)\nsensor.set_pixformat(sensor.%s)\n"
    "sensor.set_framesize(sensor.%s)\n"
)


def set_up(pixformat="RGB565", size="QVGA", options="", **kind) -> PictureVm:
    guest = PictureVm(**kind)
    guest.run(SET_UP % (options, pixformat, size))
    return guest


class Numbers:
    """A camera source whose picture tells the frame's number: red is eight times that."""

    def view(self, number, width, height):
        picture = np.zeros((height, width, 3), np.uint8)
        picture[:] = 8 * number & 0xFF, 8, 16
        return picture


def test_reset_names_the_chip_it_finds():
    bus = "init i2c:2 freq:100000\r\n"
    found = "[MAIXPY]: find ov2640\n[MAIXPY]: find ov sensor\n"
    assert PictureVm().run("import sensor\nsensor.reset()") == bus + found
    gc = PictureVm(chip="gc0328").run("import sensor\nsensor.reset(freq=20000000)")
    assert gc == bus + "[MAIXPY]: sensor id = 9d\n[MAIXPY]: find gc0328\n"


def test_a_board_without_camera_says_so_and_every_later_call_fails():
    guest = PictureVm(chip=None)
    assert guest.error("import sensor\nsensor.reset()") == "OSError: Reset Failed"
    assert guest.output.decode().endswith("[MAIXPY]: no sensor\n")
    assert guest.error("sensor.set_framesize(sensor.QVGA)") == "OSError: [Errno 5] EIO"
    assert guest.error("sensor.set_pixformat(2)") == "OSError: Pixel format is not supported!"
    assert guest.error("sensor.snapshot()") == "TypeError: not found sensor"
    assert guest.error("sensor.set_vflip(1)") == "ValueError: Sensor control failed!"
    assert guest.run("print(sensor.get_id(), sensor.set_contrast(0), sensor.run(1))") == \
        "0 False True\n"


def test_choice_limits_the_search_to_other_makers():
    guest = PictureVm()
    assert guest.error("import sensor\nsensor.reset(choice=2)") == "OSError: Reset Failed"


def test_reset_gives_the_pins_their_functions():
    guest = set_up()
    assert guest.run("from Maix import FPIOA\nf = FPIOA()\nprint([f.get_Pin_num(n) for n in ("
                     "f.CMOS_PCLK, f.CMOS_XCLK, f.CMOS_HREF, f.CMOS_PWDN, f.CMOS_VSYNC, "
                     "f.CMOS_RST, f.I2C2_SCLK, f.I2C2_SDA)])") == \
        "[47, 46, 45, 44, 43, 42, 41, 40]\n"


def test_frame_buffers_come_from_the_system_heap():
    guest = PictureVm()
    heap = guest.vm.system_heap
    guest.run(SET_UP % ("", "RGB565", "QVGA"))
    assert sorted(heap.asked.values()) == [153600, 230400]
    guest.run("sensor.set_framesize(sensor.QQSIF)")
    assert sorted(heap.asked.values()) == [(88 * 60 * 2 + 127) // 128 * 128, 88 * 60 * 3 + 32]
    guest.run("sensor.reset(dual_buff=True)")
    assert not heap.asked
    guest.run("sensor.set_framesize(sensor.QVGA)")
    assert sorted(heap.asked.values()) == [153600, 153600, 230400, 230400]
    guest.run("sensor.deinit()")
    assert not heap.asked


def test_too_large_a_frame_is_enomem_and_leaves_nothing_behind():
    guest = set_up()
    assert guest.error("sensor.set_framesize(sensor.UXGA)") == "OSError: [Errno 12] ENOMEM"
    assert not guest.vm.system_heap.asked
    assert guest.error("sensor.snapshot()") == "RuntimeError: Not init!"


def test_snapshot_is_an_image_over_the_buffer():
    guest = set_up()
    assert guest.run("img = sensor.snapshot()\nprint(img, sensor.width(), sensor.height())") == \
        '{"w":320, "h":240, "type"="rgb565", "size":153600} 320 240\n'
    image = guest.image()
    frame = guest.camera.capture(guest.camera._taken)
    assert np.array_equal(image.pixels, frame.pixels)
    assert np.array_equal(image.planes, frame.planes)
    low, high = SYSTEM_HEAP
    assert low <= guest.vm.address_of(image.planes) < high
    guest.run("img = sensor.snapshot()")
    assert image.pixels is guest.image().pixels


@pytest.mark.parametrize("options, shared", [("", True), ("dual_buff=True", False)])
def test_the_next_snapshot_overwrites_the_former_with_one_buffer(options, shared):
    guest = PictureVm(source="scene")
    guest.camera.source = Numbers()
    guest.run(SET_UP % (options, "RGB565", "QQVGA"))
    first, then, second = guest.run(
        "a = sensor.snapshot()\nprint(a[0][0])\nb = sensor.snapshot()\nprint(a[0][0])\n"
        "print(b[0][0])").split()
    assert (then == second) is shared
    assert (then == first) is not shared
    guest.run("for i in range(8): b = sensor.snapshot()")
    assert (guest.image("a").pixels == guest.image("b").pixels).all() == shared


def test_grayscale_pictures_are_the_first_plane():
    guest = set_up("GRAYSCALE", "QQVGA")
    assert guest.run("img = sensor.snapshot()\nprint(img)") == \
        '{"w":160, "h":120, "type"="grayscale", "size":19200}\n'
    image = guest.image()
    assert image.planes.shape == (1, 120, 160)
    guest.run("img.set_pixel(3, 2, 200)")
    assert image.planes[0, 2, 3] == 200
    assert guest.run("print(bytes(img)[2 * 160 + 3])") == "200\n"


def test_bytes_of_a_snapshot_are_big_endian_rgb565():
    guest = set_up(size="QQQQVGA")
    data = eval(guest.run("img = sensor.snapshot()\nprint(bytes(img))"))
    assert data == guest.image().pixels.astype(">u2").tobytes()


def test_windowing_keeps_the_reported_size():
    guest = set_up()
    assert guest.run(
        "print(sensor.set_windowing((224, 224)))\nimg = sensor.snapshot()\n"
        "print(img.width(), img.height(), sensor.width(), sensor.height())") == \
        "True\n224 224 320 240\n"
    whole = guest.camera.source.view(guest.camera._taken, 320, 240)
    # the OV2640's driver cannot move the window: the upper left part, as the firmware gives
    assert np.array_equal(guest.image().planes, whole[:224, :224].transpose(2, 0, 1))


@pytest.mark.parametrize("roi, text", [
    ("(1, 2, 3)", "The tuple/list must either be (x, y, w, h) or (w, h)"),
    ("(4, 64)", "The selected window is too small"),
    ("(16, 0, 320, 240)", "The selected window is outside the bounds of the frame"),
    ("(100, 64)", "value must be multiple of 8"),
])  # fmt: skip
def test_bad_windows(roi, text):
    assert set_up().error(f"sensor.set_windowing({roi})") == "ValueError: " + text


def test_a_stopped_sensor_times_out_after_300_ms():
    guest = set_up()
    guest.run("sensor.run(0)")
    before = guest.vm.clock.now_ns
    assert guest.error("sensor.snapshot()") == "RuntimeError: Sensor timeout!"
    assert 300_000_000 <= guest.vm.clock.now_ns - before < 310_000_000
    assert guest.error("sensor.skip_frames(2)") == "RuntimeError: Sensor Timeout!!"
    assert guest.run("sensor.run(1)\nprint(sensor.snapshot().width())") == "320\n"
    guest.run("sensor.shutdown(True)")
    assert guest.error("sensor.snapshot()") == "RuntimeError: Sensor timeout!"
    assert guest.run("sensor.shutdown(False)\nprint(sensor.snapshot().width())") == "320\n"


def test_frames_take_their_time():
    guest = set_up(size="QQVGA")
    guest.run("sensor.skip_frames(3)")
    start, number = guest.vm.clock.now_ns, guest.camera._taken
    guest.run("sensor.skip_frames(24)")
    assert guest.camera._taken - number in (24, 25)  # a frame that has begun is not taken
    assert 0.95e9 < guest.vm.clock.now_ns - start < 1.1e9
    start = guest.vm.clock.now_ns
    guest.run("sensor.skip_frames(time=500)\nsensor.skip_frames(100, time=500)\n")
    assert 1.0e9 <= guest.vm.clock.now_ns - start < 1.1e9


def test_calls_in_the_wrong_order():
    guest = PictureVm()
    guest.run("import sensor\nprint(sensor.get_fb())\nsensor.reset()")
    assert guest.error("sensor.snapshot()") == "RuntimeError: Not init!"
    guest.run("sensor.set_framesize(sensor.QQVGA)")
    assert "no pixel format was set" in guest.error("sensor.snapshot()")
    assert guest.run("sensor.set_pixformat(sensor.YUV422)\nprint(sensor.get_fb())\n"
                     "sensor.snapshot()\nprint(sensor.get_fb())") == \
        'None\n{"w":160, "h":120, "type"="rgb565", "size":38400}\n'


@pytest.mark.parametrize("call, text", [
    ("set_framerate(7)", "ValueError: Invalid framerate"),
    ("set_framerate(30)", "ValueError: Fail"),
    ("set_gainceiling(3)", "ValueError: Invalid gainceiling"),
    ("set_pixformat(1)", "OSError: Pixel format is not supported!"),
    ("set_pixformat(2, True)", "ValueError: arg err"),
    ("set_framesize(99)", "OSError: [k210sim]sensor.set_framesize: size 99, expected 1 to 26; the "
                          "board reads beyond its table"),
    ("set_jb_quality(1.5)", "ValueError: must be int"),
    ("sleep(1)", "OSError: Sleep Failed"),
])  # fmt: skip
def test_refused_settings(call, text):
    assert set_up(size="QQVGA").error("sensor." + call) == text


def test_settings_answer_as_the_chips_driver_does():
    results = "print(%s)" % ", ".join(
        f"sensor.{call}" for call in (
            "set_brightness(2)", "set_brightness(3)", "set_contrast(-3)", "set_saturation(-4)",
            "set_gainceiling(16)", "set_special_effect(0)", "set_lens_correction(1, 2, 3)",
            "set_colorbar(0)", "set_auto_gain(0, gain_db=3)", "set_auto_exposure(1)",
            "set_auto_whitebal(0, (1, 2, 3))", "get_rgb_gain_db()"))  # fmt: skip
    assert set_up(size="QQVGA").run(results) == \
        "True False True False True False False True None None None (0.0, 0.0, 0.0)\n"
    assert set_up(size="QQVGA", chip="gc0328").run(results) == \
        "True True False False True False False True None None None (0.0, 0.0, 0.0)\n"


def test_mirror_and_flip_turn_the_picture():
    guest = set_up(size="QQVGA")
    guest.camera.source.view = lambda *_: view
    view = np.random.RandomState(3).randint(0, 256, (120, 160, 3)).astype(np.uint8)
    guest.run("img = sensor.snapshot()")
    assert np.array_equal(guest.image().planes, view.transpose(2, 0, 1))
    guest.run("sensor.set_hmirror(1)\nsensor.set_vflip(1)\nimg = sensor.snapshot()")
    assert np.array_equal(guest.image().planes, view[::-1, ::-1].transpose(2, 0, 1))


def test_registers_are_kept_by_bank_and_unknown_ones_not_invented():
    guest = set_up(size="QQVGA")
    assert guest.run("sensor.__write_reg(0xff, 1)\nsensor.__write_reg(0x10, 7)\n"
                     "print(sensor.__read_reg(0x10), sensor.__read_reg(0xff))") == "7 1\n"
    for call in ("__write_reg(0xff, 0)\nsensor.__read_reg(0x10)", "get_gain_db()",
                 "binocular_reset()"):
        with pytest.raises(NotSimulated):
            guest.run("sensor." + call)


def test_the_driver_outlives_a_soft_reset():
    guest = set_up()
    guest.vm.start()
    assert guest.run("import sensor\nprint(sensor.snapshot().size())") == "153600\n"


def test_a_snapshot_costs_64_bytes_of_the_gc_heap():
    guest = set_up(size="QQVGA")
    assert guest.run(
        "import gc\nimg = None\ngc.collect()\na = gc.mem_free()\nimg = sensor.snapshot()\n"
        "gc.collect()\nprint(a - gc.mem_free() >= 64, a - gc.mem_free() < 160)") == "True True\n"
