"""Pictures as inputs, boxes, and dumps with their first difference."""

import numpy as np
import pytest
from PIL import Image

from k210sim.errors import HostError
from k210sim.kpu import KModel, dumps, pictures
from k210sim.kpu.kmodel.writer import ModelBuilder, Quant
from k210sim.kpu.runtime import LayerResult

FACE_ANCHORS = (1.889, 2.5245, 2.9465, 3.94056, 3.99987, 5.3658, 5.155437, 6.92275, 6.718375,
                9.01025)
RNG = np.random.default_rng(5)


def picture(width, height) -> Image.Image:
    return Image.fromarray(RNG.integers(1, 256, (height, width, 3), dtype=np.uint8))


def test_a_picture_of_the_right_size_is_taken_as_it_is():
    p = picture(20, 10)
    x = pictures.picture_planes(p, (3, 10, 20))
    assert x.dtype == np.uint8 and x.flags.c_contiguous
    assert np.array_equal(x, np.asarray(p).transpose(2, 0, 1))
    grey = pictures.picture_planes(p, (1, 10, 20))
    assert np.array_equal(grey[0], np.asarray(p.convert("L")))


def test_three_ways_to_fit():
    wide = Image.new("RGB", (80, 20), (200, 100, 50))
    boxed = pictures.picture_planes(wide, (3, 40, 40), "letterbox")
    assert (boxed[0, 15:25] == 200).all() and not boxed[:, :15].any() and not boxed[:, 25:].any()
    for fit in ("stretch", "crop"):
        assert (pictures.picture_planes(wide, (3, 40, 40), fit)[1] == 100).all()
    wide.paste((0, 0, 0), (0, 0, 20, 20))
    wide.paste((0, 0, 0), (60, 0, 80, 20))
    assert pictures.picture_planes(wide, (3, 20, 20), "crop")[0].min() == 200
    assert pictures.picture_planes(wide, (3, 20, 20), "stretch")[0, :, 0].max() == 0
    with pytest.raises(HostError, match="fit 'zoom'"):
        pictures.picture_planes(wide, (3, 20, 20), "zoom")


def test_colours_rounded_as_the_camera_has_them():
    p = picture(32, 32)
    x = pictures.picture_planes(p, (3, 32, 32), rgb565=True)
    rgb = np.asarray(p).astype(int)
    for plane, bits, channel in zip(x, (5, 6, 5), (0, 1, 2), strict=True):
        top = 2**bits - 1
        want = np.floor((rgb[:, :, channel] >> (8 - bits)) * 255 / top + 0.5)
        assert np.array_equal(plane, want)


def test_the_camera_s_rounding_is_that_of_pix_to_ai():
    from k210sim.imaging import ai

    p = picture(16, 8)
    rgb = np.asarray(p).astype(np.uint16)
    pixels = (rgb[:, :, 0] >> 3 << 11) | (rgb[:, :, 1] >> 2 << 5) | rgb[:, :, 2] >> 3
    planes = ai.pix_to_ai(pixels.astype(np.uint16))
    assert np.array_equal(pictures.picture_planes(p, (3, 8, 16), rgb565=True),
                          np.asarray(planes).reshape(3, 8, 16))


