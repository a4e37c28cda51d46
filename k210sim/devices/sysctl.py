"""SYSCTL: clocks, resets, power, and which peripheral each DMA channel serves.

Ref: kendryte-standalone-sdk lib/drivers/include/sysctl.h. PLLs lock at once. clk_freq's value is
that header's note (the crystal's 26 MHz). Clock gates are kept and have no effect on the devices. A
device's reset bit resets it when it is set, and does not hold it there.
"""

from __future__ import annotations

from collections.abc import Callable

from k210sim.devices import cells as c
from k210sim.devices.device import Device, Register

CRYSTAL_HZ = 26_000_000
LOCKED = 0x00030303
NAMES = (
    "git_id", "clk_freq", "pll0", "pll1", "pll2", "resv5", "pll_lock", "rom_error", "clk_sel0",
    "clk_sel1", "clk_en_cent", "clk_en_peri", "soft_reset", "peri_reset", "clk_th0", "clk_th1",
    "clk_th2", "clk_th3", "clk_th4", "clk_th5", "clk_th6", "misc", "peri", "spi_sleep",
    "reset_status", "dma_sel0", "dma_sel1", "power_sel", "resv28", "resv29", "resv30", "resv31",
)  # fmt: skip
RESETS = {"clk_freq": CRYSTAL_HZ, "pll_lock": LOCKED,
          "clk_en_cent": 0xFFFFFFFF, "clk_en_peri": 0xFFFFFFFF}  # fmt: skip


# by their bits in peri_reset; the boot ROM is no device here
RESET_BITS = ("ROM", "DMAC", "KPU", "DVP", "FFT", "GPIO", "SPI0", "SPI1", "SPI2", "SPI3",
              "I2S0", "I2S1", "I2S2", "I2C0", "I2C1", "I2C2", "UART1", "UART2", "UART3",
              "AES", "FPIOA", "TIMER0", "TIMER1", "TIMER2", "WDT0", "WDT1", "SHA256",
              "", "", "RTC")  # fmt: skip
# bits of reset_status: what reset the chip; that power-on sets the first is a guess
CLEAR_STATUS, BY_PIN, BY_WDT0, BY_SOFTWARE = 1 << 0, 1 << 1, 1 << 2, 1 << 4
CLOCK_REGISTERS = ("pll0", "pll1", "clk_sel0", "clk_th0")


class Sysctl(Device):
    """on_clock() is called when a clock may have changed, on_reset(cause) for a soft reset.

    reset_device(name) : called when a device's bit in peri_reset is set
    """

    NAME = "SYSCTL"
    REGISTERS = tuple(
        Register(4 * i, name, reset=RESETS.get(name, 0),
                 kind=c.KEEPS if name in CLOCK_REGISTERS else c.PLAIN)
        for i, name in enumerate(NAMES)
    )

    def __init__(self, on_clock: Callable[[], None], on_reset: Callable[[int], None],
                 reset_device: Callable[[str], None] = lambda name: None):
        self._on_clock, self._on_reset, self._reset_device = on_clock, on_reset, reset_device
        super().__init__()
        self.reset()

    def _at(self, name: str) -> int:
        return int(self.words[NAMES.index(name)])

    def _clock_register(self, name: str, value: int) -> None:
        changed = self._at(name) != value
        self._put(4 * NAMES.index(name), 4, value)
        if changed:
            self._on_clock()

    def write_pll0(self, value: int) -> None:
        self._clock_register("pll0", value)

    def write_pll1(self, value: int) -> None:
        self._clock_register("pll1", value)

    def write_clk_sel0(self, value: int) -> None:
        self._clock_register("clk_sel0", value)

    def write_clk_th0(self, value: int) -> None:
        self._clock_register("clk_th0", value)

    def write_pll_lock(self, value: int) -> None:
        """Slip bits are cleared by writing; nothing slips here."""

    def write_soft_reset(self, value: int) -> None:
        if value & 1:
            self._on_reset(BY_SOFTWARE)

    def note_reset(self, cause: int) -> None:
        """Let reset_status say what reset the chip."""
        self._put(4 * NAMES.index("reset_status"), 4, cause)

    def write_reset_status(self, value: int) -> None:
        if value & CLEAR_STATUS:
            self.note_reset(0)

    def write_peri_reset(self, value: int) -> None:
        started = value & ~self._at("peri_reset")
        self._put(4 * NAMES.index("peri_reset"), 4, value)
        for bit, name in enumerate(RESET_BITS):
            if started >> bit & 1 and name:
                self._reset_device(name)

    def _pll(self, name: str) -> int:
        value = self._at(name)
        source = CRYSTAL_HZ
        if name == "pll2" and value >> 26 & 3 in (1, 2):  # fed by another
            source = self._pll(("pll0", "pll1")[(value >> 26 & 3) - 1])
        if value >> 21 & 1 == 0 or value >> 20 & 1:  # no power, or in reset
            return source
        multiplied = source * ((value >> 4 & 63) + 1)
        return multiplied // ((value & 15) + 1) // ((value >> 10 & 15) + 1)

    @property
    def cpu_hz(self) -> int:
        """The CPU's clock: the crystal, or PLL0 by 2, 4, 8 or 16."""
        select = self._at("clk_sel0")
        if not select & 1:
            return CRYSTAL_HZ
        return max(1_000_000, self._pll("pll0") >> (select >> 1 & 3) + 1)

    @property
    def kpu_hz(self) -> int:
        return max(1_000_000, self._pll("pll1") // ((self._at("clk_th0") >> 8 & 15) + 1))

    @property
    def apb1_hz(self) -> int:
        """The clock of DVP, AES and OTP."""
        return self.cpu_hz // ((self._at("clk_sel0") >> 6 & 7) + 1)

    def timer_hz(self, number: int) -> int:
        """What the channels of a timer count: the crystal or PLL0, divided."""
        from_pll = self._at("clk_sel0") >> 13 + number & 1
        threshold = self._at("clk_th2") >> 8 * number & 0xFF
        return max(1, (self._pll("pll0") if from_pll else CRYSTAL_HZ) // (2 * (threshold + 1)))

    def wdt_hz(self, number: int) -> int:
        """What a watchdog counts."""
        return CRYSTAL_HZ // (2 * ((self._at("clk_th6") >> 8 * number & 0xFF) + 1))

    def i2s_hz(self, number: int) -> int:
        """The bit clock of an I2S controller."""
        register, shift = (("clk_th3", 0), ("clk_th3", 16), ("clk_th4", 0))[number]
        threshold = self._at(register) >> shift & 0xFFFF
        return max(1, self._pll("pll2") // (2 * (threshold + 1)))

    def i2c_hz(self, number: int) -> int:
        """The clock of an I2C controller."""
        threshold = self._at("clk_th5") >> 8 * (number + 1) & 0xFF
        return max(1, self._pll("pll0") // (2 * (threshold + 1)))

    def spi_hz(self, number: int) -> int:
        """The clock before the baud rate divider of SPI0 or SPI1."""
        threshold = self._at("clk_th1") >> 8 * number & 0xFF
        return max(1, self._pll("pll0") // (2 * (threshold + 1)))

    def dma_request(self, channel: int) -> int:
        """The number of the peripheral whose requests a DMA channel follows."""
        return self._at("dma_sel1" if channel == 5 else "dma_sel0") >> 6 * (channel % 5) & 63
