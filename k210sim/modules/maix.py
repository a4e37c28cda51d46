"""`Maix`: pins, clock rates, memory, settings, sound. It calls itself "machine".

Source: MaixPy-v1 v0.6.3 port/src/Maix/modMaix.c, Maix_utils.c, py_cpufreq.c, Maix_fft.c.
"""

from __future__ import annotations

import math

from k210sim.micropython import layout as L
from k210sim.micropython.native import Arg, GuestModule, GuestType, method
from k210sim.modules import maix_config, maix_pins, settings
from k210sim.modules.absent import absent_function, absent_type
from k210sim.modules.sound import AudioType

EIO = 5
FLASH_MASK = 0xFFFFFF
MHZ = 1_000_000
KPU_MIN, KPU_MAX = 26 * MHZ, 600 * MHZ
SAME_HZ = 20
RESET_DELAY_NS = 50_000_000

module = GuestModule("Maix", shown_name="machine")


def frequencies(vm) -> settings.Rates:
    """The clock rates the chip runs at, from power-on to the next reset."""
    return vm.rates


def _conf(vm) -> settings.FreqConf:
    volume = getattr(vm, "flash_volume", None)
    if volume is None:
        return settings.FreqConf()
    return settings.load_freq_conf(volume, vm.printk, create=False)


def _save(vm, conf: settings.FreqConf) -> bool:
    volume = getattr(vm, "flash_volume", None)
    return volume is not None and settings.save_freq_conf(volume, conf)


class UtilsType(GuestType):
    name = "utils"

    @method(0, 1)
    def gc_heap_size(vm, *size):
        """The size in `/freq.conf`; a new one takes effect with the next reset."""
        conf = _conf(vm)
        if not size:
            return vm.new_int(conf.gc_heap_size)
        conf.gc_heap_size = vm.get_int(size[0]) & 0xFFFFFFFF
        if not _save(vm, conf):
            raise vm.os_error(EIO)
        return L.NONE

    @method(0)
    def heap_free(vm):
        return vm.new_int(vm.system_heap.free_to_top)

    @method(2)
    def flash_read(vm, address, length):
        """Bytes of the flash chip; its 16 MiB repeat beyond their end."""
        n = vm.get_int(length)
        buffer = vm.malloc(n) if n >= 0 else 0
        if n < 0:
            raise vm.memory_error(n)
        at, data = vm.get_int(address) & FLASH_MASK, bytearray()
        while len(data) < n:
            part = min(n - len(data), FLASH_MASK + 1 - at)
            data += vm.board.flash.read(at, part)
            at = 0
        if buffer:
            vm.memory.write(buffer, data)
        return vm.new_bytes(bytes(data))

    constants = {"__name__": "utils"}


class FreqType(GuestType):
    name = "freq"

    @method(0, kw=True)
    def set(vm, args, kw):
        """New rates are saved and the chip is reset."""
        cpu, pll1, divider = vm.parse_args(args, kw, [
            Arg("cpu", "int", 0), Arg("pll1", "int", 0), Arg("kpu_div", "int", 0)])
        conf = _conf(vm)
        if cpu:
            conf.freq_cpu = cpu * MHZ & 0xFFFFFFFF
        if pll1:
            conf.freq_pll1 = pll1 * MHZ & 0xFFFFFFFF
        if divider & 0xFF:
            conf.kpu_div = divider & 0xFF
        kpu = conf.freq_pll1 // conf.kpu_div
        if not KPU_MIN <= kpu <= KPU_MAX:
            raise vm.error("OSError", "Unsupported KPU frequency!", formatted=False)
        if not settings.CPU_MIN <= conf.freq_cpu <= settings.CPU_MAX:
            raise vm.error("OSError", "Unsupported CPU frequency!", formatted=False)
        rates = frequencies(vm)
        if abs(conf.freq_cpu - rates.cpu) < SAME_HZ and abs(kpu - rates.kpu) < SAME_HZ:
            vm.write("No change\r\n")
            return L.NONE
        if not _save(vm, conf):
            vm.write("save config fail")
        vm.write("\r\nreboot now\r\n")
        vm.delay_ns(RESET_DELAY_NS)
        vm.board.system_reset()
        return L.TRUE

    @method(0)
    def get(vm):
        rates = frequencies(vm)
        return vm.new_tuple([vm.new_int(rates.cpu // MHZ), vm.new_int(rates.kpu // MHZ)])

    @method(0)
    def get_kpu(vm):
        return vm.new_int(frequencies(vm).kpu // MHZ)

    @method(0)
    def get_cpu(vm):
        return vm.new_int(frequencies(vm).cpu // MHZ)

    constants = {"__name__": "freq"}


class FftType(GuestType):
    """The transform itself is done by a unit whose rounding is not known; the two functions
    around it are plain arithmetic."""

    name = "FFT"

    @method(1, kw=True)
    def freq(vm, args, kw):
        points, rate = vm.parse_args(args, kw, [
            Arg("points", "int", 64), Arg("sample_rate", "int", 16000)])
        points, rate = points & 0xFFFFFFFF, rate & 0xFFFFFFFF
        if not points:
            return vm.new_list()
        result = vm.new_list()
        for i in range(points):
            vm.list_append(result, vm.new_int(rate // points * i & 0xFFFFFFFF))
        return result

    @method(1)
    def amplitude(vm, spectrum):
        if not vm.is_type(spectrum, "list"):
            raise vm.error("ValueError", "[MAIXPY]FFT:obj is not a list", formatted=False)
        result, points = vm.new_list(), vm.items_of(spectrum)
        for point in points:
            real, imaginary = (vm.get_int(w) & 0xFFFFFFFF for w in vm.get_array_fixed(point, 2))
            size = math.isqrt(real * real + imaginary * imaginary & 0xFFFFFFFF)
            vm.list_append(result, vm.new_int(2 * size // len(points)))
        return result

    constants = {"run": absent_function("Maix.FFT.run", 1)}


_I2S = absent_type(
    "I2S", "Maix", "init __deinit__ channel_config set_sample_rate record wait_record play", {
        "DEVICE_0": 0, "DEVICE_1": 1, "DEVICE_2": 2,
        "CHANNEL_0": 0, "CHANNEL_1": 1, "CHANNEL_2": 2, "CHANNEL_3": 3,
        "IGNORE_WORD_LENGTH": 0, "RESOLUTION_12_BIT": 1, "RESOLUTION_16_BIT": 2,
        "RESOLUTION_20_BIT": 3, "RESOLUTION_24_BIT": 4, "RESOLUTION_32_BIT": 5,
        "SCLK_CYCLES_16": 0, "SCLK_CYCLES_24": 1, "SCLK_CYCLES_32": 2,
        "TRANSMITTER": 0, "RECEIVER": 1,
        "STANDARD_MODE": 1, "RIGHT_JUSTIFYING_MODE": 2, "LEFT_JUSTIFYING_MODE": 4,
    })  # fmt: skip
_MIC_ARRAY = absent_type("MIC_ARRAY", "Maix", "init deinit get_dir set_led get_map")

module.add_type(maix_pins.FpioaType)
module.add_type(maix_pins.GpioType, "GPIO")
module.add_type(_I2S)
module.add_type(AudioType)
module.add_type(FftType)
module.add_type(_MIC_ARRAY)
module.add_type(FreqType)
module.add_type(UtilsType)
module.add_type(maix_config.ConfigType)


@module.init
def _start(vm):
    maix_pins.start(vm)
    maix_config.start(vm)
    if not hasattr(vm, "rates"):
        vm.rates = settings.rates_of(_conf(vm))
