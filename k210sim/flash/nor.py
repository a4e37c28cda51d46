"""The board's 16 MiB SPI NOR flash chip: erase to ones, program only clears bits.

Sizes and ids: MaixPy-v1 `components/drivers/flash/include/w25qxx.h`. Times are the typical
figures of the Winbond W25Q128JV data sheet (table "AC electrical characteristics"); the read
rate is a guess from one public report (see `READ_NS_PER_BYTE`).

The chip knows nothing of files: `storage.py` keeps an image on the host's disk and asks
`take_dirty` which sectors changed.
"""

from __future__ import annotations

from array import array
from contextlib import contextmanager

from k210sim.errors import FlashError

SIZE = 16 * 1024 * 1024
PAGE = 256
SECTOR = 4096
BLOCK32 = 32 * 1024
BLOCK64 = 64 * 1024
SECTORS = SIZE // SECTOR

GIGADEVICE = (0xC8, 0x17)  # GD25Q128; the boot log prints `Flash:0xc8:0x17`
WINBOND = (0xEF, 0x17)  # W25Q128

PAGE_PROGRAM_NS = 400_000
ERASE_NS = {SECTOR: 45_000_000, BLOCK32: 120_000_000, BLOCK64: 150_000_000, SIZE: 40_000_000_000}

# A guess: 2655688 bytes of MobileNet loaded in 421 ms (forum report, bbs.sipeed.com topic 1811),
# assuming that the whole time is the SPI transfer.
READ_NS_PER_BYTE = 158


class PowerCut(Exception):
    """The power failed inside a flash operation; what the chip had done so far stays done.

    Raised only after `NorFlash.cut_power_after`: a tool of tests and of fault injection.
    """


