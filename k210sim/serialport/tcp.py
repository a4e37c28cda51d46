"""The serial port as a raw TCP socket: `socket://HOST:PORT` for pyserial, `nc` for the rest.

No protocol, only the bytes. Several clients may connect; each gets all that the device sends
from then on, the first one also what was sent while nobody was there: a moment after it came,
because serial programs empty their input when they open a port.
"""

from __future__ import annotations

import errno
import selectors
import socket
import threading
import time

from k210sim.errors import ConfigError, HostError
from k210sim.serialport.ends import BACKLOG_LIMIT, Backlog
from k210sim.serialport.uart import UartPort

CHUNK = 4096
MAX_CLIENTS = 32  # at a time; who comes then is turned away
CHECK_S = 0.02  # how often to look whether the device takes bytes again
SETTLE_S = 0.05  # how long a new client gets to flush before it is sent anything


def parse_address(text: str) -> tuple[str, int]:
    """`HOST:PORT`, `:PORT` or `PORT`; the host is this machine's loopback unless given."""
    host, _, number = text.rpartition(":")
    host = host.strip("[]")
    if not number.isdigit() or not 0 <= int(number) <= 65535:
        raise ConfigError(
            f"TCP address {text!r}: expected HOST:PORT with a port from 0 to 65535, "
            "for example 127.0.0.1:5000"
        )
    return host or "127.0.0.1", int(number)


def _refusal(address: str, error: OSError) -> str:
    """Why nothing can listen there, and what to do."""
    hint = ""
    if error.errno == errno.EADDRINUSE:
        hint = "; end that program first, or give another port (:0 takes any free one)"
    elif error.errno == errno.EADDRNOTAVAIL:
        hint = "; expected an address of this machine, or 0.0.0.0 for all of them"
    elif error.errno == errno.EACCES:
        hint = "; expected a port from 1024 on"
    return f"TCP address {address}: {error.strerror or error}{hint}"


class TcpEnd:
    """Serves one serial port on a TCP address; `.address` is what was bound (port 0: any free)."""

    def __init__(self, port: UartPort, address: str, *, backlog_limit: int = BACKLOG_LIMIT):
        host, number = parse_address(address)
        self._port = port
        self._limit = backlog_limit
        self._unheard = Backlog(backlog_limit)
        self._clients: dict[socket.socket, Backlog] = {}
        self._settled_at: dict[socket.socket, float] = {}
        self._lock = threading.Lock()
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.socket(family, socket.SOCK_STREAM)
        try:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._listener.bind((host, number))
            self._listener.listen()
        except OSError as error:
            self._listener.close()
            raise HostError(_refusal(address, error)) from error
        self._listener.setblocking(False)
        bound = self._listener.getsockname()
        self.address = f"[{bound[0]}]:{bound[1]}" if ":" in bound[0] else f"{bound[0]}:{bound[1]}"
        self._wake_near, self._wake_far = socket.socketpair()
        self._wake_near.setblocking(False)
        self._wake_far.setblocking(False)
        self._stop = False
        port.attach(self)
        self._thread = threading.Thread(target=self._serve, name=f"tcp {address}", daemon=True)
        self._thread.start()

    def deliver(self, data: bytes) -> None:
        with self._lock:
            for client, backlog in self._clients.items():
                backlog.put(self._encoded(client, data))
            if not self._clients:
                if self._port.heard_by_others(self):
                    self._unheard.clear()  # old news for whoever comes here later
                else:
                    self._unheard.put(data)
        self._wake()

    @property
    def connected(self) -> bool:
        return bool(self._clients)

    @property
    def behind(self) -> bool:
        """Whether the device should wait a little for a client; see Backlog."""
        with self._lock:
            return any(backlog.behind for backlog in self._clients.values())

    def close(self) -> None:
        self._port.detach(self)
        self._stop = True
        self._wake()
        self._thread.join(timeout=2)
        for open_socket in (*self._clients, self._listener, self._wake_near, self._wake_far):
            open_socket.close()

    # --- inside ---------------------------------------------------------------------------------

    def _wake(self) -> None:
        try:
            self._wake_far.send(b"x")
        except (BlockingIOError, OSError):
            pass  # already full of wake-ups, or closed

    def _serve(self) -> None:
        selector = selectors.DefaultSelector()
        selector.register(self._wake_near, selectors.EVENT_READ)
        selector.register(self._listener, selectors.EVENT_READ)
        while not self._stop:
            room = self._port.room() > 0
            now = time.monotonic()
            settling = False
            for client, backlog in self._clients.items():
                wanted = selectors.EVENT_READ if room else 0
                if now < self._settled_at[client]:
                    settling = True
                elif len(backlog):
                    wanted |= selectors.EVENT_WRITE
                if client in selector.get_map():
                    selector.unregister(client)
                if wanted:
                    selector.register(client, wanted)
            for key, events in selector.select(CHECK_S if settling or not room else None):
                if key.fileobj is self._wake_near:
                    try:
                        while self._wake_near.recv(CHUNK):
                            pass
                    except BlockingIOError:
                        pass
                elif key.fileobj is self._listener:
                    self._accept()
                elif not self._exchange(key.fileobj, events):
                    selector.unregister(key.fileobj)
                    key.fileobj.close()
                    with self._lock:
                        del self._settled_at[key.fileobj]
                        lost = self._clients.pop(key.fileobj)
                        data = self._decoded_output(lost.take(len(lost)))
                        if data and not self._clients:
                            self._unheard.put(data)
                    self._forget(key.fileobj)
        selector.close()

    def _accept(self) -> None:
        try:
            client, _ = self._listener.accept()
        except OSError:
            return
        if len(self._clients) >= MAX_CLIENTS:
            client.close()
            return
        client.setblocking(False)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._port.between_deliveries(), self._lock:
            backlog = self._unheard
            self._unheard = Backlog(self._limit)
            self._clients[client] = Backlog(self._limit)
            self._greet(client)
            self._clients[client].put(self._encoded(client, backlog.take(len(backlog))))
            self._settled_at[client] = time.monotonic() + SETTLE_S

    def _exchange(self, client: socket.socket, events: int) -> bool:
        """Move bytes both ways; False when the client has gone."""
        try:
            if events & selectors.EVENT_WRITE:
                data = self._clients[client].take(CHUNK)
                sent = 0
                try:
                    sent = client.send(data)
                except BlockingIOError:
                    pass
                finally:
                    self._clients[client].put_back(data[sent:])
                    self._clients[client].sent(sent)
            if events & selectors.EVENT_READ:
                data = client.recv(min(CHUNK, max(1, self._port.room())))
                if not data:
                    return False
                self._port.host_send(self._decoded(client, data))
        except BlockingIOError:
            pass
        except OSError:
            return False
        return True

    # --- what a protocol over the same socket changes ---------------------------------------------

    def _greet(self, client: socket.socket) -> None:
        """A client has come; called with the lock held."""

    def _forget(self, client: socket.socket) -> None:
        """A client has gone."""

    def _encoded(self, client: socket.socket, data: bytes) -> bytes:
        """The device's bytes as this client is sent them."""
        return data

    def _decoded(self, client: socket.socket, data: bytes) -> bytes:
        """What this client has sent to the device."""
        return data

    def _decoded_output(self, data: bytes) -> bytes:
        """The device's bytes in what a client was not sent any more."""
        return data
