"""The serial port as a pseudo-terminal.

The terminal is raw from the start, so no client sees an echo of its own bytes and any baud rate
a client sets is accepted and without effect. Nothing is written to the terminal while no client
has it open: what the device sends meanwhile waits in the backlog, and goes out a moment after the
next client has opened it, because serial programs empty their input when they open a port.
"""

from __future__ import annotations

import functools
import os
import select
import threading
import time
from pathlib import Path

from k210sim.errors import HostError
from k210sim.serialport.ends import BACKLOG_LIMIT, Backlog
from k210sim.serialport.uart import UartPort

CHECK_S = 0.02  # how often to look whether a client has come
SETTLE_S = 0.05  # how long a new client gets to set up and flush before it is sent anything
CHUNK = 4096


class PtyEnd:
    """Serves one serial port on a pseudo-terminal; `.name` is its path, such as /dev/pts/3."""

    def __init__(
        self,
        port: UartPort,
        *,
        link: str | Path | None = None,
        backlog_limit: int = BACKLOG_LIMIT,
    ):
        try:
            import termios
            import tty
        except ImportError as error:  # Windows
            raise HostError(
                "pseudo-terminals are not available on this system; use --tcp instead"
            ) from error
        self._port = port
        self.backlog = Backlog(backlog_limit)
        self.connected = False
        self._set_raw = functools.partial(tty.setraw, when=termios.TCSANOW)  # without a flush
        self._master, slave = os.openpty()
        self.name = os.ttyname(slave)
        self._set_raw(slave)
        os.close(slave)
        os.set_blocking(self._master, False)
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_write, False)
        os.set_blocking(self._wake_read, False)
        self._stop = False
        self.link: Path | None = None
        try:
            if link is not None:
                self._make_link(Path(link))
        except OSError as error:
            self._close_fds()
            raise HostError(f"--link {link}: {error.strerror}") from error
        port.attach(self)
        self._thread = threading.Thread(target=self._serve, name=f"pty {self.name}", daemon=True)
        self._thread.start()

    def deliver(self, data: bytes) -> None:
        if not self.connected and self._port.heard_by_others(self):
            self.backlog.clear()  # old news for whoever comes here later
        else:
            self.backlog.put(data)
        self._wake()

    @property
    def behind(self) -> bool:
        """Whether the device should wait a little for the client; see Backlog."""
        return self.connected and self.backlog.behind

    def close(self, *, flush_s: float = 0.2) -> None:
        """Stop serving; a connected client gets `flush_s` seconds to take the last bytes."""
        self._port.detach(self)
        end = time.monotonic() + flush_s
        while self.connected and len(self.backlog) and time.monotonic() < end:
            time.sleep(0.005)
        self._stop = True
        self._wake()
        self._thread.join(timeout=2)
        self._close_fds()
        if self.link is not None and self.link.is_symlink():
            self.link.unlink()

    # --- inside ---------------------------------------------------------------------------------

    def _make_link(self, link: Path) -> None:
        """Point a symbolic link at the terminal; only an older link is replaced."""
        if link.is_symlink():
            link.unlink()
        elif link.exists():
            raise HostError(f"--link {link}: a file of this name exists and is not a link")
        link.symlink_to(self.name)
        self.link = link

    def _close_fds(self) -> None:
        for fd in (self._master, self._wake_read, self._wake_write):
            os.close(fd)

    def _wake(self) -> None:
        try:
            os.write(self._wake_write, b"x")
        except (BlockingIOError, OSError):
            pass  # already full of wake-ups, or closed

    def _drain_wakes(self) -> None:
        try:
            while os.read(self._wake_read, CHUNK):
                pass
        except BlockingIOError:
            pass

    def _serve(self) -> None:
        may_send_at = 0.0
        while not self._stop:
            poller = select.poll()
            poller.register(self._wake_read, select.POLLIN)
            settling = max(0.0, may_send_at - time.monotonic())
            waiting = len(self.backlog) > 0
            room = self._port.room() > 0
            flags = (select.POLLIN if room else 0) | (
                select.POLLOUT if self.connected and waiting and not settling else 0
            )
            if self.connected:
                poller.register(self._master, flags)
                timeout = settling if settling and waiting else None
                if not room:
                    timeout = CHECK_S if timeout is None else min(timeout, CHECK_S)
            else:
                timeout = CHECK_S
            events = dict(poller.poll(None if timeout is None else timeout * 1000))
            if self._wake_read in events:
                self._drain_wakes()
            if not self.connected:
                look = select.poll()
                look.register(self._master, select.POLLIN)
                state = dict(look.poll(0)).get(self._master, 0)
                if not state & select.POLLHUP:
                    with self._port.between_deliveries():
                        self.connected = True
                    may_send_at = time.monotonic() + SETTLE_S
                if state & select.POLLIN:
                    self._receive()  # from a client that may have left at once
                continue
            state = events.get(self._master, 0)
            if state & select.POLLIN:
                self._receive()
            elif state & (select.POLLHUP | select.POLLERR):
                self.connected = False
                self._clean_up_after_client()
            if state & select.POLLOUT:
                self._send()

    def _clean_up_after_client(self) -> None:
        """Undo what the last client did to the settings, and take back what it left unread.

        The next one would flush that when it opens the port.
        """
        try:
            slave = os.open(self.name, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        except OSError:
            return
        unread = bytearray()
        try:
            self._set_raw(slave)
            while piece := os.read(slave, CHUNK):
                unread += piece
        except OSError:
            pass  # nothing (more) to read
        finally:
            self.backlog.put_back(bytes(unread))
            os.close(slave)

    def _receive(self) -> None:
        try:
            data = os.read(self._master, min(CHUNK, max(1, self._port.room())))
        except (BlockingIOError, OSError):
            return
        self._port.host_send(data)

    def _send(self) -> None:
        data = self.backlog.take(CHUNK)
        try:
            written = os.write(self._master, data)
        except (BlockingIOError, OSError):
            written = 0
        self.backlog.put_back(data[written:])
        self.backlog.sent(written)
