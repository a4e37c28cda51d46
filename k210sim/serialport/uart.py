"""The serial port as the device sees it: UARTHS with the firmware's receive buffer.

What the host sends travels on a *wire* before it reaches the buffer. While the prompt waits the
firmware takes each byte as it comes, so nothing can overflow however fast the host writes. While
a program runs the bytes go to the buffer at once (so that Ctrl-C is noticed at once); when that
is full they wait on the wire until they are due at the port's speed in virtual time, and are then
lost, as on the board, which has no flow control.

Ref: MaixPy-v1 v0.6.3, port/src/standard_lib/machine/machine_uart.c (uart_rx_irq).
Where this differs from that file:

- There the interrupt character is put into the buffer as well, which gives an extra prompt after
  the traceback. The recorded sessions of the firmware do not show it, so it is off unless
  `keep_interrupt_byte` is set.
- There a second interrupt character cancels a first that is still pending. At 87 microseconds a
  byte the program has long taken the first; here whole strings arrive in no time, so the wire
  stands still until the first is taken.
- There a full buffer loses the interrupt character too; here it always gets through.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol

from k210sim.clock import Clock

RX_BUFFER_SIZE = 2048
DEFAULT_BAUD = 115200
BITS_PER_BYTE = 10  # 8N1
READERS_S = 0.002  # how often to look whether a slow client has caught up
WIRE_LIMIT = 1 << 16  # bytes a host end may have under way before it should stop reading its client
DEAF_S = 0.06  # tools hold the reset line for 100 ms; host ends look for input every 20 ms


class PortClosed(BaseException):
    """The board was switched off under the firmware. Nothing on the device's side can catch it."""


class Listener(Protocol):
    """A host end: gets every byte the device sends; must neither block, raise nor write."""

    def deliver(self, data: bytes) -> None: ...


