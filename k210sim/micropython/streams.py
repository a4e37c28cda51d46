"""The stream protocol: what files, StringIO, sockets and the like offer to `print`, `json.dump`
and other users.

A type is a stream when it has a class attribute `protocol`::

    class BytesIO(GuestType):
        protocol = Protocol(read=read_bytes, write=write_bytes, ioctl=control)

    read(vm, o, n_bytes) -> bytes       at most that many, b"" at the end
    write(vm, o, data) -> int           bytes taken
    ioctl(vm, o, request, argument) -> int

Each may raise `vm.os_error(number)`. A class the guest derives from a stream type inherits the
protocol; `o` is then the instance. Source: micropython v1.11 py/stream.c (messages).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

READ, WRITE, IOCTL = 1, 2, 4

# Requests of `ioctl`.
FLUSH, SEEK, POLL, CLOSE, TIMEOUT = 1, 2, 3, 4, 5


@dataclass(frozen=True)
class Protocol:
    """What a stream type can do; missing parts are None. `is_text`: reads give str."""

    read: Callable | None = None
    write: Callable | None = None
    ioctl: Callable | None = None
    is_text: bool = False


def stream_of(vm, o: int, needs: int) -> Protocol:
    """The protocol of an object that must offer `needs` (READ | WRITE | IOCTL); OSError if it
    does not."""
    p = getattr(vm.type_of(o), "protocol", None)
    if (p is None or (needs & READ and p.read is None) or (needs & WRITE and p.write is None)
            or (needs & IOCTL and p.ioctl is None)):
        raise vm.error("OSError", "stream operation not supported", formatted=False)
    return p


def write_all(vm, o: int, data: bytes) -> int:
    """Write everything (a stream that takes nothing ends it); bytes written."""
    p = stream_of(vm, o, WRITE)
    done = 0
    while done < len(data):
        taken = p.write(vm, o, data[done:])
        if not taken:
            break
        done += taken
    return done
