"""`k210sim model`: every command, readable and as JSON, and what they refuse."""

from __future__ import annotations

import io
import json
from importlib.resources import files

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from k210sim.cli import main as cli_main
from k210sim.kpu import KModel
from k210sim.kpu.kmodel.header import swap_words
from k210sim.kpu.kmodel.writer import ModelBuilder, Quant

DEMO = files("k210sim") / "data" / "demo_detector.kmodel"
ANCHORS = ",".join(map(str, json.loads(
    (files("k210sim") / "data" / "demo_detector.json").read_text())["anchors"]))


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "demo.kmodel").write_bytes(DEMO.read_bytes())
    rng = np.random.default_rng(1)
    Image.fromarray(rng.integers(0, 256, (60, 90, 3), dtype=np.uint8)).save(tmp_path / "p.png")
    return tmp_path


@pytest.fixture
def call(here):
    def run(*args):
        return CliRunner().invoke(cli_main.cli, ["model", *map(str, args)])

    return run


def refused(result, *words):
    assert result.exit_code == 2, result.output
    assert result.stdout == "" and result.stderr.count("\n") == 1
    for word in words:
        assert word in result.stderr


def classifier(path):
    """A small net that ends in a softmax over four classes."""
    b = ModelBuilder((3, 8, 8))
    q = Quant(0.02, 0)
    rng = np.random.default_rng(2)
    x = b.add_quantized_conv(b.input, rng.integers(90, 170, (4, 3, 3, 3)), scale=0.02, zero=128,
                             in_quant=q, out_quant=q)
    b.output(b.add_softmax(b.add_global_average_pool(b.add_dequantize(x))))
    path.write_bytes(b.build())
    return path


# -- info ---------------------------------------------------------------------------------------


def test_info(call):
    model = KModel.from_bytes(DEMO.read_bytes())
    shape = "x".join(str(n) for n in reversed(model.input_shape))
    result = call("info", "demo.kmodel")
    assert result.exit_code == 0 and "kmodel V3" in result.stdout and shape in result.stdout
    assert f"{DEMO.stat().st_size} bytes" in result.stdout
    assert result.stdout.count("K210_CONV") == len(model.model.convs)
    facts = json.loads(call("info", "demo.kmodel", "--json").stdout)
    assert facts["version"] == 3 and facts["input"]["shape"] == list(model.input_shape)
    assert [layer["on_kpu"] for layer in facts["layers"]].count(True) == len(model.model.convs)
    assert facts["layers"][-1]["rule"] == "the KPU has no conversion to float"


def test_info_of_other_kinds(call, here, shared):
    (here / "be.kmodel").write_bytes(swap_words(DEMO.read_bytes()))
    assert "bytes reversed for load_flash" in call("info", "be.kmodel").stdout
    (here / "x.smodel").write_bytes(b"\x13\x27\0\0".ljust(64, b"x"))
    result = call("info", "x.smodel")
    assert result.exit_code == 0 and "one chip's key" in result.stdout
    v4 = json.loads(call("info", shared / "models" / "mnist32_v4.kmodel", "--json").stdout)
    assert v4["version"] == 4 and v4["layers"][0]["name"]
    v5 = shared / "models" / "mini_mbnet96_v5.kmodel"
    result = call("info", v5)
    assert result.exit_code == 0 and "kmodel V5" in result.stdout and "96x96x3" in result.stdout
    assert "no MaixPy v1 firmware" in json.loads(call("info", v5, "--json").stdout)["note"]


@pytest.mark.parametrize("command", ["info", "lint", "profile"])
def test_garbage_and_missing_files_are_one_line_with_the_place(call, here, command):
    (here / "text").write_text("just some text")
    (here / "cut.kmodel").write_bytes(DEMO.read_bytes()[:3000])
    (here / "a.kfpkg").write_bytes(b"PK\3\4" + bytes(60))
    refused(call(command, "text"), "text", "expected a kmodel, found bytes", "0x00000000", "LDMK")
    refused(call(command, "cut.kmodel"), "cut.kmodel", "at offset 0x000000", "body_size", "cut off")
    refused(call(command, "a.kfpkg"), "k210sim kfpkg unpack a.kfpkg FOLDER")
    refused(call(command, "gone"), "gone", "No such file")


