"""kmodel V3 containers: round trips, tolerances, refusals, mutations."""

import struct

import numpy as np
import pytest
from fuzz_kmodel import mutate, small_model, try_everything
from hypothesis import given, settings
from hypothesis import strategies as st

from k210sim.errors import KmodelError
from k210sim.kpu.kmodel import header, v3
from k210sim.kpu.kmodel import layers as kl
from k210sim.kpu.kmodel.header import Refusal
from k210sim.kpu.kmodel.writer import ModelBuilder, Quant
from k210sim.kpu.layer_regs import (
    ACT_WORD,
    BN_WORD,
    Activation,
    BatchNorm,
    LayerRegs,
    pack_words,
    unpack_words,
)
from k210sim.kpu.runtime import Net

SMALL = small_model()


def test_every_public_v3_file_builds_back_to_itself(shared):
    files = sorted((shared / "models").glob("*_v3.kmodel"))
    assert len(files) == 20
    for path in files:
        data = path.read_bytes()
        model = v3.parse(data)
        assert v3.build(model) == data, path.name
        assert model.size == len(data) + model.missing_tail - len(model.trailing)


def test_trailing_data_and_a_missing_tail_are_kept():
    model = v3.parse(SMALL + b"behind")
    assert model.trailing == b"behind" and v3.build(model) == SMALL + b"behind"
    b = ModelBuilder(3, float_input=True)
    b.output(b.add_fully_connected(b.input, np.ones((2, 3))))
    full = b.build()
    rest = len(bytes(v3.parse(full).layers[-1].rest))
    body_end = len(full)
    assert rest < 8
    cut = full[: body_end - rest] if rest else full
    assert v3.build(v3.parse(cut)) == cut
    with pytest.raises(KmodelError, match="layer 0 ends at"):
        v3.parse(full[:-8])


@pytest.mark.parametrize("change, code, text", [
    (lambda d: b"\x04" + d[1:], None, r"found 4, expected 3 at offset 0x0+ \(HeaderV3"),
    (lambda d: d[:8] + b"\x01" + d[9:], None, "HeaderV3.arch"),
    (lambda d: d[:12] + b"\xff\xff\xff\x7f" + d[16:], None, "need .* bytes of tables"),
    (lambda d: d[:24] + b"\xff\xff\xff\x7f" + d[28:], None, "need .* bytes of tables"),
    (lambda d: d[:20], None, "HeaderV3 needs 28 bytes, 20 are left"),
    (lambda d: b"", None, "needs 28 bytes, 0 are left"),
    (lambda d: d[:40] + bytes(4) + d[44:], None, "layer 0 has body size 0"),
    (lambda d: d[:40] + b"\x08" + bytes(3) + d[44:], None, "Conv needs 24 bytes, its body has 8"),
])
def test_a_broken_header_is_refused_with_its_place(change, code, text):
    with pytest.raises(KmodelError, match=text):
        v3.parse(change(SMALL))


def test_blobs_outside_the_file_are_refused_or_kept_for_the_run():
    model = v3.parse(SMALL)
    at = 28 + 8 + 8 * len(model.layers)
    broken = bytearray(SMALL)
    struct.pack_into("<I", broken, at + 12, 0xFFFFFF00)
    with pytest.raises(KmodelError, match="Conv.weights_offset.*in layer 0"):
        v3.parse(broken)
    loose = v3.parse(broken, strict=False)
    assert isinstance(loose.layers[0], kl.RawBody)
    assert "weights_offset" in str(loose.layers[0].error)
    assert v3.build(loose) == bytes(broken)


def test_unknown_layer_types_are_kept():
    data = bytearray(SMALL)
    struct.pack_into("<I", data, 36, 777)
    model = v3.parse(data)
    assert model.layers[0].TYPE == 777 and v3.build(model) == bytes(data)


@given(words=st.lists(st.integers(0, 2**64 - 1), min_size=12, max_size=12))
def test_descriptor_fields_round_trip(words):
    regs = LayerRegs(words)
    assert LayerRegs.parse(regs.build()) == regs
    again = LayerRegs(words)
    for name, value in regs.fields().items():
        setattr(again, name, value)
    assert again.words == regs.words


def test_descriptor_example_of_the_data_sheet():
    words = (0x8, 0x0000249000000E10, 0x000F000F0000000F, 0x0001DC9F0001DC9F, 0x000000D80C0F0401,
             0x0000007000480001, 0, 0x0000008090030168, 0x0000000000130168, 0x00FFFF7EFFFFF400,
             0x36D8, 0x0004AFFF4AFF0000)
    r = LayerRegs(words)
    assert r.depthwise and r.in_shape == (16, 120, 160) and r.out_shape == (16, 120, 160)
    assert (r.image_src_addr, r.image_dst_addr, r.kernel_type) == (3600, 9360, 1)
    assert (r.arg_w, r.arg_x, r.arg_add, r.pad_value) == (-12, -130, 14040, 12)
    assert (r.para_size, r.load_time, r.channel_switch_addr) == (144, 0, 360)
    assert (r.dma_total_byte + 1, r.channel_byte_num + 1) == (307200, 19200)


def test_a_value_too_wide_for_its_field_is_refused():
    with pytest.raises(KmodelError, match="arg_x"):
        LayerRegs(arg_x=1 << 23)
    with pytest.raises(KmodelError, match="norm_mul"):
        BatchNorm([1 << 23], 0, 0).pack()
    with pytest.raises(TypeError, match="no field"):
        LayerRegs(nonsense=1)


