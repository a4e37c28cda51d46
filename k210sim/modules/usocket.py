"""`usocket`: sockets of a board without a network interface.

Source: MaixPy-v1 v0.6.3 port/src/standard_lib/socket/modusocket.c (what fails, and how).
"""

from __future__ import annotations

from k210sim.micropython import stream_methods, streams
from k210sim.micropython.errno_table import ERRNO
from k210sim.micropython.native import GuestModule, GuestType, NativeFunction, method
from k210sim.micropython.streams import Protocol
from k210sim.micropython.textargs import buffer_bytes
from k210sim.modules.receivers import checked

EPIPE, EINVAL, ENOTCONN, ENOMEM = 32, ERRNO["EINVAL"], ERRNO["ENOTCONN"], ERRNO["ENOMEM"]
SOCKET_BYTES = 96
AF_INET, AF_INET6 = 2, 10
SOCK_STREAM, SOCK_DGRAM, SOCK_RAW = 1, 2, 3
MOST_SOCKETS = 128  # a number beyond does not fit the firmware's eight bits
_MADE = NativeFunction("", None, 0, 4)


class SocketState:
    """fd : its number. Only a socket that had an interface gives its number back."""

    def __init__(self, family: int, kind: int, fd: int):
        self.family, self.kind, self.fd = family, kind, fd


def _no_nic(vm):
    return vm.error("OSError", "no available NIC", formatted=False)


def _read(vm, o, n):
    raise vm.os_error(ENOTCONN)


def _write(vm, o, data):
    raise vm.os_error(EPIPE)


def _control(vm, o, request, argument=0):
    if request == streams.CLOSE:
        return 0
    raise vm.os_error(EINVAL)


@checked
class SocketType(GuestType):
    name = "socket"
    protocol = Protocol(read=_read, write=_write, ioctl=_control)

    def print(self, vm, o, kind):
        s = vm.host(o)
        return "<usocket.socket fd=%d, family=%d, type=%d>" % (s.fd, s.family, s.kind)

    def make_new(self, vm, type_word, args, kw):
        vm.check_args(_MADE, len(args), len(kw))
        numbers = [vm.get_int(w) for w in args[:2]]
        family = numbers[0] if numbers else AF_INET
        kind = numbers[1] if len(numbers) > 1 else SOCK_STREAM
        if vm.sockets_made == MOST_SOCKETS:
            raise vm.os_error(ENOMEM)
        state = SocketState(family, kind, vm.sockets_made)
        vm.sockets_made += 1
        return vm.new_host_object(self, state, SOCKET_BYTES)

    @method(2)
    def connect(vm, self, address):
        raise _no_nic(vm)

    @method(2)
    def send(vm, self, data):
        buffer_bytes(vm, data)
        raise vm.os_error(EPIPE)

    @method(2)
    def recv(vm, self, n):
        vm.get_int(n)
        raise vm.os_error(ENOTCONN)

    @method(3)
    def sendto(vm, self, data, address):
        buffer_bytes(vm, data)
        raise _no_nic(vm)

    @method(2)
    def recvfrom(vm, self, n):
        vm.get_int(n)
        raise vm.os_error(ENOTCONN)

    @method(2)
    def settimeout(vm, self, seconds):
        """Kept by the board; without a connection it has no effect."""

    @method(2)
    def setblocking(vm, self, flag):
        """Kept by the board; without a connection it has no effect."""

    constants = {
        "__del__": stream_methods.CLOSE, "close": stream_methods.CLOSE,
        "read": stream_methods.READ, "readinto": stream_methods.READINTO,
        "readline": stream_methods.READLINE, "write": stream_methods.WRITE,
    }  # fmt: skip


module = GuestModule("usocket")
module.add_type(SocketType)


@module.init
def _start(vm):
    vm.sockets_made = getattr(vm, "sockets_made", 0)  # the firmware counts over soft resets


@module.function(2)
def getaddrinfo(vm, host, port):
    raise _no_nic(vm)


for _name, _value in (("AF_INET", AF_INET), ("AF_INET6", AF_INET6), ("SOCK_STREAM", SOCK_STREAM),
                      ("SOCK_DGRAM", SOCK_DGRAM), ("SOCK_RAW", SOCK_RAW)):
    module.constant(_name, _value)
