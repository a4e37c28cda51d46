"""Colour spaces of the firmware's image library: RGB565, gray, YUV, LAB, the rainbow palette.

Per-pixel conversions of pictures are tables over all 65,536 RGB565 values, each entry the exactly
rounded formula (verified against the firmware's published tables, every entry). The module
functions (`rgb_to_lab` and so on) use fast float approximations there and here, in single
precision and the same order of operations; those can differ from the tables by one or two.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from k210sim.imaging.formats import BINARY, GRAYSCALE, RGB565, kind_of

_LEVEL = np.arange(256)
R5_TO_8 = ((np.arange(32) * 510 + 31) // 62).astype(np.uint8)
G6_TO_8 = ((np.arange(64) * 510 + 63) // 126).astype(np.uint8)
R8_TO_5 = ((_LEVEL * 62 + 255) // 510).astype(np.uint16)
G8_TO_6 = ((_LEVEL * 126 + 255) // 510).astype(np.uint16)

_F = np.float32


def pack(r8, g8, b8):
    """RGB565 of 8-bit components (numbers or uint8 arrays), each rounded to nearest."""
    return R8_TO_5[r8] << 11 | G8_TO_6[g8] << 5 | R8_TO_5[b8]


def unpack(pixels):
    """The 8-bit components (r, g, b) of RGB565 pixels (a number or an array)."""
    return R5_TO_8[pixels >> 11], G6_TO_8[pixels >> 5 & 63], R5_TO_8[pixels & 31]


@lru_cache(maxsize=1)
def yuv_table() -> np.ndarray:
    """int8 (65536, 3): Y - 128, U, V of every RGB565 value. ITU-R BT.601, U and V truncated."""
    r, g, b = (c.astype(np.int64) for c in unpack(np.arange(65536)))
    y = np.trunc(r * 0.299 + g * 0.587 + b * 0.114) - 128  # in doubles: ten entries feel it
    u = np.trunc(-(r * 0.168736) - g * 0.331264 + b * 0.5)
    v = np.trunc(r * 0.5 - g * 0.418688 - b * 0.081312)
    return np.stack([y, u, v], 1).astype(np.int8)


@lru_cache(maxsize=1)
def gray_table() -> np.ndarray:
    """uint8 (65536,): brightness of every RGB565 value."""
    return (yuv_table()[:, 0].astype(np.int16) + 128).astype(np.uint8)


def _linear(level: np.ndarray) -> np.ndarray:
    """Linear light 0..100 of 8-bit sRGB levels."""
    c = level / 255
    return 100 * np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


@lru_cache(maxsize=1)
def lab_table() -> np.ndarray:
    """int8 (65536, 3): CIE L, a, b (D65) of every RGB565 value, rounded to nearest."""
    r, g, b = (_linear(c) for c in unpack(np.arange(65536)))
    x = (0.4124 * r + 0.3576 * g + 0.1805 * b) / 95.047
    y = (0.2126 * r + 0.7152 * g + 0.0722 * b) / 100.0
    z = (0.0193 * r + 0.1192 * g + 0.9505 * b) / 108.883
    x, y, z = (np.where(t > 0.008856, np.cbrt(t), 7.787037 * t + 0.137931) for t in (x, y, z))
    return np.rint(np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], 1)).astype(np.int8)


@lru_cache(maxsize=1)
def rainbow_table() -> np.ndarray:
    """uint16 (256,): the false colours of `to_rainbow`, cold to hot.

    A run through the hues from 193.62 degrees down, 0.7564 degrees a step, at full saturation.
    """
    hue = (193.62 - 0.7564 * _LEVEL) % 360 / 60

    def part(offset):
        k = (offset + hue) % 6
        return 1 - np.clip(np.minimum(k, 4 - k), 0, 1)

    r, g, b = (np.rint(part(n) * top) for n, top in ((5, 31), (3, 63), (1, 31)))
    return (r * 2048 + g * 32 + b).astype(np.uint16)


def gray_to_rgb565(gray):
    """RGB565 of gray levels (a number or an array)."""
    return pack(gray, gray, gray)


def to_grayscale(image: np.ndarray) -> np.ndarray:
    """A grayscale copy of a picture of any format."""
    kind = kind_of(image)
    if kind == RGB565:
        return gray_table()[image]
    return image.astype(np.uint8) * np.uint8(255) if kind == BINARY else image.copy()


def to_rgb565(image: np.ndarray) -> np.ndarray:
    """An RGB565 copy of a picture of any format."""
    return image.copy() if kind_of(image) == RGB565 else gray_to_rgb565(to_grayscale(image))


def to_bitmap(image: np.ndarray) -> np.ndarray:
    """A binary copy: gray levels above 127 are set, colours whose brightness is above 127."""
    kind = kind_of(image)
    if kind == BINARY:
        return image.copy()
    return (image if kind == GRAYSCALE else gray_table()[image]) > 127


def to_rainbow(image: np.ndarray) -> np.ndarray:
    """An RGB565 copy with false colours by brightness."""
    return rainbow_table()[to_grayscale(image)]


def mask_of(image: np.ndarray) -> np.ndarray:
    """bool (h, w): where a picture used as a mask lets pixels through."""
    return to_bitmap(image)


# --- single colours, as the functions of the `image` module compute them ------------------------


@lru_cache(maxsize=1)
def linear_light() -> np.ndarray:
    """The firmware's table of linear light, printed there with six decimals."""
    return np.round(_linear(_LEVEL), 6).astype(np.float32)


