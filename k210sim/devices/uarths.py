"""UARTHS: the serial port to the host.

Ref: kendryte-standalone-sdk lib/drivers/include/uarths.h. Sending takes the line's time at once,
so the transmit FIFO always has room; the receive FIFO of 8 bytes takes more from the host only
when it has room, as a host that waits would.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from k210sim.devices.device import Device, Register

FIFO = 8
MOST_HEARD = 4096
EMPTY = 1 << 31
TX_WATERMARK, RX_WATERMARK = 1, 2


class Uarths(Device):
    """send(data) gets what the program sends; receive(n) -> up to n bytes from the host."""

    NAME = "UARTHS"
    REGISTERS = (
        Register(0x00, "txdata"), Register(0x04, "rxdata"),
        Register(0x08, "txctrl"), Register(0x0C, "rxctrl"),
        Register(0x10, "ie"), Register(0x14, "ip"), Register(0x18, "div"),
    )  # fmt: skip

    def __init__(self, send: Callable[[bytes], None], receive: Callable[[int], bytes]):
        self._send, self._receive = send, receive
        self._fifo: deque[int] = deque()
        self._heard = bytearray()
        super().__init__()

    def reset(self) -> None:
        super().reset()
        self._fifo.clear()
        self._heard.clear()

    def hear(self, data: bytes) -> None:
        """Bytes of another unit; beyond MOST_HEARD that wait they are lost."""
        self._heard += data[: max(0, MOST_HEARD - len(self._heard))]

    def poll(self) -> None:
        """Take what has come from the host; called now and then."""
        if len(self._fifo) < FIFO and self._take(0x0C, 4) & 1:
            room = FIFO - len(self._fifo)
            self._fifo.extend(self._heard[:room] if self._heard else self._receive(room))
            del self._heard[:room]
            self._update()

    def write_txdata(self, value: int) -> None:
        # the register keeps reading 0: there is room
        if self._take(0x08, 4) & 1:
            self._send(bytes([value & 0xFF]))

    def read_rxdata(self) -> int:
        self.poll()
        value = self._fifo.popleft() if self._fifo else EMPTY
        self._update()
        return value

    def write_rxdata(self, value: int) -> None:
        """Has no effect."""

    def write_txctrl(self, value: int) -> None:
        self._put(0x08, 4, value)
        self._update()

    def write_rxctrl(self, value: int) -> None:
        self._put(0x0C, 4, value)
        self._update()

    def write_ie(self, value: int) -> None:
        self._put(0x10, 4, value)
        self._update()

    def read_ip(self) -> int:
        # The transmit FIFO is always empty: below any watermark but 0.
        sent = TX_WATERMARK if self._take(0x08, 4) >> 16 & 7 else 0
        got = RX_WATERMARK if len(self._fifo) > (self._take(0x0C, 4) >> 16 & 7) else 0
        return sent | got

    def write_ip(self, value: int) -> None:
        """Has no effect."""

    def _update(self) -> None:
        self.irq(bool(self.read_ip() & self._take(0x10, 4)))
