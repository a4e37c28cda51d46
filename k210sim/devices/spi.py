"""SPI0, SPI1 and SPI3 as masters: FIFOs, transfer modes, frames of 4 to 32 bits.

Ref: kendryte-standalone-sdk lib/drivers/include/spi.h and spi.c (which field lies where differs
between SPI3 and the others). Transfers take no time of their own here; a slave may charge some.
The FIFOs have no limit, so nothing is ever lost in them. Frames go out with the highest byte
first unless `endian` is set (our guess for what that register does).

Interrupts (Synopsys' description of the block, DW_apb_ssi): transmit FIFO at or below txftlr,
receive FIFO above rxftlr, and reading it when it is empty. Overflows and contention do not occur.

The FIFOs' first frames lie in cells that the compiled core works on too (cells.py, hot.py), so that
a controller with nobody behind it rarely gets here; with an interrupt unmasked it always does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from k210sim.devices import cells as c
from k210sim.devices.device import Device, Register

BOTH, SEND, RECEIVE, EEPROM = 0, 1, 2, 3  # ctrlr0's transfer modes
INSTRUCTION_BITS = (0, 4, 8, 16)
SENT_ENOUGH, READ_EMPTY, GOT_ENOUGH = 1 << 0, 1 << 2, 1 << 4  # of risr, isr and imr
NAMES = {
    0x04: "ctrlr1", 0x08: "ssienr", 0x0C: "mwcr", 0x10: "ser", 0x14: "baudr", 0x18: "txftlr",
    0x1C: "rxftlr", 0x2C: "imr", 0x38: "txoicr", 0x3C: "rxoicr", 0x40: "rxuicr", 0x44: "msticr",
    0x48: "icr", 0x4C: "dmacr", 0x50: "dmatdlr", 0x54: "dmardlr", 0x58: "idr",
    0x5C: "ssic_version_id", 0xF0: "rx_sample_delay", 0xF4: "spi_ctrlr0", 0xFC: "xip_mode_bits",
    0x100: "xip_incr_inst", 0x104: "xip_wrap_inst", 0x108: "xip_ctrl", 0x10C: "xip_ser",
    0x110: "xrxoicr", 0x114: "xip_cnt_time_out", 0x118: "endian",
}  # fmt: skip


KINDS = {"ssienr": c.SPI_SSIENR, "ser": c.SPI_SER, "imr": c.KEEPS}
NONE = np.zeros(0, np.uint32)
IMR = 0x2C // 4


class Slave(Protocol):
    """A chip on the bus. A transaction lasts from chip select low to high.

    raw : it takes the instruction and address phase of a wide transfer as bytes like any other,
    through `exchange`, and has no `command`
    """

    raw: bool = False

    def select(self, chip_select: int) -> None: ...

    def release(self) -> None: ...

    def command(self, instruction: int, address: int | None) -> None:
        """The instruction and address phase of a dual, quad or octal transfer."""

    def exchange(self, data: bytes) -> bytes:
        """Bytes both ways at once, as on four wires."""

    def receive(self, count: int) -> bytes:
        """Bytes from the slave only."""


class Unconnected:
    """No chip at all: the data line is pulled up, so everything reads as ones."""

    raw = False

    def select(self, chip_select: int) -> None: ...

    def release(self) -> None: ...

    def command(self, instruction: int, address: int | None) -> None: ...

    def exchange(self, data: bytes) -> bytes:
        return b"\xff" * len(data)

    def receive(self, count: int) -> bytes:
        return b"\xff" * count


class Spi(Device):
    """One controller. on_change() is called when a DMA channel may be able to go on."""

    REGISTERS = (
        Register(0x00, "ctrlr0"),
        *(Register(offset, name, kind=KINDS.get(name, c.PLAIN)) for offset, name in NAMES.items()),
        Register(0x20, "txflr", kind=c.SPI_TXFLR), Register(0x24, "rxflr", kind=c.SPI_RXFLR),
        Register(0x28, "sr", kind=c.SPI_SR),
        Register(0x30, "isr", read_only=True), Register(0x34, "risr", read_only=True),
        Register(0x60, "dr", count=36, kind=c.SPI_DR),
    )  # fmt: skip
    DMA_ARRAYS = True

    def __init__(self, number: int, slave: Slave | None = None,
                 on_change: Callable[[], None] = lambda: None):
        self.NAME = f"SPI{number}"
        self._on_change = on_change
        at3 = number == 3
        self._dfs, self._frf, self._tmod = (0, 22, 10) if at3 else (16, 21, 8)
        self._underrun = self._raised = False
        self._rest = {c.SENT: b"", c.GOT: b""}  # frames behind those in the cells, as uint32
        super().__init__()
        self.row[c.AT_3] = at3
        self.slave = slave or Unconnected()

    @property
    def slave(self) -> Slave:
        return self._slave

    @slave.setter
    def slave(self, slave: Slave) -> None:
        self._slave = slave
        self.row[c.OPEN_LINE] = isinstance(slave, Unconnected)

    def reset(self) -> None:
        super().reset()
        if self.row[c.SELECTED]:
            self.slave.release()
        self.row[c.SELECTED] = self.row[c.PHASE_DONE] = 0
        self._underrun = self._raised = False
        self._keep(c.SENT, NONE)
        self._keep(c.GOT, NONE)
        self.irq(False)

    # --- what ctrlr0 and its kin say ------------------------------------------------------------

    def _field(self, offset: int, low: int, width: int) -> int:
        return self._cells[offset >> 2] >> low & ((1 << width) - 1)

    @property
    def mode(self) -> int:
        return self._field(0, self._tmod, 2)

    @property
    def frame_bits(self) -> int:
        return self._field(0, self._dfs, 5) + 1

    @property
    def divider(self) -> int:
        """Of the controller's clock; the bus runs that much slower."""
        return max(2, self._field(0x14, 0, 16))

    @property
    def octal(self) -> bool:
        """Frames on eight lines."""
        return self._field(0, self._frf, 2) == 3

    @property
    def wide(self) -> bool:
        """Dual, quad or octal frames."""
        return self._field(0, self._frf, 2) != 0

    @property
    def active(self) -> bool:
        return bool(self._cells[2] & 1 and self._cells[4])

    # --- FIFOs ----------------------------------------------------------------------------------

    def _count(self, fifo: int) -> int:
        row = self._row
        return row[fifo + c.END] - row[fifo + c.START] + len(self._rest[fifo]) // 4

    def _keep(self, fifo: int, frames: np.ndarray) -> None:
        """Let a FIFO hold these frames."""
        row, here = self._row, frames[: c.DEPTH]
        self.row[fifo + c.FRAMES : fifo + c.FRAMES + here.size] = here
        row[fifo + c.START], row[fifo + c.END] = 0, here.size
        self._rest[fifo] = frames[c.DEPTH :].tobytes()
        row[c.BEYOND] = int(any(self._rest.values()) or self._cells[IMR] != 0)

    def _take_frames(self, fifo: int, count: int | None = None) -> np.ndarray:
        """The first `count` frames of a FIFO, or all; they leave it."""
        row = self._row
        first = fifo + c.FRAMES
        frames = self.row[first + row[fifo + c.START] : first + row[fifo + c.END]].astype(np.uint32)
        if self._rest[fifo]:
            frames = np.concatenate((frames, np.frombuffer(self._rest[fifo], np.uint32)))
        if count is None or count >= frames.size:
            self._keep(fifo, NONE)
            return frames
        self._keep(fifo, frames[count:])
        return frames[:count]

    def _append(self, fifo: int, frames: np.ndarray) -> None:
        if frames.size:
            before = self._take_frames(fifo)
            self._keep(fifo, np.concatenate((before, frames)) if before.size else frames)

    # --- registers ------------------------------------------------------------------------------

    def write_ssienr(self, value: int) -> None:
        self._put(0x08, 4, value & 1)
        self._changed()
        if not value & 1:
            self._keep(c.SENT, NONE)
            self._keep(c.GOT, NONE)
        self._update()

    def write_ser(self, value: int) -> None:
        self._put(0x10, 4, value)
        self._changed()
        self._update()

    # --- interrupts -----------------------------------------------------------------------------

    def write_imr(self, value: int) -> None:
        self._put(0x2C, 4, value & 0x3F)
        self._keep(c.GOT, self._take_frames(c.GOT))  # who may serve the registers changes
        self._update()

    def write_txftlr(self, value: int) -> None:
        self._put(0x18, 4, value)
        self._update()

    def write_rxftlr(self, value: int) -> None:
        self._put(0x1C, 4, value)
        self._update()

    def read_risr(self) -> int:
        enough = self._cells[2] & 1 and self._count(c.SENT) <= self._cells[0x18 // 4]
        return ((SENT_ENOUGH if enough else 0) | (READ_EMPTY if self._underrun else 0)
                | (GOT_ENOUGH if self._count(c.GOT) > self._cells[0x1C // 4] else 0))  # fmt: skip

    def read_isr(self) -> int:
        return self.read_risr() & self._cells[IMR]

    def read_rxuicr(self) -> int:
        self._underrun = False
        self._update()
        return 0

    def read_icr(self) -> int:
        return self.read_rxuicr()

    def _update(self) -> None:
        if self._cells[IMR] or self._raised:
            self._raised = self.read_isr() != 0
            self.irq(self._raised)

    # --- chip select, FIFOs by hand -------------------------------------------------------------

    def _changed(self) -> None:
        row, active = self._row, self.active
        if active and not row[c.SELECTED]:
            row[c.SELECTED], row[c.PHASE_DONE] = 1, 0
            self.slave.select(int(self.words[4]))
            self._flow()
            self._on_change()
        elif not active and row[c.SELECTED]:
            self._flow()
            row[c.SELECTED] = 0
            self.slave.release()

    def read_sr(self) -> int:
        # not busy, transmit FIFO not full and empty, receive FIFO not empty if anything is there
        self._flow()
        return 0x06 | (0x08 if self._count(c.GOT) else 0)

    def write_sr(self, value: int) -> None:
        """Read-only."""

    def read_txflr(self) -> int:
        self._flow()
        return 0 if self.active else self._count(c.SENT)

    def write_txflr(self, value: int) -> None:
        """Read-only."""

    def read_rxflr(self) -> int:
        self._flow()
        return self._count(c.GOT)

    def write_rxflr(self, value: int) -> None:
        """Read-only."""

    def read_dr(self, index: int) -> int:
        self._flow()
        row = self._row
        start = row[c.GOT + c.START]
        if start == row[c.GOT + c.END]:
            self._underrun = True
            self._update()
            return 0
        value = row[c.GOT + c.FRAMES + start]
        row[c.GOT + c.START] = start + 1
        if start + 1 == row[c.GOT + c.END]:
            self._keep(c.GOT, np.frombuffer(self._rest[c.GOT], np.uint32))
        self._update()
        return value

    def write_dr(self, index: int, value: int) -> None:
        self._append(c.SENT, np.array([value], np.uint32))
        if self._cells[IMR]:
            self._flow()
            self._update()

    # --- for a DMA channel ----------------------------------------------------------------------

    def dma_write(self, values: np.ndarray) -> None:
        """Frames for the transmit FIFO."""
        self._append(c.SENT, np.asarray(values, np.uint64).astype(np.uint32))
        self._flow()
        self._update()

    def dma_read(self, count: int) -> np.ndarray | None:
        """`count` received frames, or None while there are not as many."""
        self._flow()
        if self._count(c.GOT) < count:
            return None
        frames = self._take_frames(c.GOT, count)
        self._update()
        return frames

    # --- the wire -------------------------------------------------------------------------------

    def _flow(self) -> None:
        """Do what the frames waiting make possible."""
        row = self._row
        if not row[c.SELECTED]:
            return
        wide = self.wide
        if not self._count(c.SENT) and (row[c.PHASE_DONE] or not wide):
            return
        mode = self.mode
        if wide:
            if not row[c.PHASE_DONE] and not self._take_phase():
                return
            if mode in (RECEIVE, EEPROM):
                self._keep(c.SENT, NONE)
                row[c.PHASE_DONE] = 0
                self._get(self._field(0x04, 0, 16) + 1)
                return
        frames = self._take_frames(c.SENT)
        if mode in (RECEIVE, EEPROM):
            if mode == EEPROM:
                self.slave.exchange(self._pack(frames))
            self._get(self._field(0x04, 0, 16) + 1)
        elif frames.size:
            answer = self.slave.exchange(self._pack(frames))
            if mode == BOTH:
                self._append(c.GOT, self._unpack(answer))

    def _take_phase(self) -> bool:
        """Send the instruction and address frames if they are there."""
        instruction_bits = INSTRUCTION_BITS[self._field(0xF4, 8, 2)]
        address_bits = 4 * self._field(0xF4, 2, 4)
        needed = (1 if instruction_bits else 0) + (1 if address_bits else 0)
        if self._count(c.SENT) < max(1, needed):
            return False
        head = self._take_frames(c.SENT, needed).tolist()
        instruction = head.pop(0) & ((1 << instruction_bits) - 1) if instruction_bits else 0
        address = head.pop(0) & ((1 << address_bits) - 1) if address_bits else None
        if self.slave.raw:
            phase = instruction.to_bytes(-(-instruction_bits // 8), "big")
            phase += (address or 0).to_bytes(-(-address_bits // 8), "big")
            self.slave.exchange(phase)
        else:
            if address is not None and address_bits == 32:
                address >>= 8  # the last byte tells the chip how to go on reading
            self.slave.command(instruction, address)
        self._row[c.PHASE_DONE] = 1
        return True

    def _get(self, frames: int) -> None:
        size = -(-self.frame_bits // 8)
        self._append(c.GOT, self._unpack(self.slave.receive(frames * size)))

    def _pack(self, frames: np.ndarray) -> bytes:
        """The bytes of frames, in the order in which they go over the wire."""
        size = -(-self.frame_bits // 8)
        little = self._field(0x118, 0, 1)
        if size == 3:
            four = frames.astype("<u4" if little else ">u4").view(np.uint8).reshape(-1, 4)
            return (four[:, :3] if little else four[:, 1:]).tobytes()
        return frames.astype(f"{'<' if little else '>'}u{size}").tobytes()

    def _unpack(self, data: bytes) -> np.ndarray:
        """The other way round."""
        size = -(-self.frame_bits // 8)
        little = self._field(0x118, 0, 1)
        if size == 3:
            four = np.zeros((len(data) // 3, 4), np.uint8)
            three = np.frombuffer(data, np.uint8).reshape(-1, 3)
            (four[:, :3] if little else four[:, 1:])[:] = three
            return four.view("<u4" if little else ">u4").ravel().astype(np.uint32)
        return np.frombuffer(data, f"{'<' if little else '>'}u{size}").astype(np.uint32)
