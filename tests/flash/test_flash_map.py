"""The map of a flash image: what is found, and that no bytes can make it fail."""

from __future__ import annotations

import random

import pytest

from k210sim.flash import boot_image
from k210sim.flash.flash_map import find_models, model_at, read_map
from k210sim.flash.nor import NorFlash

VERSION_TEXT = b"v0.6.2-75-g973361c0d on 2022-04-16"


def all_models(shared):
    return sorted((shared / "models").glob("*.kmodel"))


def test_every_real_model_is_found_where_it_lies(shared):
    rng = random.Random(3)
    for path in all_models(shared):
        data = path.read_bytes()
        nor = NorFlash()
        at = rng.choice([0x200000, 0x300000, 0x5C0000, 0x300004, 0x612345])
        nor.program(at, data)
        found = find_models(nor.data)
        assert [f.start for f in found][:1] == [at], path.name
        if path.name != "asr_v4.kmodel":  # that file holds a second model at 1 MiB
            assert len(found) == 1
            assert abs(found[0].size - len(data)) <= 16, path.name
        assert f" V{path.stem[-1]}" in found[0].kind


def test_reversed_words_are_recognised(shared):
    data = (shared / "models" / "tiny8x8_v3.kmodel").read_bytes()
    reverse = b"".join(data[i : i + 4][::-1] for i in range(0, len(data), 4))
    nor = NorFlash()
    nor.program(0x600000, reverse)
    (found,) = find_models(nor.data)
    assert (found.kind, found.start) == ("kmodel V3, words reversed", 0x600000)
    assert found.size == len(data)


def test_a_cut_model_is_none_or_partial(shared):
    data = (shared / "models" / "tiny8x8_v3.kmodel").read_bytes()
    for length in [*range(0, 120), len(data) - 100, len(data) - 8]:
        assert model_at(data[:length], 0) is None
    assert model_at(data[:-100], 0, partial=True).end == len(data)
    assert model_at(data[:-5], 0) is not None  # padding may be missing


def test_firmware_with_its_version():
    nor = NorFlash()
    payload = b"\x6f\x00\x00\x00" * 50 + VERSION_TEXT + bytes(99)
    nor.program(0, boot_image.wrap(payload))
    (region,) = read_map(nor.data).regions
    assert (region.kind, region.start, region.size) == ("firmware", 0, len(payload) + 37)
    assert region.detail == VERSION_TEXT.decode()
    nor.write(20, b"\x01")  # a bit falls over: the hash no longer matches
    assert read_map(nor.data).regions[0].kind == "data"


@pytest.mark.parametrize("flags", range(4))
def test_all_four_flag_bytes_are_firmware(flags):
    image = boot_image.wrap(b"code" * 10, flags)
    assert boot_image.read_boot_image(image).flags == flags
    assert boot_image.read_boot_image(image).encrypted == bool(flags & 1)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda b: b[:4], "needs 5 bytes"),
        (lambda b: b"\x04" + b[1:], "flags are 0x04"),
        (lambda b: b[:1] + b"\xff\xff\xff\xff" + b[5:], "payload length is 4294967295"),
        (lambda b: b[:1] + bytes(4) + b[5:], "payload length is 0"),
        (lambda b: b[:-1], "inside the data"),
        (lambda b: b[:8] + b"!" + b[9:], "SHA-256 does not match"),
    ],
)
def test_bad_firmware_is_refused(spoil, message):
    with pytest.raises(boot_image.BootImageError, match=message):
        boot_image.read_boot_image(spoil(boot_image.wrap(b"some code")))


def test_a_spoilt_file_system_is_a_problem():
    nor = NorFlash()
    nor.program(0xD00000, b"something else")
    found = read_map(nor.data)
    assert any("not a SPIFFS volume" in text for text in found.problems)
    assert [r.kind for r in found.regions] == ["data"]


def test_any_bytes_can_be_mapped():
    rng = random.Random(11)
    openings = [b"\x03\0\0\0" + bytes(8), b"\0\0\0\x03" + bytes(8), b"LDMK\x04\0\0\0",
                b"LDMK\x05\0\0\0\x20\0\0\0", b"\x02\x10\0\0\0"]
    nor = NorFlash()
    for _ in range(400):
        at = rng.randrange(0x1000000 - 600)
        words = [rng.choice([0, 1, 2, 16, 10240, 0xFFFFFFFF, rng.getrandbits(32)])
                 for _ in range(60)]
        body = b"".join(w.to_bytes(4, "little") for w in words)
        nor.write(at, rng.choice(openings) + body)
    found = read_map(nor.data)
    for region in found.regions:
        assert 0 <= region.start < region.end <= nor.size
