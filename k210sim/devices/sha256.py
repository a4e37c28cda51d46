"""SHA256: sums blocks of 64 bytes that the program has padded.

Ref: kendryte-standalone-sdk lib/drivers/include/sha256.h and sha256.c; FIPS 180-4 for the sum. A
block is summed at once. What the endian bit does to data and results is inferred from the driver,
which always sets it; without it words are taken and given as numbers (a guess).
"""

from __future__ import annotations

from k210sim.devices.device import Device, Register

WORDS = 16
MASK = 0xFFFFFFFF
BIG_ENDIAN = 1 << 16
ENABLE = 1


def _root_bits(number: int, degree: int) -> int:
    """The first 32 bits behind the point of a number's square or cube root."""
    scaled = number << 32 * degree
    low, high = 0, 1 << 40
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if middle**degree <= scaled else (low, middle)
    return low & MASK


PRIMES = [n for n in range(2, 312) if all(n % d for d in range(2, n))]
START = tuple(_root_bits(prime, 2) for prime in PRIMES[:8])
CONSTANTS = tuple(_root_bits(prime, 3) for prime in PRIMES[:64])


def _turned(word: int, bits: int) -> int:
    return (word >> bits | word << 32 - bits) & MASK


def sum_block(state: tuple[int, ...], block: list[int]) -> tuple[int, ...]:
    """The state after a block of 16 words."""
    words = list(block)
    for n in range(WORDS, 64):
        early, late = words[n - 15], words[n - 2]
        first = _turned(early, 7) ^ _turned(early, 18) ^ early >> 3
        second = _turned(late, 17) ^ _turned(late, 19) ^ late >> 10
        words.append(words[n - 16] + first + words[n - 7] + second & MASK)
    a, b, c, d, e, f, g, h = state
    for word, constant in zip(words, CONSTANTS, strict=True):
        choice = e & f ^ ~e & g
        one = h + (_turned(e, 6) ^ _turned(e, 11) ^ _turned(e, 25)) + choice + constant + word
        two = (_turned(a, 2) ^ _turned(a, 13) ^ _turned(a, 22)) + (a & b ^ a & c ^ b & c)
        a, b, c, d, e, f, g, h = one + two & MASK, a, b, c, d + one & MASK, e, f, g
    return tuple(x + y & MASK for x, y in zip((a, b, c, d, e, f, g, h), state, strict=True))


class Sha256(Device):
    NAME = "SHA256"
    REGISTERS = (
        Register(0x00, "result", count=8, read_only=True),
        Register(0x20, "data_in1"), Register(0x28, "num"),
        Register(0x2C, "function_0"), Register(0x34, "function_1"),
    )  # fmt: skip

    def __init__(self):
        self._state, self._block, self._done = START, [], 0
        super().__init__()

    def reset(self) -> None:
        super().reset()
        self._state, self._block, self._done = START, [], 0

    @property
    def _wanted(self) -> int:
        return self._take(0x28, 4) & 0xFFFF

    def _word(self, value: int) -> int:
        if self._take(0x2C, 4) & BIG_ENDIAN:
            return int.from_bytes(value.to_bytes(4, "little"), "big")
        return value

    def write_function_0(self, value: int) -> None:
        """Enabling starts a new sum."""
        self._put(0x2C, 4, value & ~ENABLE)
        if value & ENABLE:
            self._state, self._block, self._done = START, [], 0

    def read_function_0(self) -> int:
        finished = self._done and self._done >= self._wanted
        return self._take(0x2C, 4) | (ENABLE if finished else 0)

    def read_num(self) -> int:
        return self._wanted | (self._done & 0xFFFF) << 16

    def write_data_in1(self, value: int) -> None:
        self._block.append(self._word(value))
        if len(self._block) == WORDS:
            self._state = sum_block(self._state, self._block)
            self._block, self._done = [], self._done + 1

    def read_data_in1(self) -> int:
        return 0

    def read_result(self, index: int) -> int:
        return self._word(self._state[7 - index])

    def dma_write(self, values) -> None:
        """Words of data."""
        for value in values:
            self.write_data_in1(int(value) & MASK)
