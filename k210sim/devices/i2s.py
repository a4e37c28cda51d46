"""I2S0-2: sound that is sent is heard by nobody, and what is received is silence, both in time.

Ref: kendryte-standalone-sdk lib/drivers/include/i2s.h and i2s.c; Synopsys' description of the block
(DW_apb_i2s): DMA words are left and right in turn, of the channels enabled. A block that a DMA
channel sends is taken when the one before has been played; a block that it receives is there when
its time has passed since it was asked for. By hand the FIFOs always have room and something to
read. Interrupts are not modelled: unmasking one is reported.
"""

from __future__ import annotations

from collections.abc import Callable

from k210sim.clock import Alarm
from k210sim.devices.device import Device, Register

CHANNELS = 4
CLOCKS = (16, 24, 32, 32)  # of a word on the line, by ccr's field
HALVES = 1 << 10  # of ccr: a word carries both sides, 16 bits each
HAS_DATA, HAS_ROOM = 0x01, 0x10  # of a channel's isr
BLOCK_NAMES = {
    0x00: "ier", 0x04: "irer", 0x08: "iter", 0x0C: "cer", 0x10: "ccr", 0x14: "rxffr",
    0x18: "txffr", 0x1C0: "rxdma", 0x1C4: "rrxdma", 0x1C8: "txdma", 0x1CC: "rtxdma",
    0x1F0: "comp_param_2", 0x1F4: "comp_param_1", 0x1F8: "comp_version", 0x1FC: "comp_type",
}  # fmt: skip
CHANNEL_NAMES = ("left_rxtx", "right_rxtx", "rer", "ter", "rcr", "tcr", "isr", "imr", "ror", "tor",
                 "rfcr", "tfcr", "rff", "tff")  # fmt: skip


class I2s(Device):
    """clock : of the board. hz() : the line's bit clock. on_change() : a DMA channel may go on"""

    REGISTERS = (
        *(Register(offset, name) for offset, name in BLOCK_NAMES.items()),
        *(
            Register(0x20 + 4 * i, name, count=CHANNELS, stride=0x40)
            for i, name in enumerate(CHANNEL_NAMES)
        ),
    )

    def __init__(self, number: int, clock, hz: Callable[[], int], on_change: Callable[[], None]):
        self.NAME = f"I2S{number}"
        self._clock, self._hz, self._on_change = clock, hz, on_change
        self._free_ns = 0  # until when is played
        self._asked_ns: int | None = None  # since when a block of silence is waited for
        self._alarm: Alarm | None = None
        super().__init__()

    def reset(self) -> None:
        super().reset()
        self._free_ns, self._asked_ns = self._clock.now_ns, None
        if self._alarm is not None:
            self._clock.cancel(self._alarm)
            self._alarm = None

    def _duration_ns(self, words: int, enable: str) -> int:
        """How long so many words last on the channels that a register enables."""
        config = self._take(0x10, 4)
        at = 0x20 + 4 * CHANNEL_NAMES.index(enable)
        lines = sum(self._take(at + 0x40 * n, 4) & 1 for n in range(CHANNELS))
        words_a_frame = max(1, lines) * (1 if config & HALVES else 2)
        clocks = -(-words // words_a_frame) * 2 * CLOCKS[config >> 3 & 3]
        return clocks * 1_000_000_000 // max(1, self._hz())

    def _call_at(self, at_ns: int) -> None:
        if self._alarm is not None:
            self._clock.cancel(self._alarm)
        self._alarm = self._clock.alarm(at_ns, self._due)

    def _due(self) -> None:
        self._alarm = None
        self._on_change()

    def dma_write(self, values) -> bool:
        """Words to play; False while those before are played."""
        now = self._clock.now_ns
        if now < self._free_ns:
            self._call_at(self._free_ns)
            return False
        self._free_ns = now + self._duration_ns(len(values), "ter")
        return True

    def dma_read(self, count: int) -> list[int] | None:
        """Silence, when as much time has passed."""
        now = self._clock.now_ns
        if self._asked_ns is None:
            self._asked_ns = now
        due = self._asked_ns + self._duration_ns(count, "rer")
        if now < due:
            self._call_at(due)
            return None
        self._asked_ns = None
        return [0] * count

    def read_left_rxtx(self, channel: int) -> int:
        return 0

    def write_left_rxtx(self, channel: int, value: int) -> None:
        """Heard by nobody."""

    def read_right_rxtx(self, channel: int) -> int:
        return 0

    def write_right_rxtx(self, channel: int, value: int) -> None:
        """Heard by nobody."""

    def read_isr(self, channel: int) -> int:
        return HAS_DATA | HAS_ROOM

    def write_imr(self, channel: int, value: int) -> None:
        at = 0x3C + 0x40 * channel
        self._put(at, 4, value)
        if value & (HAS_DATA | HAS_ROOM) != HAS_DATA | HAS_ROOM:
            self._unmodelled("unmasking an interrupt", at, value)
