"""UART1-3.

Ref: kendryte-standalone-sdk lib/drivers/include/uart.h and uart.c, which waits while bit 5 of the
line status is 1 (in this mode of the core: transmit FIFO full); Synopsys' description of the block
(DW_apb_uart). What is sent takes the line's time at once when somebody listens, so the transmit
FIFO is always empty. Bytes below the receive trigger raise the time-out interrupt at once and not
after four characters' time. Modem lines, breaks and parity errors do not occur.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from k210sim.devices.device import Device, Register

NAMES = ("IER", "FCR", "LCR", "MCR", "LSR", "MSR", "SCR", "LPDLL", "LPDLH")
FIFO = 16
TRIGGERS = (1, FIFO // 4, FIFO // 2, FIFO - 2)
RECEIVE, SEND = 1, 2  # of IER
NOTHING, SENT, RECEIVED, TIMED_OUT = 1, 2, 4, 12  # of IIR
DIVISOR_LATCH = 0x80
LOOP = 0x10
DATA_READY, IDLE = 0x01, 0x40
MOST_HEARD = 4096


class Uart(Device):
    """send(data), receive(n) -> up to n bytes: the line, on whatever pads it is.

    on_change() : a DMA channel may go on
    """

    SIZE = 0x1000
    REGISTERS = (
        Register(0x00, "RBR"),
        *(Register(4 + 4 * i, name) for i, name in enumerate(NAMES)),
        Register(0x30, "SRBR", count=16), Register(0x70, "FAR"), Register(0x74, "TFR"),
        Register(0x78, "RFW"), Register(0x7C, "USR"), Register(0x80, "TFL", read_only=True),
        Register(0x84, "RFL", read_only=True), Register(0x88, "SRR"), Register(0x8C, "SRTS"),
        Register(0x90, "SBCR"), Register(0x94, "SDMAM"), Register(0x98, "SFE"),
        Register(0x9C, "SRT"), Register(0xA0, "STET"), Register(0xA4, "HTX"),
        Register(0xA8, "DMASA"), Register(0xAC, "TCR"), Register(0xB0, "DE_EN"),
        Register(0xB4, "RE_EN"), Register(0xB8, "DET"), Register(0xBC, "TAT"),
        Register(0xC0, "DLF"), Register(0xC4, "RAR"), Register(0xC8, "TAR"),
        Register(0xCC, "LCR_EXT"), Register(0xF4, "CPR", read_only=True),
        Register(0xF8, "UCV", read_only=True), Register(0xFC, "CTR", read_only=True),
    )  # fmt: skip

    def __init__(
        self,
        number: int,
        send: Callable[[bytes], None] = lambda data: None,
        receive: Callable[[int], bytes] = lambda count: b"",
        on_change: Callable[[], None] = lambda: None,
    ):
        self.NAME = f"UART{number}"
        self._send, self._receive, self._on_change = send, receive, on_change
        self._clear()
        super().__init__()

    def _clear(self) -> None:
        self._fifo: deque[int] = deque()
        self._heard = bytearray()
        self._latch = [0, 0]  # the divisor's bytes
        self._sent = False  # an empty transmit FIFO that has not been told of
        self._trigger = 0

    def reset(self) -> None:
        super().reset()
        self._clear()
        self._update()

    # --- the line -------------------------------------------------------------------------------

    def poll(self) -> None:
        """Take what has come; called now and then."""
        if len(self._fifo) < FIFO:
            self._fifo.extend(self._next(FIFO - len(self._fifo)))
            self._update()
        self._on_change()

    def hear(self, data: bytes) -> None:
        """Bytes of another unit; beyond MOST_HEARD that wait they are lost."""
        self._heard += data[: max(0, MOST_HEARD - len(self._heard))]
        self.poll()

    def _next(self, count: int) -> bytes:
        """Up to so many bytes from the line."""
        if not self._heard:
            return self._receive(count)
        got = bytes(self._heard[:count])
        del self._heard[:count]
        return got

    def _transmit(self, data: bytes) -> None:
        if self._take(0x10, 4) & LOOP:
            self._fifo.extend(data[: FIFO - len(self._fifo)])
        else:
            self._send(data)
        self._sent = True
        self._update()

    # --- registers ------------------------------------------------------------------------------

    @property
    def _latched(self) -> bool:
        return bool(self._take(0x0C, 4) & DIVISOR_LATCH)

    def read_RBR(self) -> int:
        if self._latched:
            return self._latch[0]
        self.poll()
        value = self._fifo.popleft() if self._fifo else 0
        self._update()
        return value

    def write_RBR(self, value: int) -> None:
        if self._latched:
            self._latch[0] = value & 0xFF
        else:
            self._transmit(bytes([value & 0xFF]))

    def read_IER(self) -> int:
        return self._latch[1] if self._latched else self._take(0x04, 4)

    def write_IER(self, value: int) -> None:
        if self._latched:
            self._latch[1] = value & 0xFF
            return
        self._sent |= bool(value & SEND and not self._take(0x04, 4) & SEND)
        self._put(0x04, 4, value)
        self._update()

    def _cause(self) -> int:
        enabled = self._take(0x04, 4)
        if enabled & RECEIVE and self._fifo:
            return RECEIVED if len(self._fifo) >= TRIGGERS[self._trigger] else TIMED_OUT
        return SENT if enabled & SEND and self._sent else NOTHING

    def read_FCR(self) -> int:
        """The interrupt's cause; being told of the empty transmit FIFO ends that one."""
        cause = self._cause()
        if cause == SENT:
            self._sent = False
            self._update()
        return cause

    def write_FCR(self, value: int) -> None:
        if value & 2:
            self._fifo.clear()
        self._trigger = value >> 6 & 3
        self._update()

    def write_SRT(self, value: int) -> None:
        self._put(0x9C, 4, value)
        self._trigger = value & 3
        self._update()

    def read_LSR(self) -> int:
        self.poll()
        return IDLE | (DATA_READY if self._fifo else 0)

    def read_USR(self) -> int:
        return 0x06 | (0x08 if self._fifo else 0)  # transmit FIFO empty and not full

    def read_RFL(self) -> int:
        return len(self._fifo)

    def _update(self) -> None:
        self.irq(self._cause() != NOTHING)

    # --- for a DMA channel ----------------------------------------------------------------------

    def dma_write(self, values) -> None:
        """Bytes to send."""
        self._transmit(bytes(int(value) & 0xFF for value in values))

    def dma_read(self, count: int) -> list[int] | None:
        """Bytes received, or None while there are not as many; those that wait are the channel's,
        so the FIFO's size is no limit."""
        self._fifo.extend(self._next(max(0, count - len(self._fifo))))
        if len(self._fifo) < count:
            return None
        return [self._fifo.popleft() for _ in range(count)]