def test_no_command_is_one_line_with_the_commands(call):
    refused(call(), "expected a command: diff, info, lint, profile, run", "model --help")


# -- lint ---------------------------------------------------------------------------------------


def test_lint(call):
    result = call("lint", "demo.kmodel")
    assert result.exit_code == 0, result.output
    for words in ("loads with KPU.load as V3", "nothing else running", "AI RAM",
                  "DEQUANTIZE (layer", "sensor.set_framesize", "it will load and run"):
        assert words in result.stdout
    facts = json.loads(call("lint", "demo.kmodel", "--json").stdout)
    assert facts["ok"] and facts["loads"]["v3-build"]["ok"] and facts["heap"]["need"] > 0


def test_lint_fails_for_what_the_standard_firmware_cannot_load(call, here, shared):
    large = shared / "models" / "mbnet75_1000_v3.kmodel"
    result = call("lint", large)
    assert result.exit_code == 1 and "error 2006" in result.stdout
    assert "load_flash needs" in result.stdout
    assert "error 2006: needs 2778 KB of system heap, 2557 KB are free" in result.stdout
    loads = json.loads(call("lint", large, "--json").stdout)["loads"]
    assert (loads["v4-build"]["code"], loads["v3-build"]["ok"]) == (2006, True)
    assert call("lint", large, "--gc-heap", "128K").exit_code == 0
    (here / "x.smodel").write_bytes(b"\x13\x27\0\0".ljust(64, b"x"))
    result = call("lint", "x.smodel", "--json")
    assert result.exit_code == 1 and json.loads(result.stdout)["loads"]["v4-build"]["code"] == 2004
    result = call("lint", shared / "models" / "yolox_nano_224_v5.kmodel")
    assert result.exit_code == 1 and "nncase 1.x" in result.stdout


# -- run ----------------------------------------------------------------------------------------


def test_run_on_a_picture_with_boxes(call, here):
    result = call("run", "demo.kmodel", "--input", "p.png", "--boxes", "out.png", "--anchors",
                  ANCHORS, "--threshold", "0", "--labels", "p.txt")
    refused(result, "p.txt", "cannot be read")
    assert not (here / "out.png").exists()
    result = call("run", "demo.kmodel", "--input", "p.png", "--boxes", "out.png", "--anchors",
                  ANCHORS, "--threshold", "0.99")
    assert result.exit_code == 0, result.output
    assert "float32" in result.stdout and "written: out.png" in result.stdout
    shape = KModel.from_file(here / "demo.kmodel").input_shape
    assert Image.open(here / "out.png").size == shape[:0:-1]


def test_run_writes_outputs_and_layers(call, here):
    model = KModel.from_file(here / "demo.kmodel")
    x = np.random.default_rng(3).integers(0, 256, model.input_shape, dtype=np.uint8)
    np.save(here / "x.npy", x)
    result = call("run", "demo.kmodel", "--input", "x.npy", "--output", "y.npz", "--layers")
    assert result.exit_code == 0, result.output
    outputs, layers = model.run(x, layers=True)
    with np.load(here / "y.npz") as stored:
        assert len(stored.files) == len(outputs) + len(layers)
        assert np.array_equal(stored["output_0"], outputs[0])
        assert np.array_equal(stored["layer_000_k210_conv"], layers[0].value)
    call("run", "demo.kmodel", "--input", "x.npy", "--output", "z.npz", "--layers", "--threads", 2)
    assert (here / "z.npz").read_bytes() == (here / "y.npz").read_bytes()
    facts = json.loads(call("run", "demo.kmodel", "--input", "x.npy", "--json").stdout)
    assert facts["outputs"][0]["max"] == pytest.approx(float(outputs[0].max()))


