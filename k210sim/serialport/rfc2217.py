"""The serial port over the network with its settings: RFC 2217, `rfc2217://HOST:PORT`.

The protocol is pyserial's own server side (`serial.rfc2217.PortManager`). Clients may set speed,
format and flow control, which are remembered and have no effect, and drive DTR and RTS, which
`on_lines` hears. Each client has lines of its own, as if each had plugged in a cable: both
asserted when it comes, as an operating system does when a port is opened, and both released when
it goes. What a client did last is what counts.
"""

from __future__ import annotations

import socket
from collections.abc import Callable

from k210sim.serialport.ends import BACKLOG_LIMIT
from k210sim.serialport.tcp import TcpEnd
from k210sim.serialport.uart import DEFAULT_BAUD, UartPort

LONGEST_MESSAGE = 256  # bytes of a client's setting; a signature is the longest there is


class LineSettings:
    """What a client may set on a port: the attributes that PortManager reads and writes."""

    def __init__(self, on_lines: Callable[[bool, bool], None] | None, purge: Callable[[], None]):
        self.baudrate, self.bytesize, self.parity, self.stopbits = DEFAULT_BAUD, 8, "N", 1
        self.xonxoff = self.rtscts = self.break_condition = False
        self.cts = self.dsr = self.cd = True
        self.ri = False
        self._on_lines, self._purge = on_lines, purge
        self._dtr = self._rts = True

    @property
    def dtr(self) -> bool:
        return self._dtr

    @dtr.setter
    def dtr(self, on: bool) -> None:
        self._dtr = on
        self._tell()

    @property
    def rts(self) -> bool:
        return self._rts

    @rts.setter
    def rts(self, on: bool) -> None:
        self._rts = on
        self._tell()

    def reset_input_buffer(self) -> None:
        """The client wants nothing of what was sent so far."""
        self._purge()

    def reset_output_buffer(self) -> None:
        """Nothing waits on the way to the device that a client could take back."""

    def hang_up(self) -> None:
        """The client has gone: both lines at once, so that no reset circuit sees one alone."""
        if self._dtr or self._rts:
            self._dtr = self._rts = False
            self._tell()

    def _tell(self) -> None:
        if self._on_lines:
            self._on_lines(self._dtr, self._rts)


class _Wire:
    """Where PortManager writes its own messages."""

    def __init__(self, put: Callable[[bytes], None]):
        self.write = put


class Rfc2217End(TcpEnd):
    """Serves one serial port by RFC 2217. `on_lines(dtr, rts)` is called when a client sets one."""

    def __init__(
        self,
        port: UartPort,
        address: str,
        *,
        on_lines: Callable[[bool, bool], None] | None = None,
        backlog_limit: int = BACKLOG_LIMIT,
    ):
        self._on_lines = on_lines
        self._managers: dict = {}
        super().__init__(port, address, backlog_limit=backlog_limit)

    def _greet(self, client: socket.socket) -> None:
        from serial.rfc2217 import PortManager

        backlog = self._clients[client]
        settings = LineSettings(self._on_lines, lambda: backlog.take(len(backlog)))
        self._managers[client] = PortManager(settings, _Wire(backlog.put))

    def _forget(self, client: socket.socket) -> None:
        manager = self._managers.pop(client, None)
        if manager is not None:
            manager.serial.hang_up()

    def _encoded(self, client: socket.socket, data: bytes) -> bytes:
        return b"".join(self._managers[client].escape(data))

    def _decoded(self, client: socket.socket, data: bytes) -> bytes:
        manager = self._managers[client]
        try:
            plain = b"".join(manager.filter(data))
        except Exception as error:
            # PortManager trusts its peer; a message cut short or out of order makes it stumble.
            raise ConnectionAbortedError("not RFC 2217") from error
        if manager.suboption is not None and len(manager.suboption) > LONGEST_MESSAGE:
            raise ConnectionAbortedError("an RFC 2217 message without end")
        return plain

    def _decoded_output(self, data: bytes) -> bytes:
        return b""  # mixed with the protocol's own messages, which mean nothing to another client
