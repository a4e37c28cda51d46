"""What the firmware keeps in /flash for its own start: the file system itself and `/freq.conf`.

Source: MaixPy-v1 v0.6.3 port/src/maixpy_main.c (format when mounting fails, texts, limits).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from k210sim.flash import spiffs_layout as spiffs
from k210sim.flash.spiffs import SpiffsVolume
from k210sim.flash.spiffs_layout import SpiffsFailure
from k210sim.heap.system import HEADER, SystemHeap
from k210sim.micropython.layout import AI_RAM_BASE
from k210sim.records import U8, U32, Bytes, Record

FREQ_CONF = "/freq.conf"
CRYSTAL = 26_000_000
CPU_DEFAULT, CPU_MIN, CPU_MAX = 400_000_000, 26_000_000, 600_000_000
PLL1_DEFAULT, PLL1_MIN, PLL1_MAX = 400_000_000, 26_000_000, 1_200_000_000
GC_HEAP_DEFAULT, GC_HEAP_FALLBACK = 512 * 1024, 128 * 1024
GC_HEAP_START = 0x802FFD80  # the first thing the standard image mallocs


class FreqConf(Record):
    """Content of `/freq.conf`: frequencies in Hz, divider, heap size in bytes (0: default)."""

    freq_cpu = U32(default=CPU_DEFAULT)
    freq_pll1 = U32(default=PLL1_DEFAULT)
    kpu_div = U8(default=1)
    padding = Bytes(3)
    gc_heap_size = U32(default=GC_HEAP_DEFAULT)


@dataclass(frozen=True)
class Rates:
    """Clock rates in hertz that the chip really runs at."""

    pll0: int
    pll1: int
    cpu: int
    kpu: int


def rates_of(conf: FreqConf) -> Rates:
    """What the PLLs make of the settings.

    The chip divides and multiplies its 26 MHz crystal. PLL0 runs at twice the CPU's rate; known
    are 800 -> 806 and 728 -> 728 MHz, for PLL1 400 -> 398.67 MHz. That the nearest multiple of
    26 MHz (PLL0) and of a third of it (PLL1) is taken fits these; it is a guess for others.
    """
    pll0 = max(round(2 * conf.freq_cpu / CRYSTAL), 1) * CRYSTAL
    pll1 = max(round(3 * conf.freq_pll1 / CRYSTAL), 1) * CRYSTAL // 3
    return Rates(pll0, pll1, pll0 // 2, pll1 // (conf.kpu_div or 1))


def open_flash_volume(flash, say: Callable[[str], None], on_sync=None) -> SpiffsVolume:
    """The volume at its place on the chip, mounted; formatted first when it cannot be.

    say : receives the lines of the boot log about it, with bare newlines
    """
    volume = SpiffsVolume(flash, on_sync=on_sync)
    try:
        volume.mount()
    except SpiffsFailure:
        say("[MAIXPY]:Spiffs Unmount.\n")
        say("[MAIXPY]:Spiffs Formating...\n")
        volume.format()
        say("[MAIXPY]:Spiffs Format successful \n")
        volume.mount()
        say("[MAIXPY]:Spiffs Mount successful \n")
    return volume


def save_freq_conf(volume: SpiffsVolume, conf: FreqConf) -> bool:
    """Write `/freq.conf`; False when there is no room or no free descriptor."""
    try:
        file = volume.open(FREQ_CONF, spiffs.O_WRONLY | spiffs.O_CREAT)
    except SpiffsFailure:
        return False
    try:
        file.write(conf.build())
        file.close()
    except SpiffsFailure:
        return False
    return True


def read_freq_conf(volume: SpiffsVolume) -> FreqConf | None:
    """`/freq.conf` as it is, or None when it is missing, empty or cannot be read.

    A short file is completed with defaults, since the firmware reads over a filled structure.
    """
    try:
        file = volume.open(FREQ_CONF, spiffs.O_RDONLY)
    except SpiffsFailure:
        return None
    try:
        data = file.read(FreqConf.SIZE)
    except SpiffsFailure:
        data = b""
    finally:
        file.close()
    return FreqConf.parse(data + FreqConf().build()[len(data) :]) if data else None


def load_freq_conf(volume: SpiffsVolume, say: Callable[[str], None], *,
                   create: bool = True) -> FreqConf:
    """The settings for a start, with the firmware's limits; a missing file is made (`create`)."""
    conf = read_freq_conf(volume)
    if conf is None:
        conf = FreqConf()
        try:
            volume.stat(FREQ_CONF)
        except SpiffsFailure:
            if create:
                save_freq_conf(volume, conf)
        else:
            say("maixpy can't load freq.conf\t\r\n")
        return conf
    conf.freq_cpu = min(max(conf.freq_cpu, CPU_MIN), CPU_MAX)
    conf.freq_pll1 = min(max(conf.freq_pll1, PLL1_MIN), PLL1_MAX)
    conf.kpu_div = conf.kpu_div or 1
    conf.gc_heap_size = conf.gc_heap_size or GC_HEAP_DEFAULT
    return conf


def make_system_heap() -> SystemHeap:
    """The C heap of the standard image, empty; the GC heap is the first block taken from it."""
    return SystemHeap(GC_HEAP_START - 2 * HEADER, AI_RAM_BASE)


def take_gc_heap(heap: SystemHeap, size: int, say: Callable[[str], None]) -> tuple[int, int]:
    """Address and size of the GC heap; a size without room becomes 128 KiB, with the lines the
    firmware prints then."""
    address = heap.malloc(size)
    if address:
        return address, size
    shown = size - (1 << 32) if size >> 31 else size  # printed as a signed number
    say("GC heap size %d is too large, reset GC heap size\r\n" % shown)
    size = GC_HEAP_FALLBACK
    address = heap.malloc(size)
    say("GC size 128k\r\n")
    return address, size


def power_on(vm, *, create: bool = True) -> None:
    """What the firmware settles before the heap exists: /flash, `/freq.conf`, rates, heap sizes.

    vm : a machine that was not started yet, with `raw_stdout` connected
    create : make a missing `/freq.conf`, as the board does
    """
    conf = FreqConf()
    flash = getattr(vm.board, "flash", None)
    if flash is not None:
        storage = getattr(vm.board, "storage", None)
        vm.flash_volume = open_flash_volume(
            flash, vm.printk, storage.commit if storage is not None else None
        )
        conf = load_freq_conf(vm.flash_volume, vm.printk, create=create)
    vm.rates = rates_of(conf)
    vm.system_heap = make_system_heap()
    vm.heap_start, vm.heap_size = take_gc_heap(vm.system_heap, conf.gc_heap_size, vm.printk)
