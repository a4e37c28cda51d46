"""The sensor chips as their control bus (SCCB, I2C) shows them: registers that set up the camera.

Ref: data sheets of OV2640, OV7740, OV5640 (identification, bank select, output size, mirror and
flip, reset, colour bar) and GC0328 (identification, pages, window, mirror); which of their
registers a firmware uses: sipeed/MaixPy-v1 components/micropython/port/src/omv, and
kendryte-standalone-demo. All other registers keep what is written and change nothing.

Guesses: the registers that read as 0 after a reset though the data sheets name a value; the flips
at which a picture stands upright (`upright`: what the firmware's own tables choose).
"""

from __future__ import annotations

from dataclasses import dataclass

from k210sim.camera.camera import Camera
from k210sim.saving import Saved

FLIP, MIRROR = 2, 1


@dataclass(frozen=True)
class ChipKind:
    """A sensor chip.

    address : on the bus, 7 bits. ids : registers (bank, number) that identify it. wide : register
    numbers have 16 bits. bank : the register that selects a bank, and the bits of it that matter.
    upright : MIRROR and FLIP bits with which the view is upright. largest : width and height of its
    pixels
    """

    address: int
    ids: dict[tuple[int, int], int]
    largest: tuple[int, int]
    wide: bool = False
    bank: tuple[int, int] | None = None
    upright: int = 0


KINDS = {
    "ov2640": ChipKind(
        0x30, {(1, 0x0A): 0x26, (1, 0x0B): 0x42, (1, 0x1C): 0x7F, (1, 0x1D): 0xA2},
        (1600, 1200), bank=(0xFF, 1), upright=MIRROR,
    ),
    "ov7740": ChipKind(
        0x21, {(0, 0x0A): 0x77, (0, 0x0B): 0x42, (0, 0x1C): 0x7F, (0, 0x1D): 0xA2}, (640, 480)
    ),
    "gc0328": ChipKind(0x21, {(page, 0xF0): 0x9D for page in range(4)}, (640, 480), bank=(0xFE, 3)),
    "ov5640": ChipKind(0x3C, {(0, 0x300A): 0x56, (0, 0x300B): 0x40}, (2592, 1944), wide=True),
}  # fmt: skip


class SensorRegisters(Saved):
    """The control side of a camera. `camera.chip` must not be None.

    size : width and height of the frames that the registers ask for, never more than the chip has;
    None where they do not say
    """

    IS_PROGRAM = False

    def __init__(self, camera: Camera):
        self.camera = camera
        self.kind = KINDS[camera.chip]
        self.reset()

    def reset(self) -> None:
        """As after power-on or a pulse on the reset pin."""
        self._values: dict[tuple[int, int], int] = {}
        self._bank = self.kind.bank[1] if self.camera.chip == "ov2640" else 0
        self._pointer = 0
        self._head: list[int] | None = []
        self._apply()

    # --- the bus --------------------------------------------------------------------------------

    @property
    def address(self) -> int:
        """7 bits."""
        return self.kind.address

    def start(self, reading: bool = False) -> None:
        """A transaction begins: when bytes are written, with a register's number."""
        if not reading:
            self._head = []

    def stop(self, reading: bool) -> None:
        """It ends."""

    def put(self, byte: int) -> None:
        """A byte from the master: of the register's number first, then values from there on."""
        if self._head is None:
            self._write(self._pointer, byte)
            self._pointer += 1
            return
        self._head.append(byte)
        if len(self._head) == (2 if self.kind.wide else 1):
            self._pointer = int.from_bytes(bytes(self._head), "big")
            self._head = None

    def get(self) -> int:
        """A byte for the master, from the register chosen last; the next follows."""
        if self._head:  # half a number chooses no register
            return 0
        value = self._read(self._pointer)
        self._pointer += 1
        return value

    # --- registers ------------------------------------------------------------------------------

    def _read(self, number: int) -> int:
        if self.kind.bank and number == self.kind.bank[0]:
            return self._bank
        fixed = self.kind.ids.get((self._bank, number))
        return self._values.get((self._bank, number), 0) if fixed is None else fixed

    def _write(self, number: int, value: int) -> None:
        if self._asks_for_reset(number, value):
            self.reset()
            return
        if self.kind.bank and number == self.kind.bank[0]:
            self._bank = value & self.kind.bank[1]
            return
        self._values[self._bank, number] = value
        self._apply()

    def _asks_for_reset(self, number: int, value: int) -> bool:
        chip = self.camera.chip
        if chip == "gc0328":
            return number == 0xFE and bool(value & 0x80)
        if chip == "ov5640":
            return number == 0x3008 and bool(value & 0x80)
        return number == 0x12 and bool(value & 0x80) and (chip == "ov7740" or self._bank == 1)

    def _at(self, number: int, bank: int = 0) -> int:
        return self._values.get((bank, number), 0)

    def _apply(self) -> None:
        """Give the camera what its part of the registers says."""
        flips, bars = getattr(self, f"_{self.camera.chip}")()
        if not self._values:
            flips = self.kind.upright
        turned = flips ^ self.kind.upright
        self.camera.hmirror = bool(turned & MIRROR)
        self.camera.vflip = bool(turned & FLIP)
        self.camera.colour_bar = bars

    @property
    def size(self) -> tuple[int, int] | None:
        chip = self.camera.chip
        if chip == "ov2640":
            high = self._at(0x5C)
            width = self._at(0x5A) | (high & 3) << 8
            height = self._at(0x5B) | (high & 4) << 6
            width, height = 4 * width, 4 * height
        elif chip == "ov7740":
            width, height = 4 * self._at(0x31), 2 * self._at(0x32)
        elif chip == "ov5640":
            width, height = (self._at(n) << 8 | self._at(n + 1) for n in (0x3808, 0x380A))
        else:
            width, height = (self._at(n) << 8 | self._at(n + 1) for n in (0x57, 0x55))
        most = self.kind.largest
        return (min(width, most[0]), min(height, most[1])) if width and height else None

    # flips and colour bar of each chip

    def _ov2640(self) -> tuple[int, bool]:
        flips = self._at(0x04, 1)
        turned = (MIRROR if flips & 0x80 else 0) | (FLIP if flips & 0x40 else 0)
        return turned, bool(self._at(0x12, 1) & 2)

    def _ov7740(self) -> tuple[int, bool]:
        flips = self._at(0x0C)
        turned = (MIRROR if flips & 0x40 else 0) | (FLIP if flips & 0x80 else 0)
        return turned, bool(self._at(0x84) & 2)

    def _gc0328(self) -> tuple[int, bool]:
        flips = self._at(0x17)
        return (MIRROR if flips & 1 else 0) | (FLIP if flips & 2 else 0), False

    def _ov5640(self) -> tuple[int, bool]:
        turned = MIRROR if self._at(0x3821) & 6 else 0
        turned |= FLIP if self._at(0x3820) & 6 else 0
        return turned, bool(self._at(0x503D) & 0x80)
