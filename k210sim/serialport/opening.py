"""The host's side: opens a port by its name, and says in one line why that cannot be done."""

from __future__ import annotations

import errno
import warnings

from k210sim.errors import HostError

DEFAULT_BAUD = 115200


def open_port(port: str, baud: int = DEFAULT_BAUD, timeout: float = 0.1):
    """An open pyserial port; `port` is a path, COM3, or a URL (socket://, rfc2217://).

    timeout : seconds a read waits. Raises HostError.
    """
    import serial

    try:
        with warnings.catch_warnings():
            # pyserial 3.5 sets up the thread of its RFC 2217 client by calls that Python 3.10
            # and later warn about. Nobody but pyserial can change that.
            warnings.filterwarnings(
                "ignore", r"set(Daemon|Name)\(\) is deprecated", DeprecationWarning
            )
            return serial.serial_for_url(port, baudrate=baud, timeout=timeout)
    except (serial.SerialException, ValueError, OSError) as error:
        raise HostError(f"port {port}: {_reason(port, error)}") from error


def _reason(port: str, error: Exception) -> str:
    number = getattr(error, "errno", None) or getattr(error.__context__, "errno", None)
    kind, is_url, address = port.partition("://")
    if is_url and number == errno.ECONNREFUSED:
        option = "--rfc2217" if kind == "rfc2217" else "--tcp"
        return f"nothing listens there; `k210sim run {option} {address}` would"
    if not is_url and number == errno.ENOENT:
        return "there is no such port; `k210sim run` prints the name of its own"
    if number == errno.EACCES:
        return "you may not open it; expected a port of yours, or of a group that you are in"
    return str(error)
