"""What a pseudo-terminal cannot carry: DTR, RTS, the reset button. A Unix socket beside it.

The socket lies in a folder that only its user can enter, under a name made from the terminal's,
so that who has the terminal's path finds it (`find`). Requests are lines of ASCII, each answered
by a line:

    lines D R       DTR and RTS are now so (0 or 1)      -> ok
    reset           press the reset button               -> ok
    isp             the same with the boot key held      -> ok
    insert PATH     put this card into the SD slot       -> ok
    eject           take the card out                    -> ok
    anything else                                        -> error ...

A connection that has set lines releases both when it ends.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path

from k210sim.errors import HostError

FOLDER = "K210SIM_LINES"  # environment: the folder, for programs that do not know k210sim
LONGEST_REQUEST = 8192
TIMEOUT_S = 10.0


def folder() -> Path:
    """Where the sockets of this user's boards are."""
    import tempfile

    chosen = os.environ.get(FOLDER)
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if chosen:
        return Path(chosen)
    if runtime and os.path.isdir(runtime):
        return Path(runtime) / "k210sim"
    return Path(tempfile.gettempdir()) / f"k210sim-{os.getuid()}"


def socket_path(terminal: str | Path) -> Path:
    """The socket that belongs to a terminal; links to the terminal are followed."""
    return folder() / (os.path.realpath(terminal).strip("/").replace("/", "-") + ".lines")


def find(terminal: str | Path) -> Path | None:
    """The socket beside this terminal, or None when it is not one of our boards'."""
    if not hasattr(socket, "AF_UNIX") or not os.path.exists(terminal):
        return None
    path = socket_path(terminal)
    return path if path.is_socket() and _alive(path) else None


def ask(path: Path, request: str) -> None:
    """Send one request and wait for its answer. Raises HostError."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.settimeout(TIMEOUT_S)
            client.connect(str(path))
            client.sendall(os.fsencode(request) + b"\n")
            answer = client.makefile("rb").readline()
    except OSError as error:
        raise HostError(f"the board at {path}: {error.strerror or error}") from error
    if answer != b"ok\n":
        text = answer.decode("utf-8", "replace").removeprefix("error ").strip()
        raise HostError(f"the board at {path}: {text or 'no answer'}")


def _alive(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(TIMEOUT_S)
        try:
            client.connect(str(path))
        except OSError:
            return False
    return True


class ControlEnd:
    """Serves one board's lines and reset button beside its terminal.

    on_lines(dtr, rts) : a client has set them
    on_reset(isp) : the button was pressed; may take its time, the client waits for it
    on_card(path) : a card goes into the SD slot, or (None) out of it; HostError is told the client
    """

    def __init__(
        self,
        terminal: str,
        on_lines: Callable[[bool, bool], None],
        on_reset: Callable[[bool], None],
        on_card: Callable[[str | None], None] | None = None,
    ):
        self._on_lines, self._on_reset, self._on_card = on_lines, on_reset, on_card
        self.path = socket_path(terminal)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._make_folder()
            # A terminal's name is given to one program at a time, so an older socket is a leftover.
            self.path.unlink(missing_ok=True)
            self._listener.bind(str(self.path))
            self._listener.listen()
        except OSError as error:
            self._listener.close()
            raise HostError(f"control socket {self.path}: {error.strerror or error}") from error
        self._stop = False
        threading.Thread(target=self._serve, name="k210 control", daemon=True).start()

    def close(self) -> None:
        self._stop = True
        self.path.unlink(missing_ok=True)
        try:
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
        except OSError:
            pass
        self._listener.close()

    # --- inside ---------------------------------------------------------------------------------

    def _make_folder(self) -> None:
        place = self.path.parent
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = place.lstat()
        if found.st_uid != os.getuid() or found.st_mode & 0o077 or place.is_symlink():
            raise HostError(
                f"{place}: expected a folder that only you can use; remove it, or set "
                f"{FOLDER} to another"
            )

    def _serve(self) -> None:
        while not self._stop:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(
                target=self._talk, args=(client,), name="k210 control client", daemon=True
            ).start()

    def _talk(self, client: socket.socket) -> None:
        lines = (False, False)
        try:
            with client, client.makefile("rb") as requests:
                while (request := requests.readline(LONGEST_REQUEST)) and not self._stop:
                    words = request.split()
                    if len(words) == 3 and words[0] == b"lines":
                        lines = (words[1] == b"1", words[2] == b"1")
                        self._on_lines(*lines)
                        answer = b"ok\n"
                    elif words in ([b"reset"], [b"isp"]):
                        self._on_reset(words == [b"isp"])
                        answer = b"ok\n"
                    elif self._on_card is not None and words[:1] in ([b"insert"], [b"eject"]):
                        answer = self._change_card(request.rstrip(b"\n"))
                    else:
                        answer = b"error unknown request\n"
                    client.sendall(answer)
        except OSError:
            pass  # it has gone
        finally:
            if lines != (False, False) and not self._stop:
                self._on_lines(False, False)

    def _change_card(self, request: bytes) -> bytes:
        word, _, path = request.partition(b" ")
        try:
            self._on_card(os.fsdecode(path) if word == b"insert" else None)
        except HostError as error:
            return b"error " + " ".join(str(error).split()).encode("utf-8", "replace") + b"\n"
        return b"ok\n"
