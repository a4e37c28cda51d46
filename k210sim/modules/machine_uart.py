"""`machine.UART`. UART1 to UART3 end in a line that the host can speak to; the high-speed one is
the console.

Source: MaixPy-v1 v0.6.3 port/src/standard_lib/machine/machine_uart.c (checks, texts, reading).
"""

from __future__ import annotations

from k210sim.micropython import layout as L
from k210sim.micropython import stream_methods, streams
from k210sim.micropython.native import Arg, GuestType, NativeFunction, method
from k210sim.micropython.streams import Protocol
from k210sim.modules.receivers import checked

EAGAIN, EINVAL = 11, 22
UART_BYTES = 96
CONSOLE = 4
UART_IDS = (0, 1, 2, CONSOLE)
READ_BUFFER = 2048
MOST_BAUD = 0x500000
PARITIES = ("None", "odd", "even")
STOPS = {1.0: "1", 1.5: "1.5", 2.0: "2"}
BITS_PER_BYTE = 10

_MADE = NativeFunction("", None, 1, None, kw=True)
_ARGS = [
    Arg("baudrate", "int", 115200), Arg("bits", "int", 8), Arg("parity"), Arg("stop"),
    Arg("timeout", "int", 1000, kw_only=True), Arg("timeout_char", "int", 10, kw_only=True),
    Arg("read_buf_len", "int", READ_BUFFER, kw_only=True),
    Arg("ide", "bool", False, kw_only=True), Arg("from_ide", "bool", True, kw_only=True),
]  # fmt: skip


class UartLine:
    """What is at the other end of UART1 to UART3: bytes for the device, and what it has sent."""

    def __init__(self):
        self.sent = bytearray()
        self.waiting = bytearray()
        self.room = 0  # size of the device's buffer; what does not fit is lost

    def feed(self, data: bytes) -> None:
        """Send bytes to the device."""
        self.waiting += data[: max(self.room - len(self.waiting), 0)]


class UartState:
    def __init__(self, number: int):
        self.number = number
        self.baudrate, self.bits, self.parity, self.stop = 0, 8, 0, 1.0
        self.timeout_char = 10
        self.active = True
        self.buffer, self.buffer_bytes = 0, 0


def _line(vm, u: UartState) -> UartLine:
    return vm.uart_lines[u.number]


def _error(vm, text: str):
    return vm.error("ValueError", "[MAIXPY]UART:" + text, formatted=False)


def _init(vm, o: int, args, kw) -> None:
    baud, bits, parity, stop, _, timeout_char, length, ide, _ = vm.parse_args(args, kw, _ARGS)
    u: UartState = vm.host(o)
    if not 0 <= baud <= MOST_BAUD:
        raise _error(vm, "invalid baudrate")
    u.baudrate = baud
    if not 5 <= bits <= 8:
        raise _error(vm, "invalid data bits")
    u.bits = bits
    u.parity = 0 if parity == L.NONE else vm.get_int(parity)
    if not 0 <= u.parity <= 2:
        raise _error(vm, "invalid parity")
    stop_bits = 1.0 if stop == L.NONE else vm.get_float(stop) or 1.0
    if stop_bits not in STOPS:
        raise _error(vm, "invalid stop bits")
    u.stop = stop_bits
    if timeout_char >= 0:
        u.timeout_char = timeout_char
    u.active = True
    if u.buffer:
        vm.heap.free(u.buffer, u.buffer_bytes)
    u.buffer_bytes = length + 1 if length > 0 else 0
    u.buffer = vm.malloc(u.buffer_bytes) if u.buffer_bytes else 0
    vm.memory.set_word(o + 8, u.buffer)
    if u.number == CONSOLE:
        if bits != 8 or u.parity:
            raise _error(vm, "invalid param")
    else:
        _line(vm, u).room = max(length, 0)
        _line(vm, u).waiting.clear()
        vm.charge_ns(1_000_000)
    if ide:
        raise vm.not_simulated("machine.UART.init(ide=True)")