def test_run_names_the_best_classes(call, here):
    classifier(here / "c.kmodel")
    (here / "names.txt").write_text("cat\ndog\nbird\n")
    facts = json.loads(call("run", "c.kmodel", "--input", "p.png", "--fit", "stretch", "--labels",
                            "names.txt", "--json").stdout)
    top = facts["outputs"][0]["top"]
    assert len(top) == 4 and [e["value"] for e in top] == sorted((e["value"] for e in top),
                                                                 reverse=True)
    assert {e["index"]: e["label"] for e in top} == {0: "cat", 1: "dog", 2: "bird", 3: None}
    text = call("run", "c.kmodel", "--input", "p.png", "--fit", "stretch", "--labels", "names.txt")
    assert f"output 0[{top[0]['index']}] = " in text.stdout


def test_run_finds_the_face(call, here, shared):
    anchors = "1.889,2.5245,2.9465,3.94056,3.99987,5.3658,5.155437,6.92275,6.718375,9.01025"
    result = call("run", shared / "models" / "face_v3.kmodel", "--input",
                  shared / "images" / "faces_21.jpg", "--anchors", anchors, "--json")
    (box,) = json.loads(result.stdout)["boxes"]
    assert box["value"] > 0.8 and box["label"] == "0" and 100 < box["w"] < 160


def test_run_with_rounded_colours_and_the_older_rule(call, here):
    from k210sim.kpu.pictures import load_input

    model = KModel.from_file(here / "demo.kmodel")
    older = KModel.from_file(here / "demo.kmodel", activation="up")
    for more, net, rounded in (((), model, False), (("--rgb565",), model, True),
                               (("--activation", "up"), older, False)):
        call("run", "demo.kmodel", "--input", "p.png", "--output", "y.npz", *more)
        x = load_input("p.png", model.input_shape, "uint8", rgb565=rounded)
        with np.load(here / "y.npz") as stored:
            assert np.array_equal(stored["output_0"], net.run(x)[0]), more


def test_a_file_on_stdout_comes_without_the_summary(call, here):
    call("run", "demo.kmodel", "--input", "p.png", "--output", "y.npz")
    result = call("run", "demo.kmodel", "--input", "p.png", "--output", "-")
    assert result.exit_code == 0 and result.stdout_bytes == (here / "y.npz").read_bytes()


@pytest.mark.parametrize("args, words", [
    (["--input", "p.png", "--layers"], "--layers needs --output"),
    (["--input", "p.png", "--boxes", "o.png"], "--boxes needs --anchors"),
    (["--input", "p.png", "--anchors", "1,2,3"], "pairs"),
    (["--input", "p.png", "--anchors", "a,b"], "no numbers"),
    (["--input", "gone.png"], "gone.png"), ([], "--input"),
    (["--input", "p.png", "--threshold", "2"], "threshold"),
    (["--input", "demo.kmodel"], "found neither")])
def test_what_run_refuses(call, here, args, words):
    refused(call("run", "demo.kmodel", *args, "--output", "y.npz") if "--layers" not in args
            else call("run", "demo.kmodel", *args), words)
    assert not (here / "y.npz").exists() and not (here / "o.png").exists()


def test_run_of_v5_on_the_host(call, here, shared):
    x = np.zeros((3, 96, 96), np.uint8)
    np.save(here / "x.npy", x)
    v5 = shared / "models" / "mini_mbnet96_v5.kmodel"
    facts = json.loads(call("run", v5, "--input", "x.npy", "--json").stdout)
    want = KModel.from_file(v5).run(x)[0]
    assert facts["outputs"][0]["top"][0]["index"] == int(want.ravel().argmax())


def test_run_refuses_models_that_cannot_run(call, here):
    (here / "x.smodel").write_bytes(b"\x13\x27\0\0".ljust(64, b"x"))
    refused(call("run", "x.smodel", "--input", "p.png"), "x.smodel", "one chip's key")


# -- profile ------------------------------------------------------------------------------------