def _fast_cbrt(value: np.float32) -> np.float32:
    """The firmware's cube root: the exponent divided by three, one guess, no refinement."""
    i = int(np.array(value, np.float32).view(np.int32))
    i = i // 4 + i // 16  # values are positive here, so // and C's / agree
    i += i // 16
    i += i // 256
    return np.array(0x2A511CD0 + i, np.int32).view(np.float32)[()]


def _wrap8(value: int) -> int:
    return (int(value) + 128 & 0xFF) - 128


def rgb_to_lab(rgb: tuple[int, int, int]) -> tuple[int, int, int]:
    """(l, a, b) of an 8-bit colour by the firmware's fast approximation."""
    r, g, b = (linear_light()[c & 0xFF] for c in rgb)
    x = (r * _F(0.4124) + g * _F(0.3576) + b * _F(0.1805)) / _F(95.047)
    y = (r * _F(0.2126) + g * _F(0.7152) + b * _F(0.0722)) / _F(100.0)
    z = (r * _F(0.0193) + g * _F(0.1192) + b * _F(0.9505)) / _F(108.883)
    x, y, z = (
        _fast_cbrt(t) if t > _F(0.008856) else t * _F(7.787037) + _F(0.137931) for t in (x, y, z)
    )
    return (
        _wrap8(_wrap8(_F(116) * y) - 16),
        _wrap8(_F(500) * (x - y)),
        _wrap8(_F(200) * (y - z)),
    )


def _srgb(linear: np.float32) -> np.float32:
    if linear > _F(0.0031308):
        return _F(1.055) * np.power(linear, _F(0.416666)) - _F(0.055)
    return linear * _F(12.92)


def _level(value: np.float32) -> int:
    return max(min(int(value * _F(255)), 255), 0)


def lab_to_rgb(lab: tuple[int, int, int]) -> tuple[int, int, int]:
    """The 8-bit colour of (l, a, b), the three taken as signed bytes, in single precision."""
    l, a, b = (_F(_wrap8(c)) for c in lab)
    base = (l + _F(16)) * _F(0.008621)
    x, y, z = (
        (t * t * t if t > _F(0.206897) else _F(0.128419) * t - _F(0.017713)) * white
        for t, white in (
            (base + a * _F(0.002), _F(95.047)),
            (base, _F(100.0)),
            (base - b * _F(0.005), _F(108.883)),
        )
    )
    red = (x * _F(3.2406) + y * _F(-1.5372) + z * _F(-0.4986)) / _F(100)
    green = (x * _F(-0.9689) + y * _F(1.8758) + z * _F(0.0415)) / _F(100)
    blue = (x * _F(0.0557) + y * _F(-0.2040) + z * _F(1.0570)) / _F(100)
    return _level(_srgb(red)), _level(_srgb(green)), _level(_srgb(blue))


def rgb_to_grayscale(rgb: tuple[int, int, int]) -> int:
    """Perceived brightness of an 8-bit colour (of linear light, unlike `to_grayscale`)."""
    r, g, b = (linear_light()[c & 0xFF] for c in rgb)
    return _level(_srgb((r * _F(0.2126) + g * _F(0.7152) + b * _F(0.0722)) / _F(100)))


def colour_value(rgb: tuple[int, int, int], kind: int) -> int:
    """The pixel value of an (r, g, b) colour, components clipped to 0..255, in a format."""
    pixel = int(pack(*(max(0, min(255, c)) for c in rgb)))
    if kind == RGB565:
        return pixel
    gray = int(gray_table()[pixel])
    return gray if kind == GRAYSCALE else int(gray > 127)
