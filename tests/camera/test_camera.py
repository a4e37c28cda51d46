"""The camera: frames, their timing, mirrors and windows."""

import numpy as np
import pytest

from k210sim.camera import Camera, open_source
from k210sim.clock import Clock


class Numbered:
    """A source whose pictures tell their frame number, column and row."""

    def view(self, frame, width, height):
        view = np.zeros((height, width, 3), np.uint8)
        view[:, :, 0] = frame & 0xFF
        view[:, :, 1] = np.arange(width)[None, :] % 256
        view[:, :, 2] = np.arange(height)[:, None]
        return view


@pytest.fixture
def camera():
    camera = Camera(Clock(), Numbered())
    camera.reset()
    camera.set_framesize(320, 240)
    camera.run(True)
    return camera


def test_a_frame_has_pixels_and_planes(camera):
    frame = camera.snapshot()
    assert frame.pixels.shape == (240, 320) and frame.pixels.dtype == np.uint16
    assert frame.planes.shape == (3, 240, 320) and frame.planes.dtype == np.uint8
    assert frame.planes[:, 100, 200].tolist() == [0, 200, 100]
    assert frame.pixels[100, 200] == 200 >> 2 << 5 | 100 >> 3


def test_gray_frames_are_their_own_plane(camera):
    camera.gray = True
    frame = camera.snapshot()
    assert frame.pixels.dtype == np.uint8 and frame.planes.shape == (1, 240, 320)
    assert frame.pixels[100, 200] == round(0.587 * 200 + 0.114 * 100)


def test_mirror_flip_and_window(camera):
    camera.hmirror = camera.vflip = True
    camera.set_window(0, 0, 8, 16)
    frame = camera.snapshot()
    assert frame.pixels.shape == (16, 8)
    assert frame.planes[1:, 0, 0].tolist() == [319 % 256, 239]
    camera.set_framesize(160, 120)
    assert camera.snapshot().pixels.shape == (120, 160)


def test_one_buffer_waits_for_a_frame_from_its_start(camera):
    period = camera.period_ns
    start = camera.clock.now_ns
    assert camera.snapshot().number == 0
    assert camera.clock.now_ns - start == period
    camera.clock.advance_ns(period // 10)  # a little work: the frame that began is lost
    assert camera.snapshot().number == 2
    assert camera.clock.now_ns - start == 3 * period


def test_two_buffers_go_on_meanwhile(camera):
    camera.reset(double_buffer=True)
    camera.set_framesize(320, 240)
    camera.run(True)
    start, period = camera.clock.now_ns, camera.period_ns
    assert [camera.snapshot().number for _ in range(3)] == [0, 1, 2]
    camera.clock.advance_ns(period // 2)
    assert camera.snapshot().number == 3
    assert camera.clock.now_ns - start == 4 * period
    camera.clock.advance_ns(10 * period)  # the last complete one is there at once
    before = camera.clock.now_ns
    assert camera.snapshot().number == 13 and camera.clock.now_ns == before


def test_the_rate_follows_the_clock(camera):
    fast = camera.period_ns
    camera.reset(xclk_hz=12_000_000)
    assert camera.period_ns == pytest.approx(2 * fast, rel=1e-6)
    camera.set_rate(60)
    assert camera.period_ns == pytest.approx(1e9 / 60, rel=1e-6)


def test_no_frame_comes_from_a_stopped_or_missing_sensor(camera):
    camera.run(False)
    before = camera.clock.now_ns
    assert camera.snapshot() is None
    assert camera.clock.now_ns - before == 300_000_000
    nothing = Camera(Clock(), Numbered(), chip=None)
    nothing.set_framesize(320, 240)
    nothing.run(True)
    assert nothing.snapshot() is None and nothing.chip_id == 0
    with pytest.raises(ValueError, match="ov2640"):
        Camera(Clock(), Numbered(), chip="ov9999")


def test_too_slow_a_sensor_times_out(camera):
    camera.set_rate(1)
    assert camera.snapshot() is None


def test_colour_bars(camera):
    camera.colour_bar = True
    row = camera.snapshot().planes[:, 0, :]
    assert row[:, 0].tolist() == [255, 255, 255] and row[:, -1].tolist() == [0, 0, 0]
    assert len(np.unique(row, axis=1).T) == 8


def test_same_run_same_frames():
    def run():
        camera = Camera(Clock(), open_source("scene:5"))
        camera.reset()
        camera.set_framesize(160, 120)
        camera.run(True)
        return [camera.snapshot().pixels.tobytes() for _ in range(4)]

    first = run()
    assert first == run() and len(set(first)) == 4


def test_state_comes_back(camera):
    camera.snapshot()
    camera.hmirror = True
    state = camera.state()
    other = Camera(camera.clock, Numbered())
    other.load_state(state)
    ours, theirs = camera.snapshot(), other.capture(2)
    assert np.array_equal(camera.capture(2).pixels, theirs.pixels) and ours is not None
    assert other.state()["window"] == (0, 0, 320, 240)
    with pytest.raises(ValueError, match="version"):
        other.load_state({**state, "version": 99})


def test_the_face_picture_is_what_the_goldens_used(shared):
    golden = np.load(shared / "golden" / "face_v3.npz")["in_img"]
    camera = Camera(Clock(), open_source(str(shared / "images" / "faces_31.jpg")))
    camera.reset()
    camera.set_framesize(320, 240)
    camera.run(True)
    assert np.array_equal(camera.snapshot().planes, golden)
