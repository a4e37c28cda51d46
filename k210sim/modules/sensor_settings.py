"""The `sensor` module's settings of the picture, and the chip's registers.

Gain, exposure and white balance are not simulated: settings are taken as the chip's driver takes
them and change nothing, what would be read back raises NotSimulated.
"""

from __future__ import annotations

from k210sim.errors import NotSimulated
from k210sim.micropython import layout as L
from k210sim.micropython.native import GuestModule
from k210sim.modules.sensor_driver import State, camera_of, keyword, note, value_error

settings = GuestModule("sensor")  # merged into the module

# Levels (least, greatest) that a chip's driver takes; not listed: every level.
_LEVELS = {
    "brightness": {"ov2640": (-3, 2), "ov7740": (-4, 4)},
    "contrast": {"ov2640": (-3, 2), "gc0328": (-2, 3), "ov7740": (-4, 4)},
    "saturation": {"ov2640": (-3, 2), "gc0328": (-2, 3), "ov7740": (-4, 4)},
}
_OV7740_RATES = (15, 25, 30, 60)


# --- settings -------------------------------------------------------------------------------------
def _level(what: str):
    def setter(vm, level):
        level = vm.get_int(level)
        chip = vm.sensor.chip
        least, greatest = _LEVELS[what].get(chip, (level, level))
        if not chip or not least <= level <= greatest:
            return L.FALSE
        note(vm, "set_" + what)
        return L.TRUE

    settings.function(1, name="set_" + what)(setter)


for _what in _LEVELS:
    _level(_what)


@settings.function(1)
def set_framerate(vm, rate):
    rate = vm.get_int(rate)
    if rate not in (2, 8, 15, 25, 30, 60):
        raise value_error(vm, "Invalid framerate")
    chip = vm.sensor.chip
    if chip in ("", "ov2640") or (chip == "ov7740" and rate not in _OV7740_RATES):
        raise value_error(vm, "Fail")
    if chip == "ov7740":
        camera_of(vm).set_rate(rate)


@settings.function(1)
def set_gainceiling(vm, gain):
    if vm.get_int(gain) not in (2, 4, 8, 16, 32, 64, 128):
        raise value_error(vm, "Invalid gainceiling")
    if not vm.sensor.chip:
        return L.FALSE
    note(vm, "set_gainceiling")
    return L.TRUE


@settings.function(1)
def set_colorbar(vm, on):
    on, chip = vm.is_true(on), vm.sensor.chip
    if chip in ("ov2640", "ov7740"):
        camera_of(vm).colour_bar = on
    return vm.new_bool(chip)


@settings.function(1)
def set_special_effect(vm, effect):
    effect, chip = vm.get_int(effect), vm.sensor.chip
    if chip == "ov7740" and effect == 1:
        raise NotSimulated("sensor.set_special_effect", "the negative picture")
    return vm.new_bool(chip == "ov5640" or (chip == "ov7740" and effect == 0))


@settings.function(3)
def set_lens_correction(vm, on, radius, coefficient):
    vm.get_int(radius), vm.get_int(coefficient)
    return vm.new_bool(vm.sensor.chip == "ov5640")


def _control(vm):
    """ValueError unless a sensor is there to take the setting."""
    if not vm.sensor.chip:
        raise value_error(vm, "Sensor control failed!")


@settings.function(1, kw=True)
def set_auto_gain(vm, args, kw):
    vm.get_int(args[0])
    for i, name in ((1, "gain_db"), (2, "gain_db_ceiling")):
        word = keyword(vm, kw, name) or (args[i] if len(args) > i else 0)
        if word:
            vm.get_float(word)
    _control(vm)
    note(vm, "set_auto_gain")


@settings.function(1, kw=True)
def set_auto_exposure(vm, args, kw):
    word = keyword(vm, kw, "exposure_us") or (args[1] if len(args) > 1 else 0)
    if word:
        vm.get_int(word)
    vm.get_int(args[0])
    _control(vm)
    note(vm, "set_auto_exposure")


@settings.function(1, kw=True)
def set_auto_whitebal(vm, args, kw):
    vm.get_int(args[0])
    word = keyword(vm, kw, "rgb_gain_db") or (args[1] if len(args) > 1 else 0)
    if word:
        for item in vm.get_array_fixed(word, 3):
            vm.get_float(item)
    _control(vm)
    note(vm, "set_auto_whitebal")


@settings.function(0)
def get_gain_db(vm):
    _control(vm)
    raise NotSimulated("sensor.get_gain_db")


@settings.function(0)
def get_exposure_us(vm):
    _control(vm)
    raise NotSimulated("sensor.get_exposure_us")


@settings.function(0)
def get_rgb_gain_db(vm):
    """Only the OV7740's driver reads something; the others leave three zeros."""
    _control(vm)
    if vm.sensor.chip == "ov7740":
        raise NotSimulated("sensor.get_rgb_gain_db")
    return vm.new_tuple([vm.new_float(0.0) for _ in range(3)])


@settings.function(1)
def set_hmirror(vm, on):
    on = vm.is_true(on)
    _control(vm)
    camera_of(vm).hmirror = on


@settings.function(1)
def set_vflip(vm, on):
    on = vm.is_true(on)
    _control(vm)
    camera_of(vm).vflip = on


@settings.function(1)
def set_jb_quality(vm, quality):
    if not vm.is_int(quality):
        raise value_error(vm, "must be int")


# --- raw registers --------------------------------------------------------------------------------
@settings.function(2)
def __write_reg(vm, address, value):
    address, value = vm.get_int(address) & 0xFF, vm.get_int(value) & 0xFF
    if not vm.sensor.chip:
        vm.write("[MAIXPY]: Operation not supported.")
        return
    vm.sensor.registers[_register(vm.sensor, address)] = value
    note(vm, "__write_reg")


@settings.function(1)
def __read_reg(vm, address):
    address = vm.get_int(address) & 0xFF
    if not vm.sensor.chip:
        vm.write("[MAIXPY]: Operation not supported.")
        return vm.new_int(-1)
    value = vm.sensor.registers.get(_register(vm.sensor, address))
    if value is None:
        raise NotSimulated(f"sensor.__read_reg(0x{address:02x})", "it was never written")
    return vm.new_int(value)


_BANK = {"ov2640": 0xFF, "gc0328": 0xFE}  # the register that chooses among banks


def _register(state: State, address: int) -> int:
    """A register's number with its bank above it."""
    selector = _BANK.get(state.chip)
    bank = state.registers.get(selector, 0) if selector not in (None, address) else 0
    return bank << 8 | address