def test_arrays_and_pictures_from_files(tmp_path):
    x = RNG.integers(0, 256, (3, 8, 8), dtype=np.uint8)
    np.save(tmp_path / "x.npy", x[None])
    assert np.array_equal(pictures.load_input(tmp_path / "x.npy", (3, 8, 8), "uint8"), x)
    picture(8, 8).save(tmp_path / "p.png")
    assert pictures.load_input(tmp_path / "p.png", (1, 4, 4), "uint8").shape == (1, 4, 4)
    (tmp_path / "bad.npy").write_bytes(b"nothing")
    (tmp_path / "bad.png").write_bytes(b"nothing")
    png = (tmp_path / "p.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(png[: len(png) // 2])
    for name, shape, dtype, words in (
            ("x.npy", (3, 8, 9), "uint8", "the model takes uint8"),
            ("x.npy", (3, 8, 8), "float32", "the model takes float32"),
            ("p.png", (3, 8, 8), "float32", "give a .npy"), ("p.png", (5,), "uint8", "no picture"),
            ("bad.npy", (3, 8, 8), "uint8", "cannot be read as .npy"),
            ("bad.png", (3, 8, 8), "uint8", "found neither"),
            ("cut.png", (3, 8, 8), "uint8", "cannot be read"),
            ("gone.png", (3, 8, 8), "uint8", "No such file"),
            ("gone.npy", (3, 8, 8), "uint8", "No such file")):
        with pytest.raises(HostError, match=words) as caught:
            pictures.load_input(tmp_path / name, shape, dtype)
        assert name in str(caught.value) and "\n" not in str(caught.value)


# -- boxes --------------------------------------------------------------------------------------


def test_the_face_is_found_and_drawn(shared):
    model = KModel.from_file(shared / "models" / "face_v3.kmodel")
    x = pictures.load_input(shared / "images" / "faces_21.jpg", model.input_shape, "uint8")
    output = model.run(x)[0]
    before = output.copy()
    boxes = pictures.find_boxes(model, output, FACE_ANCHORS)
    assert len(boxes) == 1 and boxes[0].value > 0.8 and np.array_equal(output, before)
    drawn = np.asarray(pictures.draw_boxes(x, boxes, ["face"]))
    assert drawn.shape == (240, 320, 3)
    box = boxes[0]
    assert drawn[box.y + box.h // 2, box.x].tolist() == [0xFF, 0x40, 0x40]
    assert (drawn != x.transpose(1, 2, 0)).any(axis=2).sum() < 4 * (box.w + box.h) + 1200
    assert pictures.find_boxes(model, output, FACE_ANCHORS, threshold=0.99) == []


def test_v4_heads_are_found_by_their_size(shared):
    model = KModel.from_file(shared / "models" / "yolo_face_v4.kmodel")
    output = model.run(np.zeros(model.input_shape, np.uint8))[0]
    assert pictures.head_shape(model, output.size) == (54, 8, 10)
    with pytest.raises(HostError, match="no yolo2 head"):
        pictures.head_shape(model, 7)


def test_what_is_no_head_is_refused():
    b = ModelBuilder((3, 8, 8))
    q = Quant(0.1, 0)
    x = b.add_quantized_conv(b.input, np.full((30, 3, 1, 1), 130), scale=0.1, zero=128, in_quant=q,
                             out_quant=q)
    b.output(x)
    model = KModel.from_bytes(b.build())
    output = model.run(np.zeros((3, 8, 8), np.uint8))[0]
    with pytest.raises(HostError, match="uint8"):
        pictures.find_boxes(model, output, FACE_ANCHORS)
    for anchors in ((), (1.0, 2.0, 3.0)):
        with pytest.raises(HostError, match="pairs"):
            pictures.find_boxes(model, output, anchors)


def test_boxes_outside_the_picture_and_unknown_classes_can_be_drawn():
    x = RNG.integers(0, 256, (1, 20, 20), dtype=np.uint8)
    boxes = [pictures.Detection(-5, -5, 100, 3, 0.5, 9), pictures.Detection(3, 3, 0, 0, 0.5, 0)]
    assert pictures.draw_boxes(x, boxes, ["a"]).size == (20, 20)


# -- dumps --------------------------------------------------------------------------------------


def arrays(**changes):
    layers = [LayerResult(0, "K210_CONV", np.arange(24, dtype=np.uint8).reshape(2, 3, 4)),
              LayerResult(1, "DEQUANTIZE", np.linspace(0, 1, 24, dtype=np.float32))]
    return dumps.dump([np.ones(3, np.float32)], layers) | changes


def stored(path, content):
    path.write_bytes(dumps.to_bytes(content))
    return path


def test_a_dump_keeps_its_order_and_its_bytes(tmp_path):
    path = stored(tmp_path / "a.npz", arrays())
    assert list(dumps.load(path)) == ["layer_000_k210_conv", "layer_001_dequantize", "output_0"]
    assert dumps.to_bytes(arrays()) == path.read_bytes()
    assert dumps.diff(path, stored(tmp_path / "b.npz", arrays())) is None


def test_the_first_array_that_differs(tmp_path):
    a = stored(tmp_path / "a.npz", arrays())
    changed = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    changed[1, 2, 0] += 3
    changed[1, 2, 3] += 1
    floats = np.linspace(0, 1, 24, dtype=np.float32) + np.float32(1e-4)
    b = stored(tmp_path / "b.npz", arrays(layer_000_k210_conv=changed, layer_001_dequantize=floats))
    found = dumps.diff(a, b)
    assert (found.key, found.index, found.a, found.b) == ("layer_000_k210_conv", (1, 2, 0), 20, 23)
    assert (found.differing, found.count, found.largest) == (2, 24, 3)
    assert (found.equal_before, found.differ_after) == (0, 1)
    c = stored(tmp_path / "c.npz", arrays(layer_001_dequantize=floats))
    assert dumps.diff(a, c).key == "layer_001_dequantize" and dumps.diff(a, c).equal_before == 1
    assert dumps.diff(a, c, 1e-3) is None


@pytest.mark.parametrize("change, what", [
    (dict(output_0=np.ones(4, np.float32)), r"shapes \(3,\) and \(4,\)"),
    (dict(output_0=np.ones(3, np.uint8)), "types float32 and uint8"),
    (dict(output_1=np.ones(1)), "only in the second"),
    (dict(output_0=np.array([1, np.nan, 1], np.float32)), "values"),
    (dict(output_0=np.array([1, np.inf, 1], np.float32)), "values")])
def test_other_differences(tmp_path, change, what):
    import re

    a = stored(tmp_path / "a.npz", arrays())
    found = dumps.diff(a, stored(tmp_path / "b.npz", arrays(**change)), 1e-3)
    assert re.fullmatch(what + ".*", found.what)
    back = dumps.diff(tmp_path / "b.npz", a)
    assert back.key == found.key


def test_equal_nan_and_another_shape_of_the_same_values_are_equal(tmp_path):
    odd = np.array([np.nan, np.inf, -np.inf], np.float32)
    a = stored(tmp_path / "a.npz", arrays(output_0=odd))
    b = stored(tmp_path / "b.npz", arrays(output_0=odd.reshape(3, 1)))
    assert dumps.diff(a, b) is None


def test_files_that_are_no_dumps(tmp_path):
    good = stored(tmp_path / "a.npz", arrays())
    (tmp_path / "text.npz").write_text("hello")
    (tmp_path / "cut.npz").write_bytes(good.read_bytes()[:100])
    np.save(tmp_path / "one.npy", np.ones(3))
    np.savez(tmp_path / "objects.npz", a=np.array([{}], dtype=object))
    for name in ("text.npz", "cut.npz", "one.npy", "objects.npz", "gone.npz"):
        with pytest.raises(HostError, match=name):
            dumps.diff(good, tmp_path / name)
