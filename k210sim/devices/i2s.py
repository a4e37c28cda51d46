"""I2S0-2: sound that is sent is heard by nobody, and what is received is silence, both in time.

Ref: kendryte-standalone-sdk lib/drivers/include/i2s.h and i2s.c; Synopsys' description of the block
(DW_apb_i2s): DMA words are left and right in turn, of the channels enabled. A block that a DMA
channel sends is taken when the one before has been played; a block that it receives is there when
its time has passed since it was asked for. By hand the FIFOs always have room and something to
read, unless a channel's interrupt is unmasked: then they fill and empty at the line's pace, and
interrupt with more than rfcr frames to read, or at most tfcr to play. Overruns do not occur: what
is not read in time is lost. The audio processor in the same window as I2S0 is apu.py's.
"""

from __future__ import annotations

from collections.abc import Callable

from k210sim.clock import Alarm
from k210sim.devices.device import Device, Register

CHANNELS = 4
CLOCKS = (16, 24, 32, 32)  # of a word on the line, by ccr's field
HALVES = 1 << 10  # of ccr: a word carries both sides, 16 bits each
HAS_DATA, HAS_ROOM = 0x01, 0x10  # of a channel's isr and imr
MASKED = 0x33
DEEPEST = 16  # frames in a FIFO
IER, IRER, ITER, RER, TER, IMR, RFCR, TFCR = 0x00, 0x04, 0x08, 0x28, 0x2C, 0x3C, 0x48, 0x4C
BLOCK_NAMES = {
    0x00: "ier", 0x04: "irer", 0x08: "iter", 0x0C: "cer", 0x10: "ccr", 0x14: "rxffr",
    0x18: "txffr", 0x1C0: "rxdma", 0x1C4: "rrxdma", 0x1C8: "txdma", 0x1CC: "rtxdma",
    0x1F0: "comp_param_2", 0x1F4: "comp_param_1", 0x1F8: "comp_version", 0x1FC: "comp_type",
}  # fmt: skip
CHANNEL_NAMES = ("left_rxtx", "right_rxtx", "rer", "ter", "rcr", "tcr", "isr", "imr", "ror", "tor",
                 "rfcr", "tfcr", "rff", "tff")  # fmt: skip


