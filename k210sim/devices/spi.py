"""SPI0, SPI1 and SPI3 as masters: FIFOs, transfer modes, frames of 4 to 32 bits.

Ref: kendryte-standalone-sdk lib/drivers/include/spi.h and spi.c (which field lies where differs
between SPI3 and the others). Transfers take no time of their own here; a slave may charge some.
The FIFOs have no limit, so nothing is ever lost in them. Frames go out with the highest byte
first unless `endian` is set (our guess for what that register does).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Protocol

import numpy as np

from k210sim.devices.device import Device, Register

BOTH, SEND, RECEIVE, EEPROM = 0, 1, 2, 3  # ctrlr0's transfer modes
INSTRUCTION_BITS = (0, 4, 8, 16)
NAMES = {
    0x04: "ctrlr1", 0x08: "ssienr", 0x0C: "mwcr", 0x10: "ser", 0x14: "baudr", 0x18: "txftlr",
    0x1C: "rxftlr", 0x2C: "imr", 0x38: "txoicr", 0x3C: "rxoicr", 0x40: "rxuicr", 0x44: "msticr",
    0x48: "icr", 0x4C: "dmacr", 0x50: "dmatdlr", 0x54: "dmardlr", 0x58: "idr",
    0x5C: "ssic_version_id", 0xF0: "rx_sample_delay", 0xF4: "spi_ctrlr0", 0xFC: "xip_mode_bits",
    0x100: "xip_incr_inst", 0x104: "xip_wrap_inst", 0x108: "xip_ctrl", 0x10C: "xip_ser",
    0x110: "xrxoicr", 0x114: "xip_cnt_time_out", 0x118: "endian",
}  # fmt: skip


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
        *(Register(offset, name) for offset, name in NAMES.items()),
        Register(0x20, "txflr"), Register(0x24, "rxflr"), Register(0x28, "sr"),
        Register(0x30, "isr", read_only=True), Register(0x34, "risr", read_only=True),
        Register(0x60, "dr", count=36),
    )  # fmt: skip

    def __init__(self, number: int, slave: Slave | None = None,
                 on_change: Callable[[], None] = lambda: None):
        self.NAME = f"SPI{number}"
        self.slave: Slave = slave or Unconnected()
        self._on_change = on_change
        at3 = number == 3
        self._dfs, self._frf, self._tmod = (0, 22, 10) if at3 else (16, 21, 8)
        self._clear()
        super().__init__()

    def _clear(self) -> None:
        self._sent: list[int] = []  # frames not on the wire yet
        self._rx: deque[int] = deque()
        self._selected = False
        self._phase_done = False  # instruction and address are out

    def reset(self) -> None:
        super().reset()
        if self._selected:
            self.slave.release()
        self._clear()

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

    # --- registers ------------------------------------------------------------------------------

    def write_ssienr(self, value: int) -> None:
        self._put(0x08, 4, value & 1)
        self._changed()
        if not value & 1:
            self._sent.clear()
            self._rx.clear()

    def write_ser(self, value: int) -> None:
        self._put(0x10, 4, value)
        self._changed()

    def _changed(self) -> None:
        if self.active and not self._selected:
            self._selected, self._phase_done = True, False
            self.slave.select(int(self.words[4]))
            self._flow()
            self._on_change()
        elif not self.active and self._selected:
            self._flow()
            self._selected = False
            self.slave.release()

    def read_sr(self) -> int:
        # not busy, transmit FIFO not full and empty, receive FIFO not empty if anything is there
        self._flow()
        return 0x06 | (0x08 if self._rx else 0)

    def write_sr(self, value: int) -> None:
        """Read-only."""

    def read_txflr(self) -> int:
        self._flow()
        return 0 if self.active else len(self._sent)

    def read_rxflr(self) -> int:
        self._flow()
        return len(self._rx)

    def read_dr(self, index: int) -> int:
        self._flow()
        return self._rx.popleft() if self._rx else 0

    def write_dr(self, index: int, value: int) -> None:
        self._sent.append(value)

    # --- for a DMA channel ----------------------------------------------------------------------

    def dma_write(self, values: list[int]) -> None:
        """Frames for the transmit FIFO."""
        self._sent.extend(values)
        self._flow()

    def dma_read(self, count: int) -> list[int] | None:
        """`count` received frames, or None while there are not as many."""
        self._flow()
        if len(self._rx) < count:
            return None
        return [self._rx.popleft() for _ in range(count)]

    # --- the wire -------------------------------------------------------------------------------

    def _flow(self) -> None:
        """Do what the frames waiting make possible."""
        if not self._selected or not self._sent and (self._phase_done or not self.wide):
            return
        mode = self.mode
        if self.wide:
            if not self._phase_done and not self._take_phase():
                return
            if mode in (RECEIVE, EEPROM):
                self._get(self._field(0x04, 0, 16) + 1)
                self._sent.clear()
                self._phase_done = False
                return
        elif mode in (RECEIVE, EEPROM):
            if mode == EEPROM:
                self.slave.exchange(self._pack(self._sent))
            self._sent.clear()
            self._get(self._field(0x04, 0, 16) + 1)
            return
        if self._sent:
            answer = self.slave.exchange(self._pack(self._sent))
            if mode == BOTH:
                self._rx.extend(self._unpack(answer))
            self._sent.clear()

    def _take_phase(self) -> bool:
        """Send the instruction and address frames if they are there."""
        instruction_bits = INSTRUCTION_BITS[self._field(0xF4, 8, 2)]
        address_bits = 4 * self._field(0xF4, 2, 4)
        needed = (1 if instruction_bits else 0) + (1 if address_bits else 0)
        if len(self._sent) < needed or not self._sent:
            return False
        instruction = self._sent.pop(0) & ((1 << instruction_bits) - 1) if instruction_bits else 0
        address = self._sent.pop(0) & ((1 << address_bits) - 1) if address_bits else None
        if self.slave.raw:
            head = instruction.to_bytes(-(-instruction_bits // 8), "big")
            head += (address or 0).to_bytes(-(-address_bits // 8), "big")
            self.slave.exchange(head)
        else:
            if address is not None and address_bits == 32:
                address >>= 8  # the last byte tells the chip how to go on reading
            self.slave.command(instruction, address)
        self._phase_done = True
        return True

    def _get(self, frames: int) -> None:
        size = -(-self.frame_bits // 8)
        self._rx.extend(self._unpack(self.slave.receive(frames * size)))

    def _pack(self, frames: list[int]) -> bytes:
        size = -(-self.frame_bits // 8)
        if size == 1:
            return bytes(frame & 0xFF for frame in frames)
        little = int(self.words[0x118 // 4]) & 1
        if size != 3:
            order = "<" if little else ">"
            return np.array(frames, np.uint64).astype(f"{order}u{size}").tobytes()
        mask = (1 << 8 * size) - 1
        order = "little" if little else "big"
        return b"".join((frame & mask).to_bytes(size, order) for frame in frames)

    def _unpack(self, data: bytes):
        size = -(-self.frame_bits // 8)
        if size == 1:
            return data
        order = "little" if int(self.words[0x118 // 4]) & 1 else "big"
        return [int.from_bytes(data[i : i + size], order) for i in range(0, len(data), size)]
