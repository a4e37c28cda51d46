"""Which device answers at which address, and which interrupt line it has.

Ref: kendryte-standalone-sdk lib/bsp/include/platform.h (addresses), lib/drivers/include/plic.h
(interrupt numbers).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from k210sim.clock import Clock
from k210sim.devices.aes import Aes
from k210sim.devices.apu import I2sWithApu
from k210sim.devices.bus import Bus
from k210sim.devices.clint import Clint
from k210sim.devices.device import Window
from k210sim.devices.dmac import CHANNELS, Dmac
from k210sim.devices.dvp import Dvp
from k210sim.devices.fft import Fft, FftMemory
from k210sim.devices.fpioa import Fpioa
from k210sim.devices.gpio import Gpio
from k210sim.devices.gpiohs import Gpiohs
from k210sim.devices.i2c import I2c
from k210sim.devices.i2c_slave import Wires
from k210sim.devices.i2s import I2s
from k210sim.devices.kpu import KpuRegisters
from k210sim.devices.low_memory import LowMemory
from k210sim.devices.otp import Otp
from k210sim.devices.plic import Plic
from k210sim.devices.rtc import Rtc
from k210sim.devices.serial_pads import FUNC_UART1_RX, IN_PAD, SerialPads
from k210sim.devices.sha256 import Sha256
from k210sim.devices.spi import Spi, Unconnected
from k210sim.devices.spi_flash import SpiFlash
from k210sim.devices.spi_lcd import SpiLcd
from k210sim.devices.spi_sd import SpiSd
from k210sim.devices.spi_slave import SpiSlave
from k210sim.devices.sysctl import BY_WDT0, Sysctl
from k210sim.devices.timer import Timer
from k210sim.devices.uart import Uart
from k210sim.devices.uarths import Uarths
from k210sim.devices.wdt import Wdt
from k210sim.errors import DeviceError
from k210sim.flash.commands import NorCommands
from k210sim.flash.nor import NorFlash
from k210sim.kpu.ai_ram import AiRam
from k210sim.kpu.device import Kpu
from k210sim.pins import FUNC_UARTHS_RX, FUNC_UARTHS_TX, N_GPIOHS, Pins
from k210sim.riscv.state import AI_RAM_AT

IRQ_SPI0, IRQ_SPI3, IRQ_I2S0 = 1, 4, 5
IRQ_I2C0, IRQ_UART1, IRQ_TIMER0A, IRQ_RTC, IRQ_WDT0, IRQ_GPIO = 8, 11, 14, 20, 21, 23
IRQ_DVP, IRQ_KPU, IRQ_FFT, IRQ_DMA0, IRQ_UARTHS, IRQ_GPIOHS0 = 24, 25, 26, 27, 33, 34
FUNC_TIMER0_TOGGLE1 = 190  # then those of its other channels, and of the other timers
# of the chip's windows, what no device answers
WINDOWS = {"FFT window": (0x42000000, 0x400000), "APB0 window": (0x50200000, 0x100000),
           "APB1 window": (0x50400000, 0x70000)}  # fmt: skip


@dataclass
class Parts:
    """What is connected to the chip. send(data), receive(n) : the serial port's host end."""

    flash: NorFlash
    send: Callable[[bytes], None] = lambda data: None
    receive: Callable[[int], bytes] = lambda count: b""
    panel: Any = None  # k210sim.lcd.panel.Panel
    camera: Any = None  # k210sim.camera.camera.Camera
    card: Any = None  # the SD slot, see devices/spi_sd.py
    sd_select_pad: int = 29
    pins: Pins = field(default_factory=Pins)


@dataclass
class Hooks:
    """What devices ask of the machine around them.

    raise_interrupt(hart, bit, level), is_raised(hart, bit) : of mip; cycles() : CPU clocks since
    power-on; clock_changed(), reset(cause) : SYSCTL or a watchdog says so, the cause a bit of
    SYSCTL's reset_status; pc() : of the access being served
    """

    raise_interrupt: Callable[[int, int, bool], None]
    is_raised: Callable[[int, int], bool]
    cycles: Callable[[], int]
    clock_changed: Callable[[], None]
    reset: Callable[[int], None]
    pc: Callable[[], int] = field(default=lambda: 0)


