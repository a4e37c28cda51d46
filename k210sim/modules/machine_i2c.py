"""`machine.I2C`: buses with nothing on them, so that `scan()` finds nobody and nobody answers.

`vm.i2c_devices[bus, address]` may hold an object with `write(bytes)` and `read(n) -> bytes`; it
then answers at that address. Slave mode is not simulated.
Source: MaixPy-v1 v0.6.3 port/src/standard_lib/machine/machine_i2c.c (checks, texts).
"""

from __future__ import annotations

from k210sim.micropython import layout as L
from k210sim.micropython.native import Arg, GuestType, NativeFunction, method
from k210sim.micropython.textargs import buffer_bytes, writable_view
from k210sim.modules.maix_pins import FUNCTIONS
from k210sim.modules.receivers import checked

ENODEV, EIO = 19, 5
I2C_BYTES = 104
LAST_ID, SOFT_IDS = 6, (3, 4, 5, 6)
MASTER, SLAVE, MASTER_SOFT = 0, 1, 2
FIRST_ADDRESS, LAST_ADDRESS = 8, 119
SLOWEST = 400  # hertz, about: a period of the line is counted in 17 bits, whatever was asked for
_UNSET = 0
_MADE = NativeFunction("", None, 1, None, kw=True)
_ARGS = [
    Arg("id", required=True), Arg("mode", "int", MASTER, kw_only=True),
    Arg("scl", "obj", _UNSET, kw_only=True), Arg("sda", "obj", _UNSET, kw_only=True),
    Arg("gscl", "obj", _UNSET, kw_only=True), Arg("gsda", "obj", _UNSET, kw_only=True),
    Arg("freq", "int", 400000, kw_only=True), Arg("timeout", "int", 1000, kw_only=True),
    Arg("addr", "int", 0, kw_only=True), Arg("addr_size", "int", 7, kw_only=True),
    Arg("on_receive", kw_only=True), Arg("on_transmit", kw_only=True),
    Arg("on_event", kw_only=True), Arg("us_delay", "int", 0, kw_only=True),
]  # fmt: skip
_MEMORY_ARGS = [Arg("addr", "int", required=True), Arg("memaddr", "int", required=True),
                Arg("arg", required=True), Arg("mem_size", "int", 8, kw_only=True)]


class BusState:
    def __init__(self):
        self.number = self.mode = 0
        self.freq, self.addr_size = 400000, 7
        self.scl = self.sda = 0


def _text(text: str) -> str:
    return "[MAIXPY]I2C: " + text


def _init(vm, o: int, args, kw) -> None:
    (bus, mode, scl, sda, gscl, gsda, freq, _, _, addr_size, _, _, _, _) = vm.parse_args(
        args, kw, _ARGS)
    number = vm.get_int(bus)
    if not 0 <= number <= LAST_ID:
        raise vm.error("ValueError", _text("I2C(%d) doesn't exist" % number), formatted=True)
    for wrong, text in (
        (not MASTER <= mode <= MASTER_SOFT, "mode error!"),
        (addr_size not in (7, 10), "addr size error!"),
    ):
        if wrong:
            raise vm.error("ValueError", _text(text), formatted=False)
    if mode == SLAVE:
        raise vm.not_simulated("machine.I2C(mode=I2C.MODE_SLAVE)")
    b: BusState = vm.host(o)
    if scl != _UNSET or sda != _UNSET:
        pads = [vm.get_int(w) if w != _UNSET else -1 for w in (scl, sda)]
        if not all(0 <= pad <= 47 for pad in pads):
            raise vm.error("ValueError", _text("pin(scl/sda) error!"), formatted=False)
        b.scl, b.sda = pads
    units = [b.scl, b.sda]
    if gscl != _UNSET or gsda != _UNSET:
        units = [vm.get_int(w) - FUNCTIONS["GPIOHS0"] if w != _UNSET else -1
                 for w in (gscl, gsda)]
        if not all(0 <= unit <= 31 for unit in units):
            raise vm.error("ValueError", _text("gpio(scl/sda) error!"), formatted=False)
    b.number, b.freq, b.addr_size = number, freq, addr_size
    b.mode = MASTER_SOFT if number in SOFT_IDS else mode
    if b.mode == MASTER_SOFT:
        functions = [FUNCTIONS["GPIOHS0"] + unit for unit in units]
    else:
        functions = [FUNCTIONS["I2C0_SCLK"] + 2 * number, FUNCTIONS["I2C0_SDA"] + 2 * number]
    for pad, function in zip((b.scl, b.sda), functions, strict=True):
        vm.pins.set_function(pad, function)


def _device(vm, b: BusState, address: int):
    """Who answers at an address; OSError where nobody does."""
    device = vm.i2c_devices.get((b.number, address))
    if device is None:
        raise vm.os_error(ENODEV if b.mode == MASTER_SOFT else EIO)
    return device


