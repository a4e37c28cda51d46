"""kmodel V5: the public files against the vendor's simulator, single tensor functions against
plain NumPy, the byte code's tables, refusals, and mutations."""

import math

import numpy as np
import pytest
import v5_files as files
from fuzz_kmodel import mutate, try_everything
from hypothesis import given, settings
from hypothesis import strategies as st

from k210sim.errors import KmodelError
from k210sim.kpu import KModel, loader
from k210sim.kpu.kernels import table
from k210sim.kpu.kmodel import stackvm, v5
from k210sim.kpu.kmodel.header import Refusal
from k210sim.kpu.report import ModelFile
from k210sim.kpu.v5.runtime import NetV5

F = np.float32
V5 = ("mini_mbnet96_v5", "yolox_nano_224_v5")


@pytest.mark.parametrize("name", V5)
def test_public_v5_files_match_the_vendors_simulator(shared, name):
    """Outputs exactly, with every kernel set this host has."""
    path = shared / "models" / f"{name}.kmodel"
    data = path.read_bytes()
    assert v5.build(v5.parse(data)) == data
    with np.load(shared / "golden" / f"{name}.npz") as z:
        for kernels in table.available():
            model = KModel.from_file(path, kernels=kernels)
            for which in ("img", "rnd"):
                (out,) = model.run(z[f"in_{which}"])
                assert out.dtype == np.float32
                assert np.array_equal(out, z[f"out_{which}_0"]), (kernels, which)


def test_info_names_the_release_and_the_layers(shared):
    model = KModel.from_file(shared / "models" / "mini_mbnet96_v5.kmodel")
    info = model.info()
    assert info["version"] == 5 and info["nncase"] == "1.8"
    assert info["input"] == {"shape": [3, 96, 96], "dtype": "uint8"}
    assert info["outputs"] == [{"address": 0, "size": 40, "shape": [1, 10]}]
    names = [layer["name"] for layer in info["layers"]]
    results = model.run(np.zeros((3, 96, 96), np.uint8), layers=True).layers
    assert [r.name for r in results] == names and names.count("kpu_conv2d") == 18
    with pytest.raises(KmodelError, match="no forecast of kmodel V5"):
        model.forecast()


@pytest.mark.parametrize("name", V5)
def test_byte_code_assembles_back(shared, name):
    model = v5.parse((shared / "models" / f"{name}.kmodel").read_bytes())
    text = model.modules[0].section(".text")
    release = stackvm.detect(text)
    assert stackvm.RELEASES[release] == "1.8"
    assert stackvm.assemble(stackvm.disassemble(text, release), release) == text
    module = model.modules[1]
    for function in module.functions:
        h = function.header
        part = module.section(".text")[h.entrypoint : h.entrypoint + h.text_size]
        assert b"".join(op.write() for op in v5.read_ops(part)) == part


def test_the_report_shows_what_the_kpu_computes():
    layers = ModelFile("small", files.small_v5(), "v5").describe()["layers"]
    assert [layer["on_kpu"] for layer in layers] == [False, False, True, False, False, False]
    assert layers[2] == {"index": 2, "name": "kpu_conv2d", "on_kpu": True, "in_shape": [3, 12, 20],
                         "out_shape": [6, 6, 10], "kernel": "3x3", "depthwise": False,
                         "pool": "max 2x2", "weight_bytes": 162, "to_main_memory": False}
    assert layers[3]["out_shape"] == [6, 6, 10] and "in_shape" not in layers[0]


def test_the_device_answers_with_its_version_error():
    with pytest.raises(Refusal, match="no MaixPy v1 firmware loads it") as caught:
        loader.load(files.small_v5())
    assert caught.value.code == 2002


@pytest.mark.parametrize("release, numbers", [
    (0, {"CALL": 3, "COPY": 8, "DEQUANTIZE": 9, "QUANTIZE": 17, "REDUCE": 18, "UNARY": 26}),
    (1, {"CUMSUM": 9, "DEQUANTIZE": 10, "PAD": 18, "REDUCE_ARG": 21, "UNARY": 29}),
    (2, {"RANDOM_NORMAL": 20, "REDUCE_PROD": 24, "TERNARY": 31, "UNARY": 33}),
    (3, {"SIGMOID": 28, "TOPK": 34, "TRILU": 36, "UNARY": 37}),
    (4, {"EQUAL": 11, "GATHER": 12, "QUANTIZE": 20, "UNARY": 38}),
    (6, {"COMPARE": 4, "COPY": 9, "GATHER": 12, "TRANSPOSE": 36, "UNARY": 38, "GRU": 39}),
    (7, {"LAYER_NORM": 41, "COMPRESS": 42, "GATHER_ELEMENTS": 43})])