class UartPort:
    """One serial port. Host ends call `host_send` and `attach`; the device calls the rest.

    clock : what sending is charged to, and what decides when waiting bytes are lost
    baud : bits a second, 8N1; the host ends ignore it, as a USB serial bridge would not
    keep_interrupt_byte : see the module's docstring
    """

    def __init__(
        self,
        clock: Clock,
        *,
        baud: int = DEFAULT_BAUD,
        rx_size: int = RX_BUFFER_SIZE,
        keep_interrupt_byte: bool = False,
    ):
        self.clock = clock
        self.baud = baud
        self.rx_size = rx_size
        self.keep_interrupt_byte = keep_interrupt_byte
        self.dropped = 0  # received bytes lost to a full buffer
        self.sent = 0  # bytes the device has sent since power-on
        self.on_interrupt: Callable[[], None] | None = None
        self._change = threading.Condition()
        self._wire = bytearray()
        self._wire_due_ns = 0
        self._held_until_ns = 0
        self._ring = bytearray()
        self._interrupt_char: int | None = None
        self._interrupt_pending = False
        self._idle = False
        self._woken = False
        self._closed = False
        self._deaf_until = 0.0  # wall time
        self._listeners: list[Listener] = []
        self._hearing: list[Listener] = []  # ends with a client, for what is being written
        self._delivery = threading.Lock()

    # --- host side, any thread ------------------------------------------------------------------

    def attach(self, listener: Listener) -> None:
        """Plug in a host end; it gets what the device sends from now on."""
        with self._change:
            self._listeners = [*self._listeners, listener]

    def detach(self, listener: Listener) -> None:
        with self._change:
            self._listeners = [known for known in self._listeners if known is not listener]

    def heard_by_others(self, end: Listener) -> bool:
        """Whether another end than this one had a client when the bytes being delivered left the
        device. For `deliver`: a client may read them and go before the next end is told."""
        return any(other is not end for other in self._hearing)

    def between_deliveries(self) -> threading.Lock:
        """For an end that lets a client in: held, no bytes are on their way to the ends.

        Else a client that comes while they are would hear what another one has just read.
        """
        return self._delivery

    def host_send(self, data: bytes) -> None:
        """Bytes from a host end to the device."""
        if not data or self._deaf:
            return
        with self._change:
            if not self._wire:
                self._wire_due_ns = self.clock.now_ns + self._byte_ns
            self._wire += data
            interrupted = self._settle()
            self._change.notify_all()
        if interrupted and self.on_interrupt:
            self.on_interrupt()

    def take_back(self, byte: int, most: int) -> None:
        """A host end takes back up to `most` bytes of this value that nobody has read yet."""
        with self._change:
            for _ in range(most):
                at = self._wire.find(byte)
                if at < 0:
                    break
                del self._wire[at]

    @property
    def pending(self) -> bool:
        """Whether bytes from the host are on their way."""
        return bool(self._wire or self._ring)

    def room(self) -> int:
        """How many bytes a host end should take from its client now."""
        return WIRE_LIMIT if self._deaf else max(0, WIRE_LIMIT - len(self._wire))

    def hold_in_reset(self) -> None:
        """The reset line is pulled: what clients have written by now reaches nobody, not even
        what waits in the host's buffers, such as the rest of a packet of a tool that was killed."""
        with self._change:
            self._deaf_until = time.monotonic() + DEAF_S
            self._wire.clear()

    @property
    def _deaf(self) -> bool:
        return time.monotonic() < self._deaf_until

    def wake(self) -> None:
        """Make an idle `read_byte` return None, so that its thread looks at its other work."""
        with self._change:
            self._woken = True
            self._change.notify_all()

    def close(self) -> None:
        """Power off: whoever waits for input or asks for an interrupt gets `PortClosed`."""
        with self._change:
            self._closed = True
            self._wire.clear()
            self._change.notify_all()
        if self.on_interrupt:
            self.on_interrupt()

    def open(self) -> None:
        """Power on: an empty buffer, the port usable again.

        What a client sent while the board was off still waits on the wire: a program that starts
        the board and types at once is heard.
        """
        with self._change:
            self._closed = self._woken = self._interrupt_pending = False
            self._held_until_ns = 0
            self._ring.clear()
            self._interrupt_char = None
            self.dropped = self.sent = 0

    @property
    def closed(self) -> bool:
        """Whether the board is off, or going off."""
        return self._closed

    @property
    def idle(self) -> bool:
        """True while the prompt waits for input and none is under way."""
        with self._change:
            return self._idle and not self._wire and not self._ring and not self._woken

    # --- device side ----------------------------------------------------------------------------

    def set_interrupt_char(self, char: int | None) -> None:
        """The byte that interrupts the running program, or None while none runs.

        A pending interrupt that the program did not live to see becomes a typed byte.
        """
        with self._change:
            self._interrupt_char = char
            if char is None and self._interrupt_pending:
                self._interrupt_pending = False
                self._wire[:0] = b"\x03"
            interrupted = self._settle()
        if interrupted and self.on_interrupt:
            self.on_interrupt()

    def hold(self, ns: int) -> None:
        """Keep what comes in on the wire for this much virtual time (the firmware boots)."""
        self._held_until_ns = self.clock.now_ns + ns
        self.clock.alarm(self._held_until_ns, self.poll)

    @property
    def running(self) -> bool:
        """Whether a program runs, that is, whether the interrupt character would interrupt."""
        return self._interrupt_char is not None

    @property
    def interrupt_pending(self) -> bool:
        """Whether `take_interrupt` has something to say."""
        return self._interrupt_pending or self._closed

    def take_interrupt(self) -> bool:
        """Whether the interrupt character has come; asking takes it. PortClosed at power-off."""
        if self._closed:
            raise PortClosed
        if not self._interrupt_pending:
            return False
        with self._change:
            taken, self._interrupt_pending = self._interrupt_pending, False
        return taken

    def poll(self) -> None:
        """Move what is due from the wire to the buffer; a running program calls it now and then."""
        if self._wire:
            with self._change:
                interrupted = self._settle()
            if interrupted and self.on_interrupt:
                self.on_interrupt()

    def any(self) -> int:
        """How many received bytes can be read at once."""
        self.poll()
        return len(self._ring)

    def read_byte(self, *, idle: bool = False) -> int | None:
        """The next received byte, waiting for it.

        idle : True at the prompt, where `wake` also ends the wait.
        Returns None when there is something else to do: an interrupt is pending (a program was
        reading) or, at the prompt, `wake` was called. Raises PortClosed at power-off.
        In clock mode `real` virtual time follows the wall meanwhile; else waiting takes none.
        """
        follow = self.clock.mode == "real"
        while True:
            with self._change:
                interrupted = self._settle()
                if self._closed:
                    raise PortClosed
                if self._interrupt_pending:
                    got, byte = True, None
                elif idle and self._woken:
                    self._woken = False
                    got, byte = True, None
                elif self._ring:
                    got, byte = True, self._ring.pop(0)
                elif self._wire:
                    got, byte = True, self._wire.pop(0)
                    self._wire_due_ns += self._byte_ns
                else:
                    got, byte = False, None
                    self._idle = idle
                    self._change.wait(0.01 if follow else None)
                    self._idle = False
            if interrupted and self.on_interrupt:
                self.on_interrupt()
            if got:
                return byte
            if follow:
                self.clock.follow_wall()

    def wait_input(self, timeout: float) -> bool:
        """Wait until a byte is there, `wake` or `close` was called, or `timeout` seconds passed;
        whether a byte is there. The port is idle meanwhile."""
        with self._change:
            if not (self._wire or self._ring or self._woken or self._closed):
                self._idle = True
                self._change.wait(timeout)
                self._idle = False
            self._woken = False
            return bool(self._wire or self._ring)

    def read_received(self) -> bytes:
        """All that has been received, waiting for something: for what keeps up with the line.

        Raises PortClosed at power-off.
        """
        follow = self.clock.mode == "real"
        while True:
            with self._change:
                if self._closed:
                    raise PortClosed
                if self._ring or self._wire:
                    data = bytes(self._ring + self._wire)
                    self._ring.clear()
                    self._wire.clear()
                    return data
                self._change.wait(0.01 if follow else None)
            if follow:
                self.clock.follow_wall()

    def write(self, data: bytes) -> None:
        """Send bytes as they are; takes the time they need on the line."""
        if not data:
            return
        data = bytes(data)
        self.sent += len(data)
        self.repeat(data)
        self.clock.advance_ns(self._byte_ns * len(data))

    def repeat(self, data: bytes) -> None:
        """Tell the host ends what the device sends, or has sent at another time."""
        listeners = self._listeners
        with self._delivery:
            self._hearing = [end for end in listeners if getattr(end, "connected", False)]
            for listener in listeners:
                listener.deliver(data)
        if self.clock.mode != "real":
            self._wait_for_readers(listeners)

    def write_cooked(self, data: bytes) -> None:
        """Send bytes with each newline as carriage return and newline, as `print` does."""
        self.write(bytes(data).replace(b"\n", b"\r\n"))

    def clear_input(self) -> None:
        """A new, empty receive buffer, as a soft reset makes it; the wire keeps what it has."""
        with self._change:
            self._ring.clear()

    # --- state ----------------------------------------------------------------------------------

    def save_state(self) -> dict:
        with self._change:
            return {
                "version": 1,
                "baud": self.baud,
                "ring": bytes(self._ring),
                "wire": bytes(self._wire),
                "wire_due_ns": self._wire_due_ns,
                "dropped": self.dropped,
                "sent": self.sent,
            }

    def load_state(self, state: dict) -> None:
        with self._change:
            self.baud = state["baud"]
            self._ring = bytearray(state["ring"])
            self._wire = bytearray(state["wire"])
            self._wire_due_ns = state["wire_due_ns"]
            self.dropped = state["dropped"]
            self.sent = state["sent"]
            self._interrupt_pending = False

    # --- inside ---------------------------------------------------------------------------------

    def _wait_for_readers(self, ends: list[Listener]) -> None:
        """Without the real line's pace: let clients that read, but slowly, keep up.

        On a real line the device is slower than any client. One that reads nothing at all is
        not waited for (see Backlog).
        """
        while not self._closed and any(getattr(end, "behind", False) for end in ends):
            time.sleep(READERS_S)

    @property
    def _byte_ns(self) -> int:
        return BITS_PER_BYTE * 1_000_000_000 // self.baud

    def _settle(self) -> bool:
        """Move bytes from wire to buffer while a program runs; True when one interrupts it.

        The caller holds the lock, and calls `on_interrupt` after letting go of it.
        """
        char = self._interrupt_char
        if char is None or self.clock.now_ns < self._held_until_ns:
            return False
        wire, ring = self._wire, self._ring
        while wire and not self._interrupt_pending:
            byte = wire[0]
            if byte == char:
                self._interrupt_pending = True
                if self.keep_interrupt_byte and len(ring) < self.rx_size:
                    ring.append(byte)
            elif len(ring) < self.rx_size:
                ring.append(byte)
            elif self._wire_due_ns <= self.clock.now_ns:
                self.dropped += 1
            elif char in wire:
                # The buffer is full and an interrupt stands behind: let it overtake.
                del wire[wire.index(char)]
                self._interrupt_pending = True
                return True
            else:
                return False
            del wire[0]
            self._wire_due_ns += self._byte_ns
            if self._interrupt_pending:
                return True
        return False
