"""Real models against the stored answers of the vendor's arithmetic, layer by layer.

Tolerances, from the goldens' README: KPU bytes and dequantised floats exactly; softmax, logistic,
fully connected, pooling and normalisation within 1e-6 relative (they happen to be exact except
softmax, whose exp follows the chip's C library).
"""

import zlib

import numpy as np
import pytest

from bench.kpu_memory import held_bytes
from k210sim.errors import KmodelError
from k210sim.kpu import KModel, ai_ram
from k210sim.kpu.kernels import table
from k210sim.kpu.kmodel import header, v3, v4, v5

V3 = ("20class_chdeq_v3", "20class_v3", "face_attribute_v3", "face_feature_v3", "face_mask5_v3",
      "face_v3", "iris_v3", "landmark5_v3", "lp_detect_v3", "lp_recog_v3", "mask_v3",
      "mbnet25_4class_v3", "mbnet75_1000_v3", "mnist_v3", "person_detect_v3", "santa_uno_v3",
      "tiny8x8_v3", "yolo_face_v3", "yolov2_mbv1_50_v3", "yolov3_v3")
SOFTMAX = {"mnist_v3", "mbnet75_1000_v3", "mbnet25_4class_v3", "santa_uno_v3", "tiny8x8_v3"}


@pytest.mark.parametrize("name", V3)
def test_v3_model_matches_layer_by_layer(shared, name):
    model = KModel.from_file(shared / "models" / f"{name}.kmodel")
    with np.load(shared / "golden" / f"{name}.npz") as z:
        for which in ("img", "rnd"):
            outputs, layers = model.run(z[f"in_{which}"], layers=True)
            assert len(layers) == len(model.model.layers)
            if "conv_index" in z:
                got = [zlib.crc32(layers[i].value.tobytes()) for i in z["conv_index"]]
                assert got == z[f"crc_{which}"].tolist()
            for key in z.files:
                if key.startswith(f"layer_{which}_"):
                    assert np.array_equal(layers[int(key[-3:])].value, z[key]), key
            for k, out in enumerate(outputs):
                want = z[f"out_{which}_{k}"]
                assert out.dtype == np.float32 and out.size == want.size
                if name in SOFTMAX:
                    np.testing.assert_allclose(out.ravel(), want, rtol=1e-6, atol=1e-9)
                else:
                    assert np.array_equal(out.ravel(), want)


@pytest.mark.parametrize("name", ["face_v3", "20class_v3", "mask_v3", "santa_uno_v3", "dae_v4"])
def test_all_kernel_sets_give_the_same_bytes(shared, name):
    """Every set this host can run, on every layer; the goldens check the default one."""
    with np.load(shared / "golden" / f"{name}.npz") as z:
        x = z["in_rnd"]
    path = shared / "models" / f"{name}.kmodel"
    runs = [KModel.from_file(path, kernels=kernels).run(x, layers=True).layers
            for kernels in table.available()]
    for other in runs[1:]:
        for a, b in zip(runs[0], other, strict=True):
            assert np.array_equal(a.value, b.value), a


V4 = ("20class_v4", "asr_v4", "dae_v4", "dronet_v4", "face_feature_v4", "iris_v4",
      "mb025_feature_v4", "mnist32_v4", "mnist_v4", "rfb320_face_v4", "semseg_v4",
      "ulffd_landmark_v4", "yolo_face_v4", "yolo_gesture25_v4")


@pytest.mark.parametrize("name", V4)
def test_v4_model_matches_node_by_node(shared, name):
    """All outputs exactly; of a batched convolution the goldens' sum covers the first image."""
    model = KModel.from_file(shared / "models" / f"{name}.kmodel")
    with np.load(shared / "golden" / f"{name}.npz") as z:
        for which in ("img", "rnd"):
            outputs, layers = model.run(z[f"in_{which}"], layers=True)
            if "conv_index" in z:
                maps = [layers[i].value for i in z["conv_index"]]
                got = [zlib.crc32((m if m.ndim == 3 else m[0]).tobytes()) for m in maps]
                assert got == z[f"crc_{which}"].tolist()
            for key in z.files:
                if key.startswith(f"layer_{which}_"):
                    assert np.array_equal(layers[int(key[-3:])].value, z[key]), key
            for k, out in enumerate(outputs):
                want = z[f"out_{which}_{k}"]
                assert out.dtype == np.float32 and np.array_equal(out, want)


def test_every_public_file_builds_back_to_itself(shared):
    containers, seen = {"v3": v3, "v4": v4, "v5": v5}, set()
    for path in sorted((shared / "models").glob("*.kmodel")):
        data = path.read_bytes()
        kind = header.identify(data)
        if kind == "v3_swapped":
            data, kind = header.swap_words(data), "v3"
        model = containers[kind].parse(data)
        assert containers[kind].build(model) == data, path.name
        if kind == "v4":
            assert model.size == len(data) + model.missing_tail - len(model.trailing)
        seen.add(path.stem)
    assert seen >= {*V3, *V4, "mini_mbnet96_v5", "yolox_nano_224_v5"}