def test_function_numbers_by_release(release, numbers):
    """The numbers of the format sheet."""
    names = [row[0] for row in stackvm.TABLES[release]]
    assert {name: names.index(name) for name in numbers} == numbers


def test_a_small_written_file_runs_like_its_parts():
    data = files.small_v5()
    assert v5.build(v5.parse(data)) == data
    model = KModel.from_bytes(data)
    x = np.random.default_rng(1).random((3, 12, 20), dtype=F)
    (out,), layers = model.run(x, layers=True)
    assert [r.name for r in layers] == ["quantize", "kpu_upload", "kpu_conv2d", "kpu_download",
                                        "dequantize", "softmax"]
    assert np.array_equal(layers[0].value[0], np.rint(x * F(255)).astype(np.uint8))
    assert np.array_equal(layers[2].value, layers[3].value[0]) and layers[2].value.any()
    floats = layers[3].value.astype(F) * F(0.02) + F(-0.2)
    assert np.array_equal(layers[4].value, floats)
    e = np.exp(floats - floats.max(axis=1, keepdims=True))
    np.testing.assert_allclose(out, e / e.sum(axis=1, keepdims=True), rtol=1e-5)
    again = model.run(x, threads=2)[0]
    assert np.array_equal(again, out)


def apply(name, x, out_shape, **kw):
    kw.setdefault("after", ("out",))
    data = files.one_tensor_function(name, x.shape, out_shape,
                                     in_dt=files.F32 if x.dtype == F else files.U8, **kw)
    assert v5.build(v5.parse(data)) == data
    return KModel.from_bytes(data).run(x)[0]


RNG = np.random.default_rng(3)
X4 = RNG.normal(size=(1, 3, 5, 6)).astype(F)


def test_element_functions():
    assert np.array_equal(apply("COPY", X4, X4.shape), X4)
    q = apply("QUANTIZE", X4, X4.shape, out_dt=files.U8, after=("out", 10.0, 128.0))
    assert np.array_equal(q, np.clip(np.rint(X4 * F(10) + F(128)), 0, 255).astype(np.uint8))
    ties = np.array([0.5, 1.5, 2.5, np.nan, 1e30, -1e30], F)
    got = apply("QUANTIZE", ties, ties.shape, out_dt=files.U8, after=("out", 1.0, 0.0))
    assert got.tolist() == [0, 2, 2, 0, 0, 0]
    assert np.array_equal(apply("CONVERT", X4 * 9, X4.shape, out_dt=files.U8),
                          np.trunc(X4 * F(9)).astype(np.int64).astype(np.uint8))
    np.testing.assert_allclose(apply("SIGMOID", X4, X4.shape), 1 / (1 + np.exp(-X4)), rtol=1e-6)
    for op, function in ((0, np.abs), (3, np.ceil), (6, np.floor), (9, np.rint), (11, np.sign),
                         (13, np.sqrt), (14, np.square)):
        with np.errstate(invalid="ignore"):
            want = function(X4)
        np.testing.assert_array_equal(apply("UNARY", X4, X4.shape, op=op), want)
    table_bytes = np.arange(255, -1, -1, dtype=np.uint8).tobytes()
    x = RNG.integers(0, 256, (2, 7), dtype=np.uint8)
    got = apply("LUT1D", x, x.shape, out_dt=files.U8, rdata=table_bytes, length=256,
                after=("rdata", "out", 0, 255))
    assert np.array_equal(got, 255 - x)


def test_the_unary_numbers_shifted_between_releases():
    """neg is 6, 8 and 8 in beta, 1.0 and 1.1; sin 9, 11 and 12."""
    for release, op in ((0, 6), (1, 8), (2, 8)):
        assert np.array_equal(apply("UNARY", X4, X4.shape, op=op, release=release), -X4)
    for release, op in ((0, 9), (1, 11), (2, 12)):
        np.testing.assert_allclose(apply("UNARY", X4, X4.shape, op=op, release=release),
                                   np.sin(X4), rtol=1e-6)