class Chip:
    """All devices, mapped on `bus`. ram : uint8 view of the RAM, AI RAM included.

    strict : an access nobody modelled is a DeviceError. The KPU's own strict mode is not meant: the
    chip maker's demos break its rule for the place of activation tables, and ran on chips.
    """

    def __init__(self, bus: Bus, clock: Clock, ram: np.ndarray, parts: Parts, hooks: Hooks,
                 *, strict: bool = False):
        self.bus, self.clock = bus, clock
        self._parts, self._hooks = parts, hooks
        self.pins = parts.pins
        self._serial = SerialPads(self.pins, parts.send, parts.receive)
        self._map_core(ram)
        self._map_simple()
        self._map_uarts()
        self._map_spi()
        self._map_camera()
        self._map_sound()
        self._map_engines()
        self._map_kpu(ram)
        for name, (base, size) in WINDOWS.items():
            bus.map_rest(base, size, Window(name))
        for device in bus.devices.values():
            device.where = hooks.pc
            device.strict = strict

    def _map_core(self, ram: np.ndarray) -> None:
        """Interrupts, serial port, DMA, clocks."""
        bus, hooks = self.bus, self._hooks
        self.clint = Clint(hooks.cycles, hooks.raise_interrupt, hooks.is_raised)
        bus.map(0x02000000, self.clint, pages=Clint.PAGES)
        self.plic = Plic(hooks.raise_interrupt)
        bus.map(0x0C000000, self.plic, pages=Plic.PAGES)
        bus.map(0x00000000, LowMemory())
        pads = self._serial
        self.uarths = Uarths(pads.sender(FUNC_UARTHS_TX), pads.receiver(FUNC_UARTHS_RX))
        bus.map(0x38000000, self.uarths)
        pads.units[FUNC_UARTHS_RX] = self.uarths
        self.uarths.irq = self.plic.line(IRQ_UARTHS)
        self.dmac = Dmac(ram, bus)
        bus.map(0x50000000, self.dmac)
        self.dmac.irqs = [self.plic.line(IRQ_DMA0 + n) for n in range(CHANNELS)]
        self.sysctl = Sysctl(hooks.clock_changed, hooks.reset, self._reset_device)
        bus.map(0x50440000, self.sysctl)

    def _map_simple(self) -> None:
        """Pins, timers and what has nothing connected."""
        bus, hooks, clock, sysctl = self.bus, self._hooks, self.clock, self.sysctl
        bus.map(0x502B0000, Fpioa(self.pins))
        gpiohs = Gpiohs(self.pins)
        bus.map(0x38001000, gpiohs)
        gpiohs.irqs = [self.plic.line(IRQ_GPIOHS0 + n) for n in range(N_GPIOHS)]
        gpio = Gpio(self.pins)
        bus.map(0x50200000, gpio)
        gpio.irq = self.plic.line(IRQ_GPIO)
        for n in range(3):
            timer = Timer(n, clock, functools.partial(sysctl.timer_hz, n))
            bus.map(0x502D0000 + 0x10000 * n, timer)
            timer.irqs = [self.plic.line(IRQ_TIMER0A + 2 * n + half) for half in range(2)]
            for channel in range(4):
                output = functools.partial(timer.level, channel)
                self.pins.sources[FUNC_TIMER0_TOGGLE1 + 4 * n + channel] = output
        for n in range(2):
            wdt = Wdt(n, clock, functools.partial(sysctl.wdt_hz, n),
                      functools.partial(hooks.reset, BY_WDT0 << n))  # fmt: skip
            bus.map(0x50400000 + 0x10000 * n, wdt)
            wdt.irq = self.plic.line(IRQ_WDT0 + n)
        rtc = Rtc(clock)
        bus.map(0x50460000, rtc)
        rtc.pulse = functools.partial(self.plic.pulse, IRQ_RTC)

    def _map_uarts(self) -> None:
        self.uarts = []
        for n in range(3):
            input_function = FUNC_UART1_RX + 2 * n
            uart = Uart(n + 1, self._serial.sender(input_function + 1),
                        self._serial.receiver(input_function), self.dmac.pump)  # fmt: skip
            self.bus.map(0x50210000 + 0x10000 * n, uart)
            uart.irq = self.plic.line(IRQ_UART1 + n)
            self._serial.units[input_function] = uart
            self.uarts.append(uart)

    def poll(self) -> None:
        """Take what the host has sent, and see whether there is a card; called now and then."""
        if self._sd is not None and self._sd.slot.inserted != (self._spi1.slave is self._sd):
            # an empty socket is left to the controller alone, which is faster
            self._spi1.slave = self._sd if self._sd.slot.inserted else Unconnected()
        self.uarths.poll()
        for n, uart in enumerate(self.uarts):
            if self.pins.functions[IN_PAD] == FUNC_UART1_RX + 2 * n:
                uart.poll()

    def _charge(self, number: int, spi: Spi) -> Callable[[int], None]:
        """For a slave of SPI0 or SPI1: lets so many clocks of the bus pass."""

        def charge(clocks: int) -> None:
            hz = max(1, self.sysctl.spi_hz(number) // spi.divider)
            self.clock.advance_ns(clocks * 1_000_000_000 // hz)

        return charge

    def _map_spi(self) -> None:
        bus, pump = self.bus, self.dmac.pump
        spi0 = Spi(0, on_change=pump)
        bus.map(0x52000000, spi0)
        if self._parts.panel is not None:
            spi0.slave = SpiLcd(self._parts.panel, self.pins, lambda: spi0.octal,
                                self._charge(0, spi0))  # fmt: skip
        self._spi1 = Spi(1, on_change=pump)
        bus.map(0x53000000, self._spi1)
        self._sd = None
        if hasattr(self._parts.card, "block_count"):
            self._sd = SpiSd(self.pins, self._parts.sd_select_pad, self._parts.card,
                             self._charge(1, self._spi1))  # fmt: skip
        self.flash_commands = NorCommands(self._parts.flash)
        bus.map(0x50240000, SpiSlave())
        spi3 = Spi(3, SpiFlash(self.flash_commands), on_change=pump)
        bus.map(0x54000000, spi3)
        for spi, source in ((spi0, IRQ_SPI0), (self._spi1, IRQ_SPI0 + 1), (spi3, IRQ_SPI3)):
            spi.irq = self.plic.line(source)

    def _map_camera(self) -> None:
        """DVP and the I2C controllers: the sensor's control pins may hang on any of them."""
        bus, sysctl = self.bus, self.sysctl
        self.dvp = Dvp(self.clock, self._parts.camera, self.dmac.memory, lambda: sysctl.apb1_hz)
        bus.map(0x50430000, self.dvp)
        self.dvp.irq = self.plic.line(IRQ_DVP)
        wires = Wires(self.pins)

        def find(number: int, address: int):
            return self.dvp.find(address) or wires.find(number, address)

        for n in range(3):
            i2c = I2c(n, self.clock, lambda n=n: sysctl.i2c_hz(n), functools.partial(find, n),
                      self.dmac.pump)  # fmt: skip
            wires.add(i2c)
            bus.map(0x50280000 + 0x10000 * n, i2c)
            i2c.irq = self.plic.line(IRQ_I2C0 + n)

    def _map_sound(self) -> None:
        for n in range(3):
            kind = I2s if n else I2sWithApu
            i2s = kind(n, self.clock, functools.partial(self.sysctl.i2s_hz, n), self.dmac.pump)
            self.bus.map(0x50250000 + 0x10000 * n, i2s)
            i2s.irq = self.plic.line(IRQ_I2S0 + n)

    def _map_engines(self) -> None:
        """What computes, and the fuses."""
        pump = self.dmac.pump
        memory = FftMemory()
        self.bus.map(0x42102000, memory)
        fft = Fft(memory, pump)
        fft.irq = self.plic.line(IRQ_FFT)
        self.bus.map(0x42000000, fft)
        self.bus.map(0x50450000, Aes(pump))
        self.bus.map(0x502C0000, Sha256())
        self.bus.map(0x50420000, Otp())

    def _map_kpu(self, ram: np.ndarray) -> None:
        ai_ram = AiRam()
        ai_ram.data = ram[AI_RAM_AT:]
        self.kpu = Kpu(self.clock, self._read_memory, self.plic.line(IRQ_KPU),
                       data_ready=self.dmac.pump, ram=ai_ram)  # fmt: skip
        self.bus.map(0x40800000, KpuRegisters(self.kpu))

    def _read_memory(self, address: int, count: int) -> bytes:
        data = self.dmac.memory(address, count)
        if data is None:
            raise DeviceError(f"KPU: no memory at 0x{address:08x}, {count} bytes")
        return data.tobytes()

    def _reset_device(self, name: str) -> None:
        """A device's bit in SYSCTL's peri_reset is set."""
        if name in self.bus.devices:
            self.bus.devices[name].reset()

    def reset(self) -> None:
        """Every device as after power-on; what is connected keeps its state, but for the flash's
        command in progress."""
        self.bus.reset()
        self.flash_commands.reset()