def test_table_words_of_the_data_sheet():
    assert BatchNorm([-12345, 3355443], [13, 15], [-1000000, 70000]).pack().tolist() == [
        0x0DFFF0BDC0FFCFC7, 0x0F00011170333333]
    words = pack_words(ACT_WORD, x_start=[-(2**35), -1966080, 2**35 - 14, -5],
                       y_mul=[0, 6, 0, -3], shift_number=[0, 20, 0, 7])
    assert words.tolist() == [0x0800000000000000, 0x0FFFE20000000614, 0x07FFFFFFF2000000,
                              0x0FFFFFFFFBFFFD07]


@given(words=st.lists(st.integers(0, 2**60 - 1), min_size=16, max_size=16),
       bias=st.binary(min_size=16, max_size=16))
def test_tables_round_trip(words, bias):
    raw = np.array(words, "<u8").tobytes() + bias
    assert Activation.unpack(raw).pack() == raw
    fields = unpack_words(np.array(words, np.uint64), BN_WORD)
    assert pack_words(BN_WORD, **fields).tolist() == words


@pytest.mark.parametrize("first, kind", [
    (b"\3\0\0\0", "v3"), (b"\0\0\0\3", "v3_swapped"), (b"LDMK\4\0\0\0", "v4"),
    (b"LDMK\5\0\0\0", "v5"), (b"LDMK\x09\0\0\0", "unknown"), (b"\x13\x27\0\0", "smodel"),
    (b"LDMS", "smodel_v4"), (b"LDME", "emodel"), (b"\1\0\0\0", "v1"), (b"\xff" * 8, "unknown"),
    (b"", "unknown"), (b"PK\3\4", "unknown")])
def test_identify(first, kind):
    assert header.identify(first) == kind
    assert header.describe_word(first)


def test_swapped_models_are_their_own_inverse(shared):
    assert header.swap_words(header.swap_words(SMALL)) == SMALL
    assert header.swap_words(b"abcde") == b"dcba000e"
    import zipfile

    with zipfile.ZipFile(shared / "models" / "face_model_be_at_0x600000.kfpkg") as z:
        name = next(n for n in z.namelist() if n.endswith(".kmodel"))
        swapped = z.read(name)
    plain = (shared / "models" / "face_v3.kmodel").read_bytes()
    assert header.identify(swapped) == "v3_swapped" and header.swap_words(plain) == swapped


def reader(data):
    return lambda at, count: data[at : at + count].ljust(count, b"\xff")


def test_flash_size_is_the_loaders():
    assert header.flash_size(reader(SMALL + b"\xff" * 100)) == len(SMALL) == v3.parse(SMALL).size


@pytest.mark.parametrize("data, code", [
    (b"\xff" * 64, 2002), (b"LDMK\4\0\0\0" + bytes(60), 2002), (header.swap_words(SMALL), 2002),
    (SMALL[:12] + b"\xff\xff\xff\xff" + SMALL[16:], 2003),
    (SMALL[:24] + b"\xff\xff\xff\xff" + SMALL[28:], 2003),
    (SMALL[:40] + bytes(4) + SMALL[44:], 2003), (SMALL[:40] + b"\xff" * 4 + SMALL[44:], 2003)])
def test_flash_size_refuses_with_the_firmwares_number(data, code):
    with pytest.raises(Refusal) as caught:
        header.flash_size(reader(data))
    assert caught.value.code == code


def test_flash_size_of_v4(shared):
    for name in ("mnist_v4", "asr_v4", "20class_v4"):
        data = (shared / "models" / f"{name}.kmodel").read_bytes()
        assert 0 <= len(data) + 7 - header.flash_size_v4(reader(data))
    with pytest.raises(Refusal, match="2002"):
        header.flash_size_v4(reader(SMALL))


@pytest.mark.parametrize("seed", range(6))
def test_mutated_files_are_refused_or_run_inside_their_memory(seed):
    rng = np.random.default_rng(seed)
    seen = {try_everything(mutate(SMALL, rng)) for _ in range(120)}
    assert seen == {"ran", "refused"}


@settings(deadline=None, max_examples=80)
@given(data=st.binary(max_size=200))
def test_any_bytes_behind_a_header_are_refused_cleanly(data):
    try_everything(struct.pack("<7I", 3, 1, 0, 2, 0, 1024, 1) + data)


def test_cut_and_doubled_files():
    assert try_everything(SMALL[:44]) == "refused"
    assert try_everything(SMALL + SMALL) == "ran"


def test_sizes_whose_product_is_zero_allocate_nothing():
    """Found by the mutation loop: no channels, but gigabytes of columns."""
    rng = np.random.default_rng(0)
    b = ModelBuilder((3, 4, 4))
    q = Quant(0.1, 0)
    x = b.add_quantized_conv(b.input, rng.integers(0, 256, (3, 3, 1, 1)), scale=0.1, zero=128,
                             in_quant=q, out_quant=q)
    b.output(b.add_dequantize(b.add_resize(x, 8, 8)))
    model = v3.parse(b.build())
    resize = model.layers[1]
    resize.channels, resize.out_width, resize.out_height = 0, 3181054311, 1045362451
    with pytest.raises(KmodelError, match="does not fit the chip's memory.*in layer 1"):
        Net.from_bytes(v3.build(model)).run(np.zeros((3, 4, 4), np.uint8))
