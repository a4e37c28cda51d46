"""`machine.SPI`: its settings are checked and shown; a transfer is not simulated.

Source: MaixPy-v1 v0.6.3 port/src/standard_lib/machine/machine_spi.c (checks, texts).
"""

from __future__ import annotations

from k210sim.micropython import layout as L
from k210sim.micropython.native import Arg, GuestType, method
from k210sim.modules.absent import absent_function
from k210sim.modules.receivers import checked

SPI_BYTES = 96
SLAVE_ID, SOFT_ID = 2, 4
MODE_MASTER, MODE_SLAVE = 0, 4
MSB, LSB = 0, 1
_PINS = ("sck", "mosi", "miso", "cs0", "cs1", "cs2", "cs3", *("d%d" % n for n in range(8)))
_ARGS = [
    Arg("id", "int", -1), Arg("mode", "int", MODE_MASTER), Arg("baudrate", "int", 500000),
    Arg("polarity", "int", 0, kw_only=True), Arg("phase", "int", 0, kw_only=True),
    Arg("bits", "int", 8, kw_only=True), Arg("firstbit", "int", MSB, kw_only=True),
    *(Arg(name, kw_only=True) for name in _PINS),
]  # fmt: skip


class SpiState:
    def __init__(self, values: list[int], pads: dict[str, int]):
        (self.number, self.mode, self.baudrate, self.polarity, self.phase, self.bits,
         self.firstbit) = values
        self.pads = pads


def _state(vm, args, kw) -> SpiState:
    values = vm.parse_args(args, kw, _ARGS)
    number, mode, baudrate, polarity, phase, bits, firstbit = values[:7]
    for wrong, kind, text in (
        (number < 0 or number == 3 or number > SOFT_ID, "ValueError",
         "spi id error( > 0 & !=3 )"),
        (number == SLAVE_ID, "NotImplementedError", "SPI2 only for slave mode"),
        (not MODE_MASTER <= mode <= MODE_SLAVE, "ValueError", "spi mode error"),
        (mode == MODE_SLAVE, "ValueError", "slave mode only for SPI2"),
        (mode != MODE_MASTER, "NotImplementedError", "only standard mode supported yet"),
        (baudrate <= 0, "ValueError", "baudrate(freq) value error"),
        (polarity not in (0, 1), "ValueError", "polarity should be 0 or 1"),
        (phase not in (0, 1), "ValueError", "ARG_phase should be 0 or 1"),
        (not 4 <= bits <= 32, "ValueError", "bits should be 4~32"),
        (firstbit not in (MSB, LSB), "ValueError", "firstbit should be SPI.LSB or SPI.MSB"),
        (firstbit != MSB, "NotImplementedError", "only support MSB mode now"),
    ):
        if wrong:
            raise vm.error(kind, "[MAIXPY]SPI: " + text, formatted=False)
    pads = {name: vm.get_int(w) for name, w in zip(_PINS, values[7:], strict=True)
            if w != L.NONE}
    return SpiState(values[:7], pads)


@checked
class SpiType(GuestType):
    name = "SPI"

    def print(self, vm, o, kind):
        s = vm.host(o)
        return ("[MAIXPY]SPI:(0x%x) id=%d, mode=%d, baudrate=%d, polarity=%d, phase=%d, bits=%d, "
                "firstbit=%d" % (o, s.number, s.mode, s.baudrate, s.polarity, s.phase, s.bits,
                                 s.firstbit)
                + "".join(", %s=%d" % pair for pair in s.pads.items()))

    def make_new(self, vm, type_word, args, kw):
        return vm.new_host_object(self, _state(vm, args, kw), SPI_BYTES)

    @method(1, kw=True)
    def init(vm, args, kw):
        vm.host_values[args[0]] = _state(vm, args[1:], kw)

    @method(1)
    def deinit(vm, self):
        """Nothing to undo."""

    constants = {
        **{name: absent_function("machine.SPI." + name, 1)
           for name in ("read", "readinto", "write", "write_readinto")},
        "SPI0": 0, "SPI1": 1, "SPI2": 2, "SPI_SOFT": SOFT_ID, "MSB": MSB, "LSB": LSB,
        "MODE_MASTER": 0, "MODE_MASTER_2": 1, "MODE_MASTER_4": 2, "MODE_MASTER_8": 3,
        "MODE_SLAVE": MODE_SLAVE, "CS0": 0, "CS1": 1, "CS2": 2, "CS3": 3,
    }  # fmt: skip