def test_shape_functions():
    got = apply("TRANSPOSE", X4, (1, 5, 6, 3), registers=(("perm", (0, 2, 3, 1)),))
    assert np.array_equal(got, X4.transpose(0, 2, 3, 1))
    got = apply("SLICE", X4, (1, 2, 2, 3), registers=(
        ("begins", (0, 0, 1, 5)), ("ends", (1, 2, 5, 0)), ("steps", (1, 1, 3, -2))))
    assert np.array_equal(got, X4[:, 0:2, 1:5:3, 5:0:-2])
    got = apply("BROADCAST", X4[:, :1], (1, 4, 5, 6), registers=(("out_shape", (1, 4, 5, 6)),))
    assert np.array_equal(got, np.broadcast_to(X4[:, :1], (1, 4, 5, 6)))
    picks = np.array([2, 0], np.int32)
    got = apply("GATHER", X4, (1, 2, 5, 6), rdata=picks.tobytes(), axis=1, after=("out", "rdata"),
                registers=(("out_shape", (1, 2, 5, 6)), ("indices_shape", (2,))))
    assert np.array_equal(got, X4[:, [2, 0]])


@settings(deadline=None, max_examples=40)
@given(pads=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=2, max_size=2),
       mode=st.sampled_from((("constant", 0), ("reflect", 1), ("symmetric", 2), ("edge", 3))))
def test_pad_modes(pads, mode):
    x = X4[0, 0]
    shape = [d + before + after for d, (before, after) in zip(x.shape, pads, strict=True)]
    c = files.Code()
    c.buffer(0, 0)
    c.buffer(1, 0)
    c.push(7.0)
    regs = [c.shape(v) for v in (x.shape, files.strides(x.shape), files.strides(shape))]
    for before, after in pads:
        for number in (before, after, 0):
            c.push(number)
    c.add("STPADDINGS", 0, 2)
    c.tensor("PAD", dt=files.F32, shape=regs[0], in_strides=regs[1], out_strides=regs[2], pads=0,
             mode=mode[1])
    text = c.text()
    main = files.function([(files.F32, x.shape, 0, x.nbytes)],
                          [(files.F32, shape, 0, 4 * math.prod(shape))], 0, len(text))
    data = files.file(files.module(b"stackvm", [main], [files.section(b".text", text)], []))
    extra = {"constant_values": 7} if mode[1] == 0 else {}
    assert np.array_equal(KModel.from_bytes(data).run(x)[0], np.pad(x, pads, mode[0], **extra))


def test_sums_products_and_windows():
    total = F(0.5)
    for v in X4[0, 0].ravel():
        total = F(total + v)
    got = apply("REDUCE", X4, (1, 3, 1, 1), after=("out", 0.5), op=0, keep=1,
                registers=(("axes", (2, 3)),))
    assert got[0, 0, 0, 0] == total / F(30)
    for op, function in ((1, np.min), (2, np.max)):
        got = apply("REDUCE", X4, (1, 5, 6), after=("out", 0.0), op=op, keep=0,
                    registers=(("axes", (1,)),))
        assert np.array_equal(got, function(X4, axis=1))
    limits = {"low": -np.inf, "high": np.inf}
    b = RNG.normal(size=(3, 1, 1)).astype(F)
    for op, function in enumerate((np.add, np.subtract, np.multiply, np.divide, np.minimum,
                                   np.maximum)):
        got = apply("BINARY", X4, X4.shape, rdata=b.tobytes(), after=("rdata", "out"), op=op,
                    registers=(("a_shape", X4.shape), ("a_strides", files.strides(X4.shape)),
                               ("b_shape", b.shape), ("b_strides", files.strides(b.shape)),
                               ("out_shape", X4.shape)), **limits)
        assert np.array_equal(got, function(X4, b)), op
    window = dict(filter_h=3, filter_w=2, stride_h=2, stride_w=2, dilation_h=1, dilation_w=1)
    c_pads = (1, 1, 0, 0, 0, 0)
    padded = np.pad(X4[0], ((0, 0), (1, 1), (0, 0)), constant_values=-np.inf)
    want = np.stack([[[p[2 * i : 2 * i + 3, 2 * j : 2 * j + 2].max() for j in range(3)]
                      for i in range(3)] for p in padded])
    got = apply("REDUCE_WINDOW2D", X4, (1, 3, 3, 3), op=2,
                after=(float(np.finfo(F).min), "out", *c_pads), **window, **limits)
    assert np.array_equal(got[0], want)
    got = apply("RESIZE_IMAGE", X4, (1, 3, 10, 9), before=(10, 9), mode=1, align_corners=0,
                half_pixel=0)
    rows, columns = np.arange(10) // 2, np.arange(9) * 6 // 9
    assert np.array_equal(got, X4[:, :, rows][:, :, :, columns])
    x = RNG.integers(0, 256, (1, 2, 4, 4), dtype=np.uint8)
    got = apply("RESIZE_IMAGE", x, x.shape, out_dt=files.U8, before=(4, 4), mode=0,
                align_corners=1, half_pixel=0)
    assert np.array_equal(got, x)


