"""I2C0-2: bytes take their time on the line, and a chip answers or nobody does.

Ref: kendryte-standalone-sdk lib/drivers/include/i2c.h and i2c.c, sipeed/MaixPy-v1
components/kendryte_sdk/src/sipeed_i2c.c; Synopsys' description of the block
(DW_apb_i2c). A transaction begins with the first command in the transmit FIFO and ends when that is
empty after a byte. A program that asks for the status or for bytes received while the line is busy
would ask again until it is not: the time passes with the first such question. The FIFOs are deep:
what a driver puts in is not lost in them.

As a slave (i2c_slave.py) a controller answers another one of the chip whose pads are wired to its
own; the master's clock is held while the slave's program has no byte to send.
"""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from k210sim.clock import Alarm
from k210sim.devices.device import Device, Register

NO_ACKNOWLEDGE = 1  # of a 7-bit address
READ = 0x100
BITS = 9  # of a byte with its acknowledgement
DEEPEST = 4096  # of the FIFOs here; the chip's hold 8
ACTIVE, NOT_FULL, EMPTY, RECEIVED = 0x01, 0x02, 0x04, 0x08
RX_FULL, TX_EMPTY, TX_ABORT, STOPPED, STARTED = 0x004, 0x010, 0x040, 0x200, 0x400
READ_REQUEST, READ_DONE = 0x020, 0x080
MASTER, SLAVE_DISABLED = 0x01, 0x40  # of con
NAMES = {
    0x00: "con", 0x04: "tar", 0x08: "sar", 0x10: "data_cmd", 0x14: "ss_scl_hcnt",
    0x18: "ss_scl_lcnt", 0x1C: "fs_scl_hcnt", 0x20: "fs_scl_lcnt", 0x2C: "intr_stat",
    0x30: "intr_mask", 0x34: "raw_intr_stat", 0x38: "rx_tl", 0x3C: "tx_tl", 0x40: "clr_intr",
    0x44: "clr_rx_under", 0x48: "clr_rx_over", 0x4C: "clr_tx_over", 0x50: "clr_rd_req",
    0x54: "clr_tx_abrt", 0x58: "clr_rx_done", 0x5C: "clr_activity", 0x60: "clr_stop_det",
    0x64: "clr_start_det", 0x68: "clr_gen_call", 0x6C: "enable", 0x70: "status", 0x74: "txflr",
    0x78: "rxflr", 0x7C: "sda_hold", 0x80: "tx_abrt_source", 0x88: "dma_cr", 0x8C: "dma_tdlr",
    0x90: "dma_rdlr", 0x94: "sda_setup", 0x98: "general_call", 0x9C: "enable_status",
    0xA0: "fs_spklen",
}  # fmt: skip
READ_ONLY = {
    "intr_stat", "raw_intr_stat", "txflr", "rxflr", "status", "tx_abrt_source", "enable_status",
    *(name for name in NAMES.values() if name.startswith("clr_")),
}  # fmt: skip


class Slave(Protocol):
    """A chip on the bus."""

    address: int
    IS_PROGRAM: bool  # of this chip: it needs time to see what comes

    def start(self, reading: bool) -> None: ...

    def stop(self, reading: bool) -> None: ...

    def put(self, byte: int) -> None: ...

    def get(self) -> int | None:
        """A byte; None while there is none, and the clock is held."""


