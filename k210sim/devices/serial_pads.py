"""Which of the chip's serial units the host hears: the one whose functions the two pads have that
lead to the board's USB bridge. Units whose pads are wired to each other hear each other too; such
bytes take no time on the line.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from k210sim.pins import FUNC_UARTHS_RX, FUNC_UARTHS_TX, UARTHS_PADS, Pins

PAD_OF = {function: pad for pad, function in UARTHS_PADS.items()}
IN_PAD, OUT_PAD = PAD_OF[FUNC_UARTHS_RX], PAD_OF[FUNC_UARTHS_TX]
FUNC_UART1_RX = 64  # UART1 TX, UART2 RX and so on follow


class Unit(Protocol):
    """A serial unit that may hear another one."""

    def hear(self, data: bytes) -> None: ...


class SerialPads:
    """send(data), receive(count) : the host's end. units : by their input's function"""

    def __init__(
        self, pins: Pins, send: Callable[[bytes], None], receive: Callable[[int], bytes]
    ):
        self._pins, self._send, self._receive = pins, send, receive
        self.units: dict[int, Unit] = {}

    def sender(self, function: int) -> Callable[[bytes], None]:
        """For the unit whose output is `function`: sends to the host, or to nobody."""

        def send(data: bytes) -> None:
            if self._pins.functions[OUT_PAD] == function:
                self._send(data)
            if self._pins.wires:
                self._send_on_wires(function, data)

        return send

    def receiver(self, function: int) -> Callable[[int], bytes]:
        """For the unit whose input is `function`: bytes of the host, or none."""

        def receive(count: int) -> bytes:
            return self._receive(count) if self._pins.functions[IN_PAD] == function else b""

        return receive

    def _send_on_wires(self, function: int, data: bytes) -> None:
        pins = self._pins
        for pad in (pad for pad, owner in enumerate(pins.functions) if owner == function):
            for other in pins.joined(pad):
                unit = self.units.get(pins.functions[other])
                if unit is not None:
                    unit.hear(data)
