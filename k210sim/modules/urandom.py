"""`urandom`: the firmware's own generator (Ilya Levin's public-domain Yasmarang).

The generator starts from a constant at power-on and runs on across soft resets, so a program
gets the same numbers after every power-up. Source: micropython v1.11 extmod/modurandom.c
(recurrence, how ranges are drawn, errors without text).
"""

from __future__ import annotations

import struct

from k210sim.micropython.layout import SENTINEL
from k210sim.micropython.native import GuestModule
from k210sim.micropython.singles import fused, single
from k210sim.micropython.textargs import formatted_error
from k210sim.micropython.types.int import word_of
from k210sim.micropython.types.numeric import get_float

module = GuestModule("urandom")

_MASK = 0xFFFFFFFF
POWER_ON_PAD = 0xEDA4BABA


class Yasmarang:
    """State of the generator: four registers."""

    def __init__(self, pad: int = POWER_ON_PAD):
        self.pad, self.n, self.d, self.dat = pad & _MASK, 69, 233, 0

    def next(self) -> int:
        """The next 32 bits."""
        pad = self.pad + self.dat + self.d * self.n & _MASK
        pad = (pad << 3) + (pad >> 29) & _MASK
        d = self.d ^ ((pad << 31) + (pad >> 1) & _MASK)
        self.pad, self.n, self.d = pad, pad | 2, d
        self.dat = (self.dat ^ pad ^ d >> 8 ^ 1) & 0xFF
        return (pad ^ d << 5 ^ pad >> 18 ^ self.dat << 1) & _MASK

    def below(self, n: int, checkpoint) -> int:
        """A number below `n` (32 bits): masked bits until one fits."""
        n &= _MASK
        mask = 1
        while n & mask < n:
            mask = mask << 1 | 1
        tries = 0
        while True:
            value = self.next() & mask
            if value < n:
                return value
            tries += 1
            if tries & 0xFFF == 0:
                checkpoint()  # n of 0 (modulo 2**32) is never met, on the board either

    def fraction(self) -> float:
        """A single-precision number in [0, 1)."""
        raw = 0x3F800000 | self.next() & 0x7FFFFF
        return single(struct.unpack("<f", struct.pack("<I", raw))[0] - 1.0)


def generator(vm) -> Yasmarang:
    """The machine's generator, made at first use; it outlives soft resets."""
    state = vm.__dict__.get("yasmarang")
    if state is None:
        state = vm.yasmarang = Yasmarang()
    return state


def _signed(n: int) -> int:
    return (n + (1 << 63) & (1 << 64) - 1) - (1 << 63)


@module.function(1)
def getrandbits(vm, count):
    n = vm.get_int(count)
    n = (n + 0x80000000 & _MASK) - 0x80000000
    if n > 32 or n == 0:
        raise vm.error("ValueError")
    return word_of(vm, generator(vm).next() & _MASK >> (32 - n & 31))


@module.function(1)
def seed(vm, value):
    number = vm.int_value(value) if vm.is_int(value) else vm.get_int(value)
    vm.yasmarang = Yasmarang(number)


@module.function(1, 3)
def randrange(vm, start, stop=0, step=0):
    first = vm.get_int(start)
    below = generator(vm).below
    if not stop:
        if first > 0:
            return word_of(vm, below(first, vm.checkpoint))
        raise vm.error("ValueError")
    last = vm.get_int(stop)
    if not step:
        if first < last:
            return word_of(vm, _signed(first + below(last - first, vm.checkpoint)))
        raise vm.error("ValueError")
    by = vm.get_int(step)
    if by == 0:
        raise vm.error("ValueError")
    span = last - first + by + (-1 if by > 0 else 1)
    n = abs(span) // abs(by) * (1 if (span < 0) == (by < 0) else -1)
    if n <= 0:
        raise vm.error("ValueError")
    return word_of(vm, _signed(first + by * below(n, vm.checkpoint)))


@module.function(2)
def randint(vm, low, high):
    a, b = vm.get_int(low), vm.get_int(high)
    if a > b:
        raise vm.error("ValueError")
    return word_of(vm, _signed(a + generator(vm).below(b - a + 1, vm.checkpoint)))


@module.function(1)
def choice(vm, seq):
    length = vm.len_of(seq)
    if length is None:
        raise formatted_error(vm, "TypeError", "object of type '%s' has no len()",
                              vm.type_name(seq))
    if length <= 0:
        raise vm.error("IndexError")
    return vm.subscr(seq, word_of(vm, generator(vm).below(length, vm.checkpoint)), SENTINEL)


@module.function(0)
def random(vm):
    return vm.new_float(generator(vm).fraction())


@module.function(2)
def uniform(vm, low, high):
    a, b = get_float(vm, low), get_float(vm, high)
    return vm.new_float(fused(single(b - a), generator(vm).fraction(), a))