def _spend(vm, b: BusState, n_bytes: int) -> None:
    """The time of so many bytes and the address on the bus, nine bits each."""
    vm.charge_ns((n_bytes + 1) * 9 * 1_000_000_000 // max(SLOWEST, b.freq))


def _no_stop_option(vm, stop) -> None:
    if stop and not vm.is_true(stop[0]):
        raise vm.error("NotImplementedError", _text("not support stop option yet"),
                       formatted=False)


def _write(vm, o: int, address: int, data: bytes) -> None:
    b = vm.host(o)
    _spend(vm, b, len(data))
    _device(vm, b, address).write(data)


def _read(vm, o: int, address: int, n: int) -> bytes:
    b = vm.host(o)
    _spend(vm, b, n)
    return bytes(_device(vm, b, address).read(n))[:n].ljust(n, b"\0")


def _positive(vm, n: int) -> int:
    if n <= 0:
        raise vm.error("ValueError", _text("not support receive 0 byte data yet"),
                       formatted=False)
    return n


def _memory_address(vm, place: int, size: int) -> bytes:
    n_bytes = size // 8
    if not 1 <= n_bytes <= 4:
        raise vm.error("ValueError", "mem_size error", formatted=False)
    return (place & (1 << 8 * n_bytes) - 1).to_bytes(n_bytes, "big")


@checked
class I2cType(GuestType):
    name = "I2C"

    def print(self, vm, o, kind):
        b = vm.host(o)
        return "[MAIXPY]I2C:(%x) I2C=%d, mode=%d, freq=%d, addr_size=%d, scl=%d, sda=%d" % (
            o, b.number, b.mode, b.freq & 0xFFFFFFFF, b.addr_size, b.scl, b.sda)

    def make_new(self, vm, type_word, args, kw):
        o = vm.new_host_object(self, BusState(), I2C_BYTES)
        _init(vm, o, args, kw)
        return o

    @method(1, kw=True)
    def init(vm, args, kw):
        _init(vm, args[0], args[1:], kw)

    @method(1)
    def deinit(vm, self):
        """Nothing to undo."""

    @method(1, name="__del__")
    def delete(vm, self):
        """Nothing to undo."""

    @method(1)
    def scan(vm, self):
        b, found = vm.host(self), vm.new_list()
        for address in range(FIRST_ADDRESS, LAST_ADDRESS + 1):
            _spend(vm, b, 0)
            if (b.number, address) in vm.i2c_devices:
                vm.list_append(found, vm.new_int(address))
        return found

    @method(3, 4)
    def readfrom(vm, self, address, n, *stop):
        at, count = vm.get_int(address), _positive(vm, vm.get_int(n))
        _no_stop_option(vm, stop)
        return vm.new_bytes(_read(vm, self, at, count))

    @method(3, 4)
    def readfrom_into(vm, self, address, buffer, *stop):
        place, n, _, _ = writable_view(vm, buffer)
        _no_stop_option(vm, stop)
        vm.memory.write(place, _read(vm, self, vm.get_int(address), n))
        return vm.new_int(n)

    @method(3, 4)
    def writeto(vm, self, address, data, *stop):
        raw = buffer_bytes(vm, data)
        _no_stop_option(vm, stop)
        if not raw:
            raise vm.error("NotImplementedError", _text("not support send 0 byte data yet"),
                           formatted=False)
        _write(vm, self, vm.get_int(address), raw)
        return vm.new_int(len(raw))

    @method(1, kw=True)
    def readfrom_mem(vm, args, kw):
        address, place, n, size = vm.parse_args(args[1:], kw, _MEMORY_ARGS)
        count = _positive(vm, vm.get_int(n))
        _write(vm, args[0], address, _memory_address(vm, place, size))
        return vm.new_bytes(_read(vm, args[0], address, count))

    @method(1, kw=True)
    def readfrom_mem_into(vm, args, kw):
        address, place, buffer, size = vm.parse_args(args[1:], kw, _MEMORY_ARGS)
        target, n, _, _ = writable_view(vm, buffer)
        _write(vm, args[0], address, _memory_address(vm, place, size))
        vm.memory.write(target, _read(vm, args[0], address, n))
        return L.NONE

    @method(1, kw=True)
    def writeto_mem(vm, args, kw):
        address, place, data, size = vm.parse_args(args[1:], kw, _MEMORY_ARGS)
        number = vm.int_value(data)
        raw = bytes([number & 0xFF]) if number is not None else buffer_bytes(vm, data)
        _write(vm, args[0], address, _memory_address(vm, place, size) + raw)
        return L.NONE

    constants = {
        "MODE_MASTER": MASTER, "MODE_SLAVE": SLAVE, "MODE_MASTER_SOFT": MASTER_SOFT,
        **{"I2C%d" % n: n for n in range(6)}, "I2C_SOFT": 6,
        "I2C_EV_START": 0, "I2C_EV_RESTART": 1, "I2C_EV_STOP": 2,
    }  # fmt: skip


def start(vm) -> None:
    if not hasattr(vm, "i2c_devices"):
        vm.i2c_devices = {}