class I2c(Device):
    """clock : of the board. hz() : what the counts of the line's clock count. find(address) : the
    chip of a 7-bit address on this bus, or None. on_change() : a DMA channel may go on.
    on_answer() : the controller, a slave, has got a byte to send"""

    REGISTERS = tuple(
        Register(offset, name, read_only=name in READ_ONLY) for offset, name in NAMES.items()
    )
    NOT_SAVED = Device.NOT_SAVED | {"_slave"}  # whoever has that chip saves it

    def __init__(
        self,
        number: int,
        clock,
        hz: Callable[[], int],
        find: Callable[[int], Slave | None] = lambda address: None,
        on_change: Callable[[], None] = lambda: None,
    ):
        self.NAME = f"I2C{number}"
        self.number = number
        self.on_answer: Callable[[], None] = lambda: None
        self._clock, self._hz, self._chip_at, self._on_change = clock, hz, find, on_change
        self._alarm: Alarm | None = None
        self._clear()
        super().__init__()

    def _clear(self) -> None:
        self._tx: deque[int] = deque()
        self._rx: deque[int] = deque()
        self._slave: Slave | None = None
        self._running = False  # a byte is on the line, until:
        self.held = False  # and it is the slave that keeps it waiting
        self._free_ns = 0
        self._reading: bool | None = None  # direction of the transaction
        self._raw = 0
        if self._alarm is not None:
            self._clock.cancel(self._alarm)
            self._alarm = None

    def reset(self) -> None:
        super().reset()
        self._clear()
        self._update()

    def save_state(self) -> dict[str, Any]:
        return {**super().save_state(), "addressed": self._slave is not None}

    def load_state(self, state: dict[str, Any]) -> None:
        other = {"addressed", *self.NOT_SAVED}
        super().load_state({name: value for name, value in state.items() if name not in other})
        self._slave = self._chip_at(self._take(0x04, 4) & 0x3FF) if state["addressed"] else None

    # --- the line -------------------------------------------------------------------------------

    @property
    def _bit_ns(self) -> int:
        counts = (self._take(0x14, 4) & 0xFFFF) + (self._take(0x18, 4) & 0xFFFF)
        return max(1, counts) * 1_000_000_000 // max(1, self._hz())

    def _next(self) -> None:
        """Put the next byte on the line, after a start condition and the address if need be."""
        if self._running or not self._tx or not self._take(0x6C, 4) & 1 or self.slave_address:
            return
        if self._take(0x80, 4):  # aborted: the FIFO is held empty until that is read
            self._tx.clear()
            return
        reading = bool(self._tx[0] & READ)
        bits = BITS
        if reading != self._reading:
            bits += BITS + 1
            self._raw |= STARTED
        self._running = True
        self._free_ns = self._clock.now_ns + bits * self._bit_ns
        self._alarm = self._clock.alarm(self._free_ns, functools.partial(self._byte, reading))

    def _let_pass(self) -> None:
        """Let the time of the byte on the line pass."""
        if self._running and not self.held:
            self._clock.advance_ns(max(0, self._free_ns - self._clock.now_ns))

    def _byte(self, reading: bool) -> None:
        """A byte has been on the line."""
        self._alarm, self._running = None, False
        if reading != self._reading:
            self._slave = self._chip_at(self._take(0x04, 4) & 0x3FF)
            self._reading = reading
            if self._slave is not None:
                self._slave.start(reading)
        if self._slave is None:
            self._tx.clear()
            self._put(0x80, 4, NO_ACKNOWLEDGE)
            self._raw |= TX_ABORT
        elif reading:
            byte = self._slave.get()
            if byte is None:
                self._running = self.held = True
                return
            self._tx.popleft()
            if len(self._rx) < DEEPEST:
                self._rx.append(byte)
        else:
            self._slave.put(self._tx.popleft() & 0xFF)
        if self._tx:
            self._next()
        elif self._slave is not None and self._slave.IS_PROGRAM:
            self._running = True  # for the stop condition
            self._free_ns = self._clock.now_ns + 2 * self._bit_ns
            self._alarm = self._clock.alarm(self._free_ns, self._stop)
        else:
            self._stop()
            return
        self._update()
        self._on_change()

    def _stop(self) -> None:
        self._alarm, self._running = None, False
        if self._slave is not None:
            self._slave.stop(bool(self._reading))
        self._reading = None
        self._raw |= STOPPED
        self._next()
        self._update()
        self._on_change()

    def go_on(self) -> None:
        """The slave that held the clock has a byte."""
        self.held = self._running = False
        self._next()

    # --- as a slave -----------------------------------------------------------------------------

    @property
    def slave_address(self) -> int:
        """The 7-bit address at which the controller answers; 0 when it is a master or off."""
        con = self._take(0x00, 4)
        answers = self._take(0x6C, 4) & 1 and not con & (MASTER | SLAVE_DISABLED)
        return self._take(0x08, 4) & 0x7F if answers else 0

    def note(self, bits: int) -> None:
        """Something that interrupts has happened."""
        self._raw |= bits
        self._update()

    def hear(self, byte: int) -> None:
        """A byte of the master; what is not read in time is lost."""
        if len(self._rx) < DEEPEST:
            self._rx.append(byte)
        self._update()

    def answer(self) -> int | None:
        """A byte for the master, or None, and the program is asked for one."""
        if self._tx:
            return self._tx.popleft() & 0xFF
        self.note(READ_REQUEST)
        return None

    # --- registers ------------------------------------------------------------------------------

    def write_data_cmd(self, value: int) -> None:
        if self._take(0x6C, 4) & 1 and len(self._tx) < DEEPEST:
            self._tx.append(value & 0x1FF)
        if self.slave_address:
            self.on_answer()
        self._next()
        self._update()

    def read_data_cmd(self) -> int:
        value = self._rx.popleft() if self._rx else 0
        self._update()
        return value

    def write_enable(self, value: int) -> None:
        self._put(0x6C, 4, value)
        if not value & 1:
            self._clear()
            self._put(0x80, 4, 0)
        self._update()

    def read_enable_status(self) -> int:
        return self._take(0x6C, 4) & 1

    def read_status(self) -> int:
        """Active once when something is on the line: until the stop condition a driver that waits
        looks at what went wrong, and after it no more. A slave that is a program gets its turn
        after each byte."""
        active = ACTIVE if self._running else 0
        while self._running and not self.held:
            self._let_pass()
            if self._slave is not None and self._slave.IS_PROGRAM:
                break
        return active | NOT_FULL | (0 if self._tx else EMPTY) | (RECEIVED if self._rx else 0)

    def read_txflr(self) -> int:
        return min(8, len(self._tx))

    def read_rxflr(self) -> int:
        if not self._rx:
            self._let_pass()
        return len(self._rx)

    def read_clr_tx_abrt(self) -> int:
        self._put(0x80, 4, 0)
        return self._acknowledge(TX_ABORT)

    def read_clr_stop_det(self) -> int:
        return self._acknowledge(STOPPED)

    def read_clr_start_det(self) -> int:
        return self._acknowledge(STARTED)

    def read_clr_rd_req(self) -> int:
        return self._acknowledge(READ_REQUEST)

    def read_clr_rx_done(self) -> int:
        return self._acknowledge(READ_DONE)

    def read_clr_intr(self) -> int:
        self._put(0x80, 4, 0)
        return self._acknowledge(TX_ABORT | STOPPED | STARTED | READ_REQUEST | READ_DONE)

    def _acknowledge(self, bits: int) -> int:
        self._raw &= ~bits
        self._update()
        return 0

    def read_raw_intr_stat(self) -> int:
        received = RX_FULL if len(self._rx) > (self._take(0x38, 4) & 7) else 0
        enabled = self._take(0x6C, 4) & 1
        sent = TX_EMPTY if enabled and len(self._tx) <= (self._take(0x3C, 4) & 7) else 0
        return self._raw | received | sent

    def read_intr_stat(self) -> int:
        return self.read_raw_intr_stat() & self._take(0x30, 4)

    def write_intr_mask(self, value: int) -> None:
        self._put(0x30, 4, value)
        self._update()

    def _update(self) -> None:
        self.irq(bool(self.read_intr_stat()))

    # --- for a DMA channel ----------------------------------------------------------------------

    def dma_write(self, values) -> None:
        """Commands for the transmit FIFO."""
        for value in values:
            self.write_data_cmd(int(value))

    def dma_read(self, count: int) -> list[int] | None:
        """Bytes received, or None while there are not as many."""
        if len(self._rx) < count:
            return None
        return [self._rx.popleft() for _ in range(count)]