def _any(vm, u: UartState) -> int:
    if u.number != CONSOLE:
        return len(_line(vm, u).waiting)
    port = getattr(vm.board, "port", None)
    return port.any() if port is not None else 0


def _take(vm, u: UartState, n: int) -> bytes:
    """Up to n bytes that have come; the first may take `timeout_char` milliseconds to come."""
    if not _any(vm, u):
        vm.delay_ns(u.timeout_char * 1_000_000)
    if u.number == CONSOLE:
        return bytes(vm.board.port.read_byte() for _ in range(min(_any(vm, u), n)))
    waiting = _line(vm, u).waiting
    data = bytes(waiting[:n])
    del waiting[:n]
    return data


def _read(vm, o, n):
    u = vm.host(o)
    if not u.active or not n:
        return b""
    data = _take(vm, u, n)
    if not data:
        raise vm.os_error(EAGAIN)
    return data


def _write(vm, o, data):
    u = vm.host(o)
    if not u.active:
        return 0
    if u.number == CONSOLE:
        vm.raw_stdout(bytes(data))
    else:
        _line(vm, u).sent += data
        if u.baudrate:
            vm.charge_ns(len(data) * BITS_PER_BYTE * 1_000_000_000 // u.baudrate)
    return len(data)


def _control(vm, o, request, argument=0):
    u = vm.host(o)
    if not u.active:
        return 0
    if request != streams.POLL:
        raise vm.os_error(EINVAL)
    return (argument & 1 if _any(vm, u) else 0) | argument & 4


@checked
class UartType(GuestType):
    name = "UART"
    protocol = Protocol(read=_read, write=_write, ioctl=_control)

    def print(self, vm, o, kind):
        u = vm.host(o)
        return "[MAIXPY]UART%d:( baudrate=%d, bits=%d, parity=%s, stop=%s)" % (
            u.number + 1, u.baudrate, u.bits, PARITIES[u.parity], STOPS[u.stop])

    def make_new(self, vm, type_word, args, kw):
        vm.check_args(_MADE, len(args), len(kw))
        number = vm.get_int(args[0])
        if number not in UART_IDS:
            # The firmware formats the number as a truth value.
            raise vm.error("ValueError", "[MAIXPY]UART%s:does not exist"
                           % ("true" if number else "false"), formatted=True)
        o = vm.new_host_object(self, UartState(number), UART_BYTES)
        _init(vm, o, args[1:], kw)
        return o

    def getiter(self, vm, o):
        return o

    iternext = stream_methods.next_line

    @method(1, kw=True)
    def init(vm, args, kw):
        _init(vm, args[0], args[1:], kw)

    @method(1)
    def deinit(vm, self):
        vm.host(self).active = False

    @method(1)
    def readchar(vm, self):
        u = vm.host(self)
        data = _take(vm, u, 1) if u.active else b""
        return vm.new_int(data[0] if data else -1)

    @method(1)
    def any(vm, self):
        return vm.new_int(_any(vm, vm.host(self)))

    @method(0)
    def repl_uart(vm):
        """The console's object, made when it is first asked for."""
        if vm.repl_uart == L.NONE:
            vm.repl_uart = vm.keep(vm.call(vm.type_of_class(UartType).word, [(CONSOLE << 1) | 1]))
        return vm.repl_uart

    @method(1)
    def set_repl_uart(vm, uart):
        if uart != vm.repl_uart:
            raise vm.not_simulated("machine.UART.set_repl_uart() of another UART")

    constants = {
        "readline": stream_methods.READLINE, "readinto": stream_methods.READINTO,
        "write": stream_methods.WRITE, "read": stream_methods.READ,
        "UART1": 0, "UART2": 1, "UART3": 2, "UARTHS": CONSOLE,
        "PARITY_ODD": 1, "PARITY_EVEN": 2,
    }  # fmt: skip


def start(vm) -> None:
    vm.repl_uart = L.NONE
    if not hasattr(vm, "uart_lines"):
        vm.uart_lines = {number: UartLine() for number in UART_IDS if number != CONSOLE}