class NorFlash:
    """One chip. Addresses and lengths are bytes; all ranges are half-open.

    `clock` (or None) is charged the time each operation takes. `data`, when given, is the
    initial content, exactly `SIZE` bytes; without it the chip is erased.
    """

    size = SIZE

    def __init__(self, clock=None, *, jedec_id: tuple[int, int] = GIGADEVICE, data=None):
        if data is not None and len(data) != SIZE:
            raise FlashError(f"flash content: found {len(data)} bytes, expected {SIZE}")
        self.clock = clock
        self.manufacturer_id, self.device_id = jedec_id
        self._data = bytearray(data) if data is not None else bytearray(b"\xff") * SIZE
        self.erase_counts = array("L", bytes(array("L").itemsize * SECTORS))
        self.erases = 0  # erase operations of any size
        self.pages_programmed = 0
        self.bytes_programmed = 0
        self.bytes_read = 0
        self.busy_until_ns = 0
        self._dirty: set[int] = set()
        self._steps_left: int | None = None

    # -- reading ----------------------------------------------------

    @property
    def data(self) -> memoryview:
        """The whole content, read-only and without any charge of time (for host-side tools)."""
        return memoryview(self._data).toreadonly()

    def read(self, addr: int, length: int) -> bytes:
        """`length` bytes from `addr`; raises FlashError outside the chip."""
        self._check("read", addr, length)
        self._spend(length * READ_NS_PER_BYTE)
        self.bytes_read += length
        return bytes(memoryview(self._data)[addr : addr + length])

    # -- the chip's own operations ---------------------------------------------------------

    def program_page(self, addr: int, data, *, wait: bool = True) -> None:
        """Program up to 256 bytes inside one page, as command 0x02 does.

        Bits only go from 1 to 0. Bytes past the end of the page wrap to its start, and of more
        than 256 bytes the last 256 count, as on the chip.
        """
        self._check("program", addr, 1)
        data = bytes(data)
        page = addr - addr % PAGE
        if len(data) > PAGE:
            addr = page + (addr + len(data) - PAGE) % PAGE
            data = data[-PAGE:]
        first = min(len(data), page + PAGE - addr)
        self._and_into(addr, data[:first])
        if first < len(data):
            self._and_into(page, data[first:])
        self.pages_programmed += 1
        self._spend(PAGE_PROGRAM_NS, wait)

    def erase_unit(self, addr: int, unit: int, *, wait: bool = True) -> None:
        """Erase one aligned unit: 4096, 32768 or 65536 bytes, or the whole chip."""
        if unit not in ERASE_NS:
            raise FlashError(f"flash erase: the chip has no erase unit of {unit} bytes")
        self._check("erase", addr, unit)
        if addr % unit:
            raise FlashError(f"flash erase: 0x{addr:08x} is not a multiple of 0x{unit:x}")
        half = addr + unit // 2
        # An erase cut short leaves part of the unit erased: two steps stand for that.
        self._step()
        self._erase_bytes(addr, half)
        self._step()
        self._erase_bytes(half, addr + unit)
        self.erases += 1
        for sector in range(addr // SECTOR, (addr + unit) // SECTOR):
            self.erase_counts[sector] += 1
        self._spend(ERASE_NS[unit], wait)

    # -- what drivers and flashing tools make of them ------------------------------

    def program(self, addr: int, data) -> None:
        """Program any length, page by page, without wrapping and without erasing."""
        self._check("program", addr, len(data))
        view = memoryview(data)
        # Without a pending power cut a whole sector is done at once: the same bytes, the same
        # counters, the same time, a tenth of the work.
        unit = SECTOR if self._steps_left is None else PAGE
        at = 0
        while at < len(view):
            n = min(len(view) - at, unit - (addr + at) % unit)
            pages = (addr + at + n - 1) // PAGE - (addr + at) // PAGE + 1
            self._and_into(addr + at, bytes(view[at : at + n]))
            self.pages_programmed += pages
            self._spend(pages * PAGE_PROGRAM_NS)
            at += n

    def erase(self, addr: int, length: int) -> None:
        """Erase whole sectors, by the largest units that fit, as flashing tools do."""
        self._check("erase", addr, length)
        if addr % SECTOR or length % SECTOR:
            raise FlashError(
                f"flash erase: address 0x{addr:08x} and length 0x{length:x} must be multiples "
                f"of 0x{SECTOR:x}, the sector size"
            )
        end = addr + length
        while addr < end:
            unit = next(
                u
                for u in (SIZE, BLOCK64, BLOCK32, SECTOR)
                if addr % u == 0 and end - addr >= u
            )
            self.erase_unit(addr, unit)
            addr += unit

    def write(self, addr: int, data) -> None:
        """Make the range hold `data` and keep everything around it, as the board's driver does.

        Per sector: erase only when some bit must go from 0 to 1, then program all 16 pages
        (`w25qxx_write_data_dma`); a sector that needs no change at all is still programmed.
        """
        self._check("write", addr, len(data))
        view = memoryview(data)
        at = 0
        while at < len(view):
            sector = (addr + at) - (addr + at) % SECTOR
            inside = addr + at - sector
            n = min(len(view) - at, SECTOR - inside)
            new = bytearray(self._data[sector : sector + SECTOR])
            self._spend(SECTOR * READ_NS_PER_BYTE)
            old = int.from_bytes(new, "little")
            new[inside : inside + n] = view[at : at + n]
            if int.from_bytes(new, "little") & ~old:
                self.erase_unit(sector, SECTOR)
            self.program(sector, new)
            at += n

    # -- time, faults, snapshots ----------------------------------------------------

    @property
    def busy(self) -> bool:
        """Status register 1 bit 0: an operation started with `wait=False` is still going on."""
        return self.clock is not None and self.clock.now_ns < self.busy_until_ns

    def wait_ready(self) -> None:
        """Let time pass until the chip is idle."""
        if self.busy:
            self.clock.advance_ns(self.busy_until_ns - self.clock.now_ns)

    @contextmanager
    def untimed(self):
        """Inside, nothing is charged: the host changes the flash while the board is off."""
        clock, self.clock = self.clock, None
        try:
            yield self
        finally:
            self.clock = clock

    def cut_power_after(self, steps: int | None) -> None:
        """Raise PowerCut once `steps` more steps are done; None switches the fault off.

        A byte programmed is one step, an erase is two (half of the unit, then the rest).
        """
        self._steps_left = steps

    def wear(self) -> dict:
        """What the chip has been through since it was made or its counters were restored."""
        worst = max(range(SECTORS), key=self.erase_counts.__getitem__)
        return {
            "erases": self.erases,
            "pages_programmed": self.pages_programmed,
            "bytes_programmed": self.bytes_programmed,
            "bytes_read": self.bytes_read,
            "sectors_erased": sum(1 for count in self.erase_counts if count),
            "most_erased_sector": worst * SECTOR if self.erase_counts[worst] else None,
            "most_erases": self.erase_counts[worst],
        }

    def take_dirty(self) -> list[int]:
        """Numbers of the sectors changed since the last call, ascending."""
        dirty, self._dirty = sorted(self._dirty), set()
        return dirty

    def mark_dirty(self, sectors) -> None:
        """Put sectors back on the list, when saving them did not succeed."""
        self._dirty.update(sectors)

    def state(self) -> dict:
        """Content and counters, for snapshots."""
        return {
            "data": bytes(self._data),
            "erase_counts": self.erase_counts.tolist(),
            "counters": (self.erases, self.pages_programmed, self.bytes_programmed,
                         self.bytes_read),
            "busy_until_ns": self.busy_until_ns,
        }

    def load_state(self, state: dict) -> None:
        """Take over what `state` returned; only sectors that differ become dirty."""
        new = state["data"]
        for sector in range(SECTORS):
            at = sector * SECTOR
            if self._data[at : at + SECTOR] != new[at : at + SECTOR]:
                self._dirty.add(sector)
        self._data[:] = new
        self.erase_counts = array("L", state["erase_counts"])
        (self.erases, self.pages_programmed, self.bytes_programmed,
         self.bytes_read) = state["counters"]
        self.busy_until_ns = state["busy_until_ns"]

    # -- inside ----------------------------------------------------

    def _check(self, what: str, addr: int, length: int) -> None:
        if addr < 0 or length < 0 or addr + length > SIZE:
            raise FlashError(
                f"flash {what}: 0x{addr:08x} + 0x{length:x} bytes is outside the chip, "
                f"which has 0x{SIZE:08x} bytes"
            )

    def _spend(self, ns: int, wait: bool = True) -> None:
        if self.clock is None:
            return
        self.wait_ready()
        self.busy_until_ns = self.clock.now_ns + ns
        if wait:
            self.clock.advance_ns(ns)

    def _step(self) -> None:
        if self._steps_left is not None:
            if self._steps_left <= 0:
                raise PowerCut("power cut")
            self._steps_left -= 1

    def _and_into(self, addr: int, data: bytes) -> None:
        """AND `data` into one sector; honours a pending power cut byte by byte."""
        cut = self._steps_left is not None and self._steps_left < len(data)
        if cut:
            data = data[: self._steps_left]
        n = len(data)
        if n:
            old = int.from_bytes(self._data[addr : addr + n], "little")
            both = old & int.from_bytes(data, "little")
            if both != old:
                self._data[addr : addr + n] = both.to_bytes(n, "little")
                self._dirty.add(addr // SECTOR)
            self.bytes_programmed += n
        if self._steps_left is not None:
            self._steps_left -= n
        if cut:
            raise PowerCut("power cut")

    def _erase_bytes(self, start: int, end: int) -> None:
        self._data[start:end] = b"\xff" * (end - start)
        self._dirty.update(range(start // SECTOR, (end + SECTOR - 1) // SECTOR))