def test_profile(call, here):
    result = call("profile", "demo.kmodel")
    assert result.exit_code == 0 and "total " in result.stdout and "CPU layers" in result.stdout
    facts = json.loads(call("profile", "demo.kmodel", "--json").stdout)
    forecast = KModel.from_file(here / "demo.kmodel").forecast()
    assert facts["total_ms"] == pytest.approx(forecast.total_ms)
    assert [layer["ms"] for layer in facts["layers"]] == [layer.ms for layer in forecast.layers]
    assert sum(layer["share"] for layer in facts["layers"]) <= 1
    slow = json.loads(call("profile", "demo.kmodel", "--kpu-hz", "200M", "--cpu-hz", "2e8", "--json"
                           ).stdout)
    assert slow["kpu_hz"] == 2e8 and slow["total_ms"] > 1.5 * facts["total_ms"]
    dma = json.loads(call("profile", "demo.kmodel", "--dma", "--json").stdout)
    assert dma["total_ms"] < facts["total_ms"]


def test_profile_of_load_flash(call):
    times = [json.loads(call("profile", "demo.kmodel", "--json", *more).stdout)["total_ms"]
             for more in ((), ("--load-flash", "80M", "--dual"), ("--load-flash", "80M"))]
    assert times[0] < times[1] <= times[2]
    result = call("profile", "demo.kmodel", "--load-flash", "80M")
    assert "waiting for flash" in result.stdout


def test_what_profile_refuses(call, shared):
    refused(call("profile", "demo.kmodel", "--cpu-hz", "fast"), "no frequency")
    refused(call("profile", "demo.kmodel", "--kpu-hz", "3"), "between 1 MHz and 2 GHz")
    refused(call("profile", "demo.kmodel", "--dual"), "--load-flash")
    refused(call("profile", shared / "models" / "mnist32_v4.kmodel", "--load-flash", "80M"),
            "V3 only")
    refused(call("profile", shared / "models" / "mini_mbnet96_v5.kmodel"), "V5")


# -- diff, help ---------------------------------------------------------------------------------


def test_diff(call, here):
    for name, rule in (("a", "even"), ("b", "even"), ("c", "up")):
        call("run", "demo.kmodel", "--input", "p.png", "--layers", "--output", f"{name}.npz",
             "--activation", rule)
    result = call("diff", "a.npz", "b.npz")
    assert result.exit_code == 0 and result.stdout == "equal\n"
    assert json.loads(call("diff", "a.npz", "b.npz", "--json").stdout) == {
        "equal": True, "difference": None}
    with np.load(here / "a.npz") as stored:
        arrays = dict(stored)
    key = list(arrays)[1]
    arrays[key] = arrays[key] ^ 1
    np.savez(here / "d.npz", **arrays)
    result = call("diff", "a.npz", "d.npz")
    assert result.exit_code == 1
    assert result.stdout.startswith(f"{key} is the first that differs, after 1 equal arrays: value")
    assert "by up to 1" in result.stdout and "0 later arrays" in result.stdout
    facts = json.loads(call("diff", "a.npz", "d.npz", "--json").stdout)["difference"]
    assert facts["key"] == key and facts["differing"] == facts["count"] == arrays[key].size
    refused(call("diff", "a.npz", "p.png"), "p.png")


@pytest.mark.parametrize("command", ["info", "lint", "run", "profile", "diff"])
def test_every_command_has_help_with_an_example(call, command):
    result = call(command, "--help")
    assert result.exit_code == 0 and "Example: k210sim model " + command in result.stdout


def test_info_and_lint_are_quick_because_nothing_is_compiled(here):
    import subprocess
    import sys

    code = ("import sys\nfrom k210sim.cli.main import cli\nfrom click.testing import CliRunner\n"
            "for c in ('info', 'lint', 'profile'):\n"
            "    assert CliRunner().invoke(cli, ['model', c, 'demo.kmodel']).exit_code == 0\n"
            "assert 'numba' not in sys.modules and 'PIL' not in sys.modules")
    subprocess.run([sys.executable, "-c", code], check=True)


def test_pictures_may_come_in_any_format_pillow_reads(call, here):
    raw = io.BytesIO()
    Image.open(here / "p.png").save(raw, "BMP")
    (here / "p.anything").write_bytes(raw.getvalue())
    a, b = (call("run", "demo.kmodel", "--input", name, "--json").stdout
            for name in ("p.png", "p.anything"))
    assert json.loads(a)["outputs"] == json.loads(b)["outputs"]