class I2s(Device):
    """clock : of the board. hz() : the line's bit clock. on_change() : a DMA channel may go on"""

    DMA_PACED = True
    REGISTERS = (
        *(Register(offset, name) for offset, name in BLOCK_NAMES.items()),
        *(
            Register(0x20 + 4 * i, name, count=CHANNELS, stride=0x40,
                     reset=MASKED if name == "imr" else 0)
            for i, name in enumerate(CHANNEL_NAMES)
        ),
    )

    def __init__(self, number: int, clock, hz: Callable[[], int], on_change: Callable[[], None]):
        self.NAME = f"I2S{number}"
        self._clock, self._hz, self._on_change = clock, hz, on_change
        self._free_ns = 0  # until when is played
        self._asked_ns: int | None = None  # since when a block of silence is waited for
        self._alarm: Alarm | None = None
        self._heard_ns = [0] * CHANNELS  # what came before has been read by hand
        self._dry_ns = [0] * CHANNELS  # when all that was written by hand has been played
        self._level_alarm: Alarm | None = None
        super().__init__()

    def reset(self) -> None:
        super().reset()
        self._free_ns, self._asked_ns = self._clock.now_ns, None
        if self._alarm is not None:
            self._clock.cancel(self._alarm)
            self._alarm = None
        self._heard_ns = [self._clock.now_ns] * CHANNELS
        self._dry_ns = [self._clock.now_ns] * CHANNELS
        self._update()

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
        self._alarm = self._clock.alarm(at_ns, self._block_due)

    def _block_due(self) -> None:
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

    # --- by hand --------------------------------------------------------------------------------

    def _at(self, offset: int, channel: int) -> int:
        return self._take(offset + 0x40 * channel, 4)

    @property
    def _frame_ns(self) -> int:
        return 2 * CLOCKS[self._take(0x10, 4) >> 3 & 3] * 1_000_000_000 // max(1, self._hz())

    def _due(self, channel: int, kind: int) -> int | None:
        """When a channel's FIFO has reached or will reach the level that interrupts; None when the
        direction is switched off."""
        whole, enable = (IRER, RER) if kind == HAS_DATA else (ITER, TER)
        if not self._take(IER, 4) & self._take(whole, 4) & self._at(enable, channel) & 1:
            return None
        if kind == HAS_DATA:
            return self._heard_ns[channel] + ((self._at(RFCR, channel) & 15) + 1) * self._frame_ns
        return self._dry_ns[channel] - (self._at(TFCR, channel) & 15) * self._frame_ns

    def _update(self) -> None:
        if self._level_alarm is not None:
            self._clock.cancel(self._level_alarm)
            self._level_alarm = None
        due = [at for channel in range(CHANNELS) for kind in (HAS_DATA, HAS_ROOM)
               if not self._at(IMR, channel) & kind
               and (at := self._due(channel, kind)) is not None]  # fmt: skip
        raised = any(at <= self._clock.now_ns for at in due)
        self.irq(raised or self._is_apu_raised())
        if due and not raised:
            self._level_alarm = self._clock.alarm(min(due), self._reached)

    def _is_apu_raised(self) -> bool:
        """Whether the audio processor interrupts, which only I2S0 has."""
        return False

    def _reached(self) -> None:
        self._level_alarm = None
        self._update()

    def read_left_rxtx(self, channel: int) -> int:
        return 0

    def write_left_rxtx(self, channel: int, value: int) -> None:
        """Heard by nobody."""

    def read_right_rxtx(self, channel: int) -> int:
        """The second half of a frame: it leaves the FIFO."""
        now, frame = self._clock.now_ns, self._frame_ns
        first = max(self._heard_ns[channel], now - DEEPEST * frame)
        self._heard_ns[channel] = min(now, first + frame)
        self._update()
        return 0

    def write_right_rxtx(self, channel: int, value: int) -> None:
        now, frame = self._clock.now_ns, self._frame_ns
        end = max(now, self._dry_ns[channel]) + frame
        self._dry_ns[channel] = min(end, now + DEEPEST * frame)
        self._update()

    def read_isr(self, channel: int) -> int:
        if self._at(IMR, channel) & (HAS_DATA | HAS_ROOM) == HAS_DATA | HAS_ROOM:
            return HAS_DATA | HAS_ROOM
        reached = 0
        for kind in (HAS_DATA, HAS_ROOM):
            due = self._due(channel, kind)
            reached |= kind if due is not None and due <= self._clock.now_ns else 0
        return reached

    def write_imr(self, channel: int, value: int) -> None:
        if self._at(IMR, channel) & ~value & HAS_DATA:
            self._heard_ns[channel] = self._clock.now_ns
        self._put(IMR + 0x40 * channel, 4, value & MASKED)
        self._update()

    def _switch(self, offset: int, value: int) -> None:
        """A register that decides what interrupts; listening begins anew."""
        if offset in (IER, IRER) and not self._take(offset, 4) & 1:
            self._heard_ns = [self._clock.now_ns] * CHANNELS
        self._put(offset, 4, value)
        self._update()

    def write_ier(self, value: int) -> None:
        self._switch(IER, value)

    def write_irer(self, value: int) -> None:
        self._switch(IRER, value)

    def write_iter(self, value: int) -> None:
        self._switch(ITER, value)

    def write_rer(self, channel: int, value: int) -> None:
        if not self._at(RER, channel) & 1:
            self._heard_ns[channel] = self._clock.now_ns
        self._switch(RER + 0x40 * channel, value)

    def write_ter(self, channel: int, value: int) -> None:
        self._switch(TER + 0x40 * channel, value)

    def write_rfcr(self, channel: int, value: int) -> None:
        self._switch(RFCR + 0x40 * channel, value)

    def write_tfcr(self, channel: int, value: int) -> None:
        self._switch(TFCR + 0x40 * channel, value)
