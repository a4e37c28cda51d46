"""FFT: transforms of 64 to 512 points of complex numbers of 16 bits.

Ref: kendryte-standalone-sdk lib/drivers/include/fft.h and fft.c. A word of 64 bits carries two
points, each with its imaginary part in the lower half. The result is the exact transform, halved
for each layer whose shift bit is set, rounded to the nearest and held within 16 bits. How the chip
rounds in each layer is in no document, so its last bits may differ. The header contradicts itself
on the direction; its enumeration is believed (1: forward), not the comment at the register.
The result of 512 points also lies in the unit's memory, where the microphone array's library
fetches it (Ref: the published v0.6.3 binary); that the order is that of the FIFO is a guess.
Input as real numbers only, or real and imaginary parts apart, and words of 32 bits raise
NotSimulated: no driver uses them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np

from k210sim.devices.device import Device, Register
from k210sim.errors import NotSimulated

NAMES = ("input_fifo", "ctrl", "fifo_ctrl", "intr_mask", "intr_clear", "status", "status_raw",
         "output_fifo")  # fmt: skip
INPUT, CTRL, MASK, RAW = 0x00, 0x08, 0x18, 0x30
ENABLE, DONE = 1 << 13, 1
RESULT = 0x800  # in the memory
LOW, HIGH = -(1 << 15), (1 << 15) - 1


def transform(points: np.ndarray, forward: bool, halvings: int) -> np.ndarray:
    """int16 (n, 2), imaginary and real parts, of the transform of as many."""
    values = points[:, 1].astype(np.float64) + 1j * points[:, 0]
    result = np.fft.fft(values) if forward else np.fft.ifft(values) * len(values)
    result /= 1 << halvings
    parts = np.stack([result.imag, result.real], axis=1)
    return np.clip(np.rint(parts), LOW, HIGH).astype(np.int16)


class FftMemory(Device):
    """What is known of the unit's memory, at 0x42102000: the last result of 512 points."""

    NAME = "FFT memory"
    REGISTERS = (Register(RESULT, "result", width=8, count=256, stride=8, read_only=True),)

    def keep(self, result: np.ndarray) -> None:
        """result : int16 (512, 2)"""
        self.words[RESULT // 4 : RESULT // 4 + 512] = result.view(np.uint32).ravel()


class Fft(Device):
    """memory : where long results lie too. on_change() : a DMA channel may go on."""

    NAME = "FFT"
    REGISTERS = tuple(Register(8 * i, name, width=8) for i, name in enumerate(NAMES))

    def __init__(self, memory: FftMemory, on_change: Callable[[], None] = lambda: None):
        self._memory, self._on_change = memory, on_change
        self._in: list[int] = []
        self._out: deque[int] = deque()
        super().__init__()

    def reset(self) -> None:
        super().reset()
        self._in.clear()
        self._out.clear()
        self._update()

    @property
    def points(self) -> int:
        return 512 >> (self._take(CTRL, 8) & 7)

    def write_input_fifo(self, value: int) -> None:
        control = self._take(CTRL, 8)
        if not control & ENABLE:
            return
        if control & 7 > 3 or control >> 15 & 7:
            raise NotSimulated(f"an FFT with its control register at 0x{control:x}")
        self._in.append(value)
        if len(self._in) == self.points // 2:
            self._run(control)

    def _run(self, control: int) -> None:
        points = np.array(self._in, np.uint64).view(np.int16).reshape(-1, 2)
        self._in.clear()
        self._out.clear()  # what nobody has fetched
        layers = self.points.bit_length() - 1
        halvings = (control >> 4 & (1 << layers) - 1).bit_count()
        result = transform(points, bool(control >> 3 & 1), halvings)
        self._out.extend(int(word) for word in result.reshape(-1, 4).view(np.uint64).ravel())
        if self.points == 512:
            self._memory.keep(result)
        self._put(RAW, 8, DONE)
        self._update()
        self._on_change()

    def read_output_fifo(self) -> int:
        return self._out.popleft() if self._out else 0

    def read_status(self) -> int:
        return self._take(RAW, 8) & ~self._take(MASK, 8) & DONE

    def write_status(self, value: int) -> None:
        """Read-only."""

    def write_intr_mask(self, value: int) -> None:
        self._put(MASK, 8, value & DONE)
        self._update()

    def write_intr_clear(self, value: int) -> None:
        self._put(RAW, 8, self._take(RAW, 8) & ~value)
        self._update()

    def _update(self) -> None:
        self.irq(bool(self.read_status()))

    def dma_write(self, values) -> None:
        """Words of input."""
        for value in values:
            self.write_input_fifo(int(value))

    def dma_read(self, count: int) -> list[int] | None:
        """Words of the result, or None while there are not as many."""
        if len(self._out) < count:
            return None
        return [self._out.popleft() for _ in range(count)]
