"""Picture files: BMP and JPEG."""

import io
import json
import re

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from imaging_stand_in import load_input
from PIL import Image

from k210sim.imaging import bmp, jpeg, jpeg_reader
from k210sim.imaging.colour import unpack


def noise(width, height, dtype=np.uint16, seed=1):
    random = np.random.RandomState(seed)
    return random.randint(0, np.iinfo(dtype).max + 1, (height, width)).astype(dtype)


@given(st.integers(1, 19), st.integers(1, 7), st.sampled_from([np.uint8, np.uint16]))
def test_bmp_round_trip(width, height, dtype):
    image = noise(width, height, dtype)
    again = bmp.decode(bmp.encode(image))
    assert again.dtype == dtype and np.array_equal(again, image)


def test_bmp_sizes_are_the_firmwares():
    assert len(bmp.encode(noise(16, 16))) == 578
    assert len(bmp.encode(noise(16, 16, np.uint8))) == 1334


def test_other_programs_read_our_bmp():
    image = noise(5, 4)
    with Image.open(io.BytesIO(bmp.encode(image))) as seen:
        r, g, b = (p.astype(int) for p in unpack(image))
        shown = np.asarray(seen.convert("RGB")).astype(int)
    assert abs(shown - np.dstack([r, g, b])).max() <= 8
    gray = noise(5, 4, np.uint8)
    with Image.open(io.BytesIO(bmp.encode(gray))) as seen:
        assert np.array_equal(np.asarray(seen.convert("L")), gray)


def test_we_read_bmp_of_other_programs():
    colours = np.random.RandomState(2).randint(0, 256, (3, 5, 3)).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(colours).save(file, "BMP")
    image = bmp.decode(file.getvalue())
    assert abs(np.dstack(unpack(image)).astype(int) - colours).max() <= 4


def test_bmp_rows_may_come_from_the_bottom_or_mirrored():
    data = bytearray(bmp.encode(noise(4, 3)))
    image = bmp.decode(data)
    data[22:26] = (3).to_bytes(4, "little")
    assert np.array_equal(bmp.decode(bytes(data)), image[::-1])
    data[18:22] = (-4).to_bytes(4, "little", signed=True)
    assert np.array_equal(bmp.decode(bytes(data)), image[::-1, ::-1])


@pytest.mark.parametrize(
    "change,text",
    [
        (lambda d: d[:30], "Failed to read"),
        (lambda d: d[:-1], "Failed to read"),
        (lambda d: d[:28] + b"\x04\0" + d[30:], "Unsupported"),
        (lambda d: d[:30] + b"\x01" + d[31:], "Unsupported"),
        (lambda d: d[:18] + b"\0\0\0\0" + d[22:], "corrupted"),
        (lambda d: d[:18] + b"\0\1\0\0" + d[22:], "corrupted"),
    ],
)
def test_bad_bmp_is_refused(change, text):
    with pytest.raises(bmp.BadBmp, match=text):
        bmp.decode(change(bmp.encode(noise(4, 3))))


@pytest.mark.parametrize("quality", [1, 20, 35, 36, 50, 59, 60, 95, 100])
@pytest.mark.parametrize("size", [(64, 48), (40, 33), (17, 16), (160, 120)])
def test_other_programs_read_our_jpeg(quality, size):
    x, y = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
    image = ((x * 31 // size[0]) << 11 | (y * 63 // size[1]) << 5 | 9).astype(np.uint16)
    with Image.open(io.BytesIO(jpeg.encode(image, quality))) as seen:
        assert seen.size == size
        shown = np.asarray(seen.convert("RGB")).astype(int)
    error = np.abs(shown - np.dstack(unpack(image)).astype(int)).mean()
    assert error < (60 if quality < 20 else 16 if quality < 60 else 6)


def test_gray_and_binary_jpeg():
    image = (np.arange(30)[None, :] * 8 + np.zeros((21, 1))).astype(np.uint8)
    data = jpeg.encode(image, 90)
    again = jpeg_reader.decode(data)
    assert again.dtype == np.uint8 and np.abs(again.astype(int) - image).mean() < 3
    bits = image > 100
    assert np.array_equal(jpeg_reader.decode(jpeg.encode(bits, 95)) > 127, bits)


@settings(max_examples=25, deadline=None)
@given(st.integers(9, 40), st.integers(33, 70), st.integers(1, 100), st.integers(0, 9))
@example(17, 33, 98, 5)
@example(18, 33, 100, 9)
def test_noise_survives_the_joint_of_the_halves(width, height, quality, seed):
    """Many different bit positions and 255s at the joint; every byte must be readable. The one the
    board forgets to stuff, when the second half begins with it, is put right here."""
    data = jpeg.encode(noise(width, height, seed=seed), quality)
    scan = data.index(b"\xff\xda") + 2
    bare = [i for i in range(scan, len(data) - 2) if data[i] == 255 and data[i + 1] != 0]
    assert len(bare) <= 1
    for at in bare:
        with Image.open(io.BytesIO(data)) as seen, pytest.raises(OSError, match="broken data"):
            seen.load()
        data = data[: at + 1] + b"\0" + data[at + 1 :]
    with Image.open(io.BytesIO(data)) as seen:
        seen.load()
        assert seen.size == (width, height)


def other_jpeg(colours, **options) -> bytes:
    file = io.BytesIO()
    Image.fromarray(colours).save(file, "JPEG", **options)
    return file.getvalue()


@pytest.mark.parametrize("sampling", [0, 1, 2])
@pytest.mark.parametrize("restart", [0, 3])
def test_we_read_jpeg_of_other_programs(sampling, restart):
    y, x = np.mgrid[0:45, 0:70]
    colours = np.dstack([x * 3, y * 5, 255 - x * 3]).astype(np.uint8)
    data = other_jpeg(colours, quality=95, subsampling=sampling, restart_marker_blocks=restart)
    image = jpeg_reader.decode(data)
    assert np.abs(np.dstack(unpack(image)).astype(int) - colours).mean() < 5
    gray = jpeg_reader.decode(other_jpeg(colours[:, :, 0], quality=95, optimize=True))
    assert np.abs(gray.astype(int) - colours[:, :, 0]).mean() < 2


def test_bad_jpeg_is_refused():
    good = jpeg.encode(noise(40, 30), 80)
    for bad in (b"\xff\xd8 no picture", b"BM", good[:300], good[:200] + good[260:], good[:-1500]):
        with pytest.raises(jpeg_reader.BadJpeg):
            jpeg_reader.decode(bad)
    with pytest.raises(jpeg_reader.BadJpeg) as caught:
        jpeg_reader.decode(other_jpeg(np.zeros((9, 9, 3), np.uint8), progressive=True))
    assert caught.value.progressive


def test_recorded_jpeg_bytes(shared):
    folder = shared / "golden" / "maixpy" / "image"
    inputs = np.load(folder / "inputs.npz")
    run = 0
    for line in (folder / "index.jsonl").read_text().splitlines():
        case = json.loads(line)
        found = re.search(r"compress\(quality=(\d+)\)", case.get("expr", ""))
        if found:
            data = jpeg.encode(load_input(inputs, case["input"]), int(found[1]))
            have = str(len(data)) if case["expr"].startswith("len") else str(data[-64:].hex())
            assert have in case["value"], case["name"]
            run += 1
    assert run >= 5