def test_the_older_activation_rule_differs_as_stored(shared):
    """First layer of the face model: 113 of 307200 bytes, as the goldens' README says."""
    path = shared / "models" / "face_v3.kmodel"
    with np.load(shared / "golden" / "face_v3.npz") as z:
        x = z["in_img"]
    newer = KModel.from_file(path).run(x, layers=True).layers
    older = KModel.from_file(path, activation="up").run(x, layers=True).layers
    assert np.count_nonzero(newer[0].value != older[0].value) == 113
    total = sum(np.count_nonzero(a.value != b.value)
                for a, b in zip(newer[:-1], older[:-1], strict=True))
    assert total == 411279
    with pytest.raises(KmodelError, match="rule"):
        KModel.from_file(path, activation="sideways")


@pytest.mark.parametrize("rule, want", [
    ("up", ["1a9bc28f", "0aa6e80a", "1f75c5a8", "f12d137d", "dffba521"]),
    ("even", ["f9a31ae3", "4cb9ac43", "04f75b38", "b1f6a811", "10554347"])])
def test_whole_network_sums_published_for_both_rules(shared, rule, want):
    from PIL import Image

    model = KModel.from_file(shared / "models" / "20class_chdeq_v3.kmodel", activation=rule)
    with Image.open(shared / "images" / "dog.bmp") as picture:
        x = np.ascontiguousarray(np.asarray(picture.convert("RGB")).transpose(2, 0, 1))
    assert zlib.crc32(x.tobytes()) == 0xD015DA66
    layers = model.run(x, layers=True).layers
    got = [f"{zlib.crc32(layers[i].value.tobytes()):08x}" for i in (0, 1, 2, 3, 15)]
    assert got == want


def test_a_swapped_file_and_wrong_inputs(shared):
    from k210sim.kpu.kmodel.header import swap_words

    data = (shared / "models" / "mnist_v3.kmodel").read_bytes()
    plain, swapped = KModel.from_bytes(data), KModel.from_bytes(swap_words(data))
    x = np.zeros((1, 28, 28), np.uint8)
    assert np.array_equal(plain.run(x)[0], swapped.run(x)[0])
    assert swapped.info()["byte_swapped"] and not plain.info()["byte_swapped"]
    for bad in (x[:, :27], x.astype(np.float32)):
        with pytest.raises(KmodelError, match="the model takes uint8"):
            plain.run(bad)


def test_encrypted_and_missing_files(tmp_path):
    with pytest.raises(KmodelError, match="encrypted V3 model"):
        KModel.from_bytes(b"\x13\x27\0\0" + bytes(60))
    with pytest.raises(KmodelError, match="nothing.kmodel.*cannot be read"):
        KModel.from_file(tmp_path / "nothing.kmodel")


LARGEST = ("yolov3_v3", "asr_v4", "yolox_nano_224_v5")
# with most nodes and layers for their bytes
HEAVIEST = ("dae_v4", "semseg_v4", "rfb320_face_v4", "mini_mbnet96_v5")


@pytest.mark.parametrize("name", LARGEST + HEAVIEST)
def test_memory_of_a_loaded_model_stays_below_three_times_its_file(shared, name):
    """As bench/kpu_memory.py counts it; the largest files with every kernel set."""
    data = (shared / "models" / f"{name}.kmodel").read_bytes()

    def load(kernels):
        return KModel.from_bytes(data, kernels=kernels)

    for kernels in table.available() if name in LARGEST else [table.default().NAME]:
        assert held_bytes(load, kernels, loads=1) < 3 * len(data), kernels


def test_info_and_forecast(shared):
    model = KModel.from_file(shared / "models" / "face_v3.kmodel")
    info = model.info()
    assert info["input"] == {"shape": [3, 240, 320], "dtype": "uint8"}
    assert info["outputs"] == [{"address": 9000, "size": 36000}]
    assert info["main_mem_usage"] == 45000 and len(info["layers"]) == 24
    assert info["layers"][0]["name"] == "K210_CONV" and info["layers"][23]["name"] == "DEQUANTIZE"
    forecast = model.forecast()
    assert forecast.total_ms == pytest.approx(
        forecast.upload_ms + sum(layer.ms for layer in forecast.layers))


@pytest.mark.parametrize("name", ["tiny8x8_v3", "mbnet25_4class_v3", "mnist32_v4", "dae_v4",
                                  "mini_mbnet96_v5"])
def test_a_run_clears_what_it_may_touch_and_touches_nothing_else(shared, name):
    """Whatever lies in the AI RAM before, layers show the same; the rest of it stays."""
    model = KModel.from_file(shared / "models" / f"{name}.kmodel")
    x = np.random.default_rng(1).integers(0, 200, model.input_shape).astype(model.input_dtype)
    shown, others = [], np.ones(ai_ram.SIZE, bool)
    for first, end in model._ai_ram_lines:
        others[first * ai_ram.LINE : end * ai_ram.LINE] = False
    assert others.any()
    for fill in (0, 77):
        model.net.ai_ram.data[:] = fill
        shown.append([r.value.tobytes() for r in model.run(x, layers=True).layers])
        assert (model.net.ai_ram.data[others] == fill).all()
    assert shown[0] == shown[1]
