"""Finding and reading QR codes. The codes' modules here are the recorded pictures'."""

import numpy as np
import pytest

from k210sim.imaging import colour, qrcode, qrcode_data
from k210sim.imaging.formats import swapped

# Name: offset, modules, pixels per module, what it says, version, correction level.
RECORDED = {
    "qr0": (16, 21, 4, b"HELLO K210", 1, 2),
    "qr1": (12, 25, 3, b"https://example.org/k210", 2, 0),
    "qr2": (16, 21, 4, b"0123456789", 1, 2),
    "qr3": (12, 33, 3, b"micro", 4, 2),
}


@pytest.fixture(scope="module", params=RECORDED)
def code(request, shared):
    """(modules, what it says, version, level) of a recorded code."""
    pictures = np.load(shared / "golden" / "maixpy" / "image" / "inputs.npz")
    start, size, step, *facts = RECORDED[request.param]
    gray = colour.to_grayscale(swapped(pictures[request.param]))
    cut = slice(start + step // 2, start + step * size, step)
    return gray[cut, cut] < 128, *facts


def draw(modules, corners, width=320, height=240, dark=40, light=200, noise=0):
    """A picture of a code between four corners of the picture, with its quiet zone."""
    size = len(modules)
    back = qrcode._projection(corners, [(0, 0), (size, 0), (size, size), (0, size)])
    places = np.stack(np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5), -1)
    at = np.floor(qrcode._project(back, places)).astype(int)
    inside = ((at >= 0) & (at < size)).all(-1)
    at[~inside] = 0
    picture = np.where(inside & modules[at[..., 1], at[..., 0]], dark, light)
    shake = np.random.default_rng(0).normal(0, noise, picture.shape) if noise else 0
    return np.clip(picture + shake, 0, 255).astype(np.uint8)


def turned(degrees, side=130, middle=(160, 120)):
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    box = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * side / 2
    return [tuple(p) for p in box @ turn.T + middle]


def read(picture, roi=None):
    return qrcode.find_qrcodes(picture, roi or (0, 0, *picture.shape[::-1]))


@pytest.mark.parametrize("degrees", [0, 15, 45, 90, 170, 250])
def test_a_turned_code_is_read(code, degrees):
    modules, payload, version, level = code
    (found,) = read(draw(modules, turned(degrees)))
    assert (found.payload, found.version, found.ecc_level) == (payload, version, level)
    assert np.abs(np.array(found.corners) - turned(degrees)).max() < 4


def test_a_code_seen_from_the_side_is_read(code):
    corners = [(80, 40), (230, 50), (227, 196), (77, 202)]
    (found,) = read(draw(code[0], corners))
    assert found.payload == code[1]


def test_a_noisy_code_is_read_inside_the_box(code):
    picture = draw(code[0], turned(0, 165, (180, 110)), noise=15)
    (found,) = read(picture, (60, 10, 240, 220))
    assert found.payload == code[1]
    assert abs(found.x - 97) <= 2 and abs(found.y - 27) <= 2 and abs(found.w - 165) <= 4
    assert read(picture, (0, 0, 150, 240)) == []


def test_two_codes_are_read(code):
    one = draw(code[0], turned(0, 120, (80, 120)))
    picture = np.hstack([one[:, :160], one[:, :160]])
    assert [c.payload for c in read(picture)] == [code[1]] * 2


def test_nothing_is_read_from_noise():
    assert read(np.random.default_rng(1).integers(0, 256, (120, 160), np.uint8)) == []
    assert read(np.zeros((8, 8), np.uint8)) == []


def test_wrong_modules_are_corrected_until_they_are_too_many(code):
    modules, payload, version, level = code
    free = np.argwhere(~qrcode_data.reserved(version))
    rng = np.random.default_rng(2)
    few, many = modules.copy(), modules.copy()
    for y, x in rng.permutation(free)[:2]:
        few[y, x] ^= True
    for y, x in rng.permutation(free)[: len(free) // 3]:
        many[y, x] ^= True
    assert qrcode_data.decode(few).payload == payload
    with pytest.raises(qrcode_data.Unreadable):
        qrcode_data.decode(many)


@pytest.mark.parametrize(
    "version, places",
    [
        (1, []),
        (2, [6, 18]),
        (7, [6, 22, 38]),
        (32, [6, 34, 60, 86, 112, 138]),
        (36, [6, 24, 50, 76, 102, 128, 154]),
        (40, [6, 30, 58, 86, 114, 142, 170]),
    ],
)
def test_alignment_places(version, places):
    assert qrcode_data.alignment_places(version) == places


@pytest.mark.parametrize("version, bytes_", [(1, 26), (6, 172), (7, 196), (20, 1085), (40, 3706)])
def test_room_for_codewords(version, bytes_):
    assert (~qrcode_data.reserved(version)).sum() // 8 == bytes_
