"""APU: the audio processor in I2S0's window, which adds up microphones by direction, in silence.

Ref: kendryte-standalone-sdk lib/drivers/include/apu.h and apu.c, kendryte-standalone-demo apu. What
I2S0 receives is silence, and so is all that is made of it, whatever gain, filters, delays and
transform a program has set: those registers are kept. Modelled is when it is there: a search
for directions takes 512 samples (a row for each of 16 directions; with the transform each row is
announced when the one before has been fetched), the stream of one direction comes in blocks of 512,
both after down-sizing. Nothing comes while I2S0 does not receive. What is not fetched in time is
replaced. That the counter of saturated samples stays 0 as a whole is a guess.
"""

from __future__ import annotations

import functools

from k210sim.clock import Alarm
from k210sim.devices.device import Register
from k210sim.devices.i2s import CHANNELS, CLOCKS, IER, IRER, RER, I2s

SAMPLES, DIRECTIONS = 512, 16
SEARCH, STREAM = PATHS = 0, 1  # numbers of their status bits and buffers
# of the control register: bits that switch a path on and reset it, and those that allow each
ENABLES, RESETS = (1 << 0, 1 << 4), (1 << 1, 1 << 5)
ENABLE_ALLOWED, RESET_ALLOWED = (1 << 8, 1 << 10), (1 << 9, 1 << 11)
# of the channels' register: sound channels, direction, gain, source, and the bit that allows each
CHANNEL_FIELDS = ((0xFF, 1 << 28), (0xF00, 1 << 29), (0x7FF000, 1 << 30), (1 << 24, 1 << 31))
TRANSFORM = 1 << 12
CH_CFG, CTL, DOWN_SIZE, FFT, RESULT, STATUS, MASK = (
    0x200, 0x204, 0x318, 0x31C, 0x320, 0x328, 0x32C,
)  # fmt: skip


class I2sWithApu(I2s):
    """I2S0: both share a window and an interrupt."""

    REGISTERS = (
        *I2s.REGISTERS,
        Register(CH_CFG, "bf_ch_cfg"), Register(CTL, "bf_ctl"),
        Register(0x208, "bf_dir_bidx", count=2 * DIRECTIONS),
        Register(0x288, "bf_fir_coef", count=36),
        Register(DOWN_SIZE, "bf_dwsz_cfg"), Register(FFT, "bf_fft_cfg"),
        Register(RESULT, "bf_result", count=2),
        Register(STATUS, "bf_int_stat"), Register(MASK, "bf_int_mask"),
        Register(0x330, "saturation_counter", read_only=True),
        Register(0x334, "saturation_limits"),
    )  # fmt: skip

    def __init__(self, *args, **options):
        self._words, self._rows = [0, 0], [0, 0]  # to be fetched, and rows behind them
        self._full_alarms: list[Alarm | None] = [None, None]
        super().__init__(*args, **options)

    def reset(self) -> None:
        for path in PATHS:
            self._forget(path)
        super().reset()

    # --- registers ------------------------------------------------------------------------------

    def write_bf_ch_cfg(self, value: int) -> None:
        kept = self._take(CH_CFG, 4)
        for field, allowed in CHANNEL_FIELDS:
            if value & allowed:
                kept = kept & ~field | value & field
        self._put(CH_CFG, 4, kept)

    def write_bf_ctl(self, value: int) -> None:
        for path in PATHS:
            enable = ENABLES[path]
            if value & RESET_ALLOWED[path] and value & RESETS[path]:
                self._forget(path)
            if value & ENABLE_ALLOWED[path]:
                self._put(CTL, 4, self._take(CTL, 4) & ~enable | value & enable)
        self._go_on()

    def write_bf_int_stat(self, value: int) -> None:
        self._put(STATUS, 4, self._take(STATUS, 4) & ~value)
        self._update()

    def write_bf_int_mask(self, value: int) -> None:
        self._put(MASK, 4, value & 3)
        self._update()

    def read_bf_result(self, path: int) -> int:
        """Silence."""
        self._fetched(path, 1)
        return 0

    def write_bf_result(self, path: int, value: int) -> None:
        """Read-only."""

    def _switch(self, offset: int, value: int) -> None:
        super()._switch(offset, value)
        self._go_on()

    def _is_apu_raised(self) -> bool:
        return bool(self._take(STATUS, 4) & ~self._take(MASK, 4) & 3)

    # --- time -----------------------------------------------------------------------------------

    @property
    def _receives(self) -> bool:
        lines = any(self._at(RER, channel) & 1 for channel in range(CHANNELS))
        return bool(self._take(IER, 4) & self._take(IRER, 4) & 1) and lines

    def _forget(self, path: int) -> None:
        self._words[path] = self._rows[path] = 0
        self._cancel(path)

    def _cancel(self, path: int) -> None:
        alarm = self._full_alarms[path]
        if alarm is not None:
            self._clock.cancel(alarm)
            self._full_alarms[path] = None

    def _go_on(self) -> None:
        """Have the buffers fill that a program wants filled, and no others."""
        control = self._take(CTL, 4)
        for path in PATHS:
            if not (control & ENABLES[path] and self._receives):
                self._cancel(path)
            elif self._full_alarms[path] is None:
                samples = SAMPLES * ((self._take(DOWN_SIZE, 4) >> 4 * path & 15) + 1)
                clocks = samples * 2 * CLOCKS[self._take(0x10, 4) >> 3 & 3]
                due = self._clock.now_ns + clocks * 1_000_000_000 // max(1, self._hz())
                full = functools.partial(self._full, path)
                self._full_alarms[path] = self._clock.alarm(due, full)

    def _full(self, path: int) -> None:
        self._full_alarms[path] = None
        transformed = self._take(FFT, 4) & TRANSFORM
        rows = 1
        if path == SEARCH:
            self._put(CTL, 4, self._take(CTL, 4) & ~ENABLES[SEARCH])
            rows = DIRECTIONS
        row = SAMPLES if transformed else SAMPLES // 2  # words: two samples, or a complex number
        self._words[path] = row if transformed else rows * row
        self._rows[path] = rows - 1 if transformed else 0
        self._announce(path)
        self._go_on()

    def _announce(self, path: int) -> None:
        self._put(STATUS, 4, self._take(STATUS, 4) | 1 << path)
        self._update()
        self._on_change()

    def _fetched(self, path: int, count: int) -> None:
        self._words[path] = max(0, self._words[path] - count)
        if not self._words[path] and self._rows[path]:
            self._rows[path] -= 1
            self._words[path] = SAMPLES
            self._announce(path)

    # --- for a DMA channel ----------------------------------------------------------------------

    def dma_part(self, offset: int) -> I2s | _Result:
        """Who answers a channel that uses this register."""
        path = (offset - RESULT) // 4
        return _Result(self, path) if path in PATHS else self


class _Result:
    """The register that a path's result is read from."""

    DMA_PACED = True

    def __init__(self, apu: I2sWithApu, path: int):
        self._apu, self._path = apu, path

    def dma_read(self, count: int) -> list[int] | None:
        if self._apu._words[self._path] < count:
            return None
        self._apu._fetched(self._path, count)
        return [0] * count