def test_refusals_name_the_place():
    data = files.small_v5()
    for at, value, match in ((24, 7, "entry_module"), (28, 9, "entry_function"),
                             (32, 0x21, "module of type"), (56, 1 << 30, "ModuleHeader.size")):
        bad = bytearray(data)
        bad[at : at + 4] = value.to_bytes(4, "little")
        with pytest.raises(KmodelError, match=match):
            KModel.from_bytes(bytes(bad))
    x = np.zeros((4,), F)
    c = files.Code()
    c.add("LEA_GP", 0, 0)
    c.add("POP")
    text = c.text()
    main = files.function([(files.F32, (4,), 0, 16)], [(files.F32, (4,), 0, 16)], 0, len(text))
    model = KModel.from_bytes(files.file(
        files.module(b"stackvm", [main], [files.section(b".text", text)], [])))
    with pytest.raises(KmodelError, match="LEA_GP is not executed"):
        model.run(x)
    with pytest.raises(KmodelError, match="input is uint8"):
        model.run(np.zeros(4, np.uint8))
    with pytest.raises(KmodelError, match="TAKE is not executed"):
        apply("TAKE", X4, X4.shape)


def test_a_section_that_is_a_part_of_itself():
    data = files.small_v5()
    at = data.index(b".rdata") + 16
    bad = data[:at] + b"\1\0\0\0" + data[at + 4 :]
    with pytest.raises(KmodelError, match="part of itself"):
        KModel.from_bytes(bad)


def test_an_empty_input_of_huge_sides():
    data = files.one_tensor_function("COPY", (2, 3), (2, 3), after=("out",))
    at = data.index((2).to_bytes(4, "little") + (2).to_bytes(4, "little") + b"\3\0\0\0") + 4
    bad = data[:at] + bytes(4) + b"\xff\xff\xff\xff" + data[at + 8 :]
    with pytest.raises(KmodelError, match="RangeV5.size"):
        KModel.from_bytes(bad)


def test_scalar_code_and_endless_loops():
    """(7 - 10) * 2 as the shape of nothing, then a jump back to the start."""
    c = files.Code()
    for value in (7, 10):
        c.push(value)
    for name in ("SUB", "DUP", "ADD", "POP"):
        c.add(name)
    c.push(-14)
    c.add("POP")
    c.add("BR", -(5 * 3 + 5 + 5))
    text = c.text()
    main = files.function([(files.F32, (1,), 0, 4)], [], 0, len(text))
    model = KModel.from_bytes(files.file(
        files.module(b"stackvm", [main], [files.section(b".text", text)], [])))
    with pytest.raises(KmodelError, match="more than 1048576 instructions"):
        model.run(np.zeros(1, F))


def test_outputs_of_a_net_are_fresh_for_every_run():
    net = NetV5.from_bytes(files.small_v5())
    x = np.full((3, 12, 20), 0.5, F)
    net.run(x)
    first = net.output(0)
    net.run(np.zeros((3, 12, 20), F))
    assert not np.array_equal(net.output(0), first)


@settings(deadline=None, max_examples=250)
@given(seed=st.integers(0, 2**32 - 1))
def test_mutated_files_end_cleanly(seed):
    try_everything(mutate(files.small_v5(), np.random.default_rng(seed)))
