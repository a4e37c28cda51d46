"""SHA256, AES, FFT, OTP, RTC, I2S and lists of DMA, programmed as the vendor's drivers do."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from k210sim.errors import NotSimulated
from tests.riscv.conftest import Registers

SYSCTL, DMAC, SHA, AES, FFT, OTP, RTC, I2S0 = (
    0x50440000, 0x50000000, 0x502C0000, 0x50450000, 0x42000000, 0x50420000, 0x50460000,
    0x50250000,
)  # fmt: skip
ECB, CBC, GCM = range(3)


@pytest.fixture
def chip(rig):
    return Registers(rig("hello").machine)


def words(data: bytes) -> list[int]:
    return [int(w) for w in np.frombuffer(data, "<u4")]


@pytest.mark.parametrize("length", [0, 3, 55, 56, 64, 200])
def test_sha256_gives_what_hashlib_gives(chip, length):
    message = bytes(range(length))
    blocks = (length + 64 + 8) // 64
    padded = (message + b"\x80").ljust(64 * blocks - 8, b"\0") + (8 * length).to_bytes(8, "big")
    chip[SYSCTL + 0x34] = 1 << 26
    chip[SYSCTL + 0x34] = 0
    chip[SHA + 0x28] = blocks
    chip[SHA + 0x2C] = 1 << 16
    chip[SHA + 0x2C] |= 1
    assert not chip[SHA + 0x2C] & 1
    for word in words(padded):
        assert not chip[SHA + 0x34] >> 8 & 1
        chip[SHA + 0x20] = word
    assert chip[SHA + 0x2C] & 1 and chip[SHA + 0x28] >> 16 == blocks
    got = b"".join(chip[SHA + 4 * (7 - n)].to_bytes(4, "little") for n in range(8))
    assert got == hashlib.sha256(message).digest()


def aes(chip, mode: int, key: str, iv: str, text: str, *, aad: str = "", decrypt=False) -> bytes:
    key, iv, text, aad = (bytes.fromhex(part) for part in (key, iv, text, aad))
    chip[SYSCTL + 0x34] = 1 << 19
    chip[SYSCTL + 0x34] = 0
    chip[AES + 0x28] = 1
    for n, word in enumerate(reversed(words(key))):
        chip[AES + (4 * n if n < 4 else 0x84 + 4 * (n - 4))] = word
    for n, word in enumerate(reversed(words(iv))):
        chip[AES + 0x18 + 4 * n] = word
    chip[AES + 0x14] = mode | (len(key) // 8 - 2) << 3
    chip[AES + 0x10] = int(decrypt)
    chip[AES + 0x34] = len(aad) - 1 & 0xFFFFFFFF
    chip[AES + 0x3C] = len(text) - 1
    chip[AES + 0x64] = 1
    for word in words(aad.ljust(-(-len(aad) // 4) * 4, b"\0")):
        chip[AES + 0x44] = word
    out = []
    for word in words(text.ljust(-(-len(text) // 4) * 4, b"\0")):
        assert chip[AES + 0x4C]
        chip[AES + 0x40] = word
    while chip[AES + 0x68]:
        out.append(chip[AES + 0x60])
    return b"".join(word.to_bytes(4, "little") for word in out)[: len(text)]


# FIPS 197 appendix C
PLAIN = "00112233445566778899aabbccddeeff"
KEY = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"


@pytest.mark.parametrize(
    "size, coded",
    [
        (16, "69c4e0d86a7b0430d8cdb78070b4c55a"),
        (24, "dda97ca4864cdfe06eaf70a0ec0d7191"),
        (32, "8ea2b7ca516745bfeafc49904b496089"),
    ],
)
def test_aes_of_one_block(chip, size, coded):
    assert aes(chip, ECB, KEY[: 2 * size], "", PLAIN).hex() == coded
    assert aes(chip, ECB, KEY[: 2 * size], "", coded, decrypt=True).hex() == PLAIN


def test_aes_cbc(chip):
    # NIST SP 800-38A, F.2.1
    key, iv = "2b7e151628aed2a6abf7158809cf4f3c", "000102030405060708090a0b0c0d0e0f"
    plain = "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
    coded = "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2"
    assert aes(chip, CBC, key, iv, plain).hex() == coded
    assert aes(chip, CBC, key, iv, coded, decrypt=True).hex() == plain


def test_aes_gcm_with_its_tag(chip):
    # the GCM specification's test case 4: additional data, and no whole blocks
    key, iv = "feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888"
    aad = "feedfacedeadbeeffeedfacedeadbeefabaddad2"
    plain = ("d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c9595680953"
             "2fcf0e2449a6b525b16aedf5aa0de657ba637b39")  # fmt: skip
    coded = ("42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c"
             "7d8f6a5aac84aa051ba30b396a0aac973d58e091")  # fmt: skip
    tag = "5bc94fbc3221a5db94fae95ae7121a47"
    for text, other, decrypt in ((plain, coded, False), (coded, plain, True)):
        assert aes(chip, GCM, key, iv, text, aad=aad, decrypt=decrypt).hex() == other
        assert chip[AES + 0x2C] == chip[AES + 0x6C] == 1
        got = b"".join(chip[AES + 0x74 + 4 * n].to_bytes(4, "big") for n in (3, 2, 1, 0))
        assert got.hex() == tag
        for given, answer in ((got, 2), (got[::-1], 1)):
            for n, word in enumerate(reversed(words(given))):
                chip[AES + 0x50 + 4 * n] = word
            assert chip[AES + 0x48] == answer
            chip[AES + 0x70] = 0
            assert chip[AES + 0x48] == 0


def test_aes_goes_on_from_a_saved_state(rig):
    first, second = (Registers(rig("hello").machine) for _ in range(2))
    key, iv = "2b7e151628aed2a6abf7158809cf4f3c", "000102030405060708090a0b0c0d0e0f"
    aes(first, CBC, key, iv, "6bc1bee22e409f96e93d7e117393172a")
    second.machine.bus.load_state(first.machine.bus.save_state())
    for word in words(bytes.fromhex("ae2d8a571e03ac9c9eb76fac45af8e51")):
        second[AES + 0x40] = word
    got = b"".join(second[AES + 0x60].to_bytes(4, "little") for _ in range(4))
    assert got.hex() == "5086cb9b507219ee95db113a917678b2"


def dma(chip, channel: int, source: int, target: int, control: int, count: int) -> None:
    device, _ = chip.machine.bus.at(DMAC)
    base = 0x100 + 0x100 * channel
    for offset, value in ((0x98, 0xFFFFFFFF), (0x20, 0), (0x00, source), (0x08, target),
                          (0x18, control | 3 << 8 | 3 << 11), (0x10, count - 1)):  # fmt: skip
        device.write(base + offset, 8, value)
    device.write(0x10, 8, 3)
    device.write(0x18, 8, 0x101 << channel)


@pytest.mark.parametrize("points, kind", [(512, 0), (256, 1), (128, 2), (64, 3)])
@pytest.mark.parametrize("forward", [0, 1])
def test_fft_by_dma_gives_what_numpy_gives(chip, points, kind, forward):
    generator = np.random.default_rng(points)
    signal = generator.integers(-2000, 2000, (points, 2)).astype(np.int16)  # imaginary, real
    shift = 0b10101
    chip.ram(0x40100000, 4 * points)[:] = signal.view(np.uint8).ravel()
    device, _ = chip.machine.bus.at(FFT)
    device.write(0x08, 8, kind | forward << 3 | shift << 4 | 1 << 14 | 1 << 13)
    dma(chip, 1, FFT + 0x38, 0x40200000, 1 << 4, points // 2)
    assert not chip.pending(26)
    dma(chip, 0, 0x40100000, FFT, 1 << 6, points // 2)
    assert chip.pending(26) and device.read(0x28, 8) == 1
    device.write(0x20, 8, 1)
    assert not chip.pending(26)
    got = chip.ram(0x40200000, 4 * points).view(np.int16).reshape(points, 2)
    values = signal[:, 1] + 1j * signal[:, 0]
    exact = np.fft.fft(values) if forward else np.fft.ifft(values) * points
    assert np.abs(got[:, 1] - exact.real / 8).max() <= 0.5
    assert np.abs(got[:, 0] - exact.imag / 8).max() <= 0.5


def test_an_fft_too_large_stops_at_the_ends_and_odd_modes_are_refused(chip):
    device, _ = chip.machine.bus.at(FFT)
    device.write(0x08, 8, 3 | 1 << 3 | 1 << 13)
    for _ in range(32):
        device.write(0, 8, 0x7FFF0000_7FFF0000)
    assert device.read(0x38, 8) & 0xFFFFFFFF == 0x7FFF0000
    device.write(0x08, 8, 3 | 1 << 15 | 1 << 13)
    with pytest.raises(NotSimulated, match="control register"):
        device.write(0, 8, 0)


def test_otp_is_blank_and_cannot_be_programmed(chip):
    otp = lambda name: OTP + 4 * NAMES.index(name)  # noqa: E731
    from k210sim.devices.otp import NAMES

    chip[otp("mode")] = chip[otp("ceb")] = 0
    for byte, flag in ((0, 0), (0x3D9C, 0), (0x3FF0, 1)):
        assert chip[otp("adr_in_flag")]
        chip[otp("apb_adr")] = 8 * byte
        assert chip[otp("data_rdy")] and chip[otp("data")] == 0
        assert chip[otp("wrg_adr_flag")] == flag
    chip[otp("mode")], chip[otp("test_mode")] = 2, 0x24
    chip[otp("ceb")] = 0
    assert chip[otp("blank_finish")] and not chip[otp("bisr_fail")]
    chip[otp("mode")] = 1
    with pytest.raises(NotSimulated, match="OTP in mode 1"):
        chip[otp("ceb")] = 0


def test_rtc_ticks_and_alarms_interrupt_once_each(chip):
    clock = chip.machine.clock
    plic, rtc_irq = 0x0C000000, 20
    chip[plic + 4 * rtc_irq] = 1
    chip[plic + 0x2000] = 1 << rtc_irq

    def taken() -> bool:
        source = chip[plic + 0x200004]
        chip[plic + 0x200004] = source
        return source == rtc_irq

    chip[RTC] = 24 << 20 | 2 << 16 | 28 << 8
    chip[RTC + 4] = 23 << 24 | 59 << 16 | 58 << 10
    chip[RTC + 0x18] = 1
    clock.advance_ns(999_999_999)
    assert not taken()
    clock.advance_ns(1)
    assert taken() and not taken()
    chip[RTC + 0x18] = 1 | 3 << 2  # by days
    clock.advance_ns(1_000_000_000)
    assert taken() and chip[RTC] >> 8 & 31 == 29
    clock.advance_ns(5_000_000_000)
    assert not taken()
    chip[RTC + 0x0C] = 0 << 24 | 0 << 16 | 10 << 10
    chip[RTC + 0x18] = 2 | 0b1110 << 24
    clock.advance_ns(4_000_000_000)
    assert not taken()
    clock.advance_ns(1_000_000_000)
    assert taken() and not taken()
    clock.advance_ns(3600_000_000_000)
    assert not taken()


def test_timers_count_what_sysctl_selects(chip):
    clock = chip.machine.clock
    assert [chip.machine.sysctl.timer_hz(n) for n in range(3)] == [13_000_000] * 3
    assert chip.machine.sysctl.wdt_hz(1) == 13_000_000
    chip[SYSCTL + 0x40] = 12 << 8
    assert chip.machine.sysctl.timer_hz(1) == 1_000_000
    timer1 = 0x502E0000
    chip[timer1], chip[timer1 + 8] = 1000, 3
    clock.advance_ns(999_999)
    assert chip[timer1 + 0xA8] == 0
    clock.advance_ns(1)
    assert chip[timer1 + 0xA8] == 1


def item(chip, at: int, source: int, target: int, count: int, behind: int, *, last=False) -> None:
    control = 3 << 8 | 3 << 11 | 1 << 63 | int(last) << 62
    fields = np.array([source, target, count - 1, behind, control, 0, 0, 0], np.uint64)
    chip.ram(at, 64)[:] = fields.view(np.uint8)


def test_a_list_of_blocks_is_done_item_by_item(chip):
    memory = chip.ram(0x40100000, 4096)
    memory[:] = np.arange(4096) % 251
    item(chip, 0x40110000, 0x40100000, 0x40120000, 4, 0x40110080)
    item(chip, 0x40110080, 0x40100100, 0x40120020, 2, 0x40110040)
    item(chip, 0x40110040, 0x40100200, 0x40120030, 1, 0, last=True)
    device, _ = chip.machine.bus.at(DMAC)
    device.write(0x120, 8, 0xF)
    device.write(0x128, 8, 0x40110000)
    device.write(0x10, 8, 3)
    device.write(0x18, 8, 0x101)
    got = chip.ram(0x40120000, 56)
    expected = [*memory[:32], *memory[0x100:0x110], *memory[0x200:0x208]]
    assert list(got) == expected
    assert device.read(0x18, 8) == 0 and device.read(0x188, 8) == 3
    controls = [int(chip.ram(0x40110020 + 64 * n, 8).view(np.uint64)[0]) for n in range(3)]
    assert not any(control >> 63 for control in controls)


def test_sound_takes_its_time(chip):
    clock = chip.machine.clock
    chip[SYSCTL + 0x10] = 1 << 21  # PLL2 on, 26 MHz
    chip[SYSCTL + 0x44] = 12  # bit clock 1 MHz
    chip[I2S0 + 0x10] = 2 << 3  # words of 32 clocks: 15,625 frames a second
    chip[I2S0 + 0x2C] = chip[I2S0 + 0x28] = 1
    device, _ = chip.machine.bus.at(DMAC)

    def play() -> None:
        for offset, value in ((0x00, 0x40100000), (0x08, I2S0 + 0x1C8), (0x10, 199),
                              (0x18, 1 << 6 | 2 << 8 | 2 << 11)):  # fmt: skip
            device.write(0x100 + offset, 8, value)
        device.write(0x10, 8, 3)
        device.write(0x18, 8, 0x101)

    play()
    assert not device.read(0x18, 8) & 1
    play()  # waits for the first 100 frames
    assert device.read(0x18, 8) & 1
    clock.advance_ns(6_399_999)
    assert device.read(0x18, 8) & 1
    clock.advance_ns(1)
    assert not device.read(0x18, 8) & 1
    chip[I2S0 + 0x04] = 1
    chip.ram(0x40200000, 800)[:] = 1
    for offset, value in ((0x00, I2S0 + 0x1C0), (0x08, 0x40200000), (0x10, 199),
                          (0x18, 1 << 4 | 2 << 8 | 2 << 11)):  # fmt: skip
        device.write(0x200 + offset, 8, value)
    device.write(0x18, 8, 0x202)
    clock.advance_ns(6_399_999)
    assert device.read(0x18, 8) & 2
    clock.advance_ns(1)
    assert not device.read(0x18, 8) & 2 and not chip.ram(0x40200000, 800).any()
